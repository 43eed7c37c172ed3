/* Both ends begin at the same time, on a bad wire, a hundred times: one session, that both agree on. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define SEEDS 100

static unsigned first_lost(struct party *p, uint32_t number)
{
    struct guest *a = p->guests[0], *b = p->guests[1];
    party_tun(p, a, b->ipv4, number, 100);
    party_tun(p, b, a->ipv4, number, 100);
    party_run(p, SECONDS(1));
    return a->got[number] != 1 || b->got[number] != 1;
}

static void talk(struct party *p, uint32_t number)
{
    struct guest *a = p->guests[0], *b = p->guests[1];
    party_tun(p, a, b->ipv4, number, 100);
    party_tun(p, b, a->ipv4, number, 100);
    party_run(p, SECONDS(1));
    assert_int_equal(a->got[number], 1);
    assert_int_equal(b->got[number], 1);
}

static unsigned one(uint64_t seed, uint64_t apart_us)
{
    struct party *p = party_new(&crypto_fake, seed);
    p->loss_percent = 20;
    p->double_percent = 5;
    p->jitter_us = MILLIS(60);
    struct guest *a = party_guest(p, &(struct guest_options){.lane = true, .founder = true});
    struct guest *b = party_guest(p, &(struct guest_options){.lane = true, .seeds = {1}});
    party_step(p, a, &(struct event){.type = EV_SEEDS, .endpoints = {.list = &b->at, .count = 1}});
    party_run(p, apart_us);
    for (unsigned s = 0; s < 60 && !(guest_link(a, b) && guest_link(b, a)); s++)
        party_run(p, SECONDS(1));
    p->loss_percent = p->double_percent = 0;
    p->jitter_us = 0;
    party_run(p, SECONDS(5)); /* what was under way is tried again, and ends */
    unsigned lost = first_lost(p, 1);
    for (unsigned s = 0; s < 3; s++) { /* also while and after the other session goes */
        party_run(p, SECONDS(10));
        talk(p, 2 + s);
    }
    if (!party_agree(a, b)) fail_msg("seed %u: each end keeps another session", (unsigned)seed);
    assert_int_equal(guest_overlay(a)->link_count, 1);
    assert_int_equal(guest_overlay(b)->link_count, 1);
    party_close(p);
    return lost;
}

static void simultaneous(void **state)
{
    unsigned lost = 0;
    (void)state;
    for (uint64_t seed = 1; seed <= SEEDS; seed++) lost += one(seed, MILLIS(seed % 7));
    assert_int_equal(lost, 0);
}

/* Further apart, and some of those that once ended with two sessions. */
static void apart(void **state)
{
    static const uint64_t once[] = {1001, 1217};
    unsigned lost = 0;
    (void)state;
    for (uint64_t seed = 200; seed < 250; seed++) lost += one(seed, MILLIS(seed % 90));
    for (unsigned i = 0; i < sizeof once / sizeof *once; i++)
        lost += one(once[i], MILLIS(once[i] % 90));
    assert_int_equal(lost, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(simultaneous), cmocka_unit_test(apart)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
