#include "sim/report.h"

#include "base/time.h"
#include <inttypes.h>

static void string(FILE *out, const char *s)
{
    fputc('"', out);
    for (; *s; s++) {
        if (*s == '"' || *s == '\\')
            fprintf(out, "\\%c", *s);
        else if ((unsigned char)*s < 0x20)
            fprintf(out, "\\u%04x", *s);
        else
            fputc(*s, out);
    }
    fputc('"', out);
}

/* value / unit, or null. */
static void number(FILE *out, const char *key, bool known, uint64_t value, double unit)
{
    fprintf(out, "\"%s\":", key);
    if (known)
        fprintf(out, "%.10g", (double)value / unit);
    else
        fputs("null", out);
}

static void integer(FILE *out, const char *key, uint64_t value)
{
    fprintf(out, "\"%s\":%" PRIu64, key, value);
}

static const char *truth(bool b)
{
    return b ? "true" : "false";
}

static void time_s(FILE *out, const char *key, uint64_t us)
{
    number(out, key, us != TIME_NEVER, us, MILLION);
}

static void ring(FILE *out, const struct results *r)
{
    fprintf(out, "\"ring\":{\"complete\":%s,", truth(r->complete));
    time_s(out, "complete_at_s", r->complete_us);
    fprintf(out, ",\"rings\":%u,\"wound\":%u,\"outside\":%u,\"breaks\":%u},", r->rings, r->wound,
            r->outside, r->breaks);
}

/* The counts, without braces. */
static void lookup_counts(FILE *out, const struct lookup_counts *c)
{
    fprintf(out,
            "\"sent\":%" PRIu64 ",\"ok\":%" PRIu64 ",\"wrong_owner\":%" PRIu64
            ",\"unanswered\":%" PRIu64 ",\"busy\":%" PRIu64,
            c->sent, c->ok, c->wrong, c->unanswered, c->busy);
}

static void phases(FILE *out, const struct scenario *s, const struct results *r)
{
    fputs("\"phases\":[", out);
    for (uint32_t i = 0; i < s->phase_count; i++) {
        const struct phase_result *p = &r->phases[i];
        bool watched = phase_is_watched(s->phases[i].kind);
        if (i) fputc(',', out);
        fputc('{', out);
        time_s(out, "at_s", p->at_us);
        fputs(",\"what\":", out);
        string(out, s->phases[i].text);
        fputc(',', out);
        time_s(out, "ended_s", p->ended_us);
        fputc(',', out);
        number(out, "complete_after_s", watched && p->complete_us != TIME_NEVER,
               p->complete_us - p->ended_us, MILLION);
        fputs(",\"lookups\":", out);
        if (s->phases[i].kind == PHASE_LOOKUPS) {
            fputc('{', out);
            lookup_counts(out, &r->lookups[i]);
            fputs("}}", out);
        } else {
            fputs("null}", out);
        }
    }
    fputs("],", out);
}

/* Without braces. */
static void statistics(FILE *out, const struct histogram *h, double unit, bool mean, bool p99,
                       bool max)
{
    bool any = h->count > 0;
    if (mean) {
        number(out, "mean", any, histogram_mean(h, MILLION), unit * MILLION);
        fputc(',', out);
    }
    number(out, "p50", any, histogram_at(h, 500000), unit);
    if (p99) {
        fputc(',', out);
        number(out, "p99", any, histogram_at(h, 990000), unit);
    }
    if (max) {
        fputc(',', out);
        number(out, "max", any, h->max, unit);
    }
}

static void spread(FILE *out, const char *key, const struct histogram *h, double unit, bool mean,
                   bool p99, bool max)
{
    fprintf(out, "\"%s\":{", key);
    statistics(out, h, unit, mean, p99, max);
    fputs("},", out);
}

/* What was sent in the window of upkeep, a second and live node, by message type. */
static void by_type(FILE *out, const struct results *r,
                    const uint64_t counts[WAY_COUNT][TRAFFIC_TYPES])
{
    double by = (double)r->upkeep.count * (double)r->upkeep_us / MILLION;
    const char *comma = "";
    fputs("\"by_type\":{", out);
    for (unsigned i = 0; i < TRAFFIC_TYPES * WAY_COUNT && by > 0; i++) {
        unsigned type = i / WAY_COUNT, way = i % WAY_COUNT;
        if (!counts[way][type]) continue;
        fprintf(out, "%s\"%s%s\":%.4g", comma, traffic_type_name(type), traffic_way_name(way),
                (double)counts[way][type] / by);
        comma = ",";
    }
    fputs("}},", out);
}

static void upkeep(FILE *out, const struct results *r)
{
    fputs("\"upkeep_bytes_s\":{", out);
    statistics(out, &r->upkeep, 1000, true, true, false);
    fputc(',', out);
    by_type(out, r, r->traffic.bytes);
    fputs("\"upkeep_datagrams_s\":{", out);
    by_type(out, r, r->traffic.datagrams);
}

static void lookups(FILE *out, const struct results *r)
{
    struct lookup_counts all = lookups_total(r->lookups);
    fputs("\"lookups\":{", out);
    lookup_counts(out, &all);
    fputs("},", out);
}

static void counts(FILE *out, const struct results *r)
{
    fprintf(out,
            "\"links\":{\"direct\":%" PRIu64 ",\"relayed\":%" PRIu64 ",\"routed\":%" PRIu64 "},",
            r->links[PATH_DIRECT], r->links[PATH_RELAYED], r->links[PATH_ROUTED]);
    fputs("\"drops\":{", out);
    for (unsigned i = 0; i < DROP_COUNT; i++) {
        if (i) fputc(',', out);
        integer(out, drop_name((enum drop)i), r->drops[i]);
    }
    fputs("},\"datagrams\":{", out);
    for (unsigned i = 0; i < NET_COUNT_COUNT; i++) {
        if (i) fputc(',', out);
        integer(out, net_count_name((enum net_count)i), r->net[i]);
    }
    if (!r->records.any || r->stopped)
        fputs("},\"records\":{\"put\":null,\"lost\":null},", out);
    else
        fprintf(out, "},\"records\":{\"put\":%" PRIu64 ",\"lost\":%" PRIu64 "},", r->records.put,
                r->records.lost);
}

static void expects(FILE *out, const struct scenario *s, const struct results *r)
{
    fputs("\"expect\":[", out);
    for (uint32_t i = 0; i < s->expect_count; i++) {
        const struct expectation *e = &s->expects[i];
        const struct expect_result *x = &r->expects[i];
        bool counted = metric_value(e->metric) == VALUE_NUMBER ||
                       metric_value(e->metric) == VALUE_NOTHING;
        double unit = counted                                  ? 1
                      : metric_value(e->metric) == VALUE_SHARE ? MILLION / 100.0
                                                               : MILLION;
        if (i) fputc(',', out);
        fputs("{\"text\":", out);
        string(out, e->text);
        fprintf(out, ",\"held\":%s,", truth(x->held));
        if (metric_value(e->metric) == VALUE_NOTHING)
            fprintf(out, "\"value\":%s", truth(x->value == 1));
        else
            number(out, "value", x->known, x->value, unit);
        fputc('}', out);
    }
    fputc(']', out);
}

/* What the machine did in the window of upkeep, when nothing happens but what the nodes do by themselves. */
static void steady(FILE *out, const struct results *r, const struct measured *m)
{
    double wall_s = (double)m->rest_wall_us / MILLION;
    bool any = wall_s > 0;
    fputs("\"steady\":{", out);
    number(out, "sim_s", any, r->upkeep_us, MILLION);
    fputc(',', out);
    number(out, "wall_s", any, m->rest_wall_us, MILLION);
    fputc(',', out);
    number(out, "cpu_s", any, m->rest_cpu_us, MILLION);
    fputc(',', out);
    number(out, "events", any, r->rest_events, 1);
    fputc(',', out);
    number(out, "events_per_s", any, r->rest_events, wall_s);
    fputc(',', out);
    number(out, "times_real", any, r->upkeep_us, wall_s * MILLION);
    fputs("},", out);
}

void report_json(FILE *out, const struct scenario *s, const struct results *r,
                 const struct measured *m)
{
    fputs("{\"scenario\":", out);
    string(out, s->file);
    fprintf(out, ",\"seed\":%" PRIu64 ",\"nodes\":%u,", r->seed, r->nodes);
    time_s(out, "sim_s", r->sim_us);
    fputc(',', out);
    time_s(out, "wall_s", m->wall_us);
    fprintf(out, ",\"events\":%" PRIu64 ",", r->events);
    number(out, "events_per_s", m->wall_us > 0, r->events, (double)m->wall_us / MILLION);
    fprintf(out,
            ",\"rss_bytes\":%" PRIu64 ",\"bytes_per_node\":%" PRIu64 ",\"live\":%u,\"stopped\":%s,",
            m->rss_bytes, m->bytes_per_node, r->live, truth(r->stopped));
    fprintf(out,
            "\"memory\":{\"node\":%" PRIu64 ",\"pools\":%" PRIu64 ",\"pools_end\":%" PRIu64
            ",\"events\":%" PRIu64 ",\"tables\":%" PRIu64 "},",
            r->memory.node, r->memory.pools, r->memory.pools_end, r->memory.in_flight,
            r->memory.tables);
    steady(out, r, m);
    ring(out, r);
    phases(out, s, r);
    spread(out, "hops", &r->hops, 1, true, true, true);
    spread(out, "latency_ms", &r->latency_us, 1000, false, true, false);
    spread(out, "stretch", &r->stretch, 1000, true, false, false);
    lookups(out, r);
    upkeep(out, r);
    counts(out, r);
    fprintf(out, "\"joined\":%" PRIu64 ",", r->joined);
    number(out, "join_s_mean", r->joined > 0, r->joined_us_mean, MILLION);
    fprintf(out,
            ",\"vouched\":%" PRIu64 ",\"links_hash\":\"%016" PRIx64 "\",\"hash\":\"%016" PRIx64
            "\",",
            r->vouched, r->links_hash, r->hash);
    expects(out, s, r);
    fputc('}', out);
}
