#include "base/table.h"

#include "base/crypto.h"
#include <string.h>

/* A tag is the low 32 bits of the hash, so it names its slot of choice by itself: a shift needs no
 * keys. 0 marks an empty slot. */
static uint32_t tag_of(const struct table *t, const void *key, size_t len)
{
    uint32_t tag = (uint32_t)crypto_siphash(key, len, t->key);
    return tag ? tag : 1;
}

/* 7/8 of the slots, and always one left empty: it ends every search. */
static uint32_t entries_max(uint32_t slots)
{
    return slots < 8 ? slots - 1 : slots - slots / 8;
}

uint32_t table_slots_for(uint32_t entries)
{
    uint32_t slots = 8;
    while (entries_max(slots) < entries) {
        ensure(slots < 1u << 31);
        slots *= 2;
    }
    return slots;
}

void table_init_zeroed(struct table *t, struct table_slot *slots, uint32_t count,
                       const uint8_t key[16])
{
    ensure(count >= 2 && (count & (count - 1)) == 0);
    *t = (struct table){.slots = slots, .mask = count - 1};
    memcpy(t->key, key, sizeof t->key);
}

void table_init(struct table *t, struct table_slot *slots, uint32_t count, const uint8_t key[16])
{
    table_init_zeroed(t, slots, count, key);
    memset(slots, 0, count * sizeof *slots);
}

uint32_t table_get(const struct table *t, const void *key, size_t len, table_equal *equal,
                   const void *context)
{
    uint32_t tag = tag_of(t, key, len);
    for (uint32_t i = tag & t->mask; t->slots[i].tag != 0; i = (i + 1) & t->mask)
        if (t->slots[i].tag == tag && equal(context, t->slots[i].value, key))
            return t->slots[i].value;
    return TABLE_NONE;
}

enum err table_put(struct table *t, const void *key, size_t len, uint32_t value)
{
    ensure(value != TABLE_NONE);
    if (t->used >= entries_max(t->mask + 1)) return ERR_FULL;
    uint32_t tag = tag_of(t, key, len);
    uint32_t i = tag & t->mask;
    while (t->slots[i].tag != 0) i = (i + 1) & t->mask;
    t->slots[i] = (struct table_slot){.tag = tag, .value = value};
    t->used++;
    return OK;
}

/* Empties slot `hole` and moves back the entries behind it that may move (Knuth, volume 3, 6.4 R):
 * an entry may not go before its home, that is, the hole must lie between home and entry. */
static void slot_clear(struct table *t, uint32_t hole)
{
    for (uint32_t i = (hole + 1) & t->mask; t->slots[i].tag != 0; i = (i + 1) & t->mask) {
        uint32_t from_home = (i - t->slots[i].tag) & t->mask;
        if (from_home < ((i - hole) & t->mask)) continue;
        t->slots[hole] = t->slots[i];
        hole = i;
    }
    t->slots[hole] = (struct table_slot){0};
    t->used--;
}

bool table_remove(struct table *t, const void *key, size_t len, uint32_t value)
{
    uint32_t tag = tag_of(t, key, len);
    for (uint32_t i = tag & t->mask; t->slots[i].tag != 0; i = (i + 1) & t->mask) {
        if (t->slots[i].tag != tag || t->slots[i].value != value) continue;
        slot_clear(t, i);
        return true;
    }
    return false;
}
