#include "overlay/hot.h"

#include "overlay/wire.h"
#include <string.h>

#define BULK_LEAVES 8u /* of several lanes' queues packets leave this part free */

_Static_assert(HOT_BODY_MAX >= KIND_RELAYED_MAX && HOT_BODY_MAX >= KIND_IP_MAX,
               "UP_FRAME, UP_INNER, UP_MISS");
_Static_assert(HOT_BODY_MAX >= KIND_ROUTED_MAX, "UP_ROUTE's datagram is to fit into ROUTED");
_Static_assert(HOT_BODY_MAX >= sizeof(struct hot_keys) &&
                   HOT_BODY_MAX >= sizeof(struct lane_network),
               "");
_Static_assert(HOT_QUEUE_MIN >= 4 * (sizeof(struct hot_message) + HOT_BODY_MAX),
               "a lane asks for room before it works");

enum err hot_queue_init(struct hot_queue *q, uint32_t bytes)
{
    ensure(bytes >= HOT_QUEUE_MIN && bytes <= UINT32_MAX / 2);
    *q = (struct hot_queue){.ring = calloc(1, bytes), .size = bytes};
    return q->ring ? OK : ERR_NO_MEMORY;
}

void hot_queue_fini(struct hot_queue *q)
{
    if (q->ring) explicit_bzero(q->ring, q->size); /* keys went through here */
    free(q->ring);
    *q = (struct hot_queue){0};
}

bool hot_room(const struct hot_queue *q, uint32_t len)
{
    uint64_t used = q->put - __atomic_load_n(&q->head, __ATOMIC_ACQUIRE);
    return q->size - used >= sizeof(struct hot_message) &&
           q->size - used - sizeof(struct hot_message) >= len;
}

/* Copies in, in two pieces where the ring ends. There is room. */
static void ring_put(struct hot_queue *q, const void *from, uint32_t len)
{
    if (len == 0) return;
    uint32_t at = (uint32_t)(q->put % q->size), first = len < q->size - at ? len : q->size - at;
    memcpy(q->ring + at, from, first);
    memcpy(q->ring, (const uint8_t *)from + first, len - first);
    q->put += len;
}

/* What was read is wiped: it may have been keys. */
static void ring_get(struct hot_queue *q, uint64_t from, void *to, uint32_t len)
{
    if (len == 0) return;
    uint32_t at = (uint32_t)(from % q->size), first = len < q->size - at ? len : q->size - at;
    memcpy(to, q->ring + at, first);
    memcpy((uint8_t *)to + first, q->ring, len - first);
    explicit_bzero(q->ring + at, first);
    explicit_bzero(q->ring, len - first);
}

enum err hot_push(struct hot_queue *q, const struct hot_message *m, const void *body)
{
    /* Too long is refused like no room: such bytes may come from outside, by way of a caller. */
    if (m->len > HOT_BODY_MAX || !hot_room(q, m->len)) {
        q->dropped++;
        return ERR_FULL;
    }
    ring_put(q, m, sizeof *m);
    ring_put(q, body, m->len);
    if (!q->held) (void)hot_show(q);
    return OK;
}

bool hot_pop(struct hot_queue *q, struct hot_message *m, void *body, uint32_t max)
{
    if (hot_is_empty(q)) return false;
    ring_get(q, q->head, m, sizeof *m);
    ensure(m->len <= max && sizeof *m + m->len <= hot_used(q));
    ring_get(q, q->head + sizeof *m, body, m->len);
    __atomic_store_n(&q->head, q->head + sizeof *m + m->len, __ATOMIC_RELEASE);
    return true;
}

/* --- several lanes --- */

/* What every lane is to know alike. */
static bool is_for_all(uint8_t op)
{
    return op == DOWN_HOT || op == DOWN_COLD || op == DOWN_PATH || op == DOWN_NETWORK ||
           op == DOWN_ROW || op == DOWN_UNROW;
}

/* Packets, which may be lost; what a lane is to know may not. */
static bool is_bulk(uint8_t op)
{
    return op == DOWN_OFFER || op == DOWN_ICMP || op == DOWN_SEAL || op == DOWN_FRAME ||
           op == DOWN_DATAGRAM;
}

static enum err tell_one(const struct hot_lanes *lanes, uint8_t to, const struct hot_message *m,
                         const void *body)
{
    struct hot_queue *q = lanes->down[to < lanes->count ? to : 0];
    if (lanes->count > 1 && is_bulk(m->op) && m->len <= HOT_BODY_MAX &&
        !hot_room(q, m->len + q->size / BULK_LEAVES)) {
        q->dropped++;
        return ERR_FULL;
    }
    return hot_push(q, m, body);
}

enum err hot_tell(const struct hot_lanes *lanes, const struct hot_message *m, const void *body)
{
    bool packet = m->op == DOWN_OFFER || m->op == DOWN_ICMP;
    if (lanes->count == 1 || !is_for_all(m->op))
        return tell_one(lanes, packet ? m->lane : hot_owner(m->index, lanes->count), m, body);
    for (uint8_t i = 0; i < lanes->count; i++) {
        if (m->len <= HOT_BODY_MAX && hot_room(lanes->down[i], m->len)) continue;
        lanes->down[i]->dropped++;
        return ERR_FULL;
    }
    for (uint8_t i = 0; i < lanes->count; i++) {
        enum err e = hot_push(lanes->down[i], m, body);
        ensure(!e); /* only we push there */
    }
    return OK;
}

struct hot_counter *hot_counter_of(const struct hot_lanes *lanes, uint32_t index)
{
    for (uint32_t i = 0; i < lanes->counter_count; i++)
        if (index && lanes->counters[i].index == index) return &lanes->counters[i];
    return NULL;
}

uint16_t hot_counter_take(const struct hot_lanes *lanes, uint32_t index, uint64_t next)
{
    for (uint32_t i = 0; i < lanes->counter_count; i++) {
        struct hot_counter *c = &lanes->counters[i];
        if (c->index || __atomic_load_n(&c->holders, __ATOMIC_ACQUIRE)) continue;
        c->index = index;
        c->back = 0;
        __atomic_store_n(&c->next, next, __ATOMIC_RELAXED);
        __atomic_store_n(&c->holders, lanes->count,
                         __ATOMIC_RELEASE); /* and the queue's after it */
        return (uint16_t)(i + 1);
    }
    return 0;
}

void hot_counter_refuse(const struct hot_lanes *lanes, uint32_t index)
{
    struct hot_counter *c = hot_counter_of(lanes, index);
    if (!c) return;
    c->index = 0;
    __atomic_store_n(&c->holders, 0, __ATOMIC_RELAXED);
}

void hot_counter_free(const struct hot_lanes *lanes, uint32_t index)
{
    struct hot_counter *c = hot_counter_of(lanes, index);
    if (c) c->index = 0;
}
