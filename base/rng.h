/* base/rng.h - all randomness of a node: a seeded generator with key erasure and named streams.
 *
 * Every draw makes one ChaCha20 keystream; its first 32 bytes replace the key (so that a later
 * theft of the state tells nothing of earlier draws), the rest is the answer. The same seed and the
 * same calls give the same bytes on every machine. A named stream is independent of its parent:
 * a draw added in one shifts no other. Long draws are made in pieces, each with its own erasure.
 *
 * Source: Bernstein, "Fast-key-erasure random-number generators" (2017).
 * Owns:   nothing; 32 bytes by value. Errors: none. Cost: one ChaCha20 block a number, 0.2 us. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct rng {
    uint8_t key[32];
};
_Static_assert(sizeof(struct rng) == 32, "a node holds several");

void rng_seed(struct rng *r, const uint8_t seed[32]);
void rng_mix(struct rng *r, const uint8_t seed[32]); /* fresh entropy: key = H(key || seed) */
/* A stream of its own, determined by r's key, `name` (at most 64 bytes) and `number`; does not
 * advance r: whoever takes r before its next draw can compute it. */
void rng_stream(const struct rng *r, const char *name, uint64_t number, struct rng *out);
void rng_bytes(struct rng *r, void *out, size_t len);
uint64_t rng_u64(struct rng *r);
uint32_t rng_u32(struct rng *r);
uint64_t rng_below(struct rng *r, uint64_t n);                    /* 0..n-1 without bias; n > 0 */
uint64_t rng_between(struct rng *r, uint64_t low, uint64_t high); /* low..high, both possible */
uint64_t rng_jitter(struct rng *r, uint64_t value, unsigned percent); /* value +- percent % */
