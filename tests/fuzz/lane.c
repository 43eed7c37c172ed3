/* Anything a lane may meet, in any order: datagrams, frames that a peer really sealed, packets, and what control says.
 *
 * The input is a list of steps: operation, argument, length (1 byte, in units of 8), bytes. Relayed through a third lane, with
 * rekeys, cold and hot again. Whatever happens is bounded, counted and lies where the driver may look for it. */
#include "node/lane_testing.h"
#include "overlay/mtu.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static bool within(const void *p, size_t len, const void *area, size_t size)
{
    const uint8_t *b = p, *a = area;
    return b >= a && len <= size && b + len <= a + size;
}

static void check_actions(const struct world *w, const struct side *s)
{
    ensure(s->out.count <= s->out.max && s->out.arena_used <= s->out.arena_size);
    ensure(s->out.lost == 0);
    for (uint32_t i = 0; i < s->out.count; i++) {
        const struct action *a = &s->list[i];
        ensure(a->type == ACT_SEND || a->type == ACT_TUN);
        const uint8_t *p = a->type == ACT_SEND ? a->send.bytes : a->tun.bytes;
        uint32_t n = a->type == ACT_SEND ? a->send.len : a->tun.len;
        ensure(n > 0);
        ensure(within(p, n, s->arena, sizeof s->arena) ||
               within(p, n, w->buffer, sizeof w->buffer));
        if (a->type == ACT_TUN) {
            struct ip_view v;
            ensure(a->tun.number == NUMBER && ip_view(p, n, &v) && v.len == n);
        }
    }
}

static void quiet(struct world *w, struct side *s)
{
    check_actions(w, s);
    actions_clear(&s->out);
    while (hear(s)) ensure(s->m.len <= HOT_BODY_MAX);
    ensure(hot_is_empty(&s->down));
}

/* Gives `to` what `from` has sent, as one batch. */
static void deliver(struct world *w, struct side *from, struct side *to, uint16_t segment)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < from->out.count; i++) {
        if (from->list[i].type != ACT_SEND || n + from->list[i].send.len > 65536) continue;
        memmove(w->buffer + LANE_HEADROOM + n, from->list[i].send.bytes, from->list[i].send.len);
        n += from->list[i].send.len;
    }
    quiet(w, from);
    struct event e = {.type = EV_DATAGRAM};
    e.datagram.from = from->at;
    e.datagram.bytes = w->buffer + LANE_HEADROOM;
    e.datagram.len = n;
    e.datagram.segment = segment;
    ensure(lane_step(to->lane, NOW, &e, &to->out) == n);
    check_actions(w, to);
}

/* A frame of any content, sealed by a peer. */
static void sealed(struct world *w, const uint8_t *bytes, uint32_t len)
{
    struct hot_message m = {.op = DOWN_SEAL, .index = AC, .len = len};
    say(&w->a, &m, bytes);
    timer(&w->a);
    deliver(w, &w->a, &w->c, 0);
    deliver(w, &w->c, &w->b, 0);
    quiet(w, &w->b);
}

static void packet(struct world *w, uint8_t argument, const uint8_t *bytes, uint32_t len)
{
    struct side *from = argument & 1 ? &w->b : &w->a, *to = argument & 1 ? &w->a : &w->b;
    uint8_t p[2048] = {0};
    memcpy(p, bytes, len);
    if (len < 40) len = 40;
    p[0] = 0x45;
    put_u16(p + 2, (uint16_t)len);
    put_u32(p + 12, from->ipv4);
    put_u32(p + 16, to->ipv4);
    tun_in(w, from, p, len);
    deliver(w, from, &w->c, 0);
    deliver(w, &w->c, to, argument & 2 ? 100 : 0);
    quiet(w, to);
}

static void control_says(struct world *w, uint8_t op, uint8_t argument, const uint8_t *bytes,
                         uint32_t len)
{
    static const uint32_t indexes[] = {AB, AC, CA, CB, BA, BC, AC + 0x100, 0};
    struct side *s = op & 1 ? &w->c : &w->a;
    struct hot_message m = {.index = indexes[argument & 7], .via = indexes[argument >> 3 & 7]};
    m.network = NUMBER;
    m.channel = m.channel2 = argument >> 6 ? 77 : 88;
    memcpy(m.ip, argument & 1 ? w->b.ip : w->b.ipv6, 16);
    switch (op >> 1) {
    case 0: m.op = DOWN_COLD, m.flag = argument >> 7; break;
    case 1:
        m.op = DOWN_PATH, m.path = argument & 3, m.endpoint = w->c.at;
        m.flag = argument >> 2 & 1;
        m.value = len ? MTU_FLOOR + 8 * len : 0;
        break;
    case 2: m.op = DOWN_ROW; break;
    case 3: m.op = DOWN_UNROW; break;
    case 4: m.op = DOWN_CHANNEL, m.value = argument; break;
    case 5: m.op = DOWN_UNCHANNEL; break;
    case 6: m.op = DOWN_OFFER, m.len = len; break;
    case 7: m.op = DOWN_ICMP, m.len = len; break;
    case 8: m.op = DOWN_DATAGRAM, m.len = len; break;
    case 10: m.op = DOWN_FRAME, m.len = len; break;
    case 9: m.op = DOWN_SEAL, m.len = len, m.path = argument & 3; break;
    default:
        if (m.index) hot(s, m.index, indexes[argument >> 3 & 7], 5, 5, m.via);
        return;
    }
    say(s, &m, bytes);
    timer(s);
    quiet(w, s);
}

static void raw(struct world *w, uint8_t argument, const uint8_t *bytes, uint32_t len)
{
    struct event e = {.type = EV_DATAGRAM};
    memcpy(w->buffer + LANE_HEADROOM, bytes, len);
    e.datagram.from = w->b.at;
    e.datagram.bytes = w->buffer + LANE_HEADROOM;
    e.datagram.len = len;
    e.datagram.segment = argument;
    (void)lane_wants(w->c.lane, &e);
    ensure(lane_step(w->c.lane, NOW, &e, &w->c.out) == len);
    quiet(w, &w->c);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w;
    struct reader r = reader_of(data, len);
    world_init(&w, &crypto_fake, AEAD_CHACHA20_POLY1305);
    relay_over_c(&w);
    while (r.left >= 3) {
        uint8_t op = read_u8(&r), argument = read_u8(&r);
        uint32_t n = read_u8(&r) * 8u;
        if (n > r.left) n = (uint32_t)r.left;
        const uint8_t *bytes = read_bytes(&r, n);
        if (op < 32)
            raw(&w, argument, bytes, n);
        else if (op < 64 && n > 0)
            sealed(&w, bytes, n);
        else if (op < 96)
            packet(&w, argument, bytes, n);
        else if (op < 128)
            control_says(&w, op % 24, argument, bytes, n);
    }
    world_fini(&w);
    return 0;
}
