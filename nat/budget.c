#include "nat/budget.h"

#include "base/err.h"
#include "base/time.h"

/* Bring the bucket to now_us: its tokens, and the time up to which they have been given out. */
static struct budget refilled(const struct budget *b, uint64_t now_us, uint32_t per_second,
                              uint32_t full)
{
    uint64_t elapsed_us = time_since(now_us, b->at_us);
    if (b->at_us == 0 || b->tokens_milli >= full)
        return (struct budget){.tokens_milli = full,
                               .at_us = time_max(time_max(b->at_us, now_us), 1)};
    if (per_second == 0) return *b;
    /* Full after so long; for less, elapsed_us * per_second fits: it is about missing * 1000. */
    uint64_t missing = full - b->tokens_milli;
    uint64_t needed_us = (missing * 1000 + per_second - 1) / per_second;
    if (elapsed_us >= needed_us) return (struct budget){.tokens_milli = full, .at_us = now_us};
    uint64_t gained = elapsed_us * per_second / 1000;
    uint64_t spent_us = (gained * 1000 + per_second - 1) / per_second; /* the rest counts later */
    return (struct budget){.tokens_milli = b->tokens_milli + (uint32_t)gained,
                           .at_us = b->at_us + spent_us};
}

bool budget_take(struct budget *b, uint64_t now_us, uint32_t per_second, uint32_t burst)
{
    ensure(burst <= BUDGET_BURST_MAX);
    struct budget now = refilled(b, now_us, per_second, burst * 1000);
    if (now.tokens_milli < 1000) return false; /* b stays, or asking often would lose fractions */
    now.tokens_milli -= 1000;
    *b = now;
    return true;
}
