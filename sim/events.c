#include "sim/events.h"

#include "base/time.h"
#include <stdlib.h>

#define CHUNK_FLIGHTS 256u
#define HANDLE_NONE   UINT32_MAX

/* Pings and acknowledgements, routed frames, handshakes, and whatever fits. */
static const uint32_t class_bytes[EVENTS_CLASSES] = {80,  112, 240,  368,
                                                     496, 768, 1136, EVENTS_BYTES};
_Static_assert(sizeof(struct flight) == 16, "its bytes are aligned");

void events_init(struct events *e)
{
    *e = (struct events){0};
    calendar_init(&e->calendar);
    for (unsigned i = 0; i < EVENTS_CLASSES; i++)
        e->slabs[i] = (struct slab){.size = (uint32_t)sizeof(struct flight) + class_bytes[i],
                                    .free_head = HANDLE_NONE};
}

void events_fini(struct events *e)
{
    calendar_fini(&e->calendar);
    free(e->timers);
    for (unsigned i = 0; i < EVENTS_CLASSES; i++) {
        for (uint32_t k = 0; k < e->slabs[i].chunk_count; k++) free(e->slabs[i].chunks[k]);
        free(e->slabs[i].chunks);
    }
    *e = (struct events){0};
}

void events_room(struct events *e, uint32_t nodes)
{
    ensure(nodes >= e->nodes && nodes <= EVENTS_NODES);
    e->timers = realloc(e->timers, nodes * sizeof *e->timers);
    ensure(e->timers);
    for (uint32_t i = e->nodes; i < nodes; i++)
        e->timers[i] = (struct timer){TIME_NEVER, TIME_NEVER, TIME_NEVER};
    e->nodes = nodes;
}

/* --- timers: an entry without a source --- */

static void timer_enter(struct events *e, uint32_t node, uint64_t at_us)
{
    e->timers[node].entered_us = at_us;
    calendar_put(&e->calendar, &(struct calendar_entry){.time_us = at_us, .to = node});
}

void events_timer(struct events *e, uint32_t node, uint64_t at_us)
{
    ensure(node < e->nodes);
    struct timer *t = &e->timers[node];
    t->at_us = at_us;
    if (at_us >= t->entered_us) return;
    if (t->parked_us == TIME_NEVER) t->parked_us = t->entered_us;
    timer_enter(e, node, at_us);
}

/* One of its entries has come up. Is it due? */
static bool timer_comes(struct events *e, uint32_t node, uint64_t now_us)
{
    struct timer *t = &e->timers[node];
    if (t->entered_us != now_us) return false; /* passed over */
    t->entered_us = t->parked_us;
    t->parked_us = TIME_NEVER;
    if (t->at_us == now_us) {
        t->at_us = TIME_NEVER;
        return true;
    }
    if (t->at_us < t->entered_us) {
        t->parked_us = t->entered_us;
        timer_enter(e, node, t->at_us);
    }
    return false;
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
    calendar_put(&e->calendar, &(struct calendar_entry){.time_us = at_us,
                                                        .to = to,
                                                        .from = from + 1,
                                                        .number = sequence,
                                                        .item = index * EVENTS_CLASSES + c});
    if (++e->in_flight > e->in_flight_max) e->in_flight_max = e->in_flight;
    return f;
}

void events_release(struct events *e, const struct due *d)
{
    struct slab *s = &e->slabs[d->handle % EVENTS_CLASSES];
    d->flight->next_free = s->free_head;
    s->free_head = d->handle / EVENTS_CLASSES;
}

/* --- the next --- */

static struct flight *flight_of(const struct events *e, uint32_t handle)
{
    return slab_flight(&e->slabs[handle % EVENTS_CLASSES], handle / EVENTS_CLASSES);
}

/* The first entry, and timers' entries that are not due passed over; a timer's that is due has been taken note of. */
static const struct calendar_entry *next(struct events *e)
{
    const struct calendar_entry *c;
    while ((c = calendar_first(&e->calendar)) != NULL && c->from == 0) {
        const struct timer *t = &e->timers[c->to];
        if (t->entered_us == c->time_us && t->at_us == c->time_us) break;
        uint32_t node = c->to;
        uint64_t at_us = c->time_us;
        calendar_drop(&e->calendar);
        (void)timer_comes(e, node, at_us);
    }
    return c;
}

uint64_t events_next_us(struct events *e)
{
    const struct calendar_entry *c = next(e);
    return c ? c->time_us : TIME_NEVER;
}

struct due events_take(struct events *e)
{
    const struct calendar_entry *first = next(e);
    if (!first) return (struct due){.kind = DUE_NOTHING, .time_us = TIME_NEVER};
    struct calendar_entry c = *first;
    calendar_drop(&e->calendar);
    if (c.from == 0) {
        bool due = timer_comes(e, c.to, c.time_us);
        ensure(due);
        return (struct due){.kind = DUE_TIMER, .node = c.to, .time_us = c.time_us};
    }
    e->in_flight--;
    return (struct due){
        .kind = DUE_DATAGRAM,
        .node = c.to,
        .source = c.from - 1,
        .time_us = c.time_us,
        .handle = c.item,
        .flight = flight_of(e, c.item),
    };
}

bool events_ahead(const struct events *e, uint32_t n, uint32_t *node, const struct flight **flight)
{
    const struct calendar_entry *c = calendar_ahead(&e->calendar, n);
    if (!c) return false;
    *node = c->to;
    *flight = c->from ? flight_of(e, c->item) : NULL;
    return true;
}

uint64_t events_bytes(const struct events *e)
{
    uint64_t bytes = (uint64_t)e->nodes * sizeof *e->timers + calendar_bytes(&e->calendar);
    for (unsigned i = 0; i < EVENTS_CLASSES; i++)
        bytes += (uint64_t)e->slabs[i].chunk_count * CHUNK_FLIGHTS * e->slabs[i].size;
    return bytes;
}
