/* sim/quiet.h - keep-alives that must succeed are charged, not queued: the link monitor of `--queue quiet`.
 *
 * The simulator knows both ends and what is between them. It vouches (overlay/monitor.h) for a PING and its PONG if both nodes live,
 * no partition parts them, the NAT boxes on the way hold both mappings, and neither datagram is due to be lost. They are counted as sent
 * and arrived, with their bytes, at once; NAT mappings are renewed.
 *
 * Owns: nothing. Errors: none. Cost: two nodes touched in place of four events. */
#pragma once
#include "sim/world.h"

void quiet_init(struct world *w); /* lends the monitor to all nodes that will be made */
