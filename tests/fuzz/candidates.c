/* A peer's candidate list: decode, encode, decode, compare; then the timetable that probes it. */
#include "base/err.h"
#include "nat/punch.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_list(const struct candidates *c)
{
    ensure(c->count <= CANDIDATES_MAX);
    for (unsigned i = 0; i < c->count; i++) {
        ensure(endpoint_is_usable(&c->list[i].at));
        ensure(endpoint_scope(&c->list[i].at) != SCOPE_LOOPBACK);
        for (unsigned k = 0; k < i; k++) ensure(!endpoint_equal(&c->list[i].at, &c->list[k].at));
    }
}

/* Whatever is in it: bounded, and over in time. */
static void check_punch(const struct candidates *remote)
{
    struct candidates local = {0};
    struct endpoint lan = endpoint_v4(0xc0a80105, 7464), seen = endpoint_v4(0xcb007105, 7464), to;
    candidates_add(&local, &lan, CANDIDATE_LOCAL);
    candidates_add(&local, &seen, CANDIDATE_OBSERVED);
    struct punch p;
    unsigned probes = 0;
    punch_start(&p, SECONDS(1), remote, &local);
    for (uint64_t now_us; (now_us = punch_wake_us(&p)) != TIME_NEVER;)
        while (punch_next(&p, now_us, &to)) {
            ensure(to.transport == TRANSPORT_UDP && endpoint_is_usable(&to));
            ensure(++probes <= PUNCH_TARGETS * PUNCH_TRIES);
        }
    ensure(punch_exhausted(&p, SECONDS(1) + PUNCH_GIVE_UP_US));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct candidates c, back;
    struct unpack u = unpack_of(data, len);
    if (!candidates_unpack(&c, &u)) {
        ensure(c.count == 0 && u.bad);
        return 0;
    }
    check_list(&c);
    uint8_t bytes[CANDIDATES_PACKED_MAX];
    struct pack k = pack_of(bytes, sizeof bytes);
    candidates_pack(&c, &k);
    ensure(!k.bad);
    u = unpack_of(bytes, k.len);
    ensure(candidates_unpack(&back, &u) && unpack_done(&u));
    ensure(memcmp(&back, &c, sizeof c) == 0);
    check_punch(&c);
    return 0;
}
