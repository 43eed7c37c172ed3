/* Nodes of several lanes: under traffic, through new keys, to rest and back, with every lane sealing. No counter is used twice, nothing
 * is lost, and control gets back what the lanes had. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SEEN_MAX_HERE 200000u

struct seen { /* what was sealed: receiver, port of the sender, counter */
    uint64_t list[SEEN_MAX_HERE];
    uint32_t count;
};

static bool note(struct party *p, struct letter *l)
{
    struct seen *s = p->context;
    struct data_header h;
    if (!data_header_read(l->bytes, l->len, &h)) return true;
    assert_true(s->count < SEEN_MAX_HERE && h.counter < UINT32_MAX);
    s->list[s->count++] = (uint64_t)h.receiver << 48 | (uint64_t)(l->from.ip[15] & 0xff) << 40 |
                          (uint64_t)(l->from.ip[14] & 0xff) << 32 | h.counter;
    return true;
}

static int compare(const void *a, const void *b)
{
    uint64_t x, y;
    memcpy(&x, a, sizeof x), memcpy(&y, b, sizeof y);
    return x < y ? -1 : x > y;
}

static void none_twice(struct seen *s)
{
    qsort(s->list, s->count, sizeof *s->list, compare);
    for (uint32_t i = 1; i < s->count; i++) assert_int_not_equal(s->list[i], s->list[i - 1]);
}

static struct party *pair_of(uint64_t seed, uint8_t a, uint8_t b)
{
    struct party *p = party_new(&crypto_fake, seed);
    party_guest(p, &(struct guest_options){.lane = true, .lanes = a, .founder = true});
    party_guest(p, &(struct guest_options){.lane = true, .lanes = b, .seeds = {1}});
    party_run(p, SECONDS(20));
    return p;
}

static uint32_t talk(struct party *p, uint32_t from, uint32_t count, uint64_t every_us)
{
    struct guest *a = p->guests[0], *b = p->guests[1];
    for (uint32_t i = from; i < from + count; i++) {
        party_tun(p, a, b->ipv4, i, 100);
        party_tun(p, b, a->ipv4, i, 100);
        party_run(p, every_us);
    }
    party_run(p, SECONDS(1));
    return party_lost(p, from, count);
}

static const uint8_t lanes[][2] = {{1, 1}, {1, 2}, {2, 2}, {3, 1}, {4, 3}, {4, 4}};
#define EACH(i) for (unsigned i = 0; i < sizeof lanes / sizeof *lanes; i++)

static uint32_t held(const struct guest *g)
{
    uint32_t sum = 0;
    for (uint32_t i = 0; i < g->lanes.counter_count; i++) sum += g->counters[i].holders;
    return sum;
}

/* 400 s at 20 packets a second each way: new keys twice at least, each opened by the lane that opened the one before. */
static void under_traffic(void **state)
{
    (void)state;
    EACH(i)
    {
        struct seen *s = calloc(1, sizeof *s);
        struct party *p = pair_of(10 + i, lanes[i][0], lanes[i][1]);
        struct guest *a = p->guests[0], *b = p->guests[1];
        uint32_t changes = 0;
        assert_non_null(s);
        p->delay_us = MILLIS(40);
        p->jitter_us = MILLIS(20);
        p->tap = note;
        p->context = s;
        assert_int_equal(talk(p, 1, 20, MILLIS(50)), 0);
        uint32_t ia = link_index(guest_link(a, b)), ib = link_index(guest_link(b, a));
        for (uint32_t k = 1; k <= 80; k++) {
            assert_int_equal(talk(p, 100 * k, 100, MILLIS(40)), 0);
            uint32_t na = link_index(guest_link(a, b)), nb = link_index(guest_link(b, a));
            changes += na != ia;
            assert_int_equal(hot_owner(na, a->lanes.count), hot_owner(ia, a->lanes.count));
            assert_int_equal(hot_owner(nb, b->lanes.count), hot_owner(ib, b->lanes.count));
            ia = na, ib = nb;
        }
        assert_true(changes >= 2);
        assert_true(party_agree(a, b));
        none_twice(s);
        free(s);
        party_close(p);
    }
}

/* A packet now and then, and the answer by another lane: nobody is doubted for it, and keys are renewed in time. */
static void now_and_then(void **state)
{
    (void)state;
    EACH(i)
    {
        struct party *p = pair_of(50 + i, lanes[i][0], lanes[i][1]);
        struct guest *a = p->guests[0], *b = p->guests[1];
        uint32_t down = a->notices[NOTICE_PEER_DOWN] + b->notices[NOTICE_PEER_DOWN];
        p->delay_us = MILLIS(40);
        assert_int_equal(talk(p, 1, 10, MILLIS(50)), 0);
        uint32_t before = link_index(guest_link(a, b));
        for (uint32_t n = 100; n < 220; n++) {
            party_tun(p, a, b->ipv4, n, 100);
            party_run(p, MILLIS(90));
            party_tun(p, b, a->ipv4, n + 1, 100);
            party_run(p, SECONDS(5));
        }
        assert_int_equal(a->notices[NOTICE_PEER_DOWN] + b->notices[NOTICE_PEER_DOWN], down);
        assert_int_not_equal(link_index(guest_link(a, b)), before);
        for (uint32_t n = 100; n < 220; n++) assert_true(b->got[n] == 1 && a->got[n + 1] == 1);
        party_close(p);
    }
}

/* Rest, and back: control seals and opens with what the lanes hand back, and the lanes go on from there. */
static void to_rest_and_back(void **state)
{
    (void)state;
    EACH(i)
    {
        struct seen *s = calloc(1, sizeof *s);
        struct party *p = pair_of(20 + i, lanes[i][0], lanes[i][1]);
        struct guest *a = p->guests[0], *b = p->guests[1];
        assert_non_null(s);
        p->tap = note;
        p->context = s;
        for (uint32_t k = 0; k < 4; k++) {
            assert_int_equal(talk(p, 1 + 100 * k, 60, MILLIS(10)), 0);
            assert_true(guest_link(a, b)->s.flags & SESSION_HOT);
            if (lanes[i][0] > 1) assert_true(held(a) >= lanes[i][0]);
            for (uint32_t m = 0; m < 20 && held(a) + held(b) > 0; m++) party_run(p, MINUTES(1));
            party_run(p, MINUTES(8)); /* one that has one lane only does not show in `held` */
            for (uint32_t m = 0; m < 20 && (guest_link(a, b)->s.flags & SESSION_HOT); m++)
                party_run(p, MINUTES(1));
            assert_false(guest_link(a, b)->s.flags & SESSION_HOT);
            assert_false(guest_link(b, a)->s.flags & SESSION_HOT);
            assert_int_equal(held(a) + held(b), 0);
            assert_true(party_pings(p, a, b));
        }
        assert_int_equal(node_drops(a->node)[DROP_REPLAYED] + node_drops(b->node)[DROP_REPLAYED],
                         0);
        none_twice(s);
        free(s);
        party_close(p);
    }
}

/* Without any direct way between two of them, through the third: whichever lanes the sessions fall to. */
static bool no_way(struct party *p, struct letter *l)
{
    const struct guest *b = p->guests[1], *c = p->guests[2];
    bool from = endpoint_equal(&l->from, &b->at) || endpoint_equal(&l->from, &c->at);
    bool to = endpoint_equal(&l->to, &b->at) || endpoint_equal(&l->to, &c->at);
    return !(from && to);
}

static void relayed(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 42; seed++) { /* owners by chance: all combinations */
        struct party *p = party_new(&crypto_fake, seed);
        p->tap = no_way;
        party_guest(p, &(struct guest_options){.lane = true, .lanes = 3, .founder = true});
        party_guest(p, &(struct guest_options){.lane = true, .lanes = 2, .seeds = {1}});
        party_guest(p, &(struct guest_options){.lane = true, .lanes = 4, .seeds = {1}});
        struct guest *b = p->guests[1], *c = p->guests[2];
        party_run(p, SECONDS(20));
        for (uint32_t i = 0; i < 200; i++) {
            party_tun(p, b, c->ipv4, i, 100);
            party_tun(p, c, b->ipv4, i, 100);
            party_run(p, MILLIS(100));
        }
        assert_int_equal(link_path(guest_link(b, c)), PATH_RELAYED);
        assert_int_equal(link_path(guest_link(c, b)), PATH_RELAYED);
        uint32_t lost = 0;
        for (uint32_t i = 0; i < 200; i++) {
            assert_true(b->got[i] <= 1 && c->got[i] <= 1);
            lost += (b->got[i] == 0) + (c->got[i] == 0);
        }
        assert_int_equal(lost, 0);
        party_close(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(under_traffic),
        cmocka_unit_test(now_and_then),
        cmocka_unit_test(to_rest_and_back),
        cmocka_unit_test(relayed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
