/* overlay/monitor.h - keep-alives that must succeed need not be sent where somebody knows both ends.
 *
 * A link that is direct and quiet is asked about before it is PINGed: whoever drives both nodes (the simulator) may vouch that
 * PING and PONG would arrive and tell neither end anything new, this time and in the rounds that follow. Then both ends are as if they had:
 * heard, counted, armed again; nothing is sealed or sent, and until the last of those rounds neither end looks at the link. What cannot be
 * vouched for is sent as ever. A daemon has no monitor.
 *
 *     asker: link_vouched -> link_monitor.ask -> peer: overlay_vouch     would it answer, and what?
 *                         -> link_monitor.begin -> peer: overlay_vouched   it did, and will
 *
 * Rounds ahead hold until something happens to either end: then the end that knows revokes them (link_unvouch), and both have the very
 * deadlines and the last sign of life that the rounds up to then would have left. Rounds that have passed are charged by the asking
 * end: when the link is looked at, revoked, or overlay_settle is called.
 *
 *     either: link_unvouch -> link_monitor.revoke -> peer: overlay_revoked
 *
 * Source: docs/decisions/0033. Units: microseconds. Owns: nothing. Errors: false. Cost: a few lines of both links for some minutes. */
#pragma once
#include "base/endpoint.h"
#include "overlay/id.h"

struct keepalive {  /* what a PING along a direct path tells its receiver */
    struct id from; /* who asks */
    uint32_t index; /* the receiver's index of the session */
    uint32_t digest;
    uint16_t back; /* the asker's */
    uint8_t flags; /* of enum ping flags */
};
struct rounds { /* of keep-alives: the one that is due, at next_us, and then every keep_us */
    uint64_t due_us, next_us, keep_us;
    uint32_t count; /* at most; with the one that is due */
};
struct vouch { /* what the PONG would tell the asker */
    struct endpoint observed;
    uint64_t rtt_us;
    uint32_t digest;
    uint32_t rounds; /* so many are vouched for, one at least */
    uint8_t flags;
};
struct revoked { /* rounds ahead that will not be */
    uint64_t now_us;
    uint64_t last_us;  /* the last round that was: when its PING left */
    uint64_t there_us; /* so long it is under way: the driver's word */
    bool asks;         /* who revokes asks, and knows last_us; else the other end does */
    bool
        gone; /* who revokes is no more: a PING that has not arrived there yet is not answered; the driver's word */
    uint64_t next_us, keep_us; /* so many rounds that will not be, from then on: the asker's word */
    uint32_t left;
};
struct link_monitor { /* context: the driver's */
    bool (*ask)(void *context, uint64_t now_us, const struct endpoint *at, const struct id *to,
                const struct keepalive *k, const struct rounds *r, struct vouch *out);
    void (*begin)(void *context, uint64_t now_us, const struct endpoint *at,
                  const struct keepalive *k, const struct rounds *r, const struct vouch *v);
    /* So many rounds of them have passed; returns their round trip. */
    uint64_t (*charge)(void *context, const struct endpoint *at, uint32_t count);
    /* Tells the other end, and fills in what the caller does not know. */
    void (*revoke)(void *context, const struct endpoint *at, const struct keepalive *k,
                   struct revoked *r);
    uint64_t (*now_us)(void *context);
    void *context;
};
