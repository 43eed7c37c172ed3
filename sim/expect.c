#include "sim/expect.h"

#include "base/time.h"

/* `scale` turns the histogram's unit into the limit's. */
static uint64_t statistic(const struct histogram *h, uint8_t which, uint64_t scale)
{
    switch ((enum statistic)which) {
    case STAT_MEAN: return histogram_mean(h, scale);
    case STAT_P50: return histogram_at(h, 500000) * scale;
    case STAT_P99: return histogram_at(h, 990000) * scale;
    case STAT_MAX: return h->max * scale;
    }
    return 0;
}

/* The time at which the ring was whole after the last change of who is there that began before the
 * limit. */
static bool ring_by(const struct scenario *s, const struct results *r, uint64_t limit_us,
                    uint64_t *out)
{
    uint32_t last = PHASES_MAX;
    for (uint32_t i = 0; i < s->phase_count; i++)
        if (phase_is_watched(s->phases[i].kind) && s->phases[i].at_us < limit_us) last = i;
    if (last == PHASES_MAX || r->phases[last].complete_us == TIME_NEVER) return false;
    *out = r->phases[last].complete_us;
    return true;
}

/* The longest time to a whole ring after phases of that kind. */
static bool ring_after(const struct scenario *s, const struct results *r, uint8_t kind,
                       uint64_t *out)
{
    bool any = false;
    uint64_t longest_us = 0;
    for (uint32_t i = 0; i < s->phase_count; i++) {
        if (s->phases[i].kind != kind) continue;
        if (r->phases[i].complete_us == TIME_NEVER) return false;
        any = true;
        longest_us = time_max(longest_us, r->phases[i].complete_us - r->phases[i].ended_us);
    }
    *out = longest_us;
    return any;
}

static bool share_of(uint64_t part, uint64_t whole, uint64_t *out)
{
    if (whole == 0) return false;
    *out = mul_div(part, MILLION, whole);
    return true;
}

static bool histogram_value(const struct histogram *h, uint8_t which, uint64_t scale, uint64_t *out)
{
    if (h->count == 0) return false;
    *out = statistic(h, which, scale);
    return true;
}

/* Of all look-ups, or of those of the phases that began then. */
static struct lookup_counts lookups_of(const struct scenario *s, const struct results *r,
                                       const struct expectation *e)
{
    if (!e->at_given) return lookups_total(r->lookups);
    struct lookup_counts some[PHASES_MAX] = {0};
    for (uint32_t i = 0; i < s->phase_count; i++)
        if (s->phases[i].at_us == e->at_us) some[i] = r->lookups[i];
    return lookups_total(some);
}

static bool value_of(const struct scenario *s, const struct results *r, const struct expectation *e,
                     uint64_t *out)
{
    struct lookup_counts lookups = lookups_of(s, r, e);
    uint64_t links = r->links[PATH_DIRECT] + r->links[PATH_RELAYED] + r->links[PATH_ROUTED];
    switch ((enum metric)e->metric) {
    case METRIC_RING_BY: return ring_by(s, r, e->limit, out);
    case METRIC_RING_AFTER: return ring_after(s, r, e->after, out);
    case METRIC_RING_COMPLETE: *out = r->complete; return true;
    case METRIC_RINGS: *out = r->rings; return true;
    case METRIC_LOOKUPS_OK: return share_of(lookups.ok, lookups.sent, out);
    case METRIC_LOOKUPS_WRONG: *out = lookups.wrong; return true;
    case METRIC_HOPS: return histogram_value(&r->hops, e->statistic, MILLION, out);
    case METRIC_LATENCY: return histogram_value(&r->latency_us, e->statistic, 1, out);
    case METRIC_STRETCH: return histogram_value(&r->stretch, e->statistic, 1000, out);
    case METRIC_UPKEEP: return histogram_value(&r->upkeep, e->statistic, 1000, out);
    case METRIC_DIRECT: return share_of(r->links[PATH_DIRECT], links, out);
    case METRIC_RECORDS_PUT: *out = r->records.put; return r->records.any;
    case METRIC_RECORDS_LOST: *out = r->records.lost; return r->records.put > 0;
    case METRIC_COUNT: break;
    }
    return false;
}

/* Exact where a rounded share would tell less: 99,999 of 100,000 is not 100 %. */
static bool holds(const struct scenario *s, const struct results *r, const struct expectation *e,
                  const struct expect_result *x)
{
    if (!x->known) return false;
    if (metric_value(e->metric) == VALUE_NOTHING) return x->value == 1;
    if (e->metric == METRIC_LOOKUPS_OK && e->at_least) {
        struct lookup_counts lookups = lookups_of(s, r, e);
        return lookups.ok * MILLION >= lookups.sent * x->limit;
    }
    return e->at_least ? x->value >= x->limit : x->value <= x->limit;
}

bool expect_judge(const struct scenario *s, struct results *r)
{
    bool all = true;
    for (uint32_t i = 0; i < s->expect_count; i++) {
        const struct expectation *e = &s->expects[i];
        struct expect_result *x = &r->expects[i];
        *x = (struct expect_result){.limit = e->limit};
        if (e->log2n) x->limit = mul_div(e->limit, log2_millionths(r->nodes), MILLION);
        x->known = value_of(s, r, e, &x->value);
        x->held = holds(s, r, e, x);
        all = all && x->held;
    }
    return all;
}
