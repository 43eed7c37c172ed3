/* ping: asks the daemon for one after the other, so that each line appears as it comes and ^C still ends with the
 * summary (daemon/cli.h). */
#include "daemon/cli.h"

#include "base/time.h"
#include "daemon/client.h"
#include "daemon/clock.h"
#include "daemon/params.h"
#include "daemon/pingsum.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signal_number)
{
    (void)signal_number;
    interrupted = 1;
}

struct pinging {
    int64_t count;
    uint64_t interval_us, timeout_us;
    bool timeout_given;
    struct pingsum sum;
};

static void catch_interrupts(void)
{
    struct sigaction a = {.sa_handler = on_interrupt}; /* no SA_RESTART: a waiting read must end */
    sigaction(SIGINT, &a, NULL);
    sigaction(SIGTERM, &a, NULL);
}

static void print_answer(const struct json_t *a)
{
    int64_t seq = 0, hops = 0;
    double rtt;
    const char *path = js_get_text(a, "path");
    (void)js_get_int(a, "seq", &seq);
    (void)js_get_int(a, "hops", &hops);
    if (!js_get_number(a, "rtt_ms", &rtt)) {
        printf("seq %" PRId64 ": no answer\n", seq);
    } else {
        printf("seq %" PRId64 ": %.2f ms ", seq, rtt);
        if (path && strcmp(path, "direct") == 0)
            printf("direct %s\n", js_get_text(a, "endpoint"));
        else if (path && strcmp(path, "relayed") == 0)
            printf("relayed by %s\n",
                   js_get_text(a, "via_name") ? js_get_text(a, "via_name") : js_get_text(a, "via"));
        else if (path && strcmp(path, "routed") == 0)
            printf("routed, %" PRId64 " hop%s\n", hops, hops == 1 ? "" : "s");
        else
            puts("(this node itself)");
    }
    fflush(stdout);
}

/* False: the whole thing failed; cli->fail says why. */
static bool one(struct cli *cli, struct client *c, struct pinging *p, int64_t seq)
{
    struct json_t *params = js_object(), *result = NULL;
    bool patient = seq == 1 && !p->timeout_given; /* the first answer may need a session first */
    js_update(params, cli->params);
    js_remove(params, "interval");
    js_put_int(params, "count", 1);
    js_put_int(params, "seq", seq);
    js_put_number(params, "timeout", (double)(patient ? SECONDS(10) : p->timeout_us) / 1e6);
    if (!client_call(c, "ping", params, &result, &cli->fail))
        return cli->fail.status == 0; /* a signal came */
    struct json_t *answer = js_at(js_get(result, "answers"), 0);
    const char *id = js_get_text(result, "id");
    if (id) snprintf(p->sum.id, sizeof p->sum.id, "%s", id);
    if (answer && !cli->json) print_answer(answer);
    if (answer) pingsum_add(&p->sum, js_keep(answer));
    js_free(result);
    return true;
}

static void pause_until(uint64_t then_us)
{
    uint64_t now_us = clock_us(), left = then_us > now_us ? then_us - now_us : 0;
    struct timespec t = {(time_t)(left / 1000000), (long)(left % 1000000) * 1000};
    if (left) (void)nanosleep(&t, NULL); /* a signal ends it */
}

static bool all(struct cli *cli, struct client *c, struct pinging *p)
{
    for (int64_t seq = 1; seq <= p->count && !interrupted; seq++) {
        uint64_t begun_us = clock_us();
        if (!one(cli, c, p, seq)) return false;
        if (seq < p->count && !interrupted) pause_until(begun_us + p->interval_us);
    }
    return true;
}

static void summary(const struct cli *cli, const struct pingsum *sum)
{
    if (cli->json) {
        struct json_t *d = pingsum_document(sum);
        cli_print_json(d);
        js_free(d);
        return;
    }
    printf("%s: %" PRIu32 " sent, %" PRIu32 " received", js_get_text(cli->params, "target"),
           sum->sent, sum->received);
    if (sum->received)
        printf(", rtt min/avg/max %.2f/%.2f/%.2f ms", sum->min, sum->sum / sum->received, sum->max);
    puts("");
}

int cli_ping(struct cli *cli)
{
    struct client c;
    struct pinging p = {.count = 4, .interval_us = SECONDS(1), .timeout_us = SECONDS(2)};
    p.timeout_given = js_get(cli->params, "timeout") != NULL;
    if (!param_int(cli->params, "count", 1, 1000000, &p.count, &cli->fail) ||
        !param_time(cli->params, "interval", MILLIS(10), HOURS(1), &p.interval_us, &cli->fail) ||
        !param_time(cli->params, "timeout", MILLIS(1), HOURS(1), &p.timeout_us, &cli->fail))
        return cli_failed(cli);
    if (client_open(&c, cli->dir, &cli->fail) != CLIENT_READY) return cli_failed(cli);
    pingsum_init(&p.sum);
    catch_interrupts();
    bool good = all(cli, &c, &p);
    if (good) summary(cli, &p.sum);
    uint32_t received = p.sum.received;
    pingsum_fini(&p.sum);
    client_close(&c);
    if (!good) return cli_failed(cli);
    return received ? 0 : 1;
}
