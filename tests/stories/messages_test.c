/* Messages between whole nodes: there once whatever the wire does, within the limits of both ends, refused when they are not text. */
#include "overlay/seldom.h"
#include "tests/harness/party.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

static void say(struct party *p, struct guest *a, const struct guest *b, const char *text,
                uint64_t timeout_us)
{
    static uint32_t request;
    struct command c = {.type = CMD_SEND,
                        .request = ++request,
                        .target = {.kind = TARGET_ID, .network = -1, .id = b->self.id},
                        .timeout_us = timeout_us,
                        .text = text,
                        .text_len = (uint16_t)strlen(text)};
    party_step(p, a, &(struct event){.type = EV_COMMAND, .command = &c});
}

static void there_and_back(void **state)
{
    static const struct crypto *const both[] = {&crypto_fake, &crypto_real};
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct party *p = party_of(both[i], 1, 3, i == 0, NULL);
        struct guest *a = p->guests[1], *b = p->guests[2];
        char longest[NODE_TEXT_MAX + 1] = {0};
        memset(longest, 'x', NODE_TEXT_MAX);
        say(p, a, b, "grüße\xe2\x80\xa6", 0);
        party_run(p, SECONDS(1));
        assert_int_equal(a->replies, 1);
        assert_int_equal(a->reply.err, OK);
        assert_int_equal(a->reply.path, PATH_DIRECT);
        assert_true(a->reply.rtt_us >= 2 * p->delay_us);
        assert_int_equal(b->notices[NOTICE_MESSAGE], 1);
        assert_string_equal(b->text, "grüße\xe2\x80\xa6");
        assert_true(id_equal(&b->text_from, &a->self.id));
        say(p, b, a, longest, 0);
        party_run(p, SECONDS(1));
        assert_int_equal(b->reply.err, OK);
        assert_string_equal(a->text, longest);
        say(p, a, a, "to myself", 0);
        assert_int_equal(a->reply.err, OK);
        assert_string_equal(a->text, "to myself");
        party_close(p);
    }
}

/* A third of all datagrams are lost, a third come twice: each message is there once, and its sender knows. */
static void once_whatever_the_wire_does(void **state)
{
    (void)state;
    uint32_t repeats = 0;
    for (uint64_t seed = 1; seed <= 8; seed++) {
        struct party *p = party_of(&crypto_fake, seed, 3, false, NULL);
        struct guest *a = p->guests[1], *b = p->guests[2];
        p->loss_percent = p->double_percent = 33;
        p->jitter_us = MILLIS(30);
        for (uint32_t i = 1; i <= 8; i++) {
            say(p, a, b, "once", SECONDS(30));
            for (uint32_t k = 0; k < 150 && a->replies < i; k++) party_run(p, MILLIS(200));
            party_run(p, MILLIS(200)); /* for what comes twice */
            assert_int_equal(a->replies, i);
            assert_int_equal(a->reply.err, OK);
            assert_int_equal(b->notices[NOTICE_MESSAGE], i);
        }
        repeats += guest_dropped(b, DROP_DUPLICATE);
        party_close(p);
    }
    assert_true(repeats > 10); /* or this test tests nothing */
}

static bool nothing_to_the_third(struct party *p, struct letter *l)
{
    return !endpoint_equal(&l->to, &p->guests[2]->at);
}

/* Eight wait for their answer, more are refused; when their time is over nothing is left of them. */
static void few_wait(void **state)
{
    struct party *p = party_of(&crypto_fake, 3, 3, false, NULL);
    struct guest *a = p->guests[1], *b = p->guests[2];
    (void)state;
    struct holding before = guest_holds(a);
    p->tap = nothing_to_the_third;
    for (uint32_t i = 0; i < 8; i++) say(p, a, b, "anybody?", MILLIS(500));
    assert_int_equal(a->replies, 0);
    say(p, a, b, "one more", MILLIS(500));
    assert_int_equal(a->replies, 1);
    assert_int_equal(a->reply.err, ERR_FULL);
    party_run(p, SECONDS(1));
    assert_int_equal(a->replies, 9);
    assert_int_equal(a->reply.err, ERR_TIMEOUT);
    assert_int_equal(guest_holds(a).requests, before.requests);
    p->tap = NULL;
    party_close(p);
}

/* Ten at once, then one a second: more are told to wait, and get through by waiting. */
static void a_sender_is_slowed_down(void **state)
{
    struct party *p = party_of(&crypto_fake, 4, 3, false, NULL);
    struct guest *a = p->guests[1], *b = p->guests[2];
    (void)state;
    for (uint32_t i = 0; i < 10; i++) {
        say(p, a, b, "quick", MILLIS(300));
        party_run(p, MILLIS(50));
        assert_int_equal(a->reply.err, OK);
    }
    say(p, a, b, "too quick", MILLIS(300));
    party_run(p, MILLIS(350));
    assert_int_equal(a->replies, 11);
    assert_int_equal(a->reply.err, ERR_BUSY);
    assert_int_equal(b->notices[NOTICE_MESSAGE], 10);
    assert_int_equal(guest_dropped(b, DROP_RATE), 1);
    say(p, a, b, "patient", SECONDS(5));
    party_run(p, SECONDS(5));
    assert_int_equal(a->reply.err, OK);
    assert_string_equal(b->text, "patient");
    party_close(p);
}

/* What is no text is dropped, and not answered. */
static void no_text(void **state)
{
    struct party *p = party_of(&crypto_fake, 5, 3, false, NULL);
    struct guest *a = p->guests[1], *b = p->guests[2];
    static const struct {
        const char *bytes;
        size_t len;
    } bad[] = {
        {"\x04\x93\x11\x07\xa0", 5},       /* empty */
        {"\x04\x93\x11\x00\xa1x", 6},      /* number 0 */
        {"\x04\x93\x11\x07\xa2\xc3(", 7},  /* not UTF-8 */
        {"\x04\x93\x11\x07\xa3x\ny", 8},   /* two lines */
        {"\x04\x93\x11\x07\xa3\x1b[m", 8}, /* colours of a terminal */
        {"\x04\x93\x11\x07\xc4\x01x", 7},  /* not str */
        {"\x04\x92\x11\x07", 4},           /* no text at all */
        {"\x04\x93\x12\x07\x02", 5},       /* TAKEN, with a result there is not */
        {"\x04\x93\x12\xcf\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x7f\x00", 13},
    };
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        uint32_t malformed = guest_dropped(b, DROP_MALFORMED);
        assert_true(guest_send(p, a, b, NULL, bad[i].bytes, bad[i].len));
        assert_int_equal(guest_dropped(b, DROP_MALFORMED), malformed + 1);
    }
    assert_int_equal(b->notices[NOTICE_MESSAGE], 0);
    assert_false(overlay_text_ok("", 0));
    assert_false(overlay_text_ok("a\0b", 3));
    assert_false(overlay_text_ok("a\nb", 3));
    char more[NODE_TEXT_MAX + 1];
    memset(more, 'x', sizeof more);
    assert_false(overlay_text_ok(more, sizeof more));
    assert_true(overlay_text_ok(more, sizeof more - 1));
    party_close(p);
}

/* The answer counts only from whom the message was for. */
static void an_answer_of_somebody_else(void **state)
{
    struct party *p = party_of(&crypto_fake, 6, 3, false, NULL);
    struct guest *a = p->guests[0], *b = p->guests[1], *c = p->guests[2];
    (void)state;
    p->tap = nothing_to_the_third;
    say(p, a, c, "for c", SECONDS(2));
    uint32_t number = 0;
    for (uint16_t i = 0; i < guest_overlay(a)->common->limits.requests; i++)
        if (guest_overlay(a)->requests[i]) number = guest_overlay(a)->requests[i]->id;
    uint8_t frame[9] = {KIND_CONTROL, 0x93, CONTROL_TAKEN, 0xce};
    put_u32(frame + 4, number);
    assert_true(number > 0xffff); /* so is its spelling the shortest */
    assert_true(guest_send(p, b, a, NULL, frame, sizeof frame));
    assert_int_equal(guest_dropped(a, DROP_UNASKED), 1);
    assert_int_equal(a->replies, 0);
    party_run(p, SECONDS(3));
    assert_int_equal(a->reply.err, ERR_TIMEOUT);
    p->tap = NULL;
    party_close(p);
}

/* What b passes on to a of a broadcast that it says is c's; is it shown? */
static bool shown(struct party *p, uint32_t number, uint64_t at_s, int spoil)
{
    struct guest *a = p->guests[0], *b = p->guests[1], *c = p->guests[2];
    uint8_t frame[1200];
    struct party_broadcast one = {.number = number,
                                  .at_s = at_s,
                                  .left_ms = 5000,
                                  .start = a->self.id,
                                  .end = a->self.id,
                                  .text = "from c"};
    size_t len = party_broadcast(p, c, &one, frame);
    uint32_t before = a->notices[NOTICE_MESSAGE];
    assert_true(len > 0);
    if (spoil >= 0) frame[(size_t)spoil < len ? (size_t)spoil : len - 1] ^= 1;
    assert_true(guest_send(p, b, a, NULL, frame, len));
    if (a->notices[NOTICE_MESSAGE] == before) return false;
    assert_int_equal(a->notices[NOTICE_MESSAGE], before + 1);
    assert_true(id_equal(&a->text_from, &c->self.id));
    return true;
}

/* A member on the way can change nothing of what the origin signed, nor show it twice, nor keep it for another day. */
static void a_broadcast_is_its_origins(void **state)
{
    struct party *p = party_of(&crypto_real, 8, 3, false, NULL);
    struct guest *a = p->guests[0];
    (void)state;
    assert_true(shown(p, 1, CALENDAR_S, -1));
    assert_false(shown(p, 1, CALENDAR_S, -1)); /* once */
    uint32_t denied = guest_dropped(a, DROP_DENIED);
    assert_false(shown(p, 2, CALENDAR_S, 1200)); /* the text */
    assert_false(shown(p, 2, CALENDAR_S, 3));    /* the number */
    assert_false(shown(p, 2, CALENDAR_S, 50));   /* a key of the origin */
    assert_false(shown(p, 2, CALENDAR_S, 100));  /* the signature */
    assert_false(shown(p, 2, CALENDAR_S - 90000, -1));
    assert_false(shown(p, 2, CALENDAR_S + 90000, -1));
    assert_int_equal(guest_dropped(a, DROP_DENIED), denied + 6);
    assert_true(shown(p, 2, CALENDAR_S, -1)); /* what was refused does not stand in its way */
    assert_true(shown(p, 3, 0, -1));          /* an origin without a calendar */
    party_run(p, SECONDS(20));
    assert_int_equal(broadcasts_held(guest_overlay(a)), 0);
    party_close(p);
}

/* Who sent last is remembered, who was silent longest is forgotten. */
static void senders(void **state)
{
    struct party *p = party_of(&crypto_fake, 7, 1, false, NULL);
    struct overlay *o = guest_overlay(p->guests[0]);
    (void)state;
    for (uint8_t i = 1; i <= SENDERS_MAX; i++) {
        struct sender *s = sender_of(o, i, &(struct id){{i}});
        assert_false(sender_seen(s, 9));
        sender_note(s, 9);
    }
    assert_true(sender_seen(sender_of(o, 50, &(struct id){{1}}), 9));
    assert_false(sender_seen(sender_of(o, 51, &(struct id){{77}}), 9)); /* in the place of 2 */
    assert_false(sender_seen(sender_of(o, 52, &(struct id){{2}}), 9));  /* in the place of 3 */
    struct sender *s = sender_of(o, 53, &(struct id){{1}});
    for (uint32_t i = 0; i < SENDER_RECENT; i++) sender_note(s, 100 + i);
    assert_true(sender_seen(s, 100) && !sender_seen(s, 9) && !sender_seen(s, 0));
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(there_and_back),
        cmocka_unit_test(once_whatever_the_wire_does),
        cmocka_unit_test(few_wait),
        cmocka_unit_test(a_sender_is_slowed_down),
        cmocka_unit_test(no_text),
        cmocka_unit_test(an_answer_of_somebody_else),
        cmocka_unit_test(a_broadcast_is_its_origins),
        cmocka_unit_test(senders),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
