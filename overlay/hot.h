/* overlay/hot.h - the small values that control (the node) and its lanes exchange, through two bounded queues a lane.
 *
 * A lane owns what a packet needs: prepared keys, 64-bit counters, the big replay window, the best endpoint, the rows
 * "address -> session". Control owns everything else. Neither calls the other; the driver carries the queues
 * (one thread: node/drive.h does). A session is named by its local receiver index.
 *
 *   down: HOT COLD PATH SEAL NETWORK ROW UNROW OFFER CHANNEL UNCHANNEL ICMP FRAME DATAGRAM
 *   up:   FRAME MISS ROAM USED HANDBACK ROUTE INNER DROP DATAGRAM SEND
 *
 * Several lanes (docs/decisions/0032): each knows every hot session and seals for it; only its owner, by the receiver index
 * (hot_owner), opens what comes. So that no counter is used twice, those of a session are drawn from one struct hot_counter that
 * its lanes share: all else is one lane's own. A queue has one thread at each end and is bare of locks; what control pushes in
 * one step is shown to a lane in another thread all at once (hot_show).
 *
 * Order matters within one queue and is kept. A rekey: HOT(new index, via = old index), later COLD(old index).
 * Messages never leave the process: host byte order, the struct as it is.
 *
 * Owns: a queue owns its ring of bytes. Errors: hot_push returns ERR_FULL when there is no room or the body is longer than
 * HOT_BODY_MAX (counted in `dropped`; the caller drops).
 * Cost: about 90 bytes and two copies a message; nothing that every IP packet needs goes through here. */
#pragma once
#include "base/endpoint.h"
#include "base/err.h"
#include "overlay/id.h"
#include <stdbool.h>

#define LANES_MAX     16u
#define INDEX_SLOT(i) ((i)&0xffffu) /* receiver index: zero(16) generation and place(16) */

enum hot_op {
    DOWN_HOT =
        1, /* take this session: struct hot_keys follows in bytes; an index that is present is replaced.
                    * via: the index before a rekey, of the same peer (0: none): its path, rows and channels go over to the
                    * new one, and what still comes under the old one is accepted until DOWN_COLD. No room: UP_HANDBACK */
    DOWN_COLD, /* give it back: UP_HANDBACK answers; its rows and channels are forgotten. flag 1: no answer */
    DOWN_PATH, /* path, endpoint | via+channel; value: the largest inner packet that passes, 0: no bound is known;
                    * flag 1: larger ones may pass, it is being found out: they go in parts */
    DOWN_SEAL, /* seal bytes (a frame) and send it to `endpoint`; none: along `path` (via+channel) of this
                    * message; PATH_NONE there: along the session's path */
    DOWN_NETWORK, /* bytes: struct lane_network; flag 1: remove, with its rows */
    DOWN_ROW, /* ip (16, v4-mapped) of `network` (its number) is held by session index: send there, accept from there */
    DOWN_UNROW, /* ip of network: forget; nobody holds it any more */
    DOWN_OFFER, /* bytes: an inner packet of `network` that waited: send it now (or drop it, no second MISS) */
    DOWN_CHANNEL, /* relay: RELAYED on (index, channel) is forwarded as RELAYED on (via, channel2); value: bytes/s it may
                    * carry, 0: any */
    DOWN_UNCHANNEL,
    DOWN_ICMP, /* bytes: an inner packet of `network` nobody can get: answer ICMP unreachable to the TUN */
    UP_FRAME, /* bytes: an opened frame that is not IP: endpoint it came from, flag 1: newest. Endpoint none: it came
                    * inside RELAYED on (via, channel), or as DOWN_DATAGRAM said */
    UP_MISS, /* bytes: an inner packet of `network` with no row for its destination (ip); index: there is a row, but
                    * that session has no path */
    UP_ROAM, /* endpoint: a packet with the newest counter came from there, not from the path; value: its bytes */
    UP_USED, /* IP or relayed traffic since the last UP_USED: struct hot_used; at most one a second and session */
    UP_HANDBACK, /* struct hot_counters: the lane has forgotten the session */
    UP_ROUTE, /* bytes: a sealed DATA datagram of session index whose path is routed: wrap it in ROUTED */
    UP_INNER, /* bytes: RELAYED's inner datagram that came on (index, channel), is not forwarded and is for no hot
                    * session: treat as arrived */
    UP_DROP, /* value: enum drop, counted by control; channel: how many (at least 1) */
    UP_DATAGRAM, /* bytes: a datagram from `endpoint` that is for no session this lane opens: treat as arrived */
    UP_SEND, /* bytes: a datagram to `endpoint` that only control's driver can send (a TCP connection) */
    DOWN_FRAME, /* bytes: a frame of session index that control opened, when it was cold, and cannot use */
    DOWN_DATAGRAM /* bytes: a sealed DATA datagram for a hot session that came over the ring (or through a relay: via,
                    * channel; or from `endpoint`): open it here, as if it had arrived */
};
enum path_kind { PATH_NONE, PATH_DIRECT, PATH_RELAYED, PATH_ROUTED };

struct hot_message { /* header; `len` bytes of body follow in the ring */
    uint8_t op, flag, network, path;
    uint32_t index; /* session */
    uint32_t via;   /* session index of the relay, or the outgoing side of a channel */
    uint32_t channel, channel2;
    uint32_t value;
    struct endpoint endpoint;
    uint8_t ip[16];
    uint8_t lane, pad[3]; /* up: which it came from; OFFER, ICMP: which it goes to */
    uint32_t len;
};
struct hot_keys {
    uint8_t tx_key[32], rx_key[32];
    uint64_t tx_next, rx_top,
        rx_window; /* continued from the cold form (struct session), and back in hot_counters */
    uint32_t remote_index;
    uint8_t aead, pad;
    uint16_t
        counter; /* + 1, the struct hot_counter to draw from; 0: the lane is alone and counts from tx_next */
};
struct hot_counters {
    uint64_t tx_next, rx_top, rx_window;
};
struct hot_used {
    uint64_t tx_bytes, rx_bytes;     /* datagrams of any kind, since the last one */
    uint64_t tx_packets, rx_packets; /* IP and relayed ones only: what keeps a session hot */
    uint64_t heard_us;               /* the last good datagram; 0: none since it is hot */
    uint64_t newest_tx;              /* counter of the next packet: rekey before it runs out */
    uint32_t largest, pad;           /* the largest inner packet sent */
};
struct lane_network {
    uint8_t tag;    /* the network byte on the wire: first byte of H(network key) */
    uint8_t number; /* the driver's number of the device, in EV_TUN and ACT_TUN */
    uint8_t prefix; /* of the IPv4 range */
    uint8_t pad;
    uint32_t net, ipv4; /* host order; ipv4 is our own, 0: none yet */
    uint8_t ipv6[16];   /* our own */
    uint16_t mtu_bytes;
};

#define HOT_BODY_MAX  2048u /* longest body of any message: one sealed frame stays within PKT_MAX */
#define HOT_QUEUE_MIN 16384u /* smallest ring; the daemon's takes a whole GRO buffer of misses */
#define HOT_COUNTER_STOP                                                                           \
    (UINT64_MAX - 0xffffu) /* no packet is sealed with this counter or a later one */

struct
    hot_queue { /* positions only grow; head and done are the taker's, the rest is its that pushes */
    uint8_t *ring;
    uint32_t size;
    uint32_t dropped;
    bool held;     /* what is pushed waits for hot_show */
    uint64_t put;  /* written up to here */
    uint64_t tail; /* to be taken up to here */
    uint64_t head; /* taken up to here */
    uint64_t done; /* ..and what it led to carried out: hot_done */
};
MUST_CHECK enum err hot_queue_init(struct hot_queue *q, uint32_t bytes);
void hot_queue_fini(struct hot_queue *q);
MUST_CHECK enum err hot_push(struct hot_queue *q, const struct hot_message *m, const void *body);
/* Take the next; the body is copied to `body` (at most max; a longer one is our bug). False: empty. */
bool hot_pop(struct hot_queue *q, struct hot_message *m, void *body, uint32_t max);
bool hot_room(const struct hot_queue *q, uint32_t len); /* would a body of len bytes fit? */
/* Bytes that can be taken. */
static inline uint32_t hot_used(const struct hot_queue *q)
{
    return (uint32_t)(__atomic_load_n(&q->tail, __ATOMIC_ACQUIRE) -
                      __atomic_load_n(&q->head, __ATOMIC_ACQUIRE));
}
static inline bool hot_is_empty(const struct hot_queue *q)
{
    return hot_used(q) == 0;
}
/* A queue that is `held`: now let all that was pushed be taken. True: there is something. */
static inline bool hot_show(struct hot_queue *q)
{
    __atomic_store_n(&q->tail, q->put, __ATOMIC_RELEASE);
    return !hot_is_empty(q);
}
/* All that was taken has been carried out; whoever pushed may look (lane_waits). */
static inline void hot_done(struct hot_queue *q)
{
    __atomic_store_n(&q->done, q->head, __ATOMIC_RELEASE);
}

/* --- several lanes --- */

/* A sending session's counters where lanes share it. Lent by the driver; control takes one with a session's keys, and again
 * only when no lane holds it any more. */
struct hot_counter {
    _Alignas(64) uint64_t next; /* of the next packet; lanes draw from it */
    uint32_t holders;           /* lanes that still draw */
    uint32_t index;             /* control's: the session's; 0: free as soon as nobody holds it */
    uint8_t back;               /* control's: lanes that have handed the session back */
};
struct hot_lanes { /* what control knows of its lanes; the driver's, borrowed */
    uint8_t count;
    struct hot_queue *down[LANES_MAX], *up[LANES_MAX];
    struct hot_counter *counters; /* NULL with one lane */
    uint32_t counter_count;
    uint64_t
        *indices; /* HOT_INDEX_WORDS: a bit for each receiver index in use; NULL with one lane */
};
#define HOT_INDEX_WORDS 1024u /* an index has 16 bits */
/* Control's: the index is in use, or no more. A lane bothers control with no datagram under another one: anybody can send these. */
static inline void hot_index(const struct hot_lanes *lanes, uint32_t index, bool in_use)
{
    if (!lanes || !lanes->indices || index >= 64u * HOT_INDEX_WORDS) return;
    uint64_t bit = (uint64_t)1 << index % 64u, *word = &lanes->indices[index / 64u];
    __atomic_store_n(word, in_use ? *word | bit : *word & ~bit, __ATOMIC_RELEASE);
}
static inline bool hot_index_used(const uint64_t *indices, uint32_t index)
{
    return index < 64u * HOT_INDEX_WORDS &&
           (__atomic_load_n(&indices[index / 64u], __ATOMIC_ACQUIRE) >> index % 64u & 1);
}
/* Which lane opens what comes under this index. */
static inline uint8_t hot_owner(uint32_t index, uint8_t lanes)
{
    return (uint8_t)(lanes > 1 ? index % lanes : 0u);
}
/* To the lanes it concerns: to all of them (what they know of sessions, rows and networks) or to none, to the owner of `index`,
 * or to m->lane. ERR_FULL as hot_push; with several lanes for a packet, too, that would leave less than an eighth of the queue
 * free: one busy lane must not keep all from what they are to know. */
MUST_CHECK enum err hot_tell(const struct hot_lanes *lanes, const struct hot_message *m,
                             const void *body);
/* For a session that goes into the lanes: its number + 1; 0: there is none, or one lane alone needs none. */
uint16_t hot_counter_take(const struct hot_lanes *lanes, uint32_t index, uint64_t next);
struct hot_counter *hot_counter_of(const struct hot_lanes *lanes, uint32_t index); /* NULL */
/* It was taken, and no lane was told. */
void hot_counter_refuse(const struct hot_lanes *lanes, uint32_t index);
/* The session is no lane's any more, or soon; what the lanes still hold is not given away before they let go. */
void hot_counter_free(const struct hot_lanes *lanes, uint32_t index);
/* A lane's: draw `count` counters in a row, the first of them. HOT_COUNTER_STOP or more: there are no more. */
static inline uint64_t hot_counter_draw(struct hot_counter *c, uint32_t count)
{
    uint64_t next = __atomic_load_n(&c->next, __ATOMIC_RELAXED);
    if (next >= HOT_COUNTER_STOP) return next; /* adding for ever would begin anew */
    return __atomic_fetch_add(&c->next, count, __ATOMIC_RELAXED);
}
