#include "sim/matrix.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

static struct matrix m;
static char error[SCENARIO_ERROR];

static bool parse(const char *text)
{
    return matrix_parse(&m, "king.txt", text, strlen(text), error);
}

static void test_good(void **state)
{
    (void)state;
    assert_true(parse("# three places\n 0 20 81.5\n\n20\t0\t60 # back\r\n82 61 4"));
    assert_int_equal(m.size, 3);
    static const uint32_t us[] = {MATRIX_SAME_US, 10000, 40750, 10000, MATRIX_SAME_US,
                                  30000,          41000, 30500, 2000};
    assert_memory_equal(m.one_way_us, us, sizeof us);
    matrix_free(&m);
    assert_true(parse("0\n"));
    matrix_free(&m);
}

static void test_wrong_shape(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"", "king.txt:0: no values"},
        {"# nothing\n\n", "king.txt:2: no values"},
        {"0 1\n1 0\n1 1\n", "king.txt:3: a line too many: the first has 2 values"},
        {"0 1 2\n1 0\n", "king.txt:2: 2 values, the first line has 3"},
        {"0 1\n1 0 2\n", "king.txt:2: more than 2 values, as the first line has"},
        {"0 1 2\n1 0 2\n", "king.txt:2: 2 lines of 3 values: not square"},
        {"0 1\n1 x\n", "king.txt:2: column 2 is no round trip time in milliseconds, at most 60000"},
        {"0 -1\n1 0\n",
         "king.txt:1: column 2 is no round trip time in milliseconds, at most 60000"},
        {"0 1e3\n1 0\n",
         "king.txt:1: column 2 is no round trip time in milliseconds, at most 60000"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(parse(cases[i].text));
        assert_string_equal(error, cases[i].error);
        assert_null(m.one_way_us);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_good),
        cmocka_unit_test(test_wrong_shape),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
