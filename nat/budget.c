#include "nat/budget.h"

#include "base/err.h"
#include "base/time.h"

static void budget_refill(struct budget *b, uint64_t now_us, uint32_t per_second, uint32_t full)
{
    uint64_t elapsed_us = time_since(now_us, b->at_us);
    uint32_t missing = b->tokens_milli < full ? full - b->tokens_milli : 0;
    if (per_second == 0 || missing == 0) {
        b->at_us = time_max(b->at_us, now_us);
        if (b->tokens_milli > full) b->tokens_milli = full; /* the caller's limit became smaller */
        return;
    }
    /* missing * 1000 < 2^42: no overflow, and elapsed_us * per_second only when that is small */
    uint64_t needed_us = ((uint64_t)missing * 1000 + per_second - 1) / per_second;
    if (elapsed_us >= needed_us) {
        b->tokens_milli = full;
        b->at_us = now_us;
        return;
    }
    uint64_t gained = elapsed_us * per_second / 1000;
    b->tokens_milli += (uint32_t)gained;
    /* only the time that these tokens took has passed: the rest counts next time */
    b->at_us += (gained * 1000 + per_second - 1) / per_second;
}

bool budget_take(struct budget *b, uint64_t now_us, uint32_t per_second, uint32_t burst)
{
    ensure(burst <= BUDGET_BURST_MAX);
    uint32_t full = burst * 1000;
    if (b->at_us == 0) {
        b->tokens_milli = full;
        b->at_us = time_max(now_us, 1);
    }
    budget_refill(b, now_us, per_second, full);
    if (b->tokens_milli < 1000) return false;
    b->tokens_milli -= 1000;
    return true;
}
