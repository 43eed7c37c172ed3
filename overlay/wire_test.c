#include "overlay/wire.h"

#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>

#include <cmocka.h>

static struct rng rng_for(uint64_t number)
{
    struct rng root, r;
    uint8_t zero[32] = {0};
    rng_seed(&root, zero);
    rng_stream(&root, "wire", number, &r);
    return r;
}

/* --- the tables --- */

static void test_names_and_lengths(void **state)
{
    (void)state;
    assert_string_equal(outer_name(0x40), "HELLO1");
    assert_string_equal(kind_name(0x08), "ETHERNET");
    assert_null(outer_name(0x3f));
    assert_null(kind_name(0));
#define X(name, type, min, max, proof, what)                                                       \
    assert_string_equal(outer_name(OUTER_##name), #name);                                          \
    assert_true(type >= 0x40); /* below is STUN's */                                               \
    assert_true(min <= max && max <= DATAGRAM_MAX);                                                \
    assert_true(outer_length_ok(type, min) && outer_length_ok(type, max));                         \
    assert_false(outer_length_ok(type, min - 1) || outer_length_ok(type, max + 1));
    OUTER(X)
#undef X
#define X(name, kind, min, max, what)                                                              \
    assert_string_equal(kind_name(KIND_##name), #name);                                            \
    assert_true(min <= max && max + DATA_OVERHEAD <= OUTER_DATA_MAX);                              \
    assert_true(kind_length_ok(kind, min) && kind_length_ok(kind, max));                           \
    assert_false(kind_length_ok(kind, min - 1) || kind_length_ok(kind, max + 1));
    KINDS(X)
#undef X
    assert_false(outer_length_ok(0x44, 64));
    assert_false(kind_length_ok(0, 1));
}

/* Each sum is one way of the largest inner packet through a 1500-byte underlay (docs/wire.md, What fits). */
static void test_mtu_sums(void **state)
{
    (void)state;
    const unsigned ipv6_udp = 48,
                   relay = DATA_OVERHEAD + RELAYED_HEADER - 1; /* kind 1 + channel 4 */
    assert_int_equal(RELAYED_HEADER, 1 + 4);
    assert_int_equal(IP_HEADER, 1 + 1 + 1);
    assert_int_equal(relay + 1, 32 + 1 + 4);
    assert_int_equal(
        ipv6_udp + DATA_OVERHEAD + RELAYED_HEADER + DATA_OVERHEAD + IP_HEADER + INNER_MTU_L3, 1500);
    assert_int_equal(INNER_MTU_L2 + 14 + 4,
                     INNER_MTU_L3); /* Ethernet header and a VLAN tag ride along */
    assert_true(kind_length_ok(KIND_IP, IP_HEADER + INNER_MTU_L3));
    assert_true(kind_length_ok(KIND_ETHERNET, IP_HEADER + INNER_MTU_L2 + 14 + 4));
    assert_true(
        kind_length_ok(KIND_RELAYED, RELAYED_HEADER + DATA_OVERHEAD + IP_HEADER + INNER_MTU_L3));
    assert_true(kind_length_ok(KIND_RELAYED, RELAYED_HEADER + HELLO3_MAX)); /* handshakes relayed */
    assert_true(kind_length_ok(KIND_ROUTED, ROUTED_HEADER + HELLO3_MAX));   /* and routed */
    assert_true(kind_length_ok(KIND_PING, KIND_IP_MAX)); /* probes for the longest frame */
}

/* --- round trips --- */

static struct endpoint any_endpoint(struct rng *r)
{
    struct endpoint e;
    uint8_t wire[ENDPOINT_WIRE];
    do {
        rng_bytes(r, wire, sizeof wire);
        wire[0] = (uint8_t)(1 + rng_below(r, 2));
        if (rng_below(r, 4) == 0) memset(wire, 0, sizeof wire);
    } while (!endpoint_decode(wire, &e));
    return e;
}

static void test_data_header(void **state)
{
    (void)state;
    uint8_t bytes[40] = {0};
    struct data_header h = {0x01020304, 0x05060708090a0b0c}, out = {0};
    data_header_write(bytes, &h);
    static const uint8_t want[16] = {0x50, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    assert_memory_equal(bytes, want, 16);
    assert_true(data_header_read(bytes, 33, &out));
    assert_int_equal(out.receiver, h.receiver);
    assert_true(out.counter == h.counter);
    assert_false(data_header_read(bytes, 32, &out)); /* a sealed frame of length 0 */
    assert_false(data_header_read(bytes, 0, &out));
    for (int i = 0; i < 4; i++) {
        bytes[i] ^= 1;
        assert_false(data_header_read(bytes, sizeof bytes, &out));
        bytes[i] ^= 1;
    }
}

static void test_ping_and_pong(void **state)
{
    (void)state;
    struct rng r = rng_for(1);
    uint8_t bytes[1500] = {0};
    for (int n = 0; n < 1000; n++) {
        struct ping ping = {(uint8_t)rng_u32(&r), rng_u64(&r), rng_u32(&r)}, ping2 = {0};
        assert_int_equal(ping_write(bytes, sizeof bytes, &ping), PING_SIZE);
        assert_true(ping_read(bytes, rng_between(&r, PING_SIZE, 1500), &ping2));
        assert_true(ping.flags == ping2.flags && ping.token == ping2.token &&
                    ping.digest == ping2.digest);
        struct pong pong = {(uint8_t)rng_u32(&r), rng_u64(&r), any_endpoint(&r), rng_u32(&r)},
                    pong2 = {0};
        assert_int_equal(pong_write(bytes, sizeof bytes, &pong), PONG_SIZE);
        assert_true(pong_read(bytes, PONG_SIZE, &pong2));
        assert_true(pong.flags == pong2.flags && pong.token == pong2.token &&
                    pong.digest == pong2.digest);
        assert_true(endpoint_equal(&pong.observed, &pong2.observed));
    }
    struct pong pong;
    bytes[10] = 9; /* no such transport */
    assert_false(pong_read(bytes, PONG_SIZE, &pong));
}

static void test_routed(void **state)
{
    (void)state;
    struct rng r = rng_for(2);
    uint8_t bytes[1500], body[1400];
    rng_bytes(&r, body, sizeof body);
    for (int n = 0; n < 1000; n++) {
        struct routed v = {.mode = (uint8_t)(1 + n % 2),
                           .ttl = (uint8_t)n,
                           .flags = (uint8_t)rng_u32(&r),
                           .seq = 77};
        struct routed got;
        rng_bytes(&r, v.src.b, ID_SIZE);
        rng_bytes(&r, v.dst.b, ID_SIZE);
        v.body = body;
        v.body_len = rng_between(&r, 1, 1400 - ROUTED_HEADER);
        size_t len = routed_write(bytes, sizeof bytes, &v);
        assert_int_equal(len, ROUTED_HEADER + v.body_len);
        assert_true(routed_read(bytes, len, &got));
        assert_true(got.mode == v.mode && got.ttl == v.ttl && got.flags == v.flags &&
                    got.seq == v.seq);
        assert_true(id_equal(&got.src, &v.src) && id_equal(&got.dst, &v.dst));
        assert_int_equal(got.body_len, v.body_len);
        assert_memory_equal(got.body, body, v.body_len);
    }
    struct routed v = {.mode = ROUTE_EXACT, .body = body, .body_len = 1400 - ROUTED_HEADER + 1};
    assert_int_equal(routed_write(bytes, sizeof bytes, &v), 0); /* longer than the table allows */
    v.body_len = 0;
    assert_int_equal(routed_write(bytes, sizeof bytes, &v), 0);
    v.body_len = 1;
    assert_int_equal(routed_write(bytes, ROUTED_HEADER, &v), 0);
    assert_int_equal(routed_write(bytes, ROUTED_HEADER + 1, &v), 47);
    bytes[1] = 3; /* no such mode */
    assert_false(routed_read(bytes, 47, &v));
    bytes[1] = 0;
    assert_false(routed_read(bytes, 47, &v));
}

static void test_ack(void **state)
{
    (void)state;
    uint8_t bytes[200] = {0};
    for (uint8_t count = 1; count <= ACK_MAX; count++) {
        struct ack a = {.count = count}, got;
        for (uint8_t i = 0; i < count; i++) a.seq[i] = (uint16_t)(1000 * i);
        size_t len = ack_write(bytes, sizeof bytes, &a);
        assert_int_equal(len, 2u + 2u * count);
        assert_true(ack_read(bytes, len, &got));
        assert_int_equal(got.count, count);
        assert_memory_equal(got.seq, a.seq, 2u * count);
        assert_null(got.rest);
        bytes[len] = KIND_PING;
        assert_true(ack_read(bytes, len + 20, &got));
        assert_ptr_equal(got.rest, bytes + len);
        assert_int_equal(got.rest_len, 20);
        bytes[len] = KIND_ACK; /* would let a frame nest as deep as it is long */
        assert_false(ack_read(bytes, len + 20, &got));
        assert_int_equal(ack_write(bytes, len - 1, &a), 0);
    }
    struct ack got;
    bytes[0] = KIND_ACK, bytes[1] = 0;
    assert_false(ack_read(bytes, 4, &got));
    bytes[1] = ACK_MAX + 1;
    assert_false(ack_read(bytes, sizeof bytes, &got));
    bytes[1] = 2;
    assert_false(ack_read(bytes, 5, &got)); /* second number cut off */
}

static void test_fragment(void **state)
{
    (void)state;
    uint8_t bytes[100] = {0};
    struct fragment f = {.number = 0xfffe, .at = 80, .whole = 173}, got = {0};
    fragment_header_write(bytes, &f);
    assert_true(fragment_read(bytes, 100, &got)); /* the last: 93 bytes, not a multiple of 8 */
    assert_int_equal(got.number, 0xfffe);
    assert_int_equal(got.at, 80), assert_int_equal(got.whole, 173);
    assert_ptr_equal(got.bytes, bytes + FRAGMENT_HEADER);
    assert_int_equal(got.len, 93);
    assert_false(fragment_read(bytes, 99, &got)); /* one before the last: it must be */
    assert_true(fragment_read(bytes, FRAGMENT_HEADER + 88, &got));
    static const struct fragment bad[] = {
        {.at = 81, .whole = 2000},       /* between units */
        {.at = 0, .whole = 93},          /* not a part, but the whole */
        {.at = 80, .whole = 172},        /* over the end */
        {.at = 0xfff8, .whole = 0x2000}, /* far over the end */
        {.at = 0, .whole = 0},
        {.at = 1960, .whole = 2049 + 4}, /* a frame that is too long */
    };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        fragment_header_write(bytes, &bad[i]);
        assert_false(fragment_read(bytes, 100, &got));
    }
}

/* Every prefix, every other kind byte and every buffer too small is refused and changes nothing. */
#define REFUSES(kind_, size, name)                                                                 \
    do {                                                                                           \
        struct name out = {0}, none = {0};                                                         \
        uint8_t bytes[size] = {kind_, 1};                                                          \
        assert_true(name##_read(bytes, size, &out));                                               \
        memset(&out, 0, sizeof out);                                                               \
        for (size_t len = 0; len < size; len++) assert_false(name##_read(bytes, len, &out));       \
        for (unsigned kind = 0; kind < 256; kind++) {                                              \
            bytes[0] = (uint8_t)kind;                                                              \
            if (kind != kind_) assert_false(name##_read(bytes, size, &out));                       \
        }                                                                                          \
        assert_memory_equal(&out, &none, sizeof out);                                              \
    } while (0)

static void test_refusals(void **state)
{
    (void)state;
    REFUSES(KIND_PING, PING_SIZE, ping);
    REFUSES(KIND_PONG, PONG_SIZE, pong);
    REFUSES(KIND_ROUTED, ROUTED_HEADER + 1, routed);
    REFUSES(KIND_ACK, 4, ack);
    uint8_t bytes[PONG_SIZE + 1] = {KIND_PONG};
    struct pong pong;
    assert_false(pong_read(bytes, sizeof bytes, &pong)); /* trailing byte */
    for (size_t max = 0; max < PONG_SIZE; max++) {
        struct pong none = {0};
        struct ping nothing = {0};
        assert_int_equal(pong_write(bytes, max, &none), 0);
        assert_int_equal(ping_write(bytes, max, &nothing), max < PING_SIZE ? 0 : PING_SIZE);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_lengths),
        cmocka_unit_test(test_mtu_sums),
        cmocka_unit_test(test_data_header),
        cmocka_unit_test(test_ping_and_pong),
        cmocka_unit_test(test_fragment),
        cmocka_unit_test(test_routed),
        cmocka_unit_test(test_ack),
        cmocka_unit_test(test_refusals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
