#include "sim/net.h"

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/time.h"

/* Addresses: A.B.C.D with A = 11 + bits 0-5, B = bits 6-13, C = bits 14-21, D = 1. All of 11/8 to
 * 74/8 is globally routed, and no two nodes share a /24. */
#define FIRST_OCTET 11u
_Static_assert(SCENARIO_NODES <= 1u << 22, "as many addresses");

/* One way, in milliseconds, between the middles of regions: Europe, North America east and west,
 * South America, Asia east and south, Oceania, Africa. Half of round trips that public
 * looking glasses show between large exchanges. */
static const uint8_t region_ms[REGIONS_MAX][REGIONS_MAX] = {
    {8, 40, 70, 95, 115, 65, 140, 60},   {40, 8, 32, 58, 90, 95, 102, 100},
    {70, 32, 8, 85, 55, 110, 72, 130},   {95, 58, 85, 10, 135, 150, 155, 150},
    {115, 90, 55, 135, 10, 45, 60, 140}, {65, 95, 110, 150, 45, 10, 75, 90},
    {140, 102, 72, 155, 60, 75, 8, 150}, {60, 100, 130, 150, 140, 90, 150, 12},
};
/* Delay between a home and its region's middle, one way: sixteen equally likely values, 10 us each. */
static const uint16_t access_10us[16] = {60,  90,  130, 180, 230,  290,  350,  420,
                                         500, 590, 700, 840, 1020, 1280, 1700, 2600};

void net_init(struct net *n, const struct network_spec *spec, const struct rng *root)
{
    *n = (struct net){.spec = *spec};
    struct rng r;
    rng_stream(root, "net", 0, &r);
    rng_bytes(&r, n->loss_key, sizeof n->loss_key);
    rng_bytes(&r, n->place_key, sizeof n->place_key);
    n->loss_below = ((uint64_t)spec->loss << 32) / MILLION;
}

struct net_place net_place(const struct net *n, uint32_t node)
{
    if (n->spec.model != NETWORK_REGIONS) return (struct net_place){0};
    uint8_t msg[4];
    put_u32(msg, node);
    uint64_t h = crypto_siphash(msg, sizeof msg, n->place_key);
    return (struct net_place){.access_10us = access_10us[h >> 60],
                              .region = (uint8_t)((h & 0xffffffff) * n->spec.regions >> 32)};
}

uint64_t net_latency_us(const struct net *n, struct net_place from, struct net_place to)
{
    if (n->spec.model == NETWORK_CONSTANT) return n->spec.latency_us;
    return MILLIS(region_ms[from.region][to.region]) +
           ((uint64_t)from.access_10us + to.access_10us) * 10;
}

bool net_lost(const struct net *n, uint32_t from, uint32_t to, uint32_t sequence)
{
    if (n->loss_below == 0) return false;
    uint8_t msg[12];
    put_u32(msg, from);
    put_u32(msg + 4, to);
    put_u32(msg + 8, sequence);
    return crypto_siphash(msg, sizeof msg, n->loss_key) >> 32 < n->loss_below;
}

uint32_t net_ip(uint32_t node)
{
    ensure(node < 1u << 22);
    return (FIRST_OCTET + (node & 0x3f)) << 24 | (node >> 6 & 0xff) << 16 | (node >> 14) << 8 | 1;
}

bool net_node_of(uint32_t ip, uint32_t *node)
{
    uint32_t a = ip >> 24, b = ip >> 16 & 0xff, c = ip >> 8 & 0xff;
    if (a < FIRST_OCTET || a >= FIRST_OCTET + 64 || (ip & 0xff) != 1) return false;
    *node = (a - FIRST_OCTET) | b << 6 | c << 14;
    return true;
}
