#include "base/endpoint.h"

#include "base/bytes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct endpoint of(const char *text)
{
    struct endpoint e;
    if (!endpoint_parse(text, &e)) fail_msg("%s does not parse", text);
    return e;
}

static void text_round_trip(void **state)
{
    (void)state;
    static const char *const same[] = {
        "203.0.113.5:7464",
        "tcp:203.0.113.5:443",
        "[2001:db8::1]:7464",
        "tcp:[2001:db8::1]:65535",
        "0.0.0.0:0",
        "[::]:7464",
        "[::1]:1",
        "tcp:[1111:2222:3333:4444:5555:6666:7777:8888]:65535",
        "255.255.255.255:65535",
    };
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        char text[ENDPOINT_TEXT];
        uint8_t wire[ENDPOINT_WIRE];
        struct endpoint e = of(same[i]), back;
        assert_string_equal(endpoint_print(&e, text), same[i]);
        endpoint_encode(&e, wire);
        assert_true(endpoint_decode(wire, &back));
        assert_memory_equal(&e, &back, sizeof e);
    }
}

static void other_spellings(void **state)
{
    (void)state;
    char text[ENDPOINT_TEXT];
    struct endpoint e = of("[::ffff:192.0.2.1]:80"), v4 = of("192.0.2.1:80");
    assert_true(endpoint_equal(&e, &v4));
    assert_true(endpoint_is_v4(&e));
    e = endpoint_v4(0xc0000201, 80);
    assert_true(endpoint_equal(&e, &v4));
    e = of("[2001:DB8:0:0::0:1]:80");
    assert_string_equal(endpoint_print(&e, text), "[2001:db8::1]:80");
}

static void what_does_not_parse(void **state)
{
    (void)state;
    static const char *const wrong[] = {
        "",
        "none",
        ":",
        "1.2.3.4",
        "1.2.3.4:",
        "1.2.3.4:65536",
        "1.2.3.4:99999999999999999999",
        "1.2.3.4:-1",
        "1.2.3.4:+1",
        "1.2.3.4: 1",
        "1.2.3.4:1 ",
        "1.2.3.4:01",
        "1.2.3.4:00",
        "1.2.3:1",
        "1.2.3.4.5:1",
        "01.2.3.4:1",
        "256.1.1.1:1",
        "host:1",
        "::1:1",
        "[::1]",
        "[::1]1",
        "[::1]:",
        "[::1:1",
        "[]:1",
        "[1.2.3.4]:1",
        "[::1%1]:1",
        "[::1.2.3.4]:1", /* v4-compatible */
        "udp:1.2.3.4:1",
        "tcp:",
        "tcp:tcp:1.2.3.4:1",
        "[1111111111111111111111111111111111111111111111111111111111111111111111111]:1",
    };
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct endpoint e;
        memset(&e, 0xff, sizeof e);
        if (endpoint_parse(wrong[i], &e)) fail_msg("%s parses", wrong[i]);
        assert_true(endpoint_is_none(&e));
    }
}

static void scopes(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum scope scope;
        bool usable;
    } cases[] = {
        {"0.0.0.0:1", SCOPE_NONE, false},
        {"0.1.2.3:1", SCOPE_NONE, false},
        {"127.0.0.1:1", SCOPE_LOOPBACK, true},
        {"127.255.0.1:1", SCOPE_LOOPBACK, true},
        {"169.254.1.1:1", SCOPE_LINK, false},
        {"10.0.0.1:1", SCOPE_PRIVATE, true},
        {"11.0.0.1:1", SCOPE_GLOBAL, true},
        {"172.15.255.255:1", SCOPE_GLOBAL, true},
        {"172.16.0.1:1", SCOPE_PRIVATE, true},
        {"172.31.255.255:1", SCOPE_PRIVATE, true},
        {"172.32.0.1:1", SCOPE_GLOBAL, true},
        {"192.168.0.1:1", SCOPE_PRIVATE, true},
        {"192.169.0.1:1", SCOPE_GLOBAL, true},
        {"100.63.255.255:1", SCOPE_GLOBAL, true},
        {"100.64.0.1:1", SCOPE_CGN, true},
        {"100.127.255.255:1", SCOPE_CGN, true},
        {"100.128.0.0:1", SCOPE_GLOBAL, true},
        {"223.255.255.255:1", SCOPE_GLOBAL, true},
        {"224.0.0.1:1", SCOPE_MULTICAST, false},
        {"239.255.74.64:7464", SCOPE_MULTICAST, false},
        {"240.0.0.1:1", SCOPE_NONE, false},
        {"255.255.255.255:1", SCOPE_NONE, false},
        {"203.0.113.5:0", SCOPE_GLOBAL, false}, /* no port */
        {"[::]:1", SCOPE_NONE, false},
        {"[::1]:1", SCOPE_LOOPBACK, true},
        {"[fe80::1]:1", SCOPE_LINK, false},
        {"[febf::1]:1", SCOPE_LINK, false},
        {"[fec0::1]:1", SCOPE_PRIVATE, true},
        {"[fc00::1]:1", SCOPE_PRIVATE, true},
        {"[fdff::1]:1", SCOPE_PRIVATE, true},
        {"[ff02::7464]:7464", SCOPE_MULTICAST, false},
        {"[2001:db8::1]:1", SCOPE_GLOBAL, true},
        {"[64:ff9b::1.2.3.4]:1", SCOPE_GLOBAL, true},
        {"tcp:203.0.113.5:443", SCOPE_GLOBAL, true},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        struct endpoint e = of(cases[i].text);
        if (endpoint_scope(&e) != cases[i].scope) fail_msg("scope of %s", cases[i].text);
        if (endpoint_is_usable(&e) != cases[i].usable) fail_msg("use of %s", cases[i].text);
    }
}

static void none(void **state)
{
    (void)state;
    char text[ENDPOINT_TEXT];
    uint8_t wire[ENDPOINT_WIRE] = {0};
    struct endpoint e;
    memset(&e, 0xff, sizeof e);
    assert_true(endpoint_decode(wire, &e));
    assert_true(endpoint_is_none(&e));
    assert_false(endpoint_is_usable(&e));
    assert_int_equal(endpoint_scope(&e), SCOPE_NONE);
    assert_string_equal(endpoint_print(&e, text), "none");
    endpoint_encode(&e, wire);
    for (size_t i = 0; i < sizeof wire; i++) assert_int_equal(wire[i], 0);
    e = of("0.0.0.0:0");
    assert_false(endpoint_is_none(&e));
}

static void what_does_not_decode(void **state)
{
    (void)state;
    uint8_t wire[ENDPOINT_WIRE];
    struct endpoint e = of("[2001:db8::1]:7464");
    endpoint_encode(&e, wire);
    wire[0] = 3; /* a transport from the future */
    assert_false(endpoint_decode(wire, &e));
    assert_true(endpoint_is_none(&e));
    wire[0] = 0; /* "none" has no address */
    assert_false(endpoint_decode(wire, &e));
    memset(wire, 0, sizeof wire);
    wire[18] = 1; /* nor a port */
    assert_false(endpoint_decode(wire, &e));
    wire[0] = TRANSPORT_UDP;
    wire[13] = 10; /* ::10.0.0.0 */
    assert_false(endpoint_decode(wire, &e));
}

static void total_order(void **state)
{
    (void)state;
    static const char *const rising[] = {
        "[::]:9",    "1.2.3.4:1",       "tcp:1.2.3.4:1",     "1.2.3.4:2",
        "1.2.3.5:1", "[2001:db8::]:99", "[2001:db8::1]:100", "[2001:db8::1]:1000",
    };
    enum { COUNT = sizeof rising / sizeof rising[0] };
    for (int i = 0; i < COUNT; i++)
        for (int k = 0; k < COUNT; k++) {
            struct endpoint a = of(rising[i]), b = of(rising[k]);
            assert_int_equal(endpoint_compare(&a, &b), (i > k) - (i < k));
            assert_int_equal(endpoint_equal(&a, &b), i == k);
        }
    struct endpoint a = of("1.2.3.4:1"), b = of("tcp:1.2.3.4:9");
    assert_true(endpoint_same_ip(&a, &b));
}

static void addresses_alone(void **state)
{
    (void)state;
    static const char *const same[] = {"10.0.0.1", "fd00::1", "::", "0.0.0.0"};
    static const char *const wrong[] = {"",          "10.0.0", "10.0.0.1/8", "fd00::1%eth0",
                                        "[fd00::1]", "x"};
    uint8_t ip[16];
    char text[ENDPOINT_TEXT];
    for (size_t i = 0; i < sizeof same / sizeof same[0]; i++) {
        assert_true(ip_parse(same[i], ip));
        assert_string_equal(ip_print(ip, text), same[i]);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        assert_false(ip_parse(wrong[i], ip));
        assert_true(get_u64(ip) == 0 && get_u64(ip + 8) == 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(text_round_trip),
        cmocka_unit_test(other_spellings),
        cmocka_unit_test(what_does_not_parse),
        cmocka_unit_test(scopes),
        cmocka_unit_test(none),
        cmocka_unit_test(what_does_not_decode),
        cmocka_unit_test(total_order),
        cmocka_unit_test(addresses_alone),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
