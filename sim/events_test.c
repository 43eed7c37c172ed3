#include "sim/events.h"

#include "base/rng.h"
#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES 50u

struct expected {
    uint64_t time_us;
    uint32_t node, source; /* source 0: a timer */
    uint32_t sequence;
};

static int compare(const void *a, const void *b)
{
    const struct expected *x = a, *y = b;
    if (x->time_us != y->time_us) return x->time_us < y->time_us ? -1 : 1;
    if (x->node != y->node) return x->node < y->node ? -1 : 1;
    if (x->source != y->source) return x->source < y->source ? -1 : 1;
    return x->sequence < y->sequence ? -1 : x->sequence > y->sequence;
}

static struct rng rng_for(uint64_t number)
{
    struct rng r;
    uint8_t seed[32] = {0};
    seed[0] = (uint8_t)number;
    rng_seed(&r, seed);
    return r;
}

/* Whatever the order of insertion, what comes out is sorted by time, destination, source, number. */
static void test_order(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 20; round++) {
        struct rng r = rng_for(round);
        static struct expected all[600];
        uint32_t n = 0;
        for (uint32_t i = 0; i < NODES; i++)
            all[n++] = (struct expected){.time_us = rng_below(&r, 20), .node = i};
        for (uint32_t i = 0; n < 600; i++)
            all[n++] = (struct expected){.time_us = rng_below(&r, 20),
                                         .node = (uint32_t)rng_below(&r, NODES),
                                         .source = 1 + (uint32_t)rng_below(&r, NODES),
                                         .sequence = i};
        for (uint32_t i = n; i > 1; i--) { /* shuffle */
            uint32_t k = (uint32_t)rng_below(&r, i);
            struct expected e = all[k];
            all[k] = all[i - 1], all[i - 1] = e;
        }
        struct events e;
        events_init(&e);
        events_room(&e, NODES);
        for (uint32_t i = 0; i < n; i++) {
            if (all[i].source == 0) {
                events_timer(&e, all[i].node, 99); /* moved after */
                events_timer(&e, all[i].node, all[i].time_us);
            } else {
                size_t len = rng_below(&r, EVENTS_BYTES + 1);
                struct flight *f = events_send(&e, all[i].time_us, all[i].node, all[i].source - 1,
                                               all[i].sequence, len);
                memset(f->bytes, (int)(all[i].sequence & 0xff), len);
            }
        }
        qsort(all, n, sizeof all[0], compare);
        for (uint32_t i = 0; i < n; i++) {
            assert_int_equal(events_next_us(&e), all[i].time_us);
            struct due d = events_take(&e);
            assert_int_equal(d.time_us, all[i].time_us);
            assert_int_equal(d.node, all[i].node);
            if (all[i].source == 0) {
                assert_int_equal(d.kind, DUE_TIMER);
                continue;
            }
            assert_int_equal(d.kind, DUE_DATAGRAM);
            assert_int_equal(d.source, all[i].source - 1);
            for (uint16_t k = 0; k < d.flight->len; k++)
                assert_int_equal(d.flight->bytes[k], all[i].sequence & 0xff);
            events_release(&e, &d);
        }
        assert_int_equal(events_take(&e).kind, DUE_NOTHING);
        assert_true(events_next_us(&e) == TIME_NEVER);
        events_fini(&e);
    }
}

static void test_timer_is_one_entry(void **state)
{
    (void)state;
    struct events e;
    events_init(&e);
    events_room(&e, 2);
    for (uint64_t t = 100; t > 0; t--) events_timer(&e, 1, t);
    events_timer(&e, 0, 50);
    events_timer(&e, 1, TIME_NEVER);
    assert_int_equal(events_take(&e).node, 0);
    assert_int_equal(events_take(&e).kind, DUE_NOTHING);
    events_room(&e, 300); /* nodes may be added at any time */
    events_timer(&e, 299, 7);
    assert_int_equal(events_take(&e).node, 299);
    events_fini(&e);
}

/* Memory of datagrams is used again: a million one after the other take one chunk. */
static void test_reuse(void **state)
{
    (void)state;
    struct events e;
    events_init(&e);
    events_room(&e, 2);
    for (uint32_t i = 0; i < 100000; i++) {
        events_send(&e, i, 1, 0, i, 100 + i % 1900);
        struct due d = events_take(&e);
        assert_int_equal(d.flight->len, 100 + i % 1900);
        events_release(&e, &d);
    }
    for (unsigned i = 0; i < EVENTS_CLASSES; i++) assert_true(e.slabs[i].made <= 1);
    assert_int_equal(e.in_flight_max, 1);
    events_fini(&e);
}

/* A datagram on its way takes little more than its length: most are lists, handshakes and acknowledgements. */
static void test_room(void **state)
{
    (void)state;
    static const uint32_t lengths[] = {40, 64, 100, 182, 320, 344, 426, 480, 720, 1100};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        struct events e;
        events_init(&e);
        events_room(&e, 2);
        uint64_t before = events_bytes(&e);
        for (uint32_t k = 0; k < 10240; k++) events_send(&e, k, 1, 0, k, lengths[i]);
        uint64_t each = (events_bytes(&e) - before) / 10240;
        assert_true(each <= lengths[i] + lengths[i] / 2 + 72); /* and its entry */
        events_fini(&e);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_order),
        cmocka_unit_test(test_timer_is_one_entry),
        cmocka_unit_test(test_reuse),
        cmocka_unit_test(test_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
