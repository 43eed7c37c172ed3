/* overlay/route.c - recursive, greedy routing by ring distance; every hop acknowledges, every hop retries.
 *
 * Source: Brunet's AHSender for greedy; the acknowledgement per hop is ours (docs/wire.md). Which link is next: next.c. A frame is delivered
 * here when it is for us, or when it asks for the nearest and no link lies nearer. A retry goes to
 * the next best that still makes progress: it never ends at us merely because a link was avoided. */
#include "overlay/core.h"
#include <string.h>

#define ROUTE_TTL_MAX 64
#define ROUTE_TRIES   3
#define ACK_DELAY_MS  10u
#define ACK_DELAY_US  MILLIS(ACK_DELAY_MS)
#define HELD_US       MILLIS(100)
#define ROUTE_HOLD_US SECONDS(4) /* a neighbour's death is known in 3 s */

uint8_t route_ttl(const struct overlay *o)
{
    unsigned log2n = 0;
    for (uint64_t n = ring_estimate(o); n > 1; n >>= 1) log2n++;
    unsigned ttl = 2 * log2n + 8;
    return (uint8_t)(ttl > ROUTE_TTL_MAX ? ROUTE_TTL_MAX : ttl);
}

/* What a routed frame carries, perhaps in the frame for a waypoint: a datagram's type, or 0. */
static uint8_t carries(const uint8_t *body, size_t len)
{
    struct routed inner;
    if (len == 0) return 0;
    if (body[0] != KIND_ROUTED) return outer_name(body[0]) ? body[0] : 0;
    if (!routed_read(body, len, &inner) || inner.body_len == 0) return 0;
    return outer_name(inner.body[0]) ? inner.body[0] : 0;
}

/* --- out, with a copy kept until the hop acknowledges --- */

static struct inflight *inflight_new(struct overlay *o, size_t len)
{
    if (!tables_need_routes(o)) return NULL;
    for (uint16_t i = 0; i < o->common->limits.inflight; i++) {
        if (o->inflights[i]) continue;
        struct inflight *f = pool_take_size(o->extra_pool, sizeof *f + len);
        if (!f) return NULL;
        f->used = true;
        f->avoid[0] = f->avoid[1] = f->avoid[2] = NO_SLOT;
        o->inflights[i] = f;
        o->inflight_count++;
        return f;
    }
    return NULL;
}

static void inflight_end(struct overlay *o, uint16_t i)
{
    pool_give(o->extra_pool, o->inflights[i]);
    o->inflights[i] = NULL;
    o->inflight_count--;
}

static void inflight_arm(struct overlay *o, struct inflight *f, const struct link *l,
                         uint64_t now_us)
{
    f->sent_us = now_us;
    uint64_t rto = link_rto_us(l);
    f->due_us = now_us + ((rto + 2 * ACK_DELAY_US) << f->tries);
    wake_at(o, f->due_us);
}

/* Send a ROUTED frame over link l. */
static void hop_send(struct overlay *o, uint64_t now_us, struct link *l, uint8_t *frame, size_t len,
                     uint16_t arrived_on, struct outbox *out)
{
    uint16_t seq = ++o->seq_next;
    put_u16(frame + 4, seq);
    if (!(frame[3] & ROUTED_NO_ACK)) {
        if (len > INFLIGHT_MAX) {
            drop(o, DROP_TOO_BIG);
            return;
        }
        struct inflight *f = inflight_new(o, len);
        if (f) {
            f->slot = link_slot(o, l);
            f->seq = seq;
            f->arrived_on = arrived_on;
            f->len = (uint16_t)len;
            f->born_us = now_us;
            memcpy(f->frame, frame, len);
            inflight_arm(o, f, l, now_us);
        } /* none left: it goes once, unacknowledged on our side */
    }
    frame_send(o, l, now_us, frame, len, NULL, out);
}

void route_send(struct overlay *o, uint64_t now_us, uint8_t mode, uint8_t flags,
                const struct id *dst, const struct id *waypoint, const uint8_t *body, size_t len,
                uint16_t force_slot, struct outbox *out)
{
    uint8_t inner[PKT_MAX], frame[PKT_MAX];
    bool by_way = waypoint && !id_is_zero(waypoint) && !id_equal(waypoint, &o->self.id) &&
                  !id_equal(waypoint, dst);
    uint8_t carried = carries(body, len);
    struct routed r = {.mode = mode,
                       .ttl = route_ttl(o),
                       .flags = flags,
                       .src = o->self.id,
                       .dst = *dst,
                       .body = body,
                       .body_len = len};
    if (by_way) {
        size_t n = routed_write(inner, sizeof inner, &r);
        if (!n) {
            drop(o, DROP_TOO_BIG);
            return;
        }
        r = (struct routed){.mode = ROUTE_EXACT,
                            .ttl = r.ttl,
                            .flags = flags,
                            .src = o->self.id,
                            .dst = *waypoint,
                            .body = inner,
                            .body_len = n};
    }
    struct link *l = force_slot != NO_SLOT ? &o->links[force_slot]
                                           : next_hop(o, &r, carried, NO_SLOT, NULL);
    size_t n = routed_write(frame, sizeof frame, &r);
    if (!n || !l || l->state != LINK_UP) {
        drop(o, n ? DROP_NO_ROUTE : DROP_TOO_BIG);
        return;
    }
    hop_send(o, now_us, l, frame, n, NO_SLOT, out);
}

/* --- in --- */

static bool seen_before(struct overlay *o, uint16_t slot, const struct routed *r)
{
    uint8_t key[44];
    struct writer w = writer_of(key, sizeof key);
    write_u16(&w, slot);
    write_u16(&w, r->seq);
    write_bytes(&w, r->src.b, ID_SIZE);
    write_bytes(&w, r->dst.b, ID_SIZE);
    uint32_t h = (uint32_t)crypto_siphash(key, w.len, o->token_key) | 1u;
    for (unsigned i = 0; i < SEEN_MAX; i++)
        if (o->seen[i] == h) return true;
    o->seen[o->seen_next] = h;
    o->seen_next = (uint16_t)((o->seen_next + 1) % SEEN_MAX);
    return false;
}

/* --- acknowledgements: in front of whatever goes to that neighbour within 10 ms, else by themselves, all that it waits for in one --- */

static struct ack acks_of(struct overlay *o, uint16_t slot)
{
    struct ack a = {0};
    for (uint8_t i = 0; i < o->ack_count && a.count < ACK_MAX;) {
        if (o->acks[i].slot != slot) {
            i++;
            continue;
        }
        a.seq[a.count++] = o->acks[i].seq;
        o->acks[i] = o->acks[--o->ack_count];
    }
    return a;
}

size_t acks_take(struct overlay *o, const struct link *l, size_t len, uint8_t *head)
{
    unsigned n = 0;
    for (uint8_t i = 0; i < o->ack_count; i++) n += o->acks[i].slot == link_slot(o, l);
    if (n == 0 || 2 + 2 * n + len > ACK_WITH_MAX) return 0;
    struct ack a = acks_of(o, link_slot(o, l));
    return ack_write(head, ACK_HEAD_MAX, &a);
}

static int ack_left_ms(const struct ack_due *a, uint64_t now_us)
{
    return (int16_t)(uint16_t)(a->due_ms - (uint16_t)ms32(now_us));
}

/* Those that are due within so long, and what their neighbours wait for besides. */
static void acks_flush(struct overlay *o, uint64_t now_us, int within_ms, struct outbox *out)
{
    for (uint8_t i = 0; i < o->ack_count;) {
        int left_ms = ack_left_ms(&o->acks[i], now_us);
        if (left_ms > within_ms) {
            wake_at(o, (now_us / 1000 + (uint64_t)left_ms) * 1000);
            i++;
            continue;
        }
        struct link *l = &o->links[o->acks[i].slot];
        struct ack a = acks_of(o, o->acks[i].slot);
        uint8_t frame[ACK_HEAD_MAX];
        size_t n = ack_write(frame, sizeof frame, &a);
        if (l->state == LINK_UP) frame_send(o, l, now_us, frame, n, NULL, out);
        i = 0; /* those that stand elsewhere now */
    }
}

static void ack_owe(struct overlay *o, uint64_t now_us, const struct link *l, uint16_t seq,
                    struct outbox *out)
{
    if (!tables_need_routes(o)) return; /* it will come again */
    if (o->ack_count == ACKS_MAX) acks_flush(o, now_us, INT16_MAX, out);
    o->acks[o->ack_count++] = (struct ack_due){link_slot(o, l), seq,
                                               (uint16_t)(ms32(now_us) + ACK_DELAY_MS)};
    wake_at(o, (now_us / 1000 + ACK_DELAY_MS) * 1000);
}

static void deliver(struct overlay *o, uint64_t now_us, struct link *l, const struct routed *r,
                    uint8_t *body, struct outbox *out)
{
    struct arrival a = {
        .link = l, .routed = true, .routed_src = r->src, .ttl = r->ttl, .flags = r->flags};
    /* while greedy steps from here do not lead back, the answer goes through whoever brought the question */
    if (!o->joined || !route_next(o, &r->src, &o->self.id, true, NO_SLOT, NULL))
        a.waypoint = *link_id(o, l);
    if (id_equal(&a.waypoint, &r->src)) a.waypoint = ID_ZERO;
    if (r->body_len == 0) {
        drop(o, DROP_MALFORMED);
    } else if (body[0] == OUTER_HELLO1 && !link_may_hello(o, l, now_us)) {
        drop(o, DROP_RATE);
    } else if (body[0] >= 0x40) {
        on_outer(o, now_us, &a, body, r->body_len, out);
    } else if (body[0] == KIND_CONTROL && kind_length_ok(KIND_CONTROL, r->body_len)) {
        a.plain = true;
        on_control(o, now_us, l, &a, body, r->body_len, out);
    } else {
        drop(o, DROP_TYPE);
    }
}

/* Is the same frame held already? Whoever asks again has no other answer to expect. */
static bool held_already(const struct overlay *o, const struct routed *r, const uint8_t *body)
{
    for (uint16_t i = 0; i < o->common->limits.inflight; i++) {
        const struct inflight *f = o->inflights[i];
        if (f && f->slot == NO_SLOT && f->len == ROUTED_HEADER + r->body_len &&
            memcmp(f->frame + ROUTED_HEADER, body, r->body_len) == 0 &&
            memcmp(f->frame + ROUTED_HEADER - 2 * ID_SIZE, body - 2 * ID_SIZE, 2 * ID_SIZE) == 0)
            return true;
    }
    return false;
}

/* We seem to be nearest to dst, but our neighbourhood is torn: keep it until that is mended. Who asks for its own place is
 * one of those who mend it. No room: it is lost, for a wrong answer is worse than none. */
static bool hold(struct overlay *o, uint64_t now_us, const struct link *l, const struct routed *r,
                 const uint8_t *body)
{
    size_t len = ROUTED_HEADER + r->body_len;
    if (id_equal(&r->src, &r->dst) || !ring_open(o, now_us, &r->dst)) return false;
    if (held_already(o, r, body)) {
        drop(o, DROP_DUPLICATE);
        return true;
    }
    struct inflight *f = len <= INFLIGHT_MAX ? inflight_new(o, len) : NULL;
    if (!f) {
        drop(o, DROP_FULL);
        return true;
    }
    f->slot = NO_SLOT;
    f->arrived_on = link_slot(o, l);
    f->len = (uint16_t)len;
    f->born_us = now_us;
    memcpy(f->frame, body - ROUTED_HEADER, len);
    f->due_us = now_us + HELD_US;
    wake_at(o, f->due_us);
    return true;
}

/* It came uphill for a link that we do not have any more, and whoever sent it is nearer than we are: back, by distance alone. So nobody
 * becomes an owner by what others were told about him. */
static bool came_uphill(const struct overlay *o, const struct link *l, const struct routed *r)
{
    return r->flags & ROUTED_UPHILL && !(r->flags & ROUTED_PLAIN) &&
           id_nearer(&r->dst, link_id(o, l), &o->self.id) < 0;
}

/* A copy of a record (STORE) goes from one neighbour to another, through a third at most: so its sender is proven to whom it reaches. */
static bool is_strayed_copy(const struct overlay *o, const struct link *l, const struct routed *r)
{
    if (r->body_len < 3 || r->body[0] != KIND_CONTROL || id_equal(&r->src, link_id(o, l)))
        return false;
    struct unpack u = unpack_of(r->body + 1, r->body_len - 1);
    unpack_array(&u, 1, 32);
    uint64_t op = unpack_uint(&u, 255);
    return !u.bad && op == CONTROL_STORE;
}

static void forward(struct overlay *o, uint64_t now_us, struct link *l, struct routed *r,
                    uint8_t *body, struct outbox *out)
{
    uint8_t carried = carries(body, r->body_len);
    if (r->ttl > ROUTE_TTL_MAX) r->ttl = ROUTE_TTL_MAX;
    if (r->flags & ROUTED_TRACE) trace_passed(o, now_us, r, out);
    if (id_equal(&r->dst, &o->self.id) &&
        !(r->mode == ROUTE_NEAREST && id_equal(&r->src, &o->self.id))) {
        deliver(o, now_us, l, r, body, out);
        return;
    }
    if (is_strayed_copy(o, l, r)) {
        drop(o, DROP_DENIED);
        return;
    }
    struct asked asked = ways_read(o, r);
    if (ways_answered_here(o, now_us, &asked, r)) {
        deliver(o, now_us, l, r, body, out);
        return;
    }
    struct link *next = ways_back(o, now_us, &asked, r, link_slot(o, l));
    if (!next) next = next_hop(o, r, carried, link_slot(o, l), NULL);
    if (!next && ways_to_the_key(&asked, r)) /* the root is a neighbour: straight to it */
        next = route_next(o, &r->dst, &r->src, false, link_slot(o, l), NULL);
    if (!next && came_uphill(o, l, r)) {
        r->flags |= ROUTED_PLAIN;
        next = l;
    }
    if (!next) {
        if (r->mode != ROUTE_NEAREST || id_equal(&r->src, &o->self.id))
            drop(o, DROP_NO_ROUTE);
        else if (!hold(o, now_us, l, r, body))
            deliver(o, now_us, l, r, body, out);
        return;
    }
    if (r->ttl == 0) {
        drop(o, DROP_TTL);
        return;
    }
    if (r->body_len > 0 && body[0] == OUTER_HELLO1 && !link_may_hello(o, l, now_us)) {
        drop(o, DROP_RATE);
        return;
    }
    uint8_t frame[PKT_MAX];
    struct routed copy = *r;
    copy.ttl = (uint8_t)(r->ttl - 1);
    copy.body = body;
    size_t n = routed_write(frame, sizeof frame, &copy);
    if (!n) {
        drop(o, DROP_TOO_BIG);
        return;
    }
    ways_asked(o, now_us, &asked, r, link_slot(o, l));
    hop_send(o, now_us, next, frame, n, link_slot(o, l), out);
}

void on_routed(struct overlay *o, uint64_t now_us, struct link *l, uint8_t *frame, size_t len,
               struct outbox *out)
{
    struct routed r;
    if (!routed_read(frame, len, &r)) {
        drop(o, DROP_MALFORMED);
        return;
    }
    if (!(r.flags & ROUTED_NO_ACK)) {
        ack_owe(o, now_us, l, r.seq, out);
        if (seen_before(o, link_slot(o, l), &r)) {
            drop(o, DROP_DUPLICATE);
            return;
        }
    }
    uint8_t *body = frame + (len - r.body_len);
    if (id_equal(&r.dst, &o->self.id) && r.body_len &&
        body[0] == KIND_ROUTED) { /* we are its waypoint */
        struct routed inner;
        if (!routed_read(body, r.body_len, &inner) ||
            (inner.body_len && inner.body[0] == KIND_ROUTED)) {
            drop(o, DROP_MALFORMED);
            return;
        }
        forward(o, now_us, l, &inner, body + (r.body_len - inner.body_len), out);
        return;
    }
    forward(o, now_us, l, &r, body, out);
}

void on_ack(struct overlay *o, uint64_t now_us, struct link *l, const struct arrival *a,
            uint8_t *frame, size_t len, struct outbox *out)
{
    struct ack acks;
    if (!ack_read(frame, len, &acks)) {
        drop(o, DROP_MALFORMED);
        return;
    }
    for (uint16_t i = 0, left = o->inflight_count; left && i < o->common->limits.inflight; i++) {
        struct inflight *f = o->inflights[i];
        if (f) left--;
        if (!f || f->slot != link_slot(o, l)) continue;
        for (uint8_t k = 0; k < acks.count; k++) {
            if (acks.seq[k] != f->seq) continue;
            if (f->tries == 0 && l->srtt == 0) link_rtt_sample(l, time_since(now_us, f->sent_us));
            inflight_end(o, i);
            break;
        }
    }
    /* what follows it lies in the step's own buffer: events may point there */
    if (acks.rest && acks.rest_len)
        on_frame(o, now_us, l, a, false, frame + (len - acks.rest_len), acks.rest_len, out);
}

/* The link it waited on is gone: look at it as if it had just come, for now we may be the nearest ourselves. */
static void once_more(struct overlay *o, uint64_t now_us, uint16_t i, struct outbox *out)
{
    struct inflight *f = o->inflights[i];
    struct routed r;
    uint16_t len = f->len, arrived_on = f->arrived_on;
    uint8_t *frame = outbox_space(out, len); /* what it delivers must outlive this call */
    if (frame) {
        memcpy(frame, f->frame, len);
        outbox_commit(out, len);
    }
    inflight_end(o, i);
    if (!frame || !routed_read(frame, len, &r)) return;
    if (arrived_on != NO_SLOT && o->links[arrived_on].state == LINK_UP) {
        forward(o, now_us, &o->links[arrived_on], &r, frame + (len - r.body_len), out);
        return;
    }
    uint8_t carried = carries(r.body, r.body_len);
    struct link *l = next_hop(o, &r, carried, NO_SLOT, NULL);
    frame[3] = r.flags;
    if (l)
        hop_send(o, now_us, l, frame, len, NO_SLOT, out);
    else
        drop(o, DROP_NO_ROUTE);
}

static void retry(struct overlay *o, uint64_t now_us, uint16_t i, struct outbox *out)
{
    struct inflight *f = o->inflights[i];
    struct link *l = f->slot == NO_SLOT ? NULL : &o->links[f->slot];
    struct routed r;
    if (!l && routed_read(f->frame, f->len, &r) && ring_open(o, now_us, &r.dst)) {
        if (time_since(now_us, f->born_us) >= ROUTE_HOLD_US) { /* we do not get onto the ring */
            drop(o, DROP_NO_ROUTE);
            inflight_end(o, i);
            return;
        }
        f->due_us = now_us + HELD_US;
        wake_at(o, f->due_us);
        return;
    }
    if (!l || l->state != LINK_UP) {
        once_more(o, now_us, i, out);
        return;
    }
    if (f->tries + 1 >= ROUTE_TRIES && l->tries && time_since(now_us, f->born_us) < ROUTE_HOLD_US) {
        f->due_us = now_us +
                    MILLIS(50); /* whether that link lives is being found out: wait for it */
        wake_at(o, f->due_us);
        return;
    }
    if (++f->tries >= ROUTE_TRIES || !routed_read(f->frame, f->len, &r)) {
        drop(o, DROP_RETRIES);
        inflight_end(o, i);
        return;
    }
    link_doubt(o, l, now_us, f->sent_us, out);
    /* the next best that makes progress; if there is none, the same again */
    f->avoid[f->tries - 1] = f->slot;
    uint8_t carried = carries(r.body, r.body_len);
    struct link *other = next_hop(o, &r, carried, f->arrived_on, f->avoid);
    if (other) {
        l = other;
        f->slot = link_slot(o, l);
        f->seq = ++o->seq_next;
        f->frame[3] = r.flags;
        put_u16(f->frame + 4, f->seq);
    }
    inflight_arm(o, f, l, now_us);
    frame_send(o, l, now_us, f->frame, f->len, NULL, out);
}

void route_forget_link(struct overlay *o, uint64_t now_us, uint16_t slot, struct outbox *out)
{
    (void)out;
    for (uint16_t i = 0, left = o->inflight_count; left && i < o->common->limits.inflight; i++) {
        struct inflight *f = o->inflights[i];
        if (f) left--;
        if (!f || f->slot != slot) continue;
        f->due_us = now_us; /* another way, at once: but not from inside a close */
        wake_at(o, now_us + 1);
    }
}

void route_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    acks_flush(o, now_us, 0, out);
    for (uint16_t i = 0, left = o->inflight_count; left && i < o->common->limits.inflight; i++) {
        if (!o->inflights[i]) continue;
        left--;
        if (o->inflights[i]->due_us > now_us) {
            wake_at(o, o->inflights[i]->due_us);
            continue;
        }
        retry(o, now_us, i, out);
        left = UINT16_MAX; /* it may have put others behind this one */
    }
}
