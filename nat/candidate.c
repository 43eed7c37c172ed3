#include "nat/candidate.h"

#include "base/bytes.h"
#include "base/err.h"
#include <string.h>

#define SENT_MAX   64 /* a newer version may know more of them; we look at so many */
#define FIELDS_MAX 8  /* and may append to each */

enum class { CLASS_V6, CLASS_PRIVATE, CLASS_PUBLIC, CLASS_MAPPED, CLASS_TCP, CLASS_PREDICTED };

/* How many of a class are kept. All but the last fill the list exactly. */
static const uint8_t share[] = {
    [CLASS_V6] = 4,     [CLASS_PRIVATE] = 6, [CLASS_PUBLIC] = 3,
    [CLASS_MAPPED] = 2, [CLASS_TCP] = 1,     [CLASS_PREDICTED] = CANDIDATES_MAX};
_Static_assert(4 + 6 + 3 + 2 + 1 == CANDIDATES_MAX, "no class can crowd out another");

static enum class class_of(const struct candidate *c) {
    if (c->kind == CANDIDATE_PREDICTED) return CLASS_PREDICTED;
    if (c->at.transport == TRANSPORT_TCP) return CLASS_TCP;
    bool global = endpoint_scope(&c->at) == SCOPE_GLOBAL;
    if (global && !endpoint_is_v4(&c->at)) return CLASS_V6;
    if (c->kind == CANDIDATE_MAPPED) return CLASS_MAPPED;
    return global ? CLASS_PUBLIC : CLASS_PRIVATE;
}

/* Which private range is more likely to be the network that two nodes share. */
static unsigned range_rank(const struct endpoint *e)
{
    if (!endpoint_is_v4(e)) return 2;
    switch (e->ip[12]) {
    case 192: return 0;
    case 10: return 1;
    case 172: return 3;
    default: return 4; /* 100.64/10: a carrier's, or another mesh VPN */
    }
}

static int compare_unsigned(unsigned a, unsigned b)
{
    return (a > b) - (a < b);
}

/* < 0: a comes first. 0 only for equal kind and endpoint. */
static int candidate_compare(const struct candidate *a, const struct candidate *b)
{
    enum class class = class_of(a);
    int order = compare_unsigned(class, class_of(b));
    if (order == 0) order = compare_unsigned(a->kind, b->kind);
    if (order == 0 && class == CLASS_PRIVATE)
        order = compare_unsigned(range_rank(&a->at), range_rank(&b->at));
    return order != 0 ? order : endpoint_compare(&a->at, &b->at);
}

static void list_remove(struct candidates *c, unsigned i)
{
    memmove(c->list + i, c->list + i + 1, (c->count - i - 1) * sizeof *c->list);
    c->count--;
    c->list[c->count] = (struct candidate){0};
}

static void list_insert(struct candidates *c, const struct candidate *new)
{
    unsigned i = 0;
    ensure(c->count < CANDIDATES_MAX);
    while (i < c->count && candidate_compare(c->list + i, new) < 0) i++;
    memmove(c->list + i + 1, c->list + i, (c->count - i) * sizeof *c->list);
    c->list[i] = *new;
    c->count++;
}

/* Room for `new` by its class's share and in the list; false: what is there is better. */
static bool make_room(struct candidates *c, const struct candidate *new)
{
    enum class class = class_of(new);
    unsigned held = 0, last = 0; /* of its class */
    for (unsigned i = 0; i < c->count; i++)
        if (class_of(c->list + i) == class) held++, last = i;
    if (held < share[class]) {
        if (c->count < CANDIDATES_MAX) return true;
        last = c->count - 1u;
    }
    if (candidate_compare(new, c->list + last) > 0) return false;
    list_remove(c, last);
    return true;
}

bool candidates_add(struct candidates *c, const struct endpoint *at, enum candidate_kind kind)
{
    ensure(kind >= CANDIDATE_LOCAL && kind <= CANDIDATE_PREDICTED);
    if (!endpoint_is_usable(at) || endpoint_scope(at) == SCOPE_LOOPBACK) return false;
    struct candidate new = {.at = *at, .kind = (uint8_t)kind};
    for (unsigned i = 0; i < c->count; i++) {
        if (!endpoint_equal(&c->list[i].at, at)) continue;
        if (c->list[i].kind <= kind) return false;
        struct candidate old = c->list[i];
        list_remove(c, i);
        /* A better kind may stand in a class that is full of better ones: it stays what it was. */
        bool moved = make_room(c, &new);
        list_insert(c, moved ? &new : &old);
        return moved;
    }
    if (!make_room(c, &new)) return false;
    list_insert(c, &new);
    return true;
}

void candidates_pack(const struct candidates *c, struct pack *k)
{
    pack_array(k, c->count);
    for (unsigned i = 0; i < c->count; i++) {
        uint8_t wire[ENDPOINT_WIRE];
        endpoint_encode(&c->list[i].at, wire);
        pack_array(k, 2);
        pack_uint(k, c->list[i].kind);
        pack_bin(k, wire, sizeof wire);
    }
}

static void unpack_one(struct candidates *c, struct unpack *u)
{
    uint8_t wire[ENDPOINT_WIRE];
    struct endpoint at;
    uint32_t fields = unpack_array(u, 2, FIELDS_MAX);
    uint64_t kind = unpack_uint(u, UINT8_MAX);
    unpack_copy(u, wire, sizeof wire);
    for (uint32_t i = 2; i < fields && !u->bad; i++) unpack_skip(u);
    if (u->bad || kind < CANDIDATE_LOCAL || kind > CANDIDATE_PREDICTED) return;
    if (endpoint_decode(wire, &at)) candidates_add(c, &at, (enum candidate_kind)kind);
}

bool candidates_unpack(struct candidates *c, struct unpack *u)
{
    *c = (struct candidates){0};
    uint32_t count = unpack_array(u, 0, SENT_MAX);
    for (uint32_t i = 0; i < count && !u->bad; i++) unpack_one(c, u);
    if (u->bad) *c = (struct candidates){0};
    return !u->bad;
}
