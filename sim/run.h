/* sim/run.h - one run of a scenario from its first event to its end.
 *
 * Phases act before nodes do in the same microsecond. The ring is looked at every 100 ms while it
 * is not whole, else every second (2,000 nodes a time).
 *
 * Units:  microseconds of virtual time. Owns: the world, for the run.
 * Errors: none; a person may stop it (results.stopped). */
#pragma once
#include "sim/results.h"

struct progress {
    uint64_t now_us, end_us, events;
    uint32_t live;
    bool complete;
};
struct run_options {
    uint64_t seed;
    const struct crypto *crypto;
    struct limits limits;
    const struct matrix *matrix; /* of `network matrix` */
    bool samples;                /* over time: results.samples */
    bool quiet;                  /* keep-alives that must succeed are charged, not queued */
    struct trace *trace;         /* may be NULL */
    bool (*progress)(void *context, const struct progress *p); /* false: stop. May be NULL */
    void (*rest)(
        void *
            context); /* the last phase is over: the window of upkeep begins; again, it ends. May be NULL */
    void *context;
};
void run_scenario(const struct scenario *s, const struct run_options *o, struct results *r);
