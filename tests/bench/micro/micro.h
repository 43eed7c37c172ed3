/* tests/bench/micro/micro.h - a step is measured: what it costs, as a JSON object in a line (micro.c). */
#pragma once
#include <stdint.h>

typedef void job(void *context, uint32_t bytes);

/* `one` many times over, if `name` is wanted. */
void micro_run(const char *name, uint32_t bytes, job *one, void *context);
/* hops.c; what was computed, so that it is used */
uint64_t micro_hops(void);
