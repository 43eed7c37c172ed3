/* daemon/steer.h - programs of ours in the kernel, which choose a lane where there are several (docs/decisions/0032).
 *
 * Packets: a queue of the TUN device by their addresses and, where there are any, ports; not by what goes the other way, so a
 * flow stays in its queue, and in order. Parts of a datagram have no ports: they go by their addresses, all of them.
 * Datagrams: a socket by the receiver index of DATA (hot_owner); anything else goes to the first.
 *
 * Source: Linux, TUNSETSTEERINGEBPF (4.16), SO_ATTACH_REUSEPORT_CBPF (4.5). Owns: nothing. Errors: errno. Cost: some 30
 * instructions a packet, run by whoever sends it. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/* A descriptor for TUNSETSTEERINGEBPF; -1: not allowed, or this kernel has none. */
int steer_packets(void);
/* Can sockets share a port, and may we choose one of them? False: errno says why not. */
bool steer_ports(void);
/* All sockets of the port are bound, the lanes' in their order; fd: any of them. */
bool steer_datagrams(int fd, uint8_t lanes);
