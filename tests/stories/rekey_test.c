/* New keys under traffic, after idle hours, when a certificate is lost, and when counters end: no packet is lost, no nonce used twice. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

struct keys { /* how often they changed, seen from a */
    uint32_t changes;
    uint8_t last[32];
};

static void look(struct keys *k, const struct guest *a, const struct guest *b)
{
    const struct link *l = guest_link(a, b);
    assert_non_null(l);
    if (memcmp(k->last, l->s.tx_key, 32) == 0) return;
    k->changes++;
    memcpy(k->last, l->s.tx_key, 32);
}

static uint32_t talk(struct party *p, uint32_t from, uint32_t count, uint64_t every_us,
                     struct keys *k)
{
    struct guest *a = p->guests[0], *b = p->guests[1];
    for (uint32_t i = from; i < from + count; i++) {
        party_tun(p, a, b->ipv4, i, 100);
        party_tun(p, b, a->ipv4, i, 100);
        party_run(p, every_us);
        look(k, a, b);
    }
    party_run(p, SECONDS(1));
    return party_lost(p, from, count);
}

static void under_traffic(void **state)
{
    struct party *p = party_of(&crypto_fake, 1, 2, true, NULL);
    struct keys k = {0};
    (void)state;
    p->delay_us = MILLIS(40);
    p->jitter_us = MILLIS(20);
    look(&k, p->guests[0], p->guests[1]);
    assert_int_equal(talk(p, 1, 10000, MILLIS(50), &k), 0); /* 500 s */
    assert_true(k.changes >= 4 && k.changes <= 7);
    assert_true(party_agree(p->guests[0], p->guests[1]));
    party_close(p);
}

/* Three hours without a packet: other keys, and the next packet goes through at once. */
static void idle(void **state)
{
    struct party *p = party_of(&crypto_fake, 2, 2, true, NULL);
    struct keys k = {0};
    (void)state;
    look(&k, p->guests[0], p->guests[1]);
    for (uint32_t hour = 0; hour < 3; hour++) {
        for (uint32_t m = 0; m < 60; m++) {
            party_run(p, MINUTES(1));
            look(&k, p->guests[0], p->guests[1]);
        }
        assert_int_equal(talk(p, 100 * hour, 20, MILLIS(20), &k), 0);
    }
    assert_true(k.changes >= 3 && k.changes <= 8);
    party_close(p);
}

/* A question every five minutes: the keys are renewed each time, and the link is never taken for one that nobody renews. */
static void now_and_then(void **state)
{
    struct party *p = party_of(&crypto_fake, 3, 2, true, NULL);
    struct guest *a = p->guests[0], *b = p->guests[1];
    struct keys k = {0};
    (void)state;
    uint32_t down = a->notices[NOTICE_PEER_DOWN] + b->notices[NOTICE_PEER_DOWN];
    for (uint32_t i = 1; i <= 24; i++) {
        assert_int_equal(talk(p, 10 * i, 1, MILLIS(20), &k), 0);
        party_run(p, MINUTES(5));
    }
    assert_int_equal(a->notices[NOTICE_PEER_DOWN] + b->notices[NOTICE_PEER_DOWN], down);
    party_close(p);
}

struct hole {
    uint32_t hello3, lost;
};

/* The first thing that is sent after a HELLO3 came is the certificate: each is lost, once. */
static bool lose_certificate(struct party *p, struct letter *l)
{
    struct hole *h = p->context;
    if (l->bytes[0] == OUTER_HELLO3) h->hello3++;
    bool cert = l->bytes[0] == OUTER_DATA && get_u64(l->bytes + 8) == 0 && l->len > 300;
    if (!cert || h->lost >= h->hello3) return true;
    h->lost++;
    return false;
}

static void certificate_lost(void **state)
{
    struct party *p = party_of(&crypto_fake, 3, 2, true, NULL);
    struct keys k = {0};
    struct hole hole = {0};
    (void)state;
    p->tap = lose_certificate;
    p->context = &hole;
    look(&k, p->guests[0], p->guests[1]);
    uint32_t lost = talk(p, 1, 6000, MILLIS(50), &k);
    assert_true(hole.lost > 0 && k.changes >= 2);
    assert_int_equal(lost, 0);
    party_close(p);
}

struct nonces { /* the counters that were sent under one receiver index */
    uint32_t index, count;
    uint64_t last;
    bool twice;
};

static bool no_nonce_twice(struct party *p, struct letter *l)
{
    struct nonces *n = p->context;
    if (l->bytes[0] != OUTER_DATA || get_u32(l->bytes + 4) != n->index) return true;
    uint64_t counter = get_u64(l->bytes + 8);
    if (n->count && counter <= n->last) n->twice = true;
    n->last = counter;
    n->count++;
    return true;
}

/* A cold session whose counter is about to end: new keys in time; and one that is at its end never seals again. */
static void counters_end(void **state)
{
    (void)state;
    static const uint32_t next[] = {0xf0000001, UINT32_MAX - 3, UINT32_MAX};
    for (unsigned i = 0; i < 3; i++) {
        struct party *p = party_of(&crypto_real, 4, 2, false, NULL);
        struct guest *a = p->guests[0], *b = p->guests[1];
        if (!(guest_link(a, b)->s.flags & SESSION_INITIATOR)) a = p->guests[1], b = p->guests[0];
        struct link *l = guest_link(a, b);
        struct nonces n = {.index = l->s.remote_index};
        struct keys k = {0};
        look(&k, a, b);
        l->s.tx_next = next[i];
        p->tap = no_nonce_twice;
        p->context = &n;
        for (unsigned s = 0; s < 12; s++) {
            uint8_t frame[2] = {KIND_CONTROL, 0xc0};
            struct link *now = guest_link(a, b);
            if (now && now->s.remote_index == n.index) (void)guest_send(p, a, b, NULL, frame, 2);
            party_run(p, SECONDS(10));
        }
        look(&k, a, b);
        assert_int_equal(k.changes, 2);
        assert_false(n.twice);
        assert_true(n.count == 0 || n.last < UINT32_MAX);
        if (i == 2) assert_true(guest_dropped(a, DROP_EXHAUSTED) > 0);
        assert_true(party_pings(p, a, b) && party_pings(p, b, a));
        party_close(p);
    }
}

/* Somebody on the path keeps the last datagram of the old keys back and lets it through seconds later: nobody goes back to them. */
struct kept {
    struct endpoint from, to;
    bool wanted;
    uint8_t bytes[256];
    size_t len;
};

static bool keep_back(struct party *p, struct letter *l)
{
    struct kept *k = p->context;
    if (!k->wanted || l->bytes[0] != OUTER_DATA || l->len > sizeof k->bytes ||
        !endpoint_equal(&l->from, &k->from) || !endpoint_equal(&l->to, &k->to))
        return true;
    memcpy(k->bytes, l->bytes, k->len = l->len);
    k->wanted = false;
    return false;
}

static void held_back(void **state)
{
    static struct kept k;
    struct party *p = party_of(&crypto_fake, 1, 3, false, NULL);
    struct guest *a = p->guests[1], *b = p->guests[2];
    (void)state;
    party_run(p, MINUTES(3));
    k.from = a->at;
    k.to = b->at;
    p->tap = keep_back;
    p->context = &k;
    k.wanted = true;
    (void)party_pings(p, a, b);
    assert_true(k.len > 0);
    uint16_t before = guest_link(b, a)->s.entry;
    assert_true(party_rekey(p, a, b));
    party_run(p, SECONDS(7));
    uint16_t after = guest_link(b, a)->s.entry;
    assert_int_not_equal(before, after);
    assert_true(party_agree(a, b));
    uint32_t unknown = guest_dropped(b, DROP_NO_SESSION);
    party_give(p, b, &k.from, k.bytes, k.len);
    assert_int_equal(guest_dropped(b, DROP_NO_SESSION), unknown); /* it was opened */
    party_run(p, SECONDS(1));
    assert_int_equal(guest_link(b, a)->s.entry, after);
    assert_true(party_agree(a, b));
    assert_true(party_pings(p, b, a));
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(held_back),    cmocka_unit_test(under_traffic),
        cmocka_unit_test(idle),         cmocka_unit_test(certificate_lost),
        cmocka_unit_test(counters_end), cmocka_unit_test(now_and_then),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
