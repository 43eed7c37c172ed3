#include "overlay/id.h"

#include "base/bytes.h"
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
    rng_stream(&root, "id", number, &r);
    return r;
}

/* The oracle: numbers of 20 digits in base 256. */
static struct id minus(const struct id *a, const struct id *b)
{
    struct id out;
    int borrow = 0;
    for (int i = ID_SIZE - 1; i >= 0; i--) {
        int digit = a->b[i] - b->b[i] - borrow;
        borrow = digit < 0;
        out.b[i] = (uint8_t)(digit + 256 * borrow);
    }
    return out;
}

static struct id shorter(const struct id *a, const struct id *b)
{
    struct id up = minus(b, a), down = minus(a, b);
    return memcmp(up.b, down.b, ID_SIZE) <= 0 ? up : down;
}

/* Ids whose digits often meet carries and each other. */
static struct id any_id(struct rng *r)
{
    static const uint8_t digits[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    struct id out;
    rng_bytes(r, out.b, ID_SIZE);
    if (rng_below(r, 2))
        for (int i = 0; i < ID_SIZE; i++) out.b[i] = digits[rng_below(r, sizeof digits)];
    if (rng_below(r, 2)) memset(out.b, rng_below(r, 2) ? 0xff : 0, rng_below(r, ID_SIZE + 1));
    if (rng_below(r, 2)) memset(out.b + rng_below(r, ID_SIZE), 0, 1);
    return out;
}

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void test_numbers(void **state)
{
    (void)state;
    struct rng r = rng_for(1);
    for (int n = 0; n < 20000; n++) {
        struct id a = any_id(&r), b = rng_below(&r, 8) ? any_id(&r) : a;
        struct id d = id_clockwise(&a, &b), want = minus(&b, &a);
        struct id back = minus(&a, &b);
        bool clockwise, up = memcmp(want.b, back.b, ID_SIZE) <= 0;
        assert_int_equal(id_distance_top(&a, &b, &clockwise), get_u64(up ? want.b : back.b));
        assert_int_equal(clockwise, up);
        assert_memory_equal(d.b, want.b, ID_SIZE);
        d = id_distance(&a, &b), want = shorter(&a, &b);
        assert_memory_equal(d.b, want.b, ID_SIZE);
        assert_int_equal(id_compare(&a, &b), sign(memcmp(a.b, b.b, ID_SIZE)));
        assert_int_equal(id_equal(&a, &b), memcmp(a.b, b.b, ID_SIZE) == 0);
    }
}

static void test_nearer_is_a_total_order(void **state)
{
    (void)state;
    struct rng r = rng_for(2);
    for (int n = 0; n < 20000; n++) {
        struct id t = any_id(&r), a = any_id(&r), b = any_id(&r), c = any_id(&r);
        struct id da = shorter(&t, &a), db = shorter(&t, &b);
        int want = memcmp(da.b, db.b, ID_SIZE);
        if (!want) want = memcmp(a.b, b.b, ID_SIZE);
        assert_int_equal(sign(id_nearer(&t, &a, &b)), sign(want));
        assert_int_equal(id_nearer(&t, &a, &b), -id_nearer(&t, &b, &a));
        if (id_nearer(&t, &a, &b) < 0 && id_nearer(&t, &b, &c) < 0)
            assert_true(id_nearer(&t, &a, &c) < 0);
    }
}

/* The first bit's number, then the eight bits after it. */
static uint32_t log2_of(const struct id *d)
{
    for (unsigned bit = 0; bit < 160; bit++) {
        if (!(d->b[bit / 8] >> (7 - bit % 8) & 1)) continue;
        uint32_t out = 159 - bit;
        for (unsigned i = 1; i <= 8; i++) {
            unsigned at = bit + i;
            out = out << 1 | (at < 160 ? d->b[at / 8] >> (7 - at % 8) & 1u : 0u);
        }
        return out;
    }
    return 0;
}

static void test_logarithm(void **state)
{
    (void)state;
    struct rng r = rng_for(5);
    for (int n = 0; n < 20000; n++) {
        struct id t = any_id(&r), a = any_id(&r), b = any_id(&r), d = shorter(&t, &a);
        uint32_t x = id_distance_log2(&t, &a), y = id_distance_log2(&t, &b);
        assert_int_equal(x, log2_of(&d));
        assert_true(x < 160 * 256);
        struct id e = shorter(&t, &b);
        if (memcmp(d.b, e.b, ID_SIZE) <= 0) assert_true(x <= y);
    }
    struct id one = {{[19] = 1}}, top = {{0x80}};
    assert_int_equal(id_distance_log2(&ID_ZERO, &one), 0);
    assert_int_equal(id_distance_log2(&ID_ZERO, &top), 159 * 256);
}

static void test_a_tie_goes_to_the_smaller(void **state)
{
    (void)state;
    struct id target = {{[19] = 10}}, below = {{[19] = 7}}, above = {{[19] = 13}};
    assert_true(id_nearer(&target, &below, &above) < 0);
    assert_true(id_nearer(&target, &above, &below) > 0);
    assert_int_equal(id_nearer(&target, &above, &above), 0);
}

static void test_between(void **state)
{
    (void)state;
    struct rng r = rng_for(3);
    for (int n = 0; n < 20000; n++) {
        struct id from = any_id(&r), x = rng_below(&r, 8) ? any_id(&r) : from;
        struct id to = rng_below(&r, 8) ? any_id(&r) : rng_below(&r, 2) ? from : x;
        struct id to_x = minus(&x, &from), to_end = minus(&to, &from);
        bool want = !id_is_zero(&to_x) &&
                    (id_is_zero(&to_end) || memcmp(to_x.b, to_end.b, ID_SIZE) < 0);
        assert_int_equal(id_between(&from, &x, &to), want);
    }
}

static void test_text(void **state)
{
    (void)state;
    char text[ID_TEXT];
    struct id a, b;
    memcpy(a.b, "foobarfoobarfoobarfo", ID_SIZE);
    /* RFC 4648: "foobar" begins mzxw6ytboi; "fooba" is mzxw6ytb */
    assert_memory_equal(id_print(&a, text), "mzxw6ytb", 8);
    assert_int_equal(strlen(text), 32);
    assert_string_equal(id_print(&ID_ZERO, text), "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa");
    memset(a.b, 0xff, ID_SIZE);
    assert_string_equal(id_print(&a, text), "77777777777777777777777777777777");
    struct rng r = rng_for(4);
    for (int n = 0; n < 1000; n++) {
        a = any_id(&r);
        assert_true(id_parse(id_print(&a, text), &b));
        assert_true(id_equal(&a, &b));
    }
}

static void test_bad_text_is_refused(void **state)
{
    (void)state;
    struct id before = {{1}}, out = before;
    char text[ID_TEXT + 1] = "abcdefghijklmnopqrstuvwxyz234567";
    static const char wrong[] = "A018 =-\x80\xff\n";
    assert_true(id_parse(text, &out));
    out = before;
    for (size_t i = 0; i < 32; i++)
        for (size_t j = 0; j < sizeof wrong; j++) { /* its NUL too: too short */
            char kept = text[i];
            text[i] = wrong[j];
            assert_false(id_parse(text, &out));
            text[i] = kept;
        }
    text[32] = 'a';
    assert_false(id_parse(text, &out)); /* too long */
    assert_false(id_parse("", &out));
    assert_true(id_equal(&out, &before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),
        cmocka_unit_test(test_nearer_is_a_total_order),
        cmocka_unit_test(test_logarithm),
        cmocka_unit_test(test_a_tie_goes_to_the_smaller),
        cmocka_unit_test(test_between),
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_bad_text_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
