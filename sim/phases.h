/* sim/phases.h - what the scenario makes happen, and when.
 *
 * Each phase has a generator of its own (named stream), so that a line added to a scenario shifts
 * no draw of another. A phase says when it acts next; phases_act does one action of one phase.
 *
 * Units:  microseconds. Owns: the look-ups' slots, the records. Errors: none. Cost: phase_count a call. */
#pragma once
#include "sim/lookups.h"
#include "sim/records.h"
#include "sim/results.h"

struct phase_state {
    struct rng rng;
    uint64_t next_us;     /* TIME_NEVER: it is over */
    uint64_t done, total; /* actions */
    uint64_t birth_us;    /* CHURN: of the next */
    struct heap deaths;   /* CHURN: when who goes */
    uint32_t population;  /* CHURN: live nodes at its beginning */
    bool begun;
};
struct phases {
    const struct scenario *scenario;
    struct world *world;
    struct results *results;
    struct lookups lookups;
    struct records records;
    struct phase_state states[PHASES_MAX];
    uint64_t next_us; /* least of all */
    uint32_t seeds;   /* as the last join said */
    /* The caller clears these. */
    bool changed; /* who is there, or who reaches whom */
    bool ended;   /* a phase */
};
void phases_init(struct phases *p, const struct scenario *s, struct world *w, struct results *r);
void phases_fini(struct phases *p);
/* Everything that is due at w->now_us. */
void phases_act(struct phases *p);
/* The replies of the last step, wherever it came from. */
void phases_replies(struct phases *p);
