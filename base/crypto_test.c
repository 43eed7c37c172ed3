#include "base/crypto.h"

#include "base/crypto_gcrypt.h"
#include "base/crypto_ipsec.h"
#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>
#include <cmocka.h>

/* Bytes from hex; spaces are for the eye. */
static struct crypto by_gcrypt, by_ipsec;

static size_t hex(uint8_t *out, const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        if (*text == ' ') continue;
        char two[3] = {text[0], text[1], 0};
        out[n++] = (uint8_t)strtoul(two, NULL, 16);
        text++;
    }
    return n;
}

static void assert_hex(const uint8_t *bytes, const char *text)
{
    uint8_t expected[256];
    size_t len = hex(expected, text);
    assert_memory_equal(bytes, expected, len);
}

static const char sunscreen[] = "Ladies and Gentlemen of the class of '99: If I could offer you "
                                "only one tip for the future, sunscreen would be it.";
#define SUNSCREEN (sizeof sunscreen - 1)

/* RFC 8439, 2.8.2 */
static void chacha20_poly1305_vector(void **state)
{
    (void)state;
    uint8_t key[32], nonce[12], ad[12], out[SUNSCREEN + 16], back[SUNSCREEN];
    hex(key, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    hex(nonce, "070000004041424344454647");
    hex(ad, "50515253c0c1c2c3c4c5c6c7");
    crypto_real.seal(AEAD_CHACHA20_POLY1305, out, (const uint8_t *)sunscreen, SUNSCREEN, ad, 12,
                     nonce, key);
    assert_hex(out, "d31a8d34648e60db7b86afbc53ef7ec2 a4aded51296e08fea9e2b5a736ee62d6"
                    "3dbea45e8ca9671282fafb69da92728b 1a71de0a9e060b2905d6a5b67ecd3b36"
                    "92ddbd7f2d778b8c9803aee328091b58 fab324e4fad675945585808b4831d7bc"
                    "3ff4def08e4b7a9de576d26586cec64b 6116"
                    "1ae10b594f09e26a7e902ecbd0600691");
    assert_true(
        crypto_real.open(AEAD_CHACHA20_POLY1305, back, out, sizeof out, ad, 12, nonce, key));
    assert_memory_equal(back, sunscreen, SUNSCREEN);
}

/* draft-irtf-cfrg-xchacha-03, A.3.1 */
static void xchacha20_poly1305_vector(void **state)
{
    (void)state;
    uint8_t key[32], nonce[24], ad[12], out[SUNSCREEN + 16];
    hex(key, "808182838485868788898a8b8c8d8e8f909192939495969798999a9b9c9d9e9f");
    hex(nonce, "404142434445464748494a4b4c4d4e4f5051525354555657");
    hex(ad, "50515253c0c1c2c3c4c5c6c7");
    crypto_real.xseal(out, (const uint8_t *)sunscreen, SUNSCREEN, ad, 12, nonce, key);
    assert_hex(out, "bd6d179d3e83d43b9576579493c0e939572a1700252bfaccbed2902c21396cbb"
                    "731c7f1b0b4aa6440bf3a82f4eda7e39ae64c6708c54c216cb96b72e1213b452"
                    "2f8c9ba40db5d945b11b69b982c1bb9e3f3fac2bc369488f76b2383565d3fff9"
                    "21f9664c97637da9768812f615c68b13b52e"
                    "c0875924c1c7987947deafd8780acf49");
}

/* McGrew, Viega, "The Galois/Counter Mode of Operation", test case 16 */
static void aes256_gcm_vector(void **state)
{
    (void)state;
    if (!crypto_has_aes()) skip();
    uint8_t key[32], nonce[12], ad[20], text[60], out[76], again[76];
    struct aead_key k;
    hex(key, "feffe9928665731c6d6a8f9467308308feffe9928665731c6d6a8f9467308308");
    hex(nonce, "cafebabefacedbaddecaf888");
    hex(ad, "feedfacedeadbeeffeedfacedeadbeefabaddad2");
    hex(text, "d9313225f88406e5a55909c5aff5269a86a7a9531534f7da2e4c303d8a318a72"
              "1c3c0c95956809532fcf0e2449a6b525b16aedf5aa0de657ba637b39");
    crypto_real.seal(AEAD_AES256_GCM, out, text, 60, ad, 20, nonce, key);
    assert_hex(out, "522dc1f099567d07f47f37a32a84427d643a8cdcbfe5c0c97598a2bd2555d1aa"
                    "8cb08e48590dbb3da7b08b1056828838c5f61e6393ba7a0abcc9f662"
                    "76fc6ece0f4e1768cddf8853bb2d551b");
    crypto_real.prepare(&k, AEAD_AES256_GCM, key);
    crypto_real.seal_prepared(&k, again, text, 60, ad, 20, nonce);
    assert_memory_equal(again, out, sizeof out);
    crypto_wipe(&k, sizeof k);
}

/* RFC 7748, 5.2 and 6.1 */
static void x25519_vectors(void **state)
{
    (void)state;
    uint8_t sk[32], pk[32], peer[32], shared[32], k[32] = {9}, u[32] = {9}, out[32];
    hex(sk, "5dab087e624a8a4b79e17f8b83800ee66f3bb1292618b6fd1c2f8b27ff88e0eb");
    hex(peer, "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a");
    crypto_real.x25519_public(pk, sk);
    assert_hex(pk, "de9edb7d7b7dc1b4d35b61c2ece435373f8343c85b78674dadfc7e146f882b4f");
    assert_true(crypto_real.x25519(shared, sk, pk, peer));
    assert_hex(shared, "4a5d9d5ba4ce2de1728e3bf480350f25e07e21c947d19e3376f09b3c1e161742");
    for (int i = 0; i < 1000; i++) {
        assert_true(crypto_real.x25519(out, k, pk, u));
        if (i == 0)
            assert_hex(out, "422c8e7a6227d7bca1350b3e2bb7279f7897b87bb6854b783c60e80311ae3079");
        memcpy(u, k, 32);
        memcpy(k, out, 32);
    }
    assert_hex(k, "684cf59ba83309552800ef566f2f4d3c1c3887c49360e3875f2eb94d99532c51");
}

/* RFC 8032, 7.1, test 2 */
static void ed25519_vector(void **state)
{
    (void)state;
    uint8_t seed[32], pk[32], sig[64], msg = 0x72;
    hex(seed, "4ccd089b28ff96da9db6c346ec114e0f5b8a319f35aba624da8cf6ed4fb8a6fb");
    crypto_real.ed25519_public(pk, seed);
    assert_hex(pk, "3d4017c3e843895a92b70aa74d1b7ebc9c982ccf2ec4968cc0cd55f12af4660c");
    crypto_real.sign(sig, &msg, 1, seed, pk);
    assert_hex(sig, "92a009a9f0d4cab8720e820b5f642540a2b27b5416503f8fb3762223ebdb69da"
                    "085ac1e43e15996e458f3613d0f11d8c387b2eaeb4302aeeb00d291612bb0c00");
    assert_true(crypto_real.verify(sig, &msg, 1, pk));
}

static void blake2b_vectors(void **state)
{
    (void)state;
    uint8_t out[64], key[200], parts[64];
    for (int i = 0; i < 200; i++) key[i] = (uint8_t)i;
    crypto_real.hash(out, 64, "abc", 3, NULL, 0); /* RFC 7693, appendix A */
    assert_hex(out, "ba80a53f981c4d0d6a2797b69f12f6e94c212f14685ac4b74b12bb6fdbffa2d1"
                    "7d87c5392aab792dc252d5de4533cc9518d38aa8dbf1925ab92386edd4009923");
    crypto_real.hash512(parts, "ab", 2, "c", 1);
    assert_memory_equal(parts, out, 64);
    /* the rest by Python's hashlib and hmac */
    crypto_real.hash(out, 32, NULL, 0, NULL, 0);
    assert_hex(out, "0e5751c026e543b2e8ab2eb06099daa1d1e5df47778f7787faab45cdf12fe3a8");
    crypto_real.hash(out, 32, "ringlet", 7, key, 32);
    assert_hex(out, "f1b52213e74c76953748122239bb2c0c623fad5bfd7751eb66d3866793087935");
    crypto_real.hmac512(out, key, 32, "what do ya want ", 16, "for nothing?", 12);
    assert_hex(out, "9ba08aa7f1ca427a11a0401c11fff5d92b79f0270ea921b62b1167a157cbb2cb"
                    "c5923e4827fce96566befa90ea9a2d968a9d5652f6cf4e62eebfa7012d1a24c8");
    crypto_real.hmac512(out, key, 200, "what do ya want for nothing?", 28, NULL, 0);
    assert_hex(out, "a40c306db2192b762947da7250adc891badc90355abe47a4d49f14d68dfae7b9"
                    "230d489f31eaa48b22b14a3fb414e51ac19b53af1652d3956a459d722f11262e");
}

static void siphash_vector(void **state)
{
    (void)state;
    uint8_t bytes[16];
    for (uint8_t i = 0; i < 16; i++) bytes[i] = i;
    assert_true(crypto_siphash(bytes, 15, bytes) == 0xa129ca6149be45e5); /* the paper, appendix A */
}

static void equal_and_wipe(void **state)
{
    (void)state;
    uint8_t a[3] = {1, 2, 3}, b[3] = {1, 2, 4};
    assert_true(crypto_equal(a, b, 2));
    assert_false(crypto_equal(a, b, 3));
    assert_true(crypto_equal(a, b, 0));
    crypto_wipe(a, 3);
    assert_int_equal(a[0] | a[1] | a[2], 0);
}

/* --- what both tables must do alike: *state is the table --- */

static struct rng rng_of_test(void)
{
    struct rng r;
    uint8_t seed[32] = {42};
    rng_seed(&r, seed);
    return r;
}

static bool is_zero(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (p[i]) return false;
    return true;
}

struct sealed { /* everything that an AEAD looks at */
    uint8_t key[32], nonce[24], ad[32], text[96], bytes[112];
    size_t ad_len, len;
};

enum { WAY_RAW, WAY_PREPARED, WAY_X, WAYS };

static void seal_way(const struct crypto *c, int way, enum aead kind, struct sealed *s)
{
    struct aead_key k;
    memset(s->bytes, 0xee, sizeof s->bytes);
    if (way == WAY_X) {
        c->xseal(s->bytes, s->text, s->len, s->ad, s->ad_len, s->nonce, s->key);
    } else if (way == WAY_RAW) {
        c->seal(kind, s->bytes, s->text, s->len, s->ad, s->ad_len, s->nonce, s->key);
    } else {
        c->prepare(&k, kind, s->key);
        c->seal_prepared(&k, s->bytes, s->text, s->len, s->ad, s->ad_len, s->nonce);
        c->forget(&k);
    }
    for (size_t i = s->len + 16; i < sizeof s->bytes; i++) assert_int_equal(s->bytes[i], 0xee);
}

static bool open_way(const struct crypto *c, int way, enum aead kind, const struct sealed *s,
                     uint8_t *out)
{
    struct aead_key k;
    size_t len = s->len + 16;
    if (way == WAY_X) return c->xopen(out, s->bytes, len, s->ad, s->ad_len, s->nonce, s->key);
    if (way == WAY_RAW)
        return c->open(kind, out, s->bytes, len, s->ad, s->ad_len, s->nonce, s->key);
    c->prepare(&k, kind, s->key);
    bool good = c->open_prepared(&k, out, s->bytes, len, s->ad, s->ad_len, s->nonce);
    c->forget(&k);
    assert_true(is_zero((uint8_t *)&k, sizeof k));
    return good;
}

static void opens(const struct crypto *c, int way, enum aead kind, const struct sealed *s)
{
    uint8_t out[96];
    assert_true(open_way(c, way, kind, s, out));
    assert_memory_equal(out, s->text, s->len);
    struct sealed copy = *s;
    assert_true(open_way(c, way, kind, &copy, copy.bytes)); /* in place */
    assert_memory_equal(copy.bytes, s->text, s->len);
}

static void refused(const struct crypto *c, int way, enum aead kind, const struct sealed *s)
{
    uint8_t out[96];
    memset(out, 0xaa, sizeof out);
    assert_false(open_way(c, way, kind, s, out));
    assert_true(is_zero(out, s->len));
}

static void flip_and_refuse(const struct crypto *c, int way, enum aead kind, struct sealed *s,
                            uint8_t *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] ^= (uint8_t)(1u << i % 8);
        refused(c, way, kind, s);
        bytes[i] ^= (uint8_t)(1u << i % 8);
    }
}

static void aead_way(const struct crypto *c, int way, enum aead kind)
{
    struct rng r = rng_of_test();
    for (size_t len = 0; len <= 96; len += len < 20 ? 1 : 19) {
        struct sealed s;
        rng_bytes(&r, &s, sizeof s);
        s.len = len;
        s.ad_len = len % 33;
        seal_way(c, way, kind, &s);
        opens(c, way, kind, &s);
        flip_and_refuse(c, way, kind, &s, s.bytes, len + 16);
        flip_and_refuse(c, way, kind, &s, s.key, 32);
        flip_and_refuse(c, way, kind, &s, s.nonce, way == WAY_X ? 24 : 12);
        flip_and_refuse(c, way, kind, &s, s.ad, s.ad_len);
        if (s.ad_len > 0) {
            s.ad_len--;
            refused(c, way, kind, &s);
            s.ad_len++;
        }
        if (len > 0) {
            s.len--; /* a byte less */
            refused(c, way, kind, &s);
        }
    }
}

static void aead_refuses_whatever_changed(void **state)
{
    const struct crypto *c = *state;
    for (int way = 0; way < WAYS; way++) {
        aead_way(c, way, AEAD_CHACHA20_POLY1305);
        if (crypto_has_aes() || c == &crypto_fake) aead_way(c, way, AEAD_AES256_GCM);
    }
}

static void aead_too_short(void **state)
{
    const struct crypto *c = *state;
    uint8_t bytes[16] = {0}, out[1] = {7}, nonce[24] = {0}, key[32] = {0};
    struct aead_key k;
    c->prepare(&k, AEAD_CHACHA20_POLY1305, key);
    for (size_t len = 0; len < 16; len++) {
        assert_false(c->open(AEAD_CHACHA20_POLY1305, out, bytes, len, NULL, 0, nonce, key));
        assert_false(c->open_prepared(&k, out, bytes, len, NULL, 0, nonce));
        assert_false(c->xopen(out, bytes, len, NULL, 0, nonce, key));
    }
    assert_int_equal(out[0], 7);
    c->forget(&k);
}

/* Any length, as a packet path has them: what one table seals, the other opens. */
static void one_cipher(const struct crypto *other, enum aead kind)
{
    struct rng r = rng_of_test();
    struct aead_key a, b;
    static uint8_t text[2048], one[2064], two[2064];
    uint8_t key[32], nonce[12], ad[16];
    rng_bytes(&r, key, sizeof key);
    rng_bytes(&r, text, sizeof text);
    crypto_real.prepare(&a, kind, key);
    other->prepare(&b, kind, key);
    for (size_t len = 0; len <= sizeof text; len += len < 600 ? 1 : 37) {
        rng_bytes(&r, nonce, sizeof nonce);
        rng_bytes(&r, ad, sizeof ad);
        crypto_real.seal_prepared(&a, one, text, len, ad, sizeof ad, nonce);
        other->seal_prepared(&b, two, text, len, ad, sizeof ad, nonce);
        assert_memory_equal(one, two, len + CRYPTO_TAG);
        memcpy(two, text, len);
        other->seal_prepared(&b, two, two, len, ad, sizeof ad, nonce);
        assert_memory_equal(one, two, len + CRYPTO_TAG);
        assert_true(other->open_prepared(&b, one, one, len + CRYPTO_TAG, ad, sizeof ad, nonce));
        assert_memory_equal(one, text, len);
        assert_true(
            crypto_real.open_prepared(&a, two, two, len + CRYPTO_TAG, ad, sizeof ad, nonce));
        assert_memory_equal(two, text, len);
    }
    crypto_real.forget(&a);
    other->forget(&b);
}

static void two_tables_one_cipher(void **state)
{
    one_cipher(*state, AEAD_CHACHA20_POLY1305);
    if (crypto_has_aes()) one_cipher(*state, AEAD_AES256_GCM);
}

static void raw_and_prepared_agree(void **state)
{
    const struct crypto *c = *state;
    struct rng r = rng_of_test();
    for (int kind = AEAD_CHACHA20_POLY1305; kind <= AEAD_AES256_GCM; kind++) {
        struct sealed s;
        if (kind == AEAD_AES256_GCM && !crypto_has_aes() && c != &crypto_fake) continue;
        rng_bytes(&r, &s, sizeof s);
        s.len = 77;
        s.ad_len = 9;
        seal_way(c, WAY_RAW, (enum aead)kind, &s);
        opens(c, WAY_PREPARED, (enum aead)kind, &s);
        seal_way(c, WAY_PREPARED, (enum aead)kind, &s);
        opens(c, WAY_RAW, (enum aead)kind, &s);
    }
}

static void signatures(void **state)
{
    const struct crypto *c = *state;
    struct rng r = rng_of_test();
    uint8_t seed[32], pk[32], msg[40], sig[64], zero[32] = {0};
    rng_bytes(&r, seed, sizeof seed);
    rng_bytes(&r, msg, sizeof msg);
    c->ed25519_public(pk, seed);
    for (size_t len = 0; len <= sizeof msg; len += 8) {
        c->sign(sig, msg, len, seed, pk);
        assert_true(c->verify(sig, msg, len, pk));
        for (size_t i = 0; i < 64; i++) {
            sig[i] ^= 1;
            assert_false(c->verify(sig, msg, len, pk));
            sig[i] ^= 1;
        }
        for (size_t i = 0; i < len; i++) {
            msg[i] ^= 0x80;
            assert_false(c->verify(sig, msg, len, pk));
            msg[i] ^= 0x80;
        }
        if (len > 0) assert_false(c->verify(sig, msg, len - 1, pk));
        pk[3] ^= 1;
        assert_false(c->verify(sig, msg, len, pk));
        pk[3] ^= 1;
        assert_false(c->verify(sig, msg, len, zero));
    }
    c->sign(sig, msg, 8, seed, zero);
    assert_false(c->verify(sig, msg, 8, zero));
}

static void key_agreement(void **state)
{
    const struct crypto *c = *state;
    struct rng r = rng_of_test();
    uint8_t sk[3][32], pk[3][32], ab[32], ba[32], ac[32], zero[32] = {0};
    for (int i = 0; i < 3; i++) {
        rng_bytes(&r, sk[i], 32);
        if (i == 0)
            c->x25519_public(pk[i], sk[i]);
        else
            c->x25519_ephemeral(pk[i], sk[i]);
    }
    assert_true(c->x25519(ab, sk[0], pk[0], pk[1]));
    assert_true(c->x25519(ba, sk[1], pk[1], pk[0]));
    assert_true(c->x25519(ac, sk[0], pk[0], pk[2]));
    assert_memory_equal(ab, ba, 32);
    assert_memory_not_equal(ab, ac, 32);
    assert_false(c->x25519(ab, sk[0], pk[0], zero));
    assert_true(is_zero(ab, 32));
}

/* Where a text is cut in two is not part of a hash; everything else is. */
static void hashes_over_parts(void **state)
{
    const struct crypto *c = *state;
    struct rng r = rng_of_test();
    uint8_t text[50], key[70], whole[64], cut[64];
    rng_bytes(&r, text, sizeof text);
    rng_bytes(&r, key, sizeof key);
    c->hash512(whole, text, sizeof text, NULL, 0);
    for (size_t at = 0; at <= sizeof text; at++) {
        c->hash512(cut, text, at, text + at, sizeof text - at);
        assert_memory_equal(cut, whole, 64);
    }
    c->hash512(cut, text, sizeof text - 1, NULL, 0);
    assert_memory_not_equal(cut, whole, 64);
    for (size_t i = 0; i < sizeof text; i++) {
        text[i] ^= 4;
        c->hash512(cut, text, sizeof text, NULL, 0);
        assert_memory_not_equal(cut, whole, 64);
        text[i] ^= 4;
    }
    c->hmac512(whole, key, sizeof key, text, sizeof text, NULL, 0);
    for (size_t at = 0; at <= sizeof text; at++) {
        c->hmac512(cut, key, sizeof key, text, at, text + at, sizeof text - at);
        assert_memory_equal(cut, whole, 64);
    }
    for (size_t i = 0; i < sizeof key; i++) {
        key[i] ^= 4;
        c->hmac512(cut, key, sizeof key, text, sizeof text, NULL, 0);
        assert_memory_not_equal(cut, whole, 64);
        key[i] ^= 4;
    }
    c->hmac512(cut, key, sizeof key - 1, text, sizeof text, NULL, 0);
    assert_memory_not_equal(cut, whole, 64);
    assert_memory_not_equal(whole, whole + 32, 32); /* spread over all 64 */
}

static void identities_are_the_same(void **state)
{
    (void)state;
    struct rng r = rng_of_test();
    uint8_t seed[32], a[64], b[64];
    rng_bytes(&r, seed, sizeof seed);
    crypto_real.x25519_public(a, seed);
    crypto_fake.x25519_public(b, seed);
    assert_memory_equal(a, b, 32);
    crypto_real.ed25519_public(a, seed);
    crypto_fake.ed25519_public(b, seed);
    assert_memory_equal(a, b, 32);
    crypto_real.hash(a, 20, seed, sizeof seed, "key", 3);
    crypto_fake.hash(b, 20, seed, sizeof seed, "key", 3);
    assert_memory_equal(a, b, 20);
}

/* A fake tag decides what a simulation does, so its bytes are as fixed as those of the real one. */
static void the_fake_is_stable(void **state)
{
    (void)state;
    uint8_t key[32] = {1}, nonce[12] = {2}, out[5 + 16], digest[64];
    crypto_fake.seal(AEAD_CHACHA20_POLY1305, out, (const uint8_t *)"hello", 5, "ad", 2, nonce, key);
    assert_memory_equal(out, "hello", 5);
    assert_hex(out + 5, "045b2ff92b61f0488a18bd3d5ac78918");
    crypto_fake.hash512(digest, "hello", 5, NULL, 0);
    assert_hex(digest, "953b380f308fd6ccce3db70122399e7b3a550727c1cf09b5f20544953696cce1"
                       "7507d338d3953bed37391228ecfb49699cfef65b585f1f82877300fbb88f0984");
}

#define IPSEC(test)                                                                                \
    {                                                                                              \
#test " (ipsec-mb)", test, NULL, NULL, (void *)&by_ipsec                                   \
    }
#define ALL(test) {#test " (gcrypt)", test, NULL, NULL, (void *)&by_gcrypt}, BOTH(test)
#define BOTH(test)                                                                                 \
    {#test " (real)", test, NULL, NULL, (void *)&crypto_real},                                     \
    {                                                                                              \
#test " (fake)", test, NULL, NULL, (void *)&crypto_fake                                    \
    }

/* In FIPS mode libgcrypt refuses nonces of ours: then it is not offered. In a process of its own: the mode is for life. */
static bool fips_is_survived(void)
{
    int status = 1;
    pid_t child = fork();
    if (child == 0) {
        struct crypto c;
        struct aead_key k;
        uint8_t bytes[32] = {0};
        setenv("LIBGCRYPT_FORCE_FIPS_MODE", "1", 1);
        if (!crypto_gcrypt(&c)) _exit(0);
        c.prepare(&k, AEAD_AES256_GCM, bytes);
        c.seal_prepared(&k, bytes, bytes, 8, NULL, 0, bytes);
        _exit(0); /* a libgcrypt that does not know the variable */
    }
    return child > 0 && waitpid(child, &status, 0) == child && status == 0;
}

static void fips_mode_is_done_without(void **state)
{
    assert_true(*(bool *)*state);
}

int main(void)
{
    bool survived = fips_is_survived(); /* before libgcrypt is initialised here */
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_prestate(fips_mode_is_done_without, &survived),
        cmocka_unit_test(chacha20_poly1305_vector),
        cmocka_unit_test(xchacha20_poly1305_vector),
        cmocka_unit_test(aes256_gcm_vector),
        cmocka_unit_test(x25519_vectors),
        cmocka_unit_test(ed25519_vector),
        cmocka_unit_test(blake2b_vectors),
        cmocka_unit_test(siphash_vector),
        cmocka_unit_test(equal_and_wipe),
        ALL(aead_refuses_whatever_changed),
        ALL(aead_too_short),
        ALL(raw_and_prepared_agree),
        BOTH(signatures),
        BOTH(key_agreement),
        BOTH(hashes_over_parts),
        cmocka_unit_test_prestate(two_tables_one_cipher, &by_gcrypt),
        cmocka_unit_test(identities_are_the_same),
        cmocka_unit_test(the_fake_is_stable),
    };
    const struct CMUnitTest with_ipsec[] = {
        IPSEC(aead_refuses_whatever_changed),
        IPSEC(aead_too_short),
        IPSEC(raw_and_prepared_agree),
        IPSEC(two_tables_one_cipher),
    };
    if (!crypto_init() || !crypto_gcrypt(&by_gcrypt)) return 1;
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    if (crypto_ipsec(&by_ipsec))
        failed += cmocka_run_group_tests_name("ipsec-mb", with_ipsec, NULL, NULL);
    else
        fprintf(stderr, "libipsec-mb: SKIPPED, not on this machine\n");
    return failed;
}
