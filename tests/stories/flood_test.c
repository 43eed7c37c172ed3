/* The same HELLO1 again, a flood of fresh ones, and members who fill whatever can be filled: others still get in. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

struct seen { /* what was sent to nobody's address, that is to the flood */
    uint32_t hello2, cookies;
};

static bool watch(struct party *p, struct letter *l)
{
    struct seen *s = p->context;
    if (l->to.ip[12] != 6) return true;
    s->hello2 += l->bytes[0] == OUTER_HELLO2;
    s->cookies += l->bytes[0] == OUTER_COOKIE;
    return true;
}

/* A HELLO1 that somebody overheard, once a second for ten minutes, from here and there. */
static void the_same_again(void **state)
{
    struct party *p = party_of(&crypto_fake, 1, 2, false, NULL);
    struct guest *g = p->guests[0];
    struct seen seen = {0};
    uint8_t hello[HELLO1_SIZE];
    (void)state;
    p->tap = watch;
    p->context = &seen;
    party_hello1(p, 1, hello);
    party_give(p, g,
               &(struct endpoint){.ip = {[10] = 0xff, [11] = 0xff, 6}, .port = 1, .transport = 1},
               hello, sizeof hello);
    assert_int_equal(seen.hello2, 1);
    for (uint32_t s = 0; s < 600; s++) {
        struct endpoint at = endpoint_v4(0x06000000 + s, 9);
        party_run(p, SECONDS(1));
        party_give(p, g, &at, hello, sizeof hello);
        if (s < 299) assert_int_equal(seen.hello2, 1);
        assert_true(guest_overlay(g)->hello_count <= 1);
    }
    assert_true(seen.hello2 <= 2); /* the filters turn once in 5 minutes */
    assert_true(guest_dropped(g, DROP_REPLAYED_HELLO) >= 598);
    party_close(p);
}

/* 200 fresh ones a second from 50 addresses that do not listen: cookies are asked for, and whoever answers them comes in. */
static void flood(void **state)
{
    struct party *p = party_of(&crypto_fake, 2, 2, true, NULL);
    struct guest *g = p->guests[0], *late = NULL;
    struct seen seen = {0};
    uint8_t hello[HELLO1_SIZE];
    uint32_t n = 0, most = 0;
    (void)state;
    p->tap = watch;
    p->context = &seen;
    for (; n < 4000; n++) {
        struct endpoint at = endpoint_v4(0x06000000 + n % 50, (uint16_t)(1000 + n));
        party_hello1(p, n, hello);
        party_give(p, g, &at, hello, sizeof hello);
        party_run(p, MILLIS(5));
        uint32_t now = guest_overlay(g)->hello_count;
        if (now > most) most = now;
        if (n == 2000) late = party_guest(p, &(struct guest_options){.lane = true, .seeds = {1}});
    }
    assert_true(most <= limits_daemon.handshakes * 3u / 4u + 2);
    assert_true(seen.cookies > 1000);
    assert_true(seen.hello2 + seen.cookies <= n);
    assert_true(p->nobody_bytes <= (uint64_t)n * HELLO1_SIZE);
    assert_non_null(guest_link(g, late)); /* in the midst of it */
    assert_true(party_pings(p, late, p->guests[1]));
    party_run(p, SECONDS(10));
    assert_int_equal(guest_overlay(g)->hello_count, 0);
    party_close(p);
}

static size_t store_frame(const struct party *p, const struct guest *by, uint32_t number,
                          uint8_t out[CONTROL_MAX])
{
    uint8_t record[RECORD_BYTES];
    char name[16];
    struct record r = {.seq = 1, .ttl_s = 3600};
    r.name = record_name_of(RECORD_TAG_USER, name,
                            (size_t)snprintf(name, sizeof name, "u%u", number));
    size_t n = record_sign(record, sizeof record, p->crypto, &r, &by->self);
    struct pack k = pack_of(out + 1, CONTROL_MAX - 1);
    out[0] = KIND_CONTROL;
    pack_array(&k, 3);
    pack_uint(&k, CONTROL_STORE);
    pack_bin(&k, record, n);
    pack_uint(&k, 3600);
    ensure(n && !k.bad);
    return k.len + 1;
}

/* Three members store all they may: a fourth still comes in, and gets through. */
static void records_leave_room(void **state)
{
    struct party *p = party_of(&crypto_fake, 3, 4, false, NULL);
    struct guest *g = p->guests[0];
    uint8_t frame[CONTROL_MAX];
    (void)state;
    for (uint32_t i = 0; i < 1200; i++) {
        struct guest *by = p->guests[1 + i % 3];
        size_t len = store_frame(p, by, i, frame);
        assert_true(guest_send_routed(p, by, g, frame, len));
        if (i % 100 == 0) party_run(p, SECONDS(1));
    }
    assert_true(guest_overlay(g)->record_count > 100);
    struct guest *late = party_guest(p, &(struct guest_options){.seeds = {1}});
    party_run(p, SECONDS(15));
    assert_non_null(guest_link(g, late));
    assert_true(party_pings(p, late, g));
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_again),
        cmocka_unit_test(flood),
        cmocka_unit_test(records_leave_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
