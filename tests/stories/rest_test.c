/* A ring at rest: how often its nodes wake, and what comparing far links costs (docs/decisions/0029). */
#include "sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

static void run(struct world *w, uint64_t us)
{
    uint64_t until_us = w->now_us + us;
    while (world_advance(w, until_us)) {}
}

static struct world *ring_of(uint32_t nodes, const struct network_spec *network)
{
    struct world_config c = {.seed = 7,
                             .crypto = &crypto_fake,
                             .limits = limits_sim,
                             .network = *network,
                             .nodes = nodes};
    c.limits.lookahead = 32;
    c.nat.share[NAT_TYPE_NONE] = 1000000;
    struct world *w = world_new(&c);
    for (uint32_t i = 0; i < nodes; i++) {
        world_start(w, 3);
        run(w, SECONDS(5) / nodes);
    }
    return w;
}

/* Each datagram that arrives is a step, and so is each time a timer goes off. Links are asked in rounds, and an answer leaves no timer
 * behind that wakes its node for nothing: before, a node woke 0.9 times a second. */
static void a_node_wakes_seldom(void **state)
{
    const uint32_t nodes = 60, seconds = 600;
    struct world *w = ring_of(
        nodes, &(struct network_spec){.model = NETWORK_CONSTANT, .latency_us = MILLIS(30)});
    (void)state;
    run(w, MINUTES(15));
    uint64_t steps = w->steps, arrived = w->net_counts[NET_ARRIVED];
    run(w, SECONDS(seconds));
    arrived = w->net_counts[NET_ARRIVED] - arrived;
    uint64_t woke = w->steps - steps - arrived;
    printf("  each node woke %.2f times a second, besides %.2f arrivals\n",
           (double)woke / nodes / seconds, (double)arrived / nodes / seconds);
    assert_true(woke * 5 <= (uint64_t)nodes * seconds);
    world_free(w);
}

/* Whether a candidate is nearer than the far link that is held is known when its HELLO2 comes. Most are not, and that was all. */
static void a_slow_candidate_is_no_link(void **state)
{
    const uint32_t nodes = 200;
    struct world *w = ring_of(nodes,
                              &(struct network_spec){.model = NETWORK_REGIONS, .regions = 6});
    (void)state;
    run(w, MINUTES(3));
    world_window(w);
    run(w, MINUTES(12));
    const uint64_t *sent = w->traffic.datagrams[WAY_DIRECT];
    printf("  %llu answers to candidates, %llu of them became links\n",
           (unsigned long long)sent[TRAFFIC_HELLO2], (unsigned long long)sent[TRAFFIC_HELLO3]);
    assert_true(sent[TRAFFIC_HELLO2] > nodes);
    assert_true(sent[TRAFFIC_HELLO3] * 3 < sent[TRAFFIC_HELLO2] * 2);
    world_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_wakes_seldom),
        cmocka_unit_test(a_slow_candidate_is_no_link),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
