/* sim/scenario_expect.h - the `expect` lines of a scenario: words into struct expectation.
 *
 * Owns: nothing. Errors: what is wrong, in words; NULL is fine. */
#pragma once
#include "sim/scenario.h"

const char *expect_parse(struct scenario *s, struct line *l);
