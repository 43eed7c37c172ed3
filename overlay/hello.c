/* overlay/hello.c - handshakes under way: dial, answer, retry; certificates before anything else.
 *
 * Source: docs/wire.md (Noise XXpsk3 around handshake.h, knock.h). An unproven id changes no state: a link exists only once keys
 * are agreed, and counts only once the peer's certificate chain verified. */
#include "overlay/core.h"
#include <string.h>

#define HELLO_FIRST_BARE_US   MILLIS(400) /* well above a 100 ms round trip; doubles */
#define HELLO_FIRST_ROUTED_US MILLIS(700) /* several hops and their acknowledgements */
#define HELLO_TRIES           4
#define HELLO_PAUSE_MAX_US    SECONDS(3)
#define HELLO_TRIES_SEED      7
#define HELLO_TRIES_PROBE     2 /* somebody who may be gone, while we are on the ring */
#define HELLO_TRIES_UDP       3
#define HELLO_PAUSE_SEED_US   MILLIS(800)
#define HELLO_RESPONDER_US    SECONDS(4) /* a HELLO1 without its HELLO3: several round trips */
#define CROSSING_US           HELLO_FIRST_BARE_US
#define PLAIN_EVERY           4
#define WORD_MAX              8 /* handshakes at a time on one peer's word: as many as would be near */

static void hello_send(struct overlay *o, uint64_t now_us, const struct hello *h,
                       const uint8_t *bytes, size_t len, struct outbox *out)
{
    if (h->routed)
        route_send(o, now_us, ROUTE_EXACT, h->tries ? ROUTED_PLAIN : 0, &h->target, &h->waypoint,
                   bytes, len, NO_SLOT, out);
    else
        datagram_send(o, &h->at, bytes, len, out);
}

static struct hello_info own_info(const struct overlay *o, const struct endpoint *observed)
{
    struct hello_info i = {
        .capabilities = o->capabilities, .mtu_bytes = 1500, .observed = *observed};
    memcpy(i.ed_pk, o->self.ed_pk, 32);
    return i;
}

/* Whom an answer over the ring comes through: where hardly anybody hears us, through one of those few. */
static struct id way_back(const struct overlay *o, const struct hello *h)
{
    for (uint16_t i = 0; i < o->up_count; i++) {
        const struct link *l = order_at(o, i);
        if (link_lifeline(o, l) && !link_suspect(l)) return *link_id(o, l);
    }
    return id_is_zero(&h->waypoint) ? request_via(o) : h->waypoint;
}

static void send_hello1(struct overlay *o, uint64_t now_us, struct hello *h, struct outbox *out)
{
    uint8_t fresh[32], bytes[HELLO1_SIZE];
    const struct endpoint none = {0};
    if (h->routed && h->tries)
        h->waypoint = waypoint_near(o, &h->target, &h->waypoint); /* that way was silent: another */
    struct hello_info own = own_info(o, &none);
    struct id expect = h->target;
    /* on our way to our place; behind a NAT those whom a seed names may not hear us: now and then plainly */
    if (!h->routed && !o->joined && (h->kinds & KIND_LEAF) &&
        o->join_tries % PLAIN_EVERY != PLAIN_EVERY - 1)
        own.place = o->self.id;
    if (h->kinds & KIND_NEAR) own.place = o->self.id;
    if (h->tries == 0 && !id_is_zero(&h->place)) own.place = h->place;
    if (h->routed) own.via = way_back(o, h);
    rng_bytes(&o->rng, fresh, sizeof fresh);
    /* UDP is blocked for some: a seed that is silent there is dialled over TCP, at the same address and port */
    if (h->from_seed && !h->routed && h->tries == HELLO_TRIES_UDP && (o->capabilities & CAP_TCP))
        h->at.transport = TRANSPORT_TCP;
    handshake_init(&h->hs, o->crypto, &o->common->key, true, h->entry);
    h->hs.expect = expect;
    hello1_write(&h->hs, o->crypto, &o->common->key, &own, fresh, bytes);
    memcpy(h->mac1, bytes + HELLO1_SIZE - 2 * MAC_SIZE, MAC_SIZE);
    if (h->has_cookie) mac2_write(o->crypto, h->cookie, bytes);
    crypto_wipe(fresh, sizeof fresh);
    h->sent_us = now_us;
    /* a neighbour is asked both ways at once; for a far link, which nobody waits for, the ring is spared if it hears us bare, and as
     * long as those around hear us so */
    unsigned bare_tries = o->bare_heard && !h->brief ? 2 : 1; /* more is lost than closed, then */
    if (h->routed && h->at.port && h->tries == bare_tries) o->bare_heard = false;
    bool bare = h->routed && h->at.port && h->tries < bare_tries &&
                budget_take(&o->probe_budget, now_us, PROBES_PER_S, PROBES_BURST);
    bool only_bare = bare && (h->kinds == KIND_FAR || o->bare_heard);
    uint64_t pause = h->routed && !only_bare ? HELLO_FIRST_ROUTED_US : HELLO_FIRST_BARE_US;
    /* a seed under a rush has room again soon: ask often, and not in step with everybody else */
    pause = time_min(pause << h->tries, h->from_seed ? HELLO_PAUSE_SEED_US : HELLO_PAUSE_MAX_US);
    h->next_us = now_us + rng_jitter(&o->rng, pause, h->from_seed ? 35 : 10);
    h->tries++;
    wake_at(o, h->next_us);
    /* so often, and within the bound on probes: the endpoint is somebody's word */
    if (bare) datagram_send(o, &h->at, bytes, sizeof bytes, out);
    if (!only_bare) hello_send(o, now_us, h, bytes, sizeof bytes, out);
}

bool hello_dial(struct overlay *o, uint64_t now_us, const struct endpoint *at, const struct id *id,
                uint8_t kinds, bool from_seed, struct outbox *out)
{
    struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (h->hs.initiator && !h->routed && endpoint_equal(&h->at, at)) return false;
    h = hello_may_begin(o, id) ? hello_new(o, true, id, at) : NULL;
    if (!h) return false;
    h->at = *at;
    h->target = *id;
    h->kinds = kinds;
    h->from_seed = from_seed;
    char text[ENDPOINT_TEXT];
    trace(o->trace, now_us, HELLO, "%s > dial", endpoint_print(at, text));
    send_hello1(o, now_us, h, out);
    return true;
}

static struct hello *route_begin(struct overlay *o, uint64_t now_us, const struct id *id,
                                 const struct id *waypoint, const struct endpoint *at,
                                 const struct id *place, uint8_t kinds, struct outbox *out)
{
    if (hello_pending(o, id) || id_equal(id, &o->self.id) || !hello_may_begin(o, id)) return NULL;
    struct hello *h = hello_new(o, true, id, at);
    if (!h) return NULL;
    h->routed = true;
    h->target = *id;
    h->place = *place;
    h->waypoint = *waypoint;
    /* a neighbour that we have no link to is not reached by greedy steps from us: through somebody near it */
    if (id_is_zero(waypoint) && !route_next(o, id, &o->self.id, false, NO_SLOT, NULL))
        h->waypoint = waypoint_near(o, id, id);
    if (endpoint_is_usable(at)) h->at = *at;
    h->kinds = kinds;
    /* not linked yet, and there are others of that octave */
    h->brief = kinds == KIND_FAR && !o->ping_more && !link_by_id(o, id);
    char text[ID_TEXT];
    trace(o->trace, now_us, HELLO, "%.8s > ask over the ring", id_print(id, text));
    send_hello1(o, now_us, h, out);
    return h;
}

bool hello_route(struct overlay *o, uint64_t now_us, const struct id *id, const struct id *waypoint,
                 const struct endpoint *at, uint8_t kinds, struct outbox *out)
{
    return route_begin(o, now_us, id, waypoint, at, &ID_ZERO, kinds, out) != NULL;
}

bool hello_far(struct overlay *o, uint64_t now_us, const struct id *id, const struct endpoint *at,
               const struct id *place, struct outbox *out)
{
    return route_begin(o, now_us, id, &ID_ZERO, at, place, KIND_FAR, out) != NULL;
}

/* Is it asking us, and about to be heard? */
static bool asks_us(const struct overlay *o, uint64_t now_us, const struct endpoint *at)
{
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (!h->hs.initiator && !h->routed && time_since(now_us, h->sent_us) < CROSSING_US &&
            endpoint_equal(&h->at, at))
            return true;
    return false;
}

void hello_given_up(struct overlay *o, uint64_t now_us, const struct id *id,
                    const struct endpoint *at, struct outbox *out)
{
    struct hello *h = route_begin(o, now_us, id, &ID_ZERO, at, &ID_ZERO, KIND_NEAR, out);
    if (h) h->given_up = h->brief = true;
}

bool hello_heard_of(struct overlay *o, uint64_t now_us, const struct link *by, const struct id *id,
                    const struct id *waypoint, const struct endpoint *at, bool brief,
                    struct outbox *out)
{
    uint16_t max = o->common->limits.handshakes, its = 0, all = 0;
    uint16_t word = by ? (uint16_t)(link_slot(o, by) + 1) : WORD_REFER;
    struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;) {
        if (!h->word || h->link_slot != NO_SLOT) continue;
        all++;
        its = (uint16_t)(its + (h->word == word));
    }
    if (all >= max / 2 || its >= WORD_MAX || asks_us(o, now_us, at)) return false;
    h = route_begin(o, now_us, id, waypoint, at, &ID_ZERO, KIND_NEAR, out);
    if (!h) return false;
    h->word = word;
    h->brief = brief;
    return true;
}

void hello_met(struct overlay *o, uint64_t now_us, const struct link *by, const struct id *id,
               const struct endpoint *at, struct outbox *out)
{
    struct hello *h = route_begin(o, now_us, id, link_id(o, by), at, &ID_ZERO, KIND_LEAF, out);
    if (h) h->word = (uint16_t)(link_slot(o, by) + 1);
}

/* --- responder --- */

static void answer_cookie(struct overlay *o, uint64_t now_us, const struct arrival *a,
                          const uint8_t sender[21], const uint8_t *b, size_t len,
                          enum cookie_reason reason, struct outbox *out)
{
    uint8_t bytes[COOKIE_SIZE];
    cookie_write(&o->knock, o->crypto, now_us, &o->rng, b, len, sender, reason, bytes);
    if (a->routed)
        route_send(o, now_us, ROUTE_EXACT, 0, &a->routed_src, &a->waypoint, bytes, sizeof bytes,
                   NO_SLOT, out);
    else
        datagram_send(o, &a->from, bytes, sizeof bytes, out);
}

/* The door. True: come in. */
static bool knock_ok(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
                     size_t len, struct outbox *out)
{
    uint8_t sender[21];
    if (a->routed)
        knock_sender_id(sender, &a->routed_src);
    else
        knock_sender_endpoint(sender, &a->from);
    bool busy = o->hello_count * 4u >= o->common->limits.handshakes * 3u;
    switch (knock_hello1(&o->knock, o->crypto, now_us, &o->rng, b, len, sender, busy)) {
    case KNOCK_OK: return true;
    case KNOCK_BAD_MAC1: drop(o, DROP_MAC1); return false;
    case KNOCK_REPLAYED: drop(o, DROP_REPLAYED_HELLO); return false;
    case KNOCK_VERSION:
        drop(o, DROP_VERSION);
        outbox_event(out, OE_VERSION, NULL);
        answer_cookie(o, now_us, a, sender, b, len, COOKIE_VERSION, out);
        return false;
    case KNOCK_NEED_COOKIE:
        drop(o, DROP_COOKIE);
        answer_cookie(o, now_us, a, sender, b, len, COOKIE_PROVE, out);
        return false;
    }
    return false;
}

/* The same bytes may come bare and over the ring (decision 0007): is the first of them being answered? */
static bool being_answered(const struct overlay *o, const uint8_t *hello1)
{
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (!h->hs.initiator && memcmp(h->hs.noise.re, hello1 + HELLO1_HEADER, 32) == 0)
            return true;
    return false;
}

/* Did it just come from a peer with whom a session of ours is under way, or up? Both would make one, for nothing. Of two that have
 * asked each other the greater id goes on. Not for long: the peer may not have heard us, or may have started anew. */
static bool crosses_ours(const struct overlay *o, uint64_t now_us, const struct arrival *a)
{
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;) {
        if (!h->hs.initiator || h->tries != 1 || time_since(now_us, h->sent_us) >= CROSSING_US ||
            id_is_zero(&h->target))
            continue;
        bool goes_on = h->link_slot != NO_SLOT || id_compare(&o->self.id, &h->target) > 0;
        if (goes_on &&
            (a->routed ? id_equal(&h->target, &a->routed_src) : endpoint_equal(&h->at, &a->from)))
            return true;
    }
    for (uint16_t i = 0; !a->routed && i < o->up_count; i++) {
        const struct link *l = order_at(o, i);
        struct endpoint at = link_endpoint(l);
        if (link_path(l) == PATH_DIRECT && endpoint_equal(&at, &a->from))
            return link_age_us(l, now_us) < CROSSING_US;
    }
    return false;
}

/* Half of the handshakes are for those who would stand next to us: a seed under a rush would else not hear its own neighbours. */
static bool kept_for_near(const struct overlay *o, const struct hello *h)
{
    if (o->hello_count * 2u <= o->common->limits.handshakes || o->up_count < 2 * NEAR_SIDE_MAX)
        return false;
    const struct id *who = h->routed ? &h->target : &h->hs.peer.place;
    return id_is_zero(who) || !ring_would_be_near(o, who);
}

void on_hello1(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
               size_t len, struct outbox *out)
{
    if (refer_hello1(o, now_us, a, b, len, out) || !knock_ok(o, now_us, a, b, len, out)) return;
    if (being_answered(o, b)) {
        drop(o, DROP_REPLAYED_HELLO);
        return;
    }
    if (crosses_ours(o, now_us, a)) {
        drop(o, DROP_DUPLICATE);
        return;
    }
    struct hello *h = link_room(o, now_us) ? hello_new(o, false, &a->routed_src, &a->from) : NULL;
    if (!h) {
        drop(o, DROP_FULL);
        return;
    }
    h->routed = a->routed;
    h->at = a->from;
    h->target = a->routed_src;
    h->waypoint = a->waypoint;
    h->sent_us = now_us;
    h->next_us = now_us + HELLO_RESPONDER_US;
    wake_at(o, h->next_us);
    uint8_t fresh[32], bytes[HELLO2_SIZE];
    struct hello_info own = own_info(o, &a->from);
    rng_bytes(&o->rng, fresh, sizeof fresh);
    enum err e = hello1_read(&h->hs, o->crypto, b, len);
    if (e == OK && h->routed && !id_is_zero(&h->hs.peer.via)) h->waypoint = h->hs.peer.via;
    if (e == OK && kept_for_near(o, h)) {
        drop(o, DROP_FULL);
        hello_end(o, h, false);
        return;
    }
    if (e != OK ||
        hello2_write(&h->hs, o->crypto, &o->common->key, &o->self, &own, fresh, bytes) != OK) {
        drop(o, DROP_HANDSHAKE);
        hello_end(o, h, false);
    } else {
        hello_send(o, now_us, h, bytes, sizeof bytes, out);
    }
    crypto_wipe(fresh, sizeof fresh);
}

/* --- both: keys are agreed --- */

static struct link *link_from_hello(struct overlay *o, uint64_t now_us, struct hello *h,
                                    struct outbox *out)
{
    peer_handle peer = identities_hold_keys(o->identities, &h->hs.peer_id, h->hs.peer.ed_pk,
                                            h->hs.peer_x_pk);
    if (!peer) return NULL;
    struct link *l = link_new(o, now_us, peer, out);
    if (!l) {
        identities_drop(o->identities, peer);
        return NULL;
    }
    struct session_keys keys;
    handshake_keys(&h->hs, o->crypto, &keys);
    session_start(&l->s, &keys);
    crypto_wipe(&keys, sizeof keys);
    l->s.entry = h->entry;
    index_move(o, h->entry, (uint16_t)(ENTRY_LINK | link_slot(o, l)));
    l->kinds = h->kinds;
    h->link_slot = link_slot(o, l);
    if (h->routed) {
        struct extra *x = link_need_extra(o, l);
        if (x) x->waypoint = h->waypoint;
        link_set_path(l, PATH_ROUTED);
    } else {
        link_set_endpoint(l, &h->at);
        link_set_path(l, PATH_DIRECT);
        if (!endpoint_is_none(&h->hs.peer.observed) &&
            observe_report(&o->observe, now_us, &h->at, &h->hs.peer.observed))
            outbox_event(out, OE_REMEMBER, NULL);
    }
    return l;
}

/* The initiator asked more than once before it heard us, under the same index: those halves wait for nothing any more. */
static void end_repeats(struct overlay *o, const struct hello *done)
{
    struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (h != done && !h->hs.initiator && h->link_slot == NO_SLOT &&
            h->hs.remote_index == done->hs.remote_index &&
            (h->routed ? id_equal(&h->target, &done->hs.peer_id)
                       : endpoint_equal(&h->at, &done->at)))
            hello_end(o, h, false);
}

/* HELLO3 once more: our CERT was lost. */
static void hello3_again(struct overlay *o, uint64_t now_us, const struct arrival *a,
                         struct link *l, uint32_t sender, const uint8_t *b, size_t len,
                         struct outbox *out)
{
    if (l->state != LINK_UP || (l->s.flags & (SESSION_INITIATOR | SESSION_HEARD)) ||
        l->s.remote_index != sender || !knock_mac1(&o->knock, o->crypto, now_us, b, len)) {
        drop(o, DROP_NO_HANDSHAKE);
        return;
    }
    struct extra *x = link_extra(o, l);
    if (x && a->routed && link_path(l) == PATH_ROUTED)
        x->waypoint = *link_id(o, a->link); /* back the way this came */
    cert_send(o, l, now_us, out);
}

/* The initiator is proven and certified. Its session goes on, unless it crossed one of ours. */
static void answered(struct overlay *o, uint64_t now_us, struct hello *h,
                     const struct membership *m, struct outbox *out)
{
    const struct link *old = link_by_id(o, &h->hs.peer_id);
    if (old && !keys_follow(o, old, h->sent_us)) {
        char text[ID_TEXT];
        trace(o->trace, now_us, HELLO, "%.8s > not taken: it crossed ours",
              id_print(&h->hs.peer_id, text));
        hello_end(o, h, false);
        return;
    }
    uint64_t rtt_us = time_since(now_us, h->sent_us);
    struct link *l = link_from_hello(o, now_us, h, out);
    if (!l) {
        drop(o, DROP_FULL);
        hello_end(o, h, false);
        return;
    }
    link_rtt_sample(l, rtt_us);
    end_repeats(o, h);
    hello_end(o, h, true);
    cert_send(o, l, now_us, out);
    l = proven(o, now_us, l, m, out);
    settled(o, now_us, l, out);
}

void on_hello3(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
               size_t len, struct outbox *out)
{
    uint32_t sender, receiver;
    if (!hello_indices(b, len, &sender, &receiver)) {
        drop(o, DROP_LENGTH);
        return;
    }
    uint16_t meaning = index_meaning(o, receiver);
    if ((meaning & ENTRY_KIND) == ENTRY_LINK) {
        struct link *l = &o->links[(meaning & ~ENTRY_KIND) % o->common->limits.links];
        hello3_again(o, now_us, a, l, sender, b, len, out);
        return;
    }
    struct hello *h = hello_by_meaning(o, meaning);
    if (!h || h->hs.initiator || h->hs.stage != 2) {
        drop(o, DROP_NO_HANDSHAKE);
        return;
    }
    if (!link_room(o, now_us)) { /* it will say HELLO3 again; by then there may be room */
        drop(o, DROP_FULL);
        return;
    }
    uint8_t chain[CHAIN_BYTES];
    size_t chain_len = 0;
    struct membership m;
    if (hello3_read(&h->hs, o->crypto, &o->common->key, &o->self, b, len, chain, &chain_len) !=
        OK) {
        drop(o, DROP_HANDSHAKE); /* a forged one has changed nothing */
    } else if (id_equal(&h->hs.peer_id, &o->self.id)) {
        hello_end(o, h, false); /* ourselves, through a seed list that names us */
    } else if (chain_verify((struct span){chain, chain_len}, o->crypto, o->common->authority_pk,
                            &h->hs.peer_id, calendar_now(o, now_us), &m) != OK) {
        char text[ID_TEXT];
        trace(o->trace, now_us, HELLO, "%.8s > refused: its certificate does not verify",
              id_print(&h->hs.peer_id, text));
        drop(o, DROP_CERT);
        hello_end(o, h, false);
    } else {
        answered(o, now_us, h, &m, out);
    }
}

/* --- initiator --- */

static void send_hello3(struct overlay *o, uint64_t now_us, struct hello *h, struct outbox *out)
{
    if (h->routed && h->tries) { /* the way through the waypoint was silent: another */
        struct extra *x = link_extra(o, &o->links[h->link_slot]);
        h->waypoint = waypoint_near(o, &h->target, &h->waypoint);
        if (x) x->waypoint = h->waypoint;
    }
    h->sent_us = now_us;
    h->next_us = now_us +
                 time_min((h->routed ? HELLO_FIRST_ROUTED_US : HELLO_FIRST_BARE_US) << h->tries,
                          h->from_seed ? HELLO_PAUSE_SEED_US : HELLO_PAUSE_MAX_US);
    h->tries++;
    wake_at(o, h->next_us);
    hello_send(o, now_us, h, h->hello3, h->hello3_len, out);
}

void on_hello2(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
               size_t len, struct outbox *out)
{
    uint32_t sender, receiver;
    if (!hello_indices(b, len, &sender, &receiver)) {
        drop(o, DROP_LENGTH);
        return;
    }
    struct hello *h = hello_by_meaning(o, index_meaning(o, receiver));
    if (!h || !h->hs.initiator || h->hs.stage != 1) {
        drop(o, DROP_NO_HANDSHAKE);
        return;
    }
    if (!knock_mac1(&o->knock, o->crypto, now_us, b, len)) {
        drop(o, DROP_MAC1);
        return;
    }
    enum err e = hello2_read(&h->hs, o->crypto, &o->common->key, &o->self, b, len);
    if (e != OK) {
        drop(o, e == ERR_DENIED ? DROP_STOLEN_ID : DROP_HANDSHAKE);
    } else if (id_equal(&h->hs.peer_id, &o->self.id)) {
        hello_end(o, h, false);
    } else if (hello3_waits(o, h)) {
        hello_end(o, h, false);
    } else if (h->kinds == KIND_FAR && !endpoint_is_none(&a->from) && h->tries == 1 &&
               !far_worth(o, now_us, &h->hs.peer_id, time_since(now_us, h->sent_us))) {
        hello_end(o, h, false); /* that answer was all we wanted to know */
    } else if (h->from_seed && !(h->kinds & KIND_NEAR) &&
               (link_by_id(o, &h->hs.peer_id) || (!o->joined && links_any_out(o)))) {
        hello_end(o, h,
                  false); /* one seed is handing us on: leave the others to those who have none */
    } else {
        if ((h->routed && h->at.port) || !h->from_seed) o->bare_heard = !endpoint_is_none(&a->from);
        h->routed = endpoint_is_none(&a->from); /* the way that was faster */
        if (!h->routed) h->at = a->from;
        struct hello_info own = own_info(o, h->routed ? &(struct endpoint){0} : &h->at);
        struct own_chain chain = first_chain(o);
        if (!h->hello3 && !(h->hello3 = pool_take_size(o->extra_pool, HELLO3_MIN + chain.len))) {
            drop(o, DROP_FULL);
            hello_end(o, h, false);
            return;
        }
        h->hello3_len = (uint16_t)hello3_write(&h->hs, o->crypto, &o->common->key, &o->self, &own,
                                               chain.bytes, chain.len, h->hello3);
        ensure(h->hello3_len > 0);
        struct link *l = link_from_hello(o, now_us, h, out);
        if (!l) {
            drop(o, DROP_FULL);
            hello_end(o, h, false);
        } else {
            h->tries = 0;
            link_rtt_sample(l, time_since(now_us, h->sent_us));
            send_hello3(o, now_us, h, out);
        }
    }
}

void on_cookie(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
               size_t len, struct outbox *out)
{
    uint32_t receiver;
    (void)a;
    struct reader r = reader_of(b, len);
    read_u32(&r);
    receiver = read_u32(&r);
    struct hello *h = hello_by_meaning(o, index_meaning(o, receiver));
    enum cookie_reason reason;
    if (!h || !h->hs.initiator || h->hs.stage != 1) {
        drop(o, DROP_NO_HANDSHAKE);
        return;
    }
    if (cookie_read(&o->knock, o->crypto, b, len, h->mac1, h->cookie, &reason) != OK) {
        drop(o, DROP_COOKIE);
        return;
    }
    if (reason == COOKIE_VERSION) {
        outbox_event(out, OE_VERSION, &h->target);
        return; /* its retries end by themselves */
    }
    if (reason != COOKIE_PROVE || h->has_cookie) return;
    h->has_cookie = true;
    h->tries = 0;
    send_hello1(o, now_us, h, out);
}

static void hello_failed(struct overlay *o, uint64_t now_us, struct hello *h, struct outbox *out)
{
    char text[ID_TEXT];
    struct id target = h->target;
    bool tell = (h->kinds & KIND_DEMAND) && !id_is_zero(&target);
    uint16_t slot = h->link_slot;
    bool initiator = h->hs.initiator, wanted_near = h->kinds & KIND_NEAR;
    if (h->hs.initiator && !id_is_zero(&target)) fail_note(o, &target, now_us);
    if (h->hs.initiator)
        trace(o->trace, now_us, HELLO, "%.8s > gave up: no answer", id_print(&target, text));
    hello_end(o, h, slot != NO_SLOT);
    if (slot != NO_SLOT) keys_unanswered(o, now_us, &o->links[slot]);
    if (initiator && wanted_near && !link_by_id(o, &target)) ring_missed(o, now_us, &target);
    if (tell && !link_by_id(o, &target)) outbox_event(out, OE_FAILED, &target);
}

static uint8_t tries_max(const struct overlay *o, const struct hello *h)
{
    if (h->link_slot != NO_SLOT) return HELLO_TRIES;
    bool referred = !h->from_seed && !h->routed && h->kinds == KIND_LEAF;
    if (h->brief || referred) return HELLO_TRIES_PROBE;
    if (!h->from_seed) return HELLO_TRIES;
    return o->joined ? HELLO_TRIES_PROBE : HELLO_TRIES_SEED;
}

void hello_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;) {
        if (h->next_us > now_us) {
            wake_at(o, h->next_us);
        } else if (h->referred && h->link_slot == NO_SLOT && !ring_would_be_near(o, &h->target)) {
            hello_end(o, h, false);
        } else if (!h->hs.initiator || h->tries >= tries_max(o, h)) {
            hello_failed(o, now_us, h, out);
        } else if (h->link_slot != NO_SLOT) {
            send_hello3(o, now_us, h, out);
        } else {
            send_hello1(
                o, now_us, h,
                out); /* a fresh ephemeral: the old one may be in the other's replay filter */
        }
    }
}
