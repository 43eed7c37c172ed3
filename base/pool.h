/* base/pool.h - bounded pools: equal-sized objects, and packet buffers with headroom.
 *
 * A pool hands out objects of one size up to its bound; when none is left, pool_take returns NULL
 * and the caller has a written answer. Memory is taken in chunks as needed and kept;
 * what was never handed out is not touched either. One pool may
 * serve many nodes (the simulator shares one), a node then has a quota of its own in struct limits.
 * Objects come zeroed and are wiped when given back.
 *
 * Owns: the chunks. Errors: NULL. Cost: one free list; no per-object header. */
#pragma once
#include <stddef.h>
#include <stdint.h>

struct pool {
    size_t size; /* of one object, rounded up to 16 */
    uint32_t max, taken, made;
    uint32_t per_chunk, chunk_count, chunk_room;
    void *free_list;
    void **chunks;
};
void pool_init(struct pool *p, size_t size, uint32_t max, uint32_t per_chunk);
void pool_fini(struct pool *p);
void *pool_take(struct pool *p); /* zeroed; NULL: the bound is reached or memory is out */
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
