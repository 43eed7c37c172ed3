/* base/pool.h - bounded pools: objects of one size or of a few, and packet buffers with headroom.
 *
 * A pool hands out objects up to its bound, which counts those of all sizes; when none is left, pool_take returns
 * NULL and the caller has a written answer. Each size has chunks of its own. Memory is taken in chunks as needed; the first chunk with room
 * is used first, so that after a busy time the later ones empty, and an empty chunk is given back to the
 * system, but for one. What was never handed out is not touched. One pool may serve many
 * nodes (the simulator shares one), a node then has a quota of its own in struct limits.
 * Objects come zeroed and are wiped when given back.
 *
 * A pool for very many objects takes its chunks by regions of 2 MiB, so that they lie without gaps; a region goes back when all of its
 * chunks are empty, and until then they serve any size.
 *
 * Owns: the chunks. Errors: NULL. Cost: a header of 32 bytes a chunk, none an object. A chunk has a power
 * of two of bytes, at least as many as per_chunk objects need, and is aligned to that. */
#pragma once
#include <stddef.h>
#include <stdint.h>

#define POOL_SIZES 6 /* at most */

struct pool_chunk;
struct pool_region;
struct pool_size {
    uint32_t bytes;     /* of one object, a multiple of 16 */
    uint32_t per_chunk; /* objects */
    uint32_t first;     /* no place before 64 * first has room */
    uint32_t empty;     /* chunks of which nothing is taken */
    uint64_t *rooms;    /* a bit a place: it has a chunk of this size, with room */
};
struct pool {
    size_t size; /* of the largest object, a multiple of 16 */
    size_t chunk_bytes;
    uint32_t max, taken, taken_max;   /* objects: bound, now, most ever */
    uint32_t chunk_count, chunks_max; /* chunks: now, most ever */
    uint32_t place_count, place_room; /* of chunks */
    uint32_t region_chunks;           /* 1: each is allocated by itself */
    struct pool_region *regions;      /* with a chunk to spare */
    uint32_t free_place;              /* none before it */
    struct pool_chunk **chunks;       /* NULL: given back */
    uint32_t size_count;
    struct pool_size sizes[POOL_SIZES]; /* smallest first */
};
/* Objects of one size; a chunk holds at least per_chunk. */
void pool_init(struct pool *p, size_t size, uint32_t max, uint32_t per_chunk);
/* Objects of several sizes, ascending; a chunk holds at least per_chunk of the largest. */
void pool_init_sizes(struct pool *p, const size_t *sizes, uint32_t count, uint32_t max,
                     uint32_t per_chunk);
void pool_fini(struct pool *p);
void *pool_take(
    struct pool *p); /* of the largest size, zeroed; NULL: the bound is reached or memory is out */
void *pool_take_size(struct pool *p,
                     size_t size); /* of at least that size, and no larger than the largest */
size_t pool_room(const struct pool *p,
                 size_t size); /* how many bytes pool_take_size(p, size) gives */
void pool_give(struct pool *p, void *object);

/* A packet kept for later: bytes at data[offset .. offset+len), room before them for headers. */
#define PKT_HEADROOM 96u /* RELAYED in DATA around DATA with IP: 16+5+16+3, rounded up, twice */
#define PKT_MAX      2048u
struct pkt {
    struct pkt *next; /* intrusive queue */
    uint64_t at_us;
    uint16_t offset, len;
    uint8_t tag, pad[3]; /* meaning is the queue's */
    uint8_t data[PKT_MAX];
};
/* Copies in behind PKT_HEADROOM; NULL: none left, or too long. */
struct pkt *pkt_take(struct pool *p, const void *bytes, size_t len);
struct pkt_queue {
    struct pkt *first, *last;
    uint32_t count;
};
void pkt_push(struct pkt_queue *q, struct pkt *p);
struct pkt *pkt_pop(struct pkt_queue *q); /* NULL if empty */
