#include "sim/measure.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct histogram h;

static void test_histogram(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    assert_int_equal(histogram_at(&h, 500000), 0);
    assert_int_equal(histogram_mean(&h, 1000), 0);
    for (uint64_t i = 1; i <= 100000; i++) histogram_add(&h, i);
    assert_int_equal(histogram_mean(&h, 10), 500005);
    static const uint32_t at[] = {1000, 10000, 500000, 990000, 999990};
    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++) {
        uint64_t exact = (uint64_t)at[i] / 10, told = histogram_at(&h, at[i]);
        assert_in_range(told, exact, exact + exact / 63 + 1);
    }
    assert_int_equal(histogram_at(&h, 1000000), 100000);
    assert_int_equal(h.max, 100000);
}

static void test_histogram_ends(void **state)
{
    (void)state;
    memset(&h, 0, sizeof h);
    histogram_add(&h, 0);
    histogram_add(&h, UINT64_MAX);
    assert_int_equal(histogram_at(&h, 0), 0);
    assert_true(histogram_at(&h, 990000) == UINT64_MAX);
    for (unsigned bit = 0; bit < 64; bit++) {
        memset(&h, 0, sizeof h);
        uint64_t value = UINT64_C(1) << bit;
        histogram_add(&h, value);
        histogram_add(&h, UINT64_MAX);
        assert_in_range(histogram_at(&h, 0), value, value + value / 64);
    }
}

static void test_log2(void **state)
{
    (void)state;
    assert_int_equal(log2_millionths(1), 0);
    assert_int_equal(log2_millionths(2), 1000000);
    assert_int_equal(log2_millionths(3), 1584962);
    assert_int_equal(log2_millionths(1000), 9965784);
    assert_int_equal(log2_millionths(1000000), 19931568);
    assert_int_equal(log2_millionths(UINT64_C(1) << 63), 63000000);
    assert_in_range(log2_millionths(UINT64_MAX), 63999999, 64000000);
}

static void test_exponential(void **state)
{
    (void)state;
    assert_int_equal(exponential_millionths(UINT64_C(1) << 32), 0);
    assert_int_equal(exponential_millionths(UINT64_C(1) << 31), 693147);
    assert_in_range(exponential_millionths(1), 22180700, 22180710); /* 32 ln 2 */
    uint64_t sum = 0, n = 100000;
    for (uint64_t i = 1; i <= n; i++) sum += exponential_millionths((i << 32) / (n + 1) + 1);
    assert_in_range(sum / n, 999000, 1001000);
}

static void test_mul_div(void **state)
{
    (void)state;
    assert_true(mul_div(UINT64_MAX, UINT64_MAX, UINT64_MAX) == UINT64_MAX);
    assert_true(mul_div(UINT64_MAX, 3, 2) == UINT64_MAX); /* at most */
    assert_int_equal(mul_div(7, 5, 2), 17);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram), cmocka_unit_test(test_histogram_ends),
        cmocka_unit_test(test_log2),      cmocka_unit_test(test_exponential),
        cmocka_unit_test(test_mul_div),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
