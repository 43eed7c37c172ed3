/* overlay/far.c - far links: one per octave of distance, so that greedy routing takes O(log N) steps.
 *
 * A random point of the octave, whoever owns it; then, slowly, CANDIDATES more, and of all links in an octave the one with the
 * shortest round trip is held. Sides alternate by octave.
 * Source: Kademlia's buckets (Maymounkov, Mazieres 2002), Symphony's distances (Manku, Bawa, Raghavan 2003). */
#include "overlay/core.h"

#define FAR_SOON_US    MILLIS(400)
#define FAR_COMPARE_US SECONDS(5)
#define FAR_LATER_US   SECONDS(60)
#define CANDIDATES     8 /* of each octave, one after the other: the nearest in time of them stays */

static bool right_side(const struct overlay *o, unsigned octave)
{
    return (octave + o->self.id.b[0]) & 1;
}

/* Distance from us to the link, on the side of that octave: its octave is the number of leading zero bits. */
static int octave_of(const struct overlay *o, const struct id *id, bool right)
{
    struct id d = right ? id_clockwise(&o->self.id, id) : id_clockwise(id, &o->self.id);
    uint64_t top = get_u64(d.b);
    int zeros = 0;
    while (zeros < 63 && !(top >> (63 - zeros) & 1)) zeros++;
    return zeros;
}

static bool in_octave(const struct overlay *o, const struct link *l, unsigned octave)
{
    return octave_of(o, link_id(o, l), right_side(o, octave)) == (int)octave;
}

/* Is a the better far link? By round trip; the one we hold goes only for one that is clearly nearer. */
static bool better(const struct link *a, const struct link *b)
{
    bool a_direct = link_path(a) == PATH_DIRECT, b_direct = link_path(b) == PATH_DIRECT;
    if (a_direct != b_direct) return a_direct;
    if (!a->srtt || !b->srtt) return a->srtt != 0;
    uint32_t ra = a->srtt, rb = b->srtt;
    if (a->kinds & KIND_FAR) ra = ra * 4 / 5;
    if (b->kinds & KIND_FAR) rb = rb * 4 / 5;
    return ra < rb;
}

/* The link to hold in that octave; NULL: there is none. */
static struct link *best_in_octave(const struct overlay *o, unsigned octave)
{
    struct link *best = NULL;
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        if (in_octave(o, l, octave) && (!best || better(l, best))) best = l;
    }
    return best;
}

static unsigned octaves_wanted(const struct overlay *o)
{
    unsigned n = 0;
    for (uint64_t e = ring_estimate(o); e > 1; e >>= 1) n++;
    n = n > 2 ? n - 2 : 0; /* the last octaves are near links */
    unsigned room = o->common->limits.links > 2 * NEAR_SIDE_MAX + 8
                        ? o->common->limits.links - 2u * NEAR_SIDE_MAX - 8u
                        : 0;
    return n < room ? n : room;
}

static void seek(struct overlay *o, uint64_t now_us, unsigned octave, struct outbox *out)
{
    struct id point = o->self.id, random;
    rng_bytes(&o->rng, random.b, ID_SIZE);
    /* a distance with exactly `octave` leading zeros */
    uint64_t top = get_u64(random.b);
    top = octave ? top >> octave : top;
    top |= UINT64_C(1) << (63 - octave);
    if (octave) top &= UINT64_MAX >> octave;
    put_u64(random.b, top);
    unsigned carry = 0;
    bool right = right_side(o, octave);
    for (int i = ID_SIZE - 1; i >= 0; i--) {
        unsigned v = right ? (unsigned)point.b[i] + random.b[i] + carry
                           : (unsigned)point.b[i] - random.b[i] - carry;
        point.b[i] = (uint8_t)v;
        carry = right ? v >> 8 : (v >> 8) & 1;
    }
    find_send(o, now_us, &point, PURPOSE_FAR, 0, SECONDS(5), NO_SLOT, out);
}

void far_found(struct overlay *o, uint64_t now_us, const struct id *owner,
               const struct endpoint *at, struct outbox *out)
{
    struct link *l = link_by_id(o, owner);
    if (l) {
        if (!(l->kinds & KIND_NEAR)) l->kinds |= KIND_FAR;
    } else if (!failed_lately(o, owner, now_us)) {
        (void)hello_route(o, now_us, owner, &ID_ZERO, at, KIND_FAR, out);
    }
}

void far_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (!o->joined || o->up_count < 2 * NEAR_SIDE_MAX) {
        o->far_due_us = 0;
        return;
    }
    if (o->far_due_us == 0) o->far_due_us = now_us + rng_jitter(&o->rng, FAR_SOON_US, 50);
    if (o->far_due_us > now_us) {
        wake_at(o, o->far_due_us);
        return;
    }
    unsigned wanted = octaves_wanted(o), missing = 0;
    struct link *held[64] = {0};
    for (unsigned i = 0; i < wanted && i < 64; i++) {
        unsigned octave = (o->far_octave + i) % wanted;
        held[i] = best_in_octave(o, octave);
        if (!held[i] && missing++ == 0) seek(o, now_us, octave, out);
    }
    /* the others are let go as soon as nobody else wants them */
    for (uint16_t i = 0; i < o->up_count; i++) order_at(o, i)->kinds &= (uint8_t)~KIND_FAR;
    for (unsigned i = 0; i < wanted && i < 64; i++)
        if (held[i] && !(held[i]->kinds & KIND_NEAR)) held[i]->kinds |= KIND_FAR;
    bool compare = wanted && missing == 0 && o->far_compared < wanted * CANDIDATES;
    if (compare) {
        o->far_compared++;
        seek(o, now_us, o->far_octave % wanted, out);
    }
    o->far_octave = (uint8_t)(wanted ? (o->far_octave + 1) % wanted : 0);
    uint64_t pause = missing > 1 ? FAR_SOON_US : compare ? FAR_COMPARE_US : FAR_LATER_US;
    o->far_due_us = now_us + rng_jitter(&o->rng, pause, 30);
    wake_at(o, o->far_due_us);
}
