/* tests/harness/party.c - networks, papers and guests: made, started again, taken apart. */
#include "tests/harness/party.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct limits party_small = {
    .links = 12,
    .handshakes = 8,
    .extras = 12,
    .inflight = 12,
    .passive = 4,
    .records = 8,
    .record_bytes = 256,
    .requests = 4,
    .waiting_packets = 4,
    .members = 6,
    .channels = 3,
    .hot = 3,
    .seeds = 2,
    .leaves = 4,
    .hello_filter_bytes = 256,
};

static void *zeroed(size_t count, size_t size)
{
    void *p = calloc(count, size);
    ensure(p);
    return p;
}

static void made(enum err e)
{
    if (e) fprintf(stderr, "party: %s\n", err_text(e));
    ensure(e == OK);
}

/* --- papers --- */

static void name_set(struct name_text *n, const char *s)
{
    snprintf(n->s, sizeof n->s, "%s", s);
}

static void make_network(struct party *p, uint32_t which, const struct identity *authority)
{
    struct cert c = {.kind = CERT_NETWORK,
                     .not_before_s = CALENDAR_S - 10 * YEAR_S,
                     .expires_s = CALENDAR_S + 10 * YEAR_S,
                     .range = {.net = 0x0a4d0000, .prefix = 16},
                     .mode = 3};
    memcpy(c.key, p->network.ed_pk, 32);
    name_set(&c.name, "party");
    p->network_cert_len[which] = cert_sign(p->network_cert[which], CHAIN_BYTES, p->crypto, &c,
                                           authority->ed_seed, authority->ed_pk);
    ensure(p->network_cert_len[which] > 0);
}

static size_t make_invite(const struct party *p, uint8_t invite, uint32_t uses,
                          uint8_t out[CHAIN_BYTES])
{
    struct cert c = {.kind = CERT_INVITE,
                     .not_before_s = CALENDAR_S - 3 * YEAR_S,
                     .expires_s = CALENDAR_S + YEAR_S,
                     .uses = uses};
    c.serial[0] = invite;
    memcpy(c.key, p->invites.ed_pk, sizeof c.key);
    return cert_sign(out, CHAIN_BYTES, p->crypto, &c, p->network.ed_seed, p->network.ed_pk);
}

static size_t make_chain(const struct party *p, const struct guest_options *o, uint8_t papers,
                         uint32_t number, const struct id *id, uint32_t ipv4,
                         uint8_t out[CHAIN_BYTES])
{
    bool expired = papers == PAPERS_EXPIRED, foreign = papers == PAPERS_FOREIGN;
    struct cert c = {.kind = CERT_NODE,
                     .id = *id,
                     .ipv4 = o->invite ? 0 : ipv4,
                     .slot = o->invite ? o->slot : 0,
                     .not_before_s = CALENDAR_S - 2 * YEAR_S,
                     .expires_s = expired ? CALENDAR_S - YEAR_S : CALENDAR_S + YEAR_S};
    const struct identity *issuer = o->invite ? &p->invites : &p->network;
    put_u32(c.serial, number);
    snprintf(c.name.s, sizeof c.name.s, "n%u", number);
    uint8_t one[CHAIN_BYTES], invite[CHAIN_BYTES];
    size_t len = cert_sign(one, sizeof one, p->crypto, &c, issuer->ed_seed, issuer->ed_pk);
    ensure(len > 0);
    struct span all[3] = {{p->network_cert[foreign], p->network_cert_len[foreign]}, {one, len}};
    if (o->invite) {
        all[2] = all[1];
        all[1] = (struct span){invite, make_invite(p, o->invite, o->uses, invite)};
    }
    len = chain_write(out, CHAIN_BYTES, all, o->invite ? 3 : 2);
    ensure(len > 0);
    return len;
}

/* --- the party --- */

struct party *party_new(const struct crypto *c, uint64_t seed)
{
    struct party *p = zeroed(1, sizeof *p);
    uint8_t bytes[32] = {1};
    ensure(crypto_init());
    for (unsigned i = 0; i < 8; i++) bytes[8 + i] = (uint8_t)(seed >> (8 * i));
    p->crypto = c;
    p->now_us = SECONDS(1);
    p->delay_us = MILLIS(10);
    rng_seed(&p->rng, bytes);
    struct rng r;
    rng_stream(&p->rng, "authority", 0, &r);
    identity_make(&p->authority, c, &r);
    identity_make(&p->foreign, c, &r);
    identity_make(&p->network, c, &r);
    rng_bytes(&r, p->key.key, 32);
    rng_bytes(&r, p->other_key.key, 32);
    identity_make(&p->invites, c, &r); /* last: what was drawn before it stays as it was */
    p->key.epoch = p->other_key.epoch = 1;
    snprintf(p->key.name, sizeof p->key.name, "party");
    snprintf(p->other_key.name, sizeof p->other_key.name, "party");
    make_network(p, 0, &p->authority);
    make_network(p, 1, &p->foreign);
    return p;
}

/* What it holds goes; the guest itself stays. */
static void guest_stop(struct guest *g)
{
    guest_check(g);
    node_free(g->node);
    ensure(g->extras.taken == 0 && g->pkts.taken == 0);
    for (uint32_t i = 1; i < g->identities.count; i++)
        ensure(g->identities.entries[i].holders == 0);
    for (unsigned i = 1; g->lane && i < g->lanes.count; i++) {
        lane_free(g->more[i]);
        hot_queue_fini(&g->more_down[i]);
        hot_queue_fini(&g->more_up[i]);
    }
    if (g->lane) {
        lane_free(g->lane);
        hot_queue_fini(&g->down);
        hot_queue_fini(&g->up);
    }
    for (unsigned i = 0; g->counters && i < g->lanes.counter_count; i++)
        ensure(g->counters[i].holders <= g->lanes.count); /* keys may wait in a queue */
    free(g->counters);
    g->counters = NULL;
    identities_fini(&g->identities);
    pool_fini(&g->pkts);
    pool_fini(&g->extras);
    g->lane = NULL;
}

static void guest_free(struct guest *g)
{
    guest_stop(g);
    free(g->actions.arena);
    free(g->actions.list);
    free(g);
}

void party_close(struct party *p)
{
    for (uint32_t i = 0; i < p->count; i++) guest_free(p->guests[i]);
    for (uint32_t i = 0; i < p->mail_count; i++) free(p->mail[i].bytes);
    for (uint32_t i = 0; i < p->book_count; i++) free(p->book[i].bytes);
    free(p->mail);
    free(p);
}

static void make_papers(const struct party *p, struct guest *g, const struct guest_options *o,
                        uint32_t number)
{
    const struct guest *other = p->guests[o->as];
    if (o->steals) g->self.id = other->self.id;
    if (o->steals || o->papers == PAPERS_OTHERS) {
        memcpy(g->chain, other->chain, other->chain_len);
        g->chain_len = other->chain_len;
    } else {
        g->chain_len = make_chain(p, o, o->papers, number, &g->self.id, g->ipv4, g->chain);
    }
}

static void more_lanes(struct party *p, struct guest *g, const struct limits *l, uint8_t count)
{
    ensure(count <= PARTY_LANES);
    g->lanes.count = count;
    g->lanes.counter_count = 4u * l->hot;
    size_t bytes = g->lanes.counter_count * sizeof *g->counters;
    g->counters = g->lanes.counters = aligned_alloc(_Alignof(struct hot_counter), bytes);
    ensure(g->counters);
    memset(g->counters, 0, bytes);
    lane_share(g->lane, count, g->counters);
    for (uint8_t i = 1; i < count; i++) {
        made(hot_queue_init(&g->more_down[i], 1u << 17));
        made(hot_queue_init(&g->more_up[i], 1u << 17));
        made(lane_new(&g->more[i], l, p->crypto, i, &g->more_down[i], &g->more_up[i]));
        lane_share(g->more[i], count, g->counters);
        g->more_down[i].held = true;
        g->lanes.down[i] = &g->more_down[i];
        g->lanes.up[i] = &g->more_up[i];
    }
}

static void make_node(struct party *p, struct guest *g, const struct guest_options *o,
                      uint32_t number)
{
    const struct limits *l = o->limits ? o->limits : &limits_daemon;
    struct endpoint seeds[PARTY_GUESTS];
    uint8_t own[CHAIN_BYTES], key[16] = {9};
    struct rng r;
    struct node_config c = {.identity = &g->self,
                            .overlay_key = o->other_key ? p->other_key : p->key,
                            .networks = {{.chain = own, .mtu_bytes = 1380}},
                            .network_count = 1,
                            .limits = *l,
                            .capabilities = AEAD_CHACHA20_POLY1305 | CAP_RELAY,
                            .founder = o->founder,
                            .seeds = seeds};
    for (uint32_t i = 0; i < PARTY_GUESTS && o->seeds[i]; i++)
        seeds[c.seed_count++] = p->guests[o->seeds[i] - 1]->at;
    /* a node does not start with papers that are not its own: it is made to show them afterwards */
    c.networks[0].chain_len = make_chain(p, o, PAPERS_GOOD, number, &g->self.id, g->ipv4, own);
    memcpy(c.authority_pk, p->authority.ed_pk, 32);
    rng_stream(&p->rng, "node", number + PARTY_GUESTS * g->starts++, &r);
    rng_bytes(&r, c.seed, 32);
    pool_init(&g->pkts, sizeof(struct pkt), (uint32_t)l->inflight + l->waiting_packets + 64u, 16);
    node_pool_init(&g->extras, node_pool_max(l), 4); /* as the daemon has it */
    made(identities_init(&g->identities, 1u << 16, key));
    const struct node_env env = {.crypto = p->crypto,
                                 .identities = &g->identities,
                                 .pkts = &g->pkts,
                                 .extras = &g->extras,
                                 .trace = &p->trace};
    made(node_new(&g->node, &c, &env, p->now_us));
    made(overlay_chain_set(g->node->overlay, 0, g->chain, g->chain_len));
    if (!o->lane) return;
    made(hot_queue_init(&g->down, 1u << 17));
    made(hot_queue_init(&g->up, 1u << 17));
    made(lane_new(&g->lane, l, p->crypto, 0, &g->down, &g->up));
    g->lanes = (struct hot_lanes){.count = 1, .down = {&g->down}, .up = {&g->up}};
    if (o->lanes > 1) more_lanes(p, g, l, o->lanes);
    node_attach(g->node, &g->lanes);
}

static void wake_up(struct party *p, struct guest *g)
{
    party_step(p, g, &(struct event){.type = EV_CLOCK, .calendar_s = CALENDAR_S});
    party_step(p, g, &(struct event){.type = EV_LOCAL, .endpoints = {.list = &g->at, .count = 1}});
}

struct guest *party_guest(struct party *p, const struct guest_options *o)
{
    uint32_t number = p->count;
    ensure(number < PARTY_GUESTS);
    struct guest *g = zeroed(1, sizeof *g);
    struct rng r;
    rng_stream(&p->rng, "identity", number, &r);
    identity_make(&g->self, p->crypto, &r);
    g->at = endpoint_v4(0x05000001 + (number << 8), 7464);
    g->ipv4 = 0x0a4d0001 + number;
    g->actions.arena_size = 2 * ACTIONS_ARENA_MIN;
    g->actions.arena = zeroed(1, g->actions.arena_size);
    g->actions.max = 4 * ACTIONS_LIST_MIN;
    g->actions.list = zeroed(g->actions.max, sizeof *g->actions.list);
    make_papers(p, g, o, number);
    make_node(p, g, o, number);
    p->guests[p->count++] = g;
    if (o->invite) g->ipv4 = g->node->networks[0]->ipv4; /* derived */
    wake_up(p, g);
    return g;
}

void party_restart(struct party *p, struct guest *g, const struct guest_options *o)
{
    uint32_t number = 0;
    while (p->guests[number] != g) number++;
    guest_stop(g);
    make_node(p, g, o, number);
    wake_up(p, g);
}

void party_reissue(struct party *p, struct guest *g, uint8_t invite, uint32_t slot, uint32_t uses)
{
    struct guest_options o = {.invite = invite, .slot = slot, .uses = uses};
    uint32_t number = 0;
    while (p->guests[number] != g) number++;
    g->chain_len = make_chain(p, &o, PAPERS_GOOD, number, &g->self.id, 0, g->chain);
    struct command c = {
        .type = CMD_NETWORK_ADD,
        .request = 8,
        .network_config = {.chain = g->chain, .chain_len = g->chain_len, .mtu_bytes = 1380}};
    party_step(p, g, &(struct event){.type = EV_COMMAND, .command = &c});
    ensure(g->reply.err == OK);
}

enum member_slot guest_slot(const struct guest *g, const struct guest *of)
{
    const struct member *m = members_by_id(&g->node->members, -1, &of->self.id);
    return m ? (enum member_slot)m->slot.state : SLOT_NONE;
}

struct party *party_of(const struct crypto *c, uint64_t seed, uint32_t count, bool lanes,
                       const struct limits *l)
{
    struct party *p = party_new(c, seed);
    for (uint32_t i = 0; i < count; i++)
        party_guest(p, &(struct guest_options){
                           .lane = lanes, .founder = i == 0, .seeds = {i > 0}, .limits = l});
    for (uint32_t s = 0; s < 20; s++) {
        bool all = s > 0;
        party_run(p, SECONDS(1));
        for (uint32_t i = 0; i < count; i++)
            for (uint32_t k = 0; k < count; k++)
                all = all && (i == k || guest_link(p->guests[i], p->guests[k]));
        if (all) return p;
    }
    ensure(!"they did not find each other");
    return p;
}

struct party *party_small_of(uint32_t count)
{
    struct party *p = party_new(&crypto_fake, 1);
    for (uint32_t i = 0; i < count; i++)
        party_guest(
            p, &(struct guest_options){
                   .lane = i == 0, .founder = i == 0, .seeds = {i > 0}, .limits = &party_small});
    return p;
}

void party_fuzz(struct party *p, const uint8_t *data, size_t size, size_t min,
                void (*one)(struct party *p, struct reader *in), uint64_t after_us)
{
    struct reader in = reader_of(data, size);
    while (in.left >= min) {
        one(p, &in);
        for (uint32_t i = 0; i < p->count; i++) guest_check(p->guests[i]);
    }
    party_run(p, after_us);
    for (uint32_t i = 0; i < p->count; i++) guest_check(p->guests[i]);
    party_close(p);
}
