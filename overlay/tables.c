/* overlay/tables.c - where pooled things are found by number: extras, handshakes, routed frames in flight, requests;
 * the links' HELLO rates, and acknowledgements due.
 *
 * A quiet node has none of them, so it has no tables either. Extras, handshakes and HELLO rates have an object of the pool each,
 * those of routing share one; each is taken by the first who needs an entry (tables_need_*) and given back when nothing is in it any more or every rate is full again:
 * that of the handshakes, which are many while others come, at once, the others by the timer. Meanwhile the pointers lead to `nothing`: all NULL, read like any
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

static size_t extras_size(const struct limits *l)
{
    return (size_t)l->extras * sizeof(void *);
}

static size_t hellos_size(const struct limits *l)
{
    return (size_t)l->handshakes * sizeof(void *);
}

static size_t rates_size(const struct limits *l)
{
    return (size_t)l->links * sizeof(uint16_t);
}

static size_t route_tables_size(const struct limits *l)
{
    return ((size_t)l->inflight + l->requests) * sizeof(void *) + ACKS_MAX * sizeof(struct ack_due);
}

static bool has_extras(const struct overlay *o)
{
    return o->extras && o->extras != (struct extra **)(uintptr_t)nothing.extras;
}

static bool has_hellos(const struct overlay *o)
{
    return o->hellos && o->hellos != (struct hello **)(uintptr_t)nothing.hellos;
}

static bool has_route_tables(const struct overlay *o)
{
    return o->inflights && o->inflights != (struct inflight **)(uintptr_t)nothing.inflights;
}

static size_t larger(size_t a, size_t b)
{
    return a > b ? a : b;
}

static bool small(const struct limits *l)
{
    size_t most = larger(larger(l->extras, l->handshakes), larger(l->inflight, l->requests));
    return most <= NOTHING_MAX && rates_size(l) <= OVERLAY_POOLED_MAX &&
           larger(larger(extras_size(l), hellos_size(l)), route_tables_size(l)) <=
               OVERLAY_POOLED_MAX;
}

size_t tables_size(const struct limits *l)
{
    return small(l) ? 0 : extras_size(l) + hellos_size(l) + rates_size(l) + route_tables_size(l);
}

static bool for_good(const struct overlay *o)
{
    return o->stats || !small(&o->common->limits);
}

static void *table_take(struct overlay *o, size_t size)
{
    return for_good(o) ? calloc(1, size) : pool_take_size(o->extra_pool, size);
}

static void no_extras(struct overlay *o)
{
    o->extras = (struct extra **)(uintptr_t)nothing.extras;
}

static void no_hellos(struct overlay *o)
{
    o->hellos = (struct hello **)(uintptr_t)nothing.hellos;
}

static void no_route_tables(struct overlay *o)
{
    o->inflights = (struct inflight **)(uintptr_t)nothing.inflights;
    o->requests = (struct request **)(uintptr_t)nothing.requests;
    o->acks = NULL;
}

bool tables_need_extras(struct overlay *o)
{
    if (has_extras(o)) return true;
    void *table = table_take(o, extras_size(&o->common->limits));
    if (table) o->extras = table;
    return table != NULL;
}

bool tables_need_hellos(struct overlay *o)
{
    if (has_hellos(o)) return true;
    void *table = table_take(o, hellos_size(&o->common->limits));
    if (table) o->hellos = table;
    return table != NULL;
}

bool tables_need_rates(struct overlay *o)
{
    const struct limits *l = &o->common->limits;
    if (o->hello_rate) return true;
    uint16_t *rates = table_take(o, rates_size(l));
    if (!rates) return false;
    o->hello_rate = rates;
    for (uint16_t i = 0; i < l->links; i++) o->hello_rate[i] = RATE_FULL;
    return true;
}

bool tables_need_routes(struct overlay *o)
{
    const struct limits *l = &o->common->limits;
    if (has_route_tables(o)) return true;
    void **table = table_take(o, route_tables_size(l));
    if (!table) return false;
    o->inflights = (struct inflight **)table;
    o->requests = (struct request **)(table + l->inflight);
    o->acks = (struct ack_due *)(table + l->inflight + l->requests);
    return true;
}

bool tables_init(struct overlay *o)
{
    no_extras(o);
    no_hellos(o);
    no_route_tables(o);
    return !for_good(o) || (tables_need_extras(o) && tables_need_hellos(o) &&
                            tables_need_rates(o) && tables_need_routes(o));
}

void tables_hellos_over(struct overlay *o)
{
    if (o->hello_count || for_good(o)) return;
    pool_give(o->extra_pool, o->hellos);
    no_hellos(o);
}

static bool rates_are_full(const struct overlay *o, uint64_t now_us)
{
    return !o->hello_rate_ms || ms32(now_us) - o->hello_rate_ms + 1u >= RATE_FULL_MS;
}

void tables_tick(struct overlay *o, uint64_t now_us)
{
    if (for_good(o)) return;
    if (has_route_tables(o) && !o->inflight_count && !o->request_count && !o->ack_count) {
        pool_give(o->extra_pool, o->inflights);
        no_route_tables(o);
    }
    if (has_extras(o) && !o->extra_count) {
        pool_give(o->extra_pool, o->extras);
        no_extras(o);
    }
    if (o->hello_rate && rates_are_full(o, now_us)) {
        pool_give(o->extra_pool, o->hello_rate);
        o->hello_rate = NULL;
        o->hello_rate_ms = 0;
    }
}

static void table_give(struct overlay *o, void *table)
{
    if (for_good(o))
        free(table);
    else if (table)
        pool_give(o->extra_pool, table);
}

static void give_all(struct overlay *o, void **table, uint32_t n)
{
    for (uint32_t i = 0; i < n; i++)
        if (table[i]) pool_give(o->extra_pool, table[i]);
    table_give(o, table);
}

void tables_fini(struct overlay *o)
{
    const struct limits *l = &o->common->limits;
    for (uint16_t i = 0; has_hellos(o) && i < l->handshakes; i++)
        if (o->hellos[i] && o->hellos[i]->hello3) pool_give(o->extra_pool, o->hellos[i]->hello3);
    if (has_hellos(o)) give_all(o, (void **)o->hellos, l->handshakes);
    if (has_extras(o)) give_all(o, (void **)o->extras, l->extras);
    if (has_route_tables(o))
        give_all(o, (void **)o->inflights, (uint32_t)l->inflight + l->requests);
    table_give(o, o->hello_rate);
    no_extras(o);
    no_hellos(o);
    no_route_tables(o);
    o->hello_rate = NULL;
}
