/* Slots of invites: two nodes cannot have one. Many seeds, loss, at once and one after the other, on a ring that parts. */
#include "node/internal.h"
#include "overlay/dht.h"
#include "overlay/slot.h"
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define SEEDS   60
#define INVITE  3
#define OTHERS  5 /* certified by the network itself */
#define LOSS    5 /* per cent */
#define HELD(g) ((g)->notices[NOTICE_SLOT_HELD] > 0)
#define LOST(g) ((g)->notices[NOTICE_SLOT_REFUSED] > 0)

static struct guest *newcomer(struct party *p, uint32_t slot, uint32_t uses)
{
    return party_guest(
        p, &(struct guest_options){
               .lane = true, .seeds = {1}, .invite = INVITE, .slot = slot, .uses = uses});
}

static struct party *ring(uint64_t seed)
{
    struct party *p = party_of(&crypto_fake, seed, OTHERS, true, NULL);
    p->loss_percent = LOSS;
    p->jitter_us = MILLIS(30);
    return p;
}

/* Everybody who knows them thinks the same of both. How many know them. */
static uint32_t agree(const struct party *p, const struct guest *winner, const struct guest *loser)
{
    uint32_t know = 0;
    for (uint32_t i = 0; i < OTHERS; i++) {
        const struct guest *g = p->guests[i];
        enum member_slot won = guest_slot(g, winner), lost = guest_slot(g, loser);
        assert_true(won == SLOT_NONE || won == SLOT_HELD);
        assert_true(lost == SLOT_NONE || lost == SLOT_REFUSED);
        know += won == SLOT_HELD && lost == SLOT_REFUSED;
    }
    return know;
}

static uint32_t delivered(struct party *p, struct guest *from, struct guest *to, uint32_t number)
{
    uint32_t before = to->tun_count;
    for (uint32_t i = 0; i < 20; i++) {
        party_tun(p, from, to->ipv4, number + i, 100);
        party_run(p, MILLIS(200));
    }
    return to->tun_count - before;
}

static void at_once(void **state)
{
    uint32_t first = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct party *p = ring(seed);
        struct guest *a = newcomer(p, 0, 1), *b = newcomer(p, 0, 1);
        party_run(p, SECONDS(90));
        assert_true(LOST(a) != LOST(b)); /* exactly one keeps it */
        struct guest *winner = LOST(b) ? a : b, *loser = LOST(b) ? b : a;
        assert_true(HELD(winner));
        assert_true(agree(p, winner, loser) >= 1);
        first += winner == a;
        party_close(p);
    }
    print_message("of %u races the first in the list won %u\n", SEEDS, first);
    assert_true(first > 0 && first < SEEDS);
}

/* Also when the second lies nearer to the slot's key than everybody else, and would decide about its own claim. */
static void first_writer_wins(void **state)
{
    uint32_t roots = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) {
        struct party *p = ring(seed);
        struct guest *owner = newcomer(p, 0, 1);
        party_run(p, SECONDS(40));
        assert_true(HELD(owner));
        struct guest *thief = newcomer(p, 0, 1);
        party_run(p, SECONDS(40));
        struct id key;
        uint8_t serial[16] = {INVITE};
        struct record_name name = record_name_slot(serial, 0);
        record_key(&key, p->crypto, &name, &ID_ZERO);
        roots += dht_is_root(guest_overlay(thief), &key);
        assert_true(LOST(thief) && !HELD(thief));
        assert_false(LOST(owner));
        assert_true(agree(p, owner, thief) >= 1);
        party_close(p);
    }
    print_message("of %u late ones %u were the root themselves\n", SEEDS, roots);
    assert_true(roots > 0);
}

/* Nothing of the refused one comes in, nothing goes to it; the other is not troubled. */
static void refused_traffic(void **state)
{
    (void)state;
    struct party *p = party_of(&crypto_fake, 7, OTHERS, true, NULL);
    struct guest *owner = newcomer(p, 0, 1);
    party_run(p, SECONDS(30));
    struct guest *thief = newcomer(p, 0, 1), *host = p->guests[2];
    party_run(p, SECONDS(30));
    assert_true(party_pings(p, host, thief)); /* they have a session, and host its certificate */
    party_run(p, SECONDS(15));
    assert_int_equal(guest_slot(host, thief), SLOT_REFUSED);
    assert_int_equal(host->notices[NOTICE_MEMBER_REFUSED], 1);
    uint32_t drops = guest_drops(host);
    assert_int_equal(delivered(p, thief, host, 1), 0);
    assert_true(guest_drops(host) >= drops + 10);
    assert_true(guest_dropped(host, DROP_DENIED) > 0);
    assert_int_equal(delivered(p, host, thief, 100), 0);
    assert_true(delivered(p, owner, host, 200) > 15);
    assert_true(delivered(p, host, owner, 300) > 15);
    uint32_t cursor = 0;
    bool said = false;
    for (struct peer_view v; node_peer_next(host->node, &cursor, &v);)
        if (id_equal(&v.id, &thief->self.id)) said = strstr(v.why, "refused") != NULL;
    struct why_view why;
    assert_true(said);
    assert_true(node_why(host->node, p->now_us, &thief->self.id, &why));
    assert_non_null(strstr(why.verdict, "held by"));
    party_close(p);
}

/* It came in, was met and trusted for a while; then the ring says whose slot it is: rows in the lane go, too. */
static void trusted_first(void **state)
{
    (void)state;
    struct party *p = party_of(&crypto_fake, 8, OTHERS, true, NULL);
    struct guest *owner = newcomer(p, 0, 1);
    party_run(p, SECONDS(30));
    struct guest *thief = newcomer(p, 0, 1), *host = p->guests[1];
    party_run(p, SECONDS(30));
    assert_true(party_pings(p, host, thief));
    struct member *m = members_by_id(&host->node->members, -1, &thief->self.id);
    assert_non_null(m);
    m->slot.state = SLOT_ACCEPTED; /* as if nobody had answered so far */
    m->ipv4 = thief->ipv4;
    m->slot.due_us = p->now_us + SECONDS(5);
    host->node->wake_us = m->slot.due_us;
    assert_true(delivered(p, thief, host, 1) > 10);
    party_run(p, SECONDS(10));
    assert_int_equal(guest_slot(host, thief), SLOT_REFUSED);
    assert_int_equal(delivered(p, thief, host, 100), 0);
    assert_true(delivered(p, owner, host, 200) > 15);
    party_close(p);
}

/* Two slots, three nodes, all of which begin with the same one: two get in, each other slot is tried, the third is left over. */
static void another_slot(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS / 3; seed++) {
        struct party *p = ring(seed);
        struct guest *g[3];
        uint32_t slot[3] = {0}, held = 0;
        for (unsigned i = 0; i < 3; i++) g[i] = newcomer(p, 0, 2);
        for (unsigned second = 0; second < 120; second++) {
            party_run(p, SECONDS(1));
            for (unsigned i = 0; i < 3; i++) {
                if (!LOST(g[i]) || slot[i] == 1) continue;
                g[i]->notices[NOTICE_SLOT_REFUSED] = g[i]->notices[NOTICE_SLOT_HELD] = 0;
                party_reissue(p, g[i], INVITE, ++slot[i], 2); /* as daemon/slots.c does */
            }
        }
        for (unsigned i = 0; i < 3; i++) held += HELD(g[i]) && !LOST(g[i]);
        assert_int_equal(held, 2);
        for (unsigned i = 0; i < 3; i++)
            for (unsigned k = 0; k < i; k++)
                assert_false(HELD(g[i]) && !LOST(g[i]) && HELD(g[k]) && !LOST(g[k]) &&
                             slot[i] == slot[k]);
        party_close(p);
    }
}

static uint64_t deaf_us; /* what is sent at this moment is lost */

static bool not_now(struct party *p, struct letter *l)
{
    (void)l;
    return p->now_us != deaf_us;
}

/* Who takes another slot is refused for a moment only: nobody is told, also when the new certificate is lost the first time. */
static void another_is_no_news(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct party *p = party_of(&crypto_fake, seed, OTHERS, true, NULL);
        struct guest *a = newcomer(p, 0, 2), *b = newcomer(p, 0, 2);
        for (unsigned i = 0; i < 300 && !LOST(a) && !LOST(b); i++) party_run(p, MILLIS(100));
        assert_true(LOST(a) != LOST(b));
        struct guest *loser = LOST(a) ? a : b, *host = p->guests[2];
        party_run(p, SECONDS(15));
        assert_int_equal(guest_slot(host, loser), SLOT_REFUSED);
        p->tap = not_now;
        deaf_us = p->now_us;
        party_reissue(p, loser, INVITE, 1, 2);
        party_run(p, SECONDS(60));
        for (uint32_t i = 0; i < OTHERS; i++) {
            assert_int_not_equal(guest_slot(p->guests[i], loser), SLOT_REFUSED);
            assert_int_equal(p->guests[i]->notices[NOTICE_MEMBER_REFUSED], 0);
        }
        assert_int_equal(guest_slot(host, loser), SLOT_HELD);
        party_close(p);
    }
}

/* Who stays with the slot of another is named, once; and when it has found one after all, that is said. */
static void refused_for_long(void **state)
{
    (void)state;
    struct party *p = party_of(&crypto_fake, 3, OTHERS, true, NULL);
    struct guest *a = newcomer(p, 0, 2), *b = newcomer(p, 0, 2), *host = p->guests[2];
    party_run(p, SECONDS(90));
    assert_true(LOST(a) != LOST(b));
    assert_int_equal(host->notices[NOTICE_MEMBER_REFUSED], 1);
    assert_int_equal(host->notices[NOTICE_MEMBER_ACCEPTED], 0);
    party_reissue(p, LOST(a) ? a : b, INVITE, 1, 2);
    party_run(p, SECONDS(60));
    assert_int_equal(host->notices[NOTICE_MEMBER_REFUSED], 1);
    assert_int_equal(host->notices[NOTICE_MEMBER_ACCEPTED], 1);
    party_close(p);
}

/* A new certificate is shown three times, for a datagram may be lost; what it says is said once. */
static void shown_thrice(void **state)
{
    (void)state;
    struct party *p = party_of(&crypto_fake, 3, OTHERS, true, NULL);
    struct guest *a = newcomer(p, 0, 2), *host = p->guests[2];
    party_run(p, SECONDS(20));
    host->node->networks[0]->ipv4 = a->ipv4; /* as if ours were the same one */
    unsigned before = host->notices[NOTICE_ADDRESS_CONFLICT];
    party_reissue(p, a, INVITE, 1, 2);
    party_run(p, SECONDS(30));
    assert_int_equal(host->notices[NOTICE_ADDRESS_CONFLICT] - before, 1);
    party_close(p);
}

static uint32_t there; /* a bit for each guest on the other side of the wall; 0: there is none */

static uint32_t side(const struct endpoint *at)
{
    return there >> at->ip[14] & 1; /* guests are numbered by their addresses */
}

static bool through_the_wall(struct party *p, struct letter *l)
{
    (void)p;
    return side(&l->from) == side(&l->to);
}

/* Each side of a ring that parted lets one in; when it is whole again one of them stays. */
static void parted(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS / 3; seed++) {
        struct party *p = party_of(&crypto_fake, seed, OTHERS, true, NULL);
        p->tap = through_the_wall;
        there = 1u << 3 | 1u << 4 | 1u << 5;
        party_run(p, SECONDS(60));
        struct guest *far = party_guest(
            p, &(struct guest_options){.lane = true, .seeds = {4}, .invite = INVITE, .uses = 1});
        struct guest *near = newcomer(p, 0, 1);
        party_run(p, SECONDS(40));
        assert_true(HELD(far) && !LOST(far));
        assert_true(HELD(near) && !LOST(near));
        there = 0;
        for (unsigned i = 0; i < 60 && !(LOST(near) || LOST(far)); i++) party_run(p, SECONDS(10));
        party_run(p, SECONDS(60));
        assert_true(LOST(near) != LOST(far));
        party_close(p);
    }
    there = 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(at_once),          cmocka_unit_test(first_writer_wins),
        cmocka_unit_test(refused_traffic),  cmocka_unit_test(trusted_first),
        cmocka_unit_test(another_slot),     cmocka_unit_test(another_is_no_news),
        cmocka_unit_test(refused_for_long), cmocka_unit_test(shown_thrice),
        cmocka_unit_test(parted),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
