#include "overlay/knock.h"

#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct rng rng_for(uint64_t number)
{
    struct rng root, r;
    uint8_t zero[32] = {0};
    rng_seed(&root, zero);
    rng_stream(&root, "knock", number, &r);
    return r;
}

#define FILTER      1024u
#define FILTER_ROOM (FILTER * 8 / 24) /* handshakes before it turns early */

struct door { /* a responder, and what an initiator of its overlay has */
    const struct crypto *c;
    struct overlay_key ok;
    struct rng r;
    struct knock k;
    struct id self;
    uint8_t filter[2 * FILTER];
    uint8_t sender[21];
    uint64_t now_us;
};

static void door_init(struct door *d, const struct crypto *c)
{
    memset(d, 0, sizeof *d);
    d->c = c;
    d->r = rng_for(1);
    d->ok = (struct overlay_key){.key = {1, 2, 3}, .epoch = 1, .name = "home"};
    d->self = (struct id){{9, 9, 9}};
    d->now_us = HOURS(5);
    knock_init(&d->k, c, &d->ok, &d->self, &d->r, d->filter, FILTER);
    struct endpoint e = endpoint_v4(0xcb007105, 4000);
    knock_sender_endpoint(d->sender, &e);
}

/* A fresh HELLO1 under d's current key. */
static void hello1(struct door *d, const struct id *target, uint8_t out[HELLO1_SIZE])
{
    struct handshake h;
    struct hello_info own = {.capabilities = AEAD_CHACHA20_POLY1305};
    uint8_t fresh[32];
    handshake_init(&h, d->c, &d->ok, true, 77);
    if (target) h.expect = *target;
    rng_bytes(&d->r, fresh, 32);
    hello1_write(&h, d->c, &d->ok, &own, fresh, out);
}

static enum knock_verdict knock(struct door *d, const uint8_t *msg, size_t len, bool busy)
{
    return knock_hello1(&d->k, d->c, d->now_us, &d->r, msg, len, d->sender, busy);
}

static void test_mac1_as_written_down(void **state)
{
    (void)state;
    struct door d;
    door_init(&d, &crypto_real);
    uint8_t msg[HELLO1_SIZE], text[14 + 32 + 20], key[32], mac[16];
    hello1(&d, &d.self, msg);
    memcpy(text, "ringlet mac1 1", 14);
    memcpy(text + 14, d.ok.key, 32);
    memcpy(text + 46, d.self.b, 20);
    d.c->hash(key, 32, text, sizeof text, NULL, 0);
    d.c->hash(mac, 16, msg, 312, key, 32);
    assert_memory_equal(msg + 312, mac, 16);
    hello1(&d, NULL, msg);
    memset(text + 46, 0, 20);
    d.c->hash(key, 32, text, sizeof text, NULL, 0);
    d.c->hash(mac, 16, msg, 312, key, 32);
    assert_memory_equal(msg + 312, mac, 16);
}

static void test_who_may_knock(void **state)
{
    (void)state;
    struct door d;
    uint8_t msg[HELLO1_SIZE];
    door_init(&d, &crypto_fake);
    hello1(&d, &d.self, msg);
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_OK);
    hello1(&d, NULL, msg); /* to a seed of unknown id */
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_OK);
    struct id other = {{8}};
    hello1(&d, &other, msg); /* meant for somebody else */
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_BAD_MAC1);
    struct overlay_key real = d.ok;
    d.ok.key[31] ^= 1;
    hello1(&d, &d.self, msg); /* a stranger */
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_BAD_MAC1);
    d.ok = real;
    hello1(&d, &d.self, msg);
    for (size_t at = 0; at < HELLO1_SIZE - MAC_SIZE; at++) {
        msg[at] ^= 4;
        assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_BAD_MAC1);
        msg[at] ^= 4;
    }
    for (size_t len = 0; len < HELLO1_SIZE; len++)
        assert_int_equal(knock(&d, msg, len, false), KNOCK_BAD_MAC1);
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_OK);
}

static void test_another_version_is_told_so(void **state)
{
    (void)state;
    struct door d;
    uint8_t msg[HELLO1_SIZE + 50] = {OUTER_HELLO1, WIRE_VERSION + 1}, cookie[COOKIE_SIZE],
                              inside[16];
    enum cookie_reason reason;
    door_init(&d, &crypto_real);
    /* whatever its length, it ends mac1 mac2 */
    for (size_t len = COOKIE_SIZE + 32; len <= sizeof msg; len += 40) {
        mac1_write(d.c, &d.ok, &d.self, msg, len - 2 * MAC_SIZE);
        assert_int_equal(knock(&d, msg, len, true), KNOCK_VERSION);
        cookie_write(&d.k, d.c, d.now_us, &d.r, msg, len, d.sender, COOKIE_VERSION, cookie);
        assert_int_equal(cookie_read(&d.k, d.c, cookie, 64, msg + len - 32, inside, &reason), OK);
        assert_int_equal(reason, COOKIE_VERSION);
        msg[len - 32] ^= 1;
        assert_int_equal(knock(&d, msg, len, true), KNOCK_BAD_MAC1); /* silence for strangers */
    }
    mac1_write(d.c, &d.ok, &d.self, msg, 31); /* shorter than the answer: no answer */
    assert_int_equal(knock(&d, msg, 63, true), KNOCK_BAD_MAC1);
    msg[1] = WIRE_VERSION; /* our version, but longer than we know it */
    mac1_write(d.c, &d.ok, &d.self, msg, sizeof msg - 2 * MAC_SIZE);
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_BAD_MAC1);
}

static void test_replays_are_remembered_10_minutes(void **state)
{
    (void)state;
    struct door d;
    uint8_t msg[HELLO1_SIZE], other[HELLO1_SIZE];
    door_init(&d, &crypto_fake);
    for (uint64_t when = 0; when < MINUTES(5);
         when += SECONDS(29)) { /* at any phase of the filters */
        d.now_us = HOURS(10) + when * 40;
        hello1(&d, &d.self, other);
        assert_int_equal(knock(&d, other, sizeof other, false), KNOCK_OK);
        d.now_us += when;
        hello1(&d, &d.self, msg);
        assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_OK);
        uint64_t start_us = d.now_us;
        for (; d.now_us < start_us + MINUTES(5); d.now_us += SECONDS(20))
            assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_REPLAYED);
        d.now_us = start_us + MINUTES(10); /* forgotten, and taken once more */
        assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_OK);
    }
    d.k.filter = NULL; /* nothing is remembered without memory */
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_OK);
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_OK);
}

static void test_refused_knocks_are_not_remembered(void **state)
{
    (void)state;
    struct door d;
    uint8_t msg[HELLO1_SIZE];
    door_init(&d, &crypto_fake);
    hello1(&d, &d.self, msg);
    for (int n = 0; n < 3; n++)
        assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_NEED_COOKIE);
    msg[100] ^= 1;
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_BAD_MAC1);
    msg[100] ^= 1;
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_OK);
    assert_int_equal(knock(&d, msg, sizeof msg, true),
                     KNOCK_REPLAYED); /* also when busy: silence */
}

/* Marked ephemerals are always known, others almost never: less than 1 in 10,000, at the filters' fullest. */
static void test_filter_errs_rarely(void **state)
{
    (void)state;
    struct door d;
    uint8_t msg[HELLO1_SIZE];
    unsigned wrong = 0, checked = 0;
    door_init(&d, &crypto_fake);
    hello1(&d, &d.self, msg);
    for (unsigned n = 0; n < 20000; n++) {
        rng_bytes(&d.r, msg + HELLO1_HEADER, 32);
        mac1_write(d.c, &d.ok, &d.self, msg, HELLO1_SIZE - 32);
        /* busy and without a cookie: asks the filter, remembers nothing */
        if (d.k.filter_count > FILTER_ROOM - 20) {
            wrong += knock(&d, msg, sizeof msg, true) == KNOCK_REPLAYED;
            checked++;
            if (checked % 40) continue;
        }
        knock(&d, msg, sizeof msg, false);
        assert_true(d.k.filter_count <= FILTER_ROOM);
    }
    assert_true(checked > 10000);
    assert_true(wrong * 5000 <= checked); /* 2e-4: twice the promise, for luck */
}

static void test_a_full_filter_turns(void **state)
{
    (void)state;
    struct door d;
    uint8_t first[HELLO1_SIZE], msg[HELLO1_SIZE];
    door_init(&d, &crypto_fake);
    hello1(&d, &d.self, first);
    assert_int_equal(knock(&d, first, sizeof first, false), KNOCK_OK);
    for (unsigned n = 1; n < FILTER_ROOM; n++) {
        hello1(&d, &d.self, msg);
        knock(&d, msg, sizeof msg, false);
        assert_int_equal(d.k.filter_count, n + 1);
    }
    for (unsigned n = 0; n < FILTER_ROOM; n++) {
        hello1(&d, &d.self, msg);
        knock(&d, msg, sizeof msg, false);
        assert_int_equal(d.k.filter_count, n + 1); /* begun anew, the other one still knows */
        assert_int_equal(knock(&d, first, sizeof first, false),
                         n + 1 < FILTER_ROOM ? KNOCK_REPLAYED : KNOCK_OK);
        if (n + 1 == FILTER_ROOM) break;
    }
}

/* --- cookies --- */

static void get_cookie(struct door *d, const uint8_t *msg, uint8_t cookie[16])
{
    uint8_t answer[COOKIE_SIZE];
    enum cookie_reason reason = COOKIE_BUSY;
    cookie_write(&d->k, d->c, d->now_us, &d->r, msg, HELLO1_SIZE, d->sender, COOKIE_PROVE, answer);
    assert_int_equal(
        cookie_read(&d->k, d->c, answer, sizeof answer, msg + HELLO1_SIZE - 32, cookie, &reason),
        OK);
    assert_int_equal(reason, COOKIE_PROVE);
}

static void test_under_load_a_cookie_lets_in(void **state)
{
    (void)state;
    const struct crypto *const tables[] = {&crypto_real, &crypto_fake};
    for (int t = 0; t < 2; t++) {
        struct door d;
        uint8_t msg[HELLO1_SIZE], cookie[16];
        door_init(&d, tables[t]);
        hello1(&d, &d.self, msg);
        assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_NEED_COOKIE);
        get_cookie(&d, msg, cookie);
        mac2_write(d.c, cookie, msg); /* on the same message, which was not remembered */
        for (size_t at = 0; at < MAC_SIZE; at++) {
            msg[HELLO1_SIZE - MAC_SIZE + at] ^= 1;
            assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_NEED_COOKIE);
            msg[HELLO1_SIZE - MAC_SIZE + at] ^= 1;
        }
        assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_OK);
        assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_REPLAYED);
        hello1(&d, &d.self, msg); /* and on the next */
        mac2_write(d.c, cookie, msg);
        assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_OK);
    }
}

static void test_a_cookie_is_for_one_sender(void **state)
{
    (void)state;
    struct door d;
    uint8_t msg[HELLO1_SIZE], cookie[16], first[21];
    door_init(&d, &crypto_fake);
    hello1(&d, &d.self, msg);
    get_cookie(&d, msg, cookie);
    mac2_write(d.c, cookie, msg);
    memcpy(first, d.sender, 21);
    struct endpoint elsewhere[] = {endpoint_v4(0xcb007106, 4000), endpoint_v4(0xcb007105, 4001),
                                   endpoint_v4(0xcb007105, 4000)};
    elsewhere[2].transport = TRANSPORT_TCP;
    for (int i = 0; i < 3; i++) {
        knock_sender_endpoint(d.sender, &elsewhere[i]);
        assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_NEED_COOKIE);
    }
    struct id src = {{0}};
    memcpy(src.b, first + 1, 20); /* an id that spells like the endpoint */
    knock_sender_id(d.sender, &src);
    assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_NEED_COOKIE);
    get_cookie(&d, msg, cookie);
    mac2_write(d.c, cookie, msg);
    d.sender[20] ^= 1; /* the id's last byte counts */
    assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_NEED_COOKIE);
    d.sender[20] ^= 1;
    assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_OK);
}

static void test_cookies_age(void **state)
{
    (void)state;
    struct door d;
    uint8_t msg[HELLO1_SIZE], cookie[16];
    door_init(&d, &crypto_fake);
    hello1(&d, &d.self, msg);
    get_cookie(&d, msg, cookie);
    mac2_write(d.c, cookie, msg);
    d.now_us += SECONDS(121); /* the secret before is still taken */
    hello1(&d, &d.self, msg);
    mac2_write(d.c, cookie, msg);
    assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_OK);
    d.now_us += SECONDS(121);
    hello1(&d, &d.self, msg);
    mac2_write(d.c, cookie, msg);
    assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_NEED_COOKIE);
    door_init(&d, &crypto_fake);
    hello1(&d, &d.self, msg);
    get_cookie(&d, msg, cookie);
    d.now_us += SECONDS(600); /* a long silence turns both */
    hello1(&d, &d.self, msg);
    mac2_write(d.c, cookie, msg);
    assert_int_equal(knock(&d, msg, sizeof msg, true), KNOCK_NEED_COOKIE);
}

static void test_damaged_cookies_are_refused(void **state)
{
    (void)state;
    const struct crypto *const tables[] = {&crypto_real, &crypto_fake};
    for (int t = 0; t < 2; t++) {
        struct door d, stranger;
        uint8_t msg[HELLO1_SIZE], answer[COOKIE_SIZE + 1], cookie[16], wrong[16] = {0};
        enum cookie_reason reason;
        door_init(&d, tables[t]);
        hello1(&d, &d.self, msg);
        const uint8_t *mac1 = msg + HELLO1_SIZE - 32;
        cookie_write(&d.k, d.c, d.now_us, &d.r, msg, sizeof msg, d.sender, COOKIE_BUSY, answer);
        for (size_t at = 0; at < COOKIE_SIZE; at++)
            for (int bit = 0; bit < 8; bit++) {
                answer[at] ^= (uint8_t)(1 << bit);
                assert_int_not_equal(
                    cookie_read(&d.k, d.c, answer, COOKIE_SIZE, mac1, cookie, &reason), OK);
                answer[at] ^= (uint8_t)(1 << bit);
            }
        for (size_t len = 0; len <= COOKIE_SIZE + 1; len++)
            if (len != COOKIE_SIZE)
                assert_int_equal(cookie_read(&d.k, d.c, answer, len, mac1, cookie, &reason),
                                 ERR_MALFORMED);
        assert_int_equal(cookie_read(&d.k, d.c, answer, COOKIE_SIZE, wrong, cookie, &reason),
                         ERR_CRYPTO);
        door_init(&stranger, tables[t]);
        stranger.ok.key[0] ^= 1;
        knock_init(&stranger.k, d.c, &stranger.ok, &d.self, &d.r, NULL, 0);
        assert_int_equal(cookie_read(&stranger.k, d.c, answer, COOKIE_SIZE, mac1, cookie, &reason),
                         ERR_CRYPTO);
        assert_int_equal(cookie_read(&d.k, d.c, answer, COOKIE_SIZE, mac1, cookie, &reason), OK);
        assert_int_equal(reason, COOKIE_BUSY);
    }
}

/* --- REFER --- */

/* Every byte counts, and it answers one HELLO1 only; what it is given comes out. */
static void test_referrals_are_sealed_to_their_question(void **state)
{
    (void)state;
    const struct crypto *const tables[] = {&crypto_real, &crypto_fake};
    for (int t = 0; t < 2; t++) {
        struct door d, stranger;
        uint8_t msg[HELLO1_SIZE], answer[REFER_MAX + 1], wrong[16] = {0};
        uint8_t list[REFER_ENTRIES * REFER_ENTRY], got[REFER_ENTRIES * REFER_ENTRY];
        size_t got_len = 0;
        door_init(&d, tables[t]);
        hello1(&d, NULL, msg);
        const uint8_t *mac1 = msg + HELLO1_SIZE - 32;
        rng_bytes(&d.r, list, sizeof list);
        door_init(&stranger, tables[t]);
        stranger.ok.key[0] ^= 1;
        knock_init(&stranger.k, d.c, &stranger.ok, &d.self, &d.r, NULL, 0);
        for (size_t n = 1; n <= REFER_ENTRIES; n += 3) {
            size_t len = refer_write(&d.k, d.c, d.now_us, &d.r, msg, sizeof msg, list,
                                     n * REFER_ENTRY, answer);
            assert_int_equal(len, REFER_HEADER + n * REFER_ENTRY + 16);
            assert_true(len <= HELLO1_SIZE);
            for (size_t at = 0; at < len; at++) {
                answer[at] ^= 0x10;
                assert_int_not_equal(refer_read(&d.k, d.c, answer, len, mac1, got, &got_len), OK);
                answer[at] ^= 0x10;
            }
            for (size_t l = 0; l <= sizeof answer; l++)
                if (l != len)
                    assert_int_not_equal(refer_read(&d.k, d.c, answer, l, mac1, got, &got_len), OK);
            assert_int_equal(refer_read(&d.k, d.c, answer, len, wrong, got, &got_len), ERR_CRYPTO);
            assert_int_equal(refer_read(&stranger.k, d.c, answer, len, mac1, got, &got_len),
                             ERR_CRYPTO);
            assert_int_equal(refer_read(&d.k, d.c, answer, len, mac1, got, &got_len), OK);
            assert_int_equal(got_len, n * REFER_ENTRY);
            assert_memory_equal(got, list, got_len);
        }
    }
}

/* A look at a HELLO1 before it is let in changes nothing; what was let in is not fresh any more. */
static void test_a_look_is_not_an_entrance(void **state)
{
    (void)state;
    struct door d;
    uint8_t msg[HELLO1_SIZE];
    door_init(&d, &crypto_real);
    hello1(&d, &d.self, msg);
    assert_true(knock_fresh(&d.k, d.c, d.now_us, msg, sizeof msg));
    assert_true(knock_fresh(&d.k, d.c, d.now_us, msg, sizeof msg));
    assert_false(knock_fresh(&d.k, d.c, d.now_us, msg, sizeof msg - 1));
    msg[100] ^= 1;
    assert_false(knock_fresh(&d.k, d.c, d.now_us, msg, sizeof msg));
    msg[100] ^= 1;
    assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_OK);
    assert_false(knock_fresh(&d.k, d.c, d.now_us, msg, sizeof msg));
}

/* --- epochs --- */

static void test_the_epoch_before_knocks_24_hours(void **state)
{
    (void)state;
    struct door d, old;
    uint8_t msg[HELLO1_SIZE], answer[COOKIE_SIZE], cookie[16],
        hello2[HELLO2_SIZE] = {OUTER_HELLO2, WIRE_VERSION};
    enum cookie_reason reason;
    door_init(&d, &crypto_fake);
    door_init(&old, &crypto_fake);
    old.r = rng_for(2); /* other ephemerals */
    mac1_write(d.c, &old.ok, NULL, hello2, HELLO2_SIZE - MAC_SIZE);
    assert_true(knock_mac1(&d.k, d.c, d.now_us, hello2, sizeof hello2));
    hello1(&old, &d.self, msg);
    assert_false(knock_is_previous(&d.k, d.c, d.now_us, msg, sizeof msg));
    d.ok.key[5] ^= 1;
    d.ok.epoch++;
    knock_rekey(&d.k, d.c, &d.ok, &d.self, d.now_us);
    uint64_t end_us = d.now_us + HOURS(24);
    for (d.now_us = end_us - 2; d.now_us <= end_us; d.now_us++) {
        bool in_time = d.now_us < end_us;
        for (int known = 0; known < 2; known++) {
            hello1(&old, known ? &d.self : NULL, msg);
            assert_int_equal(knock_is_previous(&d.k, d.c, d.now_us, msg, sizeof msg), in_time);
            assert_int_equal(knock(&d, msg, sizeof msg, false),
                             in_time ? KNOCK_OK : KNOCK_BAD_MAC1);
        }
        assert_int_equal(knock_mac1(&d.k, d.c, d.now_us, hello2, sizeof hello2), in_time);
        hello1(&d, &d.self, msg);
        assert_false(knock_is_previous(&d.k, d.c, d.now_us, msg, sizeof msg));
        assert_int_equal(knock(&d, msg, sizeof msg, false), KNOCK_OK);
    }
    d.now_us = end_us - 1; /* a cookie for one of the old epoch, who can read it */
    hello1(&old, &d.self, msg);
    cookie_write(&d.k, d.c, d.now_us, &d.r, msg, sizeof msg, d.sender, COOKIE_PROVE, answer);
    assert_int_equal(cookie_read(&old.k, d.c, answer, 64, msg + HELLO1_SIZE - 32, cookie, &reason),
                     OK);
    knock_fini(&d.k);
}

static void test_mac1_of_replies(void **state)
{
    (void)state;
    struct door d;
    uint8_t msg[HELLO3_MAX + 1] = {0};
    door_init(&d, &crypto_fake);
    static const struct {
        uint8_t type;
        size_t len;
        bool good;
    } cases[] = {{OUTER_HELLO2, HELLO2_SIZE, true},
                 {OUTER_HELLO2, HELLO2_SIZE + 1, false},
                 {OUTER_HELLO3, HELLO3_MIN, true},
                 {OUTER_HELLO3, HELLO3_MAX, true},
                 {OUTER_HELLO3, HELLO3_MAX + 1, false},
                 {OUTER_HELLO3, HELLO3_MIN - 1, false},
                 {OUTER_HELLO1, HELLO1_SIZE, false},
                 {OUTER_COOKIE, COOKIE_SIZE, false},
                 {OUTER_DATA, 100, false}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        msg[0] = cases[i].type;
        mac1_write(d.c, &d.ok, NULL, msg, cases[i].len - MAC_SIZE);
        assert_int_equal(knock_mac1(&d.k, d.c, d.now_us, msg, cases[i].len), cases[i].good);
        if (!cases[i].good) continue;
        for (size_t at = 1; at < cases[i].len; at++) {
            msg[at] ^= 0x20;
            assert_false(knock_mac1(&d.k, d.c, d.now_us, msg, cases[i].len));
            msg[at] ^= 0x20;
        }
    }
    assert_false(knock_mac1(&d.k, d.c, d.now_us, msg, 0));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mac1_as_written_down),
        cmocka_unit_test(test_who_may_knock),
        cmocka_unit_test(test_another_version_is_told_so),
        cmocka_unit_test(test_replays_are_remembered_10_minutes),
        cmocka_unit_test(test_refused_knocks_are_not_remembered),
        cmocka_unit_test(test_filter_errs_rarely),
        cmocka_unit_test(test_a_full_filter_turns),
        cmocka_unit_test(test_under_load_a_cookie_lets_in),
        cmocka_unit_test(test_a_cookie_is_for_one_sender),
        cmocka_unit_test(test_cookies_age),
        cmocka_unit_test(test_damaged_cookies_are_refused),
        cmocka_unit_test(test_referrals_are_sealed_to_their_question),
        cmocka_unit_test(test_a_look_is_not_an_entrance),
        cmocka_unit_test(test_the_epoch_before_knocks_24_hours),
        cmocka_unit_test(test_mac1_of_replies),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
