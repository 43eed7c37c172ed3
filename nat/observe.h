/* nat/observe.h - what peers say our address is: believed endpoints, and how our NAT maps.
 *
 * Every PONG tells from where our packet came. One peer may lie or sit behind the same NAT, so an
 * endpoint is believed once reporters in two different networks (IPv4 /24, IPv6 /48) say it; one is
 * enough while only one network has ever answered. Where the NAT gives every peer another port, no
 * endpoint is said twice but the address is: the newest endpoint of that address stands for it (a
 * peer behind an address-restricted NAT must write to that address, at whatever port).
 *
 * Reports are judged apart by IP family and scope of what was seen: a LAN peer that sees our
 * private address contradicts nobody. A report counts no more once another of its family and scope
 * is OBSERVE_FRESH_S newer. One network holds at most OBSERVE_PER_PREFIX of the places, so it
 * cannot crowd out the others; when all are taken the oldest report goes.
 *
 * Source: RFC 4787 4.1 (words), RFC 5780 4.3 (method: compare what is seen at different addresses
 *         and ports). Ours: many peers in place of one server with two addresses.
 * Units:  at_s is now_us in whole seconds.
 * Owns:   nothing; 296 bytes by value. Errors: none; useless reports are ignored.
 * Cost:   O(OBSERVE_REPORTS^2) a call. */
#pragma once
#include "base/endpoint.h"
#include <stdbool.h>
#include <stdint.h>

#define OBSERVE_REPORTS    8
#define OBSERVE_PER_PREFIX 2   /* two ports of one reporter tell address from port dependence */
#define OBSERVE_FRESH_S    600 /* links ping every 25-60 s: a voice silent for so long has left */

struct observe_report {
    uint32_t prefix; /* reporter's IPv4 /24, or a hash of its IPv6 /48 */
    uint32_t ip;     /* reporter's IPv4 address, or a hash of its IPv6 address */
    uint32_t at_s;
    struct endpoint seen;
    uint16_t port; /* reporter's */
    uint8_t pad[2];
};
struct observe {
    struct observe_report reports[OBSERVE_REPORTS]; /* newest first */
    uint8_t count;
    uint8_t pad[7];
};
_Static_assert(sizeof(struct observe) <= 320, "one in every node");

enum observe_mapping {
    MAPPING_UNKNOWN, /* fewer than two reporters at different addresses */
    MAPPING_NONE,    /* the address seen is our own: no NAT (a firewall is still possible) */
    MAPPING_ENDPOINT_INDEPENDENT,
    MAPPING_ADDRESS_DEPENDENT,
    MAPPING_PORT_DEPENDENT /* address and port dependent, "symmetric" */
};

void observe_init(struct observe *o);
/* `reporter`: where the peer is, as we reach it. The newest report of one reporter replaces its
 * older one. True if the set of believed endpoints changed; another port of an address of which no
 * port is believed is no change. Ignored: `seen` that is not UDP, not usable or loopback. */
bool observe_report(struct observe *o, uint64_t now_us, const struct endpoint *reporter,
                    const struct endpoint *seen);
/* Asked before observe_report: would this report say that we are somewhere else now? An address that nobody has
 * named, or another port than this very reporter saw before. Not: another port, from whom we have not heard, or behind a NAT that
 * gives every peer another one; that is so with each report. */
bool observe_is_news(const struct observe *o, const struct endpoint *reporter,
                     const struct endpoint *seen);
/* At most max of them, newest first; returns how many. */
uint8_t observe_believed(const struct observe *o, struct endpoint *out, uint8_t max);
/* What was said last, believed or not; false: nobody said anything yet. */
bool observe_newest(const struct observe *o, struct endpoint *out);
/* How the NAT maps this socket, whose own endpoints are `locals`. Judged by public IPv4 reports if
 * there are any, else public IPv6, else carrier's, else private ones. Without two ports of one
 * reporter to compare, dependent means PORT_DEPENDENT: the commoner, and the safe guess. */
enum observe_mapping observe_mapping(const struct observe *o, const struct endpoint *locals,
                                     uint8_t count);
void observe_forget(struct observe *o); /* our network changed */
