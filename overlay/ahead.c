/* overlay/ahead.c - lookahead: what neighbours tell about their own links, and what that is good for.
 *
 * LINKS names the peers that a node reaches directly, the first four bytes of each id and its round trip in one byte. It goes to every
 * link, seldom, and only if the set is another one than the last time. What came is kept for limits.lookahead links and serves twice:
 *
 *   next.c   a step through the link to one of its peers is looked at like a link of our own: whose two hops make most of their time?
 *   far.c    a peer of a neighbour that is near us in time and that is near it in time, too, is worth a try as a far link.
 *
 * A prefix is a hint, never an identity. Whoever lies gets frames that have him on a way nearer to their end, no others, and a
 * question that stays without an answer is asked again by distance alone (ROUTED_PLAIN), as if there were no hints: decision 0019.
 *
 * Source: Manku, Naor, Wieder, "Know thy neighbor's neighbor" (STOC 2004), for the second hop; Castro et al., "Proximity neighbor
 * selection in tree-based structured peer-to-peer overlays" (2003), for candidates out of neighbours' tables.
 * Owns: struct ahead, allocated when first needed, one block; no memory: as with lookahead off. Full: lists of more links are ignored. */
#include "overlay/core.h"
#include <string.h>

#define TELL_FIRST_US SECONDS(8) /* then 3/2 of it, and so on: quick after a join, rare at rest */
#define TELL_MAX_US   MINUTES(10)
#define TELL_AGE_US   SECONDS(20) /* a link is told when it has stayed so long */
#define HINT_BYTES    5u
#define HINT_BIT0     128u /* of the 160 bits of a distance, the lowest that a prefix shows */

/* Four bits of a floating-point number's exponent, four of its mantissa: units of 0.25 ms, within 6 %. */
uint8_t rtt_code(uint16_t rtt)
{
    uint8_t shift = 0;
    while ((rtt >> shift) > 31) shift++;
    if (rtt < 16) return (uint8_t)rtt;
    return (uint8_t)((shift + 1u) << 4 | ((uint32_t)rtt >> shift & 15u));
}

uint32_t rtt_decode(uint8_t code)
{
    return code < 16 ? code : (16u + (code & 15u)) << ((code >> 4) - 1u);
}

struct id hint_point(uint32_t prefix)
{
    struct id id = ID_ZERO;
    put_u32(id.b, prefix);
    id.b[4] = 0x80; /* the middle of what it stands for */
    return id;
}

uint32_t hint_distance_log2(const struct id *id, uint32_t prefix)
{
    uint32_t up = get_u32(id->b) - prefix, down = 0u - up, d = up < down ? up : down;
    if (d == 0) return (HINT_BIT0 - 1u) * 256u;
    unsigned zeros = (unsigned)__builtin_clz(d);
    return (HINT_BIT0 + 31u - zeros) * 256u + (d << zeros >> 23 & 0xffu);
}

static uint32_t prefix_of(const struct id *id)
{
    return get_u32(id->b);
}

size_t ahead_size(const struct limits *l)
{
    if (!l->lookahead) return 0;
    return sizeof(struct ahead) + l->lookahead * sizeof(struct hints) + l->links * sizeof(uint16_t);
}

static struct ahead *ahead_need(struct overlay *o)
{
    const struct limits *l = &o->common->limits;
    if (o->ahead || !l->lookahead) return o->ahead;
    struct ahead *a = calloc(1, ahead_size(l));
    if (!a) return NULL;
    a->lists = (struct hints *)(a + 1);
    a->at = (uint16_t *)(a->lists + l->lookahead);
    o->ahead = a;
    return a;
}

void ahead_fini(struct overlay *o)
{
    free(o->ahead);
    o->ahead = NULL;
}

const struct hints *ahead_hints(const struct overlay *o, uint16_t slot)
{
    static const struct hints none;
    return o->ahead && o->ahead->at[slot] ? &o->ahead->lists[o->ahead->at[slot] - 1] : &none;
}

void ahead_prefetch(const struct overlay *o, size_t bytes)
{
    for (uint16_t i = 0; o->ahead && i < o->up_count; i++) {
        const char *list = (const char *)ahead_hints(o, o->order[i]);
        for (size_t at = 0; at < bytes; at += 64) __builtin_prefetch(list + at);
    }
}

void ahead_forget(struct overlay *o, uint16_t slot)
{
    struct ahead *a = o->ahead;
    if (!a || !a->at[slot]) return;
    a->lists[a->at[slot] - 1].used = false;
    a->at[slot] = 0;
}

/* --- what others tell --- */

static struct hints *place_for(struct overlay *o, uint16_t slot)
{
    struct ahead *a = ahead_need(o);
    if (!a) return NULL;
    if (a->at[slot]) return &a->lists[a->at[slot] - 1];
    for (uint16_t i = 0; i < o->common->limits.lookahead; i++) {
        if (a->lists[i].used) continue;
        a->at[slot] = (uint16_t)(i + 1);
        return &a->lists[i];
    }
    return NULL;
}

void on_links(struct overlay *o, const struct link *l, struct unpack *u)
{
    struct span s = unpack_bin(u, 0, HINTS_MAX * HINT_BYTES);
    if (u->bad || s.len % HINT_BYTES) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct hints *h = place_for(o, link_slot(o, l));
    if (!h) return;
    *h = (struct hints){.used = true, .count = (uint8_t)(s.len / HINT_BYTES)};
    for (uint8_t i = 0; i < h->count; i++) {
        h->prefix[i] = get_u32(s.p + i * HINT_BYTES);
        h->rtt[i] = s.p[i * HINT_BYTES + 4];
    }
}

/* --- what we tell --- */

/* A link that stays, and whose peer is one hop from us. */
static bool worth_telling(const struct link *l, uint64_t now_us)
{
    return link_path(l) == PATH_DIRECT && l->srtt && !link_suspect(l) &&
           link_age_us(l, now_us) >= TELL_AGE_US &&
           ((l->kinds & (uint8_t)~KIND_LEAF) || (l->s.flags & LINK_WANTED));
}

static size_t list_write(const struct overlay *o, uint64_t now_us, uint8_t *out)
{
    size_t n = 0;
    /* near links first if there are too many, then in the order of ids from us on */
    uint16_t start = o->self_place;
    for (unsigned pass = 0; pass < 2; pass++)
        for (uint16_t i = 0; i < o->up_count && n < HINTS_MAX; i++) {
            const struct link *l = order_at(o, (uint16_t)((start + i) % o->up_count));
            if (!worth_telling(l, now_us) || !(l->kinds & KIND_NEAR) == (pass == 0)) continue;
            put_u32(out + n * HINT_BYTES, prefix_of(link_id(o, l)));
            out[n++ * HINT_BYTES + 4] = rtt_code(l->srtt);
        }
    return n * HINT_BYTES;
}

static uint32_t digest_of(const uint8_t *list, size_t len)
{
    uint8_t prefixes[HINTS_MAX * 4];
    static const uint8_t zero[16];
    size_t n = 0;
    for (size_t i = 0; i < len; i += HINT_BYTES, n += 4) memcpy(prefixes + n, list + i, 4);
    return (uint32_t)crypto_siphash(prefixes, n, zero) | 1u;
}

static void tell(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    uint8_t list[HINTS_MAX * HINT_BYTES], frame[HINTS_MAX * HINT_BYTES + 16];
    size_t len = list_write(o, now_us, list);
    uint32_t digest = digest_of(list, len);
    if (digest == o->ahead->told) return;
    o->ahead->told = digest;
    struct pack k = control_pack(frame, sizeof frame, CONTROL_LINKS, 2);
    pack_bin(&k, list, len);
    ensure(!k.bad);
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        if (worth_telling(l, now_us)) frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
    }
}

void ahead_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (!o->joined || !ahead_need(o)) return;
    struct ahead *a = o->ahead;
    if (a->tell_us == 0) {
        a->pause_us = TELL_FIRST_US;
        a->tell_us = now_us + rng_jitter(&o->rng, a->pause_us, 30);
    }
    if (a->tell_us <= now_us) {
        bool waits = far_short_lived(o, now_us); /* until they die no more, and no longer */
        if (!waits) {
            tell(o, now_us, out);
            a->pause_us = time_min(a->pause_us * 3 / 2, TELL_MAX_US);
        }
        a->tell_us = now_us + rng_jitter(&o->rng, waits ? TELL_FIRST_US : a->pause_us, 20);
    }
    wake_at(o, a->tell_us);
}

/* --- who might be a better far link --- */

static bool tried(const struct ahead *a, uint32_t prefix)
{
    for (unsigned i = 0; i < TRIED_MAX; i++)
        if (a->tried[i] == prefix) return true;
    return false;
}

/* It, or somebody who could not be told from it, is linked already. */
static bool linked(const struct overlay *o, uint32_t prefix)
{
    struct id low = ID_ZERO;
    put_u32(low.b, prefix);
    uint16_t pos = order_find(o, &low);
    return prefix == prefix_of(&o->self.id) ||
           (pos < o->up_count && prefix_of(link_id(o, order_at(o, pos))) == prefix);
}

static uint32_t larger(uint32_t a, uint32_t b)
{
    return a > b ? a : b;
}

bool ahead_candidate(struct overlay *o, const uint32_t held_rtt[OCTAVES_MAX], uint32_t *prefix,
                     uint16_t *through)
{
    struct ahead *a = o->ahead;
    uint64_t best_now = 0, best_then = 1; /* the greatest of now / then */
    uint32_t held_max = 0;
    for (unsigned i = 0; i < OCTAVES_MAX; i++) held_max = larger(held_max, held_rtt[i]);
    ahead_prefetch(o, sizeof(struct hints));
    for (uint16_t i = 0; a && i < o->up_count; i++) {
        const struct link *l = order_at(o, i);
        const struct hints *h = ahead_hints(o, link_slot(o, l));
        if (link_path(l) != PATH_DIRECT || !l->srtt || l->tries) continue;
        for (uint8_t k = 0; k < h->count; k++) {
            /* two round trips, each with both ends' own delay: by way of it the peer looks farther away than it is */
            uint32_t then = (l->srtt + rtt_decode(h->rtt[k])) * 5u / 8u + 1u;
            if (then * 5u >= held_max * 4u) continue; /* as below, in any octave */
            struct id at = hint_point(h->prefix[k]);
            int octave = far_octave_of(o, &at);
            uint32_t held = octave >= 0 ? held_rtt[octave] : 0;
            if (then * 5u >= held * 4u || /* far.c would keep what it has */
                (uint64_t)held * best_then <= best_now * then)
                continue;
            if (tried(a, h->prefix[k]) || linked(o, h->prefix[k])) continue;
            best_now = held, best_then = then;
            *prefix = h->prefix[k];
            *through = link_slot(o, l);
        }
    }
    if (!best_now) return false;
    a->tried[a->tried_next] = *prefix;
    a->tried_next = (uint8_t)((a->tried_next + 1) % TRIED_MAX);
    return true;
}
