/* daemon/configcheck.h - `config check`: is ringlet.conf right, and what holds. For the command line and the daemon. */
#pragma once
#include "daemon/config.h"
#include "daemon/json.h"
#include "daemon/state.h"

bool config_check(struct state *s, const struct json_t *params, struct json_t *made,
                  struct fail *f);
/* The file of this directory; absent: the defaults. */
bool config_read(const struct state *s, struct config *out, struct fail *f);
