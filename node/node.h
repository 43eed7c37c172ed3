/* node/node.h - the whole protocol as one machine: events in, actions out, no I/O, no clock, no randomness of its own.
 *
 *     node_step(node, now_us, event, actions)      now_us: monotonic microseconds (CLOCK_BOOTTIME in the daemon)
 *     node_wake_us(node)                           when to call again with EV_TIMER; TIME_NEVER if nothing is due
 *
 * The packet path is node/lane.h; node/drive.h runs both in one thread. The same seeds and the same events give the
 * same actions, byte for byte, on every machine and compiler.
 *
 * Owns: node_new allocates and node_free frees everything; an event's bytes are lent for one step (and may be modified);
 * actions' bytes live in the driver's arena until the next step. Errors: enum err from node_new; bad packets are
 * counted (node_drops), never returned. Cost: node_size(&limits). */
#pragma once
#include "base/crypto.h"
#include "base/endpoint.h"
#include "base/err.h"
#include "base/pool.h"
#include "base/time.h"
#include "base/trace.h"
#include "overlay/cert.h"
#include "overlay/drop.h"
#include "overlay/handshake.h"
#include "overlay/hot.h"
#include "overlay/identity.h"
#include "overlay/limits.h"
#include "overlay/monitor.h"

#define NETWORKS_MAX 8

struct node;
struct lane;

/* --- what a node is made of --- */
struct network_config {   /* copied */
    const uint8_t *chain; /* this node's certificate chain, borrowed for the call */
    size_t chain_len;
    uint8_t number; /* the driver's device number, 0..NETWORKS_MAX-1 */
    uint16_t mtu_bytes;
};
struct remembered { /* a peer to dial at start; 40 bytes */
    struct id id;
    struct endpoint at;
};
struct node_config {                 /* copied, but for what is marked borrowed */
    const struct identity *identity; /* copied; wiped by node_free */
    const struct overlay_common *
        common; /* borrowed for the node's life: instead of the key, the authority and the limits below; NULL: those are copied */
    struct overlay_key overlay_key;
    uint8_t authority_pk[32];
    struct network_config networks[NETWORKS_MAX]; /* [0] is the one presented first in handshakes */
    uint32_t network_count; /* at least 1: without a certificate nobody talks to us */
    struct limits limits;
    uint32_t capabilities; /* AEAD bits (enum aead), CAP_RELAY */
    uint8_t seed[32];      /* all randomness of this node; the driver's from the system */
    bool founder;          /* this node created the overlay: being alone is then being joined */
    const struct endpoint *seeds; /* resolved; EV_SEEDS replaces them */
    uint32_t seed_count;
    const struct remembered *remembered;
    uint32_t remembered_count;
    const struct id *pinned; /* links to hold, at most NODE_PINNED_MAX */
    uint32_t pinned_count;
};
struct node_env { /* borrowed for the node's life; may be shared by many nodes */
    const struct crypto *crypto;
    struct identities *identities;
    struct pool *pkts;   /* struct pkt */
    struct pool *extras; /* by node_pool_init: handshakes, probing, relayed paths, hot sessions */
    struct trace *trace; /* sinks and mask; its name is set by the driver */
};
/* In the sizes that nodes take: a chunk holds at least per_chunk of the largest. */
void node_pool_init(struct pool *p, uint32_t max, uint32_t per_chunk);
uint32_t node_pool_max(const struct limits *l); /* objects that one node can hold at once */
MUST_CHECK enum err node_new(struct node **out, const struct node_config *config,
                             const struct node_env *env, uint64_t now_us);
void node_free(struct node *n);
/* Bytes of a node in one network, with one local address; pools, its chain (CHAIN_BYTES at most) and, in
 * a daemon, the statistics not counted. docs/memory.md has the table. */
size_t node_size(const struct limits *l);

/* --- targets: what a person names a node by --- */
enum target_kind { TARGET_ID = 1, TARGET_IP, TARGET_NAME };
struct target {
    uint8_t kind;
    int8_t network; /* number; -1: any (the only one) */
    struct id id;
    uint8_t ip[16];        /* v4-mapped for IPv4 */
    struct name_text name; /* host name, without the network's */
};

/* --- commands: questions and orders with an answer (ACT_REPLY with the same `request`) --- */
enum command_type {
    CMD_PING = 1, /* one ping through the overlay, end to end, sealed. timeout_us. */
    CMD_TRACE,    /* the ring's route to the target, hop by hop */
    CMD_LOOKUP,   /* target -> id, name, addresses */
    CMD_LEAVE,    /* tell the neighbours, hand over, say good-bye; the reply means: may stop now */
    CMD_NETWORK_ADD,  /* one more network, or the same one with a new chain; `network_config` */
    CMD_NETWORK_DROP, /* by number */
    CMD_SEND,         /* `text` to the target, acknowledged; reply: rtt and path of the answer */
    CMD_LINK_ADD, /* a pinned link to the target, kept until dropped. Reply: path NONE: not up yet, it is tried again */
    CMD_LINK_DROP, /* NOT_FOUND: it was not pinned */
    CMD_BROADCAST, /* `text` to every node; reply: reached, lost. timeout_us at most 60 s */
    CMD_SLOT,      /* invite, slot -> id of who holds that slot; NOT_FOUND: nobody. timeout_us. */
    CMD_PUT, /* an own record: `text` is its name, `value`, ttl_us; kept up from now on. TIMEOUT: it goes on trying */
    CMD_GET, /* the own record of the target under the name `text`; reply: value, id of the writer. timeout_us. */
    CMD_ROUTE_TEST /* simulator: route a look-up to `target.id`, reply: id of the owner that answered, hops */
};
struct command {
    uint8_t type;
    uint32_t request; /* the driver's, echoed */
    struct target target;
    uint64_t timeout_us; /* 0: 10 s */
    struct network_config network_config;
    uint8_t network;  /* CMD_NETWORK_DROP */
    const char *text; /* CMD_SEND: borrowed for the call; node_text_ok. CMD_PUT, CMD_GET: a name */
    uint16_t text_len;
    const void *value; /* CMD_PUT: borrowed for the call */
    uint16_t value_len;
    uint64_t ttl_us;    /* CMD_PUT */
    uint8_t invite[16]; /* CMD_SLOT: its serial */
    uint32_t slot;
};
#define NODE_TEXT_MAX      1024u
#define NODE_BROADCAST_MAX 1000u /* bytes of a CMD_BROADCAST's text */
bool node_text_ok(const char *text,
                  size_t len); /* 1 to NODE_TEXT_MAX bytes of UTF-8 without control characters */
#define TRACE_HOPS_MAX 32
struct trace_hop {
    struct id id;
    uint32_t rtt_us;
    struct name_text name;
    uint8_t number; /* which hop */
};
enum lookup_source { SOURCE_SELF = 1, SOURCE_CERTIFICATE, SOURCE_CACHE, SOURCE_RING };
struct reply {
    uint8_t command; /* enum command_type */
    uint32_t request;
    enum err err;             /* OK, TIMEOUT, UNREACHABLE, NOT_FOUND, AMBIGUOUS, FULL.. */
    struct id id;             /* the target's id once known; CMD_ROUTE_TEST: the owner */
    uint32_t rtt_us;          /* PING, ROUTE_TEST */
    uint8_t path;             /* enum path_kind the answer's way; to itself PATH_NONE */
    struct endpoint endpoint; /* if direct */
    struct id via;            /* if relayed */
    uint8_t hops;             /* routed: hops of the way; ROUTE_TEST */
    struct name_text name, via_name;
    uint32_t ipv4;
    uint8_t ipv6[16];
    uint32_t reached,
        lost; /* BROADCAST: nodes that acknowledged it; pieces of the ring that did not */
    const uint8_t *value; /* GET: in the driver's arena until the next step; NULL: none */
    uint16_t value_len;
    uint8_t source;                       /* LOOKUP */
    struct trace_hop hop[TRACE_HOPS_MAX]; /* TRACE, ends with the target if ok */
    uint8_t hop_count;
};

/* --- events --- */
enum event_type {
    EV_TIMER = 1,
    EV_DATAGRAM, /* datagram.*; segment > 0: a GRO buffer of equal-sized datagrams, the last may be shorter */
    EV_TUN,     /* tun.*; segment > 0: a TSO super-packet */
    EV_COMMAND, /* command */
    EV_SEED,    /* seed: 32 fresh bytes from the system */
    EV_CLOCK,   /* calendar_s: seconds since 1970 now; 0: unknown */
    EV_LOCAL,   /* endpoints: every local address with our port; sent at start and at each change */
    EV_SEEDS,   /* endpoints: the seeds, resolved anew; also adds a seed given later */
    EV_LANE /* the up queue of lane number `lane` has entries (node/drive.h). Of lane 0 all are taken, of another one the
             * first: the driver carries out what it led to before the next, for that lane works on meanwhile */
};
struct event {
    uint8_t type;
    union {
        struct {
            struct endpoint from;
            uint8_t *bytes;
            uint32_t len;
            uint16_t segment;
        } datagram;
        struct {
            uint8_t number; /* device */
            uint8_t *
                bytes; /* an IP packet; the driver promises 64 writable bytes before it (LANE_HEADROOM) */
            uint32_t len;
            uint16_t segment; /* super-packet (TSO, USO): payload of each segment; 0: plain */
            uint8_t
                csum_open; /* its transport checksum is partial (virtio NEEDS_CSUM), where ip_checksum_field has it */
        } tun;
        const struct command *command;
        uint8_t seed[32];
        uint64_t calendar_s;
        uint8_t lane;
        struct {
            const struct endpoint *list;
            uint32_t count;
        } endpoints;
    };
};

/* --- actions --- */
enum action_type {
    ACT_SEND = 1, /* send.*; segment > 0: a train for UDP_SEGMENT */
    ACT_TUN,      /* tun.* */
    ACT_REPLY,    /* reply, in the arena */
    ACT_NOTICE,   /* something a person or a watcher wants to know: notice */
    ACT_REMEMBER, /* the remembered peers changed: ask node_remembered and store them */
    ACT_RESOLVE,  /* the seeds do not answer: resolve their names again, EV_SEEDS */
    ACT_CLOSE /* the last answer to a stranger on this TCP connection: close it. send.to names it */
};
enum notice_type {
    NOTICE_JOINED = 1,
    NOTICE_ALONE,
    NOTICE_PEER_UP,
    NOTICE_PEER_DOWN,
    NOTICE_PATH,
    NOTICE_ADDRESS_CONFLICT,
    NOTICE_ADDRESS,
    NOTICE_VERSION,
    NOTICE_MESSAGE,        /* text from id */
    NOTICE_SLOT_HELD,      /* our slot of the invite is ours */
    NOTICE_SLOT_REFUSED,   /* it is `id`'s: others refuse us in that network */
    NOTICE_MEMBER_REFUSED, /* `id`'s slot is another's: it is refused */
    NOTICE_MEMBER_ACCEPTED /* it was refused, and holds its slot now */
};
struct notice {
    uint8_t type;
    struct id id;
    uint8_t from, to; /* enum path_kind, NOTICE_PATH */
    int8_t network;
    uint32_t
        ipv4; /* NOTICE_ADDRESS: our address of that network is now this; CONFLICT: the one in dispute */
    bool broadcast; /* NOTICE_MESSAGE: to everybody */
    uint16_t text_len;
    const char *text; /* NOTICE_MESSAGE, without NUL; in the driver's arena until the next step */
    char why[96];
};
struct action {
    uint8_t type;
    union {
        struct {
            struct endpoint to;
            const uint8_t *bytes;
            uint32_t len;
            uint16_t segment;
        } send;
        struct
        { /* one packet; or parts > 1: a super-packet, only for a driver that asked (lane_join) */
            uint8_t number, csum_open;
            const uint8_t *bytes; /* super-packet: headers of the whole, and the first payload.. */
            uint32_t len;         /* ..whose other payloads are counted here.. */
            uint16_t head_len,
                segment;            /* ..and lie, `segment` bytes each, the last perhaps less, */
            uint16_t stride, parts; /* at bytes + head_len + i * stride */
        } tun;
        const struct reply *reply;
        struct notice notice;
    };
};
struct actions { /* the driver's; it empties it before each step (actions_clear) */
    uint8_t
        *arena; /* bytes of sends, replies; allocated by the driver, at least ACTIONS_ARENA_MIN */
    uint32_t arena_size, arena_used;
    struct action *list;
    uint32_t count, max;
    uint32_t lost; /* actions that found no room: counted, never silent */
};
#define ACTIONS_ARENA_MIN 131072u
#define ACTIONS_LIST_MIN  256u
static inline void actions_clear(struct actions *a)
{
    a->arena_used = a->count = 0;
}

void node_step(struct node *n, uint64_t now_us, const struct event *in, struct actions *out);
uint64_t node_wake_us(const struct node *n);
/* The queues to this node's lanes; NULL for a node without one (it then carries no inner packets: --no-tun relays, simulation). */
void node_attach(struct node *n, const struct hot_lanes *lanes); /* borrowed, of one at least */

/* --- views: what a person sees; plain copies, valid when returned --- */
enum node_state { STATE_STARTING, STATE_ALONE, STATE_JOINING, STATE_JOINED };
enum nat_kind {
    NAT_UNKNOWN,
    NAT_NONE,
    NAT_ENDPOINT_INDEPENDENT,
    NAT_ADDRESS_DEPENDENT,
    NAT_PORT_DEPENDENT
};
enum link_kind { LINK_NEAR = 1, LINK_FAR = 2, LINK_DEMAND = 4, LINK_LEAF = 8, LINK_PINNED = 16 };
#define OBSERVED_MAX 4
#define NEAR_SIDE    4
struct node_view {
    struct id id;
    uint8_t state;
    struct id left[NEAR_SIDE], right[NEAR_SIDE]; /* nearest first */
    uint8_t left_count, right_count;
    uint64_t estimate; /* nodes on the ring, ourselves included */
    struct endpoint observed[OBSERVED_MAX];
    uint8_t observed_count;
    uint8_t mapping, filtering; /* enum nat_kind */
    uint32_t near, far, demand, leaf, pinned, sessions;
    uint64_t rx_bytes, tx_bytes, started_us;
};
struct network_view {
    bool used;
    struct name_text network, host;
    uint8_t key[32];
    struct range4 range;
    uint32_t ipv4; /* 0: none (yet) */
    bool ipv4_conflict;
    uint8_t ipv6[16];
    uint16_t mtu_bytes;
    uint8_t mode, number;
    uint8_t slot_state; /* enum member_slot (vnet/members.h), of our own */
};
struct peer_view {
    struct id id;
    int8_t network; /* number, -1: shares none */
    struct name_text name;
    uint32_t ipv4;
    uint8_t ipv6[16];
    uint8_t links;            /* enum link_kind bits */
    uint8_t path;             /* enum path_kind */
    struct endpoint endpoint; /* if direct */
    struct id via;            /* if relayed */
    struct name_text via_name;
    uint32_t rtt_us;    /* 0: not measured */
    uint16_t mtu_bytes; /* the largest inner packet on its path; 0: cold, nobody asks */
    uint64_t rx_bytes, tx_bytes, since_us;
    char why[160];
};
struct member_view {
    struct id id;
    int8_t network;
    struct name_text name;
    uint32_t ipv4;
    uint8_t ipv6[16];
    struct name_text groups[CERT_GROUPS_MAX];
    uint8_t group_count;
    uint64_t expires_s;
    bool self, up;         /* up: there is a session with it */
    uint64_t seen_us;      /* when it last was up; ourselves, or up: 0 */
    uint8_t slot_state;    /* enum member_slot (vnet/members.h) */
    struct id slot_holder; /* if REFUSED */
};
#define WHY_TRIED_MAX 16
struct why_view {
    struct id id;
    struct name_text name; /* empty: unknown */
    uint8_t path;
    char verdict[200];
    uint8_t local_mapping, local_filtering, remote_mapping, remote_filtering; /* enum nat_kind */
    struct {
        char what[ENDPOINT_TEXT + 16], result[48];
    } tried[WHY_TRIED_MAX];
    uint8_t tried_count;
    uint64_t next_us; /* when it tries again; TIME_NEVER */
};
void node_use(const struct node *n, struct limit_use out[LIMIT_USES]);
void node_view(const struct node *n, struct node_view *out);
bool node_network_view(const struct node *n, uint32_t number, struct network_view *out);
/* Iterate: *cursor starts at 0; false at the end. */
bool node_peer_next(const struct node *n, uint32_t *cursor, struct peer_view *out);
bool node_member_next(const struct node *n, uint32_t *cursor, struct member_view *out);
bool node_why(const struct node *n, uint64_t now_us, const struct id *id, struct why_view *out);
/* Resolve without asking the ring. OK, NOT_FOUND, AMBIGUOUS. */
MUST_CHECK enum err node_resolve(const struct node *n, const struct target *t, struct id *out,
                                 uint8_t *source);
#define NODE_PINNED_MAX 64
uint32_t node_pinned(const struct node *n, struct id *out, uint32_t max);
uint8_t node_path(const struct node *n, const struct id *id); /* enum path_kind; NONE: no session */
uint32_t node_remembered(const struct node *n, struct remembered *out, uint32_t max);
const uint32_t *node_drops(const struct node *n); /* [DROP_COUNT] */
/* Simulator: hints that it is stepped soon, with that datagram (NULL: a timer); from step to step what the one before led to. */
enum node_prefetch { PREFETCH_NODE, PREFETCH_OVERLAY, PREFETCH_TABLES, PREFETCH_LINK };
void node_prefetch(const struct node *n, enum node_prefetch step, const uint8_t *datagram);
/* Simulator: field-by-field hash of the protocol state, equal on every machine. */
uint64_t node_hash(const struct node *n);
/* Simulator: overlay_vouch and so on of the node's overlay (overlay/monitor.h). */
bool node_vouch(struct node *n, uint64_t now_us, const struct endpoint *from,
                const struct keepalive *k, const struct rounds *r, struct vouch *v);
void node_vouched(struct node *n, uint64_t at_us, const struct endpoint *from,
                  const struct keepalive *k, const struct rounds *r, const struct vouch *v);
void node_revoked(struct node *n, const struct endpoint *from, const struct keepalive *k,
                  struct revoked *r);
void node_unvouch(struct node *n);
void node_settle(struct node *n, uint64_t now_us);
/* Simulator's checker: the nearest live neighbour each side, false if none. */
bool node_ring_neighbours(const struct node *n, struct id *left, struct id *right);
