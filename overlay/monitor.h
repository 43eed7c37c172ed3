/* overlay/monitor.h - keep-alives that must succeed need not be sent where somebody knows both ends.
 *
 * A link that is direct and quiet is asked about before it is PINGed: whoever drives both nodes (the simulator) may vouch that
 * PING and PONG would arrive and tell neither end anything new. Then both ends are as if they had: heard, counted, armed
 * again; nothing is sealed or sent. What cannot be vouched for is sent as ever, so death, loss, roaming and changed near sets are
 * found as without a monitor. A daemon has none.
 *
 *     asker: link_vouched -> link_monitor.ask -> peer: overlay_vouch     would it answer, and what?
 *                         -> link_monitor.charge -> peer: overlay_vouched    it did
 *
 * Source: docs/simulation.md, quiet. Units: microseconds. Owns: nothing. Errors: false. Cost: a few lines of both links. */
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
struct vouch { /* what the PONG would tell the asker */
    struct endpoint observed;
    uint64_t rtt_us;
    uint32_t digest;
    uint8_t flags;
};
struct link_monitor { /* context: the driver's */
    bool (*ask)(void *context, uint64_t now_us, const struct endpoint *at, const struct id *to,
                const struct keepalive *k, struct vouch *out);
    void (*charge)(void *context, uint64_t now_us, const struct endpoint *at,
                   const struct keepalive *k, const struct vouch *v);
    void *context;
};
