#include "overlay/hot.h"

#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static void comes_out_as_it_went_in(void **state)
{
    struct hot_queue q;
    struct hot_message m = {.op = DOWN_PATH, .flag = 1, .network = 2, .path = PATH_RELAYED}, got;
    uint8_t body[HOT_BODY_MAX];
    (void)state;
    assert_int_equal(hot_queue_init(&q, HOT_QUEUE_MIN), OK);
    m.index = 7, m.via = 8, m.channel = 9, m.channel2 = 10, m.value = 11;
    m.endpoint = endpoint_v4(0x7f000001, 7464);
    memset(m.ip, 0xaa, 16);
    assert_false(hot_pop(&q, &got, body, sizeof body));
    assert_int_equal(hot_push(&q, &m, NULL), OK);
    m.len = 5;
    assert_int_equal(hot_push(&q, &m, "hello"), OK);
    assert_true(hot_pop(&q, &got, body, sizeof body));
    m.len = 0;
    assert_memory_equal(&got, &m, sizeof m);
    assert_true(hot_pop(&q, &got, body, sizeof body));
    assert_int_equal(got.len, 5);
    assert_memory_equal(body, "hello", 5);
    assert_true(hot_is_empty(&q));
    for (uint32_t i = 0; i < q.size; i++)
        assert_int_equal(q.ring[i], 0); /* nothing is left to steal */
    hot_queue_fini(&q);
}

/* Bodies of any length around the end of the ring, in order, none lost but those refused and counted. */
static void goes_round(void **state)
{
    struct hot_queue q;
    struct rng r;
    const uint8_t seed[32] = {1};
    uint8_t body[HOT_BODY_MAX];
    uint32_t pushed = 0, popped = 0, refused = 0;
    (void)state;
    rng_seed(&r, seed);
    assert_int_equal(hot_queue_init(&q, HOT_QUEUE_MIN + 1), OK);
    for (int i = 0; i < 20000; i++) {
        struct hot_message m = {.op = UP_FRAME};
        if (rng_below(&r, 100) < 55) {
            m.len = (uint32_t)rng_below(&r, HOT_BODY_MAX + 1);
            m.index = pushed;
            memset(body, (int)(pushed & 0xff), m.len);
            bool room = hot_room(&q, m.len);
            enum err e = hot_push(&q, &m, body);
            assert_int_equal(e, room ? OK : ERR_FULL);
            if (e)
                refused++;
            else
                pushed++;
        } else if (hot_pop(&q, &m, body, sizeof body)) {
            assert_int_equal(m.index, popped);
            for (uint32_t b = 0; b < m.len; b++) assert_int_equal(body[b], popped & 0xff);
            popped++;
        }
        assert_true(hot_used(&q) <= q.size);
    }
    assert_true(refused > 100);
    assert_int_equal(q.dropped, refused);
    hot_queue_fini(&q);
}

static void too_long_is_refused(void **state)
{
    struct hot_queue q;
    struct hot_message m = {.op = DOWN_DATAGRAM, .len = HOT_BODY_MAX + 1};
    static const uint8_t body[HOT_BODY_MAX + 1];
    (void)state;
    assert_int_equal(hot_queue_init(&q, HOT_QUEUE_MIN), OK);
    assert_int_equal(hot_push(&q, &m, body), ERR_FULL);
    assert_true(hot_is_empty(&q));
    hot_queue_fini(&q);
}

/* Packets for one lane leave room for what all are to know; a lane that is alone has its whole queue. */
static void packets_leave_room(void **state)
{
    static const enum hot_op bulk[] = {DOWN_DATAGRAM, DOWN_OFFER, DOWN_SEAL, DOWN_FRAME, DOWN_ICMP};
    const uint8_t body[HOT_BODY_MAX] = {0};
    (void)state;
    for (size_t i = 0; i < sizeof bulk / sizeof *bulk; i++)
        for (uint8_t count = 1; count <= 2; count++) {
            struct hot_queue q[2];
            struct hot_lanes lanes = {.count = count, .down = {&q[0], &q[1]}};
            struct hot_message m = {.op = (uint8_t)bulk[i], .index = 4, .len = 100};
            struct hot_message path = {.op = DOWN_PATH, .index = 4};
            uint32_t told = 0;
            for (int k = 0; k < 2; k++) assert_int_equal(hot_queue_init(&q[k], HOT_QUEUE_MIN), OK);
            while (hot_tell(&lanes, &m, body) == OK) {}
            assert_int_equal(q[0].dropped, 1);
            uint32_t left = HOT_QUEUE_MIN - hot_used(&q[0]);
            if (count == 1) assert_true(left < sizeof m + 100);
            if (count == 2) assert_in_range(left, HOT_QUEUE_MIN / 8, HOT_QUEUE_MIN / 8 + 300);
            while (hot_tell(&lanes, &path, NULL) == OK) told++;
            if (count == 2) assert_int_equal(told, left / sizeof path);
            assert_int_equal(hot_tell(&lanes, &m, body), ERR_FULL);
            for (int k = 0; k < 2; k++) hot_queue_fini(&q[k]);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(comes_out_as_it_went_in),
        cmocka_unit_test(goes_round),
        cmocka_unit_test(too_long_is_refused),
        cmocka_unit_test(packets_leave_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
