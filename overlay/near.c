/* overlay/near.c - what neighbours on the ring tell each other: NEAR, and the digests in PING and PONG.
 *
 * Two neighbours compare what both ought to hold: whoever stands within NEAR_SIDE_MAX places of the one and of the other. Where the
 * ring is whole both see the same ids there, so their digests are equal, and nothing need be remembered of what was told. Where they are not,
 * one of them asks and names, by four bytes each, whom it has; the answer holds only the others, and asks back if the asker has somebody
 * whom the answerer lacks. So a change costs its entries, not a list. Who came right next to us the others are told at once; who lost a
 * neighbour asks for the next one of that side, where the ring is known furthest out.
 *
 * Source: T-Man's selection (Jelasity, Montresor, Babaoglu, 2009), with differences only, as anti-entropy by digests does (Demers et al.,
 * "Epidemic algorithms for replicated database maintenance", 1987); docs/decisions/0030. */
#include "overlay/core.h"
#include <string.h>

#define NEAR_LIST_MAX   32 /* taken */
#define AROUND_MAX      (2 * NEAR_SIDE_MAX)
#define FAR_LIST_MAX    6 /* more, for who asks for them */
#define TAG_SIZE        4u
#define TAGS_MAX        32u
#define ASK_EVERY_US    SECONDS(5)
#define ASK_SELDOM_US   SECONDS(60) /* who does not stand next to us, in a rush; and not before: */
#define ASK_CALM_US     SECONDS(10)
#define ASK_BACK_US     SECONDS(1)
/* So many whom we did not know stand so close to us, and nobody died: another ring. */
#define STRANGERS       2
#define STRANGER_WITHIN 2
_Static_assert((AROUND_MAX + FAR_LIST_MAX) * (4 + ID_SIZE + ENDPOINT_WIRE) + TAGS_MAX * TAG_SIZE +
                       24 <=
                   CONTROL_MAX,
               "a list fits into a frame");

struct
    tags { /* whom somebody has: the last bytes of each id, for the first ones of neighbours are alike */
    uint32_t tag[TAGS_MAX];
    uint32_t count;
};

static uint32_t tag_of(const struct id *id)
{
    return get_u32(id->b + ID_SIZE - TAG_SIZE);
}

static bool tagged(const struct tags *t, const struct id *id)
{
    for (uint32_t i = 0; i < t->count; i++)
        if (t->tag[i] == tag_of(id)) return true;
    return false;
}

static void tag_add(struct tags *t, const struct id *id)
{
    if (t->count < TAGS_MAX && !tagged(t, id)) t->tag[t->count++] = tag_of(id);
}

/* It is being found out whether it lives: nobody should be sent there now. */
static bool silent(const struct link *l)
{
    return l->tries > 2;
}

/* Who stands within NEAR_SIDE_MAX places of the peer of `reader`, as we see it, ourselves counted but not listed. Of a neighbour's places we
 * know those that are near us, too; of others' what we have. spoken: the silent ones are passed by; *all: there was none. */
static uint8_t around(const struct overlay *o, const struct link *reader, bool spoken,
                      uint16_t list[AROUND_MAX], bool *all)
{
    uint16_t n = o->up_count, here = order_find(o, link_id(o, reader));
    uint16_t self = (uint16_t)(o->self_place % n);
    uint8_t count = 0;
    bool bounded = (reader->kinds & KIND_NEAR) && n >= 2 * NEAR_SIDE_MAX;
    /* our last neighbours, left and right */
    const uint16_t last[2] = {(uint16_t)((self + n - NEAR_SIDE_MAX) % n),
                              (uint16_t)((self + NEAR_SIDE_MAX - 1) % n)};
    *all = true;
    for (unsigned right = 0; right < 2; right++) {
        uint16_t at = here;
        uint8_t places = 0;
        for (uint16_t step = 1; step < n; step++) {
            if (bounded && at == last[right]) break;
            uint16_t next = (uint16_t)(right ? (at + 1) % n : (at + n - 1) % n);
            places = (uint8_t)(places + (self == (right ? next : at)));
            if (places >= NEAR_SIDE_MAX) break;
            at = next;
            if (spoken && silent(order_at(o, at))) {
                *all = false;
                continue;
            }
            if (!slot_in(list, count, o->order[at])) list[count++] = o->order[at];
            if (++places >= NEAR_SIDE_MAX) break;
        }
    }
    return count;
}

uint32_t near_digest(const struct overlay *o, const struct link *l)
{
    static const uint8_t zero[16];
    uint8_t text[AROUND_MAX * ID_SIZE];
    uint16_t list[AROUND_MAX];
    size_t len = 0;
    bool all;
    uint8_t n = around(o, l, false, list, &all);
    for (uint8_t i = 0; i < o->near_count; i++) { /* by id: in the same order at both ends */
        if (!slot_in(list, n, o->near[i].slot)) continue;
        memcpy(text + len, link_id(o, &o->links[o->near[i].slot])->b, ID_SIZE);
        len += ID_SIZE;
    }
    return (uint32_t)crypto_siphash(text, len, zero);
}

/* Whom we have of those that both ought to hold; or, if the peer is no neighbour of ours, all our neighbours. And whom we ask already. */
static struct tags own_tags(const struct overlay *o, const struct link *l)
{
    struct tags t = {.count = 0};
    uint16_t list[AROUND_MAX];
    bool all;
    uint8_t n = around(o, l, false, list, &all);
    for (uint8_t i = 0; i < o->near_count; i++) {
        const struct link *p = &o->links[o->near[i].slot];
        if (p != l && (!(l->kinds & KIND_NEAR) || slot_in(list, n, o->near[i].slot)))
            tag_add(&t, link_id(o, p));
    }
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (h->hs.initiator && (h->kinds & KIND_NEAR) && !h->given_up && !id_is_zero(&h->target))
            tag_add(&t, &h->target);
    return t;
}

/* --- out --- */

/* Some of our far links: a neighbour's are about what the reader needs, too. */
static uint8_t add_far(struct overlay *o, const struct link *reader, uint16_t *list, uint8_t n)
{
    uint16_t first = o->up_count ? (uint16_t)rng_below(&o->rng, o->up_count) : 0;
    uint8_t most = (uint8_t)(n + FAR_LIST_MAX);
    for (uint16_t i = 0; i < o->up_count && n < most; i++) {
        const struct link *l = order_at(o, (uint16_t)((first + i) % o->up_count));
        if (l != reader && (l->kinds & KIND_FAR) && link_path(l) == PATH_DIRECT && !l->tries &&
            !slot_in(list, n, link_slot(o, l)))
            list[n++] = link_slot(o, l);
    }
    return n;
}

static void pack_list(const struct overlay *o, struct pack *k, const uint16_t *list, uint8_t n)
{
    pack_array(k, 2u * n);
    for (uint8_t i = 0; i < n; i++) {
        const struct link *p = &o->links[list[i]];
        uint8_t at[ENDPOINT_WIRE];
        struct endpoint e = link_path(p) == PATH_DIRECT ? link_endpoint(p) : (struct endpoint){0};
        endpoint_encode(&e, at);
        pack_bin(k, link_id(o, p)->b, ID_SIZE);
        pack_bin(k, at, sizeof at);
    }
}

/* all: nobody was left out whom the digest stands for; else another one is told, and we are asked again. */
static void near_send(struct overlay *o, uint64_t now_us, struct link *l, const uint16_t *list,
                      uint8_t n, bool all, bool ask, bool far, struct outbox *out)
{
    uint8_t frame[CONTROL_MAX], tags[TAGS_MAX * TAG_SIZE];
    struct pack k = control_pack(frame, sizeof frame, CONTROL_NEAR, ask ? far ? 6 : 5 : 4);
    uint32_t digest = near_digest(o, l);
    pack_bool(&k, ask);
    pack_list(o, &k, list, n);
    pack_uint(&k, all ? digest : ~digest);
    if (ask) {
        struct tags own = own_tags(o, l);
        for (uint32_t i = 0; i < own.count; i++) put_u32(tags + i * TAG_SIZE, own.tag[i]);
        pack_bin(&k, tags, own.count * TAG_SIZE);
        if (far) pack_bool(&k, true);
    }
    ensure(!k.bad);
    frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
}

void near_ask(struct overlay *o, uint64_t now_us, struct link *l, bool far, struct outbox *out)
{
    near_send(o, now_us, l, NULL, 0, true, true, far, out);
}

/* Those around the asker but whom it has. back: it has somebody whom we lack. */
static void answer(struct overlay *o, uint64_t now_us, struct link *l, const struct tags *has,
                   bool far, bool back, struct outbox *out)
{
    uint16_t near[AROUND_MAX], list[AROUND_MAX + FAR_LIST_MAX];
    bool all;
    uint8_t n = 0, count = around(o, l, true, near, &all);
    for (uint8_t i = 0; i < count; i++)
        if (!tagged(has, link_id(o, &o->links[near[i]]))) list[n++] = near[i];
    if (far) n = add_far(o, l, list, n);
    near_send(o, now_us, l, list, n, all, back, false, out);
}

/* Who came: a word without a digest, for it does not say that this is all. Whoever stands right next to us is told to all who ought to
 * hold it, and the other one next to it does so, too; the one behind it only to those next to us: others hear it nearer by. */
static void tell_news(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    ring_sides(o, left, right, &lefts, &rights);
    for (uint8_t i = 0; i < o->near_count; i++) {
        const struct near_info *info = &o->near[i];
        struct link *l = &o->links[info->slot];
        uint16_t near[AROUND_MAX], list[4];
        bool all;
        uint8_t n = 0, count = around(o, l, true, near, &all);
        for (uint8_t place = 0; place < 2 && place < lefts; place++) {
            for (unsigned side = 0; side < 2; side++) {
                uint16_t slot = side ? right[place] : left[place];
                const struct near_info *news = near_find(o, slot);
                if (news && !news->told && slot_in(near, count, slot) && !slot_in(list, n, slot) &&
                    (place == 0 || info->next))
                    list[n++] = slot;
            }
        }
        if (n == 0) continue;
        uint8_t frame[CONTROL_MAX];
        struct pack k = control_pack(frame, sizeof frame, CONTROL_NEAR, 3);
        pack_bool(&k, false);
        pack_list(o, &k, list, n);
        ensure(!k.bad);
        frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
    }
}

/* A side is short of somebody if its last one has told us nothing yet: it was far away until now. */
void near_seek(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    uint16_t sides[2][NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    struct near_info *asked = NULL;
    ring_sides(o, sides[0], sides[1], &lefts, &rights);
    for (unsigned side = 0; side < 2; side++) {
        for (uint8_t i = lefts; i-- > 0;) {
            struct near_info *info = near_find(o, sides[side][i]);
            if (!info || !info->listed) continue;
            if (i + 1 < NEAR_SIDE_MAX && info != asked) {
                info->asked_ms = ms32(now_us) | 1u;
                near_ask(o, now_us, &o->links[info->slot], false, out);
                asked = info;
            }
            break;
        }
    }
}

void near_tell(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (o->up_count == 0) return;
    tell_news(o, now_us, out);
    for (uint8_t i = 0; i < o->near_count; i++) o->near[i].told = true;
    if (o->near_short) near_seek(o, now_us, out);
    o->near_short = false;
}

/* --- in --- */

bool near_digest_is_news(const struct overlay *o, const struct link *l, uint32_t digest)
{
    const struct near_info *info = near_of(o, link_slot(o, l));
    if (!info || digest == near_digest(o, l)) return false;
    return !(info->digest == digest && info->listed && !info->stale);
}

void near_heard_digest(struct overlay *o, uint64_t now_us, struct link *l, uint32_t digest,
                       struct outbox *out)
{
    if (!near_digest_is_news(o, l, digest)) return;
    struct near_info *info = near_find(o, link_slot(o, l));
    bool seldom = !info->next && ring_rush(o, now_us);
    if (seldom && link_age_us(l, now_us) < ASK_CALM_US) return;
    uint64_t every_us = seldom ? ASK_SELDOM_US : ASK_EVERY_US;
    if (info->asked_ms && (ms32(now_us) | 1u) - info->asked_ms < every_us / 1000u) return;
    info->asked_ms = ms32(now_us) | 1u;
    near_ask(o, now_us, l, false, out);
}

struct told { /* a NEAR, as it came */
    struct id ids[NEAR_LIST_MAX];
    struct endpoint at[NEAR_LIST_MAX];
    uint32_t n;
    uint32_t digest;
    struct tags has;
    bool ask, far;
    bool digested, tagged; /* those places are there */
};

static bool told_read(const struct overlay *o, struct unpack *u, uint32_t places, struct told *t)
{
    t->ask = unpack_bool(u);
    t->n = unpack_array(u, 0, 2 * NEAR_LIST_MAX) / 2;
    for (uint32_t i = 0; i < t->n && !u->bad; i++) {
        uint8_t e[ENDPOINT_WIRE];
        unpack_copy(u, t->ids[i].b, ID_SIZE);
        unpack_copy(u, e, sizeof e);
        if (!endpoint_decode(e, &t->at[i])) u->bad = true;
        if (!u->bad && !ring_hearsay_ok(o, &t->at[i])) t->at[i] = (struct endpoint){0};
    }
    t->digested = places > 2;
    t->digest = t->digested ? (uint32_t)unpack_uint(u, UINT32_MAX) : 0;
    t->tagged = places > 3;
    struct span tags = t->tagged ? unpack_bin(u, 0, TAGS_MAX * TAG_SIZE) : (struct span){NULL, 0};
    t->far = places > 4 && unpack_bool(u);
    if (u->bad || tags.len % TAG_SIZE) return false;
    t->has.count = (uint32_t)(tags.len / TAG_SIZE);
    for (uint32_t i = 0; i < t->has.count; i++) t->has.tag[i] = get_u32(tags.p + i * TAG_SIZE);
    return true;
}

/* Has the teller somebody whom it did not name and we do not know? */
static bool lacking(const struct overlay *o, const struct told *t)
{
    const struct hello *h;
    for (uint32_t i = 0; i < t->has.count; i++) {
        uint32_t tag = t->has.tag[i];
        bool known_here = tag == tag_of(&o->self.id);
        for (uint16_t k = 0; k < o->up_count && !known_here; k++)
            known_here = tag == tag_of(link_id(o, order_at(o, k)));
        for (uint32_t k = 0; k < t->n && !known_here; k++) known_here = tag == tag_of(&t->ids[k]);
        for (struct table_walk w = {0, o->hello_count};
             !known_here && (h = hello_next(o, &w)) != NULL;)
            known_here = h->hs.initiator && tag == tag_of(&h->target);
        for (unsigned k = 0; o->failed && k < FAILED_MAX && !known_here; k++)
            known_here = o->failed[k].at_ms && tag == tag_of(&o->failed[k].id);
        if (!known_here) return true;
    }
    return false;
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

/* How many different ones there are who would stand next to us and are not linked. */
static unsigned strangers_among(const struct overlay *o, uint64_t now_us, const struct told *t)
{
    unsigned strangers = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct id *id = &t->ids[i];
        bool again = false;
        for (uint32_t k = 0; k < i; k++) again |= id_equal(&t->ids[k], id);
        if (again || id_equal(id, &o->self.id) || link_by_id(o, id) || failed_lately(o, id, now_us))
            continue;
        strangers += ring_links_between(o, id, true) < STRANGER_WITHIN ||
                     ring_links_between(o, id, false) < STRANGER_WITHIN;
    }
    return strangers;
}

/* Those whom we neither have nor ask, nor asked in vain. */
static void keep_news(struct overlay *o, uint64_t now_us, struct near_info *info, struct told *t)
{
    uint32_t fresh = 0;
    for (uint32_t i = 0; i < t->n; i++) {
        const struct id *id = &t->ids[i];
        if (id_equal(id, &o->self.id) || link_by_id(o, id)) continue;
        if (failed_lately(o, id, now_us)) {
            if (info && ring_would_be_near(o, id)) ring_stale(o, info);
            continue;
        }
        if (hello_pending(o, id)) continue;
        t->ids[fresh] = *id;
        t->at[fresh++] = t->at[i];
    }
    t->n = fresh;
}

/* Not if we have just asked it: each of two may have somebody whom it cannot name now, because it is silent, and they would ask each
 * other as fast as the path carries it. */
static bool ask_back(struct near_info *info, uint64_t now_us)
{
    if (info->asked_ms && (ms32(now_us) | 1u) - info->asked_ms < ASK_BACK_US / 1000u) return false;
    info->asked_ms = ms32(now_us) | 1u;
    return true;
}

void on_near(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u, uint32_t places,
             struct outbox *out)
{
    struct told t;
    if (!told_read(o, u, places, &t)) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct near_info *info = near_find(o, link_slot(o, l));
    bool lack = info && t.ask && t.tagged && lacking(o, &t);
    if (info && t.digested && !lack) { /* that was all, or what we have */
        if (info->digest != t.digest) link_unvouch(o, l);
        info->listed = true;
        info->stale = false;
        info->digest = t.digest;
    }
    unsigned strangers = strangers_among(o, now_us, &t);
    keep_news(o, now_us, info, &t);
    for (uint32_t i = 0; i < t.n; i++) {
        /* only whom we would keep if all of them came: T-Man's selection */
        bool near = false, wanted = false;
        for (unsigned right = 0; right < 2; right++) {
            unsigned between = listed_between(o, t.ids, t.n, &t.ids[i], right) +
                               ring_links_between(o, &t.ids[i], right);
            wanted |= between < NEAR_SIDE_MAX;
            near |= between + hello_nearer_pending(o, &t.ids[i], right) < NEAR_SIDE_MAX;
        }
        if (wanted && !near && info) ring_stale(o, info); /* unless those come whom we ask */
        if (near)
            (void)hello_heard_of(o, now_us, l, &t.ids[i], link_id(o, l), &t.at[i], false, out);
        else
            far_heard(o, now_us, &t.ids[i], &t.at[i], out);
    }
    if (info && strangers >= STRANGERS && !ring_is_young(o, now_us) && !ring_torn(o, now_us))
        merge_met(o, now_us, l, out);
    if (t.ask) answer(o, now_us, l, &t.has, t.far, lack && ask_back(info, now_us), out);
    join_state(o, now_us, out);
}
