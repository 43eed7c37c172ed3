#include "base/trace.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    char line[512];
    int lines, evaluated;
    uint64_t at;
    enum trace_class c;
    enum log_level level;
};

static void on_line(void *context, uint64_t now_us, enum trace_class c, const char *line)
{
    struct seen *s = context;
    strcpy(s->line, line);
    s->lines++;
    s->at = now_us;
    s->c = c;
}

static void on_log(void *context, enum log_level level, const char *line)
{
    struct seen *s = context;
    strcpy(s->line, line);
    s->level = level;
}

static int evaluate(struct seen *s)
{
    return ++s->evaluated;
}

static void one_stable_line(void **state)
{
    (void)state;
    struct seen s = {0};
    struct trace t = {.mask = 1u << TRACE_LINK, .sink = on_line, .context = &s, .name = "b"};
    trace(&t, 40999, LINK, "%s > up: rtt %dms", "a", 80);
    assert_string_equal(s.line, "[    40ms] b link a > up: rtt 80ms");
    assert_int_equal(s.c, TRACE_LINK);
    assert_true(s.at == 40999);
    trace(&t, 12345678901234, LINK, "x");
    assert_string_equal(s.line, "[12345678901ms] b link x");
}

static void a_class_not_wanted_costs_nothing(void **state)
{
    (void)state;
    struct seen s = {0};
    struct trace t = {.mask = 1u << TRACE_LINK, .sink = on_line, .context = &s, .name = "b"};
    trace(&t, 0, PATH, "%d", evaluate(&s));
    assert_int_equal(s.lines, 0);
    assert_int_equal(s.evaluated, 0);
    t.sink = NULL;
    trace(&t, 0, LINK, "%d", evaluate(&s)); /* nobody listens */
    assert_int_equal(s.lines, 0);
}

static void always_one_line_of_bounded_length(void **state)
{
    (void)state;
    struct seen s = {0};
    struct trace t = {.mask = ~0u, .sink = on_line, .log = on_log, .context = &s};
    memcpy(t.name, "twelve chars", 12); /* no room for a NUL */
    trace(&t, 0, NODE, "a\nb\x1b[2J\x7f");
    assert_string_equal(s.line, "[     0ms] twelve chars node a?b?[2J?");
    trace(&t, 0, NODE, "%01000d", 1);
    assert_int_equal(strlen(s.line), 319);
    log_line(&t, LOG_WARN, "%s", "two\nlines");
    assert_string_equal(s.line, "two?lines");
    assert_int_equal(s.level, LOG_WARN);
    t.log = NULL;
    log_line(&t, LOG_ERROR, "nobody listens");
    assert_string_equal(s.line, "two?lines");
}

static void masks(void **state)
{
    (void)state;
    uint32_t mask = 7;
    assert_true(trace_mask_parse("link,path", &mask));
    assert_int_equal(mask, 1u << TRACE_LINK | 1u << TRACE_PATH);
    assert_true(trace_mask_parse("all", &mask));
    assert_int_equal(mask, (1u << TRACE_COUNT) - 1);
    assert_true(trace_mask_parse("none", &mask));
    assert_int_equal(mask, 0);
    assert_true(trace_mask_parse("info,drop", &mask));
    assert_true(mask & 1u << TRACE_DROP && mask & 1u << TRACE_NODE && !(mask & 1u << TRACE_RING));
    static const char *const wrong[] = {"",      ",",   "link,", ",link",
                                        "links", "lin", "LINK",  "link path"};
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        mask = 7;
        assert_false(trace_mask_parse(wrong[i], &mask));
        assert_int_equal(mask, 7);
    }
    for (unsigned c = 0; c < TRACE_COUNT; c++) {
        assert_true(trace_mask_parse(trace_class_name((enum trace_class)c), &mask));
        assert_int_equal(mask, 1u << c);
    }
    assert_string_equal(trace_class_name(TRACE_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_stable_line),
        cmocka_unit_test(a_class_not_wanted_costs_nothing),
        cmocka_unit_test(always_one_line_of_bounded_length),
        cmocka_unit_test(masks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
