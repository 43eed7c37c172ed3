/* base/heap.h - a 4-ary heap of deadlines with a total order, for many timers or events.
 *
 * Entries are (time, a, b): a and b break ties, so the order never depends on insertion. `item`
 * names what is due. With `where`, the heap keeps where[item] = position + 1 (0: absent), so that
 * an item's deadline can be moved.
 *
 * Owns: its array (grows by doubling within max). Errors: ERR_FULL, ERR_NO_MEMORY. Cost: 32 bytes
 *       each. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stdint.h>

struct heap_entry {
    uint64_t time_us;
    uint64_t a, b; /* ties: smaller first */
    uint32_t item;
    uint32_t pad;
};
struct heap {
    struct heap_entry *entries;
    uint32_t count, room, max;
    uint32_t *where; /* borrowed; may be NULL */
};
void heap_init(struct heap *h, uint32_t max, uint32_t *where);
void heap_fini(struct heap *h);
MUST_CHECK enum err heap_push(struct heap *h, struct heap_entry e);
const struct heap_entry *heap_first(const struct heap *h); /* NULL if empty */
struct heap_entry heap_pop(struct heap *h);                /* not empty */
/* With `where`: insert or move the item to this deadline; TIME_NEVER removes it. */
MUST_CHECK enum err heap_set(struct heap *h, struct heap_entry e);
void heap_remove(struct heap *h, uint32_t item);
