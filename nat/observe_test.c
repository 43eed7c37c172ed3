/* The second half simulates NATs of every mapping kind and asks what observe makes of them. */
#include "nat/observe.h"

#include "base/bytes.h"
#include "base/rng.h"
#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct endpoint at(const char *text)
{
    struct endpoint e;
    assert_true(endpoint_parse(text, &e));
    return e;
}

static bool report(struct observe *o, unsigned now_s, const char *reporter, const char *seen)
{
    struct endpoint r = at(reporter), s = at(seen);
    return observe_report(o, SECONDS(now_s), &r, &s);
}

/* "203.0.113.5:7 203.0.113.6:7" */
static const char *believed(const struct observe *o)
{
    static char text[OBSERVE_REPORTS * ENDPOINT_TEXT];
    struct endpoint list[OBSERVE_REPORTS];
    unsigned count = observe_believed(o, list, OBSERVE_REPORTS);
    size_t len = 0;
    text[0] = 0;
    for (unsigned i = 0; i < count; i++) {
        char e[ENDPOINT_TEXT];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%s", i ? " " : "",
                                endpoint_print(list + i, e));
    }
    return text;
}

static void one_network_is_enough_while_alone(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    assert_string_equal(believed(&o), "");
    assert_int_equal(observe_mapping(&o, NULL, 0), MAPPING_UNKNOWN);
    assert_true(report(&o, 1, "198.51.100.1:1", "203.0.113.5:7"));
    assert_string_equal(believed(&o), "203.0.113.5:7");
    assert_int_equal(observe_mapping(&o, NULL, 0), MAPPING_UNKNOWN);
    assert_false(report(&o, 2, "198.51.100.2:1", "203.0.113.5:7"));
    assert_string_equal(believed(&o), "203.0.113.5:7");
}

/* Who hears the world over TCP alone has no endpoint to tell, however often the ports differ. */
static void a_tcp_port_is_no_news(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    for (unsigned i = 0; i < 3; i++) {
        struct endpoint reporter = at("198.51.100.1:1"), seen = at("203.0.113.5:7");
        reporter.transport = seen.transport = TRANSPORT_TCP;
        seen.port = (uint16_t)(seen.port + i);
        assert_false(observe_is_news(&o, &reporter, &seen));
        assert_false(observe_report(&o, SECONDS(i), &reporter, &seen));
    }
    assert_string_equal(believed(&o), "");
}

static void two_networks_must_agree(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    report(&o, 1, "198.51.100.1:1", "203.0.113.5:7");
    assert_true(report(&o, 2, "192.0.2.1:1", "203.0.113.99:9")); /* word against word */
    assert_string_equal(believed(&o), "");
    assert_false(report(&o, 3, "192.0.2.2:1", "203.0.113.99:9")); /* the liar's neighbour */
    assert_string_equal(believed(&o), "");
    assert_true(report(&o, 4, "8.8.8.8:1", "203.0.113.5:7"));
    assert_string_equal(believed(&o), "203.0.113.5:7");
    assert_false(report(&o, 5, "192.0.2.1:1", "203.0.113.98:9"));
    assert_string_equal(believed(&o), "203.0.113.5:7");
}

static void newest_report_of_a_reporter_counts(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    report(&o, 1, "198.51.100.1:1", "203.0.113.5:7");
    report(&o, 2, "192.0.2.1:1", "203.0.113.5:7");
    assert_int_equal(observe_mapping(&o, NULL, 0), MAPPING_ENDPOINT_INDEPENDENT);
    /* the gateway restarted: we are seen elsewhere, first by one, then by both */
    report(&o, 30, "198.51.100.1:1", "203.0.113.77:8");
    assert_string_equal(believed(&o), "");
    assert_true(report(&o, 31, "192.0.2.1:1", "203.0.113.77:8"));
    assert_string_equal(believed(&o), "203.0.113.77:8");
    assert_int_equal(o.count, 2);
    assert_int_equal(observe_mapping(&o, NULL, 0), MAPPING_ENDPOINT_INDEPENDENT);
}

static void newest_first(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    report(&o, 1, "198.51.100.1:1", "203.0.113.5:7"); /* two uplinks */
    report(&o, 1, "192.0.2.1:1", "203.0.113.5:7");
    report(&o, 2, "8.8.8.8:1", "203.0.113.6:7");
    report(&o, 2, "9.9.9.9:1", "203.0.113.6:7");
    assert_string_equal(believed(&o), "203.0.113.6:7 203.0.113.5:7");
    struct endpoint only[1];
    assert_int_equal(observe_believed(&o, only, 1), 1);
    struct endpoint newest = at("203.0.113.6:7");
    assert_true(endpoint_equal(only, &newest));
    assert_false(report(&o, 3, "192.0.2.1:1", "203.0.113.5:7")); /* order alone is no news */
    assert_string_equal(believed(&o), "203.0.113.5:7 203.0.113.6:7");
}

static void old_reports_count_until_newer_exist(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    report(&o, 1, "198.51.100.1:1", "203.0.113.5:7");
    report(&o, 2, "192.0.2.1:1", "203.0.113.5:7");
    assert_string_equal(believed(&o), "203.0.113.5:7"); /* however long ago */
    report(&o, 5000, "[2001:db8:1::1]:1", "[2001:db8:9::5]:7");
    assert_string_equal(believed(&o), "[2001:db8:9::5]:7 203.0.113.5:7"); /* families apart */
    assert_true(report(&o, 2 + OBSERVE_FRESH_S + 1, "8.8.8.8:1", "203.0.113.6:7"));
    assert_string_equal(believed(&o), "203.0.113.6:7 [2001:db8:9::5]:7");
    observe_init(&o);
    report(&o, 2, "192.0.2.1:1", "203.0.113.5:7");
    report(&o, 2 + OBSERVE_FRESH_S, "8.8.8.8:1", "203.0.113.6:7"); /* just fresh */
    assert_string_equal(believed(&o), "");
}

static void scopes_apart(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    report(&o, 1, "198.51.100.1:1", "203.0.113.5:7");
    assert_true(report(&o, 2, "192.168.1.9:1", "192.168.1.5:7")); /* a LAN peer */
    assert_string_equal(believed(&o), "192.168.1.5:7 203.0.113.5:7");
    assert_true(report(&o, 3, "100.64.3.4:1", "100.64.9.9:70")); /* behind the same carrier NAT */
    assert_string_equal(believed(&o), "100.64.9.9:70 192.168.1.5:7 203.0.113.5:7");
}

static void useless_reports(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    assert_false(report(&o, 1, "198.51.100.1:1", "127.0.0.1:7"));
    assert_false(report(&o, 1, "198.51.100.1:1", "203.0.113.5:0"));
    assert_false(report(&o, 1, "198.51.100.1:1", "224.0.0.1:7"));
    assert_false(report(&o, 1, "198.51.100.1:1", "tcp:203.0.113.5:7"));
    assert_int_equal(o.count, 0);
}

static void bounded(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    report(&o, 1, "198.51.100.1:1", "203.0.113.5:7");
    report(&o, 2, "192.0.2.1:1", "203.0.113.5:7");
    for (unsigned i = 0; i < 200; i++) { /* one network shouts with many voices */
        struct endpoint r = endpoint_v4(0x01020300 + i % 250, (uint16_t)(1000 + i));
        struct endpoint lie = endpoint_v4(0x05060708, 99);
        observe_report(&o, SECONDS(10 + i), &r, &lie);
    }
    assert_int_equal(o.count, 2 + OBSERVE_PER_PREFIX);
    assert_string_equal(believed(&o), "203.0.113.5:7");
    for (unsigned i = 0; i < 20; i++) { /* many networks: the oldest goes */
        struct endpoint r = endpoint_v4(0x09000001 + (i << 8), 1);
        struct endpoint seen = at("203.0.113.6:7");
        observe_report(&o, SECONDS(300 + i), &r, &seen);
    }
    assert_int_equal(o.count, OBSERVE_REPORTS);
    assert_string_equal(believed(&o), "203.0.113.6:7");
    observe_forget(&o);
    assert_int_equal(o.count, 0);
    assert_string_equal(believed(&o), "");
}

/* Every peer sees another port: the address is believed, and new ports are no news. */
static void symmetric_address_is_believed(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    report(&o, 1, "198.51.100.1:1", "203.0.113.5:1001");
    assert_true(report(&o, 2, "192.0.2.1:1", "203.0.113.5:1002"));
    assert_string_equal(believed(&o), "203.0.113.5:1002");
    assert_false(report(&o, 3, "8.8.8.8:1", "203.0.113.5:1003"));
    assert_false(report(&o, 4, "198.51.100.1:1", "203.0.113.5:1001"));
    assert_string_equal(believed(&o), "203.0.113.5:1001");
    assert_true(report(&o, 5, "9.9.9.9:1", "203.0.113.5:1001")); /* now said twice: news */
    assert_string_equal(believed(&o), "203.0.113.5:1001");
}

/* --- simulated NATs --- */

enum kind { KIND_NONE, KIND_EIM, KIND_ADM, KIND_SEQUENTIAL, KIND_RANDOM, KIND_POOL };
struct nat {
    enum kind kind;
    struct endpoint inside, outside;
    uint16_t next_port;
    struct rng *r;
    unsigned flow_count;
    struct flow {
        struct endpoint to;
        struct endpoint seen;
    } flows[64];
};

static bool same_mapping(const struct nat *n, const struct endpoint *a, const struct endpoint *b)
{
    if (n->kind == KIND_EIM) return true;
    if (n->kind == KIND_ADM) return endpoint_same_ip(a, b);
    return endpoint_equal(a, b);
}

static struct endpoint seen_by(struct nat *n, const struct endpoint *to)
{
    if (n->kind == KIND_NONE) return n->inside;
    for (unsigned i = 0; i < n->flow_count; i++)
        if (same_mapping(n, &n->flows[i].to, to)) return n->flows[i].seen;
    struct endpoint seen = n->outside;
    if (n->kind == KIND_RANDOM)
        seen.port = (uint16_t)rng_between(n->r, 1024, 65535);
    else
        seen.port = n->next_port++;
    if (n->kind == KIND_POOL) seen.ip[15] = (uint8_t)n->flow_count; /* another address each */
    assert_true(n->flow_count < 64);
    n->flows[n->flow_count++] = (struct flow){.to = *to, .seen = seen};
    return seen;
}

static struct nat nat_of(enum kind kind, struct rng *r)
{
    bool v6 = rng_below(r, 4) == 0;
    struct nat n = {.kind = kind, .r = r, .next_port = (uint16_t)rng_between(r, 1024, 60000)};
    n.outside = at(v6 ? "[2001:db8:77::5]:1" : "203.0.113.5:1");
    n.inside = n.outside; /* a host without NAT has a public address */
    n.inside.port = 7464;
    if (kind != KIND_NONE) n.inside = at("192.168.1.5:7464");
    return n;
}

static struct endpoint peer_drawn(struct rng *r, const struct nat *n, unsigned number)
{
    struct endpoint e = at(endpoint_is_v4(&n->outside) ? "8.1.0.9:1" : "[2001:db8:1::9]:1");
    e.ip[endpoint_is_v4(&e) ? 14 : 5] = (uint8_t)number; /* a network of its own */
    e.port = (uint16_t)rng_between(r, 1024, 65535);
    return e;
}

static struct rng rng_for(uint64_t number)
{
    struct rng root, r;
    uint8_t zero[32] = {0};
    rng_seed(&root, zero);
    rng_stream(&root, "observe", number, &r);
    return r;
}

/* `peers` in networks of their own, then one of them again with a second port; several rounds in
 * any order. `liars` of them say a random endpoint instead. */
static struct observe observed(struct nat *n, struct rng *r, unsigned peers, unsigned liars,
                               bool second_port)
{
    struct observe o;
    struct endpoint peer[OBSERVE_REPORTS];
    observe_init(&o);
    for (unsigned i = 0; i < peers; i++) peer[i] = peer_drawn(r, n, i + 1);
    if (second_port) peer[peers] = peer[0], peer[peers++].port ^= 1;
    for (unsigned i = 0; i < peers * 3; i++) {
        unsigned who = i < peers ? i : (unsigned)rng_below(r, peers);
        struct endpoint seen = seen_by(n, peer + who);
        if (who < liars) seen = peer_drawn(r, n, 200);
        observe_report(&o, SECONDS(1 + i), peer + who, &seen);
    }
    return o;
}

static void mapping_kinds(void **state)
{
    (void)state;
    static const struct {
        enum kind kind;
        bool second_port;
        enum observe_mapping is;
        bool address_known;
    } rows[] = {
        {KIND_NONE, false, MAPPING_NONE, true},
        {KIND_NONE, true, MAPPING_NONE, true},
        {KIND_EIM, false, MAPPING_ENDPOINT_INDEPENDENT, true},
        {KIND_EIM, true, MAPPING_ENDPOINT_INDEPENDENT, true},
        {KIND_ADM, true, MAPPING_ADDRESS_DEPENDENT, true},
        {KIND_ADM, false, MAPPING_PORT_DEPENDENT, true}, /* cannot be told apart */
        {KIND_SEQUENTIAL, false, MAPPING_PORT_DEPENDENT, true},
        {KIND_SEQUENTIAL, true, MAPPING_PORT_DEPENDENT, true},
        {KIND_RANDOM, true, MAPPING_PORT_DEPENDENT, true},
        {KIND_POOL, true, MAPPING_PORT_DEPENDENT, false},
    };
    for (unsigned i = 0; i < sizeof rows / sizeof *rows; i++)
        for (unsigned seed = 0; seed < 50; seed++) {
            struct rng r = rng_for(i * 1000 + seed);
            struct nat n = nat_of(rows[i].kind, &r);
            unsigned peers = (unsigned)rng_between(&r, 2, 7);
            struct observe o = observed(&n, &r, peers, 0, rows[i].second_port);
            assert_int_equal(observe_mapping(&o, &n.inside, 1), rows[i].is);
            struct endpoint list[OBSERVE_REPORTS];
            unsigned count = observe_believed(&o, list, OBSERVE_REPORTS);
            assert_int_equal(count > 0, rows[i].address_known);
            struct endpoint true_one = rows[i].kind == KIND_NONE ? n.inside : n.outside;
            for (unsigned k = 0; k < count; k++) assert_true(endpoint_same_ip(list + k, &true_one));
        }
}

/* A minority that says anything changes neither belief nor class. */
static void liars_in_a_minority(void **state)
{
    (void)state;
    static const enum observe_mapping is[] = {
        [KIND_NONE] = MAPPING_NONE, [KIND_EIM] = MAPPING_ENDPOINT_INDEPENDENT};
    for (unsigned kind = KIND_NONE; kind <= KIND_EIM; kind++)
        for (unsigned seed = 0; seed < 50; seed++) {
            struct rng r = rng_for(50000 + kind * 1000 + seed);
            struct nat n = nat_of((enum kind)kind, &r);
            unsigned peers = (unsigned)rng_between(&r, 3, 8);
            struct observe o = observed(&n, &r, peers, (peers - 1) / 2, false);
            assert_int_equal(observe_mapping(&o, &n.inside, 1), is[kind]);
            struct endpoint list[OBSERVE_REPORTS];
            assert_int_equal(observe_believed(&o, list, OBSERVE_REPORTS), 1);
            struct endpoint seen = seen_by(&n, &n.outside);
            assert_true(endpoint_equal(list, &seen));
        }
}

/* Two ports of one address that agree show nothing about another address (RFC 5780 4.3). */
static void one_address_tells_no_class(void **state)
{
    (void)state;
    struct observe o;
    observe_init(&o);
    report(&o, 1, "198.51.100.1:1", "203.0.113.5:7");
    report(&o, 2, "198.51.100.1:2", "203.0.113.5:7");
    assert_int_equal(observe_mapping(&o, NULL, 0), MAPPING_UNKNOWN);
    report(&o, 3, "198.51.100.1:2", "203.0.113.5:8");
    assert_int_equal(observe_mapping(&o, NULL, 0), MAPPING_PORT_DEPENDENT);
}

/* IPv6 without NAT beside IPv4 behind a symmetric one: the IPv4 side is what matters. */
static void ipv4_decides(void **state)
{
    (void)state;
    struct observe o;
    struct endpoint locals[2] = {at("[2001:db8:9::5]:7464"), at("192.168.1.5:7464")};
    observe_init(&o);
    report(&o, 1, "[2001:db8:1::1]:1", "[2001:db8:9::5]:7464");
    report(&o, 1, "[2001:db8:2::1]:1", "[2001:db8:9::5]:7464");
    report(&o, 1, "192.168.1.9:1", "192.168.1.5:7464");
    assert_int_equal(observe_mapping(&o, locals, 2), MAPPING_NONE);
    report(&o, 2, "8.8.8.8:1", "203.0.113.5:1");
    report(&o, 3, "9.9.9.9:1", "203.0.113.5:2");
    assert_int_equal(observe_mapping(&o, locals, 2), MAPPING_PORT_DEPENDENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_network_is_enough_while_alone),
        cmocka_unit_test(a_tcp_port_is_no_news),
        cmocka_unit_test(two_networks_must_agree),
        cmocka_unit_test(newest_report_of_a_reporter_counts),
        cmocka_unit_test(newest_first),
        cmocka_unit_test(old_reports_count_until_newer_exist),
        cmocka_unit_test(scopes_apart),
        cmocka_unit_test(useless_reports),
        cmocka_unit_test(bounded),
        cmocka_unit_test(symmetric_address_is_believed),
        cmocka_unit_test(mapping_kinds),
        cmocka_unit_test(liars_in_a_minority),
        cmocka_unit_test(one_address_tells_no_class),
        cmocka_unit_test(ipv4_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
