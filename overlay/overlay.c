/* overlay/overlay.c - the sum: made, stepped by time, taken apart. */
#include "overlay/core.h"
#include <string.h>

_Static_assert(sizeof(struct inflight) + INFLIGHT_MAX <= OVERLAY_POOLED_MAX &&
                   HELLO3_MAX <= OVERLAY_POOLED_MAX &&
                   sizeof(struct request) + CONTROL_MAX <= OVERLAY_POOLED_MAX,
               "docs/memory.md: one object of the pool");
_Static_assert(sizeof(struct hello) <= 704 && sizeof(struct inflight) <= 64 &&
                   sizeof(struct request) <= 80 && sizeof(struct extra) <= 1232,
               "docs/memory.md: what is pooled");
_Static_assert(sizeof(struct near_info) <= 12 && sizeof(struct channel) <= 24 &&
                   sizeof(struct overlay_seed_peer) <= 40 && sizeof(struct knock) <= 184,
               "docs/memory.md: one or several in every node");
_Static_assert(sizeof(struct overlay) % 8 == 0, "its own struct overlay_common may lie behind it");
_Static_assert(sizeof(struct overlay) <= 1608, "docs/memory.md: a node holds one");
uint32_t overlay_pool_max(const struct limits *l)
{
    return (uint32_t)l->extras + 2u * l->handshakes + l->inflight + 2u * l->requests + l->records +
           32u + 5u + 16u /* broadcasts, two each */;
}

static uint16_t map_size(const struct limits *l)
{
    uint32_t need = 2u * l->links + l->handshakes + 8u, size = 64;
    while (size < need) size *= 2;
    return (uint16_t)(size > 32768 ? 32768 : size);
}

static size_t arrays_size(const struct limits *l)
{
    return (size_t)l->links * (sizeof(struct link) + sizeof(uint16_t)) +
           (size_t)map_size(l) * sizeof(uint16_t) + l->seeds * sizeof(struct endpoint) +
           sizeof(struct endpoint) /* one local address */ +
           sizeof(struct own_chain) /* one network */ +
           l->passive * sizeof(struct overlay_seed_peer) + 2u * l->hello_filter_bytes;
}

size_t overlay_size(const struct limits *l)
{
    return sizeof(struct overlay) + arrays_size(l) + tables_size(l) + ahead_size(l);
}

_Static_assert(sizeof(struct link) % _Alignof(struct overlay_seed_peer) == 0 &&
                   sizeof(struct overlay_seed_peer) % _Alignof(struct endpoint) == 0 &&
                   sizeof(struct endpoint) % _Alignof(uint16_t) == 0,
               "arrays_new: one behind the other");

/* What every node has for good lies in one piece, largest alignment first. */
static bool arrays_new(struct overlay *o)
{
    const struct limits *l = &o->common->limits;
    uint16_t map = map_size(l);
    uint8_t *p = calloc(1, l->links * (sizeof *o->links + sizeof *o->order) +
                               l->passive * sizeof *o->passive + l->seeds * sizeof *o->seeds +
                               map * sizeof *o->map);
    if (!p) return false;
    o->links = (struct link *)(void *)p;
    p += l->links * sizeof *o->links;
    o->passive = (struct overlay_seed_peer *)(void *)p;
    p += l->passive * sizeof *o->passive;
    o->seeds = (struct endpoint *)(void *)p;
    p += l->seeds * sizeof *o->seeds;
    o->order = (uint16_t *)(void *)p;
    o->map = o->order + l->links;
    o->map_mask = (uint16_t)(map - 1);
    return true;
}

static bool allocate(struct overlay *o, bool stats)
{
    const struct limits *l = &o->common->limits;
    if (!arrays_new(o)) return false;
    if (l->hello_filter_bytes) o->knock.filter = calloc(2, l->hello_filter_bytes);
    if (stats) o->stats = calloc(l->links, sizeof *o->stats);
    return tables_init(o) && (o->knock.filter || !l->hello_filter_bytes) && (o->stats || !stats);
}

enum err overlay_new(struct overlay **out, const struct overlay_config *c, uint64_t now_us)
{
    struct overlay *o = calloc(1, sizeof *o + (c->common ? 0 : sizeof c->own));
    *out = NULL;
    if (!o) return ERR_NO_MEMORY;
    o->common = c->common;
    if (!c->common) {
        memcpy(o + 1, &c->own, sizeof c->own);
        o->common = (const struct overlay_common *)(o + 1);
    }
    const struct limits *l = &o->common->limits;
    ensure(limits_are_good(l));
    o->extra_pool = c->extras;
    if (!allocate(o, c->stats)) {
        overlay_free(o);
        return ERR_NO_MEMORY;
    }
    o->crypto = c->crypto;
    o->identities = c->identities;
    o->pkts = c->pkts;
    o->trace = c->trace;
    o->self = *c->identity;
    o->capabilities = c->capabilities;
    o->founder = c->founder;
    o->started_us = now_us;
    rng_seed(&o->rng, c->seed);
    rng_bytes(&o->rng, o->token_key, sizeof o->token_key);
    o->map_next = (uint16_t)rng_below(&o->rng, o->map_mask);
    o->request_next = rng_u32(&o->rng);
    o->seq_next = (uint16_t)rng_u32(&o->rng);
    o->channel_next = rng_u32(&o->rng) >> 8;
    knock_init(&o->knock, o->crypto, &o->common->key, &o->self.id, &o->rng, o->knock.filter,
               l->hello_filter_bytes);
    observe_init(&o->observe);
    o->repair_us = SECONDS(1);
    o->spare = NO_SLOT;
    o->patience_ms = ms32(now_us);
    o->join_due_us = now_us;
    o->wake_us = now_us;
    o->upkeep_us = TIME_NEVER;
    *out = o;
    return OK;
}

void overlay_free(struct overlay *o)
{
    if (!o) return;
    for (uint16_t i = 0; o->links && i < o->common->limits.links; i++)
        if (o->links[i].state != LINK_FREE) identities_drop(o->identities, o->links[i].peer);
    if (o->links) crypto_wipe(o->links, o->common->limits.links * sizeof *o->links);
    dht_fini(o);
    seldom_fini(o);
    ways_fini(o);
    ahead_fini(o);
    tables_fini(o);
    chains_fini(o);
    free(o->failed);
    free(o->links);
    free(o->channels);
    free(o->locals);
    free(o->stats);
    free(o->knock.filter);
    knock_fini(&o->knock);
    bool own = o->common == (const struct overlay_common *)(o + 1);
    crypto_wipe(o, sizeof *o + (own ? sizeof *o->common : 0));
    free(o);
}

const struct id *overlay_id(const struct overlay *o)
{
    return &o->self.id;
}

const struct hot_lanes *overlay_lanes_of(const struct overlay *o)
{
    return o->lanes;
}

uint64_t overlay_started_us(const struct overlay *o)
{
    return o->started_us;
}

const struct overlay_common *overlay_common(const struct overlay *o)
{
    return o->common;
}

void overlay_entropy(struct overlay *o, const uint8_t seed[32])
{
    rng_mix(&o->rng, seed);
}

void overlay_calendar(struct overlay *o, uint64_t now_us, uint64_t calendar_s)
{
    o->calendar_s = calendar_s;
    o->calendar_at_us = now_us;
}

void overlay_locals(struct overlay *o, uint64_t now_us, const struct endpoint *list, uint32_t count,
                    struct outbox *out)
{
    uint32_t kept = count < LOCALS_MAX ? count : LOCALS_MAX;
    bool changed = count != o->local_count;
    for (uint32_t i = 0; i < kept && !changed; i++)
        changed = !endpoint_equal(&o->locals[i], &list[i]);
    if (!changed) return;
    struct endpoint *copy = calloc(kept ? kept : 1, sizeof *copy);
    if (!copy) return; /* no memory: what we knew stays */
    for (uint32_t i = 0; i < kept; i++) copy[i] = list[i];
    free(o->locals);
    o->locals = copy;
    o->local_count = (uint8_t)kept;
    path_restart_all(o, now_us, out);
    if (o->up_count == 0) o->join_tries = 0;
    o->join_due_us = now_us;
    wake_at(o, now_us);
}

uint64_t overlay_wake_us(const struct overlay *o)
{
    return time_min(o->wake_us, o->upkeep_us);
}

void overlay_timer(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (now_us < overlay_wake_us(o)) return;
    o->wake_us = TIME_NEVER;
    hello_tick(o, now_us, out);
    upkeep_tick(o, now_us, out);
    route_tick(o, now_us, out);
    request_tick(o, now_us, out);
    path_tick(o, now_us, out);
    patience_tick(o, now_us, out);
    ring_tick(o, now_us, out);
    join_tick(o, now_us, out);
    far_tick(o, now_us, out);
    ahead_tick(o, now_us, out);
    relay_tick(o, now_us, out);
    heat_tick(o, now_us);
    dht_tick(o, now_us, out);
    pinned_tick(o, now_us, out);
    broadcast_tick(o, now_us, out);
    fail_tick(o, now_us);
    tables_tick(o, now_us);
    ways_tick(o, now_us);
    if (o->wake_us <= now_us) o->wake_us = now_us + 1;
}

void overlay_want(struct overlay *o, uint64_t now_us, const struct id *id, struct outbox *out)
{
    struct link *l = link_by_id(o, id);
    if (l) {
        l->kinds |= KIND_DEMAND;
        struct extra *x = link_need_extra(o, l);
        if (x) x->used_us = now_us;
        outbox_event(out, OE_UP, id)->index = link_index(l); /* member is zero: known already */
        return;
    }
    if (hello_pending(o, id)) return;
    struct id via = request_via(o);
    if (!hello_route(o, now_us, id, &via, &(struct endpoint){0}, KIND_DEMAND, out))
        outbox_event(out, OE_FAILED, id);
}

void overlay_leave(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    overlay_unvouch(o);
    o->leaving = true;
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        join_remember(o, now_us, l, out);
        close_send(o, l, now_us, 1, out);
    }
    trace(o->trace, now_us, NODE, "left");
}

void overlay_expel(struct overlay *o, uint64_t now_us, const struct id *id, const char *why,
                   struct outbox *out)
{
    struct link *l = link_by_id(o, id);
    if (l) link_close(o, l, now_us, why, out);
}
