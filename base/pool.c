#include "base/pool.h"

#include "base/err.h"
#include <stdlib.h>
#include <string.h>

/* A free object is all zero but for its first bytes, which point at the next. Objects never used
 * yet are not on the list and their memory is not touched: an idle pool costs address space only.
 * */
struct free_object {
    struct free_object *next;
};

void pool_init(struct pool *p, size_t size, uint32_t max, uint32_t per_chunk)
{
    ensure(size > 0 && size < SIZE_MAX / 2);
    ensure(per_chunk > 0);
    *p = (struct pool){.size = (size + 15) & ~(size_t)15, .max = max, .per_chunk = per_chunk};
}

void pool_fini(struct pool *p)
{
    for (uint32_t i = 0; i < p->chunk_count; i++) free(p->chunks[i]);
    free(p->chunks);
    *p = (struct pool){0};
}

static enum err chunk_add(struct pool *p)
{
    if (p->chunk_count == p->chunk_room) {
        uint32_t room = p->chunk_room ? p->chunk_room * 2 : 4;
        void **chunks = realloc(p->chunks, room * sizeof *chunks);
        if (!chunks) return ERR_NO_MEMORY;
        p->chunks = chunks;
        p->chunk_room = room;
    }
    uint32_t rest = p->max - p->made;
    void *chunk = calloc(rest < p->per_chunk ? rest : p->per_chunk, p->size);
    if (!chunk) return ERR_NO_MEMORY;
    p->chunks[p->chunk_count++] = chunk;
    return OK;
}

void *pool_take(struct pool *p)
{
    struct free_object *object = p->free_list;
    if (object) {
        p->free_list = object->next;
        object->next = NULL;
        p->taken++;
        return object;
    }
    if (p->made == p->max) return NULL;
    if (p->made / p->per_chunk == p->chunk_count && chunk_add(p) != OK) return NULL;
    uint8_t *chunk = p->chunks[p->made / p->per_chunk];
    void *fresh = chunk + p->made % p->per_chunk * p->size;
    p->made++;
    p->taken++;
    return fresh;
}

void pool_give(struct pool *p, void *object)
{
    ensure(p->taken > 0);
    memset(object, 0, p->size);
    struct free_object *f = object;
    f->next = p->free_list;
    p->free_list = f;
    p->taken--;
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
