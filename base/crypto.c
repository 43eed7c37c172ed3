/* The real table: libsodium. The only file that names sodium.h; no libsodium randomness is used. */
#include "base/crypto.h"

#include "base/err.h"
#include <sodium.h>
#include <string.h>

#define BLAKE2B_BLOCK 128

_Static_assert(sizeof(crypto_aead_aes256gcm_state) <= CRYPTO_SCHEDULE, "a schedule must fit");
_Static_assert(_Alignof(struct aead_key) >= 16, "AES-NI loads schedules aligned");
_Static_assert(CRYPTO_SCHEDULE >= CRYPTO_KEY, "ChaCha20-Poly1305 is prepared by copying the key");
_Static_assert(crypto_aead_aes256gcm_ABYTES == CRYPTO_TAG, "one tag size for both");
_Static_assert(crypto_aead_chacha20poly1305_ietf_ABYTES == CRYPTO_TAG, "one tag size for both");

static void real_x25519_public(uint8_t pk[32], const uint8_t sk[32])
{
    int failed = crypto_scalarmult_base(pk, sk);
    ensure(!failed);
}

static bool real_x25519(uint8_t shared[32], const uint8_t sk[32], const uint8_t own_pk[32],
                        const uint8_t peer_pk[32])
{
    (void)own_pk;
    if (crypto_scalarmult(shared, sk, peer_pk) == 0) return true;
    memset(shared, 0, 32); /* a low-order point */
    return false;
}

static void real_ed25519_public(uint8_t pk[32], const uint8_t seed[32])
{
    uint8_t both[crypto_sign_SECRETKEYBYTES];
    int failed = crypto_sign_seed_keypair(pk, both, seed);
    ensure(!failed);
    sodium_memzero(both, sizeof both);
}

static void real_sign(uint8_t sig[64], const void *msg, size_t len, const uint8_t seed[32],
                      const uint8_t pk[32])
{
    uint8_t both[crypto_sign_SECRETKEYBYTES]; /* libsodium's secret key is seed || pk */
    memcpy(both, seed, 32);
    memcpy(both + 32, pk, 32);
    int failed = crypto_sign_detached(sig, NULL, msg, len, both);
    ensure(!failed);
    sodium_memzero(both, sizeof both);
}

static bool real_verify(const uint8_t sig[64], const void *msg, size_t len, const uint8_t pk[32])
{
    return crypto_sign_verify_detached(sig, msg, len, pk) == 0;
}

static void real_hash(void *out, size_t out_len, const void *msg, size_t len, const void *key,
                      size_t key_len)
{
    ensure(out_len > 0 && out_len <= CRYPTO_HASH_MAX);
    ensure(key_len <= CRYPTO_HASH_MAX);
    int failed = crypto_generichash_blake2b(out, out_len, msg, len, key_len ? key : NULL, key_len);
    ensure(!failed);
}

static void blake2b_parts(uint8_t out[64], const void *first, size_t first_len, const void *a,
                          size_t a_len, const void *b, size_t b_len)
{
    crypto_generichash_blake2b_state s;
    crypto_generichash_blake2b_init(&s, NULL, 0, 64);
    crypto_generichash_blake2b_update(&s, first, first_len);
    crypto_generichash_blake2b_update(&s, a, a_len);
    crypto_generichash_blake2b_update(&s, b, b_len);
    crypto_generichash_blake2b_final(&s, out, 64);
    sodium_memzero(&s, sizeof s);
}

static void real_hash512(uint8_t out[64], const void *a, size_t a_len, const void *b, size_t b_len)
{
    blake2b_parts(out, NULL, 0, a, a_len, b, b_len);
}

/* RFC 2104 over BLAKE2b-512, as Noise (section 4.3) asks for; not BLAKE2b's own keyed mode. */
static void real_hmac512(uint8_t out[64], const void *key, size_t key_len, const void *a,
                         size_t a_len, const void *b, size_t b_len)
{
    uint8_t pad[BLAKE2B_BLOCK] = {0}, inner[64];
    if (key_len > sizeof pad)
        blake2b_parts(pad, NULL, 0, key, key_len, NULL, 0);
    else if (key_len > 0)
        memcpy(pad, key, key_len);
    for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36;
    blake2b_parts(inner, pad, sizeof pad, a, a_len, b, b_len);
    for (size_t i = 0; i < sizeof pad; i++) pad[i] ^= 0x36 ^ 0x5c;
    blake2b_parts(out, pad, sizeof pad, inner, sizeof inner, NULL, 0);
    sodium_memzero(pad, sizeof pad);
    sodium_memzero(inner, sizeof inner);
}

static void real_seal(enum aead kind, uint8_t *out, const uint8_t *in, size_t len, const void *ad,
                      size_t ad_len, const uint8_t nonce[12], const uint8_t key[32])
{
    int failed = kind == AEAD_AES256_GCM ? crypto_aead_aes256gcm_encrypt(out, NULL, in, len, ad,
                                                                         ad_len, NULL, nonce, key)
                                         : crypto_aead_chacha20poly1305_ietf_encrypt(
                                               out, NULL, in, len, ad, ad_len, NULL, nonce, key);
    ensure(!failed);
}

static bool real_open(enum aead kind, uint8_t *out, const uint8_t *in, size_t len, const void *ad,
                      size_t ad_len, const uint8_t nonce[12], const uint8_t key[32])
{
    if (len < CRYPTO_TAG) return false;
    if (kind == AEAD_AES256_GCM)
        return crypto_aead_aes256gcm_decrypt(out, NULL, NULL, in, len, ad, ad_len, nonce, key) == 0;
    return crypto_aead_chacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len, ad, ad_len, nonce,
                                                     key) == 0;
}

static void real_prepare(struct aead_key *k, enum aead kind, const uint8_t key[32])
{
    k->kind = (uint8_t)kind;
    if (kind == AEAD_AES256_GCM)
        crypto_aead_aes256gcm_beforenm((crypto_aead_aes256gcm_state *)(void *)k->schedule, key);
    else
        memcpy(k->schedule, key, CRYPTO_KEY);
}

static void real_seal_prepared(const struct aead_key *k, uint8_t *out, const uint8_t *in,
                               size_t len, const void *ad, size_t ad_len, const uint8_t nonce[12])
{
    if (k->kind != AEAD_AES256_GCM) {
        real_seal(AEAD_CHACHA20_POLY1305, out, in, len, ad, ad_len, nonce, k->schedule);
        return;
    }
    const void *state = k->schedule;
    int failed = crypto_aead_aes256gcm_encrypt_afternm(out, NULL, in, len, ad, ad_len, NULL, nonce,
                                                       state);
    ensure(!failed);
}

static bool real_open_prepared(const struct aead_key *k, uint8_t *out, const uint8_t *in,
                               size_t len, const void *ad, size_t ad_len, const uint8_t nonce[12])
{
    if (k->kind != AEAD_AES256_GCM)
        return real_open(AEAD_CHACHA20_POLY1305, out, in, len, ad, ad_len, nonce, k->schedule);
    if (len < CRYPTO_TAG) return false;
    const void *state = k->schedule;
    return crypto_aead_aes256gcm_decrypt_afternm(out, NULL, NULL, in, len, ad, ad_len, nonce,
                                                 state) == 0;
}

static void real_forget(struct aead_key *k)
{
    crypto_wipe(k, sizeof *k);
}

static void real_xseal(uint8_t *out, const uint8_t *in, size_t len, const void *ad, size_t ad_len,
                       const uint8_t nonce[24], const uint8_t key[32])
{
    int failed = crypto_aead_xchacha20poly1305_ietf_encrypt(out, NULL, in, len, ad, ad_len, NULL,
                                                            nonce, key);
    ensure(!failed);
}

static bool real_xopen(uint8_t *out, const uint8_t *in, size_t len, const void *ad, size_t ad_len,
                       const uint8_t nonce[24], const uint8_t key[32])
{
    if (len < CRYPTO_TAG) return false;
    return crypto_aead_xchacha20poly1305_ietf_decrypt(out, NULL, NULL, in, len, ad, ad_len, nonce,
                                                      key) == 0;
}

const struct crypto crypto_real = {
    .name = "real",
    .x25519_public = real_x25519_public,
    .x25519_ephemeral = real_x25519_public,
    .x25519 = real_x25519,
    .ed25519_public = real_ed25519_public,
    .sign = real_sign,
    .verify = real_verify,
    .hash = real_hash,
    .hmac512 = real_hmac512,
    .hash512 = real_hash512,
    .seal = real_seal,
    .open = real_open,
    .prepare = real_prepare,
    .seal_prepared = real_seal_prepared,
    .open_prepared = real_open_prepared,
    .forget = real_forget,
    .xseal = real_xseal,
    .xopen = real_xopen,
};

bool crypto_init(void)
{
    return sodium_init() >= 0;
}

bool crypto_has_aes(void)
{
    return crypto_aead_aes256gcm_is_available() == 1;
}

bool crypto_equal(const void *a, const void *b, size_t len)
{
    return sodium_memcmp(a, b, len) == 0;
}

void crypto_wipe(void *p, size_t len)
{
    sodium_memzero(p, len);
}

uint64_t crypto_siphash(const void *msg, size_t len, const uint8_t key[16])
{
    uint8_t out[crypto_shorthash_BYTES];
    crypto_shorthash(out, msg, len, key);
    uint64_t value = 0; /* SipHash's output is little-endian by definition */
    for (unsigned i = 0; i < sizeof out; i++) value |= (uint64_t)out[i] << 8 * i;
    return value;
}

void crypto_keystream(uint8_t *out, size_t len, const uint8_t key[32])
{
    static const uint8_t nonce[crypto_stream_chacha20_ietf_NONCEBYTES];
    crypto_stream_chacha20_ietf(out, len, nonce, key);
}
