#include "sim/nat.h"

#include "base/bytes.h"
#include "base/crypto.h"
#include "base/err.h"
#include "base/time.h"
#include <stdlib.h>

#define SEQUENCE_FIRST 20000u
#define SEQUENCE_PORTS 4096u

/* What a datagram from outside must share with an entry to be let in. */
enum filtering { BY_NOTHING, BY_ADDRESS, BY_ADDRESS_AND_PORT };
/* Where a new entry's outside port comes from. CONE: one for each inside endpoint; else one for each destination. */
enum mapping { CONE, CONE_RANDOM, MASQUERADE, RANDOM, SEQUENCE };

static const struct {
    uint8_t mapping, filtering;
} kinds[NAT_TYPE_COUNT] = {
    [NAT_TYPE_FULL_CONE] = {CONE, BY_NOTHING},
    [NAT_TYPE_RESTRICTED] = {CONE, BY_ADDRESS},
    [NAT_TYPE_PORT_RESTRICTED] = {CONE, BY_ADDRESS_AND_PORT},
    [NAT_TYPE_UPNP] = {CONE, BY_ADDRESS_AND_PORT},
    [NAT_TYPE_LINUX] = {MASQUERADE, BY_ADDRESS_AND_PORT},
    [NAT_TYPE_UDP_BLOCKED] = {MASQUERADE, BY_ADDRESS_AND_PORT},
    [NAT_TYPE_CGN] = {CONE_RANDOM, BY_ADDRESS_AND_PORT},
    [NAT_TYPE_SYMMETRIC] = {RANDOM, BY_ADDRESS_AND_PORT},
    [NAT_TYPE_SYMMETRIC_SEQ] = {SEQUENCE, BY_ADDRESS_AND_PORT},
};

void nat_world_init(struct nat_world *w, const struct nat_spec *spec, const struct rng *root)
{
    *w = (struct nat_world){.spec = *spec};
    if (w->spec.hosts == 0) w->spec.hosts = 1;
    if (w->spec.homes == 0) w->spec.homes = 1;
    struct rng r;
    rng_stream(root, "nat", 0, &r);
    rng_bytes(&r, w->key, sizeof w->key);
}

static uint64_t draw(const struct nat_world *w, uint32_t node, uint32_t number)
{
    uint8_t msg[8];
    put_u32(msg, node);
    put_u32(msg + 4, number);
    return crypto_siphash(msg, sizeof msg, w->key);
}

uint64_t nat_draw(const struct nat_world *w, uint32_t node, enum nat_draw what)
{
    return draw(w, node, UINT32_MAX - (uint32_t)what);
}

/* Below a million. */
static uint32_t drawn_point(const struct nat_world *w, uint32_t node, enum nat_draw what)
{
    return (uint32_t)((nat_draw(w, node, what) >> 32) * MILLION >> 32);
}

bool nat_draw_share(const struct nat_world *w, uint32_t node, enum nat_draw what, uint32_t share)
{
    return drawn_point(w, node, what) < share;
}

enum nat_type nat_pick(const struct nat_world *w, uint32_t node)
{
    uint32_t point = drawn_point(w, node, NAT_DRAW_KIND);
    unsigned type = 0;
    for (uint64_t below = w->spec.share[0]; point >= below; below += w->spec.share[type]) type++;
    return (enum nat_type)type;
}

struct nat_box *nat_new(enum nat_type type, uint32_t node, uint32_t behind_it)
{
    struct nat_box *b = calloc(1, sizeof *b);
    ensure(b);
    b->type = (uint8_t)type;
    b->node = node;
    b->most = NAT_ENTRIES_MAX * behind_it;
    return b;
}

void nat_free(struct nat_box *b)
{
    if (!b) return;
    free(b->entries);
    free(b);
}

/* --- entries --- */

static void use(struct nat_entry *e, uint64_t now_us)
{
    if (e->used_us < now_us) e->used_us = now_us; /* it may be vouched for ahead */
}

static bool lives(const struct nat_entry *e, const struct nat_world *w, uint64_t now_us)
{
    return now_us < e->used_us + (e->answered ? w->spec.timeout_us : NAT_UNANSWERED_US);
}

static bool is_from(const struct nat_entry *e, struct nat_inside inside)
{
    return e->who == inside.who && e->inside == inside.port;
}

static bool is_towards(const struct nat_entry *e, uint32_t ip, uint16_t port)
{
    return e->ip == ip && e->port == port;
}

static struct nat_inside inside_of(const struct nat_entry *e)
{
    return (struct nat_inside){e->who, e->inside};
}

static void forget_old(struct nat_box *b, const struct nat_world *w, uint64_t now_us)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < b->count; i++)
        if (lives(&b->entries[i], w, now_us)) b->entries[kept++] = b->entries[i];
    b->count = kept;
}

static struct nat_entry *place_for_one(struct nat_box *b)
{
    if (b->count == b->most) {
        struct nat_entry *oldest = b->entries;
        for (uint32_t i = 1; i < b->count; i++)
            if (b->entries[i].used_us < oldest->used_us) oldest = &b->entries[i];
        return oldest;
    }
    if (b->count == b->room) {
        b->room = b->room ? b->room * 2 : 8;
        b->entries = realloc(b->entries, b->room * sizeof *b->entries);
        ensure(b->entries);
    }
    return &b->entries[b->count++];
}

/* --- ports --- */

static uint16_t random_port(struct nat_box *b, const struct nat_world *w)
{
    return (uint16_t)(1024 + draw(w, b->node, b->drawn++) % (65536 - 1024));
}

/* Does somebody else behind the box have that port: at all, or towards that destination? */
static bool is_taken(const struct nat_box *b, uint16_t outside, struct nat_inside by,
                     const uint32_t *ip, uint16_t port)
{
    bool own = b->mapped.who == by.who && b->mapped.port == by.port;
    if (b->mapped.port && outside == b->mapped.port && !own) return true;
    for (uint32_t i = 0; i < b->count; i++) {
        const struct nat_entry *e = &b->entries[i];
        if (e->outside == outside && !is_from(e, by) && (!ip || is_towards(e, *ip, port)))
            return true;
    }
    return false;
}

/* The outside port that the endpoint has already; 0: none. */
static uint16_t port_of(const struct nat_box *b, struct nat_inside inside)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (is_from(&b->entries[i], inside)) return b->entries[i].outside;
    return 0;
}

static uint16_t next_port(struct nat_box *b, const struct nat_world *w, enum mapping mapping)
{
    return mapping == SEQUENCE ? (uint16_t)(SEQUENCE_FIRST + b->drawn++ % SEQUENCE_PORTS)
                               : random_port(b, w);
}

/* The outside port of a new entry. Called after the lapsed ones were forgotten. */
static uint16_t outside_port(struct nat_box *b, const struct nat_world *w, struct nat_inside inside,
                             uint32_t to_ip, uint16_t to_port)
{
    enum mapping mapping = kinds[b->type].mapping;
    bool cone = mapping == CONE || mapping == CONE_RANDOM;
    const uint32_t *towards = cone ? NULL : &to_ip;
    uint16_t port = cone ? port_of(b, inside) : 0;
    if (port) return port;
    port = mapping == CONE || mapping == MASQUERADE ? inside.port : next_port(b, w, mapping);
    while (is_taken(b, port, inside, towards, to_port)) port = next_port(b, w, mapping);
    return port;
}

/* --- datagrams --- */

uint16_t nat_out(struct nat_box *b, const struct nat_world *w, uint64_t now_us,
                 struct nat_inside inside, uint32_t to_ip, uint16_t to_port)
{
    for (uint32_t i = 0; i < b->count; i++) {
        struct nat_entry *e = &b->entries[i];
        if (!is_towards(e, to_ip, to_port) || !is_from(e, inside) || !lives(e, w, now_us)) continue;
        use(e, now_us);
        return e->outside;
    }
    forget_old(b, w, now_us);
    uint16_t outside = outside_port(b, w, inside, to_ip, to_port);
    *place_for_one(b) = (struct nat_entry){.used_us = now_us,
                                           .ip = to_ip,
                                           .port = to_port,
                                           .who = inside.who,
                                           .inside = inside.port,
                                           .outside = outside};
    return outside;
}

bool nat_hairpins(const struct nat_box *b)
{
    enum mapping mapping = kinds[b->type].mapping;
    return b->hairpin && (mapping == CONE || mapping == CONE_RANDOM);
}

bool nat_in(struct nat_box *b, const struct nat_world *w, uint64_t now_us, uint16_t outside,
            uint32_t from_ip, uint16_t from_port, bool hairpin, struct nat_inside *inside)
{
    uint8_t filtering = hairpin ? (uint8_t)BY_NOTHING : kinds[b->type].filtering;
    bool let_in = b->mapped.port && outside == b->mapped.port;
    if (let_in) *inside = b->mapped;
    for (uint32_t i = 0; i < b->count; i++) {
        struct nat_entry *e = &b->entries[i];
        if (e->outside != outside || !lives(e, w, now_us)) continue;
        bool same_ip = e->ip == from_ip, same = same_ip && e->port == from_port;
        if (filtering == BY_NOTHING || (filtering == BY_ADDRESS && same_ip) || same) {
            let_in = true;
            *inside = inside_of(e);
        }
        if (same) {
            e->answered = true;
            use(e, now_us);
        }
    }
    return let_in;
}

static struct nat_entry *entry_of(const struct nat_box *b, struct nat_inside inside, uint32_t ip,
                                  uint16_t port)
{
    for (uint32_t i = 0; i < b->count; i++)
        if (is_towards(&b->entries[i], ip, port) && is_from(&b->entries[i], inside))
            return &b->entries[i];
    return NULL;
}

bool nat_holds(const struct nat_box *b, const struct nat_world *w, uint64_t now_us,
               struct nat_inside inside, uint32_t ip, uint16_t port, uint16_t *outside)
{
    const struct nat_entry *e = entry_of(b, inside, ip, port);
    if (!e || !lives(e, w, now_us)) return false;
    *outside = e->outside;
    return true;
}

bool nat_whose(const struct nat_box *b, const struct nat_world *w, uint64_t now_us,
               uint16_t outside, uint32_t ip, uint16_t port, struct nat_inside *inside)
{
    for (uint32_t i = 0; i < b->count; i++) {
        const struct nat_entry *e = &b->entries[i];
        if (e->outside != outside || !is_towards(e, ip, port) || !lives(e, w, now_us)) continue;
        *inside = inside_of(e);
        return true;
    }
    return false;
}

void nat_renew(struct nat_box *b, uint64_t at_us, struct nat_inside inside, uint32_t ip,
               uint16_t port)
{
    struct nat_entry *e = entry_of(b, inside, ip, port);
    if (!e) return;
    e->used_us = at_us;
    e->answered = true;
}
