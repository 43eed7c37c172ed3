/* vnet/address.h - virtual addresses: IPv6 certifies itself, IPv4 is fixed by the certificate or derived from the id.
 *
 * IPv6 = fd, 40 bits of H("ringlet net 1" || network key), 80 bits of the id: 1 + 5 + 10 bytes.
 * IPv4 candidates: attempt k of id in a range: H("ringlet ip4 1" || network key || id || k) mod hosts, network and broadcast
 * address left out. H is BLAKE2b-256, k four bytes big-endian; of its result the first 8 bytes count.
 * Network tag (the byte on the wire): first byte of H("ringlet net 1" || network key).
 * Default range of a network: a /16 in 10/8 from bytes 5 to 8 of the same hash, 10.0/16 and 10.255/16 left out.
 *
 * Units: IPv4 in host order; 16-byte forms are in network order. Owns: nothing. Errors: false, or 0 for no address.
 * Cost: one hash a call. */
#pragma once
#include "base/crypto.h"
#include "overlay/cert.h"
#include "overlay/id.h"
#include <stdbool.h>

void address_ipv6(uint8_t out[16], const struct crypto *c, const uint8_t network_key[32],
                  const struct id *id);
uint8_t address_tag(const struct crypto *c, const uint8_t network_key[32]);
uint32_t address_ipv4(const struct crypto *c, const uint8_t network_key[32],
                      const struct range4 *range, const struct id *id,
                      uint32_t attempt); /* 0: the range has no host address */
struct range4 address_default_range(const struct crypto *c, const uint8_t network_key[32]);
bool range_contains(const struct range4 *r, uint32_t ipv4); /* host addresses only */
bool range_parse(const char *text,
                 struct range4 *out); /* CIDR; host bits must be zero; prefix 8..30 */
const char *range_print(const struct range4 *r, char out[24]);
/* v4 in a v4-mapped 16-byte form, and back (0 if it is not one) */
void ip_from_v4(uint8_t out[16], uint32_t ipv4);
uint32_t ip_to_v4(const uint8_t ip[16]);
