/* Packets through lanes: where they arrive, and which do not. With the real cryptography and the fake. */
#include "node/lane_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void ping_both_ways(void **state)
{
    struct world *w = *state;
    uint8_t d[2100], p[1380];
    connect_sides(&w->a, &w->b, AB, BA);
    for (uint32_t len = 20; len <= INNER_MTU_L3; len += 68) {
        send4(w, &w->a, &w->b, len, 1);
        uint32_t n = sent(&w->a, &w->b.at, d);
        assert_int_equal(n, len + IP_HEADER + DATA_OVERHEAD);
        wire_in(&w->b, &w->a.at, d, n, 0);
        got4(&w->b, w->a.ipv4, len, 1);
        send4(w, &w->b, &w->a, len, 2);
        n = sent(&w->b, &w->a.at, d);
        wire_in(&w->a, &w->b.at, d, n, 0);
        got4(&w->a, w->b.ipv4, len, 2);
    }
    packet6(p, w->a.ipv6, w->b.ipv6, 1380);
    tun_in(w, &w->a, p, 1380);
    uint32_t n = sent(&w->a, &w->b.at, d);
    wire_in(&w->b, &w->a.at, d, n, 0);
    assert_int_equal(w->b.out.count, 1);
    assert_memory_equal(w->b.list[0].tun.bytes, p, 1380);
    actions_clear(&w->b.out);
    dropped(&w->a, DROP_COUNT, 0);
    dropped(&w->b, DROP_COUNT, 0);
    assert_false(hear(&w->a) || hear(&w->b));
}

static void relayed_by_a_third(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    relay_over_c(w);
    send4(w, &w->a, &w->b, 1380, 9);
    uint32_t n = sent(&w->a, &w->c.at, d);
    assert_int_equal(n, 1380 + IP_HEADER + 2 * DATA_OVERHEAD + RELAYED_HEADER);
    assert_true(n + 48 <= 1500); /* IPv6 and UDP */
    wire_in(&w->c, &w->a.at, d, n, 0);
    n = sent(&w->c, &w->b.at, d);
    wire_in(&w->b, &w->c.at, d, n, 0);
    got4(&w->b, w->a.ipv4, 1380, 9);
    dropped(&w->c, DROP_COUNT, 0);
    assert_false(hear(&w->b)); /* the inner one came over the relay: no reason to roam */
    send4(w, &w->b, &w->a, 100, 8);
    n = sent(&w->b, &w->c.at, d);
    wire_in(&w->c, &w->b.at, d, n, 0);
    n = sent(&w->c, &w->a.at, d);
    wire_in(&w->a, &w->c.at, d, n, 0);
    got4(&w->a, w->b.ipv4, 100, 8);
}

static void a_relayed_batch_leaves_as_one_train(void **state)
{
    struct world *w = *state;
    static uint8_t d[65536];
    uint32_t n = 0, size = 0;
    relay_over_c(w);
    for (int i = 0; i < 10; i++) {
        send4(w, &w->a, &w->b, i < 9 ? 1000 : 400, (uint8_t)i);
        uint32_t one = sent(&w->a, &w->c.at, d + n);
        if (i == 0) size = one;
        n += one;
    }
    wire_in(&w->c, &w->a.at, d, n, (uint16_t)size);
    assert_int_equal(w->c.out.count, 1);
    assert_int_equal(w->c.list[0].send.segment, size);
    assert_int_equal(w->c.list[0].send.len, n);
    wire_in(&w->b, &w->c.at, d, n, (uint16_t)size); /* forwarded in place: the same buffer */
    assert_int_equal(w->b.out.count, 10);
    for (int i = 0; i < 10; i++) assert_int_equal(w->b.list[i].tun.bytes[30], i);
}

static void spoofed_source(void **state)
{
    struct world *w = *state;
    uint8_t d[2100], p[64];
    connect_sides(&w->a, &w->b, AB, BA);
    connect_sides(&w->c, &w->b, CB, BC);
    /* our own lane does not send it */
    packet4(p, w->c.ipv4, w->b.ipv4, 64, 1);
    tun_in(w, &w->a, p, 64);
    dropped(&w->a, DROP_SPOOFED, 1);
    /* one that does is refused by the other */
    uint32_t own = w->a.ipv4;
    w->a.ipv4 = w->c.ipv4;
    network_say(&w->a, TAG);
    tun_in(w, &w->a, p, 64);
    uint32_t n = sent(&w->a, &w->b.at, d);
    wire_in(&w->b, &w->a.at, d, n, 0);
    dropped(&w->b, DROP_SPOOFED, 1);
    /* nobody's address neither, nor IPv4 in IPv6's clothes */
    w->a.ipv4 = 0x0a0100ff;
    network_say(&w->a, TAG);
    packet4(p, w->a.ipv4, w->b.ipv4, 64, 1);
    tun_in(w, &w->a, p, 64);
    n = sent(&w->a, &w->b.at, d);
    wire_in(&w->b, &w->a.at, d, n, 0);
    dropped(&w->b, DROP_SPOOFED, 2);
    w->a.ipv4 = own;
    packet6(p, w->a.ip, w->b.ip, 64);
    tun_in(w, &w->a, p, 64);
    assert_int_equal(lane_drops(w->a.lane)[DROP_NOT_IP], 1);
    hear_of(&w->b, UP_DROP);
    assert_int_equal(w->b.m.value, DROP_SPOOFED);
    assert_int_equal(w->b.m.channel, 1);
}

static void not_for_us(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    connect_sides(&w->a, &w->b, AB, BA);
    row(&w->a, AB, w->c.ip);
    timer(&w->a);
    send4(w, &w->a, &w->c, 64, 1);
    wire_in(&w->b, &w->a.at, d, sent(&w->a, &w->b.at, d), 0);
    dropped(&w->b, DROP_NOT_IP, 1);
}

static void wrong_network_tag(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    connect_sides(&w->a, &w->b, AB, BA);
    network_say(&w->a, TAG + 1);
    timer(&w->a);
    send4(w, &w->a, &w->b, 64, 1);
    wire_in(&w->b, &w->a.at, d, sent(&w->a, &w->b.at, d), 0);
    dropped(&w->b, DROP_NETWORK, 1);
}

static void replays_and_disorder(void **state)
{
    struct world *w = *state;
    static uint8_t d[3000][100];
    uint8_t copy[100];
    uint32_t n = 0;
    connect_sides(&w->a, &w->b, AB, BA);
    for (int i = 0; i < 3000; i++) {
        send4(w, &w->a, &w->b, 60, (uint8_t)i);
        n = sent(&w->a, &w->b.at, d[i]);
    }
    for (int i = 2999; i >= 0; i--) { /* backwards: all within the window */
        memcpy(copy, d[i], n);
        wire_in(&w->b, &w->a.at, copy, n, 0);
        got4(&w->b, w->a.ipv4, 60, (uint8_t)i);
    }
    for (int i = 0; i < 3000; i++) wire_in(&w->b, &w->a.at, d[i], n, 0);
    dropped(&w->b, DROP_REPLAYED, 3000);
}

static void every_bit_counts(void **state)
{
    struct world *w = *state;
    uint8_t d[200], copy[200];
    connect_sides(&w->a, &w->b, AB, BA);
    send4(w, &w->a, &w->b, 60, 5);
    uint32_t n = sent(&w->a, &w->b.at, d), counted = 0;
    for (uint32_t bit = 0; bit < 8 * n; bit++) {
        struct event e = {.type = EV_DATAGRAM};
        memcpy(copy, d, n);
        copy[bit / 8] ^= (uint8_t)(1u << bit % 8);
        e.datagram.from = w->a.at;
        e.datagram.bytes = copy;
        e.datagram.len = n;
        step(&w->b, &e);
        counted++;
        uint32_t all = 0;
        for (uint32_t i = 0; i < DROP_COUNT; i++) all += lane_drops(w->b.lane)[i];
        assert_int_equal(all, counted);
        assert_int_equal(w->b.out.count, 0);
    }
    wire_in(&w->b, &w->a.at, d, n, 0); /* none of it has done any harm */
    got4(&w->b, w->a.ipv4, 60, 5);
}

static void routed_paths_take_less(void **state)
{
    struct world *w = *state;
    uint8_t p[2100], d[2100];
    connect_sides(&w->a, &w->b, AB, BA);
    path(&w->a, AB, PATH_ROUTED, NULL, 0, 0);
    send4(w, &w->a, &w->b, LANE_MTU_ROUTED, 6);
    hear_of(&w->a, UP_ROUTE);
    assert_int_equal(w->a.m.index, AB);
    assert_int_equal(w->a.m.len + 2 * ROUTED_HEADER, KIND_ROUTED_MAX); /* through a waypoint, too */
    memcpy(d, w->a.body, w->a.m.len);
    struct hot_message m = {.op = DOWN_DATAGRAM, .index = BA, .len = w->a.m.len};
    say(&w->b, &m, d);
    timer(&w->b);
    got4(&w->b, w->a.ipv4, LANE_MTU_ROUTED, 6);
    dropped(&w->a, DROP_COUNT, 0);
    /* IPv6 of 1280 always fits, and nobody is told of less */
    packet6(p, w->a.ipv6, w->b.ipv6, 1280);
    tun_in(w, &w->a, p, 1280);
    for (int i = 0; i < 2; i++) {
        hear_of(&w->a, UP_ROUTE);
        m.len = w->a.m.len;
        say(&w->b, &m, w->a.body);
    }
    timer(&w->b);
    assert_int_equal(w->b.out.count, 1);
    assert_int_equal(w->b.list[0].tun.len, 1280);
    assert_memory_equal(w->b.list[0].tun.bytes, p, 1280);
    packet6(p, w->a.ipv6, w->b.ipv6, 1281);
    tun_in(w, &w->a, p, 1281);
    assert_int_equal(lane_drops(w->a.lane)[DROP_TOO_BIG], 1);
    assert_int_equal(w->a.out.count, 1);
    const uint8_t *icmp = w->a.list[0].tun.bytes;
    assert_int_equal(icmp[40], 2);
    assert_int_equal(get_u32(icmp + 44), 1280);
    actions_clear(&w->a.out);
    packet4(p, w->a.ipv4, w->b.ipv4, 1300, 3);
    p[6] = 0x40; /* IPv4 is told what fits */
    tun_in(w, &w->a, p, 1300);
    assert_int_equal(get_u32(w->a.list[0].tun.bytes + 24), LANE_MTU_ROUTED);
}

/* An open checksum travels as a flag; a packet that has to wait is completed, so that nobody need keep the flag. */
static void open_checksums(void **state)
{
    struct world *w = *state;
    uint8_t d[200], *packet = w->buffer + LANE_HEADROOM;
    struct event e = {.type = EV_TUN};
    e.tun.number = NUMBER;
    e.tun.bytes = packet;
    e.tun.len = packet4(packet, w->a.ipv4, w->b.ipv4, 80, 3);
    e.tun.csum_open = 1;
    uint32_t pseudo = ip_sum(packet + 12, 8, 60 + 17);
    put_u16(packet + 26, (uint16_t)pseudo);
    step(&w->a, &e);
    hear_of(&w->a, UP_MISS);
    assert_int_equal(ip_checksum(w->a.body + 20, 60, pseudo), 0);
    connect_sides(&w->a, &w->b, AB, BA);
    put_u16(packet + 26, (uint16_t)pseudo);
    step(&w->a, &e);
    wire_in(&w->b, &w->a.at, d, sent(&w->a, &w->b.at, d), 0);
    assert_int_equal(w->b.out.count, 1);
    assert_int_equal(w->b.list[0].tun.csum_open, 1);
    assert_int_equal(get_u16(w->b.list[0].tun.bytes + 26), pseudo);
}

static void to_many_is_not_carried(void **state)
{
    struct world *w = *state;
    uint8_t p[64];
    const uint32_t to[] = {0xe00000fb, 0xffffffff, 0x0a010000, 0x0a01ffff};
    uint8_t all_nodes[16] = {0xff, 2, [15] = 1};
    for (int i = 0; i < 4; i++) {
        packet4(p, w->a.ipv4, to[i], 64, 1);
        tun_in(w, &w->a, p, 64);
    }
    packet6(p, w->a.ipv6, all_nodes, 64);
    tun_in(w, &w->a, p, 64);
    dropped(&w->a, DROP_NO_MEMBER, 5);
}

// clang-format off

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(ping_both_ways),
        WITH(relayed_by_a_third),
        WITH(a_relayed_batch_leaves_as_one_train),
        WITH(spoofed_source),
        WITH(not_for_us),
        WITH(wrong_network_tag),
        WITH(replays_and_disorder),
        WITH(every_bit_counts),
        WITH(routed_paths_take_less),
        WITH(open_checksums),
        WITH(to_many_is_not_carried),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
// clang-format on
