/* overlay/send.c - frames out: sealed for one peer, then along its path. */
#include "overlay/core.h"
#include <string.h>

void datagram_send(struct overlay *o, const struct endpoint *to, const uint8_t *bytes, size_t len,
                   struct outbox *out)
{
    (void)o;
    uint8_t *copy = outbox_space(out, (uint32_t)len);
    if (!copy) {
        out->lost++;
        return;
    }
    memcpy(copy, bytes, len);
    outbox_commit(out, (uint32_t)len);
    outbox_send(out, to, copy, (uint32_t)len);
}

struct way link_way(const struct overlay *o, const struct link *l)
{
    const struct extra *x = link_extra(o, l);
    struct way w = {.path = link_path(l)};
    if (w.path == PATH_DIRECT) w.at = link_endpoint(l);
    if (w.path == PATH_RELAYED && x && x->relay_slot) {
        w.relay = (uint16_t)(x->relay_slot - 1);
        w.channel = x->relay_channel;
    }
    if (w.path == PATH_ROUTED && x) w.waypoint = x->waypoint;
    return w;
}

static void send_relayed(struct overlay *o, const struct link *l, const struct way *way,
                         uint64_t now_us, const uint8_t *datagram, size_t len, struct outbox *out)
{
    uint8_t frame[RELAYED_HEADER + PKT_MAX];
    struct link *relay = &o->links[way->relay];
    if (relay->state != LINK_UP || relay == l || link_path(relay) != PATH_DIRECT || len > PKT_MAX) {
        drop(o, DROP_NO_ROUTE);
        return;
    }
    struct writer w = writer_of(frame, sizeof frame);
    write_u8(&w, KIND_RELAYED);
    write_u32(&w, way->channel);
    write_bytes(&w, datagram, len);
    frame_send(o, relay, now_us, frame, w.len, NULL, out);
}

static void send_hot(struct overlay *o, struct link *l, const uint8_t *frame, size_t len,
                     const struct way *way)
{
    struct hot_message m = {.op = DOWN_SEAL, .index = link_index(l), .len = (uint32_t)len};
    m.path = (uint8_t)way->path;
    m.endpoint = way->at;
    if (way->path == PATH_RELAYED && !overlay_heat_link(o, &o->links[way->relay])) {
        drop(o, DROP_NO_ROUTE); /* the lane has no room for the relay's session */
        return;
    }
    if (way->path == PATH_RELAYED) {
        m.via = link_index(&o->links[way->relay]);
        m.channel = way->channel;
    }
    if (hot_tell(o->lanes, &m, frame) != OK) drop(o, DROP_FULL);
}

/* Not where it is only being found out whether anything arrives, or anything of that length. */
static bool may_carry_acks(const struct overlay *o, const struct link *l, const uint8_t *frame,
                           size_t len, const struct way *way, const struct way *own)
{
    if (!o->ack_count || l->state != LINK_UP || *frame == KIND_ACK || *frame == KIND_CERT ||
        (*frame == KIND_PING && len != PING_SIZE))
        return false;
    return !way || (way->path == PATH_DIRECT && own->path == PATH_DIRECT &&
                    endpoint_equal(&way->at, &own->at));
}

void frame_send(struct overlay *o, struct link *l, uint64_t now_us, const uint8_t *frame,
                size_t len, const struct way *way, struct outbox *out)
{
    struct way own = link_way(o, l);
    uint8_t with_acks[ACK_WITH_MAX];
    size_t acks = may_carry_acks(o, l, frame, len, way, &own) ? acks_take(o, l, len, with_acks) : 0;
    if (acks) {
        memcpy(with_acks + acks, frame, len);
        frame = with_acks;
        len += acks;
    }
    if (!way) way = &own;
    if (o->stats) o->stats[link_slot(o, l)].tx_bytes += len + DATA_OVERHEAD;
    /* through a relay whose session is not in the lane, control carries it: the lane cannot */
    if (l->s.flags & SESSION_HOT) {
        send_hot(o, l, frame, len, way);
        return;
    }
    size_t sealed;
    uint8_t *space = outbox_space(out, (uint32_t)(len + DATA_OVERHEAD));
    if (!space) {
        out->lost++;
        return;
    }
    if (session_seal(&l->s, o->crypto, frame, len, space, len + DATA_OVERHEAD, &sealed) != OK) {
        drop(o, DROP_EXHAUSTED);
        return;
    }
    outbox_commit(out, (uint32_t)sealed);
    switch (way->path) {
    case PATH_DIRECT:
        patience_sent(o, l, now_us);
        outbox_send(out, &way->at, space, (uint32_t)sealed);
        break;
    case PATH_RELAYED: send_relayed(o, l, way, now_us, space, sealed, out); break;
    case PATH_ROUTED:
        route_send(o, now_us, ROUTE_EXACT, 0, link_id(o, l), &way->waypoint, space, sealed, NO_SLOT,
                   out);
        break;
    case PATH_NONE: drop(o, DROP_NO_ROUTE); break;
    }
}
