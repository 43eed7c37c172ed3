#include "daemon/cli.h"

#include "daemon/params.h"
#include "daemon/pingsum.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define ARGS_MAX 16
static struct cli cli;

static int open_cli(void **state)
{
    (void)state;
    return setenv("RINGLET_DIR", "/nowhere/from-environment", 1);
}

static int close_cli(void **state)
{
    (void)state;
    js_free(cli.params);
    cli.params = NULL;
    return 0;
}

/* Words separated by spaces. */
static enum cli_parsed parse(const char *line)
{
    static char copy[400];
    char *argv[ARGS_MAX + 1] = {"ringlet"}, *rest;
    int argc = 1;
    js_free(cli.params);
    strcpy(copy, line);
    for (char *word = strtok_r(copy, " ", &rest); word && argc < ARGS_MAX;
         word = strtok_r(NULL, " ", &rest))
        argv[argc++] = word;
    return cli_parse(&cli, argc, argv);
}

static const char *param(const char *key)
{
    return js_get_text(cli.params, key);
}

static void options_become_parameters(void **state)
{
    bool l2 = false;
    (void)state;
    assert_int_equal(parse("-d /x -n lab create net --range=10.1.0.0/16 --listen 0.0.0.0:1 "
                           "--listen [::]:1 --l2 --json"),
                     CLI_RUN);
    assert_string_equal(cli.verb->name, "create");
    assert_string_equal(cli.dir, "/x");
    assert_true(cli.json);
    assert_string_equal(param("name"), "net");
    assert_string_equal(param("network"), "lab");
    assert_string_equal(param("range"), "10.1.0.0/16");
    assert_int_equal(js_count(js_get(cli.params, "listen")), 2);
    assert_true(js_get_bool(cli.params, "l2", &l2) && l2);
}

static void json_stands_before_or_after(void **state)
{
    (void)state;
    assert_int_equal(parse("--json status"), CLI_RUN);
    assert_true(cli.json);
    assert_int_equal(parse("status --json"), CLI_RUN);
    assert_true(cli.json);
    assert_int_equal(parse("status --nonsense --json"),
                     CLI_FAILED); /* also when what comes before it is wrong */
    assert_true(cli.json);
    assert_int_equal(parse("status"), CLI_RUN);
    assert_false(cli.json);
    assert_string_equal(cli.dir, "/nowhere/from-environment");
}

static void wrong_usage_is_status_2(void **state)
{
    static const char *const wrong[] = {
        "",
        "nonsense",
        "--nonsense",
        "create",
        "create a b",
        "create a --range",
        "create a --range x --range y",
        "ping",
        "-d",
        "status --wait",
        "config",
        "config nonsense",
        "leave a b",
        "join",
        "create a --l2=yes",
        "log",
        "help nonsense",
        "run x",
        "ping x -c",
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        if (parse(wrong[i]) != CLI_FAILED) fail_msg("%s", wrong[i]);
        assert_int_equal(cli.fail.status, 2);
        assert_string_equal(cli.fail.code, "usage");
    }
}

static void a_missing_second_word_is_named(void **state)
{
    static const char *const lines[][3] = {
        {"link", "`link` needs a second word", "`link` takes: add, drop, list"},
        {"link --json", "`link` needs a second word", "`link` takes: add, drop, list"},
        {"link frob bob", "there is no verb `link frob`", "`link` takes: add, drop, list"},
        {"config", "`config` needs a second word", "`config` takes: check"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        assert_int_equal(parse(lines[i][0]), CLI_FAILED);
        assert_string_equal(cli.fail.message, lines[i][1]);
        assert_string_equal(cli.fail.hint, lines[i][2]);
    }
}

static void words_find_their_place(void **state)
{
    (void)state;
    assert_int_equal(parse("join -"), CLI_RUN);
    assert_string_equal(param("token"), "-");
    assert_int_equal(parse("config check"), CLI_RUN);
    assert_string_equal(cli.verb->name, "config check");
    assert_int_equal(parse("leave"), CLI_RUN);
    assert_null(param("network"));
    assert_int_equal(parse("leave lab"), CLI_RUN);
    assert_string_equal(param("network"), "lab");
    assert_int_equal(parse("call ping {}"), CLI_RUN);
    assert_string_equal(param("json"), "{}");
    assert_int_equal(parse("ping -c 3 -- -odd"), CLI_RUN);
    assert_string_equal(param("target"), "-odd");
    assert_string_equal(param("count"), "3");
    assert_int_equal(parse("ping --help"), CLI_HELP);
    assert_int_equal(parse("--version"), CLI_VERSION);
    assert_int_equal(parse("config --help"), CLI_HELP); /* of the family: its first */
    assert_string_equal(cli.verb->name, "config check");
    assert_int_equal(parse("--help config"), CLI_HELP);
    assert_int_equal(parse("help"), CLI_HELP);
    assert_null(cli.verb);
    assert_int_equal(parse("help ping"), CLI_HELP);
    assert_string_equal(cli.verb->name, "ping");
    assert_int_equal(parse("help config check"), CLI_HELP);
    assert_int_equal(parse("put --help"), CLI_HELP);
    assert_int_equal(parse("policy set file"), CLI_RUN); /* of a later version: it says so itself */
}

/* Every verb has what --help and the dispatcher need. */
static void the_table_is_whole(void **state)
{
    (void)state;
    for (const struct cli_verb *v = cli_verbs; v->name; v++) {
        assert_non_null(v->args);
        assert_non_null(v->summary);
        assert_non_null(v->run);
        assert_true((v->run == cli_unsupported) == (v->example == NULL)); /* none of what fails */
        if (v->example)
            assert_memory_equal(v->example + (strncmp(v->example, "ssh", 3) == 0 ? 9 : 0),
                                "ringlet", 7);
        for (const struct cli_option *o = v->options; o && o->flag; o++) {
            assert_non_null(o->key);
            assert_non_null(o->help);
            assert_true((o->kind == OPTION_FLAG) == (o->value == NULL));
        }
    }
}

static void durations(void **state)
{
    uint64_t us = 0;
    (void)state;
    assert_true(duration_parse("24h", &us) && us == HOURS(24));
    assert_true(duration_parse("90", &us) && us == SECONDS(90));
    assert_true(duration_parse("1.5s", &us) && us == MILLIS(1500));
    assert_true(duration_parse("500ms", &us) && us == MILLIS(500));
    assert_true(duration_parse("10m", &us) && us == MINUTES(10));
    assert_true(duration_parse("7d", &us) && us == HOURS(168));
    static const char *const wrong[] = {"",     "h",    "-1s", "1w",  "1 h",
                                        "0x10", "1e99", "nan", "inf", "1hh"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++)
        if (duration_parse(wrong[i], &us)) fail_msg("%s", wrong[i]);
}

static void parameters_say_what_is_wrong(void **state)
{
    struct fail f = {0};
    char why[100];
    int64_t v = 5;
    struct json_t *p = js_parse(
        "{\"uses\":\"12\",\"big\":100,\"odd\":\"x\",\"list\":\"a:1\",\"bad\":[1]}", 56, why,
        sizeof why);
    struct config_hosts hosts = {0};
    (void)state;
    assert_non_null(p);
    assert_true(param_int(p, "uses", 1, 20, &v, &f) && v == 12); /* text from the command line */
    assert_false(param_int(p, "big", 1, 20, &v, &f));
    assert_string_equal(f.message, "big must be a number from 1 to 20");
    assert_int_equal(f.status, 2);
    assert_false(param_int(p, "odd", 1, 20, &v, &f));
    assert_true(param_int(p, "absent", 1, 20, &v, &f) && v == 12);
    assert_true(param_hosts(p, "list", &hosts, &f) && hosts.count == 1); /* one instead of a list */
    assert_false(param_hosts(p, "bad", &hosts, &f));
    assert_false(params_known(p, "uses big odd list", &f));
    assert_true(params_known(p, "uses big odd list bad", &f));
    js_free(p);
}

/* The man page lists every error code. */
static void the_man_page_knows_every_code(void **state)
{
    static char page[65536];
    (void)state;
    FILE *file = fopen("docs/man/ringlet.1", "r");
    if (!file) skip(); /* not run from the root of the tree */
    page[fread(page, 1, sizeof page - 1, file)] = 0;
    fclose(file);
    for (unsigned i = 0; i < FAIL_COUNT; i++) {
        char want[64] = ".B ";
        for (const char *p = fail_name((enum fail_code)i); *p; p++)
            strncat(want, *p == '-' ? "\\-" : (char[]){*p, 0}, 2);
        if (!strstr(page, strcat(want, "\n"))) fail_msg("%s", want);
    }
}

static struct json_t *answer(int seq, double rtt_ms, const char *path)
{
    struct json_t *o = js_object();
    js_put_int(o, "seq", seq);
    if (rtt_ms > 0)
        js_put_number(o, "rtt_ms", rtt_ms);
    else
        js_put_null(o, "rtt_ms");
    js_put_text(o, "path", path);
    js_put_int(o, "hops", 1);
    return o;
}

static void pings_are_summed_up(void **state)
{
    struct pingsum s;
    double v;
    int64_t n;
    (void)state;
    pingsum_init(&s);
    struct json_t *d = pingsum_document(&s); /* interrupted at once */
    assert_true(js_is_null(js_get(d, "path")));
    assert_true(js_is_null(js_get(js_get(d, "rtt_ms"), "avg")));
    js_free(d);
    pingsum_add(&s, answer(1, 3, "routed"));
    pingsum_add(&s, answer(2, 1, "direct"));
    pingsum_add(&s, answer(3, 0, NULL));
    d = pingsum_document(&s);
    assert_true(js_get_int(d, "sent", &n) && n == 3);
    assert_true(js_get_int(d, "received", &n) && n == 2);
    assert_true(js_get_number(js_get(d, "rtt_ms"), "min", &v) && v == 1.0);
    assert_true(js_get_number(js_get(d, "rtt_ms"), "avg", &v) && v == 2.0);
    assert_true(js_get_number(js_get(d, "rtt_ms"), "max", &v) && v == 3.0);
    assert_string_equal(js_get_text(d, "path"), "direct"); /* of the last that came */
    assert_int_equal(js_count(js_get(d, "answers")), 3);
    js_free(d);
    pingsum_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(options_become_parameters),
        cmocka_unit_test(json_stands_before_or_after),
        cmocka_unit_test(wrong_usage_is_status_2),
        cmocka_unit_test(a_missing_second_word_is_named),
        cmocka_unit_test(words_find_their_place),
        cmocka_unit_test(the_table_is_whole),
        cmocka_unit_test(durations),
        cmocka_unit_test(parameters_say_what_is_wrong),
        cmocka_unit_test(pings_are_summed_up),
        cmocka_unit_test(the_man_page_knows_every_code),
    };
    return cmocka_run_group_tests(tests, open_cli, close_cli);
}
