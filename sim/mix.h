/* sim/mix.h - one number out of many, for the hash of a run's state. Order matters; no secrets.
 *
 * Source: the finaliser of SplitMix64 (Steele, Lea, Flood 2014). Cost: two multiplications. */
#pragma once
#include <stdint.h>

static inline uint64_t mix64(uint64_t hash, uint64_t value)
{
    uint64_t x = (hash ^ value) + UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ x >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ x >> 27) * UINT64_C(0x94d049bb133111eb);
    return (x ^ x >> 31) + (hash << 7 | hash >> 57);
}
