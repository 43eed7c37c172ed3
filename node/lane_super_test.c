/* Super-packets through lanes: cut on the way out, joined on the way in. With the real cryptography and the fake. */
#define WORLD_JOINS (LANE_JOIN_TCP | LANE_JOIN_UDP)
#include "base/rng.h"
#include "node/lane_testing.h"
#include "vnet/super.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define SEGMENT 1328
#define TCP_ACK 0x10
#define TCP_PSH 0x08

/* A TCP packet from s to t with this payload, its checksum open. */
static uint32_t tcp4(uint8_t *p, const struct side *s, const struct side *t, uint32_t payload,
                     uint32_t seq, uint8_t flags)
{
    uint32_t len = 52 + payload;
    memset(p, 0, 52);
    for (uint32_t i = 0; i < payload; i++) p[52 + i] = (uint8_t)(i + i / 256 + seq);
    p[0] = 0x45, p[6] = 0x40, p[8] = 64, p[9] = 6;
    put_u16(p + 2, (uint16_t)len);
    put_u32(p + 12, s->ipv4), put_u32(p + 16, t->ipv4);
    put_u16(p + 10, ip_checksum(p, 20, 0));
    put_u16(p + 20, 5001), put_u16(p + 22, 5001);
    put_u32(p + 24, seq);
    p[32] = 0x80, p[33] = flags, p[40] = p[41] = 1;
    put_u16(p + 36, (uint16_t)ip_sum(p + 12, 8, 6 + len - 20));
    return len;
}

static uint32_t udp4(uint8_t *p, const struct side *s, const struct side *t, uint32_t payload)
{
    uint32_t len = 28 + payload;
    packet4(p, s->ipv4, t->ipv4, len, 7);
    p[6] = 0x40;
    put_u16(p + 10, 0);
    put_u16(p + 10, ip_checksum(p, 20, 0));
    put_u16(p + 20, 9), put_u16(p + 22, 9);
    put_u16(p + 24, (uint16_t)(len - 20));
    put_u16(p + 26, (uint16_t)ip_sum(p + 12, 8, 17 + len - 20));
    return len;
}

static uint32_t super_in(struct world *w, struct side *s, uint32_t at, uint32_t len,
                         uint16_t segment)
{
    struct event e = {.type = EV_TUN};
    e.tun.number = NUMBER;
    e.tun.bytes = w->buffer + LANE_HEADROOM + at;
    e.tun.len = len;
    e.tun.segment = segment;
    e.tun.csum_open = 1;
    return lane_step(s->lane, NOW, &e, &s->out);
}

/* What an ACT_TUN stands for, in one piece. */
static uint32_t whole(const struct action *a, uint8_t *out)
{
    if (a->tun.parts < 2) {
        memcpy(out, a->tun.bytes, a->tun.len);
        return a->tun.len;
    }
    uint32_t at = a->tun.head_len;
    memcpy(out, a->tun.bytes, at);
    for (uint32_t i = 0; i < a->tun.parts; i++) {
        uint32_t left = a->tun.len - at;
        uint32_t size = left < a->tun.segment ? left : a->tun.segment;
        memcpy(out + at, a->tun.bytes + a->tun.head_len + i * a->tun.stride, size);
        at += size;
    }
    ensure(at == a->tun.len);
    return at;
}

static uint8_t big[65536], got[65536], wire[70000];

static void one_in_one_out(void **state)
{
    struct world *w = *state;
    connect_sides(&w->a, &w->b, AB, BA);
    for (uint32_t payload = 1; payload < 45 * SEGMENT; payload += 2777) {
        uint32_t len = tcp4(big, &w->a, &w->b, payload, 0xfffff000, TCP_ACK | TCP_PSH);
        memcpy(w->buffer + LANE_HEADROOM, big, len);
        assert_int_equal(super_in(w, &w->a, 0, len, SEGMENT), len);
        assert_int_equal(w->a.out.count, 1); /* a train: one system call */
        const struct action *s = &w->a.list[0];
        uint32_t count = (payload + SEGMENT - 1) / SEGMENT, n = s->send.len;
        assert_int_equal(n, payload + count * (52 + IP_HEADER + DATA_OVERHEAD));
        uint16_t segment = s->send.segment;
        memcpy(wire, s->send.bytes, n);
        actions_clear(&w->a.out);
        wire_in(&w->b, &w->a.at, wire, n, segment);
        assert_int_equal(w->b.out.count, 1);
        assert_int_equal(w->b.list[0].tun.parts > 1 ? w->b.list[0].tun.parts : 1, count);
        assert_true(w->b.list[0].tun.csum_open);
        assert_int_equal(whole(&w->b.list[0], got), len);
        assert_memory_equal(got, big, len);
        actions_clear(&w->b.out);
    }
    dropped(&w->a, DROP_COUNT, 0);
    dropped(&w->b, DROP_COUNT, 0);
}

#define TRAINS 220u /* of 40 datagrams each: more than the window of 8128 */

/* Whole trains overtake each other, and come twice: each byte arrives once, as long as the window reaches. */
static void trains_in_other_orders(void **state)
{
    struct world *w = *state;
    uint32_t train = 40 * (SEGMENT + 52 + IP_HEADER + DATA_OVERHEAD), got_of[TRAINS] = {0};
    uint8_t *wires = malloc((size_t)TRAINS * train);
    uint16_t segment = 0, order[TRAINS];
    struct rng r;
    rng_seed(&r, (const uint8_t[32]){9});
    ensure(wires);
    connect_sides(&w->a, &w->b, AB, BA);
    for (uint32_t i = 0; i < TRAINS; i++) {
        uint32_t len = tcp4(big, &w->a, &w->b, 40 * SEGMENT, i * 40 * SEGMENT, TCP_ACK);
        memcpy(w->buffer + LANE_HEADROOM, big, len);
        assert_int_equal(super_in(w, &w->a, 0, len, SEGMENT), len);
        assert_int_equal(w->a.out.count, 1);
        assert_int_equal(w->a.list[0].send.len, train);
        memcpy(wires + (size_t)i * train, w->a.list[0].send.bytes, train);
        segment = w->a.list[0].send.segment;
        actions_clear(&w->a.out);
        uint32_t k = i < 200 ? (uint32_t)rng_below(&r, i + 1)
                             : i; /* shuffled; the last 20 are not */
        order[i] = order[k];
        order[k] = (uint16_t)i;
    }
    for (uint32_t i = 0; i < 2 * TRAINS;
         i++) { /* each twice, the second time at once or much later */
        uint32_t t = order[i % TRAINS];
        memcpy(wire, wires + (size_t)t * train, train); /* it is opened in place */
        wire_in(&w->b, &w->a.at, wire, train, segment);
        for (uint32_t k = 0; k < w->b.out.count; k++) {
            uint32_t n = whole(&w->b.list[k], got), at = get_u32(got + 24);
            assert_int_equal(at / (40 * SEGMENT), t);
            got_of[t] += n - 52;
            tcp4(big, &w->a, &w->b, 40 * SEGMENT, t * 40 * SEGMENT, TCP_ACK);
            assert_memory_equal(got + 52, big + 52 + (at - t * 40 * SEGMENT), n - 52);
        }
        actions_clear(&w->b.out);
    }
    for (uint32_t i = 0; i < TRAINS; i++) assert_int_equal(got_of[i], 40 * SEGMENT);
    dropped(&w->b, DROP_REPLAYED, 40 * TRAINS);
    free(wires);
}

/* Who has not asked for it gets packets. */
static void packets_for_who_did_not_ask(void **state)
{
    struct world *w = *state;
    lane_join(w->b.lane, LANE_JOIN_UDP);
    connect_sides(&w->a, &w->b, AB, BA);
    uint32_t len = tcp4(big, &w->a, &w->b, 3 * SEGMENT, 1, TCP_ACK);
    memcpy(w->buffer + LANE_HEADROOM, big, len);
    super_in(w, &w->a, 0, len, SEGMENT);
    uint32_t n = w->a.list[0].send.len;
    memcpy(wire, w->a.list[0].send.bytes, n);
    wire_in(&w->b, &w->a.at, wire, n, w->a.list[0].send.segment);
    assert_int_equal(w->b.out.count, 3);
    for (uint32_t i = 0; i < 3; i++) {
        struct ip_view v;
        uint8_t *p = got;
        assert_int_equal(whole(&w->b.list[i], p), 52 + SEGMENT);
        assert_true(ip_view(p, 52 + SEGMENT, &v));
        ip_finish_checksum(p, &v); /* what a driver without offload does */
        uint32_t pseudo = ip_sum(p + 12, 8, 6 + 32 + SEGMENT);
        assert_int_equal(ip_checksum(p + 20, 32 + SEGMENT, pseudo), 0);
        assert_memory_equal(p + 52, big + 52 + i * SEGMENT, SEGMENT);
    }
}

/* An arena that takes a part: what is left is offered again, and is the same stream. */
static void in_parts(void **state)
{
    struct world *w = *state;
    connect_sides(&w->a, &w->b, AB, BA);
    uint32_t len = tcp4(big, &w->a, &w->b, 40 * SEGMENT + 7, 99, TCP_ACK | TCP_PSH), at = 0;
    memcpy(w->buffer + LANE_HEADROOM, big, len);
    static uint8_t stream[65536];
    uint32_t had = 0, rounds = 0;
    w->a.out.arena_size = 16384;
    while (at < len) {
        uint32_t done = super_in(w, &w->a, at, len - at, SEGMENT);
        assert_true(done > 0 && w->a.out.lost == 0);
        at += done;
        rounds++;
        for (uint32_t i = 0; i < w->a.out.count; i++) {
            uint32_t n = w->a.list[i].send.len;
            memcpy(wire, w->a.list[i].send.bytes, n);
            wire_in(&w->b, &w->a.at, wire, n, w->a.list[i].send.segment);
        }
        actions_clear(&w->a.out);
        for (uint32_t i = 0; i < w->b.out.count; i++) {
            uint32_t n = whole(&w->b.list[i], got);
            assert_int_equal(get_u32(got + 24), 99 + had);
            assert_int_equal(got[33], had + n - 52 == len - 52 ? TCP_ACK | TCP_PSH : TCP_ACK);
            memcpy(stream + had, got + 52, n - 52);
            had += n - 52;
        }
        actions_clear(&w->b.out);
    }
    assert_int_equal(had, len - 52);
    assert_memory_equal(stream, big + 52, had);
    assert_true(rounds >= 4);
    dropped(&w->b, DROP_COUNT, 0);
}

/* UDP is not cut otherwise than it was. */
static void too_big_is_answered_once(void **state)
{
    struct world *w = *state;
    connect_sides(&w->a, &w->b, AB, BA);
    path(&w->a, AB, PATH_ROUTED, NULL, 0, 0);
    uint32_t len = udp4(w->buffer + LANE_HEADROOM, &w->a, &w->b, 10 * SEGMENT);
    assert_int_equal(super_in(w, &w->a, 0, len, SEGMENT), len);
    assert_int_equal(lane_drops(w->a.lane)[DROP_TOO_BIG], 1);
    assert_int_equal(w->a.out.count, 1);
    const uint8_t *icmp = w->a.list[0].tun.bytes;
    assert_int_equal(icmp[20], 3), assert_int_equal(icmp[21], 4);
    assert_int_equal(get_u32(icmp + 24), LANE_MTU_ROUTED);
    assert_int_equal(get_u16(icmp + 28 + 2), 28 + SEGMENT); /* the first datagram is quoted */
    actions_clear(&w->a.out);
    /* what fits is routed, a segment a frame */
    len = tcp4(w->buffer + LANE_HEADROOM, &w->a, &w->b, 3000, 5, TCP_ACK);
    super_in(w, &w->a, 0, len, LANE_MTU_ROUTED - 52);
    for (int i = 0; i < 3; i++) hear_of(&w->a, UP_ROUTE);
}

/* --- a path that is narrower than the device --- */

#define NARROW 1217

static void narrow(struct world *w, uint32_t mtu)
{
    struct hot_message m = {.op = DOWN_PATH, .index = AB, .path = PATH_DIRECT, .value = mtu};
    m.endpoint = w->b.at;
    say(&w->a, &m, NULL);
    timer(&w->a);
}

static uint32_t stream_at_b(struct world *w, uint8_t *stream, uint32_t seq)
{
    uint32_t had = 0;
    for (uint32_t i = 0; i < w->a.out.count; i++) {
        const struct action *s = &w->a.list[i];
        uint32_t segment = s->send.segment ? s->send.segment : s->send.len;
        assert_true(segment <= NARROW + IP_HEADER + DATA_OVERHEAD);
        memcpy(wire, s->send.bytes, s->send.len);
        wire_in(&w->b, &w->a.at, wire, s->send.len, (uint16_t)segment);
    }
    actions_clear(&w->a.out);
    for (uint32_t i = 0; i < w->b.out.count; i++) {
        uint32_t n = whole(&w->b.list[i], got);
        struct ip_view v;
        assert_true(ip_view(got, n, &v) && v.len == n);
        assert_int_equal(get_u32(got + 24), seq + had);
        memcpy(stream + had, got + 52, n - 52);
        had += n - 52;
    }
    actions_clear(&w->b.out);
    return had;
}

/* Whatever the kernel thinks of the MSS: super-packets and packets of TCP are cut to what passes. */
static void tcp_is_cut_to_fit(void **state)
{
    struct world *w = *state;
    static uint8_t stream[65536];
    connect_sides(&w->a, &w->b, AB, BA);
    narrow(w, NARROW);
    uint32_t len = tcp4(big, &w->a, &w->b, 30 * SEGMENT + 3, 77, TCP_ACK | TCP_PSH);
    memcpy(w->buffer + LANE_HEADROOM, big, len);
    assert_int_equal(super_in(w, &w->a, 0, len, SEGMENT), len);
    assert_int_equal(stream_at_b(w, stream, 77), len - 52);
    assert_memory_equal(stream, big + 52, len - 52);
    for (int open = 0; open < 2; open++) {
        len = tcp4(big, &w->a, &w->b, SEGMENT, 5, TCP_ACK | TCP_PSH);
        struct ip_view v;
        assert_true(ip_view(big, len, &v));
        if (!open) ip_finish_checksum(big, &v);
        struct event e = {.type = EV_TUN, .tun = {.number = NUMBER, .len = len}};
        e.tun.bytes = memcpy(w->buffer + LANE_HEADROOM, big, len);
        e.tun.csum_open = (uint8_t)open;
        step(&w->a, &e);
        assert_int_equal(stream_at_b(w, stream, 5), SEGMENT);
        assert_memory_equal(stream, big + 52, SEGMENT);
    }
    dropped(&w->a, DROP_COUNT, 0);
    dropped(&w->b, DROP_COUNT, 0);
}

static void too_big(struct world *w, const uint8_t *packet, uint32_t len)
{
    assert_int_equal(tun_in(w, &w->a, packet, len), len);
    assert_int_equal(w->a.out.count, 1);
    assert_int_equal(w->a.list[0].type, ACT_TUN);
    assert_int_equal(get_u32(w->a.list[0].tun.bytes + 24), NARROW);
    actions_clear(&w->a.out);
}

/* A checksum that is wrong must stay wrong; SYN, RST and URG stand at a place; a signature is of the whole segment. */
static void what_is_not_cut(void **state)
{
    struct world *w = *state;
    struct ip_view v;
    static const uint8_t flags[] = {TCP_ACK | 0x02, TCP_ACK | 0x04, TCP_ACK | 0x20};
    connect_sides(&w->a, &w->b, AB, BA);
    narrow(w, NARROW);
    for (unsigned i = 0; i < 5; i++) {
        uint32_t len = tcp4(big, &w->a, &w->b, SEGMENT, 5, i < 3 ? flags[i] : TCP_ACK);
        if (i == 4) memcpy(big + 40, "\x13\x0aqrstuvwx\1\1", 12);
        assert_true(ip_view(big, len, &v));
        ip_finish_checksum(big, &v);
        if (i == 3) big[100] ^= 1;
        too_big(w, big, len);
    }
    too_big(w, big, udp4(big, &w->a, &w->b, SEGMENT));
    assert_int_equal(lane_drops(w->a.lane)[DROP_TOO_BIG], 6);
    /* of an open path nothing is cut that fits it */
    narrow(w, 0);
    send4(w, &w->a, &w->b, INNER_MTU_L3, 3);
    assert_int_equal(sent(&w->a, &w->b.at, wire), INNER_MTU_L3 + IP_HEADER + DATA_OVERHEAD);
}

/* Both ways: what we offer, and what is offered to us. */
static void syn_is_clamped(void **state)
{
    struct world *w = *state;
    connect_sides(&w->a, &w->b, AB, BA);
    narrow(w, NARROW);
    for (int in = 0; in < 2; in++) {
        struct side *from = in ? &w->b : &w->a, *to = in ? &w->a : &w->b;
        uint32_t len = tcp4(big, from, to, 0, 5, 0x02);
        memcpy(big + 40, "\2\4\5\x3c\1\1\1\1\1\1\1\1", 12); /* 1340 */
        struct event e = {.type = EV_TUN, .tun = {.number = NUMBER, .len = len}};
        e.tun.bytes = memcpy(w->buffer + LANE_HEADROOM, big, len);
        e.tun.csum_open = 1;
        step(from, &e);
        uint32_t n = sent(from, &to->at, wire);
        wire_in(to, &from->at, wire, n, 0);
        assert_int_equal(to->out.count, 1);
        assert_int_equal(get_u16(to->list[0].tun.bytes + 42), NARROW - 40);
        actions_clear(&to->out);
    }
}

/* Without a way every segment is a packet that misses it, and whole. */
static void a_miss_is_of_packets(void **state)
{
    struct world *w = *state;
    uint32_t len = tcp4(w->buffer + LANE_HEADROOM, &w->a, &w->b, 2 * SEGMENT + 10, 5, TCP_ACK);
    assert_int_equal(super_in(w, &w->a, 0, len, SEGMENT), len);
    for (uint32_t i = 0; i < 3; i++) {
        hear_of(&w->a, UP_MISS);
        assert_int_equal(w->a.m.len, 52 + (i < 2 ? SEGMENT : 10));
        assert_int_equal(get_u32(w->a.body + 24), 5 + i * SEGMENT);
        uint32_t below = w->a.m.len - 20, pseudo = ip_sum(w->a.body + 12, 8, 6 + below);
        assert_int_equal(ip_checksum(w->a.body + 20, below, pseudo), 0);
    }
    assert_false(hear(&w->a));
}

static void over_a_relay(void **state)
{
    struct world *w = *state;
    relay_over_c(w);
    uint32_t len = tcp4(big, &w->a, &w->b, 30 * SEGMENT, 5, TCP_ACK);
    memcpy(w->buffer + LANE_HEADROOM, big, len);
    super_in(w, &w->a, 0, len, SEGMENT);
    assert_int_equal(w->a.out.count, 1);
    uint32_t n = w->a.list[0].send.len;
    uint16_t segment = w->a.list[0].send.segment;
    memcpy(wire, w->a.list[0].send.bytes, n);
    wire_in(&w->c, &w->a.at, wire, n, segment);
    wire_in(&w->b, &w->c.at, wire, n, segment); /* forwarded in place */
    assert_int_equal(w->b.out.count, 1);
    assert_int_equal(whole(&w->b.list[0], got), len);
    assert_memory_equal(got, big, len);
}

/* A batch of what does not belong together: nothing is lost, and nothing changes places. */
static void a_mixed_batch(void **state)
{
    struct world *w = *state;
    connect_sides(&w->a, &w->b, AB, BA);
    uint32_t n = 0, size = 0;
    for (uint32_t i = 0; i < 12; i++) {
        uint8_t *p = w->buffer + LANE_HEADROOM;
        uint32_t seq = i < 4 ? i * 500 : i < 8 ? (i + 1) * 500 : i * 500; /* one is missing */
        uint32_t len = i == 10
                           ? udp4(p, &w->a, &w->b, 524)
                           : tcp4(p, &w->a, &w->b, 500, seq, i == 2 ? TCP_ACK | TCP_PSH : TCP_ACK);
        put_u16(p + 4, (uint16_t)i), put_u16(p + 10, 0), put_u16(p + 10, ip_checksum(p, 20, 0));
        struct event e = {.type = EV_TUN};
        e.tun.number = NUMBER, e.tun.bytes = p, e.tun.len = len;
        e.tun.csum_open = i != 6; /* nobody vouches for the seventh's payload */
        step(&w->a, &e);
        size = sent(&w->a, &w->b.at, wire + n);
        n += size;
    }
    wire_in(&w->b, &w->a.at, wire, n, (uint16_t)size);
    static const uint32_t parts[] = {3, 1, 2, 1,
                                     1, 2, 1, 1}; /* PSH, gap, whole checksum, gap, UDP */
    assert_int_equal(w->b.out.count, sizeof parts / sizeof *parts);
    for (uint32_t i = 0; i < w->b.out.count; i++) {
        const struct action *a = &w->b.list[i];
        assert_int_equal(a->tun.parts > 1 ? a->tun.parts : 1, parts[i]);
        assert_int_equal(a->tun.csum_open, i != 3);
    }
}

static void udp_of_one_size(void **state)
{
    struct world *w = *state;
    connect_sides(&w->a, &w->b, AB, BA);
    uint32_t len = udp4(big, &w->a, &w->b, 40 * 64 + 9);
    memcpy(w->buffer + LANE_HEADROOM, big, len);
    super_in(w, &w->a, 0, len, 64); /* USO */
    assert_int_equal(w->a.out.count, 1);
    uint32_t n = w->a.list[0].send.len;
    memcpy(wire, w->a.list[0].send.bytes, n);
    wire_in(&w->b, &w->a.at, wire, n, w->a.list[0].send.segment);
    assert_int_equal(w->b.out.count, 1);
    assert_int_equal(w->b.list[0].tun.parts, 41);
    assert_int_equal(whole(&w->b.list[0], got), len);
    assert_memory_equal(got, big, len);
}

/* A peer that calls a checksum open where there is none: refused, for nobody could say where it is. */
static void an_open_checksum_of_nothing(void **state)
{
    struct world *w = *state;
    uint8_t p[100], d[200];
    connect_sides(&w->a, &w->b, AB, BA);
    struct event e = {.type = EV_TUN};
    memcpy(w->buffer + LANE_HEADROOM, p, packet4(p, w->a.ipv4, w->b.ipv4, 100, 1));
    w->buffer[LANE_HEADROOM + 9] = 1;
    e.tun.number = NUMBER, e.tun.bytes = w->buffer + LANE_HEADROOM, e.tun.len = 100;
    e.tun.csum_open = 1;
    step(&w->a, &e);
    uint32_t n = sent(&w->a, &w->b.at, d);
    wire_in(&w->b, &w->a.at, d, n, 0);
    dropped(&w->b, DROP_MALFORMED, 1);
}

// clang-format off

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(one_in_one_out),
        WITH(trains_in_other_orders),
        WITH(packets_for_who_did_not_ask),
        WITH(in_parts),
        WITH(too_big_is_answered_once),
        WITH(tcp_is_cut_to_fit),
        WITH(what_is_not_cut),
        WITH(syn_is_clamped),
        WITH(a_miss_is_of_packets),
        WITH(over_a_relay),
        WITH(a_mixed_batch),
        WITH(udp_of_one_size),
        WITH(an_open_checksum_of_nothing),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
// clang-format on
