/* daemon/netlink.h - the kernel's links, addresses and routes: ours are set, the others are read and watched.
 *
 * The only user of libmnl. Each call opens a socket of its own, asks and closes: changes are rare. The monitor is a
 * socket that stays, read without blocking.
 * Errors: false and errno's text in the fail. Reading what is there never fails: nothing is then known. */
#pragma once
#include "base/endpoint.h"
#include "daemon/fail.h"
#include "overlay/cert.h"

struct netlink_own { /* our devices, which do not count as the host's */
    int index[8];
    uint32_t count;
};
/* IPv6 link-local addresses are switched off on it: nobody speaks them over the tunnel. */
bool netlink_device_up(int index, uint16_t mtu_bytes, struct fail *f);
/* Its super-packets shall have no more segments than that; a kernel that does not know of it makes longer ones. */
void netlink_device_segments(int index, uint32_t most);
bool netlink_address_add(int index, const uint8_t ip[16], uint8_t prefix,
                         struct fail *f); /* there already is fine */
bool netlink_address_drop(int index, const uint8_t ip[16], uint8_t prefix,
                          struct fail *f); /* absent is fine */

/* The host's addresses: up, not loopback, not link-local, not temporary or deprecated ones of IPv6. As endpoints with port 0. */
uint32_t netlink_addresses(const struct netlink_own *own, struct endpoint *out, uint32_t max);
/* A local address lies in the range, or a local route equals it or is more specific. `who` says which. */
bool netlink_range_taken(const struct range4 *r, const struct netlink_own *own, char who[96]);

int netlink_monitor_open(void); /* a descriptor to poll; -1: not possible */
/* Read all there is. True: the host's addresses or links changed (ours left out). */
bool netlink_monitor_read(int fd, const struct netlink_own *own);
