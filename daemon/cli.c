#include "daemon/cli.h"

#include "base/err.h"
#include "daemon/version.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- arguments to parameters --- */

struct words {
    int argc, at;
    char **argv;
    uint32_t plain; /* words of the verb that stand by themselves, so far */
    bool ended;     /* after -- */
    bool has_dir;
};

static bool usage(struct cli *cli, const char *what, const char *word)
{
    fail(&cli->fail, FAIL_USAGE, "see `ringlet --help`", what, word);
    if (cli->verb) fail_hint(&cli->fail, "see `ringlet %s --help`", cli->verb->name);
    return false;
}

/* The value of an option: "--x=v", or the next word. NULL: missing, said. */
static const char *value_of(struct cli *cli, struct words *w, const char *word, size_t flag_len)
{
    if (word[flag_len] == '=') return word + flag_len + 1;
    if (w->at + 1 < w->argc) return w->argv[++w->at];
    usage(cli, "`%.60s` needs a value", word);
    return NULL;
}

static bool is_flag(const char *word, const char *flag)
{
    size_t len = strlen(flag);
    return strncmp(word, flag, len) == 0 &&
           (word[len] == 0 || (word[len] == '=' && flag[1] == '-'));
}

static bool take_option(struct cli *cli, struct words *w, const struct cli_option *o,
                        const char *word)
{
    const char *value;
    if (o->kind == OPTION_FLAG) {
        if (strlen(word) != strlen(o->flag)) return usage(cli, "`%.60s`: it takes no value", word);
        js_put_bool(cli->params, o->key, true);
        return true;
    }
    if (!(value = value_of(cli, w, word, strlen(o->flag)))) return false;
    if (o->kind == OPTION_TEXT) {
        if (js_get(cli->params, o->key)) return usage(cli, "`%s` is given twice", o->flag);
        js_put_text(cli->params, o->key, value);
        return true;
    }
    if (!js_get(cli->params, o->key)) js_put(cli->params, o->key, js_array());
    js_add_text(js_get(cli->params, o->key), value);
    return true;
}

static bool is_help(const char *word)
{
    return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* Options of every verb. 1: taken, 0: not one of them, -1: failed. */
static int take_common(struct cli *cli, struct words *w, const char *word, enum cli_parsed *what)
{
    const char *value;
    if (strcmp(word, "--json") == 0) return cli->json = true, 1;
    if (is_help(word)) return *what = CLI_HELP, 1;
    if (strcmp(word, "--version") == 0) return *what = CLI_VERSION, 1;
    if (strcmp(word, "-d") == 0) {
        if (!(value = value_of(cli, w, word, 2))) return -1;
        if (!*value || strlen(value) >= sizeof cli->dir)
            return usage(cli, "`%.60s` is no directory name", value) - 1;
        snprintf(cli->dir, sizeof cli->dir, "%s", value);
        w->has_dir = true;
        return 1;
    }
    if (strcmp(word, "-n") == 0) {
        if (!(value = value_of(cli, w, word, 2))) return -1;
        js_put_text(cli->params, "network", value);
        return 1;
    }
    return 0;
}

static bool take_plain(struct cli *cli, struct words *w, const char *word)
{
    const char *key = w->plain < 2 ? cli->verb->keys[w->plain] : NULL;
    if (!key) return usage(cli, "`%.60s` is one word too many", word);
    w->plain++;
    js_put_text(cli->params, key[0] == '?' ? key + 1 : key, word);
    return true;
}

/* `link` alone, or with a word that it does not take: which ones it does. */
static bool no_second(struct cli *cli, const struct cli_verb *family, size_t len,
                      const char *second)
{
    char takes[80] = "";
    const struct cli_verb *v = family;
    for (size_t used = 0; v->name && strncmp(v->name, family->name, len + 1) == 0; v++) {
        int n = snprintf(takes + used, sizeof takes - used, "%s%s", used ? ", " : "",
                         v->name + len + 1);
        used += n > 0 && (size_t)n < sizeof takes - used ? (size_t)n : 0;
    }
    if (!*second || *second == '-')
        fail(&cli->fail, FAIL_USAGE, "", "`%.*s` needs a second word", (int)len, family->name);
    else
        fail(&cli->fail, FAIL_USAGE, "", "there is no verb `%.*s %.60s`", (int)len, family->name,
             second);
    return fail_hint(&cli->fail, "`%.*s` takes: %s", (int)len, family->name, takes);
}

/* "config" "check": the verbs of two words take the second one here. "help" may stand before any of them. */
static bool take_verb(struct cli *cli, struct words *w, const char *word, enum cli_parsed *what)
{
    size_t len = strlen(word);
    const char *second = w->at + 1 < w->argc ? w->argv[w->at + 1] : "";
    const struct cli_verb *family = NULL;
    if (strcmp(word, "help") == 0 && *what != CLI_HELP) return *what = CLI_HELP, true;
    for (const struct cli_verb *v = cli_verbs; v->name; v++) {
        if (strcmp(v->name, word) == 0) return cli->verb = v, true;
        if (strncmp(v->name, word, len) != 0 || v->name[len] != ' ') continue;
        if (!family) family = v;
        if (strcmp(v->name + len + 1, second) == 0) return w->at++, cli->verb = v, true;
    }
    if (family && (*what == CLI_HELP || is_help(second)))
        return cli->family = true, cli->verb = family, true;
    return family ? no_second(cli, family, len, second)
                  : usage(cli, "there is no verb `%.60s`", word);
}

static bool take_word(struct cli *cli, struct words *w, enum cli_parsed *what)
{
    const char *word = w->argv[w->at];
    if (cli->verb && cli->verb->run == cli_unsupported && strcmp(word, "--json") != 0 &&
        !is_help(word))
        return true;
    if (w->ended || word[0] != '-' || word[1] == 0)
        return cli->verb ? take_plain(cli, w, word) : take_verb(cli, w, word, what);
    if (strcmp(word, "--") == 0) return w->ended = true;
    for (const struct cli_option *o = cli->verb ? cli->verb->options : NULL; o && o->flag; o++)
        if (is_flag(word, o->flag)) return take_option(cli, w, o, word);
    int common = take_common(cli, w, word, what);
    return common > 0 || (common == 0 && usage(cli, "there is no option `%.60s`", word));
}

static bool complete(struct cli *cli, const struct words *w)
{
    if (!cli->verb) return usage(cli, "no verb%s", "");
    if (cli->verb->run == cli_unsupported) return true;
    const char *key = w->plain < 2 ? cli->verb->keys[w->plain] : NULL;
    if (key && key[0] != '?') return usage(cli, "%s is missing", key);
    return w->has_dir || state_default_path(cli->dir, &cli->fail);
}

enum cli_parsed cli_parse(struct cli *cli, int argc, char **argv)
{
    enum cli_parsed what = CLI_RUN;
    struct words w = {.argc = argc, .at = 1, .argv = argv};
    *cli = (struct cli){.params = js_object()};
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        cli->json |= strcmp(argv[i], "--json") == 0;
    for (; w.at < w.argc; w.at++)
        if (!take_word(cli, &w, &what)) return CLI_FAILED;
    if (what != CLI_RUN) return what;
    return complete(cli, &w) ? CLI_RUN : CLI_FAILED;
}

/* --- help --- */

static void help_options(const struct cli_option *options)
{
    for (const struct cli_option *o = options; o && o->flag; o++) {
        char left[64];
        snprintf(left, sizeof left, "%s%s%s", o->flag, o->value ? " " : "",
                 o->value ? o->value : "");
        printf("  %-26s %s\n", left, o->help);
    }
}

void cli_help(const struct cli_verb *verb)
{
    if (verb) {
        printf("usage: ringlet [-d DIR] [-n NETWORK] [--json] %s%s%s\n%s\n", verb->name,
               *verb->args ? " " : "", verb->args, verb->summary);
        if (verb->options && verb->options->flag) puts("");
        help_options(verb->options);
        if (verb->example) printf("\nexample: %s\n", verb->example);
        return;
    }
    puts("usage: ringlet [-d DIR] [-n NETWORK] [--json] VERB ...\n"
         "A mesh VPN and peer-to-peer overlay without servers: `create` on the first machine, "
         "`invite` there,\n"
         "`join` on the others, `run` on all.\n");
    for (const struct cli_verb *v = cli_verbs; v->name; v++)
        if (v->run != cli_unsupported) printf("  %-13s %s\n", v->name, v->summary);
    puts("\n"
         "  -d DIR      state directory (RINGLET_DIR; /var/lib/ringlet, for a plain user "
         "$XDG_STATE_HOME/ringlet)\n"
         "  -n NETWORK  which network, where there are several\n"
         "  --json      print one JSON document\n"
         "  --help      after a verb: its options and an example (so does `ringlet help VERB`)\n"
         "  --version\n"
         "\n"
         "exit status: 0 fine, 1 it did not work, 2 wrong usage, 3 no daemon running\n"
         "example: ringlet create lab --advertise 203.0.113.5:7464; ringlet run & "
         "ringlet status --wait joined; ringlet invite");
}

/* `link --help`: of `link add`, `link drop` and `link list`. */
static void family_help(const struct cli_verb *first)
{
    size_t len = strcspn(first->name, " ") + 1;
    for (const struct cli_verb *v = first; v->name && strncmp(v->name, first->name, len) == 0;
         v++) {
        if (v != first) puts("");
        cli_help(v);
    }
}

/* --- results --- */

void cli_print_json(const struct json_t *result)
{
    char *text = js_print_pretty(result);
    puts(text);
    free(text);
}

int cli_failed(const struct cli *cli)
{
    const struct fail *f = &cli->fail;
    char hint[sizeof f->hint];
    snprintf(hint, sizeof hint, "%s", f->hint);
    if (cli->verb && strcmp(f->hint, "see --help") == 0) /* what reads parameters knows no verb */
        snprintf(hint, sizeof hint, "see `ringlet %s --help`", cli->verb->name);
    if (cli->json) {
        struct json_t *outer = js_object(), *error = js_object();
        js_put_text(error, "code", f->code);
        js_put_text(error, "message", f->message);
        js_put_text(error, "hint", hint);
        js_put(outer, "error", error);
        if (cli->verb && cli->verb->run == cli_watch) { /* the last line of many */
            char *line = js_print(outer);
            puts(line);
            free(line);
        } else {
            cli_print_json(outer);
        }
        js_free(outer);
    } else {
        fprintf(stderr, "ringlet: %s%s%s\n", f->message, hint[0] ? ": " : "", hint);
    }
    return f->status ? f->status : 1;
}

int cli_show(const struct cli *cli, const struct json_t *result)
{
    if (cli->json || !cli->verb->show)
        cli_print_json(result);
    else
        cli->verb->show(result);
    return 0;
}

static int run(struct cli *cli, enum cli_parsed what)
{
    if (what == CLI_FAILED) return cli_failed(cli);
    if (what == CLI_HELP) return (cli->family ? family_help : cli_help)(cli->verb), 0;
    if (what == CLI_RUN) return cli->verb->run(cli);
    if (cli->json)
        puts("{\"name\":\"ringlet\",\"version\":\"" RINGLET_VERSION "\"}");
    else
        puts("ringlet " RINGLET_VERSION);
    return 0;
}

int cli_main(int argc, char **argv)
{
    struct cli *cli = calloc(1, sizeof *cli);
    ensure(cli);
    int status = run(cli, cli_parse(cli, argc, argv));
    if (fflush(stdout) != 0 && status == 0) {
        fputs("ringlet: cannot write the output: is the disk full?\n", stderr);
        status = 1;
    }
    js_free(cli->params);
    free(cli);
    return status;
}
