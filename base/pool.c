#include "base/pool.h"

#include "base/err.h"
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>

/* A free object is all zero but for its first bytes, which point at the next. Objects never used
 * yet are not on the list and their memory is not touched: an idle pool costs address space only. */
struct free_object {
    struct free_object *next;
};
struct pool_chunk { /* in front of its objects */
    struct free_object *free_list;
    uint32_t taken, made; /* handed out now; ever used */
    uint32_t place, room; /* in pool.chunks; objects it may hold */
    uint64_t pad;
};
_Static_assert(sizeof(struct pool_chunk) == 32, "objects behind it are aligned to 16");

void pool_init(struct pool *p, size_t size, uint32_t max, uint32_t per_chunk)
{
    ensure(size > 0 && size < SIZE_MAX / 4 / (per_chunk ? per_chunk : 1));
    ensure(per_chunk > 0);
    *p = (struct pool){.size = (size + 15) & ~(size_t)15, .max = max};
    p->chunk_bytes = 64;
    while (p->chunk_bytes < sizeof(struct pool_chunk) + per_chunk * p->size) p->chunk_bytes *= 2;
    p->per_chunk = (uint32_t)((p->chunk_bytes - sizeof(struct pool_chunk)) / p->size);
}

void pool_fini(struct pool *p)
{
    for (uint32_t i = 0; i < p->place_count; i++) free(p->chunks[i]);
    free(p->chunks);
    free(p->rooms);
    *p = (struct pool){0};
}

/* --- chunks --- */

static void set_room(struct pool *p, uint32_t place, bool room)
{
    uint64_t bit = UINT64_C(1) << place % 64;
    p->rooms[place / 64] = room ? p->rooms[place / 64] | bit : p->rooms[place / 64] & ~bit;
    if (room && place / 64 < p->first) p->first = place / 64;
}

/* A place for one more: one that a chunk was given back from, or a new one. UINT32_MAX: no memory. */
static uint32_t place_free(struct pool *p)
{
    if (p->chunk_count < p->place_count)
        for (uint32_t i = 0; i < p->place_count; i++)
            if (!p->chunks[i]) return i;
    if (p->place_count == p->place_room) {
        uint32_t room = p->place_room ? p->place_room * 2 : 64;
        struct pool_chunk **chunks = realloc(p->chunks, room * sizeof(*chunks));
        if (chunks) p->chunks = chunks;
        uint64_t *rooms = realloc(p->rooms, room / 64 * sizeof *rooms);
        if (rooms) p->rooms = rooms;
        if (!chunks || !rooms) return UINT32_MAX;
        memset(rooms + p->place_room / 64, 0, (room - p->place_room) / 64 * sizeof *rooms);
        p->place_room = room;
    }
    p->chunks[p->place_count] = NULL;
    return p->place_count++;
}

static struct pool_chunk *chunk_add(struct pool *p)
{
    uint32_t place = place_free(p);
    struct pool_chunk *c = place == UINT32_MAX ? NULL
                                               : aligned_alloc(p->chunk_bytes, p->chunk_bytes);
    if (!c) return NULL;
    *c = (struct pool_chunk){.place = place, .room = p->per_chunk};
    p->chunks[place] = c;
    set_room(p, place, true);
    p->empty++;
    if (++p->chunk_count > p->chunks_max) p->chunks_max = p->chunk_count;
    return c;
}

static struct pool_chunk *chunk_with_room(struct pool *p)
{
    uint32_t words = (p->place_count + 63) / 64;
    while (p->first < words && p->rooms[p->first] == 0) p->first++;
    if (p->first == words) return chunk_add(p);
    return p->chunks[p->first * 64 + (uint32_t)__builtin_ctzll(p->rooms[p->first])];
}

/* One empty chunk is kept, or a pool at the edge would ask the system all the time. */
static void chunk_is_empty(struct pool *p, struct pool_chunk *c)
{
    p->empty++;
    if (p->empty < 2) return;
    p->chunks[c->place] = NULL;
    set_room(p, c->place, false);
    p->chunk_count--;
    p->empty--;
    free(c);
}

/* --- objects --- */

void *pool_take(struct pool *p)
{
    if (p->taken == p->max) return NULL;
    struct pool_chunk *c = chunk_with_room(p);
    if (!c) return NULL;
    struct free_object *object = c->free_list;
    if (object) {
        c->free_list = object->next;
        object->next = NULL;
    } else {
        object = (struct free_object *)(void *)((uint8_t *)(c + 1) + c->made++ * p->size);
        memset(object, 0, p->size);
    }
    if (c->taken++ == 0) p->empty--;
    if (c->taken == c->room) set_room(p, c->place, false);
    if (++p->taken > p->taken_max) p->taken_max = p->taken;
    return object;
}

void pool_give(struct pool *p, void *object)
{
    ensure(p->taken > 0);
    struct pool_chunk *c = (struct pool_chunk *)(void *)((uint8_t *)object -
                                                         ((uintptr_t)object &
                                                          (p->chunk_bytes - 1)));
    memset(object, 0, p->size);
    struct free_object *f = object;
    f->next = c->free_list;
    c->free_list = f;
    p->taken--;
    if (c->taken == c->room) set_room(p, c->place, true);
    if (--c->taken == 0) chunk_is_empty(p, c);
}

struct pkt *pkt_take(struct pool *p, const void *bytes, size_t len)
{
    ensure(p->size >= sizeof(struct pkt));
    if (len > PKT_MAX - PKT_HEADROOM) return NULL;
    struct pkt *k = pool_take(p);
    if (!k) return NULL;
    k->offset = PKT_HEADROOM;
    k->len = (uint16_t)len;
    if (len > 0) memcpy(k->data + k->offset, bytes, len);
    return k;
}

void pkt_push(struct pkt_queue *q, struct pkt *p)
{
    p->next = NULL;
    if (q->last)
        q->last->next = p;
    else
        q->first = p;
    q->last = p;
    q->count++;
}

struct pkt *pkt_pop(struct pkt_queue *q)
{
    struct pkt *p = q->first;
    if (!p) return NULL;
    q->first = p->next;
    if (!q->first) q->last = NULL;
    q->count--;
    p->next = NULL;
    return p;
}
