#include "sim/calendar.h"

#include "base/rng.h"
#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

#define MANY 20000u

static int compare(const void *a, const void *b)
{
    const struct calendar_entry *x = a, *y = b;
    if (x->time_us != y->time_us) return x->time_us < y->time_us ? -1 : 1;
    if (x->to != y->to) return x->to < y->to ? -1 : 1;
    if (x->from != y->from) return x->from < y->from ? -1 : 1;
    return x->number < y->number ? -1 : x->number > y->number;
}

static void same(const struct calendar_entry *a, const struct calendar_entry *b)
{
    assert_int_equal(compare(a, b), 0);
    assert_int_equal(a->item, b->item);
}

/* How far ahead: within a page, a second, a turn of the wide wheel (72 min), several. */
static const uint64_t spans[] = {1, 100, 5000, 3000000, UINT64_C(1) << 31, UINT64_C(1) << 35};

/* All in, then all out. */
static void sorted(void **state)
{
    (void)state;
    static struct calendar_entry all[MANY];
    for (unsigned k = 0; k < sizeof spans / sizeof *spans; k++) {
        struct rng r;
        uint8_t seed[32] = {(uint8_t)k};
        rng_seed(&r, seed);
        struct calendar c;
        calendar_init(&c);
        assert_null(calendar_first(&c));
        for (uint32_t i = 0; i < MANY; i++) {
            all[i] = (struct calendar_entry){.time_us = rng_below(&r, spans[k]),
                                             .to = (uint32_t)rng_below(&r, 9),
                                             .from = (uint32_t)rng_below(&r, 9),
                                             .number = i,
                                             .item = ~i};
            calendar_put(&c, &all[i]);
        }
        qsort(all, MANY, sizeof *all, compare);
        for (uint32_t i = 0; i < MANY; i++) {
            same(calendar_first(&c), &all[i]);
            for (uint32_t n = 0; n < 3; n++) {
                const struct calendar_entry *e = calendar_ahead(&c, n);
                if (e) same(e, &all[i + n]);
            }
            const bool dense = spans[k] <= SECONDS(3) && i + 2 * CALENDAR_AHEAD < MANY &&
                               all[i].time_us >> 20 == all[i + CALENDAR_AHEAD].time_us >> 20;
            if (dense) same(calendar_ahead(&c, CALENDAR_AHEAD - 1), &all[i + CALENDAR_AHEAD - 1]);
            calendar_drop(&c);
        }
        assert_null(calendar_first(&c));
        calendar_fini(&c);
    }
}

/* In and out in turn, as a simulation does: nothing comes before what came, and each comes once. */
static void in_turn(void **state)
{
    (void)state;
    for (unsigned k = 0; k < sizeof spans / sizeof *spans; k++) {
        struct rng r;
        uint8_t seed[32] = {(uint8_t)(100 + k)};
        rng_seed(&r, seed);
        struct calendar c;
        static struct calendar_entry waiting[64];
        uint32_t count = 0, number = 0;
        uint64_t now_us = 0;
        calendar_init(&c);
        for (uint32_t i = 0; i < MANY; i++) {
            if (count < 64 && (count == 0 || rng_below(&r, 2))) {
                waiting[count] = (struct calendar_entry){.time_us = now_us +
                                                                    rng_below(&r, spans[k]),
                                                         .to = (uint32_t)rng_below(&r, 5),
                                                         .from = (uint32_t)rng_below(&r, 5),
                                                         .number = number++};
                if (rng_below(&r, 4) == 0)
                    (void)calendar_first(&c); /* a look ahead changes nothing */
                calendar_put(&c, &waiting[count++]);
                continue;
            }
            uint32_t least = 0;
            for (uint32_t n = 1; n < count; n++)
                if (compare(&waiting[n], &waiting[least]) < 0) least = n;
            same(calendar_first(&c), &waiting[least]);
            now_us = waiting[least].time_us;
            waiting[least] = waiting[--count];
            calendar_drop(&c);
        }
        calendar_fini(&c);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(sorted), cmocka_unit_test(in_turn)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
