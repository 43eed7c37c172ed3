#include "sim/scenario.h"

#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct scenario s;
static char error[SCENARIO_ERROR];

static bool parse(const char *text)
{
    return scenario_parse(&s, "x.sim", text, strlen(text), error);
}

/* The example of the interface's page, all of it. */
static const char example[] =
    "nodes 10000\n"
    "network regions 6 loss 1%                # or: constant 50ms | matrix FILE\n"
    "nat none 20% full-cone 40% restricted 10% port-restricted 20% symmetric 10%      # natlab's\n"
    "at 0s    join all over 10s seeds 3\n"
    "at 60s   lookups 100000 over 60s\n"
    "at 150s  kill 30%\n"
    "at 200s  partition 50% for 10m\n"
    "at 900s  churn exponential median 60m for 1h\n"
    "at 950s  put 1000 ttl 2h\n"
    "end 2h\n"
    "expect ring complete by 30s\n"
    "expect ring complete after kill within 30s\n"
    "expect lookups ok >= 99.99%\n"
    "expect hops mean <= 0.43 log2n\n"
    "expect upkeep mean <= 80 B/s\n";

static void test_example(void **state)
{
    (void)state;
    assert_true(parse(example));
    assert_int_equal(s.nodes, 10000);
    assert_int_equal(s.network.model, NETWORK_REGIONS);
    assert_int_equal(s.network.regions, 6);
    assert_int_equal(s.network.loss, 10000);
    assert_int_equal(s.nat.share[NAT_TYPE_FULL_CONE], 400000);
    assert_int_equal(s.end_us, HOURS(2));
    assert_int_equal(s.phase_count, 6);
    assert_int_equal(s.phases[0].kind, PHASE_JOIN);
    assert_true(s.phases[0].all);
    assert_int_equal(s.phases[0].seeds, 3);
    assert_string_equal(s.phases[2].text, "kill 30%");
    assert_int_equal(s.phases[3].over_us, MINUTES(10));
    assert_int_equal(s.phases[4].median_us, MINUTES(60));
    assert_int_equal(s.phases[5].ttl_us, HOURS(2));
    assert_int_equal(s.expect_count, 5);
    assert_int_equal(s.expects[1].after, PHASE_KILL);
    assert_int_equal(s.expects[2].limit, 999900);
    assert_true(s.expects[2].at_least);
    assert_true(s.expects[3].log2n);
    assert_int_equal(s.expects[3].limit, 430000);
    assert_int_equal(s.expects[4].limit, 80000000);
    assert_string_equal(s.expects[4].text, "upkeep mean <= 80 B/s");
}

static void test_every_expectation(void **state)
{
    (void)state;
    static const char *const good[] = {
        "ring complete by 30s",    "ring complete after partition within 30s",
        "ring complete",           "rings <= 1",
        "lookups ok >= 99.9%",     "lookups wrong <= 0",
        "hops mean <= 0.43 log2n", "hops p99 <= 12",
        "hops max <= 20",          "latency p50 <= 200ms",
        "stretch mean <= 2.5",     "upkeep p99 <= 300 B/s",
        "links direct >= 95%",     "records lost <= 0",
        "records put >= 1000",
    };
    static const char *const bad[] = {
        "",
        "luck",
        "ring complete by",
        "ring complete after lookups within 3s",
        "ring complete after kill",
        "ring complete now",
        "rings 1",
        "rings <= 50%",
        "lookups ok >= 99",
        "lookups ok = 99%",
        "hops <= 12",
        "hops mean <= 12 B/s",
        "upkeep mean <= 80",
        "upkeep mean <= 80 b/s",
        "latency p50 <= 200",
        "hops mean <= 0.43 log2n more",
    };
    char text[256];
    for (size_t i = 0; i < sizeof good / sizeof good[0]; i++) {
        snprintf(text, sizeof text, "nodes 2\nend 1s\nexpect %s\n", good[i]);
        assert_true(parse(text));
        assert_int_equal(s.expect_count, 1);
        assert_string_equal(s.expects[0].text, good[i]);
    }
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        snprintf(text, sizeof text, "nodes 2\nend 1s\nexpect %s\n", bad[i]);
        assert_false(parse(text));
        assert_int_equal(strncmp(error, "x.sim:3: ", 9), 0);
    }
}

static void test_refusals(void **state)
{
    (void)state;
    static const struct {
        const char *text, *error;
    } cases[] = {
        {"end 1s\n", "x.sim: it does not say how many nodes: nodes 1000"},
        {"nodes 5\n", "x.sim: it does not say when to end: end 10m"},
        {"nodes 0\nend 1s\n", "x.sim:1: nodes must be 1 to 4000000"},
        {"nodes 5 6\nend 1s\n", "x.sim:1: too much: `6`"},
        {"nodes 5\nnodes 6\n", "x.sim:2: nodes was said on line 1"},
        {"\n\nwhat 5\n", "x.sim:3: `what` is none of nodes network nat clock upkeep at end expect"},
        {"nodes 5\nat 2s kill 5%\nend 9s\n", "x.sim:2: no node has joined by then"},
        {"nodes 5\nat 2s join 6\nend 9s\n", "x.sim:2: 6 nodes would have joined, of 5"},
        {"nodes 5\nat 2s join all over 9s\nend 9s\n", "x.sim:2: not over before the end"},
        {"nodes 5\nat 2s join all\nat 3s join 1\nend 9s\n",
         "x.sim:3: all nodes have joined by then"},
        {"nodes 5\nnat none 50%\n", "x.sim:2: the shares of the kinds of NAT must make 100%"},
        {"nodes 5\nnat none 100% hosts 17\n",
         "x.sim:2: hosts wants how many stand behind each box, 1 to 16: hosts 3"},
        {"nodes 5\nnat none 100% behind 5%\n",
         "x.sim:2: behind wants a share of the boxes: behind cgn 20% homes 8"},
        {"nodes 5\nnat best 100%\n", "x.sim:2: no such kind of NAT"},
        {"nodes 5\nat 5s dance\n", "x.sim:2: after the time comes join, lookups, kill, leave, "
                                   "partition, churn, hostile or put"},
        {"nodes 5\nnetwork constant\n",
         "x.sim:2: constant wants a latency one way: network constant 50ms"},
        {"nodes 5\nat 1s partition 50% 5s\n",
         "x.sim:2: partition wants shares and a time: partition 50% for 10m"},
        {"nodes 5\nat 1s partition 50% 60% for 5s\n",
         "x.sim:2: the shares of a partition make more than 100%"},
        {"nodes 5\nat 1s partition 1% 1% 1% 1% 1% 1% 1% 1% for 5s\n",
         "x.sim:2: partition makes at most 8 sides"},
        {"nodes 5\nat 1s churn normal median 5m for 1h\n",
         "x.sim:2: churn wants a distribution, a median session and a time: churn exponential "
         "median 60m for 1h"},
        {"nodes 5\nat 1s hostile 5% smile\n",
         "x.sim:2: hostile wants a share and what they do: hostile 10% drop|misroute|lie|flood "
         "[for 5m]"},
        {"nodes 5\nat 1s hostile 5% flood\n",
         "x.sim:2: flood wants a time: hostile 1% flood for 60s"},
        {"nodes 5\nnetwork regions 9\n",
         "x.sim:2: regions wants how many, 1 to 8: network regions 6"},
        {"nodes 5\nnetwork constant 5ms bandwidth 10\n",
         "x.sim:2: bandwidth wants a rate, at least 1kbit: bandwidth 10Mbit"},
        {"nodes 5\nnetwork constant 5ms bandwidth 0.1kbit\n",
         "x.sim:2: bandwidth wants a rate, at least 1kbit: bandwidth 10Mbit"},
        {"nodes 5\nnetwork constant 5ms reach 0%\n",
         "x.sim:2: reach wants the share of the pairs that hear each other, more than 0%: reach "
         "70%"},
        {"nodes 5\nclock skew 2000h\n",
         "x.sim:2: clock wants the greatest error of a node's calendar, at most 1000h: clock skew "
         "2h"},
        {"nodes 5\nat 0s join all\nat 1s put 5 ttl 25h\n",
         "x.sim:3: put wants a number and a life time, 1s to 24h: put 1000 ttl 2h"},
        {"nodes 5\nat 0s join all\nat 1s lookups 5 records\nat 2s put 5 ttl 1h\nend 9s\n",
         "x.sim:3: no record was put by then"},
        {"nodes 5\nupkeep 20s\n", "x.sim:2: upkeep wants when its window begins: upkeep from 60s"},
        {"nodes 5\nupkeep from 9s\nend 9s\n", "x.sim:2: not before the end"},
        {"nodes 5\nclock skew 2h\nclock skew 3h\n", "x.sim:3: clock was said on line 2"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        assert_false(parse(cases[i].text));
        assert_string_equal(error, cases[i].error);
    }
}

/* Phases are held by time, and in written order where the times are equal. */
static void test_order(void **state)
{
    (void)state;
    assert_true(
        parse("nodes 9\nat 0s join all\nat 9s kill 1%\nat 5s kill 2%\nat 9s leave 3%\nend 10s\n"));
    static const uint32_t lines[] = {2, 4, 3, 5};
    assert_int_equal(s.phase_count, 4);
    for (unsigned i = 0; i < 4; i++) assert_int_equal(s.phases[i].line, lines[i]);
}

static void test_defaults(void **state)
{
    (void)state;
    assert_true(parse("nodes 9\nend 10s\n"));
    assert_int_equal(s.network.model, NETWORK_CONSTANT);
    assert_int_equal(s.network.latency_us, MILLIS(50));
    assert_int_equal(s.nat.share[NAT_TYPE_NONE], MILLION);
    assert_true(s.nat.hosts == 1 && s.nat.homes == 8 && !s.nat.hairpin && !s.nat.behind);
}

static void test_lookups_at(void **state)
{
    (void)state;
    assert_true(parse(
        "nodes 10\nat 0s join all\nat 30s lookups 5 pairs over 1s\nat 60s lookups 5\nend 90s\n"
        "expect lookups at 60s ok >= 100%\nexpect lookups at 30s wrong <= 0\n"));
    assert_true(s.phases[1].pairs && !s.phases[2].pairs);
    assert_int_equal(s.expects[0].metric, METRIC_LOOKUPS_OK);
    assert_true(s.expects[0].at_given);
    assert_int_equal(s.expects[0].at_us, SECONDS(60));
    assert_string_equal(s.expects[0].text, "lookups at 60s ok >= 100%");
    assert_int_equal(s.expects[1].metric, METRIC_LOOKUPS_WRONG);
    assert_int_equal(s.expects[1].at_us, SECONDS(30));
    assert_false(parse("nodes 10\nat 0s join all\nat 30s lookups 5\nend 90s\n"
                       "expect lookups at 60s ok >= 100%\n"));
    assert_string_equal(error, "x.sim:5: no look-ups begin at that time");
    assert_false(parse("nodes 10\nat 0s join all\nend 90s\nexpect lookups at ok >= 100%\n"));
}

static void test_records(void **state)
{
    (void)state;
    assert_true(parse("nodes 10\nat 0s join all\nat 10s put 20 ttl 90s over 5s\n"
                      "at 30s lookups 5 records over 1s\nend 90s\n"));
    assert_int_equal(s.phases[1].count, 20);
    assert_int_equal(s.phases[1].ttl_us, SECONDS(90));
    assert_int_equal(s.phases[1].over_us, SECONDS(5));
    assert_true(s.phases[2].records && !s.phases[2].pairs);
    assert_true(parse("nodes 10\nnat none 100% homes 4\nend 90s\n")); /* each option by itself */
    assert_int_equal(s.nat.homes, 4);
}

static void test_models(void **state)
{
    (void)state;
    assert_true(parse(
        "nodes 10\nnetwork matrix king.txt loss 1% bandwidth 1.5Mbit reach 70%\nclock skew 2h\n"
        "nat upnp 50% udp-blocked 50% timeout 60s hosts 3 hairpin 30% behind cgn 20% homes 4\nat "
        "0s join all\n"
        "at 30s partition 33% 33% for 10s\nat 50s hostile 10% lie for 5s\n"
        "at 60s churn weibull median 10m leave 50% for 5s\n"
        "at 70s churn pareto median 10m for 5s\nend 90s\n"));
    assert_int_equal(s.network.model, NETWORK_MATRIX);
    assert_string_equal(s.network.matrix, "king.txt");
    assert_int_equal(s.network.bits_per_s, 1500000);
    assert_int_equal(s.network.reach, 700000);
    assert_int_equal(s.nat.timeout_us, SECONDS(60));
    assert_true(s.nat.hosts == 3 && s.nat.hairpin == 300000 && s.nat.behind == 200000 &&
                s.nat.homes == 4);
    assert_int_equal(s.skew_us, HOURS(2));
    assert_int_equal(s.phases[1].side_count, 2);
    assert_int_equal(s.phases[1].sides[1], 330000);
    assert_int_equal(s.phases[2].hostility, HOSTILE_LIE);
    assert_int_equal(s.phases[3].churn, CHURN_WEIBULL);
    assert_int_equal(s.phases[3].share, 500000);
    assert_int_equal(s.phases[4].churn, CHURN_PARETO);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_example),  cmocka_unit_test(test_every_expectation),
        cmocka_unit_test(test_refusals), cmocka_unit_test(test_order),
        cmocka_unit_test(test_defaults), cmocka_unit_test(test_lookups_at),
        cmocka_unit_test(test_records),  cmocka_unit_test(test_models),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
