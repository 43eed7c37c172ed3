/* sim/main.c - ringlet-sim: reads a scenario, runs it, says what came of it. Wall clock and signals
 * live here and nowhere else in sim/. */
#include "base/crypto.h"
#include "base/time.h"
#include "sim/options.h"
#include "sim/report.h"
#include "sim/report_samples.h"
#include "sim/run.h"
#include <errno.h>
#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define SCENARIO_BYTES  (1u << 20)
#define MATRIX_BYTES    (UINT64_C(256) << 20)
#define MMAP_FROM       (64 * 1024)
#define PROGRESS_US     MILLIS(250)
#define HUGE_PAGES_FROM 2000u /* nodes */
#define TUNABLES        "GLIBC_TUNABLES"
#define RINGLET_VERSION "0.1.0"

/* Of a node, not in node_size: its certificate chain, identity, place in the tables of the simulator, allocator headers, and its share of
 * the pool and of what is under way. */
#define NODE_BESIDE_BYTES 6144u

enum { EXIT_HELD = 0, EXIT_NOT_HELD = 1, EXIT_USAGE = 2, EXIT_STOPPED = 130 };

static volatile sig_atomic_t stop_asked;

static void on_signal(int number)
{
    (void)number;
    stop_asked = 1;
}

static uint64_t clock_us(clockid_t clock)
{
    struct timespec t;
    clock_gettime(clock, &t);
    return SECONDS(t.tv_sec) + (uint64_t)t.tv_nsec / 1000;
}

static uint64_t wall_us(void)
{
    return clock_us(CLOCK_MONOTONIC);
}

static uint64_t cpu_us(void)
{
    return clock_us(CLOCK_PROCESS_CPUTIME_ID);
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
    uint64_t rest_us, rest_cpu_us; /* begun, then how long it took */
};

static void note_rest(void *context)
{
    struct screen *s = context;
    s->rest_us = wall_us() - s->rest_us;
    s->rest_cpu_us = cpu_us() - s->rest_cpu_us;
}

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
    if (r->stopped) return true; /* half a run shows nothing, and nothing repeats it */
    fflush(stdout);              /* so that a file with both is in order */
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

struct loaded { /* what was read before the first run */
    struct scenario scenario;
    struct limits limits;
    struct matrix matrix;
};

static struct measured run_one(const struct options *o, const struct loaded *in, uint64_t seed,
                               const struct outputs *out, struct results *r)
{
    struct screen screen = {.on = isatty(STDERR_FILENO), .begun_us = wall_us()};
    struct trace trace = {
        .mask = out->trace ? o->trace_mask : 0, .sink = trace_write, .context = out->trace};
    const struct run_options options = {.seed = seed,
                                        .crypto = o->crypto_real ? &crypto_real : &crypto_fake,
                                        .limits = in->limits,
                                        .matrix = &in->matrix,
                                        .quiet = o->quiet,
                                        .samples = o->csv || o->plots,
                                        .trace = &trace,
                                        .progress = show_progress,
                                        .rest = note_rest,
                                        .context = &screen};
    uint64_t before = report_rss_bytes();
    run_scenario(&in->scenario, &options, r);
    uint64_t peak = report_peak_bytes();
    if (screen.on) fputs("\r\033[K", stderr);
    return (struct measured){.wall_us = wall_us() - screen.begun_us,
                             .rest_wall_us = r->upkeep_us ? screen.rest_us : 0,
                             .rest_cpu_us = r->upkeep_us ? screen.rest_cpu_us : 0,
                             .rss_bytes = peak,
                             .bytes_per_node = peak > before ? (peak - before) / in->scenario.nodes
                                                             : 0};
}

static void print_line(const struct results *r, const struct measured *m, bool held)
{
    const char *verdict = r->stopped ? "stopped" : held ? "held  " : "FAILED";
    struct lookup_counts lookups = lookups_total(r->lookups);
    printf("seed %-6" PRIu64 " %s  ring %s, %u live, %" PRIu64 " look-ups, %" PRIu64
           " wrong, %" PRIu64 " unanswered  %" PRIu64 " events  %" PRIu64 " ms  %016" PRIx64 "\n",
           r->seed, verdict, r->complete ? "complete" : "open", r->live, lookups.sent,
           lookups.wrong, lookups.unanswered, r->events, m->wall_us / 1000, r->hash);
}

/* Samples and pictures; false, and a message: they could not be written. */
static bool write_extras(const struct options *o, const struct scenario *s, const struct results *r)
{
    char error[SCENARIO_ERROR];
    if (o->csv && !report_csv(o->csv, r, error)) return usage(error), false;
    if (o->plots && !report_plots(o->plots, s, r, error)) return usage(error), false;
    return true;
}

static int run_all(const struct options *o, const struct loaded *in, const struct outputs *out)
{
    const struct scenario *s = &in->scenario;
    struct results *r = malloc(sizeof *r);
    if (!r) return usage("out of memory");
    uint32_t runs = o->repeat ? o->repeat : 1, failed = 0, judged = 0;
    bool quiet = out->json == stdout || out->trace == stdout, written = true;
    if (o->repeat && out->json) fputs("{\"runs\":[", out->json);
    uint32_t i = 0;
    for (; i < runs && !stop_asked; i++) {
        struct measured m = run_one(o, in, o->seed + i, out, r);
        if (!quiet && !o->repeat) report_text(stdout, s, r, &m);
        bool held = print_failures(o, s, r);
        if (!quiet && o->repeat) print_line(r, &m, held);
        if (out->json && i > 0) fputs(",\n", out->json);
        if (out->json) report_json(out->json, s, r, &m);
        written = write_extras(o, s, r) && written;
        failed += !held;
        judged += !r->stopped;
    }
    if (out->json) fputs(o->repeat ? "]}\n" : "\n", out->json);
    if (!quiet && o->repeat) printf("%u of %u runs held\n", judged - failed, judged);
    free(r);
    return stop_asked ? EXIT_STOPPED : failed || !written ? EXIT_NOT_HELD : EXIT_HELD;
}

/* --- files --- */

static char *read_file(const char *path, size_t max, size_t *len, char error[SCENARIO_ERROR])
{
    FILE *f = fopen(path, "rb");
    char *text = f ? malloc(max + 1) : NULL;
    if (text) {
        *len = fread(text, 1, max + 1, f);
        if (ferror(f) || *len > max) {
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

/* The scenario's matrix, found beside the scenario. */
static bool read_matrix(struct loaded *in, char error[SCENARIO_ERROR])
{
    const struct scenario *s = &in->scenario;
    if (s->network.model != NETWORK_MATRIX) return true;
    char path[2 * SCENARIO_NAME];
    const char *slash = s->network.matrix[0] == '/' ? NULL : strrchr(s->file, '/');
    int folder = slash ? (int)(slash - s->file) + 1 : 0;
    snprintf(path, sizeof path, "%.*s%s", folder, s->file, s->network.matrix);
    size_t len = 0;
    char why[SCENARIO_ERROR];
    char *text = read_file(path, MATRIX_BYTES, &len, why);
    if (!text) {
        snprintf(error, SCENARIO_ERROR, "%s:%u: %.512s", s->file, s->network_line, why);
        return false;
    }
    bool good = matrix_parse(&in->matrix, path, text, len, error);
    free(text);
    return good;
}

/* A node's memory is touched at random: with pages of 4 KiB each touch costs a walk through the page tables, too. The allocator
 * asks for large pages if it is told so when the program starts (glibc's tunables): so start once more. */
static void use_huge_pages(char **argv)
{
    if (getenv(TUNABLES)) return;
    if (setenv(TUNABLES, "glibc.malloc.hugetlb=1", 1) == 0) execv("/proc/self/exe", argv);
}

/* More nodes than there is memory for end badly after minutes: better said at once. */
static bool fits(const struct loaded *in, char error[SCENARIO_ERROR])
{
    uint64_t node = node_size(&in->limits) + NODE_BESIDE_BYTES;
    uint64_t need = in->scenario.nodes * node, free_bytes = report_free_bytes();
    if (free_bytes == 0 || need <= free_bytes) return true;
    snprintf(error, SCENARIO_ERROR,
             "%u nodes need %" PRIu64 " MiB, %zu bytes each (node_size) and %u beside it; "
             "%" PRIu64 " MiB are free: at most %" PRIu64 " nodes",
             in->scenario.nodes, need >> 20, node_size(&in->limits), NODE_BESIDE_BYTES,
             free_bytes >> 20, free_bytes / node);
    return false;
}

static bool load(const struct options *o, struct loaded *in, const char *text, size_t len,
                 char error[SCENARIO_ERROR])
{
    struct scenario *s = &in->scenario;
    in->limits = limits_sim;
    return scenario_parse(s, o->file, text, len, error) &&
           options_apply(o, s, &in->limits, error) && read_matrix(in, error) && fits(in, error) &&
           (!o->csv || report_folder(o->csv, error)) &&
           (!o->plots || (report_folder(o->plots, error) && report_plots_can(error)));
}

static int run_file(const struct options *o, char **argv)
{
    char error[SCENARIO_ERROR];
    size_t len = 0;
    char *text = read_file(o->file, SCENARIO_BYTES, &len, error);
    if (!text) return usage(error);
    struct loaded *in = calloc(1, sizeof *in);
    struct outputs out = {0};
    int status = EXIT_USAGE;
    bool good = in && load(o, in, text, len, error);
    if (good && in->scenario.nodes >= HUGE_PAGES_FROM) use_huge_pages(argv);
    if (!good || !open_output(o->json, &out.json, error) ||
        !open_output(o->trace, &out.trace, error))
        usage(in ? error : "out of memory");
    else
        status = run_all(o, in, &out);
    bool written = close_output(out.json, o->json);
    if (!close_output(out.trace, o->trace)) written = false;
    if (in) matrix_free(&in->matrix);
    free(in);
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
    mallopt(M_MMAP_THRESHOLD, MMAP_FROM); /* a chunk of a pool that empties goes back at once */
    if (!crypto_init()) return usage("libsodium does not start");
    const struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return run_file(&o, argv);
}
