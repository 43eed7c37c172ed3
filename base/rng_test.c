#include "base/rng.h"

#include "base/crypto.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct rng seeded(void)
{
    uint8_t seed[32];
    struct rng r;
    for (uint8_t i = 0; i < 32; i++) seed[i] = i;
    rng_seed(&r, seed);
    return r;
}

/* Computed once with Python's hashlib and openssl's chacha20 from the description in rng.h: what a
 * simulation prints hangs on these bytes. */
static void known_answer(void **state)
{
    (void)state;
    static const uint8_t first[16] = {0xed, 0x17, 0x84, 0x16, 0x7d, 0x53, 0x4d, 0x51,
                                      0x99, 0x6b, 0x8a, 0x07, 0x5c, 0x91, 0x8a, 0xe3};
    static const uint8_t digest[16] = {0x7e, 0xdb, 0xf0, 0x21, 0xec, 0x39, 0x3a, 0xaf,
                                       0x32, 0x8d, 0xfb, 0x7d, 0xa7, 0x11, 0x03, 0xce};
    uint8_t out[500], nine[32], hash[16];
    struct rng r = seeded(), stream;
    rng_stream(&r, "jitter", 7, &stream);
    assert_true(rng_u64(&stream) == 0x1dfce9efaa664abf);
    rng_bytes(&r, out, 16);
    assert_memory_equal(out, first, 16);
    assert_true(rng_u64(&r) == 0x4e1b793c9f33cbaf);
    rng_bytes(&r, out, 500); /* two pieces */
    crypto_real.hash(hash, sizeof hash, out, 500, NULL, 0);
    assert_memory_equal(hash, digest, sizeof hash);
    memset(nine, 9, sizeof nine);
    rng_mix(&r, nine);
    assert_true(rng_u64(&r) == 0x65130ec82af9217f);
}

static void the_key_is_erased(void **state)
{
    (void)state;
    struct rng r = seeded(), old = r;
    uint8_t out[64], stream[96];
    rng_bytes(&r, out, sizeof out);
    assert_memory_not_equal(r.key, old.key, sizeof r.key);
    crypto_keystream(stream, sizeof stream, old.key);
    assert_memory_equal(r.key, stream, 32); /* the new key is no part of the answer */
    assert_memory_equal(out, stream + 32, 64);
    rng_bytes(&r, out, 0);
    assert_memory_equal(r.key, stream, 32); /* nothing drawn, nothing moved */
}

static void streams_are_independent(void **state)
{
    (void)state;
    struct rng r = seeded(), before = r, a, b, c, d;
    rng_stream(&r, "link", 1, &a);
    assert_memory_equal(&r, &before, sizeof r); /* the parent does not move */
    rng_u64(&a);
    rng_stream(&r, "link", 2, &b);
    rng_stream(&r, "lin", 1, &c);
    rng_stream(&r, "link", 1, &d);
    uint64_t first = rng_u64(&d);
    assert_true(rng_u64(&b) != first);
    assert_true(rng_u64(&c) != first);
    rng_stream(&r, "link", 1, &a);
    assert_true(rng_u64(&a) == first);
    rng_u64(&r);
    rng_stream(&r, "link", 1, &a); /* from another state of the parent: another stream */
    assert_true(rng_u64(&a) != first);
}

static void every_value_and_no_other(void **state)
{
    (void)state;
    struct rng r = seeded();
    unsigned seen[7] = {0};
    for (int i = 0; i < 7000; i++) seen[rng_below(&r, 7)]++;
    for (int i = 0; i < 7; i++) assert_in_range(seen[i], 850, 1150);
    for (int i = 0; i < 100; i++) {
        assert_true(rng_below(&r, 1) == 0);
        assert_true(rng_below(&r, UINT64_MAX) < UINT64_MAX);
        assert_true(rng_between(&r, 5, 5) == 5);
        assert_true(rng_between(&r, UINT64_MAX - 1, UINT64_MAX) >= UINT64_MAX - 1);
    }
    bool low = false, high = false;
    for (int i = 0; i < 200; i++) {
        uint64_t v = rng_between(&r, 10, 12);
        assert_in_range(v, 10, 12);
        low = low || v == 10;
        high = high || v == 12;
    }
    assert_true(low && high);
    assert_true(rng_between(&r, 0, UINT64_MAX) != rng_between(&r, 0, UINT64_MAX));
}

/* With n three quarters of the range, every fourth draw must be thrown away. */
static void no_bias(void **state)
{
    (void)state;
    struct rng r = seeded();
    uint64_t n = (UINT64_MAX / 4) * 3;
    unsigned lowest_third = 0;
    for (int i = 0; i < 3000; i++) lowest_third += rng_below(&r, n) < n / 3;
    assert_in_range(lowest_third, 850, 1150); /* a plain remainder would give 1500 */
}

static void jitter(void **state)
{
    (void)state;
    struct rng r = seeded();
    bool low = false, high = false;
    for (int i = 0; i < 2000; i++) {
        uint64_t v = rng_jitter(&r, 1000, 10);
        assert_in_range(v, 900, 1100);
        low = low || v < 910;
        high = high || v > 1090;
    }
    assert_true(low && high);
    assert_true(rng_jitter(&r, 1000, 0) == 1000);
    assert_true(rng_jitter(&r, 0, 50) == 0);
    assert_in_range(rng_jitter(&r, 7, 100), 0, 14);
    assert_true(rng_jitter(&r, UINT64_MAX - 5, 10) >= UINT64_MAX / 10 * 8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answer),
        cmocka_unit_test(the_key_is_erased),
        cmocka_unit_test(streams_are_independent),
        cmocka_unit_test(every_value_and_no_other),
        cmocka_unit_test(no_bias),
        cmocka_unit_test(jitter),
    };
    return crypto_init() ? cmocka_run_group_tests(tests, NULL, NULL) : 1;
}
