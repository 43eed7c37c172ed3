/* Members, and holders of the overlay's key, who make things up: neighbours, questions, newcomers, referrals, origins of broadcasts.
 * A node believes a few at a time, answers with little more than it got, and has room for everybody else. */
#include "overlay/dht.h"
#include "overlay/seldom.h"
#include "tests/harness/party.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SOON_S 20

/* The n-th id next to `id` on the ring: nobody's. */
static struct id beside(const struct id *id, uint32_t n)
{
    struct id one = *id;
    put_u32(one.b + ID_SIZE - 4, get_u32(one.b + ID_SIZE - 4) ^ (n + 1));
    return one;
}

struct flood {
    struct party *p;
    struct guest *a, *b; /* the liar, and who is lied to */
    uint64_t in, out;    /* bytes */
    uint32_t most;       /* handshakes under way at b */
    uint32_t n;          /* ids made up */
};

static struct flood flood_of(void)
{
    struct flood f = {.p = party_of(&crypto_fake, 1, 3, false, NULL)};
    f.a = f.p->guests[1];
    f.b = f.p->guests[0];
    party_run(f.p, SECONDS(20));
    f.out = f.b->sent_bytes;
    return f;
}

/* Frames of `write`, so many a second; then everybody else is still well. */
static void pour(struct flood *f, size_t write(struct flood *f, uint8_t out[1400]), uint32_t rate)
{
    uint8_t frame[1400];
    for (uint32_t i = 0; i < rate * SOON_S; i++) {
        size_t len = write(f, frame);
        assert_true(guest_send(f->p, f->a, f->b, NULL, frame, len));
        f->in += len + DATA_OVERHEAD;
        party_run(f->p, SECONDS(1) / rate);
        uint32_t now = guest_overlay(f->b)->hello_count;
        if (now > f->most) f->most = now;
    }
    f->out = f->b->sent_bytes - f->out;
    struct guest *late = party_guest(f->p, &(struct guest_options){.seeds = {1}});
    party_run(f->p, SECONDS(5));
    assert_non_null(guest_link(f->b, late));
    assert_true(party_pings(f->p, f->b, f->a));
    party_close(f->p);
}

/* NEAR: eight ids from the f->n-th on, or that one eight times. */
static size_t near_list(const struct flood *f, bool one, uint8_t out[1400])
{
    uint8_t at[ENDPOINT_WIRE];
    struct endpoint e = endpoint_v4(0x08080808, 53);
    struct pack k = pack_of(out + 1, 1100);
    endpoint_encode(&e, at);
    out[0] = KIND_CONTROL;
    pack_array(&k, 3);
    pack_uint(&k, CONTROL_NEAR);
    pack_bool(&k, false);
    pack_array(&k, 16);
    for (unsigned i = 0; i < 8; i++) {
        struct id id = beside(&f->b->self.id, one ? f->n : f->n + i);
        pack_bin(&k, id.b, ID_SIZE);
        pack_bin(&k, at, sizeof at);
    }
    assert_false(k.bad);
    return k.len + 1;
}

/* A question of somebody who says that it has a neighbour nobody knows, and does not name it: it is asked back, but once, however
 * often it says so. Else two nodes with a silent neighbour each would ask each other for ever. */
static void question_send(struct flood *f, uint8_t n)
{
    uint8_t frame[64] = {KIND_CONTROL}, tag[4] = {0xee, 0xee, 0xee, n};
    struct pack k = pack_of(frame + 1, sizeof frame - 1);
    pack_array(&k, 5);
    pack_uint(&k, CONTROL_NEAR);
    pack_bool(&k, true);
    pack_array(&k, 0);
    pack_uint(&k, n);
    pack_bin(&k, tag, sizeof tag);
    assert_true(guest_send(f->p, f->a, f->b, NULL, frame, k.len + 1));
}

static void asked_back(void **state)
{
    struct flood f = flood_of();
    (void)state;
    party_run(f.p, SECONDS(90));
    uint64_t before = f.a->sent;
    for (uint8_t i = 0; i < 20; i++) {
        question_send(&f, i);
        party_run(f.p, MILLIS(20));
    }
    assert_in_range(f.a->sent - before, 1, 3); /* its answers */
    for (unsigned odd = 0; odd < 2; odd++) {   /* nine within a millisecond */
        party_run(f.p, SECONDS(3));
        party_run(f.p, 2000 - f.p->now_us % 2000 + odd * 1000);
        before = f.a->sent;
        for (uint8_t i = 0; i < 9; i++) {
            question_send(&f, i);
            party_run(f.p, 100);
        }
        party_run(f.p, MILLIS(50));
        assert_in_range(f.a->sent - before, 1, 3);
    }
    party_close(f.p);
}

static size_t near_frame(struct flood *f, uint8_t out[1400])
{
    size_t len = near_list(f, false, out);
    f->n += 8;
    return len;
}

static void neighbours(void **state)
{
    struct flood f = flood_of();
    (void)state;
    pour(&f, near_frame, 20);
    assert_true(f.most <= limits_daemon.handshakes / 8u);
    assert_true(f.out < f.in);
}

static void strangers_send(struct flood *f, bool one)
{
    uint8_t frame[1400];
    size_t len = near_list(f, one, frame);
    assert_true(guest_send(f->p, f->a, f->b, NULL, frame, len));
    party_run(f->p, MILLIS(200));
}

/* Several strangers next to us mean that there is another ring; one who is named eight times is one, also while it is being asked. */
static void strangers(void **state)
{
    struct flood f = flood_of();
    struct overlay *b = guest_overlay(f.b);
    (void)state;
    party_run(f.p, SECONDS(90)); /* the ring is not young any more */
    uint16_t before = b->met_s;
    strangers_send(&f, true);
    assert_int_equal(b->hello_count, 1); /* it is being asked */
    strangers_send(&f, true);
    assert_int_equal(b->met_s, before);
    f.n++;
    strangers_send(&f, false);
    assert_int_not_equal(b->met_s, before);
    party_close(f.p);
}

static size_t met_frame(struct flood *f, uint8_t out[1400])
{
    uint8_t at[ENDPOINT_WIRE];
    struct endpoint e = endpoint_v4(0x08080000u + f->n % 1000, 53);
    struct pack k = pack_of(out + 1, 1100);
    endpoint_encode(&e, at);
    out[0] = KIND_CONTROL;
    pack_array(&k, 3);
    pack_uint(&k, CONTROL_MET);
    struct id id = beside(&f->b->self.id, f->n++);
    pack_bin(&k, id.b, ID_SIZE);
    pack_bin(&k, at, sizeof at);
    assert_false(k.bad);
    return k.len + 1;
}

/* Members of another ring that there is not: one is asked at a time on one member's word, however many it names, and there is room
 * for what another tells. */
static void contacts(void **state)
{
    struct flood f = flood_of();
    struct guest *b = f.b;
    (void)state;
    uint32_t before = guest_dropped(b, DROP_RATE);
    f.n = 1;
    for (uint32_t i = 0; i < 10; i++) {
        uint8_t frame[1400];
        size_t len = met_frame(&f, frame);
        assert_true(guest_send(f.p, f.a, f.b, NULL, frame, len));
    }
    party_run(f.p, MILLIS(100));
    assert_int_equal(guest_overlay(b)->hello_count, 1);
    assert_int_equal(guest_dropped(b, DROP_RATE) - before, 9);
    uint8_t frame[1400];
    size_t len = met_frame(&f, frame);
    assert_true(guest_send(f.p, f.p->guests[2], b, NULL, frame, len));
    party_run(f.p, MILLIS(100));
    assert_int_equal(guest_overlay(b)->hello_count, 2);
    pour(&f, met_frame, 20);
    assert_true(f.most <= 2);
    assert_true(f.out < f.in);
}

static size_t find_frame(struct flood *f, uint8_t out[1400])
{
    uint8_t body[64] = {KIND_CONTROL};
    struct pack k = pack_of(body + 1, sizeof body - 1);
    pack_array(&k, 4);
    pack_uint(&k, CONTROL_FIND);
    pack_uint(&k, f->n);
    pack_bin(&k, f->a->self.id.b, ID_SIZE);
    pack_uint(&k, 10);
    struct routed r = {.mode = ROUTE_EXACT,
                       .ttl = 9,
                       .flags = ROUTED_NO_ACK,
                       .src = beside(&f->b->self.id, f->n++),
                       .dst = f->b->self.id,
                       .body = body,
                       .body_len = k.len + 1};
    return routed_write(out, 1400, &r);
}

/* FIND of newcomers that there are not, to be answered through a third: FOUND for each, HELLO1 for a few. */
static void questions(void **state)
{
    struct flood f = flood_of();
    (void)state;
    pour(&f, find_frame, 40);
    assert_true(f.most <= limits_daemon.handshakes / 8u);
    assert_true(f.out < 4 * f.in);
}

static size_t hello_frame(struct flood *f, uint8_t out[1400])
{
    uint8_t hello[HELLO1_SIZE];
    struct routed r = {.mode = ROUTE_EXACT, .ttl = 9, .flags = ROUTED_NO_ACK};
    party_hello1(f->p, 1000 + f->n, hello);
    r.src = beside(&f->b->self.id, f->n++);
    r.dst = f->b->self.id;
    r.body = hello;
    r.body_len = sizeof hello;
    return routed_write(out, 1400, &r);
}

/* HELLO1 over the ring: no more from one link than it may have forwarded. */
static void newcomers(void **state)
{
    struct flood f = flood_of();
    (void)state;
    pour(&f, hello_frame, 100);
    assert_true(f.most <= limits_daemon.handshakes / 4u);
}

/* --- REFER --- */

struct referrals {
    struct knock knock;
    struct rng rng;
    struct guest *newcomer, *seed;
    uint8_t waiting[64][REFER_MAX];
    uint32_t count, total, made_up;
};

/* The seed says nothing but REFER: seven members that there are not, each nearer to the newcomer than the one before. */
static bool refer(struct party *p, struct letter *l)
{
    struct referrals *r = p->context;
    uint8_t list[REFER_ENTRIES * REFER_ENTRY];
    if (!endpoint_equal(&l->to, &r->seed->at)) return true;
    if (l->bytes[0] != OUTER_HELLO1 || r->count == 64) return false;
    for (unsigned i = 0; i < REFER_ENTRIES; i++) {
        uint8_t *entry = list + i * REFER_ENTRY;
        struct id id = beside(&r->newcomer->self.id, r->made_up);
        struct endpoint at = endpoint_v4(0x08080000u + r->made_up++, 53);
        id.b[8] ^= (uint8_t)(REFER_ENTRIES - i);
        memcpy(entry, id.b, ID_SIZE);
        endpoint_encode(&at, entry + ID_SIZE);
    }
    size_t n = refer_write(&r->knock, p->crypto, p->now_us, &r->rng, l->bytes, l->len, list,
                           sizeof list, r->waiting[r->count++]);
    assert_int_equal(n, REFER_MAX);
    return false;
}

static void referrals(void **state)
{
    static struct referrals r;
    struct party *p = party_new(&crypto_fake, 3);
    uint8_t seed[32] = {5};
    uint32_t most = 0;
    (void)state;
    rng_seed(&r.rng, seed);
    knock_init(&r.knock, p->crypto, &p->key, &ID_ZERO, &r.rng, NULL, 0);
    r.seed = party_guest(p, &(struct guest_options){.founder = true});
    r.newcomer = party_guest(p, &(struct guest_options){.seeds = {1}});
    p->tap = refer;
    p->context = &r;
    p->nobody = p->nobody_bytes = 0;
    for (unsigned i = 0; i < 600; i++) {
        party_run(p, MILLIS(100));
        for (; r.count; r.total++)
            party_give(p, r.newcomer, &r.seed->at, r.waiting[--r.count], REFER_MAX);
        uint32_t now = guest_overlay(r.newcomer)->hello_count;
        if (now > most) most = now;
    }
    assert_true(r.total > 5);
    assert_true(p->nobody > 10); /* some were asked, or this test tests nothing */
    assert_true(p->nobody_bytes <= (uint64_t)r.total * 3 * 2 * HELLO1_SIZE);
    assert_true(most <= 4);
    knock_fini(&r.knock);
    p->tap = NULL;
    party_close(p);
}

/* Neighbours to be, named with the endpoint of a member that answers for them by REFER, naming others that there are not. */
struct answers {
    struct knock knock;
    struct rng rng;
    const struct id *near;
    uint8_t waiting[64][REFER_MAX];
    struct endpoint from[64];
    uint32_t count, total, made_up;
};

static bool refer_near_ones(struct party *p, struct letter *l)
{
    struct answers *r = p->context;
    uint8_t list[REFER_ENTRIES * REFER_ENTRY];
    if ((get_u32(l->to.ip + 12) >> 16) != 0x0808 || l->bytes[0] != OUTER_HELLO1) return true;
    if (r->count == 64) return false;
    for (unsigned i = 0; i < REFER_ENTRIES; i++) {
        struct id id = beside(r->near, 5000 + r->made_up);
        struct endpoint at = endpoint_v4(0x08090000u + r->made_up++, 53);
        memcpy(list + i * REFER_ENTRY, id.b, ID_SIZE);
        endpoint_encode(&at, list + i * REFER_ENTRY + ID_SIZE);
    }
    r->from[r->count] = l->to;
    size_t n = refer_write(&r->knock, p->crypto, p->now_us, &r->rng, l->bytes, l->len, list,
                           sizeof list, r->waiting[r->count++]);
    assert_int_equal(n, REFER_MAX);
    r->total++;
    return false;
}

/* They are few at a time, and who was named is asked over the ring all the same. */
static void answered_for(void **state)
{
    static struct answers r;
    struct flood f = flood_of();
    struct overlay *b = guest_overlay(f.b);
    uint8_t seed[32] = {6}, frame[1400];
    (void)state;
    rng_seed(&r.rng, seed);
    knock_init(&r.knock, f.p->crypto, &f.p->key, &ID_ZERO, &r.rng, NULL, 0);
    r.near = &f.b->self.id;
    f.p->tap = refer_near_ones;
    f.p->context = &r;
    struct id named = beside(&f.b->self.id, 0);
    assert_true(guest_send(f.p, f.a, f.b, NULL, frame, near_frame(&f, frame)));
    for (unsigned i = 0; i < 20; i++) {
        party_run(f.p, MILLIS(10));
        while (r.count) {
            r.count--;
            party_give(f.p, f.b, &r.from[r.count], r.waiting[r.count], REFER_MAX);
        }
        if (b->hello_count > f.most) f.most = b->hello_count;
    }
    assert_true(r.total > 3); /* or this test tests nothing */
    assert_true(hello_pending(b, &named));
    assert_true(f.most <= 2 * 8);
    knock_fini(&r.knock);
    f.p->tap = NULL;
    party_close(f.p);
}

/* --- origins --- */

static size_t message_frame(uint8_t out[64])
{
    struct pack k = pack_of(out + 1, 63);
    out[0] = KIND_CONTROL;
    pack_array(&k, 3);
    pack_uint(&k, CONTROL_MESSAGE);
    pack_uint(&k, 7);
    pack_str(&k, "once", 4);
    return k.len + 1;
}

/* Whoever makes up origins of broadcasts does not push out those whose messages were seen. */
static void origins(void **state)
{
    struct party *p = party_of(&crypto_fake, 1, 3, false, NULL);
    struct guest *b = p->guests[0], *a = p->guests[1], *c = p->guests[2], liar = *a;
    uint8_t text[64], frame[1200];
    struct rng rng;
    (void)state;
    rng_seed(&rng, (uint8_t[32]){9});
    size_t text_len = message_frame(text);
    assert_true(guest_send(p, c, b, NULL, text, text_len));
    assert_int_equal(b->notices[NOTICE_MESSAGE], 1);
    party_run(p, SECONDS(1));
    for (uint32_t i = 0; i < 2 * SENDERS_MAX; i++) {
        identity_make(&liar.self, p->crypto, &rng);
        struct party_broadcast one = {
            .number = i + 1, .left_ms = 1000, .start = b->self.id, .end = b->self.id, .text = "x"};
        size_t len = party_broadcast(p, &liar, &one, frame);
        assert_true(guest_send(p, a, b, NULL, frame, len));
        party_run(p, MILLIS(50));
    }
    uint32_t shown = b->notices[NOTICE_MESSAGE];
    assert_true(shown > 1 && shown < SENDERS_MAX);
    assert_true(guest_send(p, c, b, NULL, text, text_len)); /* its answer was lost */
    assert_int_equal(b->notices[NOTICE_MESSAGE], shown);
    party_close(p);
}

/* A member shows its certificate again and again: it is not verified each time, and asks b nothing that b does not know. */
static void certificates(void **state)
{
    struct party *p = party_new(&crypto_fake, 1);
    uint8_t frame[1 + CHAIN_BYTES] = {KIND_CERT};
    uint32_t most = 0;
    (void)state;
    struct guest *b = party_guest(p, &(struct guest_options){.founder = true});
    for (uint32_t i = 0; i < 7; i++)
        party_guest(p, &(struct guest_options){.seeds = {1}, .invite = 1, .slot = i, .uses = 7});
    party_run(p, SECONDS(20));
    uint32_t before = guest_overlay(b)->request_count;
    for (uint32_t i = 0; i < 2000; i++) {
        struct guest *a = p->guests[1 + i % 7];
        memcpy(frame + 1, a->chain, a->chain_len);
        assert_true(guest_send(p, a, b, NULL, frame, 1 + a->chain_len));
        uint32_t now = guest_overlay(b)->request_count;
        if (now > most) most = now;
    }
    assert_true(most <= before);
    assert_true(guest_dropped(b, DROP_RATE) >= 900);
    assert_true(party_pings(p, b, p->guests[1]));
    party_close(p);
}

/* --- slots --- */

static size_t store_frame(const struct party *p, const struct identity *writer,
                          const struct record_name *name, struct span value, uint8_t out[1200])
{
    uint8_t bytes[RECORD_BYTES];
    struct record r = {.name = *name, .seq = 1, .ttl_s = RECORD_TTL_MAX_S, .value = value};
    size_t len = record_sign(bytes, sizeof bytes, p->crypto, &r, writer);
    struct pack k = pack_of(out + 1, 1199);
    out[0] = KIND_CONTROL;
    pack_array(&k, 3);
    pack_uint(&k, CONTROL_STORE);
    pack_bin(&k, bytes, len);
    pack_uint(&k, RECORD_TTL_MAX_S);
    assert_true(len > 0 && !k.bad);
    return k.len + 1;
}

/* The holder of slot 0 has a ring of three others; the last of them stole its token. */
static struct guest *holder_of(struct party *p, struct id *key, struct record_name *name)
{
    const uint8_t serial[16] = {1};
    struct guest *g = party_guest(
        p, &(struct guest_options){.lane = true, .seeds = {1}, .invite = 1, .uses = 1});
    *name = record_name_slot(serial, 0);
    record_key(key, p->crypto, name, &ID_ZERO);
    return g;
}

/* A good chain for slot 0, whose id wins by its hash against the holder's. */
static size_t stolen_chain(const struct party *p, const struct id *key, const struct id *holder,
                           struct identity *thief, uint8_t out[CHAIN_BYTES])
{
    uint8_t one[CHAIN_BYTES], two[CHAIN_BYTES];
    struct rng rng;
    struct cert invite = {.kind = CERT_INVITE,
                          .not_before_s = CALENDAR_S - 3 * YEAR_S,
                          .expires_s = CALENDAR_S + YEAR_S,
                          .uses = 1};
    struct cert node = {.kind = CERT_NODE,
                        .name = {"thief"},
                        .not_before_s = CALENDAR_S - 2 * YEAR_S,
                        .expires_s = CALENDAR_S + YEAR_S};
    rng_seed(&rng, (uint8_t[32]){7});
    do identity_make(thief, p->crypto, &rng);
    while (!record_stays(p->crypto, key, &thief->id, holder));
    invite.serial[0] = 1;
    memcpy(invite.key, p->invites.ed_pk, sizeof invite.key);
    node.id = thief->id;
    struct span all[3] = {{p->network_cert[0], p->network_cert_len[0]}, {one, 0}, {two, 0}};
    all[1].len = cert_sign(one, sizeof one, p->crypto, &invite, p->network.ed_seed,
                           p->network.ed_pk);
    all[2].len = cert_sign(two, sizeof two, p->crypto, &node, p->invites.ed_seed, p->invites.ed_pk);
    return chain_write(out, CHAIN_BYTES, all, 3);
}

/* A claim that would win if two rings had met does not take a slot that was held for hours. */
static void slots(void **state)
{
    struct party *p = party_of(&crypto_fake, 1, 3, true, NULL);
    struct record_name name;
    struct identity thief;
    struct id key;
    uint8_t chain[CHAIN_BYTES], frame[1200];
    (void)state;
    struct guest *holder = holder_of(p, &key, &name), *liar = p->guests[2];
    party_run(p, HOURS(3));
    assert_int_equal(holder->notices[NOTICE_SLOT_HELD], 1);
    size_t len = stolen_chain(p, &key, &holder->self.id, &thief, chain);
    assert_true(len > 0);
    len = store_frame(p, &thief, &name, (struct span){chain, len}, frame);
    for (uint32_t i = 0; i < p->count; i++)
        if (guest_link(liar, p->guests[i]))
            (void)guest_send_routed(p, liar, p->guests[i], frame, len);
    party_run(p, MINUTES(5));
    assert_int_equal(holder->notices[NOTICE_SLOT_REFUSED], 0);
    for (uint32_t i = 0; i < p->count; i++) {
        const struct record_entry *e = dht_find(guest_overlay(p->guests[i]), &key, p->now_us);
        if (e) assert_true(id_equal(&e->writer, &holder->self.id));
    }
    party_close(p);
}

/* Records that anybody can make up do not push out the claim of a slot, which is proven. */
static void records(void **state)
{
    struct party *p = party_of(&crypto_fake, 1, 3, true, NULL);
    struct record_name slot, name;
    struct identity writer;
    struct id key;
    struct rng rng;
    uint8_t frame[1200];
    (void)state;
    struct guest *b = p->guests[0];
    (void)holder_of(p, &key, &slot);
    rng_seed(&rng, (uint8_t[32]){8});
    party_run(p, SECONDS(60));
    assert_non_null(dht_find(guest_overlay(b), &key, p->now_us));
    for (uint32_t i = 0; i < limits_daemon.records + 100u; i++) {
        if (i % 100 == 0) identity_make(&writer, p->crypto, &rng);
        name = record_name_of(RECORD_TAG_USER, &i, sizeof i);
        size_t len = store_frame(p, &writer, &name, (struct span){NULL, 0}, frame);
        assert_true(guest_send_routed(p, p->guests[1], b, frame, len));
        party_run(p, MILLIS(5));
    }
    assert_int_equal(guest_overlay(b)->record_count, limits_daemon.records);
    assert_non_null(dht_find(guest_overlay(b), &key, p->now_us));
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(neighbours),   cmocka_unit_test(questions),    cmocka_unit_test(newcomers),
        cmocka_unit_test(referrals),    cmocka_unit_test(answered_for), cmocka_unit_test(origins),
        cmocka_unit_test(certificates), cmocka_unit_test(slots),        cmocka_unit_test(records),
        cmocka_unit_test(strangers),    cmocka_unit_test(asked_back),   cmocka_unit_test(contacts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
