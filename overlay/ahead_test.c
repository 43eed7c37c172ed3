/* Lookahead: how a round trip and a place fit into five bytes, what a list from a neighbour may do to us, and who is worth a try. */
#include "base/rng.h"
#include "overlay/core.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define LINKS 4
#define LISTS 2

static struct overlay_common common;
static struct overlay o;
static struct link links[LINKS];

static void begin(void)
{
    memset(&o, 0, sizeof o);
    memset(links, 0, sizeof links);
    common.limits = limits_sim;
    common.limits.links = LINKS;
    common.limits.lookahead = LISTS;
    o.common = &common;
    o.links = links;
}

static void hear(unsigned slot, const uint8_t *body, size_t len)
{
    struct unpack u = unpack_of(body, len);
    on_links(&o, &links[slot], &u);
}

static void a_round_trip_in_a_byte(void **state)
{
    uint8_t last = 0;
    (void)state;
    for (uint32_t rtt = 0; rtt <= UINT16_MAX; rtt++) {
        uint8_t code = rtt_code((uint16_t)rtt);
        uint32_t back = rtt_decode(code);
        assert_true(code >= last && back <= rtt && (rtt - back) * 16 <= rtt);
        last = code;
    }
    assert_true(rtt_decode(UINT8_MAX) < 1u << 20); /* whatever somebody sends: sums stay small */
}

static void as_far_as_the_id_it_stands_for(void **state)
{
    struct rng r;
    const uint8_t seed[32] = {7};
    (void)state;
    rng_seed(&r, seed);
    for (unsigned i = 0; i < 100000; i++) {
        struct id a, b;
        rng_bytes(&r, a.b, ID_SIZE);
        rng_bytes(&r, b.b, ID_SIZE);
        for (uint64_t same = rng_below(&r, 4); same > 0; same--) b.b[same - 1] = a.b[same - 1];
        uint32_t prefix = get_u32(b.b), near = hint_distance_log2(&a, prefix);
        int32_t off = (int32_t)(near - id_distance_log2(&a, &b));
        /* of a distance of 2^k prefixes the rest of the id is one part in 2^k */
        if (near >= (128 + 9) * 256) assert_in_range(off + 2, 0, 4);
        struct id point = hint_point(prefix);
        if (near >= 129 * 256)
            assert_true(id_distance_log2(&a, &point) + 256 >= near &&
                        id_distance_log2(&a, &point) <= near + 256);
    }
    struct id a = hint_point(0x12345678);
    assert_int_equal(hint_distance_log2(&a, 0x12345678), 127 * 256); /* nothing is nearer */
    assert_int_equal(hint_distance_log2(&a, 0x12345679), 128 * 256);
}

static void a_list_is_kept_and_replaced(void **state)
{
    static const uint8_t two[] = {0xc4, 10, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, none[] = {0xc4, 0};
    (void)state;
    begin();
    hear(3, two, sizeof two);
    const struct hints *h = ahead_hints(&o, 3);
    assert_int_equal(h->count, 2);
    assert_int_equal(h->prefix[0], 0x01020304);
    assert_int_equal(h->rtt[1], 10);
    assert_int_equal(ahead_hints(&o, 0)->count, 0);
    hear(3, none, sizeof none);
    assert_int_equal(ahead_hints(&o, 3)->count, 0);
    ahead_fini(&o);
}

static void full_means_no_more_until_one_is_gone(void **state)
{
    static const uint8_t one[] = {0xc4, 5, 1, 2, 3, 4, 5};
    (void)state;
    begin();
    for (unsigned i = 0; i < 3; i++) hear(i, one, sizeof one);
    assert_int_equal(ahead_hints(&o, 1)->count, 1);
    assert_int_equal(ahead_hints(&o, 2)->count, 0);
    ahead_forget(&o, 0);
    assert_int_equal(ahead_hints(&o, 0)->count, 0);
    hear(2, one, sizeof one);
    assert_int_equal(ahead_hints(&o, 2)->count, 1);
    assert_int_equal(ahead_hints(&o, 1)->count, 1);
    ahead_fini(&o);
}

static void nonsense_is_a_counted_drop(void **state)
{
    static const uint8_t half[] = {0xc4, 6, 1, 2, 3, 4, 5, 6}, text[] = {0xa1, 'x'};
    static uint8_t many[2 + 205] = {0xc4, 205};
    (void)state;
    begin();
    hear(0, half, sizeof half);
    hear(0, text, sizeof text);
    hear(0, many, sizeof many);
    hear(0, half, 0);
    assert_int_equal(o.drops[DROP_MALFORMED], 4);
    assert_null(o.ahead);
}

static void off_means_off(void **state)
{
    static const uint8_t one[] = {0xc4, 5, 1, 2, 3, 4, 5};
    (void)state;
    begin();
    common.limits.lookahead = 0;
    hear(0, one, sizeof one);
    assert_null(o.ahead);
    assert_int_equal(ahead_hints(&o, 0)->count, 0);
    assert_int_equal(o.drops[DROP_MALFORMED], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_round_trip_in_a_byte),
        cmocka_unit_test(as_far_as_the_id_it_stands_for),
        cmocka_unit_test(a_list_is_kept_and_replaced),
        cmocka_unit_test(full_means_no_more_until_one_is_gone),
        cmocka_unit_test(nonsense_is_a_counted_drop),
        cmocka_unit_test(off_means_off),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
