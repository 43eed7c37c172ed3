#include "nat/observe.h"

#include "base/bytes.h"
#include "base/err.h"
#include "base/time.h"
#include <string.h>

/* --- reports --- */

/* FNV-1a: only tells networks apart. Whoever makes two of his own collide loses a voice. */
static uint32_t hash(const uint8_t *p, unsigned len)
{
    uint32_t h = 2166136261u;
    for (unsigned i = 0; i < len; i++) h = (h ^ p[i]) * 16777619u;
    return h;
}

static uint32_t prefix_of(const struct endpoint *e)
{
    return endpoint_is_v4(e) ? get_u32(e->ip + 12) >> 8 : hash(e->ip, 6);
}

static uint32_t ip_of(const struct endpoint *e)
{
    return endpoint_is_v4(e) ? get_u32(e->ip + 12) : hash(e->ip, sizeof e->ip);
}

static bool same_group(const struct endpoint *a, const struct endpoint *b)
{
    return endpoint_is_v4(a) == endpoint_is_v4(b) && endpoint_scope(a) == endpoint_scope(b);
}

/* Reports are newest first, so the first of its group is the group's newest. */
static bool is_fresh(const struct observe *o, const struct observe_report *r)
{
    const struct observe_report *newest = o->reports;
    while (!same_group(&newest->seen, &r->seen)) newest++;
    return newest->at_s - r->at_s <= OBSERVE_FRESH_S;
}

/* r tells something about the group of `seen` */
static bool counts(const struct observe *o, const struct observe_report *r,
                   const struct endpoint *seen)
{
    return same_group(&r->seen, seen) && is_fresh(o, r);
}

static void report_remove(struct observe *o, unsigned i)
{
    memmove(o->reports + i, o->reports + i + 1, (o->count - i - 1u) * sizeof *o->reports);
    o->count--;
    o->reports[o->count] = (struct observe_report){0};
}

/* The report that a new one replaces, or o->count: its reporter's older one, or the older of its
 * network, or the oldest of all. */
static unsigned replaced_by(const struct observe *o, const struct observe_report *new)
{
    unsigned oldest = 0, of_prefix = 0;
    for (unsigned i = 0; i < o->count; i++) {
        const struct observe_report *r = o->reports + i;
        if (r->ip == new->ip && r->port == new->port && r->prefix == new->prefix) return i;
        if (r->prefix == new->prefix) of_prefix++, oldest = i;
    }
    if (of_prefix >= OBSERVE_PER_PREFIX) return oldest;
    return o->count < OBSERVE_REPORTS ? o->count : o->count - 1u;
}

static void report_put(struct observe *o, const struct observe_report *new)
{
    unsigned i = replaced_by(o, new);
    if (i < o->count) report_remove(o, i);
    memmove(o->reports + 1, o->reports, o->count * sizeof *o->reports);
    o->reports[0] = *new;
    o->count++;
}

/* --- belief --- */

/* How many different networks say r's endpoint (or, with `any_port`, its address); *all: how many
 * say anything in its group. */
static unsigned voices(const struct observe *o, const struct observe_report *r, bool any_port,
                       unsigned *all)
{
    uint32_t heard[OBSERVE_REPORTS], said[OBSERVE_REPORTS];
    unsigned heard_count = 0, said_count = 0;
    for (unsigned i = 0; i < o->count; i++) {
        const struct observe_report *other = o->reports + i;
        if (!counts(o, other, &r->seen)) continue;
        bool same = any_port ? endpoint_same_ip(&other->seen, &r->seen)
                             : endpoint_equal(&other->seen, &r->seen);
        unsigned h = 0, s = 0;
        while (h < heard_count && heard[h] != other->prefix) h++;
        if (h == heard_count) heard[heard_count++] = other->prefix;
        while (s < said_count && said[s] != other->prefix) s++;
        if (same && s == said_count) said[said_count++] = other->prefix;
    }
    *all = heard_count;
    return said_count;
}

static bool is_believed(const struct observe *o, const struct observe_report *r, bool any_port)
{
    unsigned all = 0;
    unsigned said = voices(o, r, any_port, &all);
    return is_fresh(o, r) && said >= (all < 2 ? 1u : 2u);
}

/* No endpoint of r's group is believed as it stands. */
static bool group_disagrees(const struct observe *o, const struct observe_report *r)
{
    for (unsigned i = 0; i < o->count; i++)
        if (same_group(&o->reports[i].seen, &r->seen) && is_believed(o, o->reports + i, false))
            return false;
    return true;
}

static bool holds(const struct endpoint *list, unsigned count, const struct endpoint *e,
                  bool any_port)
{
    for (unsigned i = 0; i < count; i++)
        if (any_port ? endpoint_same_ip(list + i, e) : endpoint_equal(list + i, e)) return true;
    return false;
}

struct belief {
    struct endpoint list[OBSERVE_REPORTS];
    bool any_port[OBSERVE_REPORTS]; /* only its address is believed */
    uint8_t count;
};

/* Nobody says anything but this endpoint. Then it is believed: the newest report is fresh, and
 * whoever is heard says it. */
static bool all_say(const struct observe *o, const struct endpoint *seen)
{
    for (unsigned i = 0; i < o->count; i++)
        if (!endpoint_equal(&o->reports[i].seen, seen)) return false;
    return true;
}

static void believe(const struct observe *o, struct belief *b)
{
    b->count = 0;
    if (o->count && all_say(o, &o->reports[0].seen)) {
        b->list[0] = o->reports[0].seen;
        b->any_port[0] = false;
        b->count = 1;
        return;
    }
    for (unsigned i = 0; i < o->count; i++) {
        const struct observe_report *r = o->reports + i;
        bool any_port = group_disagrees(o, r);
        if (!is_believed(o, r, any_port) || holds(b->list, b->count, &r->seen, any_port)) continue;
        b->list[b->count] = r->seen;
        b->any_port[b->count++] = any_port;
    }
}

/* A symmetric NAT shows another port in every report: that is no news. */
static bool belief_equal(const struct belief *a, const struct belief *b)
{
    if (a->count != b->count) return false;
    for (unsigned i = 0; i < a->count; i++) {
        unsigned k = 0;
        while (k < b->count && (a->any_port[i] != b->any_port[k] ||
                                !holds(b->list + k, 1, a->list + i, a->any_port[i])))
            k++;
        if (k == b->count) return false;
    }
    return true;
}

/* Anything about where we are reached? A TCP source port reaches nobody. */
static bool may_tell(const struct endpoint *seen)
{
    return endpoint_is_usable(seen) && endpoint_scope(seen) != SCOPE_LOOPBACK &&
           seen->transport == TRANSPORT_UDP;
}

bool observe_is_news(const struct observe *o, const struct endpoint *reporter,
                     const struct endpoint *seen)
{
    bool known_ip = false;
    if (!may_tell(seen)) return false;
    for (unsigned i = 0; i < o->count; i++) {
        const struct observe_report *r = o->reports + i;
        if (!same_group(&r->seen, seen)) continue;
        if (r->ip == ip_of(reporter) && r->port == reporter->port &&
            r->prefix == prefix_of(reporter))
            return !endpoint_equal(&r->seen, seen) &&
                   (!endpoint_same_ip(&r->seen, seen) || !group_disagrees(o, r));
        known_ip |= endpoint_same_ip(&r->seen, seen);
    }
    return !known_ip;
}

uint8_t observe_believed(const struct observe *o, struct endpoint *out, uint8_t max)
{
    struct belief b;
    believe(o, &b);
    uint8_t count = b.count < max ? b.count : max;
    memcpy(out, b.list, count * sizeof *out);
    return count;
}

bool observe_report(struct observe *o, uint64_t now_us, const struct endpoint *reporter,
                    const struct endpoint *seen)
{
    if (!may_tell(seen)) return false;
    const struct observe_report new = {.prefix = prefix_of(reporter),
                                       .ip = ip_of(reporter),
                                       .at_s = (uint32_t)(now_us / SECONDS(1)),
                                       .seen = *seen,
                                       .port = reporter->port};
    if (all_say(o, seen)) { /* as nearly always: it is believed, and stays so */
        bool first = o->count == 0;
        report_put(o, &new);
        return first;
    }
    struct belief before, after;
    believe(o, &before);
    report_put(o, &new);
    believe(o, &after);
    return !belief_equal(&before, &after);
}

/* --- mapping --- */

/* The newest report of the group that tells most about our NAT; NULL if there is none. */
static const struct observe_report *telling_report(const struct observe *o)
{
    static const struct {
        bool v4;
        enum scope scope;
    } order[] = {{true, SCOPE_GLOBAL},
                 {false, SCOPE_GLOBAL},
                 {true, SCOPE_CGN},
                 {true, SCOPE_PRIVATE},
                 {false, SCOPE_PRIVATE}};
    for (unsigned k = 0; k < sizeof order / sizeof *order; k++)
        for (unsigned i = 0; i < o->count; i++)
            if (endpoint_is_v4(&o->reports[i].seen) == order[k].v4 &&
                endpoint_scope(&o->reports[i].seen) == order[k].scope)
                return o->reports + i;
    return NULL;
}

/* How many different reporter addresses see `seen`; with NULL: anything in the group of `of`. */
static unsigned addresses_seeing(const struct observe *o, const struct endpoint *of,
                                 const struct endpoint *seen)
{
    uint32_t ips[OBSERVE_REPORTS];
    unsigned count = 0;
    for (unsigned i = 0; i < o->count; i++) {
        const struct observe_report *r = o->reports + i;
        if (!counts(o, r, of) || (seen && !endpoint_equal(&r->seen, seen))) continue;
        unsigned k = 0;
        while (k < count && ips[k] != r->ip) k++;
        if (k == count) ips[count++] = r->ip;
    }
    return count;
}

/* More than half of the reporters' addresses, and at least two, see one endpoint: a lone liar among
 * three, or the one flow whose port was taken (Linux masquerade), changes nothing. */
static bool is_endpoint_independent(const struct observe *o, const struct endpoint *of)
{
    unsigned all = addresses_seeing(o, of, NULL);
    for (unsigned i = 0; i < o->count; i++) {
        if (!counts(o, o->reports + i, of)) continue;
        unsigned agree = addresses_seeing(o, of, &o->reports[i].seen);
        if (agree >= 2 && agree * 2 > all) return true;
    }
    return false;
}

/* Two ports of one reporter's address: 1 all such pairs see the same, -1 some do not, 0 there are
 * none. */
static int same_at_two_ports(const struct observe *o, const struct endpoint *of)
{
    int verdict = 0;
    for (unsigned i = 0; i < o->count; i++)
        for (unsigned k = 0; k < i; k++) {
            const struct observe_report *a = o->reports + i, *b = o->reports + k;
            if (a->ip != b->ip || !counts(o, a, of) || !counts(o, b, of)) continue;
            if (!endpoint_equal(&a->seen, &b->seen)) return -1;
            verdict = 1;
        }
    return verdict;
}

enum observe_mapping observe_mapping(const struct observe *o, const struct endpoint *locals,
                                     uint8_t count)
{
    const struct observe_report *telling = telling_report(o);
    if (!telling) return MAPPING_UNKNOWN;
    const struct endpoint *of = &telling->seen;
    for (unsigned i = 0; i < o->count; i++) {
        const struct observe_report *r = o->reports + i;
        if (counts(o, r, of) && is_believed(o, r, false) && holds(locals, count, &r->seen, false))
            return MAPPING_NONE;
    }
    if (is_endpoint_independent(o, of)) return MAPPING_ENDPOINT_INDEPENDENT;
    int ports = same_at_two_ports(o, of);
    if (ports < 0) return MAPPING_PORT_DEPENDENT;
    if (addresses_seeing(o, of, NULL) < 2) return MAPPING_UNKNOWN;
    return ports > 0 ? MAPPING_ADDRESS_DEPENDENT : MAPPING_PORT_DEPENDENT;
}

void observe_init(struct observe *o)
{
    *o = (struct observe){0};
}

void observe_forget(struct observe *o)
{
    observe_init(o);
}

bool observe_newest(const struct observe *o, struct endpoint *out)
{
    if (!o->count) return false;
    *out = o->reports[0].seen;
    return true;
}
