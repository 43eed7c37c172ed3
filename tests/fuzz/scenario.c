/* sim/scenario.h: whatever parses is in order, and is refused or accepted with a message that names
 * the file; the same text gives the same scenario. */
#include "sim/scenario.h"
#include "base/err.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct scenario first, second;

static void check_order(const struct scenario *s)
{
    uint64_t shares = 0;
    ensure(s->nodes >= 1 && s->nodes <= SCENARIO_NODES);
    ensure(s->phase_count <= PHASES_MAX && s->expect_count <= EXPECTS_MAX);
    for (uint32_t i = 0; i < s->phase_count; i++) {
        ensure(i == 0 || s->phases[i - 1].at_us <= s->phases[i].at_us);
        ensure(s->phases[i].at_us + s->phases[i].over_us <= s->end_us);
        ensure(s->phases[i].kind < PHASE_COUNT && s->phases[i].share <= MILLION);
    }
    for (uint32_t i = 0; i < s->phase_count; i++) {
        uint64_t sides = 0;
        ensure(s->phases[i].side_count < SIDES_MAX && s->phases[i].hostility < HOSTILE_COUNT);
        for (unsigned k = 0; k < s->phases[i].side_count; k++) sides += s->phases[i].sides[k];
        ensure(sides <= MILLION);
    }
    ensure(s->skew_us <= SKEW_MAX_US);
    for (unsigned i = 0; i < NAT_TYPE_COUNT; i++) shares += s->nat.share[i];
    ensure(shares == MILLION && s->network.loss <= MILLION);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char error[SCENARIO_ERROR] = "", again[SCENARIO_ERROR] = "";
    bool ok = scenario_parse(&first, "fuzz.sim", (const char *)data, size, error);
    ensure(scenario_parse(&second, "fuzz.sim", (const char *)data, size, again) == ok);
    ensure(strcmp(error, again) == 0);
    if (!ok) {
        ensure(strncmp(error, "fuzz.sim:", 9) == 0 && strchr(error, '\n') == NULL);
        return 0;
    }
    check_order(&first);
    ensure(first.end_us == second.end_us && first.expect_count == second.expect_count);
    return 0;
}
