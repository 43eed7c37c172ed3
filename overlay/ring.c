/* overlay/ring.c - near links: who stands next to us on the ring, kept by gossip between neighbours.
 *
 * Every link is a candidate; the NEAR_SIDE_MAX nearest on each side are the near set. Neighbours tell each other their near sets when they
 * change (T-Man's way: Jelasity, Montresor, Babaoglu, 2009), ask when the digest in a PING differs, and once in a while each node looks
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
#define ASK_EVERY_US    SECONDS(5)
#define ASK_SELDOM_US   SECONDS(60) /* who does not stand next to us, in a rush; and not before: */
#define ASK_CALM_US     SECONDS(10)
#define TORN_UNIT_US    MILLIS(100)
#define TORN_UNITS      30          /* 3 s */
#define MISSED_US       SECONDS(10) /* longer than a failure is remembered (join.c) */
#define NEAR_LIST_MAX   32
/* So many whom we did not know stand so close to us, and nobody died: another ring. */
#define STRANGERS       2
#define STRANGER_WITHIN 2
#define LIST_MAX        18
#define FAR_LIST_MAX    6 /* more, for who asks */
_Static_assert((LIST_MAX + FAR_LIST_MAX) * (4 + ID_SIZE + ENDPOINT_WIRE) + 16 <= CONTROL_MAX,
               "a list fits into a frame");

uint8_t ring_sides(const struct overlay *o, uint16_t left[NEAR_SIDE_MAX],
                   uint16_t right[NEAR_SIDE_MAX], uint8_t *lefts, uint8_t *rights)
{
    uint16_t n = o->up_count, pos = order_find(o, &o->self.id);
    uint8_t side = (uint8_t)(n < NEAR_SIDE_MAX ? n : NEAR_SIDE_MAX);
    for (uint8_t i = 0; i < side; i++) {
        right[i] = o->order[(pos + i) % n];
        left[i] = o->order[(pos + n - 1 - i) % n];
    }
    *lefts = *rights = side;
    return side;
}

static bool in_list(const uint16_t *list, uint8_t n, uint16_t slot)
{
    for (uint8_t i = 0; i < n; i++)
        if (list[i] == slot) return true;
    return false;
}

static struct near_info *near_find(struct overlay *o, uint16_t slot)
{
    for (uint8_t i = 0; i < o->near_count; i++)
        if (o->near[i].slot == slot) return &o->near[i];
    return NULL;
}

/* It is asked at the next PING, whatever digest that shows. */
static void is_stale(struct overlay *o, struct near_info *info)
{
    link_unvouch(o, &o->links[info->slot]);
    info->stale = true;
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
    uint8_t text[2 * NEAR_SIDE_MAX * ID_SIZE];
    size_t len = 0;
    static const uint8_t zero[16];
    ring_sides(o, left, right, &lefts, &rights);
    if (lost) o->near_news = true;
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        uint16_t slot = link_slot(o, l);
        bool is_near = in_list(left, lefts, slot) || in_list(right, rights, slot);
        if (is_near == !(l->kinds & KIND_NEAR)) link_unvouch(o, l);
        l->kinds &= (uint8_t)~KIND_NEAR;
        if (!is_near) continue;
        l->kinds |= KIND_NEAR;
        const struct near_info *old = near_find(o, slot);
        bool is_next = slot == left[0] || slot == right[0];
        if (is_next && !(old && old->next)) o->near_news = true;
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

/* It is being found out whether it lives: nobody should be sent there now. */
static bool silent(const struct link *l)
{
    return l->tries > 2;
}

/* Some of our far links: a neighbour's are about what the reader needs, too. */
static uint8_t add_far(struct overlay *o, const struct link *reader, uint16_t *list, uint8_t n)
{
    uint16_t first = o->up_count ? (uint16_t)rng_below(&o->rng, o->up_count) : 0;
    uint8_t most = (uint8_t)(n + FAR_LIST_MAX);
    for (uint16_t i = 0; i < o->up_count && n < most; i++) {
        const struct link *l = order_at(o, (uint16_t)((first + i) % o->up_count));
        if (l != reader && (l->kinds & KIND_FAR) && link_path(l) == PATH_DIRECT && !l->tries &&
            !in_list(list, n, link_slot(o, l)))
            list[n++] = link_slot(o, l);
    }
    return n;
}

/* Our near set, and whom we know nearest to the reader: what it needs to find its own place. */
static void list_send(struct overlay *o, uint64_t now_us, struct link *l, bool ask, bool far,
                      struct outbox *out)
{
    uint8_t frame[CONTROL_MAX];
    uint16_t list[LIST_MAX + FAR_LIST_MAX];
    uint8_t n = 0;
    bool all = true;
    for (uint8_t i = 0; i < o->near_count; i++) {
        if (o->near[i].slot == link_slot(o, l)) continue;
        if (silent(&o->links[o->near[i].slot]))
            all = false;
        else
            list[n++] = o->near[i].slot;
    }
    uint16_t count = o->up_count, pos = order_find(o, link_id(o, l));
    for (uint16_t i = 0; i < count && i < 2 * NEAR_SIDE_MAX + 1 && n < LIST_MAX; i++) {
        uint16_t slot = o->order[(pos + count - NEAR_SIDE_MAX % count + i) % count];
        if (slot != link_slot(o, l) && !in_list(list, n, slot) && !silent(&o->links[slot]))
            list[n++] = slot;
    }
    if (far) n = add_far(o, l, list, n);
    struct pack k = control_pack(frame, sizeof frame, CONTROL_NEAR, 4);
    pack_bool(&k, ask);
    pack_array(&k, 2u * n);
    for (uint8_t i = 0; i < n; i++) {
        const struct link *p = &o->links[list[i]];
        uint8_t at[ENDPOINT_WIRE];
        struct endpoint e = link_path(p) == PATH_DIRECT ? link_endpoint(p) : (struct endpoint){0};
        endpoint_encode(&e, at);
        pack_bin(&k, link_id(o, p)->b, ID_SIZE);
        pack_bin(&k, at, sizeof at);
    }
    pack_uint(&k, all ? o->near_digest : ~o->near_digest); /* what is left out is still to come */
    ensure(!k.bad);
    frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
}

void near_list_send(struct overlay *o, uint64_t now_us, struct link *l, bool ask,
                    struct outbox *out)
{
    list_send(o, now_us, l, ask, false, out);
}

/* How many of ids lie between us and id, clockwise (right) or the other way. */
static unsigned listed_between(const struct overlay *o, const struct id *ids, uint32_t n,
                               const struct id *id, bool right)
{
    unsigned count = 0;
    for (uint32_t i = 0; i < n; i++)
        count += right ? id_between(&o->self.id, &ids[i], id)
                       : id_between(id, &ids[i], &o->self.id);
    return count;
}

static unsigned linked_between(const struct overlay *o, const struct id *id, bool right)
{
    uint16_t n = o->up_count, self = order_find(o, &o->self.id), pos = order_find(o, id);
    if (n == 0) return 0;
    if (pos == self) return (id_compare(&o->self.id, id) < 0) == right ? 0 : n;
    uint16_t clockwise = (uint16_t)((pos + n - self) % n);
    return right ? clockwise : (uint16_t)(n - clockwise);
}

bool ring_would_be_near(const struct overlay *o, const struct id *id)
{
    return linked_between(o, id, true) < NEAR_SIDE_MAX ||
           linked_between(o, id, false) < NEAR_SIDE_MAX;
}

bool ring_asks_near(const struct overlay *o, const struct id *id)
{
    return linked_between(o, id, true) + hello_nearer_pending(o, id, true) < NEAR_SIDE_MAX ||
           linked_between(o, id, false) + hello_nearer_pending(o, id, false) < NEAR_SIDE_MAX;
}

/* May we send there because a peer says so? Public addresses, and our own subnet's: never a service of ours or our neighbours'. */
bool ring_hearsay_ok(const struct overlay *o, const struct endpoint *at)
{
    if (at->transport != TRANSPORT_UDP || !endpoint_is_usable(at)) return false;
    enum scope scope = endpoint_scope(at);
    if (scope == SCOPE_GLOBAL) return true;
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

static bool torn_lately(struct overlay *o, uint64_t now_us)
{
    if ((uint16_t)(torn_clock(now_us) - o->torn) >= TORN_UNITS)
        o->torn = 0; /* its clock wraps after 109 minutes; repair() looks more often */
    return o->torn;
}

/* How many different ones there are who would stand next to us and are not linked. */
static unsigned strangers_among(const struct overlay *o, uint64_t now_us, const struct id *ids,
                                uint32_t n)
{
    unsigned strangers = 0;
    for (uint32_t i = 0; i < n; i++) {
        bool again = false;
        for (uint32_t k = 0; k < i; k++) again |= id_equal(&ids[k], &ids[i]);
        if (again || id_equal(&ids[i], &o->self.id) || link_by_id(o, &ids[i]) ||
            failed_lately(o, &ids[i], now_us))
            continue;
        strangers += linked_between(o, &ids[i], true) < STRANGER_WITHIN ||
                     linked_between(o, &ids[i], false) < STRANGER_WITHIN;
    }
    return strangers;
}

void on_near(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u, uint32_t places,
             struct outbox *out)
{
    bool ask = unpack_bool(u);
    uint32_t n = unpack_array(u, 0, 2 * NEAR_LIST_MAX) / 2;
    struct id ids[NEAR_LIST_MAX];
    struct endpoint at[NEAR_LIST_MAX];
    for (uint32_t i = 0; i < n && !u->bad; i++) {
        uint8_t e[ENDPOINT_WIRE];
        unpack_copy(u, ids[i].b, ID_SIZE);
        unpack_copy(u, e, sizeof e);
        if (!endpoint_decode(e, &at[i])) u->bad = true;
        if (!u->bad && !ring_hearsay_ok(o, &at[i])) at[i] = (struct endpoint){0};
    }
    uint64_t digest = places > 2 ? unpack_uint(u, UINT32_MAX) : 0;
    if (u->bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct near_info *info = near_find(o, link_slot(o, l));
    if (info) {
        if (info->digest != (uint32_t)digest) link_unvouch(o, l);
        info->listed = true;
        info->stale = false;
        info->digest = (uint32_t)digest; /* of the set that this list shows */
    }
    unsigned strangers = strangers_among(o, now_us, ids, n);
    uint32_t fresh = 0; /* keep those that are news */
    for (uint32_t i = 0; i < n; i++) {
        if (id_equal(&ids[i], &o->self.id) || link_by_id(o, &ids[i])) continue;
        if (failed_lately(o, &ids[i], now_us)) {
            if (info && ring_would_be_near(o, &ids[i])) is_stale(o, info);
            continue;
        }
        if (hello_pending(o, &ids[i])) continue;
        ids[fresh] = ids[i];
        at[fresh++] = at[i];
    }
    for (uint32_t i = 0; i < fresh; i++) {
        /* only whom we would keep if all of them came: T-Man's selection */
        bool near = false, wanted = false;
        for (unsigned right = 0; right < 2; right++) {
            unsigned between = listed_between(o, ids, fresh, &ids[i], right) +
                               linked_between(o, &ids[i], right);
            wanted |= between < NEAR_SIDE_MAX;
            near |= between + hello_nearer_pending(o, &ids[i], right) < NEAR_SIDE_MAX;
        }
        if (wanted && !near && info) is_stale(o, info); /* unless those come whom we ask */
        if (near)
            (void)hello_heard_of(o, now_us, l, &ids[i], link_id(o, l), &at[i], false, out);
        else
            far_heard(o, now_us, &ids[i], &at[i], out);
    }
    if (info && strangers >= STRANGERS && !ring_is_young(o, now_us) && !torn_lately(o, now_us))
        merge_met(o, now_us, l, out);
    if (ask) list_send(o, now_us, l, false, true, out);
    join_state(o, now_us, out);
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
        o->near_news = true;
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

bool ring_digest_is_news(struct overlay *o, const struct link *l, uint32_t digest)
{
    const struct near_info *info = near_find(o, link_slot(o, l));
    return info && !(info->digest == digest && info->listed && !info->stale);
}

void ring_heard_digest(struct overlay *o, uint64_t now_us, struct link *l, uint32_t digest,
                       struct outbox *out)
{
    if (!ring_digest_is_news(o, l, digest)) return;
    struct near_info *info = near_find(o, link_slot(o, l));
    bool seldom = !info->next && ring_rush(o, now_us);
    if (seldom && link_age_us(l, now_us) < ASK_CALM_US) return;
    uint64_t every_us = seldom ? ASK_SELDOM_US : ASK_EVERY_US;
    if (info->asked_ms && ms32(now_us) - info->asked_ms < every_us / 1000u) return;
    info->asked_ms = ms32(now_us);
    near_list_send(o, now_us, l, true, out);
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
    if (!torn_lately(o, now_us)) return false;
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
        near_list_send(o, now_us, &o->links[next[i]], true, out);
        find_send(o, now_us, &o->self.id, PURPOSE_REPAIR, 0, SECONDS(5), next[i], out);
    }
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
    const uint16_t *beside = in_list(left, lefts, link_slot(o, l)) ? left : right;
    for (uint8_t i = 0; i < o->near_count; i++) {
        struct link *p = &o->links[o->near[i].slot];
        if (p == l) continue;
        frame_send(o, p, now_us, frame, k.len + 1, NULL, out);
        /* who goes does not always go alone, and if all of a side are gone, a gap is to be closed */
        if (in_list(beside, lefts, link_slot(o, p)) &&
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
    if (l) is_stale(o, l);
    if (r) is_stale(o, r);
    uint64_t then = now_us + rng_jitter(&o->rng, MISSED_US, 10);
    if (o->ring_due_us == 0 || o->ring_due_us > then) o->ring_due_us = then;
    wake_at(o, o->ring_due_us);
}

/* Does this neighbour's near set differ from the list that we have of it? A PING tells, at a tenth of a list's price. */
static void compare(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out)
{
    const struct near_info *info = near_find(o, link_slot(o, l));
    if (info && info->listed)
        link_ping(o, l, now_us, NULL, 0, out);
    else
        near_list_send(o, now_us, l, true, out);
}

/* Is there anybody nearer whom our neighbourhood does not know? Ask from far away. */
static void repair(struct overlay *o, uint64_t now_us, bool look, struct outbox *out)
{
    if (o->up_count == 0) return;
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    (void)torn_lately(o, now_us);
    ring_sides(o, left, right, &lefts, &rights);
    compare(o, now_us, &o->links[left[0]], out);
    if (left[0] != right[0]) compare(o, now_us, &o->links[right[0]], out);
    if (look) return;
    uint16_t first = o->order[rng_below(&o->rng, o->up_count)];
    if (!(o->links[first].kinds & KIND_NEAR) || o->up_count > o->near_count)
        find_send(o, now_us, &o->self.id, PURPOSE_REPAIR, 0, SECONDS(5), first, out);
}

/* Our near set is another one. If somebody came right next to us, all of it is told, and the other one next to the newcomer does so,
 * too; so it is if somebody went, for then each side is a link short. Of what lies further out only who stands next to us: the others hear of it nearer by. */
static void tell(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    for (uint8_t i = 0; i < o->near_count; i++) {
        const struct near_info *info = &o->near[i];
        if (o->near_news || info->next)
            near_list_send(o, now_us, &o->links[info->slot], false, out);
    }
    o->near_news = false;
}

void ring_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (o->ring_tell_us && o->ring_tell_us <= now_us) {
        o->ring_tell_us = 0;
        tell(o, now_us, out);
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
