/* overlay/next.c - whom a routed frame goes to next: of the links nearer to its end than we are, the one that makes most of its time.
 *
 * Progress is what the step takes off the logarithm of the ring distance, and it is divided by the link's round trip with HOP_COST
 * added: each octave takes about as long as the next one, however far away it is, so the way whose octaves are cheapest is the
 * shortest in time. Every step is nearer to the end, so there are no loops; whether there is any step at all depends on
 * distance alone, so delays, measured or lied about, never make a node the owner of anything.
 *
 * Source: Dabek et al., "Designing a DHT for low latency and high throughput" (NSDI 2004), section 4.4, and Gummadi et al., "The
 * impact of DHT routing geometry" (SIGCOMM 2003): proximity route selection; measured in docs/decisions/0019. Integers only. */
#include "overlay/core.h"

#define UNMEASURED 400u /* 100 ms, in units of link.srtt */
#define HOP_COST                                                                                   \
    80u /* 20 ms: a hop costs the work of one more node, and one more chance of a loss */

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

/* What looks dead is a suspect: it is taken when there is nobody else. */
static bool suspect(const struct link *l)
{
    return l->tries >= 2;
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
            if (!usable(o, l, dst, src, physical, arrived_on, avoid) || suspect(l) != suspects)
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

static uint32_t delay_of(const struct link *l)
{
    uint32_t delay = (l->srtt ? l->srtt : UNMEASURED) + HOP_COST;
    return l->tries ? 2 * delay : delay; /* it is late with an answer */
}

struct pick {
    struct link *link;
    uint32_t progress, delay;
};

/* Is a the better one? Equal ones: the nearer, which the walk meets first on its side. */
static bool makes_more(uint32_t progress, uint32_t delay, const struct pick *than)
{
    return !than->link || (uint64_t)progress * than->delay > (uint64_t)than->progress * delay;
}

static struct link *fastest(const struct overlay *o, const struct id *dst, const struct id *src,
                            bool physical, uint16_t arrived_on, const uint16_t avoid[3])
{
    uint16_t n = o->up_count, start = order_find(o, dst);
    uint32_t ours = id_distance_log2(dst, &o->self.id);
    struct pick best = {0};
    for (unsigned side = 0; side < 2; side++) {
        for (uint16_t i = 0; i < n; i++) {
            struct link *l = order_at(o,
                                      (uint16_t)(side ? (start + n - 1 - i) % n : (start + i) % n));
            const struct id *id = link_id(o, l);
            if (id_nearer(dst, id, &o->self.id) >= 0) break; /* and all beyond it */
            if (suspect(l) || !usable(o, l, dst, src, physical, arrived_on, avoid)) continue;
            if (id_equal(id, dst)) return l;
            uint32_t progress = ours - id_distance_log2(dst, id), delay = delay_of(l);
            if (makes_more(progress, delay, &best)) best = (struct pick){l, progress, delay};
        }
    }
    return best.link;
}

static struct link *pick(const struct overlay *o, const struct id *dst, const struct id *src,
                         bool physical, uint16_t arrived_on, const uint16_t avoid[3])
{
    if (o->up_count == 0) return NULL;
    struct link *l = fastest(o, dst, src, physical, arrived_on, avoid);
    return l ? l : route_next(o, dst, src, physical, arrived_on, avoid);
}

struct link *next_hop(const struct overlay *o, const struct id *dst, const struct id *src,
                      uint8_t carried, uint16_t arrived_on, const uint16_t avoid[3])
{
    struct link *l = carried ? pick(o, dst, src, true, arrived_on, avoid) : NULL;
    return l || carried == OUTER_DATA ? l : pick(o, dst, src, false, arrived_on, avoid);
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
