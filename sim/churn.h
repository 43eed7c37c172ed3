/* sim/churn.h - how long nodes stay: sessions drawn from three distributions with a given median, without floating point.
 *
 *   exponential   memoryless
 *   weibull       shape 1/2: many short sessions and some very long ones, as measured in file sharing networks (shapes of 0.34 to 0.59;
 *                 Stutzbach, Rejaie, "Understanding churn in peer-to-peer networks", IMC 2006)
 *   pareto        shifted, shape 3 (Yao, Leonard, Wang, Loguinov, "Modeling heterogeneous user churn", ICNP 2006, as OverSim has it)
 *
 * Nodes that are there when churn begins are met in the middle of a session: what is left of it has another
 * distribution, the residual one, in which long sessions weigh more.
 *
 * Units: microseconds. Owns: nothing. Errors: none; lives are at most CHURN_MAX_US. Cost: some shifts and multiplications. */
#pragma once
#include "base/rng.h"
#include "sim/scenario.h"

#define CHURN_MAX_US (UINT64_C(3650) * 86400 * MILLION)
uint64_t churn_session_us(enum churn_kind k, uint64_t median_us, struct rng *r);
uint64_t churn_residual_us(enum churn_kind k, uint64_t median_us, struct rng *r);
uint64_t churn_mean_us(enum churn_kind k, uint64_t median_us); /* of a session */
