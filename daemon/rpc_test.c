#include "daemon/rpc.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* All of `text` in pieces of `step`; the lines that came out, joined by |. */
static void feed(struct rpc_lines *l, const char *text, size_t step, char *out)
{
    size_t left = strlen(text), room, len;
    char *line;
    *out = 0;
    while (left) {
        char *space = rpc_space(l, &room);
        if (!space) return;
        size_t part = left < step ? left : step;
        if (part > room) part = room;
        memcpy(space, text, part);
        rpc_filled(l, part);
        text += part, left -= part;
        while (rpc_next(l, &line, &len)) {
            assert_int_equal(len, strlen(line));
            strcat(strcat(out, line), "|");
        }
    }
}

static void lines_come_out_whole_however_they_arrive(void **state)
{
    char out[100];
    (void)state;
    for (size_t step = 1; step < 20; step++) {
        struct rpc_lines l;
        rpc_lines_init(&l, 64);
        feed(&l, "one\ntwo\r\n\nfour\nrest", step, out);
        assert_string_equal(out, "one|two||four|");
        feed(&l, " of it\n", step, out);
        assert_string_equal(out, "rest of it|");
        rpc_lines_fini(&l);
    }
}

static void a_line_is_bounded(void **state)
{
    static char text[RPC_LINE_MAX + 10], out[RPC_LINE_MAX + 20];
    struct rpc_lines l;
    (void)state;
    memset(text, 'x', RPC_LINE_MAX - 1);
    strcpy(text + RPC_LINE_MAX - 1, "\n");
    rpc_lines_init(&l, RPC_LINE_MAX);
    feed(&l, text, 1000, out);
    assert_int_equal(strlen(out), RPC_LINE_MAX);
    assert_false(l.too_long);
    memset(text, 'x', RPC_LINE_MAX + 1);
    feed(&l, text, 1000, out);
    assert_true(l.too_long);
    rpc_lines_fini(&l);
}

static void requests_are_read(void **state)
{
    struct rpc_request r;
    struct json_t *error = NULL;
    int64_t id;
    const char *good =
        "{\"jsonrpc\":\"2.0\",\"id\":7,\"method\":\"ping\",\"params\":{\"target\":\"x\"}}";
    (void)state;
    assert_true(rpc_parse(good, strlen(good), &r, &error));
    assert_string_equal(r.method, "ping");
    assert_string_equal(js_get_text(r.params, "target"), "x");
    assert_true(js_get_int(r.whole, "id", &id) && id == 7);
    js_free(r.whole);
    const char *silent = "{\"jsonrpc\":\"2.0\",\"method\":\"reload\"}";
    assert_true(rpc_parse(silent, strlen(silent), &r, &error));
    assert_null(r.id);
    assert_null(r.params);
    js_free(r.whole);
}

static void what_is_no_request_gets_the_right_number(void **state)
{
    static const struct {
        const char *text;
        int number;
    } wrong[] = {
        {"nonsense", -32700},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"id\":2,\"method\":\"x\"}", -32700},
        {"[]", -32600},
        {"3", -32600},
        {"{\"id\":1,\"method\":\"x\"}", -32600},
        {"{\"jsonrpc\":\"1.0\",\"id\":1,\"method\":\"x\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":5}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":{},\"method\":\"x\"}", -32600},
        {"{\"jsonrpc\":\"2.0\",\"id\":1,\"method\":\"x\",\"params\":[1]}", -32602},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct rpc_request r;
        struct json_t *answer = NULL;
        int64_t number;
        assert_false(rpc_parse(wrong[i].text, strlen(wrong[i].text), &r, &answer));
        assert_true(js_get_int(js_get(answer, "error"), "code", &number));
        assert_int_equal(number, wrong[i].number);
        assert_string_equal(js_get_text(answer, "jsonrpc"), "2.0");
        js_free(answer);
    }
}

static void failures_travel_unchanged(void **state)
{
    struct fail f, g = {0};
    (void)state;
    (fail)(&f, FAIL_AMBIGUOUS, "choose one", "there are %d", 2); /* not the macro of cmocka */
    struct json_t *m = rpc_error(NULL, &f);
    rpc_fail(js_get(m, "error"), &g);
    assert_string_equal(g.code, f.code);
    assert_string_equal(g.message, "there are 2");
    assert_string_equal(g.hint, "choose one");
    assert_int_equal(g.status, 2);
    js_free(m);
    rpc_fail(NULL, &g);
    assert_string_equal(g.code, "internal");
}

static void an_answer_is_one_line(void **state)
{
    (void)state;
    struct json_t *result = js_object();
    js_put_text(result, "text", "two\nlines \xff");
    struct json_t *m = rpc_result(NULL, result);
    char *text = js_print(m);
    assert_null(strchr(text, '\n'));
    assert_string_equal(
        text, "{\"jsonrpc\":\"2.0\",\"id\":null,\"result\":{\"text\":\"two\\nlines ?\"}}");
    free(text);
    js_free(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lines_come_out_whole_however_they_arrive),
        cmocka_unit_test(a_line_is_bounded),
        cmocka_unit_test(requests_are_read),
        cmocka_unit_test(what_is_no_request_gets_the_right_number),
        cmocka_unit_test(failures_travel_unchanged),
        cmocka_unit_test(an_answer_is_one_line),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
