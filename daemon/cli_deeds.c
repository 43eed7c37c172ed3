/* Verbs that change the state directory (daemon/cli.h): by the daemon if one runs, else on the files under the lock. */
#include "daemon/cli.h"

#include "daemon/client.h"
#include "daemon/configcheck.h"
#include "daemon/deeds.h"
#include "daemon/invites.h"
#include "vnet/token.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* A daemon that is starting holds the lock before it answers; so long it may take. */
#define STARTING_TRIES    40
#define STARTING_PAUSE_US 50000

typedef bool deed(struct state *s, const struct json_t *params, struct json_t *made,
                  struct fail *f);
static const struct {
    const char *verb;
    deed *run;
    bool makes; /* the directory, if it is not there */
    bool lists; /* the answer is an array */
} deeds[] = {
    {"create", deed_create, true, false},   {"invite", deed_invite, false, false},
    {"join", deed_join, true, false},       {"leave", deed_leave, false, false},
    {"invites", invites_list, false, true},
};

/* The token is a secret that should not stand in a list of processes: - reads it from standard input. */
static bool read_token(struct cli *cli)
{
    char text[TOKEN_TEXT + 2];
    const char *given = js_get_text(cli->params, "token");
    if (!given || strcmp(given, "-") != 0) return true;
    size_t len = fread(text, 1, sizeof text - 1, stdin);
    text[len] = 0;
    text[strcspn(text, "\r\n")] = 0;
    js_put_text(cli->params, "token", text);
    crypto_wipe(text, sizeof text);
    return len > 0 || fail(&cli->fail, FAIL_USAGE, "pipe the output of `ringlet invite` into it",
                           "no token on standard input");
}

/* 1 done by the daemon, 0 there is none, -1 it failed. */
static int by_daemon(struct cli *cli, struct json_t **made)
{
    struct client c;
    enum client_state state = client_open(&c, cli->dir, &cli->fail);
    if (state == CLIENT_NO_DAEMON) return 0;
    /* a directory we may not even look into: the files will say the same */
    if (state == CLIENT_FAILED) return -1;
    bool good = client_call(&c, cli->verb->name, js_keep(cli->params), made, &cli->fail);
    client_close(&c);
    return good ? 1 : -1;
}

static bool on_files(struct cli *cli, unsigned which, struct json_t **made, bool *held)
{
    struct state s;
    struct fail ignored;
    bool was_there = access(cli->dir, F_OK) == 0;
    *held = false;
    if (!state_open(&s, cli->dir, deeds[which].makes, &cli->fail)) return false;
    bool good = state_lock(&s, &cli->fail);
    *held = !good && strcmp(cli->fail.code, fail_name(FAIL_IN_USE)) == 0;
    /* from a read-only copy, too */
    if (!good && !*held) good = deeds[which].run == invites_list;
    if (good) {
        *made = deeds[which].lists ? js_array() : js_object();
        good = deeds[which].run(&s, cli->params, *made, &cli->fail);
    }
    if (!good && !was_there) { /* as if nothing had been asked */
        (void)state_remove(&s, "lock", &ignored);
        (void)rmdir(cli->dir);
    }
    state_close(&s);
    return good;
}

int cli_deed(struct cli *cli)
{
    struct json_t *made = NULL;
    bool good = false, held = true;
    unsigned which = 0;
    while (strcmp(deeds[which].verb, cli->verb->name) != 0) which++;
    if (!read_token(cli)) return cli_failed(cli);
    for (int tries = 0; held && !good && tries < STARTING_TRIES; tries++) {
        if (tries) usleep(STARTING_PAUSE_US);
        int daemon = by_daemon(cli, &made);
        if (daemon < 0) return cli_failed(cli);
        good = daemon > 0 || on_files(cli, which, &made, &held);
    }
    int status = good ? cli_show(cli, made) : cli_failed(cli);
    js_free(made);
    return status;
}

int cli_config_check(struct cli *cli)
{
    struct state s;
    struct json_t *made = js_object();
    bool good = state_open(&s, cli->dir, false, &cli->fail) &&
                config_check(&s, cli->params, made, &cli->fail);
    int status = good ? cli_show(cli, made) : cli_failed(cli);
    state_close(&s);
    js_free(made);
    return status;
}
