/* overlay/monitor.c - see monitor.h: both ends of keep-alives that are vouched for. */
#include "overlay/monitor.h"

#include "overlay/core.h"

#define CALM_US       SECONDS(8) /* pause of the ring's repair: it doubles while nothing changes */
#define FLIGHT_MAX_MS 2000u      /* both ways; a link that is due meanwhile is not vouched for */
/* Nobody vouches beyond a multiple of this, shifted as rounds are: all links of a node are looked at again in one moment. It is a multiple
 * of what links are kept by, and shorter than OBSERVE_FRESH_S: what peers say of our address stays fresh. */
#define AHEAD_MS      300000u
_Static_assert(AHEAD_MS % (KEEP_US / 1000) == 0 && AHEAD_MS % (KEEP_PATIENT_US / 1000) == 0 &&
                   AHEAD_MS / 1000 < OBSERVE_FRESH_S,
               "rounds end together");

/* The near set has not changed for a while: what is told on the way is what is told now. */
static bool is_calm(const struct overlay *o)
{
    return o->joined && !o->leaving && o->ring_tell_us == 0 && o->repair_us >= CALM_US;
}

/* Nothing but keep-alives concerns this link, and they go straight. */
static bool is_quiet(const struct overlay *o, const struct link *l)
{
    return !l->trial && !patience_tries(o, l) && l->state == LINK_UP && l->extra == 0 &&
           l->tries == 0 && l->srtt != 0 && link_path(l) == PATH_DIRECT &&
           !(l->s.flags & SESSION_HOT) && l->s.tx_next < UINT32_MAX / 2;
}

static bool is_known(struct overlay *o, const struct link *l, uint8_t flags, uint32_t digest)
{
    bool was_wanted = l->s.flags & LINK_WANTED, is_wanted = flags & PING_WANTED;
    if (was_wanted != is_wanted || l->patient != !!(flags & PING_PATIENT)) return false;
    return !(flags & PING_DIGEST) || !near_digest_is_news(o, l, digest);
}

static void heard(struct link *l, uint64_t at_us)
{
    l->s.tx_next++; /* the PING, or the PONG */
    l->heard_ms = ms32(at_us);
}

static struct keepalive keepalive_of(const struct overlay *o, const struct link *l)
{
    struct keepalive k = {.from = o->self.id,
                          .index = l->s.remote_index,
                          .back = l->s.entry,
                          .flags = link_ping_flags(o, l)};
    if (k.flags & PING_DIGEST) k.digest = near_digest(o, l);
    return k;
}

/* --- rounds that have passed, at the end that asks. The next one that is really due is at due_ms - 1, see upkeep_arm. --- */

/* Rounds after `since_ms` and before the one that is due. */
static uint32_t rounds_left(const struct link *l, uint32_t since_ms, uint32_t keep_ms)
{
    int32_t left_ms = (int32_t)(l->due_ms - 2u - since_ms);
    return left_ms > 0 ? (uint32_t)left_ms / keep_ms : 0;
}

/* The last round was then. Returns how many have passed since the link was heard. */
static uint32_t rounds_since(const struct overlay *o, const struct link *l, uint64_t now_us,
                             uint32_t *last_ms)
{
    uint32_t keep_ms = (uint32_t)(keep_us(o, l) / 1000);
    uint32_t then = rounds_left(l, l->heard_ms, keep_ms),
             now = rounds_left(l, ms32(now_us), keep_ms);
    *last_ms = l->due_ms - 1u - (now + 1u) * keep_ms;
    return then > now ? then - now : 0;
}

void link_settle(struct overlay *o, struct link *l, uint64_t now_us)
{
    const struct link_monitor *m = o->common->monitor;
    if (!l->vouched || !upkeep_asks(o, l)) return;
    uint32_t last_ms, count = rounds_since(o, l, now_us, &last_ms);
    if (count == 0) return;
    struct endpoint at = link_endpoint(l);
    uint64_t rtt_us = m->charge(m->context, &at, count);
    l->heard_ms = last_ms + (uint32_t)(rtt_us / 1000);
    l->s.tx_next += count;
    for (uint32_t i = 0; i < count; i++) {
        link_rtt_sample(l, rtt_us);
        patience_answered(o, 1);
    }
}

uint32_t link_heard_ms(const struct overlay *o, const struct link *l, uint64_t now_us)
{
    uint32_t keep_ms = (uint32_t)(keep_us(o, l) / 1000), at_ms;
    if (!l->vouched) return l->heard_ms;
    if (upkeep_asks(o, l))
        return rounds_since(o, l, now_us, &at_ms) ? at_ms + link_rtt_us(l) / 1000 : l->heard_ms;
    at_ms = l->due_ms - 1u - (uint32_t)(upkeep_late_us(o, l) / 1000); /* the last round comes */
    int32_t ahead_ms = (int32_t)(at_ms - ms32(now_us));
    if (ahead_ms > 0) at_ms -= ((uint32_t)ahead_ms + keep_ms - 1u) / keep_ms * keep_ms;
    return (int32_t)(at_ms - l->heard_ms) > 0 ? at_ms : l->heard_ms;
}

bool link_answer_under_way(const struct overlay *o, const struct link *l, uint64_t now_us)
{
    return (l->s.flags & SESSION_INITIATOR) &&
           (int32_t)(link_heard_ms(o, l, now_us) - ms32(now_us)) > 0;
}

/* --- revoking --- */

static uint64_t time_of(uint32_t at_ms, uint64_t now_us)
{
    return (uint64_t)((int64_t)(now_us / 1000) + (int32_t)(at_ms - ms32(now_us))) * 1000u;
}

/* As it would be if all rounds up to now had been sent, and the next one is still to be. */
static void unvouch_here(struct overlay *o, struct link *l, struct revoked *r)
{
    if (!upkeep_asks(o, l)) {
        uint64_t came_us = r->last_us + r->there_us;
        l->vouched = 0;
        if ((int32_t)(ms32(came_us) - l->heard_ms) > 0) l->heard_ms = ms32(came_us);
        upkeep_was_asked(o, l, came_us);
        return;
    }
    uint32_t keep_ms = (uint32_t)(keep_us(o, l) / 1000);
    link_settle(o, l, r->now_us);
    r->left = rounds_left(l, ms32(r->now_us), keep_ms);
    uint64_t next_us = time_of(l->due_ms - 1u - r->left * keep_ms, r->now_us);
    l->vouched = 0;
    r->next_us = next_us;
    r->keep_us = keep_us(o, l);
    r->last_us = next_us - r->keep_us;
    if (r->gone && r->now_us < r->last_us + r->there_us) { /* asked, and no answer will come */
        l->heard_ms -= keep_ms;
        l->tries = 1;
        next_us = r->last_us + link_rto_us(l);
    }
    upkeep_arm(o, l, next_us);
}

void link_revoke(struct overlay *o, struct link *l)
{
    const struct link_monitor *m = o->common->monitor;
    const struct extra *x = link_extra(o, l);
    if (!l->vouched) {
        struct link *relay = x && x->relay_slot ? &o->links[x->relay_slot - 1] : NULL;
        if (relay && relay->vouched) link_revoke(o, relay);
        return;
    }
    struct revoked r = {.now_us = m->now_us(m->context), .asks = upkeep_asks(o, l)};
    struct endpoint at = link_endpoint(l);
    struct keepalive k = keepalive_of(o, l);
    if (r.asks) unvouch_here(o, l, &r);
    m->revoke(m->context, &at, &k, &r);
    if (!r.asks) unvouch_here(o, l, &r);
}

void overlay_unvouch(struct overlay *o)
{
    for (uint16_t i = 0; i < o->up_count; i++) link_unvouch(o, order_at(o, i));
}

void overlay_settle(struct overlay *o, uint64_t now_us)
{
    for (uint16_t i = 0; i < o->up_count; i++) link_settle(o, order_at(o, i), now_us);
}

/* --- vouching --- */

/* Of the round that is due, and as many as may follow before anybody has to look. */
static struct rounds rounds_of(const struct overlay *o, const struct link *l, uint64_t now_us)
{
    uint64_t keep = keep_us(o, l), id = get_u32(o->self.id.b);
    struct rounds r = {.due_us = time_of(l->due_ms - 1u, now_us),
                       .next_us = upkeep_next_round(o, l, now_us),
                       .keep_us = keep,
                       .count = 1};
    uint64_t next_ms = r.next_us / 1000, age_us = link_age_us(l, now_us);
    bool held = (l->kinds & (uint8_t)~KIND_LEAF) || (l->s.flags & LINK_WANTED);
    if (!held || (next_ms + id) % (keep / 1000) || age_us >= REKEY_IDLE_US) return r;
    uint64_t end_ms = (next_ms + id) / AHEAD_MS * AHEAD_MS + AHEAD_MS - id;
    end_ms = time_min(end_ms, (now_us + REKEY_IDLE_US - age_us) / 1000);
    if (end_ms > next_ms) r.count += (uint32_t)((end_ms - next_ms) * 1000 / keep);
    return r;
}

/* Would it be news where we are? */
static bool seen_as_ever(struct overlay *o, uint64_t now_us, const struct endpoint *at,
                         const struct endpoint *observed)
{
    struct endpoint newest;
    if (!observe_newest(&o->observe, &newest) || !endpoint_equal(&newest, observed)) return false;
    return !observe_report(&o->observe, now_us, at, observed);
}

static bool vouched(struct overlay *o, struct link *l, uint64_t now_us)
{
    const struct link_monitor *m = o->common->monitor;
    if (!is_calm(o) || !is_quiet(o, l)) return false;
    struct keepalive k = keepalive_of(o, l);
    struct rounds r = rounds_of(o, l, now_us);
    struct vouch v;
    struct endpoint at = link_endpoint(l);
    if (!m->ask(m->context, now_us, &at, link_id(o, l), &k, &r, &v)) return false;
    if (!is_known(o, l, v.flags, v.digest) || !seen_as_ever(o, now_us, &at, &v.observed))
        return false;
    m->begin(m->context, now_us, &at, &k, &r, &v);
    heard(l, now_us + v.rtt_us);
    link_rtt_sample(l, v.rtt_us);
    patience_answered(o, 1);
    l->vouched = 0;
    upkeep_arm(o, l, r.next_us + (v.rounds - 1) * r.keep_us);
    l->vouched = v.rounds > 1;
    return true;
}

bool link_vouched(struct overlay *o, struct link *l, uint64_t now_us)
{
    if (!o->common->monitor) return false;
    link_settle(o, l, now_us);
    if (vouched(o, l, now_us)) return true;
    link_unvouch(o, l);
    return false;
}

static struct link *link_of(struct overlay *o, const struct endpoint *from,
                            const struct keepalive *k)
{
    uint16_t meaning = index_meaning(o, k->index);
    if ((meaning & ENTRY_KIND) != ENTRY_LINK) return NULL;
    struct link *l = &o->links[meaning & ~ENTRY_KIND];
    if (l->state != LINK_UP || l->s.remote_index != k->back || l->s.entry != k->index) return NULL;
    if (!id_equal(link_id(o, l), &k->from)) return NULL;
    struct endpoint at = link_endpoint(l);
    return endpoint_equal(&at, from) ? l : NULL;
}

bool overlay_vouch(struct overlay *o, uint64_t now_us, const struct endpoint *from,
                   const struct keepalive *k, const struct rounds *r, struct vouch *v)
{
    struct link *l = link_of(o, from, k);
    uint32_t left_ms = l ? l->due_ms - ms32(now_us) : 0;
    if (!l || !is_calm(o) || !is_quiet(o, l) || left_ms > INT32_MAX || left_ms < FLIGHT_MAX_MS)
        return false;
    if (!is_known(o, l, k->flags, k->digest)) return false;
    v->observed = *from;
    v->flags = link_ping_flags(o, l);
    v->digest = v->flags & PING_DIGEST ? near_digest(o, l) : 0;
    v->rounds = r->count;
    /* we would ask between two of its rounds */
    if (upkeep_asks(o, l) || upkeep_late_us(o, l) <= r->keep_us + MILLIS(FLIGHT_MAX_MS))
        v->rounds = 1;
    return true;
}

void overlay_vouched(struct overlay *o, uint64_t at_us, const struct endpoint *from,
                     const struct keepalive *k, const struct rounds *r, const struct vouch *v)
{
    struct link *l = link_of(o, from, k);
    ensure(l != NULL); /* overlay_vouch has just said so */
    heard(l, at_us);
    l->vouched = 0;
    if (v->rounds > 1) at_us += r->next_us + (v->rounds - 2) * r->keep_us - r->due_us;
    upkeep_was_asked(o, l, at_us);
    l->vouched = v->rounds > 1;
}

void overlay_revoked(struct overlay *o, const struct endpoint *from, const struct keepalive *k,
                     struct revoked *r)
{
    struct link *l = link_of(o, from, k);
    if (l && l->vouched && upkeep_asks(o, l) != r->asks) unvouch_here(o, l, r);
}
