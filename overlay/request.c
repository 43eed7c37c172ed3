/* overlay/request.c - questions of ours that travel over the ring: who is nearest, which way, which record. */
#include "overlay/core.h"
#include <string.h>

#define RETRY_US                                                                                   \
    MILLIS(                                                                                        \
        1000) /* each hop has retried by then; where little is lost, a dead neighbour is known within 3 s */

struct request *request_by_id(const struct overlay *o, uint32_t id)
{
    for (uint16_t i = 0; i < o->common->limits.requests; i++)
        if (o->requests[i] && o->requests[i]->id == id) return o->requests[i];
    return NULL;
}

bool overlay_may_wonder(const struct overlay *o)
{
    return o->request_count < (o->common->limits.requests + 1u) / 2u;
}

struct request *request_start(struct overlay *o, uint64_t now_us, uint8_t what,
                              const struct id *target, uint64_t timeout_us, uint16_t body_max)
{
    if (!tables_need_routes(o)) return NULL;
    for (uint16_t i = 0; i < o->common->limits.requests; i++) {
        if (o->requests[i]) continue;
        struct request *r = pool_take_size(o->extra_pool, sizeof *r + body_max);
        if (!r) return NULL;
        r->body_max = body_max;
        r->what = what;
        r->id = ++o->request_next;
        r->target = *target;
        r->sent_us = now_us;
        r->until_us = now_us + timeout_us;
        r->force_slot = NO_SLOT;
        o->requests[i] = r;
        o->request_count++;
        return r;
    }
    return NULL;
}

void request_end(struct overlay *o, struct request *r)
{
    for (uint16_t i = 0; i < o->common->limits.requests; i++) {
        if (o->requests[i] != r) continue;
        o->requests[i] = NULL;
        o->request_count--;
        if (r->straight) crypto_wipe(r->body, r->body_len); /* its key */
        pool_give(o->extra_pool, r);
        return;
    }
}

static struct id answer_via(const struct overlay *o, const struct request *r);

/* Whom the answer was to come through may be gone. */
static void via_anew(const struct overlay *o, struct request *r)
{
    struct id via = answer_via(o, r);
    struct unpack u = unpack_of(r->body + 1, r->body_len - 1u);
    unpack_array(&u, 3, 32);
    (void)unpack_uint(&u, 255);
    (void)unpack_uint(&u, UINT32_MAX);
    size_t at = r->body_len - u.left + 2; /* behind the head of bin(20) */
    ensure(!u.bad && at + ID_SIZE <= r->body_len);
    memcpy(r->body + at, via.b, ID_SIZE);
}

void request_send(struct overlay *o, uint64_t now_us, struct request *r, struct outbox *out)
{
    r->tries++;
    r->sent_us = now_us;
    r->next_us = now_us + (r->tries < 4 ? RETRY_US : 2 * RETRY_US);
    if (r->what == REQUEST_MESSAGE) {
        message_send(o, now_us, r, out);
        return;
    }
    wake_at(o, time_min(r->next_us, r->until_us));
    if (r->tries > 1) via_anew(o, r);
    bool record = r->what == REQUEST_GET || r->what == REQUEST_PUT;
    if (record && r->tries > 1 && o->joined && ways_send(o, now_us, r, out)) return;
    uint16_t force = r->force_slot;
    if (force != NO_SLOT && o->links[force].state != LINK_UP) force = NO_SLOT;
    /* again: by another way, which no delay and no hint has chosen */
    uint8_t flags = r->tries > 1 ? r->flags | ROUTED_PLAIN : r->flags;
    route_send(o, now_us, r->mode, flags, &r->target, NULL, r->body, r->body_len, force, out);
}

/* Until we are on the ring, answers come through a peer that knows us. */
struct id request_via(const struct overlay *o)
{
    if (o->joined) return ID_ZERO;
    for (uint16_t i = 0; i < o->up_count; i++) {
        const struct link *l = order_at(o, i);
        if (link_path(l) == PATH_DIRECT && (l->s.flags & SESSION_INITIATOR)) return *link_id(o, l);
    }
    return ID_ZERO;
}

static void answer(struct overlay *o, uint64_t now_us, struct request *r, enum err e,
                   const struct id *owner, uint8_t hops, struct outbox *out)
{
    if (r->purpose == PURPOSE_CALLER) {
        struct overlay_event *ev = outbox_event(out, OE_ANSWER, owner);
        ev->answer = (struct overlay_answer){.request = r->external,
                                             .err = e,
                                             .id = *owner,
                                             .hops = hops,
                                             .rtt_us = (uint32_t)time_since(now_us, r->sent_us)};
    }
    request_end(o, r);
}

/* Whom the answer comes through. Somebody whom we found again, and hold for nothing else, may stand on another ring: there nobody but
 * it knows the way to us. */
static struct id answer_via(const struct overlay *o, const struct request *r)
{
    const struct link *l = r->force_slot != NO_SLOT ? &o->links[r->force_slot] : NULL;
    bool through = l && r->purpose == PURPOSE_REPAIR && merge_contact(o, l);
    return through ? *link_id(o, l) : request_via(o);
}

static struct pack pack_places(struct overlay *o, struct request *r, unsigned op, uint32_t count)
{
    struct id via = answer_via(o, r);
    struct pack k = control_pack(r->body, r->body_max, op, count);
    pack_uint(&k, r->id);
    pack_bin(&k, via.b, ID_SIZE);
    return k;
}

struct pack request_pack(struct overlay *o, struct request *r, unsigned op)
{
    return pack_places(o, r, op, 4);
}

void request_packed(struct overlay *o, uint64_t now_us, struct request *r, const struct pack *k,
                    struct outbox *out)
{
    ensure(!k->bad);
    r->body_len = (uint16_t)(k->len + 1);
    request_send(o, now_us, r, out);
}

/* FIND [request, via, ttl], whether it asks for the nearest or traces the way to one; and where to answer straight, if somebody waits. */
static void find_ask(struct overlay *o, uint64_t now_us, struct request *r, struct outbox *out)
{
    struct endpoint at = {0};
    r->straight = r->body_max >= STRAIGHT_MAX && straight_may(o, &at);
    struct pack k = pack_places(o, r, CONTROL_FIND, r->straight ? 6 : 4);
    pack_uint(&k, route_ttl(o));
    if (r->straight) straight_pack(o, &k, &at);
    request_packed(o, now_us, r, &k, out);
}

void find_send(struct overlay *o, uint64_t now_us, const struct id *target, uint8_t purpose,
               uint32_t external, uint64_t timeout_us, uint16_t force_slot, struct outbox *out)
{
    bool waited = purpose == PURPOSE_CALLER;
    struct request *r = request_start(o, now_us, REQUEST_FIND, target, timeout_us,
                                      waited ? STRAIGHT_MAX : QUESTION_MAX);
    if (!r) {
        if (purpose == PURPOSE_CALLER) {
            struct overlay_event *e = outbox_event(out, OE_ANSWER, NULL);
            e->answer = (struct overlay_answer){.request = external, .err = ERR_FULL};
        }
        return;
    }
    r->purpose = purpose;
    r->external = external;
    r->mode = ROUTE_NEAREST;
    /* nobody waits for it: one in some tens is lost, and asked again, with acknowledgements */
    if (purpose == PURPOSE_FAR || purpose == PURPOSE_REPAIR ||
        (purpose == PURPOSE_JOIN && o->joined_s && !o->torn))
        r->flags = ROUTED_NO_ACK;
    r->force_slot = force_slot;
    if (force_slot == NO_SLOT && !ring_open(o, now_us, target) &&
        !route_next(o, target, &o->self.id, false, NO_SLOT, NULL)) {
        if (id_equal(target, &o->self.id))
            request_end(o, r); /* nobody else is known */
        else
            answer(o, now_us, r, OK, &o->self.id, 0, out);
        return;
    }
    find_ask(o, now_us, r, out);
}

void overlay_find(struct overlay *o, uint64_t now_us, const struct id *target, uint32_t request,
                  uint64_t timeout_us, struct outbox *out)
{
    find_send(o, now_us, target, PURPOSE_CALLER, request, timeout_us, NO_SLOT, out);
}

void on_find(struct overlay *o, uint64_t now_us, const struct arrival *a, struct unpack *u,
             struct outbox *out)
{
    uint8_t frame[96];
    struct id via;
    uint64_t request = unpack_uint(u, UINT32_MAX);
    unpack_copy(u, via.b, ID_SIZE);
    uint64_t ttl = unpack_uint(u, 255);
    struct straight straight;
    if (u->bad || !straight_unpack(o, u, &straight)) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct endpoint own = {0};
    uint8_t at[ENDPOINT_WIRE];
    if (!observe_believed(&o->observe, &own, 1)) (void)observe_newest(&o->observe, &own);
    endpoint_encode(&own, at);
    struct pack k = control_pack(frame, sizeof frame, CONTROL_FOUND, 5);
    pack_uint(&k, request);
    pack_bin(&k, o->self.id.b, ID_SIZE);
    pack_uint(&k, ttl >= a->ttl ? ttl - a->ttl + 1 : 1);
    pack_bin(&k, at, sizeof at);
    ensure(!k.bad);
    route_send(o, now_us, ROUTE_EXACT, a->flags & (ROUTED_NO_ACK | ROUTED_PLAIN), &a->routed_src,
               &via, frame, k.len + 1, NO_SLOT, out);
    straight_send(o, now_us, &straight, &a->routed_src, (uint32_t)request, frame, k.len + 1, out);
    crypto_wipe(straight.key, sizeof straight.key);
    /* a newcomer that is not on the ring begins itself, if it is told where we are; else it cannot be answered over several hops,
     * but through its seed: so we begin */
    if (!own.port && !id_is_zero(&via) && !link_by_id(o, &a->routed_src) &&
        budget_take(&o->find_budget, now_us, 20, 40) && ring_would_be_near(o, &a->routed_src))
        (void)hello_heard_of(o, now_us, a->link, &a->routed_src, &via, &(struct endpoint){0}, true,
                             out); /* it asks again itself */
}

void on_found(struct overlay *o, uint64_t now_us, struct unpack *u, struct outbox *out)
{
    struct id owner;
    uint64_t id = unpack_uint(u, UINT32_MAX);
    unpack_copy(u, owner.b, ID_SIZE);
    uint64_t hops = unpack_uint(u, 255);
    struct endpoint at = {0};
    if (u->left && !u->bad) { /* where it believes to be */
        uint8_t e[ENDPOINT_WIRE];
        unpack_copy(u, e, sizeof e);
        if (!endpoint_decode(e, &at)) u->bad = true;
        if (!ring_hearsay_ok(o, &at)) at = (struct endpoint){0};
    }
    if (u->bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct request *r = request_by_id(o, (uint32_t)id);
    if (!r || (r->what != REQUEST_FIND && r->what != REQUEST_TRACE)) return; /* answered already */
    uint8_t purpose = r->purpose;
    struct link *by = r->force_slot != NO_SLOT && o->links[r->force_slot].state == LINK_UP
                          ? &o->links[r->force_slot]
                          : NULL;
    bool contact = purpose == PURPOSE_REPAIR && by && merge_contact(o, by);
    bool trace_done = r->what == REQUEST_TRACE;
    if (trace_done) {
        struct overlay_event *e = outbox_event(out, OE_HOP, &owner);
        e->answer = (struct overlay_answer){.request = r->external,
                                            .id = owner,
                                            .hops = (uint8_t)hops,
                                            .rtt_us = (uint32_t)time_since(now_us, r->sent_us)};
    }
    answer(o, now_us, r, OK, &owner, (uint8_t)hops, out);
    if (id_equal(&owner, &o->self.id)) return;
    if (purpose == PURPOSE_FAR) far_found(o, now_us, &owner, &at, out);
    if ((purpose == PURPOSE_JOIN || purpose == PURPOSE_REPAIR) && !link_by_id(o, &owner) &&
        ring_would_be_near(o, &owner)) {
        /* while we are not on the ring an owner that does not know where it is begins, through our seed (on_find) */
        struct id via = request_via(o), through = by ? *link_id(o, by) : ID_ZERO;
        uint8_t kinds = KIND_NEAR | (contact ? KIND_LEAF : 0);
        if (id_is_zero(&via) || at.port)
            (void)hello_route(o, now_us, &owner, &through, &at, kinds, out);
    } else if (contact && !link_by_id(o, &owner)) {
        merge_turn(o, now_us, by, out);
    }
}

/* --- trace: each hop of a frame with ROUTED_TRACE says that it was there --- */

void overlay_trace_route(struct overlay *o, uint64_t now_us, const struct id *target,
                         uint32_t request, uint64_t timeout_us, struct outbox *out)
{
    struct request *r = request_start(o, now_us, REQUEST_TRACE, target, timeout_us, QUESTION_MAX);
    if (!r || id_equal(target, &o->self.id)) {
        struct overlay_event *e = outbox_event(out, OE_ANSWER, target);
        e->answer = (struct overlay_answer){
            .request = request, .err = r ? OK : ERR_FULL, .id = *target};
        if (r) request_end(o, r);
        return;
    }
    r->external = request;
    r->mode = ROUTE_EXACT;
    r->flags = ROUTED_TRACE;
    find_ask(o, now_us, r, out);
}

void trace_passed(struct overlay *o, uint64_t now_us, const struct routed *r, struct outbox *out)
{
    uint8_t frame[64];
    struct id via;
    if (id_equal(&r->dst, &o->self.id) || r->body_len < 2 || r->body[0] != KIND_CONTROL) return;
    struct unpack u = unpack_of(r->body + 1, r->body_len - 1);
    unpack_array(&u, 4, 32);
    uint64_t op = unpack_uint(&u, 255), request = unpack_uint(&u, UINT32_MAX);
    unpack_copy(&u, via.b, ID_SIZE);
    uint64_t ttl = unpack_uint(&u, 255);
    if (u.bad || op != CONTROL_FIND || !budget_take(&o->route_budget, now_us, 100, 200)) return;
    struct pack k = control_pack(frame, sizeof frame, CONTROL_HOP, 4);
    pack_uint(&k, request);
    pack_uint(&k, ttl >= r->ttl ? ttl - r->ttl + 1 : 1);
    pack_bin(&k, o->self.id.b, ID_SIZE);
    route_send(o, now_us, ROUTE_EXACT, 0, &r->src, &via, frame, k.len + 1, NO_SLOT, out);
}

void on_hop(struct overlay *o, uint64_t now_us, struct unpack *u, struct outbox *out)
{
    struct id id;
    uint64_t request = unpack_uint(u, UINT32_MAX), hop = unpack_uint(u, 255);
    unpack_copy(u, id.b, ID_SIZE);
    struct request *r = u->bad ? NULL : request_by_id(o, (uint32_t)request);
    if (u->bad) drop(o, DROP_MALFORMED);
    if (!r || r->what != REQUEST_TRACE) return;
    struct overlay_event *e = outbox_event(out, OE_HOP, &id);
    e->answer = (struct overlay_answer){.request = r->external,
                                        .id = id,
                                        .hops = (uint8_t)hop,
                                        .rtt_us = (uint32_t)time_since(now_us, r->sent_us)};
}

void request_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    for (uint16_t i = 0, left = o->request_count; left && i < o->common->limits.requests; i++) {
        struct request *r = o->requests[i];
        if (!r) continue;
        left--;
        if (r->until_us <= now_us && r->what == REQUEST_MESSAGE) {
            message_over(o, r, out);
            continue;
        }
        if (r->what == REQUEST_GET && get_denied(o, r, now_us)) {
            answer(o, now_us, r, ERR_NOT_FOUND, &ID_ZERO, 0, out);
            continue;
        }
        if (r->until_us <= now_us) {
            answer(o, now_us, r, ERR_TIMEOUT, &ID_ZERO, 0, out);
            continue;
        }
        if (r->next_us <= now_us) {
            r->force_slot = NO_SLOT;
            r->flags &= (uint8_t)~ROUTED_NO_ACK;
            if (r->what == REQUEST_FIND && !id_equal(&r->target, &o->self.id) &&
                !ring_open(o, now_us, &r->target) &&
                !route_next(o, &r->target, &o->self.id, false, NO_SLOT, NULL)) {
                answer(o, now_us, r, OK, &o->self.id, 0, out); /* whoever was nearer is gone */
                continue;
            }
            request_send(o, now_us, r, out);
        }
        wake_at(o, time_min(r->next_us, r->until_us));
    }
}
