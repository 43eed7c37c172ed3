#include "sim/options.h"

#include "base/trace.h"
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

const char options_help[] =
    "usage: ringlet-sim FILE [OPTION...]\n"
    "\n"
    "Runs the scenario in FILE: the protocol itself, on a virtual clock and network.\n"
    "docs/simulation.md describes the language and every figure.\n"
    "\n"
    "  --nodes N         so many nodes instead of what FILE says\n"
    "  --seed S          all chance derives from it (default 1)\n"
    "  --repeat K        K runs, with the seeds S to S+K-1\n"
    "  --set NAME=VALUE  limits.links=64 and the like; loss=1%, reach=70%, latency=20ms, "
    "trace=ring,link;\n"
    "                    lookahead=N: neighbours whose own links are kept, 0 none (default 32; 0 "
    "above 100000 nodes)\n"
    "  --crypto WHICH    fake (default: as fast as may be) or real; both make the same rings\n"
    "  --queue WHICH     all (default) or quiet: keep-alives that must succeed are only counted\n"
    "  --json FILE       all figures; - is the standard output\n"
    "  --csv DIR         samples over time, distributions\n"
    "  --plots DIR       pictures of them (needs gnuplot: apt install gnuplot-nox)\n"
    "  --trace FILE      every tracepoint of every node; - is the standard output\n"
    "  --help, --version\n"
    "\n"
    "Exit status: 0 every expectation held, 1 one did not, 2 wrong usage or scenario, 130 "
    "stopped.\n"
    "\n"
    "example: ringlet-sim sim/scenarios/cold-256.sim --seed 7 --json -\n";

__attribute__((format(printf, 2, 3))) static bool refuse(char error[SCENARIO_ERROR],
                                                         const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(error, SCENARIO_ERROR, format, args);
    va_end(args);
    return false;
}

/* --- options: each takes its value; false with a message --- */

static bool take_nodes(struct options *o, const char *v)
{
    return text_u32(v, &o->nodes) && o->nodes > 0 && o->nodes <= SCENARIO_NODES;
}
static bool take_seed(struct options *o, const char *v)
{
    return text_u64(v, &o->seed);
}
static bool take_repeat(struct options *o, const char *v)
{
    return text_u32(v, &o->repeat) && o->repeat > 0;
}
static bool take_set(struct options *o, const char *v)
{
    if (strncmp(v, "trace=", 6) == 0 && trace_mask_parse(v + 6, &o->trace_mask)) return true;
    if (!strchr(v, '=') || o->set_count == SETS_MAX) return false;
    o->sets[o->set_count++] = v;
    return true;
}
static bool take_crypto(struct options *o, const char *v)
{
    o->crypto_real = strcmp(v, "real") == 0;
    return o->crypto_real || strcmp(v, "fake") == 0;
}
static bool take_json(struct options *o, const char *v)
{
    o->json = v;
    return *v != 0;
}
static bool take_csv(struct options *o, const char *v)
{
    o->csv = v;
    return *v != 0;
}
static bool take_plots(struct options *o, const char *v)
{
    o->plots = v;
    return *v != 0;
}
static bool take_trace(struct options *o, const char *v)
{
    o->trace = v;
    return *v != 0;
}
static bool take_queue(struct options *o, const char *v)
{
    o->quiet = strcmp(v, "quiet") == 0;
    return o->quiet || strcmp(v, "all") == 0;
}

static const struct {
    const char *name, *wants;
    bool (*take)(struct options *o, const char *value);
} takers[] = {
    {"--nodes", "a number of nodes, 1 to 4000000", take_nodes},
    {"--seed", "a number", take_seed},
    {"--repeat", "a number of runs", take_repeat},
    {"--set", "NAME=VALUE", take_set},
    {"--crypto", "real or fake", take_crypto},
    {"--queue", "all or quiet", take_queue},
    {"--json", "a file", take_json},
    {"--trace", "a file", take_trace},
    {"--csv", "a directory", take_csv},
    {"--plots", "a directory", take_plots},
};

static bool take_option(struct options *o, const char *name, const char *value,
                        char error[SCENARIO_ERROR])
{
    for (size_t i = 0; i < sizeof takers / sizeof takers[0]; i++) {
        if (strcmp(name, takers[i].name) != 0) continue;
        if (!value) return refuse(error, "%s: it wants %s", name, takers[i].wants);
        if (!takers[i].take(o, value))
            return refuse(error, "%s %s: it wants %s", name, value, takers[i].wants);
        return true;
    }
    return refuse(error, "%s: no such option: see ringlet-sim --help", name);
}

bool options_parse(struct options *o, int argc, char *const argv[], char error[SCENARIO_ERROR])
{
    *o = (struct options){.seed = 1, .trace_mask = (1u << TRACE_COUNT) - 1};
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            o->help = true;
        } else if (strcmp(argv[i], "--version") == 0) {
            o->version = true;
        } else if (argv[i][0] == '-') {
            if (!take_option(o, argv[i], i + 1 < argc ? argv[i + 1] : NULL, error)) return false;
            i++;
        } else if (o->file) {
            return refuse(error, "%s: one scenario at a time", argv[i]);
        } else {
            o->file = argv[i];
        }
    }
    if (!o->file && !o->help && !o->version)
        return refuse(error, "no scenario: give a file, as in ringlet-sim cold-256.sim");
    return true;
}

/* --- settings --- */

static const struct {
    const char *name;
    size_t offset;
} limit_names[] = {
#define X(name)                                                                                    \
    {                                                                                              \
#name, offsetof(struct limits, name)                                                       \
    }
    X(links),   X(handshakes),   X(extras),   X(inflight),        X(passive),
    X(records), X(record_bytes), X(requests), X(channels),        X(members),
    X(hot),     X(seeds),        X(leaves),   X(waiting_packets), X(lookahead),
#undef X
};

static bool set_limit(struct limits *l, const char *name, const char *value)
{
    uint32_t number;
    if (!text_u32(value, &number)) return false;
    if (strcmp(name, "hello_filter_bytes") == 0) {
        l->hello_filter_bytes = number;
        return true;
    }
    if (number > UINT16_MAX) return false;
    for (size_t i = 0; i < sizeof limit_names / sizeof limit_names[0]; i++) {
        if (strcmp(name, limit_names[i].name) != 0) continue;
        uint16_t small = (uint16_t)number;
        memcpy((char *)l + limit_names[i].offset, &small, sizeof small);
        return true;
    }
    return false;
}

static bool set_lookahead(struct scenario *s, struct limits *l, const char *value)
{
    (void)s;
    return set_limit(l, "lookahead", value);
}
static bool set_loss(struct scenario *s, struct limits *l, const char *value)
{
    (void)l;
    return text_share(value, &s->network.loss);
}
static bool set_reach(struct scenario *s, struct limits *l, const char *value)
{
    (void)l;
    return text_share(value, &s->network.reach) && s->network.reach > 0;
}
static bool set_bandwidth(struct scenario *s, struct limits *l, const char *value)
{
    (void)l;
    return text_rate(value, &s->network.bits_per_s);
}
static bool set_latency(struct scenario *s, struct limits *l, const char *value)
{
    (void)l;
    return text_time(value, &s->network.latency_us);
}
static bool set_trace(struct scenario *s, struct limits *l, const char *value)
{
    (void)s, (void)l, (void)value;
    return false; /* taken before; here its classes are wrong */
}

static const struct {
    const char *name, *wants;
    bool (*set)(struct scenario *s, struct limits *l, const char *value);
} setters[] = {
    {"loss", "a share, such as 1%", set_loss},
    {"reach", "a share above 0%, such as 70%", set_reach},
    {"latency", "a time, such as 20ms", set_latency},
    {"bandwidth", "a rate, such as 20Mbit", set_bandwidth},
    {"lookahead", "a number up to 65535", set_lookahead},
    {"trace", "classes, with commas between, or all:" TRACE_CLASS_WORDS, set_trace},
};
#define SETTERS (sizeof setters / sizeof *setters)
#define LIMITS  (sizeof limit_names / sizeof *limit_names)

/* All names there are. */
static bool refuse_name(char error[SCENARIO_ERROR], const char *set)
{
    char names[600];
    size_t used = 0;
    for (size_t i = 0; i < SETTERS + LIMITS; i++) {
        int n = snprintf(names + used, sizeof names - used, " %s%s", i < SETTERS ? "" : "limits.",
                         i < SETTERS ? setters[i].name : limit_names[i - SETTERS].name);
        used += n > 0 && (size_t)n < sizeof names - used ? (size_t)n : 0;
    }
    return refuse(error, "--set %.200s: no such setting, but:%s limits.hello_filter_bytes", set,
                  names);
}

static bool is_limit(const char *name)
{
    bool is = strcmp(name, "hello_filter_bytes") == 0;
    for (size_t i = 0; i < LIMITS; i++) is |= strcmp(name, limit_names[i].name) == 0;
    return is;
}

static bool set_one(const char *set, struct scenario *s, struct limits *l,
                    char error[SCENARIO_ERROR])
{
    const char *value = strchr(set, '=') + 1;
    char name[64];
    size_t len = (size_t)(value - set) - 1;
    if (len >= sizeof name) return refuse_name(error, set);
    memcpy(name, set, len);
    name[len] = 0;
    if (strncmp(name, "limits.", 7) == 0 && is_limit(name + 7))
        return set_limit(l, name + 7, value) ||
               refuse(error, "--set %.200s: it wants a number up to %s", set,
                      strcmp(name + 7, "hello_filter_bytes") == 0 ? "4294967295" : "65535");
    for (size_t i = 0; i < SETTERS; i++)
        if (strcmp(name, setters[i].name) == 0)
            return setters[i].set(s, l, value) ||
                   refuse(error, "--set %.200s: it wants %s", set, setters[i].wants);
    return refuse_name(error, set);
}

bool options_apply(const struct options *o, struct scenario *s, struct limits *l,
                   char error[SCENARIO_ERROR])
{
    if (o->nodes) s->nodes = o->nodes;
    if (s->nodes <= LOOKAHEAD_NODES) l->lookahead = LOOKAHEAD_LINKS;
    for (uint32_t i = 0; i < o->set_count; i++)
        if (!set_one(o->sets[i], s, l, error)) return false;
    if (!limits_are_good(l))
        return refuse(error,
                      "--set: limits.links must be 1 to %u, limits.handshakes at most that, "
                      "limits.extras at least 1",
                      (unsigned)LIMIT_LINKS_MAX);
    return scenario_check(s, error);
}
