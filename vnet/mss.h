/* vnet/mss.h - TCP is told of a path that is narrower than the device: the MSS of a SYN, made smaller on its way.
 *
 * Both ends of a connection then send segments that fit, and no ICMP need be believed. Past IPv4 options, IPv6 extension
 * headers and other TCP options; never in a fragment. A SYN without the option is left alone: 536 and 1220 are small.
 *
 * Source: RFC 9293, 3.7.1; RFC 6691 (the MSS counts fixed headers only; here what stands before TCP is taken off, as it is
 * likely to stand there again); RFC 1624 (the checksum). Units: bytes. Owns: nothing. Errors: none; what does not parse stays as it is.
 * Cost: a compare for a packet that is no SYN. */
#pragma once
#include "vnet/ip.h"

/* True: it was changed. csum_open: the checksum holds only the pseudo-header's sum and stays as it is. */
bool mss_clamp(uint8_t *packet, const struct ip_view *v, uint32_t mtu_bytes, bool csum_open);
