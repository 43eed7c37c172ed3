/* Receiver indices: what was freed is not given again at once, and is nobody's meanwhile. */
#include "overlay/core.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct indices { /* as little of an overlay as indices need */
    struct overlay o;
    uint16_t map[4096];
    struct link links[64];
};

static void indices_init(struct indices *t, uint32_t size)
{
    memset(t, 0, sizeof *t);
    t->o.map = t->map;
    t->o.map_mask = (uint16_t)(size - 1);
    t->o.links = t->links;
}

static uint32_t give(struct indices *t, uint16_t slot)
{
    uint32_t index = index_new(&t->o, (uint16_t)(ENTRY_LINK | slot), 0);
    t->links[slot].s.entry = (uint16_t)index;
    if (index) assert_int_equal(index_meaning(&t->o, index), ENTRY_LINK | slot);
    return index;
}

/* One place is left, so that the same is given again and again. */
static void freed_is_not_given_next(void **state)
{
    static const uint32_t sizes[] = {64, 128, 4096};
    static struct indices t;
    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        indices_init(&t, sizes[i]);
        for (uint32_t k = 2; k < sizes[i]; k++)
            assert_int_not_equal(index_new(&t.o, ENTRY_LINK | 1, 0), 0);
        uint32_t first = give(&t, 2), last = first, again = 0;
        assert_int_equal(index_new(&t.o, ENTRY_LINK | 3, 0), 0); /* full */
        for (uint32_t n = 0; n < 5 * 65536 / sizes[i]; n++) {
            index_free(&t.o, last);
            assert_int_equal(index_meaning(&t.o, last), ENTRY_FREE);
            uint32_t next = give(&t, 2);
            assert_int_not_equal(next, 0);
            assert_int_not_equal(next, last);
            assert_int_equal(next % sizes[i], first % sizes[i]);
            assert_int_equal(index_meaning(&t.o, last), ENTRY_FREE); /* late: not the successor's */
            last = next;
            again += next == first;
        }
        assert_int_equal(again, 5); /* every generation there is */
    }
}

static void others_are_nobodys(void **state)
{
    static struct indices t;
    (void)state;
    indices_init(&t, 128);
    uint32_t index = give(&t, 5);
    assert_int_equal(index_meaning(&t.o, 0), ENTRY_FREE);
    for (unsigned bit = 0; bit < 32; bit++)
        assert_int_equal(index_meaning(&t.o, index ^ 1u << bit), ENTRY_FREE);
}

/* The next key of a peer is opened by the lane that opens the present one, or packets of one flow would overtake each other. */
static void the_owner_stays(void **state)
{
    static struct indices t;
    (void)state;
    for (uint8_t lanes = 2; lanes <= LANES_MAX; lanes++) {
        uint64_t told[HOT_INDEX_WORDS] = {0}; /* to the lanes: these are in use */
        const struct hot_lanes several = {.count = lanes, .indices = told};
        indices_init(&t, 128);
        t.o.lanes = &several;
        uint32_t used = 0, given[128];
        for (uint32_t like = 1; like < 60; like++) {
            uint32_t index = index_new(&t.o, ENTRY_LINK | 1, like);
            assert_int_not_equal(index, 0);
            assert_int_equal(hot_owner(index, lanes), hot_owner(like, lanes));
            assert_true(hot_index_used(told, index));
            assert_false(hot_index_used(told, index | 0x10000));
            given[used++] = index;
        }
        while ((given[used] = index_new(&t.o, ENTRY_LINK | 1, 5)) != 0)
            used++; /* none of that owner: any */
        assert_int_equal(used, 127);
        for (uint32_t i = 0; i < used; i++) index_free(&t.o, given[i]);
        for (uint32_t i = 0; i < HOT_INDEX_WORDS; i++) assert_true(told[i] == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(freed_is_not_given_next),
                                       cmocka_unit_test(others_are_nobodys),
                                       cmocka_unit_test(the_owner_stays)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
