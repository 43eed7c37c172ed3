/* What a person asks: a name that the ring does not know yet, a node that nobody reaches yet, what became of a peer. */
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static void ask(struct party *p, struct guest *g, uint8_t type, const char *name,
                uint64_t timeout_us)
{
    struct command c = {.type = type, .request = 7, .timeout_us = timeout_us};
    c.target = (struct target){.kind = TARGET_NAME, .network = -1};
    snprintf(c.target.name.s, sizeof c.target.name.s, "%s", name);
    party_step(p, g, &(struct event){.type = EV_COMMAND, .command = &c});
}

/* How long until it is answered, at most 20 s. */
static uint64_t answered_after(struct party *p, const struct guest *g)
{
    uint64_t begun_us = p->now_us;
    while (!g->replies && p->now_us < begun_us + SECONDS(20)) party_run(p, MILLIS(50));
    return p->now_us - begun_us;
}

/* `ringlet ping n2` while n2 is only joining. */
static void a_name_that_comes_is_waited_for(void **state)
{
    struct party *p = party_of(&crypto_fake, 1, 2, false, NULL);
    struct guest *a = p->guests[1];
    (void)state;
    ask(p, a, CMD_PING, "n2", SECONDS(10));
    party_run(p, SECONDS(1));
    assert_int_equal(a->replies, 0);
    party_guest(p, &(struct guest_options){.seeds = {1}});
    assert_true(answered_after(p, a) < SECONDS(3));
    assert_int_equal(a->reply.err, OK);
    assert_true(id_equal(&a->reply.id, &p->guests[2]->self.id));
    party_close(p);
}

/* A ring that is whole and knows nobody of that name is believed before the question's time is over, but not at once. */
static void a_name_of_nobody_is_said_to_be(void **state)
{
    struct party *p = party_of(&crypto_fake, 2, 3, false, NULL);
    struct guest *a = p->guests[1];
    (void)state;
    ask(p, a, CMD_PING, "nobody", SECONDS(10));
    uint64_t us = answered_after(p, a);
    assert_int_equal(a->reply.err, ERR_NOT_FOUND);
    assert_true(us >= SECONDS(3) && us <= SECONDS(6));
    a->replies = 0;
    ask(p, a, CMD_LOOKUP, "nobody", SECONDS(1));
    assert_true(answered_after(p, a) <= MILLIS(1100)); /* its own time is the bound */
    assert_int_equal(a->reply.err, ERR_NOT_FOUND);
    party_close(p);
}

/* A way to a node is looked for as long as an answer is waited for: handshakes that find nobody do not end it. */
static void a_way_is_looked_for_all_the_time(void **state)
{
    struct party *p = party_of(&crypto_fake, 3, 3, false, NULL);
    struct guest *a = p->guests[1];
    struct command ping = {.type = CMD_PING, .request = 7, .timeout_us = SECONDS(15)};
    (void)state;
    ping.target = (struct target){.kind = TARGET_ID, .network = -1, .id = {.b = {1, 2, 3}}};
    party_step(p, a, &(struct event){.type = EV_COMMAND, .command = &ping});
    uint64_t us = answered_after(p, a);
    assert_true(us >= SECONDS(14) && us <= SECONDS(16));
    assert_int_equal(a->reply.err, ERR_TIMEOUT);
    party_close(p);
}

static bool nothing_to_b(struct party *p, struct letter *l)
{
    return !endpoint_equal(&l->to, &p->guests[1]->at);
}

/* A peer is up once, whatever new keys it gets and whoever wants it; members tell when it was there. */
static void a_peer_comes_and_goes_once(void **state)
{
    struct party *p = party_of(&crypto_fake, 4, 2, false, NULL);
    struct guest *a = p->guests[0], *b = p->guests[1];
    struct member_view m;
    uint32_t cursor = 0;
    (void)state;
    for (unsigned i = 0; i < 5; i++) {
        assert_true(party_pings(p, a, b));
        party_run(p, SECONDS(60)); /* used: new keys every two minutes */
    }
    assert_int_equal(a->notices[NOTICE_PEER_UP], 1);
    assert_true(node_member_next(a->node, &cursor, &m) && m.self && m.up);
    assert_true(node_member_next(a->node, &cursor, &m) && !m.self && m.up && m.seen_us == 0);
    party_command(p, b, CMD_LEAVE, a);
    p->tap = nothing_to_b; /* its program ends */
    party_run(p, SECONDS(1));
    assert_int_equal(a->notices[NOTICE_PEER_DOWN], 1);
    cursor = 1 * NETWORKS_MAX; /* behind ourselves */
    assert_true(node_member_next(a->node, &cursor, &m) && !m.up);
    assert_true(p->now_us - m.seen_us <= SECONDS(1));
    party_close(p);
}

/* `why`: the endpoint in use is always told, once; of oneself, one's own NAT. */
static void why_names_what_is_in_use(void **state)
{
    struct party *p = party_of(&crypto_fake, 5, 3, false, NULL);
    struct guest *a = p->guests[1];
    char at[ENDPOINT_TEXT];
    (void)state;
    for (uint32_t i = 0; i < p->count; i++) {
        struct why_view v;
        unsigned used = 0;
        if (p->guests[i] == a || !guest_link(a, p->guests[i])) continue;
        assert_true(node_why(a->node, p->now_us, &p->guests[i]->self.id, &v));
        assert_int_equal(v.path, PATH_DIRECT);
        assert_true(v.name.s[0] == 'n');
        assert_non_null(strstr(v.verdict, endpoint_print(&p->guests[i]->at, at)));
        for (uint8_t k = 0; k < v.tried_count; k++)
            used += strcmp(v.tried[k].result, "answers, in use") == 0;
        assert_int_equal(used, 1);
    }
    struct why_view v;
    struct node_view n;
    node_view(a->node, &n);
    assert_true(node_why(a->node, p->now_us, &a->self.id, &v));
    assert_int_equal(v.local_mapping, n.mapping);
    assert_int_not_equal(n.mapping, NAT_UNKNOWN);
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_name_that_comes_is_waited_for),
        cmocka_unit_test(a_name_of_nobody_is_said_to_be),
        cmocka_unit_test(a_way_is_looked_for_all_the_time),
        cmocka_unit_test(a_peer_comes_and_goes_once),
        cmocka_unit_test(why_names_what_is_in_use),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
