#include "sim/events.h"

#include "base/time.h"
#include <stdlib.h>

#define CHUNK_FLIGHTS 256u
#define HANDLE_NONE   UINT32_MAX

/* Pings and acknowledgements, routed frames, handshakes, and whatever fits. */
static const uint32_t class_bytes[EVENTS_CLASSES] = {112, 240, 496, EVENTS_BYTES};
_Static_assert(sizeof(struct flight) == 16, "its bytes are aligned");

void events_init(struct events *e)
{
    *e = (struct events){0};
    heap_init(&e->timers, EVENTS_NODES, NULL);
    heap_init(&e->flights, UINT32_MAX / 4 - 1, NULL);
    for (unsigned i = 0; i < EVENTS_CLASSES; i++)
        e->slabs[i] = (struct slab){.size = (uint32_t)sizeof(struct flight) + class_bytes[i],
                                    .free_head = HANDLE_NONE};
}

void events_fini(struct events *e)
{
    heap_fini(&e->timers);
    heap_fini(&e->flights);
    free(e->where);
    for (unsigned i = 0; i < EVENTS_CLASSES; i++) {
        for (uint32_t k = 0; k < e->slabs[i].chunk_count; k++) free(e->slabs[i].chunks[k]);
        free(e->slabs[i].chunks);
    }
    *e = (struct events){0};
}

void events_room(struct events *e, uint32_t nodes)
{
    ensure(nodes >= e->nodes && nodes <= EVENTS_NODES);
    e->where = realloc(e->where, nodes * sizeof *e->where);
    ensure(e->where);
    for (uint32_t i = e->nodes; i < nodes; i++) e->where[i] = 0;
    e->nodes = nodes;
    e->timers.where = e->where;
}

/* --- the order: a is destination and source, b the sequence; a timer has no source --- */

static uint64_t order_of(uint32_t to, uint32_t from_plus_one)
{
    return (uint64_t)to << 32 | from_plus_one;
}

void events_timer(struct events *e, uint32_t node, uint64_t at_us)
{
    ensure(node < e->nodes);
    uint32_t place = e->where[node];
    if (place ? e->timers.entries[place - 1].time_us == at_us : at_us == TIME_NEVER) return;
    enum err err = heap_set(
        &e->timers, (struct heap_entry){.time_us = at_us, .a = order_of(node, 0), .item = node});
    ensure(err == OK);
}

/* --- slabs --- */

static struct flight *slab_flight(const struct slab *s, uint32_t index)
{
    return (struct flight *)(void *)(s->chunks[index / CHUNK_FLIGHTS] +
                                     (size_t)(index % CHUNK_FLIGHTS) * s->size);
}

static void slab_grow(struct slab *s)
{
    if (s->chunk_count == s->chunk_room) {
        s->chunk_room = s->chunk_room ? s->chunk_room * 2 : 4;
        s->chunks = realloc(s->chunks, s->chunk_room * sizeof *s->chunks);
        ensure(s->chunks);
    }
    s->chunks[s->chunk_count] = malloc((size_t)CHUNK_FLIGHTS * s->size);
    ensure(s->chunks[s->chunk_count]);
    s->chunk_count++;
}

static uint32_t slab_take(struct slab *s)
{
    uint32_t index = s->free_head;
    if (index != HANDLE_NONE) {
        s->free_head = slab_flight(s, index)->next_free;
        return index;
    }
    if (s->made == s->chunk_count * CHUNK_FLIGHTS) slab_grow(s);
    return s->made++;
}

struct flight *events_send(struct events *e, uint64_t at_us, uint32_t to, uint32_t from,
                           uint32_t sequence, size_t len)
{
    ensure(len <= EVENTS_BYTES && to < e->nodes && from < e->nodes);
    uint8_t c = 0;
    while (len > class_bytes[c]) c++;
    uint32_t index = slab_take(&e->slabs[c]);
    ensure(index < UINT32_MAX / EVENTS_CLASSES);
    struct flight *f = slab_flight(&e->slabs[c], index);
    f->len = (uint16_t)len;
    f->slab = c;
    enum err err = heap_push(&e->flights, (struct heap_entry){.time_us = at_us,
                                                              .a = order_of(to, from + 1),
                                                              .b = sequence,
                                                              .item = index * EVENTS_CLASSES + c});
    ensure(err == OK);
    if (e->flights.count > e->in_flight_max) e->in_flight_max = e->flights.count;
    return f;
}

void events_release(struct events *e, const struct due *d)
{
    struct slab *s = &e->slabs[d->handle % EVENTS_CLASSES];
    d->flight->next_free = s->free_head;
    s->free_head = d->handle / EVENTS_CLASSES;
}

/* --- the next --- */

static bool timer_first(const struct heap_entry *timer, const struct heap_entry *flight)
{
    if (timer->time_us != flight->time_us) return timer->time_us < flight->time_us;
    return timer->a < flight->a; /* never equal: a datagram has a source */
}

uint64_t events_next_us(const struct events *e)
{
    const struct heap_entry *t = heap_first(&e->timers), *f = heap_first(&e->flights);
    return time_min(t ? t->time_us : TIME_NEVER, f ? f->time_us : TIME_NEVER);
}

struct due events_take(struct events *e)
{
    const struct heap_entry *t = heap_first(&e->timers), *f = heap_first(&e->flights);
    if (!t && !f) return (struct due){.kind = DUE_NOTHING, .time_us = TIME_NEVER};
    if (t && (!f || timer_first(t, f))) {
        struct heap_entry entry = heap_pop(&e->timers);
        return (struct due){.kind = DUE_TIMER, .node = entry.item, .time_us = entry.time_us};
    }
    struct heap_entry entry = heap_pop(&e->flights);
    return (struct due){
        .kind = DUE_DATAGRAM,
        .node = (uint32_t)(entry.a >> 32),
        .source = (uint32_t)entry.a - 1,
        .time_us = entry.time_us,
        .handle = entry.item,
        .flight = slab_flight(&e->slabs[entry.item % EVENTS_CLASSES], entry.item / EVENTS_CLASSES),
    };
}

uint64_t events_bytes(const struct events *e)
{
    uint64_t bytes = (uint64_t)e->nodes * sizeof *e->where +
                     ((uint64_t)e->timers.room + e->flights.room) * sizeof *e->timers.entries;
    for (unsigned i = 0; i < EVENTS_CLASSES; i++)
        bytes += (uint64_t)e->slabs[i].chunk_count * CHUNK_FLIGHTS * e->slabs[i].size;
    return bytes;
}
