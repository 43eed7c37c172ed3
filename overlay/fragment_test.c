#include "overlay/fragment.h"

#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define NOW UINT64_C(5000000)

static uint8_t frame[KIND_IP_MAX];

static struct fragment part(uint16_t number, uint32_t at, uint32_t len, uint32_t whole)
{
    return (struct fragment){.number = number,
                             .at = (uint16_t)at,
                             .whole = (uint16_t)whole,
                             .bytes = frame + at,
                             .len = len};
}

/* The frame, or NULL; a reason that is not the one expected fails. */
static uint8_t *take(struct fragments *f, uint64_t now_us, uint32_t index, struct fragment p,
                     enum drop expected)
{
    uint32_t len = 0;
    enum drop why;
    uint8_t *got = fragments_take(f, now_us, index, &p, &len, &why);
    assert_int_equal(why, expected);
    if (got) {
        assert_int_equal(len, p.whole);
        assert_memory_equal(got, frame, len);
    }
    return got;
}

static int setup(void **state)
{
    struct rng r;
    (void)state;
    rng_seed(&r, (const uint8_t[32]){3});
    rng_bytes(&r, frame, sizeof frame);
    return 0;
}

static void in_any_order(void **state)
{
    struct fragments f = {0};
    struct rng r;
    (void)state;
    rng_seed(&r, (const uint8_t[32]){4});
    for (uint16_t n = 0; n < 2000; n++) {
        uint32_t whole = (uint32_t)rng_between(&r, 10, KIND_IP_MAX);
        uint32_t unit = 8 * (uint32_t)rng_between(&r, 1, 1 + (whole - 1) / 8);
        uint32_t count = (whole + unit - 1) / unit, order[256];
        if (count < 2) continue;
        for (uint32_t i = 0; i < count; i++) {
            uint32_t k = (uint32_t)rng_below(&r, i + 1);
            order[i] = order[k];
            order[k] = i;
        }
        for (uint32_t i = 0; i < count; i++) {
            uint32_t at = order[i] * unit, len = unit < whole - at ? unit : whole - at;
            bool last = i + 1 == count;
            assert_true(!take(&f, NOW, 7, part(n, at, len, whole), DROP_COUNT) == !last);
        }
    }
    fragments_free(&f);
}

static void sessions_and_numbers_are_apart(void **state)
{
    struct fragments f = {0};
    (void)state;
    assert_null(take(&f, NOW, 1, part(1, 0, 8, 20), DROP_COUNT));
    assert_null(take(&f, NOW, 1, part(2, 8, 12, 20), DROP_COUNT));
    assert_null(take(&f, NOW, 2, part(1, 8, 12, 20), DROP_COUNT));
    assert_non_null(take(&f, NOW, 1, part(1, 8, 12, 20), DROP_COUNT));
    fragments_forget(&f, 2);
    assert_null(take(&f, NOW, 2, part(1, 0, 8, 20), DROP_COUNT)); /* it begins anew */
    fragments_free(&f);
}

static void an_overlap_ends_it(void **state)
{
    struct fragments f = {0};
    (void)state;
    assert_null(take(&f, NOW, 1, part(1, 0, 16, 30), DROP_COUNT));
    assert_null(take(&f, NOW, 1, part(1, 8, 8, 30), DROP_MALFORMED));
    assert_null(
        take(&f, NOW, 1, part(1, 16, 14, 30), DROP_COUNT)); /* of the first nothing is left */
    assert_non_null(take(&f, NOW, 1, part(1, 0, 16, 30), DROP_COUNT));
    assert_null(take(&f, NOW, 1, part(2, 0, 16, 30), DROP_COUNT));
    assert_null(take(&f, NOW, 1, part(2, 16, 15, 31), DROP_MALFORMED)); /* another whole */
    fragments_free(&f);
}

static void it_does_not_wait_for_ever(void **state)
{
    struct fragments f = {0};
    (void)state;
    assert_null(take(&f, NOW, 1, part(1, 0, 8, 20), DROP_COUNT));
    assert_null(take(&f, NOW + FRAGMENT_WAIT_US - 1, 1, part(2, 0, 8, 20), DROP_COUNT));
    assert_null(take(&f, NOW + FRAGMENT_WAIT_US, 1, part(1, 8, 12, 20), DROP_TIMEOUT));
    assert_non_null(take(&f, NOW + FRAGMENT_WAIT_US, 1, part(2, 8, 12, 20), DROP_COUNT));
    fragments_free(&f);
}

/* A part of number 5 whose frame is lost, and 65,536 frames later another number 5: not one frame of two. */
static void numbers_come_round(void **state)
{
    struct fragments f = {0};
    (void)state;
    assert_null(take(&f, NOW, 1, part(5, 0, 8, 20), DROP_COUNT));
    assert_null(take(&f, NOW, 2, part(5, 0, 8, 20), DROP_COUNT));
    uint32_t n = 6;
    for (; n < 5 + 65536; n += 999) {
        bool first_far = n - 5 > FRAGMENT_NEAR && n - 5 - 999 <= FRAGMENT_NEAR;
        assert_null(
            take(&f, NOW, 1, part((uint16_t)n, 0, 16, 20), first_far ? DROP_TIMEOUT : DROP_COUNT));
        assert_non_null(take(&f, NOW, 1, part((uint16_t)n, 16, 4, 20), DROP_COUNT));
    }
    assert_null(take(&f, NOW, 1, part(5, 8, 12, 20), DROP_COUNT));
    assert_non_null(take(&f, NOW, 2, part(5, 8, 12, 20), DROP_COUNT)); /* another session's */
    fragments_free(&f);
}

/* One session's unfinished frames do not take the others' room. */
static void the_oldest_goes(void **state)
{
    struct fragments f = {0};
    (void)state;
    assert_null(take(&f, NOW, 1, part(0, 0, 8, 20), DROP_COUNT));
    for (uint16_t n = 0; n < 1000; n++)
        assert_null(take(&f, NOW + 1 + n, 2, part(n, 0, 8, 20),
                         n < FRAGMENT_EACH ? DROP_COUNT : DROP_FULL));
    assert_non_null(take(&f, NOW + 2000, 1, part(0, 8, 12, 20), DROP_COUNT));
    assert_non_null(take(&f, NOW + 2000, 2, part(999, 8, 12, 20), DROP_COUNT));
    assert_null(take(&f, NOW + 2000, 1, part(0, 0, 8, 20), DROP_COUNT));
    for (uint32_t index = 3; index < 3 + FRAGMENT_SLOTS - FRAGMENT_EACH; index++)
        assert_null(take(&f, NOW + 3000 + index, index, part(0, 0, 8, 20), DROP_COUNT));
    assert_null(take(&f, NOW + 4000, 100, part(0, 0, 8, 20), DROP_FULL));
    assert_non_null(take(&f, NOW + 4000, 100, part(0, 8, 12, 20), DROP_COUNT));
    fragments_free(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_any_order),       cmocka_unit_test(sessions_and_numbers_are_apart),
        cmocka_unit_test(an_overlap_ends_it), cmocka_unit_test(it_does_not_wait_for_ever),
        cmocka_unit_test(the_oldest_goes),    cmocka_unit_test(numbers_come_round),
    };
    return cmocka_run_group_tests_name("overlay/fragment", tests, setup, NULL);
}
