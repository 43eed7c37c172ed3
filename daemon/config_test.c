#include "daemon/config.h"

#include "daemon/config_edit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct config c;
static struct fail f;

static bool parse(const char *text)
{
    memset(&f, 0, sizeof f);
    return config_parse(&c, text, strlen(text), "ringlet.conf", &f);
}

static void a_full_file_is_understood(void **state)
{
    (void)state;
    assert_true(parse("# comment\n"
                      "[node]\n"
                      "listen = 0.0.0.0:7464\n"
                      "  listen = [::]:7464   ; indented, with a comment\n"
                      "advertise=gate.example.org:7464\n"
                      "seed = 203.0.113.5:7464\n"
                      "seed = tcp:203.0.113.5:443\n"
                      "port-mapping = no\n"
                      "offload = no\n"
                      "threads = 4\n"
                      "stun = stun.example.org:3478\n"
                      "tcp = 0.0.0.0:443\n"
                      "user = daemon\n"
                      "log = link,path\n"
                      "[network lab]\n"
                      "device = vpn0\n"
                      "mtu = 1280\n"
                      "dns = no\n"
                      "accept-routes = yes\n"
                      "[limits]\n"
                      "links = 100\n"));
    assert_int_equal(c.listen.count, 2);
    assert_int_equal(c.listen.at[1].port, 7464);
    assert_string_equal(c.advertise.text[0], "gate.example.org:7464");
    assert_int_equal(c.seed.count, 2);
    assert_false(c.port_mapping);
    assert_false(c.offload);
    assert_int_equal(c.threads, 4);
    assert_int_equal(c.tcp.count, 1);
    assert_false(c.tcp_same);
    assert_string_equal(c.user, "daemon");
    assert_string_equal(c.log, "link,path");
    struct config_network n = config_network(&c, "lab");
    assert_string_equal(n.device, "vpn0");
    assert_int_equal(n.mtu_bytes, 1280);
    assert_false(n.dns);
    assert_true(n.accept_routes);
    assert_int_equal(c.limits.links, 100);
    assert_int_equal(c.limits.handshakes, limits_daemon.handshakes);
}

static void an_empty_file_means_the_defaults(void **state)
{
    (void)state;
    assert_true(parse(""));
    assert_true(c.port_mapping);
    assert_true(c.tcp_same);
    assert_string_equal(c.log, "info");
    struct config_network n = config_network(&c, "any");
    assert_true(n.dns);
    assert_false(n.accept_routes);
    assert_int_equal(n.mtu_bytes, 0);
}

/* Each refused with the line it stands on. */
static void wrong_keys_and_values_are_named(void **state)
{
    static const struct {
        const char *text, *says;
    } wrong[] = {
        {"[node]\nlisten = 7464\n", "ringlet.conf:2: not an address to listen on: `7464`"},
        {"[node]\n\n\nlisten = localhost:1\n", "ringlet.conf:4:"},
        {"[node]\nlisten = 0.0.0.0:0\n", "ringlet.conf:2:"},
        {"[node]\nseed = example.org\n", "ringlet.conf:2: not a host and port: `example.org`"},
        {"[node]\nseed = 300.1.1.1:7464\n", "ringlet.conf:2:"},
        {"[node]\nseed = a:99999\n", "ringlet.conf:2:"},
        {"[node]\ncolour = red\n", "ringlet.conf:2: unknown key `colour`"},
        {"[node]\nport-mapping = maybe\n", "ringlet.conf:2: neither yes nor no: `maybe`"},
        {"[node]\nthreads = 17\n", "ringlet.conf:2: not a number of threads: `17`"},
        {"[node]\nthreads = two\n", "ringlet.conf:2: not a number of threads: `two`"},
        {"[node]\nthreads = -1\n", "ringlet.conf:2: not a number of threads: `-1`"},
        {"[node]\nthreads = 2\nthreads = 2\n", "ringlet.conf:3: given twice: `threads`"},
        {"[node]\noffload = auto\n", "ringlet.conf:2: neither yes nor no: `auto`"},
        {"[node]\noffload = no\noffload = no\n", "ringlet.conf:3: given twice: `offload`"},
        {"[node]\nlog = loud\n", "ringlet.conf:2:"},
        {"[node]\nlog = info\nlog = warn\n", "ringlet.conf:3: given twice: `log`"},
        {"listen = 0.0.0.0:1\n", "ringlet.conf:1: a key outside of any section"},
        {"[knot]\n", "ringlet.conf:1: unknown section `knot`"},
        {"[node\n", "ringlet.conf:1: not a section"},
        {"[node]\nlisten\n", "ringlet.conf:2: not understood: `listen`"},
        {"[network Lab]\n", "ringlet.conf:1: not a network name: `Lab`"},
        {"[network lab]\n[network lab]\n", "ringlet.conf:2: section twice"},
        {"[network lab]\nmtu = 100\n", "ringlet.conf:2: not an mtu: `100`"},
        {"[network lab]\ndevice = a/b\n", "ringlet.conf:2: not a device name"},
        {"[network lab]\ndevice = sixteencharacter\n", "ringlet.conf:2:"},
        {"[limits]\nlinks = 70000\n", "ringlet.conf:2: not a value for this limit"},
        {"[limits]\nlinks = -1\n", "ringlet.conf:2:"},
        {"[limits]\nlinks = 4096\n", "ringlet.conf:2: not a value for this limit"},
        {"[limits]\nhandshakes = 4096\n", "ringlet.conf:2: not a value for this limit"},
        {"[limits]\nlynx = 1\n", "ringlet.conf:2: unknown limit `lynx`"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_false(parse(wrong[i].text));
        if (strncmp(f.message, wrong[i].says, strlen(wrong[i].says)) != 0)
            fail_msg("%s", f.message);
        assert_int_equal(f.status, 1);
        assert_string_not_equal(f.hint, "");
    }
}

static void bytes_that_are_no_text_are_refused(void **state)
{
    char text[] = "[node]\nlisten = 0.0.0.0:1\0\n";
    char name[70];
    (void)state;
    assert_false(config_parse(&c, text, sizeof text - 1, "x", &f));
    char line[400];
    snprintf(line, sizeof line, "[node]\nseed = %0300d:1\n", 1);
    assert_false(parse(line));
    memset(name, 'a', 63), name[63] = 0; /* longer than what inih keeps of a section */
    snprintf(line, sizeof line, "[network %s]\nmtu = 1300\n", name);
    assert_true(parse(line));
    assert_string_equal(c.networks[0].name.s, name);
    assert_int_equal(c.networks[0].mtu_bytes, 1300);
}

static void edits_keep_what_is_there(void **state)
{
    static struct config_text t;
    static const char mine[] = "# mine\n[node]\nlisten = 0.0.0.0:1\n# behind\n\n[network a]\nmtu = "
                               "1300\n\n[limits]\nlinks = 50";
    (void)state;
    memcpy(t.text, mine, sizeof mine);
    t.len = sizeof mine - 1;
    assert_true(config_add(&t, "node", "seed", "a:1"));
    assert_true(config_add(&t, "node", "seed", "a:1")); /* once */
    assert_true(config_add(&t, "limits", "hot", "9"));
    assert_true(config_section(&t, "network b"));
    assert_string_equal(
        t.text,
        "# mine\n[node]\nlisten = 0.0.0.0:1\n# behind\nseed = a:1\n\n[network a]\nmtu = 1300\n\n"
        "[limits]\nlinks = 50\nhot = 9\n\n[network b]\n");
    assert_int_equal(t.len, strlen(t.text));
    config_drop_section(&t, "network a");
    config_drop_section(&t, "network z");
    assert_string_equal(t.text, "# mine\n[node]\nlisten = 0.0.0.0:1\n# behind\nseed = "
                                "a:1\n\n[limits]\nlinks = 50\nhot = 9\n\n[network b]\n");
    assert_true(parse(t.text));
    assert_int_equal(c.limits.hot, 9);
}

static void the_template_parses_and_fills_up_to_its_bound(void **state)
{
    static struct config_text t;
    char host[80];
    bool good = true;
    int n = 0;
    static const char *const keys[] = {"listen",  "advertise", "seed", "port-mapping", "offload",
                                       "threads", "stun",      "tcp",  "user",         "log"};
    (void)state;
    assert_true(config_template(&t));
    assert_true(parse(t.text));
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++) {
        char line[40];
        snprintf(line, sizeof line, "\n# %s = ", keys[i]);
        if (!strstr(t.text, line)) fail_msg("the template does not name %s", keys[i]);
    }
    for (; good; n++) {
        snprintf(host, sizeof host, "h%050d:1", n);
        good = config_add(&t, "node", "seed", host);
    }
    assert_true(n > 100);
    assert_true(t.len < sizeof t.text);
    assert_int_equal(t.len, strlen(t.text));
}

static void count_key(void *context, const char *section, const char *key, const char *value)
{
    (void)section;
    (void)value;
    *(int *)context += strcmp(key, "tcp") == 0;
}

static void walking_shows_what_holds(void **state)
{
    int count = 0;
    (void)state;
    assert_true(parse("[node]\nlisten = 0.0.0.0:1\nlisten = [::]:1\n"));
    config_walk(&c, count_key, &count);
    assert_int_equal(count, 2); /* the same as listen */
    assert_true(parse("[node]\nlisten = 0.0.0.0:1\ntcp = no\n"));
    count = 0;
    config_walk(&c, count_key, &count);
    assert_int_equal(count, 1); /* tcp = no */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_file_is_understood),
        cmocka_unit_test(an_empty_file_means_the_defaults),
        cmocka_unit_test(wrong_keys_and_values_are_named),
        cmocka_unit_test(bytes_that_are_no_text_are_refused),
        cmocka_unit_test(edits_keep_what_is_there),
        cmocka_unit_test(the_template_parses_and_fills_up_to_its_bound),
        cmocka_unit_test(walking_shows_what_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
