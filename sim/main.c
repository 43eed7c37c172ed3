/* sim/main.c - ringlet-sim: reads a scenario, runs it, says what came of it. Wall clock and signals
 * live here and nowhere else in sim/. */
#include "base/crypto.h"
#include "base/time.h"
#include "sim/options.h"
#include "sim/report.h"
#include "sim/run.h"
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SCENARIO_BYTES  (1u << 20)
#define PROGRESS_US     MILLIS(250)
#define RINGLET_VERSION "0.1.0"

enum { EXIT_HELD = 0, EXIT_NOT_HELD = 1, EXIT_USAGE = 2, EXIT_STOPPED = 130 };

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static uint64_t wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return SECONDS(t.tv_sec) + (uint64_t)t.tv_nsec / 1000;
}

static int usage(const char *message)
{
    fprintf(stderr, "ringlet-sim: %s\n", message);
    return EXIT_USAGE;
}

/* --- progress, on a terminal --- */

struct screen {
    bool on;
    uint64_t begun_us, shown_us;
};

static bool show_progress(void *context, const struct progress *p)
{
    struct screen *s = context;
    if (stop_asked) return false;
    uint64_t now_us = wall_us();
    if (!s->on || now_us - s->shown_us < PROGRESS_US || p->now_us == 0) return true;
    s->shown_us = now_us;
    uint64_t ran_us = now_us - s->begun_us;
    uint64_t left_s = (uint64_t)((p->end_us - p->now_us) / p->now_us * ran_us +
                                 (p->end_us - p->now_us) % p->now_us * (ran_us / 1000) / p->now_us *
                                     1000) /
                      SECONDS(1);
    fprintf(stderr,
            "\r%6" PRIu64 " s of %" PRIu64 " s  %u nodes, ring %s  %" PRIu64 " events/s  %" PRIu64
            " s left\033[K",
            p->now_us / SECONDS(1), p->end_us / SECONDS(1), p->live,
            p->complete ? "complete" : "open", p->events * 1000 / (ran_us / 1000 + 1), left_s);
    return true;
}

/* --- one run --- */

static void print_again(const struct options *o, uint64_t seed)
{
    fprintf(stderr, "ringlet-sim: to repeat it: ringlet-sim %s --seed %" PRIu64, o->file, seed);
    if (o->nodes) fprintf(stderr, " --nodes %u", o->nodes);
    for (uint32_t i = 0; i < o->set_count; i++) fprintf(stderr, " --set %s", o->sets[i]);
    if (o->quiet) fputs(" --queue quiet", stderr);
    fprintf(stderr, " --crypto %s\n", o->crypto_real ? "real" : "fake");
}

static bool print_failures(const struct options *o, const struct scenario *s,
                           const struct results *r)
{
    bool held = true;
    fflush(stdout); /* so that a file with both is in order */
    for (uint32_t i = 0; i < s->expect_count; i++) {
        const struct expect_result *x = &r->expects[i];
        if (x->held) continue;
        char value[VALUE_TEXT], limit[VALUE_TEXT];
        fprintf(stderr, "ringlet-sim: %s:%u: expect %s: it was %s, not %s%s\n", s->file,
                s->expects[i].line, s->expects[i].text,
                report_value(&s->expects[i], x, false, value),
                metric_value(s->expects[i].metric) == VALUE_NOTHING ? ""
                : s->expects[i].at_least                            ? "at least "
                                                                    : "at most ",
                report_value(&s->expects[i], x, true, limit));
        held = false;
    }
    if (!held) print_again(o, r->seed);
    return held;
}

struct outputs {
    FILE *json, *trace;
};

static void trace_write(void *context, uint64_t now_us, enum trace_class c, const char *line)
{
    (void)now_us, (void)c;
    fputs(line, context);
    fputc('\n', context);
}

static struct measured run_one(const struct options *o, const struct scenario *s,
                               const struct limits *l, uint64_t seed, const struct outputs *out,
                               struct results *r)
{
    struct screen screen = {.on = isatty(STDERR_FILENO), .begun_us = wall_us()};
    struct trace trace = {
        .mask = out->trace ? o->trace_mask : 0, .sink = trace_write, .context = out->trace};
    const struct run_options options = {.seed = seed,
                                        .crypto = o->crypto_real ? &crypto_real : &crypto_fake,
                                        .limits = *l,
                                        .quiet = o->quiet,
                                        .trace = &trace,
                                        .progress = show_progress,
                                        .context = &screen};
    uint64_t before = report_rss_bytes();
    run_scenario(s, &options, r);
    uint64_t peak = report_peak_bytes();
    if (screen.on) fputs("\r\033[K", stderr);
    return (struct measured){.wall_us = wall_us() - screen.begun_us,
                             .rss_bytes = peak,
                             .bytes_per_node = peak > before ? (peak - before) / s->nodes : 0};
}

static void print_line(const struct results *r, const struct measured *m, bool held)
{
    struct lookup_counts lookups = lookups_total(r->lookups);
    printf("seed %-6" PRIu64 " %s  ring %s, %u live, %" PRIu64 " look-ups, %" PRIu64
           " wrong, %" PRIu64 " unanswered  %" PRIu64 " events  %" PRIu64 " ms  %016" PRIx64 "\n",
           r->seed, held ? "held  " : "FAILED", r->complete ? "complete" : "open", r->live,
           lookups.sent, lookups.wrong, lookups.unanswered, r->events, m->wall_us / 1000, r->hash);
}

static int run_all(const struct options *o, const struct scenario *s, const struct limits *l,
                   const struct outputs *out)
{
    struct results *r = malloc(sizeof *r);
    if (!r) return usage("out of memory");
    uint32_t runs = o->repeat ? o->repeat : 1, failed = 0;
    bool quiet = out->json == stdout || out->trace == stdout;
    if (o->repeat && out->json) fputs("{\"runs\":[", out->json);
    uint32_t i = 0;
    for (; i < runs && !stop_asked; i++) {
        struct measured m = run_one(o, s, l, o->seed + i, out, r);
        if (!quiet && !o->repeat) report_text(stdout, s, r, &m);
        bool held = print_failures(o, s, r);
        if (!quiet && o->repeat) print_line(r, &m, held);
        if (out->json && i > 0) fputs(",\n", out->json);
        if (out->json) report_json(out->json, s, r, &m);
        failed += !held;
    }
    if (out->json) fputs(o->repeat ? "]}\n" : "\n", out->json);
    if (!quiet && o->repeat) printf("%u of %u runs held\n", i - failed, i);
    free(r);
    return stop_asked ? EXIT_STOPPED : failed ? EXIT_NOT_HELD : EXIT_HELD;
}

/* --- files --- */

static char *read_file(const char *path, size_t *len, char error[SCENARIO_ERROR])
{
    FILE *f = fopen(path, "rb");
    char *text = f ? malloc(SCENARIO_BYTES + 1) : NULL;
    if (text) {
        *len = fread(text, 1, SCENARIO_BYTES + 1, f);
        if (ferror(f) || *len > SCENARIO_BYTES) {
            free(text);
            text = NULL;
            if (!ferror(f)) errno = EFBIG;
        }
    }
    if (!text) snprintf(error, SCENARIO_ERROR, "%s: %s", path, strerror(errno));
    if (f) fclose(f);
    return text;
}

static bool open_output(const char *path, FILE **out, char error[SCENARIO_ERROR])
{
    if (!path) return true;
    *out = strcmp(path, "-") == 0 ? stdout : fopen(path, "w");
    if (!*out) snprintf(error, SCENARIO_ERROR, "%s: %s", path, strerror(errno));
    return *out != NULL;
}

static bool close_output(FILE *f, const char *path)
{
    if (!f) return true;
    bool bad = ferror(f) != 0;
    if ((f == stdout ? fflush(f) : fclose(f)) != 0) bad = true;
    if (bad) fprintf(stderr, "ringlet-sim: %s: %s\n", path, strerror(errno));
    return !bad;
}

static int run_file(const struct options *o)
{
    char error[SCENARIO_ERROR];
    size_t len = 0;
    char *text = read_file(o->file, &len, error);
    if (!text) return usage(error);
    struct scenario *s = malloc(sizeof *s);
    struct limits limits = limits_sim;
    struct outputs out = {0};
    int status = EXIT_USAGE;
    if (!s || !scenario_parse(s, o->file, text, len, error) ||
        !options_apply(o, s, &limits, error) || !scenario_supported(s, error) ||
        !open_output(o->json, &out.json, error) || !open_output(o->trace, &out.trace, error))
        usage(s ? error : "out of memory");
    else
        status = run_all(o, s, &limits, &out);
    bool written = close_output(out.json, o->json);
    if (!close_output(out.trace, o->trace)) written = false;
    free(s);
    free(text);
    return status == EXIT_HELD && !written ? EXIT_NOT_HELD : status;
}

int main(int argc, char **argv)
{
    struct options o;
    char error[SCENARIO_ERROR];
    if (!options_parse(&o, argc, argv, error)) return usage(error);
    if (o.help) {
        fputs(options_help, stdout);
        return EXIT_HELD;
    }
    if (o.version) {
        puts("ringlet-sim " RINGLET_VERSION);
        return EXIT_HELD;
    }
    if (!crypto_init()) return usage("libsodium does not start");
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return run_file(&o);
}
