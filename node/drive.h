/* node/drive.h - node and lane in one thread: routes an event to the right half and carries the queues between them.
 *
 * Datagrams of hot sessions and TUN packets go to the lane, everything else to the node; a batch is cut where that changes,
 * and the node sees its datagrams one by one. Then the queues are carried until both are empty (at most DRIVE_ROUNDS times).
 *
 * `lane` may be NULL (then so are the queues): TUN packets are then dropped; such a node has no device.
 * Returns bytes consumed of a batch as lane_step does; less than all only when arena or list was full: the driver sends
 * what there is, clears the actions and offers the rest again.
 *
 * Units: microseconds. Owns: nothing. Errors: none. Cost: one look-up more a datagram. */
#pragma once
#include "node/lane.h"

#define DRIVE_ROUNDS 64

uint32_t drive_step(struct node *n, struct lane *l, struct hot_queue *down, struct hot_queue *up,
                    uint64_t now_us, const struct event *in, struct actions *out);
uint64_t drive_wake_us(const struct node *n, const struct lane *l);
