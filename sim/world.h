/* sim/world.h - the nodes, what they share, and the virtual clock that drives them.
 *
 * A node is started with an identity, a certificate and a seed of its own, all drawn from the run's
 * seed and its number; killed without a word, or asked to leave. world_advance runs whatever is due
 * next. Replies stay in `actions` until the next step; the caller looks at them.
 *
 * Units:  microseconds of virtual time from 0. Nodes are numbers from 0.
 * Owns:   everything. Errors: a node that cannot be made (memory) stops the program.
 * Cost:   struct host, 96 bytes a node, and node_size(). */
#pragma once
#include "node/node.h"
#include "overlay/overlay.h"
#include "sim/events.h"
#include "sim/nat.h"
#include "sim/net.h"
#include "sim/ring.h"
#include "sim/traffic.h"

#define WORLD_CALENDAR_S 1767225600u /* 2026-01-01: what the nodes' calendar says at time 0 */
#define UDP_IP_BYTES     28u
#define WORLD_SEEDS      SCENARIO_SEEDS

enum host_state { HOST_UNBORN, HOST_LIVE, HOST_LEAVING, HOST_GONE };
struct host {          /* a node and its place in the world */
    struct node *node; /* NULL unless live or leaving */
    struct nat_box
        *nat; /* in front of it, perhaps of others too; NULL: a public address of its own */
    struct nat_box
        *owned; /* the box that has this node's public address; NULL: itself, or nobody */
    uint64_t started_us, ended_us; /* ended: no longer live; TIME_NEVER: it is */
    uint64_t sending_until_us;     /* with bandwidth: its way out is busy */
    uint64_t sent_bytes;           /* since world_window, 28 a datagram counted */
    uint32_t sent_datagrams;       /* ever; numbers them */
    uint32_t live_at;              /* place in world.live */
    struct id id;
    struct net_place place;
    uint8_t state;      /* enum host_state */
    uint8_t nat_type;   /* enum nat_type */
    uint8_t hostility;  /* enum hostility */
    uint32_t joined_ms; /* after its start it first said that it is on the ring; 0: not yet */
};

/*   what became of datagrams */
#define NET_COUNTS(X)                                                                              \
    X(SENT, "sent")                                                                                \
    X(ARRIVED, "arrived")                                                                          \
    X(LOST, "lost")           /* by chance */                                                      \
    X(CUT, "cut")             /* between the sides of a partition, or two that cannot talk */      \
    X(NOBODY, "nobody")       /* an address of no live node */                                     \
    X(FILTERED, "filtered")   /* by a NAT */                                                       \
    X(SWALLOWED, "swallowed") /* by a hostile sender */                                            \
    X(QUEUE, "queue-full")    /* of its sender's way out */                                        \
    X(TOO_LONG, "too-long")   /* for the underlay */
enum net_count {
#define X(name, text) NET_##name,
    NET_COUNTS(X)
#undef X
        NET_COUNT_COUNT
};
const char *net_count_name(enum net_count c);

#define QUIET_AHEAD_S 512u
struct
    quiet_ahead { /* of the second `at_s` and those after it, a ring; and before, less those that were counted */
    uint64_t at_s;
    int64_t passed;
    int32_t rounds[QUIET_AHEAD_S];
};
#define QUIET_DOOMS 64u
struct quiet_doom { /* the next datagram to there is lost, or (answer) the answer to it (quiet.h) */
    uint32_t ip;
    uint16_t port;
    bool answer;
};

struct world_config {
    uint64_t seed;
    const struct crypto *crypto;
    struct limits limits;
    struct network_spec network;
    struct nat_spec nat;
    const struct matrix *matrix; /* of NETWORK_MATRIX */
    uint64_t skew_us;
    uint32_t nodes;      /* room for so many; grows */
    bool quiet;          /* keep-alives that must succeed are charged, not queued */
    struct trace *trace; /* may be NULL */
};
struct world {
    struct world_config config;
    uint64_t now_us;
    struct rng root;
    struct host *hosts;
    uint32_t host_count, host_room; /* ever started; room for */
    uint32_t *live;                 /* numbers of live nodes, in no order */
    uint32_t live_count;
    uint32_t seeds[WORLD_SEEDS], seed_count;
    bool partitioned;
    uint32_t side_shares[SIDES_MAX], side_count;
    struct rng harm;  /* what hostile nodes make up */
    struct rng sides; /* which side later nodes are on */
    struct net net;
    struct nat_world nats;
    struct events events;
    struct ring ring; /* of the live nodes */
    struct actions actions;
    uint32_t replies; /* in `actions` */
    uint32_t stepped; /* the node that the last step was for */
    /* shared by the nodes */
    struct identities identities;
    struct pool pkts, extras;
    struct trace silent;
    struct overlay_common common;         /* lent to every node */
    struct link_monitor monitor;          /* of common, with quiet */
    struct quiet_ahead ahead;             /* keep-alives that are vouched for */
    struct quiet_doom dooms[QUIET_DOOMS]; /* of the step that comes or goes on */
    uint32_t doom_count;
    bool ending;                                  /* whoever revokes is being killed */
    struct identity authority, network_authority; /* only their Ed25519 halves are used */
    uint8_t network_cert[CHAIN_BYTES];
    size_t network_cert_len;
    /* counted */
    uint64_t bytes_sent; /* by all nodes, 28 a datagram counted */
    uint64_t vouched;    /* keep-alives that were not queued */
    uint64_t steps, net_counts[NET_COUNT_COUNT], window_us;
    struct traffic traffic;               /* sent since world_window */
    uint64_t drops[DROP_COUNT];           /* of nodes that are gone */
    uint64_t joined_count, joined_us_sum; /* nodes that said they had joined, and after how long */
    uint64_t timer_us;                    /* the last timer step: when, whose, how often */
    uint32_t timer_node, still;
};

struct world *world_new(const struct world_config *c);
void world_free(struct world *w);
/* Starts the next node at now_us; the first one founds the overlay. Returns its number. */
uint32_t world_start(struct world *w, uint32_t seeds_wanted);
void world_kill(struct world *w, uint32_t node);
/* Asks it to leave: not live from now on, gone when its reply comes. */
void world_leave(struct world *w, uint32_t node);
void world_gone(struct world *w, uint32_t node); /* a leaving node may stop */
/* Cuts `count` groups of the live nodes, and of later ones, off from each other and the rest; world_heal ends it. */
void world_partition(struct world *w, const uint32_t *shares, uint32_t count, const struct rng *r);
void world_heal(struct world *w);
/* Can datagrams pass between these two now? */
bool world_reaches(const struct world *w, uint32_t a, uint32_t b);
/* `share` of the live nodes, but no seed, are hostile from now on; none: nobody is any more. */
void world_hostile(struct world *w, enum hostility what, uint32_t share, struct rng *r);
void world_flood(struct world *w, struct rng *r); /* one datagram of one of them */
void world_window(struct world *w);               /* sent_bytes and traffic count from now on */

/* Runs the next event that is due at or before `until_us` and moves now_us; false: there is none,
 * and now_us is until_us. */
bool world_advance(struct world *w, uint64_t until_us);
void world_command(struct world *w, uint32_t node, const struct command *c);
/* Takes one of the replies of the last step; *at begins at 0. NULL: that was all. Valid until the next step. */
const struct reply *world_next_reply(struct world *w, uint32_t *at);

uint32_t world_random_live(const struct world *w, struct rng *r); /* there must be one */
bool world_believes(const void *world, uint32_t node, struct id *left, struct id *right);
uint64_t world_hash(struct world *w); /* every live node in the order of ids, and the counters */
/* Which links every live node has, of which kinds, along which kind of path, and its near set: what two ways to simulate the same must agree on. */
uint64_t world_links_hash(struct world *w);
