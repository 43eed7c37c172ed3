/* sim/expect.h - were the expectations met?
 *
 * A metric without a value (no look-up was answered, say) is not met. Integer arithmetic only.
 *
 * Owns: nothing. Errors: none. */
#pragma once
#include "sim/results.h"

/* Fills r->expects; true: all held. */
bool expect_judge(const struct scenario *s, struct results *r);
