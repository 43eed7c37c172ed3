/* Whoever lacks the overlay key gets no byte back, whatever it sends, and leaves nothing behind. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define LONGEST 2000u

static const struct endpoint *stranger(void)
{
    static const struct endpoint at = {
        .ip = {[10] = 0xff, [11] = 0xff, 6, 0, 0, 1}, .port = 5000, .transport = TRANSPORT_UDP};
    return &at;
}

/* Bytes of every length, for every outer type, unknown types, and as they come. */
static void junk(void **state)
{
    static const uint8_t first[] = {0x00, 0x40, 0x41, 0x42, 0x43, 0x50, 0x44, 0xff};
    struct party *p = party_of(&crypto_fake, 1, 2, true, NULL);
    struct guest *g = p->guests[0];
    struct holding before = guest_holds(g);
    uint32_t drops = guest_drops(g), given = 0;
    uint8_t bytes[LONGEST];
    (void)state;
    p->nobody = 0;
    for (uint32_t len = 0; len <= LONGEST; len++) {
        for (unsigned t = 0; t < sizeof first + 1; t++) {
            rng_bytes(&p->rng, bytes, len);
            if (t < sizeof first && len) bytes[0] = first[t];
            if (t % 2 && len > 4) bytes[1] = WIRE_VERSION, bytes[2] = bytes[3] = 0;
            party_give(p, g, stranger(), bytes, len);
            given++;
        }
    }
    struct holding after = guest_holds(g);
    assert_true(holding_equal(&before, &after));
    assert_int_equal(guest_drops(g) - drops, given);
    party_run(p, SECONDS(10));
    assert_int_equal(p->nobody, 0);
    assert_true(party_pings(p, g, p->guests[1]));
    party_close(p);
}

/* HELLO1 that would be good, but for the key or for whom it is meant. */
static void knocks(void **state)
{
    struct party *p = party_of(&crypto_fake, 2, 2, false, NULL);
    struct guest *g = p->guests[0];
    struct holding before = guest_holds(g);
    uint8_t hello[HELLO1_SIZE];
    (void)state;
    p->nobody = 0;
    uint32_t drops = guest_dropped(g, DROP_MAC1);
    for (uint32_t i = 0; i < 1000; i++) {
        party_hello1(p, i, hello);
        const struct id *whom = i & 1 ? &p->guests[1]->self.id : &g->self.id;
        mac1_write(p->crypto, i & 1 ? &p->key : &p->other_key, whom, hello,
                   HELLO1_SIZE - 2 * MAC_SIZE);
        party_give(p, g, stranger(), hello, sizeof hello);
    }
    for (uint32_t i = 0; i < 256 * MAC_SIZE; i++) { /* guessing a byte of it */
        party_hello1(p, 5, hello);
        hello[HELLO1_SIZE - 2 * MAC_SIZE + i / 256] ^= (uint8_t)(i % 255 + 1);
        party_give(p, g, stranger(), hello, sizeof hello);
    }
    struct holding after = guest_holds(g);
    assert_true(holding_equal(&before, &after));
    assert_int_equal(guest_dropped(g, DROP_MAC1) - drops, 1000 + 256 * MAC_SIZE);
    assert_int_equal(p->nobody, 0);
    party_close(p);
}

/* Another version with a good mac1 is told so, once a question and no longer than it. */
static void another_version(void **state)
{
    struct party *p = party_of(&crypto_fake, 3, 2, false, NULL);
    uint8_t hello[HELLO1_SIZE];
    (void)state;
    p->nobody = p->nobody_bytes = 0;
    party_hello1(p, 1, hello);
    hello[1] = WIRE_VERSION + 1;
    mac1_write(p->crypto, &p->key, NULL, hello, HELLO1_SIZE - 2 * MAC_SIZE);
    party_give(p, p->guests[0], stranger(), hello, sizeof hello);
    assert_int_equal(p->nobody, 1);
    assert_true(p->nobody_bytes <= sizeof hello);
    assert_int_equal(guest_dropped(p->guests[0], DROP_VERSION), 1);
    party_close(p);
}

static bool count_to_last(struct party *p, struct letter *l)
{
    uint32_t *count = p->context;
    *count += endpoint_equal(&l->to, &p->guests[p->count - 1]->at);
    return true;
}

/* A whole node of another overlay, which dials us for a minute. */
static void node_of_another_overlay(void **state)
{
    struct party *p = party_of(&crypto_real, 4, 2, false, NULL);
    struct guest *s = party_guest(p, &(struct guest_options){.other_key = true, .seeds = {1, 2}});
    uint32_t sent_to_it = 0;
    (void)state;
    p->tap = count_to_last;
    p->context = &sent_to_it;
    party_run(p, SECONDS(60));
    assert_true(s->sent > 5);
    assert_int_equal(sent_to_it, 0);
    assert_null(guest_link(p->guests[0], s));
    assert_true(guest_dropped(p->guests[0], DROP_MAC1) > 0);
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(junk),
        cmocka_unit_test(knocks),
        cmocka_unit_test(another_version),
        cmocka_unit_test(node_of_another_overlay),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
