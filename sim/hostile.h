/* sim/hostile.h - members that mean harm: what an honest node's driver makes of its datagrams.
 *
 * The node itself runs the protocol as ever and has valid keys and certificate; between it and the network its datagrams are
 * opened with its own keys, changed, and sealed again, so that receivers find nothing wrong with them.
 *
 *   drop      forwards nothing for others (and acknowledges that it took it)
 *   misroute  sends on what it forwards, for a destination that it made up
 *   lie       names neighbours that do not exist in every list of its near set
 *   flood     datagrams that look like handshakes, to random nodes, HOSTILE_FLOOD_S a second
 *
 * Source: field attacks of Castro et al., "Secure routing for structured peer-to-peer overlay networks" (OSDI 2002).
 * Owns: nothing. Errors: none. Cost: one opening and sealing a datagram of a hostile node. */
#pragma once
#include "sim/world.h"

#define HOSTILE_FLOOD_S 50u
/* A datagram of a hostile node is about to leave; may change its bytes. False: it does not. */
bool hostile_lets_go(struct world *w, uint32_t node, uint8_t *bytes, uint32_t len);
/* Junk as long as a HELLO1. */
#define HOSTILE_JUNK 344u
void hostile_junk(struct rng *r, uint8_t out[HOSTILE_JUNK]);
