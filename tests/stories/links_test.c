/* Links for a reason other than the ring, on simulated rings of 60: pinned ones stay and come back, those for demand rest 7.5 minutes
 * and then go, the longest resting first where there is no room. */
#include "node/internal.h"
#include "overlay/core.h"
#include "sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define NODES 60

struct crowd {
    struct world *w;
    uint32_t replies;
    struct reply reply;
};

static void look(struct crowd *k)
{
    for (uint32_t i = 0; i < k->w->actions.count && k->w->replies; i++) {
        if (k->w->actions.list[i].type != ACT_REPLY) continue;
        k->reply = *k->w->actions.list[i].reply;
        k->replies++;
    }
}

static void run(struct crowd *k, uint64_t us)
{
    uint64_t until_us = k->w->now_us + us;
    while (world_advance(k->w, until_us)) look(k);
}

static struct crowd *crowd_new(uint64_t seed, const struct limits *l)
{
    struct crowd *k = calloc(1, sizeof *k);
    struct world_config c = {.seed = seed,
                             .crypto = &crypto_fake,
                             .limits = *l,
                             .network = {.model = NETWORK_CONSTANT, .latency_us = MILLIS(20)},
                             .nodes = NODES};
    c.nat.share[NAT_TYPE_NONE] = 1000000;
    assert_non_null(k);
    k->w = world_new(&c);
    for (uint32_t i = 0; i < NODES; i++) {
        world_start(k->w, 3);
        run(k, MILLIS(100));
    }
    run(k, SECONDS(90)); /* links of the join are let go */
    return k;
}

static void crowd_end(struct crowd *k)
{
    world_free(k->w);
    free(k);
}

static struct overlay *overlay_of(struct crowd *k, uint32_t node)
{
    return k->w->hosts[node].node->overlay;
}

static struct link *link_of(struct crowd *k, uint32_t a, uint32_t b)
{
    return link_by_id(overlay_of(k, a), &k->w->hosts[b].id);
}

static bool held(struct crowd *k, uint32_t a, uint32_t b, uint8_t kind)
{
    const struct link *l = link_of(k, a, b);
    return l && (l->kinds & kind);
}

static void order(struct crowd *k, uint32_t node, uint8_t type, uint32_t target)
{
    struct command c = {.type = type,
                        .request = 1,
                        .target = {.kind = TARGET_ID, .network = -1, .id = k->w->hosts[target].id}};
    uint32_t before = k->replies;
    world_command(k->w, node, &c);
    look(k);
    for (uint32_t i = 0; i < 1200 && k->replies == before; i++) run(k, MILLIS(10));
    assert_int_equal(k->replies, before + 1);
}

/* A node that `a` has no link with. */
static uint32_t stranger(struct crowd *k, uint32_t a, uint32_t from)
{
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t b = (from + i) % NODES;
        if (b != a && k->w->hosts[b].node && !link_of(k, a, b)) return b;
    }
    fail_msg("everybody is linked with everybody");
    return 0;
}

static void pinned_stays_and_comes_back(void **state)
{
    struct crowd *k = crowd_new(1, &limits_sim);
    uint32_t a = 7, b = stranger(k, a, 31);
    struct overlay *o = overlay_of(k, a);
    struct id list[4];
    (void)state;
    order(k, a, CMD_LINK_ADD, b);
    assert_int_equal(k->reply.err, OK);
    assert_true(k->reply.path == PATH_DIRECT || k->reply.path == PATH_ROUTED);
    assert_true(id_equal(&k->reply.id, &k->w->hosts[b].id));
    assert_true(held(k, a, b, KIND_PINNED));
    order(k, a, CMD_LINK_ADD, b); /* once more is no more */
    assert_int_equal(k->reply.err, OK);
    assert_int_equal(overlay_pinned(o, list, 4), 1);
    run(k, SECONDS(1200)); /* nothing flows */
    assert_true(held(k, a, b, KIND_PINNED));
    assert_non_null(link_of(k, b, a));
    /* the other end lets go */
    struct outbox *box = calloc(1, sizeof *box);
    assert_non_null(box);
    overlay_expel(o, k->w->now_us, &k->w->hosts[b].id, "test", box);
    overlay_expel(overlay_of(k, b), k->w->now_us, &k->w->hosts[a].id, "test", box);
    free(box);
    assert_null(link_of(k, a, b));
    world_command(k->w, a,
                  &(struct command){.type = CMD_ROUTE_TEST}); /* so that its timer is looked at */
    run(k, SECONDS(3));
    assert_true(held(k, a, b, KIND_PINNED));
    order(k, a, CMD_LINK_DROP, b);
    assert_int_equal(k->reply.err, OK);
    assert_false(held(k, a, b, KIND_PINNED));
    assert_int_equal(overlay_pinned(o, list, 4), 0);
    order(k, a, CMD_LINK_DROP, b);
    assert_int_equal(k->reply.err, ERR_NOT_FOUND);
    bool gone = false;
    for (uint32_t i = 0; i < 18 && !gone; i++) {
        run(k, SECONDS(5));
        gone = !link_of(k, a, b) && !link_of(k, b, a);
    }
    assert_true(gone);
    crowd_end(k);
}

/* A peer that is gone is asked for again and again, less and less often; whoever is asked for by others is marked as well. */
static void pinned_to_nobody(void **state)
{
    struct crowd *k = crowd_new(2, &limits_sim);
    uint32_t a = 7, b = stranger(k, a, 31), c = stranger(k, a, b + 1);
    struct id id = k->w->hosts[b].id;
    (void)state;
    world_kill(k->w, b);
    order(k, a, CMD_LINK_ADD, a);
    assert_int_equal(k->reply.err, ERR_INVALID);
    struct command add = {
        .type = CMD_LINK_ADD, .request = 2, .target = {.kind = TARGET_ID, .network = -1, .id = id}};
    uint32_t before = k->replies;
    world_command(k->w, a, &add);
    run(k, SECONDS(15));
    assert_int_equal(k->replies, before + 1);
    assert_int_equal(k->reply.err, OK);         /* it is pinned, */
    assert_int_equal(k->reply.path, PATH_NONE); /* but not there */
    run(k, SECONDS(600));
    assert_int_equal(overlay_pinned(overlay_of(k, a), &id, 1), 1);
    /* c begins: our pin is on that link, too */
    order(k, a, CMD_LINK_ADD, c);
    order(k, c, CMD_LINK_ADD, a);
    assert_true(held(k, a, c, KIND_PINNED) && held(k, c, a, KIND_PINNED));
    order(k, a, CMD_LINK_DROP, c);
    run(k, SECONDS(120));
    assert_non_null(link_of(k, a, c)); /* c wants it still */
    assert_true(held(k, c, a, KIND_PINNED));
    crowd_end(k);
}

static void so_many_and_no_more(void **state)
{
    struct crowd *k = crowd_new(3, &limits_sim);
    struct overlay *o = overlay_of(k, 7);
    (void)state;
    for (uint8_t i = 0; i < limits_sim.links / 2; i++)
        assert_int_equal(overlay_pin(o, k->w->now_us, &(struct id){{1, i}}), OK);
    assert_int_equal(overlay_pin(o, k->w->now_us, &(struct id){{1, 99}}), ERR_FULL);
    assert_true(overlay_unpin(o, k->w->now_us, &(struct id){{1, 3}}));
    assert_int_equal(overlay_pin(o, k->w->now_us, &(struct id){{1, 99}}), OK);
    crowd_end(k);
}

static void demand_rests_for_seven_and_a_half_minutes(void **state)
{
    struct crowd *k = crowd_new(4, &limits_sim);
    uint32_t a = 9, b = stranger(k, a, 40);
    (void)state;
    order(k, a, CMD_PING, b);
    assert_int_equal(k->reply.err, OK);
    assert_true(held(k, a, b, KIND_DEMAND));
    run(k, SECONDS(400));
    assert_true(held(k, a, b, KIND_DEMAND));
    order(k, a, CMD_PING, b); /* used once more */
    run(k, SECONDS(440));
    assert_true(held(k, a, b, KIND_DEMAND));
    bool gone = false; /* keep-alives after 450 s see to it: our own, then the peer's */
    for (uint32_t i = 0; i < 24 && !gone; i++) {
        run(k, SECONDS(5));
        gone = !link_of(k, a, b) && !link_of(k, b, a);
    }
    assert_true(gone); /* it may be met again, as one of those remembered */
    assert_false(held(k, a, b, KIND_DEMAND));
    crowd_end(k);
}

/* No room: of the links for demand the one that rested longest makes room. */
static void the_longest_resting_goes_first(void **state)
{
    struct limits few = limits_sim;
    few.links = 30;
    struct crowd *k = crowd_new(5, &few);
    uint32_t a = 9, asked[NODES], n = 0, dropped = 0;
    (void)state;
    for (uint32_t i = 0; i < NODES && n < 28; i++) {
        if (i == a || link_of(k, a, i)) continue;
        order(k, a, CMD_PING, i);
        asked[n++] = i;
        run(k, SECONDS(2));
    }
    for (uint32_t i = 0; i < n; i++) {
        dropped += !held(k, a, asked[i], KIND_DEMAND);
    }
    assert_true(dropped > 3 && n - dropped > 3); /* or this test tests nothing */
    for (uint32_t i = 0; i < n; i++) {
        const struct link *l = link_of(k, a, asked[i]);
        bool for_that_only = l && l->kinds == KIND_DEMAND && !(l->s.flags & LINK_WANTED);
        for (uint32_t later = i + 1; for_that_only && later < n; later++)
            assert_true(held(k, a, asked[later], KIND_DEMAND));
    }
    crowd_end(k);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pinned_stays_and_comes_back),
        cmocka_unit_test(pinned_to_nobody),
        cmocka_unit_test(so_many_and_no_more),
        cmocka_unit_test(demand_rests_for_seven_and_a_half_minutes),
        cmocka_unit_test(the_longest_resting_goes_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
