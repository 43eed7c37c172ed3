/* overlay/core.h - the functions that work on the inside of struct overlay (state.h), shared by the files of overlay/ and nobody else.
 *
 * One file per concern; each keeps its own part of the state and its own deadlines, and says wake_at() when it arms one:
 *   links.c (table)   tables.c (of pooled things)   hello.c (handshakes)   hellos.c (the table of them)   chains.c (certificates)   keys.c (several sessions with one peer)   receive.c (arrivals)   send.c (frames out)   upkeep.c (pings, death, rekey)   patience.c (how often)
 *   path.c (direct paths, roaming)   sizing.c (their MTU)   relay.c (channels)   ring.c (near links)   near.c (what neighbours tell of them)   far.c (far links)   route.c (hop by hop)   next.c (which hop)   ahead.c (neighbours' neighbours)
 *   refer.c (newcomers handed on)   merge.c (rings that meet)   control.c (MessagePack bodies)   request.c (questions of ours)   straight.c (their short answers)   join.c (seeds, remembered peers)   dht.c, records.c (records kept)   claim.c (records of ours)
 *   ways.c (questions about records on several ways)   demand.c, pinned.c (links for these reasons)   message.c (text to a node)   broadcast.c (to all)   seldom.c (what most nodes never have)   view.c
 */
#pragma once
#include "overlay/state.h"

/* --- links.c --- */
const struct id *link_id(const struct overlay *o, const struct link *l);
static inline uint16_t link_slot(const struct overlay *o, const struct link *l)
{
    return (uint16_t)(l - o->links);
}
struct link *link_by_id(const struct overlay *o, const struct id *id);     /* UP only; NULL */
struct link *link_by_id_any(const struct overlay *o, const struct id *id); /* UP or CERT */
struct link *link_new(struct overlay *o, uint64_t now_us, peer_handle peer,
                      struct outbox *out); /* NULL: full of better ones. Takes over the holder */
bool links_any_direct(
    const struct overlay *o); /* is there anybody we reach without anybody's help? */
/* Direct, and not within our own network: a neighbour in the LAN hears us when nobody else does, and relays nothing for us. */
bool link_leads_out(const struct overlay *o, const struct link *l);
bool links_any_out(const struct overlay *o);
/* One of the last that lead out: where hardly anybody hears us all paths are made through those few. */
bool link_lifeline(const struct overlay *o, const struct link *l);
bool link_room(struct overlay *o, uint64_t now_us); /* would link_new find a place? */
void close_send(struct overlay *o, struct link *l, uint64_t now_us, unsigned reason,
                struct outbox *out); /* CONTROL CLOSE; 1: we leave */
bool link_may_hello(struct overlay *o, const struct link *l,
                    uint64_t now_us); /* forward one more routed HELLO1 from it? */
uint64_t link_age_us(const struct link *l, uint64_t now_us);      /* of its keys */
void link_up(struct overlay *o, struct link *l, uint64_t now_us); /* enters the order */
void link_close(struct overlay *o, struct link *l, uint64_t now_us, const char *why,
                struct outbox *out);
uint16_t order_find(const struct overlay *o,
                    const struct id *id); /* first position whose id >= id */
static inline struct link *order_at(const struct overlay *o, uint16_t pos)
{
    return &o->links[o->order[pos]];
}
/* A free receiver index; 0: none. One with the owner (hot_owner) of the index `like` if there is one; 0: any. */
uint32_t index_new(struct overlay *o, uint16_t meaning, uint32_t like);
void index_free(struct overlay *o, uint32_t index);
/* What it stands for; ENTRY_FREE if it was freed, though its place may have been given away again. */
uint16_t index_meaning(const struct overlay *o, uint32_t index);
uint32_t index_at(const struct overlay *o, uint32_t place); /* in use there; 0: none */
static inline void index_move(struct overlay *o, uint32_t index, uint16_t meaning)
{
    o->map[index & o->map_mask] = meaning;
}
uint32_t link_index(const struct link *l); /* local receiver index of its session */
/* Over a table of pooled things: {0, how many are in it}. Ends with the last of so many, however long the table is. What is put in
 * meanwhile is met if it stands further on and some of those counted are still to come. */
struct table_walk {
    uint16_t at, left;
};
struct extra *extra_next(const struct overlay *o, struct table_walk *w); /* NULL: that was all */
struct extra *link_extra(const struct overlay *o, const struct link *l); /* NULL: has none */
struct extra *link_need_extra(struct overlay *o, struct link *l);        /* NULL: none left */
void link_release_extra(struct overlay *o,
                        struct link *l);                 /* if nothing in it is needed any more */
void link_drop_extra(struct overlay *o, struct link *l); /* if it has one */
struct endpoint link_endpoint(const struct link *l);
void link_set_endpoint(struct link *l, const struct endpoint *e);
static inline enum path_kind link_path(const struct link *l)
{
    return (enum path_kind)((l->s.flags >> 6) & 3u);
}
/* It looks dead: it is taken when there is nobody else, and not named to others. */
static inline bool link_suspect(const struct link *l)
{
    return l->tries >= 2;
}
void link_set_path(struct link *l, enum path_kind p);
uint64_t link_rto_us(const struct link *l);
void link_rtt_sample(struct link *l, uint64_t rtt_us);
uint32_t link_rtt_us(const struct link *l);
uint64_t calendar_now(const struct overlay *o, uint64_t now_us); /* calendar seconds; 0: unknown */

/* --- tables.c --- */
/* Before an entry is put into extras, hellos, inflights, requests or acks, and before hello_rate is used. false: no room. */
bool tables_need_extras(struct overlay *o);
bool tables_need_hellos(struct overlay *o);
bool tables_need_rates(struct overlay *o);  /* hello_rate */
void tables_hellos_over(struct overlay *o); /* the last of them has ended, perhaps */
bool tables_need_routes(struct overlay *o); /* inflights, requests, acks */
size_t tables_size(const struct limits *l);
bool tables_init(struct overlay *o); /* false: no memory */
void tables_tick(struct overlay *o, uint64_t now_us);
void tables_fini(struct overlay *o); /* and all that is in them */

/* --- send.c --- */
struct
    way { /* how a frame goes when not along the link's path: probing, and answers to where a question came from */
    enum path_kind path;
    struct endpoint at; /* direct */
    uint16_t relay;     /* relayed: slot of the relay's link */
    uint32_t channel;
    struct id waypoint; /* routed */
};
/* Seal frame for the link and send it along its path, or along `way` when that is given. */
void frame_send(struct overlay *o, struct link *l, uint64_t now_us, const uint8_t *frame,
                size_t len, const struct way *way, struct outbox *out);
struct way link_way(const struct overlay *o, const struct link *l);
/* Send a sealed or outer datagram: bare, or as a routed body. */
void datagram_send(struct overlay *o, const struct endpoint *to, const uint8_t *bytes, size_t len,
                   struct outbox *out);

/* --- receive.c --- */
struct arrival {          /* where something came from */
    struct endpoint from; /* none unless it came bare */
    struct link *link;    /* the hop that brought it: ROUTED and RELAYED; NULL if bare */
    struct id routed_src; /* ROUTED: the hint for the way back */
    struct id
        waypoint; /* ROUTED through a waypoint: the node that unwrapped it for us... zero if none */
    bool routed, relayed;
    bool plain;       /* the body of ROUTED itself, sealed only hop by hop */
    uint8_t ttl;      /* routed: what is left of it */
    uint8_t flags;    /* routed: as it came */
    uint32_t channel; /* relayed on this channel */
};
void on_outer(struct overlay *o, uint64_t now_us, const struct arrival *a, uint8_t *bytes,
              size_t len, struct outbox *out);
void on_frame(struct overlay *o, uint64_t now_us, struct link *l, const struct arrival *a,
              bool newest, uint8_t *frame, size_t len, struct outbox *out);

/* --- hello.c --- */
/* Start one; id zero: whoever is there. Returns false when the table is full or one to it runs already. */
bool hello_dial(struct overlay *o, uint64_t now_us, const struct endpoint *at, const struct id *id,
                uint8_t kinds, bool from_seed, struct outbox *out);
/* at: where it may also be tried at once, bare, with the very same HELLO1 (none: nowhere); the first answer decides. */
bool hello_route(struct overlay *o, uint64_t now_us, const struct id *id, const struct id *waypoint,
                 const struct endpoint *at, uint8_t kinds, struct outbox *out);
/* hello_route to somebody whose link has just died. */
void hello_given_up(struct overlay *o, uint64_t now_us, const struct id *id,
                    const struct endpoint *at, struct outbox *out);
bool hello_far(struct overlay *o, uint64_t now_us, const struct id *id, const struct endpoint *at,
               const struct id *place, struct outbox *out); /* bare first; a crowded one refers */
/* hello_route to a neighbour to be, because the peer of link `by` named it (NULL: a REFER did): within a bound for each such peer,
 * and for all of them, so that made-up ids leave room for others. brief: nobody waits for it. */
bool hello_heard_of(struct overlay *o, uint64_t now_us, const struct link *by, const struct id *id,
                    const struct id *waypoint, const struct endpoint *at, bool brief,
                    struct outbox *out);
/* hello_route to a member of another ring, on the word of the peer of `by`, and through it. */
void hello_met(struct overlay *o, uint64_t now_us, const struct link *by, const struct id *id,
               const struct endpoint *at, struct outbox *out);
void on_hello1(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
               size_t len, struct outbox *out);
void on_hello2(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
               size_t len, struct outbox *out);
void on_hello3(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
               size_t len, struct outbox *out);
void on_cookie(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
               size_t len, struct outbox *out);
void hello_tick(struct overlay *o, uint64_t now_us, struct outbox *out);

/* --- hellos.c: the table of those under way --- */
struct hello *hello_next(const struct overlay *o, struct table_walk *w); /* NULL: that was all */
/* NULL: no room. id, at: who it is with, as far as is known or claimed; zero, none: not at all. */
struct hello *hello_new(struct overlay *o, bool initiator, const struct id *id,
                        const struct endpoint *at);
struct hello *hello_by_meaning(const struct overlay *o, uint16_t meaning);
struct hello *hello_asking(const struct overlay *o,
                           uint32_t index); /* ours, HELLO1 sent and not answered; NULL */
bool hello_pending(const struct overlay *o, const struct id *id);
/* So many who would be near, between us and `nearest` on that side, were asked a moment ago. */
unsigned hello_nearer_pending(const struct overlay *o, const struct id *nearest, bool right);
bool hello_dialling(const struct overlay *o);
/* Is another HELLO3 to the same peer waiting for its answer? One at a time: so both ends agree which came later. */
bool hello3_waits(const struct overlay *o, const struct hello *own);
/* May one be begun with whoever has that id (zero: not known)? */
bool hello_may_begin(const struct overlay *o, const struct id *id);
void hello_enough_seeds(struct overlay *o); /* on the ring: what seeds were asked is forgotten */
void hello_forget_link(struct overlay *o, uint16_t slot);
/* Those of ours with the peer of `l` that have no keys yet. */
void hello_forget_target(struct overlay *o, struct link *l);
void hello_end(struct overlay *o, struct hello *h,
               bool keep_index); /* keep_index: its receiver index now belongs to a link */

/* --- chains.c --- */
/* The one that handshakes show: of the lowest number in use. */
struct own_chain first_chain(const struct overlay *o);
void cert_send(struct overlay *o, struct link *l, uint64_t now_us,
               struct outbox *out); /* all of ours */
void on_cert(struct overlay *o, uint64_t now_us, struct link *l, const uint8_t *frame, size_t len,
             struct outbox *out);
void chains_fini(struct overlay *o);

/* --- keys.c: which of several sessions with one peer is sent on (docs/decisions/0017) --- */
/* The peer behind `l` is proven and certified: its session counts from now on, in place of an older one. Returns the link that goes on. */
struct link *proven(struct overlay *o, uint64_t now_us, struct link *l, const struct membership *m,
                    struct outbox *out);
void settled(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out);
/* A HELLO3 came from the peer of `l`, in answer to our HELLO2; the HELLO1 had come at hello1_us. true: its session follows the
 * present one. false: it crossed ours, which goes on; neither end will send on it. */
bool keys_follow(const struct overlay *o, const struct link *l, uint64_t hello1_us);
/* Something sealed came from `fresh`, whose CERT did not come yet. If its proven id is certified already (new keys of an old peer) that
 * says all we wait for: HELLO3 has arrived. Returns the link that goes on, or NULL. */
struct link *keys_confirmed(struct overlay *o, uint64_t now_us, struct link *fresh,
                            struct outbox *out);
void keys_unanswered(struct overlay *o, uint64_t now_us, struct link *fresh);
void keys_fresh_tick(struct overlay *o, uint64_t now_us, struct link *fresh, struct outbox *out);
void keys_heard(struct overlay *o, uint64_t now_us, struct link *l); /* on the present session */
void keys_held_heard(struct overlay *o, uint64_t now_us, struct link *l, struct held *h);
struct held *keys_held(struct overlay *o, const struct link *l, uint32_t index); /* NULL */
bool keys_settled(const struct overlay *o,
                  const struct link *l); /* one session, heard: another may be begun */
void keys_tick(struct overlay *o, uint64_t now_us, struct extra *x);
void keys_drop(struct overlay *o, struct extra *x); /* all that are held */

/* --- refer.c --- */
/* A bare HELLO1 whose sender seeks its place elsewhere, and we are crowded: answered with REFER. false: take it as any other. */
bool refer_hello1(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
                  size_t len, struct outbox *out);
void on_refer(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
              size_t len, struct outbox *out);

/* --- upkeep.c --- */
#define REKEY_IDLE_US SECONDS(3600)
#define REKEY_USED_US                                                                              \
    SECONDS(120) /* keys in use are renewed so often; unused for as long, use begins anew */
static inline bool used_lately(const struct extra *x, uint64_t now_us) /* x may be NULL */
{
    return x && x->used_us && time_since(now_us, x->used_us) < REKEY_USED_US;
}
uint8_t link_ping_flags(const struct overlay *o,
                        const struct link *l); /* of a PING or PONG: wanted, digest */
void link_ping(struct overlay *o, struct link *l, uint64_t now_us, const struct way *way,
               uint8_t flags, struct outbox *out); /* way NULL: the path */
/* Along the path, padded to the length of an inner packet of `size`; not shorter than a plain one. */
void link_ping_sized(struct overlay *o, struct link *l, uint64_t now_us, uint16_t size,
                     struct outbox *out);
void link_verify(struct overlay *o, struct link *l, uint64_t now_us,
                 struct outbox *out); /* is it alive? ask now */
/* What went there at since_us was not acknowledged, or a neighbour of its says that it is silent: unless it was heard since, that counts
 * as one PING without an answer. */
void link_doubt(struct overlay *o, struct link *l, uint64_t now_us, uint64_t since_us,
                struct outbox *out);
void on_ping(struct overlay *o, uint64_t now_us, struct link *l, const struct arrival *a,
             const uint8_t *f, size_t len, struct outbox *out);
void on_pong(struct overlay *o, uint64_t now_us, struct link *l, const struct arrival *a,
             const uint8_t *f, size_t len, struct outbox *out);
void upkeep_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
void upkeep_arm(struct overlay *o, struct link *l, uint64_t at_us);
bool upkeep_asks(const struct overlay *o, const struct link *l); /* else the other end does */
/* So long nothing may come from an end that asks. */
uint64_t upkeep_late_us(const struct overlay *o, const struct link *l);
/* Of keep-alives, after that one that goes out now. */
uint64_t upkeep_next_round(const struct overlay *o, const struct link *l, uint64_t now_us);
/* Its PING came: unless we are the one that asks, the next thing to do is to miss the next one. */
void upkeep_was_asked(struct overlay *o, struct link *l, uint64_t at_us);
void upkeep_forget(struct overlay *o, const struct link *l); /* it is not up any more */
/* Something sealed came; it counts for the path only if it came by it. */
void upkeep_heard(struct overlay *o, struct link *l, uint64_t now_us, const struct arrival *a);
void upkeep_dead(struct overlay *o, uint64_t now_us, struct link *l, const char *why,
                 struct outbox *out);

/* --- patience.c --- */
/* How long a link may be quiet: */
#define KEEP_US                                                                                    \
    SECONDS(25) /* many NATs forget an idle UDP mapping after 30 s (RFC 4787 REQ-5 asks for 120) */
#define KEEP_PATIENT_US SECONDS(60)  /* nothing on the way forgets, as both ends say */
#define KEEP_TUNNEL_US  SECONDS(120) /* relayed or routed: other links keep the way open */
uint64_t keep_us(const struct overlay *o, const struct link *l);
bool patient(const struct overlay *o, const struct link *l); /* what we say to its other end */
/* Our NAT's memory is tried with this link: the other end shall ping. */
bool patience_tries(const struct overlay *o, const struct link *l);
void patience_sent(struct overlay *o, const struct link *l, uint64_t now_us); /* along its path */
void patience_heard(struct overlay *o, const struct link *l, uint64_t now_us);
/* The other end lives, but the direct path is silent. */
void patience_lost(struct overlay *o, uint64_t now_us, const struct link *l, struct outbox *out);
void patience_forget(struct overlay *o, uint64_t now_us); /* we stand behind another NAT, perhaps */
/* So many PINGs without an answer mean that a peer is silent: as many as are lost in a row by chance once in some hundreds of rounds, and
 * each doubt costs others PINGs, and doubts about them in turn. */
unsigned patience_pings(const struct overlay *o);
void patience_answered(struct overlay *o, unsigned tries); /* a live peer, after so many of them */
void patience_tick(struct overlay *o, uint64_t now_us, struct outbox *out);

/* --- path.c --- */
void path_started(struct overlay *o, uint64_t now_us, struct link *l,
                  struct outbox *out); /* the session came up: seek a direct path */
void path_move(struct overlay *o, uint64_t now_us, struct link *l, enum path_kind to,
               const struct endpoint *at, const char *why, struct outbox *out);
void path_waypoint_lost(struct overlay *o,
                        const struct id *id); /* whoever goes through it takes another */
/* The direct or relayed path is silent. lives: the peer was heard over the ring just now. */
void path_lost(struct overlay *o, uint64_t now_us, struct link *l, bool lives, struct outbox *out);
void path_roam(struct overlay *o, uint64_t now_us, struct link *l, const struct endpoint *from,
               struct outbox *out);
bool mapping_depends(uint64_t mapping); /* another port for every peer ("symmetric") */
/* Another node that a routed path may go through: one that the other end has directly, as it told; else one near it. */
struct id path_waypoint(struct overlay *o, const struct link *l, const struct extra *x);
struct id path_waypoint_back(const struct extra *x,
                             const struct id *came_by); /* for an answer; x may be NULL */
void path_tell_lane(struct overlay *o, struct link *l);
void candidates_send(struct overlay *o, uint64_t now_us, struct link *l, bool ask,
                     struct outbox *out);
void path_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
void path_used(struct overlay *o, uint64_t now_us, struct link *l); /* traffic begins */
void path_observed_changed(
    struct overlay *o, uint64_t now_us,
    struct outbox *out); /* peers see us elsewhere: tell whom we cannot reach directly */
void on_candidates(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
                   struct outbox *out);
void path_restart_all(struct overlay *o, uint64_t now_us,
                      struct outbox *out); /* our network changed */
void local_candidates(const struct overlay *o, struct candidates *out);

/* --- sizing.c --- */
void sizing_begin(struct overlay *o, const struct link *l); /* its path is new, or it is hot now */
void sizing_end(struct overlay *o, const struct link *l);   /* it is cold */
void sizing_tick(struct overlay *o, uint64_t now_us, struct link *l, struct extra *x,
                 struct outbox *out);
void sizing_answered(struct overlay *o, uint64_t now_us, struct link *l, uint8_t i,
                     uint64_t rtt_us);
void sizing_used(struct overlay *o, uint64_t now_us, struct link *l, uint32_t largest);
/* What the lane is told: the largest inner packet that passes; 0: no bound is known. */
uint16_t sizing_bound(const struct overlay *o, const struct link *l);
bool sizing_is_open(const struct overlay *o, const struct link *l); /* more may pass */

/* --- relay.c --- */
void relay_seek(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out);
void on_relay(struct overlay *o, uint64_t now_us, struct link *l, unsigned op, struct unpack *u,
              struct outbox *out);
/* does a link that is wanted go through this one? Then this one is wanted, too */
bool relay_serves(const struct overlay *o, const struct link *relay);
/* Sets the bit of each link that carries others' paths: relay_carries of all of them, for one walk over the channels. */
void relay_carriers(const struct overlay *o, uint64_t now_us, uint64_t *slots);
bool relay_carries(const struct overlay *o, const struct link *l,
                   uint64_t now_us); /* others' bytes, lately */
void relay_found(struct overlay *o, uint64_t now_us, const struct link *relay,
                 struct outbox *out); /* reached directly now: for whom may it relay? */
void relay_tell_lane(struct overlay *o, const struct channel *c);
void relay_try(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out);
void relay_offered(struct overlay *o, uint64_t now_us, struct link *l, struct link *r,
                   uint32_t channel, struct outbox *out);
void relay_forget_link(struct overlay *o, uint64_t now_us, uint16_t slot, struct outbox *out);
void on_relayed(struct overlay *o, uint64_t now_us, struct link *l, uint8_t *frame, size_t len,
                struct outbox *out);
void relayed_arrived(struct overlay *o, uint64_t now_us, struct link *l, uint32_t channel,
                     uint8_t *datagram, size_t len, struct outbox *out);
void relay_tick(struct overlay *o, uint64_t now_us, struct outbox *out);

/* --- ring.c --- */
void ring_changed(struct overlay *o, uint64_t now_us,
                  struct outbox *out); /* a link came up or went */
void ring_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
bool ring_is_next(const struct overlay *o,
                  const struct link *l); /* on the ring nobody stands between */
bool slot_in(const uint16_t *list, uint8_t n, uint16_t slot);
struct near_info *near_find(struct overlay *o, uint16_t slot);           /* NULL: no near link */
const struct near_info *near_of(const struct overlay *o, uint16_t slot); /* likewise */
/* It is asked at the next PING, whatever digest that shows. */
void ring_stale(struct overlay *o, struct near_info *info);
bool ring_torn(struct overlay *o, uint64_t now_us); /* a near link died lately */
unsigned ring_links_between(const struct overlay *o, const struct id *id,
                            bool right); /* us and it, on that side */
/* Those next to us who have not told yet whom they have around them: their list was lost, perhaps. */
void ring_ask_next(struct overlay *o, uint64_t now_us, struct outbox *out);
/* A near link does not answer: its other neighbours shall look at it now, and we at who stands beside it. */
void ring_doubted(struct overlay *o, uint64_t now_us, const struct link *l, struct outbox *out);
void ring_neighbour_dead(struct overlay *o, uint64_t now_us, struct outbox *out);
/* Somebody who would be near did not answer: unless our nearest neighbours forget it, it lives, and is to be tried again. */
void ring_missed(struct overlay *o, uint64_t now_us, const struct id *id);
uint64_t ring_estimate(const struct overlay *o);
/* May we send there because a peer says so? */
bool ring_hearsay_ok(const struct overlay *o, const struct endpoint *at);
bool ring_in_subnet(const struct overlay *o, const struct endpoint *at); /* our own */
/* Neighbours died lately and the gap is not closed yet on that side of us where `at` lies, or we are not on the ring yet: who stands
 * beyond it may own what we seem to own. */
bool ring_open(struct overlay *o, uint64_t now_us, const struct id *at);
bool ring_stands_within(const struct overlay *o, const struct id *id, unsigned n);
bool ring_would_be_near(const struct overlay *o, const struct id *id);
bool ring_is_young(const struct overlay *o,
                   uint64_t now_us); /* we are on it since a minute at most */
/* Or not on it yet; and no neighbour died lately. */
bool ring_rush(const struct overlay *o, uint64_t now_us);
/* The same if all whom we ask already answer. */
bool ring_asks_near(const struct overlay *o, const struct id *id);
uint8_t ring_sides(const struct overlay *o, uint16_t left[NEAR_SIDE_MAX],
                   uint16_t right[NEAR_SIDE_MAX], uint8_t *lefts, uint8_t *rights);

/* --- near.c --- */
/* Of those whom l's peer and we ought to hold both, as far as we do: equal at both ends where the ring is whole. */
uint32_t near_digest(const struct overlay *o, const struct link *l);
bool near_digest_is_news(const struct overlay *o, const struct link *l, uint32_t digest);
void near_heard_digest(struct overlay *o, uint64_t now_us, struct link *l, uint32_t digest,
                       struct outbox *out);
/* Whom do you have around me, but those whom I have? far: and some of your far links. */
void near_ask(struct overlay *o, uint64_t now_us, struct link *l, bool far, struct outbox *out);
/* If a side seems to be short: who is next there? */
void near_seek(struct overlay *o, uint64_t now_us, struct outbox *out);
/* The near set changed a moment ago. */
void near_tell(struct overlay *o, uint64_t now_us, struct outbox *out);
void on_near(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u, uint32_t places,
             struct outbox *out); /* places: how many are left to read */

/* --- ahead.c --- */
uint8_t rtt_code(uint16_t rtt); /* of link.srtt, in one byte, within 6 % */
uint32_t rtt_decode(uint8_t code);
struct id hint_point(uint32_t prefix); /* where on the ring its peer is, nearly */
uint32_t hint_distance_log2(const struct id *id, uint32_t prefix); /* as id_distance_log2 */
/* What the link in that slot told last; of nobody if nothing. */
const struct hints *ahead_hints(const struct overlay *o, uint16_t slot);
void ahead_prefetch(const struct overlay *o, size_t bytes); /* so much of each list is read next */
void ahead_forget(struct overlay *o, uint16_t slot);
void on_links(struct overlay *o, const struct link *l, struct unpack *u);
void ahead_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
/* A neighbour's peer that may be nearer in time than the far link of its octave, whose round trip is held_rtt (0: none is wanted), the most
 * promising one, and the link it was heard through. It is given once. false: nobody. */
bool ahead_candidate(struct overlay *o, const uint32_t held_rtt[OCTAVES_MAX], uint32_t *prefix,
                     uint16_t *through);
size_t ahead_size(const struct limits *l);
void ahead_fini(struct overlay *o);

/* --- far.c --- */
/* A neighbour has a link to `id`, which may be a far link for us, too. */
void far_heard(struct overlay *o, uint64_t now_us, const struct id *id, const struct endpoint *at,
               struct outbox *out);
/* Whoever we dialled for `place` is crowded, and names `id`. */
bool far_fits(const struct overlay *o, const struct id *id, const struct id *place);
/* Which octave's link an id might be: 0 and 1 are the two sides of the farthest half; -1: none. */
int far_octave_of(const struct overlay *o, const struct id *id);
/* A candidate answers after so long: is it worth a link? It is none yet. */
bool far_worth(struct overlay *o, uint64_t now_us, const struct id *id, uint64_t rtt_us);
bool far_short_lived(struct overlay *o, uint64_t now_us); /* do links die, one after the other? */
void far_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
void far_lost(
    struct overlay *o,
    uint64_t now_us); /* a far link is gone: another is sought at once, not after the pause */
void far_found(struct overlay *o, uint64_t now_us, const struct id *owner,
               const struct endpoint *at, struct outbox *out);

/* --- next.c --- */
/* The usable link nearest to dst if it is nearer than we are: is there a next hop at all? physical: none whose own path is routed (a
 * sealed datagram must not run in circles through tunnels). */
struct link *route_next(const struct overlay *o, const struct id *dst, const struct id *src,
                        bool physical, uint16_t arrived_on, const uint16_t avoid[3]);
/* The one to take: NULL if and only if there is none. carried: the type of the datagram in the frame, or 0. What is sealed goes over real
 * links only: a routed link would put it into another routed frame, with a TTL of its own, that may come back to this very
 * link. A handshake does so as long as there is one, for then its session will find that way, too. It sets ROUTED_UPHILL if that is the
 * step taken. */
struct link *next_hop(const struct overlay *o, struct routed *r, uint8_t carried,
                      uint16_t arrived_on, const uint16_t avoid[3]);
/* Somebody near dst whom we reach, other than `not_this`: greedy steps from us cannot reach a neighbour that we have no link to. */
struct id waypoint_near(const struct overlay *o, const struct id *dst, const struct id *not_this);

/* --- route.c --- */
/* Send a body of our own: to dst, through waypoint first if that is not zero. */
void route_send(struct overlay *o, uint64_t now_us, uint8_t mode, uint8_t flags,
                const struct id *dst, const struct id *waypoint, const uint8_t *body, size_t len,
                uint16_t force_slot, struct outbox *out);
void on_routed(struct overlay *o, uint64_t now_us, struct link *l, uint8_t *frame, size_t len,
               struct outbox *out);
void on_ack(struct overlay *o, uint64_t now_us, struct link *l, const struct arrival *a,
            uint8_t *frame, size_t len, struct outbox *out);
/* Acknowledgements that the peer of l waits for go in front of a frame of `len` bytes to it, if both fit: returns the length of the ACK
 * in `head` (of ACK_HEAD_MAX), 0 for none. They are due no more. */
size_t acks_take(struct overlay *o, const struct link *l, size_t len, uint8_t *head);
void route_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
void route_forget_link(struct overlay *o, uint64_t now_us, uint16_t slot, struct outbox *out);
uint8_t route_ttl(const struct overlay *o);

/* --- control.c --- */
/* Begins a CONTROL frame: its kind, and [op, ...] of `count` places, of which the caller packs the other count - 1. */
struct pack control_pack(uint8_t *frame, size_t max, unsigned op, uint32_t count);
void on_control(struct overlay *o, uint64_t now_us, struct link *l, const struct arrival *a,
                const uint8_t *frame, size_t len, struct outbox *out);

/* --- request.c --- */
struct request *request_start(struct overlay *o, uint64_t now_us, uint8_t what,
                              const struct id *target, uint64_t timeout_us, uint16_t body_max);
void request_send(struct overlay *o, uint64_t now_us, struct request *r, struct outbox *out);
/* Its body: [op, request, via, one place more, which the caller packs]; then request_packed, also for bodies of other places. */
struct pack request_pack(struct overlay *o, struct request *r, unsigned op);
void request_packed(struct overlay *o, uint64_t now_us, struct request *r, const struct pack *k,
                    struct outbox *out);
struct request *request_by_id(const struct overlay *o, uint32_t id);
void request_end(struct overlay *o, struct request *r);
void request_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
void find_send(struct overlay *o, uint64_t now_us, const struct id *target, uint8_t purpose,
               uint32_t external, uint64_t timeout_us, uint16_t force_slot, struct outbox *out);
void trace_passed(struct overlay *o, uint64_t now_us, const struct routed *r, struct outbox *out);
void on_find(struct overlay *o, uint64_t now_us, const struct arrival *a, struct unpack *u,
             struct outbox *out);
void on_found(struct overlay *o, uint64_t now_us, struct unpack *u, struct outbox *out);

/* --- straight.c --- */
struct straight {
    struct endpoint at; /* port 0: over the ring alone */
    uint8_t key[ANSWER_KEY];
};
bool straight_may(const struct overlay *o, struct endpoint *at); /* is there where to answer us? */
void straight_pack(struct overlay *o, struct pack *k,
                   const struct endpoint *at); /* the last places of a FIND: `at`, a new key */
bool straight_unpack(const struct overlay *o, struct unpack *u,
                     struct straight *s); /* false: malformed */
void straight_send(struct overlay *o, uint64_t now_us, const struct straight *s,
                   const struct id *asker, uint32_t request, const uint8_t *found, size_t len,
                   struct outbox *out);
void on_answer(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
               size_t len, struct outbox *out);
void on_hop(struct overlay *o, uint64_t now_us, struct unpack *u, struct outbox *out);
struct id request_via(
    const struct overlay *o); /* our waypoint while we are not on the ring; else zero */

/* --- ways.c --- */
/* GET and PUT: once more, not by the way of the first try. False: there are no other ways. */
bool ways_send(struct overlay *o, uint64_t now_us, const struct request *r, struct outbox *out);
struct asked {
    unsigned op; /* CONTROL_GET, CONTROL_PUT, CONTROL_GOT; 0: it is not about a record */
    uint32_t request;
    struct id key; /* of a GET or PUT */
};
struct asked ways_read(const struct overlay *o, const struct routed *r); /* what r carries */
/* A frame that we are about to forward came on that link: if it asks for a record, the answer goes back there. */
void ways_asked(struct overlay *o, uint64_t now_us, const struct asked *q, const struct routed *r,
                uint16_t arrived_on);
/* An answer about a record: the link that the question came from; NULL: not known, or none such, or its end is next to us. */
struct link *ways_back(const struct overlay *o, uint64_t now_us, const struct asked *q,
                       const struct routed *r, uint16_t arrived_on);
/* A PUT that was sent to a point near its key has come as near as it can: dst is the key from now on. False: no such. */
bool ways_to_the_key(const struct asked *q, struct routed *r);
/* A GET sent to a point near its key, for a record that we keep: not to be forwarded. */
bool ways_answered_here(const struct overlay *o, uint64_t now_us, const struct asked *q,
                        const struct routed *r);
void ways_forget_link(struct overlay *o, uint16_t slot);
void ways_tick(struct overlay *o, uint64_t now_us);
void ways_fini(struct overlay *o);

/* --- join.c --- */
void join_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
void join_link_up(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out);
void join_remember(struct overlay *o, uint64_t now_us, const struct link *l, struct outbox *out);
void join_state(struct overlay *o, uint64_t now_us,
                struct outbox *out);                    /* joined, alone: say so when it changes */
void join_lost(struct overlay *o, const struct id *id); /* a remembered peer looks dead */
void join_dial_remembered(struct overlay *o, uint64_t now_us, const struct id *id,
                          struct outbox *out);

void fail_note(struct overlay *o, const struct id *id,
               uint64_t now_us); /* it did not answer: leave it alone for a while */
void fail_tick(struct overlay *o, uint64_t now_us);
bool failed_lately(const struct overlay *o, const struct id *id, uint64_t now_us);

/* --- merge.c --- */
/* A link came up to somebody whom we sought as one of another ring, and who stands near us: there is one. */
void merge_met(struct overlay *o, uint64_t now_us, const struct link *l, struct outbox *out);
/* Was our place asked for through this link because its peer may stand on another ring? */
bool merge_contact(const struct overlay *o, const struct link *l);
/* The contact's ring has nobody near us: perhaps we are near somebody of theirs. */
void merge_turn(struct overlay *o, uint64_t now_us, struct link *contact, struct outbox *out);
void on_met(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
            struct outbox *out);

/* --- claim.c --- */
/* Nobody else will say that there is such a record. */
bool get_denied(const struct overlay *o, const struct request *r, uint64_t now_us);

/* --- dht.c --- */
void on_dht(struct overlay *o, uint64_t now_us, const struct arrival *a, unsigned op,
            struct unpack *u, struct outbox *out);
void dht_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
void dht_fini(struct overlay *o);

/* --- demand.c --- */
void demand_used(struct overlay *o, struct link *l,
                 uint64_t now_us); /* something was sent or came */
void demand_due(struct overlay *o, struct link *l, uint64_t now_us); /* still wanted? */
uint32_t demand_worth(const struct overlay *o, const struct link *l,
                      uint64_t now_us); /* 1000 to 2000 by its rest; 0: not for demand */
/* --- pinned.c --- */
void pinned_link_up(struct overlay *o, struct link *l);
void pinned_link_down(struct overlay *o, uint64_t now_us, const struct link *l);
void pinned_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
/* --- message.c --- */
enum message_result { MESSAGE_TAKEN, MESSAGE_BUSY }; /* on the wire, in TAKEN */
void message_send(struct overlay *o, uint64_t now_us, struct request *r, struct outbox *out);
void message_over(struct overlay *o, struct request *r, struct outbox *out);
void on_message(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
                struct outbox *out);
void on_taken(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
              struct outbox *out);
/* --- broadcast.c --- */
void on_broadcast(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
                  struct outbox *out);
void on_count(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
              struct outbox *out);
void on_counted(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
                struct outbox *out);
void broadcast_tick(struct overlay *o, uint64_t now_us, struct outbox *out);
void broadcasts_fini(struct overlay *o);
uint32_t broadcasts_held(const struct overlay *o); /* objects of the pool */
/* --- seldom.c --- */
void seldom_fini(struct overlay *o);

/* --- monitor.c --- */
/* The PONG of a PING that was vouched for would not be here yet. */
bool link_answer_under_way(const struct overlay *o, const struct link *l, uint64_t now_us);
/* The keep-alive that is due would succeed and tell nothing: it is charged, not sent, and so are those that follow until the link is due
 * again. false: that is to be sent. */
bool link_vouched(struct overlay *o, struct link *l, uint64_t now_us);
/* Before anything changes that keep-alives of this link tell, or those of the relay that it goes through: rounds that were vouched for
 * ahead are not, at both ends. */
void link_revoke(struct overlay *o, struct link *l);
static inline void link_unvouch(struct overlay *o, struct link *l)
{
    if (l->vouched || link_path(l) == PATH_RELAYED) link_revoke(o, l);
}
void link_settle(struct overlay *o, struct link *l,
                 uint64_t now_us); /* rounds so far are charged */
/* When it was heard last, vouched rounds counted. */
uint32_t link_heard_ms(const struct overlay *o, const struct link *l, uint64_t now_us);

/* --- hotness (heat.c) --- */
bool overlay_heat_link(struct overlay *o,
                       struct link *l);            /* into the lane; false: no lane or no room */
void heat_cool(struct overlay *o, struct link *l); /* frees its receiver index, too */
void lane_call_back(struct overlay *o, uint32_t index);
void lane_forget(struct overlay *o, uint32_t index);
/* index: its present session, or one that it holds */
void heat_handed_back(struct overlay *o, struct link *l, uint32_t index, uint8_t lane,
                      const struct hot_counters *c);
void heat_tick(struct overlay *o, uint64_t now_us);
void heat_rekeyed(struct overlay *o, struct link *l, uint32_t old_index);
/* h: of that session which the link holds; NULL: of its present one */
void heat_used(struct overlay *o, uint64_t now_us, struct link *l, struct held *h, uint8_t lane,
               const struct hot_used *u, struct outbox *out);
