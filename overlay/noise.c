/* Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b, revision 34: the raw pattern. Names in quotes are the specification's.
 *
 *   -> e                 message 1
 *   <- e, ee, s, es      message 2
 *   -> s, se, psk        message 3
 *
 * As in every pattern with a psk, "e" is also mixed into the key (section 9.2), so each payload is sealed. */
#include "base/bytes.h"
#include "overlay/handshake.h"
#include <string.h>

#define PROTOCOL "Noise_XXpsk3_25519_ChaChaPoly_BLAKE2b"

/* HKDF of section 4.3; out3 may be NULL. */
static void hkdf(const struct crypto *c, const uint8_t ck[64], const void *input, size_t len,
                 uint8_t out1[64], uint8_t out2[64], uint8_t out3[64])
{
    uint8_t temp[64], first[64], number = 1;
    c->hmac512(temp, ck, 64, input, len, NULL, 0);
    c->hmac512(first, temp, 64, &number, 1, NULL, 0);
    number = 2;
    c->hmac512(out2, temp, 64, first, 64, &number, 1);
    number = 3;
    if (out3) c->hmac512(out3, temp, 64, out2, 64, &number, 1);
    memcpy(out1, first, 64);
    crypto_wipe(temp, sizeof temp);
    crypto_wipe(first, sizeof first);
}

static void set_key(struct noise *n,
                    const uint8_t key[64]) /* "InitializeKey", truncated to 32 bytes */
{
    memcpy(n->k, key, 32);
    n->n = 0;
    n->has_key = true;
}

static void mix_hash(struct noise *n, const struct crypto *c, const void *data,
                     size_t len) /* "MixHash" */
{
    uint8_t h[64];
    c->hash512(h, n->h, 64, data, len);
    memcpy(n->h, h, 64);
}

static void mix_key(struct noise *n, const struct crypto *c, const uint8_t input[32]) /* "MixKey" */
{
    uint8_t key[64];
    hkdf(c, n->ck, input, 32, n->ck, key, NULL);
    set_key(n, key);
    crypto_wipe(key, sizeof key);
}

static void mix_psk(struct noise *n, const struct crypto *c) /* "psk": MixKeyAndHash(psk) */
{
    uint8_t hash[64], key[64];
    hkdf(c, n->ck, n->psk, 32, n->ck, hash, key);
    mix_hash(n, c, hash, 64);
    set_key(n, key);
    crypto_wipe(hash, sizeof hash);
    crypto_wipe(key, sizeof key);
}

/* The tokens ee, es, se: MixKey(DH()). False: the result would be all zero (section 12.1 lets us refuse it). */
static bool mix_dh(struct noise *n, const struct crypto *c, const uint8_t sk[32],
                   const uint8_t pk[32], const uint8_t peer_pk[32])
{
    uint8_t shared[32];
    bool good = c->x25519(shared, sk, pk, peer_pk);
    if (good) mix_key(n, c, shared);
    crypto_wipe(shared, sizeof shared);
    return good;
}

static void nonce_of(uint8_t out[12], uint64_t n) /* section 12.3 */
{
    memset(out, 0, 4);
    for (unsigned i = 0; i < 8; i++) out[4 + i] = (uint8_t)(n >> 8 * i);
}

/* "EncryptAndHash": len + 16 bytes to w. */
static void put_sealed(struct noise *n, const struct crypto *c, struct writer *w, const void *in,
                       size_t len)
{
    uint8_t nonce[12], *out = write_space(w, len + CRYPTO_TAG);
    if (!out) return;
    ensure(n->has_key);
    nonce_of(nonce, n->n++);
    c->seal(AEAD_CHACHA20_POLY1305, out, in, len, n->h, 64, nonce, n->k);
    mix_hash(n, c, out, len + CRYPTO_TAG);
}

/* "DecryptAndHash": len bytes to out. */
static bool take_sealed(struct noise *n, const struct crypto *c, struct reader *r, uint8_t *out,
                        size_t len)
{
    const uint8_t *in = read_bytes(r, len + CRYPTO_TAG);
    uint8_t nonce[12], h[64];
    if (!in) return false;
    ensure(n->has_key);
    nonce_of(nonce, n->n++);
    c->hash512(h, n->h, 64, in, len + CRYPTO_TAG); /* before opening: out may lie over in */
    if (!c->open(AEAD_CHACHA20_POLY1305, out, in, len + CRYPTO_TAG, n->h, 64, nonce, n->k))
        return false;
    memcpy(n->h, h, 64);
    return true;
}

static void put_e(struct noise *n, const struct crypto *c, struct writer *w, const uint8_t e_sk[32])
{
    memcpy(n->e_sk, e_sk, 32);
    c->x25519_ephemeral(n->e_pk, n->e_sk);
    write_bytes(w, n->e_pk, 32);
    mix_hash(n, c, n->e_pk, 32);
    mix_key(n, c, n->e_pk);
}

static bool take_e(struct noise *n, const struct crypto *c, struct reader *r)
{
    read_copy(r, n->re, 32);
    if (r->bad) return false;
    mix_hash(n, c, n->re, 32);
    mix_key(n, c, n->re);
    return true;
}

void noise_init(struct noise *n, const struct crypto *c, const void *prologue, size_t prologue_len,
                const uint8_t psk[32])
{
    _Static_assert(sizeof PROTOCOL - 1 <= 64, "else it would be hashed (section 5.2)");
    memset(n, 0, sizeof *n);
    memcpy(n->h, PROTOCOL, sizeof PROTOCOL - 1);
    memcpy(n->ck, n->h, 64);
    memcpy(n->psk, psk, 32);
    mix_hash(n, c, prologue, prologue_len);
}

size_t noise_write(struct noise *n, const struct crypto *c, int message, const uint8_t s_sk[32],
                   const uint8_t s_pk[32], const uint8_t e_sk[32], const void *payload, size_t len,
                   uint8_t *out, size_t max)
{
    struct writer w = writer_of(out, max);
    bool good = true;
    switch (message) {
    case 1: put_e(n, c, &w, e_sk); break;
    case 2:
        put_e(n, c, &w, e_sk);
        good = mix_dh(n, c, n->e_sk, n->e_pk, n->re);
        put_sealed(n, c, &w, s_pk, 32);
        good = good && mix_dh(n, c, s_sk, s_pk, n->re);
        break;
    case 3:
        put_sealed(n, c, &w, s_pk, 32);
        good = mix_dh(n, c, s_sk, s_pk, n->re);
        mix_psk(n, c);
        break;
    default: ensure(message >= 1 && message <= 3);
    }
    if (!good) return 0;
    put_sealed(n, c, &w, payload, len);
    return w.bad ? 0 : w.len;
}

enum err noise_read(struct noise *n, const struct crypto *c, int message, const uint8_t s_sk[32],
                    const uint8_t s_pk[32], const uint8_t *in, size_t len, uint8_t *payload,
                    size_t *payload_len)
{
    struct reader r = reader_of(in, len);
    bool good = true;
    *payload_len = 0;
    switch (message) {
    case 1: good = take_e(n, c, &r); break;
    case 2:
        good = take_e(n, c, &r) && mix_dh(n, c, n->e_sk, n->e_pk, n->re) &&
               take_sealed(n, c, &r, n->rs, 32) && mix_dh(n, c, n->e_sk, n->e_pk, n->rs);
        break;
    case 3:
        good = take_sealed(n, c, &r, n->rs, 32) && mix_dh(n, c, n->e_sk, n->e_pk, n->rs);
        if (good) mix_psk(n, c);
        break;
    default: ensure(message >= 1 && message <= 3);
    }
    (void)s_sk, (void)s_pk; /* the reader of XX needs its static key in no message */
    if (r.bad || (good && r.left < CRYPTO_TAG)) return ERR_MALFORMED;
    size_t inside = r.left - CRYPTO_TAG;
    if (!good || !take_sealed(n, c, &r, payload, inside)) return ERR_CRYPTO;
    *payload_len = inside;
    return OK;
}

void noise_split(const struct noise *n, const struct crypto *c, uint8_t k1[32], uint8_t k2[32])
{
    uint8_t one[64], two[64];
    hkdf(c, n->ck, NULL, 0, one, two, NULL);
    memcpy(k1, one, 32);
    memcpy(k2, two, 32);
    crypto_wipe(one, sizeof one);
    crypto_wipe(two, sizeof two);
}
