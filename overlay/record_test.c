#include "base/rng.h"
#include "overlay/record.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

#define NOW_S  1800000000u
#define DAY_S  86400u
#define DOMAIN "ringlet record 1"

static const uint8_t network[32] = {7, 7, 7};
static const struct crypto *const tables[] = {&crypto_real, &crypto_fake};

static struct identity writer_number(const struct crypto *c, uint8_t n)
{
    struct identity i;
    uint8_t seed[32] = {n};
    struct rng r;
    rng_seed(&r, seed);
    identity_make(&i, c, &r);
    return i;
}

static struct record sample(void)
{
    return (struct record){.name = record_name_ip4(network, 0x0a070005),
                           .seq = 3,
                           .expires_s = NOW_S + 600,
                           .ttl_s = 600,
                           .value = {(const uint8_t *)"hello", 5}};
}

struct signed_record {
    uint8_t bytes[RECORD_BYTES];
    size_t len;
};

static struct signed_record sign(const struct crypto *c, const struct record *r,
                                 const struct identity *w)
{
    struct signed_record s;
    s.len = record_sign(s.bytes, sizeof s.bytes, c, r, w);
    assert_true(s.len > 0);
    return s;
}

static enum err verify_at(const struct crypto *c, const struct signed_record *s, uint64_t now_s,
                          struct record *out)
{
    return record_verify((struct span){s->bytes, s->len}, c, now_s, out);
}

static void says_what_was_signed(void **state)
{
    (void)state;
    for (unsigned t = 0; t < 2; t++) {
        const struct crypto *c = tables[t];
        struct identity w = writer_number(c, 1);
        struct record r = sample(), v;
        struct signed_record s = sign(c, &r, &w);
        assert_int_equal(verify_at(c, &s, NOW_S, &v), OK);
        assert_int_equal(v.kind, RECORD_CLAIM);
        assert_memory_equal(&v.name, &r.name, sizeof v.name);
        assert_true(id_equal(&v.writer, &w.id));
        assert_memory_equal(v.ed_pk, w.ed_pk, 32);
        assert_memory_equal(v.x_pk, w.x_pk, 32);
        assert_int_equal(v.seq, 3);
        assert_int_equal(v.expires_s, NOW_S + 600);
        assert_int_equal(v.ttl_s, 600);
        assert_int_equal(v.value.len, 5);
        assert_memory_equal(v.value.p, "hello", 5);
        struct id key;
        record_key(&key, c, &r.name, &w.id);
        assert_true(id_equal(&v.key, &key));
    }
}

static void own_and_empty(void **state)
{
    (void)state;
    const struct crypto *c = &crypto_real;
    struct identity a = writer_number(c, 1), b = writer_number(c, 2);
    struct record r = {.name = record_name_of(RECORD_TAG_OWN, "profile", 7),
                       .ttl_s = RECORD_TTL_MAX_S},
                  of_a, of_b;
    struct signed_record s = sign(c, &r, &a), z = sign(c, &r, &b);
    assert_int_equal(verify_at(c, &s, NOW_S, &of_a), OK);
    assert_int_equal(verify_at(c, &z, NOW_S, &of_b), OK);
    assert_int_equal(of_a.kind, RECORD_OWN);
    assert_int_equal(of_a.value.len, 0);
    assert_false(id_equal(&of_a.key, &of_b.key)); /* the writer is part of it */
}

/* Keys by hand: H(domain || ...), the first 20 bytes. */
static void keys_recomputed(void **state)
{
    (void)state;
    const struct crypto *c = &crypto_real;
    struct identity w = writer_number(c, 1);
    struct id key;
    uint8_t text[200], hash[32];

    memcpy(text, "ringlet claim 1ip4\0", 19);
    memcpy(text + 19, network, 32);
    memcpy(text + 51, "\x0a\x07\x00\x05", 4);
    c->hash(hash, 32, text, 55, NULL, 0);
    struct record_name n = record_name_ip4(network, 0x0a070005);
    record_key_claim(&key, c, RECORD_TAG_IP4, n.b, n.len);
    assert_memory_equal(key.b, hash, ID_SIZE);

    memcpy(text, "ringlet own 1", 13);
    memcpy(text + 13, w.id.b, ID_SIZE);
    memcpy(text + 33, "profile", 7);
    c->hash(hash, 32, text, 40, NULL, 0);
    record_key_own(&key, c, &w.id, "profile", 7);
    assert_memory_equal(key.b, hash, ID_SIZE);
}

static void names_by_their_tags(void **state)
{
    (void)state;
    uint8_t long_name[RECORD_NAME_MAX + 1] = {1};
    assert_int_equal(record_name_ip4(network, 1).len, 36);
    assert_int_equal(record_name_host(network, "laptop", 6).len, 38);
    assert_int_equal(record_name_host(network, "Laptop", 6).len, 0);
    assert_int_equal(record_name_host(network, "-", 1).len, 0);
    assert_int_equal(record_name_host(network, "", 0).len, 0);
    memset(long_name, 'a', sizeof long_name);
    assert_int_equal(record_name_host(network, (const char *)long_name, 63).len, 95);
    assert_int_equal(record_name_host(network, (const char *)long_name, 64).len, 0);
    assert_int_equal(record_name_of(RECORD_TAG_IP4, long_name, 35).len, 0);
    assert_int_equal(record_name_of(RECORD_TAG_IP4, long_name, 37).len, 0);
    assert_int_equal(record_name_of(RECORD_TAG_USER, long_name, RECORD_NAME_MAX).len,
                     RECORD_NAME_MAX);
    assert_int_equal(record_name_of(RECORD_TAG_USER, long_name, RECORD_NAME_MAX + 1).len, 0);
    assert_int_equal(record_name_of(RECORD_TAG_USER, long_name, 0).len, 0);
    assert_int_equal(record_name_of(RECORD_TAG_OWN, "x", 1).len, 1);
    assert_int_equal(record_name_slot(network, 5).len, RECORD_SLOT_NAME);
    assert_int_equal(record_name_of(RECORD_TAG_SLOT, long_name, RECORD_SLOT_NAME - 1).len, 0);
    assert_int_equal(record_name_of(RECORD_TAG_SLOT, long_name, RECORD_SLOT_NAME + 1).len, 0);
    assert_int_equal(record_name_of(RECORD_TAG_COUNT, "x", 1).len, 0);
}

static void every_bit_counts(void **state)
{
    (void)state;
    for (unsigned t = 0; t < 2; t++) {
        const struct crypto *c = tables[t];
        struct identity w = writer_number(c, 1);
        struct record r = sample(), v;
        struct signed_record s = sign(c, &r, &w);
        for (size_t bit = 0; bit < s.len * 8; bit++) {
            s.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
            memset(&v, 0x5a, sizeof v);
            assert_int_not_equal(verify_at(c, &s, NOW_S, &v), OK);
            assert_int_equal(v.seq, 0x5a5a5a5a5a5a5a5au); /* untouched */
            s.bytes[bit / 8] ^= (uint8_t)(1u << bit % 8);
        }
        for (size_t len = 0; len < s.len; len++)
            assert_int_equal(record_verify((struct span){s.bytes, len}, c, NOW_S, &v),
                             ERR_MALFORMED);
        uint8_t longer[RECORD_BYTES + 1] = {0};
        memcpy(longer, s.bytes, s.len);
        assert_int_equal(record_verify((struct span){longer, s.len + 1}, c, NOW_S, &v),
                         ERR_MALFORMED);
        assert_int_equal(record_verify((struct span){longer, sizeof longer}, c, NOW_S, &v),
                         ERR_MALFORMED);
        assert_int_equal(verify_at(c, &s, NOW_S, &v), OK);
    }
}

/* --- a body with one thing wrong, properly signed by its writer --- */

struct raw {
    uint64_t version, kind, seq, expires_s, ttl_s;
    struct id key;
    uint8_t ed_pk[32], x_pk[32];
    const char *tag;
    uint8_t name[200], value[1000];
    size_t name_len, value_len;
    uint32_t places;
};

static struct raw raw_of(const struct crypto *c, const struct identity *w, enum record_tag tag,
                         const char *text)
{
    struct record_name n = tag == RECORD_TAG_IP4    ? record_name_ip4(network, 0x0a070005)
                           : tag == RECORD_TAG_SLOT ? record_name_slot(network, 1)
                           : tag == RECORD_TAG_HOST ? record_name_host(network, text, strlen(text))
                                                    : record_name_of(tag, text, strlen(text));
    static const char *const texts[] = {"", "ip4", "name", "user", "slot"};
    struct raw b = {.version = 1,
                    .kind = tag == RECORD_TAG_OWN ? 1 : 2,
                    .seq = 1,
                    .expires_s = NOW_S + 60,
                    .ttl_s = 60,
                    .tag = texts[tag],
                    .name_len = n.len,
                    .value = "v",
                    .value_len = 1,
                    .places = 11};
    memcpy(b.name, n.b, n.len);
    memcpy(b.ed_pk, w->ed_pk, 32);
    memcpy(b.x_pk, w->x_pk, 32);
    record_key(&b.key, c, &n, &w->id);
    return b;
}

static enum err judge(const struct crypto *c, const struct raw *b, const struct identity *w)
{
    uint8_t body[1500], text[1600], signature[64], bytes[1600];
    struct record v;
    struct pack k = pack_of(body, sizeof body);
    pack_array(&k, b->places);
    pack_uint(&k, b->version);
    pack_uint(&k, b->kind);
    pack_bin(&k, b->key.b, ID_SIZE);
    pack_bin(&k, b->ed_pk, 32);
    pack_bin(&k, b->x_pk, 32);
    pack_uint(&k, b->seq);
    pack_uint(&k, b->expires_s);
    pack_uint(&k, b->ttl_s);
    pack_str(&k, b->tag, strlen(b->tag));
    pack_bin(&k, b->name, b->name_len);
    pack_bin(&k, b->value, b->value_len);
    if (b->places > 11) pack_uint(&k, 0);
    assert_false(k.bad);
    memcpy(text, DOMAIN, sizeof DOMAIN - 1);
    memcpy(text + sizeof DOMAIN - 1, body, k.len);
    c->sign(signature, text, sizeof DOMAIN - 1 + k.len, w->ed_seed, w->ed_pk);
    struct pack o = pack_of(bytes, sizeof bytes);
    pack_array(&o, 2);
    pack_bin(&o, body, k.len);
    pack_bin(&o, signature, 64);
    enum err e = record_verify((struct span){bytes, o.len}, c, NOW_S, &v);
    struct record d;
    if (e != ERR_CRYPTO && e != ERR_EXPIRED)
        assert_int_equal(record_decode((struct span){bytes, o.len}, c, &d), e);
    return e;
}

#define REFUSED(expected, change)                                                                  \
    do {                                                                                           \
        struct raw b = good;                                                                       \
        change;                                                                                    \
        assert_int_equal(judge(c, &b, &w), expected);                                              \
    } while (0)

static void one_thing_wrong(void **state)
{
    (void)state;
    const struct crypto *c = &crypto_real;
    struct identity w = writer_number(c, 1), other = writer_number(c, 2);
    struct raw good = raw_of(c, &w, RECORD_TAG_IP4, NULL);
    assert_int_equal(judge(c, &good, &w), OK);
    REFUSED(ERR_CRYPTO, w = other);
    w = writer_number(c, 1);
    REFUSED(ERR_MALFORMED, b.places = 12);
    REFUSED(ERR_MALFORMED, b.places = 10);
    REFUSED(ERR_MALFORMED, b.version = 0);
    REFUSED(ERR_MALFORMED, b.version = 2);
    REFUSED(ERR_MALFORMED, b.kind = 0);
    REFUSED(ERR_MALFORMED, b.kind = 1); /* OWN with a tag */
    REFUSED(ERR_MALFORMED, b.kind = 3);
    REFUSED(ERR_MALFORMED, b.tag = ""); /* CLAIM without */
    REFUSED(ERR_MALFORMED, b.tag = "ip6");
    REFUSED(ERR_MALFORMED, b.tag = "ip4x");
    REFUSED(ERR_MALFORMED, b.tag = "ip");
    REFUSED(ERR_MALFORMED, b.tag = "users");
    REFUSED(ERR_MALFORMED, b.ttl_s = 0);
    REFUSED(ERR_MALFORMED, b.ttl_s = RECORD_TTL_MAX_S + 1);
    REFUSED(ERR_MALFORMED, b.expires_s = (uint64_t)1 << 41);
    REFUSED(ERR_MALFORMED, b.name_len = 0);
    REFUSED(ERR_MALFORMED, b.name_len = RECORD_NAME_MAX + 1);
    REFUSED(ERR_MALFORMED, b.value_len = RECORD_VALUE_MAX + 1);
    REFUSED(ERR_DENIED, b.tag = "user"); /* a name of one kind under the key of another */
    REFUSED(ERR_DENIED, b.tag = "name");
    REFUSED(ERR_DENIED, b.name_len = 35);
    REFUSED(ERR_DENIED, b.name[35] ^= 1);
    REFUSED(ERR_DENIED, b.key.b[19] ^= 1);
    REFUSED(ERR_CRYPTO,
            memcpy(b.ed_pk, other.ed_pk, 32)); /* a claim says whose it is, and proves it */
    REFUSED(OK, b.seq = UINT64_MAX);
    REFUSED(OK, b.expires_s = 0);
    REFUSED(OK, b.ttl_s = RECORD_TTL_MAX_S);
    REFUSED(OK, b.value_len = 0);
    REFUSED(OK, b.value_len = RECORD_VALUE_MAX);
}

static void own_is_its_writers(void **state)
{
    (void)state;
    const struct crypto *c = &crypto_real;
    struct identity w = writer_number(c, 1), other = writer_number(c, 2);
    struct raw good = raw_of(c, &w, RECORD_TAG_OWN, "profile");
    assert_int_equal(judge(c, &good, &w), OK);
    REFUSED(ERR_MALFORMED, b.kind = 2);
    REFUSED(ERR_MALFORMED, b.tag = "user");
    REFUSED(ERR_DENIED, memcpy(b.x_pk, other.x_pk, 32)); /* the key is made of both */
    REFUSED(ERR_DENIED, memcpy(b.ed_pk, other.ed_pk, 32));
    struct raw host = raw_of(c, &w, RECORD_TAG_HOST, "laptop");
    assert_int_equal(judge(c, &host, &w), OK);
    good = host;
    REFUSED(ERR_DENIED, b.name[32] = 'L');
    good = raw_of(c, &w, RECORD_TAG_SLOT, NULL); /* a chain is longer than other values */
    REFUSED(OK, b.value_len = RECORD_CHAIN_MAX);
    REFUSED(ERR_MALFORMED, b.value_len = RECORD_CHAIN_MAX + 1);
    REFUSED(ERR_DENIED, b.name_len = RECORD_SLOT_NAME - 1);
    REFUSED(ERR_DENIED, b.name[19] ^= 1);
}

static void times(void **state)
{
    (void)state;
    const struct crypto *c = &crypto_real;
    struct identity w = writer_number(c, 1);
    struct record r = sample(), v;
    struct signed_record s = sign(c, &r, &w);
    assert_int_equal(verify_at(c, &s, NOW_S + 600 + DAY_S, &v), OK);
    assert_int_equal(verify_at(c, &s, NOW_S + 601 + DAY_S, &v), ERR_EXPIRED);
    assert_int_equal(verify_at(c, &s, NOW_S + 600 - 2 * DAY_S, &v), OK);
    assert_int_equal(verify_at(c, &s, NOW_S + 599 - 2 * DAY_S, &v),
                     ERR_EXPIRED);                 /* too far ahead */
    assert_int_equal(verify_at(c, &s, 0, &v), OK); /* who knows what day it is */
    r.expires_s = 0;
    s = sign(c, &r, &w);
    assert_int_equal(verify_at(c, &s, NOW_S + 1000 * DAY_S, &v), OK);
}

static void signs_only_what_is_taken(void **state)
{
    (void)state;
    const struct crypto *c = &crypto_fake;
    struct identity w = writer_number(c, 1);
    uint8_t value[RECORD_VALUE_MAX + 1] = {0}, out[RECORD_BYTES + 9], longest[RECORD_NAME_MAX];
    struct record r = sample(), v;
    r.value = (struct span){value, RECORD_VALUE_MAX + 1};
    assert_int_equal(record_sign(out, sizeof out, c, &r, &w), 0);
    r = sample(), r.ttl_s = 0;
    assert_int_equal(record_sign(out, sizeof out, c, &r, &w), 0);
    r = sample(), r.ttl_s = RECORD_TTL_MAX_S + 1;
    assert_int_equal(record_sign(out, sizeof out, c, &r, &w), 0);
    r = sample(), r.name.len--;
    assert_int_equal(record_sign(out, sizeof out, c, &r, &w), 0);

    memset(longest, 0xff, sizeof longest);
    r = (struct record){.name = record_name_of(RECORD_TAG_USER, longest, sizeof longest),
                        .seq = UINT64_MAX,
                        .expires_s = (uint64_t)1 << 40,
                        .ttl_s = RECORD_TTL_MAX_S,
                        .value = {value, RECORD_VALUE_MAX}};
    size_t len = record_sign(out, sizeof out, c, &r, &w);
    assert_int_equal(len, RECORD_BYTES);
    assert_int_equal(record_verify((struct span){out, len}, c, 0, &v), OK);
    assert_int_equal(v.value.len, RECORD_VALUE_MAX);
    assert_int_equal(record_sign(out, len - 1, c, &r, &w), 0);

    uint8_t chain[RECORD_CHAIN_MAX + 1] = {0};
    r.name = record_name_slot(longest, UINT32_MAX);
    r.value = (struct span){chain, RECORD_CHAIN_MAX};
    assert_int_equal(record_sign(out, sizeof out, c, &r, &w), RECORD_BYTES);
    r.value.len++;
    assert_int_equal(record_sign(out, sizeof out, c, &r, &w), 0);
}

static void one_of_two_stays(void **state)
{
    (void)state;
    const struct crypto *c = &crypto_real;
    struct identity a = writer_number(c, 1), b = writer_number(c, 2);
    unsigned a_stays = 0;
    for (uint32_t i = 0; i < 64; i++) {
        struct id key = {{(uint8_t)i}};
        bool first = record_stays(c, &key, &a.id, &b.id);
        assert_int_not_equal(first, record_stays(c, &key, &b.id, &a.id));
        assert_true(record_stays(c, &key, &a.id, &a.id));
        a_stays += first;
    }
    assert_in_range(a_stays, 16, 48); /* neither always */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_was_signed),     cmocka_unit_test(own_and_empty),
        cmocka_unit_test(keys_recomputed),          cmocka_unit_test(names_by_their_tags),
        cmocka_unit_test(every_bit_counts),         cmocka_unit_test(one_thing_wrong),
        cmocka_unit_test(own_is_its_writers),       cmocka_unit_test(times),
        cmocka_unit_test(signs_only_what_is_taken), cmocka_unit_test(one_of_two_stays),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
