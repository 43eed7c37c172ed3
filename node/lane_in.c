/* Wire to TUN: opening, whose packet it is, and forwarding for others. */
#include "node/lane_internal.h"
#include "vnet/address.h"
#include "vnet/ip.h"
#include "vnet/mss.h"

#include <string.h>

/* --- IP --- */

/* The row says who holds the source: this session, or the one that continues it after a rekey. */
static bool source_is_its(const struct lane *l, const struct lane_row *row,
                          const struct hot_session *s)
{
    uint16_t number = lane_number(l, s);
    return row && (row->session == number || l->sessions[row->session - 1].before == number);
}

static bool is_for_us(const struct lane_network *n, const struct ip_view *v)
{
    if (v->version == 6) return memcmp(v->dst, n->ipv6, 16) == 0;
    return n->ipv4 != 0 && ip_to_v4(v->dst) == n->ipv4;
}

/* Two of our networks may have the same tag: the addresses decide. Else *why is the reason, DROP_NETWORK if none has it. */
static const struct lane_network *receiving_network(struct lane *l, uint64_t now_us,
                                                    const struct hot_session *s, uint8_t tag,
                                                    const struct ip_view *v, enum drop *why)
{
    *why = DROP_NETWORK;
    for (uint8_t i = 0; i < NETWORKS_MAX; i++) {
        const struct lane_network *n = lane_network(l, i);
        if (!n || n->tag != tag) continue;
        struct lane_row *row = lane_row(l, i, v->src);
        if (!source_is_its(l, row, s)) {
            *why = DROP_SPOOFED;
        } else if (!is_for_us(n, v)) {
            *why = v->is_multicast ? DROP_NO_MEMBER : DROP_NOT_IP;
        } else {
            row->used_us = now_us;
            return n;
        }
    }
    return NULL;
}

/* The super-packet under way is whole: its headers say so, and nothing more joins it. */
void lane_join_end(struct lane *l, struct actions *out)
{
    if (l->joining.parts > 1) {
        struct action *a = &out->list[l->joining_at];
        super_finish(&l->joining);
        a->tun.len = l->joining.len;
        a->tun.head_len = l->joining.head_len;
        a->tun.segment = l->joining.segment;
        a->tun.stride = l->joining.stride;
        a->tun.parts = l->joining.parts;
    }
    l->joining.packet = NULL;
    l->joining.parts = 0;
}

/* To the device; into the super-packet of the last action where it continues that one (vnet/super.h). Only the last: so the
 * order of packets stays, and a batch from one peer is mostly one flow. */
static void deliver(struct lane *l, uint8_t number, uint8_t *packet, const struct ip_view *v,
                    bool csum_open, struct actions *out)
{
    uint8_t wanted = v->protocol == PROTO_UDP ? LANE_JOIN_UDP : LANE_JOIN_TCP;
    bool joins = csum_open && (l->joins & wanted);
    if (joins && l->joining.packet && out->list[l->joining_at].tun.number == number &&
        super_join(&l->joining, packet, v))
        return;
    lane_join_end(l, out);
    uint32_t at = out->count;
    if (actions_tun(out, number, packet, v->len, csum_open) && joins &&
        super_begin(&l->joining, packet, v))
        l->joining_at = at;
}

/* True: an action names the frame's bytes. */
static bool on_ip(struct lane *l, uint64_t now_us, struct hot_session *s, uint8_t *frame,
                  uint32_t len, struct actions *out)
{
    struct ip_view v;
    enum drop why = DROP_LENGTH;
    const struct lane_network *n = NULL;
    uint8_t *packet = frame + IP_HEADER;
    bool csum_open;
    if (!kind_length_ok(KIND_IP, len)) goto drop;
    why = DROP_MALFORMED;
    if (frame[2] & ~IP_CSUM_OPEN) goto drop;
    csum_open = frame[2] & IP_CSUM_OPEN;
    why = DROP_NOT_IP;
    if (!ip_view(packet, len - IP_HEADER, &v)) goto drop;
    why = DROP_MALFORMED;
    if (csum_open && !ip_checksum_field(packet, &v)) goto drop;
    n = receiving_network(l, now_us, s, frame[1], &v, &why);
    if (!n) goto drop;
    if (lane_is_narrow(&s->way, n)) mss_clamp(packet, &v, s->way.mtu, csum_open);
    s->used.rx_packets++;
    lane_worked(l, s, now_us);
    deliver(l, n->number, packet, &v, csum_open, out);
    return true;
drop:
    lane_drop(l, why);
    return false;
}

_Static_assert(LANE_ROOM >= HOT_BODY_MAX + KIND_IP_MAX,
               "the last part came by the queue, and lies in the arena as well");

/* Whole at last: it moves into the arena, for its place may be taken again within this step. */
void lane_fragment(struct lane *l, uint64_t now_us, struct hot_session *s, const uint8_t *frame,
                   uint32_t len, struct actions *out)
{
    struct fragment f;
    if (!fragment_read(frame, len, &f)) {
        lane_drop(l, DROP_MALFORMED);
        return;
    }
    uint32_t size;
    enum drop why;
    lane_worked(l, s, now_us);
    const uint8_t *whole = fragments_take(&l->fragments, now_us, s->index, &f, &size, &why);
    if (why != DROP_COUNT) lane_drop(l, why);
    if (!whole) return;
    if (whole[0] != KIND_IP) { /* no part of a part, and nothing for control */
        lane_drop(l, DROP_TYPE);
        return;
    }
    uint8_t *p = actions_space(out, size);
    memcpy(p, whole, size);
    if (!on_ip(l, now_us, s, p, size, out)) actions_unspace(out, size);
}

/* --- RELAYED --- */

/* True if the channel may carry so many bytes now. */
static bool channel_allows(struct lane_channel *c, uint64_t now_us, uint32_t bytes)
{
    if (c->rate == 0) return true;
    if (c->spent_us > time_add(now_us, CHANNEL_BURST_US)) return false;
    c->spent_us = time_max(c->spent_us, now_us) + SECONDS(bytes) / c->rate;
    return true;
}

/* One hop onwards, in place: header, RELAYED and tag keep their places and sizes. p is the datagram that was opened. */
static void forward(struct lane *l, uint64_t now_us, struct lane_channel *c,
                    struct hot_session *via, uint8_t *p, uint32_t len, struct actions *out)
{
    if (!channel_allows(c, now_us, len)) {
        lane_drop(l, DROP_RATE);
        return;
    }
    put_u32(p + DATA_HEADER + 1, c->channel2);
    if (!lane_seal(l, via, p + DATA_HEADER, len - DATA_OVERHEAD, p)) return;
    via->used.tx_packets++;
    lane_worked(l, via, now_us);
    actions_train(out, &via->way.endpoint, p, len);
}

static void on_relayed(struct lane *l, uint64_t now_us, struct hot_session *s,
                       const struct lane_arrival *a, uint8_t *p, uint32_t len, struct actions *out)
{
    uint8_t *frame = p + DATA_HEADER;
    uint32_t size = len - DATA_OVERHEAD;
    if (!kind_length_ok(KIND_RELAYED, size)) {
        lane_drop(l, DROP_LENGTH);
        return;
    }
    s->used.rx_packets++;
    lane_worked(l, s, now_us);
    uint32_t number = get_u32(frame + 1);
    struct lane_channel *channel = lane_channel(l, s->index, number);
    struct hot_session *via = channel ? lane_session(l, channel->via) : NULL;
    if (via && via->way.path == PATH_DIRECT) {
        forward(l, now_us, channel, via, p, len, out);
        return;
    }
    uint8_t *inner = frame + RELAYED_HEADER;
    uint32_t inner_len = size - RELAYED_HEADER;
    struct data_header h;
    /* Ours, and hot: who brought it does not matter, its own seal says whose it is. One level: a datagram in a datagram
     * in a datagram is nobody's honest work. */
    if (!channel && !a->inner && data_header_read(inner, inner_len, &h) &&
        lane_own_session(l, h.receiver)) {
        struct lane_arrival out_of = {.via = s->index, .channel = number, .inner = true};
        lane_datagram(l, now_us, &out_of, inner, inner_len, out);
        return;
    }
    struct hot_message m = {.op = UP_INNER, .index = s->index, .channel = number, .len = inner_len};
    lane_up(l, &m, inner);
}

/* --- any datagram --- */

static void frame_up(struct lane *l, const struct hot_session *s, const struct lane_arrival *a,
                     bool newest, const uint8_t *frame, uint32_t len)
{
    if (!kind_length_ok(frame[0], len)) {
        lane_drop(l, kind_name(frame[0]) ? DROP_LENGTH : DROP_TYPE);
        return;
    }
    struct hot_message m = {.op = UP_FRAME, .flag = newest, .index = s->index, .len = len};
    m.via = a->via;
    m.channel = a->channel;
    m.endpoint = a->from;
    lane_up(l, &m, frame);
}

/* A good packet, newer than all before it, from somewhere else than we send to: control may want to go there. */
static void roam(struct lane *l, uint64_t now_us, struct hot_session *s,
                 const struct lane_arrival *a, uint32_t len)
{
    if (now_us < s->roam_after_us || endpoint_is_none(&a->from)) return;
    if (s->way.path == PATH_DIRECT && endpoint_equal(&a->from, &s->way.endpoint)) return;
    s->roam_after_us = time_add(now_us, ROAM_EVERY_US);
    struct hot_message m = {.op = UP_ROAM, .index = s->index, .value = len, .endpoint = a->from};
    lane_up(l, &m, NULL);
}

/* Opens in place behind the header. NULL: counted. */
static struct hot_session *open_in_place(struct lane *l, uint8_t *p, uint32_t len, bool *newest)
{
    struct data_header h;
    enum drop why = DROP_LENGTH;
    struct hot_session *s = NULL;
    if (!data_header_read(p, len, &h)) goto drop;
    why = DROP_NO_SESSION;
    s = lane_own_session(l, h.receiver);
    if (!s) goto drop;
    why = DROP_REPLAYED;
    if (h.counter >= HOT_COUNTER_STOP || !replay_check(&s->replay, h.counter)) goto drop;
    why = DROP_TAG;
    uint8_t nonce[12], *frame = p + DATA_HEADER;
    session_nonce(nonce, (enum aead)s->rx.kind, h.counter);
    if (!l->crypto->open_prepared(&s->rx, frame, frame, len - DATA_HEADER, p, DATA_HEADER, nonce))
        goto drop;
    *newest = h.counter >= s->replay.top;
    replay_mark(&s->replay, h.counter);
    return s;
drop:
    lane_drop(l, why);
    return NULL;
}

void lane_datagram(struct lane *l, uint64_t now_us, const struct lane_arrival *a, uint8_t *p,
                   uint32_t len, struct actions *out)
{
    bool newest;
    struct hot_session *s = open_in_place(l, p, len, &newest);
    if (!s) return;
    s->used.rx_bytes += len;
    /* a direct path is heard only by what comes directly: else answers over the ring would hide its silence */
    if (s->way.path != PATH_DIRECT || !endpoint_is_none(&a->from)) s->used.heard_us = now_us;
    if (newest) roam(l, now_us, s, a, len);
    uint8_t *frame = p + DATA_HEADER;
    switch (frame[0]) {
    case KIND_IP: (void)on_ip(l, now_us, s, frame, len - DATA_OVERHEAD, out); return;
    case KIND_FRAGMENT: lane_fragment(l, now_us, s, frame, len - DATA_OVERHEAD, out); return;
    case KIND_RELAYED: on_relayed(l, now_us, s, a, p, len, out); return;
    default: frame_up(l, s, a, newest, frame, len - DATA_OVERHEAD); return;
    }
}

/* Not ours to open: of another lane, cold, a handshake. */
static void pass_up(struct lane *l, const struct endpoint *from, const uint8_t *p, uint32_t len)
{
    struct hot_message m = {.op = UP_DATAGRAM, .endpoint = *from, .len = len};
    if (len == 0 || len > HOT_BODY_MAX)
        lane_drop(l, DROP_LENGTH);
    else
        lane_up(l, &m, p);
}

uint32_t lane_datagrams(struct lane *l, uint64_t now_us, const struct event *in,
                        struct actions *out)
{
    uint32_t len = in->datagram.len, done = 0;
    uint32_t segment = in->datagram.segment ? in->datagram.segment : len;
    struct lane_arrival a = {.from = in->datagram.from};
    while (done < len && lane_room(out)) {
        uint32_t size = segment < len - done ? segment : len - done;
        uint8_t *p = in->datagram.bytes + done;
        struct data_header h;
        bool data = data_header_read(p, size, &h);
        if (l->number == 0 || (data && lane_own_session(l, h.receiver)))
            lane_datagram(l, now_us, &a, p, size, out);
        else if (data && l->indices && !hot_index_used(l->indices, h.receiver))
            lane_drop(l, DROP_NO_SESSION);
        else
            pass_up(l, &a.from, p, size);
        done += size;
    }
    lane_join_end(l, out);
    return done;
}
