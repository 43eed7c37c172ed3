#include "sim/net.h"

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/time.h"

/* Addresses: A.B.C.D with A = 11 + bits 0-5, B = bits 6-13, C = bits 14-21, D = 1. All of 11/8 to
 * 74/8 is globally routed, and no two nodes share a /24. */
#define FIRST_OCTET 11u
_Static_assert(SCENARIO_NODES <= 1u << 22, "as many addresses");

/* One way, in milliseconds, between the middles of regions: Europe, North America east and west, South America, Asia east and south,
 * Oceania, Africa. Half of the round trips between Azure's West Europe, East US, West US, Brazil South, Japan East, Central India, Australia
 * East and South Africa North ("Azure network round-trip latency statistics", Microsoft Learn, 30 days to 2026-07-30, 95th percentile;
 * mean of both directions). Within a region: half of the median between the data centres there; South America has one, as Africa. */
static const uint8_t region_ms[REGIONS_MAX][REGIONS_MAX] = {
    {12, 45, 77, 95, 121, 77, 141, 86},  {45, 11, 37, 60, 83, 109, 104, 113},
    {77, 37, 13, 85, 53, 112, 71, 139},  {95, 60, 85, 12, 137, 160, 149, 163},
    {121, 83, 53, 137, 13, 65, 53, 127}, {77, 109, 112, 160, 65, 16, 74, 67},
    {141, 104, 71, 149, 53, 74, 9, 174}, {86, 113, 139, 163, 127, 67, 174, 12},
};
/* Delay between a home and its region's middle, one way: sixteen equally likely values, 10 us each. Log-normal in shape, as measured delays of
 * homes are; median 4.6 ms. */
static const uint16_t access_10us[16] = {60,  90,  130, 180, 230,  290,  350,  420,
                                         500, 590, 700, 840, 1020, 1280, 1700, 2600};

void net_init(struct net *n, const struct network_spec *spec, const struct matrix *matrix,
              const struct rng *root)
{
    *n = (struct net){.spec = *spec, .matrix = matrix};
    ensure(spec->model != NETWORK_MATRIX || matrix);
    struct rng r;
    rng_stream(root, "net", 0, &r);
    rng_bytes(&r, n->loss_key, sizeof n->loss_key);
    rng_bytes(&r, n->place_key, sizeof n->place_key);
    rng_bytes(&r, n->reach_key, sizeof n->reach_key);
    n->loss_below = ((uint64_t)spec->loss << 32) / MILLION;
    n->reach_below = ((uint64_t)(spec->reach % MILLION) << 32) / MILLION;
}

struct net_place net_place(const struct net *n, uint32_t node)
{
    if (n->spec.model == NETWORK_CONSTANT) return (struct net_place){0};
    uint8_t msg[4];
    put_u32(msg, node);
    uint64_t h = crypto_siphash(msg, sizeof msg, n->place_key);
    if (n->spec.model == NETWORK_MATRIX)
        return (struct net_place){
            .access_10us = (uint16_t)((h & 0xffffffff) * n->matrix->size >> 32)};
    return (struct net_place){.access_10us = access_10us[h >> 60],
                              .region = (uint8_t)((h & 0xffffffff) * n->spec.regions >> 32)};
}

uint64_t net_latency_us(const struct net *n, struct net_place from, struct net_place to)
{
    if (n->spec.model == NETWORK_CONSTANT) return n->spec.latency_us;
    if (n->spec.model == NETWORK_MATRIX)
        return n->matrix->one_way_us[(size_t)from.access_10us * n->matrix->size + to.access_10us];
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

enum net_keepalive net_keepalive(const struct net *n, uint32_t from, uint32_t to, uint64_t due_us)
{
    if (n->loss_below == 0) return NET_KEPT;
    uint8_t msg[16];
    put_u32(msg, from);
    put_u32(msg + 4, to);
    put_u64(msg + 8, due_us);
    uint64_t h = crypto_siphash(msg, sizeof msg, n->loss_key);
    if (h >> 32 < n->loss_below) return NET_PING_LOST;
    return (h & UINT32_MAX) < n->loss_below ? NET_PONG_LOST : NET_KEPT;
}

bool net_reaches(const struct net *n, uint32_t a, uint32_t b)
{
    uint8_t msg[8];
    if (n->reach_below == 0 || a == b) return true;
    put_u32(msg, a < b ? a : b);
    put_u32(msg + 4, a < b ? b : a);
    return crypto_siphash(msg, sizeof msg, n->reach_key) >> 32 < n->reach_below;
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
