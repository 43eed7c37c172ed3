/* overlay/dht_testing.h - whole overlays that keep records, connected by function calls, for tests.
 *
 * Every datagram arrives after DELAY_US, between two nodes of the same side. The including file has the headers of cmocka. */
#pragma once
#include "overlay/dht.h"
#include "overlay/overlay.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define NODES_MAX  24
#define DELAY_US   MILLIS(10)
#define CALENDAR_S 1800000000u
#define ANSWERS    64
#define NETWORK    "\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7\10\1\2\3\4\5\6\7"

/* --- a net of overlays: every datagram arrives after DELAY_US, between two nodes of the same side --- */

struct flying {
    struct flying *next;
    uint64_t at_us;
    uint32_t from, to, len;
    uint8_t bytes[];
};
struct answered {
    uint32_t node;
    struct overlay_answer a;
    uint8_t value[RECORD_VALUE_MAX];
};
struct net {
    const struct crypto *c;
    uint64_t now_us;
    struct overlay *nodes[NODES_MAX]; /* NULL: not started, or crashed */
    struct identity ids[NODES_MAX];
    uint8_t side[NODES_MAX];
    uint32_t count, loss_percent;
    struct identities identities;
    struct pool pkts, extras;
    struct trace trace;
    struct limits limits;
    struct overlay_key key;
    struct identity authority, network;
    struct rng rng;
    struct flying *first, *last;
    struct outbox out;
    uint8_t arena[1 << 18];
    struct answered answers[ANSWERS];
    uint32_t answer_count;
};

static inline void show(void *context, uint64_t now_us, enum trace_class c, const char *line)
{
    (void)context, (void)now_us, (void)c;
    puts(line);
}

static inline struct net *net_new(void)
{
    struct net *n = calloc(1, sizeof *n);
    static const uint8_t seed[32] = {42}, key[16] = {1};
    n->c = &crypto_fake;
    n->now_us = SECONDS(1);
    n->limits = limits_daemon;
    n->limits.records = 64;
    n->limits.links = 64;
    n->limits.hello_filter_bytes = 0;
    rng_seed(&n->rng, seed);
    identity_make(&n->authority, n->c, &n->rng);
    identity_make(&n->network, n->c, &n->rng);
    strcpy(n->key.name, "test");
    n->key.key[0] = 9;
    assert_int_equal(identities_init(&n->identities, 1000, key), OK);
    pool_init(&n->pkts, sizeof(struct pkt), 1000, 16);
    pool_init(&n->extras, OVERLAY_POOLED_MAX, 10000, 64);
    n->out.arena = n->arena;
    n->out.arena_size = sizeof n->arena;
    n->trace.sink = show;
    if (getenv("STORY")) n->trace.mask = 1u << TRACE_DHT | 1u << TRACE_RING | 1u << TRACE_NODE;
    return n;
}

static inline void net_free(struct net *n)
{
    for (uint32_t i = 0; i < n->count; i++) overlay_free(n->nodes[i]);
    assert_int_equal(n->extras.taken, 0); /* records and requests went back */
    for (struct flying *f; (f = n->first);) {
        n->first = f->next;
        free(f);
    }
    identities_fini(&n->identities);
    pool_fini(&n->pkts);
    pool_fini(&n->extras);
    free(n);
}

static inline struct endpoint place(uint32_t i)
{
    return endpoint_v4(0x2d000001u + i, 7464);
}

static inline size_t chain_for(struct net *n, const struct id *id, uint8_t out[CHAIN_BYTES])
{
    struct cert network = {.kind = CERT_NETWORK,
                           .not_before_s = CALENDAR_S,
                           .expires_s = CALENDAR_S + 1000000,
                           .name = {"home"},
                           .range = {0x0a070000, 16},
                           .mode = 3};
    struct cert node = {.kind = CERT_NODE,
                        .id = *id,
                        .not_before_s = CALENDAR_S,
                        .expires_s = CALENDAR_S + 1000000,
                        .name = {"n"}};
    uint8_t one[CHAIN_BYTES], two[CHAIN_BYTES];
    memcpy(network.key, n->network.ed_pk, 32);
    size_t a = cert_sign(one, sizeof one, n->c, &network, n->authority.ed_seed, n->authority.ed_pk);
    size_t b = cert_sign(two, sizeof two, n->c, &node, n->network.ed_seed, n->network.ed_pk);
    const struct span both[] = {{one, a}, {two, b}};
    size_t len = chain_write(out, CHAIN_BYTES, both, 2);
    assert_true(a && b && len);
    return len;
}

static inline void fly(struct net *n, uint32_t from, const struct outbox_send *s)
{
    uint32_t to = (uint32_t)(get_u32(s->to.ip + 12) - 0x2d000001u);
    if (to >= n->count || n->side[to] != n->side[from]) return;
    if (n->loss_percent && rng_below(&n->rng, 100) < n->loss_percent) return;
    struct flying *f = malloc(sizeof *f + s->len);
    *f = (struct flying){.at_us = n->now_us + DELAY_US, .from = from, .to = to, .len = s->len};
    memcpy(f->bytes, s->bytes, s->len);
    if (n->last)
        n->last->next = f;
    else
        n->first = f;
    n->last = f;
}

static inline struct overlay *node(struct net *n, uint32_t i) /* about to be called */
{
    snprintf(n->trace.name, sizeof n->trace.name, "n%u", i);
    return n->nodes[i];
}

/* What a step of node i wanted. */
static inline void settle(struct net *n, uint32_t i)
{
    for (uint32_t k = 0; k < n->out.send_count; k++) fly(n, i, &n->out.sends[k]);
    for (uint32_t k = 0; k < n->out.event_count; k++) {
        const struct overlay_event *e = &n->out.events[k];
        if (e->type != OE_ANSWER) continue;
        assert_true(n->answer_count < ANSWERS);
        struct answered *a = &n->answers[n->answer_count++];
        a->node = i;
        a->a = e->answer;
        if (e->answer.value) memcpy(a->value, e->answer.value, e->answer.value_len);
    }
    assert_int_equal(n->out.lost, 0);
    n->out.send_count = n->out.event_count = n->out.arena_used = 0;
}

/* Node i anew, or for the first time. */
static inline struct overlay *start(struct net *n, uint32_t i)
{
    uint8_t chain[CHAIN_BYTES];
    if (i == n->count) identity_make(&n->ids[n->count++], n->c, &n->rng);
    struct overlay_config c = {.crypto = n->c,
                               .identities = &n->identities,
                               .pkts = &n->pkts,
                               .extras = &n->extras,
                               .trace = &n->trace,
                               .identity = &n->ids[i],
                               .own = {.key = n->key, .limits = n->limits},
                               .capabilities = AEAD_CHACHA20_POLY1305,
                               .founder = i == 0};
    memcpy(c.own.authority_pk, n->authority.ed_pk, 32);
    rng_bytes(&n->rng, c.seed, sizeof c.seed);
    assert_int_equal(overlay_new(&n->nodes[i], &c, n->now_us), OK);
    size_t len = chain_for(n, &n->ids[i].id, chain);
    struct overlay *o = n->nodes[i];
    assert_int_equal(overlay_chain_set(o, 0, chain, len), OK);
    struct endpoint self = place(i), seeds[2] = {place(0), place(1)};
    overlay_locals(o, n->now_us, &self, 1, &n->out);
    overlay_seeds(o, n->now_us, i ? seeds : seeds + 1, i ? 2 : 1);
    settle(n, i);
    return o;
}

static inline void crash(struct net *n, uint32_t i)
{
    overlay_free(n->nodes[i]);
    n->nodes[i] = NULL;
}

static inline bool step(struct net *n, uint64_t until_us)
{
    uint64_t wake_us = TIME_NEVER;
    uint32_t who = 0;
    for (uint32_t i = 0; i < n->count; i++) {
        uint64_t w = n->nodes[i] ? overlay_wake_us(n->nodes[i]) : TIME_NEVER;
        if (w < wake_us) wake_us = w, who = i;
    }
    struct flying *f = n->first;
    if (time_min(wake_us, f ? f->at_us : TIME_NEVER) > until_us) {
        n->now_us = until_us;
        return false;
    }
    if (!f || wake_us < f->at_us) {
        n->now_us = time_max(n->now_us, wake_us);
        overlay_timer(node(n, who), n->now_us, &n->out);
        settle(n, who);
        return true;
    }
    n->now_us = f->at_us;
    n->first = f->next;
    if (!n->first) n->last = NULL;
    struct endpoint from = place(f->from);
    if (n->nodes[f->to]) {
        overlay_datagram(node(n, f->to), n->now_us, &from, f->bytes, f->len, &n->out);
        settle(n, f->to);
    }
    free(f);
    return true;
}

static inline void run(struct net *n, uint64_t for_us)
{
    uint64_t until_us = n->now_us + for_us;
    while (step(n, until_us)) {}
}

static inline struct net *ring_of(uint32_t nodes)
{
    struct net *n = net_new();
    for (uint32_t i = 0; i < nodes; i++) {
        start(n, i);
        run(n, MILLIS(200));
    }
    run(n, SECONDS(30));
    for (uint32_t i = 0; i < nodes; i++) assert_true(n->nodes[i]->joined);
    return n;
}

/* --- asking, and what was heard --- */

static inline const struct answered *answer_to(const struct net *n,
                                               uint32_t request) /* the last; NULL: none */
{
    for (uint32_t i = n->answer_count; i-- > 0;)
        if (n->answers[i].a.request == request) return &n->answers[i];
    return NULL;
}

static inline uint32_t answers_to(const struct net *n, uint32_t request)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->answer_count; i++) count += n->answers[i].a.request == request;
    return count;
}

static inline struct record_name address(uint32_t ipv4)
{
    return record_name_ip4((const uint8_t *)NETWORK, ipv4);
}

static inline struct id key_of(const struct net *n, uint32_t ipv4)
{
    struct id key;
    struct record_name name = address(ipv4);
    record_key(&key, n->c, &name, &ID_ZERO);
    return key;
}

static inline void claim(struct net *n, uint32_t i, uint32_t ipv4, const char *value,
                         uint64_t ttl_us, uint32_t request)
{
    struct record_name name = address(ipv4);
    overlay_claim(node(n, i), n->now_us, &name, value, strlen(value), ttl_us, request, &n->out);
    settle(n, i);
}

static inline void get(struct net *n, uint32_t i, uint32_t ipv4, uint32_t request)
{
    struct id key = key_of(n, ipv4);
    overlay_get(node(n, i), n->now_us, &key, request, SECONDS(30), &n->out);
    settle(n, i);
}

static inline enum err claimed(struct net *n, uint32_t node, uint32_t ipv4, uint64_t ttl_us)
{
    static uint32_t next = 1000;
    uint32_t request = next++;
    claim(n, node, ipv4, "v", ttl_us, request);
    run(n, SECONDS(12));
    const struct answered *a = answer_to(n, request);
    assert_non_null(a);
    assert_int_equal(a->node, node);
    return a->a.err;
}

/* Who holds it, as `node` sees it; a node number, -1: nobody. */
static inline int holder(struct net *n, uint32_t node, uint32_t ipv4)
{
    static uint32_t next = 2000;
    uint32_t request = next++;
    get(n, node, ipv4, request);
    for (unsigned i = 0; i < 31 && !answer_to(n, request); i++) run(n, SECONDS(1));
    const struct answered *a = answer_to(n, request);
    assert_non_null(a);
    if (a->a.err == ERR_NOT_FOUND) return -1;
    assert_int_equal(a->a.err, OK);
    assert_non_null(a->a.value);
    for (uint32_t i = 0; i < n->count; i++)
        if (id_equal(&a->a.writer, &n->ids[i].id)) return (int)i;
    fail();
    return -2;
}

/* The live node nearest to the address's key. */
static inline uint32_t root_of(const struct net *n, uint32_t ipv4)
{
    struct id key = key_of(n, ipv4);
    uint32_t best = NODES_MAX;
    for (uint32_t i = 0; i < n->count; i++)
        if (n->nodes[i] &&
            (best == NODES_MAX || id_nearer(&key, &n->ids[i].id, &n->ids[best].id) < 0))
            best = i;
    return best;
}

static inline uint32_t copies(const struct net *n, uint32_t ipv4)
{
    struct id key = key_of(n, ipv4);
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->count; i++)
        count += n->nodes[i] && dht_find(n->nodes[i], &key, n->now_us);
    return count;
}

/* An address whose root is none of the first `spared` nodes. */
static inline uint32_t address_rooted_beyond(const struct net *n, uint32_t spared)
{
    uint32_t ipv4 = 0x0a070001;
    while (root_of(n, ipv4) < spared) ipv4++;
    return ipv4;
}
