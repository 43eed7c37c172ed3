#include "nat/budget.h"

#include "base/rng.h"
#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static unsigned taken_at(struct budget *b, uint64_t now_us, uint32_t per_second, uint32_t burst)
{
    unsigned taken = 0;
    while (taken < 100000 && budget_take(b, now_us, per_second, burst)) taken++;
    return taken;
}

static void starts_full_and_refills(void **state)
{
    (void)state;
    for (uint64_t start_us = 0; start_us <= HOURS(1); start_us += HOURS(1)) {
        struct budget b = {0};
        assert_int_equal(taken_at(&b, start_us, 10, 20), 20);
        assert_int_equal(taken_at(&b, start_us, 10, 20), 0); /* not full again at time 0 */
        assert_int_equal(taken_at(&b, start_us + MILLIS(99), 10, 20), 0);
        assert_int_equal(taken_at(&b, start_us + MILLIS(101), 10, 20), 1);
        assert_int_equal(taken_at(&b, start_us + SECONDS(1) + MILLIS(1), 10, 20), 9);
        assert_int_equal(taken_at(&b, start_us + SECONDS(3600), 10, 20), 20);
    }
}

/* Asked every microsecond or rarely: the same number in all, never more than the rate. */
static void asking_often_loses_nothing(void **state)
{
    (void)state;
    static const uint32_t rates[] = {1, 3, 7, 10, 500, 999, 1001};
    for (unsigned i = 0; i < sizeof rates / sizeof *rates; i++)
        for (uint64_t step_us = 1; step_us <= 100000; step_us = step_us * 7 + 3) {
            struct budget b = {0};
            uint64_t now_us = 1, taken = taken_at(&b, now_us, rates[i], 50) - 50, steps = 20000;
            for (uint64_t k = 0; k < steps; k++)
                taken += taken_at(&b, now_us += step_us, rates[i], 50);
            uint64_t due = steps * step_us * rates[i] / SECONDS(1);
            if (step_us * rates[i] > 50 * SECONDS(1)) continue; /* the bucket ran over */
            assert_true(taken <= due);
            uint64_t rounding = taken * rates[i] / SECONDS(1); /* under 1 us a token */
            assert_true(taken + 1 + rounding >= due);
        }
}

static void time_going_back_gives_nothing(void **state)
{
    (void)state;
    struct budget b = {0};
    assert_int_equal(taken_at(&b, SECONDS(100), 10, 5), 5);
    assert_int_equal(taken_at(&b, SECONDS(50), 10, 5), 0);
    assert_int_equal(taken_at(&b, SECONDS(100), 10, 5), 0);
    assert_int_equal(taken_at(&b, SECONDS(100) + MILLIS(200), 10, 5), 2);
}

static void extremes(void **state)
{
    (void)state;
    struct budget b = {0};
    assert_int_equal(taken_at(&b, 5, 0, 3), 3); /* a rate of 0 never refills */
    assert_int_equal(taken_at(&b, TIME_NEVER, 0, 3), 0);
    b = (struct budget){0};
    assert_int_equal(taken_at(&b, 5, 10, 0), 0); /* nor does a burst of 0 ever give */
    b = (struct budget){0};
    assert_true(budget_take(&b, 1, UINT32_MAX, BUDGET_BURST_MAX));
    assert_true(budget_take(&b, TIME_NEVER, UINT32_MAX, BUDGET_BURST_MAX));
    b = (struct budget){0};
    assert_true(budget_take(&b, 1, 10, 100));
    assert_int_equal(taken_at(&b, 1, 10, 4), 4); /* the limit was lowered by a reload */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(starts_full_and_refills),
        cmocka_unit_test(asking_often_loses_nothing),
        cmocka_unit_test(time_going_back_gives_nothing),
        cmocka_unit_test(extremes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
