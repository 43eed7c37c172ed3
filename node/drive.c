#include "node/drive.h"

#include "node/actions.h"

/* What a datagram may make the node say: it answers with control frames, seldom with more than a few. */
#define NODE_ROOM       16384u
#define NODE_ROOM_COUNT 32u

/* The event of the datagrams from `from` on that go to the same half as the first of them. */
static struct event run_of(const struct lane *l, const struct event *in, uint32_t from,
                           bool *for_lane)
{
    struct event run = *in, one = *in;
    uint32_t len = in->datagram.len - from;
    uint32_t segment = in->datagram.segment ? in->datagram.segment : len;
    run.datagram.bytes += from;
    run.datagram.len = 0;
    for (uint32_t at = 0; at < len; at += segment) {
        one.datagram.bytes = in->datagram.bytes + from + at;
        one.datagram.len = segment < len - at ? segment : len - at;
        one.datagram.segment = 0;
        bool wanted = l && lane_wants(l, &one);
        if (at == 0) *for_lane = wanted;
        if (at > 0 && (wanted != *for_lane || !wanted)) break; /* the node's come one by one */
        run.datagram.len += one.datagram.len;
    }
    if (run.datagram.len <= segment) run.datagram.segment = 0;
    return run;
}

static uint32_t drive_datagrams(struct node *n, struct lane *l, uint64_t now_us,
                                const struct event *in, struct actions *out)
{
    uint32_t done = 0;
    if (in->datagram.len == 0) node_step(n, now_us, in, out); /* it counts the empty ones */
    while (done < in->datagram.len) {
        bool for_lane = false;
        struct event run = run_of(l, in, done, &for_lane);
        uint32_t part = run.datagram.len;
        if (for_lane) {
            part = lane_step(l, now_us, &run, out);
        } else {
            if (out->count > 0 && !actions_room(out, NODE_ROOM, NODE_ROOM_COUNT)) break;
            node_step(n, now_us, &run, out);
        }
        done += part;
        if (part < run.datagram.len) break;
    }
    return done;
}

/* Until both queues are empty; a lane that met a full arena keeps its messages for the next step. */
static void carry(struct node *n, struct lane *l, struct hot_queue *down, struct hot_queue *up,
                  uint64_t now_us, struct actions *out)
{
    const struct event lane = {.type = EV_LANE}, timer = {.type = EV_TIMER};
    for (int round = 0; round < DRIVE_ROUNDS; round++) {
        if (!hot_is_empty(up)) node_step(n, now_us, &lane, out);
        if (hot_is_empty(down) && hot_is_empty(up)) return;
        uint32_t waiting = hot_used(down);
        lane_step(l, now_us, &timer, out);
        if (waiting > 0 && hot_used(down) == waiting) return;
    }
}

uint32_t drive_step(struct node *n, struct lane *l, struct hot_queue *down, struct hot_queue *up,
                    uint64_t now_us, const struct event *in, struct actions *out)
{
    uint32_t done = 0;
    switch ((enum event_type)in->type) {
    case EV_DATAGRAM: done = drive_datagrams(n, l, now_us, in, out); break;
    case EV_TUN: done = l ? lane_step(l, now_us, in, out) : in->tun.len; break;
    case EV_TIMER:
        node_step(n, now_us, in, out);
        if (l) lane_step(l, now_us, in, out);
        break;
    default: node_step(n, now_us, in, out); break;
    }
    if (l) carry(n, l, down, up, now_us, out);
    return done;
}

uint64_t drive_wake_us(const struct node *n, const struct lane *l)
{
    uint64_t at_us = node_wake_us(n);
    return l ? time_min(at_us, lane_wake_us(l)) : at_us;
}
