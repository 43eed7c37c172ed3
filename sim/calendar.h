/* sim/calendar.h - what is due, in a total order: (time, destination, source, number), earliest first.
 *
 * A page holds what falls into 256 us, unsorted; it is sorted when it is opened. What lies further ahead than the second of time around
 * now waits in pages of a second, and what is put in before the end of the last open page goes through a small heap. So an entry costs
 * the same however many there are, memory is touched in order, and what comes next can be seen some steps ahead.
 * Source: Brown, "Calendar queues" (CACM 1988); Tang et al., "Ladder queue" (TOMACS 2005).
 *
 * Units:  microseconds. Owns: its memory. Errors: out of memory stops the program.
 * Cost:   24 bytes an entry, 2 KiB a page in use; O(log of a page) an entry. */
#pragma once
#include "base/heap.h"

#define CALENDAR_SLOTS 4096u
/* so many entries after the first are known, if so many come within 8 ms */
#define CALENDAR_AHEAD 24u

struct calendar_entry {
    uint64_t time_us;
    uint32_t to, from; /* from: 0 comes first */
    uint32_t number;
    uint32_t item; /* the caller's */
};
struct calendar_page;
struct calendar_wheel {
    struct calendar_page *slots[CALENDAR_SLOTS];
    uint64_t used[CALENDAR_SLOTS / 64]; /* a bit a slot */
};
struct calendar {
    struct calendar_entry *now; /* the open pages, sorted; now_next is the first that is left */
    uint32_t now_count, now_next, now_room;
    struct heap soon;                 /* put in for before end_us */
    uint64_t end_us;                  /* of the last open page */
    uint64_t block;                   /* which second of 2^20 us the fine wheel is */
    struct calendar_wheel fine, wide; /* slots of 2^8 and 2^20 us */
    struct calendar_page *spare;
    uint64_t count, pages;
};

void calendar_init(struct calendar *c);
void calendar_fini(struct calendar *c);
void calendar_put(struct calendar *c, const struct calendar_entry *e);
/* The first, or NULL; until the next call of another function. */
const struct calendar_entry *calendar_first(struct calendar *c);
void calendar_drop(struct calendar *c); /* the first, which there is */
/* The one that comes so many after the first, as far as is known; NULL: not known. */
static inline const struct calendar_entry *calendar_ahead(const struct calendar *c, uint32_t n)
{
    return n < c->now_count - c->now_next ? &c->now[c->now_next + n] : (void *)0;
}
uint64_t calendar_bytes(const struct calendar *c);
