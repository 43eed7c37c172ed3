/* Every datagram of a real conversation, cut, flipped, replayed, mixed up, doubled, too long: counted, dropped, nothing grows. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct endpoint elsewhere = {
    .ip = {[10] = 0xff, [11] = 0xff, 6, 0, 0, 9}, .port = 9, .transport = TRANSPORT_UDP};

static struct guest *addressee(const struct party *p, const struct letter *l)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (endpoint_equal(&p->guests[i]->at, &l->to)) return p->guests[i];
    return NULL;
}

/* A conversation with every outer type in it: handshakes, a cookie, control frames, pings, inner packets. */
static struct party *conversation(const struct crypto *c, uint64_t seed)
{
    struct party *p = party_new(c, seed);
    uint8_t hello[HELLO1_SIZE];
    party_guest(p, &(struct guest_options){.lane = true, .founder = true});
    for (uint32_t i = 0; i < 250; i++) { /* so that those who come now need cookies */
        struct endpoint at = endpoint_v4(0x06000000 + i, 7);
        party_hello1(p, i, hello);
        party_give(p, p->guests[0], &at, hello, sizeof hello);
    }
    p->booking = true;
    for (uint32_t i = 0; i < 2; i++)
        party_guest(p, &(struct guest_options){.lane = true, .seeds = {1}});
    party_run(p, SECONDS(6));
    for (uint32_t i = 0; i < 3; i++)
        party_tun(p, p->guests[i], p->guests[(i + 1) % 3]->ipv4, i, 100);
    (void)party_pings(p, p->guests[1], p->guests[2]);
    party_run(p, SECONDS(2));
    p->booking = false;
    /* so old that no handshake of then is still answered, and all is quiet */
    party_run(p, SECONDS(40));
    for (uint32_t i = 0; i < p->book_count; i++) { /* those that only a cookie answered, too */
        struct guest *g = addressee(p, &p->book[i]);
        if (g && p->book[i].bytes[0] == OUTER_HELLO1)
            party_give(p, g, &elsewhere, p->book[i].bytes, p->book[i].len);
    }
    party_run(p, SECONDS(10));
    unsigned seen[256] = {0};
    for (uint32_t i = 0; i < p->book_count; i++) seen[p->book[i].bytes[0]]++;
    ensure(seen[OUTER_HELLO1] && seen[OUTER_HELLO2] && seen[OUTER_HELLO3] && seen[OUTER_COOKIE] &&
           seen[OUTER_DATA] > 10);
    return p;
}

struct toll { /* before and after */
    struct holding held[3];
    uint32_t drops, given;
    uint64_t sent, nobody;
};

static struct toll toll_now(const struct party *p)
{
    struct toll t = {.nobody = p->nobody};
    for (uint32_t i = 0; i < 3; i++) {
        t.held[i] = guest_holds(p->guests[i]);
        t.drops += guest_drops(p->guests[i]);
        t.sent += p->guests[i]->sent;
    }
    return t;
}

/* All given was counted and dropped; nobody answered; nobody holds more; the sessions work. */
static void nothing_happened(struct party *p, const struct toll *before, uint32_t given)
{
    struct toll now = toll_now(p);
    assert_true(given > 0);
    for (uint32_t i = 0; i < 3; i++) assert_true(holding_equal(&before->held[i], &now.held[i]));
    assert_int_equal(now.sent, before->sent);
    assert_int_equal(now.drops - before->drops, given);
    for (uint32_t i = 0; i < 3; i++) {
        struct guest *to = p->guests[(i + 1) % 3];
        assert_true(party_pings(p, p->guests[i], to));
        party_tun(p, p->guests[i], to->ipv4, 100 + i, 100);
        party_run(p, SECONDS(1));
        assert_int_equal(to->got[100 + i], 1);
    }
    assert_int_equal(p->nobody, before->nobody);
    party_close(p);
}

typedef uint32_t mangle(struct party *p, struct guest *g, const struct letter *l,
                        const struct endpoint *from);

static void each(const struct crypto *c, uint64_t seed, mangle *how)
{
    struct party *p = conversation(c, seed);
    struct toll before = toll_now(p);
    uint32_t given = 0;
    for (uint32_t i = 0; i < p->book_count; i++) {
        struct guest *g = addressee(p, &p->book[i]);
        if (!g) continue;
        given += how(p, g, &p->book[i], &p->book[i].from);
        given += how(p, g, &p->book[i], &elsewhere);
    }
    nothing_happened(p, &before, given);
}

static uint32_t cut_one(struct party *p, struct guest *g, const struct letter *l,
                        const struct endpoint *from)
{
    for (uint32_t len = 1; len < l->len; len++) party_give(p, g, from, l->bytes, len);
    return l->len - 1;
}

static uint32_t flip_one(struct party *p, struct guest *g, const struct letter *l,
                         const struct endpoint *from)
{
    for (uint32_t i = 0; i < l->len; i++) {
        uint8_t bit = (uint8_t)(1u << (i + l->number) % 8);
        l->bytes[i] ^= bit;
        party_give(p, g, from, l->bytes, l->len);
        l->bytes[i] ^= bit;
    }
    return l->len;
}

static uint32_t lengthen_one(struct party *p, struct guest *g, const struct letter *l,
                             const struct endpoint *from)
{
    static const uint32_t more[] = {1, 16, 1000, 30000, 60000};
    uint8_t bytes[65507] = {0};
    uint32_t given = 0;
    memcpy(bytes, l->bytes, l->len);
    for (unsigned i = 0; i < 5; i++, given++) party_give(p, g, from, bytes, l->len + more[i]);
    party_give(p, g, from, bytes, sizeof bytes);
    return given + 1;
}

static void cut(void **state)
{
    (void)state;
    each(&crypto_fake, 1, cut_one);
    each(&crypto_real, 1, cut_one);
}

static void flipped(void **state)
{
    (void)state;
    each(&crypto_fake, 2, flip_one);
    each(&crypto_real, 2, flip_one);
}

static void too_long(void **state)
{
    (void)state;
    each(&crypto_fake, 3, lengthen_one);
    each(&crypto_real, 3, lengthen_one);
}

/* The whole conversation again, in any order, some twice, 10,000 datagrams and more; also to whom they were not meant for. */
static void replayed(void **state)
{
    struct party *p = conversation(&crypto_real, 4);
    struct toll before = toll_now(p);
    uint32_t given = 0;
    (void)state;
    while (given < 12000) {
        const struct letter *l = &p->book[rng_below(&p->rng, p->book_count)];
        bool astray = rng_below(&p->rng, 4) == 0 &&
                      l->bytes[0] != OUTER_HELLO1; /* that is anybody's */
        struct guest *g = astray ? p->guests[rng_below(&p->rng, 3)] : addressee(p, l);
        if (!g) continue;
        party_give(p, g, given & 1 ? &l->from : &elsewhere, l->bytes, l->len);
        given++;
    }
    nothing_happened(p, &before, given);
}

/* On a wire that loses, doubles and mixes up, what arrives arrives once. */
static void disorder(void **state)
{
    struct party *p = party_of(&crypto_real, 5, 2, true, NULL);
    struct guest *a = p->guests[0], *b = p->guests[1];
    uint32_t came = 0;
    (void)state;
    p->jitter_us = MILLIS(80);
    p->double_percent = 50;
    p->loss_percent = 5;
    for (uint32_t i = 0; i < 2000; i++) {
        party_tun(p, a, b->ipv4, i, 60 + i % 1000);
        party_run(p, MILLIS(2));
    }
    party_run(p, SECONDS(1));
    for (uint32_t i = 0; i < 2000; i++) {
        assert_true(b->got[i] <= 1);
        came += b->got[i];
    }
    assert_true(came > 1800);
    assert_true(guest_dropped(b, DROP_REPLAYED) > 500);
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cut),      cmocka_unit_test(flipped),  cmocka_unit_test(too_long),
        cmocka_unit_test(replayed), cmocka_unit_test(disorder),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
