#include "overlay/mtu.h"

#include "base/rng.h"
#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define TOP    1380
#define SAFE   1160
#define RTT_US MILLIS(20)
#define RTO_US MILLIS(60)

/* A path of a width, with loss, where an answer takes one round trip; and its owner, who sends and listens. */
struct walk {
    struct mtu m;
    uint64_t now_us;
    uint16_t width;
    uint32_t loss_percent;
    uint64_t rtt_us;
    uint32_t sent, volleys;
    struct rng rng;
    struct {
        uint64_t at_us, asked_us;
        uint16_t size;
    } back[64];
    uint32_t backs;
};

static void begin(struct walk *w, uint16_t width)
{
    memset(w, 0, sizeof *w);
    w->now_us = SECONDS(10);
    w->width = width;
    w->rtt_us = RTT_US;
    rng_seed(&w->rng, (const uint8_t[32]){7});
    mtu_begin(&w->m, w->now_us, TOP, SAFE);
}

static void ask(struct walk *w)
{
    for (uint8_t i = 0; i < w->m.count; i++) {
        w->sent++;
        if (w->m.sizes[i] > w->width || rng_below(&w->rng, 100) < w->loss_percent) continue;
        assert_true(w->backs < 64);
        w->back[w->backs].at_us = w->now_us + w->rtt_us;
        w->back[w->backs].asked_us = w->now_us;
        w->back[w->backs++].size = w->m.sizes[i];
    }
    w->volleys++;
}

/* Until nothing is under way, or that time has come. */
static void run(struct walk *w, uint64_t until_us)
{
    bool changed;
    while (w->now_us < until_us) {
        uint64_t at_us = w->m.due_us;
        for (uint32_t i = 0; i < w->backs; i++) at_us = time_min(at_us, w->back[i].at_us);
        if (at_us > until_us) break;
        w->now_us = time_max(w->now_us, at_us);
        for (uint32_t i = 0; i < w->backs;) {
            if (w->back[i].at_us > w->now_us) {
                i++;
                continue;
            }
            for (uint8_t k = 0; k < w->m.count; k++)
                if (w->m.sizes[k] == w->back[i].size) {
                    (void)mtu_answered(&w->m, w->now_us, k, w->now_us - w->back[i].asked_us);
                    break;
                }
            w->back[i] = w->back[--w->backs];
        }
        if (mtu_tick(&w->m, w->now_us, RTO_US, &changed)) ask(w);
    }
    w->now_us = until_us;
}

/* A second after a second of traffic with packets of this size; how long until `now` fits, in ms. */
static uint32_t used(struct walk *w, uint16_t largest, uint32_t seconds)
{
    uint64_t from_us = w->now_us;
    for (uint32_t i = 0; i < seconds; i++) {
        mtu_used(&w->m, w->now_us, largest < w->m.now ? largest : w->m.now);
        run(w, w->now_us + SECONDS(1));
        if (w->m.now <= w->width && mtu_is_settled(&w->m)) break;
    }
    return (uint32_t)(time_since(w->now_us, from_us) / MILLIS(1));
}

static void the_whole_size_is_one_volley(void **state)
{
    struct walk w;
    (void)state;
    begin(&w, 1500);
    run(&w, w.now_us + SECONDS(30));
    assert_int_equal(w.m.now, TOP);
    assert_int_equal(w.sent, 2);
    assert_int_equal(w.m.phase, MTU_REST);
    assert_true(w.m.due_us == TIME_NEVER);
}

static void every_width_is_found(void **state)
{
    struct walk w;
    uint32_t most = 0;
    (void)state;
    for (uint16_t width = MTU_FLOOR; width <= TOP; width++) {
        begin(&w, width);
        run(&w, w.now_us + SECONDS(1));
        assert_int_equal(w.m.phase, MTU_REST);
        assert_in_range(w.m.now, width > MTU_FLOOR + MTU_CLOSE ? width - MTU_CLOSE : MTU_FLOOR,
                        width);
        if (w.volleys > most) most = w.volleys;
    }
    assert_in_range(most, 3, 6);
}

/* Under traffic that fills it, a path that is narrow all at once: within two seconds. */
static void shrinking_is_noticed(void **state)
{
    struct walk w;
    (void)state;
    for (uint16_t width = 600; width < TOP; width = (uint16_t)(width + 13)) {
        begin(&w, 1500);
        run(&w, w.now_us + SECONDS(5));
        w.width = width;
        assert_true(used(&w, TOP, 5) <= 2000);
        assert_in_range(w.m.now, width - MTU_CLOSE, width);
    }
}

/* It is asked once a second, by one datagram, as long as large packets go. */
static void what_it_costs(void **state)
{
    struct walk w;
    (void)state;
    begin(&w, 1500);
    run(&w, w.now_us + SECONDS(5));
    w.sent = 0;
    for (int i = 0; i < 100; i++) {
        mtu_used(&w.m, w.now_us, TOP);
        run(&w, w.now_us + SECONDS(1));
    }
    assert_in_range(w.sent, 99, 100);
    w.sent = 0;
    for (int i = 0; i < 100; i++) {
        mtu_used(&w.m, w.now_us, 100);
        run(&w, w.now_us + SECONDS(1));
    }
    assert_int_equal(w.sent, 0);
}

static void silence_says_nothing(void **state)
{
    struct walk w;
    (void)state;
    begin(&w, 1500);
    run(&w, w.now_us + SECONDS(5));
    w.width = 0; /* nothing passes at all */
    for (int i = 0; i < 30; i++) {
        mtu_used(&w.m, w.now_us, TOP);
        run(&w, w.now_us + SECONDS(1));
    }
    assert_int_equal(w.m.now, TOP);
    assert_true(mtu_is_settled(&w.m));
    begin(&w, 0);
    run(&w, w.now_us + SECONDS(60));
    assert_int_equal(w.m.now, SAFE);
    assert_int_equal(w.m.phase, MTU_REST);
    assert_false(mtu_is_settled(&w.m));
    w.width = 1500; /* it answers, when it is used again */
    mtu_used(&w.m, w.now_us, SAFE);
    run(&w, w.now_us + SECONDS(1));
    assert_int_equal(w.m.now, TOP);
    assert_true(mtu_is_settled(&w.m));
}

static void a_wider_path_is_found_later(void **state)
{
    struct walk w;
    (void)state;
    begin(&w, 1217);
    run(&w, w.now_us + SECONDS(2));
    assert_in_range(w.m.now, 1209, 1217);
    w.width = 1500;
    uint64_t from_us = w.now_us;
    while (w.m.now < TOP && w.now_us < from_us + SECONDS(60)) {
        mtu_used(&w.m, w.now_us, 1000);
        run(&w, w.now_us + SECONDS(1));
    }
    assert_int_equal(w.m.now, TOP);
    assert_true(w.now_us - from_us <= SECONDS(17));
    /* and one that stays narrow is asked more and more seldom: 15, 30, .. 480, 600 s */
    begin(&w, 1217);
    run(&w, w.now_us + SECONDS(2));
    w.sent = 0;
    for (int i = 0; i < 3600; i++) {
        mtu_used(&w.m, w.now_us, 600);
        run(&w, w.now_us + SECONDS(1));
    }
    assert_in_range(w.m.now, 1209, 1217);
    assert_in_range(w.sent, 3400, 3800); /* the check's one a second, and some 10 volleys */
}

/* Loss alone narrows nothing for long: 5 % of all datagrams, and a round trip that varies. */
static void loss_is_no_black_hole(void **state)
{
    struct walk w;
    uint32_t narrow = 0;
    (void)state;
    begin(&w, 1500);
    w.loss_percent = 5;
    for (int i = 0; i < 3600; i++) {
        w.rtt_us = MILLIS(5 + rng_below(&w.rng, 300)); /* an answer may be later than is waited */
        mtu_used(&w.m, w.now_us, TOP);
        run(&w, w.now_us + SECONDS(1));
        narrow += w.m.now < TOP;
    }
    assert_in_range(narrow, 0, 36);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_size_is_one_volley),
        cmocka_unit_test(every_width_is_found),
        cmocka_unit_test(shrinking_is_noticed),
        cmocka_unit_test(what_it_costs),
        cmocka_unit_test(silence_says_nothing),
        cmocka_unit_test(a_wider_path_is_found_later),
        cmocka_unit_test(loss_is_no_black_hole),
    };
    return cmocka_run_group_tests_name("overlay/mtu", tests, NULL, NULL);
}
