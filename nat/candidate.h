/* nat/candidate.h - at which endpoints a node might be reached, best first.
 *
 * A list of our own (told to peers inside a session) or of a peer (heard from it). The order is
 * total, so the same set is always the same list:
 *
 *   IPv6 global > a private address > a public IPv4 address > mapped by a gateway > TCP > predicted
 *
 * Within a class: the better kind (local, observed, mapped, predicted), then the private range
 * (192.168/16, 10/8, IPv6 ULA, 172.16/12 where container bridges live, 100.64/10), then the
 * endpoint itself. Every class but the last has a share of the list and the shares fill it
 * exactly: twenty bridges on a container host push out no public address. Predicted endpoints take
 * what is left and give way.
 *
 * Source: RFC 8445 (ICE) 5.1.2: IPv6 before IPv4, host before reflexive. Ours: shares, no relayed
 *         candidates (a relay is another path, not an endpoint).
 * Owns:   nothing; 392 bytes by value; all zero is the empty list.
 * Errors: candidates_add says whether the list changed. Bytes of a stranger: see candidates_unpack.
 * Cost:   O(CANDIDATES_MAX) a call. */
#pragma once
#include "base/endpoint.h"
#include "base/pack.h"
#include <stdbool.h>
#include <stdint.h>

enum candidate_kind {
    CANDIDATE_LOCAL = 1, /* of an interface */
    CANDIDATE_OBSERVED,  /* seen by peers (nat/observe.h) */
    CANDIDATE_MAPPED,    /* given by a gateway: PCP, NAT-PMP, UPnP */
    CANDIDATE_PREDICTED  /* a guess at the next port of a symmetric NAT */
};

#define CANDIDATES_MAX        16
#define CANDIDATES_PACKED_MAX 371 /* bytes that candidates_pack writes at most */

struct candidate {
    struct endpoint at;
    uint8_t kind; /* enum candidate_kind */
    uint8_t pad[3];
};
struct candidates {
    struct candidate list[CANDIDATES_MAX]; /* in order */
    uint8_t count;
};
_Static_assert(sizeof(struct candidate) == 24, "sixteen in every list");

/* True if the list changed. A known endpoint keeps the better (smaller) of its two kinds. Refused:
 * an endpoint that is not usable, loopback, and one worse than all of a full class or list; else
 * the last of that class or list gives way. */
bool candidates_add(struct candidates *c, const struct endpoint *at, enum candidate_kind kind);

/* [[kind, bin of 19], ...] */
void candidates_pack(const struct candidates *c, struct pack *k);
/* From a stranger's bytes: puts them in our order, drops unusable endpoints and kinds or transports
 * of a newer version, keeps at most CANDIDATES_MAX. False: not of this form (also u->bad); c is
 * then empty. */
bool candidates_unpack(struct candidates *c, struct unpack *u);
