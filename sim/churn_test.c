#include "sim/churn.h"

#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DRAWS 200000
static uint64_t drawn[DRAWS];

static int compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

static void draw(enum churn_kind k, bool residual)
{
    struct rng r;
    uint8_t seed[32] = {(uint8_t)(7 + residual)};
    rng_seed(&r, seed);
    for (int i = 0; i < DRAWS; i++)
        drawn[i] = (residual ? churn_residual_us : churn_session_us)(k, MINUTES(60), &r);
    qsort(drawn, DRAWS, sizeof *drawn, compare);
}

static void at(int permille, double minutes)
{
    double us = (double)drawn[DRAWS / 1000 * permille], want = minutes * 60e6;
    assert_true(us > want * 0.97 && us < want * 1.03);
}

/* Quantiles by hand: for a median of 60 minutes. */
static void test_sessions(void **state)
{
    (void)state;
    draw(CHURN_EXPONENTIAL, false); /* -ln(1-p) / ln 2 */
    at(500, 60), at(250, 24.90), at(900, 199.3);
    draw(CHURN_WEIBULL, false); /* (ln(1-p) / ln 2)^2 */
    at(500, 60), at(250, 10.335), at(900, 662.1);
    draw(CHURN_PARETO, false); /* ((1-p)^(-1/3) - 1) / 0.259921 */
    at(500, 60), at(250, 23.23), at(900, 266.5);
}

/* What is left of a session that is met: P(Y > y) is the integral of P(X > x) from y on, over the mean. */
static void test_residuals(void **state)
{
    (void)state;
    draw(CHURN_EXPONENTIAL, true);
    at(500, 60), at(900, 199.3);
    draw(CHURN_WEIBULL,
         true); /* scale g^2, (1 + g) exp(-g) = 1-p: g 1.67835, 3.88972; scale 124.88 */
    at(500, 351.8), at(900, 1889.4);
    draw(CHURN_PARETO, true); /* ((1-p)^(-1/2) - 1) / 0.259921 */
    at(500, 95.62), at(900, 499.1);
}

static void test_means(void **state)
{
    (void)state;
    for (int k = CHURN_EXPONENTIAL; k <= CHURN_PARETO; k++) {
        draw((enum churn_kind)k, false);
        double sum = 0, mean = (double)churn_mean_us((enum churn_kind)k, MINUTES(60));
        for (int i = 0; i < DRAWS; i++) sum += (double)drawn[i];
        assert_true(sum / DRAWS > mean * 0.95 && sum / DRAWS < mean * 1.05);
        assert_true(drawn[DRAWS - 1] <= CHURN_MAX_US && drawn[0] >= 1);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_sessions),
        cmocka_unit_test(test_residuals),
        cmocka_unit_test(test_means),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
