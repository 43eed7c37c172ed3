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

static enum filtering filtering_of(enum nat_type type)
{
    if (type == NAT_TYPE_FULL_CONE || type == NAT_TYPE_UPNP) return BY_NOTHING;
    return type == NAT_TYPE_RESTRICTED ? BY_ADDRESS : BY_ADDRESS_AND_PORT;
}

void nat_world_init(struct nat_world *w, const struct nat_spec *spec, const struct rng *root)
{
    *w = (struct nat_world){.spec = *spec};
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

enum nat_type nat_pick(const struct nat_world *w, uint32_t node)
{
    uint64_t point = (draw(w, node, UINT32_MAX) >> 32) * MILLION >> 32;
    unsigned type = 0;
    for (uint64_t below = w->spec.share[0]; point >= below; below += w->spec.share[type]) type++;
    return (enum nat_type)type;
}

uint32_t nat_inside_ip(const struct nat_world *w, uint32_t node)
{
    uint64_t h = draw(w, node, UINT32_MAX - 1);
    return 192u << 24 | 168u << 16 | (uint32_t)(h & 3) << 8 | (uint32_t)(2 + (h >> 8) % 200);
}

struct nat_box *nat_new(enum nat_type type, uint32_t node, uint16_t inside)
{
    struct nat_box *b = calloc(1, sizeof *b);
    ensure(b);
    b->type = (uint8_t)type;
    b->node = node;
    if (type == NAT_TYPE_UPNP) b->mapped = inside;
    return b;
}

void nat_free(struct nat_box *b)
{
    if (!b) return;
    free(b->entries);
    free(b);
}

static bool lives(const struct nat_entry *e, const struct nat_world *w, uint64_t now_us)
{
    return now_us - e->used_us < (e->answered ? w->spec.timeout_us : NAT_UNANSWERED_US);
}

static void forget_old(struct nat_box *b, const struct nat_world *w, uint64_t now_us)
{
    uint16_t kept = 0;
    for (uint16_t i = 0; i < b->count; i++)
        if (lives(&b->entries[i], w, now_us)) b->entries[kept++] = b->entries[i];
    b->count = kept;
}

static struct nat_entry *place_for_one(struct nat_box *b)
{
    if (b->count == NAT_ENTRIES_MAX) {
        struct nat_entry *oldest = b->entries;
        for (uint16_t i = 1; i < b->count; i++)
            if (b->entries[i].used_us < oldest->used_us) oldest = &b->entries[i];
        return oldest;
    }
    if (b->count == b->room) {
        b->room = (uint16_t)(b->room ? b->room * 2 : 8);
        b->entries = realloc(b->entries, b->room * sizeof *b->entries);
        ensure(b->entries);
    }
    return &b->entries[b->count++];
}

static uint16_t random_port(struct nat_box *b, const struct nat_world *w)
{
    return (uint16_t)(1024 + draw(w, b->node, b->drawn++) % (65536 - 1024));
}

/* The outside port of a new entry. Called after the lapsed ones were forgotten. */
static uint16_t outside_port(struct nat_box *b, const struct nat_world *w, uint16_t inside)
{
    if (b->type == NAT_TYPE_SYMMETRIC) return random_port(b, w);
    if (b->type == NAT_TYPE_SYMMETRIC_SEQ)
        return (uint16_t)(SEQUENCE_FIRST + b->drawn++ % SEQUENCE_PORTS);
    if (b->type != NAT_TYPE_CGN) return inside;
    if (b->count == 0) b->outside = random_port(b, w);
    return b->outside;
}

uint16_t nat_out(struct nat_box *b, const struct nat_world *w, uint64_t now_us, uint16_t inside,
                 uint32_t to_ip, uint16_t to_port)
{
    for (uint16_t i = 0; i < b->count; i++) {
        struct nat_entry *e = &b->entries[i];
        if (e->ip != to_ip || e->port != to_port || !lives(e, w, now_us)) continue;
        e->used_us = now_us;
        return e->outside;
    }
    forget_old(b, w, now_us);
    uint16_t outside = outside_port(b, w, inside);
    *place_for_one(b) = (struct nat_entry){
        .used_us = now_us, .ip = to_ip, .port = to_port, .outside = outside};
    return outside;
}

bool nat_in(struct nat_box *b, const struct nat_world *w, uint64_t now_us, uint16_t outside,
            uint32_t from_ip, uint16_t from_port)
{
    enum filtering filtering = filtering_of(b->type);
    bool let_in = b->type == NAT_TYPE_UPNP && outside == b->mapped;
    for (uint16_t i = 0; i < b->count; i++) {
        struct nat_entry *e = &b->entries[i];
        if (e->outside != outside || !lives(e, w, now_us)) continue;
        bool same_ip = e->ip == from_ip, same = same_ip && e->port == from_port;
        if (filtering == BY_NOTHING || (filtering == BY_ADDRESS && same_ip) || same) let_in = true;
        if (same) {
            e->answered = true;
            e->used_us = now_us;
        }
    }
    return let_in;
}

static struct nat_entry *entry_of(const struct nat_box *b, uint32_t ip, uint16_t port)
{
    for (uint16_t i = 0; i < b->count; i++)
        if (b->entries[i].ip == ip && b->entries[i].port == port) return &b->entries[i];
    return NULL;
}

bool nat_holds(const struct nat_box *b, const struct nat_world *w, uint64_t now_us, uint32_t ip,
               uint16_t port, uint16_t *outside)
{
    const struct nat_entry *e = entry_of(b, ip, port);
    if (!e || !lives(e, w, now_us)) return false;
    *outside = e->outside;
    return true;
}

void nat_renew(struct nat_box *b, uint64_t now_us, uint32_t ip, uint16_t port)
{
    struct nat_entry *e = entry_of(b, ip, port);
    if (!e) return;
    e->used_us = now_us;
    e->answered = true;
}
