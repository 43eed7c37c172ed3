#include "overlay/cert.h"

#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S          1800000000u
#define DAY_S          86400u
#define IP(a, b, c, d) ((uint32_t)(a) << 24 | (b) << 16 | (c) << 8 | (d))

struct key {
    uint8_t seed[32], pk[32];
};
struct
    world { /* an overlay with a network, an invite and a node; tests change one thing and see it refused */
    const struct crypto *c;
    struct key authority, network_key, invite_key;
    struct cert network, invite, node, direct; /* direct: a node without invite */
    uint8_t chain[CHAIN_BYTES];
    size_t len;
    struct membership m;
};

static struct name_text name(const char *s)
{
    struct name_text out = {{0}};
    memcpy(out.s, s, strlen(s));
    return out;
}

static struct key key_of(const struct crypto *c, uint8_t n)
{
    struct key k = {.seed = {n}};
    c->ed25519_public(k.pk, k.seed);
    return k;
}

static void world_init(struct world *w, const struct crypto *c)
{
    *w = (struct world){
        .c = c, .authority = key_of(c, 1), .network_key = key_of(c, 2), .invite_key = key_of(c, 3)};
    w->network = (struct cert){.kind = CERT_NETWORK,
                               .serial = {1},
                               .not_before_s = NOW_S - 100 * DAY_S,
                               .expires_s = NOW_S + 1000 * DAY_S,
                               .name = name("home"),
                               .range = {IP(10, 7, 0, 0), 16},
                               .mode = 3};
    memcpy(w->network.key, w->network_key.pk, 32);
    w->invite = (struct cert){.kind = CERT_INVITE,
                              .serial = {2},
                              .not_before_s = NOW_S - 10 * DAY_S,
                              .expires_s = NOW_S + 30 * DAY_S,
                              .uses = 5,
                              .groups = {name("admins"), name("web-servers")},
                              .group_count = 2};
    memcpy(w->invite.key, w->invite_key.pk, 32);
    w->node = (struct cert){.kind = CERT_NODE,
                            .serial = {3},
                            .not_before_s = NOW_S - 10,
                            .expires_s = NOW_S + 20 * DAY_S,
                            .name = name("laptop"),
                            .id = {{1, 2, 3}},
                            .slot = 4,
                            .groups = {name("admins")},
                            .group_count = 1};
    w->direct = w->node;
    w->direct.slot = 0;
    w->direct.ipv4 = IP(10, 7, 0, 5);
}

static void sign_chain(struct world *w, const struct cert *const *certs,
                       const struct key *const *issuers, uint32_t n)
{
    uint8_t bytes[CHAIN_MAX + 1][CHAIN_BYTES];
    struct span spans[CHAIN_MAX + 1];
    for (uint32_t i = 0; i < n; i++) {
        size_t len = cert_sign(bytes[i], sizeof bytes[i], w->c, certs[i], issuers[i]->seed,
                               issuers[i]->pk);
        assert_true(len > 0);
        spans[i] = (struct span){bytes[i], len};
    }
    w->len = chain_write(w->chain, sizeof w->chain, spans, n);
    assert_true(w->len > 0);
}

static enum err verify_at(struct world *w, uint64_t now_s)
{
    return chain_verify((struct span){w->chain, w->len}, w->c, w->authority.pk, &w->node.id, now_s,
                        &w->m);
}

static enum err verify(struct world *w)
{
    return verify_at(w, NOW_S);
}

static enum err with_invite(struct world *w)
{
    const struct cert *const certs[] = {&w->network, &w->invite, &w->node};
    const struct key *const issuers[] = {&w->authority, &w->network_key, &w->invite_key};
    sign_chain(w, certs, issuers, 3);
    return verify(w);
}

static enum err without_invite(struct world *w)
{
    const struct cert *const certs[] = {&w->network, &w->direct};
    const struct key *const issuers[] = {&w->authority, &w->network_key};
    sign_chain(w, certs, issuers, 2);
    return verify(w);
}

static enum err token(struct world *w, uint32_t count, struct cert *last)
{
    const struct cert *const certs[] = {&w->network, &w->invite, &w->node};
    const struct key *const issuers[] = {&w->authority, &w->network_key, &w->invite_key};
    sign_chain(w, certs, issuers, count);
    return chain_verify_issuer((struct span){w->chain, w->len}, w->c, w->authority.pk, NOW_S, &w->m,
                               last);
}

/* --- what is good --- */

static void test_node_under_an_invite(void **state)
{
    (void)state;
    const struct crypto *const tables[] = {&crypto_real, &crypto_fake};
    for (int t = 0; t < 2; t++) {
        struct world w;
        world_init(&w, tables[t]);
        assert_int_equal(with_invite(&w), OK);
        assert_memory_equal(w.m.network_key, w.network_key.pk, 32);
        assert_string_equal(w.m.network.s, "home");
        assert_string_equal(w.m.host.s, "laptop");
        assert_int_equal(w.m.range.net, IP(10, 7, 0, 0));
        assert_int_equal(w.m.range.prefix, 16);
        assert_int_equal(w.m.mode, 3);
        assert_true(id_equal(&w.m.id, &w.node.id));
        assert_memory_equal(w.m.invite, w.invite.serial, 16);
        assert_int_equal(w.m.slot, 4);
        assert_int_equal(w.m.uses, 5);
        assert_int_equal(w.m.ipv4, 0);
        assert_int_equal(w.m.expires_s, w.node.expires_s);
        assert_int_equal(w.m.group_count, 1);
        assert_string_equal(w.m.groups[0].s, "admins");
    }
}

static void test_node_under_the_network(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &crypto_real);
    static const uint8_t none[16];
    assert_int_equal(without_invite(&w), OK);
    assert_memory_equal(w.m.invite, none, 16);
    assert_int_equal(w.m.uses, 0);
    assert_int_equal(w.m.ipv4, IP(10, 7, 0, 5));
}

static void test_tokens(void **state)
{
    (void)state;
    struct world w;
    struct cert last;
    world_init(&w, &crypto_real);
    assert_int_equal(token(&w, 1, &last), OK);
    assert_int_equal(last.kind, CERT_NETWORK);
    assert_int_equal(token(&w, 2, &last), OK);
    assert_int_equal(last.kind, CERT_INVITE);
    assert_memory_equal(last.key, w.invite_key.pk, 32);
    assert_memory_equal(w.m.invite, w.invite.serial, 16);
    assert_int_equal(w.m.uses, 5);
    assert_int_equal(w.m.group_count, 2);
    assert_int_equal(token(&w, 3, &last), ERR_DENIED); /* a node issues nothing */
    w.invite.ipv4 = IP(10, 8, 0, 1);                   /* its rules hold in a token too */
    assert_int_equal(token(&w, 2, &last), ERR_DENIED);
    assert_int_equal(with_invite(&w), ERR_DENIED);
}

static void test_decoding_gives_what_was_signed(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &crypto_fake);
    w.invite.ipv4 = IP(10, 7, 9, 9), w.invite.name = name("printer");
    const struct cert *certs[] = {&w.network, &w.invite, &w.node, &w.direct};
    for (int i = 0; i < 4; i++) {
        uint8_t bytes[CHAIN_BYTES];
        struct cert out;
        size_t len = cert_sign(bytes, sizeof bytes, w.c, certs[i], w.authority.seed,
                               w.authority.pk);
        assert_int_equal(cert_decode((struct span){bytes, len}, &out), OK);
        assert_memory_equal(&out, certs[i], sizeof out);
        bytes[len] = 0xc0;
        assert_int_equal(cert_decode((struct span){bytes, len + 1}, &out), ERR_MALFORMED);
        for (size_t max = 0; max < len; max++)
            assert_int_equal(cert_sign(bytes, max, w.c, certs[i], w.authority.seed, w.authority.pk),
                             0);
    }
}

/* --- every rule, broken alone --- */

#define BREAK(change, how, want)                                                                   \
    do {                                                                                           \
        struct world w;                                                                            \
        world_init(&w, &crypto_fake);                                                              \
        assert_int_equal(how(&w), OK);                                                             \
        change;                                                                                    \
        assert_int_equal(how(&w), want);                                                           \
    } while (0)

static void test_never_more_than_the_parent(void **state)
{
    (void)state;
    BREAK(w.node.expires_s = w.invite.expires_s + 1, with_invite, OK);
    BREAK(w.node.expires_s = w.network.expires_s + 1, with_invite, ERR_DENIED);
    BREAK((w.node.not_before_s = w.invite.expires_s + 1, w.node.expires_s = w.network.expires_s),
          with_invite, ERR_DENIED);
    BREAK(w.invite.expires_s = w.network.expires_s + 1, with_invite, ERR_DENIED);
    BREAK(w.direct.expires_s = w.network.expires_s + 1, without_invite, ERR_DENIED);
    BREAK(w.node.slot = w.invite.uses, with_invite, ERR_DENIED);
    BREAK(w.node.slot = UINT32_MAX, with_invite, ERR_DENIED);
    BREAK(w.direct.slot = 1, without_invite, ERR_DENIED);
    BREAK(w.node.groups[0] = name("root"), with_invite, ERR_DENIED);
    BREAK((w.node.groups[1] = name("root"), w.node.group_count = 2), with_invite, ERR_DENIED);
    BREAK(w.invite.group_count = 0, with_invite, ERR_DENIED);
    BREAK(w.invite.name = name("phone"), with_invite, ERR_DENIED);
    BREAK(w.invite.name = w.node.name, with_invite, OK);
    BREAK(w.invite.ipv4 = IP(10, 7, 0, 9), with_invite,
          ERR_DENIED); /* the node has another: none */
    BREAK(w.invite.ipv4 = w.node.ipv4 = IP(10, 7, 0, 9), with_invite, OK);
    BREAK(w.node.ipv4 = IP(10, 7, 0, 9), with_invite,
          ERR_DENIED); /* it may not choose one itself */
    BREAK(w.direct.groups[0] = name("root"), without_invite,
          OK); /* the network's authority may all */
}

static void test_fixed_address(void **state)
{
    (void)state;
    BREAK(w.direct.ipv4 = IP(10, 8, 0, 5), without_invite, ERR_DENIED);
    BREAK(w.direct.ipv4 = IP(10, 7, 0, 0), without_invite, ERR_DENIED);
    BREAK(w.direct.ipv4 = IP(10, 7, 255, 255), without_invite, ERR_DENIED);
    BREAK(w.direct.ipv4 = IP(10, 7, 255, 254), without_invite, OK);
    BREAK(w.direct.ipv4 = IP(10, 7, 0, 255), without_invite,
          OK); /* of a /16: an address like others */
    BREAK(w.network.range.prefix = 0, without_invite, ERR_MALFORMED);
    BREAK(w.network.range = ((struct range4){0, 0}), without_invite,
          ERR_DENIED); /* an address, but no range */
    BREAK((w.network.range = (struct range4){0, 0}, w.direct.ipv4 = 0), without_invite, OK);
    BREAK((w.network.range = (struct range4){IP(10, 7, 0, 4), 31}, w.direct.ipv4 = IP(10, 7, 0, 4)),
          without_invite, OK);
    BREAK((w.network.range = (struct range4){IP(10, 7, 0, 4), 31}, w.direct.ipv4 = IP(10, 7, 0, 6)),
          without_invite, ERR_DENIED);
    BREAK(w.network.range = ((struct range4){IP(10, 7, 0, 5), 32}), without_invite, OK);
    BREAK(w.network.range = ((struct range4){IP(10, 7, 0, 6), 32}), without_invite, ERR_DENIED);
    BREAK((w.network.range = (struct range4){IP(10, 7, 0, 4), 30}, w.direct.ipv4 = IP(10, 7, 0, 7)),
          without_invite, ERR_DENIED);
}

static void test_what_makes_no_sense(void **state)
{
    (void)state;
    BREAK(w.network.range.net |= 1, without_invite, ERR_MALFORMED);
    BREAK(w.network.range.prefix = 33, without_invite, ERR_MALFORMED);
    BREAK(w.network.mode = 1, without_invite, ERR_MALFORMED);
    BREAK(w.network.mode = 4, without_invite, ERR_MALFORMED);
    BREAK(w.network.mode = 2, without_invite, OK);
    BREAK(w.network.name = name(""), without_invite, ERR_MALFORMED);
    BREAK(w.network.name = name("Home"), without_invite, ERR_MALFORMED);
    BREAK(w.node.name = name(""), with_invite, ERR_MALFORMED);
    BREAK(w.node.name = name("a.b"), with_invite, ERR_MALFORMED);
    BREAK(w.invite.name = name("-"), with_invite, ERR_MALFORMED);
    BREAK(w.invite.uses = 0, with_invite, ERR_MALFORMED);
    BREAK(w.direct.id = ID_ZERO, without_invite, ERR_MALFORMED);
    BREAK(w.direct.not_before_s = w.direct.expires_s + 1, without_invite, ERR_MALFORMED);
    BREAK(w.network.expires_s = UINT64_MAX, without_invite, ERR_MALFORMED);
    BREAK(w.network.kind = 4, without_invite, ERR_MALFORMED);
    BREAK(w.network.kind = 0, without_invite, ERR_MALFORMED);
    BREAK(w.invite.groups[1] = w.invite.groups[0], with_invite, ERR_MALFORMED); /* named twice */
    BREAK(w.invite.groups[1] = name("x y"), with_invite, ERR_MALFORMED);
    BREAK(w.invite.groups[1] = name(""), with_invite, ERR_MALFORMED);
}

static void test_time(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &crypto_fake);
    assert_int_equal(with_invite(&w), OK);
    uint64_t end_s = w.node.expires_s + CERT_TOLERANCE_S,
             begin_s = w.node.not_before_s - CERT_TOLERANCE_S;
    assert_int_equal(verify_at(&w, end_s), OK);
    assert_int_equal(verify_at(&w, end_s + 1), ERR_EXPIRED);
    assert_int_equal(verify_at(&w, begin_s), OK);
    assert_int_equal(verify_at(&w, begin_s - 1), ERR_EXPIRED);
    assert_int_equal(verify_at(&w, 0), OK); /* no calendar yet */
    w.network.expires_s = w.invite.expires_s = w.node.expires_s = NOW_S - 2 * DAY_S;
    w.node.not_before_s = NOW_S - 3 * DAY_S;
    assert_int_equal(with_invite(&w), ERR_EXPIRED);
    assert_int_equal(verify_at(&w, 0), OK);
}

static void test_time_of_the_parents(void **state)
{
    (void)state;
    BREAK(w.invite.not_before_s = NOW_S + 2 * DAY_S, with_invite, ERR_EXPIRED);
    BREAK(w.network.not_before_s = NOW_S + 2 * DAY_S, with_invite, ERR_EXPIRED);
    BREAK(w.invite.expires_s = w.node.not_before_s, with_invite, OK);
    BREAK(w.invite.expires_s = w.node.not_before_s - 1, with_invite, ERR_DENIED);
}

/* An invite that ended long ago: who joined with it stays, as a token it is worth nothing. */
static void test_an_invite_ends_but_not_its_nodes(void **state)
{
    (void)state;
    struct world w;
    struct cert last;
    world_init(&w, &crypto_fake);
    w.invite.expires_s = NOW_S - 5 * DAY_S;
    w.node.not_before_s = NOW_S - 6 * DAY_S;
    assert_int_equal(with_invite(&w), OK);
    assert_int_equal(w.m.expires_s, w.node.expires_s);
    assert_int_equal(token(&w, 2, &last), ERR_EXPIRED);
}

static void test_who_signed(void **state)
{
    (void)state;
    struct world w;
    const struct crypto *const tables[] = {&crypto_real, &crypto_fake};
    for (int t = 0; t < 2; t++) {
        world_init(&w, tables[t]);
        struct key stranger = key_of(w.c, 9);
        const struct cert *const certs[] = {&w.network, &w.invite, &w.node};
        for (int wrong = 0; wrong < 3; wrong++) {
            const struct key *issuers[] = {&w.authority, &w.network_key, &w.invite_key};
            issuers[wrong] = &stranger;
            sign_chain(&w, certs, issuers, 3);
            assert_int_equal(verify(&w), ERR_CRYPTO);
        }
        const struct key *const up[] = {&w.authority, &w.authority,
                                        &w.network_key}; /* each by its grandparent */
        sign_chain(&w, certs, up, 3);
        assert_int_equal(verify(&w), ERR_CRYPTO);
        assert_int_equal(with_invite(&w), OK);
        w.authority.pk[3] ^= 1; /* another overlay */
        assert_int_equal(verify(&w), ERR_CRYPTO);
    }
    world_init(&w, &crypto_fake);
    assert_int_equal(with_invite(&w), OK);
    w.node.id.b[19] ^= 1; /* presented by somebody else */
    assert_int_equal(verify(&w), ERR_DENIED);
}

/* A signature over other text of the same key is none over a certificate. */
static void test_domain_is_separate(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &crypto_real);
    assert_int_equal(with_invite(&w), OK);
    struct span certs[CHAIN_MAX], body;
    uint32_t count;
    uint8_t one[CHAIN_BYTES], signature[64];
    assert_int_equal(chain_split((struct span){w.chain, w.len}, certs, &count), OK);
    struct unpack u = unpack_of(certs[0].p, certs[0].len);
    unpack_array(&u, 2, 2);
    body = unpack_bin(&u, 1, CHAIN_BYTES);
    uint8_t text[14 + CHAIN_BYTES];
    memcpy(text, "ringlet cert 1", 14);
    memcpy(text + 14, body.p, body.len);
    w.c->sign(signature, text, 14 + body.len, w.authority.seed, w.authority.pk);
    struct span real = unpack_bin(&u, 64, 64);
    assert_memory_equal(signature, real.p, 64); /* Ed25519 signs the same text in the same way */
    w.c->sign(signature, body.p, body.len, w.authority.seed, w.authority.pk);
    struct pack k = pack_of(one, sizeof one);
    pack_array(&k, 2);
    pack_bin(&k, body.p, body.len);
    pack_bin(&k, signature, 64);
    uint8_t kept[CHAIN_BYTES]; /* chain_write's input may not lie in its output */
    memcpy(kept, w.chain, w.len);
    struct span spans[3] = {{one, k.len},
                            {kept + (certs[1].p - w.chain), certs[1].len},
                            {kept + (certs[2].p - w.chain), certs[2].len}};
    w.len = chain_write(w.chain, sizeof w.chain, spans, 3);
    assert_int_equal(verify(&w), ERR_CRYPTO);
}

static void test_shapes(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &crypto_fake);
    const struct cert *N = &w.network, *I = &w.invite, *D = &w.node;
    const struct cert *const shapes[][3] = {{N},       {I},       {D},       {N, I},    {N, N},
                                            {I, D},    {D, D},    {N, N, D}, {N, I, I}, {N, D, D},
                                            {N, I, N}, {I, I, D}, {N, D, I}, {D, N},    {N, D, N}};
    const struct key *const authority[] = {&w.authority, &w.authority, &w.authority};
    w.node.slot = 0;                           /* good under an invite and without */
    memcpy(w.network.key, w.authority.pk, 32); /* one key for all: only the shape is wrong */
    memcpy(w.invite.key, w.authority.pk, 32);
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        uint32_t count = 0;
        while (count < 3 && shapes[i][count]) count++;
        sign_chain(&w, shapes[i], authority, count);
        struct span chain = {w.chain, w.len};
        struct cert last;
        assert_int_equal(verify(&w), ERR_DENIED);
        assert_int_equal(chain_verify(chain, w.c, w.authority.pk, &ID_ZERO, NOW_S, &w.m),
                         ERR_DENIED);
        bool issues = i == 0 || i == 3; /* {N}, {N, I} */
        assert_int_equal(chain_verify_issuer(chain, w.c, w.authority.pk, NOW_S, &w.m, &last),
                         issues ? OK : ERR_DENIED);
    }
    const struct cert *const good[] = {N, I, D};
    sign_chain(&w, good, authority, 3);
    assert_int_equal(verify(&w), OK);
}

/* --- bytes --- */

static void test_any_flipped_bit_is_refused(void **state)
{
    (void)state;
    const struct crypto *const tables[] = {&crypto_real, &crypto_fake};
    for (int t = 0; t < 2; t++) {
        struct world w;
        world_init(&w, tables[t]);
        assert_int_equal(with_invite(&w), OK);
        struct membership before = w.m;
        for (size_t at = 0; at < w.len; at++)
            for (int bit = 0; bit < 8; bit += tables[t] == &crypto_real ? 5 : 1) {
                w.chain[at] ^= (uint8_t)(1 << bit);
                assert_int_not_equal(verify(&w), OK);
                w.chain[at] ^= (uint8_t)(1 << bit);
            }
        size_t len = w.len;
        for (w.len = 0; w.len < len; w.len++) assert_int_equal(verify(&w), ERR_MALFORMED);
        w.chain[len] = 0xc0;
        w.len = len + 1;
        assert_int_equal(verify(&w), ERR_MALFORMED); /* a trailing byte */
        assert_memory_equal(&before, &w.m, sizeof before);
    }
}

/* Bodies of another form, signed by the right key. */
static enum err decode_body(const uint8_t *body, size_t len)
{
    uint8_t one[CHAIN_BYTES], signature[64] = {0};
    struct cert out;
    struct pack k = pack_of(one, sizeof one);
    pack_array(&k, 2);
    pack_bin(&k, body, len);
    pack_bin(&k, signature, 64);
    return cert_decode((struct span){one, k.len}, &out);
}

static void test_bodies_of_another_form(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &crypto_fake);
    uint8_t one[CHAIN_BYTES], bytes[CHAIN_BYTES];
    size_t len = cert_sign(one, sizeof one, w.c, &w.network, w.authority.seed, w.authority.pk);
    struct unpack u = unpack_of(one, len);
    unpack_array(&u, 2, 2);
    struct span body = unpack_bin(&u, 1, CHAIN_BYTES);
    memcpy(bytes, body.p, body.len);
    assert_int_equal(decode_body(bytes, body.len), OK);
    bytes[body.len] = 0; /* behind the array */
    assert_int_equal(decode_body(bytes, body.len + 1), ERR_MALFORMED);
    assert_int_equal(bytes[0], 0x99);
    bytes[0] = 0x9a; /* a tenth place: perhaps a restriction that we would overlook */
    assert_int_equal(decode_body(bytes, body.len + 1), ERR_MALFORMED);
    bytes[0] = 0x98;
    assert_int_equal(decode_body(bytes, body.len - 1), ERR_MALFORMED);
    assert_int_equal(decode_body(bytes, 1), ERR_MALFORMED);
}

static void test_names(void **state)
{
    (void)state;
    static const char *const good[] = {
        "a",
        "0",
        "a-b",
        "x1",
        "1x",
        "a--b",
        "abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz"};
    static const char *const bad[] = {
        "",
        "-",
        "-a",
        "a-",
        "A",
        "a_b",
        "a.b",
        "a b",
        "\xc3\xa4",
        "a\n",
        "abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz0"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++)
        assert_true(name_valid(good[i], strlen(good[i])));
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(name_valid(bad[i], strlen(bad[i])));
    assert_false(name_valid("a\0b", 3));
}

/* The largest sensible chain: long names, eight groups. */
static void test_what_fits(void **state)
{
    (void)state;
    struct world w;
    world_init(&w, &crypto_fake);
    const char *longest = "abcdefghijklmnopqrstuvwxyz0123456789-abcdefghijklmnopqrstuvwxyz";
    w.network.name = w.node.name = w.invite.name = name(longest);
    for (int g = 0; g < CERT_GROUPS_MAX; g++) {
        w.invite.groups[g] = name("group-names-00");
        w.invite.groups[g].s[13] = (char)('0' + g);
    }
    memcpy(w.node.groups, w.invite.groups, sizeof w.node.groups);
    w.node.group_count = w.invite.group_count = CERT_GROUPS_MAX;
    assert_int_equal(with_invite(&w), OK);
    assert_int_equal(w.m.group_count, CERT_GROUPS_MAX);
    uint8_t bytes[CHAIN_BYTES];
    for (int g = 0; g < CERT_GROUPS_MAX; g++) w.invite.groups[g] = name(longest);
    struct span spans[2];
    size_t len = cert_sign(bytes, sizeof bytes, w.c, &w.invite, w.authority.seed, w.authority.pk);
    assert_true(len > 0);
    spans[0] = spans[1] = (struct span){bytes, len};
    assert_int_equal(chain_write(w.chain, sizeof w.chain, spans, 2),
                     0); /* does not fit, and says so */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_node_under_an_invite),
        cmocka_unit_test(test_node_under_the_network),
        cmocka_unit_test(test_tokens),
        cmocka_unit_test(test_decoding_gives_what_was_signed),
        cmocka_unit_test(test_never_more_than_the_parent),
        cmocka_unit_test(test_fixed_address),
        cmocka_unit_test(test_what_makes_no_sense),
        cmocka_unit_test(test_time),
        cmocka_unit_test(test_time_of_the_parents),
        cmocka_unit_test(test_an_invite_ends_but_not_its_nodes),
        cmocka_unit_test(test_who_signed),
        cmocka_unit_test(test_domain_is_separate),
        cmocka_unit_test(test_shapes),
        cmocka_unit_test(test_any_flipped_bit_is_refused),
        cmocka_unit_test(test_bodies_of_another_form),
        cmocka_unit_test(test_names),
        cmocka_unit_test(test_what_fits),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
