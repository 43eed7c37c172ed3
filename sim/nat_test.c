#include "sim/nat.h"

#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define INSIDE 7464
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
        struct nat_box *b = nat_new(kinds[i].type, 7, INSIDE);
        assert_false(nat_in(b, &w, 0, INSIDE, A_IP, 1000)); /* nothing was sent yet */
        uint16_t to_a = nat_out(b, &w, 0, INSIDE, A_IP, 1000);
        assert_int_equal(nat_out(b, &w, 1, INSIDE, A_IP, 1000), to_a);
        assert_true(nat_in(b, &w, 2, to_a, A_IP, 1000));
        assert_int_equal(nat_in(b, &w, 3, to_a, A_IP, 1001), kinds[i].other_port);
        assert_int_equal(nat_in(b, &w, 4, to_a, B_IP, 1000), kinds[i].stranger);
        assert_false(nat_in(b, &w, 5, (uint16_t)(to_a + 1), A_IP, 1000));
        uint16_t to_b = nat_out(b, &w, 6, INSIDE, B_IP, 1000);
        assert_int_equal(to_b == to_a, kinds[i].same_port);
        assert_true(nat_in(b, &w, 7, to_b, B_IP, 1000));
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
    struct nat_box *b = nat_new(NAT_TYPE_UPNP, 7, INSIDE);
    assert_true(nat_in(b, &w, 0, INSIDE, A_IP, 1000));
    assert_false(nat_in(b, &w, 0, INSIDE + 1, A_IP, 1000));
    assert_int_equal(nat_out(b, &w, 0, INSIDE, A_IP, 1000), INSIDE);
    assert_true(nat_in(b, &w, HOURS(9), INSIDE, B_IP, 5));
    nat_free(b);
}

/* What a vouched keep-alive looks at and leaves behind. */
static void test_holds(void **state)
{
    (void)state;
    struct nat_world w = world_of((struct nat_spec){.timeout_us = SECONDS(60)});
    struct nat_box *b = nat_new(NAT_TYPE_SYMMETRIC, 7, INSIDE);
    uint16_t outside = 0, port = nat_out(b, &w, 0, INSIDE, A_IP, 1000);
    assert_true(nat_holds(b, &w, SECONDS(29), A_IP, 1000, &outside));
    assert_int_equal(outside, port);
    assert_false(nat_holds(b, &w, SECONDS(29), A_IP, 1001, &outside));
    assert_false(nat_holds(b, &w, SECONDS(31), A_IP, 1000, &outside)); /* looking renews nothing */
    nat_renew(b, SECONDS(29), A_IP, 1000);
    assert_true(nat_in(b, &w, SECONDS(88), port, A_IP, 1000)); /* answered, so it lives 60 s */
    nat_free(b);
}

static void test_timeouts(void **state)
{
    (void)state;
    struct nat_world w = world_of((struct nat_spec){.timeout_us = SECONDS(60)});
    struct nat_box *b = nat_new(NAT_TYPE_PORT_RESTRICTED, 7, INSIDE);
    uint16_t port = nat_out(b, &w, 0, INSIDE, A_IP, 1000);
    assert_false(nat_in(b, &w, SECONDS(30), port, A_IP, 1000)); /* never answered: 30 s */
    nat_out(b, &w, SECONDS(40), INSIDE, A_IP, 1000);
    assert_true(nat_in(b, &w, SECONDS(69), port, A_IP, 1000));  /* answered, and renewed */
    assert_true(nat_in(b, &w, SECONDS(128), port, A_IP, 1000)); /* renewed by this one too */
    nat_out(b, &w, SECONDS(187), INSIDE, A_IP, 1000);
    assert_false(nat_in(b, &w, SECONDS(247), port, A_IP, 1000));
    nat_free(b);
}

/* A port restricted to one peer at a time is not opened by the table being full. */
static void test_bound(void **state)
{
    (void)state;
    struct nat_world w = world_of((struct nat_spec){0});
    struct nat_box *b = nat_new(NAT_TYPE_SYMMETRIC, 7, INSIDE);
    uint16_t first = nat_out(b, &w, 0, INSIDE, A_IP, 1);
    for (uint32_t i = 0; i < 2 * NAT_ENTRIES_MAX; i++)
        nat_out(b, &w, 1 + i, INSIDE, B_IP, (uint16_t)(1 + i));
    assert_int_equal(b->count, NAT_ENTRIES_MAX);
    assert_false(nat_in(b, &w, 5000, first, A_IP, 1)); /* the one idle longest went */
    nat_free(b);
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
    assert_int_equal(nat_inside_ip(&w, 5) >> 16, 0xc0a8);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kinds), cmocka_unit_test(test_mapped),
        cmocka_unit_test(test_holds), cmocka_unit_test(test_timeouts),
        cmocka_unit_test(test_bound), cmocka_unit_test(test_mix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
