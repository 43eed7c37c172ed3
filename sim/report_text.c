#include "sim/report.h"

#include "base/time.h"
#include <inttypes.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#define UPKEEP_TYPES 12u /* message types told */

uint64_t report_rss_bytes(void)
{
    FILE *f = fopen("/proc/self/statm", "r");
    uint64_t all, resident;
    if (!f) return 0;
    int got = fscanf(f, "%" SCNu64 " %" SCNu64, &all, &resident);
    fclose(f);
    return got == 2 ? resident * (uint64_t)sysconf(_SC_PAGESIZE) : 0;
}

uint64_t report_peak_bytes(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? (uint64_t)usage.ru_maxrss * 1024 : 0;
}

uint64_t report_free_bytes(void)
{
    FILE *f = fopen("/proc/meminfo", "r");
    char line[128];
    uint64_t kib = 0;
    if (!f) return 0;
    while (kib == 0 && fgets(line, sizeof line, f))
        if (sscanf(line, "MemAvailable: %" SCNu64, &kib) != 1) kib = 0;
    fclose(f);
    return kib * 1024;
}

static double seconds(uint64_t us)
{
    return (double)us / MILLION;
}

static void ring(FILE *out, const struct results *r)
{
    fprintf(out, "ring     %s", r->complete ? "complete" : "not complete");
    if (r->complete) fprintf(out, " since %.1f s", seconds(r->complete_us));
    fprintf(out, ", %u ring%s", r->rings, r->rings == 1 ? "" : "s");
    if (r->wound) fprintf(out, ", %u wound more than once", r->wound);
    if (r->outside) fprintf(out, ", %u nodes beside them", r->outside);
    if (r->breaks) fprintf(out, ", broke %u times with nobody gone", r->breaks);
    fprintf(out, "; %u of %u nodes live\n", r->live, r->nodes);
}

static void one_side(FILE *out, const char *side, uint32_t believed, uint32_t is)
{
    if (believed == is) return;
    if (believed == RING_NONE)
        fprintf(out, "  %s nobody live, not n%u", side, is);
    else
        fprintf(out, "  %s n%u, not n%u", side, believed, is);
}

/* Where to begin looking, with --trace. */
static void astray(FILE *out, const struct results *r)
{
    for (uint32_t i = 0; i < r->astray_count; i++) {
        const struct astray *a = &r->astray[i];
        fprintf(out, "astray   n%u believes", a->node);
        one_side(out, "left", a->left, a->true_left);
        one_side(out, "right", a->right, a->true_right);
        fputc('\n', out);
    }
}

static void phases(FILE *out, const struct scenario *s, const struct results *r)
{
    for (uint32_t i = 0; i < s->phase_count; i++) {
        const struct phase_result *p = &r->phases[i];
        fprintf(out, "%6.0f s %s", seconds(p->at_us), s->phases[i].text);
        if (r->stopped && p->at_us > r->sim_us)
            fputs(": not begun\n", out);
        else if (s->phases[i].kind == PHASE_LOOKUPS)
            fprintf(out, ": %" PRIu64 " of %" PRIu64 " ok, %" PRIu64 " wrong owner\n",
                    r->lookups[i].ok, r->lookups[i].sent, r->lookups[i].wrong);
        else if (!phase_is_watched(s->phases[i].kind))
            fputc('\n', out);
        else if (p->ended_us == TIME_NEVER)
            fputs(": not over\n", out);
        else if (p->complete_us == TIME_NEVER)
            fputs(": ring not complete since\n", out);
        else
            fprintf(out, ": ring complete %.1f s after\n", seconds(p->complete_us - p->ended_us));
    }
}

static void lookups(FILE *out, const struct results *r)
{
    struct lookup_counts all = lookups_total(r->lookups);
    if (all.busy) fprintf(out, "lookups  %" PRIu64 " not asked: the asker was busy\n", all.busy);
    if (all.sent == 0) return;
    fprintf(out,
            "lookups  %" PRIu64 ": %.4f %% ok, %" PRIu64 " wrong owner, %" PRIu64 " unanswered\n"
            "hops     mean %.2f, p50 %" PRIu64 ", p99 %" PRIu64 ", max %" PRIu64 "\n"
            "latency  p50 %.0f ms, p99 %.0f ms; stretch mean %.2f\n",
            all.sent, 100.0 * (double)all.ok / (double)all.sent, all.wrong, all.unanswered,
            (double)histogram_mean(&r->hops, MILLION) / MILLION, histogram_at(&r->hops, 500000),
            histogram_at(&r->hops, 990000), r->hops.max,
            (double)histogram_at(&r->latency_us, 500000) / 1000,
            (double)histogram_at(&r->latency_us, 990000) / 1000,
            (double)histogram_mean(&r->stretch, 1000) / MILLION);
}

static void records(FILE *out, const struct results *r)
{
    if (r->records.any && !r->stopped)
        fprintf(out, "records  %" PRIu64 " put, %" PRIu64 " lost\n", r->records.put,
                r->records.lost);
}

/* The message types that make most of the upkeep, the greatest first. */
static void upkeep_types(FILE *out, const struct results *r)
{
    const struct traffic *t = &r->traffic;
    double by = (double)r->upkeep.count * seconds(r->upkeep_us);
    uint64_t below = UINT64_MAX;
    unsigned after = 0; /* of equals */
    for (unsigned n = 0; n < UPKEEP_TYPES; n++) {
        unsigned best = TRAFFIC_TYPES * WAY_COUNT;
        uint64_t most = 0;
        for (unsigned i = 0; i < TRAFFIC_TYPES * WAY_COUNT; i++) {
            uint64_t bytes = t->bytes[i % WAY_COUNT][i / WAY_COUNT];
            bool next = bytes < below || (bytes == below && i >= after);
            if (next && bytes > most) most = bytes, best = i;
        }
        if (!most) break;
        fprintf(out, "%s %.1f %s%s", n ? "," : "        ", (double)most / by,
                traffic_type_name(best / WAY_COUNT), traffic_way_name(best % WAY_COUNT));
        below = most;
        after = best + 1;
    }
    if (after) fputc('\n', out);
}

static void upkeep(FILE *out, const struct results *r)
{
    if (r->upkeep.count == 0) return;
    fprintf(out, "upkeep   mean %.1f B/s a node, p50 %.1f, p99 %.1f (last %.0f s)\n",
            (double)histogram_mean(&r->upkeep, 1000) / MILLION,
            (double)histogram_at(&r->upkeep, 500000) / 1000,
            (double)histogram_at(&r->upkeep, 990000) / 1000, seconds(r->upkeep_us));
    upkeep_types(out, r);
}

static void one_count(FILE *out, bool *any, uint64_t count, const char *name)
{
    if (count) fprintf(out, " %" PRIu64 " %s", count, name);
    *any |= count > 0;
}

static void counts(FILE *out, const struct results *r)
{
    fprintf(out, "links    %" PRIu64 " direct, %" PRIu64 " relayed, %" PRIu64 " routed (ends)\n",
            r->links[PATH_DIRECT], r->links[PATH_RELAYED], r->links[PATH_ROUTED]);
    bool any = false;
    fputs("packets ", out);
    for (unsigned i = 0; i < NET_COUNT_COUNT; i++)
        one_count(out, &any, r->net[i], net_count_name((enum net_count)i));
    fputs(any ? "\ndrops   " : " none\ndrops   ", out);
    any = false;
    for (unsigned i = 0; i < DROP_COUNT; i++)
        one_count(out, &any, r->drops[i], drop_name((enum drop)i));
    fputs(any ? "\n" : " none\n", out);
}

const char *report_value(const struct expectation *e, const struct expect_result *x, bool limit,
                         char out[VALUE_TEXT])
{
    uint64_t v = limit ? x->limit : x->value;
    if (!limit && !x->known) return strcpy(out, "not measured");
    double d = (double)v / MILLION;
    switch (metric_value(e->metric)) {
    case VALUE_NOTHING: snprintf(out, VALUE_TEXT, "%s", limit || v ? "yes" : "no"); break;
    case VALUE_TIME: snprintf(out, VALUE_TEXT, "%.3fs", d); break;
    case VALUE_NUMBER: snprintf(out, VALUE_TEXT, "%" PRIu64, v); break;
    case VALUE_SHARE: snprintf(out, VALUE_TEXT, "%.4f%%", d * 100); break;
    case VALUE_DECIMAL:
    case VALUE_HOPS: {
        int n = snprintf(out, VALUE_TEXT, "%.3f", d);
        if (e->log2n && x->limit && e->limit)
            snprintf(out + n, VALUE_TEXT - (size_t)n, " = %.3f log2n",
                     d * (double)e->limit / (double)x->limit);
        break;
    }
    case VALUE_RATE: snprintf(out, VALUE_TEXT, "%.1f B/s", d); break;
    }
    return out;
}

void report_text(FILE *out, const struct scenario *s, const struct results *r,
                 const struct measured *m)
{
    double wall = seconds(m->wall_us);
    fprintf(out, "%s  seed %" PRIu64 "%s\n", s->file, r->seed,
            r->stopped ? "  (stopped before its end)" : "");
    phases(out, s, r);
    ring(out, r);
    astray(out, r);
    lookups(out, r);
    records(out, r);
    upkeep(out, r);
    counts(out, r);
    fprintf(out,
            "ran      %.1f s simulated in %.2f s, %" PRIu64
            " events, %.0f a second; %.0f MiB, %" PRIu64 " bytes a node\n",
            seconds(r->sim_us), wall, r->events, wall > 0 ? (double)r->events / wall : 0,
            (double)m->rss_bytes / 1048576, m->bytes_per_node);
    double speed = m->rest_wall_us ? (double)r->upkeep_us / (double)m->rest_wall_us : 0;
    if (m->rest_wall_us)
        fprintf(out,
                "steady   %.1f s of it in %.2f s, %.2f of CPU: %.*f x real time, %.0f events a "
                "second\n",
                seconds(r->upkeep_us), seconds(m->rest_wall_us), seconds(m->rest_cpu_us),
                speed < 10 ? 2 : 0, speed, (double)r->rest_events / seconds(m->rest_wall_us));
    fprintf(out,
            "memory   %" PRIu64
            " bytes a node by itself; pools %.1f MiB, %.1f at the end; events %.1f MiB; "
            "tables %.1f MiB\n",
            r->memory.node, (double)r->memory.pools / 1048576,
            (double)r->memory.pools_end / 1048576, (double)r->memory.in_flight / 1048576,
            (double)r->memory.tables / 1048576);
    if (r->vouched)
        fprintf(out, "quiet    %" PRIu64 " keep-alives were charged, not queued\n", r->vouched);
    fprintf(out, "hash     %016" PRIx64 ", links %016" PRIx64 "\n", r->hash, r->links_hash);
    for (uint32_t i = 0; i < s->expect_count && !r->stopped; i++) {
        char value[VALUE_TEXT];
        fprintf(out, "%s  expect %s: %s\n", r->expects[i].held ? "held   " : "FAILED ",
                s->expects[i].text, report_value(&s->expects[i], &r->expects[i], false, value));
    }
}
