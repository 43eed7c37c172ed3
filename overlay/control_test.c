/* Words of peers about others: who may say that somebody is dead. */
#include "overlay/dht_testing.h"

/* As if it had come from that link's peer. */
static void says_dead(struct net *n, uint32_t i, struct link *by, const struct id *who)
{
    uint8_t frame[64];
    struct arrival a = {.link = by};
    struct pack k = control_pack(frame, sizeof frame, CONTROL_DEAD, 2);
    pack_bin(&k, who->b, ID_SIZE);
    on_control(node(n, i), n->now_us, by, &a, frame, k.len + 1, &n->out);
}

/* How many of the others are in doubt, and so no way for "who is nearest to me"? */
static uint32_t doubted(struct net *n, uint32_t i, uint8_t kinds)
{
    struct overlay *o = node(n, i);
    struct link *by = order_at(o, 0);
    uint32_t count = 0;
    run(n, SECONDS(5)); /* nothing was heard for a round trip */
    by->kinds = kinds;
    for (uint16_t k = 1; k < o->up_count; k++) {
        struct id id = *link_id(o, order_at(o, k));
        says_dead(n, i, by, &id);
    }
    for (uint16_t k = 1; k < o->up_count; k++) count += order_at(o, k)->tries > 1;
    settle(n, i);
    return count;
}

static void only_a_neighbour_is_asked_after(void **state)
{
    (void)state;
    struct net *n = ring_of(6);
    run(n, SECONDS(30));
    assert_int_equal(doubted(n, 3, KIND_LEAF), 0);
    assert_true(doubted(n, 3, KIND_NEAR) > 0);
    net_free(n);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(only_a_neighbour_is_asked_after)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
