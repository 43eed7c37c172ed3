/* Broadcasts on simulated rings: on a stable ring every node gets it exactly once and the origin counts right, whatever is lost on
 * the way, with N - 1 messages and nothing left behind; while nodes die it ends in time, nobody gets it twice, and the count is no
 * larger than the truth. */
#include "node/internal.h"
#include "overlay/seldom.h"
#include "sim/check.h"
#include "sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NODES_MAX 400

struct crowd {
    struct world *w;
    uint32_t nodes;
    uint32_t got[NODES_MAX]; /* how often the last broadcast came */
    struct id from[NODES_MAX];
    bool answered;
    struct reply reply;
    uint64_t took_us, looked;
};

static void look(struct crowd *k)
{
    const struct world *w = k->w;
    if (w->steps == k->looked)
        return; /* it arrived at nobody: the actions are those of the step before */
    k->looked = w->steps;
    for (uint32_t i = 0; i < w->actions.count; i++) {
        const struct action *a = &w->actions.list[i];
        if (a->type == ACT_NOTICE && a->notice.type == NOTICE_MESSAGE && a->notice.broadcast) {
            k->got[w->stepped]++;
            k->from[w->stepped] = a->notice.id;
        }
        if (a->type == ACT_REPLY && a->reply->command == CMD_BROADCAST) {
            k->answered = true;
            k->reply = *a->reply;
        }
    }
}

static void run(struct crowd *k, uint64_t us)
{
    uint64_t until_us = k->w->now_us + us;
    while (world_advance(k->w, until_us)) look(k);
}

static bool whole(struct crowd *k)
{
    struct check c = {0};
    ring_sort(&k->w->ring);
    return check_perfect(&c, &k->w->ring, world_believes, k->w, 0);
}

/* A ring of that many nodes, perfect for five seconds. */
static struct crowd *crowd_of(uint64_t seed, uint32_t nodes, uint32_t loss_percent)
{
    struct crowd *k = calloc(1, sizeof *k);
    struct world_config c = {.seed = seed,
                             .crypto = &crypto_fake,
                             .limits = limits_sim,
                             .network = {.model = NETWORK_CONSTANT,
                                         .latency_us = MILLIS(30),
                                         .loss = loss_percent * 10000},
                             .nodes = nodes};
    c.nat.share[NAT_TYPE_NONE] = 1000000;
    assert_non_null(k);
    assert_true(nodes <= NODES_MAX);
    k->w = world_new(&c);
    k->nodes = nodes;
    for (uint32_t i = 0; i < nodes; i++) {
        world_start(k->w, 3);
        run(k, SECONDS(5) / nodes);
    }
    uint32_t good = 0;
    for (uint32_t s = 0; s < 120 && good < 5; s++) {
        run(k, SECONDS(1));
        good = whole(k) ? good + 1 : 0;
    }
    assert_int_equal(good, 5);
    return k;
}

static void crowd_end(struct crowd *k)
{
    world_free(k->w);
    free(k);
}

static void say(struct crowd *k, uint32_t node, const char *text, uint64_t timeout_us)
{
    struct command c = {.type = CMD_BROADCAST,
                        .request = 1,
                        .timeout_us = timeout_us,
                        .text = text,
                        .text_len = (uint16_t)strlen(text)};
    memset(k->got, 0, sizeof k->got);
    k->answered = false;
    uint64_t from_us = k->w->now_us;
    world_command(k->w, node, &c);
    look(k);
    for (uint64_t us = 0; !k->answered && us < timeout_us + SECONDS(2); us += MILLIS(10))
        run(k, MILLIS(10));
    k->took_us = k->w->now_us - from_us;
}

static uint32_t dropped(const struct crowd *k, enum drop why)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->w->host_count; i++)
        if (k->w->hosts[i].node) n += node_drops(k->w->hosts[i].node)[why];
    return n;
}

static uint32_t held(const struct crowd *k)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < k->w->host_count; i++)
        if (k->w->hosts[i].node) n += broadcasts_held(k->w->hosts[i].node->overlay);
    return n;
}

/* Everybody but the origin has it once, and the origin knows. */
static void expect_all(const struct crowd *k, uint32_t origin)
{
    assert_true(k->answered);
    assert_int_equal(k->reply.err, OK);
    for (uint32_t i = 0; i < k->nodes; i++) {
        assert_int_equal(k->got[i], i != origin);
        if (i != origin) assert_true(id_equal(&k->from[i], &k->w->hosts[origin].id));
    }
    assert_int_equal(k->reply.reached, k->nodes - 1);
    assert_int_equal(k->reply.lost, 0);
}

static uint32_t seeds(uint32_t usual) /* BROADCAST_SEEDS: how many */
{
    const char *text = getenv("BROADCAST_SEEDS");
    return text ? (uint32_t)atoi(text) : usual;
}

static void everybody_once_at_one_percent_loss(void **state)
{
    uint64_t longest_us = 0;
    uint32_t many = seeds(1);
    (void)state;
    for (uint32_t seed = 1; seed <= many; seed++) {
        struct crowd *k = crowd_of(seed, 200, 1);
        for (uint32_t i = 0; i < 3; i++) { /* ORIGIN_BURST allows it */
            uint32_t origin = (seed * 7 + i * 61) % k->nodes;
            say(k, origin, "noon: we move to the other building", SECONDS(20));
            expect_all(k, origin);
            longest_us = time_max(longest_us, k->took_us);
        }
        run(k, SECONDS(40)); /* until_us and what lingers */
        assert_int_equal(held(k), 0);
        crowd_end(k);
    }
    printf("  200 nodes, 1 %% loss, %u seeds: the last count is there after %u ms at most\n", many,
           (unsigned)(longest_us / 1000));
}

/* Without loss nothing comes twice: N - 1 are sent. */
static void as_many_messages_as_there_are_others(void **state)
{
    static const uint32_t sizes[] = {1, 2, 3, 9, 60};
    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        struct crowd *k = crowd_of(11, sizes[i], 0);
        uint32_t before = dropped(k, DROP_DUPLICATE);
        say(k, sizes[i] / 2, "n", SECONDS(20));
        expect_all(k, sizes[i] / 2);
        assert_int_equal(dropped(k, DROP_DUPLICATE), before);
        assert_true(k->took_us < SECONDS(2));
        crowd_end(k);
    }
}

/* Three tries a hop, each way: at ten per cent one acknowledged hop in some thousand fails. Nobody gets it twice, nearly all
 * have it, and whoever is not counted is nearly always said to be lost: 14 of 180 such broadcasts counted one node too few, and two of
 * 180 did not say so of all of them, for one lost hop may stand for several nodes. */
static void nearly_everybody_at_ten_percent_loss(void **state)
{
    uint32_t many = seeds(5), all = 0, counted = 0, twice = 0, told = 0;
    (void)state;
    for (uint32_t seed = 21; seed < 21 + many; seed++) {
        struct crowd *k = crowd_of(seed, 60, 10);
        for (uint32_t i = 0; i < 3; i++) {
            uint32_t got = 0;
            say(k, 20 * i, "through the storm", SECONDS(30));
            assert_true(k->answered);
            assert_int_equal(k->reply.err, OK);
            for (uint32_t n = 0; n < k->nodes; n++) {
                assert_true(k->got[n] <= 1);
                got += k->got[n];
            }
            assert_int_equal(k->got[20 * i], 0);
            assert_true(k->reply.reached <= got);
            assert_true(k->reply.reached + k->reply.lost <= k->nodes - 1);
            told += k->reply.reached + k->reply.lost == k->nodes - 1;
            all += k->nodes - 1, counted += k->reply.reached;
        }
        twice += dropped(k, DROP_DUPLICATE);
        crowd_end(k);
    }
    assert_true(twice > 0); /* or this test tests nothing */
    assert_true(counted * 100 >= all * 99);
    assert_true(told * 10 >= 3 * many * 8);
    printf("  60 nodes, 10 %% loss, %u broadcasts: %u of %u counted\n", 3 * many, counted, all);
}

/* A tenth of the nodes dies without a word at the very moment: it ends in time, nobody gets it twice, what is said to be reached was. */
static void while_nodes_die(void **state)
{
    uint32_t many = seeds(8), reached = 0, live = 0, admitted = 0;
    (void)state;
    for (uint32_t seed = 1; seed <= many; seed++) {
        struct crowd *k = crowd_of(100 + seed, 120, 1);
        for (uint32_t i = 0; i < 12; i++) {
            uint32_t node = (seed * 13 + i * 9 + 1) % k->nodes;
            if (k->w->hosts[node].state == HOST_LIVE && node != 0) world_kill(k->w, node);
        }
        say(k, 0, "who is left?", SECONDS(10));
        assert_true(k->answered);
        assert_int_equal(k->reply.err, OK);
        assert_true(k->took_us <= SECONDS(10) + MILLIS(20));
        uint32_t got = 0;
        for (uint32_t i = 0; i < k->nodes; i++) {
            assert_true(k->got[i] <= 1);
            got += k->got[i];
        }
        assert_true(k->reply.reached <= got);
        /* whoever is not counted is in a piece that is said to be lost */
        if (k->reply.reached < k->w->live_count - 1) assert_true(k->reply.lost > 0);
        reached += got;
        admitted += k->reply.reached;
        live += k->w->live_count - 1;
        run(k, SECONDS(40));
        assert_int_equal(held(k), 0);
        crowd_end(k);
    }
    printf("  12 of 120 nodes die: %u of %u others have it, %u are counted\n", reached, live,
           admitted);
    /* a piece is given up only if we know nobody else in it: 78 and 80 % in two runs of 30 seeds, 75 % in one of 8 */
    assert_true(reached * 10 >= live * 7);
}

/* Who gets it too late to pass it on says so. */
static void too_little_time(void **state)
{
    (void)state;
    struct crowd *k = crowd_of(41, 60, 0);
    say(k, 3, "quick", MILLIS(110)); /* one way takes 30 */
    assert_int_equal(k->reply.err, OK);
    assert_true(k->reply.reached > 0 && k->reply.reached < k->nodes - 1);
    assert_true(k->reply.lost > 0);
    crowd_end(k);
}

/* Four at once of one origin, then one in ten seconds; what a node is told beyond that it neither shows nor passes on. */
static void one_origin_is_slowed_down(void **state)
{
    (void)state;
    struct crowd *k = crowd_of(31, 20, 0);
    for (uint32_t i = 0; i < 4; i++) {
        say(k, 5, "again", SECONDS(5));
        expect_all(k, 5);
    }
    say(k, 5, "and again", SECONDS(5));
    assert_int_equal(k->reply.err, ERR_BUSY);
    /* an origin that does not hold itself back is held back by those who get it */
    struct overlay *o = k->w->hosts[5].node->overlay;
    uint32_t before = dropped(k, DROP_RATE);
    o->seldom->broadcasts_us = sender_find(o, &o->self.id)->broadcasts_us = 0;
    say(k, 5, "once too often", SECONDS(5));
    assert_int_equal(k->reply.err, OK);
    assert_int_equal(k->reply.reached, 0);
    assert_true(k->reply.lost > 0 && dropped(k, DROP_RATE) == before + k->reply.lost);
    for (uint32_t i = 0; i < k->nodes; i++) assert_int_equal(k->got[i], 0);
    run(k, SECONDS(11));
    say(k, 5, "one more", SECONDS(5));
    assert_int_equal(k->reply.err, OK);
    crowd_end(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_many_messages_as_there_are_others),
        cmocka_unit_test(everybody_once_at_one_percent_loss),
        cmocka_unit_test(nearly_everybody_at_ten_percent_loss),
        cmocka_unit_test(while_nodes_die),
        cmocka_unit_test(too_little_time),
        cmocka_unit_test(one_origin_is_slowed_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
