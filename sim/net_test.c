#include "sim/net.h"

#include "base/endpoint.h"
#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct net net_of(uint64_t seed, struct network_spec spec)
{
    struct rng root;
    uint8_t bytes[32] = {0};
    bytes[31] = (uint8_t)seed;
    rng_seed(&root, bytes);
    struct net n;
    net_init(&n, &spec, NULL, &root);
    return n;
}

/* A million addresses: all global, all usable, each in a /24 of its own, and back again. */
static void test_addresses(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < SCENARIO_NODES; i += i < 70000 ? 1 : 997) {
        uint32_t ip = net_ip(i), back;
        struct endpoint e = endpoint_v4(ip, NET_PORT);
        assert_int_equal(endpoint_scope(&e), SCOPE_GLOBAL);
        assert_true(endpoint_is_usable(&e));
        assert_true(net_node_of(ip, &back) && back == i);
        assert_int_equal(ip & 0xff, 1); /* so different nodes, different /24 */
    }
    uint32_t node;
    assert_false(net_node_of(0xc0a80105, &node));
    assert_false(net_node_of(0x0a000001, &node));
    assert_false(net_node_of(net_ip(5) + 1, &node));
}

/* Who hears whom: so many pairs, alike in both directions, whatever is sent. */
static void test_reach(void **state)
{
    (void)state;
    struct net some = net_of(1, (struct network_spec){.reach = 700000}),
               other = net_of(2, some.spec), all = net_of(1, (struct network_spec){0}),
               also_all = net_of(1, (struct network_spec){.reach = MILLION});
    uint32_t pairs = 0, talk = 0, differ = 0;
    for (uint32_t a = 0; a < 500; a++) {
        assert_true(net_reaches(&some, a, a));
        for (uint32_t b = 0; b < a; b++) {
            bool is = net_reaches(&some, a, b);
            pairs++;
            talk += is;
            differ += is != net_reaches(&other, a, b);
            assert_int_equal(is, net_reaches(&some, b, a));
            assert_true(net_reaches(&all, a, b) && net_reaches(&also_all, a, b));
        }
    }
    assert_in_range(talk * 1000 / pairs, 693, 707);
    assert_true(differ > pairs / 4);
}

static void test_loss(void **state)
{
    (void)state;
    struct net a = net_of(1, (struct network_spec){.loss = 50000}), b = net_of(1, a.spec),
               c = net_of(2, a.spec);
    uint32_t lost = 0, differ = 0;
    for (uint32_t i = 0; i < 200000; i++) {
        bool is = net_lost(&a, i % 7, i % 11, i);
        lost += is;
        assert_int_equal(is, net_lost(&b, i % 7, i % 11, i)); /* whatever was asked before */
        differ += is != net_lost(&c, i % 7, i % 11, i);
    }
    assert_in_range(lost, 9500, 10500);
    assert_true(differ > 10000);
    struct net none = net_of(1, (struct network_spec){0}),
               all = net_of(1, (struct network_spec){.loss = MILLION});
    for (uint32_t i = 0; i < 1000; i++) {
        assert_false(net_lost(&none, 1, 2, i));
        assert_true(net_lost(&all, 1, 2, i));
    }
}

static void test_latency(void **state)
{
    (void)state;
    struct net constant = net_of(1, (struct network_spec){.latency_us = MILLIS(50)});
    assert_int_equal(net_latency_us(&constant, net_place(&constant, 3), net_place(&constant, 4)),
                     MILLIS(50));
    struct net regions = net_of(1, (struct network_spec){.model = NETWORK_REGIONS, .regions = 6});
    uint32_t seen[REGIONS_MAX] = {0};
    for (uint32_t i = 0; i < 6000; i++) {
        struct net_place a = net_place(&regions, i), b = net_place(&regions, i + 1);
        uint64_t there = net_latency_us(&regions, a, b);
        assert_int_equal(there, net_latency_us(&regions, b, a));
        assert_in_range(there, MILLIS(8), MILLIS(250));
        seen[a.region]++;
    }
    for (unsigned i = 0; i < 6; i++) assert_in_range(seen[i], 850, 1150);
    assert_int_equal(seen[6] + seen[7], 0);
}

/* Nodes are spread over the rows; between two of them stands what the file says. */
static void test_matrix(void **state)
{
    (void)state;
    uint32_t us[] = {500, 10000, 30000, 11000, 600, 20000, 31000, 21000, 700};
    struct matrix m = {.one_way_us = us, .size = 3};
    struct network_spec spec = {.model = NETWORK_MATRIX};
    struct rng root;
    uint8_t seed[32] = {0};
    rng_seed(&root, seed);
    struct net n;
    net_init(&n, &spec, &m, &root);
    uint32_t seen[3] = {0};
    for (uint32_t i = 0; i < 3000; i++) {
        struct net_place a = net_place(&n, i), b = net_place(&n, i + 1);
        assert_true(a.access_10us < 3);
        seen[a.access_10us]++;
        assert_int_equal(net_latency_us(&n, a, b), us[a.access_10us * 3 + b.access_10us]);
    }
    for (int i = 0; i < 3; i++) assert_in_range(seen[i], 900, 1100);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses), cmocka_unit_test(test_reach),
        cmocka_unit_test(test_loss),      cmocka_unit_test(test_latency),
        cmocka_unit_test(test_matrix),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
