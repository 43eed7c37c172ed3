/* A question that somebody waits for may be answered straight: by whoever has seen it, to where it says, and by nobody else. */
#include "tests/harness/party.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define REQUEST 77u

static const struct id stranger = {.b = {9, 9, 9}}; /* nobody's */
static const uint8_t key[ANSWER_KEY] = "a key for this question alone";
static struct letter caught; /* the last ANSWER on the wire */
static uint32_t answers;

static bool catch_answers(struct party *p, struct letter *l)
{
    (void)p;
    if (l->bytes[0] != OUTER_ANSWER) return true;
    static uint8_t bytes[ANSWER_MAX];
    answers++;
    caught = *l;
    assert_true(l->len <= sizeof bytes);
    memcpy(bytes, l->bytes, l->len);
    caught.bytes = bytes;
    return true;
}

static struct party *three(uint64_t seed)
{
    struct party *p = party_of(&crypto_fake, seed, 3, false, NULL);
    party_run(p, SECONDS(20));
    answers = 0;
    p->tap = catch_answers;
    return p;
}

/* guest 1 hands on a FIND of `src`, for the nearest to guest 0; returns how many bytes that was. */
static size_t find_by_way(struct party *p, const struct id *src, const struct endpoint *at)
{
    uint8_t body[128], frame[256], e[ENDPOINT_WIRE];
    struct guest *a = p->guests[0], *b = p->guests[1];
    struct pack k = control_pack(body, sizeof body, CONTROL_FIND, 6);
    endpoint_encode(at, e);
    pack_uint(&k, REQUEST);
    pack_bin(&k, ID_ZERO.b, ID_SIZE);
    pack_uint(&k, 9);
    pack_bin(&k, e, sizeof e);
    pack_bin(&k, key, sizeof key);
    struct routed r = {.mode = ROUTE_NEAREST,
                       .ttl = 8,
                       .flags = ROUTED_NO_ACK,
                       .src = *src,
                       .dst = a->self.id,
                       .body = body,
                       .body_len = k.len + 1};
    size_t n = routed_write(frame, sizeof frame, &r);
    assert_true(n && guest_send(p, b, a, NULL, frame, n));
    party_run(p, MILLIS(1));
    return n + DATA_OVERHEAD;
}

static void the_owner_answers_where_the_question_says(void **state)
{
    struct party *p = three(1);
    struct guest *a = p->guests[0];
    struct endpoint at = endpoint_v4(0x08080808, 53);
    (void)state;
    size_t asked = find_by_way(p, &stranger, &at);
    assert_int_equal(answers, 1);
    assert_true(endpoint_equal(&caught.to, &at));
    assert_true(caught.len <= asked); /* nothing is gained by aiming it at somebody */
    uint8_t frame[ANSWER_BODY_MAX];
    size_t sealed = caught.len - ANSWER_HEADER;
    assert_int_equal(get_u32(caught.bytes + 4), REQUEST);
    assert_true(p->crypto->xopen(frame, caught.bytes + ANSWER_HEADER, sealed, caught.bytes, 8,
                                 caught.bytes + 8, key));
    struct unpack u = unpack_of(frame + 1, sealed - CRYPTO_TAG - 1);
    struct id owner;
    unpack_array(&u, 4, 32);
    assert_int_equal(unpack_uint(&u, 255), CONTROL_FOUND);
    assert_int_equal(unpack_uint(&u, UINT32_MAX), REQUEST);
    unpack_copy(&u, owner.b, ID_SIZE);
    assert_true(!u.bad && id_equal(&owner, &a->self.id));
    party_close(p);
}

static void nowhere_else(void **state)
{
    struct party *p = three(2);
    struct guest *a = p->guests[0];
    struct endpoint inside = endpoint_v4(0x0a000001, 53), none = {0}, at;
    (void)state;
    at = endpoint_v4(0x08080808, 53);
    (void)find_by_way(p, &stranger,
                      &inside); /* somebody's private network, perhaps a third one's */
    (void)find_by_way(p, &stranger, &none);
    (void)find_by_way(p, &p->guests[2]->self.id, &at); /* there is a link to that one */
    assert_int_equal(answers, 0);
    for (unsigned i = 0; i < 1000; i++) (void)find_by_way(p, &stranger, &at);
    assert_true(answers >= 200 && answers <= 320); /* in 1.2 s */
    assert_int_equal(guest_dropped(a, DROP_MALFORMED), 0);
    party_close(p);
}

/* --- who asked --- */

static bool nothing_from_others(struct party *p, struct letter *l)
{
    return !endpoint_equal(&l->to, &p->guests[0]->at);
}

static struct request *asks(struct party *p)
{
    struct command c = {.type = CMD_ROUTE_TEST, .request = 7, .timeout_us = SECONDS(3)};
    struct guest *a = p->guests[0];
    c.target = (struct target){.kind = TARGET_ID, .network = -1, .id = p->guests[1]->self.id};
    p->tap = nothing_from_others;
    party_step(p, a, &(struct event){.type = EV_COMMAND, .command = &c});
    struct overlay *o = guest_overlay(a);
    for (uint16_t i = 0; i < o->common->limits.requests; i++)
        if (o->requests[i] && o->requests[i]->straight) return o->requests[i];
    fail_msg("nothing is asked that may be answered straight");
    return NULL;
}

/* An ANSWER for request `number`, whose inside is about `inside`, sealed with k. */
static size_t answer(struct party *p, uint32_t number, uint32_t inside, unsigned op,
                     const uint8_t *k, const struct id *owner, uint8_t out[ANSWER_MAX])
{
    uint8_t frame[ANSWER_BODY_MAX] = {0}, e[ENDPOINT_WIRE] = {0};
    struct pack m = control_pack(frame, sizeof frame, op, 5);
    pack_uint(&m, inside);
    pack_bin(&m, owner->b, ID_SIZE);
    pack_uint(&m, 3);
    pack_bin(&m, e, sizeof e);
    memset(out, 0, ANSWER_HEADER);
    out[0] = OUTER_ANSWER;
    out[1] = WIRE_VERSION;
    put_u32(out + 4, number);
    p->crypto->xseal(out + ANSWER_HEADER, frame, m.len + 1, out, 8, out + 8, k);
    return ANSWER_HEADER + m.len + 1 + CRYPTO_TAG;
}

static void only_who_saw_the_question_is_believed(void **state)
{
    struct party *p = three(3);
    struct guest *a = p->guests[0];
    struct endpoint from = endpoint_v4(0x08080808, 53);
    uint8_t good[ANSWER_KEY], bytes[ANSWER_MAX];
    struct request *r = asks(p);
    uint32_t number = r->id;
    const struct id *owner = &p->guests[1]->self.id;
    (void)state;
    memcpy(good, r->body + r->body_len - ANSWER_KEY, ANSWER_KEY);
    uint32_t tags = guest_dropped(a, DROP_TAG), unasked = guest_dropped(a, DROP_UNASKED),
             malformed = guest_dropped(a, DROP_MALFORMED), lengths = guest_dropped(a, DROP_LENGTH);
    size_t n = answer(p, number, number, CONTROL_FOUND, key, owner, bytes); /* another key */
    party_give(p, a, &from, bytes, n);
    n = answer(p, number, number, CONTROL_FOUND, good, owner, bytes);
    bytes[4] ^= 1; /* another question's */
    party_give(p, a, &from, bytes, n);
    bytes[4] ^= 1;
    party_give(p, a, &from, bytes, OUTER_ANSWER_MIN - 1);
    bytes[2] = 1; /* no zero */
    party_give(p, a, &from, bytes, n);
    n = answer(p, number, number + 1, CONTROL_FOUND, good, owner, bytes);
    party_give(p, a, &from, bytes, n);
    n = answer(p, number, number, CONTROL_HOP, good, owner, bytes);
    party_give(p, a, &from, bytes, n);
    assert_int_equal(guest_dropped(a, DROP_TAG) - tags, 2);
    assert_int_equal(guest_dropped(a, DROP_UNASKED) - unasked, 1);
    assert_int_equal(guest_dropped(a, DROP_LENGTH) - lengths, 1);
    assert_int_equal(guest_dropped(a, DROP_MALFORMED) - malformed, 2);
    assert_int_equal(a->replies, 0);
    n = answer(p, number, number, CONTROL_FOUND, good, owner, bytes);
    party_give(p, a, &from, bytes, n);
    assert_int_equal(a->replies, 1);
    assert_int_equal(a->reply.err, OK);
    assert_true(id_equal(&a->reply.id, owner));
    party_give(p, a, &from, bytes, n); /* once more */
    assert_int_equal(a->replies, 1);
    assert_int_equal(guest_dropped(a, DROP_UNASKED) - unasked, 2);
    party_close(p);
}

/* Nothing about it is needed: what comes over the ring is believed as ever. */
static void without_it_the_ring_answers(void **state)
{
    struct party *p = three(4);
    struct guest *a = p->guests[0];
    (void)state;
    (void)asks(p);
    p->tap = NULL;
    party_run(p, SECONDS(2)); /* asked again */
    assert_int_equal(a->replies, 1);
    assert_int_equal(a->reply.err, OK);
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_owner_answers_where_the_question_says),
        cmocka_unit_test(nowhere_else),
        cmocka_unit_test(only_who_saw_the_question_is_believed),
        cmocka_unit_test(without_it_the_ring_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
