/* overlay/relay.c - one common peer forwards between two that cannot reach each other: channels.
 *
 * The end that wants it asks RELAY_OPEN(target) of a peer both have directly; the relay gives each side a channel number and forwards
 * RELAYED once, from channel to channel. What it carries is sealed end to end; the hop is sealed too. */
#include "overlay/core.h"
#include <string.h>

#define ASK_AGAIN_US    SECONDS(2)
#define OFFER_TRIES     4
#define OFFER_AGAIN_US  MILLIS(700)
#define OVERLAP_WITHIN  2 /* of a side: who stands further out may stay routed */
#define CHANNEL_IDLE_US MINUTES(5)
#define CHANNELS_FIRST  64 /* places; twice as many whenever they are taken, up to limits.channels */
#define CHANNEL_USED_US (KEEP_TUNNEL_US + SECONDS(30)) /* both ends would have said something */

static void say(struct overlay *o, uint64_t now_us, struct link *l, enum control_op op,
                const struct id *id, const uint32_t *channel, struct outbox *out)
{
    uint8_t frame[64];
    struct pack k = control_pack(frame, sizeof frame, op, channel ? 3 : 2);
    pack_bin(&k, id->b, ID_SIZE);
    if (channel) pack_uint(&k, *channel);
    frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
}

/* --- the ends --- */

/* No peer in common: become a peer of one that the other end has. A peer that hears an end whose NAT gives everybody another
 * port hears everybody, so that end's peers are the better choice; if only we are such an end, the other one does it. */
static void overlap_make(struct overlay *o, uint64_t now_us, const struct link *l,
                         const struct extra *x, struct outbox *out)
{
    bool next = (l->kinds & KIND_NEAR) && ring_stands_within(o, link_id(o, l), OVERLAP_WITHIN);
    if (!(next || (l->kinds & (KIND_DEMAND | KIND_PINNED))) || !x->common_count) return;
    if (mapping_depends(observe_mapping(&o->observe, o->locals, o->local_count)) &&
        !mapping_depends(x->remote_mapping))
        return;
    uint32_t start = (uint32_t)rng_below(&o->rng, x->common_count);
    for (uint8_t i = 0; i < x->common_count; i++) {
        const struct id *id = &x->common[(start + i) % x->common_count];
        if (link_by_id(o, id) || failed_lately(o, id, now_us)) continue;
        (void)hello_route(o, now_us, id, &ID_ZERO, &(struct endpoint){0}, 0, out);
        return; /* one at a time */
    }
}

void relay_seek(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out)
{
    struct extra *x = link_extra(o, l);
    if (!x || link_path(l) != PATH_ROUTED) return;
    if (x->relay_asked_us && time_since(now_us, x->relay_asked_us) < ASK_AGAIN_US) return;
    struct link *best = NULL;
    for (uint8_t i = 0; i < x->common_count; i++) {
        struct link *p = link_by_id(o, &x->common[i]);
        if (!p || p == l || link_path(p) != PATH_DIRECT || p->tries || (x->relay_tried & 1u << i))
            continue;
        if (!best || link_rtt_us(p) < link_rtt_us(best)) best = p;
    }
    if (!best) {
        overlap_make(o, now_us, l, x, out);
        return;
    }
    for (uint8_t i = 0; i < x->common_count; i++)
        if (id_equal(&x->common[i], link_id(o, best))) x->relay_tried |= (uint8_t)(1u << i);
    x->relay_asked_us = now_us;
    say(o, now_us, best, CONTROL_RELAY_OPEN, link_id(o, l), NULL, out);
}

bool relay_serves(const struct overlay *o, const struct link *relay)
{
    for (uint16_t i = 0, seen = 0; i < o->common->limits.extras && seen < o->extra_count; i++) {
        const struct extra *x = o->extras[i];
        if (!x) continue;
        seen++;
        const struct link *l = &o->links[x->slot];
        if (x->relay_slot == link_slot(o, relay) + 1 && l->state == LINK_UP &&
            link_path(l) == PATH_RELAYED && (l->kinds || (l->s.flags & LINK_WANTED)))
            return true;
    }
    return false;
}

void relay_found(struct overlay *o, uint64_t now_us, const struct link *relay, struct outbox *out)
{
    const struct extra *x;
    for (struct table_walk w = {0, o->extra_count}; (x = extra_next(o, &w)) != NULL;) {
        struct link *l = &o->links[x->slot];
        if (l == relay || l->state != LINK_UP || link_path(l) != PATH_ROUTED) continue;
        for (uint8_t k = 0; k < x->common_count; k++)
            if (id_equal(&x->common[k], link_id(o, relay))) relay_seek(o, now_us, l, out);
    }
}

/* Ping through the channel on offer; the PONG moves the path. */
void relay_try(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out)
{
    struct extra *x = link_extra(o, l);
    if (!x || !x->offer_slot || x->offer_us > now_us) return;
    struct link *r = &o->links[x->offer_slot - 1];
    if (link_path(l) != PATH_ROUTED || r->state != LINK_UP || link_path(r) != PATH_DIRECT) {
        x->offer_slot = 0;
        return;
    }
    if (x->offer_tries++ >= OFFER_TRIES) { /* it does not carry: ask somebody else */
        x->offer_slot = 0;
        x->relay_asked_us = 0;
        relay_seek(o, now_us, l, out);
        return;
    }
    struct way way = {
        .path = PATH_RELAYED, .relay = (uint16_t)(x->offer_slot - 1), .channel = x->offer_channel};
    x->offer_us = now_us + OFFER_AGAIN_US;
    wake_at(o, x->offer_us);
    link_ping(o, l, now_us, &way, 0, out);
}

/* Peer `l` can be had through relay `r` on `channel`: r said so, or something has just come that way. */
void relay_offered(struct overlay *o, uint64_t now_us, struct link *l, struct link *r,
                   uint32_t channel, struct outbox *out)
{
    struct extra *x = link_need_extra(o, l);
    if (!x || link_path(l) != PATH_ROUTED || l == r) return;
    if (x->offer_slot == link_slot(o, r) + 1 && x->offer_channel == channel)
        return; /* being tried */
    x->offer_slot = (uint16_t)(link_slot(o, r) + 1);
    x->offer_channel = channel;
    x->offer_tries = 0;
    x->offer_us = now_us;
    relay_try(o, now_us, l, out);
}

void relayed_arrived(struct overlay *o, uint64_t now_us, struct link *l, uint32_t channel,
                     uint8_t *datagram, size_t len, struct outbox *out)
{
    if (len < DATA_HEADER || datagram[0] != OUTER_DATA) {
        drop(o, DROP_CHANNEL);
        return;
    }
    struct arrival a = {.link = l, .relayed = true, .channel = channel};
    on_outer(o, now_us, &a, datagram, len, out);
}

/* --- the relay --- */

static struct channel *channel_find(const struct overlay *o, uint16_t slot, uint32_t number,
                                    bool *forward)
{
    for (uint16_t i = 0; i < o->channel_count; i++) {
        struct channel *c = &o->channels[i];
        if (c->in == 0) continue;
        *forward = c->from == slot && c->in == number;
        if (*forward || (c->to == slot && c->out == number)) return c;
    }
    return NULL;
}

void relay_tell_lane(struct overlay *o, const struct channel *c)
{
    struct link *a = &o->links[c->from], *b = &o->links[c->to];
    if (!o->lanes || !overlay_heat_link(o, a) || !overlay_heat_link(o, b)) return;
    struct hot_message m = {.op = DOWN_CHANNEL,
                            .index = link_index(a),
                            .channel = c->in,
                            .via = link_index(b),
                            .channel2 = c->out};
    struct hot_message n = {.op = DOWN_CHANNEL,
                            .index = link_index(b),
                            .channel = c->out,
                            .via = link_index(a),
                            .channel2 = c->in};
    if (hot_tell(o->lanes, &m, NULL) != OK || hot_tell(o->lanes, &n, NULL) != OK)
        drop(o, DROP_FULL);
}

static void channel_close(struct overlay *o, struct channel *c)
{
    struct hot_message m = {
        .op = DOWN_UNCHANNEL, .index = link_index(&o->links[c->from]), .channel = c->in};
    struct hot_message n = {
        .op = DOWN_UNCHANNEL, .index = link_index(&o->links[c->to]), .channel = c->out};
    if (o->lanes && (hot_tell(o->lanes, &m, NULL) != OK || hot_tell(o->lanes, &n, NULL) != OK))
        drop(o, DROP_FULL);
    *c = (struct channel){0};
}

static uint64_t channel_used_us(const struct overlay *o, const struct channel *c)
{
    const struct extra *a = link_extra(o, &o->links[c->from]), *b = link_extra(o, &o->links[c->to]);
    return time_max(c->used_us, time_max(a ? a->used_us : 0, b ? b->used_us : 0));
}

static bool channel_carries(const struct overlay *o, const struct channel *c, uint64_t now_us)
{
    return c->in && time_since(now_us, channel_used_us(o, c)) < CHANNEL_USED_US;
}

bool relay_carries(const struct overlay *o, const struct link *l, uint64_t now_us)
{
    uint16_t slot = link_slot(o, l);
    for (uint16_t i = 0; i < o->channel_count; i++) {
        const struct channel *c = &o->channels[i];
        if ((c->from == slot || c->to == slot) && channel_carries(o, c, now_us)) return true;
    }
    return false;
}

void relay_carriers(const struct overlay *o, uint64_t now_us, uint64_t *slots)
{
    for (uint16_t i = 0; i < o->channel_count; i++) {
        const struct channel *c = &o->channels[i];
        if (!channel_carries(o, c, now_us)) continue;
        slots[c->from / 64] |= UINT64_C(1) << c->from % 64;
        slots[c->to / 64] |= UINT64_C(1) << c->to % 64;
    }
}

/* More places; the first of them, or NULL: no more may be carried. */
static struct channel *channels_grow(struct overlay *o)
{
    uint32_t count = o->channel_count ? 2u * o->channel_count : CHANNELS_FIRST;
    if (count > o->common->limits.channels) count = o->common->limits.channels;
    if (count <= o->channel_count) return NULL;
    struct channel *more = realloc(o->channels, count * sizeof *more);
    if (!more) return NULL;
    struct channel *first = more + o->channel_count;
    memset(first, 0, (count - o->channel_count) * sizeof *more);
    o->channels = more;
    o->channel_count = (uint16_t)count;
    return first;
}

static struct channel *channel_open(struct overlay *o, uint64_t now_us, uint16_t from, uint16_t to)
{
    struct channel *free_one = NULL;
    for (uint16_t i = 0; i < o->channel_count; i++) {
        struct channel *c = &o->channels[i];
        if (c->in == 0) {
            if (!free_one) free_one = c;
        } else if ((c->from == from && c->to == to) || (c->from == to && c->to == from)) {
            return c;
        }
    }
    if (!free_one) free_one = channels_grow(o);
    if (!free_one) return NULL;
    *free_one = (struct channel){
        .from = from, .to = to, .in = ++o->channel_next, .used_us = now_us};
    free_one->out = ++o->channel_next;
    relay_tell_lane(o, free_one);
    return free_one;
}

static void on_open(struct overlay *o, uint64_t now_us, struct link *l, const struct id *target,
                    struct outbox *out)
{
    struct link *t = link_by_id(o, target);
    struct channel *c = NULL;
    if (t && t != l && link_path(t) == PATH_DIRECT && link_path(l) == PATH_DIRECT &&
        (o->capabilities & CAP_RELAY))
        c = channel_open(o, now_us, link_slot(o, l), link_slot(o, t));
    if (!c) {
        say(o, now_us, l, CONTROL_RELAY_NO, target, NULL, out);
        return;
    }
    char a[ID_TEXT], b[ID_TEXT];
    trace(o->trace, now_us, RELAY, "%.8s > carried to %.8s", id_print(link_id(o, l), a),
          id_print(target, b));
    bool forward = c->from == link_slot(o, l);
    uint32_t near_end = forward ? c->in : c->out, far_end = forward ? c->out : c->in;
    say(o, now_us, t, CONTROL_RELAY_IN, link_id(o, l), &far_end, out);
    say(o, now_us, l, CONTROL_RELAY_OK, target, &near_end, out);
}

void on_relay(struct overlay *o, uint64_t now_us, struct link *l, unsigned op, struct unpack *u,
              struct outbox *out)
{
    struct id id;
    unpack_copy(u, id.b, ID_SIZE);
    uint64_t channel = op == CONTROL_RELAY_OK || op == CONTROL_RELAY_IN ? unpack_uint(u, UINT32_MAX)
                                                                        : 0;
    if (u->bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    if (op == CONTROL_RELAY_OPEN) {
        on_open(o, now_us, l, &id, out);
        return;
    }
    struct link *peer = link_by_id(o, &id);
    struct extra *x = peer ? link_extra(o, peer) : NULL;
    if (!x || peer == l) return;
    if (op == CONTROL_RELAY_NO) {
        if (link_path(peer) == PATH_RELAYED && x->relay_slot == link_slot(o, l) + 1)
            path_lost(o, now_us, peer, true, out);
        x->relay_asked_us = 0;
        relay_seek(o, now_us, peer, out);
    } else {
        relay_offered(o, now_us, peer, l, (uint32_t)channel, out);
    }
}

void on_relayed(struct overlay *o, uint64_t now_us, struct link *l, uint8_t *frame, size_t len,
                struct outbox *out)
{
    uint32_t number = get_u32(frame + 1);
    bool forward;
    struct channel *c = channel_find(o, link_slot(o, l), number, &forward);
    if (!c) {
        relayed_arrived(o, now_us, l, number, frame + RELAYED_HEADER, len - RELAYED_HEADER, out);
        return;
    }
    struct link *to = &o->links[forward ? c->to : c->from];
    if (to->state != LINK_UP || link_path(to) != PATH_DIRECT) {
        drop(o, DROP_CHANNEL);
        return;
    }
    c->used_us = now_us;
    put_u32(frame + 1, forward ? c->out : c->in);
    frame_send(o, to, now_us, frame, len, NULL, out);
}

/* The other ends of its channels are told, or what they send is lost until their PINGs are missed. */
void relay_forget_link(struct overlay *o, uint64_t now_us, uint16_t slot, struct outbox *out)
{
    for (uint16_t i = 0; i < o->channel_count; i++) {
        struct channel *c = &o->channels[i];
        if (!c->in || (c->from != slot && c->to != slot)) continue;
        struct link *other = &o->links[c->from == slot ? c->to : c->from];
        channel_close(o, c);
        if (other->state == LINK_UP)
            say(o, now_us, other, CONTROL_RELAY_NO, link_id(o, &o->links[slot]), NULL, out);
    }
    struct extra *x;
    for (struct table_walk w = {0, o->extra_count}; (x = extra_next(o, &w)) != NULL;) {
        if (x->relay_slot != slot + 1) continue;
        struct link *l = &o->links[x->slot];
        x->relay_slot = 0;
        if (link_path(l) == PATH_RELAYED && l->state == LINK_UP) {
            link_set_path(l, PATH_ROUTED);
            x->why = "the relay is gone";
            sizing_begin(o, l);
            path_tell_lane(o, l);
        }
    }
}

void relay_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    bool any = false;
    (void)out;
    for (uint16_t i = 0; i < o->channel_count; i++) {
        struct channel *c = &o->channels[i];
        if (!c->in) continue;
        if (time_since(now_us, channel_used_us(o, c)) > CHANNEL_IDLE_US) channel_close(o, c);
        any |= c->in != 0;
    }
    if (any) return;
    free(o->channels);
    o->channels = NULL;
    o->channel_count = 0;
}
