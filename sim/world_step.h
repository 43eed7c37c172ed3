/* sim/world_step.h - one step of one node, and where its datagrams go. Only world.c and run.c call it. */
#pragma once
#include "sim/world.h"

void world_step(struct world *w, uint32_t node, const struct event *e);
