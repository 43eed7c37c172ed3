/* sim/net.h - the simulated internet: addresses, delays, loss, partitions. Pure calculation.
 *
 * Node i owns one public IPv4 address, alone in its /24 (or its NAT box owns it). What happens to a
 * datagram depends only on the run's seed, its two ends and its number at the source, never on what
 * else is under way.
 *
 * Units:  microseconds; addresses in host order; nodes are numbers from 0.
 * Owns:   nothing. Errors: none. Cost: one SipHash a datagram if there is loss, else a few adds. */
#pragma once
#include "base/rng.h"
#include "sim/matrix.h"

#define NET_PORT 7464u
#define NET_QUEUE_US                                                                               \
    (UINT64_C(500) * 1000) /* what waits longer for its sender's way out is dropped */
#define NET_MTU 1472u      /* payload of UDP over IPv4 over Ethernet; longer datagrams vanish */

struct net {
    struct network_spec spec;
    const struct matrix *matrix; /* lent; NETWORK_MATRIX */
    uint8_t loss_key[16], place_key[16], reach_key[16];
    uint64_t loss_below;  /* a 32-bit hash below it is a loss */
    uint64_t reach_below; /* .. is a pair that can talk; 0: all can */
};
struct net_place {        /* where a node is */
    uint16_t access_10us; /* between it and its region's middle; NETWORK_MATRIX: its row */
    uint8_t region;
    uint8_t side; /* of a partition */
};
void net_init(struct net *n, const struct network_spec *spec, const struct matrix *matrix,
              const struct rng *root);
struct net_place net_place(const struct net *n, uint32_t node);
uint64_t net_latency_us(const struct net *n, struct net_place from, struct net_place to);
bool net_lost(const struct net *n, uint32_t from, uint32_t to, uint32_t sequence);
/* What becomes of the keep-alive that is due then, a PING from `from` and its PONG, if it need not be sent to find out. */
enum net_keepalive { NET_KEPT, NET_PING_LOST, NET_PONG_LOST };
enum net_keepalive net_keepalive(const struct net *n, uint32_t from, uint32_t to, uint64_t due_us);
/* Do datagrams between these two ever arrive? The same in both directions, and for ever. */
bool net_reaches(const struct net *n, uint32_t a, uint32_t b);

uint32_t net_ip(uint32_t node);                /* its public address */
bool net_node_of(uint32_t ip, uint32_t *node); /* whose public address; false: nobody's */
