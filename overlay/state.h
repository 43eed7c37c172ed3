/* overlay/state.h - what a node's overlay remembers: struct overlay, and the parts of it that several files of overlay/ know.
 *
 * Seen by the files of overlay/ alone, through overlay/core.h, which says what each of them does with it.
 */
#pragma once
#include "base/pack.h"
#include "nat/budget.h"
#include "overlay/control.h"
#include "overlay/knock.h"
#include "overlay/link.h"
#include "overlay/overlay.h"

#define NEAR_SIDE_MAX 4
#define LOCALS_MAX    8
#define CHAINS_MAX    8
#define SEEN_MAX      64
#define PROBES_PER_S  40 /* to endpoints nobody has proven, all peers together */
#define PROBES_BURST  64
#define FAILED_MAX    8
#define ACKS_MAX      21 /* with these, tables of routing fit into 432 bytes */
#define ACK_HEAD_MAX  (2 + 2 * ACK_MAX)
#define ACK_WITH_MAX  1200 /* what carries ACKs, too, passes a path of 1280 bytes */
#define NO_SLOT       0xffffu
#define WORD_REFER    0xffffu
#define MTU_OVER_UNIT 4u

/* index map: what a receiver index stands for */
#define ENTRY_FREE  0x0000u
#define ENTRY_LINK  0x1000u /* ORed with the slot: slots stay below 4096 */
#define ENTRY_HELLO 0x2000u /* ORed with the handshake's number */
#define ENTRY_HELD  0x3000u /* ORed with the slot */
#define ENTRY_OWED  0x4000u /* ORed with its generation: free once the lane was told to forget it */
#define ENTRY_KIND  0xf000u

/* One handshake under way. */
struct hello {
    struct handshake hs;
    uint16_t entry; /* in the index map */
    bool routed;    /* else bare, to `at` */
    struct endpoint at;
    struct id target;   /* routed: to whom; zero for a seed */
    struct id waypoint; /* zero: none */
    struct id
        place; /* for a far link: a point in its octave; who is crowded names somebody nearer to it */
    uint8_t kinds; /* why we want it */
    uint8_t tries;
    bool brief; /* nobody waits for it: asked twice */
    bool
        referred; /* others were named in its place: asked once more if they do not come up nearer */
    bool given_up; /* it was a link that died: perhaps it, or we, moved */
    uint16_t
        word; /* + 1: of the link on whose word it was begun, WORD_REFER: on a REFER's; 0: on nobody's */
    uint64_t next_us, sent_us;
    uint8_t mac1[16], cookie[16];
    bool has_cookie;
    bool from_seed; /* dialled from the seed list or the remembered peers */
    uint16_t hello3_len;
    uint16_t link_slot; /* NO_SLOT until keys are agreed */
    uint8_t *hello3;    /* pooled: kept until the peer's CERT has come; NULL: not written yet */
};
#define INFLIGHT_MAX 1400
/* A routed frame waiting for its hop's acknowledgement. */
struct inflight {
    uint16_t slot; /* link it went out on */
    uint16_t seq;
    uint8_t tries;
    bool used;
    uint16_t avoid[3];   /* links tried; NO_SLOT */
    uint16_t arrived_on; /* NO_SLOT: ours */
    uint64_t born_us, due_us, sent_us;
    uint16_t len;
    uint8_t frame[]; /* ROUTED frame, at most INFLIGHT_MAX */
};
struct request {
    uint8_t what; /* enum request_what */
    uint8_t tries;
    uint8_t denied;        /* GET: so many said that there is none */
    bool straight;         /* FIND: its body ends with the key of an ANSWER (straight.c) */
    uint32_t id, external; /* ours on the wire; the caller's */
    struct id target;
    uint64_t sent_us, until_us, next_us;
    uint8_t mode, flags;
    uint16_t force_slot; /* first hop; NO_SLOT: greedy */
    uint16_t denied_on;  /* who said so last: the link that it came on; NO_SLOT: ourselves */
    uint32_t denier;     /* and first bytes of its id */
    uint8_t purpose;     /* of an internal question: far link, join */
    uint16_t body_len, body_max;
    uint8_t body[]; /* the frame, for a retry */
};
#define QUESTION_MAX 64 /* body of a FIND */
#define STRAIGHT_MAX 96 /* and of one that may be answered straight */
enum request_what { REQUEST_FIND = 1, REQUEST_TRACE, REQUEST_GET, REQUEST_PUT, REQUEST_MESSAGE };
enum purpose { PURPOSE_CALLER, PURPOSE_JOIN, PURPOSE_FAR, PURPOSE_REPAIR };

struct near_info {     /* what we know of a near link's own near set */
    uint32_t asked_ms; /* low 32 bits of milliseconds; 0: never */
    uint32_t digest;   /* its last, and all that it stands for is known here */
    uint16_t slot;
    bool next : 1;   /* nobody stands between it and us */
    bool listed : 1; /* it has told us whom it has around us */
    bool told : 1;   /* others were told of it, if they are to be */
    bool
        stale : 1; /* it, or somebody, named a neighbour that did not answer us: to be asked again */
};
struct channel {       /* relay for others: RELAYED on (from, in) goes out on (to, out) */
    uint16_t from, to; /* slots; NO_SLOT: free */
    uint32_t in, out;
    uint64_t used_us;
};
struct own_chain {
    uint8_t *bytes; /* NULL: none */
    uint16_t len;
};
struct ack_due {                /* an acknowledgement due */
    uint16_t slot, seq, due_ms; /* due: low 16 bits of milliseconds */
};
/* Lookahead: whom a link's peer reaches directly, as it told. */
#define HINTS_MAX   40
#define OCTAVES_MAX 64
#define TRIED_MAX   64
struct hints {
    bool used;
    uint8_t count;
    uint8_t rtt[HINTS_MAX];     /* rtt_code */
    uint32_t prefix[HINTS_MAX]; /* first four bytes of the id */
};
struct ahead {
    uint64_t tell_us, pause_us;
    struct hints *lists;       /* limits.lookahead of them */
    uint16_t *at;              /* per slot: + 1, its list; 0: none */
    uint32_t told;             /* digest of what we told last; 0: nothing yet */
    uint32_t tried[TRIED_MAX]; /* as far links */
    uint8_t tried_next;
};
struct failed { /* it did not answer */
    struct id id;
    uint32_t at_ms;
};

struct overlay {
    /* lent */
    const struct crypto *crypto;
    struct identities *identities;
    struct pool *pkts, *extra_pool;
    struct trace *trace;
    const struct hot_lanes *lanes;
    /* who we are */
    struct identity self;
    uint32_t capabilities;               /* here, and the drops below: no padding */
    const struct overlay_common *common; /* lent, or right behind this struct */
    struct own_chain *chains;            /* chain_count of them; at most CHAINS_MAX */
    uint8_t chain_count;
    bool founder : 1, leaving : 1;
    bool remembers : 1, open : 1; /* our NAT, as we found out; there is none (patience.c) */
    bool heated : 1;              /* overlay_next_heated has something to tell */
    bool bare_heard : 1;          /* the last HELLO1 that went both ways was answered bare */
    uint8_t far_turn : 2; /* 0: a missing far link is sought over the ring; else in a list */
    uint16_t joined_s;    /* on the ring, with neighbours, since: low 16 bits of seconds; 0: not */
    uint32_t drops[DROP_COUNT];
    struct rng rng;
    uint8_t token_key[16];
    uint64_t calendar_s, calendar_at_us; /* 0: unknown */
    uint64_t started_us, wake_us;
    uint64_t upkeep_us; /* the first link's upkeep is due; TIME_NEVER: there is none */
    /* links */
    struct link *links;
    uint16_t *order; /* slots of UP links by id */
    uint16_t *map;   /* receiver index entries */
    uint16_t link_count, up_count;
    uint16_t map_mask, map_next;
    struct extra **extras;    /* this and the tables below: tables.c */
    struct link_stats *stats; /* per slot, daemon only */
    /* handshakes */
    struct knock knock;
    struct hello **hellos;
    uint16_t *hello_rate; /* per link: routed HELLO1 it may still send through us */
    /* routing */
    struct inflight **inflights;
    uint32_t seen[SEEN_MAX];
    uint16_t seen_next;
    uint16_t spare; /* slot of the link that our NAT's memory is tried with; NO_SLOT: none */
    uint16_t seq_next;
    uint16_t self_place; /* in `order`: so many ids are below ours */
    uint16_t died_s; /* a link that was held did last, low 16 bits of seconds; 0: not for long */
    uint32_t hello_rate_ms; /* hello_rate was used last, low 32 bits of milliseconds; 0: never */
    struct ack_due *acks;
    /* requests */
    struct request **requests;
    uint32_t request_next;
    uint16_t extra_count, hello_count, inflight_count, request_count;
    uint32_t leave_seeds_ms; /* low 32 bits of milliseconds; 0: not armed */
    uint16_t met_s; /* others were told last that another ring was met, low 16 bits of seconds */
    uint16_t owed;  /* receiver indices that a lane has still to forget */
    uint8_t ack_count;
    uint8_t ping_more; /* than three are sent before somebody is given up */
    uint8_t ping_loss; /* of PINGs to live peers so many are not answered, of 256 */
    uint8_t mtu_over;  /* the largest MTU of our networks: INNER_MTU_L3 and so many MTU_OVER_UNIT */
    /* ring */
    struct near_info near[2 * NEAR_SIDE_MAX];
    uint32_t near_digest;
    uint8_t near_count, far_octave : 7;
    bool far_asked : 1; /* a candidate was: who is held is looked at before the next one */
    bool joined : 1, was_alone : 1;
    bool near_short : 1;     /* a near link is gone: a side wants another one */
    bool near_look : 1;      /* the repair that is due only compares near sets next door */
    uint8_t far_vain : 4;    /* looks since far_missing was another number */
    uint8_t far_missing : 2; /* octaves without a link at the last look, 3: or more */
    uint8_t near_looks : 2;  /* repairs next door since the last whole one */
    uint8_t far_dials : 3;   /* so many more from lists, until far_tick looks again */
    uint64_t ring_due_us, ring_tell_us;
    uint32_t repair_us;
    uint32_t far_due_ms; /* low 32 bits of milliseconds; 0: not armed */
    struct ahead *ahead; /* NULL until needed, and with limits.lookahead 0 */
    /* reaching others and being reached */
    struct observe observe;
    struct endpoint *locals;    /* local_count of them; at most LOCALS_MAX */
    struct budget route_budget; /* answers to traces, and straight ones */
    struct budget probe_budget;
    struct budget find_budget; /* handshakes begun because somebody asked who is nearest to it */
    struct budget cert_budget; /* certificates shown on links that are up */
    uint32_t observed_told_ms; /* when others were last told that we are seen elsewhere */
    uint32_t patience_ms;      /* trying a link: we sent there last; else: when to look again */
    struct channel *channels;  /* NULL, and none of them: nobody is carried */
    uint32_t channel_next;
    uint16_t channel_count;
    uint8_t local_count;
    uint8_t
        far_tired; /* so many candidates for far links were no better, nearly: 1/FAR_HALF doublings of the pause */
    /* join */
    struct endpoint *seeds;
    struct overlay_seed_peer *passive;
    uint16_t seed_count, seed_next;
    uint16_t passive_count, passive_next;
    uint64_t join_due_us, passive_due_us;
    struct failed *failed; /* FAILED_MAX of them; NULL: none for a while */
    uint8_t join_tries, failed_next;
    uint8_t lost_count,
        passive_tries; /* the first of passive look dead; probes since the last did */
    uint16_t record_count;
    uint16_t torn; /* a near link died; units of TORN_UNIT_US */
    /* records */
    struct record_entry **records; /* by key */
    uint64_t records_due_us;
    struct dht *dht;       /* hand-over, records of our own; NULL until there is a record (dht.h) */
    struct seldom *seldom; /* messages, broadcasts; NULL until there is one (seldom.h) */
    struct backs *backs;   /* whom questions came from (ways.c); NULL: none lately */
};
struct link_stats {
    uint64_t rx_bytes, tx_bytes, since_us;
};

static inline void wake_at(struct overlay *o, uint64_t at_us)
{
    if (at_us < o->wake_us) o->wake_us = at_us;
}
static inline uint32_t ms32(uint64_t us)
{
    return (uint32_t)(us / 1000u);
}
static inline uint16_t s16(uint64_t us)
{
    return (uint16_t)(us / SECONDS(1));
}
/* Seconds since o->joined_s, which is not 0; wraps after 18 h. */
static inline uint16_t joined_for_s(const struct overlay *o, uint64_t now_us)
{
    return (uint16_t)(s16(now_us) - o->joined_s);
}
static inline void drop(struct overlay *o, enum drop why)
{
    o->drops[why]++;
}
