/* node/lane.h - the packet path: keys in use, best endpoints, address rows. As pure as node_step.
 *
 * OUT  EV_TUN:      parse, source is ours, row of the destination (else UP_MISS), seal, then by the session's path:
 *                   direct: ACT_SEND; relayed: sealed once more as RELAYED for the relay; routed: UP_ROUTE; none: UP_MISS
 * IN   EV_DATAGRAM: session by receiver index, replay, open in place; then by kind:
 *                   IP: source belongs to the session, destination is ours: ACT_TUN, out of the event's own buffer
 *                   RELAYED: forwarded by channel in place; ours and of a hot session: opened like a datagram; else UP_INNER
 *                   anything else: UP_FRAME
 * The down queue is worked off before and after every event (EV_TIMER does nothing else); UP_USED and counted drops go up.
 *
 * Promise of the driver: at least LANE_HEADROOM writable bytes lie before tun.bytes (node/node.h), where the frame's
 * header is put, so that a packet is sealed in one pass from the lent buffer into the arena.
 * Super-packets (vnet/super.h): EV_TUN with tun.segment > 0 is cut, and what is not consumed is a super-packet again;
 * packets of a batch that continue each other are joined to one ACT_TUN, if the driver asked for it by lane_join.
 *
 * Full: sessions: DOWN_HOT is answered by UP_HANDBACK; rows: the one unused for longest goes; channels: refused, counted;
 * the up queue: the packet is dropped and counted; arena or list: the step reports less, or the message waits in the queue.
 *
 * Source: ours, docs/decisions/0002. Units: microseconds, bytes. Owns: its tables, allocated at lane_new within limits; wiped
 * by lane_free; the queues are borrowed. Errors: ERR_NO_MEMORY, ERR_INVALID (limits.hot is 0). Cost: no allocation and one
 * AEAD pass over a payload; a relayed packet two seals at its ends, one open and one seal at the relay. */
#pragma once
#include "node/node.h"

#define LANE_HEADROOM   64u
/* What of an inner packet fits, by the way it takes: DATA [RELAYED DATA] IP payload, each in one frame of its kind. */
#define LANE_MTU_MAX    (KIND_RELAYED_MAX - RELAYED_HEADER - DATA_OVERHEAD - IP_HEADER)
#define LANE_MTU_ROUTED INNER_MTU_ROUTED

MUST_CHECK enum err lane_new(struct lane **out, const struct limits *l, const struct crypto *c,
                             uint8_t lane_number, struct hot_queue *down, struct hot_queue *up);
void lane_free(struct lane *l);
/* One of several (docs/decisions/0032), `count` of them; `counters` are what control draws from its struct hot_lanes, too. Call it
 * before the first step. Every lane knows all sessions and seals for them; it opens those that it owns, and gives control
 * (UP_DATAGRAM) what comes for none of these. */
void lane_share(struct lane *l, uint8_t count, struct hot_counter *counters);
/* Receiver indices in use, of struct hot_lanes: with them a lane drops DATA for no session by itself. Borrowed; before its first step. */
void lane_indices(struct lane *l, const uint64_t *indices);
/* To control; a full queue drops and counts (DROP_FULL). The driver of a lane in a thread of its own says UP_SEND by it. */
void lane_up(struct lane *l, const struct hot_message *m, const void *body);
/* Has control still to answer what was asked (a packet that misses its row, a datagram of a cold session) or to carry what only it can
 * (RELAYED for another lane, what goes over the ring or a TCP connection)? What control says is not heard meanwhile, so what comes takes the same way and overtakes nothing that control has. The driver of a lane in a thread of its own
 * waits for it at the end of a batch. Lane 0 has control at hand, and never waits. */
bool lane_waits(const struct lane *l);
/* What the devices take joined; at first nothing. */
#define LANE_JOIN_TCP 1u
#define LANE_JOIN_UDP 2u
void lane_join(struct lane *l, uint8_t joins);
/* Is this event for this lane: a TUN packet, or a datagram (of a batch: the first) of a session that is hot here? */
bool lane_wants(const struct lane *l, const struct event *in);
/* Returns how many bytes of a batch it consumed; less than all only when arena or list was full: offer the rest again. */
uint32_t lane_step(struct lane *l, uint64_t now_us, const struct event *in, struct actions *out);
uint64_t lane_wake_us(const struct lane *l); /* 0: messages wait for room */
size_t lane_size(const struct limits *l);
/* Dropped since the start, [DROP_COUNT]; control hears of the same ones by UP_DROP. */
const uint32_t *lane_drops(const struct lane *l);
