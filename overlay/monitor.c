/* overlay/monitor.c - see monitor.h: both ends of a keep-alive that is vouched for. */
#include "overlay/monitor.h"

#include "overlay/core.h"

#define CALM_US       SECONDS(8) /* pause of the ring's repair: it doubles while nothing changes */
#define FLIGHT_MAX_MS 2000u      /* both ways; a link that is due meanwhile is not vouched for */

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
    return !(flags & PING_DIGEST) || !ring_digest_is_news(o, l, digest);
}

static void heard(struct link *l, uint64_t at_us)
{
    l->s.tx_next++; /* the PING, or the PONG */
    l->heard_ms = ms32(at_us);
}

bool link_answer_under_way(const struct link *l, uint64_t now_us)
{
    return (l->s.flags & SESSION_INITIATOR) && (int32_t)(l->heard_ms - ms32(now_us)) > 0;
}

bool link_vouched(struct overlay *o, struct link *l, uint64_t now_us, uint64_t *rtt_us)
{
    const struct link_monitor *m = o->common->monitor;
    if (!m || !is_calm(o) || !is_quiet(o, l)) return false;
    struct keepalive k = {.from = o->self.id,
                          .index = l->s.remote_index,
                          .back = l->s.entry,
                          .flags = link_ping_flags(o, l)};
    if (k.flags & PING_DIGEST) k.digest = o->near_digest;
    struct vouch v;
    struct endpoint at = link_endpoint(l), newest;
    if (!m->ask(m->context, now_us, &at, link_id(o, l), &k, &v)) return false;
    if (!is_known(o, l, v.flags, v.digest)) return false;
    if (!observe_newest(&o->observe, &newest) || !endpoint_equal(&newest, &v.observed))
        return false; /* another address of ours would be news */
    if (observe_report(&o->observe, now_us, &at, &v.observed)) return false;
    m->charge(m->context, now_us, &at, &k, &v);
    heard(l, now_us + v.rtt_us);
    link_rtt_sample(l, v.rtt_us);
    *rtt_us = v.rtt_us;
    return true;
}

static struct link *link_of(struct overlay *o, const struct endpoint *from,
                            const struct keepalive *k)
{
    uint16_t meaning = index_meaning(o, k->index);
    if ((meaning & ENTRY_KIND) != ENTRY_LINK) return NULL;
    struct link *l = &o->links[meaning & ~ENTRY_KIND];
    if (!is_quiet(o, l) || l->s.remote_index != k->back || l->s.entry != k->index) return NULL;
    if (!id_equal(link_id(o, l), &k->from)) return NULL;
    struct endpoint at = link_endpoint(l);
    return endpoint_equal(&at, from) ? l : NULL;
}

bool overlay_vouch(struct overlay *o, uint64_t now_us, const struct endpoint *from,
                   const struct keepalive *k, struct vouch *v)
{
    struct link *l = link_of(o, from, k);
    uint32_t left_ms = l ? l->due_ms - ms32(now_us) : 0;
    if (!l || !is_calm(o) || left_ms > INT32_MAX || left_ms < FLIGHT_MAX_MS) return false;
    if (!is_known(o, l, k->flags, k->digest)) return false;
    v->observed = *from;
    v->flags = link_ping_flags(o, l);
    v->digest = v->flags & PING_DIGEST ? o->near_digest : 0;
    return true;
}

void overlay_vouched(struct overlay *o, uint64_t at_us, const struct endpoint *from,
                     const struct keepalive *k)
{
    struct link *l = link_of(o, from, k);
    ensure(l != NULL); /* overlay_vouch has just said so */
    heard(l, at_us);
    upkeep_was_asked(o, l, at_us);
}
