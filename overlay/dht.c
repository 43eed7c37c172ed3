/* overlay/dht.c - records that we keep for others: put, get, copies to replicas, hand-over, expiry. The rules are in dht.h. */
#include "overlay/records.h"
#include "overlay/slot.h"
#include <inttypes.h>
#include <string.h>

#define VERIFY_RATE         400u /* a second: 2.5 % of a processor at 58 us each */
#define VERIFY_BURST        1000u
#define HANDING_OVER        3u /* the nearest so many holders hand over: one of them may be slow, or lie */
#define HAND_OVER_AT_A_TIME 16u
#define HAND_OVER_PAUSE_US  MILLIS(50)
#define ABSTAIN_S           6u /* neighbours know us within one, and hand over at once */
#define SLOT_PROOF          3u /* more signatures than another record */
#define SETTLED_US          HOURS(1)
#define REPAIR_EVERY_US     SECONDS(10)
#define EXPIRY_EVERY_US                                                                            \
    SECONDS(1) /* what is over is not found at once; its memory comes back within this */

static uint8_t among(const uint32_t *near, uint8_t count, uint32_t one) /* its place, or count */
{
    uint8_t i = 0;
    while (i < count && near[i] != one) i++;
    return i;
}

/* Remember the near set, who of it is new and how many went. What has not been handed over yet stays to be done. */
static void near_look(const struct overlay *o, struct dht *d)
{
    struct dht before = *d;
    d->digest = o->near_digest;
    d->near_count = o->near_count;
    d->fresh = 0;
    for (uint8_t i = 0; i < o->near_count; i++) {
        d->near[i] = get_u32(records_near_id(o, i)->b);
        uint8_t k = among(before.near, before.near_count, d->near[i]);
        if (k == before.near_count || before.fresh >> k & 1) d->fresh |= (uint8_t)(1u << i);
    }
    for (uint8_t k = 0; k < before.near_count; k++)
        d->lost |= among(d->near, d->near_count, before.near[k]) == d->near_count;
}

struct dht *dht_need(struct overlay *o)
{
    if (o->dht) return o->dht;
    struct dht *d = calloc(1, sizeof *d);
    if (!d) return NULL;
    near_look(o, d);
    d->fresh = 0; /* there is nothing yet to hand over */
    o->records_due_us = TIME_NEVER;
    o->dht = d;
    return d;
}

void dht_due(struct overlay *o, uint64_t at_us)
{
    o->records_due_us = time_min(o->records_due_us, at_us);
    wake_at(o, at_us);
}

/* A slot's proof has a size of its own. */
bool dht_value_fits(const struct overlay *o, const struct record_name *name, size_t len)
{
    return len <= record_value_max(name) &&
           (name->tag == RECORD_TAG_SLOT || len <= o->common->limits.record_bytes);
}

static enum dht_result keep(struct overlay *o, uint64_t now_us, const struct record *r,
                            struct span bytes, uint64_t until_us)
{
    char key[ID_TEXT], writer[ID_TEXT];
    if (!dht_value_fits(o, &r->name, r->value.len)) return DHT_REFUSED;
    struct record_entry *e = dht_need(o) ? records_entry(o, r, until_us) : NULL;
    if (!e) {
        drop(o, DROP_FULL);
        return DHT_FULL;
    }
    if (!id_equal(&e->writer, &r->writer)) e->since_us = now_us;
    e->kept_us = now_us;
    e->tag = r->name.tag;
    e->key = r->key;
    e->writer = r->writer;
    e->seq = r->seq;
    e->until_us = until_us;
    e->len = (uint16_t)bytes.len;
    memcpy(e->bytes, bytes.p, bytes.len);
    dht_due(o, until_us);
    trace(o->trace, now_us, DHT,
          "record %.8s > kept: %.8s wrote it, seq %" PRIu64 ", for %" PRIu64 " s",
          id_print(&r->key, key), id_print(&r->writer, writer), r->seq,
          (until_us - now_us) / SECONDS(1));
    return DHT_OK;
}

/* What the record means for the one held: OK if it replaces it. */
static enum dht_result judge(const struct record_entry *held, const struct record *r)
{
    if (!held) return DHT_OK;
    if (!id_equal(&held->writer, &r->writer)) return DHT_CONFLICT;
    return r->seq > held->seq ? DHT_OK : DHT_OLD;
}

static bool same(const struct record_entry *held, struct span bytes)
{
    return held && held->len == bytes.len && memcmp(held->bytes, bytes.p, bytes.len) == 0;
}

static void conflict_trace(const struct overlay *o, uint64_t now_us,
                           const struct record_entry *held, const struct record *r)
{
    char key[ID_TEXT], writer[ID_TEXT], other[ID_TEXT];
    trace(o->trace, now_us, DHT, "record %.8s > conflict: %.8s holds it, %.8s wants it",
          id_print(&r->key, key), id_print(&held->writer, writer), id_print(&r->writer, other));
}

/* --- who else keeps it --- */

bool dht_is_root(const struct overlay *o, const struct id *key)
{
    return !route_next(o, key, &o->self.id, false, NO_SLOT, NULL);
}

const struct record_entry *dht_copy(const struct overlay *o, const struct id *key, uint64_t now_us)
{
    return dht_is_replica(o, key) ? dht_find(o, key, now_us) : NULL;
}

bool dht_abstains(const struct overlay *o, uint64_t now_us, const struct record *r)
{
    return r->name.tag == RECORD_TAG_SLOT &&
           (!o->joined_s || joined_for_s(o, now_us) < ABSTAIN_S) && !dht_find(o, &r->key, now_us);
}

bool dht_denies(struct overlay *o, uint64_t now_us, const struct id *key)
{
    return (dht_is_root(o, key) || dht_is_replica(o, key)) && !ring_torn(o, now_us);
}

static void store_send(struct overlay *o, uint64_t now_us, const struct record_entry *e,
                       uint16_t slot, struct outbox *out)
{
    uint8_t frame[CONTROL_MAX];
    if (e->until_us < now_us + SECONDS(1) || o->links[slot].state != LINK_UP) return;
    struct pack k = control_pack(frame, sizeof frame, CONTROL_STORE, 3);
    pack_bin(&k, e->bytes, e->len);
    pack_uint(
        &k,
        (e->until_us - now_us) /
            SECONDS(1)); /* never longer than here, or it would live as long as neighbours change */
    ensure(!k.bad);
    /* routed, though only to a neighbour: so it is acknowledged, and sent again */
    route_send(o, now_us, ROUTE_EXACT, 0, link_id(o, &o->links[slot]), NULL, frame, k.len + 1, slot,
               out);
}

static void replicate(struct overlay *o, uint64_t now_us, const struct record_entry *e,
                      struct outbox *out)
{
    for (uint8_t i = 0; i < o->near_count; i++)
        if (records_rank(o, &e->key, records_near_id(o, i)) < REPLICAS)
            store_send(o, now_us, e, o->near[i].slot, out);
}

enum dht_result dht_put(struct overlay *o, uint64_t now_us, const struct record *r,
                        struct span bytes, struct record_entry **held, struct outbox *out)
{
    *held = dht_find(o, &r->key, now_us);
    if (same(*held, bytes)) return DHT_OK;
    enum dht_result result = judge(*held, r);
    if (result == DHT_CONFLICT) conflict_trace(o, now_us, *held, r);
    if (result == DHT_OK) result = keep(o, now_us, r, bytes, now_us + SECONDS(r->ttl_s));
    if (result == DHT_OK) replicate(o, now_us, dht_find(o, &r->key, now_us), out);
    return result;
}

/* --- arrivals --- */

/* back: the slot of the link that brought the question, which the answer goes back by (ways.c); NO_SLOT: there was none. */
static void got_send(struct overlay *o, uint64_t now_us, const struct id *to, const struct id *via,
                     uint16_t back, uint64_t request, enum dht_result result,
                     const struct record_entry *e, struct outbox *out)
{
    uint8_t frame[CONTROL_MAX];
    struct pack k = control_pack(frame, sizeof frame, CONTROL_GOT, 4);
    pack_uint(&k, request);
    pack_uint(&k, result);
    pack_bin(&k, e ? e->bytes : frame, e ? e->len : 0);
    ensure(!k.bad);
    bool may = back != NO_SLOT && o->links[back].state == LINK_UP && !link_by_id(o, to);
    if (!may || (via && !id_is_zero(via))) back = NO_SLOT;
    route_send(o, now_us, ROUTE_EXACT, 0, to, via, frame, k.len + 1, back, out);
}

enum err dht_verify(const struct overlay *o, uint64_t now_us, struct span bytes, struct record *out)
{
    struct record r;
    uint64_t now_s = calendar_now(o, now_us);
    enum err e = record_verify(bytes, o->crypto, now_s, &r);
    if (!e && !slot_proven(&r, o->crypto, o->common->authority_pk, now_s)) e = ERR_DENIED;
    if (!e) *out = r;
    return e;
}

/* Is it what it says? Counts why not. */
static bool verified(struct overlay *o, uint64_t now_us, struct span bytes, struct record *r)
{
    bool may = dht_need(o) != NULL;
    for (unsigned i = 0; may && i < 1 + (r->name.tag == RECORD_TAG_SLOT ? SLOT_PROOF : 0); i++)
        may = budget_take(&o->dht->verify, now_us, VERIFY_RATE, VERIFY_BURST);
    if (!may) {
        drop(o, DROP_RATE);
        return false;
    }
    enum err e = dht_verify(o, now_us, bytes, r);
    if (e) drop(o, e == ERR_MALFORMED ? DROP_MALFORMED : DROP_DENIED);
    return e == OK;
}

static void on_put(struct overlay *o, uint64_t now_us, const struct arrival *a, struct unpack *u,
                   struct outbox *out)
{
    struct id via;
    struct record r;
    struct record_entry *held;
    uint64_t request = unpack_uint(u, UINT32_MAX);
    unpack_copy(u, via.b, ID_SIZE);
    struct span bytes = unpack_bin(u, 1, RECORD_BYTES);
    if (u->bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    enum err e = record_decode(bytes, o->crypto, &r);
    if (e) {
        drop(o, e == ERR_MALFORMED ? DROP_MALFORMED : DROP_DENIED);
        return;
    }
    /* sent to us on purpose, or somebody nearer has just come, or we have: then it is sent again */
    if (!dht_is_root(o, &r.key) || dht_abstains(o, now_us, &r)) {
        drop(o, DROP_NO_ROUTE);
        return;
    }
    if (!verified(o, now_us, bytes, &r)) return;
    enum dht_result result = dht_put(o, now_us, &r, bytes, &held, out);
    bool show = result == DHT_CONFLICT || result == DHT_OLD;
    got_send(o, now_us, &a->routed_src, &via, link_slot(o, a->link), request, result,
             show ? held : NULL, out);
}

void dht_repair(struct overlay *o, uint64_t now_us, struct record_entry *e, struct outbox *out)
{
    const struct link *nearest = NULL;
    if (time_since(now_us, e->repaired_us) < REPAIR_EVERY_US) return;
    for (uint8_t i = 0; i < o->near_count; i++)
        if (!nearest || id_nearer(&e->key, records_near_id(o, i), link_id(o, nearest)) < 0)
            nearest = &o->links[o->near[i].slot];
    if (!nearest || id_nearer(&e->key, link_id(o, nearest), &o->self.id) > 0) return;
    e->repaired_us = now_us;
    store_send(o, now_us, e, link_slot(o, nearest), out);
}

static void on_get(struct overlay *o, uint64_t now_us, const struct arrival *a, struct unpack *u,
                   struct outbox *out)
{
    struct id via, key;
    uint64_t request = unpack_uint(u, UINT32_MAX);
    unpack_copy(u, via.b, ID_SIZE);
    unpack_copy(u, key.b, ID_SIZE);
    if (u->bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct record_entry *e = dht_find(o, &key, now_us);
    if (!e && !dht_denies(o, now_us, &key)) {
        drop(o, DROP_NO_ROUTE);
        return;
    }
    got_send(o, now_us, &a->routed_src, &via, link_slot(o, a->link), request,
             e ? DHT_OK : DHT_NOT_FOUND, e, out);
    if (e && !dht_is_root(o, &key)) dht_repair(o, now_us, e, out);
}

/* Two writers held it, unknown to each other; one is left. The root tells the other, who then asks. */
static void tell_loser(struct overlay *o, uint64_t now_us, const struct id *loser,
                       const struct record_entry *winner, struct outbox *out)
{
    if (!dht_is_root(o, &winner->key)) return;
    if (id_equal(loser, &o->self.id))
        claim_disputed(o, now_us, &winner->key);
    else
        got_send(o, now_us, loser, NULL, NO_SLOT, 0, DHT_CONFLICT, winner, out);
}

/* A slot that we have seen held, and renewed, for so long is no find of two rings that have just met: whoever has the token could
 * make a claim that wins by its hash, and hand it to us as a copy. */
static bool settled_slot(const struct record_entry *e, uint64_t now_us)
{
    return e->tag == RECORD_TAG_SLOT && time_since(now_us, e->since_us) >= SETTLED_US &&
           time_since(now_us, e->kept_us) < 2 * SETTLED_US;
}

/* We hold something better than we were sent. */
static void store_back(struct overlay *o, uint64_t now_us, const struct arrival *a,
                       const struct record_entry *e, struct outbox *out)
{
    const struct link *l = link_by_id(o, &a->routed_src);
    if (l) store_send(o, now_us, e, link_slot(o, l), out);
}

static void on_store_conflict(struct overlay *o, uint64_t now_us, const struct arrival *a,
                              struct record_entry *held, const struct record *r, struct span bytes,
                              uint64_t until_us, struct outbox *out)
{
    struct id loser = r->writer;
    conflict_trace(o, now_us, held, r);
    if (record_stays(o->crypto, &r->key, &held->writer, &r->writer)) {
        /* it replaces theirs, by the same rule */
        store_back(o, now_us, a, held, out);
    } else if (!settled_slot(held, now_us)) {
        loser = held->writer;
        if (keep(o, now_us, r, bytes, until_us) != DHT_OK) return;
    }
    tell_loser(o, now_us, &loser, dht_find(o, &r->key, now_us), out);
}

/* Does its key lie twice as far away as the last of our neighbours on that side? Then it is not for us to keep, whoever is there. */
static bool is_beyond(const struct overlay *o, const struct id *key)
{
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    if (o->near_count < 2 * NEAR_SIDE_MAX) return false;
    ring_sides(o, left, right, &lefts, &rights);
    const struct id *self = &o->self.id;
    struct id up = id_clockwise(self, key), down = id_clockwise(key, self);
    struct id last_up = id_clockwise(self, link_id(o, &o->links[right[rights - 1]]));
    struct id last_down = id_clockwise(link_id(o, &o->links[left[lefts - 1]]), self);
    return get_u64(up.b) / 2 > get_u64(last_up.b) && get_u64(down.b) / 2 > get_u64(last_down.b);
}

/* Copies come from somebody who may keep that record, too, or from its writer: straight, or through another neighbour if that way
 * lost it (nobody else passes them on: route.c). */
static bool may_store(const struct overlay *o, const struct arrival *a, const struct record *r)
{
    const struct link *from = link_by_id(o, &a->routed_src);
    if (is_beyond(o, &r->key) || (a->link != from && !(a->link->kinds & KIND_NEAR))) return false;
    return (from && from->kinds & KIND_NEAR) ||
           records_rank(o, &r->key, &a->routed_src) < REPLICAS ||
           id_equal(&a->routed_src, &r->writer);
}

static void on_store(struct overlay *o, uint64_t now_us, const struct arrival *a, struct unpack *u,
                     struct outbox *out)
{
    struct record r;
    struct span bytes = unpack_bin(u, 1, RECORD_BYTES);
    uint64_t left_s = unpack_uint(u, RECORD_TTL_MAX_S);
    if (u->bad || left_s == 0 || record_decode(bytes, o->crypto, &r) != OK) {
        drop(o, DROP_MALFORMED);
        return;
    }
    if (!may_store(o, a, &r)) {
        drop(o, DROP_DENIED);
        return;
    }
    struct record_entry *held = dht_find(o, &r.key, now_us);
    if (same(held, bytes)) return; /* before verifying: most copies are of what we have */
    enum dht_result result = judge(held, &r);
    uint64_t until_us = now_us + SECONDS(left_s < r.ttl_s ? left_s : r.ttl_s);
    if (result == DHT_OLD) { /* not if they are equally old: we would send them to and fro */
        if (held->seq > r.seq) store_back(o, now_us, a, held, out);
        return;
    }
    if (!verified(o, now_us, bytes, &r)) return;
    if (result == DHT_CONFLICT)
        on_store_conflict(o, now_us, a, held, &r, bytes, until_us, out);
    else
        (void)keep(o, now_us, &r, bytes, until_us); /* or not: there are others */
}

void on_dht(struct overlay *o, uint64_t now_us, const struct arrival *a, unsigned op,
            struct unpack *u, struct outbox *out)
{
    switch (op) {
    case CONTROL_PUT: on_put(o, now_us, a, u, out); break;
    case CONTROL_GET: on_get(o, now_us, a, u, out); break;
    case CONTROL_GOT: on_got(o, now_us, a, u, out); break;
    case CONTROL_STORE: on_store(o, now_us, a, u, out); break;
    default: drop(o, DROP_TYPE);
    }
}

/* --- as time passes --- */

static void expire(struct overlay *o, uint64_t now_us)
{
    uint64_t next_us = TIME_NEVER;
    char key[ID_TEXT], writer[ID_TEXT];
    for (uint16_t i = 0; i < o->record_count;) {
        const struct record_entry *e = o->records[i];
        if (e->until_us > now_us) {
            next_us = time_min(next_us, e->until_us);
            i++;
            continue;
        }
        trace(o->trace, now_us, DHT, "record %.8s > expired: %.8s wrote it", id_print(&e->key, key),
              id_print(&e->writer, writer));
        records_remove(o, i);
    }
    if (next_us != TIME_NEVER) dht_due(o, time_max(next_us, now_us + EXPIRY_EVERY_US));
}

static void near_changed(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    struct dht *d = o->dht;
    near_look(o, d);
    d->next = ID_ZERO;
    d->hand_over_us = now_us;
    if (d->fresh || d->lost) dht_due(o, now_us);
    claims_near_changed(o, now_us, out);
}

/* How many lie nearer than we do, newcomers not counted: if few, it is for us to hand it over. */
static unsigned own_rank(const struct overlay *o, const struct record_entry *e)
{
    unsigned nearer = 0;
    for (uint8_t i = 0; i < o->near_count; i++)
        nearer += !(o->dht->fresh >> i & 1) &&
                  id_nearer(&e->key, records_near_id(o, i), &o->self.id) < 0;
    return nearer;
}

/* To each new neighbour what it should hold; and when somebody has gone, the root, which may not have been it before, to all. Those
 * next to the root send it to the root as well: its own copy may have been lost on the way. */
static unsigned hand_over_one(struct overlay *o, uint64_t now_us, const struct record_entry *e,
                              struct outbox *out)
{
    unsigned own = own_rank(o, e), sent = 0;
    for (uint8_t n = 0; n < o->near_count && own < HANDING_OVER; n++) {
        bool fresh = o->dht->fresh >> n & 1;
        bool nearer = id_nearer(&e->key, records_near_id(o, n), &o->self.id) < 0;
        bool again = o->dht->lost && (own == 0 || nearer);
        if (!(fresh || again) || records_rank(o, &e->key, records_near_id(o, n)) >= REPLICAS)
            continue;
        store_send(o, now_us, e, o->near[n].slot, out);
        sent++;
    }
    return sent;
}

static void hand_over(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    struct dht *d = o->dht;
    unsigned sent = 0;
    uint16_t i = records_from(o, &d->next);
    while (i < o->record_count && sent < HAND_OVER_AT_A_TIME)
        sent += hand_over_one(o, now_us, o->records[i++], out);
    if (i == o->record_count) {
        d->fresh = 0;
        d->lost = false;
        return;
    }
    d->next = o->records[i]->key;
    d->hand_over_us = now_us + HAND_OVER_PAUSE_US;
    dht_due(o, d->hand_over_us);
}

void dht_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    struct dht *d = o->dht;
    if (!d || o->leaving) return;
    if (d->digest != o->near_digest) near_changed(o, now_us, out);
    if (o->records_due_us > now_us) {
        wake_at(o, o->records_due_us);
        return;
    }
    o->records_due_us = TIME_NEVER;
    expire(o, now_us);
    if ((d->fresh || d->lost) && d->hand_over_us <= now_us)
        hand_over(o, now_us, out);
    else if (d->fresh || d->lost)
        dht_due(o, d->hand_over_us);
    claims_tick(o, now_us, out);
}

void dht_fini(struct overlay *o)
{
    while (o->record_count) records_remove(o, (uint16_t)(o->record_count - 1));
    for (unsigned i = 0; o->dht && i < CLAIMS_MAX; i++) free(o->dht->claims[i]);
    free(o->records);
    free(o->dht);
    o->records = NULL;
    o->dht = NULL;
}
