/* overlay/claim.c - records that we ask for, and our own: put, renewed at half their life and when our neighbours change, given up
 * when somebody else holds them. The other half is dht.c, the rules are in dht.h. */
#include "overlay/dht.h"
#include "overlay/slot.h"
#include <string.h>

#define CLAIM_TIMEOUT_US SECONDS(10)
#define CLAIM_RETRY_US   SECONDS(30) /* nobody answered, or there was no room */
#define NOT_JOINED_US    SECONDS(5)
#define NEAR_CHANGED_US  SECONDS(1)
#define PUT_EVERY_US     SECONDS(5) /* at most so often because neighbours change */
#define RENEW_US         HOURS(1)   /* at least: copies that were lost come back */
#define RENEW_PERCENT    20
#define BEHIND_MAX       4
#define DENIERS          2
#define DENIED_TRIES     5
#define DISPUTED_MAX     3 /* after 5, 10, 20 s: by then two rings that met have settled it */

/* --- what the caller hears --- */

static void answer_error(struct outbox *out, uint32_t request, enum err e, const struct id *writer)
{
    struct overlay_event *ev = outbox_event(out, OE_ANSWER, writer);
    ev->answer = (struct overlay_answer){.request = request, .err = e};
    if (writer) ev->answer.id = ev->answer.writer = *writer;
}

static void answer_record(struct outbox *out, uint32_t request, const struct record *r,
                          uint64_t rtt_us)
{
    uint32_t len = (uint32_t)r->value.len;
    uint8_t *value = outbox_space(out, len + 1); /* not NULL even if it is empty */
    if (!value) {
        answer_error(out, request, ERR_FULL, NULL);
        return;
    }
    outbox_commit(out, len + 1);
    if (len) memcpy(value, r->value.p, len);
    struct overlay_event *e = outbox_event(out, OE_ANSWER, &r->writer);
    e->answer = (struct overlay_answer){.request = request,
                                        .err = OK,
                                        .id = r->writer,
                                        .writer = r->writer,
                                        .value = value,
                                        .value_len = len,
                                        .rtt_us = (uint32_t)rtt_us};
}

/* --- asking --- */

/* Not on the ring yet: through a peer that is. */
static uint16_t first_hop(const struct overlay *o)
{
    struct id via = request_via(o);
    const struct link *l = id_is_zero(&via) ? NULL : link_by_id(o, &via);
    if (!l && !o->joined && o->up_count) l = order_at(o, 0);
    return l ? link_slot(o, l) : NO_SLOT;
}

static struct request *ask_start(struct overlay *o, uint64_t now_us, uint8_t what,
                                 const struct id *key, uint64_t timeout_us, uint32_t request,
                                 uint8_t purpose)
{
    struct request *r = request_start(o, now_us, what, key, timeout_us, CONTROL_MAX);
    if (!r) return NULL;
    r->purpose = purpose;
    r->external = request;
    r->mode = ROUTE_NEAREST;
    r->force_slot = first_hop(o);
    return r;
}

/* [op, request, via, the key or the record] */
static void ask_send(struct overlay *o, uint64_t now_us, struct request *r, unsigned op,
                     struct span what, struct outbox *out)
{
    struct pack k = request_pack(o, r, op);
    pack_bin(&k, what.p, what.len);
    request_packed(o, now_us, r, &k, out);
}

/* We keep it ourselves. */
static bool get_here(struct overlay *o, uint64_t now_us, const struct id *key, uint32_t request,
                     struct outbox *out)
{
    struct record r;
    const struct record_entry *e = dht_find(o, key, now_us);
    if (!e || record_decode((struct span){e->bytes, e->len}, o->crypto, &r) != OK) return false;
    answer_record(out, request, &r, 0);
    return true;
}

/* One more that does not have it; false: it said so before, or that one's word came over the same link (NO_SLOT: our own), whose
 * other end may have made up both: the source of what is routed is not proven. */
static bool deny(struct request *r, const struct id *by, uint16_t slot)
{
    uint32_t who = get_u32(by->b);
    if (r->denied && (r->denier == who || (slot != NO_SLOT && r->denied_on == slot))) return false;
    r->denier = who;
    r->denied_on = slot;
    if (r->denied < UINT8_MAX) r->denied++;
    return true;
}

/* Two say so; or one does, of a ring that has no other; or nobody contradicted it in a few more tries, or in all the time there was. */
bool get_denied(const struct overlay *o, const struct request *r, uint64_t now_us)
{
    if (!r->denied) return false;
    if (r->denied >= DENIERS || o->up_count == 0) return true;
    return r->until_us <= now_us || (r->tries >= DENIED_TRIES && r->next_us <= now_us);
}

/* A slot: who is a replica knows it by itself, and need not believe one root. */
bool overlay_slot_known(const struct overlay *o, uint64_t now_us, const struct record_name *name,
                        struct id *holder)
{
    struct id key;
    record_key(&key, o->crypto, name, &ID_ZERO);
    const struct record_entry *e = o->joined ? dht_copy(o, &key, now_us) : NULL;
    if (e) *holder = e->writer;
    return e != NULL;
}

void overlay_get(struct overlay *o, uint64_t now_us, const struct id *key, uint32_t request,
                 uint64_t timeout_us, struct outbox *out)
{
    bool root = o->joined && dht_is_root(o, key);
    if (root && get_here(o, now_us, key, request, out)) return;
    if (o->up_count == 0) {
        answer_error(out, request, root ? ERR_NOT_FOUND : ERR_UNREACHABLE, NULL);
        return;
    }
    struct dht *d = dht_need(o); /* which looks at our neighbours */
    struct request *r = d ? ask_start(o, now_us, REQUEST_GET, key, timeout_us, request,
                                      PURPOSE_CALLER)
                          : NULL;
    if (!r) {
        answer_error(out, request, ERR_FULL, NULL);
        return;
    }
    if (root) { /* we do not have it: do the others? */
        if (dht_denies(o, now_us, key)) (void)deny(r, &o->self.id, NO_SLOT);
        r->tries = 1;
    }
    ask_send(o, now_us, r, CONTROL_GET, (struct span){key->b, ID_SIZE}, out);
}

/* --- our own --- */

static struct own_claim **claim_place(
    struct dht *d, const struct id *key) /* where it is, or may be; NULL: no room */
{
    struct own_claim **room = NULL;
    for (unsigned i = 0; i < CLAIMS_MAX; i++) {
        if (!d->claims[i])
            room = &d->claims[i];
        else if (id_equal(&d->claims[i]->key, key))
            return &d->claims[i];
    }
    return room;
}

static struct own_claim *claim_find(const struct overlay *o, const struct id *key)
{
    struct own_claim **place = o->dht ? claim_place(o->dht, key) : NULL;
    return place ? *place : NULL;
}

static void claim_forget(struct overlay *o, struct own_claim *c)
{
    struct own_claim **place = claim_place(o->dht, &c->key);
    ensure(place && *place == c);
    *place = NULL;
    free(c);
}

static struct own_claim *claim_new(struct overlay *o, const struct record_name *name,
                                   const void *value, size_t len)
{
    struct id key;
    struct dht *d = dht_need(o);
    record_key(&key, o->crypto, name, &o->self.id);
    struct own_claim **place = d ? claim_place(d, &key) : NULL;
    struct own_claim *c = place ? calloc(1, sizeof *c + len) : NULL;
    if (!c) return NULL;
    c->name = *name;
    c->key = key;
    c->value_len = (uint16_t)len;
    if (len) memcpy(c->value, value, len);
    if (*place) c->seq = (*place)->seq;
    free(*place);
    *place = c;
    return c;
}

static size_t claim_sign(const struct overlay *o, uint64_t now_us, struct own_claim *c,
                         uint8_t out[RECORD_BYTES])
{
    uint64_t calendar_s = calendar_now(o, now_us);
    struct record r = {.name = c->name,
                       .seq = ++c->seq,
                       .expires_s = calendar_s ? calendar_s + c->ttl_s : 0,
                       .ttl_s = c->ttl_s,
                       .value = {c->value, c->value_len}};
    size_t len = record_sign(out, RECORD_BYTES, o->crypto, &r, &o->self);
    ensure(len > 0);
    return len;
}

static void claim_put(struct overlay *o, uint64_t now_us, struct own_claim *c, uint8_t purpose,
                      struct outbox *out);

static void claim_conflict(struct overlay *o, uint64_t now_us, struct own_claim *c,
                           const struct id *holder, struct outbox *out)
{
    char key[ID_TEXT], other[ID_TEXT];
    if (c->held && c->disputed < DISPUTED_MAX &&
        record_stays(o->crypto, &c->key, &o->self.id, holder)) {
        c->next_us =
            now_us +
            (PUT_EVERY_US
             << c->disputed++); /* two rings have met, and ours is to stay: not everybody knows yet */
        dht_due(o, c->next_us);
        return;
    }
    trace(o->trace, now_us, DHT, "record %.8s > %s: %.8s holds it", id_print(&c->key, key),
          c->held ? "lost" : "not ours", id_print(holder, other));
    answer_error(out, c->request, ERR_CONFLICT, holder);
    claim_forget(o, c);
}

/* The root has answered; held: what it holds instead. The claim may be gone afterwards. */
static void claim_answered(struct overlay *o, uint64_t now_us, struct own_claim *c, uint8_t purpose,
                           enum dht_result result, const struct record *held, struct outbox *out)
{
    char key[ID_TEXT];
    bool tell = purpose == PURPOSE_CALLER;
    if (result == DHT_CONFLICT) {
        claim_conflict(o, now_us, c, &held->writer, out);
        return;
    }
    if (result == DHT_OLD &&
        c->behind++ < BEHIND_MAX) { /* we were here before a restart, and had counted further */
        if (held->seq > c->seq) c->seq = held->seq;
        claim_put(o, now_us, c, purpose, out);
        return;
    }
    c->behind = c->disputed = 0;
    if (result != DHT_OK) {
        c->held = false;
        if (tell) answer_error(out, c->request, ERR_FULL, NULL);
        return; /* next_us is set: tried again */
    }
    c->next_us = now_us +
                 rng_jitter(&o->rng, time_min(SECONDS(c->ttl_s) / 2, RENEW_US), RENEW_PERCENT);
    dht_due(o, c->next_us);
    if (!c->held) trace(o->trace, now_us, DHT, "record %.8s > ours", id_print(&c->key, key));
    if (tell || !c->held) answer_error(out, c->request, OK, &o->self.id);
    c->held = true;
}

static void put_here(struct overlay *o, uint64_t now_us, struct own_claim *c, uint8_t purpose,
                     struct span bytes, struct outbox *out)
{
    struct record r, other;
    struct record_entry *held = NULL;
    enum err e = record_decode(bytes, o->crypto, &r);
    ensure(e == OK);
    enum dht_result result = dht_put(o, now_us, &r, bytes, &held, out);
    if (held && (result == DHT_CONFLICT || result == DHT_OLD)) {
        e = record_decode((struct span){held->bytes, held->len}, o->crypto, &other);
        ensure(e == OK); /* it was verified when it came */
    }
    claim_answered(o, now_us, c, purpose, result, &other, out);
}

static struct request *put_pending(const struct overlay *o, const struct id *key)
{
    for (uint16_t i = 0; i < o->common->limits.requests; i++) {
        struct request *r = o->requests[i];
        if (r && r->what == REQUEST_PUT && id_equal(&r->target, key)) return r;
    }
    return NULL;
}

static bool abstains(const struct overlay *o, uint64_t now_us, const struct own_claim *c)
{
    struct record r = {.key = c->key, .name = c->name};
    return dht_abstains(o, now_us, &r);
}

static void claim_put(struct overlay *o, uint64_t now_us, struct own_claim *c, uint8_t purpose,
                      struct outbox *out)
{
    uint8_t bytes[RECORD_BYTES];
    struct span record = {bytes, claim_sign(o, now_us, c, bytes)};
    c->put_us = now_us;
    c->next_us = now_us + time_min(CLAIM_RETRY_US, SECONDS(c->ttl_s) / 2);
    dht_due(o, c->next_us);
    if (o->joined && dht_is_root(o, &c->key)) {
        if (abstains(o, now_us, c)) { /* the answer comes later */
            c->next_us = now_us + SECONDS(1);
            dht_due(o, c->next_us);
        } else {
            put_here(o, now_us, c, purpose, record, out);
        }
        return;
    }
    bool anybody = o->up_count > 0;
    struct request *r = anybody ? ask_start(o, now_us, REQUEST_PUT, &c->key, CLAIM_TIMEOUT_US,
                                            c->request, purpose)
                                : NULL;
    if (r)
        ask_send(o, now_us, r, CONTROL_PUT, record, out);
    else if (purpose == PURPOSE_CALLER)
        answer_error(out, c->request, anybody ? ERR_FULL : ERR_UNREACHABLE, NULL);
}

void overlay_claim(struct overlay *o, uint64_t now_us, const struct record_name *name,
                   const void *value, size_t len, uint64_t ttl_us, uint32_t request,
                   struct outbox *out)
{
    bool possible = record_name_valid(name) && dht_value_fits(o, name, len) && ttl_us >= SECONDS(1);
    struct own_claim *c = possible ? claim_new(o, name, value, len) : NULL;
    if (!c) {
        answer_error(out, request, possible ? ERR_FULL : ERR_INVALID, NULL);
        return;
    }
    c->request = request;
    c->ttl_s = (uint32_t)(time_min(ttl_us, SECONDS(RECORD_TTL_MAX_S)) / SECONDS(1));
    struct request *before = put_pending(o, &c->key);
    if (before) request_end(o, before); /* what it asked for is not wanted any more */
    claim_put(o, now_us, c, PURPOSE_CALLER, out);
}

void overlay_unclaim(struct overlay *o, const struct record_name *name)
{
    struct id key;
    record_key(&key, o->crypto, name, &o->self.id);
    struct own_claim *c = claim_find(o, &key);
    struct request *before = c ? put_pending(o, &key) : NULL;
    if (before) request_end(o, before);
    if (c) claim_forget(o, c);
}

/* The slot on which our chain stands, and the chain; false: on none. */
static bool own_slot(const struct overlay *o, uint32_t number, struct record_name *name,
                     struct span *chain)
{
    struct membership m;
    if (number >= o->chain_count || !o->chains[number].bytes) return false;
    *chain = (struct span){o->chains[number].bytes, o->chains[number].len};
    return chain_verify(*chain, o->crypto, o->common->authority_pk, &o->self.id, 0, &m) == OK &&
           slot_name(&m, name);
}

bool overlay_claim_slot(struct overlay *o, uint64_t now_us, uint32_t number, uint32_t request,
                        struct outbox *out)
{
    struct record_name name;
    struct span chain;
    if (!own_slot(o, number, &name, &chain)) return false;
    overlay_claim(o, now_us, &name, chain.p, chain.len, SLOT_TTL_US, request, out);
    return true;
}

void overlay_unclaim_slot(struct overlay *o, uint32_t number)
{
    struct record_name name;
    struct span chain;
    if (own_slot(o, number, &name, &chain)) overlay_unclaim(o, &name);
}

/* --- answers --- */

/* A record is believed by its signature; that there is none, if others say so as well. Who should keep it knows one answer by itself. */
static void on_get_answer(struct overlay *o, uint64_t now_us, const struct arrival *a,
                          struct request *r, enum dht_result result, const struct record *got,
                          struct outbox *out)
{
    if (result == DHT_OK) {
        answer_record(out, r->external, got, time_since(now_us, r->sent_us));
        request_end(o, r);
        return;
    }
    bool first = !r->denied;
    if (!deny(r, &a->routed_src, link_slot(o, a->link))) return;
    if (first && o->joined && dht_is_replica(o, &r->target)) {
        struct record_entry *own = dht_find(o, &r->target, now_us);
        if (own) dht_repair(o, now_us, own, out);
        if (get_here(o, now_us, &r->target, r->external, out)) {
            request_end(o, r);
            return;
        }
        if (dht_denies(o, now_us, &r->target)) (void)deny(r, &o->self.id, NO_SLOT);
    }
    if (get_denied(o, r, now_us)) {
        answer_error(out, r->external, ERR_NOT_FOUND, NULL);
        request_end(o, r);
    } else if (first && o->joined && r->tries == 1) {
        request_send(o, now_us, r, out); /* others, at once */
    }
}

static void on_put_answer(struct overlay *o, uint64_t now_us, struct request *r,
                          enum dht_result result, const struct record *held, struct outbox *out)
{
    struct own_claim *c = claim_find(o, &r->target);
    uint8_t purpose = r->purpose;
    request_end(o, r);
    if (c) claim_answered(o, now_us, c, purpose, result, held, out);
}

/* Does the answer fit the question? Whoever answers is not trusted: what it shows must be signed. */
static bool fits(const struct overlay *o, const struct request *r, enum dht_result result,
                 const struct record *got)
{
    bool ours = got && id_equal(&got->writer, &o->self.id);
    if (got && !id_equal(&got->key, &r->target)) return false;
    if (r->what == REQUEST_GET) return got ? result == DHT_OK : result == DHT_NOT_FOUND;
    switch (result) {
    case DHT_CONFLICT: return got && !ours;
    case DHT_OLD: return ours;
    case DHT_OK:
    case DHT_REFUSED:
    case DHT_FULL: return !got;
    default: return false;
    }
}

void on_got(struct overlay *o, uint64_t now_us, const struct arrival *a, struct unpack *u,
            struct outbox *out)
{
    struct record got;
    uint64_t id = unpack_uint(u, UINT32_MAX);
    enum dht_result result = (enum dht_result)unpack_uint(u, DHT_FULL);
    struct span bytes = unpack_bin(u, 0, RECORD_BYTES);
    if (u->bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct request *r = request_by_id(o, (uint32_t)id);
    bool some = bytes.len > 0;
    if (!r || (r->what != REQUEST_GET &&
               r->what != REQUEST_PUT)) { /* answered already, or we never asked */
        if (result == DHT_CONFLICT && record_decode(bytes, o->crypto, &got) == OK)
            claim_disputed(o, now_us, &got.key);
        return;
    }
    if ((some && dht_verify(o, now_us, bytes, &got) != OK) ||
        !fits(o, r, result, some ? &got : NULL)) {
        drop(o, DROP_DENIED); /* not an answer: we ask again */
        return;
    }
    if (r->what == REQUEST_GET)
        on_get_answer(o, now_us, a, r, result, &got, out);
    else
        on_put_answer(o, now_us, r, result, &got, out);
}

/* --- as time passes --- */

void claim_disputed(struct overlay *o, uint64_t now_us, const struct id *key)
{
    struct own_claim *c = claim_find(o, key);
    if (!c) return;
    c->next_us = time_min(c->next_us, time_max(now_us, c->put_us + PUT_EVERY_US));
    dht_due(o, c->next_us);
}

/* Questions under way whose root we have become: nobody else will answer them. */
static void answer_here(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    for (uint16_t i = 0; i < o->common->limits.requests; i++) {
        struct request *r = o->requests[i];
        if (!r || (r->what != REQUEST_GET && r->what != REQUEST_PUT) || !dht_is_root(o, &r->target))
            continue;
        struct id key = r->target;
        uint32_t request = r->external;
        uint8_t what = r->what, purpose = r->purpose;
        struct own_claim *c = claim_find(o, &key);
        if (what == REQUEST_GET) {
            if (get_here(o, now_us, &key, request, out))
                request_end(o, r);
            else
                (void)deny(r, &o->self.id, NO_SLOT); /* it goes on asking the others */
            continue;
        }
        request_end(o, r);
        if (c) claim_put(o, now_us, c, purpose, out);
    }
}

void claims_near_changed(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    if (o->joined) answer_here(o, now_us, out);
    for (unsigned i = 0; i < CLAIMS_MAX; i++) {
        struct own_claim *c = o->dht->claims[i];
        if (!c) continue;
        uint64_t soon_us = now_us + rng_jitter(&o->rng, NEAR_CHANGED_US, 50);
        c->next_us = time_min(c->next_us, time_max(soon_us, c->put_us + PUT_EVERY_US));
        dht_due(o, c->next_us);
    }
}

void claims_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    for (unsigned i = 0; i < CLAIMS_MAX; i++) {
        struct own_claim *c = o->dht->claims[i];
        if (!c) continue;
        if (c->next_us > now_us) {
            dht_due(o, c->next_us);
        } else if (!o->joined || put_pending(o, &c->key)) {
            c->next_us = now_us + NOT_JOINED_US;
            dht_due(o, c->next_us);
        } else {
            claim_put(o, now_us, c, PURPOSE_REPAIR, out);
        }
    }
}
