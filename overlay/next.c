/* overlay/next.c - whom a routed frame goes to next: the link that makes most of its time on the way to the frame's end.
 *
 * Progress is what the step takes off the logarithm of the ring distance, and it is divided by the link's round trip with a cost of the
 * hop added: each octave takes about as long as the next one, however far away it is, so the way whose octaves are cheapest is the
 * shortest in time. With lookahead (ahead.c) two steps at once are candidates as well, with both round trips.
 *
 * A step goes to somebody nearer to the end than we are, but for one on a frame's way, which goes uphill to somebody whose own link is
 * nearer (ROUTED_UPHILL): so there are no loops. Whether there is any step at all depends on distance and links alone, so delays and
 * hints, measured or lied about, never make a node the owner of anything.
 *
 * Source: Dabek et al., "Designing a DHT for low latency and high throughput" (NSDI 2004), section 4.4, and Gummadi et al., "The
 * impact of DHT routing geometry" (SIGCOMM 2003): proximity route selection; Manku, Naor, Wieder, "Know thy neighbor's neighbor" (STOC
 * 2004): the second step; measured in docs/decisions/0019. Integers only. */
#include "overlay/core.h"

#define UNMEASURED     400u /* 100 ms, in units of link.srtt */
/* What a hop costs besides its round trip, 20 and 640 ms: one more node's work, one more chance of a loss. Two steps at once make so
 * many more ways to choose from that few hops can be had, too. */
#define HOP_COST       80u
#define HOP_COST_AHEAD 2560u

static bool usable(const struct overlay *o, const struct link *l, const struct id *dst,
                   const struct id *src, bool physical, uint16_t arrived_on,
                   const uint16_t avoid[3])
{
    uint16_t slot = link_slot(o, l);
    if (slot == arrived_on) return false;
    for (unsigned i = 0; avoid && i < 3; i++)
        if (avoid[i] == slot) return false;
    if (physical && link_path(l) == PATH_ROUTED) return false;
    return !(id_equal(src, dst) &&
             id_equal(link_id(o, l), src)); /* "who is nearest to me" is never answered by me */
}

static struct link *nearest(const struct overlay *o, const struct id *dst, const struct id *src,
                            bool physical, bool suspects, uint16_t arrived_on,
                            const uint16_t avoid[3])
{
    if (o->up_count == 0) return NULL;
    uint16_t n = o->up_count, start = order_find(o, dst);
    struct link *best = NULL;
    /* the nearest on each side: walk outward until one is usable */
    for (unsigned side = 0; side < 2; side++) {
        for (uint16_t i = 0; i < n; i++) {
            uint16_t pos = (uint16_t)(side ? (start + n - 1 - i) % n : (start + i) % n);
            struct link *l = order_at(o, pos);
            if (!usable(o, l, dst, src, physical, arrived_on, avoid) || link_suspect(l) != suspects)
                continue;
            if (!best || id_nearer(dst, link_id(o, l), link_id(o, best)) < 0) best = l;
            break;
        }
    }
    if (!best) return NULL;
    bool self_asks = id_equal(dst, &o->self.id) && id_equal(src, &o->self.id);
    return self_asks || id_nearer(dst, link_id(o, best), &o->self.id) < 0 ? best : NULL;
}

struct link *route_next(const struct overlay *o, const struct id *dst, const struct id *src,
                        bool physical, uint16_t arrived_on, const uint16_t avoid[3])
{
    struct link *l = nearest(o, dst, src, physical, false, arrived_on, avoid);
    /* silent links last, but before saying that nobody is nearer: a doubt must not make us the owner. Only who asks for its own
     * place wants to know who is left there now. */
    return l || id_equal(src, dst) ? l : nearest(o, dst, src, physical, true, arrived_on, avoid);
}

/* --- the one that makes most of its time --- */

static uint32_t hop_cost(const struct overlay *o)
{
    return o->ahead ? HOP_COST_AHEAD : HOP_COST;
}

/* In units of link.srtt. */
static uint32_t delay_of(const struct overlay *o, const struct link *l)
{
    uint32_t delay = (l->srtt ? l->srtt : UNMEASURED) + hop_cost(o);
    return l->tries ? 2 * delay : delay; /* it is late with an answer */
}

struct pick {
    struct link *link;
    uint32_t progress, delay;
    bool uphill;
};

/* Is that the better one? Of equal ones the first: a link of our own before two hops, and the nearer, whom the walk meets first. */
static void offer(struct pick *best, struct link *l, uint32_t progress, uint32_t delay, bool uphill)
{
    if (best->link && (uint64_t)progress * best->delay <= (uint64_t)best->progress * delay) return;
    *best = (struct pick){l, progress, delay, uphill};
}

/* No distance whose logarithm is below `log` begins with 32 bits greater than this. */
static uint32_t top_below(uint32_t log)
{
    uint32_t bits = log / 256u + 1u; /* the distance is below 2 to that */
    return bits < 129u ? 0u : bits > 159u ? UINT32_MAX : (1u << (bits - 128u)) - 1u;
}

/* Two hops at once: by way of each link to whom its peer told about, nearer than it is, and than we are. The peer itself may be
 * farther from dst than we are, once on a frame's way. What was told chooses among links and decides nothing else. */
static void offer_seconds(const struct overlay *o, const struct routed *r, bool physical,
                          uint16_t arrived_on, const uint16_t avoid[3], struct pick *best)
{
    ahead_prefetch(o, 128); /* their round trips are seldom asked for */
    uint32_t ours = id_distance_log2(&r->dst, &o->self.id), dst = get_u32(r->dst.b);
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        const struct hints *h = ahead_hints(o, link_slot(o, l));
        if (!h->count || link_suspect(l) ||
            !usable(o, l, &r->dst, &r->src, physical, arrived_on, avoid))
            continue;
        uint32_t there = id_distance_log2(&r->dst, link_id(o, l));
        bool uphill = there >= ours;
        if (uphill && r->flags & ROUTED_UPHILL) continue;
        uint32_t reach = top_below(there < ours ? there : ours);
        for (uint8_t k = 0; k < h->count; k++) {
            uint32_t up = dst - h->prefix[k], down = 0u - up;
            if ((up < down ? up : down) > reach) continue; /* most of them; the exact question: */
            uint32_t then = hint_distance_log2(&r->dst, h->prefix[k]);
            if (then < there && then < ours)
                offer(best, l, ours - then, delay_of(o, l) + rtt_decode(h->rtt[k]) + hop_cost(o),
                      uphill);
        }
    }
}

/* NULL: no link of ours is nearer. */
static struct pick fastest(const struct overlay *o, const struct routed *r, bool physical,
                           uint16_t arrived_on, const uint16_t avoid[3])
{
    uint16_t n = o->up_count, start = order_find(o, &r->dst);
    uint32_t ours = id_distance_log2(&r->dst, &o->self.id);
    struct pick best = {0};
    for (unsigned side = 0; side < 2; side++) {
        for (uint16_t i = 0; i < n; i++) {
            struct link *l = order_at(o,
                                      (uint16_t)(side ? (start + n - 1 - i) % n : (start + i) % n));
            const struct id *id = link_id(o, l);
            if (id_nearer(&r->dst, id, &o->self.id) >= 0) break; /* and all beyond it */
            if (link_suspect(l) || !usable(o, l, &r->dst, &r->src, physical, arrived_on, avoid))
                continue;
            if (id_equal(id, &r->dst)) return (struct pick){.link = l};
            offer(&best, l, ours - id_distance_log2(&r->dst, id), delay_of(o, l), false);
        }
    }
    /* "who is nearest to me" goes step by step */
    if (best.link && o->ahead && !id_equal(&r->dst, &r->src))
        offer_seconds(o, r, physical, arrived_on, avoid, &best);
    return best;
}

static struct link *pick(const struct overlay *o, struct routed *r, bool physical,
                         uint16_t arrived_on, const uint16_t avoid[3])
{
    if (o->up_count == 0) return NULL;
    struct pick best = {0};
    if (!(r->flags & ROUTED_PLAIN)) best = fastest(o, r, physical, arrived_on, avoid);
    if (best.uphill) r->flags |= ROUTED_UPHILL;
    return best.link ? best.link : route_next(o, &r->dst, &r->src, physical, arrived_on, avoid);
}

/* Who has a real link or two may have none that leads nearer, and whom it leads to has: the first step may go anywhere. */
static struct link *any_out(const struct overlay *o, struct routed *r, const uint16_t avoid[3])
{
    struct link *best = NULL;
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        if (link_suspect(l) || !link_leads_out(o, l) ||
            !usable(o, l, &r->dst, &r->src, true, NO_SLOT, avoid))
            continue;
        if (!best || id_nearer(&r->dst, link_id(o, l), link_id(o, best)) < 0) best = l;
    }
    if (best) r->flags |= ROUTED_UPHILL;
    return best;
}

struct link *next_hop(const struct overlay *o, struct routed *r, uint8_t carried,
                      uint16_t arrived_on, const uint16_t avoid[3])
{
    struct link *l = carried ? pick(o, r, true, arrived_on, avoid) : NULL;
    if (!l && carried != OUTER_DATA) l = pick(o, r, false, arrived_on, avoid);
    bool ours = arrived_on == NO_SLOT && id_equal(&r->src, &o->self.id); /* not another's retry */
    return !l && carried && ours ? any_out(o, r, avoid) : l;
}

struct id waypoint_near(const struct overlay *o, const struct id *dst, const struct id *not_this)
{
    uint16_t n = o->up_count, start = order_find(o, dst);
    const struct link *best = NULL;
    /* of those around dst the one we heard last: it is the likeliest to hear us */
    for (uint16_t i = 0; i < n && i < 2 * NEAR_SIDE_MAX; i++) {
        uint16_t step = (uint16_t)(i / 2);
        const struct link *l = order_at(
            o, (uint16_t)(i & 1 ? (start + n - 1 - step % n) % n : (start + step) % n));
        const struct id *id = link_id(o, l);
        if (link_path(l) == PATH_ROUTED || l->tries || id_equal(id, dst) || id_equal(id, not_this))
            continue;
        if (!best || (int32_t)(l->heard_ms - best->heard_ms) > 0) best = l;
    }
    return best ? *link_id(o, best) : ID_ZERO;
}
