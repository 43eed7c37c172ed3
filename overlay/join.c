/* overlay/join.c - into the ring and back into it: seeds and remembered peers, dialled at once; joined, alone. */
#include "overlay/core.h"
#include <string.h>

#define RETRY_FIRST_US SECONDS(1)
#define RETRY_MAX_US   SECONDS(30)
#define ANEW_US        MILLIS(500) /* a newcomer next to us has told its list by then */
#define TORN_US        MILLIS(100)
#define RETRY_QUICK                                                                                \
    12 /* so often at RETRY_FIRST_US: a seed under a rush of newcomers has room again soon */
#define RETRY_LONE_US   SECONDS(3) /* then, with nobody at all: one address after the other */
#define RESOLVE_EVERY   10
#define FINDS_AT_ONCE   1
#define PASSIVE_MIN_US  SECONDS(15)
#define PASSIVE_MAX_US  SECONDS(600)
#define PASSIVE_SOON_US SECONDS(5)
#define PASSIVE_FEW_US  SECONDS(2)
#define PASSIVE_EACH    8u /* probes in vain, and the pause is twice as long */
#define PASSIVE_SHIFT   4u
#define FOUND_PAUSE_US  SECONDS(1)
#define FAILED_FOR_MS   8000u
#define SEEDS_KEPT_US   SECONDS(5)

void fail_note(struct overlay *o, const struct id *id, uint64_t now_us)
{
    if (!o->failed) o->failed = calloc(FAILED_MAX, sizeof *o->failed);
    if (!o->failed) return; /* no memory: it may be tried again sooner */
    o->failed[o->failed_next].id = *id;
    o->failed[o->failed_next].at_ms = ms32(now_us) | 1u;
    o->failed_next = (uint8_t)((o->failed_next + 1) % FAILED_MAX);
}

bool failed_lately(const struct overlay *o, const struct id *id, uint64_t now_us)
{
    for (unsigned i = 0; o->failed && i < FAILED_MAX; i++)
        if (o->failed[i].at_ms && id_equal(&o->failed[i].id, id) &&
            ms32(now_us) - o->failed[i].at_ms < FAILED_FOR_MS)
            return true;
    return false;
}

void fail_tick(struct overlay *o, uint64_t now_us)
{
    if (!o->failed) return;
    for (unsigned i = 0; i < FAILED_MAX; i++)
        if (o->failed[i].at_ms &&
            (int32_t)(ms32(now_us) - o->failed[i].at_ms) < (int32_t)FAILED_FOR_MS)
            return; /* signed: what was just noted may be 1 ms ahead */
    free(o->failed);
    o->failed = NULL;
}

/* --- remembered peers: those that look dead first, lost_count of them --- */

static void passive_swap(struct overlay *o, uint16_t a, uint16_t b)
{
    struct overlay_seed_peer p = o->passive[a];
    o->passive[a] = o->passive[b];
    o->passive[b] = p;
}

static struct overlay_seed_peer *passive_find(struct overlay *o, const struct id *id)
{
    for (uint16_t i = 0; i < o->passive_count; i++)
        if (id_equal(&o->passive[i].id, id)) return &o->passive[i];
    return NULL;
}

void join_lost(struct overlay *o, const struct id *id)
{
    const struct overlay_seed_peer *p = passive_find(o, id);
    o->passive_tries = 0;
    o->passive_due_us = 0; /* set anew */
    if (!p || p < o->passive + o->lost_count) return;
    passive_swap(o, (uint16_t)(p - o->passive), o->lost_count++);
}

/* One that was lost is there again: perhaps a ring that was parted from ours is, and the next of them is asked soon. So the word goes
 * round, from each who meets somebody (Shafaat, Ghodsi, Haridi, "Dealing with network partitions", 2009). */
static void passive_found(struct overlay *o, uint64_t now_us, const struct id *id)
{
    const struct overlay_seed_peer *p = passive_find(o, id);
    if (!p || p >= o->passive + o->lost_count) return;
    passive_swap(o, (uint16_t)(p - o->passive), --o->lost_count);
    o->passive_due_us = now_us + rng_jitter(&o->rng, FOUND_PAUSE_US, 30);
    wake_at(o, o->passive_due_us);
}

void join_remember(struct overlay *o, uint64_t now_us, const struct link *l, struct outbox *out)
{
    struct endpoint at = link_endpoint(l);
    (void)now_us;
    if (!at.port || !o->common->limits.passive) return;
    struct overlay_seed_peer *p = passive_find(o, link_id(o, l));
    if (!p) {
        /* full: those we have no link to make room first */
        uint16_t i = o->passive_count;
        if (i == o->common->limits.passive) {
            i = (uint16_t)rng_below(&o->rng, i);
            for (uint16_t k = 0; k < o->passive_count; k++)
                if (!link_by_id(o, &o->passive[k].id)) i = k;
            if (i < o->lost_count) passive_swap(o, i, --o->lost_count), i = o->lost_count;
        } else {
            o->passive_count++;
        }
        p = &o->passive[i];
    } else if (endpoint_equal(&p->at, &at)) {
        return;
    }
    *p = (struct overlay_seed_peer){*link_id(o, l), at};
    outbox_event(out, OE_REMEMBER, NULL);
}

void overlay_remember(struct overlay *o, const struct overlay_seed_peer *list, uint32_t count)
{
    for (uint32_t i = 0; i < count && o->passive_count < o->common->limits.passive; i++)
        if (!id_equal(&list[i].id, &o->self.id) && endpoint_is_usable(&list[i].at))
            o->passive[o->passive_count++] = list[i];
}

uint32_t overlay_remembered(const struct overlay *o, struct overlay_seed_peer *out, uint32_t max)
{
    uint32_t n = o->passive_count < max ? o->passive_count : max;
    memcpy(out, o->passive, n * sizeof *out);
    return n;
}

void join_dial_remembered(struct overlay *o, uint64_t now_us, const struct id *id,
                          struct outbox *out)
{
    struct overlay_seed_peer *p = passive_find(o, id);
    struct endpoint at = p ? p->at : (struct endpoint){0};
    if (o->leaving) return;
    if (o->up_count)
        hello_given_up(o, now_us, id, &at,
                       out); /* bare and over the ring: it, or we, may have moved */
    else if (p)
        (void)hello_dial(o, now_us, &at, id, KIND_NEAR, true, out);
}

/* --- dialling --- */

void overlay_seeds(struct overlay *o, uint64_t now_us, const struct endpoint *list, uint32_t count)
{
    o->seed_count = 0;
    for (uint32_t i = 0; i < count && o->seed_count < o->common->limits.seeds; i++)
        if (endpoint_is_usable(&list[i]) || endpoint_scope(&list[i]) == SCOPE_LOOPBACK)
            o->seeds[o->seed_count++] = list[i];
    o->join_tries = 0;
    o->join_due_us = now_us;
    wake_at(o, now_us);
}

static bool linked_at(const struct overlay *o, const struct endpoint *e)
{
    for (uint16_t i = 0; i < o->up_count; i++) {
        const struct link *l = order_at(o, i);
        struct endpoint at = link_endpoint(l);
        if (link_path(l) == PATH_DIRECT && endpoint_equal(&at, e)) return true;
    }
    return false;
}

static void dial_all(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    uint16_t start = o->seed_count ? (uint16_t)rng_below(&o->rng, o->seed_count) : 0;
    for (uint16_t i = 0; i < o->seed_count && i < 4; i++) {
        const struct endpoint *e = &o->seeds[(start + i) % o->seed_count];
        if (!linked_at(o, e)) (void)hello_dial(o, now_us, e, &ID_ZERO, KIND_LEAF, true, out);
    }
    for (uint16_t i = 0; i < o->passive_count && i < 16; i++) {
        const struct overlay_seed_peer *p = &o->passive[(o->passive_next + i) % o->passive_count];
        if (!link_by_id(o, &p->id))
            (void)hello_dial(o, now_us, &p->at, &p->id, KIND_LEAF, true, out);
    }
    if (o->passive_count) o->passive_next = (uint16_t)((o->passive_next + 16) % o->passive_count);
}

/* Alone for a while: all that we know in turn, a seed and a remembered peer alternately. Not all at once and then a long pause: so what
 * is asked for is the same, but whoever parted from us is met soon after it is there again. */
static void dial_next(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    uint32_t all = (uint32_t)o->seed_count + o->passive_count;
    for (uint32_t tried = 0; tried < all; tried++) {
        bool seed = o->seed_count && (!o->passive_count || ((o->join_tries + tried) & 1));
        if (seed) {
            const struct endpoint *e = &o->seeds[o->seed_next++ % o->seed_count];
            if (linked_at(o, e)) continue;
            (void)hello_dial(o, now_us, e, &ID_ZERO, KIND_LEAF, true, out);
        } else {
            const struct overlay_seed_peer *p = &o->passive[o->passive_next++ % o->passive_count];
            if (link_by_id(o, &p->id)) continue;
            (void)hello_dial(o, now_us, &p->at, &p->id, KIND_LEAF, true, out);
        }
        return;
    }
}

/* Joined already: now and then somebody we lost, or a seed: that is how parted rings find each other again. In vain: by and by
 * more seldom, and seldom if we have lost nobody; the others of a ring that parted ask, too. */
static void probe_passive(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    uint64_t pause = ring_estimate(o) / 4 * SECONDS(1);
    unsigned shift = o->lost_count ? o->passive_tries / PASSIVE_EACH : PASSIVE_SHIFT;
    pause = time_min(time_max(pause, PASSIVE_MIN_US) << shift, PASSIVE_MAX_US);
    /* So few of us: a ring of its own, perhaps, of some who hear each other and have lost all others. For ever, every 32 s in the end: where
     * a seed has gone for good that is two HELLO1, 22 B/s, of each node of a network so small; a seed that lives is linked, and not asked. */
    if (o->up_count < NEAR_SIDE_MAX) {
        pause = PASSIVE_FEW_US << o->passive_tries / PASSIVE_EACH;
        if (o->passive_due_us > now_us + 2 * pause) o->passive_due_us = now_us + pause;
    }
    /* the first at any time of the pause: of a ring that all lost somebody at once, somebody asks soon */
    if (o->passive_due_us == 0)
        o->passive_due_us = now_us + PASSIVE_SOON_US + rng_below(&o->rng, pause);
    if (o->passive_due_us > now_us) {
        wake_at(o, o->passive_due_us);
        return;
    }
    o->passive_due_us = now_us + rng_jitter(&o->rng, pause, 30);
    wake_at(o, o->passive_due_us);
    if (o->passive_tries < PASSIVE_EACH * PASSIVE_SHIFT) o->passive_tries++;
    uint32_t all = (uint32_t)o->seed_count + (o->seed_count ? o->lost_count : o->passive_count);
    for (uint32_t tried = 0; tried < all; tried++) {
        uint32_t i = o->seed_next++ % all;
        if (i < o->seed_count) {
            if (linked_at(o, &o->seeds[i])) continue;
            (void)hello_dial(o, now_us, &o->seeds[i], &ID_ZERO, KIND_LEAF, true, out);
        } else {
            const struct overlay_seed_peer *p = &o->passive[i - o->seed_count];
            if (link_by_id(o, &p->id)) continue;
            (void)hello_dial(o, now_us, &p->at, &p->id, KIND_LEAF, true, out);
        }
        return;
    }
}

/* Is there a direct link that leads out of our own network, held for its own sake? Neighbours in the LAN hear us even when nobody
 * else does, and cannot relay for us. */
static bool holds_on(const struct overlay *o)
{
    for (uint16_t i = 0; i < o->up_count; i++) {
        const struct link *l = order_at(o, i);
        struct endpoint at = link_endpoint(l);
        if (link_path(l) == PATH_DIRECT && (l->kinds & ~KIND_LEAF) &&
            endpoint_scope(&at) == SCOPE_GLOBAL)
            return true;
    }
    return false;
}

static void leave_later(struct overlay *o, uint64_t now_us, uint64_t pause_us)
{
    uint64_t at_us = now_us + pause_us;
    o->leave_seeds_ms = (ms32(at_us) + 1u) | 1u;
    wake_at(o, (at_us / 1000 + 2) * 1000);
}

/* On the ring: let go of the seeds that handed us on, they have others to receive. Not while they are all that we hear of the world:
 * the paths to our neighbours are made through them. */
static void leave_seeds(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (o->near_count < NEAR_SIDE_MAX) return;
    if (!holds_on(o)) {
        leave_later(o, now_us, SEEDS_KEPT_US);
        return;
    }
    for (uint16_t i = 0; i < o->common->limits.links; i++) {
        struct link *l = &o->links[i];
        if (l->state != LINK_UP || !(l->kinds & KIND_LEAF)) continue;
        l->kinds &= (uint8_t)~KIND_LEAF;
        if (l->kinds || (l->s.flags & LINK_WANTED) || o->common->limits.links > 256 ||
            link_lifeline(o, l))
            continue;
        close_send(o, l, now_us, 0, out);
        link_close(o, l, now_us, "on the ring now", out);
    }
}

/* On the ring by others' help alone, and they have gone: nobody is left who could relay. */
static bool cut_off(const struct overlay *o)
{
    bool tunnels = false;
    for (uint16_t i = 0; i < o->up_count; i++) tunnels |= link_path(order_at(o, i)) != PATH_DIRECT;
    return tunnels && !links_any_out(o);
}

static void dial(struct overlay *o, uint64_t now_us, bool lone, struct outbox *out)
{
    if (lone)
        dial_next(o, now_us, out);
    else
        dial_all(o, now_us, out);
}

static void retry_later(struct overlay *o, uint64_t now_us, bool lone)
{
    unsigned doublings = o->join_tries < RETRY_QUICK ? 0 : o->join_tries - RETRY_QUICK + 1u;
    uint64_t pause = time_min(RETRY_FIRST_US << (doublings < 6 ? doublings : 6), RETRY_MAX_US);
    if (lone) pause = RETRY_LONE_US;
    if (++o->join_tries == 0) o->join_tries = UINT8_MAX - RESOLVE_EVERY + 1;
    o->join_due_us = now_us + rng_jitter(&o->rng, pause, 25);
}

void join_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (o->leaving) return;
    if (o->up_count > 0 && o->joined) {
        if (!cut_off(o)) {
            o->join_tries = 0;
            o->join_due_us = 0;
        } else if (o->join_due_us <= now_us) {
            bool lone = o->join_tries >= RETRY_QUICK;
            dial(o, now_us, lone, out);
            retry_later(o, now_us, lone);
        }
        if (o->join_due_us) wake_at(o, o->join_due_us);
        int32_t left = (int32_t)(o->leave_seeds_ms - ms32(now_us));
        if (o->leave_seeds_ms && left <= 0) {
            o->leave_seeds_ms = 0;
            hello_enough_seeds(o);
            leave_seeds(o, now_us, out);
        } else if (o->leave_seeds_ms) {
            wake_at(o, (now_us / 1000 + (uint64_t)left) * 1000);
        }
        probe_passive(o, now_us, out);
        join_state(o, now_us, out);
        return;
    }
    if (o->join_due_us <= now_us) {
        bool lone = o->up_count == 0 && o->join_tries >= RETRY_QUICK;
        /* once; then whom we hear hands us on, and a seed's answer would be let go of (on_hello2) */
        if (lone || o->join_tries == 0 || !links_any_out(o)) dial(o, now_us, lone, out);
        if (o->up_count > 0) {
            ring_ask_next(o, now_us, out);
            find_send(o, now_us, &o->self.id, PURPOSE_JOIN, 0, SECONDS(5),
                      o->order[rng_below(&o->rng, o->up_count)], out);
        }
        retry_later(o, now_us, lone);
        bool resolve = o->join_tries >= 3 && (!lone || o->join_tries % RESOLVE_EVERY == 0);
        if (resolve && o->up_count == 0) outbox_event(out, OE_RESOLVE, NULL);
    }
    wake_at(o, o->join_due_us);
    join_state(o, now_us, out);
}

/* Questions for our own place. */
static unsigned finds_under_way(const struct overlay *o)
{
    unsigned n = 0;
    for (uint16_t i = 0; o->request_count && i < o->common->limits.requests; i++)
        n += o->requests[i] && o->requests[i]->purpose == PURPOSE_JOIN;
    return n;
}

void join_link_up(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out)
{
    passive_found(o, now_us, link_id(o, l));
    /* who came tells us whom it knows near us; a seed hands the newcomer on. Once we are on the ring it is only asked who stands
     * next to us, as it sees it: nobody new, if its ring is ours. A far link we found on our own ring, and it may be a candidate only;
     * but if we have lost somebody, there may be two rings that meet */
    bool asked = o->joined && (l->kinds == KIND_LEAF || (l->kinds == KIND_FAR && !o->lost_count));
    if ((l->s.flags & SESSION_INITIATOR) && !asked) near_ask(o, now_us, l, false, out);
    bool met = o->joined && (l->kinds & KIND_LEAF) && ring_would_be_near(o, link_id(o, l));
    if (met)
        merge_met(o, now_us, l, out);
    else if ((l->kinds & KIND_LEAF) && (o->joined || finds_under_way(o) < FINDS_AT_ONCE))
        find_send(o, now_us, &o->self.id, o->joined ? PURPOSE_REPAIR : PURPOSE_JOIN, 0, SECONDS(5),
                  link_slot(o, l), out);
    if (link_path(l) == PATH_DIRECT) join_remember(o, now_us, l, out);
}

/* --- joined: both nearest neighbours confirmed, or the founder with nobody yet --- */

static bool confirmed(const struct overlay *o, uint16_t slot)
{
    for (uint8_t i = 0; i < o->near_count; i++)
        if (o->near[i].slot == slot) return o->near[i].listed;
    return false;
}

static bool is_joined(const struct overlay *o)
{
    if (o->up_count == 0) return o->founder && !o->leaving;
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    ring_sides(o, left, right, &lefts, &rights);
    if (!links_any_direct(o) || !confirmed(o, left[0]) || !confirmed(o, right[0])) return false;
    if (o->joined) return true;
    const struct hello *h; /* is somebody nearer still answering? */
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (h->hs.initiator && (h->kinds & KIND_NEAR) && !h->given_up &&
            ((h->routed && h->tries < 2) || h->link_slot != NO_SLOT))
            return false; /* who has said HELLO2 is there: its CERT was lost, perhaps */
    return true;
}

void join_state(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    bool was = o->joined;
    o->joined = is_joined(o);
    if (o->joined && !was) {
        trace(o->trace, now_us, NODE, "joined");
        if (!o->joined_s) o->joined_s = s16(now_us) ? s16(now_us) : UINT16_MAX;
        outbox_event(out, OE_JOINED, NULL);
        o->was_alone = false;
        leave_later(o, now_us, MILLIS(300));
    } else if (!o->joined && was) {
        o->join_due_us = now_us + (o->torn ? TORN_US : ANEW_US);
        wake_at(o, o->join_due_us);
    }
    if (o->up_count == 0 && !o->joined) o->joined_s = 0;
    bool alone = o->up_count == 0 && !o->joined && !hello_dialling(o);
    if (alone && !o->was_alone) outbox_event(out, OE_ALONE, NULL);
    o->was_alone = alone;
}
