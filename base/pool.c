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
    uint32_t taken, made;       /* handed out now; ever used */
    uint32_t place;             /* in pool.chunks */
    uint32_t size;              /* number of its pool_size */
    struct pool_region *region; /* NULL: none */
};
_Static_assert(sizeof(struct pool_chunk) == 32, "objects behind it are aligned to 16");

#define REGION_BYTES ((size_t)2 << 20)
#define REGIONS_FROM (1u << 20) /* objects */

struct pool_region {
    struct pool_region *next, *before; /* of those with a chunk to spare */
    uint8_t *bytes;                    /* aligned to a chunk's size */
    uint32_t used, made;               /* chunks: in use; ever used */
    struct free_object *spare;         /* chunks given back */
};

void pool_init_sizes(struct pool *p, const size_t *sizes, uint32_t count, uint32_t max,
                     uint32_t per_chunk)
{
    ensure(count > 0 && count <= POOL_SIZES && per_chunk > 0);
    *p = (struct pool){.max = max, .size_count = count, .chunk_bytes = 64};
    for (uint32_t i = 0; i < count; i++) {
        ensure(sizes[i] > (i ? sizes[i - 1] : 0) && sizes[i] < UINT32_MAX / 4 / per_chunk);
        p->sizes[i].bytes = (uint32_t)((sizes[i] + 15) & ~(size_t)15);
    }
    p->size = p->sizes[count - 1].bytes;
    while (p->chunk_bytes < sizeof(struct pool_chunk) + per_chunk * p->size) p->chunk_bytes *= 2;
    for (uint32_t i = 0; i < count; i++)
        p->sizes[i].per_chunk = (uint32_t)((p->chunk_bytes - sizeof(struct pool_chunk)) /
                                           p->sizes[i].bytes);
    p->region_chunks = max >= REGIONS_FROM && p->chunk_bytes < REGION_BYTES
                           ? (uint32_t)(REGION_BYTES / p->chunk_bytes)
                           : 1;
}

void pool_init(struct pool *p, size_t size, uint32_t max, uint32_t per_chunk)
{
    pool_init_sizes(p, &size, 1, max, per_chunk);
}

/* --- regions --- */

static void region_enter(struct pool *p, struct pool_region *r)
{
    r->before = NULL;
    r->next = p->regions;
    if (r->next) r->next->before = r;
    p->regions = r;
}

static void region_leave(struct pool *p, struct pool_region *r)
{
    if (r->next) r->next->before = r->before;
    if (r->before)
        r->before->next = r->next;
    else
        p->regions = r->next;
}

static struct pool_region *region_new(struct pool *p)
{
    struct pool_region *r = calloc(1, sizeof *r);
    if (!r) return NULL;
    r->bytes = aligned_alloc(p->chunk_bytes, p->region_chunks * p->chunk_bytes);
    if (!r->bytes) {
        free(r);
        return NULL;
    }
    region_enter(p, r);
    return r;
}

/* Its bytes are not cleared. */
static struct pool_chunk *chunk_alloc(struct pool *p)
{
    if (p->region_chunks == 1) {
        struct pool_chunk *c = aligned_alloc(p->chunk_bytes, p->chunk_bytes);
        if (c) c->region = NULL;
        return c;
    }
    struct pool_region *r = p->regions ? p->regions : region_new(p);
    if (!r) return NULL;
    struct free_object *bytes = r->spare;
    if (bytes)
        r->spare = bytes->next;
    else
        bytes = (struct free_object *)(void *)(r->bytes + r->made++ * p->chunk_bytes);
    if (++r->used == p->region_chunks) region_leave(p, r);
    struct pool_chunk *c = (struct pool_chunk *)(void *)bytes;
    c->region = r;
    return c;
}

static void chunk_free(struct pool *p, struct pool_chunk *c)
{
    struct pool_region *r = c->region;
    if (!r) {
        free(c);
        return;
    }
    if (r->used == p->region_chunks) region_enter(p, r);
    struct free_object *spare = (struct free_object *)(void *)c;
    spare->next = r->spare;
    r->spare = spare;
    if (--r->used) return;
    region_leave(p, r);
    free(r->bytes);
    free(r);
}

void pool_fini(struct pool *p)
{
    for (uint32_t i = 0; i < p->place_count; i++)
        if (p->chunks[i]) chunk_free(p, p->chunks[i]);
    for (uint32_t i = 0; i < p->size_count; i++) free(p->sizes[i].rooms);
    free(p->chunks);
    *p = (struct pool){0};
}

/* --- chunks --- */

static void set_room(struct pool_size *s, uint32_t place, bool room)
{
    uint64_t bit = UINT64_C(1) << place % 64;
    s->rooms[place / 64] = room ? s->rooms[place / 64] | bit : s->rooms[place / 64] & ~bit;
    if (room && place / 64 < s->first) s->first = place / 64;
}

static bool places_grow(struct pool *p)
{
    uint32_t room = p->place_room ? p->place_room * 2 : 64;
    struct pool_chunk **chunks = realloc(p->chunks, room * sizeof(*chunks));
    if (!chunks) return false;
    p->chunks = chunks;
    for (uint32_t i = 0; i < p->size_count; i++) {
        uint64_t *rooms = realloc(p->sizes[i].rooms, room / 64 * sizeof *rooms);
        if (!rooms) return false;
        memset(rooms + p->place_room / 64, 0, (room - p->place_room) / 64 * sizeof *rooms);
        p->sizes[i].rooms = rooms;
    }
    p->place_room = room;
    return true;
}

/* A place for one more: one that a chunk was given back from, or a new one. UINT32_MAX: no memory. */
static uint32_t place_free(struct pool *p)
{
    for (; p->free_place < p->place_count; p->free_place++)
        if (!p->chunks[p->free_place]) return p->free_place;
    if (p->place_count == p->place_room && !places_grow(p)) return UINT32_MAX;
    p->chunks[p->place_count] = NULL;
    return p->place_count++;
}

static struct pool_chunk *chunk_add(struct pool *p, uint32_t size)
{
    uint32_t place = place_free(p);
    struct pool_chunk *c = place == UINT32_MAX ? NULL : chunk_alloc(p);
    if (!c) return NULL;
    *c = (struct pool_chunk){.place = place, .size = size, .region = c->region};
    p->chunks[place] = c;
    set_room(&p->sizes[size], place, true);
    p->sizes[size].empty++;
    if (++p->chunk_count > p->chunks_max) p->chunks_max = p->chunk_count;
    return c;
}

static struct pool_chunk *chunk_with_room(struct pool *p, uint32_t size)
{
    struct pool_size *s = &p->sizes[size];
    uint32_t words = (p->place_count + 63) / 64;
    while (s->first < words && s->rooms[s->first] == 0) s->first++;
    if (s->first >= words) return chunk_add(p, size);
    return p->chunks[s->first * 64 + (uint32_t)__builtin_ctzll(s->rooms[s->first])];
}

/* One empty chunk is kept, or a pool at the edge would ask the system all the time. */
static void chunk_is_empty(struct pool *p, struct pool_chunk *c)
{
    struct pool_size *s = &p->sizes[c->size];
    s->empty++;
    if (s->empty < 2) return;
    p->chunks[c->place] = NULL;
    if (c->place < p->free_place) p->free_place = c->place;
    set_room(s, c->place, false);
    p->chunk_count--;
    s->empty--;
    chunk_free(p, c);
}

/* --- objects --- */

static uint32_t size_for(const struct pool *p, size_t size)
{
    uint32_t i = 0;
    ensure(size <= p->size);
    while (p->sizes[i].bytes < size) i++;
    return i;
}

size_t pool_room(const struct pool *p, size_t size)
{
    return p->sizes[size_for(p, size)].bytes;
}

void *pool_take_size(struct pool *p, size_t size)
{
    uint32_t which = size_for(p, size);
    struct pool_size *s = &p->sizes[which];
    if (p->taken == p->max) return NULL;
    struct pool_chunk *c = chunk_with_room(p, which);
    if (!c) return NULL;
    struct free_object *object = c->free_list;
    if (object) {
        c->free_list = object->next;
        object->next = NULL;
    } else {
        object = (struct free_object *)(void *)((uint8_t *)(c + 1) + (size_t)c->made++ * s->bytes);
        memset(object, 0, s->bytes);
    }
    if (c->taken++ == 0) s->empty--;
    if (c->taken == s->per_chunk) set_room(s, c->place, false);
    if (++p->taken > p->taken_max) p->taken_max = p->taken;
    return object;
}

void *pool_take(struct pool *p)
{
    return pool_take_size(p, p->size);
}

void pool_give(struct pool *p, void *object)
{
    ensure(p->taken > 0);
    struct pool_chunk *c = (struct pool_chunk *)(void *)((uint8_t *)object -
                                                         ((uintptr_t)object &
                                                          (p->chunk_bytes - 1)));
    struct pool_size *s = &p->sizes[c->size];
    memset(object, 0, s->bytes);
    struct free_object *f = object;
    f->next = c->free_list;
    c->free_list = f;
    p->taken--;
    if (c->taken == s->per_chunk) set_room(s, c->place, true);
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
