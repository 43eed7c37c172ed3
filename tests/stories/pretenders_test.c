/* Somebody says it is somebody else: by an id that is not its own, and by the source of an inner packet. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

/* At an endpoint where a peer was known to be somebody else answers, who has the overlay key and that peer's public papers. */
static void stolen_id_answers(void **state)
{
    struct party *p = party_of(&crypto_real, 1, 3, false, NULL);
    struct guest *a = p->guests[0], *owner = p->guests[2];
    struct guest *thief = party_guest(p, &(struct guest_options){.steals = true, .as = 2});
    struct holding before = guest_holds(a);
    (void)state;
    assert_true(party_dial(p, a, &thief->at, &owner->self.id));
    party_run(p, SECONDS(10));
    assert_true(guest_dropped(a, DROP_STOLEN_ID) > 0);
    struct endpoint at = link_endpoint(guest_link(a, owner));
    assert_true(endpoint_equal(&at, &owner->at));
    assert_true(party_pings(p, a, owner));
    struct holding after = guest_holds(a);
    assert_int_equal(before.links, after.links);
    party_close(p);
}

/* It dials, with the papers of the other: what Noise proved is not what they say. */
static void stolen_id_dials(void **state)
{
    struct party *p = party_of(&crypto_real, 2, 3, false, NULL);
    struct guest *a = p->guests[0], *owner = p->guests[2];
    uint32_t up = a->notices[NOTICE_PEER_UP];
    (void)state;
    party_guest(p, &(struct guest_options){.steals = true, .as = 2, .seeds = {1}});
    party_run(p, SECONDS(30));
    assert_true(guest_dropped(a, DROP_CERT) > 0);
    assert_int_equal(a->notices[NOTICE_PEER_UP], up);
    assert_int_equal(guest_overlay(a)->link_count, 2);
    struct endpoint at = link_endpoint(guest_link(a, owner));
    assert_true(endpoint_equal(&at, &owner->at));
    assert_true(party_pings(p, a, owner));
    party_close(p);
}

static size_t frame6(const struct guest *to, const uint8_t src[16], const uint8_t dst[16],
                     uint8_t out[128])
{
    memset(out, 0, 128);
    out[0] = KIND_IP;
    out[1] = to->node->networks[0]->tag;
    uint8_t *ip = out + IP_HEADER;
    ip[0] = 0x60, ip[5] = 20, ip[6] = 253, ip[7] = 64;
    memcpy(ip + 8, src, 16);
    memcpy(ip + 24, dst, 16);
    return IP_HEADER + 60;
}

static void spoof(struct party *p, struct guest *to, struct guest *by, bool hot)
{
    const struct guest *other = p->guests[2];
    static const uint32_t strange[] = {0x0a4d00ff, 0x08080808, 0, 0xffffffff, 0x7f000001};
    uint8_t frame[128];
    uint32_t came = to->tun_count, drops = guest_dropped(to, DROP_SPOOFED), given = 0;
    assert_true(!!(guest_link(to, by)->s.flags & SESSION_HOT) == hot);
    size_t len = party_ip_frame(to, other->ipv4, 1, frame);
    assert_true(guest_send(p, by, to, NULL, frame, len)), given++;
    len = party_ip_frame(to, to->ipv4, 1, frame); /* ours */
    assert_true(guest_send(p, by, to, NULL, frame, len)), given++;
    for (unsigned i = 0; i < sizeof strange / sizeof *strange; i++, given++) {
        len = party_ip_frame(to, strange[i], 1, frame);
        assert_true(guest_send(p, by, to, NULL, frame, len));
    }
    const uint8_t *own6 = to->node->networks[0]->ipv6, *his = by->node->networks[0]->ipv6;
    len = frame6(to, other->node->networks[0]->ipv6, own6, frame);
    assert_true(guest_send(p, by, to, NULL, frame, len)), given++;
    uint8_t near_miss[16]; /* all but the last bit */
    memcpy(near_miss, his, 16);
    near_miss[15] ^= 1;
    len = frame6(to, near_miss, own6, frame);
    assert_true(guest_send(p, by, to, NULL, frame, len)), given++;
    party_run(p, MILLIS(10));
    assert_int_equal(to->tun_count, came);
    assert_int_equal(guest_dropped(to, DROP_SPOOFED) - drops, given);
    assert_true(!!(guest_link(to, by)->s.flags & SESSION_HOT) == hot);
}

static void spoofed_source(void **state)
{
    struct party *p = party_new(&crypto_fake, 3);
    uint8_t frame[128];
    (void)state;
    for (uint32_t i = 0; i < 3;
         i++) /* the sender's session stays where the test can seal with it */
        party_guest(p,
                    &(struct guest_options){.lane = i == 0, .founder = i == 0, .seeds = {i > 0}});
    party_run(p, SECONDS(5));
    struct guest *to = p->guests[0], *by = p->guests[1];
    spoof(p, to, by, false);
    size_t len = party_ip_frame(to, by->ipv4, 7, frame);
    assert_true(guest_send(p, by, to, NULL, frame, len));
    assert_int_equal(to->got[7], 1);
    spoof(p, to, by, true);
    len = party_ip_frame(to, by->ipv4, 8, frame);
    assert_true(guest_send(p, by, to, NULL, frame, len));
    assert_int_equal(to->got[8], 1);
    len = frame6(to, by->node->networks[0]->ipv6, to->node->networks[0]->ipv6, frame);
    uint32_t came = to->tun_count;
    assert_true(guest_send(p, by, to, NULL, frame, len));
    assert_int_equal(to->tun_count, came + 1);
    /* to an address that is not ours, or of a network that we are not in */
    struct guest other = *p->guests[2];
    len = party_ip_frame(&other, by->ipv4, 9, frame);
    assert_true(guest_send(p, by, to, NULL, frame, len));
    len = party_ip_frame(to, by->ipv4, 9, frame);
    frame[1] ^= 1;
    assert_true(guest_send(p, by, to, NULL, frame, len));
    party_run(p, MILLIS(10));
    assert_int_equal(to->got[9], 0);
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(stolen_id_answers),
        cmocka_unit_test(stolen_id_dials),
        cmocka_unit_test(spoofed_source),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
