/* nat/punch.h - when to probe which endpoint of a peer, so that both ends' NATs open at once.
 *
 * Both ends start when they have swapped candidates inside their session; each probe is a sealed
 * PING and the first authenticated PONG wins. Here is only the timetable: it says "probe this
 * endpoint now", it never sends.
 *
 *   idle --punch_start--> probing --PUNCH_GIVE_UP_US--> exhausted   (a PONG: the caller stops)
 *
 * At most PUNCH_TARGETS of the peer's candidates are probed, the best of every group before the
 * second of any: those in a subnet of ours, private ones when we share the peer's public
 * address, IPv6, public IPv4, mapped, predicted, other private ones. Left out: TCP, our own
 * endpoints, families that we lack, and other private ones from a host that has a public IPv4
 * address itself (its hoster would take that for a scan). Targets start PUNCH_SPACING_MS apart;
 * each is probed after 0, 100, 200, 400, 800, 1600 and 3200 ms; one IP address gets at most one
 * probe per PUNCH_SAME_IP_MS. What many peers name together is limited by the caller
 * (nat/budget.h).
 *
 * Source: RFC 8445 (ICE) 6.1.2 and 14 (pacing, doubling); Ford, Srisuresh, Kegel, "Peer-to-Peer
 *         Communication Across Network Address Translators" (USENIX 2005), 3.3-3.4 (private first).
 * Units:  microseconds outside, milliseconds since the start inside.
 * Owns:   nothing; 216 bytes by value; all zero is idle (exhausted, wakes never).
 * Errors: none. Cost: O(PUNCH_TARGETS) a call; punch_start O(CANDIDATES_MAX^2). */
#pragma once
#include "base/rng.h"
#include "base/time.h"
#include "nat/candidate.h"

#define PUNCH_TARGETS    8
#define PUNCH_TRIES      7
#define PUNCH_FIRST_MS   100 /* doubles from the second gap on */
#define PUNCH_SPACING_MS 20  /* ICE paces 50 ms; sealed probes are small and at most 8 */
#define PUNCH_SAME_IP_MS 100 /* 10 probes/s to an unverified address */
#define PUNCH_GIVE_UP_US SECONDS(5)

struct punch_target {
    struct endpoint at;
    uint16_t next_ms; /* after start_us */
    uint8_t tries;
    uint8_t pad;
};
struct punch {
    uint64_t start_us;
    uint64_t end_us; /* 0: idle */
    struct punch_target targets[PUNCH_TARGETS];
    uint8_t count;
    uint8_t pad[7];
};
_Static_assert(sizeof(struct punch) <= PUNCH_TARGETS * 24 + 96, "one for every peer being punched");

/* `local`: our own candidates; when empty nothing is known of us and every family is tried. */
void punch_start(struct punch *p, uint64_t now_us, const struct candidates *remote,
                 const struct candidates *local);
/* The peer was seen at an endpoint nobody named (peer-reflexive): probe that too, from now on. When
 * all places are taken the last target gives way. False: known, not usable, or not probing. */
bool punch_add(struct punch *p, uint64_t now_us, const struct endpoint *at);
/* True: probe *out now. Call until false. */
bool punch_next(struct punch *p, uint64_t now_us, struct endpoint *out);
uint64_t punch_wake_us(const struct punch *p); /* TIME_NEVER once punch_next was told of the end */
/* Nothing to probe, or its time is over. */
bool punch_exhausted(const struct punch *p, uint64_t now_us);
/* Pause before the next attempt after so many failed ones in a row: 10, 30, 60 s, 5, 15, 30 min, then
 * always an hour, each +-20 % so that peers cut off together do not come back together. Never for good:
 * NATs and networks change, and not every change is seen. */
uint64_t punch_retry_us(unsigned failures, struct rng *r);
