/* sim/nat.h - a NAT box in front of one host: mapping x filtering x timeout, by natlab's kinds.
 *
 *   kind             mapping                 filtering               outside port
 *   full-cone        endpoint-independent    endpoint-independent    the host's own
 *   restricted       endpoint-independent    address-dependent       the host's own
 *   port-restricted  endpoint-independent    address and port        the host's own
 *   linux            endpoint-independent    address and port        the host's own
 *   cgn              endpoint-independent    address and port        random, anew after all lapsed
 *   symmetric        address and port        address and port        random, one a destination
 *   symmetric-seq    address and port        address and port        20000 and up, 4096 of them
 *   upnp             as full-cone, and the gateway has mapped the host's port for good
 *   udp-blocked      as port-restricted, for TCP; UDP does not get through (sim/world_step.c)
 *
 * An entry (one remote address and port) lives 30 s, and `timeout` once an answer came back;
 * packets in either direction renew it, as Linux does. A host has one socket.
 *
 * Source: RFC 4787 sections 4, 5. Units: microseconds, addresses in host order.
 * Owns:   a box owns its table (NAT_ENTRIES_MAX; full: the one idle longest goes).
 * Errors: out of memory stops the program. Cost: a scan of the table a datagram. */
#pragma once
#include "base/rng.h"
#include "sim/scenario.h"

#define NAT_ENTRIES_MAX   512u
#define NAT_UNANSWERED_US (UINT64_C(30) * MILLION) /* Linux: nf_conntrack_udp_timeout */

struct nat_world { /* what all boxes of a run share */
    uint8_t key[16];
    struct nat_spec spec;
};
struct nat_entry {
    uint64_t used_us;
    uint32_t ip;
    uint16_t port, outside;
    bool answered;
};
struct nat_box {
    uint8_t type; /* enum nat_type */
    uint16_t count, room;
    uint16_t mapped;      /* NAT_TYPE_UPNP: this port, for good */
    uint16_t outside;     /* endpoint-independent mapping: the port, while an entry lives */
    uint32_t node, drawn; /* random ports drawn */
    struct nat_entry *entries;
};
void nat_world_init(struct nat_world *w, const struct nat_spec *spec, const struct rng *root);
enum nat_type nat_pick(const struct nat_world *w, uint32_t node);            /* from the mix */
struct nat_box *nat_new(enum nat_type type, uint32_t node, uint16_t inside); /* the host's port */
void nat_free(struct nat_box *b);                                            /* NULL is fine */
/* A datagram leaves from the host's port; returns the port it has outside. */
uint16_t nat_out(struct nat_box *b, const struct nat_world *w, uint64_t now_us, uint16_t inside,
                 uint32_t to_ip, uint16_t to_port);
/* A datagram came to this outside port: does it get to the host? */
bool nat_in(struct nat_box *b, const struct nat_world *w, uint64_t now_us, uint16_t outside,
            uint32_t from_ip, uint16_t from_port);
/* Is there a live mapping towards that remote endpoint, along which both ways are open? Its outside port. Changes nothing. */
bool nat_holds(const struct nat_box *b, const struct nat_world *w, uint64_t now_us, uint32_t ip,
               uint16_t port, uint16_t *outside);
/* Packets went both ways along it. */
void nat_renew(struct nat_box *b, uint64_t now_us, uint32_t ip, uint16_t port);
uint32_t nat_inside_ip(const struct nat_world *w, uint32_t node); /* the host's private address */
