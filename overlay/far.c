/* overlay/far.c - far links: one per octave of distance, so that greedy routing takes O(log N) steps.
 *
 * A random point of the octave, whoever owns it; then candidates, ever more seldom while none is nearer, and of all links in an octave
 * the one with the shortest round trip is held. A candidate who answers bare is measured by its HELLO2, and becomes a link only if it is
 * nearer. Sides alternate by octave.
 * Source: Kademlia's buckets (Maymounkov, Mazieres 2002), Symphony's distances (Manku, Bawa, Raghavan 2003). */
#include "overlay/core.h"

#define FAR_SOON_US  MILLIS(600)
#define FAR_LATER_US SECONDS(60)
#define FAR_VAIN                                                                                   \
    8u /* so often missing links are sought in vain without a pause between; then in pauses that double */
/* Candidates are compared in such pauses. Each in vain makes the next one longer: twice as long when every octave has had three tenths of
 * one (FAR_HALF / FAR_STEP). One that is nearer shortens it, by as much as it takes off its octave's round trip. */
#define FAR_YOUNG_US  SECONDS(5)
#define FAR_FIRST_US  SECONDS(2)
#define FAR_HALF      24u
#define FAR_STEP      80u
#define FAR_TIRED     240u /* 34 minutes */
#define FAR_BLIND     3u   /* one at random promises less than one that a neighbour told about */
#define FAR_GAIN      16u
#define FAR_JUDGED_US SECONDS(10)
#define FAR_CALM_S    30u
#define DIALS         6 /* at a time, from a neighbour's list */

static bool right_side(const struct overlay *o, unsigned octave)
{
    return (octave + o->self.id.b[0]) & 1;
}

/* Of distances with `zeros` leading zero bits, on the side that is its own; but the farthest quarter has an octave on each side. */
static unsigned zeros_of(unsigned octave)
{
    return octave ? octave : 1;
}

int far_octave_of(const struct overlay *o, const struct id *id)
{
    bool right;
    uint64_t top = id_distance_top(&o->self.id, id, &right) | 1u; /* at most 63 zeros */
    int zeros = __builtin_clzll(top);
    if (zeros == 0) zeros = 1; /* half the ring: the farthest octave */
    if (right_side(o, (unsigned)zeros) == right) return zeros;
    return zeros == 1 ? 0 : -1;
}

/* Where one more candidate promises most: by chance, in proportion to the square of the round trip of the link held. So 8 candidates
 * an octave serve nearly as well as 16 in each (docs/decisions/0019). */
static unsigned octave_to_try(struct overlay *o, struct link *const held[OCTAVES_MAX],
                              unsigned wanted)
{
    uint64_t weight[OCTAVES_MAX], sum = 0;
    for (unsigned i = 0; i < wanted; i++) {
        weight[i] = held[i]->srtt ? (uint64_t)held[i]->srtt * held[i]->srtt : 1;
        sum += weight[i];
    }
    uint64_t at = rng_below(&o->rng, sum);
    unsigned i = 0;
    while (at >= weight[i]) at -= weight[i++];
    return i;
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

/* The link to hold in each octave; NULL: there is none. */
static void best_of_all(const struct overlay *o, struct link *held[OCTAVES_MAX])
{
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        int octave = far_octave_of(o, link_id(o, l));
        if (octave >= 0 && (!held[octave] || better(l, held[octave]))) held[octave] = l;
    }
}

static unsigned octaves_wanted(const struct overlay *o)
{
    unsigned n = 0;
    for (uint64_t e = ring_estimate(o); e > 1; e >>= 1) n++;
    n = n > 2 ? n - 2 : 0; /* the last octaves are near links */
    if (n > OCTAVES_MAX) n = OCTAVES_MAX;
    unsigned room = o->common->limits.links > 2 * NEAR_SIDE_MAX + 8
                        ? o->common->limits.links - 2u * NEAR_SIDE_MAX - 8u
                        : 0;
    return n < room ? n : room;
}

static void arm(struct overlay *o, uint64_t now_us, uint64_t pause_us)
{
    uint64_t at_ms = (now_us + pause_us) / 1000 + 1;
    o->far_due_ms = (uint32_t)at_ms ? (uint32_t)at_ms : 1;
    wake_at(o, at_ms * 1000);
}

/* A random point in it. */
static struct id point_in(struct overlay *o, unsigned octave)
{
    struct id point = o->self.id, random;
    rng_bytes(&o->rng, random.b, ID_SIZE);
    /* a distance with exactly so many leading zeros */
    unsigned zeros = zeros_of(octave);
    uint64_t top = get_u64(random.b) >> zeros | UINT64_C(1) << (63 - zeros);
    put_u64(random.b, top);
    unsigned carry = 0;
    bool right = right_side(o, octave);
    for (int i = ID_SIZE - 1; i >= 0; i--) {
        unsigned v = right ? (unsigned)point.b[i] + random.b[i] + carry
                           : (unsigned)point.b[i] - random.b[i] - carry;
        point.b[i] = (uint8_t)v;
        carry = right ? v >> 8 : (v >> 8) & 1;
    }
    return point;
}

static void seek(struct overlay *o, uint64_t now_us, unsigned octave, struct outbox *out)
{
    struct id point = point_in(o, octave);
    find_send(o, now_us, &point, PURPOSE_FAR, 0, SECONDS(5), NO_SLOT, out);
}

/* Its octave, if that is one of those wanted; else -1. */
static int octave_among(const struct overlay *o, const struct id *id, unsigned wanted)
{
    int octave = far_octave_of(o, id);
    return octave < (int)wanted ? octave : -1;
}

bool far_fits(const struct overlay *o, const struct id *id, const struct id *place)
{
    unsigned wanted = octaves_wanted(o);
    int octave = octave_among(o, id, wanted);
    return octave >= 0 && octave == octave_among(o, place, wanted);
}

/* Octaves in which somebody is being dialled already, a bit each. */
static uint64_t dialled(const struct overlay *o, unsigned wanted)
{
    uint64_t octaves = 0;
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;) {
        int octave = h->hs.initiator && h->kinds == KIND_FAR ? octave_among(o, &h->target, wanted)
                                                             : -1;
        if (octave >= 0) octaves |= UINT64_C(1) << octave;
    }
    return octaves;
}

static bool any_in(const struct overlay *o, int octave)
{
    for (uint16_t i = 0; i < o->up_count; i++)
        if (far_octave_of(o, link_id(o, order_at(o, i))) == octave) return true;
    return false;
}

void far_heard(struct overlay *o, uint64_t now_us, const struct id *id, const struct endpoint *at,
               struct outbox *out)
{
    if (!o->joined || !o->far_dials || !endpoint_is_usable(at)) return;
    unsigned wanted = octaves_wanted(o);
    int octave = octave_among(o, id, wanted);
    if (octave < 0 || dialled(o, wanted) >> octave & 1) return;
    if (any_in(o, octave)) return;
    struct id place = point_in(o, (unsigned)octave);
    if (hello_far(o, now_us, id, at, &place, out)) o->far_dials--;
}

/* A neighbour's far links: its octaves are ours, but for the width of our near set. */
static void ask_neighbour(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (!o->near_count) return;
    o->far_dials = DIALS;
    uint16_t slot = o->near[rng_below(&o->rng, o->near_count)].slot;
    near_ask(o, now_us, &o->links[slot], true, out);
}

void far_found(struct overlay *o, uint64_t now_us, const struct id *owner,
               const struct endpoint *at, struct outbox *out)
{
    struct link *l = link_by_id(o, owner);
    if (l) {
        if (l->kinds & (KIND_NEAR | KIND_FAR)) return;
        link_unvouch(o, l);
        l->kinds |= KIND_FAR;
    } else if (!failed_lately(o, owner, now_us)) {
        (void)hello_route(o, now_us, owner, &ID_ZERO, at, KIND_FAR, out);
    }
}

/* What one candidate adds to far_tired: fewer octaves want fewer of them. */
static unsigned tiring(unsigned wanted)
{
    return wanted ? (FAR_STEP + wanted - 1) / wanted : FAR_STEP;
}

bool far_worth(struct overlay *o, uint64_t now_us, const struct id *id, uint64_t rtt_us)
{
    int octave = octave_among(o, id, octaves_wanted(o));
    struct link *held[OCTAVES_MAX] = {0};
    best_of_all(o, held);
    if (octave < 0) return ring_would_be_near(o, id);
    const struct link *l = held[octave];
    if (!l || link_path(l) != PATH_DIRECT || !l->srtt) return true;
    uint32_t now = l->srtt, then = (uint32_t)(time_min(rtt_us, SECONDS(10)) / 250u);
    /* at first any link is welcome: if some die, there are few others yet */
    if (then * 5 >= now * 4) return ring_is_young(o, now_us);
    uint32_t gain = FAR_GAIN * tiring(octaves_wanted(o)) * (now - then) / now;
    o->far_tired = (uint8_t)(o->far_tired > gain ? o->far_tired - gain : 0);
    return true;
}

static uint64_t tired_pause_us(const struct overlay *o, uint64_t now_us)
{
    uint64_t first = ring_is_young(o, now_us) ? FAR_YOUNG_US : FAR_FIRST_US;
    uint64_t whole = first << (o->far_tired / FAR_HALF);
    return whole + whole * (o->far_tired % FAR_HALF) / FAR_HALF;
}

/* One candidate more, who may be nearer in time than the link that we hold in its octave: a neighbour's peer, else anybody. */
static void compare(struct overlay *o, uint64_t now_us, struct link *const held[OCTAVES_MAX],
                    unsigned wanted, struct outbox *out)
{
    uint32_t rtt[OCTAVES_MAX] = {0}, prefix;
    uint16_t through;
    unsigned tired = o->far_tired;
    for (unsigned i = 0; i < wanted; i++) rtt[i] = held[i]->srtt;
    if (ahead_candidate(o, rtt, &prefix, &through)) {
        struct id point = hint_point(prefix);
        find_send(o, now_us, &point, PURPOSE_FAR, 0, SECONDS(5), through, out);
        tired += tiring(wanted);
    } else if (ring_estimate(o) <= 2u * o->up_count) {
        tired = FAR_TIRED; /* we know as many as there are */
    } else {
        seek(o, now_us, octave_to_try(o, held, wanted), out);
        tired += FAR_BLIND * tiring(wanted);
    }
    o->far_tired = (uint8_t)(tired < FAR_TIRED ? tired : FAR_TIRED);
}

/* Peers die so fast that one which is nearer would not be held for long. */
bool far_short_lived(struct overlay *o, uint64_t now_us)
{
    if (o->died_s && (uint16_t)(s16(now_us) - o->died_s) >= FAR_CALM_S) o->died_s = 0;
    return o->died_s;
}

void far_lost(struct overlay *o, uint64_t now_us)
{
    if (ring_is_young(o, now_us)) return; /* pauses are short then */
    o->far_due_ms = 0;
    o->far_asked = true; /* first who is held now */
    wake_at(o, now_us + MILLIS(1));
}

/* Nobody may be there in an octave, or nobody with whom a path can be had. */
static uint64_t missing_pause_us(struct overlay *o, unsigned missing, bool coming)
{
    unsigned now = missing > 3 ? 3 : missing;
    if (now != o->far_missing) o->far_vain = 0;
    o->far_missing = now & 3u;
    if (missing == 1 && !coming) return FAR_LATER_US;
    if (o->far_vain < 15) o->far_vain++;
    uint64_t pause = FAR_SOON_US << (o->far_vain > FAR_VAIN ? o->far_vain - FAR_VAIN : 0u);
    return time_min(pause, FAR_LATER_US);
}

static void hold(struct overlay *o, struct link *const held[OCTAVES_MAX], unsigned wanted)
{
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        bool is = false;
        for (unsigned k = 0; k < wanted && !is && !(l->kinds & KIND_NEAR); k++) is = held[k] == l;
        if (is == !!(l->kinds & KIND_FAR)) continue;
        link_unvouch(o, l); /* the other end is to hear that */
        l->kinds ^= KIND_FAR;
    }
}

void far_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (!o->joined || o->up_count < 2 * NEAR_SIDE_MAX) {
        o->far_due_ms = 0;
        return;
    }
    if (o->far_due_ms == 0) arm(o, now_us, rng_jitter(&o->rng, FAR_SOON_US, 50));
    int32_t left = (int32_t)(o->far_due_ms - ms32(now_us));
    if (left > 0) {
        wake_at(o, (now_us / 1000 + (uint64_t)left) * 1000);
        return;
    }
    unsigned wanted = octaves_wanted(o), missing = 0, first = 0;
    uint64_t coming = dialled(o, wanted);
    struct link *held[OCTAVES_MAX] = {0};
    best_of_all(o, held);
    for (unsigned i = 0; i < wanted; i++) {
        unsigned octave = (o->far_octave + i) % wanted;
        if (!held[octave] && !(coming >> octave & 1) && missing++ == 0) first = octave;
    }
    if (missing) { /* in turn: once over the ring, where everybody is, three times cheaply from a list */
        if (o->far_turn)
            ask_neighbour(o, now_us, out);
        else
            seek(o, now_us, first, out);
        o->far_turn = (o->far_turn + 1u) & 3u;
    }
    /* the others are let go as soon as nobody else wants them */
    hold(o, held, wanted);
    bool asks = wanted && !missing && !coming && !o->far_asked && !far_short_lived(o, now_us);
    if (asks) compare(o, now_us, held, wanted, out);
    unsigned next = wanted ? (o->far_octave + 1u) % wanted : 0;
    o->far_octave = next & 0x7fu;
    uint64_t pause = missing_pause_us(o, missing, coming);
    if (!missing)
        pause = !wanted ? FAR_LATER_US : coming ? FAR_YOUNG_US : tired_pause_us(o, now_us);
    /* whoever was asked is judged soon, and the one of the two that is not needed let go of */
    o->far_asked = asks && pause > FAR_JUDGED_US;
    if (o->far_asked) pause = FAR_JUDGED_US;
    arm(o, now_us, rng_jitter(&o->rng, pause, 30));
}
