#include "sim/text.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static void test_numbers(void **state)
{
    (void)state;
    uint64_t v = 7;
    uint32_t u = 7;
    assert_true(text_u64("0", &v) && v == 0);
    assert_true(text_u64("18446744073709551615", &v) && v == UINT64_MAX);
    static const char *const bad[] = {"",   "x",   "1x", "-1",
                                      "+1", "1.0", " 1", "18446744073709551616"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(text_u64(bad[i], &v));
    assert_false(text_u64(NULL, &v));
    assert_true(v == UINT64_MAX); /* untouched */
    assert_true(text_u32("4294967295", &u) && u == UINT32_MAX);
    assert_false(text_u32("4294967296", &u));
}

static void test_decimals_and_shares(void **state)
{
    (void)state;
    uint64_t v;
    uint32_t share;
    assert_true(text_decimal("0.43", &v) && v == 430000);
    assert_true(text_decimal("12", &v) && v == 12000000);
    assert_true(text_decimal("0.000001", &v) && v == 1);
    assert_false(text_decimal("0.0000001", &v));
    assert_false(text_decimal(".5", &v));
    assert_false(text_decimal("5.", &v));
    assert_false(text_decimal("1.2.3", &v));
    assert_true(text_share("99.99%", &share) && share == 999900);
    assert_true(text_share("100%", &share) && share == MILLION);
    assert_true(text_share("0.0001%", &share) && share == 1);
    assert_false(text_share("100.0001%", &share));
    assert_false(text_share("5", &share));
    assert_false(text_share("5%%", &share));
}

static void test_times(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t us;
    } good[] = {{"0", 0},           {"0s", 0},
                {"90s", 90000000},  {"1.5s", 1500000},
                {"10m", 600000000}, {"2h", 7200000000},
                {"50ms", 50000},    {"100us", 100},
                {"0.5ms", 500},     {"366h", 1317600000000}};
    static const char *const bad[] = {"",   "1", "s", "1d", "1 s", "0.1us", "1e3s", "99999999999h",
                                      "-1s"};
    uint64_t us = 1;
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        assert_true(text_time(good[i].text, &us));
        assert_int_equal(us, good[i].us);
        char again[TIME_TEXT];
        uint64_t back = 1;
        assert_true(text_time(time_print(us, again), &back));
        assert_int_equal(back, us);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) assert_false(text_time(bad[i], &us));
}

static void test_lines(void **state)
{
    (void)state;
    static const char text[] = "# only a comment\n\n  at\t5s   kill 30%  # why\r\nend 1m";
    struct lines lines = lines_of(text, sizeof text - 1);
    struct line l;
    assert_int_equal(lines_next(&lines, &l), LINE_OK);
    assert_int_equal(l.number, 3);
    assert_string_equal(l.text, "at 5s kill 30%");
    assert_int_equal(l.count, 4);
    assert_true(line_accept(&l, "at"));
    assert_false(line_accept(&l, "at"));
    assert_string_equal(line_take(&l), "5s");
    assert_int_equal(lines_next(&lines, &l), LINE_OK);
    assert_int_equal(l.number, 4);
    assert_int_equal(lines_next(&lines, &l), LINE_END);
}

static void test_odd_lines(void **state)
{
    (void)state;
    struct line l;
    char text[3 * LINE_BYTES];
    memset(text, 'x', sizeof text);
    struct lines lines = lines_of(text, sizeof text);
    assert_int_equal(lines_next(&lines, &l), LINE_TOO_LONG);
    for (size_t i = 0; i < 2 * (LINE_WORDS + 1); i++) text[i] = i % 2 ? ' ' : 'x';
    lines = lines_of(text, 2 * (LINE_WORDS + 1));
    assert_int_equal(lines_next(&lines, &l), LINE_TOO_LONG);
    lines = lines_of("a\0b", 3);
    assert_int_equal(lines_next(&lines, &l), LINE_NOT_TEXT);
    lines = lines_of("n\xc3\xa4", 3);
    assert_int_equal(lines_next(&lines, &l), LINE_NOT_TEXT);
    lines = lines_of("", 0);
    assert_int_equal(lines_next(&lines, &l), LINE_END);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_numbers),   cmocka_unit_test(test_decimals_and_shares),
        cmocka_unit_test(test_times),     cmocka_unit_test(test_lines),
        cmocka_unit_test(test_odd_lines),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
