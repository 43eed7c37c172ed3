#include "nat/punch.h"

#include "base/err.h"
#include <string.h>

#define MS_NEVER UINT16_MAX /* this target has had all its probes */
#define END_MS   ((unsigned)(PUNCH_GIVE_UP_US / MILLIS(1)))
_Static_assert(PUNCH_GIVE_UP_US / MILLIS(1) < MS_NEVER, "milliseconds of an attempt fit");

/* --- choosing targets --- */

enum group {
    GROUP_SAME_SUBNET,
    GROUP_SAME_SITE, /* private, behind the public address that is ours too */
    GROUP_V6,
    GROUP_PUBLIC,
    GROUP_MAPPED,
    GROUP_PREDICTED,
    GROUP_PRIVATE, /* some other private network, perhaps routed */
    GROUP_COUNT,
    GROUP_SKIP = GROUP_COUNT
};

/* What we know of our own side and the peer's, for all candidates alike. */
struct view {
    const struct candidates *local;
    bool v4, v6, v6_global;
    bool public_v4; /* a public IPv4 address is our own */
    bool same_site; /* both are seen at one public address */
};

static bool is_private(const struct endpoint *e)
{
    enum scope s = endpoint_scope(e);
    return s == SCOPE_PRIVATE || s == SCOPE_CGN;
}

static bool same_subnet(const struct endpoint *a, const struct endpoint *b)
{
    if (endpoint_is_v4(a) != endpoint_is_v4(b)) return false;
    return memcmp(a->ip, b->ip, endpoint_is_v4(a) ? 15 : 8) == 0;
}

/* IPv6 has no shared address: there two homes are apart if their /64 are. */
static bool shows_same_site(const struct endpoint *a, const struct endpoint *b)
{
    if (is_private(a) || is_private(b)) return false;
    return endpoint_is_v4(a) ? endpoint_same_ip(a, b) : same_subnet(a, b);
}

static struct view view_of(const struct candidates *remote, const struct candidates *local)
{
    bool unknown = local->count == 0;
    struct view v = {.local = local, .v4 = unknown, .v6 = unknown, .v6_global = unknown};
    for (unsigned i = 0; i < local->count; i++) {
        const struct candidate *own = local->list + i;
        bool v4 = endpoint_is_v4(&own->at), global = !is_private(&own->at);
        v.v4 |= v4;
        v.v6 |= !v4;
        v.v6_global |= !v4 && global;
        v.public_v4 |= v4 && global && own->kind == CANDIDATE_LOCAL;
        for (unsigned k = 0; k < remote->count; k++)
            v.same_site |= shows_same_site(&own->at, &remote->list[k].at);
    }
    return v;
}

static bool in_own_subnet(const struct view *v, const struct endpoint *e)
{
    for (unsigned i = 0; i < v->local->count; i++)
        if (v->local->list[i].kind == CANDIDATE_LOCAL && same_subnet(&v->local->list[i].at, e))
            return true;
    return false;
}

static bool is_own(const struct view *v, const struct endpoint *e)
{
    for (unsigned i = 0; i < v->local->count; i++)
        if (endpoint_equal(&v->local->list[i].at, e)) return true;
    return false;
}

static enum group private_group(const struct view *v)
{
    if (v->same_site) return GROUP_SAME_SITE;
    return v->public_v4 ? GROUP_SKIP : GROUP_PRIVATE;
}

static enum group group_of(const struct view *v, const struct candidate *c)
{
    bool v4 = endpoint_is_v4(&c->at), private = is_private(&c->at);
    if (c->at.transport != TRANSPORT_UDP || is_own(v, &c->at)) return GROUP_SKIP;
    if (v4 ? !v->v4 : private ? !v->v6 : !v->v6_global) return GROUP_SKIP;
    if (in_own_subnet(v, &c->at)) return GROUP_SAME_SUBNET;
    if (private) return private_group(v);
    if (c->kind == CANDIDATE_PREDICTED) return GROUP_PREDICTED;
    if (!v4) return GROUP_V6;
    return c->kind == CANDIDATE_MAPPED ? GROUP_MAPPED : GROUP_PUBLIC;
}

/* Which candidates become targets, as bits: in rounds, the next best of every group in each. */
static uint32_t choose(const enum group groups[CANDIDATES_MAX], unsigned count)
{
    uint32_t chosen = 0;
    unsigned room = PUNCH_TARGETS;
    for (unsigned round = 0; round < count && room > 0; round++)
        for (unsigned g = 0; g < GROUP_COUNT && room > 0; g++) {
            unsigned i = 0;
            while (i < count && (groups[i] != g || (chosen & 1u << i))) i++;
            if (i < count) chosen |= 1u << i, room--;
        }
    return chosen;
}

static void add_target(struct punch *p, const struct endpoint *at)
{
    p->targets[p->count] = (struct punch_target){
        .at = *at, .next_ms = (uint16_t)(p->count * PUNCH_SPACING_MS)};
    p->count++;
}

void punch_start(struct punch *p, uint64_t now_us, const struct candidates *remote,
                 const struct candidates *local)
{
    enum group groups[CANDIDATES_MAX];
    struct view v = view_of(remote, local);
    for (unsigned i = 0; i < remote->count; i++) groups[i] = group_of(&v, remote->list + i);
    uint32_t chosen = choose(groups, remote->count);
    *p = (struct punch){.start_us = now_us};
    for (unsigned g = 0; g < GROUP_COUNT; g++)
        for (unsigned i = 0; i < remote->count; i++)
            if (groups[i] == g && (chosen & 1u << i)) add_target(p, &remote->list[i].at);
    p->end_us = p->count > 0 ? time_add(now_us, PUNCH_GIVE_UP_US) : 0;
}

/* --- the timetable --- */

/* Milliseconds since the start; END_MS once it is over. */
static unsigned elapsed_ms(const struct punch *p, uint64_t now_us)
{
    if (now_us >= p->end_us) return END_MS;
    return (unsigned)(time_since(now_us, p->start_us) / MILLIS(1));
}

bool punch_add(struct punch *p, uint64_t now_us, const struct endpoint *at)
{
    if (punch_exhausted(p, now_us)) return false;
    if (!endpoint_is_usable(at) || at->transport != TRANSPORT_UDP) return false;
    for (unsigned i = 0; i < p->count; i++)
        if (endpoint_equal(&p->targets[i].at, at)) return false;
    if (p->count == PUNCH_TARGETS) p->count--;
    p->targets[p->count] = (struct punch_target){.at = *at,
                                                 .next_ms = (uint16_t)elapsed_ms(p, now_us)};
    p->count++;
    return true;
}

/* Counted from the probe that was really sent, so a late caller makes no burst. */
static void target_probed(struct punch_target *t, unsigned ms)
{
    unsigned gap = t->tries == 0 ? PUNCH_FIRST_MS : (unsigned)PUNCH_FIRST_MS << (t->tries - 1);
    t->tries++;
    t->next_ms = t->tries < PUNCH_TRIES && ms + gap < END_MS ? (uint16_t)(ms + gap) : MS_NEVER;
}

static void delay_same_ip(struct punch *p, const struct endpoint *probed, unsigned ms)
{
    for (unsigned i = 0; i < p->count; i++) {
        struct punch_target *t = p->targets + i;
        if (t->next_ms < ms + PUNCH_SAME_IP_MS && endpoint_same_ip(&t->at, probed))
            t->next_ms = (uint16_t)(ms + PUNCH_SAME_IP_MS);
    }
}

bool punch_next(struct punch *p, uint64_t now_us, struct endpoint *out)
{
    unsigned ms = elapsed_ms(p, now_us);
    struct punch_target *due = NULL; /* the longest overdue; the earlier target on a tie */
    if (ms >= END_MS) {
        p->end_us = 0;
        return false;
    }
    for (unsigned i = 0; i < p->count; i++) {
        struct punch_target *t = p->targets + i;
        if (t->next_ms <= ms && (!due || t->next_ms < due->next_ms)) due = t;
    }
    if (!due) return false;
    *out = due->at;
    unsigned sent_ms = elapsed_ms(p, time_add(now_us, MILLIS(1) - 1)); /* rounded up */
    target_probed(due, sent_ms);
    delay_same_ip(p, out, sent_ms);
    return true;
}

uint64_t punch_wake_us(const struct punch *p)
{
    if (p->end_us == 0) return TIME_NEVER;
    uint64_t wake_us = p->end_us;
    for (unsigned i = 0; i < p->count; i++)
        if (p->targets[i].next_ms < END_MS)
            wake_us = time_min(wake_us, time_add(p->start_us, MILLIS(p->targets[i].next_ms)));
    return wake_us;
}

bool punch_exhausted(const struct punch *p, uint64_t now_us)
{
    return now_us >= p->end_us;
}

uint64_t punch_retry_us(unsigned failures, struct rng *r)
{
    static const uint64_t pauses_us[] = {SECONDS(10), SECONDS(30), SECONDS(60), MINUTES(5),
                                         MINUTES(15), MINUTES(30), MINUTES(60)};
    unsigned i = failures > 0 ? failures - 1 : 0;
    if (i >= sizeof pauses_us / sizeof *pauses_us) i = sizeof pauses_us / sizeof *pauses_us - 1;
    return rng_jitter(r, pauses_us[i], 20);
}
