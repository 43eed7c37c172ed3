/* Super-packets: cut, laid out as a batch of datagrams lies, joined again. */
#include "vnet/super.h"

#include "base/bytes.h"
#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define ROOM   64
#define STRIDE 2048
#define PARTS  64

enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32, ECE = 64, CWR = 128 };
enum { TCP = 6, UDP = 17 };

struct shape { /* of a packet to be made */
    uint8_t version, protocol, flags, options;
    uint16_t extension; /* bytes of destination options */
    uint32_t payload;
};
static uint8_t super[ROOM + 70000];
static uint8_t pieces[ROOM + PARTS * STRIDE];

static uint32_t head_of(const struct shape *s)
{
    return (s->version == 4 ? 20u : 40u + s->extension) +
           (s->protocol == UDP ? 8u : 20u + s->options);
}

/* A packet as a kernel gives it: its checksum open. */
static uint32_t make(uint8_t *p, const struct shape *s)
{
    static const uint8_t stamps[12] = {1, 1, 8, 10, 0, 1, 2, 3, 0, 9, 8, 7};
    static const uint8_t sack[12] = {1, 1, 5, 10, 9, 9, 9, 9, 9, 9, 9, 10};
    uint32_t head = head_of(s), len = head + s->payload, at = s->version == 4 ? 20 : 40;
    memset(p, 0, head);
    for (uint32_t i = 0; i < s->payload; i++) p[head + i] = (uint8_t)(i * 7 + i / 251);
    if (s->version == 4) {
        p[0] = 0x45, p[1] = 2 /* ECT(0) */, p[6] = 0x40, p[8] = 64, p[9] = s->protocol;
        put_u16(p + 2, (uint16_t)len);
        put_u16(p + 4, 0xfffe); /* the id wraps */
        put_u32(p + 12, 0x0a010001), put_u32(p + 16, 0x0a010002);
        put_u16(p + 10, ip_checksum(p, 20, 0));
    } else {
        p[0] = 0x60, p[1] = 0x20, p[3] = 5, p[6] = s->extension ? 60 : s->protocol, p[7] = 64;
        put_u16(p + 4, (uint16_t)(len - 40));
        p[8] = p[24] = 0xfd, p[23] = 1, p[39] = 2;
        if (s->extension) {
            p[40] = s->protocol, p[41] = (uint8_t)(s->extension / 8 - 1);
            p[42] = 1, p[43] = (uint8_t)(s->extension - 4); /* PadN */
            at += s->extension;
        }
    }
    put_u16(p + at, 4000), put_u16(p + at + 2, 443);
    uint32_t pseudo = s->version == 4 ? ip_sum(p + 12, 8, s->protocol)
                                      : ip_sum(p + 8, 32, s->protocol);
    uint16_t open = (uint16_t)ip_sum(p, 0, pseudo + len - at);
    if (s->protocol == UDP) {
        put_u16(p + at + 4, (uint16_t)(len - at));
        put_u16(p + at + 6, open);
        return len;
    }
    put_u32(p + at + 4, 0xffffff00); /* wraps, too */
    put_u32(p + at + 8, 77);
    p[at + 12] = (uint8_t)((20 + s->options) / 4 << 4), p[at + 13] = s->flags;
    put_u16(p + at + 14, 500);
    put_u16(p + at + 16, open);
    if (s->options >= 12) memcpy(p + at + 20, stamps, 12);
    if (s->options >= 24) memcpy(p + at + 32, sack, 12);
    return len;
}

static struct ip_view view(const uint8_t *p, uint32_t len)
{
    struct ip_view v;
    assert_true(ip_view(p, len, &v));
    assert_int_equal(v.len, len);
    return v;
}

/* Is the open checksum of this packet the pseudo-header's sum, and the rest of its header right? */
static void check_piece(const uint8_t *p, uint32_t len, const struct shape *s)
{
    struct ip_view v = view(p, len);
    uint32_t field = ip_checksum_field(p, &v);
    if (s->version == 4) assert_int_equal(ip_checksum(p, 20, 0), 0);
    uint32_t at = s->version == 4 ? 20 : 40u + s->extension;
    uint32_t sum = s->version == 4 ? ip_sum(p + 12, 8, s->protocol + len - at)
                                   : ip_sum(p + 8, 32, s->protocol + len - at);
    if (s->extension) { /* whole, for a receiver would not find it */
        assert_int_equal(field, 0);
        assert_int_equal(ip_checksum(p + at, len - at, sum), 0);
        return;
    }
    assert_int_equal(field, at + (s->protocol == UDP ? 6 : 16));
    assert_int_equal(get_u16(p + field), sum);
}

/* Cuts what is at super + ROOM into pieces, `pause` of them at a time; how many. */
static uint32_t cut(uint32_t len, uint16_t segment, uint32_t pause, const struct shape *s)
{
    uint8_t *p = super + ROOM;
    uint32_t count = 0, head = head_of(s);
    for (;;) {
        struct super_cut c;
        struct ip_view v = view(p, len);
        assert_true(super_cut_begin(&c, p, &v, segment));
        assert_int_equal(c.head_len, head);
        assert_int_equal(c.csum_open, s->extension == 0);
        uint32_t at = head, left = len - head;
        for (uint32_t i = 0; left > 0 && i < pause; i++) {
            uint32_t size = super_cut_next(&c, p + at, left);
            assert_int_equal(size, left < segment ? left : segment);
            assert_true(count < PARTS);
            memcpy(pieces + ROOM + count * STRIDE, p + at - head, head + size);
            check_piece(pieces + ROOM + count++ * STRIDE, head + size, s);
            at += size, left -= size;
        }
        if (left == 0) return count;
        super_cut_rest(&c, p + at, left);
        p += at - head;
        len = head + left;
    }
}

static uint32_t piece_len(const uint8_t *p)
{
    return p[0] >> 4 == 4 ? get_u16(p + 2) : 40u + get_u16(p + 4);
}

/* The pieces lying where they are, joined as long as they continue; what they stand for goes to `out`. */
static uint32_t join(uint32_t from, uint32_t count, uint8_t *out, uint32_t *out_len)
{
    struct super s = {0};
    uint32_t joined = 0;
    for (uint32_t i = from; i < count; i++, joined++) {
        uint8_t *p = pieces + ROOM + i * STRIDE;
        struct ip_view v = view(p, piece_len(p));
        if (i == from ? !super_begin(&s, p, &v) : !super_join(&s, p, &v)) break;
    }
    if (joined == 0) return 0;
    if (joined > 1) super_finish(&s);
    assert_int_equal(s.parts, joined);
    uint32_t at = s.head_len, left = s.len - s.head_len;
    memcpy(out, s.packet, at);
    for (uint32_t i = 0; i < joined; i++) {
        uint32_t size = left < s.segment ? left : s.segment;
        memcpy(out + at, s.packet + s.head_len + i * STRIDE, size);
        at += size, left -= size;
    }
    assert_int_equal(left, 0);
    *out_len = at;
    return joined;
}

/* Whatever is cut is, joined again, what it was: the stream, the headers, the checksums. */
static void round_trip(const struct shape *s, uint16_t segment, uint32_t pause)
{
    static uint8_t before[70000], after[70000];
    uint32_t len = make(super + ROOM, s), after_len, count;
    memcpy(before, super + ROOM, len);
    count = cut(len, segment, pause, s);
    assert_int_equal(count, (s->payload + segment - 1) / segment);
    if (s->extension) { /* these are not joined */
        assert_int_equal(join(0, count, after, &after_len), 0);
        return;
    }
    assert_int_equal(join(0, count, after, &after_len), count);
    assert_int_equal(after_len, len);
    assert_memory_equal(after, before, len);
}

static void cut_and_joined(void **state)
{
    static const uint8_t flags[] = {ACK, ACK | PSH, ACK | FIN, ACK | PSH | FIN, ACK | ECE};
    static const struct shape kinds[] = {
        {.version = 4, .protocol = TCP},
        {.version = 4, .protocol = TCP, .options = 12},
        {.version = 4, .protocol = TCP, .options = 24},
        {.version = 6, .protocol = TCP, .options = 12},
        {.version = 4, .protocol = UDP},
        {.version = 6, .protocol = UDP},
        {.version = 6, .protocol = TCP, .options = 12, .extension = 16},
        {.version = 6, .protocol = UDP, .extension = 8},
    };
    static const uint32_t sizes[][2] = {{1328, 1328 * 46}, {1328, 1328 * 3 + 1}, {1328, 5000},
                                        {1328, 1},         {1328, 1328},         {1, 20},
                                        {8, 8 * 64},       {1472, 3000}};
    (void)state;
    for (unsigned k = 0; k < sizeof kinds / sizeof *kinds; k++)
        for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++)
            for (unsigned f = 0; f < sizeof flags; f++)
                for (uint32_t pause = 1; pause <= 64; pause = pause * 3 + 1) {
                    struct shape s = kinds[k];
                    s.flags = s.protocol == TCP ? flags[f] : 0;
                    s.payload = sizes[i][1];
                    round_trip(&s, (uint16_t)sizes[i][0], pause);
                }
}

static uint8_t piece_flags(uint32_t i)
{
    return pieces[ROOM + i * STRIDE + 20 + 13];
}

static void flags_of_pieces(void **state)
{
    const struct shape s = {4, TCP, ACK | PSH | FIN | CWR | ECE, 12, 0, 1000};
    (void)state;
    for (uint32_t pause = 1; pause < 4; pause++) {
        assert_int_equal(cut(make(super + ROOM, &s), 400, pause, &s), 3);
        assert_int_equal(piece_flags(0), ACK | CWR | ECE);
        assert_int_equal(piece_flags(1), ACK | ECE);
        assert_int_equal(piece_flags(2), ACK | PSH | FIN | ECE);
        for (uint32_t i = 0; i < 3; i++) {
            const uint8_t *p = pieces + ROOM + i * STRIDE;
            assert_int_equal(get_u16(p + 4), (uint16_t)(0xfffe + i));
            assert_int_equal(get_u32(p + 24), 0xffffff00 + 400 * i);
        }
    }
}

/* Three pieces of which the second is not the first's continuation. */
static void does_not_join(const struct shape *s, uint32_t at, uint8_t flip)
{
    static uint8_t out[70000];
    uint32_t len;
    cut(make(super + ROOM, s), 300, 64, s);
    assert_int_equal(join(0, 3, out, &len), 3);
    cut(make(super + ROOM, s), 300, 64, s);
    pieces[ROOM + STRIDE + at] ^= flip;
    assert_int_equal(join(0, 3, out, &len), 1);
}

static void what_is_not_joined(void **state)
{
    const struct shape four = {4, TCP, ACK, 24, 0, 900}, six = {6, TCP, ACK, 12, 0, 900};
    const struct shape udp = {4, UDP, 0, 0, 0, 900};
    /* TOS (ECN), id, DF, TTL, addresses; ports, seq, ack, header length, flags, window, urgent, options */
    static const uint8_t in4[] = {1,  4,  6,  8,  12, 16, 20, 22, 24, 27,
                                  28, 31, 34, 35, 38, 39, 40, 45, 55, 63};
    static const uint8_t in6[] = {0, 1, 3, 7, 8, 39, 40, 44, 48};
    (void)state;
    for (unsigned i = 0; i < sizeof in4; i++) does_not_join(&four, in4[i], i == 0 ? 1 : 2);
    for (unsigned i = 0; i < sizeof in6; i++) does_not_join(&six, in6[i], 1);
    for (uint32_t at = 20; at < 24; at++) does_not_join(&udp, at, 1);
    does_not_join(&udp, 25, 1); /* its own length */
    static const uint8_t flags[] = {SYN, RST, URG, ECE, CWR, ACK};
    for (unsigned i = 0; i < sizeof flags; i++) does_not_join(&four, 33, flags[i]);
    does_not_join(&four, 6, 0x60); /* instead of DF: more fragments */
    does_not_join(&four, 7, 1);    /* an offset */
}

/* A shorter one, PSH and FIN are the last; a longer one is none. */
static void what_ends_one(void **state)
{
    static uint8_t out[70000];
    const struct shape s = {4, TCP, ACK, 12, 0, 900};
    uint32_t len;
    (void)state;
    for (unsigned flag = FIN; flag <= PSH; flag += PSH - FIN) {
        cut(make(super + ROOM, &s), 300, 64, &s);
        pieces[ROOM + STRIDE + 33] |= (uint8_t)flag;
        assert_int_equal(join(0, 3, out, &len), 2);
        assert_int_equal(out[33], ACK | flag);
        pieces[ROOM + STRIDE + 33] &= (uint8_t)~flag;
        pieces[ROOM + 33] |= (uint8_t)flag;
        assert_int_equal(join(0, 3, out, &len), 1);
    }
    struct shape shorter = s;
    shorter.payload = 500; /* 300 and 200; what follows would continue it */
    cut(make(super + ROOM, &s), 300, 64, &s);
    uint8_t third[STRIDE];
    memcpy(third, pieces + ROOM + 2 * STRIDE, STRIDE);
    cut(make(super + ROOM, &shorter), 300, 64, &shorter);
    memcpy(pieces + ROOM + 2 * STRIDE, third, STRIDE);
    put_u32(pieces + ROOM + 2 * STRIDE + 24, 0xffffff00 + 500);
    assert_int_equal(join(0, 3, out, &len), 2);
    assert_int_equal(join(1, 3, out, &len), 1); /* 300 after 200 */
}

static void what_is_not_cut(void **state)
{
    struct super_cut c;
    struct shape s = {4, TCP, ACK, 12, 0, 900};
    uint8_t *p = super + ROOM;
    (void)state;
    uint32_t len = make(p, &s);
    struct ip_view v = view(p, len);
    assert_true(super_cut_begin(&c, p, &v, 300));
    assert_false(super_cut_begin(&c, p, &v, 0));
    p[32] = 0x40; /* a TCP header of 16 bytes */
    assert_false(super_cut_begin(&c, p, &v, 300));
    p[32] = 0x80;
    for (unsigned bit = 1; bit <= 0x20;
         bit = bit == 1 ? 0x20 : bit + 1) { /* an offset; more fragments */
        p[bit == 1 ? 7 : 6] |= (uint8_t)bit;
        struct ip_view w = view(p, len);
        assert_false(super_cut_begin(&c, p, &w, 300));
        p[7] = 0, p[6] = 0x40;
    }
    v.protocol = 1;
    assert_false(super_cut_begin(&c, p, &v, 300));
    s.payload = 0;
    len = make(p, &s);
    v = view(p, len);
    assert_false(super_cut_begin(&c, p, &v, 300)); /* headers only */
    s = (struct shape){6, TCP, ACK, 0, 200, 900};  /* more headers than there is room for */
    len = make(p, &s);
    v = view(p, len);
    assert_false(super_cut_begin(&c, p, &v, 300));
}

/* An open checksum, and where it may be one. */
static void checksum_fields(void **state)
{
    struct shape s = {4, TCP, ACK, 12, 0, 333};
    uint8_t *p = super + ROOM, copy[2048];
    (void)state;
    for (int udp = 0; udp < 2; udp++) {
        s.protocol = udp ? UDP : TCP;
        uint32_t len = make(p, &s);
        struct ip_view v = view(p, len);
        memcpy(copy, p, len);
        assert_int_equal(ip_checksum_field(p, &v), udp ? 26 : 36);
        ip_finish_checksum(p, &v);
        assert_int_equal(ip_checksum(p + 20, len - 20, ip_sum(p + 12, 8, s.protocol + len - 20)),
                         0);
        assert_true(ip_finish_sum(copy, len, 20, udp ? 6 : 16));
        assert_memory_equal(copy, p, len);
        p[6] = 0x20; /* the first fragment */
        assert_int_equal(ip_checksum_field(p, &v), 0);
        v.protocol = 1;
        assert_int_equal(ip_checksum_field(p, &v), 0);
    }
    assert_false(ip_finish_sum(copy, 40, 39, 0));
    assert_false(ip_finish_sum(copy, 40, 41, 0));
    assert_false(ip_finish_sum(copy, 40, 0, UINT32_MAX - 1));
    /* to TCP a sum of zero is one; UDP has the other zero for it */
    memset(copy, 0, 40);
    put_u16(copy, 0xffff);
    assert_true(ip_finish_sum(copy, 40, 0, 16));
    assert_int_equal(get_u16(copy + 16), 0);
    assert_true(ip_finish_sum(copy, 40, 0, 6));
    assert_int_equal(get_u16(copy + 6), 0xffff);
}

/* Random shapes and sizes, with pauses. */
static void any_shape(void **state)
{
    struct rng rng;
    const uint8_t seed[32] = {1};
    (void)state;
    rng_seed(&rng, seed);
    for (int i = 0; i < 2000; i++) {
        struct shape s = {.version = rng_u32(&rng) & 1 ? 4 : 6,
                          .protocol = rng_u32(&rng) & 1 ? TCP : UDP};
        uint16_t segment = (uint16_t)(1 + rng_u32(&rng) % 1400);
        s.payload = 1 + rng_u32(&rng) % (segment * 45u);
        if (s.payload > 64000) s.payload = 64000;
        if (s.protocol == TCP) s.flags = ACK | (rng_u32(&rng) & (PSH | FIN | ECE));
        if (s.protocol == TCP) s.options = (uint8_t)(rng_u32(&rng) % 3 * 12);
        if (s.version == 6 && rng_u32(&rng) % 4 == 0) s.extension = 8;
        round_trip(&s, segment, 1 + rng_u32(&rng) % 50);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut_and_joined),     cmocka_unit_test(flags_of_pieces),
        cmocka_unit_test(what_is_not_joined), cmocka_unit_test(what_ends_one),
        cmocka_unit_test(what_is_not_cut),    cmocka_unit_test(checksum_fields),
        cmocka_unit_test(any_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
