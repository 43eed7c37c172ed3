/* base/crypto.h - the only door to cryptography: a table over libsodium, and a fast fake.
 *
 * crypto_real is libsodium. crypto_fake keeps sizes, failures (a flipped bit is refused, a wrong
 * key is refused) and draws nothing itself, like the real one: all secrets are handed in, so both
 * consume the same randomness. Identities (Ed25519 and X25519 public keys, hash) are the same
 * bytes in both. hash() is real BLAKE2b in both tables: ids and keys of records come from it.
 * hmac512 and hash512, which only handshakes use, are fast stand-ins in the fake; they too depend
 * on a || b and not on where it was cut.
 *
 * Errors: predicates return false on failure (bad point, bad tag, bad signature); outputs are
 *         zeroed.
 * Cost:   real: X25519 35 us, Ed25519 sign 22, verify 58; AEAD 200 B 0.7 us. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CRYPTO_KEY       32 /* AEAD and hash keys, X25519 and Ed25519 public keys, seeds */
#define CRYPTO_TAG       16 /* AEAD tag */
#define CRYPTO_SIGNATURE 64
#define CRYPTO_HASH_MAX  64  /* BLAKE2b */
#define CRYPTO_SCHEDULE  512 /* room for a prepared AEAD key (libsodium's AES-256-GCM state) */

/* Also bits of the wire's capabilities. AES must not be asked of a machine without it:
 * crypto_has_aes. */
enum aead { AEAD_CHACHA20_POLY1305 = 1, AEAD_AES256_GCM = 2 };

/* A prepared key: opaque, 16-byte aligned; given back by `forget`. All zero: none. */
struct aead_key {
    _Alignas(16) uint8_t schedule[CRYPTO_SCHEDULE];
    uint8_t kind; /* enum aead */
};

struct crypto {
    const char *name; /* "real" or "fake" */
    /* Key pairs from 32 bytes of randomness. x25519: sk is the clamped seed. ed25519: sk is the
     * seed. */
    void (*x25519_public)(uint8_t pk[32], const uint8_t sk[32]);
    /* The same for a key pair of one handshake: no id depends on it, so the fake need not compute
     * a point. */
    void (*x25519_ephemeral)(uint8_t pk[32], const uint8_t sk[32]);
    bool (*x25519)(uint8_t shared[32], const uint8_t sk[32], const uint8_t own_pk[32],
                   const uint8_t peer_pk[32]); /* own_pk: only the fake looks at it */
    void (*ed25519_public)(uint8_t pk[32], const uint8_t seed[32]);
    void (*sign)(uint8_t sig[64], const void *msg, size_t len, const uint8_t seed[32],
                 const uint8_t pk[32]);
    bool (*verify)(const uint8_t sig[64], const void *msg, size_t len, const uint8_t pk[32]);
    /* BLAKE2b-(8*out_len), keyed if key_len > 0 */
    void (*hash)(void *out, size_t out_len, const void *msg, size_t len, const void *key,
                 size_t key_len);
    /* HMAC-BLAKE2b-512 over at most two parts, and HASH over two parts (Noise needs both) */
    void (*hmac512)(uint8_t out[64], const void *key, size_t key_len, const void *a, size_t a_len,
                    const void *b, size_t b_len);
    void (*hash512)(uint8_t out[64], const void *a, size_t a_len, const void *b, size_t b_len);
    /* AEAD with a raw key; nonce is 12 bytes. out may equal in. out_len = len +- 16. */
    void (*seal)(enum aead kind, uint8_t *out, const uint8_t *in, size_t len, const void *ad,
                 size_t ad_len, const uint8_t nonce[12], const uint8_t key[32]);
    bool (*open)(enum aead kind, uint8_t *out, const uint8_t *in, size_t len, const void *ad,
                 size_t ad_len, const uint8_t nonce[12], const uint8_t key[32]);
    /* The same with a prepared key: the packet path. */
    void (*prepare)(struct aead_key *k, enum aead kind, const uint8_t key[32]);
    void (*seal_prepared)(const struct aead_key *k, uint8_t *out, const uint8_t *in, size_t len,
                          const void *ad, size_t ad_len, const uint8_t nonce[12]);
    bool (*open_prepared)(const struct aead_key *k, uint8_t *out, const uint8_t *in, size_t len,
                          const void *ad, size_t ad_len, const uint8_t nonce[12]);
    void (*forget)(struct aead_key *k); /* wiped, and whatever it held given back */
    /* XChaCha20-Poly1305, 24-byte nonce: cookies, LAN discovery */
    void (*xseal)(uint8_t *out, const uint8_t *in, size_t len, const void *ad, size_t ad_len,
                  const uint8_t nonce[24], const uint8_t key[32]);
    bool (*xopen)(uint8_t *out, const uint8_t *in, size_t len, const void *ad, size_t ad_len,
                  const uint8_t nonce[24], const uint8_t key[32]);
};

extern const struct crypto crypto_real;
extern const struct crypto crypto_fake;

/* Once per process, before any use. False: libsodium does not start. */
bool crypto_init(void);
/* Whether this CPU has AES-256-GCM in hardware: for drivers, who hand the answer in as
 * configuration. */
bool crypto_has_aes(void);
bool crypto_equal(const void *a, const void *b, size_t len); /* constant time */
void crypto_wipe(void *p, size_t len);
uint64_t crypto_siphash(const void *msg, size_t len, const uint8_t key[16]);
/* ChaCha20 keystream (zero nonce) for base/rng.c; real in both tables. */
void crypto_keystream(uint8_t *out, size_t len, const uint8_t key[32]);
