/* overlay/hellos.c - the table of handshakes under way: who is in it, a new place in it, and what ends them.
 *
 * Bounded by limits.handshakes; full: hello_new() returns NULL, and the door asks for cookies before that (knock.h). */
#include "overlay/core.h"

struct hello *hello_by_meaning(const struct overlay *o, uint16_t meaning)
{
    if ((meaning & ENTRY_KIND) != ENTRY_HELLO) return NULL;
    uint16_t n = (uint16_t)(meaning & ~ENTRY_KIND);
    return n < o->common->limits.handshakes ? o->hellos[n] : NULL;
}

struct hello *hello_next(const struct overlay *o, struct table_walk *w)
{
    while (w->left && w->at < o->common->limits.handshakes) {
        struct hello *h = o->hellos[w->at++];
        if (!h) continue;
        w->left--;
        return h;
    }
    return NULL;
}

/* The receiver index of the session that one with this peer would follow, as far as can be told before it is proven: it is only
 * to choose a lane. 0: there is none, or one lane at most. */
static uint32_t index_before(const struct overlay *o, const struct id *id,
                             const struct endpoint *at)
{
    if (!o->lanes || o->lanes->count < 2) return 0;
    const struct link *l = id_is_zero(id) ? NULL : link_by_id(o, id);
    for (uint16_t i = 0; !l && !endpoint_is_none(at) && i < o->up_count; i++) {
        const struct link *one = order_at(o, i);
        struct endpoint its = link_endpoint(one);
        if (link_path(one) == PATH_DIRECT && endpoint_equal(&its, at)) l = one;
    }
    return l ? link_index(l) : 0;
}

struct hello *hello_new(struct overlay *o, bool initiator, const struct id *id,
                        const struct endpoint *at)
{
    if (!tables_need_hellos(o)) return NULL;
    for (uint16_t i = 0; i < o->common->limits.handshakes; i++) {
        if (o->hellos[i]) continue;
        uint32_t index = index_new(o, (uint16_t)(ENTRY_HELLO | i), index_before(o, id, at));
        struct hello *h = index ? pool_take_size(o->extra_pool, sizeof *h) : NULL;
        if (!h) {
            if (index) index_free(o, index);
            tables_hellos_over(o);
            return NULL;
        }
        h->entry = (uint16_t)index;
        h->link_slot = NO_SLOT;
        handshake_init(&h->hs, o->crypto, &o->common->key, initiator, index);
        o->hellos[i] = h;
        o->hello_count++;
        return h;
    }
    return NULL;
}

void hello_end(struct overlay *o, struct hello *h, bool keep_index)
{
    for (uint16_t i = 0; i < o->common->limits.handshakes; i++) {
        if (o->hellos[i] != h) continue;
        o->hellos[i] = NULL;
        o->hello_count--;
        tables_hellos_over(o);
        break;
    }
    if (!keep_index && h->link_slot == NO_SLOT) index_free(o, h->entry);
    handshake_wipe(&h->hs);
    if (h->hello3) pool_give(o->extra_pool, h->hello3);
    pool_give(o->extra_pool, h);
}

void hello_forget_link(struct overlay *o, uint16_t slot)
{
    struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (h->link_slot == slot) hello_end(o, h, true);
}

void hello_forget_target(struct overlay *o, struct link *l)
{
    struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;) {
        if (!h->hs.initiator || h->link_slot != NO_SLOT || !id_equal(&h->target, link_id(o, l)))
            continue;
        link_unvouch(o, l);
        l->kinds |= h->kinds;
        hello_end(o, h, false);
    }
}

bool hello3_waits(const struct overlay *o, const struct hello *own)
{
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (h != own && h->hs.initiator && h->link_slot != NO_SLOT &&
            id_equal(&h->hs.peer_id, &own->hs.peer_id))
            return true;
    return false;
}

bool hello_may_begin(const struct overlay *o, const struct id *id)
{
    const struct link *l = link_by_id(o, id);
    return !l || keys_settled(o, l);
}

bool hello_pending(const struct overlay *o, const struct id *id)
{
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (h->hs.initiator &&
            (id_equal(&h->target, id) || (h->link_slot != NO_SLOT && id_equal(&h->hs.peer_id, id))))
            return true;
    return false;
}

unsigned hello_nearer_pending(const struct overlay *o, const struct id *nearest, bool right)
{
    unsigned n = 0;
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;) {
        if (!h->hs.initiator || !(h->kinds & KIND_NEAR) || h->given_up ||
            (h->tries > 1 && h->link_slot == NO_SLOT) || id_is_zero(&h->target))
            continue;
        n += right ? id_between(&o->self.id, &h->target, nearest)
                   : id_between(nearest, &h->target, &o->self.id);
    }
    return n;
}

struct hello *hello_asking(const struct overlay *o, uint32_t index)
{
    struct hello *h = hello_by_meaning(o, index_meaning(o, index));
    return h && h->hs.initiator && h->hs.stage == 1 ? h : NULL;
}

void hello_enough_seeds(struct overlay *o)
{
    struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (h->hs.initiator && h->from_seed && h->link_slot == NO_SLOT) hello_end(o, h, false);
}

bool hello_dialling(const struct overlay *o)
{
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (h->hs.initiator) return true;
    return false;
}
