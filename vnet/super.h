/* vnet/super.h - super-packets: one inner IP packet that stands for many of a flow, cut (TSO, USO) and joined (GRO).
 *
 * Cutting: each piece gets headers of its own, written over the bytes before its payload: those are headroom, or payload
 * that has been sealed already. Its transport checksum stays open (the field holds the pseudo-header's sum), for the
 * receiver's stack; only behind extension headers, where a receiver would not find the field, is it computed.
 * Joining: the pieces stay where they are, one `stride` apart in the buffer that they arrived in. Only packets with an open
 * checksum are joined: nobody vouches for the others' payload. Both are each other's inverse: the test says so.
 *
 * Rules, after Linux (tcp_gso_segment, tcp_gro_receive, udp_gro_receive):
 *   cut    the IPv4 id counts up; CWR on the first only; FIN and PSH on the last only
 *   join   TCP without IP options or extension headers, payload, no flags but ACK, ECE, PSH, FIN; the next sequence number;
 *          addresses, TTL, TOS (so ECN), ports, ack, window, options alike; IPv4 id counting up, or with DF the same;
 *          a shorter one, PSH and FIN end it. UDP: alike, and of one size; a shorter one ends it. Fragments never.
 *
 * Units: bytes. Owns: nothing. Errors: false = not such a packet, or does not continue. Cost: headers only. */
#pragma once
#include "vnet/ip.h"

#define SUPER_HEAD_MAX  192u /* IPv6, some extension headers, the longest TCP header */
#define SUPER_PARTS_MAX 64u  /* UDP_MAX_SEGMENTS of Linux before 6.9 */

struct super_cut {
    uint8_t head[SUPER_HEAD_MAX]; /* of the next piece */
    uint16_t head_len, transport; /* where TCP or UDP begins */
    uint16_t segment;             /* payload of each piece but the last */
    uint8_t version, protocol;
    bool csum_open;  /* the pieces' checksums stay open */
    uint32_t pseudo; /* the sum of the pseudo-header, without the length */
};
/* v: the view of packet. segment: payload of a piece. */
bool super_cut_begin(struct super_cut *c, const uint8_t *packet, const struct ip_view *v,
                     uint16_t segment);
/* May its payload be cut otherwise than its sender did? TCP without SYN, RST, URG or a signature: a stream has no segments. */
bool super_may_recut(const struct super_cut *c);
/* Is the transport checksum of this packet, which is not open, right? Its pieces will not bear it. One pass. */
bool super_sum_is_good(const struct super_cut *c, const uint8_t *packet, const struct ip_view *v);
/* The next piece: its headers go before `payload`, of which `left` bytes are left. Returns its payload's size: at most
 * `segment`, and left for the last one. */
uint32_t super_cut_next(struct super_cut *c, uint8_t *payload, uint32_t left);
/* What is left, as a super-packet of its own; to be cut later. */
void super_cut_rest(const struct super_cut *c, uint8_t *payload, uint32_t left);

struct super {
    uint8_t *packet;                  /* the first, whole; NULL: none */
    uint32_t len;                     /* headers once, and all payloads */
    uint16_t head_len, segment;       /* payload of each but the last */
    uint16_t stride, parts;           /* from one packet's start to the next one's */
    bool closed;                      /* nothing may follow */
    uint8_t version, protocol, flags; /* flags: of TCP, those of all parts */
};
/* May this packet, whose checksum is open, be the first of one? */
bool super_begin(struct super *s, uint8_t *packet, const struct ip_view *v);
/* Take one more in. False: it does not continue; nothing is changed. */
bool super_join(struct super *s, const uint8_t *packet, const struct ip_view *v);
/* Make the first packet's headers those of the whole. */
void super_finish(struct super *s);
