#include "sim/scenario.h"

#include "base/time.h"
#include "sim/scenario_expect.h"
#include "sim/scenario_phase.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const char *const nat_names[] = {
#define X(name, text) text,
    NAT_TYPES(X)
#undef X
};

const char *nat_type_name(enum nat_type t)
{
    return (unsigned)t < NAT_TYPE_COUNT ? nat_names[t] : "unknown";
}

/* --- what stands on a line: each returns NULL, or what is wrong --- */

static const char *parse_nodes(struct scenario *s, struct line *l)
{
    if (!text_u32(line_take(l), &s->nodes)) return "nodes wants a number: nodes 1000";
    return NULL;
}

bool network_parse(struct network_spec *n, struct line *l, const char **why)
{
    *n = (struct network_spec){0};
    if (line_accept(l, "constant")) {
        *why = "constant wants a latency one way: network constant 50ms";
        if (!text_time(line_take(l), &n->latency_us)) return false;
    } else if (line_accept(l, "regions")) {
        *why = "regions wants how many, 1 to 8: network regions 6";
        n->model = NETWORK_REGIONS;
        if (!text_u32(line_take(l), &n->regions)) return false;
        if (n->regions < 1 || n->regions > REGIONS_MAX) return false;
    } else if (line_accept(l, "matrix")) {
        *why = "matrix wants a file: network matrix king.txt";
        n->model = NETWORK_MATRIX;
        const char *file = line_take(l);
        if (!file || strlen(file) >= sizeof n->matrix) return false;
        memcpy(n->matrix, file, strlen(file) + 1);
    } else {
        *why = "network is constant TIME, regions N or matrix FILE";
        return false;
    }
    *why = "loss wants a share of the datagrams: loss 1%";
    if (line_accept(l, "loss") && !text_share(line_take(l), &n->loss)) return false;
    *why = "bandwidth wants a rate, at least 1kbit: bandwidth 10Mbit";
    if (line_accept(l, "bandwidth") &&
        (!text_rate(line_take(l), &n->bits_per_s) || n->bits_per_s < 1000))
        return false;
    *why = "reach wants the share of the pairs that hear each other, more than 0%: reach 70%";
    if (line_accept(l, "reach") && (!text_share(line_take(l), &n->reach) || n->reach == 0))
        return false;
    *why = NULL;
    return true;
}

static const char *parse_network(struct scenario *s, struct line *l)
{
    const char *why;
    return network_parse(&s->network, l, &why) ? NULL : why;
}

static bool is_nat_option(const char *word)
{
    static const char *const words[] = {"timeout", "hosts", "hairpin", "behind", "homes"};
    for (unsigned i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strcmp(word, words[i]) == 0) return true;
    return false;
}

static const char *parse_nat_options(struct nat_spec *n, struct line *l)
{
    if (line_accept(l, "timeout") && (!text_time(line_take(l), &n->timeout_us) || !n->timeout_us))
        return "timeout wants a time: timeout 120s";
    if (line_accept(l, "hosts") &&
        (!text_u32(line_take(l), &n->hosts) || n->hosts < 1 || n->hosts > NAT_HOSTS_MAX))
        return "hosts wants how many stand behind each box, 1 to 16: hosts 3";
    if (line_accept(l, "hairpin") && !text_share(line_take(l), &n->hairpin))
        return "hairpin wants a share of the boxes: hairpin 30%";
    if (line_accept(l, "behind") &&
        (!line_accept(l, "cgn") || !text_share(line_take(l), &n->behind)))
        return "behind wants a share of the boxes: behind cgn 20% homes 8";
    if (line_accept(l, "homes") &&
        (!text_u32(line_take(l), &n->homes) || n->homes < 1 || n->homes > NAT_HOMES_MAX))
        return "homes wants how many boxes stand behind each carrier's, 1 to 64: homes 8";
    return NULL;
}

static const char *parse_nat(struct scenario *s, struct line *l)
{
    uint64_t sum = 0;
    memset(s->nat.share, 0, sizeof s->nat.share);
    while (line_peek(l) && !is_nat_option(line_peek(l))) {
        const char *name = line_take(l);
        unsigned type = 0;
        while (type < NAT_TYPE_COUNT && strcmp(name, nat_names[type]) != 0) type++;
        if (type == NAT_TYPE_COUNT) return "no such kind of NAT";
        if (s->nat.share[type]) return "the same kind of NAT twice";
        if (!text_share(line_take(l), &s->nat.share[type]))
            return "each kind of NAT wants its share: nat none 20% symmetric 80%";
        sum += s->nat.share[type];
    }
    if (sum != MILLION) return "the shares of the kinds of NAT must make 100%";
    return parse_nat_options(&s->nat, l);
}

static const char *parse_clock(struct scenario *s, struct line *l)
{
    if (!line_accept(l, "skew") || !text_time(line_take(l), &s->skew_us) ||
        s->skew_us > SKEW_MAX_US)
        return "clock wants the greatest error of a node's calendar, at most 1000h: clock skew 2h";
    return NULL;
}

static const char *parse_upkeep(struct scenario *s, struct line *l)
{
    if (!line_accept(l, "from") || !text_time(line_take(l), &s->upkeep_us))
        return "upkeep wants when its window begins: upkeep from 60s";
    return NULL;
}

static const char *parse_end(struct scenario *s, struct line *l)
{
    return text_time(line_take(l), &s->end_us) ? NULL : "end wants a time: end 2h";
}

/* --- lines into a scenario --- */

__attribute__((format(printf, 4, 5))) static bool refuse(const struct scenario *s, uint32_t line,
                                                         char error[SCENARIO_ERROR],
                                                         const char *format, ...)
{
    int used = line ? snprintf(error, SCENARIO_ERROR, "%s:%u: ", s->file, line)
                    : snprintf(error, SCENARIO_ERROR, "%s: ", s->file);
    va_list args;
    va_start(args, format);
    vsnprintf(error + used, SCENARIO_ERROR - (size_t)used, format, args);
    va_end(args);
    return false;
}

static bool parse_line(struct scenario *s, struct line *l, char error[SCENARIO_ERROR])
{
    const struct {
        const char *word;
        const char *(*parse)(struct scenario *, struct line *);
        uint32_t *once;
    } statements[] = {
        {"nodes", parse_nodes, &s->nodes_line},    {"network", parse_network, &s->network_line},
        {"nat", parse_nat, &s->nat_line},          {"clock", parse_clock, &s->clock_line},
        {"upkeep", parse_upkeep, &s->upkeep_line}, {"at", phase_parse, NULL},
        {"end", parse_end, &s->end_line},          {"expect", expect_parse, NULL},
    };
    const char *word = line_take(l);
    for (size_t i = 0; i < sizeof statements / sizeof statements[0]; i++) {
        if (strcmp(word, statements[i].word) != 0) continue;
        uint32_t *once = statements[i].once;
        if (once && *once)
            return refuse(s, l->number, error, "%s was said on line %u", word, *once);
        if (once) *once = l->number;
        const char *wrong = statements[i].parse(s, l);
        if (wrong) return refuse(s, l->number, error, "%s", wrong);
        if (line_peek(l)) return refuse(s, l->number, error, "too much: `%s`", line_peek(l));
        return true;
    }
    return refuse(s, l->number, error,
                  "`%s` is none of nodes network nat clock upkeep at end expect", word);
}

bool scenario_parse(struct scenario *s, const char *file, const char *text, size_t len,
                    char error[SCENARIO_ERROR])
{
    *s = (struct scenario){.network = {.latency_us = MILLIS(50)},
                           .nat = {.share = {[NAT_TYPE_NONE] = MILLION},
                                   .timeout_us = SECONDS(120),
                                   .hosts = 1,
                                   .homes = 8}};
    snprintf(s->file, sizeof s->file, "%s", file);
    struct lines lines = lines_of(text, len);
    struct line l;
    for (;;) {
        switch (lines_next(&lines, &l)) {
        case LINE_END: return scenario_check(s, error);
        case LINE_TOO_LONG: return refuse(s, l.number, error, "line too long");
        case LINE_NOT_TEXT: return refuse(s, l.number, error, "characters other than plain text");
        case LINE_OK:
            if (!parse_line(s, &l, error)) return false;
        }
    }
}

static bool lookups_begin_at(const struct scenario *s, uint64_t at_us)
{
    for (uint32_t i = 0; i < s->phase_count; i++)
        if (s->phases[i].kind == PHASE_LOOKUPS && s->phases[i].at_us == at_us) return true;
    return false;
}

bool scenario_check(const struct scenario *s, char error[SCENARIO_ERROR])
{
    if (!s->nodes_line) return refuse(s, 0, error, "it does not say how many nodes: nodes 1000");
    if (s->nodes < 1 || s->nodes > SCENARIO_NODES)
        return refuse(s, s->nodes_line, error, "nodes must be 1 to %u", SCENARIO_NODES);
    if (!s->end_line) return refuse(s, 0, error, "it does not say when to end: end 10m");
    if (s->upkeep_line && s->upkeep_us >= s->end_us)
        return refuse(s, s->upkeep_line, error, "not before the end");
    uint64_t joined = 0;
    bool all = false, put = false;
    for (uint32_t i = 0; i < s->phase_count; i++) {
        const struct phase *p = &s->phases[i];
        if (p->over_us > s->end_us || p->at_us > s->end_us - p->over_us)
            return refuse(s, p->line, error, "not over before the end");
        put |= p->kind == PHASE_PUT;
        if (p->kind != PHASE_JOIN) {
            if (!joined && !all) return refuse(s, p->line, error, "no node has joined by then");
            if (p->kind == PHASE_LOOKUPS && p->records && !put)
                return refuse(s, p->line, error, "no record was put by then");
            continue;
        }
        if (all) return refuse(s, p->line, error, "all nodes have joined by then");
        all = p->all;
        joined += p->count;
        if (joined > s->nodes)
            return refuse(s, p->line, error, "%llu nodes would have joined, of %u",
                          (unsigned long long)joined, s->nodes);
    }
    for (uint32_t i = 0; i < s->expect_count; i++)
        if (s->expects[i].at_given && !lookups_begin_at(s, s->expects[i].at_us))
            return refuse(s, s->expects[i].line, error, "no look-ups begin at that time");
    return true;
}
