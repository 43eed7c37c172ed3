#include "sim/nat.h"

#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define INSIDE 7464
#define HOST   ((struct nat_inside){7, INSIDE})
#define OTHER  ((struct nat_inside){8, INSIDE})
#define A_IP   0x0b000101u
#define B_IP   0x0c000101u

static struct nat_world world_of(struct nat_spec spec)
{
    struct rng root;
    uint8_t seed[32] = {3};
    rng_seed(&root, seed);
    struct nat_world w;
    if (!spec.timeout_us) spec.timeout_us = SECONDS(120);
    nat_world_init(&w, &spec, &root);
    return w;
}

static struct nat_inside whose; /* of what came in last */
static bool in(struct nat_box *b, const struct nat_world *w, uint64_t now_us, uint16_t outside,
               uint32_t ip, uint16_t port)
{
    return nat_in(b, w, now_us, outside, ip, port, false, &whose);
}

/* What each kind does, as natlab's table says. */
static void test_kinds(void **state)
{
    (void)state;
    static const struct {
        enum nat_type type;
        bool same_port, stranger,
            other_port; /* one mapping; let in from anywhere; from the same address */
    } kinds[] = {
        {NAT_TYPE_FULL_CONE, true, true, true},
        {NAT_TYPE_RESTRICTED, true, false, true},
        {NAT_TYPE_PORT_RESTRICTED, true, false, false},
        {NAT_TYPE_LINUX, true, false, false},
        {NAT_TYPE_CGN, true, false, false},
        {NAT_TYPE_SYMMETRIC, false, false, false},
        {NAT_TYPE_SYMMETRIC_SEQ, false, false, false},
    };
    struct nat_world w = world_of((struct nat_spec){0});
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct nat_box *b = nat_new(kinds[i].type, 7, 2);
        assert_false(in(b, &w, 0, INSIDE, A_IP, 1000)); /* nothing was sent yet */
        uint16_t to_a = nat_out(b, &w, 0, HOST, A_IP, 1000);
        assert_int_equal(nat_out(b, &w, 1, HOST, A_IP, 1000), to_a);
        assert_true(in(b, &w, 2, to_a, A_IP, 1000));
        assert_int_equal(in(b, &w, 3, to_a, A_IP, 1001), kinds[i].other_port);
        assert_int_equal(in(b, &w, 4, to_a, B_IP, 1000), kinds[i].stranger);
        assert_false(in(b, &w, 5, (uint16_t)(to_a + 1), A_IP, 1000));
        uint16_t to_b = nat_out(b, &w, 6, HOST, B_IP, 1000);
        assert_int_equal(to_b == to_a, kinds[i].same_port);
        assert_true(in(b, &w, 7, to_b, B_IP, 1000));
        assert_int_equal(to_a == INSIDE, kinds[i].same_port && kinds[i].type != NAT_TYPE_CGN);
        if (kinds[i].type == NAT_TYPE_SYMMETRIC_SEQ) assert_int_equal(to_b, to_a + 1);
        nat_free(b);
    }
}

/* The gateway mapped the port: whoever writes to it gets in, also when nothing was sent for hours. */
static void test_mapped(void **state)
{
    (void)state;
    struct nat_world w = world_of((struct nat_spec){0});
    struct nat_box *b = nat_new(NAT_TYPE_UPNP, 7, 2);
    b->mapped = HOST;
    assert_true(in(b, &w, 0, INSIDE, A_IP, 1000));
    assert_false(in(b, &w, 0, INSIDE + 1, A_IP, 1000));
    assert_int_equal(nat_out(b, &w, 0, HOST, A_IP, 1000), INSIDE);
    assert_true(in(b, &w, HOURS(9), INSIDE, B_IP, 5));
    assert_int_equal(whose.who, 7);
    uint16_t port = nat_out(b, &w, HOURS(9), OTHER, A_IP,
                            1000); /* the second wants that port, too */
    assert_int_not_equal(port, INSIDE);
    assert_true(in(b, &w, HOURS(9), port, A_IP, 1000));
    assert_int_equal(whose.who, 8);
    assert_false(in(b, &w, HOURS(9), port, B_IP, 1000)); /* nobody mapped it */
    nat_free(b);
}

/* What a vouched keep-alive looks at and leaves behind. */
static void test_holds(void **state)
{
    (void)state;
    struct nat_world w = world_of((struct nat_spec){.timeout_us = SECONDS(60)});
    struct nat_box *b = nat_new(NAT_TYPE_SYMMETRIC, 7, 2);
    uint16_t outside = 0, port = nat_out(b, &w, 0, HOST, A_IP, 1000);
    assert_true(nat_holds(b, &w, SECONDS(29), HOST, A_IP, 1000, &outside));
    assert_int_equal(outside, port);
    assert_false(nat_holds(b, &w, SECONDS(29), HOST, A_IP, 1001, &outside));
    assert_false(
        nat_holds(b, &w, SECONDS(31), HOST, A_IP, 1000, &outside)); /* looking renews nothing */
    nat_renew(b, SECONDS(29), HOST, A_IP, 1000);
    assert_true(in(b, &w, SECONDS(88), port, A_IP, 1000)); /* answered, so it lives 60 s */
    nat_free(b);
}

static void test_timeouts(void **state)
{
    (void)state;
    struct nat_world w = world_of((struct nat_spec){.timeout_us = SECONDS(60)});
    struct nat_box *b = nat_new(NAT_TYPE_PORT_RESTRICTED, 7, 2);
    uint16_t port = nat_out(b, &w, 0, HOST, A_IP, 1000);
    assert_false(in(b, &w, SECONDS(30), port, A_IP, 1000)); /* never answered: 30 s */
    nat_out(b, &w, SECONDS(40), HOST, A_IP, 1000);
    assert_true(in(b, &w, SECONDS(69), port, A_IP, 1000));  /* answered, and renewed */
    assert_true(in(b, &w, SECONDS(128), port, A_IP, 1000)); /* renewed by this one too */
    nat_out(b, &w, SECONDS(187), HOST, A_IP, 1000);
    assert_false(in(b, &w, SECONDS(247), port, A_IP, 1000));
    nat_free(b);
}

/* A port restricted to one peer at a time is not opened by the table being full. */
static void test_bound(void **state)
{
    (void)state;
    struct nat_world w = world_of((struct nat_spec){0});
    struct nat_box *b = nat_new(NAT_TYPE_SYMMETRIC, 7, 2);
    uint16_t first = nat_out(b, &w, 0, HOST, A_IP, 1);
    for (uint32_t i = 0; i < 4 * NAT_ENTRIES_MAX; i++)
        nat_out(b, &w, 1 + i, HOST, B_IP, (uint16_t)(1 + i));
    assert_int_equal(b->count, 2 * NAT_ENTRIES_MAX); /* two hosts */
    assert_false(in(b, &w, 5000, first, A_IP, 1));   /* the one idle longest went */
    nat_free(b);
}

/* Two hosts behind one box want the same port. */
static void test_two_hosts(void **state)
{
    (void)state;
    static const struct {
        enum nat_type type;
        bool first_keeps, second_elsewhere; /* .. another port towards others as well */
    } kinds[] = {
        {NAT_TYPE_FULL_CONE, true, true},
        {NAT_TYPE_RESTRICTED, true, true},
        {NAT_TYPE_PORT_RESTRICTED, true, true},
        {NAT_TYPE_LINUX, true, false},
        {NAT_TYPE_CGN, false, true},
        {NAT_TYPE_SYMMETRIC, false, true},
        {NAT_TYPE_SYMMETRIC_SEQ, false, true},
    };
    struct nat_world w = world_of((struct nat_spec){0});
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct nat_box *b = nat_new(kinds[i].type, 7, 2);
        uint16_t first = nat_out(b, &w, 0, HOST, A_IP, 1000),
                 second = nat_out(b, &w, 0, OTHER, A_IP, 1000),
                 elsewhere = nat_out(b, &w, 0, OTHER, B_IP, 1000);
        assert_int_equal(first == INSIDE, kinds[i].first_keeps);
        assert_int_not_equal(first, second);
        assert_int_equal(elsewhere != INSIDE, kinds[i].second_elsewhere);
        assert_true(in(b, &w, 1, first, A_IP, 1000));
        assert_int_equal(whose.who, 7);
        assert_true(in(b, &w, 1, second, A_IP, 1000));
        assert_int_equal(whose.who, 8);
        assert_true(in(b, &w, 1, elsewhere, B_IP, 1000));
        assert_int_equal(whose.who, 8);
        nat_free(b);
    }
}

/* From behind the box to its own address: unfiltered where mappings do not depend on the destination, else never. */
static void test_hairpin(void **state)
{
    (void)state;
    struct nat_world w = world_of((struct nat_spec){0});
    for (unsigned type = NAT_TYPE_FULL_CONE; type < NAT_TYPE_COUNT; type++) {
        struct nat_box *b = nat_new(type, 7, 2);
        assert_false(nat_hairpins(b));
        b->hairpin = true;
        bool cone = type <= NAT_TYPE_PORT_RESTRICTED || type == NAT_TYPE_CGN ||
                    type == NAT_TYPE_UPNP;
        assert_int_equal(nat_hairpins(b), cone);
        uint16_t to = nat_out(b, &w, 0, HOST, A_IP, 1000),
                 from = nat_out(b, &w, 0, OTHER, B_IP, to);
        if (cone) assert_true(nat_in(b, &w, 1, to, B_IP, from, true, &whose));
        if (cone) assert_int_equal(whose.who, 7);
        nat_free(b);
    }
}

static void test_mix(void **state)
{
    (void)state;
    struct nat_world w = world_of((struct nat_spec){
        .share = {[NAT_TYPE_NONE] = 200000, [NAT_TYPE_LINUX] = 700000, [NAT_TYPE_CGN] = 100000}});
    uint32_t seen[NAT_TYPE_COUNT] = {0};
    for (uint32_t i = 0; i < 100000; i++) seen[nat_pick(&w, i)]++;
    assert_in_range(seen[NAT_TYPE_NONE], 19500, 20500);
    assert_in_range(seen[NAT_TYPE_LINUX], 69300, 70700);
    assert_int_equal(seen[NAT_TYPE_NONE] + seen[NAT_TYPE_LINUX] + seen[NAT_TYPE_CGN], 100000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds),   cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_holds),   cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_bound),   cmocka_unit_test(test_two_hosts),
        cmocka_unit_test(test_hairpin), cmocka_unit_test(test_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
