/* vnet/token.h - what `invite` prints and `join` reads: everything a newcomer needs, in one line, a secret.
 *
 * "ringlet1", then base64url (RFC 4648 section 5, no padding, one spelling per value) of MessagePack
 *   [version 1, overlay name, overlay key(32), epoch, authority pk(32), issuer chain (NETWORK, INVITE), invite seed(32),
 *    [seeds], created_s]
 * followed by the first 8 bytes of BLAKE2b-256 of it all: a damaged token is told from a foreign one.
 *
 * Units: *_s are calendar seconds. Owns: nothing; a token is a secret, token_wipe it.
 * Errors: ERR_MALFORMED (damaged), ERR_UNSUPPORTED (newer version), ERR_CRYPTO / ERR_DENIED (chain does not verify, or is not
 * this seed's), ERR_EXPIRED. */
#pragma once
#include "overlay/cert.h"
#include "overlay/handshake.h"

#define TOKEN_SEEDS_MAX 8
#define TOKEN_SEED_TEXT 80 /* HOST:PORT */
#define TOKEN_TEXT      3072
struct token {
    struct overlay_key overlay;
    uint8_t authority_pk[32];
    uint8_t chain[CHAIN_BYTES]; /* NETWORK, INVITE */
    size_t chain_len;
    uint8_t invite_seed[32]; /* Ed25519 seed of the invite's key: secret */
    char seeds[TOKEN_SEEDS_MAX][TOKEN_SEED_TEXT];
    uint32_t seed_count;
    uint64_t created_s;
};
size_t token_encode(const struct token *t, const struct crypto *c,
                    char out[TOKEN_TEXT]); /* 0: too long */
MUST_CHECK enum err token_decode(struct token *out, const struct crypto *c, const char *text,
                                 size_t len);
/* Verify the chain and say what it invites to. */
MUST_CHECK enum err token_check(const struct token *t, const struct crypto *c, uint64_t now_s,
                                struct membership *net, struct cert *invite);
/* Self-issue: a NODE certificate for `id` with `host` (may be empty if the invite fixes one), slot chosen 0..uses-1 from
 * `r`, good from now_s until the network's certificate ends; writes the whole chain, verified as others will.
 * ERR_EXHAUSTED: uses is 0. ERR_EXPIRED: the time to join is over. ERR_INVALID: no host name, or not a DNS label.
 * ERR_DENIED: the invite fixes another host name. */
MUST_CHECK enum err token_issue(const struct token *t, const struct crypto *c, struct rng *r,
                                const struct id *id, const char *host, uint64_t now_s,
                                uint8_t chain[CHAIN_BYTES], size_t *chain_len);
/* The same with this slot of the invite, which another node may hold. ERR_EXHAUSTED: there is none of that number. */
MUST_CHECK enum err token_issue_slot(const struct token *t, const struct crypto *c, struct rng *r,
                                     const struct id *id, const char *host, uint32_t slot,
                                     uint64_t now_s, uint8_t chain[CHAIN_BYTES], size_t *chain_len);
void token_wipe(struct token *t);
