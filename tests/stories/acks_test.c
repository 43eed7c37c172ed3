/* Routed frames are acknowledged within 10 ms: in front of what goes to that neighbour anyway, else several in one datagram. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define DELAY_US MILLIS(20) /* of the wire */

struct count { /* of what goes from a to b, and back */
    const struct guest *a, *b;
    uint32_t there, back, lose;
};

static bool counted(struct party *p, struct letter *l)
{
    struct count *c = p->context;
    if (endpoint_equal(&l->to, &c->b->at)) c->there++;
    if (!endpoint_equal(&l->to, &c->a->at)) return true;
    c->back++;
    if (!c->lose) return true;
    c->lose--;
    return false;
}

static struct party *two(uint64_t seed, struct count *c)
{
    struct party *p = party_of(&crypto_fake, seed, 2, false, NULL);
    *c = (struct count){.a = p->guests[0], .b = p->guests[1]};
    p->delay_us = DELAY_US;
    party_run(p, SECONDS(20));
    assert_true(party_pings(p, p->guests[0], p->guests[1]));
    party_run(p, SECONDS(1));
    p->tap = counted;
    p->context = c;
    return p;
}

/* A frame from a that b only acknowledges: what it carries is of no use. */
static void routed(struct party *p, const struct count *c)
{
    static const uint8_t body[] = {KIND_CONTROL, 0xc0};
    struct guest *a = p->guests[0];
    struct routed r = {.mode = ROUTE_EXACT,
                       .ttl = 4,
                       .seq = (uint16_t)(100 + c->there),
                       .src = a->self.id,
                       .dst = c->b->self.id,
                       .body = body,
                       .body_len = sizeof body};
    uint8_t frame[128];
    size_t len = routed_write(frame, sizeof frame, &r);
    assert_true(guest_send(p, a, p->guests[1], NULL, frame, len));
}

static void find(struct party *p, struct guest *a)
{
    struct command c = {.type = CMD_ROUTE_TEST, .request = 7, .timeout_us = SECONDS(5)};
    c.target = (struct target){.kind = TARGET_ID, .network = -1, .id = p->guests[1]->self.id};
    a->replies = 0;
    party_step(p, a, &(struct event){.type = EV_COMMAND, .command = &c});
}

/* Frames that come within 10 ms are acknowledged by one datagram, 10 ms after the first. */
static void several_in_one(void **state)
{
    struct count c;
    struct party *p = two(1, &c);
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        routed(p, &c);
        c.there++; /* another number */
        party_run(p, MILLIS(1));
    }
    assert_int_equal(c.back, 0);
    party_run(p, MILLIS(4));
    assert_int_equal(c.back, 0);
    party_run(p, MILLIS(2));
    assert_int_equal(c.back, 1);
    assert_int_equal(guest_overlay(p->guests[1])->ack_count, 0);
    party_run(p, MILLIS(100));
    assert_int_equal(c.back, 1);
    party_close(p);
}

/* A question over one hop: the answer carries the question's acknowledgement, so there are three datagrams, and no more. */
static void with_the_answer(void **state)
{
    struct count c;
    struct party *p = two(2, &c);
    struct guest *a = p->guests[0];
    (void)state;
    find(p, a);
    assert_int_equal(guest_holds(a).inflight, 1);
    party_run(p, DELAY_US + MILLIS(1));
    assert_int_equal(c.there + c.back, 2);
    party_run(p, DELAY_US);
    assert_int_equal(guest_holds(a).inflight, 0);
    assert_int_equal(a->replies, 1);
    party_run(p, SECONDS(1));
    assert_int_equal(c.there, 2);
    assert_int_equal(c.back, 1);
    assert_int_equal(guest_holds(p->guests[1]).inflight, 0);
    assert_int_equal(guest_drops(a) + guest_drops(p->guests[1]), 0);
    party_close(p);
}

/* It rides in front of a PING, too, which is answered as any: to where it came from. */
static void with_a_ping(void **state)
{
    struct count c;
    struct party *p = two(3, &c);
    struct guest *a = p->guests[0], *b = p->guests[1];
    (void)state;
    routed(p, &c);
    party_command(p, b, CMD_PING, a);
    assert_int_equal(guest_overlay(b)->ack_count, 0);
    party_run(p, SECONDS(1));
    assert_int_equal(c.back, 1);
    assert_int_equal(c.there, 1); /* PONG, bare */
    assert_int_equal(b->replies, 1);
    assert_int_equal(b->reply.err, OK);
    assert_int_equal(b->reply.path, PATH_DIRECT);
    party_close(p);
}

/* The datagram that carries it is lost: the frame comes again, is known, and is acknowledged again. */
static void lost(void **state)
{
    struct count c;
    struct party *p = two(4, &c);
    struct guest *a = p->guests[0];
    (void)state;
    c.lose = 1;
    find(p, a);
    party_run(p, SECONDS(2));
    assert_int_equal(c.lose, 0);
    assert_int_equal(guest_holds(a).inflight, 0);
    assert_int_equal(a->replies, 1);
    assert_int_equal(a->reply.err, OK);
    assert_int_equal(guest_dropped(p->guests[1], DROP_DUPLICATE), 1);
    party_close(p);
}

/* Nothing that carries them grows beyond what a path of 1280 bytes lets through. */
static void only_where_there_is_room(void **state)
{
    struct count c;
    struct party *p = two(5, &c);
    struct overlay *o = guest_overlay(p->guests[1]);
    const struct link *l = guest_link(p->guests[1], p->guests[0]);
    uint8_t head[ACK_HEAD_MAX];
    (void)state;
    routed(p, &c);
    assert_int_equal(acks_take(o, l, ACK_WITH_MAX - 3, head), 0);
    assert_int_equal(o->ack_count, 1);
    assert_int_equal(acks_take(o, l, ACK_WITH_MAX - 4, head), 4);
    assert_int_equal(o->ack_count, 0);
    assert_int_equal(acks_take(o, l, 10, head), 0);
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(several_in_one),
        cmocka_unit_test(with_the_answer),
        cmocka_unit_test(with_a_ping),
        cmocka_unit_test(lost),
        cmocka_unit_test(only_where_there_is_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
