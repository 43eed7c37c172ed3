#include "tests/harness/party.h"
#include "vnet/ip.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STILL_MAX 20000u /* steps without time passing: it never ends */

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

/* --- the wire --- */

static void keep(struct letter *out, const struct letter *l)
{
    *out = *l;
    out->bytes = malloc(l->len ? l->len : 1);
    ensure(out->bytes);
    memcpy(out->bytes, l->bytes, l->len);
}

static void mail_add(struct party *p, const struct letter *l)
{
    if (p->mail_count == p->mail_room) {
        p->mail_room = p->mail_room ? 2 * p->mail_room : 64;
        p->mail = realloc(p->mail, p->mail_room * sizeof *p->mail);
        ensure(p->mail);
    }
    struct letter *under_way = &p->mail[p->mail_count++];
    keep(under_way, l);
    under_way->number = p->letters_sent++;
    under_way->at_us = p->now_us + p->delay_us;
    if (p->jitter_us) under_way->at_us += rng_below(&p->rng, p->jitter_us);
}

static struct guest *guest_at(const struct party *p, const struct endpoint *at)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (endpoint_equal(&p->guests[i]->at, at)) return p->guests[i];
    return NULL;
}

static void post(struct party *p, struct guest *g, const struct endpoint *to, const uint8_t *bytes,
                 uint32_t len)
{
    struct letter l = {
        .at_us = p->now_us, .from = g->at, .to = *to, .bytes = (uint8_t *)bytes, .len = len};
    g->sent++;
    g->sent_bytes += len;
    if (p->booking && p->book_count < PARTY_BOOK) keep(&p->book[p->book_count++], &l);
    if (p->tap && !p->tap(p, &l)) return;
    if (!guest_at(p, &l.to)) {
        p->nobody++;
        p->nobody_bytes += len;
        return;
    }
    if (p->loss_percent && rng_below(&p->rng, 100) < p->loss_percent) return;
    mail_add(p, &l);
    if (p->double_percent && rng_below(&p->rng, 100) < p->double_percent) mail_add(p, &l);
}

/* --- steps --- */

static void from_device(struct guest *g, const uint8_t *bytes, uint32_t len)
{
    g->tun_count++;
    g->tun_len = len;
    memcpy(g->tun, bytes, len < sizeof g->tun ? len : sizeof g->tun);
    if (len >= 24 && get_u32(bytes + 20) < PARTY_SERIAL) g->got[get_u32(bytes + 20)]++;
}

static void act(struct party *p, struct guest *g)
{
    ensure(g->actions.lost == 0);
    for (uint32_t i = 0; i < g->actions.count; i++) {
        const struct action *a = &g->actions.list[i];
        if (a->type == ACT_SEND) {
            uint32_t piece = a->send.segment ? a->send.segment : a->send.len;
            for (uint32_t at = 0; at < a->send.len; at += piece)
                post(p, g, &a->send.to, a->send.bytes + at,
                     a->send.len - at < piece ? a->send.len - at : piece);
        } else if (a->type == ACT_TUN) {
            from_device(g, a->tun.bytes, a->tun.len);
        } else if (a->type == ACT_REPLY) {
            g->replies++;
            g->reply = *a->reply;
        } else if (a->type == ACT_NOTICE && a->notice.type < 16) {
            g->notices[a->notice.type]++;
            if (a->notice.type == NOTICE_MESSAGE) {
                snprintf(g->text, sizeof g->text, "%.*s", (int)a->notice.text_len, a->notice.text);
                g->text_from = a->notice.id;
            }
        }
    }
    actions_clear(&g->actions);
}

/* --- several lanes: each as if it had a thread, and the threads took turns --- */

static struct lane *lane_of(const struct guest *g, uint8_t i)
{
    return i ? g->more[i] : g->lane;
}

/* What lanes and control have to say to each other, until nobody has anything to say. */
static void lanes_settle(struct party *p, struct guest *g)
{
    const struct event timer = {.type = EV_TIMER};
    if (g->lanes.count < 2) return;
    for (uint32_t turns = 0; turns < STILL_MAX; turns++) {
        bool quiet = true;
        for (uint8_t i = 1; i < g->lanes.count; i++) {
            const struct event said = {.type = EV_LANE, .lane = i};
            for (; !hot_is_empty(&g->more_up[i]); quiet = false) {
                drive_step(g->node, g->lane, &g->down, &g->up, p->now_us, &said, &g->actions);
                act(p, g);
            }
            hot_done(&g->more_up[i]);
        }
        for (uint8_t i = 1; i < g->lanes.count; i++) {
            if (!hot_show(&g->more_down[i])) continue;
            quiet = false;
            lane_step(g->more[i], p->now_us, &timer, &g->actions);
            act(p, g);
        }
        if (quiet) return;
    }
    ensure(g->lanes.count < 2); /* it goes on for ever */
}

/* As the kernel chooses: datagrams by their index, packets by their flow, which is their number here. */
static uint8_t lane_for(const struct guest *g, const struct event *e)
{
    struct data_header h;
    uint8_t lanes = g->lane ? g->lanes.count : 1;
    if (e->type == EV_TUN && e->tun.len >= 24) return (uint8_t)(e->tun.bytes[23] % lanes);
    if (e->type != EV_DATAGRAM || !data_header_read(e->datagram.bytes, e->datagram.len, &h))
        return 0;
    return hot_owner(h.receiver, lanes);
}

/* True: it was for a lane beside the first. */
static bool other_lanes(struct party *p, struct guest *g, const struct event *e)
{
    uint8_t to = lane_for(g, e);
    for (uint8_t i = 1; e->type == EV_TIMER && g->lane && i < g->lanes.count; i++) {
        lane_step(g->more[i], p->now_us, e, &g->actions);
        act(p, g);
    }
    if (to == 0) return false;
    lane_step(g->more[to], p->now_us, e, &g->actions);
    act(p, g);
    lanes_settle(p, g);
    return true;
}

static uint64_t guest_wake_us(const struct guest *g)
{
    uint64_t at_us = drive_wake_us(g->node, g->lane);
    for (uint8_t i = 1; g->lane && i < g->lanes.count; i++)
        at_us = time_min(at_us, lane_wake_us(lane_of(g, i)));
    return at_us;
}

static void first_lane(struct party *p, struct guest *g, const struct event *e)
{
    struct event rest = *e;
    if (p->trace.mask) snprintf(p->trace.name, sizeof p->trace.name, "%x", g->at.ip[14]);
    if (e->type != EV_DATAGRAM || e->datagram.len == 0) {
        drive_step(g->node, g->lane, &g->down, &g->up, p->now_us, e, &g->actions);
        act(p, g);
        return;
    }
    for (uint32_t turns = 0; rest.datagram.len; turns++) {
        uint32_t done = drive_step(g->node, g->lane, &g->down, &g->up, p->now_us, &rest,
                                   &g->actions);
        act(p, g);
        ensure(done <= rest.datagram.len && turns < STILL_MAX);
        rest.datagram.bytes += done;
        rest.datagram.len -= done;
    }
}

void party_step(struct party *p, struct guest *g, const struct event *e)
{
    if (other_lanes(p, g, e)) return;
    first_lane(p, g, e);
    lanes_settle(p, g);
}

void party_give(struct party *p, struct guest *g, const struct endpoint *from, const void *bytes,
                size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    ensure(copy);
    memcpy(copy, bytes, len);
    party_step(p, g,
               &(struct event){.type = EV_DATAGRAM,
                               .datagram = {.from = *from, .bytes = copy, .len = (uint32_t)len}});
    free(copy);
}

void party_run(struct party *p, uint64_t us)
{
    uint64_t until_us = p->now_us + us;
    for (uint32_t still = 0;;) {
        uint64_t at_us = until_us + 1;
        uint32_t first = UINT32_MAX;
        struct guest *who = NULL;
        for (uint32_t i = 0; i < p->count; i++) {
            uint64_t wake = guest_wake_us(p->guests[i]);
            if (wake < at_us) at_us = wake, who = p->guests[i];
        }
        for (uint32_t i = 0; i < p->mail_count; i++) {
            const struct letter *l = &p->mail[i];
            bool before = first == UINT32_MAX
                              ? l->at_us <= at_us
                              : l->at_us < at_us ||
                                    (l->at_us == at_us && l->number < p->mail[first].number);
            if (before) first = i, at_us = l->at_us;
        }
        if (at_us > until_us) break;
        still = at_us <= p->now_us ? still + 1 : 0;
        ensure(still < STILL_MAX);
        if (at_us > p->now_us) p->now_us = at_us;
        if (first == UINT32_MAX) {
            party_step(p, who, &(struct event){.type = EV_TIMER});
            continue;
        }
        struct letter l = p->mail[first];
        p->mail[first] = p->mail[--p->mail_count];
        struct guest *g = guest_at(p, &l.to);
        if (g)
            party_step(
                p, g,
                &(struct event){.type = EV_DATAGRAM,
                                .datagram = {.from = l.from, .bytes = l.bytes, .len = l.len}});
        free(l.bytes);
    }
    p->now_us = until_us;
}

uint32_t party_packet(uint8_t *out, uint32_t src, uint32_t dst, uint32_t number, uint32_t len)
{
    ensure(len >= 24);
    memset(out, 0x55, len);
    memset(out, 0, 20);
    out[0] = 0x45;
    put_u16(out + 2, (uint16_t)len);
    out[8] = 64, out[9] = 253; /* experimental: no transport header */
    put_u32(out + 12, src);
    put_u32(out + 16, dst);
    put_u16(out + 10, ip_checksum(out, 20, 0));
    put_u32(out + 20, number);
    return len;
}

void party_tun(struct party *p, struct guest *g, uint32_t dst, uint32_t number, uint32_t len)
{
    uint8_t buffer[LANE_HEADROOM + 2048];
    ensure(g->lane && len <= 2048);
    party_packet(buffer + LANE_HEADROOM, g->ipv4, dst, number, len);
    party_step(
        p, g,
        &(struct event){.type = EV_TUN, .tun = {.bytes = buffer + LANE_HEADROOM, .len = len}});
}

void party_command(struct party *p, struct guest *g, uint8_t type, const struct guest *target)
{
    struct command c = {.type = type, .request = 7, .timeout_us = SECONDS(3)};
    c.target = (struct target){.kind = TARGET_ID, .network = -1, .id = target->self.id};
    party_step(p, g, &(struct event){.type = EV_COMMAND, .command = &c});
}

bool party_pings(struct party *p, struct guest *a, struct guest *b)
{
    uint32_t before = a->replies;
    party_command(p, a, CMD_PING, b);
    for (unsigned i = 0; i < 40 && a->replies == before; i++) party_run(p, MILLIS(100));
    return a->replies == before + 1 && a->reply.err == OK;
}

/* --- what only a hostile or a hurried one would do --- */

bool guest_send(struct party *p, struct guest *g, struct guest *to, const struct endpoint *from,
                const void *frame, size_t len)
{
    uint8_t sealed[4096];
    size_t n = guest_seal(g, to, frame, len, sealed, sizeof sealed);
    if (n) party_give(p, to, from ? from : &g->at, sealed, n);
    return n > 0;
}

bool guest_send_routed(struct party *p, struct guest *g, struct guest *to, const void *body,
                       size_t len)
{
    uint8_t frame[1500];
    struct routed r = {.mode = ROUTE_EXACT,
                       .ttl = 9,
                       .flags = ROUTED_NO_ACK,
                       .src = g->self.id,
                       .dst = to->self.id,
                       .body = body,
                       .body_len = len};
    size_t n = routed_write(frame, sizeof frame, &r);
    return n > 0 && guest_send(p, g, to, NULL, frame, n);
}

void party_hello1(const struct party *p, uint64_t number, uint8_t out[HELLO1_SIZE])
{
    struct handshake h;
    struct hello_info own = {.capabilities = AEAD_CHACHA20_POLY1305, .mtu_bytes = 1500};
    uint8_t fresh[32] = {0x77};
    put_u64(fresh + 8, number);
    handshake_init(&h, p->crypto, &p->key, true, (uint32_t)number | 1u);
    hello1_write(&h, p->crypto, &p->key, &own, fresh, out);
    handshake_wipe(&h);
}

static bool dial(struct party *p, struct guest *g, const struct endpoint *at, const struct id *id,
                 bool from_seed)
{
    struct outbox *box = zeroed(1, sizeof *box);
    box->arena = g->actions.arena;
    box->arena_size = g->actions.arena_size;
    bool yes = hello_dial(guest_overlay(g), p->now_us, at, id, KIND_LEAF, from_seed, box);
    for (uint32_t i = 0; i < box->send_count; i++)
        post(p, g, &box->sends[i].to, box->sends[i].bytes, box->sends[i].len);
    free(box);
    return yes;
}

bool party_dial(struct party *p, struct guest *g, const struct endpoint *at, const struct id *id)
{
    return dial(p, g, at, id, true);
}

bool party_rekey(struct party *p, struct guest *g, const struct guest *to)
{
    return dial(p, g, &to->at, &to->self.id, false);
}

size_t party_ip_frame(const struct guest *to, uint32_t src, uint32_t number, uint8_t out[128])
{
    out[0] = KIND_IP;
    out[1] = to->node->networks[0]->tag;
    out[2] = 0;
    return IP_HEADER + party_packet(out + IP_HEADER, src, to->ipv4, number, 40);
}

bool party_agree(const struct guest *a, const struct guest *b)
{
    const struct link *x = guest_link(a, b), *y = guest_link(b, a);
    return x && y && x->s.entry == y->s.remote_index && y->s.entry == x->s.remote_index &&
           memcmp(x->s.tx_key, y->s.rx_key, 32) == 0 && memcmp(x->s.rx_key, y->s.tx_key, 32) == 0;
}

size_t party_broadcast(const struct party *p, const struct guest *g,
                       const struct party_broadcast *b, uint8_t out[1200])
{
    uint8_t proof[128], arc[2 * ID_SIZE], bytes[1200];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_bytes(&w, "ringlet broadcast 1", 19);
    write_bytes(&w, g->self.id.b, ID_SIZE);
    write_u32(&w, b->number);
    write_u64(&w, b->at_s);
    write_bytes(&w, b->text, strlen(b->text));
    memcpy(proof, g->self.ed_pk, 32);
    memcpy(proof + 32, g->self.x_pk, 32);
    p->crypto->sign(proof + 64, bytes, w.len, g->self.ed_seed, g->self.ed_pk);
    memcpy(arc, b->start.b, ID_SIZE);
    memcpy(arc + ID_SIZE, b->end.b, ID_SIZE);
    struct pack k = pack_of(out + 1, 1199);
    out[0] = KIND_CONTROL;
    pack_array(&k, 7);
    pack_uint(&k, CONTROL_BROADCAST);
    pack_uint(&k, b->number);
    pack_uint(&k, b->at_s);
    pack_bin(&k, proof, sizeof proof);
    pack_uint(&k, b->left_ms);
    pack_bin(&k, arc, sizeof arc);
    pack_str(&k, b->text, strlen(b->text));
    return w.bad || k.bad ? 0 : k.len + 1;
}
