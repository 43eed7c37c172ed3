/* Whose slot is it? What a replica keeps and a reader believes under a slot's key, and what not. */
#include "overlay/dht.h"
#include "overlay/slot.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define NOW_S  1800000000u
#define DAY_S  86400u
#define YEAR_S (365u * DAY_S)

struct
    papers { /* an overlay, a network, an invite of two slots and two nodes that joined with it; real keys */
    struct identity authority, network, invite, node[2];
    uint8_t chain[CHAIN_BYTES];
    size_t len;
};

static struct identity number(uint8_t n)
{
    struct identity i;
    uint8_t seeds[2][32] = {{n}, {n, 1}};
    identity_from_seeds(&i, &crypto_real, seeds[0], seeds[1]);
    return i;
}

/* A chain for one of the nodes; uses 0: certified by the network itself. */
static void issue(struct papers *p, const struct identity *authority, unsigned who, uint8_t serial,
                  uint32_t slot, uint32_t uses, uint64_t expires_s)
{
    uint8_t bytes[3][CHAIN_BYTES];
    struct span certs[3];
    struct cert network = {.kind = CERT_NETWORK,
                           .not_before_s = NOW_S - DAY_S,
                           .expires_s = expires_s,
                           .name = {"home"},
                           .mode = 3};
    struct cert invite = {.kind = CERT_INVITE,
                          .serial = {serial},
                          .not_before_s = NOW_S - DAY_S,
                          .expires_s = expires_s,
                          .uses = uses};
    struct cert node = {.kind = CERT_NODE,
                        .not_before_s = NOW_S - DAY_S,
                        .expires_s = expires_s,
                        .name = {"n"},
                        .slot = slot,
                        .id = p->node[who].id};
    uint32_t n = 0;
    memcpy(network.key, p->network.ed_pk, 32);
    memcpy(invite.key, p->invite.ed_pk, 32);
    const struct crypto *c = &crypto_real;
    certs[n].len = cert_sign(bytes[n], CHAIN_BYTES, c, &network, authority->ed_seed,
                             authority->ed_pk);
    certs[n].p = bytes[n], n++;
    const struct identity *issuer = &p->network;
    if (uses) {
        certs[n].len = cert_sign(bytes[n], CHAIN_BYTES, c, &invite, issuer->ed_seed, issuer->ed_pk);
        certs[n].p = bytes[n], n++;
        issuer = &p->invite;
    }
    certs[n].len = cert_sign(bytes[n], CHAIN_BYTES, c, &node, issuer->ed_seed, issuer->ed_pk);
    certs[n].p = bytes[n], n++;
    p->len = chain_write(p->chain, CHAIN_BYTES, certs, n);
    assert_true(p->len > 0);
}

static struct papers papers(void)
{
    struct papers p = {.authority = number(1),
                       .network = number(2),
                       .invite = number(3),
                       .node = {number(4), number(5)}};
    issue(&p, &p.authority, 0, 7, 1, 2, NOW_S + YEAR_S);
    return p;
}

/* The claim of a slot by one of the nodes, with the chain as it is now: signed, read back, judged. */
static bool proven_at(const struct papers *p, unsigned who, uint8_t serial, uint32_t slot,
                      uint64_t now_s)
{
    uint8_t bytes[RECORD_BYTES], text[16] = {serial};
    struct record r = {
        .name = record_name_slot(text, slot), .seq = 1, .ttl_s = 60, .value = {p->chain, p->len}};
    struct record back;
    size_t len = record_sign(bytes, sizeof bytes, &crypto_real, &r, &p->node[who]);
    assert_true(len > 0);
    assert_int_equal(record_verify((struct span){bytes, len}, &crypto_real, now_s, &back), OK);
    return slot_proven(&back, &crypto_real, p->authority.ed_pk, now_s);
}

static bool is_proven(const struct papers *p, unsigned who, uint8_t serial, uint32_t slot)
{
    return proven_at(p, who, serial, slot, NOW_S);
}

static void its_holder_may(void **state)
{
    struct papers p = papers();
    (void)state;
    assert_true(is_proven(&p, 0, 7, 1));
    assert_true(proven_at(&p, 0, 7, 1, 0)); /* who knows what day it is */
}

static void nobody_else_may(void **state)
{
    struct papers p = papers();
    (void)state;
    assert_false(is_proven(&p, 0, 8, 1)); /* another invite */
    assert_false(is_proven(&p, 0, 7, 0)); /* another slot of it */
    assert_false(is_proven(&p, 0, 7, 2));
    assert_false(is_proven(&p, 1, 7, 1)); /* with somebody else's certificate */
    p.chain[p.len - 1] ^= 1;
    assert_false(is_proven(&p, 0, 7, 1));
    p.len = 0;
    assert_false(is_proven(&p, 0, 7, 1));
    issue(&p, &p.authority, 0, 7, 2, 2, NOW_S + YEAR_S); /* the invite has no such slot */
    assert_false(is_proven(&p, 0, 7, 2));
    issue(&p, &p.authority, 0, 0, 0, 0, NOW_S + YEAR_S); /* no invite at all */
    assert_false(is_proven(&p, 0, 0, 0));
    issue(&p, &p.node[1], 0, 7, 1, 2, NOW_S + YEAR_S); /* another overlay's */
    assert_false(is_proven(&p, 0, 7, 1));
}

static void not_for_ever(void **state)
{
    struct papers p = papers();
    (void)state;
    issue(&p, &p.authority, 0, 7, 1, 2, NOW_S);
    assert_true(proven_at(&p, 0, 7, 1, NOW_S + CERT_TOLERANCE_S));
    assert_false(proven_at(&p, 0, 7, 1, NOW_S + CERT_TOLERANCE_S + 1));
}

static void other_claims_prove_nothing(void **state)
{
    struct papers p = papers();
    struct record r = {.name = record_name_of(RECORD_TAG_USER, "x", 1), .writer = p.node[0].id};
    (void)state;
    assert_true(slot_proven(&r, &crypto_real, p.authority.ed_pk, NOW_S));
}

static void names(void **state)
{
    struct papers p = papers();
    struct record_name n;
    struct membership m;
    (void)state;
    assert_int_equal(chain_verify((struct span){p.chain, p.len}, &crypto_real, p.authority.ed_pk,
                                  &p.node[0].id, NOW_S, &m),
                     OK);
    assert_true(slot_name(&m, &n));
    assert_int_equal(n.tag, RECORD_TAG_SLOT);
    assert_int_equal(n.len, RECORD_SLOT_NAME);
    assert_int_equal(n.b[0], 7);
    assert_int_equal(n.b[19], 1);
    m.uses = 0;
    assert_false(slot_name(&m, &n));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(its_holder_may), cmocka_unit_test(nobody_else_may),
        cmocka_unit_test(not_for_ever),   cmocka_unit_test(other_claims_prove_nothing),
        cmocka_unit_test(names),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
