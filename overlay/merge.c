/* overlay/merge.c - two rings that were parted meet, and become one within a time that grows with the logarithm of their size.
 *
 * Somebody finds a member of the other ring (a remembered peer, a seed: join.c) and asks it who stands next to us there. If that one
 * would be a neighbour of ours and is not, there are two rings. Neighbours tell neighbours (ring.c), but that zips the rings one
 * node after the other. So whoever found its place in the other ring tells its far links whom it found there (MET); each asks that one for
 * its own place, and tells its far links in turn, with the name of another contact. Who finds nobody new says nothing: so the word goes
 * round while there is something to find, and dies out then.
 *
 * Source: Shafaat, Ghodsi, Haridi, "Dealing with network partitions in structured overlay networks" (2009), gossip-based ring unification;
 * docs/decisions/0031.
 * Full: MET_AT_ONCE contacts at a time are asked; what is told meanwhile is dropped and counted: others tell, too. */
#include "overlay/core.h"

#define MET_AT_ONCE 2  /* one for each who told */
#define MET_LINKS   24 /* that are told */
#define MET_EVERY_S 3
#define MET_FOR_US  SECONDS(3) /* a contact is being asked */

bool merge_contact(const struct overlay *o, const struct link *l)
{
    return o->joined && l->state == LINK_UP && l->kinds == KIND_LEAF;
}

static void met_send(struct overlay *o, uint64_t now_us, struct link *to, const struct id *id,
                     const struct endpoint *where, struct outbox *out)
{
    uint8_t frame[64], at[ENDPOINT_WIRE];
    struct pack k = control_pack(frame, sizeof frame, CONTROL_MET, 3);
    endpoint_encode(where, at);
    pack_bin(&k, id->b, ID_SIZE);
    pack_bin(&k, at, sizeof at);
    ensure(!k.bad);
    frame_send(o, to, now_us, frame, k.len + 1, NULL, out);
}

void merge_met(struct overlay *o, uint64_t now_us, const struct link *l, struct outbox *out)
{
    if (!o->joined || (uint16_t)(s16(now_us) - o->met_s) < MET_EVERY_S) return;
    o->met_s = s16(now_us);
    struct endpoint at = link_path(l) == PATH_DIRECT ? link_endpoint(l) : (struct endpoint){0};
    char text[ID_TEXT];
    trace(o->trace, now_us, RING, "%.8s > another ring: met %.8s", id_print(&o->self.id, text),
          id_print(link_id(o, l), (char[ID_TEXT]){0}));
    uint16_t first = (uint16_t)rng_below(&o->rng, o->up_count);
    for (uint16_t i = 0, told = 0; i < o->up_count && told < MET_LINKS; i++) {
        struct link *far = order_at(o, (uint16_t)((first + i) % o->up_count));
        if (far != l && !(far->kinds & (KIND_NEAR | KIND_LEAF)) &&
            ((far->kinds & KIND_FAR) || (far->s.flags & LINK_WANTED)))
            met_send(o, now_us, far, link_id(o, l), &at, out), told++;
    }
}

void merge_turn(struct overlay *o, uint64_t now_us, struct link *contact, struct outbox *out)
{
    met_send(o, now_us, contact, &o->self.id, &(struct endpoint){0}, out);
}

/* How many of another ring we are asking; MET_AT_ONCE if one of them on this link's word. */
static unsigned contacts(const struct overlay *o, uint64_t now_us, const struct link *by)
{
    unsigned n = 0;
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;) {
        if (!h->hs.initiator || h->kinds != KIND_LEAF || !h->word) continue;
        if (h->word == link_slot(o, by) + 1) return MET_AT_ONCE;
        n += h->link_slot == NO_SLOT;
    }
    for (uint16_t i = 0; i < o->up_count; i++) {
        const struct link *l = order_at(o, i);
        n += l->kinds == KIND_LEAF && link_age_us(l, now_us) < MET_FOR_US;
    }
    return n;
}

void on_met(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
            struct outbox *out)
{
    struct id id;
    struct endpoint at;
    uint8_t e[ENDPOINT_WIRE];
    unpack_copy(u, id.b, ID_SIZE);
    unpack_copy(u, e, sizeof e);
    if (u->bad || !endpoint_decode(e, &at)) {
        drop(o, DROP_MALFORMED);
        return;
    }
    if (!ring_hearsay_ok(o, &at)) at = (struct endpoint){0};
    struct link *there = link_by_id(o, &id);
    if (!o->joined || id_equal(&id, &o->self.id) || (there && (there != l || there->kinds)) ||
        failed_lately(o, &id, now_us))
        return;
    if (contacts(o, now_us, l) >= MET_AT_ONCE) {
        drop(o, DROP_RATE);
        return;
    }
    if (there) { /* the teller itself: nobody of our ring would stand next to it */
        there->kinds = KIND_LEAF;
        find_send(o, now_us, &o->self.id, PURPOSE_REPAIR, 0, SECONDS(5), link_slot(o, there), out);
        return;
    }
    hello_met(o, now_us, l, &id, &at, out);
}
