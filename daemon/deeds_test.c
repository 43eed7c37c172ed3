#include "daemon/deeds.h"

#include "daemon/configcheck.h"
#include "vnet/address.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

typedef bool deed(struct state *s, const struct json_t *params, struct json_t *made,
                  struct fail *f);

struct scene { /* directories below one that goes in the end */
    char root[64];
    struct state a, b;
    struct json_t *made; /* of the last deed */
    struct fail f;
};

static void open_in(struct scene *x, struct state *s, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", x->root, name);
    assert_true(state_open(s, path, true, &x->f));
}

static int open_scene(void **state)
{
    struct scene *x = calloc(1, sizeof *x);
    const char *tmp = getenv("TMPDIR");
    snprintf(x->root, sizeof x->root, "%.40s/deedsXXXXXX", tmp ? tmp : "/tmp");
    if (!crypto_init() || !mkdtemp(x->root)) return -1;
    open_in(x, &x->a, "a");
    open_in(x, &x->b, "b");
    *state = x;
    return 0;
}

static int close_scene(void **state)
{
    struct scene *x = *state;
    char command[128];
    state_close(&x->a);
    state_close(&x->b);
    js_free(x->made);
    snprintf(command, sizeof command, "rm -rf '%s'", x->root);
    int result = system(command);
    free(x);
    return result;
}

/* `'` stands for `"`; %s is replaced once. */
static bool doing(struct scene *x, deed *run, struct state *s, const char *json, const char *insert)
{
    static char text[8192];
    char why[100];
    snprintf(text, sizeof text, json, insert);
    for (char *p = text; *p; p++)
        if (*p == '\'') *p = '"';
    struct json_t *params = js_parse(text, strlen(text), why, sizeof why);
    if (!params) fail_msg("%s: %s", text, why);
    js_free(x->made);
    x->made = js_object();
    memset(&x->f, 0, sizeof x->f);
    bool good = run(s, params, x->made, &x->f);
    js_free(params);
    assert_true(good == (x->f.status == 0));
    return good;
}

#define CREATE                                                                                     \
    "{'name':'lab','range':'10.231.7.0/"                                                           \
    "24','ip':'10.231.7.1','host':'alpha','listen':'127.0.0.1:57464'%s}"

static void create_makes_a_member_with_authority(void **state)
{
    struct scene *x = *state;
    struct home_overlay o;
    struct identity i;
    struct home_network n;
    struct home_authority authority;
    struct config c;
    assert_true(doing(x, deed_create, &x->a, CREATE, ",'advertise':'gate.example.org:7464'"));
    assert_string_equal(js_get_text(x->made, "ipv4"), "10.231.7.1");
    assert_string_equal(js_get_text(x->made, "host"), "alpha");
    assert_int_equal(home_read_overlay(&x->a, &o, &x->f), STATE_READ);
    assert_true(o.founder);
    assert_string_equal(o.key.name, "lab");
    assert_int_equal(home_read_identity(&x->a, &i, &x->f), STATE_READ);
    assert_int_equal(home_read_network(&x->a, &o, &i.id, "lab", &n, &x->f), STATE_READ);
    assert_true(n.has_authority);
    assert_int_equal(n.is.ipv4, 0x0ae70701);
    assert_int_equal(home_read_authority(&x->a, "lab", &authority, &x->f), STATE_READ);
    assert_memory_equal(authority.network_pk, n.is.network_key, 32);
    assert_memory_equal(authority.overlay_pk, o.authority_pk, 32);
    assert_true(config_read(&x->a, &c, &x->f));
    assert_int_equal(c.listen.count, 1);
    assert_string_equal(c.advertise.text[0], "gate.example.org:7464");
    assert_string_equal(c.networks[0].name.s, "lab");
}

static void the_same_name_again_writes_nothing(void **state)
{
    struct scene *x = *state;
    char before[4096], after[4096];
    size_t len, len_after;
    assert_true(doing(x, deed_create, &x->a, CREATE, ""));
    assert_int_equal(
        state_read(&x->a, "networks/lab/authority", before, sizeof before, &len, &x->f),
        STATE_READ);
    assert_false(doing(x, deed_create, &x->a, "{'name':'lab'}%s", ""));
    assert_string_equal(x->f.code, "exists");
    assert_int_equal(
        state_read(&x->a, "networks/lab/authority", after, sizeof after, &len_after, &x->f),
        STATE_READ);
    assert_true(len == len_after && memcmp(before, after, len) == 0);
}

static void one_more_network_hangs_on_the_same_overlay(void **state)
{
    struct scene *x = *state;
    struct home_overlay o;
    struct identity i;
    struct home_network n;
    assert_true(doing(x, deed_create, &x->a, CREATE, ""));
    assert_true(doing(x, deed_create, &x->a, "{'name':'two','range':'10.231.8.0/24'}%s", ""));
    assert_int_equal(home_read_overlay(&x->a, &o, &x->f), STATE_READ);
    assert_string_equal(o.key.name, "lab");
    assert_int_equal(home_read_identity(&x->a, &i, &x->f), STATE_READ);
    assert_int_equal(home_read_network(&x->a, &o, &i.id, "two", &n, &x->f), STATE_READ);
    assert_false(doing(x, deed_invite, &x->a, "{'seed':'a:1'}%s", ""));
    assert_string_equal(x->f.code, "ambiguous");
    assert_int_equal(x->f.status, 2);
    assert_true(doing(x, deed_invite, &x->a, "{'seed':'a:1','network':'two'}%s", ""));
}

static void wrong_wishes_are_refused_and_leave_nothing(void **state)
{
    static const struct {
        const char *json, *code;
    } wrong[] = {
        {"{}%s", "usage"},
        {"{'name':'Lab'}%s", "usage"},
        {"{'name':'lab','range':'10.1.2.3/16'}%s", "usage"},
        {"{'name':'lab','range':'10.231.7.0/24','ip':'10.231.8.1','listen':'127.0.0.1:57464'}%s",
         "usage"},
        {"{'name':'lab','host':'-x'}%s", "usage"},
        {"{'name':'lab','listen':'nowhere'}%s", "usage"},
        {"{'name':'lab','colour':'red'}%s", "usage"},
        {"{'name':'lab','l2':true}%s", "not-supported"},
    };
    struct scene *x = *state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(doing(x, deed_create, &x->b, wrong[i].json, ""));
        assert_string_equal(x->f.code, wrong[i].code);
        assert_false(state_exists(&x->b, "identity"));
        assert_false(state_exists(&x->b, "ringlet.conf"));
        assert_false(state_exists(&x->b, "networks"));
    }
}

/* Whatever write fails, what was written before it is taken back. */
static void a_full_disk_takes_everything_back(void **state)
{
    struct scene *x = *state;
    struct rlimit old, small;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &old), 0);
    signal(SIGXFSZ, SIG_IGN);
    for (rlim_t room = 0; room < 900; room += 150) {
        small = (struct rlimit){room, old.rlim_max};
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
        bool good = doing(x, deed_create, &x->b, CREATE, "");
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &old), 0);
        if (good) break;
        assert_string_equal(x->f.code, "io");
        assert_false(state_exists(&x->b, "identity"));
        assert_false(state_exists(&x->b, "networks"));
        assert_false(state_exists(&x->b, "ringlet.conf"));
        assert_false(state_exists(&x->b, "overlay"));
    }
    state_close(&x->b);
    open_in(x, &x->b, "c");
    assert_true(doing(x, deed_create, &x->b, CREATE, ""));
}

static void an_invite_needs_an_authority_and_a_seed(void **state)
{
    struct scene *x = *state;
    struct home_peers p;
    char text[4096];
    assert_false(doing(x, deed_invite, &x->a, "{}%s", ""));
    assert_string_equal(x->f.code, "empty");
    assert_true(doing(x, deed_create, &x->a, CREATE, ""));
    assert_false(doing(x, deed_invite, &x->a, "{}%s", ""));
    assert_string_equal(x->f.code, "no-seed");
    memset(&p, 0, sizeof p);
    p.observed[p.observed_count++] = endpoint_v4(0xcb007105, 7464);
    assert_true(home_write_peers(&x->a, text, home_print_peers(&p, text, sizeof text), &x->f));
    assert_true(doing(x, deed_invite, &x->a, "{'uses':3,'expires':'2h','group':['a','b']}%s", ""));
    assert_string_equal(js_text(js_at(js_get(x->made, "seeds"), 0)), "203.0.113.5:7464");
    assert_false(doing(x, deed_invite, &x->a, "{'seed':'a:1','ip':'10.9.9.9'}%s", ""));
    assert_false(doing(x, deed_invite, &x->a, "{'seed':'a:1','uses':0}%s", ""));
    assert_false(doing(x, deed_invite, &x->a, "{'seed':'a:1','uses':2,'host':'x'}%s", ""));
}

static void a_token_makes_a_member_once(void **state)
{
    struct scene *x = *state;
    char token[4096];
    struct config c;
    struct home_network n;
    struct home_overlay o;
    struct identity i;
    bool already = true;
    assert_true(doing(x, deed_create, &x->a, CREATE, ""));
    assert_true(doing(x, deed_invite, &x->a,
                      "{'seed':['a:1','10.0.0.1:2'],'host':'beta','ip':'10.231.7.9','group':'g'}%s",
                      ""));
    snprintf(token, sizeof token, "%s", js_get_text(x->made, "token"));
    assert_true(doing(x, deed_join, &x->b, "{'token':' %s\\n','seed':'b:3'}", token));
    assert_true(js_get_bool(x->made, "already", &already) && !already);
    assert_string_equal(js_get_text(x->made, "host"), "beta");
    assert_string_equal(js_get_text(x->made, "ipv4"), "10.231.7.9");
    assert_true(config_read(&x->b, &c, &x->f));
    assert_int_equal(c.listen.count, 2);
    assert_in_range(c.listen.at[0].port, 20000, 60999);
    assert_int_equal(c.seed.count, 3);
    assert_int_equal(home_read_overlay(&x->b, &o, &x->f), STATE_READ);
    assert_false(o.founder);
    assert_int_equal(home_read_identity(&x->b, &i, &x->f), STATE_READ);
    assert_int_equal(home_read_network(&x->b, &o, &i.id, "lab", &n, &x->f), STATE_READ);
    assert_false(n.has_authority);
    assert_string_equal(n.is.groups[0].s, "g");
    assert_true(doing(x, deed_join, &x->b, "{'token':'%s'}", token)); /* again: fine, and said */
    assert_true(js_get_bool(x->made, "already", &already) && already);
    assert_false(doing(x, deed_invite, &x->b, "{'seed':'a:1'}%s", ""));
    assert_string_equal(x->f.code, "no-authority");
    assert_false(doing(x, deed_create, &x->b, "{'name':'more'}%s", ""));
    assert_string_equal(x->f.code, "no-authority");
}

/* A refused membership is replaced by another invite's, a good one never. */
static void another_invite_takes_the_place_of_a_refused_one(void **state)
{
    struct scene *x = *state;
    char first[4096], second[4096];
    struct home_network n;
    struct home_overlay o;
    struct identity i;
    struct id holder = {{7}};
    uint8_t seed[32], serial[16];
    bool already = true;
    assert_true(doing(x, deed_create, &x->a, CREATE, ""));
    assert_true(doing(x, deed_invite, &x->a, "{'seed':'a:1','uses':2}%s", ""));
    snprintf(first, sizeof first, "%s", js_get_text(x->made, "token"));
    assert_true(doing(x, deed_invite, &x->a, "{'seed':'a:1'}%s", ""));
    snprintf(second, sizeof second, "%s", js_get_text(x->made, "token"));
    assert_true(doing(x, deed_join, &x->b, "{'token':'%s'}", first));
    assert_int_equal(home_read_invite(&x->b, "lab", seed, &x->f),
                     STATE_READ); /* it has two slots */
    assert_int_equal(home_read_overlay(&x->b, &o, &x->f), STATE_READ);
    assert_int_equal(home_read_identity(&x->b, &i, &x->f), STATE_READ);
    assert_int_equal(home_read_network(&x->b, &o, &i.id, "lab", &n, &x->f), STATE_READ);
    memcpy(serial, n.is.invite, sizeof serial);
    assert_true(doing(x, deed_join, &x->b, "{'token':'%s'}", second));
    assert_true(js_get_bool(x->made, "already", &already) && already);
    assert_false(home_is_refused(&x->b, "lab", serial));
    assert_true(home_write_refused(&x->b, "lab", serial, &holder, &x->f));
    assert_true(home_is_refused(&x->b, "lab", serial));
    assert_true(doing(x, deed_join, &x->b, "{'token':'%s'}", first)); /* not with the same one */
    assert_true(js_get_bool(x->made, "already", &already) && already);
    assert_true(doing(x, deed_join, &x->b, "{'token':'%s'}", second));
    assert_true(js_get_bool(x->made, "already", &already) && !already);
    assert_int_equal(home_read_network(&x->b, &o, &i.id, "lab", &n, &x->f), STATE_READ);
    assert_memory_not_equal(n.is.invite, serial, sizeof serial);
    assert_false(home_is_refused(&x->b, "lab", serial));
    assert_true(doing(x, deed_leave, &x->b, "{}%s", ""));
    assert_false(state_exists(&x->b, "networks/lab"));
}

/* The claim of a slot carries the whole chain: an invite whose groups leave no room for that is not given. */
static void an_invite_whose_slots_could_not_be_claimed_is_not_given(void **state)
{
    struct scene *x = *state;
    static char groups[800];
    for (unsigned k = 0; k < 8; k++)
        snprintf(groups + strlen(groups), sizeof groups - strlen(groups), "%s'g%u%030u'",
                 k ? "," : "", k, 0);
    assert_true(doing(x, deed_create, &x->a, CREATE, ""));
    assert_false(doing(x, deed_invite, &x->a, "{'seed':'a:1','group':[%s]}", groups));
    assert_string_equal(x->f.code, "usage");
    assert_true(
        doing(x, deed_invite, &x->a, "{'seed':'a:1','group':['a','b','c','d','e','f']}%s", ""));
}

static void tokens_that_do_not_fit_are_told_apart(void **state)
{
    struct scene *x = *state;
    char token[4096], cut[4096];
    assert_true(doing(x, deed_create, &x->a, CREATE, ""));
    assert_true(doing(x, deed_invite, &x->a, "{'seed':'a:1'}%s", ""));
    snprintf(token, sizeof token, "%s", js_get_text(x->made, "token"));
    snprintf(cut, sizeof cut, "%.*s", (int)strlen(token) - 3, token);
    assert_false(doing(x, deed_join, &x->b, "{'token':'%s'}", cut));
    assert_string_equal(x->f.code, "bad-token");
    assert_false(doing(x, deed_join, &x->b, "{'token':'hello%s'}", ""));
    assert_string_equal(x->f.code, "bad-token");
    assert_false(doing(x, deed_join, &x->b, "{'token':'ringlet9%s'}", token + 8));
    assert_string_equal(x->f.code, "bad-token");
    assert_non_null(strstr(x->f.message, "newer version"));
    assert_false(state_exists(&x->b, "identity"));
    assert_true(doing(x, deed_create, &x->b,
                      "{'name':'own','range':'10.231.9.0/24','listen':'127.0.0.1:57465'}%s", ""));
    assert_false(doing(x, deed_join, &x->b, "{'token':'%s'}", token));
    assert_string_equal(x->f.code, "other-overlay");
}

static void leaving_keeps_the_authority_and_the_identity(void **state)
{
    struct scene *x = *state;
    struct identity before, after;
    bool last = false;
    assert_true(doing(x, deed_create, &x->a, CREATE, ""));
    assert_int_equal(home_read_identity(&x->a, &before, &x->f), STATE_READ);
    assert_true(doing(x, deed_leave, &x->a, "{'network':'lab'}%s", ""));
    assert_true(js_get_bool(x->made, "last", &last) && last);
    assert_string_equal(js_get_text(x->made, "kept"), "left/lab/authority");
    assert_true(state_exists(&x->a, "left/lab/authority"));
    assert_false(state_exists(&x->a, "networks/lab"));
    assert_false(doing(x, deed_leave, &x->a, "{}%s", ""));
    assert_true(
        doing(x, deed_create, &x->a, CREATE, "")); /* anew: another overlay, the same node */
    assert_int_equal(home_read_identity(&x->a, &after, &x->f), STATE_READ);
    assert_true(id_equal(&before.id, &after.id));
    assert_true(doing(x, deed_leave, &x->a, "{}%s", ""));
    assert_string_equal(js_get_text(x->made, "kept"), "left/lab-2/authority");
}

static void network_of_an_unfinished_create_is_no_member(void **state)
{
    struct scene *x = *state;
    struct name_text names[NETWORKS_MAX];
    assert_true(state_mkdir(&x->a, "networks", &x->f) &&
                state_mkdir(&x->a, "networks/half", &x->f));
    assert_int_equal(home_networks(&x->a, names), 0);
    assert_true(doing(x, deed_create, &x->a,
                      "{'name':'half','range':'10.231.7.0/24','listen':'127.0.0.1:57464'}%s", ""));
    assert_int_equal(home_networks(&x->a, names), 1);
}

int main(void)
{
#define TEST(t) cmocka_unit_test_setup_teardown(t, open_scene, close_scene)
    const struct CMUnitTest tests[] = {
        TEST(create_makes_a_member_with_authority),
        TEST(the_same_name_again_writes_nothing),
        TEST(one_more_network_hangs_on_the_same_overlay),
        TEST(wrong_wishes_are_refused_and_leave_nothing),
        TEST(a_full_disk_takes_everything_back),
        TEST(an_invite_needs_an_authority_and_a_seed),
        TEST(a_token_makes_a_member_once),
        TEST(another_invite_takes_the_place_of_a_refused_one),
        TEST(an_invite_whose_slots_could_not_be_claimed_is_not_given),
        TEST(tokens_that_do_not_fit_are_told_apart),
        TEST(leaving_keeps_the_authority_and_the_identity),
        TEST(network_of_an_unfinished_create_is_no_member),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
