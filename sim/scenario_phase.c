#include "sim/scenario_phase.h"

#include <stdio.h>
#include <string.h>

static const char *const phase_names[] = {
#define X(name, text) text,
    PHASES(X)
#undef X
};

const char *phase_name(enum phase_kind k)
{
    return (unsigned)k < PHASE_COUNT ? phase_names[k] : "unknown";
}

bool phase_is_watched(uint8_t kind)
{
    return kind != PHASE_LOOKUPS && kind != PHASE_PUT && kind != PHASE_HOSTILE;
}

/* --- what stands behind the word: each returns NULL, or what is wrong --- */

static const char *parse_over(struct phase *p, struct line *l, const char *word)
{
    if (line_accept(l, word) && !text_time(line_take(l), &p->over_us))
        return "wants a time, as in 10s, after `over` or `for`";
    return NULL;
}

static const char *parse_join(struct phase *p, struct line *l)
{
    p->all = line_accept(l, "all");
    if (!p->all && (!text_u32(line_take(l), &p->count) || p->count == 0))
        return "join wants `all` or a number of nodes: at 0s join all over 10s";
    const char *wrong = parse_over(p, l, "over");
    if (wrong) return wrong;
    if (line_accept(l, "seeds") &&
        (!text_u32(line_take(l), &p->seeds) || p->seeds < 1 || p->seeds > SCENARIO_SEEDS))
        return "seeds wants a number from 1 to 1024";
    return NULL;
}

static const char *parse_lookups(struct phase *p, struct line *l)
{
    if (!text_u32(line_take(l), &p->count) || p->count == 0)
        return "lookups wants a number: at 60s lookups 1000 over 60s";
    p->pairs = line_accept(l, "pairs");
    p->records = !p->pairs && line_accept(l, "records");
    const char *wrong = parse_over(p, l, "over");
    if (wrong) return wrong;
    if (line_accept(l, "timeout") &&
        (!text_time(line_take(l), &p->timeout_us) || p->timeout_us == 0))
        return "timeout wants a time: timeout 5s";
    return NULL;
}

static const char *parse_share(struct phase *p, struct line *l)
{
    if (!text_share(line_take(l), &p->share)) return "wants a share of the nodes: 30%";
    return parse_over(p, l, "over");
}

static const char *parse_partition(struct phase *p, struct line *l)
{
    static const char *const how = "partition wants shares and a time: partition 50% for 10m";
    uint64_t sum = 0;
    for (p->side_count = 0; line_peek(l) && strcmp(line_peek(l), "for") != 0; p->side_count++) {
        if (p->side_count == SIDES_MAX - 1) return "partition makes at most 8 sides";
        if (!text_share(line_take(l), &p->sides[p->side_count])) return how;
        sum += p->sides[p->side_count];
    }
    if (p->side_count == 0 || !line_peek(l)) return how;
    if (sum > MILLION) return "the shares of a partition make more than 100%";
    return parse_over(p, l, "for");
}

static const char *parse_churn(struct phase *p, struct line *l)
{
    static const char *const how = "churn wants a distribution, a median session and a time: churn "
                                   "exponential median 60m for 1h";
    if (line_accept(l, "exponential"))
        p->churn = CHURN_EXPONENTIAL;
    else if (line_accept(l, "weibull"))
        p->churn = CHURN_WEIBULL;
    else if (line_accept(l, "pareto"))
        p->churn = CHURN_PARETO;
    else
        return how;
    if (!line_accept(l, "median") || !text_time(line_take(l), &p->median_us) || p->median_us == 0)
        return how;
    if (line_accept(l, "leave") && !text_share(line_take(l), &p->share))
        return "leave wants the share of goings that are in good order: leave 50%";
    if (!line_peek(l) || strcmp(line_peek(l), "for") != 0) return how;
    return parse_over(p, l, "for");
}

static const char *parse_hostile(struct phase *p, struct line *l)
{
    static const char *const how =
        "hostile wants a share and what they do: hostile 10% drop|misroute|lie|flood [for 5m]";
    static const char *const names[] = {[HOSTILE_DROP] = "drop",
                                        [HOSTILE_MISROUTE] = "misroute",
                                        [HOSTILE_LIE] = "lie",
                                        [HOSTILE_FLOOD] = "flood"};
    if (!text_share(line_take(l), &p->share)) return how;
    p->hostility = HOSTILE_NONE;
    for (uint8_t i = HOSTILE_DROP; i < HOSTILE_COUNT && !p->hostility; i++)
        if (line_accept(l, names[i])) p->hostility = i;
    const char *wrong = p->hostility ? parse_over(p, l, "for") : how;
    if (!wrong && p->hostility == HOSTILE_FLOOD && p->over_us == 0)
        return "flood wants a time: hostile 1% flood for 60s";
    return wrong;
}

static const char *parse_put(struct phase *p, struct line *l)
{
    if (!text_u32(line_take(l), &p->count) || p->count == 0 || p->count > RECORDS_MAX ||
        !line_accept(l, "ttl") || !text_time(line_take(l), &p->ttl_us) || p->ttl_us < MILLION ||
        p->ttl_us > RECORD_TTL_MAX)
        return "put wants a number and a life time, 1s to 24h: put 1000 ttl 2h";
    return parse_over(p, l, "over");
}

const char *phase_parse(struct scenario *s, struct line *l)
{
    static const char *(*const parse[])(struct phase *, struct line *) = {
        [PHASE_JOIN] = parse_join,
        [PHASE_LOOKUPS] = parse_lookups,
        [PHASE_KILL] = parse_share,
        [PHASE_LEAVE] = parse_share,
        [PHASE_PARTITION] = parse_partition,
        [PHASE_CHURN] = parse_churn,
        [PHASE_PUT] = parse_put,
        [PHASE_HOSTILE] = parse_hostile,
    };
    if (s->phase_count == PHASES_MAX) return "more than 64 phases";
    struct phase p = {.line = l->number};
    if (!text_time(line_take(l), &p.at_us)) return "at wants a time: at 60s kill 30%";
    const char *what = line_take(l);
    unsigned kind = 0;
    while (what && kind < PHASE_COUNT && strcmp(what, phase_names[kind]) != 0) kind++;
    if (!what || kind == PHASE_COUNT)
        return "after the time comes join, lookups, kill, leave, partition, churn, hostile or put";
    p.kind = (uint8_t)kind;
    size_t skip = strlen(l->word[1]) + sizeof "at ";
    snprintf(p.text, sizeof p.text, "%s", l->text + skip);
    const char *wrong = parse[kind](&p, l);
    if (wrong) return wrong;
    uint32_t i = s->phase_count++;
    for (; i > 0 && s->phases[i - 1].at_us > p.at_us; i--) s->phases[i] = s->phases[i - 1];
    s->phases[i] = p;
    return NULL;
}
