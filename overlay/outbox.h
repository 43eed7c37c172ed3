/* overlay/outbox.h - what one step of the overlay wants done: datagrams to send, events for the layer above.
 *
 * The arena is the driver's; a datagram is sealed straight into it. Full: the send is lost and counted, as on a full wire.
 * Owns: nothing. Bytes live until the driver's next step. */
#pragma once
#include "base/endpoint.h"
#include "overlay/cert.h"
#include "overlay/hot.h"
#include "overlay/id.h"
#include <stddef.h>
#include <stdint.h>

#define OUTBOX_SENDS  512
#define OUTBOX_EVENTS 64

struct outbox_send {
    struct endpoint to;
    const uint8_t *bytes;
    uint32_t len;
};
enum overlay_event_type {
    OE_UP = 1, /* a session with id is certified: chain is its first certificate chain */
    OE_DOWN,   /* the session with id is gone */
    OE_CERT,   /* one more verified chain of id */
    OE_PATH,   /* its path moved: from, to, why */
    OE_INNER,  /* cold inner packet: bytes = frame (KIND_IP ..) from id */
    OE_JOINED,
    OE_ALONE,
    OE_REMEMBER, /* remembered peers or own observed endpoints changed */
    OE_RESOLVE,  /* seeds do not answer */
    OE_ANSWER,   /* a request of ours ended: answer */
    OE_VERSION,  /* somebody with our key speaks another version */
    OE_FAILED,   /* overlay_want(id) failed: nobody answers */
    OE_MESSAGE,  /* text from id: bytes; to: 1 if it went to everybody */
    OE_HOP       /* one hop of a trace: answer.request, answer.id, hops, rtt_us */
};
struct overlay_answer {
    uint32_t request;
    enum err err;
    struct id id; /* FIND: the owner; PING: the peer */
    uint32_t rtt_us;
    uint8_t hops, path;
    struct endpoint endpoint;
    struct id via;
    const uint8_t *value; /* GET: the record's value, in the arena */
    uint32_t value_len;
    struct id writer;
    uint32_t reached, lost; /* broadcast: nodes that have it; pieces of the ring that did not say */
};
struct overlay_event {
    uint8_t type, from, to; /* enum path_kind */
    struct id id;
    uint32_t index; /* the session, as the lane names it */
    const uint8_t *bytes;
    uint32_t len;
    const char *why;          /* a constant */
    struct membership member; /* OE_UP, OE_CERT */
    struct overlay_answer answer;
};
struct outbox {
    uint8_t *arena;
    uint32_t arena_size, arena_used;
    struct outbox_send sends[OUTBOX_SENDS];
    uint32_t send_count;
    struct overlay_event events[OUTBOX_EVENTS];
    uint32_t event_count, lost;
};
static inline uint8_t *outbox_space(struct outbox *o, uint32_t len)
{
    if (o->arena_size - o->arena_used < len) return NULL;
    return o->arena + o->arena_used; /* committed by outbox_commit */
}
static inline void outbox_commit(struct outbox *o, uint32_t len)
{
    o->arena_used += len;
}
static inline void outbox_send(struct outbox *o, const struct endpoint *to, const uint8_t *bytes,
                               uint32_t len)
{
    if (o->send_count == OUTBOX_SENDS) {
        o->lost++;
        return;
    }
    o->sends[o->send_count++] = (struct outbox_send){*to, bytes, len};
}
static inline struct overlay_event *outbox_event(struct outbox *o, enum overlay_event_type type,
                                                 const struct id *id)
{
    static const struct overlay_event none;
    if (o->event_count ==
        OUTBOX_EVENTS) { /* cannot happen within one datagram; bounded all the same */
        o->lost++;
        o->event_count--;
    }
    struct overlay_event *e = &o->events[o->event_count++];
    *e = none;
    e->type = (uint8_t)type;
    if (id) e->id = *id;
    return e;
}
