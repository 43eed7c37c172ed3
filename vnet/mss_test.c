#include "vnet/mss.h"

#include "base/bytes.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define SYN 0x02
#define ACK 0x10

struct segment { /* an IP packet with a TCP segment in it */
    uint8_t p[256];
    struct ip_view v;
    uint32_t at; /* where TCP begins */
};

static uint32_t pseudo(const struct segment *s)
{
    uint32_t below = s->v.len - s->at;
    return s->v.version == 4 ? ip_sum(s->p + 12, 8, 6 + below) : ip_sum(s->p + 8, 32, 6 + below);
}

static bool sum_is_good(const struct segment *s)
{
    return ip_checksum(s->p + s->at, s->v.len - s->at, pseudo(s)) == 0;
}

/* between: bytes between the first header and TCP (IPv4 options, an IPv6 extension header of 8 bytes); options: of TCP. */
static struct segment make(uint8_t version, uint32_t between, uint8_t flags, const char *options,
                           uint32_t options_len)
{
    struct segment s = {.at = (version == 4 ? 20 : 40) + between};
    uint32_t size = 20 + (options_len + 3) / 4 * 4, len = s.at + size + 5;
    if (version == 4) {
        s.p[0] = (uint8_t)(0x40 | s.at / 4);
        s.p[8] = 64, s.p[9] = 6;
        memset(s.p + 20, 1, between);
        put_u16(s.p + 2, (uint16_t)len);
        put_u32(s.p + 12, 0x0a000001), put_u32(s.p + 16, 0x0a000002);
    } else {
        s.p[0] = 0x60, s.p[6] = between ? 60 : 6, s.p[7] = 64;
        if (between) s.p[40] = 6, s.p[41] = (uint8_t)(between / 8 - 1);
        put_u16(s.p + 4, (uint16_t)(len - 40));
        s.p[8] = s.p[24] = 0xfd, s.p[39] = 2;
    }
    uint8_t *tcp = s.p + s.at;
    tcp[12] = (uint8_t)(size / 4 << 4), tcp[13] = flags;
    memcpy(tcp + 20, options, options_len);
    memset(tcp + size, 'x', 5);
    assert_true(ip_view(s.p, len, &s.v));
    put_u16(tcp + 16, ip_checksum(tcp, len - s.at, pseudo(&s)));
    assert_true(sum_is_good(&s));
    return s;
}

static void clamps_what_is_too_much(void **state)
{
    (void)state;
    const uint8_t versions[] = {4, 6};
    for (unsigned i = 0; i < 4; i++) {
        uint32_t between = i < 2 ? 0 : 8;
        struct segment s = make(versions[i & 1], between, SYN, "\2\4\5\xb4\1\3\3\7", 8), was = s;
        assert_true(mss_clamp(s.p, &s.v, 1217, false));
        assert_int_equal(get_u16(s.p + s.at + 22), 1217 - s.at - 20);
        assert_true(sum_is_good(&s));
        memcpy(was.p + s.at + 16, s.p + s.at + 16, 2); /* nothing else has changed */
        memcpy(was.p + s.at + 22, s.p + s.at + 22, 2);
        assert_memory_equal(s.p, was.p, sizeof s.p);
        assert_false(mss_clamp(s.p, &s.v, 1217, false));
    }
}

static void at_any_place(void **state)
{
    (void)state;
    struct segment s = make(4, 0, SYN | ACK, "\1\2\4\5\xb4\1\1\1", 8); /* odd */
    assert_true(mss_clamp(s.p, &s.v, 1000, false) && sum_is_good(&s));
    assert_int_equal(get_u16(s.p + 43), 960);
    s = make(6, 0, SYN, "\4\2\10\12abcdefgh\2\4\xff\xff", 16); /* behind others */
    assert_true(mss_clamp(s.p, &s.v, 1280, false) && sum_is_good(&s));
    assert_int_equal(get_u16(s.p + 40 + 20 + 14), 1220);
    s = make(4, 0, SYN, "\2\4\5\xb4", 4); /* open: only the pseudo-header's sum, which stays */
    put_u16(s.p + 36, 0x1234);
    assert_true(mss_clamp(s.p, &s.v, 1000, true));
    assert_int_equal(get_u16(s.p + 36), 0x1234);
}

static void leaves_alone(const struct segment *is, uint32_t mtu)
{
    struct segment s = *is;
    assert_false(mss_clamp(s.p, &s.v, mtu, false));
    assert_memory_equal(s.p, is->p, sizeof s.p);
}

static void everything_else_stays(void **state)
{
    (void)state;
    struct segment s = make(4, 0, ACK, "\2\4\5\xb4", 4); /* no SYN */
    leaves_alone(&s, 1000);
    s = make(4, 0, SYN, "\2\4\5\xb4", 4);
    leaves_alone(&s, 1500); /* it fits */
    leaves_alone(&s, 30);   /* no room for any */
    put_u16(s.p + 6, 1);    /* a fragment */
    assert_true(ip_view(s.p, s.v.len, &s.v));
    leaves_alone(&s, 1000);
    put_u16(s.p + 6, 0x2000); /* the first */
    assert_true(ip_view(s.p, s.v.len, &s.v));
    leaves_alone(&s, 1000);
    s = make(4, 0, SYN, "\0\2\4\5\xb4\0\0\0", 8); /* behind the end of options */
    leaves_alone(&s, 1000);
    s = make(4, 0, SYN, "\3\0\2\4\5\xb4\0\0", 8); /* an option without length */
    leaves_alone(&s, 1000);
    s = make(4, 0, SYN, "\1\1\2\4", 4); /* cut short */
    leaves_alone(&s, 1000);
    s = make(6, 8, SYN, "\2\4\5\xb4", 4);
    s.p[40] = 44; /* not TCP */
    assert_true(ip_view(s.p, s.v.len, &s.v));
    leaves_alone(&s, 1000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(clamps_what_is_too_much),
        cmocka_unit_test(at_any_place),
        cmocka_unit_test(everything_else_stays),
    };
    return cmocka_run_group_tests_name("vnet/mss", tests, NULL, NULL);
}
