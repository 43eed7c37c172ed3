/* Whoever has the overlay key but no certificate of ours gets neither link, nor record, nor relay. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static const uint8_t bad[] = {PAPERS_FOREIGN, PAPERS_EXPIRED, PAPERS_OTHERS};

static uint32_t at_last(struct party *p)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i + 1 < p->count; i++)
        n += guest_link(p->guests[i], p->guests[p->count - 1]) != NULL;
    return n;
}

/* It dials members; a minute later nobody has a link to it, and nothing of it is left. */
static void it_dials(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof bad; i++) {
        struct party *p = party_of(&crypto_real, 10 + i, 2, false, NULL);
        struct holding before = guest_holds(p->guests[0]);
        uint32_t up = p->guests[0]->notices[NOTICE_PEER_UP];
        party_guest(p, &(struct guest_options){.papers = bad[i], .as = 1, .seeds = {1, 2}});
        for (unsigned s = 0; s < 60; s++) {
            party_run(p, SECONDS(1));
            assert_int_equal(at_last(p), 0);
        }
        assert_true(guest_dropped(p->guests[0], DROP_CERT) > 0);
        assert_int_equal(p->guests[0]->notices[NOTICE_PEER_UP], up);
        struct holding after = guest_holds(p->guests[0]);
        assert_true(after.identities <= before.identities && after.links == before.links);
        party_close(p);
    }
}

/* A member dials it, as a seed: it answers, but its certificate is refused. */
static void it_is_dialled(void **state)
{
    (void)state;
    for (unsigned i = 0; i < sizeof bad; i++) {
        struct party *p = party_of(&crypto_real, 20 + i, 2, false, NULL);
        struct guest *h = party_guest(p, &(struct guest_options){.papers = bad[i], .as = 1});
        uint32_t up = p->guests[0]->notices[NOTICE_PEER_UP];
        assert_true(party_dial(p, p->guests[0], &h->at, &ID_ZERO));
        for (unsigned s = 0; s < 20; s++) {
            party_run(p, SECONDS(1));
            assert_int_equal(at_last(p), 0);
        }
        assert_true(guest_dropped(p->guests[0], DROP_CERT) > 0);
        assert_int_equal(p->guests[0]->notices[NOTICE_PEER_UP], up);
        assert_int_equal(guest_overlay(p->guests[0])->link_count, 1);
        party_close(p);
    }
}

static bool withhold(struct party *p, struct letter *l)
{
    const struct guest *h = p->context;
    return !endpoint_equal(&l->from, &h->at) || l->bytes[0] != OUTER_DATA;
}

static size_t control(uint8_t *out, unsigned op, const struct id *id, bool routed)
{
    uint8_t body[128];
    struct pack k = pack_of(body + 1, sizeof body - 1);
    body[0] = KIND_CONTROL;
    pack_array(&k, op == CONTROL_GET || op == CONTROL_PUT ? 4 : 3);
    pack_uint(&k, op);
    if (routed) pack_uint(&k, 9);
    pack_bin(&k, id->b, ID_SIZE);
    if (!routed) pack_uint(&k, 60);
    if (op == CONTROL_GET || op == CONTROL_PUT) pack_bin(&k, id->b, ID_SIZE);
    ensure(!k.bad);
    if (!routed) {
        memcpy(out, body, k.len + 1);
        return k.len + 1;
    }
    struct routed r = {.mode = ROUTE_NEAREST,
                       .ttl = 9,
                       .seq = (uint16_t)op,
                       .src = *id,
                       .dst = *id,
                       .body = body,
                       .body_len = k.len + 1};
    r.dst.b[0] ^= 1;
    return routed_write(out, 256, &r);
}

/* Keys are agreed and its certificate does not come: until then nothing of what it says passes. */
static void before_the_certificate(void **state)
{
    struct party *p = party_of(&crypto_fake, 30, 3, true, NULL);
    struct guest *a = p->guests[0],
                 *h = party_guest(p, &(struct guest_options){.papers = PAPERS_FOREIGN});
    uint8_t frames[16][256];
    size_t lens[16], n = 0;
    (void)state;
    p->tap = withhold;
    p->context = h;
    assert_true(party_dial(p, a, &h->at, &ID_ZERO));
    party_run(p, MILLIS(100));
    assert_non_null(guest_link(h, a));
    assert_null(guest_link(a, h));
    static const unsigned routed_ops[] = {CONTROL_FIND, CONTROL_GET, CONTROL_PUT, CONTROL_GOT,
                                          CONTROL_STORE};
    static const unsigned link_ops[] = {CONTROL_NEAR, CONTROL_CANDIDATES, CONTROL_RELAY_OPEN,
                                        CONTROL_RELAY_IN};
    for (unsigned i = 0; i < sizeof routed_ops / sizeof *routed_ops; i++, n++)
        lens[n] = control(frames[n], routed_ops[i], &h->self.id, true);
    for (unsigned i = 0; i < sizeof link_ops / sizeof *link_ops; i++, n++)
        lens[n] = control(frames[n], link_ops[i], &p->guests[1]->self.id, false);
    lens[n] = ping_write(frames[n], 256, &(struct ping){.flags = PING_CHALLENGE, .token = 1}), n++;
    lens[n] = pong_write(frames[n], 256, &(struct pong){.token = 1}), n++;
    lens[n] = party_ip_frame(a, h->ipv4, 1, frames[n]), n++;
    memset(frames[n], 0, 64), frames[n][0] = KIND_RELAYED, lens[n++] = 64;
    memset(frames[n], 0, 64), frames[n][0] = KIND_ETHERNET, lens[n++] = 64;
    lens[n] = ack_write(frames[n], 256, &(struct ack){.count = 1, .seq = {1}}), n++;
    struct holding before = guest_holds(a);
    uint64_t sent = a->sent;
    uint32_t drops = guest_dropped(a, DROP_UNCERTIFIED);
    for (size_t i = 0; i < n; i++) {
        assert_true(guest_send(p, h, a, NULL, frames[i], lens[i]));
        assert_int_equal(guest_dropped(a, DROP_UNCERTIFIED) - drops, i + 1);
        assert_int_equal(a->sent, sent);
    }
    struct holding after = guest_holds(a);
    assert_true(holding_equal(&before, &after));
    assert_int_equal(a->tun_count, 0);
    party_run(p, SECONDS(30));
    assert_int_equal(guest_overlay(a)->link_count, 2); /* it was let go */
    p->tap = NULL;
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(it_dials),
        cmocka_unit_test(it_is_dialled),
        cmocka_unit_test(before_the_certificate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
