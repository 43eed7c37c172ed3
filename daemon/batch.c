#include "daemon/batch.h"

#include "base/err.h"
#include <stdlib.h>

void batch_init(struct batch *b, struct udp *udp)
{
    *b = (struct batch){.udp = udp, .arena = aligned_alloc(64, BATCH_BYTES)};
    b->list = malloc(sizeof *b->list * BATCH_ACTIONS);
    ensure(b->arena && b->list);
}

void batch_free(struct batch *b)
{
    free(b->arena);
    free(b->list);
    b->arena = NULL;
    b->list = NULL;
}

void batch_flush(struct batch *b)
{
    udp_flush(b->udp);
    b->arena_used = b->list_used = 0;
}

/* Behind what earlier steps of the batch filled, which is still being sent. */
struct actions batch_window(struct batch *b)
{
    if (BATCH_BYTES - b->arena_used < ACTIONS_ARENA_MIN ||
        BATCH_ACTIONS - b->list_used < ACTIONS_LIST_MIN)
        batch_flush(b);
    return (struct actions){.arena = b->arena + b->arena_used,
                            .arena_size = BATCH_BYTES - b->arena_used,
                            .list = b->list + b->list_used,
                            .max = BATCH_ACTIONS - b->list_used};
}

void batch_took(struct batch *b, const struct actions *a)
{
    b->arena_used += (a->arena_used + 15u) & ~15u; /* replies lie in the arena and want alignment */
    b->list_used += a->count;
    b->lost += a->lost;
}

bool event_advance(struct event *e, uint32_t done)
{
    uint32_t *len = e->type == EV_DATAGRAM ? &e->datagram.len : &e->tun.len;
    uint8_t **bytes = e->type == EV_DATAGRAM ? &e->datagram.bytes : &e->tun.bytes;
    if (done >= *len) return false;
    *len -= done;
    *bytes += done;
    return true;
}
