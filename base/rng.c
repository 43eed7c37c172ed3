#include "base/rng.h"

#include "base/crypto.h"
#include "base/err.h"
#include <string.h>

/* A long draw is made in pieces of at most this many bytes, each with a key erasure of its own. */
#define RNG_PIECE    480u
#define RNG_NAME_MAX 64u

void rng_seed(struct rng *r, const uint8_t seed[32])
{
    static const char what[] = "ringlet rng seed";
    crypto_real.hash(r->key, sizeof r->key, what, sizeof what - 1, seed, 32);
}

void rng_mix(struct rng *r, const uint8_t seed[32])
{
    crypto_real.hash(r->key, sizeof r->key, seed, 32, r->key, sizeof r->key);
}

void rng_stream(const struct rng *r, const char *name, uint64_t number, struct rng *out)
{
    static const char what[] =
        "ringlet rng stream"; /* with its NUL: keeps this apart from rng_mix */
    uint8_t msg[sizeof what + 8 + RNG_NAME_MAX];
    size_t len = strlen(name);
    ensure(len <= RNG_NAME_MAX);
    memcpy(msg, what, sizeof what);
    for (unsigned i = 0; i < 8; i++) msg[sizeof what + i] = (uint8_t)(number >> (56 - 8 * i));
    memcpy(msg + sizeof what + 8, name, len);
    crypto_real.hash(out->key, sizeof out->key, msg, sizeof what + 8 + len, r->key, sizeof r->key);
}

static void rng_piece(struct rng *r, uint8_t *out, size_t len)
{
    uint8_t block[32 + RNG_PIECE];
    crypto_keystream(block, 32 + len, r->key);
    memcpy(r->key, block, 32);
    memcpy(out, block + 32, len);
    crypto_wipe(block, 32 + len);
}

void rng_bytes(struct rng *r, void *out, size_t len)
{
    for (uint8_t *p = out; len > 0;) {
        size_t piece = len < RNG_PIECE ? len : RNG_PIECE;
        rng_piece(r, p, piece);
        p += piece;
        len -= piece;
    }
}

uint64_t rng_u64(struct rng *r)
{
    uint8_t b[8];
    uint64_t value = 0;
    rng_piece(r, b, sizeof b);
    for (unsigned i = 0; i < sizeof b; i++) value = value << 8 | b[i];
    return value;
}

uint32_t rng_u32(struct rng *r)
{
    return (uint32_t)(rng_u64(r) >> 32);
}

uint64_t rng_below(struct rng *r, uint64_t n)
{
    ensure(n > 0);
    uint64_t skip = (0 - n) % n; /* 2^64 mod n: so many of the lowest values would count twice */
    uint64_t value;
    do value = rng_u64(r);
    while (value < skip);
    return value % n;
}

uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high)
{
    ensure(low <= high);
    uint64_t span = high - low;
    return span == UINT64_MAX ? rng_u64(r) : low + rng_below(r, span + 1);
}

uint64_t rng_jitter(struct rng *r, uint64_t value, unsigned percent)
{
    ensure(percent <= 100);
    uint64_t part = value / 100 * percent + value % 100 * percent / 100;
    uint64_t high = part > UINT64_MAX - value ? UINT64_MAX : value + part;
    return rng_between(r, value - part, high);
}
