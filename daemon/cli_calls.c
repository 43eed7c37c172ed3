/* How verbs run that ask the daemon once or wait for it (daemon/cli.h). */
#include "daemon/cli.h"

#include "base/time.h"
#include "daemon/client.h"
#include "daemon/clock.h"
#include "daemon/params.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char *method_of(const struct cli *cli)
{
    return cli->verb->method ? cli->verb->method : cli->verb->name;
}

static int finish(struct cli *cli, bool good, struct json_t *result)
{
    int status = good ? cli_show(cli, result) : cli_failed(cli);
    js_free(result);
    return status;
}

int cli_call(struct cli *cli)
{
    struct client c;
    struct json_t *result = NULL;
    if (client_open(&c, cli->dir, &cli->fail) != CLIENT_READY) return cli_failed(cli);
    bool good = client_call(&c, method_of(cli), js_keep(cli->params), &result, &cli->fail);
    client_close(&c);
    return finish(cli, good, result);
}

#define STOP_PAUSE_US 10000
#define STOP_TRIES    300

/* The connection closes when the daemon has said good-bye; when its lock goes, the directory is free for the next. */
int cli_stop(struct cli *cli)
{
    struct client c;
    struct json_t *result = NULL;
    if (client_open(&c, cli->dir, &cli->fail) != CLIENT_READY) return cli_failed(cli);
    bool good = client_call(&c, "stop", NULL, &result, &cli->fail);
    if (good && !client_wait_closed(&c, 5000))
        good = fail(&cli->fail, FAIL_TIMEOUT, "look at its log", "the daemon does not end");
    client_close(&c);
    for (int i = 0; good && i < STOP_TRIES && state_locked(cli->dir); i++) usleep(STOP_PAUSE_US);
    if (good && !cli->json) return js_free(result), 0;
    return finish(cli, good, result);
}

int cli_any(struct cli *cli)
{
    struct client c;
    char why[200];
    struct json_t *result = NULL, *params = NULL;
    const char *text = js_get_text(cli->params, "json");
    if (text && !(params = js_parse(text, strlen(text), why, sizeof why))) {
        fail(&cli->fail, FAIL_USAGE, "give one JSON object", "the parameters are no JSON: %s", why);
        return cli_failed(cli);
    }
    if (client_open(&c, cli->dir, &cli->fail) != CLIENT_READY)
        return js_free(params), cli_failed(cli);
    bool good = client_call(&c, js_get_text(cli->params, "method"), params, &result, &cli->fail);
    client_close(&c);
    return finish(cli, good, result);
}

int cli_unsupported(struct cli *cli)
{
    fail(&cli->fail, FAIL_UNSUPPORTED, "`ringlet --help` lists the verbs there are",
         "`%s`: not in this version", cli->verb->name);
    return cli_failed(cli);
}

/* --- status --wait --- */

/* One look: 1 the state is reached, 0 not yet, -1 it failed for good. */
static int look(struct cli *cli, const char *wanted, struct json_t **result)
{
    struct client c;
    enum client_state state = client_open(&c, cli->dir, &cli->fail);
    if (state != CLIENT_READY) return state == CLIENT_NO_DAEMON ? 0 : -1;
    struct json_t *got = NULL;
    if (client_call(&c, "status", NULL, &got, &cli->fail)) {
        js_free(*result);
        *result = got;
    }
    client_close(&c);
    const char *now = js_get_text(got, "state");
    return now && strcmp(now, wanted) == 0;
}

static int wait_for(struct cli *cli, const char *wanted, uint64_t timeout_us)
{
    struct json_t *result = NULL;
    uint64_t end_us = clock_us() + timeout_us;
    int reached;
    while ((reached = look(cli, wanted, &result)) == 0 && clock_us() < end_us) usleep(50000);
    if (reached == 0 && result)
        fail(&cli->fail, FAIL_TIMEOUT,
             "wait longer with --timeout, or look at `ringlet status` and the log",
             "the node is %s, not %s", js_get_text(result, "state"), wanted);
    return finish(cli, reached == 1, result);
}

int cli_status(struct cli *cli)
{
    static const char *const states[] = {"starting", "alone", "joining", "joined"};
    const char *wanted = NULL;
    uint64_t timeout_us = SECONDS(10);
    if (!param_text(cli->params, "wait", &wanted, &cli->fail) ||
        !param_time(cli->params, "timeout", 0, HOURS(24 * 7), &timeout_us, &cli->fail))
        return cli_failed(cli);
    if (!wanted) {
        js_remove(cli->params, "timeout");
        return cli_call(cli);
    }
    for (unsigned i = 0; i < sizeof states / sizeof *states; i++)
        if (strcmp(states[i], wanted) == 0) return wait_for(cli, wanted, timeout_us);
    fail(&cli->fail, FAIL_USAGE, "one of starting, alone, joining, joined",
         "there is no state `%.40s`", wanted);
    return cli_failed(cli);
}

/* --- watch --- */

int cli_watch(struct cli *cli)
{
    struct client c;
    struct json_t *result = NULL, *event;
    if (client_open(&c, cli->dir, &cli->fail) != CLIENT_READY) return cli_failed(cli);
    bool good = client_call(&c, "watch", js_keep(cli->params), &result, &cli->fail);
    js_free(result);
    while (good && client_stream(&c, &event, &cli->fail)) {
        char *line = js_print(event);
        good = puts(line) >= 0 && fflush(stdout) == 0;
        js_free(event);
        free(line);
    }
    client_close(&c);
    return cli_failed(cli);
}
