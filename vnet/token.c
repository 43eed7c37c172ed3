#include "vnet/token.h"

#include "base/pack.h"
#include <string.h>

#define VERSION     1
#define PLACES      9
#define PREFIX      "ringlet1"
#define PREFIX_LEN  (sizeof PREFIX - 1)
#define CHECKSUM    8u
#define TOKEN_BYTES ((TOKEN_TEXT - PREFIX_LEN - 1) / 4 * 3) /* before base64url */

static void checksum(uint8_t out[CHECKSUM], const struct crypto *c, const uint8_t *p, size_t len)
{
    uint8_t hash[32];
    c->hash(hash, sizeof hash, p, len, NULL, 0);
    memcpy(out, hash, CHECKSUM);
}

/* --- base64url without padding, RFC 4648 section 5; one spelling per value --- */

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

static size_t base64_write(char *out, const uint8_t *p, size_t len)
{
    size_t n = 0;
    uint32_t bits = 0, have = 0;
    for (size_t i = 0; i < len; i++) {
        bits = bits << 8 | p[i];
        for (have += 8; have >= 6; have -= 6) out[n++] = alphabet[bits >> (have - 6) & 63];
    }
    if (have > 0) out[n++] = alphabet[bits << (6 - have) & 63];
    return n;
}

static bool base64_read(uint8_t *out, size_t max, size_t *out_len, const char *text, size_t len)
{
    size_t n = 0;
    uint32_t bits = 0, have = 0;
    for (size_t i = 0; i < len; i++) {
        const char *at = text[i] ? strchr(alphabet, text[i]) : NULL;
        if (!at) return false;
        bits = bits << 6 | (uint32_t)(at - alphabet);
        have += 6;
        if (have < 8) continue;
        have -= 8;
        if (n == max) return false;
        out[n++] = (uint8_t)(bits >> have);
    }
    *out_len = n;
    return have < 6 && (bits & ((1u << have) - 1)) == 0;
}

/* --- the body --- */

static size_t body_write(uint8_t *out, size_t max, const struct token *t)
{
    struct pack k = pack_of(out, max);
    pack_array(&k, PLACES);
    pack_uint(&k, VERSION);
    pack_str(&k, t->overlay.name, strnlen(t->overlay.name, sizeof t->overlay.name));
    pack_bin(&k, t->overlay.key, 32);
    pack_uint(&k, t->overlay.epoch);
    pack_bin(&k, t->authority_pk, 32);
    pack_bin(&k, t->chain, t->chain_len);
    pack_bin(&k, t->invite_seed, 32);
    pack_array(&k, t->seed_count);
    for (uint32_t i = 0; i < t->seed_count; i++)
        pack_str(&k, t->seeds[i], strnlen(t->seeds[i], TOKEN_SEED_TEXT));
    pack_uint(&k, t->created_s);
    return k.bad ? 0 : k.len;
}

/* A string of 1 to max - 1 bytes, as a C string. */
static bool text_read(struct unpack *u, char *out, size_t max)
{
    struct span s = unpack_str(u, max - 1);
    if (u->bad || s.len == 0) return false;
    memcpy(out, s.p, s.len);
    out[s.len] = 0;
    return true;
}

static enum err body_read(struct token *t, const uint8_t *p, size_t len)
{
    struct unpack u = unpack_of(p, len);
    uint32_t places = unpack_array(&u, 1, 64);
    uint64_t version = unpack_uint(&u, UINT32_MAX);
    if (u.bad || version == 0) return ERR_MALFORMED;
    if (version != VERSION) return ERR_UNSUPPORTED;
    if (places != PLACES) return ERR_MALFORMED;
    if (!text_read(&u, t->overlay.name, sizeof t->overlay.name)) return ERR_MALFORMED;
    unpack_copy(&u, t->overlay.key, 32);
    t->overlay.epoch = (uint32_t)unpack_uint(&u, UINT32_MAX);
    unpack_copy(&u, t->authority_pk, 32);
    struct span chain = unpack_bin(&u, 1, CHAIN_BYTES);
    unpack_copy(&u, t->invite_seed, 32);
    t->seed_count = unpack_array(&u, 0, TOKEN_SEEDS_MAX);
    if (u.bad) return ERR_MALFORMED;
    memcpy(t->chain, chain.p, chain.len);
    t->chain_len = chain.len;
    for (uint32_t i = 0; i < t->seed_count; i++)
        if (!text_read(&u, t->seeds[i], TOKEN_SEED_TEXT)) return ERR_MALFORMED;
    t->created_s = unpack_uint(&u, UINT64_MAX);
    return unpack_done(&u) ? OK : ERR_MALFORMED;
}

size_t token_encode(const struct token *t, const struct crypto *c, char out[TOKEN_TEXT])
{
    ensure(t->seed_count <= TOKEN_SEEDS_MAX && t->chain_len <= CHAIN_BYTES);
    uint8_t body[TOKEN_BYTES];
    size_t len = body_write(body, sizeof body - CHECKSUM, t), n = 0;
    if (len > 0) {
        checksum(body + len, c, body, len);
        memcpy(out, PREFIX, PREFIX_LEN);
        n = PREFIX_LEN + base64_write(out + PREFIX_LEN, body, len + CHECKSUM);
        ensure(n < TOKEN_TEXT);
        out[n] = 0;
    }
    crypto_wipe(body, sizeof body);
    return n;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* "ringlet" and a higher number than ours: what follows may be anything. */
static bool of_later_version(const char *text, size_t len)
{
    size_t word = PREFIX_LEN - 1; /* without the number */
    return len >= PREFIX_LEN && memcmp(text, PREFIX, word) == 0 && text[word] > PREFIX[word] &&
           text[word] <= '9';
}

enum err token_decode(struct token *out, const struct crypto *c, const char *text, size_t len)
{
    for (; len > 0 && is_space(text[0]); len--) text++;
    for (; len > 0 && is_space(text[len - 1]); len--) {}
    memset(out, 0, sizeof *out);
    if (of_later_version(text, len)) return ERR_UNSUPPORTED;
    if (len < PREFIX_LEN || memcmp(text, PREFIX, PREFIX_LEN) != 0) return ERR_MALFORMED;
    uint8_t body[TOKEN_BYTES], check[CHECKSUM];
    size_t size = 0;
    enum err e = ERR_MALFORMED;
    if (!base64_read(body, sizeof body, &size, text + PREFIX_LEN, len - PREFIX_LEN)) goto out;
    if (size <= CHECKSUM) goto out;
    size -= CHECKSUM;
    checksum(check, c, body, size);
    if (memcmp(check, body + size, CHECKSUM) != 0) goto out;
    e = body_read(out, body, size);
out:
    crypto_wipe(body, sizeof body);
    if (e) crypto_wipe(out, sizeof *out);
    return e;
}

void token_wipe(struct token *t)
{
    crypto_wipe(t, sizeof *t);
}

/* --- what it is good for --- */

static struct span token_chain(const struct token *t)
{
    return (struct span){.p = t->chain, .len = t->chain_len};
}

enum err token_check(const struct token *t, const struct crypto *c, uint64_t now_s,
                     struct membership *net, struct cert *invite)
{
    enum err e = chain_verify_issuer(token_chain(t), c, t->authority_pk, now_s, net, invite);
    if (e) return e;
    if (invite->kind != CERT_INVITE) return ERR_DENIED;
    uint8_t pk[32];
    c->ed25519_public(pk, t->invite_seed);
    return memcmp(pk, invite->key, sizeof pk) == 0 ? OK : ERR_CRYPTO;
}

/* The host name: the invite's if it fixes one, else the joiner's. */
static enum err host_choose(struct name_text *out, const struct cert *invite, const char *host)
{
    size_t len = strnlen(host, CERT_NAME_MAX + 1);
    if (invite->name.s[0]) {
        *out = invite->name;
        return len == 0 || strcmp(host, invite->name.s) == 0 ? OK : ERR_DENIED;
    }
    if (!name_valid(host, len)) return ERR_INVALID;
    memcpy(out->s, host, len + 1);
    return OK;
}

/* What the joiner certifies to itself: no more than the invite has, as long as the network lasts. */
static enum err node_cert(struct cert *out, const struct cert *network, const struct cert *invite,
                          struct rng *r, const struct id *id, const char *host, uint32_t slot,
                          uint64_t now_s)
{
    if (slot >= invite->uses) return ERR_EXHAUSTED;
    if (now_s > invite->expires_s) return ERR_EXPIRED;
    *out = (struct cert){.kind = CERT_NODE, .id = *id, .ipv4 = invite->ipv4};
    enum err e = host_choose(&out->name, invite, host);
    if (e) return e;
    rng_bytes(r, out->serial, sizeof out->serial);
    out->slot = slot;
    out->not_before_s = now_s;
    out->expires_s = network->expires_s;
    memcpy(out->groups, invite->groups, sizeof out->groups);
    out->group_count = invite->group_count;
    return OK;
}

enum err token_issue(const struct token *t, const struct crypto *c, struct rng *r,
                     const struct id *id, const char *host, uint64_t now_s,
                     uint8_t chain[CHAIN_BYTES], size_t *chain_len)
{
    struct membership is;
    struct cert invite;
    enum err e = token_check(t, c, now_s, &is, &invite);
    if (!e && invite.uses == 0) e = ERR_EXHAUSTED;
    uint32_t slot = e ? 0 : (uint32_t)rng_below(r, invite.uses);
    return e ? e : token_issue_slot(t, c, r, id, host, slot, now_s, chain, chain_len);
}

enum err token_issue_slot(const struct token *t, const struct crypto *c, struct rng *r,
                          const struct id *id, const char *host, uint32_t slot, uint64_t now_s,
                          uint8_t chain[CHAIN_BYTES], size_t *chain_len)
{
    struct membership is;
    struct span certs[CHAIN_MAX];
    struct cert network, invite, node;
    uint32_t count;
    enum err e = token_check(t, c, now_s, &is, &invite);
    if (!e) e = chain_split(token_chain(t), certs, &count);
    if (!e && count != 2) e = ERR_MALFORMED;
    if (!e) e = cert_decode(certs[0], &network);
    if (!e) e = node_cert(&node, &network, &invite, r, id, host, slot, now_s);
    if (e) return e;
    uint8_t own[CHAIN_BYTES];
    size_t len = cert_sign(own, sizeof own, c, &node, t->invite_seed, invite.key);
    if (len == 0) return ERR_FULL;
    certs[2] = (struct span){.p = own, .len = len};
    *chain_len = chain_write(chain, CHAIN_BYTES, certs, 3);
    if (*chain_len == 0) return ERR_FULL;
    struct span whole = {.p = chain, .len = *chain_len};
    return chain_verify(whole, c, t->authority_pk, id, now_s, &is); /* as everybody else will */
}
