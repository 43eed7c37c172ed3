#include "vnet/address.h"

#include "base/endpoint.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static uint8_t network_key[32];
static struct id someone;

static int keys(void **state)
{
    (void)state;
    for (uint8_t i = 0; i < 32; i++) network_key[i] = i;
    for (uint8_t i = 0; i < ID_SIZE; i++) someone.b[i] = (uint8_t)(100 + i);
    return crypto_init() ? 0 : -1;
}

/* Computed apart from this code, with Python's hashlib.blake2b(digest_size=32). */
static void known_answers(void **state)
{
    uint8_t ip[16];
    char text[ENDPOINT_TEXT], range_text[24];
    (void)state;
    address_ipv6(ip, &crypto_real, network_key, &someone);
    assert_string_equal(ip_print(ip, text), "fd4f:24f2:c5ff:6465:6667:6869:6a6b:6c6d");
    assert_int_equal(address_tag(&crypto_real, network_key), 0x4f);
    struct range4 range = address_default_range(&crypto_real, network_key);
    assert_string_equal(range_print(&range, range_text), "10.230.0.0/16");
    assert_int_equal(address_ipv4(&crypto_real, network_key, &range, &someone, 0), 0x0ae6c9c7);
    assert_int_equal(address_ipv4(&crypto_real, network_key, &range, &someone, 1), 0x0ae634e6);
    assert_int_equal(address_ipv4(&crypto_real, network_key, &range, &someone, 0x01020304),
                     0x0ae6f08f);
    assert_int_equal(address_ipv4(&crypto_fake, network_key, &range, &someone, 1), 0x0ae634e6);
}

static void only_hosts_are_given(void **state)
{
    struct range4 small, none = {0};
    uint32_t seen[4] = {0};
    (void)state;
    assert_true(range_parse("192.168.1.0/30", &small));
    for (uint32_t k = 0; k < 100; k++) {
        uint32_t ip = address_ipv4(&crypto_real, network_key, &small, &someone, k);
        assert_true(range_contains(&small, ip));
        seen[ip & 3]++;
    }
    assert_true(seen[1] > 20 && seen[2] > 20 && seen[0] + seen[3] == 0);
    assert_int_equal(address_ipv4(&crypto_real, network_key, &none, &someone, 0), 0);
    assert_false(range_contains(&none, 1));
}

static void default_range_leaves_out_the_usual(void **state)
{
    uint8_t key[32] = {0};
    (void)state;
    for (uint32_t i = 0; i < 5000; i++) {
        memcpy(key, &i, sizeof i);
        struct range4 r = address_default_range(&crypto_real, key);
        assert_int_equal(r.prefix, 16);
        assert_int_equal(r.net >> 24, 10);
        assert_int_equal(r.net & 0xffff, 0);
        assert_true((r.net >> 16 & 255) >= 1 && (r.net >> 16 & 255) <= 254);
    }
}

static void contains(void **state)
{
    struct range4 r;
    (void)state;
    assert_true(range_parse("10.1.0.0/16", &r));
    assert_false(range_contains(&r, 0x0a010000));
    assert_true(range_contains(&r, 0x0a010001));
    assert_true(range_contains(&r, 0x0a01fffe));
    assert_false(range_contains(&r, 0x0a01ffff));
    assert_false(range_contains(&r, 0x0a020001));
    assert_false(range_contains(&r, 0x0a00ffff));
    assert_false(range_contains(&r, 0));
}

static void texts(void **state)
{
    static const char *const good[] = {"10.0.0.0/8", "0.0.0.0/8", "192.168.1.4/30", "255.0.0.0/8"};
    static const char *const bad[] = {
        "",
        "10.0.0.0",
        "10.0.0.0/",
        "10.0.0.0/7",
        "10.0.0.0/31",
        "10.0.0.1/8",
        "10.0.0/8",
        "10.0.0.0.0/8",
        "256.0.0.0/8",
        "10.0.0.0/08",
        "10.0.0.0/8 ",
        " 10.0.0.0/8",
        "010.0.0.0/8",
        "10.0.0.0/16x",
        "-1.0.0.0/8",
        "10.0.0.0/4294967304",
        "1e1.0.0.0/8",
        "10..0.0/8",
        "10.1.0.0/15",
    };
    struct range4 r;
    char text[24];
    (void)state;
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        assert_true(range_parse(good[i], &r));
        assert_string_equal(range_print(&r, text), good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        if (range_parse(bad[i], &r)) fail_msg("%s", bad[i]);
}

static void v4_in_v6(void **state)
{
    uint8_t ip[16], other[16] = {[11] = 0xff, [15] = 1};
    (void)state;
    ip_from_v4(ip, 0x0a000001);
    assert_int_equal(ip_to_v4(ip), 0x0a000001);
    ip[0] = 0xfd;
    assert_int_equal(ip_to_v4(ip), 0);
    assert_int_equal(ip_to_v4(other), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_answers),
        cmocka_unit_test(only_hosts_are_given),
        cmocka_unit_test(default_range_leaves_out_the_usual),
        cmocka_unit_test(contains),
        cmocka_unit_test(texts),
        cmocka_unit_test(v4_in_v6),
    };
    return cmocka_run_group_tests(tests, keys, NULL);
}
