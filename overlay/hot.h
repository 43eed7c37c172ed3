/* overlay/hot.h - the small values that control (the node) and a lane exchange, through two bounded queues.
 *
 * A lane owns what a packet needs: prepared keys, 64-bit counters, the big replay window, the best endpoint, the rows
 * "address -> session". Control owns everything else. Neither calls the other; the driver carries the queues
 * (one thread: node/drive.h does). A session is named by its local receiver index, whose top 4 bits name the lane.
 *
 *   down: HOT COLD PATH SEAL NETWORK ROW UNROW OFFER CHANNEL UNCHANNEL ICMP FRAME DATAGRAM
 *   up:   FRAME MISS ROAM USED HANDBACK ROUTE INNER DROP
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

#define INDEX_LANE_SHIFT 28 /* receiver index: lane(4) zero(12) generation and place(16) */
#define INDEX_SLOT(i)    ((i)&0xffffu)

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
    uint32_t len;
};
struct hot_keys {
    uint8_t tx_key[32], rx_key[32];
    uint64_t tx_next, rx_top,
        rx_window; /* continued from the cold form (struct session), and back in hot_counters */
    uint32_t remote_index;
    uint8_t aead, pad[3];
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

struct hot_queue {
    uint8_t *ring;
    uint32_t size, head, tail, used;
    uint32_t dropped;
};
#define HOT_BODY_MAX  2048u /* longest body of any message: one sealed frame stays within PKT_MAX */
#define HOT_QUEUE_MIN 16384u /* smallest ring; the daemon's takes a whole GRO buffer of misses */
#define HOT_COUNTER_STOP                                                                           \
    (UINT64_MAX - 0xffffu) /* no packet is sealed with this counter or a later one */
MUST_CHECK enum err hot_queue_init(struct hot_queue *q, uint32_t bytes);
void hot_queue_fini(struct hot_queue *q);
MUST_CHECK enum err hot_push(struct hot_queue *q, const struct hot_message *m, const void *body);
/* Take the next; the body is copied to `body` (at most max; a longer one is our bug). False: empty. */
bool hot_pop(struct hot_queue *q, struct hot_message *m, void *body, uint32_t max);
bool hot_room(const struct hot_queue *q, uint32_t len); /* would a body of len bytes fit? */
static inline bool hot_is_empty(const struct hot_queue *q)
{
    return q->used == 0;
}
