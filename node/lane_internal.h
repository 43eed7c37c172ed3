/* node/lane_internal.h - the inside of struct lane, shared by node/lane*.c and nobody else.
 *
 *   lane_table.c  sessions, rows, channels     lane.c     the down queue, timers
 *   lane_out.c    TUN -> wire, any frame along a path     lane_in.c  wire -> TUN, forwarding
 *
 * Sessions are found by receiver index through chains in a small array of buckets (the index is ours, so nobody else chooses
 * who shares a chain); rows and channels through base/table.h. Sessions name each other by number (0 none, else place + 1)
 * within the lane, by index where the other end of the queue named them. */
#pragma once
#include "base/table.h"
#include "node/actions.h"
#include "node/lane.h"
#include "overlay/fragment.h"
#include "overlay/session.h"
#include "vnet/super.h"
#include <stddef.h>

#define USED_EVERY_US   SECONDS(1)
#define ROAM_EVERY_US   SECONDS(1) /* one challenge a second and session */
/* What one packet or one message may need of the arena and of the list. */
#define LANE_ROOM       4096u
#define LANE_ROOM_COUNT 8u
#define ROWS_PER_HOT    4u /* IPv4 and IPv6, and some to spare */
#define CHANNEL_WAYS    4u /* both directions, and both again while a session is rekeyed */

struct way {        /* where a session's datagrams go */
    uint8_t path;   /* enum path_kind */
    bool searching; /* larger ones than mtu may pass */
    uint16_t mtu;   /* the largest inner packet that passes */
    struct endpoint endpoint;
    uint32_t via, channel; /* PATH_RELAYED: the relay's session index, and its channel */
};
struct hot_session {
    struct aead_key tx, rx;
    struct replay replay;         /* of its owner alone */
    uint64_t tx_next, tx_end;     /* shared: drawn, and not used yet */
    struct hot_counter *shared;   /* NULL: tx_next counts by itself */
    uint32_t index, remote_index; /* index 0: this place is free */
    struct way way;
    uint16_t next;       /* number: in the bucket, or in the free list */
    uint16_t before;     /* number of the session that this one continues */
    uint16_t fragmented; /* frames sent in parts, by this lane */
    struct hot_used used;
    uint64_t used_due_us, roam_after_us;
};
struct lane_row {
    uint8_t ip[16];
    uint8_t network; /* key: 17 bytes from ip on */
    bool in_use;
    uint16_t session; /* number */
    uint64_t used_us;
};
#define ROW_KEY    17u
#define ROW_RECENT 8u
struct lane_channel {
    uint32_t index, channel; /* key: 8 bytes from index on; index 0: free */
    uint32_t via, channel2;
    uint32_t rate;     /* bytes a second; 0: any */
    uint64_t spent_us; /* when what it has carried is paid off: a token bucket turned round */
};
#define CHANNEL_KEY      8u
#define CHANNEL_BURST_US SECONDS(1)
_Static_assert(offsetof(struct lane_row, network) == 16, "one key");
_Static_assert(offsetof(struct lane_channel, channel) == 4, "one key");

struct lane {
    const struct crypto *crypto;
    struct hot_queue *down, *up;
    uint8_t number, lanes;        /* which of how many */
    struct hot_counter *counters; /* NULL: it is the only one */
    const uint64_t *indices;      /* in use, of all lanes and of control; NULL: nobody says */
    uint64_t asked_at;            /* the end of the last question, in the up queue */
    struct hot_session *sessions;
    uint16_t *buckets; /* numbers, by slot of the index */
    uint32_t session_max, bucket_mask;
    uint32_t
        session_used; /* places behind these were never given away; rows and channels too: their memory is untouched */
    uint16_t free_session; /* number; 0: none below session_used */
    struct lane_row *rows;
    struct table row_table;
    struct table_slot *row_slots;
    uint32_t row_max, row_used;
    uint32_t row_recent
        [ROW_RECENT]; /* found last, by the address's low bits: a transfer's every packet asks */
    struct lane_channel *channels;
    struct table channel_table;
    struct table_slot *channel_slots;
    uint32_t channel_max, channel_used;
    struct lane_network networks[NETWORKS_MAX]; /* by number; mtu_bytes 0: none */
    uint64_t wake_us;                           /* no UP_USED is due before; TIME_NEVER: none */
    uint32_t drops[DROP_COUNT], told[DROP_COUNT];
    bool drops_to_tell;
    struct fragments fragments;
    uint8_t joins;        /* LANE_JOIN_* */
    struct super joining; /* of the batch in hand; what it is in out->list stands at joining_at */
    uint32_t joining_at;
    uint8_t body[LANE_HEADROOM + HOT_BODY_MAX]; /* of the message in hand */
};

/* --- lane_table.c --- */
struct hot_session *lane_session(const struct lane *l, uint32_t index);        /* NULL */
const struct lane_network *lane_network(const struct lane *l, uint8_t number); /* NULL */
static inline uint16_t lane_number(const struct lane *l, const struct hot_session *s)
{
    return (uint16_t)(s - l->sessions + 1);
}
/* One of which this lane, not another, opens what comes; NULL. */
static inline struct hot_session *lane_own_session(const struct lane *l, uint32_t index)
{
    return hot_owner(index, l->lanes) == l->number ? lane_session(l, index) : NULL;
}
/* A free place under this index; NULL: none. Keys, window and counters are the caller's to fill. */
struct hot_session *lane_session_take(struct lane *l, uint32_t index);
void lane_session_remove(struct lane *l, struct hot_session *s); /* with its rows and channels */
void lane_let_go(struct hot_session *s); /* of its shared counter: it seals no more */
/* A rekey: everything that named the old index goes over; the old session may still be heard. */
void lane_session_continue(struct lane *l, struct hot_session *s, const struct hot_session *old);
struct lane_row *lane_row(struct lane *l, uint8_t network, const uint8_t ip[16]); /* NULL */
void lane_row_put(struct lane *l, uint8_t network, const uint8_t ip[16],
                  const struct hot_session *s, uint64_t now_us);
void lane_row_remove(struct lane *l, struct lane_row *row);
struct lane_channel *lane_channel(const struct lane *l, uint32_t index, uint32_t channel);
/* Adds or replaces; no room: counted. */
void lane_channel_put(struct lane *l, const struct lane_channel *as);
void lane_channel_remove(struct lane *l, struct lane_channel *c);

/* --- lane.c --- */
void lane_drop(struct lane *l, enum drop why);
/* Is there room for whatever one packet or one message may need? */
bool lane_room(const struct actions *out);
/* Traffic flowed that keeps the session hot: UP_USED is due within a second. */
void lane_worked(struct lane *l, struct hot_session *s, uint64_t now_us);

/* --- lane_out.c --- */
/* Several lanes draw from one counter: so many are drawn at once for what is to be sealed now, or less.. */
void lane_draw(struct hot_session *s, uint32_t count);
/* ..and what was not used of them is forgotten: later it might be too old for the other end's window. */
void lane_draw_end(struct hot_session *s);
/* Seal len bytes as the session's next datagram: header, ciphertext and tag go to `out`, where `frame` may stand at
 * out + DATA_HEADER. False: its counter is at the stop; counted. */
bool lane_seal(struct lane *l, struct hot_session *s, const uint8_t *frame, uint32_t len,
               uint8_t *out);
/* Does this way lead anywhere now? */
bool lane_way_is_open(const struct lane *l, const struct way *w);
/* Is it known to carry less than the device? A connection keeps its MSS for life, so a search in progress limits none. */
static inline bool lane_is_narrow(const struct way *w, const struct lane_network *n)
{
    return w->mtu < n->mtu_bytes && !w->searching;
}
/* Seal a frame and send it by an open way, or count why not. There is room (lane_room). */
void lane_send(struct lane *l, uint64_t now_us, struct hot_session *s, const struct way *w,
               const uint8_t *frame, uint32_t len, struct actions *out);
/* An inner packet with LANE_HEADROOM writable bytes before it. again: control offers it, it has waited already. */
void lane_packet(struct lane *l, uint64_t now_us, uint8_t network, uint8_t *packet, uint32_t len,
                 bool csum_open, bool again, struct actions *out);
uint32_t lane_tun(struct lane *l, uint64_t now_us, const struct event *in, struct actions *out);
/* DOWN_ICMP: nobody can get it. */
void lane_unreachable(struct lane *l, uint8_t network, const uint8_t *packet, uint32_t len,
                      struct actions *out);

/* --- lane_in.c --- */
struct
    lane_arrival { /* where a datagram came from: an endpoint, or out of RELAYED on (via, channel) */
    struct endpoint from;
    uint32_t via, channel;
    bool inner;
};
/* Opened, and forwarded, in place: the bytes belong to the event or to the arena. */
void lane_datagram(struct lane *l, uint64_t now_us, const struct lane_arrival *a, uint8_t *p,
                   uint32_t len, struct actions *out);
/* A part of a frame; the frame, if it is whole now. */
void lane_fragment(struct lane *l, uint64_t now_us, struct hot_session *s, const uint8_t *frame,
                   uint32_t len, struct actions *out);
/* After the last datagram of a step's batch: whatever was joined is whole. */
void lane_join_end(struct lane *l, struct actions *out);
uint32_t lane_datagrams(struct lane *l, uint64_t now_us, const struct event *in,
                        struct actions *out);
