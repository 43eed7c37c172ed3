/* overlay/tables.c - where pooled things are found by number: extras, handshakes, routed frames in flight, requests;
 * and acknowledgements due.
 *
 * A quiet node has none of them, so it has no tables either. The tables, and the HELLO rates of the links behind them,
 * are one object of the pool, taken by the first who needs an entry (tables_need) and given back by the timer when nothing
 * is in them any more and every rate is full again. Meanwhile the pointers lead to `nothing`: all NULL, read like any
 * table, never written. A daemon, and whoever has limits too large for one object, keeps its tables for good.
 *
 * Errors: no object left in the pool: as if the table were full. */
#include "overlay/core.h"

#define NOTHING_MAX  256 /* entries of one table inside one object of the pool: fewer by far */
#define RATE_FULL    20u /* no time, all tokens: link_may_hello */
#define RATE_FULL_MS 2001u

static const union {
    struct extra *extras[NOTHING_MAX];
    struct hello *hellos[NOTHING_MAX];
    struct inflight *inflights[NOTHING_MAX];
    struct request *requests[NOTHING_MAX];
} nothing;

size_t tables_size(const struct limits *l)
{
    return ((size_t)l->extras + l->handshakes + l->inflight + l->requests) * sizeof(void *) +
           ACKS_MAX * sizeof(struct ack_due) + l->links * sizeof(uint16_t);
}

static bool for_good(const struct overlay *o)
{
    size_t size = tables_size(&o->common->limits);
    return o->stats || size > o->extra_pool->size || size > sizeof nothing;
}

static void no_tables(struct overlay *o)
{
    o->tables = NULL;
    o->extras = (struct extra **)(uintptr_t)nothing.extras;
    o->hellos = (struct hello **)(uintptr_t)nothing.hellos;
    o->inflights = (struct inflight **)(uintptr_t)nothing.inflights;
    o->requests = (struct request **)(uintptr_t)nothing.requests;
    o->acks = NULL;
    o->hello_rate = NULL;
}

bool tables_need(struct overlay *o)
{
    const struct limits *l = &o->common->limits;
    if (o->tables) return true;
    o->tables = for_good(o) ? calloc(1, tables_size(l)) : pool_take(o->extra_pool);
    if (!o->tables) return false;
    o->extras = (struct extra **)o->tables;
    o->hellos = (struct hello **)(o->tables + l->extras);
    o->inflights = (struct inflight **)(o->tables + l->extras + l->handshakes);
    o->requests = (struct request **)(o->tables + l->extras + l->handshakes + l->inflight);
    o->acks = (struct ack_due *)(o->requests + l->requests);
    o->hello_rate = (uint16_t *)(o->acks + ACKS_MAX);
    for (uint16_t i = 0; i < l->links; i++) o->hello_rate[i] = RATE_FULL;
    return true;
}

bool tables_init(struct overlay *o)
{
    no_tables(o);
    return !for_good(o) || tables_need(o);
}

static bool in_use(const struct overlay *o)
{
    return o->extra_count || o->hello_count || o->inflight_count || o->request_count ||
           o->ack_count;
}

void tables_tick(struct overlay *o, uint64_t now_us)
{
    if (!o->tables || in_use(o) || for_good(o)) return;
    if (o->hello_rate_ms && ms32(now_us) - o->hello_rate_ms + 1u < RATE_FULL_MS) return;
    o->hello_rate_ms = 0;
    pool_give(o->extra_pool, o->tables);
    no_tables(o);
}

void tables_fini(struct overlay *o)
{
    const struct limits *l = &o->common->limits;
    uint32_t n = (uint32_t)l->extras + l->handshakes + l->inflight + l->requests;
    if (!o->tables) return;
    for (uint32_t i = 0; i < n; i++)
        if (o->tables[i]) pool_give(o->extra_pool, o->tables[i]);
    if (for_good(o))
        free(o->tables);
    else
        pool_give(o->extra_pool, o->tables);
    no_tables(o);
}
