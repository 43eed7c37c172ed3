/* The fake table: nothing is secret, everything is checked, at the price of a fast hash.
 *
 * For simulations. Sizes and failures are those of the real table: a flipped bit, a wrong key,
 * another nonce or other associated data are refused. Public keys of identities and hash() are the
 * real ones. */
#include "base/crypto.h"

#include "base/err.h"
#include <string.h>

/* SipHash-1-3 (Aumasson, Bernstein 2012) fed in pieces and squeezed to any length. Little-endian
 * words are assembled byte by byte only at piece ends, so that the result is the same on every
 * machine. */
struct sip {
    uint64_t v0, v1, v2, v3;
    uint64_t word; /* bytes not yet a word */
    uint64_t len;
};

static inline uint64_t rotate(uint64_t x, unsigned by)
{
    return x << by | x >> (64 - by);
}

static inline void sip_round(struct sip *s)
{
    s->v0 += s->v1, s->v1 = rotate(s->v1, 13) ^ s->v0, s->v0 = rotate(s->v0, 32);
    s->v2 += s->v3, s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 += s->v3, s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 += s->v1, s->v1 = rotate(s->v1, 17) ^ s->v2, s->v2 = rotate(s->v2, 32);
}

static inline void sip_word(struct sip *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    s->v0 ^= word;
}

/* What the hash is for keeps a tag from ever being a signature. */
enum purpose { FOR_POINT = 1, FOR_SHARED, FOR_SIGN, FOR_HMAC, FOR_HASH };

static struct sip sip_start(enum purpose purpose)
{
    return (struct sip){.v0 = 0x736f6d6570736575 ^ (uint64_t)purpose,
                        .v1 = 0x646f72616e646f6d,
                        .v2 = 0x6c7967656e657261 ^ (uint64_t)purpose,
                        .v3 = 0x7465646279746573};
}

static inline uint64_t load_le64(const uint8_t *p)
{
    uint64_t word;
    memcpy(&word, p, 8);
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    return word;
}

static void sip_byte(struct sip *s, uint8_t byte)
{
    s->word |= (uint64_t)byte << 8 * (s->len % 8);
    if (++s->len % 8 == 0) {
        sip_word(s, s->word);
        s->word = 0;
    }
}

static void sip_bytes(struct sip *s, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (; len > 0 && s->len % 8 != 0; len--) sip_byte(s, *p++);
    for (; len >= 8; len -= 8, p += 8, s->len += 8) sip_word(s, load_le64(p));
    for (; len > 0; len--) sip_byte(s, *p++);
}

static void sip_number(struct sip *s, uint64_t n)
{
    uint8_t b[8];
    for (unsigned i = 0; i < 8; i++) b[i] = (uint8_t)(n >> 8 * i);
    sip_bytes(s, b, sizeof b);
}

/* `len` bytes, a multiple of 8, that depend on everything fed and on how much it was. */
static void sip_squeeze(struct sip *s, uint8_t *out, size_t len)
{
    sip_word(s, s->word | s->len << 56);
    sip_word(s, s->len);
    s->v2 ^= 0xff;
    for (size_t i = 0; i < len; i += 8) {
        for (unsigned n = 0; n < 3; n++) sip_round(s);
        uint64_t word = s->v0 ^ s->v1 ^ s->v2 ^ s->v3;
        for (unsigned k = 0; k < 8; k++) out[i + k] = (uint8_t)(word >> 8 * k);
        s->v1 ^= 0xdd + i;
    }
}

static bool all_zero(const uint8_t *p, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++) any |= p[i];
    return any == 0;
}

static void fake_x25519_public(uint8_t pk[32], const uint8_t sk[32])
{
    crypto_real.x25519_public(pk, sk);
}

static void fake_x25519_ephemeral(uint8_t pk[32], const uint8_t sk[32])
{
    struct sip s = sip_start(FOR_POINT);
    sip_bytes(&s, sk, 32);
    sip_squeeze(&s, pk, 32);
}

/* Both ends know both public keys, so their hash in a fixed order serves as the shared secret. */
static bool fake_x25519(uint8_t shared[32], const uint8_t sk[32], const uint8_t own_pk[32],
                        const uint8_t peer_pk[32])
{
    (void)sk;
    if (all_zero(peer_pk, 32)) {
        memset(shared, 0, 32);
        return false;
    }
    bool own_first = memcmp(own_pk, peer_pk, 32) < 0;
    struct sip s = sip_start(FOR_SHARED);
    sip_bytes(&s, own_first ? own_pk : peer_pk, 32);
    sip_bytes(&s, own_first ? peer_pk : own_pk, 32);
    sip_squeeze(&s, shared, 32);
    return true;
}

static void fake_ed25519_public(uint8_t pk[32], const uint8_t seed[32])
{
    crypto_real.ed25519_public(pk, seed);
}

static void fake_sign(uint8_t sig[64], const void *msg, size_t len, const uint8_t seed[32],
                      const uint8_t pk[32])
{
    (void)seed;
    struct sip s = sip_start(FOR_SIGN);
    sip_bytes(&s, pk, 32);
    sip_bytes(&s, msg, len);
    sip_squeeze(&s, sig, 64);
}

static bool fake_verify(const uint8_t sig[64], const void *msg, size_t len, const uint8_t pk[32])
{
    uint8_t expected[64];
    if (all_zero(pk, 32)) return false; /* a point of small order, refused by the real one too */
    fake_sign(expected, msg, len, pk, pk);
    return memcmp(sig, expected, 64) == 0;
}

static void fake_hash(void *out, size_t out_len, const void *msg, size_t len, const void *key,
                      size_t key_len)
{
    crypto_real.hash(out, out_len, msg, len, key, key_len);
}

static void fake_hmac512(uint8_t out[64], const void *key, size_t key_len, const void *a,
                         size_t a_len, const void *b, size_t b_len)
{
    struct sip s = sip_start(FOR_HMAC);
    sip_number(&s, key_len);
    sip_bytes(&s, key, key_len);
    sip_bytes(&s, a, a_len);
    sip_bytes(&s, b, b_len);
    sip_squeeze(&s, out, 64);
}

static void fake_hash512(uint8_t out[64], const void *a, size_t a_len, const void *b, size_t b_len)
{
    struct sip s = sip_start(FOR_HASH);
    sip_bytes(&s, a, a_len);
    sip_bytes(&s, b, b_len);
    sip_squeeze(&s, out, 64);
}

/* Two lanes of multiplications, eight bytes a time: a quarter of SipHash's time, and a tag is made for
 * every datagram, twice. Every step of lane b is a bijection, so no single changed word goes unseen. */
struct lanes {
    uint64_t a, b;
};

static inline void lanes_word(struct lanes *s, uint64_t word)
{
    __extension__ typedef unsigned __int128 wide;
    wide product = (wide)(s->a ^ word) * UINT64_C(0x9e3779b97f4a7c15);
    s->a = (uint64_t)product ^ (uint64_t)(product >> 64) ^ s->b;
    s->b = rotate(s->b ^ word, 29) * UINT64_C(0xbf58476d1ce4e5b9);
}

static inline void lanes_bytes(struct lanes *s, const void *bytes, size_t len)
{
    const uint8_t *p = bytes;
    for (; len >= 8; len -= 8, p += 8) lanes_word(s, load_le64(p));
    uint64_t word = 0;
    for (size_t i = 0; i < len; i++) word |= (uint64_t)p[i] << 8 * i;
    if (len > 0) lanes_word(s, word);
}

static inline void store_le64(uint8_t *p, uint64_t word)
{
#if __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__
    word = __builtin_bswap64(word);
#endif
    memcpy(p, &word, 8);
}

static void fake_tag(uint8_t tag[CRYPTO_TAG], unsigned kind, const uint8_t *text, size_t len,
                     const void *ad, size_t ad_len, const uint8_t *nonce, size_t nonce_len,
                     const uint8_t key[32])
{
    struct lanes s = {.a = UINT64_C(0x6c7967656e657261) ^ kind, .b = UINT64_C(0x7465646279746573)};
    lanes_bytes(&s, key, CRYPTO_KEY);
    lanes_word(&s, (uint64_t)ad_len << 32 | len);
    lanes_bytes(&s, nonce, nonce_len);
    lanes_bytes(&s, ad, ad_len);
    lanes_bytes(&s, text, len);
    for (unsigned i = 0; i < 3; i++) lanes_word(&s, kind + i);
    store_le64(tag, s.a);
    store_le64(tag + 8, s.b);
}

static void text_move(uint8_t *out, const uint8_t *in, size_t len)
{
    if (len > 0 && out != in) memmove(out, in, len);
}

static void fake_seal_any(unsigned kind, uint8_t *out, const uint8_t *in, size_t len,
                          const void *ad, size_t ad_len, const uint8_t *nonce, size_t nonce_len,
                          const uint8_t key[32])
{
    text_move(out, in, len);
    fake_tag(out + len, kind, out, len, ad, ad_len, nonce, nonce_len, key);
}

static bool fake_open_any(unsigned kind, uint8_t *out, const uint8_t *in, size_t len,
                          const void *ad, size_t ad_len, const uint8_t *nonce, size_t nonce_len,
                          const uint8_t key[32])
{
    uint8_t tag[CRYPTO_TAG];
    if (len < CRYPTO_TAG) return false;
    len -= CRYPTO_TAG;
    fake_tag(tag, kind, in, len, ad, ad_len, nonce, nonce_len, key);
    if (memcmp(tag, in + len, CRYPTO_TAG) == 0) {
        text_move(out, in, len);
        return true;
    }
    if (len > 0) memset(out, 0, len);
    return false;
}

static void fake_seal(enum aead kind, uint8_t *out, const uint8_t *in, size_t len, const void *ad,
                      size_t ad_len, const uint8_t nonce[12], const uint8_t key[32])
{
    fake_seal_any(kind, out, in, len, ad, ad_len, nonce, 12, key);
}

static bool fake_open(enum aead kind, uint8_t *out, const uint8_t *in, size_t len, const void *ad,
                      size_t ad_len, const uint8_t nonce[12], const uint8_t key[32])
{
    return fake_open_any(kind, out, in, len, ad, ad_len, nonce, 12, key);
}

static void fake_prepare(struct aead_key *k, enum aead kind, const uint8_t key[32])
{
    k->kind = (uint8_t)kind;
    memcpy(k->schedule, key, CRYPTO_KEY);
}

static void fake_seal_prepared(const struct aead_key *k, uint8_t *out, const uint8_t *in,
                               size_t len, const void *ad, size_t ad_len, const uint8_t nonce[12])
{
    fake_seal_any(k->kind, out, in, len, ad, ad_len, nonce, 12, k->schedule);
}

static bool fake_open_prepared(const struct aead_key *k, uint8_t *out, const uint8_t *in,
                               size_t len, const void *ad, size_t ad_len, const uint8_t nonce[12])
{
    return fake_open_any(k->kind, out, in, len, ad, ad_len, nonce, 12, k->schedule);
}

static void fake_forget(struct aead_key *k)
{
    memset(k, 0, sizeof *k);
}

static void fake_xseal(uint8_t *out, const uint8_t *in, size_t len, const void *ad, size_t ad_len,
                       const uint8_t nonce[24], const uint8_t key[32])
{
    fake_seal_any(0, out, in, len, ad, ad_len, nonce, 24, key);
}

static bool fake_xopen(uint8_t *out, const uint8_t *in, size_t len, const void *ad, size_t ad_len,
                       const uint8_t nonce[24], const uint8_t key[32])
{
    return fake_open_any(0, out, in, len, ad, ad_len, nonce, 24, key);
}

const struct crypto crypto_fake = {
    .name = "fake",
    .x25519_public = fake_x25519_public,
    .x25519_ephemeral = fake_x25519_ephemeral,
    .x25519 = fake_x25519,
    .ed25519_public = fake_ed25519_public,
    .sign = fake_sign,
    .verify = fake_verify,
    .hash = fake_hash,
    .hmac512 = fake_hmac512,
    .hash512 = fake_hash512,
    .seal = fake_seal,
    .open = fake_open,
    .prepare = fake_prepare,
    .seal_prepared = fake_seal_prepared,
    .open_prepared = fake_open_prepared,
    .forget = fake_forget,
    .xseal = fake_xseal,
    .xopen = fake_xopen,
};
