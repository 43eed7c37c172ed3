/* sim/home.h - who stands behind which NAT box: hosts in homes, homes behind a carrier's box.
 *
 *   host --- home's box --- internet              host --- home's box --- carrier's box --- internet
 *   host ---/                                     host --- home's box ---/
 *
 * `hosts` nodes that follow each other in number are a home, if the mix gives it a box (who is a seed, or without a box, has a public
 * address of its own); `homes` such homes share a carrier, if that share of homes stands behind one. A box's public address is that of the
 * node that came first. Hosts of a home have a private address in one /24, which other homes may have as well, and hear each other by it.
 * What is sent to the own public address comes back only if the outermost box hairpins.
 *
 * Units:  microseconds, addresses in host order. Owns: the boxes. Errors: none. Cost: as nat.h, and a look at the nodes of a home. */
#pragma once
#include "sim/world.h"

#define HOME_LAN_US 500u /* one way within a home */

enum home_way_kind { HOME_OUT, HOME_HAIRPIN, HOME_LAN, HOME_NOWHERE, HOME_FILTERED };
struct home_way { /* of a datagram that leaves a node */
    uint8_t kind; /* enum home_way_kind */
    uint16_t from_port;
    uint32_t from_ip; /* as its receiver sees it */
    uint32_t to;      /* LAN: the node; else whose public address it is sent to */
};
/* A node has just started: it gets a kind, a box and its place. */
void home_settle(struct world *w, uint32_t node);
void home_left(struct world *w, uint32_t node);
void home_sides(struct world *w); /* of a partition: whoever shares an address is on one side */
uint32_t home_inside_ip(const struct world *w, uint32_t node);
uint32_t home_address(const struct world *w, uint32_t node); /* whose public address it has */
/* Through all boxes, which learn from it. */
struct home_way home_out(struct world *w, uint32_t from, uint32_t ip, uint16_t port);
/* *node: whose public address it came to; out, for whom it is. False: kept out. */
bool home_in(struct world *w, uint32_t *node, const struct flight *f);
/* Is there a way out towards that endpoint that is open in both directions, and how is it seen there? Changes nothing. */
bool home_holds(const struct world *w, uint32_t node, uint32_t ip, uint16_t port, uint32_t *seen_ip,
                uint16_t *seen_port);
/* It was, or will be, used both ways then. */
void home_renew(struct world *w, uint32_t node, uint32_t ip, uint16_t port, uint64_t at_us);
/* Who stands behind that public endpoint, for that remote one; false: nobody. Changes nothing. */
bool home_behind(const struct world *w, uint32_t ip, uint16_t port, uint32_t from_ip,
                 uint16_t from_port, uint32_t *node);
