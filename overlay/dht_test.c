/* Records among whole overlays, connected by function calls: who claims what, who sees it, and what a crash does to it. */
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

static void show(void *context, uint64_t now_us, enum trace_class c, const char *line)
{
    (void)context, (void)now_us, (void)c;
    puts(line);
}

static struct net *net_new(void)
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
    pool_init(&n->extras, overlay_extra_size(), 10000, 64);
    n->out.arena = n->arena;
    n->out.arena_size = sizeof n->arena;
    n->trace.sink = show;
    if (getenv("STORY")) n->trace.mask = 1u << TRACE_DHT | 1u << TRACE_RING | 1u << TRACE_NODE;
    return n;
}

static void net_free(struct net *n)
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

static struct endpoint place(uint32_t i)
{
    return endpoint_v4(0x2d000001u + i, 7464);
}

static size_t chain_for(struct net *n, const struct id *id, uint8_t out[CHAIN_BYTES])
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

static void fly(struct net *n, uint32_t from, const struct outbox_send *s)
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

static struct overlay *node(struct net *n, uint32_t i) /* about to be called */
{
    snprintf(n->trace.name, sizeof n->trace.name, "n%u", i);
    return n->nodes[i];
}

/* What a step of node i wanted. */
static void settle(struct net *n, uint32_t i)
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
static struct overlay *start(struct net *n, uint32_t i)
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

static void crash(struct net *n, uint32_t i)
{
    overlay_free(n->nodes[i]);
    n->nodes[i] = NULL;
}

static bool step(struct net *n, uint64_t until_us)
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

static void run(struct net *n, uint64_t for_us)
{
    uint64_t until_us = n->now_us + for_us;
    while (step(n, until_us)) {}
}

static struct net *ring_of(uint32_t nodes)
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

static const struct answered *answer_to(const struct net *n,
                                        uint32_t request) /* the last; NULL: none */
{
    for (uint32_t i = n->answer_count; i-- > 0;)
        if (n->answers[i].a.request == request) return &n->answers[i];
    return NULL;
}

static uint32_t answers_to(const struct net *n, uint32_t request)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->answer_count; i++) count += n->answers[i].a.request == request;
    return count;
}

static struct record_name address(uint32_t ipv4)
{
    return record_name_ip4((const uint8_t *)NETWORK, ipv4);
}

static struct id key_of(const struct net *n, uint32_t ipv4)
{
    struct id key;
    struct record_name name = address(ipv4);
    record_key(&key, n->c, &name, &ID_ZERO);
    return key;
}

static void claim(struct net *n, uint32_t i, uint32_t ipv4, const char *value, uint64_t ttl_us,
                  uint32_t request)
{
    struct record_name name = address(ipv4);
    overlay_claim(node(n, i), n->now_us, &name, value, strlen(value), ttl_us, request, &n->out);
    settle(n, i);
}

static void get(struct net *n, uint32_t i, uint32_t ipv4, uint32_t request)
{
    struct id key = key_of(n, ipv4);
    overlay_get(node(n, i), n->now_us, &key, request, SECONDS(30), &n->out);
    settle(n, i);
}

static enum err claimed(struct net *n, uint32_t node, uint32_t ipv4, uint64_t ttl_us)
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
static int holder(struct net *n, uint32_t node, uint32_t ipv4)
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
static uint32_t root_of(const struct net *n, uint32_t ipv4)
{
    struct id key = key_of(n, ipv4);
    uint32_t best = NODES_MAX;
    for (uint32_t i = 0; i < n->count; i++)
        if (n->nodes[i] &&
            (best == NODES_MAX || id_nearer(&key, &n->ids[i].id, &n->ids[best].id) < 0))
            best = i;
    return best;
}

static uint32_t copies(const struct net *n, uint32_t ipv4)
{
    struct id key = key_of(n, ipv4);
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->count; i++)
        count += n->nodes[i] && dht_find(n->nodes[i], &key, n->now_us);
    return count;
}

/* An address whose root is none of the first `spared` nodes. */
static uint32_t address_rooted_beyond(const struct net *n, uint32_t spared)
{
    uint32_t ipv4 = 0x0a070001;
    while (root_of(n, ipv4) < spared) ipv4++;
    return ipv4;
}

/* --- stories --- */

static void seen_by_others(void **state)
{
    (void)state;
    struct net *n = ring_of(12);
    claim(n, 3, 0x0a070005, "hello", MINUTES(10), 1);
    run(n, SECONDS(2));
    assert_int_equal(answers_to(n, 1), 1);
    assert_int_equal(answer_to(n, 1)->a.err, OK);
    assert_int_equal(copies(n, 0x0a070005), REPLICAS);
    for (uint32_t i = 0; i < 12; i++) {
        get(n, i, 0x0a070005, 100 + i);
        get(n, i, 0x0a070006, 200 + i); /* nobody's */
    }
    run(n, SECONDS(2));
    for (uint32_t i = 0; i < 12; i++) {
        const struct answered *a = answer_to(n, 100 + i);
        assert_non_null(a);
        assert_int_equal(a->a.err, OK);
        assert_true(id_equal(&a->a.writer, &n->ids[3].id));
        assert_int_equal(a->a.value_len, 5);
        assert_memory_equal(a->value, "hello", 5);
        assert_int_equal(answer_to(n, 200 + i)->a.err, ERR_NOT_FOUND);
    }
    net_free(n);
}

static void first_writer_holds(void **state)
{
    (void)state;
    struct net *n = ring_of(10);
    for (uint32_t ipv4 = 0x0a070001; ipv4 < 0x0a070005;
         ipv4++) { /* with several roots: also one of the two themselves */
        claim(n, 2, ipv4, "a", MINUTES(10), ipv4);
        run(n, SECONDS(1));
        claim(n, 7, ipv4, "c", MINUTES(10), ipv4 + 100);
        run(n, SECONDS(1));
        assert_int_equal(answer_to(n, ipv4)->a.err, OK);
        assert_int_equal(answer_to(n, ipv4 + 100)->a.err, ERR_CONFLICT);
        assert_true(id_equal(&answer_to(n, ipv4 + 100)->a.writer, &n->ids[2].id));
        assert_int_equal(holder(n, 5, ipv4), 2);
    }
    net_free(n);
}

static void free_after_its_time(void **state)
{
    (void)state;
    struct net *n = ring_of(10);
    uint32_t ipv4 = address_rooted_beyond(n, 3);
    assert_int_equal(claimed(n, 2, ipv4, MINUTES(2)), OK);
    run(n, MINUTES(10)); /* it is renewed as long as its writer lives */
    assert_int_equal(holder(n, 5, ipv4), 2);
    assert_int_equal(claimed(n, 1, ipv4, MINUTES(2)), ERR_CONFLICT);
    crash(n, 2);
    run(n, SECONDS(20));
    assert_int_equal(holder(n, 5, ipv4), 2);
    assert_int_equal(claimed(n, 1, ipv4, MINUTES(2)), ERR_CONFLICT);
    run(n, SECONDS(130));
    assert_int_equal(holder(n, 5, ipv4), -1);
    assert_int_equal(claimed(n, 1, ipv4, MINUTES(2)), OK);
    assert_int_equal(holder(n, 5, ipv4), 1);
    net_free(n);
}

static void survives_its_roots(void **state)
{
    (void)state;
    struct net *n = ring_of(16);
    uint32_t ipv4 = address_rooted_beyond(n, 3);
    assert_int_equal(claimed(n, 2, ipv4, HOURS(2)), OK);
    for (unsigned i = 0; i < 4; i++) {
        uint32_t root = root_of(n, ipv4);
        if (root <= 2) break;
        crash(n, root);
        run(n, SECONDS(5)); /* not even noticed everywhere */
        assert_int_equal(holder(n, 1, ipv4), 2);
    }
    run(n, MINUTES(3));
    assert_true(copies(n, ipv4) >= REPLICAS);
    net_free(n);
}

static void follows_newcomers(void **state)
{
    (void)state;
    struct net *n = ring_of(5);
    for (uint32_t ipv4 = 0x0a070001; ipv4 < 0x0a070009; ipv4++)
        claim(n, 2, ipv4, "x", HOURS(2), ipv4);
    run(n, SECONDS(5));
    crash(n, 2); /* who would renew them */
    run(n, MINUTES(2));
    for (uint32_t i = 5; i < 20; i++) {
        start(n, i);
        run(n, SECONDS(2));
    }
    run(n, SECONDS(60));
    for (uint32_t ipv4 = 0x0a070001; ipv4 < 0x0a070009; ipv4++) {
        struct id key = key_of(n, ipv4);
        assert_non_null(dht_find(n->nodes[root_of(n, ipv4)], &key, n->now_us));
        assert_int_equal(holder(n, 1, ipv4), 2);
    }
    run(n, HOURS(2)); /* handing over does not make it live longer */
    assert_int_equal(copies(n, 0x0a070001), 0);
    net_free(n);
}

static void writer_comes_back(void **state)
{
    (void)state;
    struct net *n = ring_of(8);
    uint32_t ipv4 = address_rooted_beyond(n, 3);
    assert_int_equal(claimed(n, 2, ipv4, MINUTES(10)), OK);
    run(n, MINUTES(30));
    crash(n, 2);
    run(n, SECONDS(5));
    start(n, 2); /* it knows no numbers of before */
    run(n, SECONDS(20));
    assert_int_equal(claimed(n, 2, ipv4, MINUTES(10)), OK);
    struct id key = key_of(n, ipv4);
    assert_true(dht_find(n->nodes[root_of(n, ipv4)], &key, n->now_us)->seq > 5);
    net_free(n);
}

static void two_rings_meet(void **state)
{
    (void)state;
    struct net *n = ring_of(14);
    for (uint32_t i = 0; i < 14; i++) n->side[i] = i & 1;
    run(n, MINUTES(3));
    claim(n, 2, 0x0a070005, "even", HOURS(2), 1);
    claim(n, 5, 0x0a070005, "odd", HOURS(2), 2);
    run(n, SECONDS(20));
    assert_int_equal(answer_to(n, 1)->a.err, OK);
    assert_int_equal(answer_to(n, 2)->a.err, OK);
    memset(n->side, 0, sizeof n->side);
    run(n, MINUTES(6));
    struct id key = key_of(n, 0x0a070005);
    bool even = record_stays(n->c, &key, &n->ids[2].id, &n->ids[5].id);
    assert_int_equal(holder(n, 0, 0x0a070005), even ? 2 : 5);
    assert_int_equal(holder(n, 1, 0x0a070005), even ? 2 : 5);
    assert_int_equal(answer_to(n, even ? 1 : 2)->a.err, OK);
    assert_int_equal(answer_to(n, even ? 2 : 1)->a.err,
                     ERR_CONFLICT); /* told, long before it renews */
    net_free(n);
}

static void alone_and_unreachable(void **state)
{
    (void)state;
    struct net *n = net_new();
    start(n, 0);
    run(n, SECONDS(1));
    assert_int_equal(claimed(n, 0, 1, MINUTES(10)), OK); /* who founds an overlay is all of it */
    assert_int_equal(holder(n, 0, 1), 0);
    assert_int_equal(holder(n, 0, 2), -1);
    n->side[1] = 1;
    start(n, 1);
    run(n, SECONDS(1));
    get(n, 1, 1, 77);
    claim(n, 1, 5, "x", MINUTES(10), 78);
    assert_int_equal(answer_to(n, 77)->a.err, ERR_UNREACHABLE);
    assert_int_equal(answer_to(n, 78)->a.err, ERR_UNREACHABLE);
    n->side[1] = 0;
    run(n, MINUTES(3));
    assert_int_equal(answer_to(n, 78)->a.err, OK); /* it went on trying */
    assert_int_equal(holder(n, 1, 1), 0);          /* what the founder claimed alone */
    assert_int_equal(holder(n, 0, 5), 1);
    net_free(n);
}

static void lossy(void **state)
{
    (void)state;
    struct net *n = ring_of(16);
    n->loss_percent = 10;
    for (uint32_t i = 0; i < 16; i++) claim(n, i, 0x0a070100 + i, "x", MINUTES(10), i);
    run(n, SECONDS(20));
    for (uint32_t i = 0; i < 16; i++) {
        assert_non_null(answer_to(n, i));
        assert_int_equal(answer_to(n, i)->a.err, OK);
        assert_int_equal(holder(n, (i + 5) % 16, 0x0a070100 + i), i);
    }
    run(n, MINUTES(30)); /* renewals get through too */
    for (uint32_t i = 0; i < 16; i++) {
        assert_int_equal(holder(n, (i + 5) % 16, 0x0a070100 + i), i);
        assert_int_equal(answers_to(n, i), 1);                  /* and nobody is told about them */
        assert_true(copies(n, 0x0a070100 + i) + 3 >= REPLICAS); /* copies are not acknowledged */
    }
    net_free(n);
}

/* The root goes while we ask it, and we are the next: we answer ourselves. */
static void becomes_the_root_while_asking(void **state)
{
    (void)state;
    struct net *n = ring_of(8);
    uint32_t ipv4 = 0x0a070001, asker = 0;
    for (;; ipv4++) { /* one whose two nearest are beyond 2 */
        uint32_t root = root_of(n, ipv4);
        struct overlay *held = n->nodes[root];
        n->nodes[root] = NULL;
        asker = root_of(n, ipv4);
        n->nodes[root] = held;
        if (root > 2 && asker > 2) break;
    }
    assert_int_equal(claimed(n, 2, ipv4, MINUTES(10)), OK);
    crash(n, root_of(n, ipv4));
    get(n, asker, ipv4, 1);
    claim(n, asker, ipv4, "me", MINUTES(10), 2);
    assert_null(answer_to(n, 1));
    run(n, SECONDS(25));
    assert_int_equal(answer_to(n, 1)->a.err, OK);
    assert_true(id_equal(&answer_to(n, 1)->a.writer, &n->ids[2].id));
    assert_int_equal(answer_to(n, 2)->a.err, ERR_CONFLICT);
    net_free(n);
}

/* --- what others send --- */

struct made { /* a record of node `by`, as bytes */
    uint8_t bytes[RECORD_BYTES];
    size_t len;
};

static struct made make(const struct net *n, uint32_t by, uint32_t ipv4, uint64_t seq,
                        const char *value)
{
    struct made m;
    struct record r = {.name = address(ipv4),
                       .seq = seq,
                       .ttl_s = 600,
                       .value = {(const uint8_t *)value, strlen(value)}};
    m.len = record_sign(m.bytes, sizeof m.bytes, n->c, &r, &n->ids[by]);
    assert_true(m.len > 0);
    return m;
}

/* As if it had come from the first of node i's links. */
static void hears(struct net *n, uint32_t i, unsigned op, uint64_t request, const struct made *m,
                  uint64_t number)
{
    uint8_t body[CONTROL_MAX];
    struct overlay *o = node(n, i);
    struct link *l = order_at(o, 0);
    struct arrival a = {.link = l, .routed = op != CONTROL_STORE, .routed_src = *link_id(o, l)};
    struct pack k = pack_of(body, sizeof body);
    if (op == CONTROL_STORE) {
        pack_bin(&k, m->bytes, m->len);
        pack_uint(&k, number); /* seconds left */
    } else {
        pack_uint(&k, request);
        if (op == CONTROL_GOT) pack_uint(&k, number); /* result */
        if (op == CONTROL_PUT) pack_bin(&k, ID_ZERO.b, ID_SIZE);
        pack_bin(&k, m->bytes, m->len);
    }
    struct unpack u = unpack_of(body, k.len);
    on_dht(o, n->now_us, l, &a, op, &u, &n->out);
    settle(n, i);
}

static const struct record_entry *held_by(const struct net *n, uint32_t i, uint32_t ipv4)
{
    struct id key = key_of(n, ipv4);
    return dht_find(n->nodes[i], &key, n->now_us);
}

static void only_what_is_signed(void **state)
{
    (void)state;
    struct net *n = ring_of(4);
    uint32_t ipv4 = address_rooted_beyond(n, 3);
    struct made good = make(n, 0, ipv4, 5, "x"), bad = good, older = make(n, 0, ipv4, 4, "y"),
                other = make(n, 0, ipv4, 5, "z");
    bad.bytes[bad.len - 1] ^= 1;
    hears(n, 3, CONTROL_PUT, 1, &bad, 0);
    hears(n, 3, CONTROL_STORE, 0, &bad, 600);
    hears(n, 3, CONTROL_STORE, 0, &good, 0); /* with no time left */
    assert_null(held_by(n, 3, ipv4));
    assert_int_equal(overlay_drops(n->nodes[3])[DROP_DENIED], 2);
    hears(n, 1, CONTROL_PUT, 1, &good, 0); /* not the root */
    assert_null(held_by(n, 1, ipv4));
    hears(n, 3, CONTROL_STORE, 0, &good, 100);
    const struct record_entry *e = held_by(n, 3, ipv4);
    assert_non_null(e);
    assert_int_equal(e->until_us, n->now_us + SECONDS(100)); /* not its whole 600 s */
    hears(n, 3, CONTROL_STORE, 0, &good, 600);
    const struct flying *before = n->last;
    hears(n, 3, CONTROL_STORE, 0, &older, 600);
    assert_ptr_not_equal(n->last, before); /* told of the newer one */
    hears(n, 3, CONTROL_PUT, 1, &older, 0);
    hears(n, 3, CONTROL_PUT, 1, &other, 0); /* two of the same number: the first counts */
    assert_int_equal(held_by(n, 3, ipv4)->until_us, n->now_us + SECONDS(100));
    assert_memory_equal(held_by(n, 3, ipv4)->bytes, good.bytes, good.len);
    const struct flying *last = n->last;
    hears(n, 3, CONTROL_STORE, 0, &other, 600);
    assert_ptr_equal(n->last, last); /* no answer, or they would go to and fro for ever */
    struct made newer = make(n, 0, ipv4, 6, "y");
    hears(n, 3, CONTROL_STORE, 0, &newer, 1u << 30); /* longer than any record lives */
    assert_memory_equal(held_by(n, 3, ipv4)->bytes, good.bytes, good.len);
    hears(n, 3, CONTROL_STORE, 0, &newer, 600);
    assert_int_equal(held_by(n, 3, ipv4)->seq, 6);
    net_free(n);
}

static void of_two_one_stays(void **state)
{
    (void)state;
    struct net *n = ring_of(4);
    for (uint32_t ipv4 = 1; ipv4 < 9; ipv4++) {
        struct id key = key_of(n, ipv4);
        struct made a = make(n, 0, ipv4, 1, "a"), b = make(n, 1, ipv4, 1, "b");
        bool a_stays = record_stays(n->c, &key, &n->ids[0].id, &n->ids[1].id);
        hears(n, 3, CONTROL_STORE, 0, &a, 600);
        hears(n, 3, CONTROL_STORE, 0, &b, 600);
        assert_memory_equal(held_by(n, 3, ipv4)->bytes, a_stays ? a.bytes : b.bytes, a.len);
        struct made forged = a_stays ? b : a;
        forged.bytes[forged.len - 1] ^= 1;
        hears(n, 3, CONTROL_STORE, 0, &forged, 600);
        assert_true(id_equal(&held_by(n, 3, ipv4)->writer, &n->ids[a_stays ? 0 : 1].id));
        run(n, SECONDS(1));
    }
    net_free(n);
}

static void only_answers_that_fit(void **state)
{
    (void)state;
    struct net *n = ring_of(8);
    uint32_t ipv4 = address_rooted_beyond(n, 3);
    assert_int_equal(claimed(n, 2, ipv4, MINUTES(10)), OK);
    get(n, 0, ipv4, 1);
    claim(n, 1, ipv4, "me", MINUTES(10), 2);
    uint32_t asked = n->nodes[0]->request_next, put = n->nodes[1]->request_next;
    struct made wrong_key = make(n, 3, ipv4 + 1, 1, "x"), good = make(n, 3, ipv4, 1, "x"),
                ours = make(n, 1, ipv4, 1, "x"), bad = good, none = {.len = 0};
    bad.bytes[bad.len - 1] ^= 1;
    hears(n, 0, CONTROL_GOT, asked, &wrong_key, DHT_OK);
    hears(n, 0, CONTROL_GOT, asked, &bad, DHT_OK);
    hears(n, 0, CONTROL_GOT, asked, &none, DHT_OK);
    hears(n, 0, CONTROL_GOT, asked, &good, DHT_CONFLICT);
    hears(n, 0, CONTROL_GOT, asked, &good, 99);
    hears(n, 0, CONTROL_GOT, asked + 5, &good, DHT_OK);
    hears(n, 1, CONTROL_GOT, put, &none, DHT_CONFLICT);
    hears(n, 1, CONTROL_GOT, put, &bad, DHT_CONFLICT);
    hears(n, 1, CONTROL_GOT, put, &wrong_key, DHT_CONFLICT);
    hears(n, 1, CONTROL_GOT, put, &ours, DHT_CONFLICT);
    hears(n, 1, CONTROL_GOT, put, &good, DHT_OLD);
    hears(n, 1, CONTROL_GOT, put, &none, DHT_NOT_FOUND);
    assert_null(answer_to(n, 1));
    assert_null(answer_to(n, 2));
    run(n, SECONDS(2));
    assert_int_equal(answer_to(n, 1)->a.err, OK);
    assert_true(id_equal(&answer_to(n, 1)->a.writer, &n->ids[2].id));
    assert_int_equal(answer_to(n, 2)->a.err, ERR_CONFLICT);
    assert_int_equal(n->nodes[0]->request_count + n->nodes[1]->request_count, 0);
    net_free(n);
}

static void garbage(void **state)
{
    (void)state;
    struct net *n = ring_of(3);
    struct overlay *o = n->nodes[0];
    static const unsigned ops[] = {CONTROL_GET, CONTROL_PUT, CONTROL_GOT, CONTROL_STORE};
    struct made m = make(n, 1, 1, 1, "x");
    for (unsigned k = 0; k < 4; k++) {
        uint32_t before = overlay_drops(o)[DROP_MALFORMED];
        for (size_t len = 0; len < m.len;
             len++) { /* bytes of another form: a record where a frame's places should be */
            struct arrival a = {.link = order_at(o, 0), .routed = true, .routed_src = n->ids[1].id};
            struct unpack u = unpack_of(m.bytes, len);
            on_dht(o, n->now_us, a.link, &a, ops[k], &u, &n->out);
            settle(n, 0);
        }
        assert_int_equal(overlay_drops(o)[DROP_MALFORMED] - before, m.len);
    }
    assert_int_equal(o->record_count, 0);
    net_free(n);
}

/* --- bounds --- */

static void a_writer_has_its_share(void **state)
{
    (void)state;
    struct net *n = ring_of(3);
    for (uint32_t i = 0; i < 40; i++) {
        struct made m = make(n, 1, 100 + i, 1, "x");
        hears(n, 0, CONTROL_STORE, 0, &m, 600);
    }
    assert_int_equal(n->nodes[0]->record_count, 16); /* of 64 in all */
    struct made again = make(n, 1, 100, 2, "y"), another = make(n, 2, 500, 1, "x");
    hears(n, 0, CONTROL_STORE, 0, &again, 600);
    hears(n, 0, CONTROL_STORE, 0, &another, 600);
    assert_int_equal(n->nodes[0]->record_count, 17);
    assert_int_equal(held_by(n, 0, 100)->seq, 2);
    net_free(n);
}

static void verifying_is_rationed(void **state)
{
    (void)state;
    struct net *n = ring_of(3);
    struct overlay *o = n->nodes[0];
    struct made bad = make(n, 1, 1, 1, "x");
    bad.bytes[bad.len - 1] ^= 1;
    for (unsigned i = 0; i < 3000; i++) hears(n, 0, CONTROL_STORE, 0, &bad, 600);
    assert_int_equal(overlay_drops(o)[DROP_DENIED], 1000);
    assert_int_equal(overlay_drops(o)[DROP_RATE], 2000);
    net_free(n);
}

static void bounded(void **state)
{
    (void)state;
    struct net *n = net_new();
    struct record_name bad = address(1), own = record_name_of(RECORD_TAG_OWN, "profile", 7);
    uint8_t big[RECORD_VALUE_MAX + 1] = {0};
    n->limits.records = 5;
    n->limits.record_bytes = 100;
    struct overlay *o = start(n, 0);
    run(n, SECONDS(1));
    bad.len = 3;
    overlay_claim(o, n->now_us, &bad, NULL, 0, MINUTES(1), 1, &n->out);
    overlay_claim(o, n->now_us, &own, big, 101, MINUTES(1), 2, &n->out);
    overlay_claim(o, n->now_us, &own, big, 100, MILLIS(10), 3, &n->out);
    overlay_claim(o, n->now_us, &own, big, 100, HOURS(1000), 4, &n->out);
    settle(n, 0);
    assert_int_equal(answer_to(n, 1)->a.err, ERR_INVALID);
    assert_int_equal(answer_to(n, 2)->a.err, ERR_INVALID);
    assert_int_equal(answer_to(n, 3)->a.err, ERR_INVALID);
    assert_int_equal(answer_to(n, 4)->a.err, OK);
    for (uint32_t i = 0; i < 20; i++) claim(n, 0, 100 + i, "x", MINUTES(20 + i), 10 + i);
    assert_int_equal(o->record_count, 5);
    assert_int_equal(answer_to(n, 10 + 14)->a.err, OK); /* with the profile, sixteen */
    assert_int_equal(answer_to(n, 10 + 15)->a.err, ERR_FULL);
    assert_true(overlay_drops(o)[DROP_FULL] > 0);
    struct id first = key_of(n, 100), last = key_of(n, 114);
    assert_null(dht_find(o, &first, n->now_us)); /* it was to end first */
    assert_non_null(dht_find(o, &last, n->now_us));
    net_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(seen_by_others),
        cmocka_unit_test(first_writer_holds),
        cmocka_unit_test(free_after_its_time),
        cmocka_unit_test(survives_its_roots),
        cmocka_unit_test(follows_newcomers),
        cmocka_unit_test(writer_comes_back),
        cmocka_unit_test(two_rings_meet),
        cmocka_unit_test(alone_and_unreachable),
        cmocka_unit_test(lossy),
        cmocka_unit_test(becomes_the_root_while_asking),
        cmocka_unit_test(only_what_is_signed),
        cmocka_unit_test(of_two_one_stays),
        cmocka_unit_test(only_answers_that_fit),
        cmocka_unit_test(garbage),
        cmocka_unit_test(a_writer_has_its_share),
        cmocka_unit_test(verifying_is_rationed),
        cmocka_unit_test(bounded),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
