/* vnet/ip.h - inner IP packets: what the tunnel must look at, and the ICMP it answers with.
 *
 * Source: RFC 791, 792, 1191 (too big), 4443, 8200. Parsing never trusts a length in the packet over the bytes present.
 * A v4-mapped address inside an IPv6 packet is refused: here that form means IPv4.
 *
 * Which address to answer from is the caller's: not our own, though - Linux drops an IPv4 packet from outside whose source is
 * local (a martian), so the lane answers from the address that was not reached, as if it said so itself.
 *
 * Units: bytes, addresses as 16 bytes (v4-mapped for IPv4). Owns: nothing. Errors: false = not an IP packet we carry;
 * 0 = no answer is due. Cost: headers only, no pass over the payload; an answer sums what it quotes. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What may follow an IP header (IANA's protocol numbers). */
#define PROTO_HOPOPTS  0
#define PROTO_ICMP     1
#define PROTO_TCP      6
#define PROTO_UDP      17
#define PROTO_ROUTING  43
#define PROTO_FRAGMENT 44
#define PROTO_ICMP6    58
#define PROTO_DSTOPTS  60

struct ip_view {
    uint8_t version;          /* 4 or 6 */
    uint8_t protocol;         /* of the payload as the first header says */
    bool dont_fragment;       /* IPv4 DF; true for IPv6 */
    bool fragment;            /* not the first fragment */
    uint8_t src[16], dst[16]; /* v4-mapped for IPv4 */
    uint16_t header_len;      /* of the first header, options included */
    uint32_t len;             /* total, as the header says and no more than there is */
    bool is_multicast;        /* destination multicast or (v4) limited broadcast */
    bool is_icmp_error;       /* never answered with another error */
};
bool ip_view(const uint8_t *p, size_t len, struct ip_view *out);
/* Where the transport header begins, past IPv6's extension headers, and whose it is; 0: a fragment, or not found. */
uint32_t ip_transport(const uint8_t *packet, const struct ip_view *v, uint8_t *protocol);
bool ip_is_v4(const uint8_t ip[16]); /* v4-mapped */

/* The one's complement sum, folded to 16 bits, and its complement; `start`: a sum to go on from. */
uint32_t ip_sum(const void *p, size_t len, uint32_t start);
uint16_t ip_checksum(const void *p, size_t len, uint32_t start);

/* An open transport checksum (virtio NEEDS_CSUM): the field holds the pseudo-header's sum, and whoever delivers the packet
 * sums the rest. Here it may be open for TCP and UDP directly behind the first header, not in fragments.
 * Where the field is in the packet; 0: this packet has none that may be open. */
uint32_t ip_checksum_field(const uint8_t *packet, const struct ip_view *v);
/* Complete one. One pass over the payload: for packets that wait, not for the packet path. */
void ip_finish_checksum(uint8_t *packet,
                        const struct ip_view *v); /* whatever has no field is left as it is */
/* The same where the kernel said the place: summed from `start` on, stored at start + offset. False: outside the packet. */
bool ip_finish_sum(uint8_t *packet, uint32_t len, uint32_t start, uint32_t offset);

#define ICMP_MAX 576u
/* ICMP(v6) for the sender of `packet`, from address `from` (16, same version). Returns its size; 0: none is due (multicast,
 * an ICMP error, a fragment, a source that is nobody; too big: IPv6 below 1280). */
size_t icmp_unreachable(uint8_t out[ICMP_MAX], const uint8_t *packet, size_t len,
                        const uint8_t from[16]);
size_t icmp_too_big(uint8_t out[ICMP_MAX], const uint8_t *packet, size_t len,
                    const uint8_t from[16], uint16_t mtu_bytes);
