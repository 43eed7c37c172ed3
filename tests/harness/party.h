/* tests/harness/party.h - a few whole nodes in one process, and a wire between them that a test holds in its hands.
 *
 * Every guest is a node as the daemon has it: its own pools and table of identities, and, if wanted, a lane or several. The wire
 * has delay, loss, disorder and doubles; a tap sees every datagram before it is under way and may change or keep it; a
 * book keeps copies. What is sent to an address of nobody is counted: that is what a stranger would have got.
 * Bytes are handed in as a block of exactly their length, so that the sanitizer sees whoever reads on.
 *
 * Units: microseconds from 1 s. Owns: everything; party_close frees and checks that every node gave back what it took.
 * Errors: what a test did not provide for stops the program (ensure). */
#pragma once
#include "base/err.h"
#include "node/drive.h"
#include "node/internal.h"
#include "overlay/core.h"

#define PARTY_GUESTS 8
#define PARTY_LANES  4
#define PARTY_BOOK   512
#define PARTY_SERIAL 65536
#define CALENDAR_S   1767225600u
#define YEAR_S       (365u * 86400u)

struct letter { /* a datagram under way, or in the book */
    uint64_t at_us, number;
    struct endpoint from, to;
    uint8_t *bytes;
    uint32_t len;
};
enum papers { /* the certificate chain that a guest shows */
              PAPERS_GOOD,
              PAPERS_FOREIGN, /* of another authority */
              PAPERS_EXPIRED,
              PAPERS_OTHERS /* a good one, of guest number `as` */
};
struct guest_options {
    bool lane, founder, other_key; /* other_key: of another overlay */
    bool steals;                   /* says it is guest number `as`, with keys of its own */
    uint8_t papers, as;
    uint8_t
        invite; /* joins with this invite, and takes slot `slot` of its `uses`; 0: certified by the network */
    uint8_t lanes; /* with `lane`: so many, as if each had a thread; 0: one */
    uint32_t slot, uses;
    uint8_t seeds[PARTY_GUESTS]; /* guests to dial, + 1 */
    const struct limits *limits;
};
struct guest {
    struct node *node;
    struct lane *lane;
    struct hot_queue down, up;
    struct hot_lanes lanes;
    struct lane *more[PARTY_LANES]; /* from 1 on */
    struct hot_queue more_down[PARTY_LANES], more_up[PARTY_LANES];
    struct hot_counter *counters;
    struct identities identities;
    struct pool pkts, extras;
    struct actions actions;
    struct identity self;
    struct endpoint at;
    uint32_t ipv4;
    uint8_t chain[CHAIN_BYTES];
    size_t chain_len;
    uint32_t starts;
    uint64_t sent, sent_bytes;
    uint32_t notices[16], replies;
    struct reply reply;
    struct id text_from; /* of the last message */
    char text[NODE_TEXT_MAX + 1];
    /* what came out of its device */
    uint32_t tun_count, tun_len;
    uint8_t tun[2048];
    uint8_t got[PARTY_SERIAL]; /* how often the packet of this number came */
};
struct party {
    const struct crypto *crypto;
    uint64_t now_us, letters_sent;
    struct rng rng; /* of the wire */
    uint64_t delay_us, jitter_us;
    uint32_t loss_percent, double_percent;
    bool (*tap)(struct party *p, struct letter *l); /* false: it is lost. May be NULL */
    void *context;
    struct letter *mail; /* under way */
    uint32_t mail_count, mail_room;
    struct letter book[PARTY_BOOK];
    uint32_t book_count;
    bool booking;
    uint64_t nobody, nobody_bytes; /* sent to nobody's address */
    struct guest *guests[PARTY_GUESTS];
    uint32_t count;
    struct trace trace;
    struct overlay_key key, other_key;
    struct identity authority, foreign, network, invites; /* one key for all invites */
    uint8_t network_cert[2][CHAIN_BYTES];                 /* by the authority, by the foreign one */
    size_t network_cert_len[2];
};

extern const struct limits party_small; /* for fuzzing: full soon */

struct party *party_new(const struct crypto *c, uint64_t seed);
void party_close(struct party *p);
struct guest *party_guest(struct party *p, const struct guest_options *o);
/* It dies without a word and starts again: the same identity and address, other random numbers, and nothing else. */
void party_restart(struct party *p, struct guest *g, const struct guest_options *o);
/* The usual: a founder and count-1 others who join it; returns when all are joined. */
struct party *party_of(const struct crypto *c, uint64_t seed, uint32_t count, bool lanes,
                       const struct limits *l);

/* For fuzz entries: small nodes, the first with a lane and joined by the others, who may just have begun. */
struct party *party_small_of(uint32_t count);
/* Gives the input to `one` while at least `min` bytes are left of it. What every guest holds is checked after each, and once more
 * after some time. Closes the party. */
void party_fuzz(struct party *p, const uint8_t *data, size_t size, size_t min,
                void (*one)(struct party *p, struct reader *in), uint64_t after_us);

void party_run(struct party *p, uint64_t us); /* everything that happens in so much time */
void party_step(struct party *p, struct guest *g, const struct event *e);
/* Bytes arrive now; as they are, and out of a block of exactly that length. */
void party_give(struct party *p, struct guest *g, const struct endpoint *from, const void *bytes,
                size_t len);
/* g's datagram is on the wire. */
void party_post(struct party *p, struct guest *g, const struct endpoint *to, const uint8_t *bytes,
                uint32_t len);
/* An inner packet of len bytes with this number enters g's device. */
void party_tun(struct party *p, struct guest *g, uint32_t dst, uint32_t number, uint32_t len);
uint32_t party_packet(uint8_t *out, uint32_t src, uint32_t dst, uint32_t number, uint32_t len);
/* Of the packets from..from+count-1 that the first two sent each other, so many never came; none may have come twice. */
uint32_t party_lost(const struct party *p, uint32_t from, uint32_t count);
void party_command(struct party *p, struct guest *g, uint8_t type, const struct guest *target);
bool party_pings(struct party *p, struct guest *a, struct guest *b); /* is it answered? */

/* Another certificate of the same invite for g, as the daemon makes one when its slot is taken. */
void party_reissue(struct party *p, struct guest *g, uint8_t invite, uint32_t slot, uint32_t uses);
/* What g thinks of `of`'s slot; SLOT_NONE if it does not know it. */
enum member_slot guest_slot(const struct guest *g, const struct guest *of);

struct overlay *guest_overlay(const struct guest *g);
struct link *guest_link(const struct guest *g, const struct guest *to); /* UP only; NULL */
uint32_t guest_dropped(const struct guest *g, enum drop why);
uint32_t guest_drops(const struct guest *g); /* of all reasons */
/* Seal a frame with g's session to `to`, which must be cold; 0: there is none. */
size_t guest_seal(struct guest *g, const struct guest *to, const void *frame, size_t len,
                  uint8_t *out, size_t max);
/* Seal it and let it arrive at `to`, from g's address or another. */
bool guest_send(struct party *p, struct guest *g, struct guest *to, const struct endpoint *from,
                const void *frame, size_t len);
/* The same as the body of a ROUTED frame from g to `to`, not acknowledged. */
bool guest_send_routed(struct party *p, struct guest *g, struct guest *to, const void *body,
                       size_t len);
/* A BROADCAST signed by g, for the ids from start to end; returns its length, 0: it does not fit. */
struct party_broadcast {
    uint32_t number;
    uint64_t at_s, left_ms;
    struct id start, end;
    const char *text;
};
size_t party_broadcast(const struct party *p, const struct guest *g,
                       const struct party_broadcast *b, uint8_t out[1200]);
/* A fresh HELLO1 with a good mac1; number makes it unlike others. */
void party_hello1(const struct party *p, uint64_t number, uint8_t out[HELLO1_SIZE]);

/* g begins a handshake with whoever is at that endpoint and should be `id` (zero: anybody). */
bool party_dial(struct party *p, struct guest *g, const struct endpoint *at, const struct id *id);
/* g begins new keys with `to`, whom it has a link to, as if they were due. */
bool party_rekey(struct party *p, struct guest *g, const struct guest *to);
/* An inner IPv4 packet as a frame, of any source; returns its length. */
size_t party_ip_frame(const struct guest *to, uint32_t src, uint32_t number, uint8_t out[128]);
bool party_agree(const struct guest *a, const struct guest *b); /* on one and the same session */

/* What a node holds, in things; all are bounded by its limits, and it must not grow by what is dropped. */
struct holding {
    uint32_t pkts, extras, identities, links, up, hellos, inflight, requests, records, channels,
        members, waiting, passive;
};
struct holding guest_holds(const struct guest *g);
bool holding_equal(const struct holding *a, const struct holding *b);
void guest_check(const struct guest *g); /* within its limits, every pooled thing accounted for */
