/* overlay/refer.c - a rush of newcomers: who has no room for one names members nearer to its place, and forgets it.
 *
 * The answer keeps no state and costs no Diffie-Hellman, so a seed can give it to far more newcomers than it could take in; each
 * asks on, nearer and nearer to its own id, until it meets a neighbour to be, who takes it in (decision 0013). For those whom the
 * members named do not hear, behind NATs, every REFER_EVERY-th round of dialling asks without a place: then a seed takes them
 * in when it has room.
 *
 * Source: ours; the iteration is Kademlia's node look-up (Maymounkov, Mazieres 2002). */
#include "overlay/core.h"
#include <string.h>

#define REFERRED_US   MILLIS(700) /* for those to come up who were named in somebody's place */
#define ASKED_AT_ONCE 2 /* members that a newcomer asks on its way, at a time: Kademlia's alpha */

/* --- who refers --- */

/* No room to waste on somebody whose place is elsewhere. */
static bool crowded(const struct overlay *o)
{
    const struct limits *l = &o->common->limits;
    return o->hello_count * 2u >= l->handshakes || o->link_count + l->links / 8u >= l->links;
}

/* May be named to others: we reach it directly, and it is at home to everybody. */
static bool nameable(const struct overlay *o, const struct link *l, const struct id *place)
{
    struct endpoint at = link_endpoint(l);
    return link_path(l) == PATH_DIRECT && !link_suspect(l) && at.transport == TRANSPORT_UDP &&
           endpoint_is_usable(&at) && !id_equal(link_id(o, l), place);
}

/* Members nearest to `place`, at most REFER_ENTRIES, those that stand next to it first. */
static size_t list_write(const struct overlay *o, const struct id *place, uint8_t *out)
{
    uint16_t n = o->up_count, start = order_find(o, place);
    size_t count = 0;
    for (uint16_t i = 0; i < n && count < REFER_ENTRIES; i++) {
        uint16_t step = (uint16_t)(i / 2);
        uint16_t pos = (uint16_t)(i & 1 ? (start + n - 1 - step) % n : (start + step) % n);
        const struct link *l = order_at(o, pos);
        if (!nameable(o, l, place)) continue;
        struct endpoint at = link_endpoint(l);
        memcpy(out + count * REFER_ENTRY, link_id(o, l)->b, ID_SIZE);
        endpoint_encode(&at, out + count * REFER_ENTRY + ID_SIZE);
        count++;
    }
    return count * REFER_ENTRY;
}

bool refer_hello1(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
                  size_t len, struct outbox *out)
{
    if (a->routed || a->from.transport != TRANSPORT_UDP || o->up_count == 0 || !crowded(o) ||
        !knock_fresh(&o->knock, o->crypto, now_us, b, len))
        return false;
    struct handshake hs;
    handshake_init(&hs, o->crypto, &o->common->key, false, 0);
    bool readable = hello1_read(&hs, o->crypto, b, len) == OK;
    struct id place = hs.peer.place;
    handshake_wipe(&hs);
    if (!readable || id_is_zero(&place) || ring_would_be_near(o, &place)) return false;
    uint8_t list[REFER_ENTRIES * REFER_ENTRY], bytes[REFER_MAX];
    size_t list_len = list_write(o, &place, list);
    if (list_len == 0) return false;
    size_t n = refer_write(&o->knock, o->crypto, now_us, &o->rng, b, len, list, list_len, bytes);
    datagram_send(o, &a->from, bytes, n, out);
    drop(o, DROP_FULL);
    return true;
}

/* --- who is referred --- */

static struct id entry_id(const uint8_t *entry)
{
    struct id id;
    memcpy(id.b, entry, ID_SIZE);
    return id;
}

/* Somebody else, whom we do not know and may ask at *at. */
static bool entry_new(const struct overlay *o, uint64_t now_us, const uint8_t *entry, struct id *id,
                      struct endpoint *at)
{
    *id = entry_id(entry);
    return endpoint_decode(entry + ID_SIZE, at) && ring_hearsay_ok(o, at) &&
           !id_equal(id, &o->self.id) && !link_by_id(o, id) && !failed_lately(o, id, now_us);
}

/* For a far link: the one of them nearest to its place goes on, if it is nearer than who named it. */
static void refer_far(struct overlay *o, uint64_t now_us, const struct id *by,
                      const struct id *place, const uint8_t *list, size_t len, struct outbox *out)
{
    struct id best = *by;
    struct endpoint best_at = {0};
    for (size_t i = 0; i < len; i += REFER_ENTRY) {
        struct id id;
        struct endpoint at;
        if (!entry_new(o, now_us, list + i, &id, &at) || id_nearer(place, &id, &best) >= 0 ||
            !far_fits(o, &id, place))
            continue;
        best = id;
        best_at = at;
    }
    if (best_at.port) (void)hello_far(o, now_us, &best, &best_at, place, out);
}

/* It would not stand next to us after all: those whom it names stand between. */
static void refer_near(struct overlay *o, uint64_t now_us, const uint8_t *list, size_t len,
                       struct outbox *out)
{
    for (size_t i = 0; i < len; i += REFER_ENTRY) {
        struct id id;
        struct endpoint at;
        if (!entry_new(o, now_us, list + i, &id, &at) || !ring_asks_near(o, &id) ||
            o->hello_count * 2u >= o->common->limits.handshakes)
            continue;
        (void)hello_heard_of(o, now_us, NULL, &id, &ID_ZERO, &at, false, out);
    }
}

/* How many that we ask already are nearer to us than `id`? */
static unsigned asked_nearer(const struct overlay *o, const struct id *id)
{
    unsigned n = 0;
    const struct hello *h;
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        n += h->hs.initiator && !h->routed && !id_is_zero(&h->target) &&
             id_nearer(&o->self.id, &h->target, id) <= 0;
    return n;
}

/* Whoever wrote the list may have put it into another order, so that each entry is nearer than those before. */
static void nearest_first(const struct overlay *o, uint8_t *list, size_t len)
{
    uint8_t held[REFER_ENTRY];
    for (size_t i = REFER_ENTRY; i < len; i += REFER_ENTRY) {
        struct id id = entry_id(list + i);
        size_t at = i;
        memcpy(held, list + i, REFER_ENTRY);
        for (; at > 0; at -= REFER_ENTRY) {
            struct id before = entry_id(list + at - REFER_ENTRY);
            if (id_nearer(&o->self.id, &before, &id) <= 0) break;
            memcpy(list + at, list + at - REFER_ENTRY, REFER_ENTRY);
        }
        memcpy(list + at, held, REFER_ENTRY);
    }
}

void on_refer(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
              size_t len, struct outbox *out)
{
    uint32_t sender, receiver;
    uint8_t list[REFER_ENTRIES * REFER_ENTRY];
    size_t list_len;
    if (!hello_indices(b, len, &sender, &receiver)) {
        drop(o, DROP_LENGTH);
        return;
    }
    struct hello *h = hello_asking(o, receiver);
    bool far = h && !id_is_zero(&h->place), near = h && (h->kinds & KIND_NEAR);
    if (!h || (h->routed && !far && !near) || a->routed || !endpoint_equal(&h->at, &a->from)) {
        drop(o, DROP_NO_HANDSHAKE);
        return;
    }
    if (refer_read(&o->knock, o->crypto, b, len, h->mac1, list, &list_len) != OK) {
        drop(o, DROP_COOKIE);
        return;
    }
    struct id by = h->target, place = h->place;
    /* a neighbour's endpoint is somebody's word, who may have answered there: it is asked over the ring all the same, unless those named prove to be there */
    if (h->routed && near) {
        h->at = (struct endpoint){0};
        h->brief = h->given_up = h->referred = true;
        h->next_us = now_us + REFERRED_US;
        wake_at(o, h->next_us);
    } else {
        hello_end(o, h, false);
    }
    if (far) refer_far(o, now_us, &by, &place, list, list_len, out);
    nearest_first(o, list, list_len);
    if (near) refer_near(o, now_us, list, list_len, out);
    if (far || near || o->joined) return;
    for (size_t i = 0; i < list_len; i += REFER_ENTRY) {
        struct id id;
        struct endpoint at;
        if (!entry_new(o, now_us, list + i, &id, &at) ||
            (!id_is_zero(&by) && id_nearer(&o->self.id, &id, &by) >= 0) ||
            asked_nearer(o, &id) >= ASKED_AT_ONCE)
            continue;
        if (budget_take(&o->probe_budget, now_us, PROBES_PER_S, PROBES_BURST))
            (void)hello_dial(o, now_us, &at, &id, KIND_LEAF, false, out);
    }
}
