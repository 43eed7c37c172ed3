#include "sim/lookups.h"

#include "base/crypto.h"
#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NODES 6u

/* Nobody speaks in these tests: only the clock, comings and goings, and answers made up here. */
struct fixture {
    struct world *world;
    struct lookups lookups;
    struct lookup asked;
    uint32_t slot;
};

static void set_up(struct fixture *f)
{
    const struct world_config c = {.seed = 3,
                                   .crypto = &crypto_fake,
                                   .limits = limits_sim,
                                   .nat = {.share = {[NAT_TYPE_NONE] = MILLION}},
                                   .nodes = NODES};
    f->world = world_new(&c);
    for (uint32_t i = 0; i < NODES; i++) (void)world_start(f->world, 1);
    for (uint32_t i = 0; i < NODES; i++) f->world->hosts[i].joined_ms = 1;
    f->world->now_us = MILLIS(10); /* all are on the ring */
    lookups_init(&f->lookups);
    /* one whose asker is alone answers at once, itself: the slot is put back under way */
    struct rng r;
    rng_stream(&f->world->root, "test", 0, &r);
    lookups_begin(&f->lookups, f->world, &r, 2, false, SECONDS(10));
    f->slot = 0;
    f->asked = f->lookups.slots[f->slot];
}

static void tear_down(struct fixture *f)
{
    lookups_fini(&f->lookups);
    world_free(f->world);
}

/* The n-th nearest to the target of all that were started. */
static uint32_t nearest(const struct fixture *f, uint32_t n)
{
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t nearer = 0;
        for (uint32_t k = 0; k < NODES; k++)
            nearer += id_nearer(&f->asked.target, &f->world->hosts[k].id, &f->world->hosts[i].id) <
                      0;
        if (nearer == n) return i;
    }
    return RING_NONE;
}

static void answer(struct fixture *f, enum err e, uint32_t node)
{
    f->world->stepped = f->asked.node;
    lookups_reply(&f->lookups, f->world,
                  &(struct reply){.command = CMD_ROUTE_TEST,
                                  .request = f->slot,
                                  .err = e,
                                  .id = f->world->hosts[node].id});
}

static void test_owner_at_first(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_int_equal(f.asked.owner, nearest(&f, 0));
    world_kill(f.world, nearest(&f, 0));
    f.world->now_us = SECONDS(1);
    answer(&f, OK, nearest(&f, 0));
    assert_int_equal(f.lookups.counts[2].ok, 1);
    tear_down(&f);
}

/* It became the owner after the question, and was gone when its answer came. */
static void test_owner_in_between(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.world->now_us = SECONDS(1);
    world_kill(f.world, nearest(&f, 0));
    f.world->now_us = SECONDS(2);
    world_kill(f.world, nearest(&f, 1));
    f.world->now_us = SECONDS(3);
    answer(&f, OK, nearest(&f, 1));
    assert_int_equal(f.lookups.counts[2].ok, 1);
    assert_int_equal(f.lookups.counts[2].wrong, 0);
    tear_down(&f);
}

static void test_never_owner(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.world->now_us = SECONDS(1);
    world_kill(f.world, nearest(&f, 0));
    f.world->now_us = SECONDS(2);
    answer(&f, OK, nearest(&f, 2));
    assert_int_equal(f.lookups.counts[2].wrong, 1);
    tear_down(&f);
}

/* Whoever is nearer has only just started: it is not on the ring yet. */
static void test_newcomer_owns_nothing_yet(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    f.world->hosts[nearest(&f, 0)].joined_ms = 0;
    f.world->now_us = SECONDS(2);
    answer(&f, OK, nearest(&f, 1));
    assert_int_equal(f.lookups.counts[2].ok, 1);
    tear_down(&f);
}

static void test_busy_is_not_sent(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    assert_int_equal(lookups_total(f.lookups.counts).sent, 1);
    answer(&f, ERR_FULL, 0);
    struct lookup_counts all = lookups_total(f.lookups.counts);
    assert_int_equal(all.sent, 0);
    assert_int_equal(all.busy, 1);
    assert_int_equal(all.unanswered, 0);
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_owner_at_first),   cmocka_unit_test(test_owner_in_between),
        cmocka_unit_test(test_never_owner),      cmocka_unit_test(test_newcomer_owns_nothing_yet),
        cmocka_unit_test(test_busy_is_not_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
