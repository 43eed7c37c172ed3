/* TUN to wire: whose packet it is, sealing it, and the way it takes. */
#include "node/lane_internal.h"
#include "vnet/address.h"
#include "vnet/ip.h"
#include "vnet/mss.h"

#include <string.h>

#define DRAW_MAX       64u /* as many lanes at once stay below HOT_COUNTER_STOP's distance from the end */
#define RELAY_OVERHEAD (DATA_OVERHEAD + RELAYED_HEADER)
#define IP6_MTU_LEAST  1280u /* RFC 8200, section 5 */
#define PIECE_OVERHEAD (RELAY_OVERHEAD + DATA_OVERHEAD + IP_HEADER)

_Static_assert(LANES_MAX *DRAW_MAX < UINT64_MAX - HOT_COUNTER_STOP, "counters never begin anew");
_Static_assert(LANE_HEADROOM >= IP_HEADER, "the frame's header stands before the packet");
_Static_assert(INNER_MTU_L3 <= LANE_MTU_MAX, "the usual MTU fits, direct and relayed once");
_Static_assert(LANE_MTU_ROUTED == 1273, "what docs and peers are told");
_Static_assert(LANE_MTU_MAX + IP_HEADER + DATA_OVERHEAD + RELAYED_HEADER == KIND_RELAYED_MAX, "");
_Static_assert(LANE_ROOM >= KIND_RELAYED_MAX + DATA_OVERHEAD + HOT_BODY_MAX - KIND_RELAYED_MAX,
               "a frame by any way");
_Static_assert(LANE_ROOM >= HOT_BODY_MAX + DATA_OVERHEAD, "a datagram that came by the queue");

void lane_draw(struct hot_session *s, uint32_t count)
{
    if (!s->shared) return;
    if (count > DRAW_MAX) count = DRAW_MAX;
    s->tx_next = hot_counter_draw(s->shared, count);
    s->tx_end = s->tx_next + count;
}

void lane_draw_end(struct hot_session *s)
{
    if (s->shared) s->tx_next = s->tx_end;
}

bool lane_seal(struct lane *l, struct hot_session *s, const uint8_t *frame, uint32_t len,
               uint8_t *out)
{
    if (s->shared && s->tx_next == s->tx_end) lane_draw(s, 1);
    if (s->tx_next >= HOT_COUNTER_STOP) {
        lane_draw_end(s);
        lane_drop(l, DROP_EXHAUSTED);
        return false;
    }
    struct data_header h = {.receiver = s->remote_index, .counter = s->tx_next++};
    uint8_t nonce[12];
    data_header_write(out, &h);
    session_nonce(nonce, (enum aead)s->tx.kind, h.counter);
    l->crypto->seal_prepared(&s->tx, out + DATA_HEADER, frame, len, out, DATA_HEADER, nonce);
    s->used.tx_bytes += len + DATA_OVERHEAD;
    return true;
}

/* --- ways --- */

bool lane_way_is_open(const struct lane *l, const struct way *w)
{
    switch (w->path) {
    case PATH_DIRECT: return !endpoint_is_none(&w->endpoint);
    case PATH_RELAYED: {
        /* One relay, reached directly: relays of relays are the ring's business. */
        const struct hot_session *relay = lane_session(l, w->via);
        return relay && relay->way.path == PATH_DIRECT;
    }
    case PATH_ROUTED: return true;
    default: return false;
    }
}

/* The longest frame that this way takes. */
static uint32_t way_frame_max(const struct way *w)
{
    if (w->path == PATH_RELAYED) return KIND_RELAYED_MAX - RELAY_OVERHEAD;
    if (w->path == PATH_ROUTED) return KIND_ROUTED_MAX - ROUTED_HEADER - DATA_OVERHEAD;
    return HOT_BODY_MAX;
}

static void send_direct(struct lane *l, struct hot_session *s, const struct endpoint *to,
                        const uint8_t *frame, uint32_t len, struct actions *out)
{
    uint32_t size = len + DATA_OVERHEAD;
    uint8_t *p = actions_space(out, size);
    if (lane_seal(l, s, frame, len, p))
        actions_train(out, to, p, size);
    else
        actions_unspace(out, size);
}

/* DATA for the peer inside RELAYED inside DATA for the relay, sealed where it will lie. */
static void send_relayed(struct lane *l, uint64_t now_us, struct hot_session *s,
                         const struct way *w, const uint8_t *frame, uint32_t len,
                         struct actions *out)
{
    struct hot_session *relay = lane_session(l, w->via);
    uint32_t outer = RELAYED_HEADER + DATA_OVERHEAD + len, size = outer + DATA_OVERHEAD;
    uint8_t *p = actions_space(out, size), *relayed = p + DATA_HEADER;
    relayed[0] = KIND_RELAYED;
    put_u32(relayed + 1, w->channel);
    if (lane_seal(l, s, frame, len, relayed + RELAYED_HEADER) &&
        lane_seal(l, relay, relayed, outer, p)) {
        relay->used.tx_packets++;
        lane_worked(l, relay, now_us);
        actions_train(out, &relay->way.endpoint, p, size);
    } else {
        actions_unspace(out, size);
    }
}

/* Control wraps it in ROUTED; the arena serves as scratch. */
static void send_routed(struct lane *l, struct hot_session *s, const uint8_t *frame, uint32_t len,
                        struct actions *out)
{
    struct hot_message m = {.op = UP_ROUTE, .index = s->index, .len = len + DATA_OVERHEAD};
    uint8_t *p = actions_space(out, m.len);
    if (lane_seal(l, s, frame, len, p)) lane_up(l, &m, p);
    actions_unspace(out, m.len);
}

void lane_send(struct lane *l, uint64_t now_us, struct hot_session *s, const struct way *w,
               const uint8_t *frame, uint32_t len, struct actions *out)
{
    if (len > way_frame_max(w)) {
        lane_drop(l, DROP_TOO_BIG);
        return;
    }
    switch (w->path) {
    case PATH_DIRECT: send_direct(l, s, &w->endpoint, frame, len, out); return;
    case PATH_RELAYED: send_relayed(l, now_us, s, w, frame, len, out); return;
    case PATH_ROUTED: send_routed(l, s, frame, len, out); return;
    default: lane_drop(l, DROP_NO_ROUTE); return;
    }
}

/* --- inner packets --- */

/* ICMP for the sender of a packet from our TUN, as if from where it could not go (vnet/ip.h says why not from us). */
static void answer_too_big(uint8_t number, const uint8_t *packet, const struct ip_view *v,
                           uint32_t mtu, struct actions *out)
{
    uint8_t *p = actions_space(out, ICMP_MAX);
    size_t len = icmp_too_big(p, packet, v->len, v->dst, (uint16_t)mtu);
    if (len > 0)
        actions_tun(out, number, p, (uint32_t)len, false);
    else
        actions_unspace(out, ICMP_MAX);
}

void lane_unreachable(struct lane *l, uint8_t network, const uint8_t *packet, uint32_t len,
                      struct actions *out)
{
    struct ip_view v;
    if (!lane_network(l, network) || !ip_view(packet, len, &v)) return;
    uint8_t *p = actions_space(out, ICMP_MAX);
    size_t size = icmp_unreachable(p, packet, v.len, v.dst);
    if (size > 0)
        actions_tun(out, network, p, (uint32_t)size, false);
    else
        actions_unspace(out, ICMP_MAX);
}

static bool source_is_ours(const struct lane_network *n, const struct ip_view *v)
{
    if (v->version == 6) return memcmp(v->src, n->ipv6, 16) == 0;
    return n->ipv4 != 0 && ip_to_v4(v->src) == n->ipv4;
}

/* To many: multicast, or a broadcast address of the range. Not carried in this version. */
static bool is_for_many(const struct lane_network *n, const struct ip_view *v)
{
    if (v->is_multicast) return true;
    if (v->version == 6 || n->prefix == 0 || n->prefix > 30) return false;
    uint32_t dst = ip_to_v4(v->dst), host = UINT32_MAX >> n->prefix;
    return dst == n->net || dst == (n->net | host);
}

/* No row, or no way: control finds the member and a path, and offers the packet again. It is made whole for that: who
 * keeps it need not know of open checksums. */
static void miss(struct lane *l, uint8_t network, const struct ip_view *v, uint8_t *packet,
                 bool csum_open, const struct hot_session *s, bool again)
{
    if (again) {
        lane_drop(l, s ? DROP_NO_ROUTE : DROP_NO_MEMBER);
        return;
    }
    if (csum_open) ip_finish_checksum(packet, v);
    struct hot_message m = {.op = UP_MISS, .network = network, .len = v->len};
    m.index = s ? s->index : 0;
    memcpy(m.ip, v->dst, 16);
    lane_up(l, &m, packet);
}

/* May this packet leave by this network at all? DROP_COUNT: yes. */
static enum drop judge_out(const struct lane_network *n, const uint8_t *packet, uint32_t len,
                           struct ip_view *v)
{
    if (!n) return DROP_NETWORK;
    if (!ip_view(packet, len, v)) return DROP_NOT_IP;
    if (!source_is_ours(n, v)) return DROP_SPOOFED; /* every peer would refuse it */
    if (is_for_many(n, v)) return DROP_NO_MEMBER;
    return DROP_COUNT;
}

/* Where a packet goes. */
struct course {
    struct ip_view v;
    const struct lane_network *n;
    struct lane_row *row;
    struct hot_session *s; /* NULL: no row */
    uint32_t mtu;
    bool open; /* s has a way */
};

/* False: it may not leave; counted. */
static bool find_course(struct lane *l, uint8_t network, const uint8_t *packet, uint32_t len,
                        struct course *c)
{
    c->n = lane_network(l, network);
    enum drop no = judge_out(c->n, packet, len, &c->v);
    if (no != DROP_COUNT) {
        lane_drop(l, no);
        return false;
    }
    c->row = lane_row(l, network, c->v.dst);
    c->s = c->row ? &l->sessions[c->row->session - 1] : NULL;
    c->mtu = c->n->mtu_bytes;
    c->open = c->s && lane_way_is_open(l, &c->s->way);
    if (c->open && c->s->way.mtu < c->mtu) c->mtu = c->s->way.mtu;
    return true;
}

static void frame_header(const struct course *c, uint8_t *frame, bool csum_open)
{
    frame[0] = KIND_IP;
    frame[1] = c->n->tag;
    frame[2] = csum_open ? IP_CSUM_OPEN : 0;
}

static void count_sent(const struct course *c, uint32_t len)
{
    c->s->used.tx_packets++;
    if (len > c->s->used.largest) c->s->used.largest = len;
}

static void send_packet(struct lane *l, uint64_t now_us, const struct course *c, uint8_t *packet,
                        uint32_t len, bool csum_open, struct actions *out)
{
    uint8_t *frame = packet - IP_HEADER;
    frame_header(c, frame, csum_open);
    count_sent(c, len);
    lane_send(l, now_us, c->s, &c->s->way, frame, len + IP_HEADER, out);
}

/* RFC 8200, section 5: nobody is told of less. */
static void refuse_too_big(struct lane *l, const struct course *c, const uint8_t *packet,
                           struct actions *out)
{
    bool told = c->v.version == 6 && c->mtu < IP6_MTU_LEAST && c->v.len > IP6_MTU_LEAST;
    lane_drop(l, DROP_TOO_BIG);
    answer_too_big(c->n->number, packet, &c->v, told ? IP6_MTU_LEAST : c->mtu, out);
}

/* May a packet that does not fit go in parts? What its sender must not be told of, and as long as nobody knows what fits. */
static bool may_part(const struct course *c, uint32_t len)
{
    if (!c->open || len > c->n->mtu_bytes) return false;
    return c->s->way.searching || !c->v.dont_fragment ||
           (c->v.version == 6 && len <= IP6_MTU_LEAST);
}

/* Each part's header is written over the bytes before it, which are sealed already. */
static void send_parts(struct lane *l, uint64_t now_us, const struct course *c, uint8_t *packet,
                       uint32_t len, bool csum_open, struct actions *out)
{
    uint8_t *frame = packet - IP_HEADER;
    uint32_t whole = len + IP_HEADER, part = c->mtu + IP_HEADER - FRAGMENT_HEADER;
    part -= part % FRAGMENT_UNIT;
    frame_header(c, frame, csum_open);
    /* those of several lanes are told apart by the other end, too */
    struct fragment f = {.number = (uint16_t)(c->s->fragmented++ * l->lanes + l->number),
                         .whole = (uint16_t)whole};
    count_sent(c, part + FRAGMENT_HEADER - IP_HEADER);
    for (uint32_t at = 0; at < whole; at += part) {
        uint32_t size = part < whole - at ? part : whole - at;
        f.at = (uint16_t)at;
        fragment_header_write(frame + at - FRAGMENT_HEADER, &f);
        lane_send(l, now_us, c->s, &c->s->way, frame + at - FRAGMENT_HEADER, size + FRAGMENT_HEADER,
                  out);
    }
}

/* TCP that does not fit is cut as if it were a super-packet: the sender need not learn of it. */
static bool recut(struct lane *l, uint64_t now_us, const struct course *c, uint8_t *packet,
                  bool csum_open, struct actions *out)
{
    struct super_cut cut;
    if (c->mtu >= c->n->mtu_bytes || !super_cut_begin(&cut, packet, &c->v, 1) ||
        cut.head_len >= c->mtu || !super_may_recut(&cut) ||
        !(csum_open || super_sum_is_good(&cut, packet, &c->v)))
        return false;
    uint32_t at = cut.head_len, left = c->v.len - at;
    cut.segment = (uint16_t)(c->mtu - cut.head_len);
    if (!actions_room(out, left + (left / cut.segment + 1) * (cut.head_len + PIECE_OVERHEAD),
                      left / cut.segment + 1))
        return false;
    while (left > 0) {
        uint32_t size = super_cut_next(&cut, packet + at, left);
        send_packet(l, now_us, c, packet + at - cut.head_len, cut.head_len + size, cut.csum_open,
                    out);
        at += size;
        left -= size;
    }
    return true;
}

void lane_packet(struct lane *l, uint64_t now_us, uint8_t network, uint8_t *packet, uint32_t len,
                 bool csum_open, bool again, struct actions *out)
{
    struct course c;
    if (!find_course(l, network, packet, len, &c)) return;
    if (!c.open && c.v.len <= c.mtu) {
        miss(l, network, &c.v, packet, csum_open, c.s, again);
        return;
    }
    if (c.open) {
        c.row->used_us = now_us;
        lane_worked(l, c.s, now_us);
    }
    if (c.v.len <= c.mtu) {
        if (lane_is_narrow(&c.s->way, c.n)) mss_clamp(packet, &c.v, c.mtu, csum_open);
        send_packet(l, now_us, &c, packet, c.v.len, csum_open, out);
    } else if (!recut(l, now_us, &c, packet, csum_open, out)) {
        if (may_part(&c, c.v.len))
            send_parts(l, now_us, &c, packet, c.v.len, csum_open, out);
        else
            refuse_too_big(l, &c, packet, out);
    }
}

/* A super-packet: every segment gets its headers in the bytes before its payload, which are sealed already, and is sealed
 * from there. Where there is no way yet, segments are packets that miss it. Stops where the arena is full: what is left is
 * then a super-packet again. */
static uint32_t lane_super(struct lane *l, uint64_t now_us, const struct event *in,
                           struct actions *out)
{
    struct course c;
    struct super_cut cut;
    uint8_t number = in->tun.number, *packet = in->tun.bytes;
    if (!find_course(l, number, packet, in->tun.len, &c)) return in->tun.len;
    if (!super_cut_begin(&cut, packet, &c.v, in->tun.segment)) {
        lane_drop(l, DROP_NOT_IP);
        return in->tun.len;
    }
    if (cut.head_len + cut.segment > c.mtu && cut.head_len < c.mtu && super_may_recut(&cut))
        cut.segment = (uint16_t)(c.mtu - cut.head_len);
    uint32_t at = cut.head_len, left = c.v.len - at;
    uint32_t segment = left < cut.segment ? left : cut.segment;
    bool fits = cut.head_len + segment <= c.mtu;
    if (!fits && !may_part(&c, cut.head_len + segment)) {
        super_cut_next(&cut, packet + at, left);
        if (ip_view(packet, cut.head_len + segment, &c.v)) refuse_too_big(l, &c, packet, out);
        return in->tun.len;
    }
    if (c.open) {
        c.row->used_us = now_us;
        lane_worked(l, c.s, now_us);
    }
    if (c.open && fits) lane_draw(c.s, (left + cut.segment - 1) / cut.segment);
    while (left > 0 && lane_room(out)) {
        uint32_t size = super_cut_next(&cut, packet + at, left);
        uint8_t *one = packet + at - cut.head_len;
        if (c.open && fits)
            send_packet(l, now_us, &c, one, cut.head_len + size, cut.csum_open, out);
        else
            lane_packet(l, now_us, number, one, cut.head_len + size, cut.csum_open, false, out);
        at += size;
        left -= size;
    }
    if (c.open && fits) lane_draw_end(c.s);
    if (left == 0) return in->tun.len;
    super_cut_rest(&cut, packet + at, left);
    return at - cut.head_len;
}

uint32_t lane_tun(struct lane *l, uint64_t now_us, const struct event *in, struct actions *out)
{
    if (!lane_room(out)) return 0;
    if (in->tun.segment > 0) return lane_super(l, now_us, in, out);
    lane_packet(l, now_us, in->tun.number, in->tun.bytes, in->tun.len, in->tun.csum_open, false,
                out);
    return in->tun.len;
}
