#include "base/heap.h"

#include "base/rng.h"
#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <stdlib.h>
#include <cmocka.h>

#define ITEMS 300u

static int by_order(const void *x, const void *y)
{
    const struct heap_entry *a = x, *b = y;
    if (a->time_us != b->time_us) return a->time_us < b->time_us ? -1 : 1;
    if (a->a != b->a) return a->a < b->a ? -1 : 1;
    if (a->b != b->b) return a->b < b->b ? -1 : 1;
    return a->item < b->item ? -1 : a->item > b->item;
}

static struct rng rng_for(uint64_t number)
{
    struct rng root, r;
    uint8_t zero[32] = {0};
    rng_seed(&root, zero);
    rng_stream(&root, "heap", number, &r);
    return r;
}

static struct heap_entry entry_drawn(struct rng *r, uint32_t item)
{
    return (struct heap_entry){
        .time_us = rng_below(r, 50), .a = rng_below(r, 3), .b = rng_below(r, 3), .item = item};
}

static void sorts(void **state)
{
    (void)state;
    for (uint32_t count = 1; count < ITEMS; count += 13) {
        struct rng r = rng_for(count);
        struct heap_entry in[ITEMS];
        struct heap h;
        heap_init(&h, count, NULL);
        for (uint32_t i = 0; i < count; i++) {
            in[i] = entry_drawn(&r, i);
            assert_int_equal(heap_push(&h, in[i]), OK);
        }
        assert_int_equal(heap_push(&h, in[0]), ERR_FULL);
        qsort(in, count, sizeof in[0], by_order);
        for (uint32_t i = 0; i < count; i++) {
            assert_memory_equal(heap_first(&h), &in[i], sizeof in[i]);
            struct heap_entry out = heap_pop(&h);
            assert_memory_equal(&out, &in[i], sizeof out);
        }
        assert_null(heap_first(&h));
        heap_fini(&h);
    }
}

/* What is in, by item; TIME_NEVER: absent. */
static void heap_agrees(const struct heap *h, const struct heap_entry *in, const uint32_t *where)
{
    const struct heap_entry *least = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; i < ITEMS; i++) {
        if (in[i].time_us == TIME_NEVER) {
            assert_int_equal(where[i], 0);
            continue;
        }
        count++;
        assert_memory_equal(&h->entries[where[i] - 1], &in[i], sizeof in[i]);
        if (!least || by_order(&in[i], least) < 0) least = &in[i];
    }
    assert_int_equal(h->count, count);
    if (least)
        assert_memory_equal(heap_first(h), least, sizeof *least);
    else
        assert_null(heap_first(h));
}

static void deadlines_move(void **state)
{
    (void)state;
    struct rng r = rng_for(1000);
    struct heap_entry in[ITEMS];
    uint32_t where[ITEMS] = {0};
    struct heap h;
    heap_init(&h, ITEMS, where);
    for (uint32_t i = 0; i < ITEMS; i++)
        in[i] = (struct heap_entry){.time_us = TIME_NEVER, .item = i};
    for (unsigned n = 0; n < 20000; n++) {
        uint32_t i = (uint32_t)rng_below(&r, ITEMS);
        switch (rng_below(&r, 8)) {
        case 0:
            heap_remove(&h, i);
            in[i].time_us = TIME_NEVER;
            break;
        case 1:
            in[i].time_us = TIME_NEVER;
            assert_int_equal(heap_set(&h, in[i]), OK);
            break;
        case 2:
            if (h.count > 0) in[heap_pop(&h).item].time_us = TIME_NEVER;
            break;
        default: in[i] = entry_drawn(&r, i); assert_int_equal(heap_set(&h, in[i]), OK);
        }
        if (n % 8 == 0) heap_agrees(&h, in, where);
    }
    heap_fini(&h);
}

static void bounds(void **state)
{
    (void)state;
    uint32_t where[3] = {0};
    struct heap h;
    heap_init(&h, 2, where);
    assert_int_equal(heap_set(&h, (struct heap_entry){.time_us = 5, .item = 0}), OK);
    assert_int_equal(heap_set(&h, (struct heap_entry){.time_us = 4, .item = 1}), OK);
    assert_int_equal(heap_set(&h, (struct heap_entry){.time_us = 3, .item = 2}), ERR_FULL);
    assert_int_equal(where[2], 0);
    assert_int_equal(heap_set(&h, (struct heap_entry){.time_us = 1, .item = 0}), OK); /* a move */
    assert_int_equal(heap_first(&h)->item, 0);
    heap_fini(&h);
    heap_init(&h, 0, NULL);
    assert_int_equal(heap_push(&h, (struct heap_entry){0}), ERR_FULL);
    heap_fini(&h);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sorts),
        cmocka_unit_test(deadlines_move),
        cmocka_unit_test(bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
