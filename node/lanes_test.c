/* Several lanes of one node: no counter twice, each flow in its order, one window, and control hears of all of them. */
#include "node/lane_testing.h"

#include "base/rng.h"
#include "overlay/session.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define MANY     4u
#define FLOWS    16u
#define COUNTERS 8u
#define B_OWNER  (AB % MANY) /* the lane of A that opens what B sends */

/* A has several lanes, B has one: the one that is next to it in lane_testing.h. */
struct crowd {
    struct world w; /* of which B is used */
    struct side a[MANY];
    uint8_t lanes;
    struct hot_lanes control;
    struct hot_counter counters[COUNTERS];
};

static void tell(struct crowd *c, const struct hot_message *m, const void *body)
{
    made(hot_tell(&c->control, m, body));
}

static void settle(struct crowd *c)
{
    for (uint8_t i = 0; i < c->lanes; i++) timer(&c->a[i]);
}

static void tell_network(struct crowd *c)
{
    struct lane_network n = {.tag = TAG, .number = NUMBER, .prefix = 16, .net = 0x0a010000};
    struct hot_message m = {.op = DOWN_NETWORK, .network = NUMBER, .len = sizeof n};
    n.ipv4 = c->a[0].ipv4;
    n.mtu_bytes = INNER_MTU_L3;
    memcpy(n.ipv6, c->a[0].ipv6, 16);
    tell(c, &m, &n);
}

/* As overlay/heat.c does it. */
static void tell_hot(struct crowd *c, uint32_t index, uint32_t remote, uint32_t before,
                     uint64_t tx_next)
{
    struct hot_keys k = {.remote_index = remote, .aead = AEAD_CHACHA20_POLY1305};
    struct hot_message m = {.op = DOWN_HOT, .index = index, .via = before, .len = sizeof k};
    k.tx_next = tx_next;
    k.counter = hot_counter_take(&c->control, index, tx_next);
    assert_int_not_equal(k.counter, 0);
    memset(k.tx_key, (uint8_t)AB, 32);
    memset(k.rx_key, (uint8_t)BA, 32);
    tell(c, &m, &k);
}

static void tell_path_and_rows(struct crowd *c, uint32_t index)
{
    struct hot_message m = {.op = DOWN_PATH, .index = index, .path = PATH_DIRECT};
    m.endpoint = c->w.b.at;
    tell(c, &m, NULL);
    struct hot_message r = {.op = DOWN_ROW, .network = NUMBER, .index = index};
    memcpy(r.ip, c->w.b.ip, 16);
    tell(c, &r, NULL);
}

static struct crowd *crowd_new(uint8_t lanes)
{
    struct crowd *c = aligned_alloc(64, (sizeof *c + 63u) & ~(size_t)63u);
    ensure(c);
    memset(c, 0, sizeof *c);
    world_init(&c->w, &crypto_real, AEAD_CHACHA20_POLY1305);
    c->lanes = lanes;
    c->control = (struct hot_lanes){
        .count = lanes, .counters = c->counters, .counter_count = COUNTERS};
    for (uint8_t i = 0; i < lanes; i++) {
        struct side *s = &c->a[i];
        side_init(s, &crypto_real, AEAD_CHACHA20_POLY1305, 1);
        lane_free(s->lane);
        made(lane_new(&s->lane, &limits, &crypto_real, i, &s->down, &s->up));
        lane_share(s->lane, lanes, c->counters);
        c->control.down[i] = &s->down;
        c->control.up[i] = &s->up;
    }
    settle(c); /* side_init has spoken of the network already */
    tell_network(c);
    return c;
}

static struct crowd *crowd_connected(uint8_t lanes)
{
    struct crowd *c = crowd_new(lanes);
    tell_hot(c, AB, BA, 0, 0);
    tell_path_and_rows(c, AB);
    settle(c);
    hot(&c->w.b, BA, AB, (uint8_t)BA, (uint8_t)AB, 0);
    path(&c->w.b, BA, PATH_DIRECT, &c->a[0].at, 0, 0);
    row(&c->w.b, BA, c->a[0].ip);
    timer(&c->w.b);
    return c;
}

static void crowd_free(struct crowd *c)
{
    for (uint8_t i = 0; i < c->lanes; i++) side_fini(&c->a[i]);
    world_fini(&c->w);
    free(c);
}

/* A packet of this flow, with its number, from lane i to the wire. */
static uint32_t send_one(struct crowd *c, uint8_t i, uint8_t flow, uint32_t number, uint8_t *copy)
{
    uint8_t p[64];
    packet4(p, c->a[0].ipv4, c->w.b.ipv4, 64, flow);
    put_u32(p + 32, number);
    assert_int_equal(tun_in(&c->w, &c->a[i], p, 64), 64);
    return sent(&c->a[i], &c->w.b.at, copy);
}

static uint64_t counter_of(const uint8_t *datagram, uint32_t len)
{
    struct data_header h;
    assert_true(data_header_read(datagram, len, &h));
    return h.counter;
}

/* Lanes in any turns, each flow by its own lane: counters are all different, all arrive, each flow in its order. */
static void flows_keep_their_order(void **state)
{
    (void)state;
    for (uint8_t lanes = 2; lanes <= MANY; lanes++) {
        struct crowd *c = crowd_connected(lanes);
        static uint8_t wire[FLOWS * 64][128];
        static uint32_t len[FLOWS * 64];
        bool seen[FLOWS * 64] = {false};
        uint32_t next[FLOWS] = {0}, got[FLOWS] = {0}, count = 0;
        const uint8_t key[32] = {lanes};
        struct rng r;
        rng_seed(&r, key);
        while (count < FLOWS * 64) {
            uint8_t flow = (uint8_t)rng_below(&r, FLOWS);
            len[count] = send_one(c, flow % lanes, flow, next[flow]++, wire[count]);
            uint64_t counter = counter_of(wire[count], len[count]);
            assert_true(counter < FLOWS * 64); /* none is left out.. */
            assert_false(seen[counter]);       /* ..nor taken twice */
            seen[counter] = true;
            count++;
        }
        for (uint32_t i = 0; i < count; i++) {
            uint8_t again[128];
            memcpy(again, wire[i], len[i]);
            wire_in(&c->w.b, &c->a[0].at, wire[i], len[i], 0);
            assert_int_equal(c->w.b.out.count, 1);
            const uint8_t *p = c->w.b.list[0].tun.bytes;
            assert_int_equal(get_u32(p + 32), got[p[40]]++);
            actions_clear(&c->w.b.out);
            wire_in(&c->w.b, &c->a[0].at, again, len[i], 0);
            assert_int_equal(c->w.b.out.count, 0);
        }
        assert_int_equal(lane_drops(c->w.b.lane)[DROP_REPLAYED], count);
        crowd_free(c);
    }
}

/* Segments of a super-packet have counters in a row; those that it did not use are given to nobody. */
static void super_packets_draw_at_once(void **state)
{
    struct crowd *c = crowd_connected(2);
    static uint8_t d[65536], p[8228];
    (void)state;
    for (uint32_t n = 0; n < 6; n++) {
        struct side *s = &c->a[n % 2];
        struct event e = {.type = EV_TUN};
        packet4(p, c->a[0].ipv4, c->w.b.ipv4, sizeof p, 7); /* UDP: 8 bytes, then 8 segments */
        put_u16(p + 24, (uint16_t)(sizeof p - 20));
        memcpy(c->w.buffer + LANE_HEADROOM, p, sizeof p);
        e.tun.number = NUMBER;
        e.tun.bytes = c->w.buffer + LANE_HEADROOM;
        e.tun.len = sizeof p;
        e.tun.segment = 1025;
        e.tun.csum_open = 1;
        assert_int_equal(lane_step(s->lane, NOW, &e, &s->out), sizeof p);
        uint16_t segment = s->list[0].send.segment;
        uint32_t size = sent(s, &c->w.b.at, d);
        assert_true(segment > 0);
        for (uint32_t at = 0, i = 0; at < size; at += segment, i++)
            assert_int_equal(counter_of(d + at, DATA_OVERHEAD + 1), 8 * n + i);
    }
    crowd_free(c);
}

/* One lane opens what comes for a session; another gives it to control, and so does one that does not know it. */
static void one_lane_opens(void **state)
{
    struct crowd *c = crowd_connected(MANY);
    uint8_t d[2100], copy[2100];
    (void)state;
    send4(&c->w, &c->w.b, &c->a[0], 500, 3);
    uint32_t n = sent(&c->w.b, &c->a[0].at, d);
    for (uint8_t i = 0; i < MANY; i++) {
        struct event e = {.type = EV_DATAGRAM};
        memcpy(copy, d, n);
        e.datagram.from = c->w.b.at;
        e.datagram.bytes = copy;
        e.datagram.len = n;
        assert_int_equal(lane_wants(c->a[i].lane, &e), i == B_OWNER);
        if (i == 0 && B_OWNER != 0) continue; /* the driver of lane 0 has control at hand */
        assert_false(lane_waits(c->a[i].lane));
        assert_int_equal(lane_step(c->a[i].lane, NOW, &e, &c->a[i].out), n);
        if (i == B_OWNER) {
            got4(&c->a[i], c->w.b.ipv4, 500, 3);
            continue;
        }
        assert_int_equal(c->a[i].out.count, 0);
        assert_true(lane_waits(c->a[i].lane)); /* what comes after it may not pass it */
        hear_of(&c->a[i], UP_DATAGRAM);
        assert_int_equal(c->a[i].m.len, n);
        assert_memory_equal(c->a[i].body, d, n);
        assert_true(endpoint_equal(&c->a[i].m.endpoint, &c->w.b.at));
        assert_true(lane_waits(c->a[i].lane)); /* taken, and not carried out yet */
        hot_done(&c->a[i].up);
        assert_false(lane_waits(c->a[i].lane));
    }
    crowd_free(c);
}

static void arrive(struct crowd *c, struct side *s, uint8_t d[64])
{
    struct event e = {.type = EV_DATAGRAM};
    e.datagram.from = c->w.b.at;
    e.datagram.bytes = d;
    e.datagram.len = 64;
    assert_int_equal(lane_step(s->lane, NOW, &e, &s->out), 64);
}

/* Anybody can send DATA for no session: that is no question to control, or a flood of it would hold the lane up. */
static void junk_is_dropped_by_the_lane(void **state)
{
    struct crowd *c = crowd_connected(2);
    struct side *s = &c->a[1];
    uint64_t indices[HOT_INDEX_WORDS] = {0};
    struct hot_lanes *lanes = &c->control;
    const uint32_t cold = 0x4321, none[] = {0x4323, 0x4320, 0x14321, UINT32_MAX};
    (void)state;
    lanes->indices = indices;
    lane_indices(s->lane, indices);
    hot_index(lanes, cold, true);
    uint32_t before = lane_drops(s->lane)[DROP_NO_SESSION];
    uint8_t d[64] = {OUTER_DATA};
    for (uint32_t i = 0; i < 1000; i++) {
        put_u32(d + 4, none[i % 4]);
        arrive(c, s, d);
        assert_false(lane_waits(s->lane));
        while (hear(s)) assert_int_equal(s->m.op, UP_DROP);
    }
    assert_int_equal(lane_drops(s->lane)[DROP_NO_SESSION] - before, 1000);
    put_u32(d + 4, cold); /* control's business */
    arrive(c, s, d);
    assert_true(lane_waits(s->lane));
    while (hear(s) && s->m.op != UP_DATAGRAM) {}
    assert_int_equal(s->m.op, UP_DATAGRAM);
    hot_done(&s->up);
    hot_index(lanes, cold, false);
    arrive(c, s, d);
    assert_false(lane_waits(s->lane));
    crowd_free(c);
}

/* A packet without a row waits in control; its lane takes no other before control has spoken, and then has the row and the packet. */
static void nobody_overtakes_a_miss(void **state)
{
    struct crowd *c = crowd_new(2);
    uint8_t p[64], d[128];
    struct side *s = &c->a[1];
    (void)state;
    settle(c);
    s->down.held = true; /* as a driver of threads has it */
    packet4(p, s->ipv4, c->w.b.ipv4, 64, 1);
    tun_in(&c->w, s, p, 64);
    hear_of(s, UP_MISS);
    assert_true(lane_waits(s->lane));
    tell_hot(c, AB, BA, 0, 0);
    tell_path_and_rows(c, AB);
    timer(s);
    assert_int_equal(s->out.count, 0); /* half of what control says is not seen */
    struct hot_message m = {.op = DOWN_OFFER, .network = NUMBER, .lane = 1, .len = 64};
    tell(c, &m, s->body);
    assert_true(hot_show(&s->down));
    hot_done(&s->up);
    assert_false(lane_waits(s->lane));
    packet4(p, s->ipv4, c->w.b.ipv4, 64, 2);
    tun_in(&c->w, s, p, 64);
    assert_int_equal(s->out.count, 1); /* a train of both, the first one first */
    assert_int_equal(s->list[0].send.len, 2 * s->list[0].send.segment);
    assert_int_equal(counter_of(s->list[0].send.bytes, 64), 0);
    memcpy(d, s->list[0].send.bytes, s->list[0].send.segment);
    hot(&c->w.b, BA, AB, (uint8_t)BA, (uint8_t)AB, 0);
    row(&c->w.b, BA, s->ip);
    timer(&c->w.b);
    wire_in(&c->w.b, &s->at, d, s->list[0].send.segment, 0);
    got4(&c->w.b, s->ipv4, 64, 1);
    crowd_free(c);
}

static void answered(struct side *s)
{
    assert_true(lane_waits(s->lane));
    while (hear(s)) {}
    assert_true(lane_waits(s->lane));
    hot_done(&s->up);
    assert_false(lane_waits(s->lane));
}

/* What control carries for a lane comes no faster than control takes it: else the queue would be full most of the time. */
static void a_lane_brings_no_more_than_control_takes(void **state)
{
    struct crowd *c = crowd_connected(MANY);
    struct side *s = &c->a[B_OWNER], *b = &c->w.b;
    struct hot_message m = {.op = DOWN_SEAL, .index = BA, .len = RELAYED_HEADER + 60};
    uint8_t frame[RELAYED_HEADER + 60] = {KIND_RELAYED}, d[256], p[64];
    (void)state;
    settle(c);
    frame[RELAYED_HEADER] = OUTER_DATA; /* of nobody's session, in RELAYED: UP_INNER */
    frame[RELAYED_HEADER + 1] = 1;
    say(b, &m, frame);
    timer(b);
    uint32_t n = sent(b, &s->at, d);
    assert_false(lane_waits(s->lane));
    wire_in(s, &b->at, d, n, 0);
    answered(s);
    struct hot_message send = {.op = UP_SEND, .endpoint = b->at, .len = n}; /* its driver's */
    lane_up(s->lane, &send, d);
    answered(s);
    struct hot_message over_the_ring = {.op = DOWN_PATH, .index = AB, .path = PATH_ROUTED};
    tell(c, &over_the_ring, NULL);
    settle(c);
    packet4(p, s->ipv4, b->ipv4, 64, 1);
    tun_in(&c->w, s, p, 64);
    answered(s); /* UP_ROUTE */
    struct hot_message rest = {.op = UP_USED, .index = AB};
    lane_up(s->lane, &rest, NULL);
    assert_false(lane_waits(s->lane)); /* nothing is carried for it */
    crowd_free(c);
}

/* A counter is control's again when the last lane has let go, and is given to nobody before. */
static void the_last_lane_has_the_last_counter(void **state)
{
    struct crowd *c = crowd_connected(3);
    uint8_t d[128], p[64];
    (void)state;
    for (uint32_t i = 0; i < 30; i++) (void)send_one(c, (uint8_t)(i % 3), 1, i, d);
    struct hot_message m = {.op = DOWN_COLD, .index = AB};
    c->a[1].down.held = true; /* it is slow, and does not hear of it.. */
    tell(c, &m, NULL);
    timer(&c->a[0]), timer(&c->a[2]);
    for (uint32_t i = 30; i < 35; i++) (void)send_one(c, 1, 1, i, d); /* ..so it goes on */
    assert_int_equal(c->counters[0].holders, 1);
    hot_counter_free(&c->control, AB);
    for (uint32_t i = 0; i + 1 < COUNTERS; i++)
        assert_int_not_equal(hot_counter_take(&c->control, 100 + i, 0), 1); /* not that one */
    assert_int_equal(hot_counter_take(&c->control, 200, 0), 0);
    (void)hot_show(&c->a[1].down);
    timer(&c->a[1]);
    uint64_t last = 0;
    for (uint8_t i = 0; i < 3; i++) {
        struct hot_counters back;
        hear_of(&c->a[i], UP_HANDBACK);
        memcpy(&back, c->a[i].body, sizeof back);
        assert_int_equal(back.tx_next, i == 1 ? 35 : 30);
        if (back.tx_next > last) last = back.tx_next;
        packet4(p, c->a[0].ipv4, c->w.b.ipv4, 64, 1);
        tun_in(&c->w, &c->a[i], p, 64);
        hear_of(&c->a[i], UP_MISS);
    }
    assert_int_equal(last, 35);
    assert_int_equal(c->counters[0].holders, 0);
    assert_int_equal(hot_counter_take(&c->control, 200, 7), 1);
    assert_int_equal(c->counters[0].next, 7);
    crowd_free(c);
}

/* All or none: a lane whose queue is full would else go on with a path or keys that the others have left. */
static void all_are_told_or_none(void **state)
{
    struct crowd *c = crowd_connected(2);
    struct hot_message m = {.op = DOWN_PATH, .index = AB, .path = PATH_DIRECT};
    const uint8_t body[HOT_BODY_MAX] = {0};
    struct hot_message fill = {.op = DOWN_SEAL, .index = AB, .len = sizeof body};
    (void)state;
    while (hot_room(&c->a[1].down, 0)) {
        fill.len = hot_room(&c->a[1].down, sizeof body) ? sizeof body : 0;
        made(hot_push(&c->a[1].down, &fill, body));
    }
    assert_true(hot_is_empty(&c->a[0].down));
    assert_int_equal(hot_tell(&c->control, &m, NULL), ERR_FULL);
    assert_true(hot_is_empty(&c->a[0].down));
    assert_int_equal(c->a[1].down.dropped, 1);
    crowd_free(c);
}

static void the_end_of_counters_is_shared(void **state)
{
    struct crowd *c = crowd_new(2);
    uint8_t p[64];
    (void)state;
    tell_hot(c, AB, BA, 0, HOT_COUNTER_STOP - 3);
    tell_path_and_rows(c, AB);
    settle(c);
    packet4(p, c->a[0].ipv4, c->w.b.ipv4, 64, 1);
    for (uint32_t i = 0; i < 200000; i++) {
        struct side *s = &c->a[i % 2];
        tun_in(&c->w, s, p, 64);
        assert_int_equal(s->out.count, i < 3);
        actions_clear(&s->out);
    }
    assert_true(c->counters[0].next >= HOT_COUNTER_STOP);
    crowd_free(c);
}

/* Parts of two frames that two lanes cut at the same time are not taken for parts of one. */
static void parts_are_told_apart(void **state)
{
    struct crowd *c = crowd_connected(2);
    struct hot_message m = {.op = DOWN_PATH, .index = AB, .path = PATH_DIRECT, .value = 700};
    uint8_t p[1300];
    static uint8_t wire[2][2][2100];
    uint32_t len[2][2];
    (void)state;
    m.endpoint = c->w.b.at;
    tell(c, &m, NULL);
    settle(c);
    for (uint8_t i = 0; i < 2; i++) {
        packet4(p, c->a[0].ipv4, c->w.b.ipv4, sizeof p, (uint8_t)(20 + i)); /* may be cut */
        tun_in(&c->w, &c->a[i], p, sizeof p);
        uint32_t count = 0;
        for (uint32_t k = 0; k < c->a[i].out.count; k++) {
            const struct action *a = &c->a[i].list[k];
            uint32_t segment = a->send.segment ? a->send.segment : a->send.len;
            for (uint32_t at = 0; at < a->send.len; at += segment) {
                assert_true(count < 2);
                len[i][count] = segment < a->send.len - at ? segment : a->send.len - at;
                memcpy(wire[i][count], a->send.bytes + at, len[i][count]);
                count++;
            }
        }
        assert_int_equal(count, 2);
        actions_clear(&c->a[i].out);
    }
    for (uint8_t part = 0; part < 2; part++)
        for (uint8_t i = 0; i < 2; i++) {
            wire_in(&c->w.b, &c->a[0].at, wire[i][part], len[i][part], 0);
            if (part == 0) continue;
            got4(&c->w.b, c->a[0].ipv4, sizeof p, (uint8_t)(20 + i));
        }
    crowd_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(flows_keep_their_order),
        cmocka_unit_test(super_packets_draw_at_once),
        cmocka_unit_test(one_lane_opens),
        cmocka_unit_test(junk_is_dropped_by_the_lane),
        cmocka_unit_test(nobody_overtakes_a_miss),
        cmocka_unit_test(a_lane_brings_no_more_than_control_takes),
        cmocka_unit_test(the_last_lane_has_the_last_counter),
        cmocka_unit_test(all_are_told_or_none),
        cmocka_unit_test(the_end_of_counters_is_shared),
        cmocka_unit_test(parts_are_told_apart),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
