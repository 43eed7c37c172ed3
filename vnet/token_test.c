#include "vnet/token.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

#define NOW_S  1000000000u
#define DAY_S  86400u
#define YEAR_S (365u * DAY_S)

static uint8_t authority_seed[32] = {1}, authority_pk[32], network_seed[32] = {2};
static const struct id joiner = {{9, 8, 7}};

static struct span signed_cert(uint8_t *room, const struct cert *body, const uint8_t seed[32],
                               const uint8_t pk[32])
{
    size_t len = cert_sign(room, CHAIN_BYTES, &crypto_real, body, seed, pk);
    assert_true(len > 0);
    return (struct span){.p = room, .len = len};
}

static struct cert network_cert(void)
{
    struct cert c = {.kind = CERT_NETWORK, .mode = 3, .range = {0x0a010000, 16}};
    c.not_before_s = NOW_S - DAY_S;
    c.expires_s = NOW_S + 10 * YEAR_S;
    strcpy(c.name.s, "office");
    crypto_real.ed25519_public(c.key, network_seed);
    return c;
}

static struct cert invite_cert(const struct token *t)
{
    struct cert c = {.kind = CERT_INVITE, .uses = 5, .group_count = 1};
    c.not_before_s = NOW_S;
    c.expires_s = NOW_S + DAY_S;
    strcpy(c.groups[0].s, "servers");
    memset(c.serial, 0x77, sizeof c.serial);
    crypto_real.ed25519_public(c.key, t->invite_seed);
    return c;
}

static void token_make(struct token *t, struct cert *invite)
{
    uint8_t room[2][CHAIN_BYTES];
    struct cert network = network_cert();
    *t = (struct token){.overlay = {.epoch = 3, .name = "acme"}, .created_s = NOW_S};
    memset(t->overlay.key, 0x11, 32);
    memset(t->invite_seed, 0x22, 32);
    crypto_real.ed25519_public(authority_pk, authority_seed);
    memcpy(t->authority_pk, authority_pk, 32);
    strcpy(t->seeds[0], "seed.example.org:7464");
    strcpy(t->seeds[1], "[2001:db8::1]:7464");
    t->seed_count = 2;
    struct cert usual = invite_cert(t);
    const struct span certs[2] = {
        signed_cert(room[0], &network, authority_seed, authority_pk),
        signed_cert(room[1], invite ? invite : &usual, network_seed, network.key),
    };
    t->chain_len = chain_write(t->chain, CHAIN_BYTES, certs, 2);
    assert_true(t->chain_len > 0);
}

static void there_and_back(void **state)
{
    struct token t, back;
    char text[TOKEN_TEXT], padded[TOKEN_TEXT + 8];
    (void)state;
    token_make(&t, NULL);
    size_t len = token_encode(&t, &crypto_real, text);
    assert_int_equal(len, strlen(text));
    assert_memory_equal(text, "ringlet1", 8);
    assert_int_equal(token_decode(&back, &crypto_real, text, len), OK);
    assert_memory_equal(&back, &t, sizeof t);
    snprintf(padded, sizeof padded, " \t%s\r\n", text); /* as pasted */
    assert_int_equal(token_decode(&back, &crypto_real, padded, strlen(padded)), OK);
    assert_memory_equal(&back, &t, sizeof t);
}

static void any_damage_is_told(void **state)
{
    struct token t, back;
    char text[TOKEN_TEXT];
    (void)state;
    token_make(&t, NULL);
    size_t len = token_encode(&t, &crypto_real, text);
    for (size_t i = 0; i < len; i++) {
        static const char other[] = "AZaz09-_ =+/\n\x01\xff";
        char was = text[i];
        for (const char *o = other; *o; o++) {
            if (*o == was) continue;
            text[i] = *o;
            /* a blank at the very end is not part of it: then a character is missing */
            enum err want = i == 7 && *o == '9' ? ERR_UNSUPPORTED : ERR_MALFORMED;
            assert_int_equal(token_decode(&back, &crypto_real, text, len), want);
        }
        text[i] = (char)(was ^ 0x20);
        assert_int_equal(token_decode(&back, &crypto_real, text, len), ERR_MALFORMED);
        text[i] = was;
        assert_int_equal(token_decode(&back, &crypto_real, text, i), ERR_MALFORMED);
    }
    memcpy(text + len, "AAAA", 5);
    for (size_t more = 1; more <= 4; more++)
        assert_int_equal(token_decode(&back, &crypto_real, text, len + more), ERR_MALFORMED);
    assert_int_equal(token_decode(&back, &crypto_real, text, len), OK);
}

static void a_full_one_fits(void **state)
{
    struct token t, back;
    char text[TOKEN_TEXT];
    (void)state;
    token_make(&t, NULL);
    t.chain_len = CHAIN_BYTES;
    memset(t.overlay.name, 'x', sizeof t.overlay.name - 1);
    t.overlay.epoch = UINT32_MAX;
    t.created_s = UINT64_MAX;
    t.seed_count = TOKEN_SEEDS_MAX;
    for (int i = 0; i < TOKEN_SEEDS_MAX; i++) memset(t.seeds[i], 's', TOKEN_SEED_TEXT - 1);
    size_t len = token_encode(&t, &crypto_real, text);
    assert_true(len > 0);
    assert_int_equal(token_decode(&back, &crypto_real, text, len), OK);
    assert_memory_equal(&back, &t, sizeof t);
}

/* As whom the joiner is known a month later, when the invite is long over. */
static void joins(const struct token *t, const char *host, struct membership *is)
{
    uint8_t chain[CHAIN_BYTES];
    size_t len;
    struct rng r;
    rng_seed(&r, t->invite_seed);
    assert_int_equal(token_issue(t, &crypto_real, &r, &joiner, host, NOW_S + 1, chain, &len), OK);
    struct span whole = {.p = chain, .len = len};
    uint64_t later_s = NOW_S + 30 * DAY_S;
    assert_int_equal(chain_verify(whole, &crypto_real, authority_pk, &joiner, later_s, is), OK);
}

static void whoever_joins_is_a_member_for_long(void **state)
{
    struct token t;
    struct membership is, net;
    struct cert invite;
    (void)state;
    token_make(&t, NULL);
    assert_int_equal(token_check(&t, &crypto_real, NOW_S, &net, &invite), OK);
    assert_string_equal(net.network.s, "office");
    assert_int_equal(invite.uses, 5);
    joins(&t, "laptop", &is);
    assert_string_equal(is.host.s, "laptop");
    assert_string_equal(is.groups[0].s, "servers");
    assert_int_equal(is.group_count, 1);
    assert_int_equal(is.uses, 5);
    assert_true(is.slot < 5);
    assert_memory_equal(is.invite, invite.serial, 16);
    /* an invite of a day makes a membership that lasts as long as the network */
    assert_int_equal(is.expires_s, NOW_S + 10 * YEAR_S);
}

static void what_the_invite_fixes_stays(void **state)
{
    struct token t;
    struct membership is;
    struct rng r;
    uint8_t chain[CHAIN_BYTES];
    size_t len;
    (void)state;
    token_make(&t, NULL);
    struct cert invite = invite_cert(&t);
    strcpy(invite.name.s, "printer");
    invite.ipv4 = 0x0a010005;
    token_make(&t, &invite);
    joins(&t, "", &is);
    assert_string_equal(is.host.s, "printer");
    assert_int_equal(is.ipv4, 0x0a010005);
    joins(&t, "printer", &is);
    rng_seed(&r, t.invite_seed);
    assert_int_equal(token_issue(&t, &crypto_real, &r, &joiner, "other", NOW_S, chain, &len),
                     ERR_DENIED);
}

static void slots_are_drawn(void **state)
{
    struct token t;
    struct membership is;
    struct rng r;
    uint8_t chain[CHAIN_BYTES];
    uint32_t seen[5] = {0};
    (void)state;
    token_make(&t, NULL);
    rng_seed(&r, t.invite_seed);
    for (int i = 0; i < 60; i++) {
        size_t len;
        assert_int_equal(token_issue(&t, &crypto_real, &r, &joiner, "h", NOW_S, chain, &len), OK);
        struct span whole = {.p = chain, .len = len};
        assert_int_equal(chain_verify(whole, &crypto_real, authority_pk, &joiner, NOW_S, &is), OK);
        seen[is.slot]++;
    }
    for (int i = 0; i < 5; i++) assert_true(seen[i] > 0);
    for (uint32_t slot = 0; slot < 5; slot++) { /* or chosen */
        size_t len;
        assert_int_equal(
            token_issue_slot(&t, &crypto_real, &r, &joiner, "h", slot, NOW_S, chain, &len), OK);
        struct span whole = {.p = chain, .len = len};
        assert_int_equal(chain_verify(whole, &crypto_real, authority_pk, &joiner, NOW_S, &is), OK);
        assert_int_equal(is.slot, slot);
    }
}

static void refusals(void **state)
{
    struct token t, bad;
    struct membership net;
    struct cert invite;
    struct rng r;
    uint8_t chain[CHAIN_BYTES];
    size_t len;
    (void)state;
    token_make(&t, NULL);
    rng_seed(&r, t.invite_seed);
#define ISSUE(token, host, now_s)                                                                  \
    token_issue(token, &crypto_real, &r, &joiner, host, now_s, chain, &len)
    assert_int_equal(ISSUE(&t, "", NOW_S), ERR_INVALID);
    assert_int_equal(ISSUE(&t, "not a label", NOW_S), ERR_INVALID);
    assert_int_equal(ISSUE(&t, "laptop", NOW_S + DAY_S + 1), ERR_EXPIRED);
    assert_int_equal(
        token_issue_slot(&t, &crypto_real, &r, &joiner, "laptop", 5, NOW_S, chain, &len),
        ERR_EXHAUSTED);
    assert_int_equal(ISSUE(&t, "laptop", NOW_S + 30 * DAY_S), ERR_EXPIRED);
    bad = t, bad.authority_pk[5] ^= 1; /* another overlay's */
    assert_int_equal(token_check(&bad, &crypto_real, NOW_S, &net, &invite), ERR_CRYPTO);
    assert_int_equal(ISSUE(&bad, "laptop", NOW_S), ERR_CRYPTO);
    bad = t, bad.invite_seed[5] ^= 1; /* another invite's seed */
    assert_int_equal(token_check(&bad, &crypto_real, NOW_S, &net, &invite), ERR_CRYPTO);
    bad = t, bad.chain[bad.chain_len - 1] ^= 1;
    assert_int_equal(token_check(&bad, &crypto_real, NOW_S, &net, &invite), ERR_CRYPTO);
    /* a network's chain alone invites nobody */
    struct span certs[CHAIN_MAX], whole = {.p = t.chain, .len = t.chain_len};
    uint32_t count;
    assert_int_equal(chain_split(whole, certs, &count), OK);
    bad = t, bad.chain_len = chain_write(bad.chain, CHAIN_BYTES, certs, 1);
    assert_int_equal(token_check(&bad, &crypto_real, NOW_S, &net, &invite), ERR_DENIED);
}

/* A later version says so instead of "damaged". */
static void newer_versions_are_named(void **state)
{
    static const char newer[] = "ringlet1kwID"; /* [2, 3 and the first byte of a checksum */
    struct token t;
    char text[64] = "ringlet1";
    (void)state;
    assert_int_equal(token_decode(&t, &crypto_real, newer, sizeof newer - 1), ERR_MALFORMED);
    const uint8_t body[] = {0x92, 0x02, 0xa1, 'x'}; /* [2, "x"] */
    uint8_t hash[32], whole[12];
    crypto_real.hash(hash, 32, body, sizeof body, NULL, 0);
    memcpy(whole, body, 4), memcpy(whole + 4, hash, 8);
    for (size_t i = 0; i < 4; i++) { /* base64url of 12 bytes */
        static const char alphabet[] =
            "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
        uint32_t v = (uint32_t)whole[3 * i] << 16 | whole[3 * i + 1] << 8 | whole[3 * i + 2];
        for (size_t k = 0; k < 4; k++) text[8 + 4 * i + k] = alphabet[v >> (18 - 6 * k) & 63];
    }
    assert_int_equal(token_decode(&t, &crypto_real, text, 24), ERR_UNSUPPORTED);
    assert_int_equal(token_decode(&t, &crypto_real, "ringlet9!other", 14), ERR_UNSUPPORTED);
    assert_int_equal(token_decode(&t, &crypto_real, "ringlet2", 8), ERR_UNSUPPORTED);
    assert_int_equal(token_decode(&t, &crypto_real, "ringlet0AAAA", 12), ERR_MALFORMED);
    assert_int_equal(token_decode(&t, &crypto_real, "ringlets", 8), ERR_MALFORMED);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(any_damage_is_told),
        cmocka_unit_test(a_full_one_fits),
        cmocka_unit_test(whoever_joins_is_a_member_for_long),
        cmocka_unit_test(what_the_invite_fixes_stays),
        cmocka_unit_test(slots_are_drawn),
        cmocka_unit_test(refusals),
        cmocka_unit_test(newer_versions_are_named),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
