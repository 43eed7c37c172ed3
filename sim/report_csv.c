#include "sim/report_samples.h"

#include <errno.h>
#include <inttypes.h>
#include <string.h>
#include <sys/stat.h>

static bool refuse(char error[SCENARIO_ERROR], const char *dir, const char *name)
{
    snprintf(error, SCENARIO_ERROR, "%.400s/%s: %s", dir, name, strerror(errno));
    return false;
}

bool report_folder(const char *dir, char error[SCENARIO_ERROR])
{
    struct stat st;
    if (stat(dir, &st) == 0 && S_ISDIR(st.st_mode)) return true;
    return mkdir(dir, 0777) == 0 ? true : refuse(error, dir, "");
}

/* --- one file each --- */

static void samples(FILE *f, const struct results *r)
{
    fputs("seconds,live,right_percent,lookups,ok_percent,wrong_percent,bytes_s_node,datagrams_s_"
          "node\n",
          f);
    for (uint32_t i = 1; i < r->sample_count; i++) {
        const struct sample *a = &r->samples[i - 1], *b = &r->samples[i];
        double seconds = (double)(b->at_us - a->at_us) / MILLION;
        double nodes = b->live ? (double)b->live * seconds : 1;
        uint64_t ok = b->lookups.ok - a->lookups.ok, wrong = b->lookups.wrong - a->lookups.wrong;
        uint64_t all = ok + wrong + b->lookups.unanswered - a->lookups.unanswered;
        fprintf(f, "%.1f,%u,", (double)b->at_us / MILLION, b->live);
        if (b->looked_at) fprintf(f, "%.3f", 100.0 * b->right / b->looked_at);
        fprintf(f, ",%" PRIu64 ",", all);
        if (all)
            fprintf(f, "%.3f,%.3f", 100.0 * (double)ok / (double)all,
                    100.0 * (double)wrong / (double)all);
        else
            fputc(',', f);
        fprintf(f, ",%.1f,%.3f\n", (double)(b->bytes - a->bytes) / nodes,
                (double)(b->datagrams - a->datagrams) / nodes);
    }
}

static void cdf(FILE *f, const struct histogram *h, const char *name, double unit)
{
    uint64_t value, count, sum = 0;
    fprintf(f, "%s,percent\n", name);
    for (uint32_t bin = 0; (bin = histogram_next(h, bin, &value, &count)) != 0;) {
        sum += count;
        fprintf(f, "%.10g,%.4f\n", (double)value / unit, 100.0 * (double)sum / (double)h->count);
    }
}

static void hops(FILE *f, const struct results *r)
{
    cdf(f, &r->hops, "hops", 1);
}
static void latency(FILE *f, const struct results *r)
{
    cdf(f, &r->latency_us, "ms", 1000);
}
static void stretch(FILE *f, const struct results *r)
{
    cdf(f, &r->stretch, "stretch", 1000);
}

static void upkeep(FILE *f, const struct results *r)
{
    double by = (double)r->upkeep.count * (double)r->upkeep_us / MILLION;
    fputs("type,bytes_s_node,datagrams_s_node\n", f);
    for (unsigned i = 0; i < TRAFFIC_TYPES * WAY_COUNT && by > 0; i++) {
        unsigned type = i / WAY_COUNT, way = i % WAY_COUNT;
        if (r->traffic.datagrams[way][type])
            fprintf(f, "%s%s,%.3f,%.4f\n", traffic_type_name(type), traffic_way_name(way),
                    (double)r->traffic.bytes[way][type] / by,
                    (double)r->traffic.datagrams[way][type] / by);
    }
}

static void links(FILE *f, const struct results *r)
{
    uint64_t all = r->links[PATH_DIRECT] + r->links[PATH_RELAYED] + r->links[PATH_ROUTED];
    double part = all ? 100.0 / (double)all : 0;
    fprintf(f,
            "path,ends,percent\ndirect,%" PRIu64 ",%.4f\nrelayed,%" PRIu64 ",%.4f\nrouted,%" PRIu64
            ",%.4f\n",
            r->links[PATH_DIRECT], part * (double)r->links[PATH_DIRECT], r->links[PATH_RELAYED],
            part * (double)r->links[PATH_RELAYED], r->links[PATH_ROUTED],
            part * (double)r->links[PATH_ROUTED]);
}

bool report_csv(const char *dir, const struct results *r, char error[SCENARIO_ERROR])
{
    static const struct {
        const char *name;
        void (*write)(FILE *f, const struct results *r);
    } files[] = {{"samples.csv", samples}, {"hops.csv", hops},     {"latency.csv", latency},
                 {"stretch.csv", stretch}, {"upkeep.csv", upkeep}, {"links.csv", links}};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[2 * SCENARIO_NAME];
        snprintf(path, sizeof path, "%.400s/%s", dir, files[i].name);
        FILE *f = fopen(path, "w");
        if (!f) return refuse(error, dir, files[i].name);
        files[i].write(f, r);
        bool bad = ferror(f) != 0;
        if (fclose(f) != 0 || bad) return refuse(error, dir, files[i].name);
    }
    return true;
}
