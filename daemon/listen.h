/* daemon/listen.h - where a node listens when nobody says, and whether a port is free. */
#pragma once
#include "base/rng.h"
#include "daemon/config.h"

void listen_default(struct config_listen *out, uint16_t port); /* 0.0.0.0 and [::] */
/* A random port 20000-60999 that is free for UDP and TCP on both families. */
bool listen_random(struct config_listen *out, struct rng *r, struct fail *f);
/* FAIL_IN_USE if one of them is taken; addresses that this host does not have pass. */
bool listen_free(const struct config_listen *l, struct fail *f);
