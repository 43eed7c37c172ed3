/* sim/traffic.h - what the datagrams that nodes send are for, by message type and by the way they go.
 *
 * The type is that of the innermost message: a PING that a neighbour is asked over the ring is a PING, routed, at each hop. Behind an ACK
 * it is the frame that rides along. Sealed messages can be told apart only because the fake cryptography hides nothing; with the real one
 * all of them are DATA.
 *
 * Units: bytes with 28 a datagram for IPv4 and UDP. Owns: nothing. Errors: what is none of ours is OTHER. Cost: a few loads a datagram. */
#pragma once
#include "overlay/control.h"
#include "overlay/wire.h"

enum traffic_way { WAY_DIRECT, WAY_ROUTED, WAY_RELAYED, WAY_COUNT };
enum traffic_type {
    TRAFFIC_OTHER,
#define X(name, ...) TRAFFIC_##name,
    OUTER(X) KINDS(X) CONTROLS(X)
#undef X
        TRAFFIC_TYPES
};
struct traffic {
    uint64_t bytes[WAY_COUNT][TRAFFIC_TYPES], datagrams[WAY_COUNT][TRAFFIC_TYPES];
};

const char *traffic_type_name(unsigned type);
const char *traffic_way_name(unsigned way); /* "" for WAY_DIRECT, else " routed", " relayed" */
void traffic_count(struct traffic *t, const uint8_t *datagram, size_t len, uint64_t bytes);
