/* overlay/receive.c - arrivals, in the order of trust: length, cheap proof, decrypt, replay, only then state. */
#include "overlay/core.h"

void overlay_datagram(struct overlay *o, uint64_t now_us, const struct endpoint *from,
                      uint8_t *bytes, size_t len, struct outbox *out)
{
    struct arrival a = {.from = *from};
    on_outer(o, now_us, &a, bytes, len, out);
}

/* A sealed datagram for a session whose counters a lane has: it came by a way that the driver could not see. */
static void pass_to_lane(struct overlay *o, uint32_t index, const struct arrival *a,
                         const uint8_t *bytes, size_t len)
{
    struct hot_message m = {
        .op = DOWN_DATAGRAM, .index = index, .endpoint = a->from, .len = (uint32_t)len};
    if (a->relayed && a->link) { /* what it opens to may prove that this relay is a way */
        m.via = link_index(a->link);
        m.channel = a->channel;
    }
    if (hot_tell(o->lanes, &m, bytes) != OK) drop(o, DROP_FULL);
}

/* On a session below the present one. */
static void on_held(struct overlay *o, uint64_t now_us, struct link *l, uint32_t index,
                    const struct arrival *a, uint8_t *bytes, size_t len, struct outbox *out)
{
    struct held *h = keys_held(o, l, index);
    uint8_t *frame;
    size_t frame_len;
    bool newest;
    if (!h) {
        drop(o, DROP_NO_SESSION);
        return;
    }
    if (h->s.flags & SESSION_HOT) {
        pass_to_lane(o, index, a, bytes, len);
        return;
    }
    enum err e = session_open(&h->s, o->crypto, bytes, len, &frame, &frame_len, &newest);
    if (e != OK) {
        drop(o, e == ERR_EXISTS ? DROP_REPLAYED : DROP_TAG);
        return;
    }
    keys_held_heard(o, now_us, l, h);
    upkeep_heard(o, l, now_us, a);
    on_frame(o, now_us, l, a, false, frame, frame_len, out);
}

static void on_data(struct overlay *o, uint64_t now_us, const struct arrival *a, uint8_t *bytes,
                    size_t len, struct outbox *out)
{
    struct data_header h;
    if (!data_header_read(bytes, len, &h)) {
        drop(o, DROP_LENGTH);
        return;
    }
    uint16_t meaning = index_meaning(o, h.receiver);
    struct link *l = &o->links[(meaning & ~ENTRY_KIND) % o->common->limits.links];
    if ((meaning & ENTRY_KIND) == ENTRY_HELD) {
        on_held(o, now_us, l, h.receiver, a, bytes, len, out);
        return;
    }
    if ((meaning & ENTRY_KIND) != ENTRY_LINK) {
        drop(o, DROP_NO_SESSION);
        return;
    }
    if (l->s.flags & SESSION_HOT) {
        pass_to_lane(o, link_index(l), a, bytes, len);
        return;
    }
    uint8_t *frame;
    size_t frame_len;
    bool newest;
    enum err e = session_open(&l->s, o->crypto, bytes, len, &frame, &frame_len, &newest);
    if (e != OK) {
        drop(o, e == ERR_EXISTS ? DROP_REPLAYED : DROP_TAG);
        return;
    }
    if (o->stats) o->stats[link_slot(o, l)].rx_bytes += len;
    keys_heard(o, now_us, l);
    upkeep_heard(o, l, now_us, a);
    on_frame(o, now_us, l, a, newest, frame, frame_len, out);
}

void on_outer(struct overlay *o, uint64_t now_us, const struct arrival *a, uint8_t *bytes,
              size_t len, struct outbox *out)
{
    if (len == 0 || !outer_name(bytes[0])) {
        drop(o, DROP_TYPE);
        return;
    }
    if (!outer_length_ok(bytes[0], len)) {
        drop(o, DROP_LENGTH);
        return;
    }
    switch (bytes[0]) {
    case OUTER_HELLO1: on_hello1(o, now_us, a, bytes, len, out); break;
    case OUTER_HELLO2: on_hello2(o, now_us, a, bytes, len, out); break;
    case OUTER_HELLO3: on_hello3(o, now_us, a, bytes, len, out); break;
    case OUTER_COOKIE: on_cookie(o, now_us, a, bytes, len, out); break;
    case OUTER_REFER: on_refer(o, now_us, a, bytes, len, out); break;
    case OUTER_ANSWER: on_answer(o, now_us, a, bytes, len, out); break;
    case OUTER_DATA: on_data(o, now_us, a, bytes, len, out); break;
    default: drop(o, DROP_TYPE);
    }
}

static void on_inner(struct link *l, const struct overlay *o, uint8_t *frame, size_t len,
                     struct outbox *out)
{
    struct overlay_event *e = outbox_event(out, OE_INNER, link_id(o, l));
    e->bytes = frame;
    e->len = (uint32_t)len;
    e->index = link_index(l);
}

void on_frame(struct overlay *o, uint64_t now_us, struct link *l, const struct arrival *a,
              bool newest, uint8_t *frame, size_t len, struct outbox *out)
{
    if (!kind_length_ok(frame[0], len)) {
        drop(o, kind_name(frame[0]) ? DROP_LENGTH : DROP_TYPE);
        return;
    }
    if (frame[0] == KIND_CERT) {
        on_cert(o, now_us, l, frame, len, out);
        return;
    }
    if (l->state == LINK_CERT) {
        struct link *known = keys_confirmed(o, now_us, l, out);
        if (known) l = known;
    }
    if (l->state != LINK_UP || !(l->s.flags & SESSION_PEER_CERT)) {
        drop(o, DROP_UNCERTIFIED);
        return;
    }
    struct endpoint at = link_endpoint(l);
    bool bare = !endpoint_is_none(&a->from);
    if (bare && newest && (link_path(l) != PATH_DIRECT || !endpoint_equal(&at, &a->from)))
        path_roam(o, now_us, l, &a->from, out);
    if (a->relayed && a->link && link_path(l) == PATH_ROUTED)
        relay_offered(o, now_us, l, a->link, a->channel, out);
    switch (frame[0]) {
    case KIND_PING: on_ping(o, now_us, l, a, frame, len, out); break;
    case KIND_PONG: on_pong(o, now_us, l, a, frame, len, out); break;
    case KIND_CONTROL: on_control(o, now_us, l, a, frame, len, out); break;
    case KIND_ROUTED: on_routed(o, now_us, l, frame, len, out); break;
    case KIND_RELAYED: on_relayed(o, now_us, l, frame, len, out); break;
    case KIND_ACK: on_ack(o, now_us, l, a, frame, len, out); break;
    case KIND_IP:
    case KIND_FRAGMENT:
    case KIND_ETHERNET: on_inner(l, o, frame, len, out); break;
    default: drop(o, DROP_TYPE);
    }
}

/* What the lane passes up. The body is lent and may be changed. */
void overlay_lane_up(struct overlay *o, uint64_t now_us, const struct hot_message *m, uint8_t *body,
                     struct outbox *out)
{
    if (m->op == UP_DROP) {
        if (m->value < DROP_COUNT) o->drops[m->value] += m->channel ? m->channel : 1;
        return;
    }
    uint16_t meaning = index_meaning(o, m->index);
    if ((meaning & ENTRY_KIND) != ENTRY_LINK && (meaning & ENTRY_KIND) != ENTRY_HELD)
        return; /* closed meanwhile */
    struct link *l = &o->links[(meaning & ~ENTRY_KIND) % o->common->limits.links];
    if (l->state != LINK_UP) return;
    struct held *h = keys_held(o, l, m->index); /* NULL: the present session's */
    struct arrival a = {.from = m->endpoint};
    uint16_t via = m->op == UP_FRAME && m->via ? index_meaning(o, m->via) : ENTRY_FREE;
    if ((via & ENTRY_KIND) == ENTRY_LINK || (via & ENTRY_KIND) == ENTRY_HELD) {
        a.relayed = true;
        a.link = &o->links[(via & ~ENTRY_KIND) % o->common->limits.links];
        a.channel = m->channel;
    }
    switch (m->op) {
    case UP_FRAME:
        upkeep_heard(o, l, now_us, &a);
        if (h)
            keys_held_heard(o, now_us, l, h);
        else
            keys_heard(o, now_us, l);
        if (m->len) on_frame(o, now_us, l, &a, m->flag & 1, body, m->len, out);
        break;
    case UP_ROAM: path_roam(o, now_us, l, &m->endpoint, out); break;
    case UP_USED:
        if (m->len == sizeof(struct hot_used))
            heat_used(o, now_us, l, h, m->lane, (const struct hot_used *)(const void *)body, out);
        break;
    case UP_HANDBACK:
        if (m->len == sizeof(struct hot_counters))
            heat_handed_back(o, l, m->index, m->lane,
                             (const struct hot_counters *)(const void *)body);
        break;
    case UP_ROUTE: {
        struct extra *x = link_extra(o, l);
        route_send(o, now_us, ROUTE_EXACT, ROUTED_NO_ACK, link_id(o, l),
                   x ? &x->waypoint : &ID_ZERO, body, m->len, NO_SLOT, out);
        break;
    }
    case UP_INNER: relayed_arrived(o, now_us, l, m->channel, body, m->len, out); break;
    default: break;
    }
}
