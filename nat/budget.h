/* nat/budget.h - a token bucket in integers: how often something may happen.
 *
 * Used where a stranger could make us send: probes to an unverified address, handshakes for others.
 * All zero is a full bucket that was never used.
 *
 * Units:  tokens are thousandths; rate and burst belong to the caller, so that one table of limits
 *         serves many buckets. A rate of 0 never refills.
 * Owns:   nothing; 16 bytes by value. Errors: false, and nothing is taken.
 * Cost:   a few divisions a call. Exact but for less than 1 us a token taken, never over. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define BUDGET_BURST_MAX 4000000u

struct budget {
    uint32_t tokens_milli;             /* there to be taken at at_us */
    uint64_t at_us;                    /* 0: never used */
} __attribute__((packed, aligned(4))); /* 12 bytes: a node holds several */

/* Take one token; false: there is none. Time that goes back counts as no time. */
bool budget_take(struct budget *b, uint64_t now_us, uint32_t per_second, uint32_t burst);
