/* overlay/straight.c - the answer to a question that somebody waits for comes straight, too, and not only over the ring.
 *
 * FIND may name the endpoint where its asker is seen, and a key made for this question alone. The owner then sends FOUND twice: over the
 * ring, as ever, and sealed with that key as an ANSWER to that endpoint. The first to come counts. Behind a NAT that lets nobody in the second
 * is lost, and nothing else is.
 *
 * Who may answer is who has seen the question, as with FOUND: the ANSWER proves that and no more, and hides what it says from everybody
 * else. It is shorter than the question, goes to public endpoints alone, and to none of this host, and within
 * route_budget: so nobody gains by aiming it at others (docs/decisions/0034).
 *
 * Source: Dabek et al., "Designing a DHT for low latency and high throughput" (NSDI 2004), section 4.3: recursive questions, direct answers.
 * Owns: nothing; the key lies at the end of the question's body. Errors: an ANSWER to nothing we asked, or with a wrong tag, is a drop. */
#include "overlay/core.h"
#include <string.h>

#define STRAIGHT_PER_S 100 /* with what traces make us send */
#define STRAIGHT_BURST 200
#define SEEN_AS        4

/* A public endpoint, for another network has the same private ones, and never one of our own. */
static bool may_go(const struct overlay *o, const struct endpoint *at)
{
    if (endpoint_scope(at) != SCOPE_GLOBAL || !ring_hearsay_ok(o, at)) return false;
    for (uint8_t i = 0; i < o->local_count; i++)
        if (memcmp(o->locals[i].ip, at->ip, sizeof at->ip) == 0) return false;
    return true;
}

bool straight_may(const struct overlay *o, struct endpoint *at)
{
    struct endpoint seen[SEEN_AS];
    enum observe_mapping mapping = observe_mapping(&o->observe, o->locals, o->local_count);
    uint8_t n = observe_believed(&o->observe, seen, SEEN_AS);
    if (!o->joined || mapping == MAPPING_ADDRESS_DEPENDENT || mapping == MAPPING_PORT_DEPENDENT)
        return false;
    for (uint8_t i = 0; i < n; i++) {
        *at = seen[i];
        if (at->transport == TRANSPORT_UDP && endpoint_is_usable(at) &&
            endpoint_scope(at) == SCOPE_GLOBAL)
            return true;
    }
    return false;
}

void straight_pack(struct overlay *o, struct pack *k, const struct endpoint *at)
{
    uint8_t e[ENDPOINT_WIRE], key[ANSWER_KEY];
    endpoint_encode(at, e);
    rng_bytes(&o->rng, key, sizeof key);
    pack_bin(k, e, sizeof e);
    pack_bin(k, key, sizeof key);
    crypto_wipe(key, sizeof key);
}

bool straight_unpack(const struct overlay *o, struct unpack *u, struct straight *s)
{
    uint8_t e[ENDPOINT_WIRE];
    *s = (struct straight){0};
    if (u->left == 0) return true; /* answered over the ring alone */
    unpack_copy(u, e, sizeof e);
    unpack_copy(u, s->key, sizeof s->key);
    if (u->bad || !endpoint_decode(e, &s->at)) return false;
    if (!may_go(o, &s->at)) s->at = (struct endpoint){0};
    return true;
}

void straight_send(struct overlay *o, uint64_t now_us, const struct straight *s,
                   const struct id *asker, uint32_t request, const uint8_t *found, size_t len,
                   struct outbox *out)
{
    const struct link *l = link_by_id(o, asker);
    if (!s->at.port || (l && link_path(l) == PATH_DIRECT) || len > ANSWER_BODY_MAX ||
        !budget_take(&o->route_budget, now_us, STRAIGHT_PER_S, STRAIGHT_BURST))
        return;
    uint8_t bytes[ANSWER_MAX];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_u8(&w, OUTER_ANSWER);
    write_u8(&w, WIRE_VERSION);
    write_u16(&w, 0);
    write_u32(&w, request);
    uint8_t *nonce = write_space(&w, 24), *sealed = write_space(&w, len + CRYPTO_TAG);
    ensure(!w.bad);
    rng_bytes(&o->rng, nonce, 24); /* the question may be asked again: several answers, one key */
    o->crypto->xseal(sealed, found, len, bytes, 8, nonce, s->key);
    datagram_send(o, &s->at, bytes, w.len, out);
}

/* The key is the last that a question with one says. */
static const uint8_t *key_of(const struct request *r)
{
    return r->straight ? r->body + r->body_len - ANSWER_KEY : NULL;
}

void on_answer(struct overlay *o, uint64_t now_us, const struct arrival *a, const uint8_t *b,
               size_t len, struct outbox *out)
{
    uint8_t frame[ANSWER_BODY_MAX];
    uint32_t request = get_u32(b + 4);
    const struct request *r = request_by_id(o, request);
    if (a->routed || a->relayed || !r || !key_of(r)) { /* or FOUND was here before it */
        drop(o, DROP_UNASKED);
        return;
    }
    size_t inside = len - ANSWER_HEADER - CRYPTO_TAG;
    if (b[1] != WIRE_VERSION || get_u16(b + 2) != 0 ||
        !o->crypto->xopen(frame, b + ANSWER_HEADER, inside + CRYPTO_TAG, b, 8, b + 8, key_of(r))) {
        drop(o, DROP_TAG);
        return;
    }
    struct unpack u = unpack_of(frame + 1, inside - 1);
    unpack_array(&u, 4, 32);
    uint64_t op = unpack_uint(&u, 255);
    struct unpack again = u;
    bool same = unpack_uint(&again, UINT32_MAX) == request && !again.bad;
    if (frame[0] != KIND_CONTROL || u.bad || op != CONTROL_FOUND || !same)
        drop(o, DROP_MALFORMED);
    else
        on_found(o, now_us, &u, out);
}
