/* daemon/privilege.h - from root to a plain user that may still configure its devices.
 *
 * Before: the state directory is given to that user. After: only CAP_NET_ADMIN and CAP_NET_BIND_SERVICE are left, and
 * no program that is started can gain any (no_new_privs). Started by a plain user, nothing changes but no_new_privs.
 * System calls directly: no library needed. Errors: FAIL_PERMISSION, FAIL_CONFIG (no such user). */
#pragma once
#include "daemon/state.h"

bool privilege_drop(const struct state *s, const char *user,
                    struct fail *f); /* user empty: ringlet, else nobody */
