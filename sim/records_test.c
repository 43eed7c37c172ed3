#include "sim/records.h"

#include "base/crypto.h"
#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NODES 12u

/* A small ring that is whole, and what its nodes answer to commands. */
struct fixture {
    struct world *world;
    struct records records;
    struct lookups lookups;
    struct rng rng;
    uint32_t found; /* look-ups answered */
};

static void hear(struct fixture *f)
{
    struct world *w = f->world;
    const struct reply *r;
    for (uint32_t at = 0; (r = world_next_reply(w, &at)) != NULL;) {
        if (r->command == CMD_PUT) {
            records_put_reply(&f->records, w, r);
        } else if (r->command == CMD_GET) {
            uint32_t number = lookups_record(&f->lookups, r->request);
            lookups_got(&f->lookups, w, r, records_match(&f->records, number, r));
            f->found++;
        }
    }
}

static void run(struct fixture *f, uint64_t for_us)
{
    uint64_t until_us = f->world->now_us + for_us;
    while (world_advance(f->world, until_us)) hear(f);
}

static void set_up(struct fixture *f)
{
    const struct world_config c = {.seed = 5,
                                   .crypto = &crypto_fake,
                                   .limits = limits_sim,
                                   .network = {.latency_us = MILLIS(20)},
                                   .nat = {.share = {[NAT_TYPE_NONE] = MILLION}},
                                   .nodes = NODES};
    *f = (struct fixture){.world = world_new(&c)};
    records_init(&f->records);
    lookups_init(&f->lookups);
    rng_stream(&f->world->root, "test", 0, &f->rng);
    for (uint32_t i = 0; i < NODES; i++) (void)world_start(f->world, 1);
    run(f, SECONDS(30));
}

static void tear_down(struct fixture *f)
{
    records_fini(&f->records);
    lookups_fini(&f->lookups);
    world_free(f->world);
}

static void put(struct fixture *f, uint32_t count, uint64_t ttl_us)
{
    for (uint32_t i = 0; i < count; i++) {
        records_put(&f->records, f->world, &f->rng, ttl_us);
        hear(f);
    }
    run(f, SECONDS(5));
    assert_int_equal(f->records.told.put, count);
}

static void test_all_are_found(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    put(&f, 30, HOURS(1));
    for (uint32_t i = 0; i < 20; i++) {
        records_lookup(&f.records, &f.lookups, f.world, &f.rng, 3, 0);
        hear(&f);
    }
    run(&f, SECONDS(12));
    assert_int_equal(f.found, 20);
    assert_int_equal(f.lookups.counts[3].ok, 20);
    records_check(&f.records, f.world);
    assert_int_equal(f.records.told.lost, 0);
    tear_down(&f);
}

/* All nodes but one go at once: what they kept is lost while its time runs, and not due after that. */
static void test_lost(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct fixture f;
        set_up(&f);
        put(&f, 30, MINUTES(10));
        for (uint32_t i = 1; i < NODES; i++) world_kill(f.world, i);
        for (uint32_t i = 0; i < NODES; i++) (void)world_start(f.world, 1);
        run(&f, late ? MINUTES(11) : SECONDS(60));
        uint32_t mine = 0; /* still there, who renews them */
        for (uint32_t i = 0; i < f.records.count; i++) mine += f.records.list[i].writer == 0;
        uint64_t before_us = f.world->now_us;
        records_check(&f.records, f.world);
        assert_true(f.world->now_us > before_us);
        printf("%s: %llu of %u lost, %u of a writer that lives\n", late ? "late" : "soon",
               (unsigned long long)f.records.told.lost, f.records.count, mine);
        assert_true(mine < 30);
        if (late)
            assert_int_equal(f.records.told.lost, 0);
        else
            assert_in_range(f.records.told.lost, 1, 30 - mine);
        tear_down(&f);
    }
}

/* What is shown must be what was put. */
static void test_match(void **state)
{
    (void)state;
    struct fixture f;
    set_up(&f);
    put(&f, 2, HOURS(1));
    static const char value[] = "value of record 1";
    struct reply r = {.err = OK, .value = (const uint8_t *)value, .value_len = sizeof value - 1};
    assert_true(records_match(&f.records, 1, &r));
    assert_false(records_match(&f.records, 0, &r));
    r.value_len--;
    assert_false(records_match(&f.records, 1, &r));
    r = (struct reply){.err = ERR_NOT_FOUND};
    assert_false(records_match(&f.records, 1, &r));
    tear_down(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_all_are_found),
        cmocka_unit_test(test_lost),
        cmocka_unit_test(test_match),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
