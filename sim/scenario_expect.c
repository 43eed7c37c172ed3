#include "sim/scenario_expect.h"

#include <stdio.h>
#include <string.h>

static const struct {
    const char *text;
    uint8_t value; /* enum value_kind */
} metrics[] = {
#define X(name, text, value) {text, VALUE_##value},
    METRICS(X)
#undef X
};

enum value_kind metric_value(enum metric m)
{
    return metrics[m].value;
}

/* Takes all the words of `text` from the line, or none. */
static bool accept_words(struct line *l, const char *text)
{
    uint32_t before = l->next;
    while (*text) {
        size_t len = strcspn(text, " ");
        const char *word = line_take(l);
        if (!word || strlen(word) != len || memcmp(word, text, len) != 0) {
            l->next = before;
            return false;
        }
        text += len;
        if (*text) text++;
    }
    return true;
}

static bool take_statistic(struct line *l, uint8_t *out)
{
    static const char *const names[] = {
        [STAT_MEAN] = "mean", [STAT_P50] = "p50", [STAT_P99] = "p99", [STAT_MAX] = "max"};
    for (unsigned i = 0; i < sizeof names / sizeof names[0]; i++) {
        if (!line_accept(l, names[i])) continue;
        *out = (uint8_t)i;
        return true;
    }
    return false;
}

static bool take_limit(struct line *l, struct expectation *e)
{
    const char *word = line_take(l);
    switch (metric_value(e->metric)) {
    case VALUE_NOTHING: return true;
    case VALUE_TIME: return text_time(word, &e->limit);
    case VALUE_NUMBER: return text_u64(word, &e->limit);
    case VALUE_DECIMAL: return text_decimal(word, &e->limit);
    case VALUE_SHARE: {
        uint32_t share;
        if (!text_share(word, &share)) return false;
        e->limit = share;
        return true;
    }
    case VALUE_HOPS:
        if (!text_decimal(word, &e->limit)) return false;
        e->log2n = line_accept(l, "log2n");
        return true;
    case VALUE_RATE: return text_decimal(word, &e->limit) && line_accept(l, "B/s");
    }
    return false;
}

/* Everything behind the metric's own words. */
static const char *parse_rest(struct expectation *e, struct line *l)
{
    switch (metric_value(e->metric)) {
    case VALUE_NOTHING: return NULL;
    case VALUE_HOPS:
    case VALUE_DECIMAL:
    case VALUE_RATE:
        if (!take_statistic(l, &e->statistic)) return "which of mean, p50, p99, max?";
        break;
    default: break;
    }
    if (e->metric == METRIC_LATENCY && !take_statistic(l, &e->statistic))
        return "which of mean, p50, p99, max?";
    if (e->metric == METRIC_RING_AFTER) {
        const char *what = line_take(l);
        unsigned kind = 0;
        while (what && kind < PHASE_COUNT && strcmp(what, phase_name(kind)) != 0) kind++;
        if (!what || kind == PHASE_COUNT || kind == PHASE_LOOKUPS || kind == PHASE_PUT ||
            kind == PHASE_HOSTILE)
            return "after what? join, kill, leave, partition or churn";
        e->after = (uint8_t)kind;
        if (!line_accept(l, "within"))
            return "within which time? ring complete after kill within 30s";
    } else if (e->metric != METRIC_RING_BY) {
        e->at_least = line_accept(l, ">=");
        if (!e->at_least && !line_accept(l, "<=")) return "it wants <= or >= and a value";
    }
    return take_limit(l, e) ? NULL : "the value is not of the form that belongs here";
}

/* `lookups at 60s ok`: leaves the metric's own words, `lookups ok`, as if the time did not stand
 * there. */
static const char *take_lookups_at(struct expectation *e, struct line *l)
{
    uint32_t before = l->next;
    if (!line_accept(l, "lookups") || !line_accept(l, "at")) {
        l->next = before;
        return NULL;
    }
    const char *word = line_take(l);
    if (!text_time(word, &e->at_us)) return "at wants a time: expect lookups at 60s ok >= 100%";
    e->at_given = true;
    l->next = before + 2; /* two places on, where `lookups` will stand */
    l->word[l->next] = l->word[before];
    return NULL;
}

const char *expect_parse(struct scenario *s, struct line *l)
{
    if (s->expect_count == EXPECTS_MAX) return "more than 64 expectations";
    struct expectation e = {.line = l->number};
    unsigned metric = 0;
    if (!line_peek(l)) return "expect what? expect ring complete by 30s";
    const char *bad_at = take_lookups_at(&e, l);
    if (bad_at) return bad_at;
    while (metric < METRIC_COUNT && !accept_words(l, metrics[metric].text)) metric++;
    if (metric == METRIC_COUNT)
        return "no such metric: ring, rings, lookups, hops, latency, stretch, upkeep, links, "
               "records";
    e.metric = (uint8_t)metric;
    snprintf(e.text, sizeof e.text, "%s", l->text + sizeof "expect");
    const char *wrong = parse_rest(&e, l);
    if (wrong) return wrong;
    s->expects[s->expect_count++] = e;
    return NULL;
}
