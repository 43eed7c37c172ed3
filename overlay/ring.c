/* overlay/ring.c - near links: who stands next to us on the ring, kept by gossip between neighbours.
 *
 * Every link is a candidate; the NEAR_SIDE_MAX nearest on each side are the near set. Neighbours tell each other who came, and whom the other
 * lacks when the digests in PING and PONG differ (near.c; T-Man's selection: Jelasity, Montresor, Babaoglu, 2009), and once in a while each node looks
 * its own id up through a random distant link: repair by period, not only by reaction (Rhea et al., "Handling churn in a DHT", 2004). */
#include "overlay/core.h"
#include <string.h>

#define TELL_DELAY_US   MILLIS(60)  /* several changes, one message */
#define TELL_FIRST_US   MILLIS(200) /* a newcomer, whose neighbours come up one after the other */
#define LOOK_US         SECONDS(3)  /* after a change further out, or by a newcomer */
#define REPAIR_FIRST_US SECONDS(1)
#define REPAIR_YOUNG_US SECONDS(16)
#define REPAIR_MAX_US   MINUTES(5)
#define LOOKS_MAX       3
#define YOUNG_S         60
#define TORN_UNIT_US    MILLIS(100)
#define TORN_UNITS      30          /* 3 s */
#define MISSED_US       SECONDS(10) /* longer than a failure is remembered (join.c) */

uint8_t ring_sides(const struct overlay *o, uint16_t left[NEAR_SIDE_MAX],
                   uint16_t right[NEAR_SIDE_MAX], uint8_t *lefts, uint8_t *rights)
{
    uint16_t n = o->up_count, pos = o->self_place;
    uint8_t side = (uint8_t)(n < NEAR_SIDE_MAX ? n : NEAR_SIDE_MAX);
    for (uint8_t i = 0; i < side; i++) {
        right[i] = o->order[(pos + i) % n];
        left[i] = o->order[(pos + n - 1 - i) % n];
    }
    *lefts = *rights = side;
    return side;
}

bool slot_in(const uint16_t *list, uint8_t n, uint16_t slot)
{
    for (uint8_t i = 0; i < n; i++)
        if (list[i] == slot) return true;
    return false;
}

static uint8_t near_place(const struct overlay *o, uint16_t slot)
{
    uint8_t i = 0;
    while (i < o->near_count && o->near[i].slot != slot) i++;
    return i;
}

struct near_info *near_find(struct overlay *o, uint16_t slot)
{
    uint8_t i = near_place(o, slot);
    return i < o->near_count ? &o->near[i] : NULL;
}

const struct near_info *near_of(const struct overlay *o, uint16_t slot)
{
    uint8_t i = near_place(o, slot);
    return i < o->near_count ? &o->near[i] : NULL;
}

void ring_stale(struct overlay *o, struct near_info *info)
{
    link_unvouch(o, &o->links[info->slot]);
    info->stale = true;
}

bool ring_is_next(const struct overlay *o, const struct link *l)
{
    for (uint8_t i = 0; i < o->near_count; i++)
        if (o->near[i].slot == link_slot(o, l)) return o->near[i].next;
    return false;
}

/* A while after we came: whoever comes now is a newcomer in the same rush, rather than a ring that was parted from ours. */
bool ring_is_young(const struct overlay *o, uint64_t now_us)
{
    return o->joined_s && joined_for_s(o, now_us) < YOUNG_S;
}

static bool near_lost(const struct overlay *o)
{
    for (uint8_t i = 0; i < o->near_count; i++)
        if (o->links[o->near[i].slot].state != LINK_UP) return true;
    return false;
}

bool ring_rush(const struct overlay *o, uint64_t now_us)
{
    return !o->torn && (!o->joined_s || ring_is_young(o, now_us));
}

/* Near set anew: returns true if it is another one than before. Lost: one of those before is gone. */
static bool near_renew(struct overlay *o, bool lost)
{
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights, count = 0;
    struct near_info next[2 * NEAR_SIDE_MAX];
    uint8_t text[2 * NEAR_SIDE_MAX * ID_SIZE] = {0};
    size_t len = 0;
    static const uint8_t zero[16];
    ring_sides(o, left, right, &lefts, &rights);
    if (lost) o->near_short = true;
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        uint16_t slot = link_slot(o, l);
        bool is_near = slot_in(left, lefts, slot) || slot_in(right, rights, slot);
        if (is_near == !(l->kinds & KIND_NEAR)) link_unvouch(o, l);
        l->kinds &= (uint8_t)~KIND_NEAR;
        if (!is_near) continue;
        l->kinds |= KIND_NEAR;
        const struct near_info *old = near_find(o, slot);
        bool is_next = slot == left[0] || slot == right[0];
        next[count] = old ? *old : (struct near_info){.slot = slot};
        next[count++].next = is_next;
        memcpy(text + len, link_id(o, l)->b, ID_SIZE);
        len += ID_SIZE;
    }
    memcpy(o->near, next, count * sizeof *next);
    o->near_count = count;
    uint32_t digest = (uint32_t)crypto_siphash(text, len, zero);
    bool changed = digest != o->near_digest;
    for (uint8_t i = 0; changed && i < count; i++) link_unvouch(o, &o->links[next[i].slot]);
    o->near_digest = digest;
    return changed;
}

uint64_t ring_estimate(const struct overlay *o)
{
    uint64_t known = (uint64_t)o->up_count + 1;
    if (o->up_count < 2 * NEAR_SIDE_MAX) return known;
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    ring_sides(o, left, right, &lefts, &rights);
    struct id span = id_clockwise(link_id(o, &o->links[left[lefts - 1]]),
                                  link_id(o, &o->links[right[rights - 1]]));
    uint64_t top = get_u64(span.b);
    uint64_t n = top ? (UINT64_MAX / top) * (lefts + rights) : known;
    return n > known ? n : known;
}

unsigned ring_links_between(const struct overlay *o, const struct id *id, bool right)
{
    uint16_t n = o->up_count, self = o->self_place, pos = order_find(o, id);
    if (n == 0) return 0;
    if (pos == self) return (id_compare(&o->self.id, id) < 0) == right ? 0 : n;
    uint16_t clockwise = (uint16_t)((pos + n - self) % n);
    return right ? clockwise : (uint16_t)(n - clockwise);
}

bool ring_stands_within(const struct overlay *o, const struct id *id, unsigned n)
{
    return ring_links_between(o, id, true) < n || ring_links_between(o, id, false) < n;
}

bool ring_would_be_near(const struct overlay *o, const struct id *id)
{
    return ring_links_between(o, id, true) < NEAR_SIDE_MAX ||
           ring_links_between(o, id, false) < NEAR_SIDE_MAX;
}

bool ring_asks_near(const struct overlay *o, const struct id *id)
{
    return ring_links_between(o, id, true) + hello_nearer_pending(o, id, true) < NEAR_SIDE_MAX ||
           ring_links_between(o, id, false) + hello_nearer_pending(o, id, false) < NEAR_SIDE_MAX;
}

/* May we send there because a peer says so? Public addresses, and our own subnet's: never a service of ours or our neighbours'. */
bool ring_hearsay_ok(const struct overlay *o, const struct endpoint *at)
{
    if (at->transport != TRANSPORT_UDP || !endpoint_is_usable(at)) return false;
    return endpoint_scope(at) == SCOPE_GLOBAL || ring_in_subnet(o, at);
}

bool ring_in_subnet(const struct overlay *o, const struct endpoint *at)
{
    enum scope scope = endpoint_scope(at);
    if (scope != SCOPE_PRIVATE && scope != SCOPE_CGN) return false;
    size_t same = endpoint_is_v4(at) ? 15 : 8; /* /24 or /64 */
    for (uint8_t i = 0; i < o->local_count; i++)
        if (memcmp(o->locals[i].ip, at->ip, same) == 0) return true;
    return false;
}

static uint16_t torn_clock(uint64_t now_us)
{
    return (uint16_t)(now_us / TORN_UNIT_US) | 1u;
}

bool ring_torn(struct overlay *o, uint64_t now_us)
{
    if ((uint16_t)(torn_clock(now_us) - o->torn) >= TORN_UNITS)
        o->torn = 0; /* its clock wraps after 109 minutes; repair() looks more often */
    return o->torn;
}

void ring_changed(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    bool lost = near_lost(o);
    if (!near_renew(o, lost)) return;
    char text[ID_TEXT];
    trace(o->trace, now_us, RING, "%.8s > near set: %u links", id_print(&o->self.id, text),
          o->near_count);
    if (o->ring_tell_us == 0) {
        uint64_t delay_us = o->joined_s ? TELL_DELAY_US : TELL_FIRST_US;
        o->ring_tell_us = now_us + delay_us + rng_below(&o->rng, delay_us);
        wake_at(o, o->ring_tell_us);
    }
    /* as long as things change, look around often; in a rush, most times no further than next door */
    bool wide = lost || !o->joined_s || !ring_rush(o, now_us);
    uint64_t soon = now_us + rng_jitter(&o->rng, wide ? REPAIR_FIRST_US : LOOK_US, 30);
    if (wide) {
        o->repair_us = REPAIR_FIRST_US;
        o->near_look = false;
    }
    if (o->ring_due_us == 0 || o->ring_due_us > soon) {
        o->near_look = !wide && o->ring_due_us != 0;
        o->ring_due_us = soon;
    }
    wake_at(o, o->ring_due_us);
    join_state(o, now_us, out);
}

/* Do we not know yet who is next on that side? It has told us nothing, or somebody nearer is just being asked. */
static bool side_open(struct overlay *o, uint16_t nearest, bool right)
{
    const struct near_info *info = near_find(o, nearest);
    return !info || !info->listed || hello_nearer_pending(o, link_id(o, &o->links[nearest]), right);
}

bool ring_open(struct overlay *o, uint64_t now_us, const struct id *at)
{
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    if (!o->joined && !o->joined_s) return true; /* a newcomer knows too little to answer */
    if (!ring_torn(o, now_us)) return false;
    if (o->up_count == 0) return true;
    ring_sides(o, left, right, &lefts, &rights);
    bool on_right = id_between(&o->self.id, at, link_id(o, &o->links[right[0]]));
    bool on_left = id_between(link_id(o, &o->links[left[0]]), at, &o->self.id);
    return (on_right || !on_left ? side_open(o, right[0], true) : false) ||
           (on_left || !on_right ? side_open(o, left[0], false) : false);
}

/* All of one side died: whoever stands next to us now was far away until now. Ask it at once whom it knows near us. */
static void close_gap(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    if (o->up_count == 0) return;
    ring_sides(o, left, right, &lefts, &rights);
    const uint16_t next[2] = {left[0], right[0]};
    for (unsigned i = 0; i < 2; i++) {
        struct near_info *info = near_find(o, next[i]);
        if (!info || info->listed || info->asked_ms) continue;
        info->asked_ms = ms32(now_us) | 1u;
        near_ask(o, now_us, &o->links[next[i]], false, out);
        find_send(o, now_us, &o->self.id, PURPOSE_REPAIR, 0, SECONDS(5), next[i], out);
    }
}

void ring_ask_next(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    for (uint8_t i = 0; i < o->near_count; i++)
        if (o->near[i].next && !o->near[i].listed)
            near_ask(o, now_us, &o->links[o->near[i].slot], false, out);
}

void ring_doubted(struct overlay *o, uint64_t now_us, const struct link *l, struct outbox *out)
{
    uint8_t frame[64];
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    struct pack k = control_pack(frame, sizeof frame, CONTROL_DEAD, 2);
    pack_bin(&k, link_id(o, l)->b, ID_SIZE);
    ring_sides(o, left, right, &lefts, &rights);
    uint32_t since_ms = ms32(now_us - 3 * link_rto_us(l)); /* it was heard no more */
    const uint16_t *beside = slot_in(left, lefts, link_slot(o, l)) ? left : right;
    for (uint8_t i = 0; i < o->near_count; i++) {
        struct link *p = &o->links[o->near[i].slot];
        if (p == l) continue;
        frame_send(o, p, now_us, frame, k.len + 1, NULL, out);
        /* who goes does not always go alone, and if all of a side are gone, a gap is to be closed */
        if (slot_in(beside, lefts, link_slot(o, p)) &&
            (int32_t)(link_heard_ms(o, p, now_us) - since_ms) < 0)
            link_verify(o, p, now_us, out);
    }
}

void ring_neighbour_dead(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    o->torn = torn_clock(now_us);
    if (!o->joined) close_gap(o, now_us, out);
    o->near_look = false;
    o->ring_due_us = now_us + REPAIR_FIRST_US; /* and look around soon */
    o->repair_us = REPAIR_FIRST_US;
    wake_at(o, o->ring_due_us);
}

void ring_missed(struct overlay *o, uint64_t now_us, const struct id *id)
{
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    if (o->up_count == 0 || !ring_would_be_near(o, id)) return;
    ring_sides(o, left, right, &lefts, &rights);
    struct near_info *l = near_find(o, left[0]), *r = near_find(o, right[0]);
    if (l) ring_stale(o, l);
    if (r) ring_stale(o, r);
    uint64_t then = now_us + rng_jitter(&o->rng, MISSED_US, 10);
    if (o->ring_due_us == 0 || o->ring_due_us > then) o->ring_due_us = then;
    wake_at(o, o->ring_due_us);
}

/* Does this neighbour see the ring around us as we do? The digest in a PING tells, at a tenth of a list's price. */
static void compare(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out)
{
    const struct near_info *info = near_find(o, link_slot(o, l));
    if (info && info->listed)
        link_ping(o, l, now_us, NULL, 0, out);
    else
        near_ask(o, now_us, l, false, out);
}

/* Is there anybody nearer whom our neighbourhood does not know? Ask from far away. */
static void repair(struct overlay *o, uint64_t now_us, bool look, struct outbox *out)
{
    if (o->up_count == 0) return;
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    (void)ring_torn(o, now_us);
    ring_sides(o, left, right, &lefts, &rights);
    compare(o, now_us, &o->links[left[0]], out);
    if (left[0] != right[0]) compare(o, now_us, &o->links[right[0]], out);
    near_seek(o, now_us, out);
    if (look) return;
    uint16_t first = o->order[rng_below(&o->rng, o->up_count)];
    if (!(o->links[first].kinds & KIND_NEAR) || o->up_count > o->near_count)
        find_send(o, now_us, &o->self.id, PURPOSE_REPAIR, 0, SECONDS(5), first, out);
}

void ring_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (o->ring_tell_us && o->ring_tell_us <= now_us) {
        o->ring_tell_us = 0;
        near_tell(o, now_us, out);
    }
    if (o->ring_tell_us) wake_at(o, o->ring_tell_us);
    if (o->up_count == 0) {
        o->ring_due_us = 0;
        o->repair_us = REPAIR_FIRST_US;
        return;
    }
    if (o->ring_due_us == 0) o->ring_due_us = now_us + rng_jitter(&o->rng, REPAIR_FIRST_US, 30);
    if (o->ring_due_us <= now_us) {
        bool look = o->near_look && o->near_looks < LOOKS_MAX;
        repair(o, now_us, look, out);
        bool young = ring_is_young(o, now_us), rush = ring_rush(o, now_us);
        uint64_t pause_us = o->repair_us * (rush ? UINT64_C(4) : UINT64_C(2));
        if (!look)
            o->repair_us = (uint32_t)time_min(pause_us, young ? REPAIR_YOUNG_US : REPAIR_MAX_US);
        o->near_looks = look ? (o->near_looks + 1u) & 3u : 0;
        o->near_look = false;
        o->ring_due_us = now_us + rng_jitter(&o->rng, o->repair_us, 20);
    }
    wake_at(o, o->ring_due_us);
}

bool overlay_neighbours(const struct overlay *o, struct id *left, struct id *right)
{
    uint16_t l[NEAR_SIDE_MAX], r[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    if (!o->up_count) return false;
    ring_sides(o, l, r, &lefts, &rights);
    *left = *link_id(o, &o->links[l[0]]);
    *right = *link_id(o, &o->links[r[0]]);
    return true;
}
