#include "vnet/members.h"

#include "vnet/address.h"
#include <stdlib.h>
#include <string.h>

void members_init(struct members *m, uint32_t max)
{
    *m = (struct members){.max = max};
}

void members_fini(struct members *m)
{
    free(m->list);
    *m = (struct members){0};
}

static bool fits(const struct member *one, int network)
{
    return one->used && (network < 0 || one->network == network);
}

/* Found by its addresses and its name, too. */
static bool stands(const struct member *one, int network)
{
    return fits(one, network) && one->slot.state != SLOT_REFUSED;
}

struct member *members_by_id(const struct members *m, int network, const struct id *id)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (fits(&m->list[i], network) && id_equal(&m->list[i].is.id, id)) return &m->list[i];
    return NULL;
}

struct member *members_by_ip(const struct members *m, int network, const uint8_t ip[16])
{
    uint32_t ipv4 = ip_to_v4(ip);
    for (uint32_t i = 0; i < m->count; i++) {
        struct member *one = &m->list[i];
        if (!stands(one, network)) continue;
        if (ipv4 ? one->ipv4 == ipv4 : memcmp(one->ipv6, ip, 16) == 0) return one;
    }
    return NULL;
}

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool same_name(const char *a, const char *b)
{
    for (; *a && lower(*a) == lower(*b); a++) b++;
    return lower(*a) == lower(*b);
}

struct member *members_by_name(const struct members *m, int network, const char *name,
                               uint32_t *matches)
{
    struct member *first = NULL;
    uint32_t count = 0;
    for (uint32_t i = 0; *name && i < m->count; i++) {
        if (!stands(&m->list[i], network) || !same_name(m->list[i].is.host.s, name)) continue;
        if (!first) first = &m->list[i];
        count++;
    }
    if (matches) *matches = count;
    return first;
}

/* --- putting --- */

static enum err grow(struct members *m)
{
    uint32_t room = m->room ? m->room * 2 : 8;
    if (room > m->max) room = m->max;
    struct member *list = realloc(m->list, room * sizeof *list);
    if (!list) return ERR_NO_MEMORY;
    m->list = list;
    m->room = room;
    return OK;
}

/* A hole, a new place, or at the bound the place of the one unheard for longest. */
static enum err place_find(struct members *m, struct member **out)
{
    struct member *oldest = NULL;
    for (uint32_t i = 0; i < m->count; i++) {
        struct member *one = &m->list[i];
        if (!one->used) {
            *out = one;
            return OK;
        }
        if (!oldest || one->up < oldest->up ||
            (one->up == oldest->up && one->seen_us < oldest->seen_us))
            oldest = one;
    }
    if (m->count == m->max) {
        *out = oldest;
        return oldest ? OK : ERR_FULL;
    }
    enum err e = m->count == m->room ? grow(m) : OK;
    if (e) return e;
    *out = &m->list[m->count++];
    return OK;
}

/* May `id` have this address? A derived holder yields to a fixed newcomer. */
static bool ipv4_take(struct members *m, uint8_t network, const struct membership *is,
                      uint32_t ipv4)
{
    uint8_t ip[16];
    ip_from_v4(ip, ipv4);
    struct member *holder = ipv4 ? members_by_ip(m, network, ip) : NULL;
    if (!holder || id_equal(&holder->is.id, &is->id)) return true;
    if (is->ipv4 != ipv4 || holder->is.ipv4 == ipv4) return false;
    holder->ipv4 = 0;
    return true;
}

bool same_slot(const struct membership *a, const struct membership *b)
{
    return a->uses && b->uses && a->slot == b->slot &&
           memcmp(a->invite, b->invite, sizeof a->invite) == 0;
}

enum err members_put(struct members *m, uint8_t network, const struct membership *is, uint32_t ipv4,
                     const uint8_t ipv6[16], uint64_t now_us, bool *conflict)
{
    *conflict = false;
    const struct member *twin = members_by_ip(m, network, ipv6);
    if (twin && !id_equal(&twin->is.id, &is->id)) return ERR_CONFLICT;
    struct member *one = members_by_id(m, network, &is->id);
    bool up = one && one->up;
    if (!one) {
        enum err e = place_find(m, &one);
        if (e) return e;
        one->used = false; /* who stood there holds nothing any more */
    }
    struct slot_check slot = one->used ? one->slot : (struct slot_check){0};
    if (one->used && !same_slot(&one->is, is))
        slot = (struct slot_check){.told = slot.told, .asked = slot.asked};
    if (slot.state == SLOT_REFUSED)
        ipv4 = 0;
    else
        *conflict = !ipv4_take(m, network, is, ipv4);
    *one = (struct member){
        .is = *is, .network = network, .seen_us = now_us, .used = true, .up = up};
    one->slot = slot;
    one->ipv4 = *conflict ? 0 : ipv4;
    memcpy(one->ipv6, ipv6, 16);
    return OK;
}

bool members_up(struct members *m, const struct id *id, bool up, uint64_t now_us)
{
    bool was = false, known = false;
    for (uint32_t i = 0; i < m->count; i++) {
        struct member *one = &m->list[i];
        if (!fits(one, -1) || !id_equal(&one->is.id, id)) continue;
        was |= one->up;
        known = true;
        if (one->up || up) one->seen_us = now_us;
        one->up = up;
    }
    return known && was == up;
}

void members_forget(struct members *m, struct member *one)
{
    ensure(one >= m->list && one < m->list + m->count);
    *one = (struct member){0};
}

void members_forget_network(struct members *m, uint8_t network)
{
    for (uint32_t i = 0; i < m->count; i++)
        if (fits(&m->list[i], network)) members_forget(m, &m->list[i]);
}

uint32_t members_expire(struct members *m, uint64_t now_s)
{
    uint32_t gone = 0;
    for (uint32_t i = 0; now_s && i < m->count; i++) {
        if (!m->list[i].used || m->list[i].is.expires_s + CERT_TOLERANCE_S >= now_s) continue;
        members_forget(m, &m->list[i]);
        gone++;
    }
    return gone;
}
