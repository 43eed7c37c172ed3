/* sim/ring.h - the true ring: which live nodes there are, in the order of their ids.
 *
 * Nodes come and go at once; the sorted order is brought up to date when it is asked for.
 *
 * Owns:   its arrays. Errors: out of memory stops the program.
 * Cost:   16 bytes a live node; ring_sort O(changes log changes + nodes) if something changed. */
#pragma once
#include "overlay/id.h"
#include <stddef.h>

#define RING_NONE UINT32_MAX
struct ring_entry {
    uint64_t prefix; /* of the id */
    uint32_t node;
    uint32_t pad;
};
struct ring {
    struct ring_entry *entries; /* sorted; then those not sorted in yet */
    uint32_t sorted, count, room;
    uint32_t gone; /* of the sorted ones */
    const struct id *(*id_of)(const void *context, uint32_t node);
    bool (*is_live)(const void *context, uint32_t node);
    const void *context;
};
/* is_live(node) tells ring_sort which of its entries are gone since. */
void ring_init(struct ring *r, const struct id *(*id_of)(const void *, uint32_t),
               bool (*is_live)(const void *, uint32_t), const void *context);
void ring_fini(struct ring *r);
void ring_add(struct ring *r, uint32_t node);
void ring_removed(struct ring *r); /* one node is not live any more */
void ring_sort(struct ring *r);

/* The rest wants ring_sort after the last change. */
static inline uint32_t ring_at(const struct ring *r, uint32_t place)
{
    return r->entries[place].node;
}
uint32_t ring_owner(const struct ring *r, const struct id *target); /* nearest; RING_NONE: empty */
uint32_t ring_find(const struct ring *r, const struct id *id);      /* its place; RING_NONE */
