#include "base/pack.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct bytes {
    uint8_t p[512];
    size_t len;
};

static struct bytes hex(const char *text)
{
    struct bytes b = {.len = 0};
    for (; *text; text++) {
        if (*text == ' ') continue;
        char two[3] = {text[0], text[1], 0};
        b.p[b.len++] = (uint8_t)strtoul(two, NULL, 16);
        text++;
    }
    return b;
}

static void everything_round_trip(void **state)
{
    (void)state;
    uint8_t buffer[256], four[4], inner[8];
    struct pack raw = pack_of(inner, sizeof inner), k = pack_of(buffer, sizeof buffer);
    pack_array(&raw, 1);
    pack_bool(&raw, true);
    pack_array(&k, 7);
    pack_uint(&k, UINT64_MAX);
    pack_int(&k, INT64_MIN);
    pack_bool(&k, false);
    pack_bin(&k, "\1\2\3\4", 4);
    pack_bin(&k, NULL, 0);
    pack_str(&k, "gr\xc3\xbc\xc3\x9f", 6);
    pack_raw(&k, (struct span){.p = inner, .len = raw.len});
    assert_false(k.bad);

    struct unpack u = unpack_of(buffer, k.len);
    assert_int_equal(unpack_array(&u, 7, 7), 7);
    assert_true(unpack_uint(&u, UINT64_MAX) == UINT64_MAX);
    assert_true(unpack_int(&u) == INT64_MIN);
    assert_false(unpack_bool(&u));
    unpack_copy(&u, four, 4);
    assert_memory_equal(four, "\1\2\3\4", 4);
    assert_int_equal(unpack_bin(&u, 0, 0).len, 0);
    struct span s = unpack_str(&u, 6);
    assert_int_equal(s.len, 6);
    assert_memory_equal(s.p, "gr\xc3\xbc\xc3\x9f", 6);
    assert_false(unpack_done(&u));
    s = unpack_raw(&u);
    assert_int_equal(s.len, raw.len);
    assert_memory_equal(s.p, inner, s.len);
    assert_true(unpack_done(&u));
}

static void every_integer_has_one_spelling(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        int64_t value;
    } good[] = {
        {"00", 0},
        {"7f", 127},
        {"cc 80", 128},
        {"cc ff", 255},
        {"cd 0100", 256},
        {"cd ffff", 65535},
        {"ce 00010000", 65536},
        {"ce ffffffff", 4294967295},
        {"cf 0000000100000000", 4294967296},
        {"cf 7fffffffffffffff", INT64_MAX},
        {"ff", -1},
        {"e0", -32},
        {"d0 df", -33},
        {"d0 80", -128},
        {"d1 ff7f", -129},
        {"d1 8000", -32768},
        {"d2 ffff7fff", -32769},
        {"d2 80000000", -2147483648LL},
        {"d3 ffffffff7fffffff", -2147483649LL},
        {"d3 8000000000000000", INT64_MIN},
    };
    static const char *const wrong[] = {
        "cc 7f",
        "cc 00",
        "cd 00ff",
        "ce 0000ffff",
        "cf 00000000ffffffff",
        "cf 8000000000000000", /* over INT64_MAX */
        "d0 00",
        "d0 7f",
        "d0 e0",
        "d0 ff",
        "d1 ff80",
        "d1 0080",
        "d2 ffff8000",
        "d2 00010000",
        "d3 ffffffff80000000",
        "d3 0000000100000000",
        "cc",
        "cd 01",
        "ce 000100",
        "cf 00000001000000",
        "d0",
        "d3 80000000000000",
        "c0",
        "c2",
        "ca 3f800000",
        "cb 3ff0000000000000",
        "a0",
        "90",
        "80",
        "c1",
        "",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        struct bytes b = hex(good[i].bytes), out = {.len = 0};
        struct unpack u = unpack_of(b.p, b.len);
        assert_true(unpack_int(&u) == good[i].value);
        assert_true(unpack_done(&u));
        u = unpack_of(b.p, b.len);
        unpack_skip(&u);
        assert_true(unpack_done(&u));
        u = unpack_of(b.p, b.len);
        assert_true(unpack_uint(&u, INT64_MAX) ==
                    (uint64_t)(good[i].value < 0 ? 0 : good[i].value));
        assert_int_equal(u.bad, good[i].value < 0);
        struct pack k = pack_of(out.p, sizeof out.p);
        pack_int(&k, good[i].value);
        assert_int_equal(k.len, b.len);
        assert_memory_equal(out.p, b.p, b.len);
        if (good[i].value < 0) continue;
        k = pack_of(out.p, sizeof out.p);
        pack_uint(&k, (uint64_t)good[i].value);
        assert_int_equal(k.len, b.len);
        assert_memory_equal(out.p, b.p, b.len);
    }
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bytes b = hex(wrong[i]);
        struct unpack u = unpack_of(b.p, b.len);
        if (unpack_int(&u) != 0 || !u.bad) fail_msg("taken: %s", wrong[i]);
    }
}

static void ranges(void **state)
{
    (void)state;
    struct bytes b = hex("07");
    struct unpack u = unpack_of(b.p, b.len);
    assert_int_equal(unpack_uint(&u, 7), 7);
    u = unpack_of(b.p, b.len);
    assert_int_equal(unpack_uint(&u, 6), 0);
    assert_true(u.bad);
    b = hex("93 01 02 03");
    u = unpack_of(b.p, b.len);
    assert_int_equal(unpack_array(&u, 3, 3), 3);
    u = unpack_of(b.p, b.len);
    assert_int_equal(unpack_array(&u, 4, 9), 0);
    assert_true(u.bad);
    u = unpack_of(b.p, b.len);
    assert_int_equal(unpack_array(&u, 0, 2), 0);
    assert_true(u.bad);
    b = hex("c4 03 010203");
    u = unpack_of(b.p, b.len);
    assert_int_equal(unpack_bin(&u, 3, 3).len, 3);
    u = unpack_of(b.p, b.len);
    assert_null(unpack_bin(&u, 4, 9).p);
    u = unpack_of(b.p, b.len);
    assert_null(unpack_bin(&u, 0, 2).p);
    uint8_t out[4] = {9, 9, 9, 9};
    u = unpack_of(b.p, b.len);
    unpack_copy(&u, out, 4);
    assert_true(u.bad);
    assert_int_equal(out[0] | out[1] | out[2] | out[3], 0);
}

static bool skips(const char *text)
{
    struct bytes b = hex(text);
    uint8_t *exact = malloc(b.len +
                            !b.len); /* on the heap: a sanitizer sees the last byte's neighbour */
    memcpy(exact, b.p, b.len);
    struct unpack u = unpack_of(exact, b.len);
    unpack_skip(&u);
    bool done = unpack_done(&u);
    free(exact);
    return done;
}

static void what_can_be_skipped(void **state)
{
    (void)state;
    static const char *const good[] = {
        "c0",
        "c2",
        "c3",
        "05",
        "a1 41",
        "c4 00",
        "90",
        "93 01 c0 a0",
        "92 91 90 91 90",
        "91 91 91 91 91 91 91 90", /* PACK_DEPTH of them */
        "dc 0010 00000000000000000000000000000000",
        "d9 20 4141414141414141414141414141414141414141414141414141414141414141",
    };
    static const char *const wrong[] = {
        "",
        "c1",
        "80",                                     /* a map */
        "81 a1 41 01",                            /* a map with something in it */
        "c7 00 01",                               /* extensions */
        "d4 01 00",                               /* */
        "d6 ff 00000000",                         /* a timestamp */
        "ca 00000000",                            /* floating point */
        "cb 0000000000000000",                    /* */
        "91",                                     /* cut short */
        "92 01",                                  /* */
        "a2 41",                                  /* */
        "c4 01",                                  /* */
        "dc 000f 000000000000000000000000000000", /* fits the short form */
        "dd 00000001 00",                         /* */
        "c5 0001 00",                             /* */
        "c6 00000001 00",                         /* */
        "d9 01 41",                               /* */
        "da 0001 41",                             /* */
        "db 00000001 41",                         /* */
        "00 00",                                  /* something behind it */
        "91 91 91 91 91 91 91 91 90",             /* one deeper than PACK_DEPTH */
        "dd ffffffff 00 00",                      /* count bombs */
        "dc ffff 00 00",                          /* */
        "c6 ffffffff 00",                         /* length bombs */
        "db ffffffff 00",                         /* */
        "91 a1 00",                               /* no NUL in strings, not even in skipped ones */
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!skips(good[i])) fail_msg("refused: %s", good[i]);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (skips(wrong[i])) fail_msg("taken: %s", wrong[i]);
}

static void bombs_are_cheap(void **state)
{
    (void)state;
    size_t len = 1 << 20;
    uint8_t *bomb = malloc(len);
    memset(bomb, 0x91, len); /* a million levels */
    struct unpack u = unpack_of(bomb, len);
    unpack_skip(&u);
    assert_true(u.bad);
    assert_true(u.p <= bomb + PACK_DEPTH + 1);
    for (size_t i = 0; i + 3 <= len; i += 3) memcpy(bomb + i, "\xdc\xff\xff", 3);
    u = unpack_of(bomb, len); /* 65535 * 65535 * ... objects */
    unpack_skip(&u);
    assert_true(u.bad);
    assert_true(u.p <= bomb + 3 * PACK_DEPTH + 1);
    free(bomb);
}

static bool string_is_taken(const char *bytes, size_t len)
{
    uint8_t buffer[64] = {(uint8_t)(0xa0 | len)}, again[64];
    memcpy(buffer + 1, bytes, len);
    struct unpack u = unpack_of(buffer, len + 1);
    struct span s = unpack_str(&u, 31);
    struct pack k = pack_of(again, sizeof again);
    pack_str(&k, bytes, len);
    assert_int_equal(k.bad, u.bad); /* what would not be read is not written */
    assert_int_equal(s.len, u.bad ? 0 : len);
    return !u.bad;
}

static void strings_are_clean_utf8(void **state)
{
    (void)state;
    static const char *const good[] = {
        "",
        "plain ~",
        "\xc2\xa0",         /* U+00A0 */
        "\xdf\xbf",         /* U+07FF */
        "\xe0\xa0\x80",     /* U+0800 */
        "\xed\x9f\xbf",     /* U+D7FF */
        "\xee\x80\x80",     /* U+E000 */
        "\xef\xbf\xbd",     /* U+FFFD */
        "\xf0\x90\x80\x80", /* U+10000 */
        "\xf4\x8f\xbf\xbf", /* U+10FFFF */
        "a\xf0\x9f\x90\xa7z",
    };
    static const char *const wrong[] = {
        "\x01",
        "\n",
        "\x1b[2J",
        "\x7f",
        "\xc2\x80", /* U+0080, a control character */
        "\xc2\x9f",
        "\x80",
        "\xc0\xaf", /* '/' in two bytes */
        "\xc1\xbf",
        "\xe0\x9f\xbf",     /* U+07FF in three */
        "\xed\xa0\x80",     /* a surrogate */
        "\xf0\x8f\xbf\xbf", /* U+FFFF in four */
        "\xf4\x90\x80\x80", /* over U+10FFFF */
        "\xf5\x80\x80\x80",
        "\xff",
        "\xc3",         /* cut short */
        "\xe2\x82",     /* */
        "\xf0\x9f\x90", /* */
        "\xe2\x28\xa1", /* no continuation */
        "\xe2\x82\x28",
        "\xf0\x9f\x28\xa7",
        "ok\xc3(",
    };
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++)
        if (!string_is_taken(good[i], strlen(good[i]))) fail_msg("refused: %zu", i);
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++)
        if (string_is_taken(wrong[i], strlen(wrong[i]))) fail_msg("taken: %zu", i);
    assert_false(string_is_taken("a\0b", 3));
    struct bytes b = hex("a3 616263");
    struct unpack u = unpack_of(b.p, b.len);
    assert_null(unpack_str(&u, 2).p);
    assert_true(u.bad);
}

static void errors_stick(void **state)
{
    (void)state;
    struct bytes b = hex("c0 01 c3 c4 01 07 91 01");
    struct unpack u = unpack_of(b.p, b.len);
    uint8_t out = 9;
    assert_int_equal(unpack_uint(&u, 9), 0); /* nil is no number */
    assert_true(u.bad);
    assert_int_equal(unpack_uint(&u, 9), 0);
    assert_int_equal(unpack_int(&u), 0);
    assert_false(unpack_bool(&u));
    assert_int_equal(unpack_array(&u, 0, 9), 0);
    assert_null(unpack_bin(&u, 0, 9).p);
    assert_null(unpack_str(&u, 9).p);
    assert_null(unpack_raw(&u).p);
    unpack_skip(&u);
    unpack_copy(&u, &out, 1);
    assert_int_equal(out, 0);
    unpack_copy(&u, NULL, 0);
    assert_false(unpack_done(&u));

    uint8_t buffer[4] = {0, 0, 0, 0xee};
    struct pack k = pack_of(buffer, 3);
    pack_uint(&k, 1);
    pack_bin(&k, "abc", 3);
    assert_true(k.bad);
    size_t len = k.len;
    pack_array(&k, 0);
    pack_uint(&k, 1);
    pack_int(&k, 1);
    pack_bool(&k, true);
    pack_str(&k, "", 0);
    pack_raw(&k, (struct span){.p = b.p, .len = 1});
    assert_int_equal(k.len, len);
    assert_int_equal(buffer[3], 0xee);
}

static void raw_is_exactly_one_object(void **state)
{
    (void)state;
    static const char *const wrong[] = {"", "01 02", "92 01", "cc 01", "ca 00000000"};
    uint8_t buffer[64];
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        struct bytes b = hex(wrong[i]);
        struct pack k = pack_of(buffer, sizeof buffer);
        pack_raw(&k, (struct span){.p = b.len ? b.p : NULL, .len = b.len});
        assert_true(k.bad);
        assert_int_equal(k.len, 0);
    }
}

/* Lengths around every change of form, written and read back. */
static void lengths(void **state)
{
    (void)state;
    static const size_t sizes[] = {0, 1, 15, 16, 31, 32, 255, 256, 65535, 65536, 70000};
    static char text[70000];
    static uint8_t buffer[70016];
    memset(text, 'x', sizeof text);
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        size_t len = sizes[i];
        struct pack k = pack_of(buffer, sizeof buffer);
        pack_str(&k, text, len);
        struct unpack u = unpack_of(buffer, k.len);
        assert_int_equal(unpack_str(&u, len).len, len);
        assert_true(unpack_done(&u));
        k = pack_of(buffer, sizeof buffer);
        pack_bin(&k, text, len);
        u = unpack_of(buffer, k.len);
        assert_int_equal(unpack_bin(&u, len, len).len, len);
        assert_true(unpack_done(&u));
        k = pack_of(buffer, sizeof buffer);
        pack_array(&k, (uint32_t)len);
        for (size_t n = 0; n < len; n++) pack_bool(&k, true);
        u = unpack_of(buffer, k.len);
        assert_int_equal(unpack_array(&u, (uint32_t)len, (uint32_t)len), len);
        u = unpack_of(buffer, k.len);
        unpack_skip(&u);
        assert_true(unpack_done(&u));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(everything_round_trip),
        cmocka_unit_test(every_integer_has_one_spelling),
        cmocka_unit_test(ranges),
        cmocka_unit_test(what_can_be_skipped),
        cmocka_unit_test(bombs_are_cheap),
        cmocka_unit_test(strings_are_clean_utf8),
        cmocka_unit_test(errors_stick),
        cmocka_unit_test(raw_is_exactly_one_object),
        cmocka_unit_test(lengths),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
