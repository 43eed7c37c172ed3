/* Packets that a path does not carry whole, through lanes: in parts out, whole again in. Both ciphers and the fake. */
#include "node/lane_testing.h"
#include "vnet/super.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <cmocka.h>

#define NARROW 700
#define LEN    1300u

static uint8_t out[8][2200]; /* the datagrams of a's last step */
static uint32_t sizes[8], count;

static void narrow(struct side *s, const struct endpoint *to, bool searching)
{
    struct hot_message m = {.op = DOWN_PATH, .index = AB, .path = PATH_DIRECT, .value = NARROW};
    m.endpoint = *to;
    m.flag = searching;
    say(s, &m, NULL);
    timer(s);
}

/* Trains taken apart. */
static void take(struct side *s, const struct endpoint *to, uint32_t longest)
{
    count = 0;
    for (uint32_t i = 0; i < s->out.count; i++) {
        const struct action *a = &s->list[i];
        assert_int_equal(a->type, ACT_SEND);
        assert_true(endpoint_equal(&a->send.to, to));
        uint32_t segment = a->send.segment ? a->send.segment : a->send.len;
        for (uint32_t at = 0; at < a->send.len; at += segment) {
            uint32_t n = segment < a->send.len - at ? segment : a->send.len - at;
            assert_in_range(n, 1, longest);
            assert_in_range(count, 0, 7);
            memcpy(out[count], a->send.bytes + at, n);
            sizes[count++] = n;
        }
    }
    actions_clear(&s->out);
}

static void in(struct side *t, const struct endpoint *from, uint32_t i)
{
    static uint8_t copy[2200]; /* it is opened in place, and lent to the action */
    memcpy(copy, out[i], sizes[i]);
    wire_in(t, from, copy, sizes[i], 0);
}

static void any_order_and_once(void **state)
{
    struct world *w = *state;
    connect_sides(&w->a, &w->b, AB, BA);
    narrow(&w->a, &w->b.at, false);
    for (uint8_t backwards = 0; backwards < 2; backwards++) {
        send4(w, &w->a, &w->b, LEN, 3); /* no DF */
        take(&w->a, &w->b.at, NARROW + IP_HEADER + DATA_OVERHEAD);
        assert_int_equal(count, 2);
        in(&w->b, &w->a.at, backwards);
        assert_int_equal(w->b.out.count, 0);
        in(&w->b, &w->a.at, !backwards);
        got4(&w->b, w->a.ipv4, LEN, 3);
        for (uint32_t i = 0; i < 2; i++) in(&w->b, &w->a.at, i); /* again: the window refuses */
        dropped(&w->b, DROP_REPLAYED, 2u + 2u * backwards);
    }
}

/* DF is for what is known of a path. While it is searched, packets go in parts, and connections keep their MSS. */
static void while_it_is_searched(void **state)
{
    struct world *w = *state;
    uint8_t p[LEN];
    connect_sides(&w->a, &w->b, AB, BA);
    for (uint8_t searching = 0; searching < 2; searching++) {
        narrow(&w->a, &w->b.at, searching);
        packet4(p, w->a.ipv4, w->b.ipv4, LEN, 3);
        p[6] = 0x40;
        tun_in(w, &w->a, p, LEN);
        assert_int_equal(w->a.list[0].type, searching ? ACT_SEND : ACT_TUN);
        actions_clear(&w->a.out);
        packet4(p, w->a.ipv4, w->b.ipv4, 44, 0);
        p[9] = 6, p[32] = 0x60, p[33] = 0x02;
        memcpy(p + 40, "\2\4\5\x3c", 4); /* 1340 */
        uint8_t d[200];
        tun_in(w, &w->a, p, 44);
        uint32_t n = sent(&w->a, &w->b.at, d);
        wire_in(&w->b, &w->a.at, d, n, 0);
        assert_int_equal(w->b.out.count, 1);
        assert_int_equal(get_u16(w->b.list[0].tun.bytes + 42), searching ? 1340 : NARROW - 40);
        actions_clear(&w->b.out);
    }
}

/* USO: every segment is a packet of its own, and each goes in parts. */
static void a_super_packet_in_parts(void **state)
{
    struct world *w = *state;
    uint8_t *p = w->buffer + LANE_HEADROOM;
    connect_sides(&w->a, &w->b, AB, BA);
    narrow(&w->a, &w->b.at, true);
    uint32_t payload = 2 * (LEN - 28) + 5, len = 28 + payload;
    packet4(p, w->a.ipv4, w->b.ipv4, len, 0);
    for (uint32_t i = 28; i < len; i++) p[i] = (uint8_t)(i % 251);
    p[6] = 0x40;
    put_u16(p + 24, (uint16_t)(len - 20));
    put_u16(p + 26, (uint16_t)ip_sum(p + 12, 8, 17 + len - 20));
    struct event e = {.type = EV_TUN, .tun = {.number = NUMBER, .len = len}};
    e.tun.bytes = p;
    e.tun.segment = (uint16_t)(LEN - 28);
    e.tun.csum_open = 1;
    assert_int_equal(lane_step(w->a.lane, NOW, &e, &w->a.out), len);
    take(&w->a, &w->b.at, NARROW + IP_HEADER + DATA_OVERHEAD);
    assert_int_equal(count, 5);
    for (uint32_t i = 0, at = 28; i < count; i++) {
        in(&w->b, &w->a.at, i);
        if (w->b.out.count == 0) continue;
        const struct action *a = &w->b.list[0];
        for (uint32_t k = 28; k < a->tun.len; k++, at++)
            assert_int_equal(a->tun.bytes[k], at % 251);
        assert_int_equal(a->tun.len, i < 4 ? LEN : 33);
        actions_clear(&w->b.out);
    }
    dropped(&w->b, DROP_COUNT, 0);
}

/* What is put together is a packet like any other: of this network, from whom it says; and nothing but a packet. */
static void parts_prove_nothing(void **state)
{
    static const uint8_t first[][3] = {{KIND_IP, TAG, 0}, {KIND_IP, TAG + 1, 0}, {KIND_CONTROL}};
    static const enum drop why[] = {DROP_SPOOFED, DROP_NETWORK, DROP_TYPE};
    for (uint32_t i = 0; i < 3; i++) {
        struct world *w = *state;
        world_fini(w);
        world_init(w, &crypto_fake, AEAD_CHACHA20_POLY1305);
        connect_sides(&w->a, &w->b, AB, BA);
        uint8_t frame[800], part[900];
        packet4(frame + 3, w->a.ipv4 + 7, w->b.ipv4, sizeof frame - 3, 1);
        memcpy(frame, first[i], 3);
        for (uint32_t at = 0; at < sizeof frame; at += 400) {
            struct fragment f = {.at = (uint16_t)at, .whole = sizeof frame};
            struct hot_message m = {.op = DOWN_SEAL, .index = AB, .path = PATH_NONE};
            fragment_header_write(part, &f);
            memcpy(part + FRAGMENT_HEADER, frame + at, 400);
            m.len = FRAGMENT_HEADER + 400;
            say(&w->a, &m, part);
            timer(&w->a);
            take(&w->a, &w->b.at, 900);
            in(&w->b, &w->a.at, 0);
        }
        dropped(&w->b, why[i], 1);
    }
}

// clang-format off
int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH(any_order_and_once),
        WITH(while_it_is_searched),
        WITH(a_super_packet_in_parts),
        WITH(parts_prove_nothing),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
// clang-format on
