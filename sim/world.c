#include "sim/world.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/time.h"
#include "overlay/link.h"
#include "sim/home.h"
#include "sim/mix.h"
#include "sim/quiet.h"
#include "sim/world_step.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define IDENTITIES_MAX (1u << 26)
#define POOL_MAX       (UINT32_MAX / 2)
#define LINKS_HASHED   100000u /* nodes; of more, every n-th */
#define CERT_YEARS_S   (UINT64_C(20) * 365 * 86400)

static const char *const net_count_names[] = {
#define X(name, text) text,
    NET_COUNTS(X)
#undef X
};

const char *net_count_name(enum net_count c)
{
    return (unsigned)c < NET_COUNT_COUNT ? net_count_names[c] : "unknown";
}

static const struct id *host_id(const void *world, uint32_t node)
{
    return &((const struct world *)world)->hosts[node].id;
}

static bool host_is_live(const void *world, uint32_t node)
{
    return ((const struct world *)world)->hosts[node].state == HOST_LIVE;
}

/* --- the overlay that all nodes are members of --- */

static void make_identity(struct world *w, struct identity *out, const char *stream,
                          uint64_t number)
{
    struct rng r;
    rng_stream(&w->root, stream, number, &r);
    identity_make(out, w->config.crypto, &r);
}

static void name_set(struct name_text *n, const char *s)
{
    snprintf(n->s, sizeof n->s, "%s", s);
}

static void make_overlay(struct world *w)
{
    make_identity(w, &w->authority, "authority", 0);
    make_identity(w, &w->network_authority, "network", 0);
    struct rng r;
    rng_stream(&w->root, "overlay", 0, &r);
    rng_bytes(&r, w->common.key.key, sizeof w->common.key.key);
    w->common.key.epoch = 1;
    snprintf(w->common.key.name, sizeof w->common.key.name, "sim");
    memcpy(w->common.authority_pk, w->authority.ed_pk, 32);
    w->common.limits = w->config.limits;
    struct cert network = {.kind = CERT_NETWORK,
                           .not_before_s = WORLD_CALENDAR_S,
                           .expires_s = WORLD_CALENDAR_S + CERT_YEARS_S,
                           .range = {.net = 10u << 24, .prefix = 8},
                           .mode = 3};
    rng_bytes(&r, network.serial, sizeof network.serial);
    memcpy(network.key, w->network_authority.ed_pk, sizeof network.key);
    name_set(&network.name, "sim");
    w->network_cert_len = cert_sign(w->network_cert, sizeof w->network_cert, w->config.crypto,
                                    &network, w->authority.ed_seed, w->authority.ed_pk);
    ensure(w->network_cert_len > 0);
}

static size_t make_chain(struct world *w, uint32_t number, const struct identity *self,
                         uint8_t out[CHAIN_BYTES])
{
    struct cert node = {.kind = CERT_NODE,
                        .id = self->id,
                        .not_before_s = WORLD_CALENDAR_S,
                        .expires_s = WORLD_CALENDAR_S + CERT_YEARS_S};
    struct rng r;
    rng_stream(&w->root, "certificate", number, &r);
    rng_bytes(&r, node.serial, sizeof node.serial);
    snprintf(node.name.s, sizeof node.name.s, "n%u", number);
    uint8_t one[CHAIN_BYTES];
    size_t len = cert_sign(one, sizeof one, w->config.crypto, &node, w->network_authority.ed_seed,
                           w->network_authority.ed_pk);
    ensure(len > 0);
    const struct span both[] = {{w->network_cert, w->network_cert_len}, {one, len}};
    size_t chain = chain_write(out, CHAIN_BYTES, both, 2);
    ensure(chain > 0);
    return chain;
}

/* --- the world itself --- */

static void make_room(struct world *w, uint32_t hosts)
{
    if (hosts <= w->host_room) return;
    uint32_t room = w->host_room ? w->host_room : hosts;
    while (room < hosts) room += room / 2 + 1;
    ensure(room <= EVENTS_NODES);
    w->hosts = realloc(w->hosts, room * sizeof *w->hosts);
    w->live = realloc(w->live, room * sizeof *w->live);
    ensure(w->hosts && w->live);
    memset(w->hosts + w->host_room, 0, (room - w->host_room) * sizeof *w->hosts);
    w->host_room = room;
    events_room(&w->events, room);
}

struct world *world_new(const struct world_config *c)
{
    struct world *w = calloc(1, sizeof *w);
    ensure(w);
    w->config = *c;
    uint8_t seed[32] = {0};
    for (unsigned i = 0; i < 8; i++) seed[i] = (uint8_t)(c->seed >> (56 - 8 * i));
    rng_seed(&w->root, seed);
    net_init(&w->net, &c->network, c->matrix, &w->root);
    nat_world_init(&w->nats, &c->nat, &w->root);
    events_init(&w->events);
    ring_init(&w->ring, host_id, host_is_live, w);
    uint8_t key[16];
    struct rng r;
    rng_stream(&w->root, "identities", 0, &r);
    rng_bytes(&r, key, sizeof key);
    enum err e = identities_init(&w->identities, IDENTITIES_MAX, key);
    ensure(e == OK);
    pool_init(&w->pkts, sizeof(struct pkt), POOL_MAX, 64);
    node_pool_init(&w->extras, POOL_MAX, 16);
    w->actions.arena_size = 2 * ACTIONS_ARENA_MIN;
    w->actions.arena = malloc(w->actions.arena_size);
    w->actions.max = 4 * ACTIONS_LIST_MIN;
    w->actions.list = malloc(w->actions.max * sizeof *w->actions.list);
    ensure(w->actions.arena && w->actions.list);
    if (!w->config.trace) w->config.trace = &w->silent;
    make_room(w, c->nodes ? c->nodes : 1);
    rng_stream(&w->root, "harm", 0, &w->harm);
    make_overlay(w);
    if (c->quiet) quiet_init(w);
    return w;
}

void world_free(struct world *w)
{
    for (uint32_t i = 0; i < w->host_count; i++) {
        if (w->hosts[i].node) node_free(w->hosts[i].node);
        home_left(w, i);
    }
    identities_fini(&w->identities);
    pool_fini(&w->pkts);
    pool_fini(&w->extras);
    events_fini(&w->events);
    ring_fini(&w->ring);
    free(w->actions.arena);
    free(w->actions.list);
    free(w->hosts);
    free(w->live);
    identity_wipe(&w->authority);
    identity_wipe(&w->network_authority);
    free(w);
}

/* --- starting --- */

static bool is_seed(const struct world *w, uint32_t node)
{
    for (uint32_t i = 0; i < w->seed_count; i++)
        if (w->seeds[i] == node) return true;
    return false;
}

/* A live node with a public address that is not a seed; host_count: none. */
static uint32_t another_seed(const struct world *w)
{
    uint32_t i = 0;
    while (i < w->host_count &&
           (w->hosts[i].state != HOST_LIVE || w->hosts[i].nat || is_seed(w, i)))
        i++;
    return i;
}

/* The list that newcomers are given is kept up: who is gone is replaced by who is there. */
static void refresh_seeds(struct world *w, uint32_t wanted)
{
    ensure(wanted <= WORLD_SEEDS);
    for (uint32_t i = 0; i < w->seed_count; i++) {
        uint32_t seed = w->seeds[i];
        if (seed >= w->host_count || w->hosts[seed].state == HOST_LIVE) continue;
        uint32_t other = another_seed(w);
        w->seeds[i] = other < w->host_count ? other : w->seeds[--w->seed_count];
    }
    uint32_t next = w->host_count; /* the next to be started are in everybody's list at once */
    while (w->seed_count < wanted) {
        if (!is_seed(w, next)) w->seeds[w->seed_count++] = next;
        next++;
    }
}

/* The first seed that a node is told of. */
static uint32_t first_seed(const struct world *w, uint32_t node)
{
    return w->seeds[node % w->seed_count];
}

/* An overlay that a newcomer cannot get into is no use to it: who hears none of the seeds hears the first it is told of after all. */
static bool by_its_first_seed(const struct world *w, uint32_t node, uint32_t seed)
{
    if (w->seed_count == 0 || first_seed(w, node) != seed) return false;
    for (uint32_t i = 0; i < w->seed_count; i++)
        if (net_reaches(&w->net, node, w->seeds[i])) return false;
    return true;
}

/* Are they a pair that can talk? Seeds always hear each other, or the overlay would begin as several. */
static bool can_talk(const struct world *w, uint32_t a, uint32_t b)
{
    if (net_reaches(&w->net, a, b) || (is_seed(w, a) && is_seed(w, b))) return true;
    return by_its_first_seed(w, a, b) || by_its_first_seed(w, b, a);
}

bool world_reaches(const struct world *w, uint32_t a, uint32_t b)
{
    if (w->partitioned && w->hosts[a].place.side != w->hosts[b].place.side) return false;
    return can_talk(w, a, b);
}

/* Everybody's list begins at another seed, so that they share the work. */
static uint32_t seed_list(const struct world *w, uint32_t self, struct endpoint out[WORLD_SEEDS])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < w->seed_count; i++) {
        uint32_t seed = w->seeds[(self + i) % w->seed_count];
        if (seed == self || count == w->config.limits.seeds || !can_talk(w, self, seed)) continue;
        out[count++] = endpoint_v4(net_ip(seed), NET_PORT);
    }
    return count;
}

static void make_node(struct world *w, uint32_t number, struct host *h)
{
    struct identity self;
    make_identity(w, &self, "identity", number);
    h->id = self.id;
    uint8_t chain[CHAIN_BYTES];
    struct endpoint seeds[WORLD_SEEDS];
    struct node_config config = {
        .identity = &self,
        .common = &w->common,
        .networks = {{.chain = chain,
                      .chain_len = make_chain(w, number, &self, chain),
                      .mtu_bytes = 1380}},
        .network_count = 1,
        .capabilities = AEAD_CHACHA20_POLY1305 | CAP_RELAY |
                        (h->nat_type == NAT_TYPE_UDP_BLOCKED ? (uint32_t)CAP_TCP : 0),
        .founder = w->live_count == 0,
        .seeds = seeds,
        .seed_count = seed_list(w, number, seeds),
    };
    struct rng r;
    rng_stream(&w->root, "node", number, &r);
    rng_bytes(&r, config.seed, sizeof config.seed);
    const struct node_env env = {.crypto = w->config.crypto,
                                 .identities = &w->identities,
                                 .pkts = &w->pkts,
                                 .extras = &w->extras,
                                 .trace = w->config.trace};
    enum err e = node_new(&h->node, &config, &env, w->now_us);
    if (e) fprintf(stderr, "ringlet-sim: node %u: %s\n", number, err_text(e));
    ensure(e == OK);
    identity_wipe(&self);
}

static uint8_t side_of_newcomer(struct world *w)
{
    uint64_t point = rng_below(&w->sides, MILLION), below = 0;
    for (uint32_t side = 1; side <= w->side_count; side++) {
        below += w->side_shares[side - 1];
        if (point < below) return (uint8_t)side;
    }
    return 0;
}

/* What its calendar says: as wrong as the scenario allows at most, the same for its life. */
static uint64_t calendar_s(const struct world *w, uint32_t number)
{
    uint64_t skew_s = w->config.skew_us / MILLION;
    struct rng r;
    rng_stream(&w->root, "clock", number, &r);
    uint64_t off_s = skew_s ? rng_below(&r, 2 * skew_s + 1) : 0;
    return WORLD_CALENDAR_S + w->now_us / MILLION + off_s - skew_s;
}

uint32_t world_start(struct world *w, uint32_t seeds_wanted)
{
    refresh_seeds(w, seeds_wanted);
    uint32_t number = w->host_count;
    make_room(w, number + 1);
    w->host_count++;
    struct host *h = &w->hosts[number];
    *h = (struct host){
        .started_us = w->now_us, .ended_us = TIME_NEVER, .place = net_place(&w->net, number)};
    if (w->partitioned) h->place.side = side_of_newcomer(w);
    if (!is_seed(w, number)) home_settle(w, number);
    make_node(w, number, h);
    h->state = HOST_LIVE;
    h->live_at = w->live_count;
    w->live[w->live_count++] = number;
    ring_add(&w->ring, number);

    struct endpoint own = endpoint_v4(h->nat ? home_inside_ip(w, number) : net_ip(number),
                                      NET_PORT);
    world_step(w, number, &(struct event){.type = EV_CLOCK, .calendar_s = calendar_s(w, number)});
    world_step(w, number,
               &(struct event){.type = EV_LOCAL, .endpoints = {.list = &own, .count = 1}});
    return number;
}

/* --- ending --- */

static void not_live(struct world *w, uint32_t node)
{
    struct host *h = &w->hosts[node];
    if (h->state != HOST_LIVE) return;
    h->ended_us = w->now_us;
    uint32_t last = w->live[--w->live_count];
    w->live[h->live_at] = last;
    w->hosts[last].live_at = h->live_at;
    ring_removed(&w->ring);
}

static void bury(struct world *w, uint32_t node)
{
    struct host *h = &w->hosts[node];
    not_live(w, node);
    quiet_gone(w, node);
    const uint32_t *drops = node_drops(h->node);
    for (unsigned i = 0; i < DROP_COUNT; i++) w->drops[i] += drops[i];
    node_free(h->node);
    home_left(w, node);
    h->node = NULL;
    h->state = HOST_GONE;
    events_timer(&w->events, node, TIME_NEVER);
}

void world_kill(struct world *w, uint32_t node)
{
    ensure(w->hosts[node].node);
    bury(w, node);
}

void world_gone(struct world *w, uint32_t node)
{
    if (w->hosts[node].state == HOST_LEAVING) bury(w, node);
}

void world_leave(struct world *w, uint32_t node)
{
    ensure(w->hosts[node].state == HOST_LIVE);
    not_live(w, node);
    w->hosts[node].state = HOST_LEAVING;
    world_command(w, node, &(struct command){.type = CMD_LEAVE});
}

/* --- the rest --- */

void world_partition(struct world *w, const uint32_t *shares, uint32_t count, const struct rng *r)
{
    ensure(count < SIDES_MAX);
    w->sides = *r;
    memcpy(w->side_shares, shares, count * sizeof *shares);
    w->side_count = count;
    w->partitioned = true;
    for (uint32_t i = 0; i < w->host_count; i++) w->hosts[i].place.side = 0;
    for (uint32_t side = 1; side <= count; side++) {
        uint32_t moved = (uint32_t)((uint64_t)w->live_count * shares[side - 1] / MILLION);
        for (uint32_t i = 0; i < moved;) {
            struct host *h = &w->hosts[world_random_live(w, &w->sides)];
            if (h->place.side) continue;
            h->place.side = (uint8_t)side;
            i++;
        }
    }
    home_sides(w);
    quiet_revoke(w);
}

void world_hostile(struct world *w, enum hostility what, uint32_t share, struct rng *r)
{
    for (uint32_t i = 0; what == HOSTILE_NONE && i < w->host_count; i++)
        w->hosts[i].hostility = HOSTILE_NONE;
    if (what == HOSTILE_NONE || w->live_count <= w->seed_count) return;
    uint32_t most = w->live_count - w->seed_count;
    uint32_t some = (uint32_t)((uint64_t)w->live_count * share / MILLION);
    if (some > most) some = most;
    for (uint32_t i = 0; i < some;) {
        uint32_t node = world_random_live(w, r);
        if (w->hosts[node].hostility || is_seed(w, node)) continue;
        w->hosts[node].hostility = (uint8_t)what;
        i++;
    }
}

void world_heal(struct world *w)
{
    w->partitioned = false;
    quiet_revoke(w);
}

void world_window(struct world *w)
{
    quiet_settle(w);
    w->window_us = w->now_us;
    memset(&w->traffic, 0, sizeof w->traffic);
    for (uint32_t i = 0; i < w->host_count; i++) w->hosts[i].sent_bytes = 0;
}

uint32_t world_random_live(const struct world *w, struct rng *r)
{
    ensure(w->live_count > 0);
    return w->live[rng_below(r, w->live_count)];
}

bool world_believes(const void *world, uint32_t node, struct id *left, struct id *right)
{
    return node_ring_neighbours(((const struct world *)world)->hosts[node].node, left, right);
}

uint64_t world_hash(struct world *w)
{
    uint64_t h = mix64(w->config.seed, w->now_us);
    ring_sort(&w->ring);
    for (uint32_t i = 0; i < w->ring.count; i++) {
        const struct host *host = &w->hosts[ring_at(&w->ring, i)];
        h = mix64(h, node_hash(host->node));
        h = mix64(h, host->sent_datagrams);
        h = mix64(h, host->sent_bytes);
    }
    h = mix64(h, w->steps);
    for (unsigned i = 0; i < NET_COUNT_COUNT; i++) h = mix64(h, w->net_counts[i]);
    for (unsigned i = 0; i < DROP_COUNT; i++) h = mix64(h, w->drops[i]);
    return h;
}

/* Near links as a set: their order in a node's table is no matter. Which of several far links of about one round trip a node holds
 * hangs on which it met first, so those are not in it. */
static uint64_t near_links_of(const struct node *n)
{
    uint64_t sum = 0;
    struct peer_view p;
    for (uint32_t cursor = 0; node_peer_next(n, &cursor, &p);)
        if (p.links & KIND_NEAR) sum += mix64(mix64(get_u64(p.id.b), get_u64(p.id.b + 8)), p.path);
    return sum;
}

uint64_t world_links_hash(struct world *w)
{
    uint64_t h = w->live_count;
    ring_sort(&w->ring);
    uint32_t step = w->ring.count / LINKS_HASHED + 1;
    for (uint32_t i = 0; i < w->ring.count; i += step)
        h = mix64(h, near_links_of(w->hosts[ring_at(&w->ring, i)].node));
    return h;
}
