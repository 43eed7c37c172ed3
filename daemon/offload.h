/* daemon/offload.h - what the kernel says before a packet of a TUN device, and wants to be told (struct virtio_net_hdr).
 *
 * Reading: a plain packet, one whose checksum is open, or a super-packet (TSO, USO). A checksum that is open at another
 * place than the protocol knows (vnet/ip.h: behind extension headers, say) is completed here.
 * Writing: the same of an ACT_TUN.
 *
 * Source: virtio 1.2, 5.1.6; Linux, include/uapi/linux/virtio_net.h. Owns: nothing. Errors: false = a header that makes no
 * sense: the packet is dropped. Cost: a few compares; completing a checksum is a pass over the packet. */
#pragma once
#include "node/node.h"
#include <linux/virtio_net.h>

/* Debian 12's headers are older than these (Linux 6.2). */
#define OFFLOAD_USO4   0x20u /* TUN_F_USO4 */
#define OFFLOAD_USO6   0x40u /* TUN_F_USO6 */
#define OFFLOAD_UDP_L4 5u    /* VIRTIO_NET_HDR_GSO_UDP_L4 */

/* Sets segment and csum_open of e->tun, whose bytes and len are set. */
bool offload_read(const struct virtio_net_hdr *h, struct event *e);
void offload_write(const struct action *a, struct virtio_net_hdr *h);
