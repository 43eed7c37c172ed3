/* daemon/target.h - TARGET as a person writes it, to what the node looks up: an id, else an address, else a name.
 *
 * Names: `host`, `host.network`, `host.network.internal`. -n (params.network) chooses a network for addresses and names. */
#pragma once
#include "daemon/daemon.h"

bool target_read(const struct daemon *d, const struct json_t *params, struct target *out,
                 struct fail *f);
/* Whether a member that we know of has this name, id or address; it may be away. */
bool target_is_member(const struct daemon *d, const char *text);
/* What an answer's error means to whoever asked about `text`. Always false. */
bool target_failed(const struct daemon *d, const char *text, enum err e, struct fail *f);
