/* Lanes back to back: what one sends, the other is given. Run with the real cryptography and with the fake. */
#include "node/lane.h"

#include "node/actions.h"
#include "overlay/wire.h"
#include "vnet/address.h"
#include "vnet/ip.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define TAG    0x5a
#define NUMBER 3
#define NOW    SECONDS(100)

static const struct limits limits = {.hot = 8, .channels = 4};

struct side { /* one node's lane, with its driver's memory */
    struct lane *lane;
    struct hot_queue down, up;
    uint8_t arena[ACTIONS_ARENA_MIN];
    struct action list[ACTIONS_LIST_MIN];
    struct actions out;
    struct endpoint at;
    uint32_t ipv4;
    uint8_t ipv6[16], ip[16];
    struct hot_message m; /* the last one popped */
    uint8_t body[HOT_BODY_MAX];
};
struct world {
    const struct crypto *crypto;
    struct side a, b, c;
    uint8_t buffer[LANE_HEADROOM + 65536];
};

static void step(struct side *s, const struct event *in)
{
    lane_step(s->lane, NOW, in, &s->out);
}

static void timer(struct side *s)
{
    const struct event e = {.type = EV_TIMER};
    step(s, &e);
}

static void say(struct side *s, const struct hot_message *m, const void *body)
{
    assert_int_equal(hot_push(&s->down, m, body), OK);
}

static bool hear(struct side *s)
{
    return hot_pop(&s->up, &s->m, s->body, sizeof s->body);
}

/* The next message of this kind; fails if there is none. Others are skipped. */
static void hear_of(struct side *s, enum hot_op op)
{
    while (hear(s))
        if (s->m.op == op) return;
    fail_msg("no message %d", op);
}

static void network_say(struct side *s, uint8_t tag)
{
    struct lane_network n = {.tag = tag, .number = NUMBER, .prefix = 16, .net = 0x0a010000};
    n.ipv4 = s->ipv4;
    n.mtu_bytes = INNER_MTU_L3;
    memcpy(n.ipv6, s->ipv6, 16);
    struct hot_message m = {.op = DOWN_NETWORK, .network = NUMBER, .len = sizeof n};
    say(s, &m, &n);
}

static void side_init(struct side *s, const struct crypto *c, uint8_t n)
{
    memset(s, 0, sizeof *s);
    assert_int_equal(hot_queue_init(&s->down, 1u << 18), OK);
    assert_int_equal(hot_queue_init(&s->up, 1u << 18), OK);
    assert_int_equal(lane_new(&s->lane, &limits, c, 0, &s->down, &s->up), OK);
    s->out = (struct actions){.arena = s->arena, .arena_size = sizeof s->arena, .list = s->list};
    s->out.max = ACTIONS_LIST_MIN;
    s->at = endpoint_v4(0xc0000200u + n, (uint16_t)(7000 + n));
    s->ipv4 = 0x0a010000u + n;
    ip_from_v4(s->ip, s->ipv4);
    s->ipv6[0] = 0xfd;
    s->ipv6[15] = n;
    network_say(s, TAG);
}

static void side_fini(struct side *s)
{
    lane_free(s->lane);
    hot_queue_fini(&s->down);
    hot_queue_fini(&s->up);
}

/* Both ends get keys: index of s's session with t and the other way round. way: 0 or PATH_DIRECT. */
static void hot(struct side *s, uint32_t index, uint32_t remote, uint8_t key, uint8_t key_back,
                uint32_t before)
{
    struct hot_keys k = {.remote_index = remote, .aead = AEAD_CHACHA20_POLY1305};
    memset(k.tx_key, key, 32);
    memset(k.rx_key, key_back, 32);
    struct hot_message m = {.op = DOWN_HOT, .index = index, .via = before, .len = sizeof k};
    say(s, &m, &k);
}

static void path(struct side *s, uint32_t index, uint8_t kind, const struct endpoint *to,
                 uint32_t via, uint32_t channel)
{
    struct hot_message m = {.op = DOWN_PATH, .index = index, .path = kind};
    if (to) m.endpoint = *to;
    m.via = via;
    m.channel = channel;
    say(s, &m, NULL);
}

static void row(struct side *s, uint32_t index, const uint8_t ip[16])
{
    struct hot_message m = {.op = DOWN_ROW, .network = NUMBER, .index = index};
    memcpy(m.ip, ip, 16);
    say(s, &m, NULL);
}

/* A session between two sides, direct, each with a row for the other's IPv4 and IPv6. Index: x * 16 + y. */
static void connect_sides(struct side *s, struct side *t, uint32_t si, uint32_t ti)
{
    hot(s, si, ti, (uint8_t)si, (uint8_t)ti, 0);
    hot(t, ti, si, (uint8_t)ti, (uint8_t)si, 0);
    path(s, si, PATH_DIRECT, &t->at, 0, 0);
    path(t, ti, PATH_DIRECT, &s->at, 0, 0);
    row(s, si, t->ip), row(s, si, t->ipv6);
    row(t, ti, s->ip), row(t, ti, s->ipv6);
    timer(s), timer(t);
}

#define AB 0x12u
#define BA 0x21u
#define AC 0x13u
#define CA 0x31u
#define BC 0x23u
#define CB 0x32u

static int setup(void **state, const struct crypto *c)
{
    struct world *w = test_calloc(1, sizeof *w);
    w->crypto = c;
    side_init(&w->a, c, 1);
    side_init(&w->b, c, 2);
    side_init(&w->c, c, 3);
    *state = w;
    return 0;
}
static int setup_real(void **state)
{
    return setup(state, &crypto_real);
}
static int setup_fake(void **state)
{
    return setup(state, &crypto_fake);
}
static int teardown(void **state)
{
    struct world *w = *state;
    side_fini(&w->a), side_fini(&w->b), side_fini(&w->c);
    test_free(w);
    return 0;
}

/* --- packets --- */

static uint32_t packet4(uint8_t *p, uint32_t src, uint32_t dst, uint32_t len, uint8_t fill)
{
    memset(p, fill, len);
    memset(p, 0, 20);
    p[0] = 0x45;
    put_u16(p + 2, (uint16_t)len);
    p[8] = 64, p[9] = 17;
    put_u32(p + 12, src);
    put_u32(p + 16, dst);
    put_u16(p + 10, ip_checksum(p, 20, 0));
    return len;
}

static uint32_t packet6(uint8_t *p, const uint8_t src[16], const uint8_t dst[16], uint32_t len)
{
    memset(p, 7, len);
    memset(p, 0, 40);
    p[0] = 0x60, p[6] = 17, p[7] = 64;
    put_u16(p + 4, (uint16_t)(len - 40));
    memcpy(p + 8, src, 16);
    memcpy(p + 24, dst, 16);
    return len;
}

static uint32_t tun_in(struct world *w, struct side *s, const uint8_t *packet, uint32_t len)
{
    struct event e = {.type = EV_TUN};
    memcpy(w->buffer + LANE_HEADROOM, packet, len);
    e.tun.number = NUMBER;
    e.tun.bytes = w->buffer + LANE_HEADROOM;
    e.tun.len = len;
    return lane_step(s->lane, NOW, &e, &s->out);
}

/* An IPv4 packet of this length from s to t enters s's TUN. */
static void send4(struct world *w, struct side *s, const struct side *t, uint32_t len, uint8_t fill)
{
    uint8_t p[2048];
    packet4(p, s->ipv4, t->ipv4, len, fill);
    assert_int_equal(tun_in(w, s, p, len), len);
}

static void wire_in(struct side *t, const struct endpoint *from, uint8_t *bytes, uint32_t len,
                    uint16_t segment)
{
    struct event e = {.type = EV_DATAGRAM};
    e.datagram.from = *from;
    e.datagram.bytes = bytes;
    e.datagram.len = len;
    e.datagram.segment = segment;
    assert_true(lane_wants(t->lane, &e));
    assert_int_equal(lane_step(t->lane, NOW, &e, &t->out), len);
}

/* Copies out the only action, which must be a datagram to `to`; s's list is then empty. */
static uint32_t sent(struct side *s, const struct endpoint *to, uint8_t *copy)
{
    assert_int_equal(s->out.count, 1);
    assert_int_equal(s->list[0].type, ACT_SEND);
    assert_true(endpoint_equal(&s->list[0].send.to, to));
    uint32_t len = s->list[0].send.len;
    memcpy(copy, s->list[0].send.bytes, len);
    actions_clear(&s->out);
    return len;
}

/* The only action is this packet for the TUN. */
static void got4(struct side *t, uint32_t src, uint32_t len, uint8_t fill)
{
    uint8_t expect[2048];
    packet4(expect, src, t->ipv4, len, fill);
    assert_int_equal(t->out.count, 1);
    assert_int_equal(t->list[0].type, ACT_TUN);
    assert_int_equal(t->list[0].tun.number, NUMBER);
    assert_int_equal(t->list[0].tun.len, len);
    assert_memory_equal(t->list[0].tun.bytes, expect, len);
    actions_clear(&t->out);
}

static void dropped(struct side *s, enum drop why, uint32_t times)
{
    for (uint32_t i = 0; i < DROP_COUNT; i++)
        if (lane_drops(s->lane)[i] != (i == why ? times : 0))
            fail_msg("%s is %u", drop_name((enum drop)i), lane_drops(s->lane)[i]);
    assert_int_equal(s->out.count, 0);
}

/* --- tests --- */

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

/* A to B through C: the first channel number is A's with C, the second C's with B. */
static void relay_over_c(struct world *w)
{
    connect_sides(&w->a, &w->c, AC, CA);
    connect_sides(&w->b, &w->c, BC, CB);
    connect_sides(&w->a, &w->b, AB, BA);
    path(&w->a, AB, PATH_RELAYED, NULL, AC, 77);
    path(&w->b, BA, PATH_RELAYED, NULL, BC, 88);
    struct hot_message m = {
        .op = DOWN_CHANNEL, .index = CA, .channel = 77, .via = CB, .channel2 = 88};
    say(&w->c, &m, NULL);
    struct hot_message n = {
        .op = DOWN_CHANNEL, .index = CB, .channel = 88, .via = CA, .channel2 = 77};
    say(&w->c, &n, NULL);
    timer(&w->a), timer(&w->b), timer(&w->c);
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

static void routed_paths_take_less(void **state)
{
    struct world *w = *state;
    uint8_t p[1400], d[2100];
    connect_sides(&w->a, &w->b, AB, BA);
    path(&w->a, AB, PATH_ROUTED, NULL, 0, 0);
    send4(w, &w->a, &w->b, LANE_MTU_ROUTED, 6);
    hear_of(&w->a, UP_ROUTE);
    assert_int_equal(w->a.m.index, AB);
    assert_int_equal(w->a.m.len + ROUTED_HEADER, KIND_ROUTED_MAX);
    memcpy(d, w->a.body, w->a.m.len);
    struct hot_message m = {.op = DOWN_DATAGRAM, .index = BA, .len = w->a.m.len};
    say(&w->b, &m, d);
    timer(&w->b);
    got4(&w->b, w->a.ipv4, LANE_MTU_ROUTED, 6);
    dropped(&w->a, DROP_COUNT, 0);
    packet6(p, w->a.ipv6, w->b.ipv6, LANE_MTU_ROUTED + 1);
    tun_in(w, &w->a, p, LANE_MTU_ROUTED + 1);
    assert_int_equal(lane_drops(w->a.lane)[DROP_TOO_BIG], 1);
    assert_int_equal(w->a.out.count, 1);
    const uint8_t *icmp = w->a.list[0].tun.bytes;
    assert_int_equal(icmp[40], 2);
    assert_int_equal(get_u32(icmp + 44), LANE_MTU_ROUTED);
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
    k.aead = AEAD_CHACHA20_POLY1305;
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
    k.aead = AEAD_CHACHA20_POLY1305;
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

/* More of everything than there is room for: refused, replaced, counted; memory is what lane_size said all along. */
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

#define WITH(name)                                                                                 \
    {#name " real", name, setup_real, teardown, NULL},                                             \
    {                                                                                              \
#name " fake", name, setup_fake, teardown, NULL                                            \
    }

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(ping_both_ways),
        WITH(relayed_by_a_third),
        WITH(a_relayed_batch_leaves_as_one_train),
        WITH(without_channel_it_is_for_control),
        WITH(channel_rate),
        WITH(spoofed_source),
        WITH(not_for_us),
        WITH(wrong_network_tag),
        WITH(replays_and_disorder),
        WITH(every_bit_counts),
        WITH(misses_and_offers),
        WITH(nobody_there),
        WITH(routed_paths_take_less),
        WITH(to_many_is_not_carried),
        WITH(roams_once_a_second),
        WITH(rekey_loses_nothing),
        WITH(rekeyed_relay_goes_on),
        WITH(cold_and_hot_again),
        WITH(frames_go_up_and_seals_come_down),
        WITH(use_is_told_once_a_second),
        WITH(counter_stops),
        WITH(full_arena_stops_the_step),
        WITH(nothing_grows),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
