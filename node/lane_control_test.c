/* What lane and control say to each other. With the real cryptography and the fake. */
#include "node/lane_internal.h"
#include "node/lane_testing.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

static void without_channel_it_is_for_control(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    relay_over_c(w);
    struct hot_message m = {.op = DOWN_UNCHANNEL, .index = CA, .channel = 77};
    say(&w->c, &m, NULL);
    send4(w, &w->a, &w->b, 60, 9);
    uint32_t n = sent(&w->a, &w->c.at, d);
    timer(&w->c);
    wire_in(&w->c, &w->a.at, d, n, 0);
    hear_of(&w->c, UP_INNER);
    assert_int_equal(w->c.m.index, CA);
    assert_int_equal(w->c.m.channel, 77);
    assert_int_equal(w->c.m.len, 60 + IP_HEADER + DATA_OVERHEAD);
    /* and what control hands on to the end is opened there */
    struct hot_message o = {.op = DOWN_DATAGRAM, .via = BC, .channel = 88, .len = w->c.m.len};
    say(&w->b, &o, w->c.body);
    timer(&w->b);
    got4(&w->b, w->a.ipv4, 60, 9);
}

static void channel_rate(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    relay_over_c(w);
    struct hot_message m = {
        .op = DOWN_CHANNEL, .index = CA, .channel = 77, .via = CB, .channel2 = 88};
    m.value = 10000;
    say(&w->c, &m, NULL);
    timer(&w->c);
    for (int i = 0; i < 30; i++) {
        send4(w, &w->a, &w->b, 1000, 9);
        wire_in(&w->c, &w->a.at, d, sent(&w->a, &w->c.at, d), 0);
    }
    /* one second's worth at once, and the one that goes over */
    uint32_t passed = 30 - lane_drops(w->c.lane)[DROP_RATE];
    assert_true(passed >= 10 && passed <= 11);
}

static void misses_and_offers(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    send4(w, &w->a, &w->b, 200, 4);
    hear_of(&w->a, UP_MISS);
    assert_memory_equal(w->a.m.ip, w->b.ip, 16);
    assert_int_equal(w->a.m.network, NUMBER);
    assert_int_equal(w->a.m.index, 0);
    struct hot_message offer = {.op = DOWN_OFFER, .network = NUMBER, .len = w->a.m.len};
    memcpy(d, w->a.body, offer.len);
    say(&w->a, &offer, d);
    timer(&w->a);
    dropped(&w->a, DROP_NO_MEMBER, 1);
    connect_sides(&w->a, &w->b, AB, BA);
    say(&w->a, &offer, d);
    timer(&w->a);
    wire_in(&w->b, &w->a.at, d, sent(&w->a, &w->b.at, d), 0);
    got4(&w->b, w->a.ipv4, 200, 4);
    path(&w->a, AB, PATH_NONE, NULL, 0, 0);
    send4(w, &w->a, &w->b, 200, 4);
    hear_of(&w->a, UP_MISS);
    assert_int_equal(w->a.m.index, AB);
}

static void nobody_there(void **state)
{
    struct world *w = *state;
    uint8_t p[100];
    struct hot_message m = {.op = DOWN_ICMP, .network = NUMBER, .len = 100};
    packet4(p, w->a.ipv4, w->b.ipv4, 100, 1);
    say(&w->a, &m, p);
    timer(&w->a);
    assert_int_equal(w->a.out.count, 1);
    assert_int_equal(w->a.list[0].type, ACT_TUN);
    const uint8_t *icmp = w->a.list[0].tun.bytes;
    assert_int_equal(icmp[20], 3);
    assert_int_equal(get_u32(icmp + 16), w->a.ipv4);
    assert_memory_equal(icmp + 28, p, 100);
}

static void roams_once_a_second(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    struct endpoint new_place = endpoint_v4(0xcb007105, 999);
    connect_sides(&w->a, &w->b, AB, BA);
    for (int i = 0; i < 5; i++) {
        send4(w, &w->a, &w->b, 100, 3);
        uint32_t n = sent(&w->a, &w->b.at, d);
        wire_in(&w->b, &new_place, d, n, 0);
        got4(&w->b, w->a.ipv4, 100, 3); /* delivered all the same */
    }
    assert_true(hear(&w->b));
    assert_int_equal(w->b.m.op, UP_ROAM);
    assert_true(endpoint_equal(&w->b.m.endpoint, &new_place));
    assert_int_equal(w->b.m.value, 135);
    assert_false(hear(&w->b));
}

static void rekey_loses_nothing(void **state)
{
    struct world *w = *state;
    uint8_t d[2100], late[2100];
    connect_sides(&w->a, &w->b, AB, BA);
    send4(w, &w->a, &w->b, 100, 3);
    uint32_t late_len = sent(&w->a, &w->b.at, late);
    hot(&w->a, AB + 0x100, BA + 0x100, 0x55, 0x66, AB);
    hot(&w->b, BA + 0x100, AB + 0x100, 0x66, 0x55, BA);
    timer(&w->a), timer(&w->b);
    send4(w, &w->a, &w->b, 100, 4);
    uint32_t n = sent(&w->a, &w->b.at, d);
    assert_int_equal(get_u32(d + 4), BA + 0x100);
    wire_in(&w->b, &w->a.at, d, n, 0);
    got4(&w->b, w->a.ipv4, 100, 4);
    wire_in(&w->b, &w->a.at, late, late_len, 0); /* under the old keys */
    got4(&w->b, w->a.ipv4, 100, 3);
    struct hot_message m = {.op = DOWN_COLD, .index = BA, .flag = 1};
    say(&w->b, &m, NULL);
    timer(&w->b);
    send4(w, &w->b, &w->a, 100, 5);
    wire_in(&w->a, &w->b.at, d, sent(&w->b, &w->a.at, d), 0);
    got4(&w->a, w->b.ipv4, 100, 5);
    /* without the word of control that it is the same peer, the old session speaks for nobody */
    hot(&w->b, BA + 0x200, AB + 0x200, 1, 1, 0);
    row(&w->b, BA + 0x200, w->a.ip);
    timer(&w->b);
    send4(w, &w->a, &w->b, 100, 6);
    wire_in(&w->b, &w->a.at, d, sent(&w->a, &w->b.at, d), 0);
    dropped(&w->b, DROP_SPOOFED, 1);
}

static void rekeyed_relay_goes_on(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    relay_over_c(w);
    hot(&w->a, AC + 0x100, CA + 0x100, 0x55, 0x66, AC);
    hot(&w->c, CA + 0x100, AC + 0x100, 0x66, 0x55, CA);
    timer(&w->a), timer(&w->c);
    struct hot_message cold = {.op = DOWN_COLD, .index = CA}, too = {.op = DOWN_COLD, .index = AC};
    say(&w->c, &cold, NULL), say(&w->a, &too, NULL);
    timer(&w->a), timer(&w->c);
    for (int i = 0; i < 2; i++) {
        struct side *from = i ? &w->b : &w->a, *to = i ? &w->a : &w->b;
        send4(w, from, to, 500, 4);
        wire_in(&w->c, &from->at, d, sent(from, &w->c.at, d), 0);
        wire_in(to, &w->c.at, d, sent(&w->c, &to->at, d), 0);
        got4(to, from->ipv4, 500, 4);
    }
}

static void cold_and_hot_again(void **state)
{
    struct world *w = *state;
    uint8_t d[100][200];
    struct hot_counters c;
    uint32_t n = 0;
    connect_sides(&w->a, &w->b, AB, BA);
    for (int i = 0; i < 100; i++) {
        send4(w, &w->a, &w->b, 100, (uint8_t)i);
        n = sent(&w->a, &w->b.at, d[i]);
    }
    for (int i = 0; i < 100; i++) {
        uint8_t copy[200];
        if (i == 10 || i == 90) continue; /* still on their way */
        memcpy(copy, d[i], n);
        wire_in(&w->b, &w->a.at, copy, n, 0);
        actions_clear(&w->b.out);
    }
    struct hot_message m = {.op = DOWN_COLD, .index = BA};
    say(&w->b, &m, NULL);
    timer(&w->b);
    hear_of(&w->b, UP_USED);
    struct hot_used u;
    memcpy(&u, w->b.body, sizeof u);
    assert_int_equal(u.rx_packets, 98);
    assert_int_equal(u.rx_bytes, 98 * n);
    assert_int_equal(u.heard_us, NOW);
    hear_of(&w->b, UP_HANDBACK);
    memcpy(&c, w->b.body, sizeof c);
    assert_int_equal(c.rx_top, 100);
    assert_true(c.rx_window == (UINT64_MAX & ~((uint64_t)1 << 9)));
    struct hot_keys k = {.rx_top = c.rx_top, .rx_window = c.rx_window, .remote_index = AB};
    memset(k.tx_key, BA, 32), memset(k.rx_key, AB, 32);
    k.aead = w->b.aead;
    struct hot_message h = {.op = DOWN_HOT, .index = BA, .len = sizeof k};
    say(&w->b, &h, &k);
    row(&w->b, BA, w->a.ip);
    timer(&w->b);
    for (int i = 0; i < 100; i++) wire_in(&w->b, &w->a.at, d[i], n, 0);
    assert_int_equal(w->b.out.count, 1); /* 90; 10 is older than what the cold form remembers */
    assert_int_equal(lane_drops(w->b.lane)[DROP_REPLAYED], 99);
}

static void frames_go_up_and_seals_come_down(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    connect_sides(&w->a, &w->b, AB, BA);
    struct hot_message m = {.op = DOWN_SEAL, .index = AB, .len = 40};
    uint8_t frame[40] = {KIND_CONTROL, 1, 2, 3};
    say(&w->a, &m, frame);
    timer(&w->a);
    wire_in(&w->b, &w->a.at, d, sent(&w->a, &w->b.at, d), 0);
    hear_of(&w->b, UP_FRAME);
    assert_int_equal(w->b.m.index, BA);
    assert_int_equal(w->b.m.flag, 1);
    assert_true(endpoint_equal(&w->b.m.endpoint, &w->a.at));
    assert_memory_equal(w->b.body, frame, 40);
    assert_int_equal(lane_wake_us(w->b.lane), TIME_NEVER); /* upkeep is not use */
    frame[0] = 0x7f;
    say(&w->a, &m, frame);
    timer(&w->a);
    wire_in(&w->b, &w->a.at, d, sent(&w->a, &w->b.at, d), 0);
    dropped(&w->b, DROP_TYPE, 1);
    m.endpoint = w->c.at; /* a probe */
    say(&w->a, &m, frame);
    timer(&w->a);
    sent(&w->a, &w->c.at, d);
}

static void use_is_told_once_a_second(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    connect_sides(&w->a, &w->b, AB, BA);
    for (int i = 0; i < 10; i++) {
        send4(w, &w->a, &w->b, 100, 3);
        sent(&w->a, &w->b.at, d);
    }
    assert_int_equal(lane_wake_us(w->a.lane), NOW + SECONDS(1));
    const struct event e = {.type = EV_TIMER};
    lane_step(w->a.lane, NOW + SECONDS(1) - 1, &e, &w->a.out);
    assert_false(hear(&w->a));
    lane_step(w->a.lane, NOW + SECONDS(1), &e, &w->a.out);
    hear_of(&w->a, UP_USED);
    struct hot_used u;
    memcpy(&u, w->a.body, sizeof u);
    assert_int_equal(u.tx_packets, 10);
    assert_int_equal(u.newest_tx, 10);
    assert_int_equal(lane_wake_us(w->a.lane), TIME_NEVER);
}

static void counter_stops(void **state)
{
    struct world *w = *state;
    uint8_t d[2100];
    struct hot_keys k = {.tx_next = HOT_COUNTER_STOP - 1, .remote_index = BA};
    k.aead = w->b.aead;
    struct hot_message h = {.op = DOWN_HOT, .index = AB, .len = sizeof k};
    say(&w->a, &h, &k);
    path(&w->a, AB, PATH_DIRECT, &w->b.at, 0, 0);
    row(&w->a, AB, w->b.ip);
    timer(&w->a);
    send4(w, &w->a, &w->b, 100, 3);
    sent(&w->a, &w->b.at, d);
    send4(w, &w->a, &w->b, 100, 3);
    dropped(&w->a, DROP_EXHAUSTED, 1);
    assert_int_equal(w->a.out.arena_used, 0);
}

static void full_arena_stops_the_step(void **state)
{
    struct world *w = *state;
    static uint8_t d[65536];
    uint32_t n = 0, size = 0, left = 0;
    connect_sides(&w->a, &w->b, AB, BA);
    for (int i = 0; i < 40; i++) {
        send4(w, &w->a, &w->b, 100, (uint8_t)i);
        n += size = sent(&w->a, &w->b.at, d + n);
    }
    w->b.out.max = 10;
    for (uint32_t done = 0; done < n; done += left) {
        struct event e = {.type = EV_DATAGRAM};
        e.datagram.bytes = d + done;
        e.datagram.len = n - done;
        e.datagram.segment = (uint16_t)size;
        e.datagram.from = w->a.at;
        left = lane_step(w->b.lane, NOW, &e, &w->b.out);
        assert_true(left > 0 && left <= 10 * size);
        actions_clear(&w->b.out);
    }
    assert_int_equal(w->b.out.lost, 0);
    dropped(&w->b, DROP_COUNT, 0);
}

/* What opens to nothing takes no room: however many of them come by the queue. */
static void junk_by_the_queue(void **state)
{
    struct world *w = *state;
    static const uint8_t junk[1400] = {OUTER_DATA, 0, 0, 0, 0, 0, 0, BA};
    struct hot_message m = {.op = DOWN_DATAGRAM, .index = BA, .len = sizeof junk};
    connect_sides(&w->a, &w->b, AB, BA);
    w->b.out.arena_size = 8192;
    for (int i = 0; i < 20; i++) say(&w->b, &m, junk);
    timer(&w->b);
    dropped(&w->b, DROP_TAG, 20);
    send4(w, &w->b, &w->a, 100, 3);
    assert_int_equal(w->b.out.count, 1);
}

static void nothing_grows(void **state)
{
    struct world *w = *state;
    uint8_t ip[16] = {0xfd};
    for (uint32_t i = 1; i <= 1000; i++) {
        hot(&w->a, i, i, 1, 2, i > 3 ? i - 3 : 0);
        put_u32(ip + 12, i);
        row(&w->a, i % 8 + 1, ip);
        struct hot_message m = {.op = DOWN_CHANNEL, .index = i % 8 + 1, .channel = i, .via = 1};
        say(&w->a, &m, NULL);
        timer(&w->a);
        while (hear(&w->a)) {}
    }
    assert_true(lane_drops(w->a.lane)[DROP_FULL] > 2000);
    for (uint32_t i = 1; i <= 1000; i++) {
        struct hot_message m = {.op = DOWN_COLD, .index = i};
        say(&w->a, &m, NULL);
        timer(&w->a);
    }
    uint32_t back = 0;
    while (hear(&w->a)) back += w->a.m.op == UP_HANDBACK;
    assert_int_equal(back, limits.hot);
    connect_sides(&w->a, &w->b, AB, BA); /* and all is free again */
    send4(w, &w->a, &w->b, 100, 3);
    assert_int_equal(w->a.out.count, 1);
}

/* Rows found last are remembered by the address's low bits: many share a place, and a row that goes is not found there. */
static void a_row_that_is_gone_is_not_found(void **state)
{
    struct world *w = *state;
    struct lane *l = w->a.lane;
    uint8_t ip[4][16] = {{0}};
    connect_sides(&w->a, &w->b, AB, BA);
    const struct hot_session *s = lane_session(l, AB);
    for (unsigned i = 0; i < 4; i++) {
        ip[i][0] = 0xfd;
        ip[i][15] = 8;
        ip[i][10] = (uint8_t)i;
        lane_row_put(l, NUMBER, ip[i], s, NOW);
    }
    for (unsigned i = 0; i < 8; i++) {
        const struct lane_row *row = lane_row(l, NUMBER, ip[i % 4]);
        assert_non_null(row);
        assert_memory_equal(row->ip, ip[i % 4], 16);
        assert_ptr_equal(lane_row(l, NUMBER, ip[i % 4]), row);
        assert_null(lane_row(l, NUMBER + 1, ip[i % 4]));
    }
    lane_row_remove(l, lane_row(l, NUMBER, ip[2]));
    assert_null(lane_row(l, NUMBER, ip[2]));
    ip[2][10] = 9; /* takes the place */
    lane_row_put(l, NUMBER, ip[2], s, NOW);
    assert_non_null(lane_row(l, NUMBER, ip[2]));
    ip[2][10] = 2;
    assert_null(lane_row(l, NUMBER, ip[2]));
}

// clang-format off

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(without_channel_it_is_for_control),
        WITH(channel_rate),
        WITH(misses_and_offers),
        WITH(nobody_there),
        WITH(roams_once_a_second),
        WITH(rekey_loses_nothing),
        WITH(rekeyed_relay_goes_on),
        WITH(cold_and_hot_again),
        WITH(frames_go_up_and_seals_come_down),
        WITH(use_is_told_once_a_second),
        WITH(counter_stops),
        WITH(full_arena_stops_the_step),
        WITH(junk_by_the_queue),
        WITH(nothing_grows),
        WITH(a_row_that_is_gone_is_not_found),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
// clang-format on
