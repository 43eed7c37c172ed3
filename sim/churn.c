#include "sim/churn.h"

#include "base/err.h"
#include "base/time.h"
#include "sim/measure.h"

/* Constants in millionths.
 * exponential: X = mean E; median = mean ln 2.
 * weibull:     X = scale E^2; median = scale ln^2 2; mean = 2 scale. Residual: its root is a sum of two
 *              exponentials (its density is proportional to exp(-sqrt(x))), so X = scale (E1 + E2)^2.
 * pareto:      P(X > x) = (1 + x/beta)^-3; X = beta (U^(-1/3) - 1); median = beta (2^(1/3) - 1); mean = beta / 2.
 *              Residual: the same with exponent 2, X = beta (U^(-1/2) - 1). */
#define LN2         693147u
#define LN2_SQUARED 480453u
#define PARETO_MED  259921u

/* --- roots --- */

__extension__ typedef unsigned __int128 wide;

static uint64_t square_root(wide v) /* of less than 2^126 */
{
    uint64_t root = 0;
    for (int bit = 62; bit >= 0; bit--) {
        uint64_t t = root | UINT64_C(1) << bit;
        if ((wide)t * t <= v) root = t;
    }
    return root;
}

static uint64_t cube_root(wide v) /* of less than 2^126 */
{
    uint64_t root = 0;
    for (int bit = 41; bit >= 0; bit--) {
        uint64_t t = root | UINT64_C(1) << bit;
        if ((wide)t * t * t <= v) root = t;
    }
    return root;
}

/* --- draws --- */

static uint64_t uniform(struct rng *r) /* 1 to 2^32, for U in (0, 1] */
{
    return rng_below(r, UINT64_C(1) << 32) + 1;
}

static uint64_t exponential(struct rng *r)
{
    return exponential_millionths(uniform(r));
}

static uint64_t bounded(uint64_t us)
{
    return us < CHURN_MAX_US ? us + 1 : CHURN_MAX_US;
}

/* scale * e^2, e in millionths */
static uint64_t scaled_square(uint64_t median_us, uint64_t e)
{
    return mul_div(mul_div(mul_div(median_us, MILLION, LN2_SQUARED), e, MILLION), e, MILLION);
}

/* beta * (root - 1), root in millionths */
static uint64_t shifted(uint64_t median_us, uint64_t root)
{
    uint64_t beta_us = mul_div(median_us, MILLION, PARETO_MED);
    return root > MILLION ? mul_div(beta_us, root - MILLION, MILLION) : 0;
}

/* 2^32 / u is 1 / U. Its roots in millionths: that of 10^12 / U, the third of 10^18 / U. */
static uint64_t inverse_root_2(uint64_t u)
{
    return square_root(((wide)UINT64_C(1000000000000) << 32) / u);
}

static uint64_t inverse_root_3(uint64_t u)
{
    return cube_root(((wide)UINT64_C(1000000000000000000) << 32) / u);
}

uint64_t churn_session_us(enum churn_kind k, uint64_t median_us, struct rng *r)
{
    switch (k) {
    case CHURN_EXPONENTIAL: return bounded(mul_div(median_us, exponential(r), LN2));
    case CHURN_WEIBULL: return bounded(scaled_square(median_us, exponential(r)));
    case CHURN_PARETO: return bounded(shifted(median_us, inverse_root_3(uniform(r))));
    }
    return CHURN_MAX_US;
}

uint64_t churn_residual_us(enum churn_kind k, uint64_t median_us, struct rng *r)
{
    switch (k) {
    case CHURN_EXPONENTIAL: return churn_session_us(k, median_us, r);
    case CHURN_WEIBULL: {
        uint64_t one = exponential(r);
        return bounded(scaled_square(median_us, one + exponential(r)));
    }
    case CHURN_PARETO: return bounded(shifted(median_us, inverse_root_2(uniform(r))));
    }
    return CHURN_MAX_US;
}

uint64_t churn_mean_us(enum churn_kind k, uint64_t median_us)
{
    switch (k) {
    case CHURN_EXPONENTIAL: return mul_div(median_us, MILLION, LN2);
    case CHURN_WEIBULL: return mul_div(median_us, 2 * MILLION, LN2_SQUARED);
    case CHURN_PARETO: return mul_div(median_us, MILLION, 2 * PARETO_MED);
    }
    return median_us;
}
