/* Records among whole overlays: what is not kept, not believed, and not even verified. */
#include "overlay/dht_testing.h"

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
    struct arrival a = {.link = l, .routed = true, .routed_src = *link_id(o, l)};
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
    on_dht(o, n->now_us, &a, op, &u, &n->out);
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

/* As if node `from` had sent it, and the link `by` brought it. */
static void hears_store(struct net *n, uint32_t i, struct link *by, uint32_t from,
                        const struct made *m)
{
    uint8_t body[CONTROL_MAX];
    struct arrival a = {.link = by, .routed = true, .routed_src = n->ids[from].id};
    struct pack k = pack_of(body, sizeof body);
    pack_bin(&k, m->bytes, m->len);
    pack_uint(&k, 600);
    struct unpack u = unpack_of(body, k.len);
    on_dht(node(n, i), n->now_us, &a, CONTROL_STORE, &u, &n->out);
    settle(n, i);
}

static bool is_near(const struct net *n, uint32_t i, uint32_t other)
{
    const struct link *l = link_by_id(n->nodes[i], &n->ids[other].id);
    return l && l->kinds & KIND_NEAR;
}

/* Copies are taken from who may hold them, too; and not of what is for others to keep. */
static void not_from_afar(void **state)
{
    (void)state;
    struct net *n = ring_of(24);
    struct overlay *o = n->nodes[3];
    uint32_t ipv4 = 1, stranger = 0, near = 0;
    while (root_of(n, ipv4) != 3) ipv4++;
    while (stranger == 3 || is_near(n, 3, stranger)) stranger++;
    while (near == 3 || !is_near(n, 3, near)) near++;
    struct link *by = link_by_id(o, &n->ids[near].id);
    uint32_t writer = 5 == stranger ? 6 : 5;
    struct id key = key_of(n, ipv4);
    struct made good = make(n, writer, ipv4, 5, "x"), own = make(n, stranger, ipv4, 5, "x");
    struct link *his = link_by_id(o, &n->ids[stranger].id);
    uint32_t before = overlay_drops(o)[DROP_DENIED];
    hears_store(n, 3, his ? his : by, stranger, &good);
    assert_null(held_by(n, 3, ipv4));
    assert_int_equal(overlay_drops(o)[DROP_DENIED], before + 1);
    if (his) hears_store(n, 3, his, near, &good); /* which he only says */
    assert_null(held_by(n, 3, ipv4));
    hears_store(n, 3, by, near, &good);
    assert_non_null(held_by(n, 3, ipv4));
    if (his && record_stays(n->c, &key, &n->ids[stranger].id, &n->ids[writer].id)) {
        hears_store(n, 3, his, stranger, &own); /* its own */
        assert_true(id_equal(&held_by(n, 3, ipv4)->writer, &n->ids[stranger].id));
    }
    /* on the other side of the ring */
    struct id across = n->ids[3].id;
    across.b[0] ^= 0x80;
    uint32_t far = 1, tries = 0;
    for (uint32_t i = 2; tries < 2000; i++, tries++) {
        struct id a = key_of(n, i), b = key_of(n, far);
        if (id_nearer(&across, &a, &b) < 0) far = i;
    }
    struct made theirs = make(n, writer, far, 5, "x");
    hears_store(n, 3, by, near, &theirs);
    assert_null(held_by(n, 3, far));
    net_free(n);
}

/* Two denials that came over one link may be one member's. */
static void one_link_denies_once(void **state)
{
    (void)state;
    struct net *n = ring_of(24);
    struct overlay *o = n->nodes[0];
    uint32_t ipv4 = 1;
    struct id key = key_of(n, ipv4);
    while (dht_is_replica(o, &key)) key = key_of(n, ++ipv4);
    get(n, 0, ipv4, 1);
    uint32_t asked = o->request_next;
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t body[64];
        struct arrival a = {.link = order_at(o, 0), .routed = true, .routed_src = n->ids[5 + i].id};
        struct pack k = pack_of(body, sizeof body);
        pack_uint(&k, asked);
        pack_uint(&k, DHT_NOT_FOUND);
        pack_bin(&k, body, 0);
        struct unpack u = unpack_of(body, k.len);
        on_dht(node(n, 0), n->now_us, &a, CONTROL_GOT, &u, &n->out);
        settle(n, 0);
    }
    assert_null(answer_to(n, 1));
    run(n, SECONDS(2));
    assert_int_equal(answer_to(n, 1)->a.err, ERR_NOT_FOUND); /* nobody has it */
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

/* node by's chain with an invite of two slots in it, of which it has taken one */
static size_t invited(struct net *n, uint32_t by, uint32_t slot, uint8_t out[CHAIN_BYTES])
{
    uint8_t plain[CHAIN_BYTES], bytes[2][CHAIN_BYTES];
    struct span certs[CHAIN_MAX];
    uint32_t count;
    struct cert invite = {.kind = CERT_INVITE,
                          .serial = {7},
                          .not_before_s = CALENDAR_S,
                          .expires_s = CALENDAR_S + 1000,
                          .uses = 2};
    struct cert own = {.kind = CERT_NODE,
                       .not_before_s = CALENDAR_S,
                       .expires_s = CALENDAR_S + 1000,
                       .name = {"n"},
                       .slot = slot,
                       .id = n->ids[by].id};
    size_t len = chain_for(n, &n->ids[by].id, plain);
    assert_int_equal(chain_split((struct span){plain, len}, certs, &count), OK);
    memcpy(invite.key, n->ids[0].ed_pk, 32); /* any key will do */
    certs[1] = (struct span){bytes[0], cert_sign(bytes[0], CHAIN_BYTES, n->c, &invite,
                                                 n->network.ed_seed, n->network.ed_pk)};
    certs[2] = (struct span){
        bytes[1], cert_sign(bytes[1], CHAIN_BYTES, n->c, &own, n->ids[0].ed_seed, n->ids[0].ed_pk)};
    return chain_write(out, CHAIN_BYTES, certs, 3);
}

static struct made make_slot(const struct net *n, uint32_t by, uint32_t slot, const uint8_t *chain,
                             size_t len)
{
    struct made m;
    uint8_t serial[16] = {7};
    struct record r = {
        .name = record_name_slot(serial, slot), .seq = 1, .ttl_s = 600, .value = {chain, len}};
    m.len = record_sign(m.bytes, sizeof m.bytes, n->c, &r, &n->ids[by]);
    assert_true(m.len > 0);
    return m;
}

/* A slot goes to whom the invite gave it, and to the first of them; what is shown of it is checked, too. */
static void slots_are_proven(void **state)
{
    (void)state;
    struct net *n = ring_of(4);
    struct overlay *o = n->nodes[3];
    uint8_t serial[16] = {7}, one[CHAIN_BYTES], two[CHAIN_BYTES];
    size_t len1 = invited(n, 1, 0, one), len2 = invited(n, 2, 0, two);
    struct record_name name = record_name_slot(serial, 0);
    struct id key, holder;
    record_key(&key, n->c, &name, &ID_ZERO);
    struct made good = make_slot(n, 1, 0, one, len1), late = make_slot(n, 2, 0, two, len2),
                lent = make_slot(n, 2, 0, one, len1), other = make_slot(n, 1, 1, one, len1),
                bare = make_slot(n, 1, 0, (const uint8_t *)"x", 1);
    const struct made *const bad[] = {&lent, &other, &bare};
    uint32_t denied = overlay_drops(o)[DROP_DENIED];
    for (unsigned i = 0; i < 3; i++) hears(n, 3, CONTROL_STORE, 0, bad[i], 600);
    assert_int_equal(overlay_drops(o)[DROP_DENIED], denied + 3);
    assert_int_equal(o->record_count, 0);
    hears(n, 3, CONTROL_STORE, 0, &good, 600);
    assert_true(overlay_slot_known(o, n->now_us, &name, &holder));
    assert_true(id_equal(&holder, &n->ids[1].id));
    for (unsigned i = 0; i < 3; i++) hears(n, 3, CONTROL_PUT, 1, bad[i], 0);
    hears(n, 3, CONTROL_PUT, 1, &late, 0);
    assert_true(overlay_slot_known(o, n->now_us, &name, &holder));
    assert_true(id_equal(&holder, &n->ids[1].id));
    run(n, SECONDS(601));
    assert_false(overlay_slot_known(o, n->now_us, &name, &holder)); /* over: free again */
    if (!dht_is_root(n->nodes[0], &key)) {
        overlay_get(n->nodes[0], n->now_us, &key, 1, SECONDS(5), &n->out);
        uint32_t asked = n->nodes[0]->request_next;
        hears(n, 0, CONTROL_GOT, asked, &lent, DHT_OK); /* a root that lies */
        assert_null(answer_to(n, 1));
        hears(n, 0, CONTROL_GOT, asked, &good, DHT_OK);
        assert_int_equal(answer_to(n, 1)->a.err, OK);
    }
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
            on_dht(o, n->now_us, &a, ops[k], &u, &n->out);
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
    for (uint32_t i = 0; i < CLAIMS_MAX + 4; i++)
        claim(n, 0, 100 + i, "x", MINUTES(20 + i), 10 + i);
    assert_int_equal(o->record_count, 5);
    assert_int_equal(answer_to(n, 10 + CLAIMS_MAX - 2)->a.err, OK); /* and the profile */
    assert_int_equal(answer_to(n, 10 + CLAIMS_MAX - 1)->a.err, ERR_FULL);
    assert_true(overlay_drops(o)[DROP_FULL] > 0);
    struct id first = key_of(n, 100), last = key_of(n, 100 + CLAIMS_MAX - 2);
    assert_null(dht_find(o, &first, n->now_us)); /* it was to end first */
    assert_non_null(dht_find(o, &last, n->now_us));
    net_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_what_is_signed),
        cmocka_unit_test(not_from_afar),
        cmocka_unit_test(one_link_denies_once),
        cmocka_unit_test(of_two_one_stays),
        cmocka_unit_test(only_answers_that_fit),
        cmocka_unit_test(slots_are_proven),
        cmocka_unit_test(garbage),
        cmocka_unit_test(a_writer_has_its_share),
        cmocka_unit_test(verifying_is_rationed),
        cmocka_unit_test(bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
