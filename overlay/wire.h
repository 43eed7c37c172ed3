/* overlay/wire.h - every message: two tables, plain structs, encode and decode. docs/wire.md is made from it.
 *
 * Outer types stand in the clear at the start of a datagram. Kinds stand inside the seal. Big-endian, except the Noise and AEAD
 * internals. 0x00-0x3f belongs to STUN (RFC 7983). Nothing here trusts a length: all goes through base/bytes.h.
 *
 * Errors: decoders return false and touch nothing else; the caller counts the drop. */
#pragma once
#include "base/bytes.h"
#include "base/endpoint.h"
#include "overlay/id.h"

#define WIRE_VERSION 1
#define DATAGRAM_MAX 65535u /* of a UDP payload; a single sealed frame stays within PKT_MAX */

// clang-format off
/*    name    type  min    max  proof    what it is for */
#define OUTER(X)                                                                                   \
    X(HELLO1, 0x40, 344,   344, KNOCK,   "asks for a session; mac1 and mac2 at its end")           \
    X(HELLO2, 0x41, 182,   182, KNOCK,   "the responder's keys; never longer than HELLO1")         \
    X(HELLO3, 0x42, 151,  1200, KNOCK,   "the initiator's keys and certificate chain")             \
    X(COOKIE, 0x43,  64,    64, KNOCK,   "prove that you receive (mac2), or why not: version, busy") \
    X(REFER,  0x44,  87,   321, KNOCK,   "no room here: these members are nearer to you; ask them")  \
    X(ANSWER, 0x45,  96,   144, QUESTION, "FOUND, straight to where the question said; it comes over the ring as well") \
    X(DATA,   0x50,  33, 65507, SESSION, "everything sealed")
// clang-format on
enum outer {
#define X(name, type, min, max, proof, what) OUTER_##name = type,
    OUTER(X)
#undef X
};

// clang-format off
/*    name      kind min   max  what it is for */
#define KINDS(X)                                                                                   \
    X(PING,     0x01, 14, 2048, "are you there, from here? padded when a path's MTU is probed")    \
    X(PONG,     0x02, 33,   33, "yes; and this is the endpoint I saw")                             \
    X(CERT,     0x03,  2, 1100, "a certificate chain; the only kind before both chains verify")    \
    X(CONTROL,  0x04,  2, 1200, "MessagePack: see overlay/control.h")                              \
    X(ROUTED,   0x05, 47, 1400, "hop by hop over the ring")                                        \
    X(RELAYED,  0x06, 38, 2048, "through one common peer, by channel")                             \
    X(IP,       0x07,  4, 2048, "an inner IP packet")                                              \
    X(ETHERNET, 0x08, 17, 2048, "an inner Ethernet frame")                                         \
    X(ACK,      0x09,  4, 1400, "ROUTED frames received; another frame may follow behind it")      \
    X(FRAGMENT, 0x0a,  8, 2048, "a part of an IP frame that the path does not carry whole")
// clang-format on
enum kind {
#define X(name, kind, min, max, what) KIND_##name = kind,
    KINDS(X)
#undef X
};
const char *outer_name(uint8_t type); /* "HELLO1"; NULL if unknown */
const char *kind_name(uint8_t kind);
bool outer_length_ok(uint8_t type, size_t len);
bool kind_length_ok(uint8_t kind, size_t len); /* len counts the kind byte */

/* --- outer headers --- */
#define HELLO1_SIZE     344u
#define HELLO2_SIZE     182u
#define HELLO3_MAX      1200u
#define COOKIE_SIZE     64u
#define REFER_ENTRY     39u /* id(20) endpoint(19) */
#define REFER_ENTRIES   7u
#define REFER_HEADER    32u /* type version zero(2) receiver(4) nonce(24) */
#define REFER_MAX       (REFER_HEADER + REFER_ENTRIES * REFER_ENTRY + 16u)
#define ANSWER_HEADER   32u /* type version zero(2) request(4) nonce(24) */
#define ANSWER_KEY      32u
#define ANSWER_BODY_MAX 96u /* a CONTROL frame, FOUND */
#define ANSWER_MAX      (ANSWER_HEADER + ANSWER_BODY_MAX + 16u)
#define MAC_SIZE        16u
#define DATA_HEADER     16u
#define DATA_OVERHEAD   32u /* header and tag */

/* What the sizes are made of; docs/wire.md draws it. */
#define HELLO1_HEADER   8u  /* type version zero(2) sender(4) */
#define HELLO_HEADER    12u /* HELLO2, HELLO3: and receiver(4) */
#define NOISE1_OVERHEAD 48u /* e, tag */
#define NOISE2_OVERHEAD 96u /* e, s and its tag, tag */
#define NOISE3_OVERHEAD 64u /* s and its tag, tag */
#define HELLO1_PAYLOAD                                                                             \
    256u /* capabilities(4) via(20) place(20), zeros: as long as its answer at least */
#define HELLO2_PAYLOAD 58u /* ed_pk(32) capabilities(4) mtu(2) observed(19) aead(1) */
#define HELLO3_PAYLOAD                                                                             \
    59u /* ed_pk(32) capabilities(4) mtu(2) observed(19) chain length(2), then the chain */
#define HELLO3_MIN 151u /* with an empty chain */
_Static_assert(HELLO1_SIZE == HELLO1_HEADER + NOISE1_OVERHEAD + HELLO1_PAYLOAD + 2 * MAC_SIZE, "");
_Static_assert(HELLO2_PAYLOAD == 32 + 4 + 2 + ENDPOINT_WIRE + 1, "");
_Static_assert(HELLO2_SIZE == HELLO_HEADER + NOISE2_OVERHEAD + HELLO2_PAYLOAD + MAC_SIZE, "");
_Static_assert(HELLO3_PAYLOAD == 32 + 4 + 2 + ENDPOINT_WIRE + 2, "");
_Static_assert(HELLO3_MIN == HELLO_HEADER + NOISE3_OVERHEAD + HELLO3_PAYLOAD + MAC_SIZE, "");
_Static_assert(COOKIE_SIZE == 1 + 1 + 1 + 1 + 4 + 24 + 16 + 16, "");
_Static_assert(REFER_ENTRY == ID_SIZE + ENDPOINT_WIRE, "");
_Static_assert(HELLO2_SIZE <= HELLO1_SIZE && COOKIE_SIZE <= HELLO1_SIZE && REFER_MAX <= HELLO1_SIZE,
               "no answer amplifies");
struct data_header {
    uint32_t receiver;
    uint64_t counter;
};
void data_header_write(uint8_t out[DATA_HEADER], const struct data_header *h);
bool data_header_read(const uint8_t *p, size_t len,
                      struct data_header *h); /* checks type, zeros, length */

/* --- PING, PONG: kind(1) flags(1) token(8) digest(4) | kind(1) flags(1) token(8) observed(19) digest(4) --- */
#define PING_SIZE 14u
#define PONG_SIZE 33u
#define PING_CHALLENGE                                                                             \
    0x01 /* asks whether the path it came by is mine; answered to where it came from, as always */
#define PING_DIGEST 0x02 /* the digest of the sender's near set is valid */
#define PING_WANTED 0x04 /* the sender holds this link on purpose */
#define PING_PATIENT                                                                               \
    0x08 /* nothing in front of the sender forgets this path within a minute: a ping every 60 s will do */
#define PING_TRIAL 0x10 /* with PING_PATIENT: the sender is finding that out, with this very link */
struct ping {
    uint8_t flags;
    uint64_t token;
    uint32_t digest;
};
struct pong {
    uint8_t flags;
    uint64_t token;
    struct endpoint observed;
    uint32_t digest;
};
size_t ping_write(uint8_t *out, size_t max, const struct ping *p);
bool ping_read(const uint8_t *p, size_t len, struct ping *out);
size_t pong_write(uint8_t *out, size_t max, const struct pong *p);
bool pong_read(const uint8_t *p, size_t len, struct pong *out);

/* --- ROUTED: kind(1) mode(1) ttl(1) flags(1) seq(2) src(20) dst(20) body --- */
#define ROUTED_HEADER 46u
enum route_mode {
    /* only for the node dst; elsewhere it is dropped at the end of the way */
    ROUTE_EXACT = 1,
    /* for the node nearest to dst, the one that finds no nearer link; never for src itself */
    ROUTE_NEAREST = 2
};
#define ROUTED_NO_ACK 0x01 /* IP data, FIND in the background: not acknowledged, not retried */
#define ROUTED_UPHILL 0x02 /* has taken its one step away from dst (annealing) */
#define ROUTED_TRACE  0x04 /* every hop tells src that it was here (CONTROL HOP) */
#define ROUTED_PLAIN                                                                               \
    0x08 /* each hop goes by distance alone, whatever it measured or was told: for what is asked again */
/* The body is an outer datagram (first byte >= 0x40: HELLO1..3, COOKIE, DATA) or one frame: CONTROL,
 * or ROUTED once more: a waypoint. */
struct routed {
    uint8_t mode, ttl, flags;
    uint16_t seq; /* per link and direction, for the acknowledgement */
    struct id src, dst;
    const uint8_t *body; /* borrowed */
    size_t body_len;
};
size_t routed_write(uint8_t *out, size_t max, const struct routed *r);
bool routed_read(const uint8_t *p, size_t len, struct routed *out);

/* --- ACK: kind(1) count(1) seq(2)*count [another frame] --- */
#define ACK_MAX 32
struct ack {
    uint8_t count;
    uint16_t seq[ACK_MAX];
    const uint8_t *rest; /* the frame behind it, borrowed; NULL if none */
    size_t rest_len;
};
size_t ack_write(uint8_t *out, size_t max, const struct ack *a); /* without the rest */
bool ack_read(const uint8_t *p, size_t len, struct ack *out);

/* --- RELAYED: kind(1) channel(4) inner datagram --- */
#define RELAYED_HEADER 5u
/* --- IP, ETHERNET: kind(1) network(1) flags(1) payload --- */
#define IP_HEADER      3u
#define IP_CSUM_OPEN   0x01 /* the transport checksum is not filled in (virtio NEEDS_CSUM) */

/* --- FRAGMENT: kind(1) number(2) at(2) whole(2) part --- */
#define FRAGMENT_HEADER 7u
#define FRAGMENT_UNIT                                                                              \
    8u /* parts begin at multiples of it, and all but the last have such a length */
struct fragment {
    uint16_t number;      /* of the frame, per session and direction */
    uint16_t at, whole;   /* where the part stands, and how long the frame is */
    const uint8_t *bytes; /* borrowed */
    size_t len;
};
void fragment_header_write(uint8_t out[FRAGMENT_HEADER], const struct fragment *f);
bool fragment_read(const uint8_t *p, size_t len, struct fragment *out);

/* --- CONTROL bodies --- a MessagePack array, first place the operation (enum control_op in overlay/control.h). */

/* --- MTU: what fits into a 1500-byte underlay (docs/wire.md, What fits); wire_test.c asserts the sums --- */
#define INNER_MTU_L3     1380u
#define INNER_MTU_L2     1362u
/* Routed, through a waypoint: ROUTED twice. */
#define INNER_MTU_ROUTED (KIND_ROUTED_MAX - 2u * ROUTED_HEADER - DATA_OVERHEAD - IP_HEADER)

/* The constants above against the tables. */
enum wire_limits {
#define X(name, type, min, max, proof, what) OUTER_##name##_MIN = min, OUTER_##name##_MAX = max,
    OUTER(X)
#undef X
#define X(name, kind, min, max, what) KIND_##name##_MIN = min, KIND_##name##_MAX = max,
        KINDS(X)
#undef X
};
_Static_assert(OUTER_HELLO1_MIN == HELLO1_SIZE && OUTER_HELLO1_MAX == HELLO1_SIZE, "");
_Static_assert(OUTER_HELLO2_MIN == HELLO2_SIZE && OUTER_HELLO2_MAX == HELLO2_SIZE, "");
_Static_assert(OUTER_HELLO3_MIN == HELLO3_MIN && OUTER_HELLO3_MAX == HELLO3_MAX, "");
_Static_assert(OUTER_COOKIE_MIN == COOKIE_SIZE && OUTER_COOKIE_MAX == COOKIE_SIZE, "");
_Static_assert(OUTER_ANSWER_MAX == ANSWER_MAX, "");
_Static_assert(OUTER_REFER_MIN == REFER_HEADER + REFER_ENTRY + 16 && OUTER_REFER_MAX == REFER_MAX,
               "");
_Static_assert(OUTER_DATA_MIN == DATA_OVERHEAD + 1 && OUTER_DATA_MAX <= DATAGRAM_MAX, "");
_Static_assert(KIND_PING_MIN == PING_SIZE && KIND_PONG_MIN == PONG_SIZE, "");
_Static_assert(KIND_ROUTED_MIN == ROUTED_HEADER + 1, "");
_Static_assert(KIND_RELAYED_MIN == RELAYED_HEADER + OUTER_DATA_MIN, "");
_Static_assert(KIND_IP_MIN == IP_HEADER + 1 && KIND_ETHERNET_MIN == IP_HEADER + 14, "");
_Static_assert(KIND_ACK_MIN == 2 + 2, "");
_Static_assert(KIND_FRAGMENT_MIN == FRAGMENT_HEADER + 1, "");
