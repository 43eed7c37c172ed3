#include "vnet/ip.h"

#include "base/bytes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t host6[16] = {0xfd, 1, [15] = 1}, other6[16] = {0xfd, 1, [15] = 2};
static const uint8_t other4[16] = {[10] = 0xff, [11] = 0xff, [12] = 10, [15] = 2};

static void make4(uint8_t *p, uint16_t len, uint8_t protocol)
{
    memset(p, 0x11, len);
    memset(p, 0, 20);
    p[0] = 0x45, p[8] = 64, p[9] = protocol;
    put_u16(p + 2, len);
    put_u32(p + 12, 0x0a000001);
    put_u32(p + 16, 0x0a000002);
    put_u16(p + 10, ip_checksum(p, 20, 0));
}

static void make6(uint8_t *p, uint16_t len, uint8_t next)
{
    memset(p, 0x11, len);
    memset(p, 0, 8);
    p[0] = 0x60, p[6] = next, p[7] = 64;
    put_u16(p + 4, (uint16_t)(len - 40));
    memcpy(p + 8, host6, 16);
    memcpy(p + 24, other6, 16);
}

static void looks_at_ipv4(void **state)
{
    uint8_t p[64];
    struct ip_view v;
    (void)state;
    make4(p, 60, 17);
    assert_true(ip_view(p, 64, &v)); /* bytes behind it do not count */
    assert_int_equal(v.version, 4);
    assert_int_equal(v.len, 60);
    assert_int_equal(v.header_len, 20);
    assert_int_equal(v.protocol, 17);
    assert_memory_equal(v.dst, other4, 16);
    assert_false(v.dont_fragment || v.fragment || v.is_multicast || v.is_icmp_error);
    put_u16(p + 6, 0x4000);
    assert_true(ip_view(p, 60, &v) && v.dont_fragment && !v.fragment);
    put_u16(p + 6, 0x2000);
    assert_true(ip_view(p, 60, &v) && !v.fragment); /* the first one */
    put_u16(p + 6, 0x0001);
    assert_true(ip_view(p, 60, &v) && v.fragment);
    put_u16(p + 6, 0);
    for (uint32_t dst = 0; dst < 4; dst++) {
        const uint32_t many[] = {0xe0000001, 0xefffffff, 0xffffffff, 0xdfffffff};
        put_u32(p + 16, many[dst]);
        assert_true(ip_view(p, 60, &v));
        assert_int_equal(v.is_multicast, dst < 3);
    }
}

static void refuses_what_is_no_packet(void **state)
{
    uint8_t p[64], good[64];
    struct ip_view v;
    (void)state;
    make4(good, 60, 17);
    for (size_t len = 0; len < 60; len++) assert_false(ip_view(good, len, &v));
    memcpy(p, good, 64), p[0] = 0x44;
    assert_false(ip_view(p, 60, &v)); /* header too short */
    memcpy(p, good, 64), p[0] = 0x4f, put_u16(p + 2, 59);
    assert_false(ip_view(p, 60, &v)); /* header longer than the whole */
    for (uint8_t version = 0; version < 16; version++) {
        memcpy(p, good, 64), p[0] = (uint8_t)(version << 4 | 5);
        if (version != 6) assert_int_equal(ip_view(p, 60, &v), version == 4);
    }
    make6(good, 60, 17);
    for (size_t len = 0; len < 60; len++) assert_false(ip_view(good, len, &v));
    assert_true(ip_view(good, 60, &v));
    memcpy(p, good, 64), memcpy(p + 8, other4, 16);
    assert_false(ip_view(p, 60, &v)); /* IPv4 in disguise, either end */
    memcpy(p, good, 64), memcpy(p + 24, other4, 16);
    assert_false(ip_view(p, 60, &v));
}

static void looks_through_extension_headers(void **state)
{
    uint8_t p[100];
    struct ip_view v;
    (void)state;
    make6(p, 100, 60);                /* destination options */
    p[40] = 43, p[41] = 1;            /* 16 bytes, then a routing header */
    p[56] = 44, p[57] = 0;            /* 8 bytes, then a fragment header */
    memset(p + 64, 0, 8), p[64] = 58; /* the first fragment, of ICMPv6 */
    p[72] = 1;                        /* unreachable */
    assert_true(ip_view(p, 100, &v) && v.is_icmp_error && !v.fragment);
    p[72] = 128;
    assert_true(ip_view(p, 100, &v) && !v.is_icmp_error);
    put_u16(p + 66, 8);
    assert_true(ip_view(p, 100, &v) && v.fragment);
    p[57] = 0xff; /* longer than the packet: not followed */
    assert_true(ip_view(p, 100, &v) && !v.fragment && !v.is_icmp_error);
    memset(p + 40, 0, 60); /* hop-by-hop for ever */
    assert_true(ip_view(p, 100, &v));
    make6(p, 41, 58), p[40] = 3;
    assert_true(ip_view(p, 41, &v) && v.is_icmp_error);
    make6(p, 40, 58);
    assert_true(ip_view(p, 40, &v) && !v.is_icmp_error);
}

/* Known answer of RFC 1071, section 3. */
static void checksum(void **state)
{
    const uint8_t p[] = {0x00, 0x01, 0xf2, 0x03, 0xf4, 0xf5, 0xf6, 0xf7, 0x80};
    (void)state;
    assert_int_equal(ip_sum(p, 8, 0), 0xddf2);
    assert_int_equal(ip_checksum(p, 8, 0), 0x220d);
    assert_int_equal(ip_sum(p, 9, 0), ip_sum(p + 8, 1, ip_sum(p, 8, 0)));
    assert_int_equal(ip_checksum(p, 0, 0xffff), 0);
}

/* A packet as the kernel hands it over with the checksum open, and the sum that must come out. */
static void finishes_checksums(void **state)
{
    uint8_t p[101];
    struct ip_view v;
    (void)state;
    for (int udp = 0; udp < 2; udp++) {
        uint32_t at = udp ? 26 : 36;
        make4(p, 101, udp ? 17 : 6);
        uint32_t pseudo = ip_sum(p + 12, 8, 81u + p[9]);
        put_u16(p + at, (uint16_t)pseudo);
        assert_true(ip_view(p, 101, &v));
        ip_finish_checksum(p, &v);
        assert_int_equal(ip_checksum(p + 20, 81, pseudo), 0);
        make6(p, 101, udp ? 17 : 6);
        pseudo = ip_sum(p + 8, 32, 61u + p[6]);
        put_u16(p + at + 20, (uint16_t)pseudo);
        assert_true(ip_view(p, 101, &v));
        ip_finish_checksum(p, &v);
        assert_int_equal(ip_checksum(p + 40, 61, pseudo), 0);
    }
    make4(p, 101, 47);
    memcpy(p + 60, p, 41);
    assert_true(ip_view(p, 101, &v));
    ip_finish_checksum(p, &v);
    assert_memory_equal(p, p + 60, 41); /* not one that it knows */
    make4(p, 25, 17);
    assert_true(ip_view(p, 25, &v));
    ip_finish_checksum(p, &v); /* too short to have one */
}

static void answers_ipv4(void **state)
{
    uint8_t p[1500], out[ICMP_MAX];
    struct ip_view v;
    (void)state;
    for (uint16_t len = 28; len <= 1500; len += 46) {
        make4(p, len, 17);
        size_t n = icmp_too_big(out, p, len, other4, 1319);
        assert_int_equal(n, len + 28 > 576 ? 576 : len + 28);
        assert_true(ip_view(out, n, &v));
        assert_int_equal(v.len, n);
        assert_memory_equal(v.src, other4, 16);
        assert_int_equal(get_u32(out + 16), 0x0a000001);
        assert_int_equal(ip_checksum(out, 20, 0), 0);
        assert_int_equal(ip_checksum(out + 20, n - 20, 0), 0);
        assert_int_equal(get_u16(out + 20), 0x0304);
        assert_int_equal(get_u16(out + 26), 1319);
        assert_memory_equal(out + 28, p, n - 28);
        n = icmp_unreachable(out, p, len, other4);
        assert_int_equal(get_u16(out + 20), 0x0301);
        assert_int_equal(ip_checksum(out + 20, n - 20, 0), 0);
        assert_true(ip_view(out, n, &v) && v.is_icmp_error);
    }
}

static void answers_ipv6(void **state)
{
    uint8_t p[1500], out[ICMP_MAX], pseudo[40];
    struct ip_view v;
    (void)state;
    for (uint16_t len = 48; len <= 1500; len += 44) {
        make6(p, len, 17);
        size_t n = icmp_too_big(out, p, len, other6, 1319);
        assert_int_equal(n, len + 48 > 576 ? 576 : len + 48);
        assert_true(ip_view(out, n, &v) && v.is_icmp_error);
        memcpy(pseudo, out + 8, 32);
        put_u32(pseudo + 32, (uint32_t)n - 40);
        put_u32(pseudo + 36, 58);
        assert_int_equal(ip_checksum(out + 40, n - 40, ip_sum(pseudo, 40, 0)), 0);
        assert_int_equal(get_u16(out + 40), 0x0200);
        assert_int_equal(get_u32(out + 44), 1319);
        n = icmp_unreachable(out, p, len, other6);
        assert_int_equal(get_u16(out + 40), 0x0103);
        assert_int_equal(ip_checksum(out + 40, n - 40, ip_sum(pseudo, 40, 0)), 0);
    }
    assert_int_equal(icmp_too_big(out, p, 1500, other6, 1279), 0);
}

static void knows_when_to_be_silent(void **state)
{
    uint8_t p[100], out[ICMP_MAX];
    (void)state;
    make4(p, 60, 1), p[20] = 3;
    assert_int_equal(icmp_unreachable(out, p, 60, other4), 0); /* an error */
    p[20] = 8;
    assert_true(icmp_unreachable(out, p, 60, other4) > 0); /* an echo request */
    put_u16(p + 6, 100);
    assert_int_equal(icmp_unreachable(out, p, 60, other4), 0); /* a later fragment */
    make4(p, 60, 17), put_u32(p + 16, 0xe0000001);
    assert_int_equal(icmp_unreachable(out, p, 60, other4), 0);
    const uint32_t nobody[] = {0, 0xffffffff, 0xe0000001, 0x7f000001};
    for (int i = 0; i < 4; i++) {
        make4(p, 60, 17), put_u32(p + 12, nobody[i]);
        assert_int_equal(icmp_unreachable(out, p, 60, other4), 0);
    }
    make6(p, 60, 58), p[40] = 1;
    assert_int_equal(icmp_unreachable(out, p, 60, other6), 0);
    make6(p, 60, 17), p[24] = 0xff;
    assert_int_equal(icmp_unreachable(out, p, 60, other6), 0);
    make6(p, 60, 17), memset(p + 8, 0, 16);
    assert_int_equal(icmp_unreachable(out, p, 60, other6), 0);
    assert_int_equal(icmp_unreachable(out, p, 39, other6), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(looks_at_ipv4),
        cmocka_unit_test(refuses_what_is_no_packet),
        cmocka_unit_test(looks_through_extension_headers),
        cmocka_unit_test(checksum),
        cmocka_unit_test(finishes_checksums),
        cmocka_unit_test(answers_ipv4),
        cmocka_unit_test(answers_ipv6),
        cmocka_unit_test(knows_when_to_be_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
