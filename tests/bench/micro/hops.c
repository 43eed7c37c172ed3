/* The next hop on the ring, of many links (overlay/next.c). */
#include "base/rng.h"
#include "overlay/core.h"
#include "tests/bench/micro/micro.h"
#include <string.h>

#define LINKS 40u

static struct { /* as little of an overlay as choosing a hop needs: overlay/next_test.c */
    struct overlay o;
    struct identities ids;
    struct link links[LINKS];
    uint16_t order[LINKS], list_at[LINKS];
    struct ahead ahead;
    struct hints lists[LINKS];
    struct rng rng;
} ring;
static uint64_t sink;

static void ring_init(void)
{
    static const uint8_t seed[32];
    rng_seed(&ring.rng, seed);
    ensure(identities_init(&ring.ids, 1024, seed) == OK);
    ring.o.identities = &ring.ids;
    ring.o.links = ring.links;
    ring.o.order = ring.order;
    ring.ahead.lists = ring.lists;
    ring.ahead.at = ring.list_at;
    for (uint16_t slot = 0; slot < LINKS; slot++) {
        struct id id;
        rng_bytes(&ring.rng, id.b, sizeof id.b);
        uint16_t pos = order_find(&ring.o, &id);
        ring.links[slot] = (struct link){.state = LINK_UP,
                                         .peer = identities_hold(&ring.ids, &id),
                                         .srtt = (uint16_t)(1 + rng_below(&ring.rng, 1000))};
        link_set_path(&ring.links[slot], PATH_DIRECT);
        memmove(ring.order + pos + 1, ring.order + pos, (size_t)(slot - pos) * sizeof *ring.order);
        ring.order[pos] = slot;
        ring.o.up_count++;
        ring.list_at[slot] = (uint16_t)(slot + 1);
        struct hints *h = &ring.lists[slot];
        for (h->count = 0; h->count < HINTS_MAX; h->count++) {
            h->prefix[h->count] = rng_u32(&ring.rng);
            h->rtt[h->count] = (uint8_t)rng_below(&ring.rng, 128);
        }
    }
}

static void hop(void *context, uint32_t bytes) /* to another place each time */
{
    struct routed r = {.src = {{1}}};
    (void)context, (void)bytes;
    rng_bytes(&ring.rng, r.dst.b, sizeof r.dst.b);
    struct link *l = next_hop(&ring.o, &r, 0, NO_SLOT, NULL);
    sink += l ? l->srtt : 0;
}

uint64_t micro_hops(void)
{
    ring_init();
    micro_run("next hop, 40 links", 0, hop, NULL);
    ring.o.ahead = &ring.ahead;
    micro_run("next hop, 40 links, lookahead", 0, hop, NULL);
    identities_fini(&ring.ids);
    return sink;
}
