/* sim/options.h - the command line of ringlet-sim.
 *
 * Owns: nothing; strings are borrowed from argv. Errors: false and one line in `error`. */
#pragma once
#include "overlay/limits.h"
#include "sim/scenario.h"

#define SETS_MAX 32
#define LOOKAHEAD_NODES                                                                            \
    100000u /* up to so many nodes limits.lookahead is LOOKAHEAD_LINKS, unless it is set: 7 KiB a node */
#define LOOKAHEAD_LINKS 32u
struct options {
    const char *file, *json, *trace, *csv, *plots;
    bool help, version, crypto_real, quiet;
    uint32_t nodes; /* 0: as the scenario says */
    uint64_t seed;
    uint32_t repeat; /* 0: no --repeat */
    const char *sets[SETS_MAX];
    uint32_t set_count;
    uint32_t trace_mask;
};
extern const char options_help[];
bool options_parse(struct options *o, int argc, char *const argv[], char error[SCENARIO_ERROR]);
/* --nodes and --set into the scenario and the limits. */
bool options_apply(const struct options *o, struct scenario *s, struct limits *l,
                   char error[SCENARIO_ERROR]);
