/* sim/report.h - results for people and for programs. The only place for floating point and memory
 * figures; docs/simulation.md names every key.
 *
 * Owns: nothing. Errors: those of the stream, which the caller looks at. */
#pragma once
#include "sim/results.h"
#include <stdio.h>

struct measured { /* what depends on the machine, and is in no hash */
    uint64_t wall_us;
    uint64_t rest_wall_us;   /* of it, in the window of upkeep */
    uint64_t rest_cpu_us;    /* the same, of this process alone */
    uint64_t rss_bytes;      /* largest so far */
    uint64_t bytes_per_node; /* how much it grew, by the number of nodes */
};
uint64_t report_rss_bytes(void); /* resident now; 0: unknown */
uint64_t report_peak_bytes(void);
uint64_t report_free_bytes(void); /* that the system would give us without swapping; 0: unknown */
/* One JSON object without a newline. */
void report_json(FILE *out, const struct scenario *s, const struct results *r,
                 const struct measured *m);
void report_text(FILE *out, const struct scenario *s, const struct results *r,
                 const struct measured *m);
/* The value of an expectation, as its line writes such values; "none". */
#define VALUE_TEXT 64
const char *report_value(const struct expectation *e, const struct expect_result *x, bool limit,
                         char out[VALUE_TEXT]);
