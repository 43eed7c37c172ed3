/* sim/events.h - what happens next: one timer entry a node, one entry a datagram in flight.
 *
 * The order is total and does not depend on the order of insertion: (time, destination, source,
 * sequence), a node's timer before datagrams that reach it in the same microsecond. `source` and
 * `sequence` together name a datagram.
 *
 * Units:  microseconds; nodes are numbers below EVENTS_NODES.
 * Owns:   the datagrams in flight, in slabs of a few sizes that grow and are reused.
 * Errors: out of memory stops the program: a simulation cannot go on without an event.
 * Cost:   that of the calendar; a node 24 bytes and an entry or a few, a datagram an entry and its slab. */
#pragma once
#include "sim/calendar.h"
#include <stddef.h>

#define EVENTS_NODES   0x00ffffffu
#define EVENTS_CLASSES 8
#define EVENTS_BYTES   2048u /* longest datagram */

struct flight { /* a datagram on its way, in front of its bytes */
    uint32_t from_ip;
    uint16_t from_port, to_port;
    uint16_t len;
    uint8_t slab;
    bool tcp : 1, lan : 1, hairpin : 1, unanswered : 1; /* the caller's */
    uint32_t next_free;
    uint8_t bytes[]; /* 16-byte aligned */
};
struct slab {
    uint32_t size; /* of one flight with its bytes */
    uint32_t made, free_head, chunk_count, chunk_room;
    uint8_t **chunks;
};
/* A timer that is put off stays in the calendar, and looks again when it comes up. One that is called earlier is entered once more; of
 * those entries the first and the last are known, others are passed over when they come up. */
struct timer {
    uint64_t at_us;                 /* due; TIME_NEVER: not at all */
    uint64_t entered_us, parked_us; /* in the calendar: the first, a later one; TIME_NEVER: none */
};
struct events {
    struct calendar calendar;
    struct timer *timers;
    uint32_t nodes;
    uint64_t in_flight;
    struct slab slabs[EVENTS_CLASSES];
    uint64_t in_flight_max;
};
enum due_kind { DUE_NOTHING, DUE_TIMER, DUE_DATAGRAM };
struct due {
    uint8_t kind; /* enum due_kind */
    uint32_t node, source;
    uint64_t time_us;
    uint32_t handle; /* DUE_DATAGRAM: to be given to events_release */
    struct flight *flight;
};

void events_init(struct events *e);
void events_fini(struct events *e);
void events_room(struct events *e, uint32_t nodes); /* from now on so many nodes */
/* The node's timer is now due then; TIME_NEVER: not at all. */
void events_timer(struct events *e, uint32_t node, uint64_t at_us);
/* Room for a datagram of len bytes; the caller fills in addresses and bytes. */
struct flight *events_send(struct events *e, uint64_t at_us, uint32_t to, uint32_t from,
                           uint32_t sequence, size_t len);
uint64_t events_next_us(struct events *e); /* TIME_NEVER: nothing is due */
/* Takes the first. A timer's entry is gone until it is set again. */
struct due events_take(struct events *e);
/* Who will probably be concerned so many events after the next one, and by which datagram; false: not known. */
bool events_ahead(const struct events *e, uint32_t n, uint32_t *node, const struct flight **flight);
uint64_t events_bytes(
    const struct events *e); /* allocated, at their largest: nothing is given back */
void events_release(struct events *e, const struct due *d);
