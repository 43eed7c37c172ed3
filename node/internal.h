/* node/internal.h - the inside of struct node, for the files of node/ only.
 *
 *   node.c (made, stepped)   traffic.c (inner packets: whose, where to)   slot.c (slots of invites)
 *   command.c (questions of people)   views.c */
#pragma once
#include "node/actions.h"
#include "node/node.h"
#include "overlay/overlay.h"
#include "vnet/address.h"
#include "vnet/ip.h"
#include "vnet/members.h"

/* A network we are in: what its certificate says of us, without what only its checking needs. Allocated when it is joined. */
struct own_network {
    uint8_t network_key[32];
    struct name_text network, host;
    struct range4 range;
    uint64_t expires_s;
    uint32_t fixed_ipv4; /* by the certificate; 0: none */
    uint32_t ipv4;       /* fixed or derived; 0: refused */
    uint8_t ipv6[16];
    uint16_t mtu_bytes;
    uint8_t number, tag, mode;
    bool ipv4_conflict : 1; /* somebody else holds the derived one */
    bool claimed : 1;       /* its records were put since we joined */
    uint8_t slot_state : 4; /* enum member_slot: our own slot of the invite */
    uint8_t shows : 2;      /* so often our certificate, which is new, is shown once more */
    uint8_t show_s;         /* when: seconds, modulo 256 */
    uint8_t group_count;
    struct name_text groups[]; /* mostly none */
};
_Static_assert(sizeof(struct own_network) <= 224, "a node has one at least: docs/memory.md");
/* Inner packets to one destination that wait for its id, or for a session with it. Pooled. */
struct waiting {
    uint8_t network;
    bool has_id, asked;
    uint8_t ip[16];
    struct id id;
    uint64_t until_us, again_us; /* again_us: ask the ring once more; 0: no */
    struct pkt_queue packets;
};
/* A command under way. Pooled. */
enum ask_stage { ASK_RESOLVE = 1, ASK_CONNECT, ASK_RUN };
struct ask_hop { /* of a trace; its name is looked up when the reply is made */
    struct id id;
    uint32_t rtt_us;
    uint8_t number;
};
struct ask {
    uint8_t stage; /* enum ask_stage */
    uint8_t type;  /* enum command_type */
    uint8_t source, hop_count;
    uint32_t request; /* the driver's */
    uint32_t number;  /* what it asks the overlay by */
    struct target target;
    struct id id;                          /* the target's, once known */
    uint64_t begun_us, until_us, again_us; /* again_us: try the stage once more; 0: no */
    uint16_t text_len;
    union {
        struct ask_hop hop[TRACE_HOPS_MAX]; /* CMD_TRACE */
        char text[NODE_TEXT_MAX];           /* CMD_SEND; CMD_GET: a name */
    };
};
_Static_assert(sizeof(struct ask) <= 1200, "not the largest object of the pool: docs/memory.md");
#define REQUEST_WAITING                                                                            \
    0x80000000u /* internal request numbers: of a waiting destination, else of an ask */
#define REQUEST_VERIFY                                                                             \
    0x20000000u /* of an address: is a member's derived IPv4 its own? member's place, low bits of the address */
#define REQUEST_SLOT                                                                               \
    0x10000000u /* who holds a member's slot? member's place, low bits of how often it was asked */
#define REQUEST_CLAIM      0x40000000u /* of a claim: network number, and which */
#define REQUEST_CLAIM_NAME 0x100u
#define REQUEST_CLAIM_SLOT 0x200u

struct node {
    struct node_env env;
    struct overlay *overlay;
    struct own_network *networks[NETWORKS_MAX]; /* NULL: not in one of that number */
    struct members members;
    struct waiting **waitings; /* waiting_max of them: none while nothing waits */
    struct ask **asks;         /* ask_max of them: likewise */
    uint16_t waiting_max, ask_max, waiting_packets;
    uint64_t wake_us;
    uint32_t salt; /* in internal request numbers: an old answer is not taken for a new one */
    bool left;
};

static inline const struct id *node_id(const struct node *n)
{
    return overlay_id(n->overlay);
}
static inline const struct hot_lanes *node_lanes(const struct node *n)
{
    return overlay_lanes_of(n->overlay);
}
static inline const struct limits *node_limits(const struct node *n)
{
    return &overlay_common(n->overlay)->limits;
}

/* One step's tools, handed down together. */
struct step {
    struct node *n;
    uint64_t now_us;
    struct outbox *box;
    struct actions *out;
    uint32_t base; /* where the outbox began in the driver's arena */
};
void network_changed(struct step *s,
                     const struct command *c); /* CMD_NETWORK_ADD, CMD_NETWORK_DROP */
void step_reply(struct step *s, const struct reply *r);
void step_notice(struct step *s, const struct notice *n);
void step_message(struct step *s, const struct id *from, const void *text, size_t len,
                  bool broadcast);
uint8_t *step_space(struct step *s, uint32_t len); /* in the driver's arena; NULL: full */
static inline void node_wake_at(struct node *n, uint64_t at)
{
    n->wake_us = time_min(n->wake_us, at);
}

/* --- traffic.c --- */
struct own_network *network_by_key(struct node *n, const uint8_t key[32]);
void network_tell_lane(struct node *n, const struct own_network *net, bool remove);
void traffic_miss(struct step *s, const struct hot_message *m, const uint8_t *packet);
void traffic_inner(struct step *s, const struct overlay_event *e);
void traffic_peer_up(struct step *s, const struct overlay_event *e);
void traffic_expire(struct step *s, uint64_t calendar_s); /* members whose certificates are over */
void traffic_verify_answer(struct step *s, const struct overlay_answer *a);
void traffic_heated(struct step *s); /* rows for sessions that the overlay put into the lane */
void traffic_refuse(struct step *s,
                    struct member *m); /* its slot is another's: nothing of it, nothing to it */
void traffic_readmit(struct step *s, struct member *m); /* it was not after all */
void traffic_failed(struct step *s, const struct id *id);
void traffic_answer(struct step *s, const struct overlay_answer *a);
void traffic_claim_answer(struct step *s, const struct overlay_answer *a);
void traffic_tick(struct step *s);
void traffic_joined(struct step *s);
void traffic_left(struct step *s, const struct own_network *net); /* its records may expire */
void traffic_free(struct node *n);
/* The record under which an address or a name of a network is found. */
bool ip_owned_by(const struct member *m, const uint8_t ip[16]);
bool traffic_resolve_start(struct step *s, uint8_t network, const uint8_t ip[16], uint32_t request);
bool name_resolve_start(struct step *s, uint8_t network, const char *name, uint32_t request);
bool answer_id(const struct overlay_answer *a, struct id *out);

/* --- slot.c --- */
void slot_met(struct step *s, struct member *m); /* it showed its certificate */
void slot_answer(struct step *s, const struct overlay_answer *a);
void slot_tick(struct step *s);
void slot_claim(struct step *s, struct own_network *net);
void slot_claim_answer(struct step *s, struct own_network *net, const struct overlay_answer *a);

/* --- command.c --- */
void command_start(struct step *s, const struct command *c);
void command_peer_up(struct step *s, const struct id *id);
void command_failed(struct step *s, const struct id *id);
void command_answer(struct step *s, const struct overlay_answer *a);
void command_hop(struct step *s, const struct overlay_answer *a);
void command_tick(struct step *s);
void command_free(struct node *n);
