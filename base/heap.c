#include "base/heap.h"

#include "base/time.h"
#include <stdlib.h>

#define CHILDREN   4u
#define ROOM_FIRST 16u

void heap_init(struct heap *h, uint32_t max, uint32_t *where)
{
    ensure(max < UINT32_MAX / CHILDREN);
    *h = (struct heap){.max = max, .where = where};
}

void heap_fini(struct heap *h)
{
    free(h->entries);
    *h = (struct heap){0};
}

static bool before(const struct heap_entry *x, const struct heap_entry *y)
{
    if (x->time_us != y->time_us) return x->time_us < y->time_us;
    if (x->a != y->a) return x->a < y->a;
    if (x->b != y->b) return x->b < y->b;
    return x->item < y->item;
}

static void place(struct heap *h, uint32_t i, const struct heap_entry *e)
{
    h->entries[i] = *e;
    if (h->where) h->where[e->item] = i + 1;
}

/* Slot i is free; moves larger parents down and puts e where it belongs. */
static void sift_up(struct heap *h, uint32_t i, const struct heap_entry *e)
{
    for (; i > 0; i = (i - 1) / CHILDREN) {
        const struct heap_entry *parent = &h->entries[(i - 1) / CHILDREN];
        if (!before(e, parent)) break;
        place(h, i, parent);
    }
    place(h, i, e);
}

static uint32_t least_child(const struct heap *h, uint32_t first)
{
    uint32_t end = h->count - first < CHILDREN ? h->count : first + CHILDREN;
    uint32_t least = first;
    for (uint32_t c = first + 1; c < end; c++)
        if (before(&h->entries[c], &h->entries[least])) least = c;
    return least;
}

/* Slot i is free; moves smaller children up and puts e where it belongs. */
static void sift_down(struct heap *h, uint32_t i, const struct heap_entry *e)
{
    for (uint32_t first; (first = i * CHILDREN + 1) < h->count;) {
        uint32_t child = least_child(h, first);
        if (!before(&h->entries[child], e)) break;
        place(h, i, &h->entries[child]);
        i = child;
    }
    place(h, i, e);
}

/* Slot i is free and its neighbours are in order: e may belong above or below. */
static void settle(struct heap *h, uint32_t i, struct heap_entry e)
{
    if (i > 0 && before(&e, &h->entries[(i - 1) / CHILDREN]))
        sift_up(h, i, &e);
    else
        sift_down(h, i, &e);
}

static enum err grow(struct heap *h)
{
    if (h->count >= h->max) return ERR_FULL;
    uint32_t room = h->room ? h->room * 2 : ROOM_FIRST;
    if (room > h->max) room = h->max;
    struct heap_entry *entries = realloc(h->entries, room * sizeof *entries);
    if (!entries) return ERR_NO_MEMORY;
    h->entries = entries;
    h->room = room;
    return OK;
}

enum err heap_push(struct heap *h, struct heap_entry e)
{
    ensure(!h->where || h->where[e.item] == 0);
    if (h->count == h->room) {
        enum err failed = grow(h);
        if (failed) return failed;
    }
    sift_up(h, h->count++, &e);
    return OK;
}

const struct heap_entry *heap_first(const struct heap *h)
{
    return h->count ? &h->entries[0] : NULL;
}

/* Takes out the entry at i: the last one fills the gap. */
static void take_out(struct heap *h, uint32_t i)
{
    if (h->where) h->where[h->entries[i].item] = 0;
    uint32_t last = --h->count;
    if (i != last) settle(h, i, h->entries[last]);
}

struct heap_entry heap_pop(struct heap *h)
{
    ensure(h->count > 0);
    struct heap_entry e = h->entries[0];
    take_out(h, 0);
    return e;
}

enum err heap_set(struct heap *h, struct heap_entry e)
{
    ensure(h->where);
    if (e.time_us == TIME_NEVER) {
        heap_remove(h, e.item);
        return OK;
    }
    uint32_t position = h->where[e.item];
    if (position == 0) return heap_push(h, e);
    settle(h, position - 1, e);
    return OK;
}

void heap_remove(struct heap *h, uint32_t item)
{
    ensure(h->where);
    if (h->where[item] != 0) take_out(h, h->where[item] - 1);
}
