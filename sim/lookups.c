#include "sim/lookups.h"

#include "base/err.h"
#include <stdlib.h>

#define SLOT_NONE   UINT32_MAX
#define LOOKUP_BUSY (UINT32_MAX - 1)

void lookups_init(struct lookups *l)
{
    *l = (struct lookups){.free_head = SLOT_NONE};
}

void lookups_fini(struct lookups *l)
{
    free(l->slots);
    l->slots = NULL;
}

static uint32_t slot_take(struct lookups *l)
{
    uint32_t slot = l->free_head;
    if (slot != SLOT_NONE) {
        l->free_head = l->slots[slot].next_free;
        return slot;
    }
    if (l->made == l->room) {
        l->room = l->room ? l->room * 2 : 256;
        l->slots = realloc(l->slots, l->room * sizeof *l->slots);
        ensure(l->slots);
    }
    return l->made++;
}

static void slot_give(struct lookups *l, uint32_t slot)
{
    l->slots[slot].next_free = l->free_head;
    l->free_head = slot;
}

static uint32_t owner_now(struct world *w, const struct id *target)
{
    ring_sort(&w->ring);
    return ring_owner(&w->ring, target);
}

void lookups_begin(struct lookups *l, struct world *w, struct rng *r, uint64_t timeout_us)
{
    struct lookup k = {
        .node = world_random_live(w, r), .at_us = w->now_us, .next_free = LOOKUP_BUSY};
    rng_bytes(r, k.target.b, sizeof k.target.b);
    k.owner = owner_now(w, &k.target);
    uint32_t slot = slot_take(l);
    l->slots[slot] = k;
    l->begun++;
    struct command c = {.type = CMD_ROUTE_TEST,
                        .request = slot,
                        .target = {.kind = TARGET_ID, .network = -1, .id = k.target},
                        .timeout_us = timeout_us};
    world_command(w, k.node, &c);
}

static bool is_owner(struct world *w, const struct lookup *k, const struct id *answered)
{
    if (id_equal(&w->hosts[k->owner].id, answered)) return true;
    uint32_t owner = owner_now(w, &k->target);
    return owner != RING_NONE && id_equal(&w->hosts[owner].id, answered);
}

static void measure(struct lookups *l, struct world *w, const struct lookup *k,
                    const struct reply *reply)
{
    uint64_t took_us = w->now_us - k->at_us;
    histogram_add(&l->hops, reply->hops);
    histogram_add(&l->latency_us, took_us);
    struct net_place from = w->hosts[k->node].place, to = w->hosts[k->owner].place;
    uint64_t direct_us = net_latency_us(&w->net, from, to) + net_latency_us(&w->net, to, from);
    if (k->node != k->owner && direct_us > 0)
        histogram_add(&l->stretch, mul_div(took_us, 1000, direct_us));
}

void lookups_reply(struct lookups *l, struct world *w, const struct reply *reply)
{
    ensure(reply->request < l->made);
    struct lookup k = l->slots[reply->request];
    ensure(k.next_free == LOOKUP_BUSY && k.node == w->stepped);
    slot_give(l, reply->request);
    if (reply->err) {
        l->unanswered++;
    } else if (is_owner(w, &k, &reply->id)) {
        l->ok++;
        measure(l, w, &k, reply);
    } else {
        l->wrong++;
    }
}

void lookups_end(struct lookups *l, const struct world *w)
{
    for (uint32_t i = 0; i < l->made; i++) {
        if (l->slots[i].next_free != LOOKUP_BUSY) continue;
        if (w->hosts[l->slots[i].node].state == HOST_LIVE)
            l->unanswered++;
        else
            l->abandoned++;
        slot_give(l, i);
    }
}

uint64_t lookups_sent(const struct lookups *l)
{
    return l->begun - l->abandoned;
}
