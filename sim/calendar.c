#include "sim/calendar.h"

#include "base/err.h"
#include "base/time.h"
#include <stdlib.h>
#include <string.h>

#define FINE_SHIFT   8
#define BLOCK_SHIFT  20
#define PAGE_ENTRIES 84u
#define SORT_SMALL   12u
#define AHEAD_US     8192u
#define FRONT        16u /* entries of room before the first, for what comes from the heap */

_Static_assert((UINT64_C(1) << BLOCK_SHIFT) >> FINE_SHIFT == CALENDAR_SLOTS,
               "the fine wheel is one slot of the wide one");

struct calendar_page { /* of a slot: the first is being filled, those behind it are full */
    struct calendar_page *next;
    uint64_t count;
    struct calendar_entry entries[PAGE_ENTRIES];
};

void calendar_init(struct calendar *c)
{
    *c = (struct calendar){0};
    heap_init(&c->soon, UINT32_MAX / 4 - 1, NULL);
}

static void pages_free(struct calendar_page *p)
{
    while (p) {
        struct calendar_page *next = p->next;
        free(p);
        p = next;
    }
}

void calendar_fini(struct calendar *c)
{
    for (uint32_t i = 0; i < CALENDAR_SLOTS; i++) {
        pages_free(c->fine.slots[i]);
        pages_free(c->wide.slots[i]);
    }
    pages_free(c->spare);
    heap_fini(&c->soon);
    free(c->now);
    *c = (struct calendar){0};
}

/* --- putting in --- */

static struct calendar_page *page_new(struct calendar *c)
{
    struct calendar_page *p = c->spare;
    if (p) {
        c->spare = p->next;
    } else {
        p = malloc(sizeof *p);
        ensure(p);
        c->pages++;
    }
    p->next = NULL;
    p->count = 0;
    return p;
}

static void wheel_put(struct calendar *c, struct calendar_wheel *w, uint64_t slot,
                      const struct calendar_entry *e)
{
    uint32_t s = (uint32_t)(slot % CALENDAR_SLOTS);
    struct calendar_page *p = w->slots[s];
    if (!p || p->count == PAGE_ENTRIES) {
        p = page_new(c);
        p->next = w->slots[s];
        w->slots[s] = p;
        w->used[s / 64] |= UINT64_C(1) << s % 64;
    }
    p->entries[p->count++] = *e;
}

static struct calendar_page *wheel_take(struct calendar_wheel *w, uint32_t s)
{
    struct calendar_page *p = w->slots[s];
    w->slots[s] = NULL;
    w->used[s / 64] &= ~(UINT64_C(1) << s % 64);
    return p;
}

/* The first slot in use from `from` on; CALENDAR_SLOTS: none. */
static uint32_t wheel_next(const struct calendar_wheel *w, uint32_t from)
{
    for (uint32_t i = from / 64; i < CALENDAR_SLOTS / 64; i++) {
        uint64_t bits = w->used[i];
        if (i == from / 64) bits &= UINT64_MAX << from % 64;
        if (bits) return i * 64 + (uint32_t)__builtin_ctzll(bits);
    }
    return CALENDAR_SLOTS;
}

static void put(struct calendar *c, const struct calendar_entry *e)
{
    if (e->time_us >> BLOCK_SHIFT == c->block)
        wheel_put(c, &c->fine, e->time_us >> FINE_SHIFT, e);
    else
        wheel_put(c, &c->wide, e->time_us >> BLOCK_SHIFT, e);
}

void calendar_put(struct calendar *c, const struct calendar_entry *e)
{
    c->count++;
    if (e->time_us >= c->end_us) {
        put(c, e);
        return;
    }
    enum err err = heap_push(&c->soon, (struct heap_entry){.time_us = e->time_us,
                                                           .a = (uint64_t)e->to << 32 | e->from,
                                                           .b = e->number,
                                                           .item = e->item});
    ensure(err == OK);
}

/* --- the open pages --- */

static bool before(const struct calendar_entry *a, const struct calendar_entry *b)
{
    if (a->time_us != b->time_us) return a->time_us < b->time_us;
    if (a->to != b->to) return a->to < b->to;
    return a->from != b->from ? a->from < b->from : a->number < b->number;
}

static void swap(struct calendar_entry *a, struct calendar_entry *b)
{
    struct calendar_entry e = *a;
    *a = *b;
    *b = e;
}

static void sort_small(struct calendar_entry *e, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct calendar_entry held = e[i];
        size_t at = i;
        for (; at > 0 && before(&held, &e[at - 1]); at--) e[at] = e[at - 1];
        e[at] = held;
    }
}

/* Quicksort by the median of three; the shorter part by recursion. */
static void sort(struct calendar_entry *e, size_t n)
{
    while (n > SORT_SMALL) {
        struct calendar_entry *middle = e + n / 2, *last = e + n - 1;
        if (before(middle, e)) swap(middle, e);
        if (before(last, middle)) swap(last, middle);
        if (before(middle, e)) swap(middle, e);
        struct calendar_entry pivot = *middle;
        size_t low = 0, high = n - 1;
        for (;;) {
            while (before(&e[low], &pivot)) low++;
            while (before(&pivot, &e[high])) high--;
            if (low >= high) break;
            swap(&e[low++], &e[high--]);
        }
        size_t left = low == high ? low : high + 1;
        if (left < n - left) {
            sort(e, left);
            e += left;
            n -= left;
        } else {
            sort(e + left, n - left);
            n = left;
        }
    }
    sort_small(e, n);
}

static void open_page(struct calendar *c, struct calendar_page *p)
{
    uint32_t first = c->now_count;
    while (p) {
        struct calendar_page *next = p->next;
        if (c->now_room - c->now_count < p->count) {
            c->now_room = c->now_room ? c->now_room * 2 : 2 * PAGE_ENTRIES;
            c->now = realloc(c->now, c->now_room * sizeof *c->now);
            ensure(c->now);
        }
        memcpy(c->now + c->now_count, p->entries, p->count * sizeof *c->now);
        c->now_count += (uint32_t)p->count;
        p->next = c->spare;
        c->spare = p;
        p = next;
    }
    sort(c->now + first, c->now_count - first);
}

/* The next second in which there is anything becomes that of the fine wheel. What lies a whole turn later stays where it is. */
static void next_block(struct calendar *c)
{
    uint32_t start = (uint32_t)((c->block + 1) % CALENDAR_SLOTS), s = wheel_next(&c->wide, start);
    if (s == CALENDAR_SLOTS) s = wheel_next(&c->wide, 0);
    ensure(s < CALENDAR_SLOTS);
    c->block += 1 + (s + CALENDAR_SLOTS - start) % CALENDAR_SLOTS;
    c->end_us = c->block << BLOCK_SHIFT;
    struct calendar_page *p = wheel_take(&c->wide, s);
    while (p) {
        struct calendar_page *next = p->next;
        for (uint64_t i = 0; i < p->count; i++) put(c, &p->entries[i]);
        p->next = c->spare;
        c->spare = p;
        p = next;
    }
}

static void turn(struct calendar *c)
{
    for (;;) {
        uint64_t from = (c->end_us >> FINE_SHIFT) - (c->block << (BLOCK_SHIFT - FINE_SHIFT));
        uint32_t s = from < CALENDAR_SLOTS ? wheel_next(&c->fine, (uint32_t)from) : CALENDAR_SLOTS;
        if (s < CALENDAR_SLOTS) {
            c->end_us = (c->block << BLOCK_SHIFT) + ((uint64_t)(s + 1) << FINE_SHIFT);
            open_page(c, wheel_take(&c->fine, s));
            return;
        }
        next_block(c);
    }
}

static bool soon_first(const struct calendar *c, const struct heap_entry *s)
{
    if (c->now_next == c->now_count) return true;
    const struct calendar_entry *e = &c->now[c->now_next];
    if (s->time_us != e->time_us) return s->time_us < e->time_us;
    uint64_t a = (uint64_t)e->to << 32 | e->from;
    return s->a != a ? s->a < a : s->b < e->number;
}

/* What comes from the heap is put in front of the page: there is room, or there is none left of it and it is made. */
static void unite(struct calendar *c, const struct heap_entry *s)
{
    if (c->now_next == 0) {
        uint32_t gap = 64;
        if (c->now_room - c->now_count < gap) {
            c->now_room += gap + c->now_room / 2;
            c->now = realloc(c->now, c->now_room * sizeof *c->now);
            ensure(c->now);
        }
        memmove(c->now + gap, c->now, c->now_count * sizeof *c->now);
        c->now_next = gap;
        c->now_count += gap;
    }
    c->now[--c->now_next] = (struct calendar_entry){.time_us = s->time_us,
                                                    .to = (uint32_t)(s->a >> 32),
                                                    .from = (uint32_t)s->a,
                                                    .number = (uint32_t)s->b,
                                                    .item = s->item};
}

/* When the next page of this second begins; TIME_NEVER: it has none. */
static uint64_t next_page_us(const struct calendar *c)
{
    uint64_t start_us = c->block << BLOCK_SHIFT, from = (c->end_us - start_us) >> FINE_SHIFT;
    uint32_t s = from < CALENDAR_SLOTS ? wheel_next(&c->fine, (uint32_t)from) : CALENDAR_SLOTS;
    return s < CALENDAR_SLOTS ? start_us + ((uint64_t)s << FINE_SHIFT) : TIME_NEVER;
}

/* The first that is known; TIME_NEVER: nothing is. */
static uint64_t known_us(const struct calendar *c)
{
    const struct heap_entry *s = heap_first(&c->soon);
    uint64_t soon_us = s ? s->time_us : TIME_NEVER;
    return c->now_next < c->now_count ? time_min(soon_us, c->now[c->now_next].time_us) : soon_us;
}

/* Pages are opened until the caller can look ahead: at rest, a page holds one entry or two. But not far, for what is put in before the end of
 * the last goes through the heap. */
static void open_ahead(struct calendar *c)
{
    uint32_t left = c->now_count - c->now_next;
    if (left >= CALENDAR_AHEAD) return;
    if (c->now_next > FRONT) {
        memmove(c->now + FRONT, c->now + c->now_next, left * sizeof *c->now);
        c->now_next = FRONT;
        c->now_count = FRONT + left;
    }
    while (left < 2 * CALENDAR_AHEAD && c->count > left + c->soon.count) {
        uint64_t first_us = known_us(c);
        if (first_us != TIME_NEVER && next_page_us(c) > first_us + AHEAD_US) return;
        turn(c);
        left = c->now_count - c->now_next;
    }
}

const struct calendar_entry *calendar_first(struct calendar *c)
{
    if (c->count == 0) return NULL;
    open_ahead(c);
    const struct heap_entry *s = heap_first(&c->soon);
    if (s && soon_first(c, s)) {
        struct heap_entry e = heap_pop(&c->soon);
        unite(c, &e);
    }
    return &c->now[c->now_next];
}

void calendar_drop(struct calendar *c)
{
    ensure(calendar_first(c) != NULL);
    c->now_next++;
    c->count--;
}

uint64_t calendar_bytes(const struct calendar *c)
{
    return sizeof *c + c->pages * sizeof(struct calendar_page) +
           (uint64_t)c->now_room * sizeof *c->now +
           (uint64_t)c->soon.room * sizeof *c->soon.entries;
}
