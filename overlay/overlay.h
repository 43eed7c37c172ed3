/* overlay/overlay.h - ring, sessions, paths, records: all of the protocol below virtual networks.
 *
 * A machine like the node above it: calls with the time go in, an outbox comes out. It never calls upward and knows
 * no IP packets. Sessions are between ids; whoever wants to talk says overlay_want(id) and hears OE_UP or OE_FAILED.
 *
 * Owns: everything behind struct overlay; pools and tables are lent (node_env). Units: microseconds.
 * Errors: bad packets are counted in drops[]. Cost: overlay_size(limits) bytes; see state.h. */
#pragma once
#include "base/crypto.h"
#include "base/pool.h"
#include "base/time.h"
#include "base/trace.h"
#include "nat/observe.h"
#include "overlay/drop.h"
#include "overlay/handshake.h"
#include "overlay/hot.h"
#include "overlay/identity.h"
#include "overlay/limits.h"
#include "overlay/monitor.h"
#include "overlay/outbox.h"
#include "overlay/record.h"

struct overlay;
struct overlay_seed_peer {
    struct id id; /* zero: unknown (a seed) */
    struct endpoint at;
};
struct overlay_common { /* what all nodes of one overlay may share */
    struct overlay_key key;
    uint8_t authority_pk[32];
    struct limits limits;
    const struct link_monitor *monitor; /* the simulator's; NULL: none */
};
struct overlay_config {
    const struct crypto *crypto;
    struct identities *identities;
    struct pool *pkts, *extras;
    struct trace *trace;
    const struct identity *identity;     /* copied */
    struct overlay_common own;           /* copied, unless `common` is given */
    const struct overlay_common *common; /* lent for its life; NULL: none */
    uint32_t capabilities;
    uint8_t seed[32];
    bool founder;
    bool stats; /* count bytes per session (daemon) */
};
#define OVERLAY_POOLED_MAX 1536u /* the largest object of the pool */
/* Objects of the pool that a node may hold at once: no class of them can starve another. */
uint32_t overlay_pool_max(const struct limits *l);
size_t overlay_size(const struct limits *l);
MUST_CHECK enum err overlay_new(struct overlay **out, const struct overlay_config *c,
                                uint64_t now_us);
void overlay_free(struct overlay *o);
const struct id *overlay_id(const struct overlay *o);
const struct hot_lanes *overlay_lanes_of(const struct overlay *o); /* NULL: no lane */
uint64_t overlay_started_us(const struct overlay *o);
const struct overlay_common *overlay_common(const struct overlay *o);
void overlay_lanes(struct overlay *o,
                   const struct hot_lanes *lanes); /* borrowed; NULL: none, sessions stay cold */
/* Own certificate chains; [0] is shown in handshakes, the others follow as CERT. Copied. */
MUST_CHECK enum err overlay_chain_set(struct overlay *o, uint32_t number, const uint8_t *chain,
                                      size_t len);
/* Show that chain to one peer (or, id NULL, to all) now: it was set, or the peer has just shown its own of that network. */
void overlay_chain_tell(struct overlay *o, uint64_t now_us, uint32_t number, const struct id *id,
                        struct outbox *out);
void overlay_chain_drop(struct overlay *o, uint32_t number);

void overlay_datagram(struct overlay *o, uint64_t now_us, const struct endpoint *from,
                      uint8_t *bytes, size_t len, struct outbox *out);
void overlay_lane_up(struct overlay *o, uint64_t now_us, const struct hot_message *m, uint8_t *body,
                     struct outbox *out);
void overlay_timer(struct overlay *o, uint64_t now_us, struct outbox *out);
uint64_t overlay_wake_us(const struct overlay *o);
/* The other end of a keep-alive, overlay/monitor.h: would it be answered from here, telling nothing new?
 * It was, and the PING came then. */
bool overlay_vouch(struct overlay *o, uint64_t now_us, const struct endpoint *from,
                   const struct keepalive *k, const struct rounds *r, struct vouch *v);
void overlay_vouched(struct overlay *o, uint64_t at_us, const struct endpoint *from,
                     const struct keepalive *k, const struct rounds *r, const struct vouch *v);
void overlay_revoked(struct overlay *o, const struct endpoint *from, const struct keepalive *k,
                     struct revoked *r);
void overlay_unvouch(struct overlay *o);                 /* all links, at both ends */
void overlay_settle(struct overlay *o, uint64_t now_us); /* rounds up to now are charged */
void overlay_entropy(struct overlay *o, const uint8_t seed[32]);
void overlay_calendar(struct overlay *o, uint64_t now_us, uint64_t calendar_s);
void overlay_locals(struct overlay *o, uint64_t now_us, const struct endpoint *list, uint32_t count,
                    struct outbox *out);
void overlay_seeds(struct overlay *o, uint64_t now_us, const struct endpoint *list, uint32_t count);
void overlay_remember(struct overlay *o, const struct overlay_seed_peer *list,
                      uint32_t count); /* at start */

/* Bring up a session with id and keep a demand link while used. OE_UP (at once if it is up) or OE_FAILED follows. */
void overlay_want(struct overlay *o, uint64_t now_us, const struct id *id, struct outbox *out);
/* Put the session in the lane (traffic starts). Its index, 0 if there is no certified session or no room. */
/* A network of ours has this MTU: paths are probed up to the largest. */
void overlay_mtu(struct overlay *o, uint16_t mtu_bytes);
uint32_t overlay_heat(struct overlay *o, uint64_t now_us, const struct id *id);
void overlay_cool(struct overlay *o, const struct id *id); /* out of the lane, soon */
/* Sessions that went into the lane since last asked, for whatever reason: their address rows are wanted there.
 * The session's index; 0: no more. */
uint32_t overlay_next_heated(struct overlay *o, struct id *out);
bool overlay_is_hot(const struct overlay *o, const struct id *id);
void overlay_ping(struct overlay *o, uint64_t now_us, const struct id *id, uint32_t request,
                  uint64_t timeout_us, struct outbox *out);
void overlay_find(struct overlay *o, uint64_t now_us, const struct id *target, uint32_t request,
                  uint64_t timeout_us, struct outbox *out);
void overlay_trace_route(struct overlay *o, uint64_t now_us, const struct id *target,
                         uint32_t request, uint64_t timeout_us, struct outbox *out);
/* Half of our questions at a time are for people and packets: what is asked because somebody was met waits, or is left out. */
bool overlay_may_wonder(const struct overlay *o);
/* Records: key kinds and rules in overlay/record.h. */
void overlay_get(struct overlay *o, uint64_t now_us, const struct id *key, uint32_t request,
                 uint64_t timeout_us, struct outbox *out);
/* Claim `name` for ourselves and keep it claimed. OE_ANSWER: OK, CONFLICT (writer: who holds it), TIMEOUT. */
void overlay_claim(struct overlay *o, uint64_t now_us, const struct record_name *name,
                   const void *value, size_t len, uint64_t ttl_us, uint32_t request,
                   struct outbox *out);
#define OVERLAY_PINNED_MAX 64
/* Pinned links (pinned.c): kept until they are dropped. FULL, INVALID (ourselves), NO_MEMORY; pinned already: OK. */
MUST_CHECK enum err overlay_pin(struct overlay *o, uint64_t now_us, const struct id *id);
bool overlay_unpin(struct overlay *o, uint64_t now_us, const struct id *id); /* false: it is not */
uint32_t overlay_pinned(const struct overlay *o, struct id *out, uint32_t max);
uint8_t overlay_path(const struct overlay *o,
                     const struct id *id); /* enum path_kind; NONE: no session */
/* Text for whoever watches at id, with which there must be a session; acknowledged (message.c). OE_ANSWER follows. */
#define MESSAGE_MAX 1024u
bool overlay_text_ok(const void *text,
                     size_t len); /* 1 to MESSAGE_MAX bytes of UTF-8, no control characters */
void overlay_message(struct overlay *o, uint64_t now_us, const struct id *id, const void *text,
                     size_t len, uint32_t request, uint64_t timeout_us, struct outbox *out);
/* The same for every node of the ring (broadcast.c). OE_ANSWER follows, with reached and lost. */
#define BROADCAST_TEXT_MAX 1000u
void overlay_broadcast(struct overlay *o, uint64_t now_us, const void *text, size_t len,
                       uint32_t request, uint64_t timeout_us, struct outbox *out);
/* The slot of the invite on which own chain `number` stands, with the chain as its proof; false: on none. Answered like overlay_claim. */
bool overlay_claim_slot(struct overlay *o, uint64_t now_us, uint32_t number, uint32_t request,
                        struct outbox *out);
/* Not renewed any more: they may expire. */
void overlay_unclaim(struct overlay *o, const struct record_name *name);
void overlay_unclaim_slot(struct overlay *o, uint32_t number);
/* Who holds a slot, from what we keep for the ring ourselves; false: that says nothing. */
bool overlay_slot_known(const struct overlay *o, uint64_t now_us, const struct record_name *name,
                        struct id *holder);
/* End the session with id, if there is one. why: a constant. */
void overlay_expel(struct overlay *o, uint64_t now_us, const struct id *id, const char *why,
                   struct outbox *out);
/* Good-bye to everybody. */
void overlay_leave(struct overlay *o, uint64_t now_us, struct outbox *out);

/* --- views --- */
struct overlay_view {
    struct id id;
    bool joined, alone, starting;
    struct id left[4], right[4];
    uint8_t left_count, right_count;
    uint64_t estimate;
    struct endpoint observed[4];
    uint8_t observed_count;
    uint8_t mapping; /* enum observe_mapping */
    uint32_t near, far, demand, leaf, pinned, sessions;
};
struct overlay_peer {
    struct id id;
    uint8_t kinds, path;
    struct endpoint endpoint;
    struct id via;
    uint32_t rtt_us;
    uint16_t mtu_bytes; /* the largest inner packet on its path; 0: nobody asks, it is cold */
    uint64_t rx_bytes, tx_bytes, since_us;
    char why[160];
};
struct overlay_why {
    uint8_t path, remote_mapping;
    char verdict[200];
    struct {
        char what[ENDPOINT_TEXT + 16], result[48];
    } tried[16];
    uint8_t tried_count;
    uint64_t next_us;
};
void overlay_view(const struct overlay *o, struct overlay_view *out);
/* How much of its limits is in use: those that refuse somebody when they are full. Cost: O(extras, channels). */
void overlay_use(const struct overlay *o, struct limit_use out[LIMIT_USES]);
bool overlay_peer_next(const struct overlay *o, uint32_t *cursor, struct overlay_peer *out);
bool overlay_why(const struct overlay *o, uint64_t now_us, const struct id *id,
                 struct overlay_why *out);
uint32_t overlay_remembered(const struct overlay *o, struct overlay_seed_peer *out, uint32_t max);
uint32_t *overlay_drops(struct overlay *o);
uint64_t overlay_hash(const struct overlay *o);
/* A hint that it is stepped soon, with that datagram or (NULL) by its timer. step: 0, 1, 2, each after the memory of the one before
 * has come. */
void overlay_prefetch(const struct overlay *o, unsigned step, const uint8_t *datagram);
bool overlay_neighbours(const struct overlay *o, struct id *left, struct id *right);
