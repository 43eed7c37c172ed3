#include "overlay/hot.h"

#include "overlay/wire.h"
#include <string.h>

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
    return q->size - q->used >= sizeof(struct hot_message) &&
           q->size - q->used - sizeof(struct hot_message) >= len;
}

/* Copies in at the tail, in two pieces where the ring ends. There is room. */
static void ring_put(struct hot_queue *q, const void *from, uint32_t len)
{
    if (len == 0) return;
    uint32_t first = len < q->size - q->tail ? len : q->size - q->tail;
    memcpy(q->ring + q->tail, from, first);
    memcpy(q->ring, (const uint8_t *)from + first, len - first);
    q->tail = (q->tail + len) % q->size;
    q->used += len;
}

/* What was read is wiped: it may have been keys. */
static void ring_get(struct hot_queue *q, void *to, uint32_t len)
{
    if (len == 0) return;
    uint32_t first = len < q->size - q->head ? len : q->size - q->head;
    memcpy(to, q->ring + q->head, first);
    memcpy((uint8_t *)to + first, q->ring, len - first);
    explicit_bzero(q->ring + q->head, first);
    explicit_bzero(q->ring, len - first);
    q->head = (q->head + len) % q->size;
    q->used -= len;
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
    return OK;
}

bool hot_pop(struct hot_queue *q, struct hot_message *m, void *body, uint32_t max)
{
    if (q->used == 0) return false;
    ring_get(q, m, sizeof *m);
    ensure(m->len <= max && m->len <= q->used);
    ring_get(q, body, m->len);
    return true;
}
