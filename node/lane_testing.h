/* node/lane_testing.h - lanes back to back, for tests and the fuzz entry: what one sends, the other is given.
 *
 * A world has three sides, each with a lane, its queues and its driver's memory. Helpers stop at what they do not expect
 * (ensure). Session indexes are two digits: AB is A's session with B. */
#pragma once
#include "node/actions.h"
#include "node/lane.h"
#include "overlay/wire.h"
#include "vnet/address.h"
#include "vnet/ip.h"
#include <stdio.h>
#include <string.h>

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
    uint8_t aead;
    struct hot_message m; /* the last one popped */
    uint8_t body[HOT_BODY_MAX];
};
struct world {
    struct side a, b, c;
    uint8_t buffer[LANE_HEADROOM + 65536];
};

static inline void step(struct side *s, const struct event *in)
{
    lane_step(s->lane, NOW, in, &s->out);
}

static inline void timer(struct side *s)
{
    const struct event e = {.type = EV_TIMER};
    step(s, &e);
}

static inline void made(enum err e)
{
    ensure(!e);
}

static inline void say(struct side *s, const struct hot_message *m, const void *body)
{
    made(hot_push(&s->down, m, body));
}

static inline bool hear(struct side *s)
{
    return hot_pop(&s->up, &s->m, s->body, sizeof s->body);
}

static inline void network_say(struct side *s, uint8_t tag)
{
    struct lane_network n = {.tag = tag, .number = NUMBER, .prefix = 16, .net = 0x0a010000};
    n.ipv4 = s->ipv4;
    n.mtu_bytes = INNER_MTU_L3;
    memcpy(n.ipv6, s->ipv6, 16);
    struct hot_message m = {.op = DOWN_NETWORK, .network = NUMBER, .len = sizeof n};
    say(s, &m, &n);
}

static inline void side_init(struct side *s, const struct crypto *c, enum aead aead, uint8_t n)
{
    memset(s, 0, sizeof *s);
    s->aead = (uint8_t)aead;
    made(hot_queue_init(&s->down, 1u << 16));
    made(hot_queue_init(&s->up, 1u << 16));
    made(lane_new(&s->lane, &limits, c, 0, &s->down, &s->up));
    s->out = (struct actions){.arena = s->arena, .arena_size = sizeof s->arena, .list = s->list};
    s->out.max = ACTIONS_LIST_MIN;
    s->at = endpoint_v4(0xc0000200u + n, (uint16_t)(7000 + n));
    s->ipv4 = 0x0a010000u + n;
    ip_from_v4(s->ip, s->ipv4);
    s->ipv6[0] = 0xfd;
    s->ipv6[15] = n;
    network_say(s, TAG);
}

static inline void side_fini(struct side *s)
{
    lane_free(s->lane);
    hot_queue_fini(&s->down);
    hot_queue_fini(&s->up);
}

/* One end's keys; `before`: the index that this one continues. */
static inline void hot(struct side *s, uint32_t index, uint32_t remote, uint8_t key,
                       uint8_t key_back, uint32_t before)
{
    struct hot_keys k = {.remote_index = remote, .aead = s->aead};
    memset(k.tx_key, key, 32);
    memset(k.rx_key, key_back, 32);
    struct hot_message m = {.op = DOWN_HOT, .index = index, .via = before, .len = sizeof k};
    say(s, &m, &k);
}

static inline void path(struct side *s, uint32_t index, uint8_t kind, const struct endpoint *to,
                        uint32_t via, uint32_t channel)
{
    struct hot_message m = {.op = DOWN_PATH, .index = index, .path = kind};
    if (to) m.endpoint = *to;
    m.via = via;
    m.channel = channel;
    say(s, &m, NULL);
}

static inline void row(struct side *s, uint32_t index, const uint8_t ip[16])
{
    struct hot_message m = {.op = DOWN_ROW, .network = NUMBER, .index = index};
    memcpy(m.ip, ip, 16);
    say(s, &m, NULL);
}

/* A session between two sides, direct, each with a row for the other's IPv4 and IPv6. */
static inline void connect_sides(struct side *s, struct side *t, uint32_t si, uint32_t ti)
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

/* The next message of this kind; fails if there is none. Others are skipped. */
static inline void hear_of(struct side *s, enum hot_op op)
{
    while (hear(s))
        if (s->m.op == op) return;
    ensure(op == 0); /* it did not come */
}

static inline void world_init(struct world *w, const struct crypto *c, enum aead aead)
{
    side_init(&w->a, c, aead, 1);
    side_init(&w->b, c, aead, 2);
    side_init(&w->c, c, aead, 3);
}

static inline void world_fini(struct world *w)
{
    side_fini(&w->a), side_fini(&w->b), side_fini(&w->c);
}

/* --- set-up of cmocka's tests: each runs with the real ciphers and the fake one --- */

#ifndef WORLD_JOINS
#define WORLD_JOINS 0 /* what B's lane joins for its driver: LANE_JOIN_* */
#endif

static inline int setup(void **state, const struct crypto *c, enum aead aead)
{
    struct world *w = calloc(1, sizeof *w);
    ensure(w);
    world_init(w, c, aead);
    if (WORLD_JOINS) lane_join(w->b.lane, WORLD_JOINS);
    *state = w;
    return 0;
}

static inline int setup_real(void **state)
{
    return setup(state, &crypto_real, AEAD_CHACHA20_POLY1305);
}

static inline int setup_aes(void **state)
{
    return crypto_has_aes() ? setup(state, &crypto_real, AEAD_AES256_GCM) : setup_real(state);
}

static inline int setup_fake(void **state)
{
    return setup(state, &crypto_fake, AEAD_CHACHA20_POLY1305);
}

static inline int teardown(void **state)
{
    world_fini(*state);
    free(*state);
    return 0;
}

// clang-format off
#define WITH(name)                                                                                 \
    {#name " real", name, setup_real, teardown, NULL},                                             \
    {#name " aes", name, setup_aes, teardown, NULL},                                               \
    {#name " fake", name, setup_fake, teardown, NULL}
// clang-format on

/* --- packets --- */

static inline uint32_t packet4(uint8_t *p, uint32_t src, uint32_t dst, uint32_t len, uint8_t fill)
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

static inline uint32_t packet6(uint8_t *p, const uint8_t src[16], const uint8_t dst[16],
                               uint32_t len)
{
    memset(p, 7, len);
    memset(p, 0, 40);
    p[0] = 0x60, p[6] = 17, p[7] = 64;
    put_u16(p + 4, (uint16_t)(len - 40));
    memcpy(p + 8, src, 16);
    memcpy(p + 24, dst, 16);
    return len;
}

static inline uint32_t tun_in(struct world *w, struct side *s, const uint8_t *packet, uint32_t len)
{
    struct event e = {.type = EV_TUN};
    memcpy(w->buffer + LANE_HEADROOM, packet, len);
    e.tun.number = NUMBER;
    e.tun.bytes = w->buffer + LANE_HEADROOM;
    e.tun.len = len;
    return lane_step(s->lane, NOW, &e, &s->out);
}

/* An IPv4 packet of this length from s to t enters s's TUN. */
static inline void send4(struct world *w, struct side *s, const struct side *t, uint32_t len,
                         uint8_t fill)
{
    uint8_t p[2048];
    packet4(p, s->ipv4, t->ipv4, len, fill);
    ensure(tun_in(w, s, p, len) == len);
}

static inline void wire_in(struct side *t, const struct endpoint *from, uint8_t *bytes,
                           uint32_t len, uint16_t segment)
{
    struct event e = {.type = EV_DATAGRAM};
    e.datagram.from = *from;
    e.datagram.bytes = bytes;
    e.datagram.len = len;
    e.datagram.segment = segment;
    ensure(lane_wants(t->lane, &e));
    ensure(lane_step(t->lane, NOW, &e, &t->out) == len);
}

/* Copies out the only action, which must be a datagram to `to`; s's list is then empty. */
static inline uint32_t sent(struct side *s, const struct endpoint *to, uint8_t *copy)
{
    ensure(s->out.count == 1);
    ensure(s->list[0].type == ACT_SEND);
    ensure(endpoint_equal(&s->list[0].send.to, to));
    uint32_t len = s->list[0].send.len;
    memcpy(copy, s->list[0].send.bytes, len);
    actions_clear(&s->out);
    return len;
}

/* The only action is this packet for the TUN. */
static inline void got4(struct side *t, uint32_t src, uint32_t len, uint8_t fill)
{
    uint8_t expect[2048];
    packet4(expect, src, t->ipv4, len, fill);
    ensure(t->out.count == 1);
    ensure(t->list[0].type == ACT_TUN);
    ensure(t->list[0].tun.number == NUMBER);
    ensure(t->list[0].tun.len == len);
    ensure(memcmp(t->list[0].tun.bytes, expect, len) == 0);
    actions_clear(&t->out);
}

static inline void dropped(const struct side *s, enum drop why, uint32_t times)
{
    bool as_expected = s->out.count == 0;
    for (uint32_t i = 0; i < DROP_COUNT; i++) {
        uint32_t is = lane_drops(s->lane)[i];
        if (is == (i == why ? times : 0)) continue;
        fprintf(stderr, "%s is %u\n", drop_name((enum drop)i), is);
        as_expected = false;
    }
    ensure(as_expected);
}

/* A to B through C: the first channel number is A's with C, the second C's with B. */
static inline void relay_over_c(struct world *w)
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
