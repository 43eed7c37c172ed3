#include "sim/home.h"

#include "base/crypto.h"
#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define SEED 0u /* node 0 is the seed, and public */

static struct world *world_of(struct nat_spec nat, uint32_t nodes)
{
    nat.timeout_us = SECONDS(120);
    const struct world_config c = {.seed = 3,
                                   .crypto = &crypto_fake,
                                   .limits = limits_sim,
                                   .network = {.latency_us = MILLIS(20)},
                                   .nat = nat,
                                   .nodes = nodes};
    struct world *w = world_new(&c);
    for (uint32_t i = 0; i < nodes; i++) (void)world_start(w, 1);
    return w;
}

/* A datagram from one node to that endpoint: who gets it? Its own number: nobody. */
static uint32_t reaches(struct world *w, uint32_t from, uint32_t ip, uint16_t port,
                        struct home_way *way)
{
    *way = home_out(w, from, ip, port);
    uint32_t to = way->to;
    if (way->kind == HOME_NOWHERE || way->kind == HOME_FILTERED) return from;
    if (way->kind == HOME_LAN || !w->hosts[to].owned) return to;
    const struct flight f = {.from_ip = way->from_ip,
                             .from_port = way->from_port,
                             .to_port = port,
                             .hairpin = way->kind == HOME_HAIRPIN};
    return home_in(w, &to, &f) ? to : from;
}

/* Three hosts, one box: one public address, private ones of their own, a port each. */
static void test_one_home(void **state)
{
    (void)state;
    struct world *w = world_of(
        (struct nat_spec){.share = {[NAT_TYPE_PORT_RESTRICTED] = MILLION}, .hosts = 3}, 9);
    struct home_way a, b, way;
    assert_null(w->hosts[0].nat); /* a seed; its neighbours stand behind a box all the same */
    assert_true(w->hosts[1].nat && w->hosts[1].nat == w->hosts[2].nat);
    assert_true(w->hosts[3].nat == w->hosts[5].nat && w->hosts[3].nat != w->hosts[6].nat);
    assert_int_equal(home_address(w, 5), 3);
    assert_int_equal(home_inside_ip(w, 3) >> 8, home_inside_ip(w, 5) >> 8);
    assert_int_not_equal(home_inside_ip(w, 3), home_inside_ip(w, 5));
    assert_int_equal(reaches(w, 3, net_ip(SEED), NET_PORT, &a), SEED);
    assert_int_equal(reaches(w, 4, net_ip(SEED), NET_PORT, &b), SEED);
    assert_int_equal(a.from_ip, net_ip(3));
    assert_int_equal(b.from_ip, net_ip(3));
    assert_int_not_equal(a.from_port, b.from_port);
    assert_int_equal(reaches(w, SEED, a.from_ip, a.from_port, &way), 3); /* answers find them */
    assert_int_equal(reaches(w, SEED, b.from_ip, b.from_port, &way), 4);
    /* in the LAN by private addresses, not by the public one: no hairpin */
    assert_int_equal(reaches(w, 3, home_inside_ip(w, 4), NET_PORT, &way), 4);
    assert_int_equal(way.from_ip, home_inside_ip(w, 3));
    assert_int_equal(reaches(w, 3, b.from_ip, b.from_port, &way), 3);
    assert_int_equal(way.kind, HOME_FILTERED);
    /* the box stays while one of them does */
    world_kill(w, 3);
    assert_int_equal(reaches(w, SEED, b.from_ip, b.from_port, &way), 4);
    world_kill(w, 4);
    world_kill(w, 5);
    assert_null(w->hosts[3].owned);
    world_free(w);
}

/* The same address in two homes: each hears its own. */
static void test_same_private_addresses(void **state)
{
    (void)state;
    struct world *w = world_of(
        (struct nat_spec){.share = {[NAT_TYPE_FULL_CONE] = MILLION}, .hosts = 2}, 2000);
    uint32_t seen = 0;
    for (uint32_t i = 3; i < 2000 && !seen; i += 2)
        for (uint32_t k = i + 2; k < 2000 && !seen; k += 2)
            if (home_inside_ip(w, i) == home_inside_ip(w, k)) {
                struct home_way way;
                assert_int_equal(reaches(w, i - 1, home_inside_ip(w, i), NET_PORT, &way), i);
                assert_int_equal(reaches(w, k - 1, home_inside_ip(w, i), NET_PORT, &way), k);
                seen++;
            }
    assert_int_equal(seen, 1);
    world_free(w);
}

static void carrier_of_two_homes(bool hairpin)
{
    struct world *w = world_of((struct nat_spec){.share = {[NAT_TYPE_RESTRICTED] = MILLION},
                                                 .hosts = 2,
                                                 .homes = 2,
                                                 .behind = MILLION,
                                                 .hairpin = hairpin ? MILLION : 0},
                               8);
    struct home_way a, b, way;
    /* homes {2,3} | {4,5} {6,7}: the second carrier has two */
    assert_true(w->hosts[4].nat != w->hosts[6].nat &&
                w->hosts[4].nat->outer == w->hosts[6].nat->outer);
    assert_true(w->hosts[2].nat->outer != w->hosts[4].nat->outer);
    assert_int_equal(reaches(w, 5, net_ip(SEED), NET_PORT, &a), SEED);
    assert_int_equal(reaches(w, 7, net_ip(SEED), NET_PORT, &b), SEED);
    assert_int_equal(a.from_ip, net_ip(4));
    assert_int_equal(b.from_ip, net_ip(4));
    assert_int_equal(reaches(w, SEED, a.from_ip, a.from_port, &way), 5); /* through both boxes */
    assert_int_equal(reaches(w, SEED, b.from_ip, b.from_port, &way), 7);
    uint32_t seen_ip, node;
    uint16_t seen_port;
    assert_true(home_holds(w, 5, net_ip(SEED), NET_PORT, &seen_ip, &seen_port));
    assert_true(seen_ip == a.from_ip && seen_port == a.from_port);
    assert_true(home_behind(w, a.from_ip, a.from_port, net_ip(SEED), NET_PORT, &node));
    assert_int_equal(node, 5);
    assert_false(home_behind(w, a.from_ip, a.from_port, net_ip(SEED), NET_PORT + 1, &node));
    /* from one home to the other over the carrier: the second try, for the home's own box filters by address */
    (void)reaches(w, 7, a.from_ip, a.from_port, &way);
    assert_int_equal(reaches(w, 5, b.from_ip, b.from_port, &way), hairpin ? 7 : 5);
    assert_int_equal(way.kind, hairpin ? HOME_HAIRPIN : HOME_FILTERED);
    world_free(w);
}

static void test_carrier(void **state)
{
    (void)state;
    carrier_of_two_homes(false);
    carrier_of_two_homes(true);
}

/* A mix without homes and carriers is what it always was: a box each. */
static void test_alone(void **state)
{
    (void)state;
    struct world *w = world_of((struct nat_spec){.share = {[NAT_TYPE_CGN] = MILLION}}, 20);
    for (uint32_t i = 1; i < 20; i++) {
        assert_true(w->hosts[i].nat == w->hosts[i].owned && !w->hosts[i].nat->outer);
        assert_int_equal(home_address(w, i), i);
        for (uint32_t k = 0; k < i; k++) assert_ptr_not_equal(w->hosts[i].nat, w->hosts[k].nat);
    }
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_one_home),
        cmocka_unit_test(test_same_private_addresses),
        cmocka_unit_test(test_carrier),
        cmocka_unit_test(test_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
