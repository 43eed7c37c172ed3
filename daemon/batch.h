/* daemon/batch.h - the memory that one thread's steps fill: actions and their bytes, until what is to be sent was sent.
 *
 * Steps of a batch fill one arena one behind the other, so that what they send can be joined; batch_flush sends it and begins anew.
 * Owns: arena and list. Units: bytes. Errors: none; batch_init ends the process if there is no memory. */
#pragma once
#include "daemon/udp.h"
#include "node/actions.h"

#define BATCH_BYTES   (4u * ACTIONS_ARENA_MIN)
#define BATCH_ACTIONS (4u * ACTIONS_LIST_MIN)

struct batch {
    struct udp *udp;
    uint8_t *arena; /* BATCH_BYTES; a step gets what the batch has not used yet */
    struct action *list;
    uint32_t arena_used, list_used;
    uint32_t lost; /* actions */
};
void batch_init(struct batch *b, struct udp *udp);
void batch_free(struct batch *b);
/* What the next step may fill. */
struct actions batch_window(struct batch *b);
static inline bool batch_is_fresh(const struct batch *b)
{
    return b->arena_used == 0 && b->list_used == 0;
}
void batch_took(struct batch *b, const struct actions *a); /* it was filled so far */
void batch_flush(struct batch *b);
/* The part of a batch of packets that a step left; false: nothing is left. */
bool event_advance(struct event *e, uint32_t done);
