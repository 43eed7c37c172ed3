/* sim/scenario_phase.h - the `at` lines of a scenario: words into struct phase.
 *
 * Owns: nothing. Errors: what is wrong, in words; NULL is fine. */
#pragma once
#include "sim/scenario.h"

const char *phase_parse(struct scenario *s, struct line *l);
