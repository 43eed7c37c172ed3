#include "nat/candidate.h"

#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct endpoint at(const char *text)
{
    struct endpoint e;
    assert_true(endpoint_parse(text, &e));
    return e;
}

static bool add(struct candidates *c, const char *text, enum candidate_kind kind)
{
    struct endpoint e = at(text);
    return candidates_add(c, &e, kind);
}

/* "L 10.0.0.1:1, O 203.0.113.5:7" */
static const char *print(const struct candidates *c)
{
    static char text[CANDIDATES_MAX * (ENDPOINT_TEXT + 4)];
    size_t len = 0;
    text[0] = 0;
    for (unsigned i = 0; i < c->count; i++) {
        char e[ENDPOINT_TEXT];
        len += (size_t)snprintf(text + len, sizeof text - len, "%s%c %s", i ? ", " : "",
                                "?LOMP"[c->list[i].kind], endpoint_print(&c->list[i].at, e));
    }
    return text;
}

static void order(void **state)
{
    (void)state;
    struct candidates c = {0};
    assert_true(add(&c, "203.0.113.5:101", CANDIDATE_PREDICTED));
    assert_true(add(&c, "tcp:203.0.113.5:443", CANDIDATE_LOCAL));
    assert_true(add(&c, "203.0.113.5:9", CANDIDATE_MAPPED));
    assert_true(add(&c, "203.0.113.5:7", CANDIDATE_OBSERVED));
    assert_true(add(&c, "172.17.0.1:1", CANDIDATE_LOCAL));
    assert_true(add(&c, "[fd00::1]:1", CANDIDATE_LOCAL));
    assert_true(add(&c, "100.64.0.1:1", CANDIDATE_LOCAL));
    assert_true(add(&c, "10.0.0.1:1", CANDIDATE_LOCAL));
    assert_true(add(&c, "192.168.1.1:1", CANDIDATE_LOCAL));
    assert_true(add(&c, "[2001:db8::1]:1", CANDIDATE_OBSERVED));
    assert_true(add(&c, "[2001:db8::2]:1", CANDIDATE_LOCAL));
    assert_true(add(&c, "198.51.100.1:1", CANDIDATE_LOCAL));
    assert_string_equal(print(&c),
                        "L [2001:db8::2]:1, O [2001:db8::1]:1, L 192.168.1.1:1, L 10.0.0.1:1, "
                        "L [fd00::1]:1, L 172.17.0.1:1, L 100.64.0.1:1, L 198.51.100.1:1, "
                        "O 203.0.113.5:7, M 203.0.113.5:9, L tcp:203.0.113.5:443, "
                        "P 203.0.113.5:101");
}

static void refused(void **state)
{
    (void)state;
    struct candidates c = {0};
    struct endpoint none = {0};
    assert_false(candidates_add(&c, &none, CANDIDATE_LOCAL));
    assert_false(add(&c, "127.0.0.1:7464", CANDIDATE_LOCAL));
    assert_false(add(&c, "[::1]:7464", CANDIDATE_LOCAL));
    assert_false(add(&c, "203.0.113.5:0", CANDIDATE_OBSERVED));
    assert_false(add(&c, "0.0.0.0:1", CANDIDATE_LOCAL));
    assert_false(add(&c, "255.255.255.255:1", CANDIDATE_OBSERVED));
    assert_false(add(&c, "239.255.74.64:7464", CANDIDATE_OBSERVED));
    assert_false(add(&c, "169.254.1.1:1", CANDIDATE_LOCAL));
    assert_false(add(&c, "[fe80::1]:1", CANDIDATE_LOCAL));
    assert_false(add(&c, "[ff02::7464]:7464", CANDIDATE_MAPPED));
    assert_int_equal(c.count, 0);
}

static void better_kind_is_kept(void **state)
{
    (void)state;
    struct candidates c = {0};
    assert_true(add(&c, "203.0.113.5:7", CANDIDATE_PREDICTED));
    assert_true(add(&c, "203.0.113.5:7", CANDIDATE_OBSERVED));
    assert_false(add(&c, "203.0.113.5:7", CANDIDATE_MAPPED));
    assert_false(add(&c, "203.0.113.5:7", CANDIDATE_OBSERVED));
    assert_true(add(&c, "203.0.113.5:8", CANDIDATE_OBSERVED)); /* another port is another one */
    assert_string_equal(print(&c), "O 203.0.113.5:7, O 203.0.113.5:8");
    assert_true(add(&c, "203.0.113.5:7", CANDIDATE_LOCAL));
    assert_string_equal(print(&c), "L 203.0.113.5:7, O 203.0.113.5:8");
}

/* A guess that turns out right, while its new class is full of better ones: still known. */
static void better_kind_in_a_full_class(void **state)
{
    (void)state;
    struct candidates c = {0};
    add(&c, "203.0.113.5:90", CANDIDATE_PREDICTED);
    for (unsigned i = 1; i <= 3; i++) {
        struct endpoint e = endpoint_v4(0xcb007105, (uint16_t)i);
        assert_true(candidates_add(&c, &e, CANDIDATE_OBSERVED));
    }
    assert_false(add(&c, "203.0.113.5:90", CANDIDATE_OBSERVED));
    assert_string_equal(print(&c), "O 203.0.113.5:1, O 203.0.113.5:2, O 203.0.113.5:3, "
                                   "P 203.0.113.5:90");
    assert_true(add(&c, "203.0.113.5:90", CANDIDATE_LOCAL));
    assert_string_equal(print(&c), "L 203.0.113.5:90, O 203.0.113.5:1, O 203.0.113.5:2");
}

static void full_list(void **state)
{
    (void)state;
    struct candidates c = {0};
    for (unsigned i = 0; i < 40; i++) { /* guesses fill it */
        struct endpoint e = endpoint_v4(0xcb007105, (uint16_t)(1000 - i));
        assert_true(candidates_add(&c, &e, CANDIDATE_PREDICTED)); /* each better than the last */
    }
    assert_int_equal(c.count, CANDIDATES_MAX);
    assert_false(add(&c, "203.0.113.5:2000", CANDIDATE_PREDICTED));
    for (unsigned i = 0; i < 14; i++) { /* container bridges take their share and no more */
        struct endpoint e = endpoint_v4(0xac110001 + (i << 16), 1);
        assert_int_equal(candidates_add(&c, &e, CANDIDATE_LOCAL), i < 6);
    }
    assert_true(add(&c, "192.168.1.7:1", CANDIDATE_LOCAL)); /* the likelier LAN moves one out */
    assert_true(add(&c, "203.0.113.5:7", CANDIDATE_OBSERVED));
    assert_true(add(&c, "203.0.113.5:8", CANDIDATE_MAPPED));
    assert_true(add(&c, "[2001:db8::1]:1", CANDIDATE_LOCAL));
    assert_string_equal(print(&c),
                        "L [2001:db8::1]:1, L 192.168.1.7:1, L 172.17.0.1:1, L 172.18.0.1:1, "
                        "L 172.19.0.1:1, L 172.20.0.1:1, L 172.21.0.1:1, O 203.0.113.5:7, "
                        "M 203.0.113.5:8, P 203.0.113.5:961, P 203.0.113.5:962, P 203.0.113.5:963, "
                        "P 203.0.113.5:964, P 203.0.113.5:965, P 203.0.113.5:966, "
                        "P 203.0.113.5:967");
}

static struct endpoint endpoint_drawn(struct rng *r)
{
    static const char *ranges[] = {"203.0.113.0:1", "10.0.0.0:1",   "192.168.0.0:1",
                                   "172.16.0.0:1",  "100.64.0.0:1", "[2001:db8::]:1",
                                   "[fd00::]:1",    "127.0.0.0:1",  "224.0.0.0:1"};
    struct endpoint e = at(ranges[rng_below(r, 9)]);
    e.ip[15] = (uint8_t)rng_below(r, 12);
    e.port = (uint16_t)rng_below(r, 3);
    if (rng_below(r, 8) == 0) e.transport = TRANSPORT_TCP;
    return e;
}

static struct rng rng_for(uint64_t number)
{
    struct rng root, r;
    uint8_t zero[32] = {0};
    rng_seed(&root, zero);
    rng_stream(&root, "candidate", number, &r);
    return r;
}

/* Whatever is added: bounded, no endpoint twice, packs within its size, comes back the same. */
static void any_list_travels(void **state)
{
    (void)state;
    size_t longest = 0;
    for (unsigned seed = 0; seed < 2000; seed++) {
        struct rng r = rng_for(seed);
        struct candidates c = {0}, back;
        unsigned tries = (unsigned)rng_below(&r, 60);
        for (unsigned i = 0; i < tries; i++) {
            struct endpoint e = endpoint_drawn(&r);
            struct candidates before = c;
            bool changed = candidates_add(&c, &e, (enum candidate_kind)rng_between(&r, 1, 4));
            assert_int_equal(changed, memcmp(&before, &c, sizeof c) != 0);
            assert_true(c.count <= CANDIDATES_MAX);
        }
        for (unsigned i = 0; i < c.count; i++)
            for (unsigned k = 0; k < i; k++)
                assert_false(endpoint_equal(&c.list[i].at, &c.list[k].at));
        uint8_t bytes[CANDIDATES_PACKED_MAX];
        struct pack k = pack_of(bytes, sizeof bytes);
        candidates_pack(&c, &k);
        assert_false(k.bad);
        if (k.len > longest) longest = k.len;
        struct unpack u = unpack_of(bytes, k.len);
        assert_true(candidates_unpack(&back, &u));
        assert_true(unpack_done(&u));
        assert_memory_equal(&back, &c, sizeof c);
        for (size_t len = 0; len < k.len; len++) { /* cut anywhere: refused and empty */
            u = unpack_of(bytes, len);
            assert_false(candidates_unpack(&back, &u));
            assert_int_equal(back.count, 0);
        }
    }
    assert_int_equal(longest, CANDIDATES_PACKED_MAX);
}

static void pack_one(struct pack *k, unsigned fields, uint64_t kind, const char *endpoint)
{
    uint8_t wire[ENDPOINT_WIRE];
    struct endpoint e = at(endpoint);
    endpoint_encode(&e, wire);
    pack_array(k, fields);
    pack_uint(k, kind);
    pack_bin(k, wire, sizeof wire);
    for (unsigned i = 2; i < fields; i++) pack_str(k, "new", 3);
}

static void strangers_bytes(void **state)
{
    (void)state;
    uint8_t bytes[2048];
    struct candidates c;
    struct pack k = pack_of(bytes, sizeof bytes);
    pack_array(&k, 7);
    pack_one(&k, 2, 9, "203.0.113.1:1"); /* a kind of a newer version */
    pack_one(&k, 2, 0, "203.0.113.2:1");
    pack_one(&k, 2, CANDIDATE_LOCAL, "127.0.0.1:22");
    pack_one(&k, 4, CANDIDATE_OBSERVED, "203.0.113.3:1"); /* fields of a newer version */
    pack_one(&k, 2, CANDIDATE_MAPPED, "203.0.113.3:1");
    pack_one(&k, 2, CANDIDATE_LOCAL, "[2001:db8::1]:1"); /* out of order */
    pack_one(&k, 2, CANDIDATE_LOCAL, "224.0.0.1:1");
    struct unpack u = unpack_of(bytes, k.len);
    assert_true(candidates_unpack(&c, &u));
    assert_string_equal(print(&c), "L [2001:db8::1]:1, O 203.0.113.3:1");

    k = pack_of(bytes, sizeof bytes);
    pack_array(&k, 65); /* too many to look at */
    for (unsigned i = 0; i < 65; i++) pack_one(&k, 2, CANDIDATE_LOCAL, "203.0.113.2:1");
    assert_false(k.bad);
    u = unpack_of(bytes, k.len);
    assert_false(candidates_unpack(&c, &u));
    assert_int_equal(c.count, 0);

    k = pack_of(bytes, sizeof bytes);
    pack_array(&k, 2);
    pack_one(&k, 2, CANDIDATE_LOCAL, "203.0.113.2:1");
    pack_uint(&k, 1); /* not an array: nothing of it is kept */
    u = unpack_of(bytes, k.len);
    assert_false(candidates_unpack(&c, &u));
    assert_int_equal(c.count, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(order),
        cmocka_unit_test(refused),
        cmocka_unit_test(better_kind_is_kept),
        cmocka_unit_test(better_kind_in_a_full_class),
        cmocka_unit_test(full_list),
        cmocka_unit_test(any_list_travels),
        cmocka_unit_test(strangers_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
