/* overlay/ways.c - questions about records go other ways when one is not enough, and their answers come back the way they went.
 *
 * A node that drops or misroutes what it forwards, or has just died, is on the way of every question that is asked again from the same
 * place to the same key. So a GET or PUT without an answer goes over other first hops, in waves of WAYS at most, to points around the key:
 * whatever first hop they have, ways to one point end over the same few nodes. The replicas stand there; any of them, and anybody on the
 * way who keeps the record, answers a GET, and hands a PUT on to the root. What comes is believed by its signature; that there is
 * no record, only when two say so (claim.c).
 *
 *   wave  after    ways     of
 *   1     0 s      1        the one that any frame takes, to the key
 *   2     1 s      2        the first hops nearest to the key,
 *   3     2 s      5        the next five
 *   4..   1, 2 s   4        the same eight in turn, each to the next of the points
 *
 * The answer: each node that forwards a question remembers for a while from which link it first came (struct back), and sends the answer
 * there. So it passes only nodes that have shown that they forward. The first link stands: each is older than the one before on
 * the way, so the links lead back without a circle. Whoever forgot it, or lost that link, forwards greedily as ever.
 *
 * Source: Castro et al., "Secure routing for structured peer-to-peer overlay networks" (OSDI 2002), section 5: redundant routing over
 * different neighbours to the replicas; docs/decisions/0022. Integers only.
 * Units:  back.at_s low 16 bits of seconds. Owns: o->backs, one object of the pool while there is something to remember.
 * Full:   the oldest is forgotten. Cost: a hash for each GET, PUT and GOT forwarded; a look at BACKS_MAX places. */
#include "overlay/dht.h"
#include <string.h>

#define WAYS      8u
#define BACKS_MAX 80u
#define BACK_S    20u

struct back { /* a question came from that link */
    uint32_t hash;
    uint16_t slot, at_s;
};
struct backs {
    uint16_t next, last_s;
    struct back list[BACKS_MAX];
};
_Static_assert(sizeof(struct backs) <= 704, "docs/memory.md: pooled");

/* --- what is in a frame --- */

struct asked ways_read(const struct overlay *o, const struct routed *r)
{
    const struct asked none = {0};
    struct asked q = {0};
    struct id via;
    struct record put;
    const uint8_t *body = r->body;
    size_t len = r->body_len;
    if (len < 2 || body[0] != KIND_CONTROL) return none;
    struct unpack u = unpack_of(body + 1, len - 1);
    unpack_array(&u, 3, 32);
    q.op = (unsigned)unpack_uint(&u, 255);
    q.request = (uint32_t)unpack_uint(&u, UINT32_MAX);
    if (u.bad) return none;
    if (q.op == CONTROL_GOT) return q;
    if (q.op != CONTROL_GET && q.op != CONTROL_PUT) return none;
    unpack_copy(&u, via.b, ID_SIZE);
    if (q.op == CONTROL_GET) {
        unpack_copy(&u, q.key.b, ID_SIZE);
        return u.bad ? none : q;
    }
    struct span bytes = unpack_bin(&u, 1, RECORD_BYTES);
    if (u.bad || record_decode(bytes, o->crypto, &put) != OK) return none;
    q.key = put.key;
    return q;
}

/* --- the way back --- */

static uint32_t hash_of(const struct overlay *o, const struct id *asker, uint32_t request)
{
    uint8_t b[ID_SIZE + 4];
    memcpy(b, asker->b, ID_SIZE);
    put_u32(b + ID_SIZE, request);
    return (uint32_t)crypto_siphash(b, sizeof b, o->token_key) | 1u;
}

static struct back *back_find(const struct overlay *o, uint64_t now_us, uint32_t hash)
{
    for (unsigned i = 0; o->backs && i < BACKS_MAX; i++) {
        struct back *b = &o->backs->list[i];
        if (b->hash == hash && (uint16_t)(s16(now_us) - b->at_s) < BACK_S &&
            o->links[b->slot].state == LINK_UP)
            return b;
    }
    return NULL;
}

void ways_asked(struct overlay *o, uint64_t now_us, const struct asked *q, const struct routed *r,
                uint16_t arrived_on)
{
    if (q->op != CONTROL_GET && q->op != CONTROL_PUT) return;
    uint32_t hash = hash_of(o, &r->src, q->request);
    if (back_find(o, now_us, hash)) return;
    if (!o->backs) o->backs = pool_take_size(o->extra_pool, sizeof *o->backs);
    if (!o->backs) return; /* its answer will find another way */
    o->backs->list[o->backs->next] = (struct back){hash, arrived_on, s16(now_us)};
    o->backs->next = (uint16_t)((o->backs->next + 1) % BACKS_MAX);
    o->backs->last_s = s16(now_us);
}

struct link *ways_back(const struct overlay *o, uint64_t now_us, const struct asked *q,
                       const struct routed *r, uint16_t arrived_on)
{
    if (!o->backs || q->op != CONTROL_GOT) return NULL;
    if (link_by_id(o, &r->dst)) return NULL; /* it is next to us */
    const struct back *b = back_find(o, now_us, hash_of(o, &r->dst, q->request));
    return b && b->slot != arrived_on ? &o->links[b->slot] : NULL;
}

void ways_forget_link(struct overlay *o, uint16_t slot)
{
    for (unsigned i = 0; o->backs && i < BACKS_MAX; i++)
        if (o->backs->list[i].slot == slot) o->backs->list[i].hash = 0;
}

void ways_tick(struct overlay *o, uint64_t now_us)
{
    if (!o->backs || (uint16_t)(s16(now_us) - o->backs->last_s) < BACK_S) return;
    ways_fini(o);
}

void ways_fini(struct overlay *o)
{
    if (o->backs) pool_give(o->extra_pool, o->backs);
    o->backs = NULL;
}

bool ways_answered_here(const struct overlay *o, uint64_t now_us, const struct asked *q,
                        const struct routed *r)
{
    return o->record_count && r->mode == ROUTE_NEAREST && q->op == CONTROL_GET &&
           !id_equal(&q->key, &r->dst) && dht_find(o, &q->key, now_us);
}

bool ways_to_the_key(const struct asked *q, struct routed *r)
{
    if (r->mode != ROUTE_NEAREST || q->op != CONTROL_PUT || id_equal(&q->key, &r->dst))
        return false;
    r->dst = q->key;
    return true;
}

/* --- the ways out --- */

/* The links nearest to `to`, nearest first; none whose own path is a tunnel, none that looks dead. */
static uint8_t first_hops(const struct overlay *o, const struct id *to, uint16_t out[WAYS])
{
    uint8_t n = 0;
    for (uint16_t i = 0; i < o->up_count; i++) {
        const struct link *l = order_at(o, i);
        if (link_path(l) == PATH_ROUTED || link_suspect(l)) continue;
        uint8_t at = n;
        while (at > 0 && id_nearer(to, link_id(o, l), link_id(o, &o->links[out[at - 1]])) < 0) at--;
        if (at == WAYS) continue;
        if (n < WAYS) n++;
        memmove(out + at + 1, out + at, (size_t)(n - 1 - at) * sizeof *out);
        out[at] = link_slot(o, l);
    }
    return n;
}

/* Around the key, in steps of the distance that nodes have here on average. */
static struct id point_near(const struct overlay *o, const struct id *key, unsigned which)
{
    static const int8_t steps[WAYS] = {1, -1, 2, -2, 0, 3, -3, 0};
    struct id at = *key;
    uint64_t gap = UINT64_MAX / ring_estimate(o);
    put_u64(at.b, get_u64(key->b) + gap * (uint64_t)(int64_t)steps[which % WAYS]);
    return at;
}

bool ways_send(struct overlay *o, uint64_t now_us, const struct request *r, struct outbox *out)
{
    static const struct {
        uint8_t first, count;
    } waves[] = {{0, 2}, {2, 5}, {7, 4}, {3, 4}};
    uint16_t hops[WAYS];
    unsigned wave = r->tries - 2u;
    uint8_t n = first_hops(o, &r->target, hops);
    unsigned which = wave < 4 ? wave : 2 + wave % 2;
    for (unsigned i = 0; i < n && i < waves[which].count; i++) {
        unsigned way = waves[which].first + i;
        struct id to = point_near(o, &r->target, way + wave);
        route_send(o, now_us, r->mode, r->flags, &to, NULL, r->body, r->body_len, hops[way % n],
                   out);
    }
    return n > 0;
}
