/* base/endpoint.h - an underlay address: IP, port, transport; a value of 20 bytes.
 *
 * IPv4 is held as a v4-mapped IPv6 address (::ffff:a.b.c.d), so one form serves both. All-zero is
 * "none". Text: 203.0.113.5:7464, [2001:db8::1]:7464, tcp:203.0.113.5:443. No scope ids:
 * link-local addresses are not endpoints. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum transport { TRANSPORT_NONE = 0, TRANSPORT_UDP = 1, TRANSPORT_TCP = 2 };
struct endpoint {
    uint8_t ip[16];
    uint16_t port; /* host order */
    uint8_t transport;
    uint8_t pad; /* always 0 */
};
_Static_assert(sizeof(struct endpoint) == 20, "held in every link");
#define ENDPOINT_WIRE 19 /* transport(1) ip(16) port(2) */
#define ENDPOINT_TEXT 64 /* longest text with its NUL */

enum scope {
    SCOPE_NONE,
    SCOPE_LOOPBACK,
    SCOPE_LINK,
    SCOPE_PRIVATE,
    SCOPE_CGN,
    SCOPE_GLOBAL,
    SCOPE_MULTICAST
};

struct endpoint endpoint_v4(uint32_t ip, uint16_t port); /* both in host order; UDP */
bool endpoint_is_none(const struct endpoint *e);
bool endpoint_is_v4(const struct endpoint *e);
bool endpoint_equal(const struct endpoint *a, const struct endpoint *b);
bool endpoint_same_ip(const struct endpoint *a, const struct endpoint *b);
int endpoint_compare(const struct endpoint *a, const struct endpoint *b); /* a total order */
enum scope endpoint_scope(const struct endpoint *e);
/* Could a datagram be sent there at all: has a port, and is not multicast, broadcast, unspecified,
 * link-local, reserved (240/4). */
bool endpoint_is_usable(const struct endpoint *e);
bool endpoint_parse(const char *text,
                    struct endpoint *out); /* numeric only, port needed; 0 may be */
/* Returns out. "none" for none, which does not parse. */
const char *endpoint_print(const struct endpoint *e, char out[ENDPOINT_TEXT]);
void endpoint_encode(const struct endpoint *e, uint8_t out[ENDPOINT_WIRE]);
/* False: unknown transport, or v4-compatible nonsense (::a.b.c.d). All zero bytes decode to
 * "none". */
bool endpoint_decode(const uint8_t in[ENDPOINT_WIRE], struct endpoint *out);
bool ip_parse(const char *text, uint8_t ip[16]); /* IPv4 or IPv6 without port */
const char *ip_print(const uint8_t ip[16], char out[ENDPOINT_TEXT]);
