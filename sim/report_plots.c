#include "sim/report_samples.h"

#include <errno.h>
#include <inttypes.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define BARS_MAX 14u /* message types in the picture of upkeep */

extern char **environ;

bool report_plots_can(char error[SCENARIO_ERROR])
{
    const char *path = getenv("PATH");
    for (const char *p = path ? path : ""; *p;) {
        size_t len = strcspn(p, ":");
        char file[2 * SCENARIO_NAME];
        snprintf(file, sizeof file, "%.*s/gnuplot", len < 400 ? (int)len : 400, p);
        if (access(file, X_OK) == 0) return true;
        p += len + (p[len] == ':');
    }
    snprintf(error, SCENARIO_ERROR,
             "--plots: gnuplot is not installed (apt install gnuplot-nox); --csv works without it");
    return false;
}

/* --- what gnuplot is told --- */

static const char style[] =
    "set datafile separator ','\n"
    "set terminal svg size 760,460 enhanced font 'sans-serif,14' background '#ffffff'\n"
    "set border 3 lc rgb '#666666'\n"
    "set tics nomirror out textcolor rgb '#333333'\n"
    "set grid lc rgb '#dddddd' lw 1 dt 1\n"
    "set style line 1 lc rgb '#1f5fa8' lw 2.2\n"
    "set style line 2 lc rgb '#c8501e' lw 2.2\n"
    "set style line 3 lc rgb '#4a8f3c' lw 2.2\n"
    "set key noautotitle\n";

static void picture(FILE *f, const char *name, const char *title, const struct scenario *s,
                    const struct results *r)
{
    const char *slash = strrchr(s->file, '/');
    fprintf(f, "\nreset\n%sset output '%s.svg'\nset title \"%s\\n{/*0.75 ", style, name, title);
    for (const char *p = slash ? slash + 1 : s->file; *p; p++)
        if (!strchr("\"\\{}_^@&~'", *p)) fputc(*p, f);
    fprintf(f, ", %u nodes, seed %" PRIu64 "}\" noenhanced\nset title enhanced\n", r->nodes,
            r->seed);
}

/* The quantiles beside the curve save looking them up. */
static void cdf(FILE *f, const char *name, const char *title, const char *axis,
                const struct histogram *h, double unit, const struct scenario *s,
                const struct results *r)
{
    if (h->count == 0) return;
    double far = (double)histogram_at(h, 990000) * 1.4 /
                 unit; /* a long tail would press the rest flat */
    if (far > (double)h->max / unit) far = (double)h->max / unit;
    picture(f, name, title, s, r);
    fprintf(f,
            "set xlabel '%s'\nset ylabel 'look-ups answered with at most that'\n"
            "set yrange [0:100]\nset format y '%%g %%%%'\nset xrange [0:%.6g]\n"
            "set label 'mean %.4g   p50 %.4g   p99 %.4g   max %.4g' at graph 0.97,0.08 right\n"
            "plot '< echo 0,0; tail -n +2 %s.csv' using 1:2 with steps ls 1\n",
            axis, far > 0 ? far * 1.1 : 1, (double)histogram_mean(h, 1000) / unit / 1000,
            (double)histogram_at(h, 500000) / unit, (double)histogram_at(h, 990000) / unit,
            (double)h->max / unit, name);
}

static void marks(FILE *f, const struct scenario *s)
{
    static const char *const colours[] = {
        [PHASE_JOIN] = "#4a8f3c",      [PHASE_KILL] = "#b02020",  [PHASE_LEAVE] = "#b07020",
        [PHASE_PARTITION] = "#7030a0", [PHASE_CHURN] = "#b02020", [PHASE_HOSTILE] = "#000000"};
    double end = (double)s->end_us;
    for (uint32_t i = 0, shown = 0; i < s->phase_count && end > 0; i++) {
        const struct phase *p = &s->phases[i];
        if (p->kind >= PHASE_COUNT || p->kind == PHASE_LOOKUPS || p->kind == PHASE_PUT) continue;
        double at = (double)p->at_us / MILLION, until = (double)(p->at_us + p->over_us) / MILLION;
        fprintf(f,
                "set object rectangle from %.3f,graph 0 to %.3f,graph 1 fc rgb '%s' "
                "fs transparent solid 0.10 noborder behind\n",
                at, until, colours[p->kind]);
        fprintf(f, "set arrow from %.3f,graph 0 to %.3f,graph 1 nohead lc rgb '%s' dt 3\n", at, at,
                colours[p->kind]);
        fprintf(f, "set label '%s' at %.3f,graph %.3f offset 0.4,0 font ',11' tc rgb '%s'\n",
                phase_name(p->kind), at, 0.12 + 0.06 * (shown++ % 4), colours[p->kind]);
    }
}

static void over_time(FILE *f, const struct scenario *s)
{
    fprintf(f, "set xlabel 'simulated time in seconds'\nset xrange [0:%.6g]\n",
            (double)s->end_us / MILLION);
    marks(f, s);
}

static void ring(FILE *f, const struct scenario *s, const struct results *r)
{
    picture(f, "ring", "Nodes whose both ring neighbours are right", s, r);
    over_time(f, s);
    uint32_t most = 1;
    for (uint32_t i = 0; i < r->sample_count; i++)
        if (r->samples[i].live > most) most = r->samples[i].live;
    fprintf(
        f,
        "set ylabel 'of the live nodes'\nset yrange [0:102]\nset format y '%%g %%%%'\n"
        "set y2label 'live nodes'\nset y2tics\nset y2range [0:%.0f]\nset border 11\n"
        "set key outside bottom center horizontal\n"
        "plot 'samples.csv' using 1:2 skip 1 axes x1y2 with steps ls 3 lw 1.2 title 'live nodes',"
        " '' using 1:3 skip 1 with lines ls 1 title 'right neighbours'\n",
        most * 1.2);
}

static void success(FILE *f, const struct scenario *s, const struct results *r)
{
    struct lookup_counts all = lookups_total(r->lookups);
    if (all.ok + all.wrong + all.unanswered == 0) return;
    picture(f, "lookups", "Look-ups: answered rightly, and by a wrong owner", s, r);
    over_time(f, s);
    fputs("set ylabel 'of those that ended in the interval'\nset yrange [0:102]\nset format y '%g "
          "%%'\n"
          "set key outside bottom center horizontal\n"
          "plot 'samples.csv' using 1:5 skip 1 with points pt 7 ps 0.35 lc rgb '#1f5fa8' title "
          "'right owner',"
          " '' using 1:6 skip 1 with points pt 7 ps 0.35 lc rgb '#c8501e' title 'wrong owner'\n",
          f);
}

static void traffic(FILE *f, const struct scenario *s, const struct results *r)
{
    picture(f, "traffic", "What a node sends", s, r);
    over_time(f, s);
    fputs("set ylabel 'bytes a second and node'\nset logscale y\n"
          "plot 'samples.csv' using 1:($7 > 0 ? $7 : 1/0) skip 1 with lines ls 1\n",
          f);
}

static void upkeep(FILE *f, const struct scenario *s, const struct results *r)
{
    if (r->upkeep.count == 0) return;
    char seconds[64];
    uint64_t most = 0;
    for (unsigned i = 0; i < TRAFFIC_TYPES * WAY_COUNT; i++) {
        uint64_t bytes = r->traffic.bytes[i % WAY_COUNT][i / WAY_COUNT];
        if (bytes > most) most = bytes;
    }
    snprintf(seconds, sizeof seconds, "Upkeep by message type, last %.0f s",
             (double)r->upkeep_us / MILLION);
    picture(f, "upkeep", seconds, s, r);
    fprintf(f,
            "set style fill solid 0.85 noborder\nset xlabel 'bytes a second and node (mean %.1f)'\n"
            "set lmargin 22\nunset grid\nset grid x lc rgb '#dddddd'\nset yrange [:] reverse\nset "
            "xrange [0:%.3f]\n"
            "set ytics scale 0\nset boxwidth 0.7\n"
            "plot '< tail -n +2 upkeep.csv | sort -t, -k2,2gr | head -n %u' "
            "using 2:0:(0):2:($0-0.35):($0+0.35):ytic(1) with boxxyerror ls 1, "
            "'' using 2:0:(sprintf(' %%.1f', $2)) with labels left font ',11'\n",
            (double)histogram_mean(&r->upkeep, 1000) / MILLION,
            1.12 * (double)most * MILLION / ((double)r->upkeep.count * (double)r->upkeep_us),
            BARS_MAX);
}

static void links(FILE *f, const struct scenario *s, const struct results *r)
{
    if (r->links[PATH_DIRECT] + r->links[PATH_RELAYED] + r->links[PATH_ROUTED] == 0) return;
    picture(f, "links", "Links by path, at the end", s, r);
    fputs("set style fill solid 0.85 noborder\nset xlabel 'of all links'' ends'\nset format x '%g "
          "%%'\n"
          "set xrange [0:112]\nset xtics 0,20,100\nset lmargin 12\nunset grid\nset grid x lc rgb "
          "'#dddddd'\n"
          "set yrange [:] reverse\nset ytics scale 0\n"
          "plot '< tail -n +2 links.csv' using 3:0:(0):3:($0-0.3):($0+0.3):ytic(1) with boxxyerror "
          "ls 1, "
          "'' using 3:0:(sprintf(' %.2f %%', $3)) with labels left font ',12'\n",
          f);
}

static bool write_script(const char *path, const struct scenario *s, const struct results *r)
{
    FILE *f = fopen(path, "w");
    if (!f) return false;
    fputs("# gnuplot plots.gp draws the pictures again\n", f);
    cdf(f, "hops", "Hops of a look-up", "hops", &r->hops, 1, s, r);
    cdf(f, "latency", "Time from question to answer", "milliseconds", &r->latency_us, 1000, s, r);
    cdf(f, "stretch", "Stretch: that time over the direct round trip", "stretch", &r->stretch, 1000,
        s, r);
    success(f, s, r);
    ring(f, s, r);
    traffic(f, s, r);
    upkeep(f, s, r);
    links(f, s, r);
    bool bad = ferror(f) != 0;
    return fclose(f) == 0 && !bad;
}

/* --- running it --- */

static bool draw(const char *dir, char error[SCENARIO_ERROR])
{
    char *const argv[] = {"gnuplot", "plots.gp", NULL};
    posix_spawn_file_actions_t in_dir;
    pid_t child;
    int status = 0;
    if (posix_spawn_file_actions_init(&in_dir) != 0) return false;
    int failed = posix_spawn_file_actions_addchdir_np(&in_dir, dir);
    if (!failed) failed = posix_spawnp(&child, argv[0], &in_dir, NULL, argv, environ);
    posix_spawn_file_actions_destroy(&in_dir);
    while (!failed && waitpid(child, &status, 0) < 0)
        if (errno != EINTR) failed = errno;
    if (!failed && WIFEXITED(status) && WEXITSTATUS(status) == 0) return true;
    snprintf(error, SCENARIO_ERROR, "--plots: gnuplot could not draw %.400s/plots.gp%s%s", dir,
             failed ? ": " : "", failed ? strerror(failed) : "");
    return false;
}

bool report_plots(const char *dir, const struct scenario *s, const struct results *r,
                  char error[SCENARIO_ERROR])
{
    char path[2 * SCENARIO_NAME];
    snprintf(path, sizeof path, "%.400s/plots.gp", dir);
    if (!report_csv(dir, r, error)) return false;
    if (!write_script(path, s, r)) {
        snprintf(error, SCENARIO_ERROR, "%s: %s", path, strerror(errno));
        return false;
    }
    return draw(dir, error);
}
