/* overlay/handshake.h - Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b, pure: bytes in, bytes and keys out.
 *
 * noise_* is the pattern exactly as in the Noise specification, revision 34 (checked against the published vector);
 * handshake_* puts our headers, payloads and mac1 around it (docs/wire.md, Handshake). It decides nothing about who is welcome:
 * it proves which keys the other end holds. Order for a responder: knock (overlay/knock.h), then HELLO1, HELLO2, HELLO3.
 *
 *   initiator: NEW -> hello1 sent -> hello2 read (keys of the peer known: check its id now) -> hello3 sent -> split
 *   responder: NEW -> hello1 read -> hello2 sent -> hello3 read (keys known, chain in hand) -> split
 *
 * Source: noiseprotocol.org rev 34, sections 5, 7.3, 9. Owns: nothing. Wipe with handshake_wipe.
 * Errors: ERR_MALFORMED, ERR_CRYPTO, ERR_UNSUPPORTED (no common AEAD, another version), ERR_DENIED (another id). After an
 * error of noise_* or of a write the state is to be wiped. A message refused by hello*_read changes nothing: whoever knows
 * the overlay key could else end other people's handshakes; go on waiting for the right one.
 * Cost: 3 DH each side; sizeof(struct handshake) < 600 bytes. */
#pragma once
#include "base/crypto.h"
#include "base/endpoint.h"
#include "base/err.h"
#include "overlay/identity.h"
#include "overlay/wire.h"

struct noise { /* symmetric state and keys; spec names in comments */
    uint8_t ck[64], h[64], k[32];
    uint64_t n;
    bool has_key;
    uint8_t e_sk[32], e_pk[32], re[32], rs[32];
    uint8_t psk[32];
};
/* The raw pattern, for the vector test and for handshake_*. message: 1..3. Payload may be empty. */
void noise_init(struct noise *n, const struct crypto *c, const void *prologue, size_t prologue_len,
                const uint8_t psk[32]);
/* e_sk: 32 fresh random bytes, used in message 1 (initiator) and 2 (responder). Returns bytes written, 0 on failure. */
size_t noise_write(struct noise *n, const struct crypto *c, int message, const uint8_t s_sk[32],
                   const uint8_t s_pk[32], const uint8_t e_sk[32], const void *payload, size_t len,
                   uint8_t *out, size_t max);
MUST_CHECK enum err noise_read(struct noise *n, const struct crypto *c, int message,
                               const uint8_t s_sk[32], const uint8_t s_pk[32], const uint8_t *in,
                               size_t len, uint8_t *payload, size_t *payload_len);
/* k1: initiator to responder, k2: the other way. */
void noise_split(const struct noise *n, const struct crypto *c, uint8_t k1[32], uint8_t k2[32]);

/* What both ends of all handshakes of one overlay share. */
struct overlay_key {
    uint8_t key[32]; /* of the current epoch */
    uint32_t epoch;
    char name[64]; /* overlay name, in the prologue */
};
/* What one end says of itself. */
struct hello_info {
    uint32_t capabilities; /* AEAD bits (enum aead) and CAP_* */
    uint16_t mtu_bytes;    /* largest datagram it takes */
    struct id via;         /* HELLO1: answer through this node, if not zero (decision 0006) */
    struct id
        place; /* HELLO1: the sender seeks its place, next to this id; zero: it does not say */
    struct endpoint observed; /* where it saw the other end; none when routed */
    uint8_t ed_pk[32];
    uint8_t aead; /* HELLO2: the responder's choice */
};
#define CAP_RELAY      0x100u /* forwards for others */
#define CAP_CONTROLLED 0x200u
#define CAP_TCP                                                                                    \
    0x400u /* can also carry datagrams over TCP; of ourselves only: a seed silent on UDP is tried so */

struct handshake {
    struct noise noise;
    uint32_t local_index, remote_index;
    struct id expect; /* the id we want to reach; zero: whoever is at that endpoint (a seed) */
    bool initiator;
    uint8_t stage;    /* messages done: 0..3 */
    uint8_t aead;     /* chosen */
    uint32_t offered; /* initiator: the capabilities in its HELLO1 */
    struct hello_info peer;
    struct id peer_id; /* proven after HELLO2 (initiator), HELLO3 (responder) */
    uint8_t peer_x_pk[32];
};
_Static_assert(sizeof(struct handshake) < 600, "256 of them are half open at most");
struct session_keys {
    uint8_t tx[32], rx[32];
    uint8_t aead;
    uint32_t local_index, remote_index;
    bool initiator;
};
void handshake_init(struct handshake *h, const struct crypto *c, const struct overlay_key *ok,
                    bool initiator, uint32_t local_index);
void handshake_wipe(struct handshake *h);
/* Initiator. `fresh`: 32 random bytes for the ephemeral. mac2 stays zero; mac2_write (overlay/knock.h) fills it. out: HELLO1_SIZE. */
void hello1_write(struct handshake *h, const struct crypto *c, const struct overlay_key *ok,
                  const struct hello_info *own, const uint8_t fresh[32], uint8_t out[HELLO1_SIZE]);
/* Responder, after knock_check said yes. Gives the initiator's index and capabilities. */
MUST_CHECK enum err hello1_read(struct handshake *h, const struct crypto *c, const uint8_t *in,
                                size_t len);
/* Responder. Chooses the AEAD from both capabilities. ERR_UNSUPPORTED: none in common. */
MUST_CHECK enum err hello2_write(struct handshake *h, const struct crypto *c,
                                 const struct overlay_key *ok, const struct identity *self,
                                 const struct hello_info *own, const uint8_t fresh[32],
                                 uint8_t out[HELLO2_SIZE]);
/* Initiator. Checks mac1 first. On OK peer_id is proven; ERR_DENIED: it is not `expect` (a stolen id, or somebody else at that endpoint). */
MUST_CHECK enum err hello2_read(struct handshake *h, const struct crypto *c,
                                const struct overlay_key *ok, const struct identity *self,
                                const uint8_t *in, size_t len);
/* Initiator. chain: own certificate chain. Returns its length; 0: does not fit. */
size_t hello3_write(struct handshake *h, const struct crypto *c, const struct overlay_key *ok,
                    const struct identity *self, const struct hello_info *own, const void *chain,
                    size_t chain_len, uint8_t out[HELLO3_MAX]);
/* Responder. Checks mac1 first. On OK peer_id is proven and chain (copied into `chain`, at most CHAIN_BYTES) is to be verified next. */
MUST_CHECK enum err hello3_read(struct handshake *h, const struct crypto *c,
                                const struct overlay_key *ok, const struct identity *self,
                                const uint8_t *in, size_t len, uint8_t *chain, size_t *chain_len);
void handshake_keys(const struct handshake *h, const struct crypto *c,
                    struct session_keys *out); /* after stage 3 */
/* Cheap look without any state: sender and receiver index of a HELLO or COOKIE (0 where it has none); false if too short
 * or something else. */
bool hello_indices(const uint8_t *in, size_t len, uint32_t *sender, uint32_t *receiver);
