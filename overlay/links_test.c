/* What a link remembers of its round trips. */
#include "overlay/core.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static void samples(struct link *l, const unsigned *ms, unsigned count)
{
    for (unsigned i = 0; i < count; i++) link_rtt_sample(l, MILLIS(ms[i]));
}

/* The handshake waited for addresses to be asked for, twice as long as the path takes: what comes after it counts. */
static void a_first_sample_may_be_too_long(void **state)
{
    struct link l = {0};
    (void)state;
    link_set_path(&l, PATH_DIRECT);
    samples(&l, (const unsigned[]){110, 51}, 2);
    assert_int_equal(link_rtt_us(&l), MILLIS(51));
    assert_true(link_rto_us(&l) >= MILLIS(51) * 3 / 2);
    assert_true(link_rto_us(&l) < MILLIS(150));
}

/* Once two were alike the estimate is smooth: one short sample hardly moves it, nor does one long one. */
static void afterwards_it_is_smooth(void **state)
{
    struct link l = {0}, m = {0};
    (void)state;
    samples(&l, (const unsigned[]){110, 50, 50, 50, 10}, 5);
    assert_int_equal(link_rtt_us(&l), MILLIS(45));
    samples(&m, (const unsigned[]){50, 90, 10}, 3); /* RFC 6298: 55, and an eighth of -45 */
    assert_in_range(link_rtt_us(&m), MILLIS(49), MILLIS(50));
}

static void a_longer_one_never_counts_alone(void **state)
{
    struct link l = {0};
    (void)state;
    samples(&l, (const unsigned[]){40, 120}, 2);
    assert_int_equal(link_rtt_us(&l), MILLIS(50));
    assert_true(link_rto_us(&l) > MILLIS(120)); /* not direct: the whole variance counts */
}

/* What is longer and what is shorter may make a variance of half the estimate. */
static void by_chance(void **state)
{
    struct link l = {0};
    (void)state;
    samples(&l, (const unsigned[]){40, 41, 102, 68}, 4);
    assert_in_range(link_rtt_us(&l), MILLIS(50), MILLIS(51));
    samples(&l, (const unsigned[]){20}, 1);
    assert_true(link_rtt_us(&l) > MILLIS(40));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_first_sample_may_be_too_long),
        cmocka_unit_test(afterwards_it_is_smooth),
        cmocka_unit_test(a_longer_one_never_counts_alone),
        cmocka_unit_test(by_chance),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
