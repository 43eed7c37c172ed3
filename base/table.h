/* base/table.h - a bounded hash table of 32-bit values that strangers cannot make slow.
 *
 * Open addressing with linear probing and backward-shift deletion; never more than 7/8 full. The
 * table holds (tag, value) pairs; the caller keeps the keys and compares them through `equal`.
 * Memory is handed in. Iteration order is the caller's business: walk your own array, never this
 * table.
 *
 * Errors: table_put returns ERR_FULL. Cost: 8 bytes a slot; about one cache line a look-up. */
#pragma once
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TABLE_NONE UINT32_MAX
struct table_slot {
    uint32_t tag; /* low 32 bits of the hash, 0 turned into 1; tag & mask is the home; 0: empty */
    uint32_t value;
};
struct table {
    struct table_slot *slots; /* borrowed */
    uint32_t mask;            /* slots - 1; a power of two */
    uint32_t used;
    uint8_t key[16]; /* SipHash key */
};
typedef bool table_equal(const void *context, uint32_t value, const void *key);

uint32_t table_slots_for(uint32_t entries); /* the power of two that holds so many */
void table_init(struct table *t, struct table_slot *slots, uint32_t count, const uint8_t key[16]);
/* The slots are zero already: pages of them that nobody uses stay untouched. */
void table_init_zeroed(struct table *t, struct table_slot *slots, uint32_t count,
                       const uint8_t key[16]);
uint32_t table_get(const struct table *t, const void *key, size_t len, table_equal *equal,
                   const void *context); /* TABLE_NONE if absent */
/* Looks for no duplicate: ask table_get first. `value` is anything but TABLE_NONE. */
MUST_CHECK enum err table_put(struct table *t, const void *key, size_t len, uint32_t value);
/* Remove the entry that has this key and value; false if it is not there. */
bool table_remove(struct table *t, const void *key, size_t len, uint32_t value);
