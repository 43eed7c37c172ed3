/* A session follows its peer to another endpoint, when the peer is there, and nobody else. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const struct endpoint elsewhere = {
    .ip = {[10] = 0xff, [11] = 0xff, 6, 0, 0, 9}, .port = 9, .transport = TRANSPORT_UDP};

struct sent { /* to `elsewhere` */
    uint64_t bytes;
    uint32_t count;
};

static bool watch(struct party *p, struct letter *l)
{
    struct sent *s = p->context;
    if (!endpoint_equal(&l->to, &elsewhere)) return true;
    s->bytes += l->len;
    s->count++;
    return true;
}

static struct party *two(uint64_t seed, bool lane, struct sent *s)
{
    struct party *p = party_new(&crypto_fake, seed);
    party_guest(p, &(struct guest_options){.lane = lane, .founder = true});
    party_guest(p, &(struct guest_options){.seeds = {1}});
    party_run(p, SECONDS(5));
    *s = (struct sent){0};
    p->tap = watch;
    p->context = s;
    return p;
}

static bool is_at(const struct guest *a, const struct guest *b, const struct endpoint *at)
{
    const struct link *l = guest_link(a, b);
    struct endpoint is = l ? link_endpoint(l) : (struct endpoint){0};
    return l && link_path(l) == PATH_DIRECT && endpoint_equal(&is, at);
}

/* Somebody replays what it saw from an address of its own: nothing goes there. */
static void replayed(void **state)
{
    struct sent s;
    struct party *p = two(1, true, &s);
    struct guest *a = p->guests[0], *b = p->guests[1];
    (void)state;
    p->booking = true;
    assert_true(party_pings(p, b, a));
    p->booking = false;
    for (uint32_t i = 0; i < p->book_count; i++)
        if (endpoint_equal(&p->book[i].to, &a->at))
            party_give(p, a, &elsewhere, p->book[i].bytes, p->book[i].len);
    party_run(p, SECONDS(5));
    assert_int_equal(s.count, 0);
    assert_true(is_at(a, b, &b->at));
    party_close(p);
}

/* Somebody on the way hands in fresh datagrams from an address of its own, before they arrive: one challenge a second goes
 * there, at most three times as many bytes as came from there; the path stays, and so does the traffic. */
static void diverted(void **state)
{
    static const uint8_t frames[][64] = {
        {KIND_CONTROL, 0xc0}, {KIND_PING}, {KIND_ACK, 1}, {KIND_IP}};
    static const uint8_t lens[] = {2, PING_SIZE, 4, 60};
    (void)state;
    for (unsigned hot = 0; hot < 2; hot++) {
        for (unsigned f = 0; f < 4; f++) {
            struct sent s;
            struct party *p = two(2 + f, true, &s);
            struct guest *a = p->guests[0], *b = p->guests[1];
            uint8_t inner[128];
            uint64_t given = 0;
            size_t len = party_ip_frame(a, b->ipv4, 1, inner);
            if (hot) assert_true(guest_send(p, b, a, NULL, inner, len));
            for (uint32_t i = 0; i < 60; i++) {
                party_run(p, MILLIS(500));
                if (f == 3) len = party_ip_frame(a, b->ipv4, 2 + i, inner);
                bool gone = f == 3 ? guest_send(p, b, a, &elsewhere, inner, len)
                                   : guest_send(p, b, a, &elsewhere, frames[f], lens[f]);
                assert_true(gone);
                given += (f == 3 ? len : lens[f]) + DATA_OVERHEAD;
                assert_true(s.bytes <= 3 * given);
                assert_true(is_at(a, b, &b->at));
            }
            assert_true(f == 1 || s.count <= 31);
            assert_true(s.count > 0);
            uint32_t before = s.count;
            party_tun(p, a, b->ipv4, 999, 500);
            party_run(p, MILLIS(10));
            assert_int_equal(s.count, before);
            party_close(p);
        }
    }
}

static void other_place(struct party *p, struct guest *g)
{
    (void)p;
    g->at = endpoint_v4(0x07000001, 7777);
}

/* The peer is really there: traffic moves after the challenge, and none is lost but what went to the old place. */
static void moved(void **state)
{
    (void)state;
    for (unsigned lanes = 0; lanes < 2; lanes++) {
        struct party *p = party_of(&crypto_fake, 7 + lanes, 3, lanes, NULL);
        struct guest *a = p->guests[0], *b = p->guests[1];
        if (lanes) party_tun(p, a, b->ipv4, 1, 100);
        party_run(p, SECONDS(1));
        other_place(p, b);
        for (uint32_t i = 0; i < 30; i++) { /* it talks from there, and does not know it moved */
            if (lanes)
                party_tun(p, b, a->ipv4, 10 + i, 100);
            else
                party_command(p, b, CMD_PING, a);
            party_run(p, MILLIS(100));
        }
        assert_true(is_at(a, b, &b->at));
        for (uint32_t i = 0; lanes && i < 30; i++) assert_int_equal(a->got[10 + i], 1);
        if (lanes) {
            party_tun(p, a, b->ipv4, 50, 100);
            party_run(p, MILLIS(100));
            assert_int_equal(b->got[50], 1);
        }
        assert_true(party_pings(p, a, b));
        party_close(p);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(replayed),
        cmocka_unit_test(diverted),
        cmocka_unit_test(moved),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
