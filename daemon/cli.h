/* daemon/cli.h - the command line: a table of verbs, arguments to parameters, results to people or JSON.
 *
 * A verb's options become the JSON parameters of the method of its name; whoever answers (the daemon, or the files
 * alone) gives JSON back; `--json` prints that, otherwise the verb's `show` turns it into lines for people.
 * Errors: one line on stderr, `ringlet: what went wrong: what to do`, or {"error":..} on stdout with --json. */
#pragma once
#include "daemon/fail.h"
#include "daemon/json.h"
#include "daemon/state.h"

enum option_kind { OPTION_TEXT = 1, OPTION_LIST, OPTION_FLAG };
struct cli_option {
    const char *flag, *key; /* "--range", "range" */
    enum option_kind kind;
    const char *value; /* shown in help */
    const char *help;
};
struct cli;
struct cli_verb {
    const char *name, *args, *summary, *example; /* example NULL: not in this version */
    const struct cli_option *options;            /* ends with flag NULL; may be NULL */
    const char *keys[2]; /* parameters that stand by themselves; "?key": may be left out */
    int (*run)(struct cli *);
    void (*show)(const struct json_t *result);
    const char *method; /* NULL: the name */
};
struct cli {
    char dir[STATE_PATH_MAX];
    bool json;
    const struct cli_verb *verb;
    bool family; /* help is wanted of all verbs that begin with verb's first word */
    struct json_t *params;
    struct fail fail;
};
extern const struct cli_verb cli_verbs[]; /* ends with name NULL */

int cli_main(int argc, char **argv);
/* cli->dir, cli->json, cli->verb, cli->params from arguments. False: cli->fail is set. Pure but for RINGLET_DIR. */
enum cli_parsed { CLI_FAILED, CLI_RUN, CLI_HELP, CLI_VERSION };
enum cli_parsed cli_parse(struct cli *cli, int argc, char **argv);

void cli_help(const struct cli_verb *verb); /* NULL: the program's */
/* Print the failure; its exit status. */
int cli_failed(const struct cli *cli);
/* Print the result as the caller wants it; 0. */
int cli_show(const struct cli *cli, const struct json_t *result);
void cli_print_json(const struct json_t *result);

/* --- how verbs run --- */
int cli_call(struct cli *cli); /* by the daemon */
int cli_deed(
    struct cli
        *cli); /* by the daemon if there is one, else on the files: create join invite leave */
int cli_status(struct cli *cli);
int cli_ping(struct cli *cli);
int cli_watch(struct cli *cli);
int cli_stop(struct cli *cli);
int cli_any(struct cli *cli); /* call METHOD [JSON] */
int cli_config_check(struct cli *cli);
int cli_run(struct cli *cli);
int cli_unsupported(struct cli *cli);

/* --- for people: cli_show.c --- */
void show_create(const struct json_t *r);
void show_invite(const struct json_t *r);
void show_join(const struct json_t *r);
void show_leave(const struct json_t *r);
void show_status(const struct json_t *r);
void show_peers(const struct json_t *r);
void show_members(const struct json_t *r);
void show_trace(const struct json_t *r);
void show_why(const struct json_t *r);
void show_lookup(const struct json_t *r);
void show_send(const struct json_t *r);
void show_link_add(const struct json_t *r);
void show_link_drop(const struct json_t *r);
void show_link_list(const struct json_t *r);
void show_config(const struct json_t *r);
void show_log(const struct json_t *r);
void show_reload(const struct json_t *r);
void show_invites(const struct json_t *r);
