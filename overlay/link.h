/* overlay/link.h - one session that is held, and the table of them.
 *
 * A link is at most 128 bytes; what few links need at a time (probing, a relayed or routed path, the previous keys, traffic
 * counts of a hot session) is a struct extra from a pool. Links are found by receiver index (index map) and by id (an array of
 * slots in id order, which is also the ring: neighbours stand side by side).
 *
 *   FREE -> CERT (keys agreed, the peer's certificate still to come) -> UP -> FREE
 *
 * Source: ours; docs/decisions/0010. Owns: the arrays. Cost: 128 bytes a link, 2 for the order, 4 for the map. */
#pragma once
#include "nat/candidate.h"
#include "nat/punch.h"
#include "overlay/mtu.h"
#include "overlay/session.h"

enum link_state { LINK_FREE, LINK_CERT, LINK_UP };
/* why a link is held; the same bits as enum link_kind in node/node.h */
#define KIND_NEAR   0x01
#define KIND_FAR    0x02
#define KIND_DEMAND 0x04
#define KIND_LEAF   0x08
#define KIND_PINNED 0x10

/* session.flags above SESSION_*: */
#define LINK_WANTED     0x10 /* the other end holds it on purpose */
#define LINK_TCP        0x20 /* the endpoint is a TCP connection */
#define LINK_PATH_SHIFT 6    /* two bits: enum path_kind */

#define LINK_BORN_UNIT_US MILLIS(250)

struct link {
    struct session s;
    uint32_t peer; /* handle; we are one holder */
    uint8_t ip[16];
    uint16_t port;
    uint16_t born;         /* units of LINK_BORN_UNIT_US; wraps after 4.5 h, sessions end before */
    uint32_t heard_ms;     /* low 32 bits of milliseconds */
    uint32_t due_ms;       /* next upkeep */
    uint16_t srtt, rttvar; /* units of 0.25 ms; srtt 0: not measured */
    uint8_t kinds;
    uint8_t state : 2;
    uint8_t patient : 1; /* the other end said PING_PATIENT */
    uint8_t trial : 1;   /* it said PING_TRIAL */
    uint8_t tries : 3;   /* pings without an answer */
    uint8_t vouched : 1; /* keep-alives are, for some rounds ahead (monitor.h) */
    uint16_t extra;      /* number + 1 in the extras; 0: none */
};
_Static_assert(sizeof(struct link) <= 128, "docs/memory.md: a link costs at most 128 bytes");

#define HELD_MAX 2 /* before a rekey, and one that crossed it */
struct held {
    struct session s;  /* entry 0: none */
    uint64_t until_us; /* TIME_NEVER: until the peer was heard on the present one */
    uint16_t born;     /* as in struct link */
};
struct extra {
    uint16_t slot;
    uint8_t in_use;
    /* sessions below the present one (keys.c), the last one first */
    struct held held[HELD_MAX];
    uint64_t
        heard_us; /* when the present keys were first heard; 0: not since there is this extra */
    /* getting a direct path */
    struct punch punch;
    struct candidates remote;
    uint8_t remote_mapping; /* enum observe_mapping, as the peer says */
    bool punching, candidates_got;
    uint8_t punch_failures;
    uint64_t punch_at_us; /* next attempt */
    const char *why;      /* of the present path; a constant */
    /* relayed and routed */
    struct id waypoint;  /* routed: through this node first; zero: plainly */
    uint16_t relay_slot; /* + 1; relayed through that link */
    uint32_t relay_channel;
    uint64_t relay_asked_us;
    uint16_t offer_slot; /* + 1; a channel that we were given and have not proven yet */
    uint8_t offer_tries;
    uint32_t offer_channel;
    uint64_t offer_us;   /* next try */
    struct id common[8]; /* peers that the other end has directly */
    uint8_t common_count, relay_tried;
    /* roaming: one challenge outstanding */
    struct endpoint roam;
    uint64_t roam_at_us;
    /* traffic */
    bool hot, told;   /* told: vnet knows that the lane has it */
    uint64_t used_us; /* last inner traffic */
    uint64_t
        keys_used_us; /* traffic under the present keys began, after a rest if there was one; 0: none yet */
    uint64_t silent_us; /* since when we send without hearing; 0: not */
    uint64_t hot_heard_us;
    uint64_t hot_tx_next;
    struct mtu mtu; /* of the present path, while hot */
    /* own ping command */
    uint32_t ping_request;
    uint64_t ping_sent_us, ping_until_us;
};
