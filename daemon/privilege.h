/* daemon/privilege.h - from root to a plain user that may still configure its devices.
 *
 * Before: the state directory is given to that user, but for ringlet.conf, which names the user: it keeps its owner,
 * and one that is not root's may name only its owner. So a daemon that was taken over, which can write its directory,
 * cannot choose whom root becomes at the next start. After: only CAP_NET_ADMIN and CAP_NET_BIND_SERVICE are left, and
 * no program that is started can gain any (no_new_privs). Started by a plain user, nothing changes but no_new_privs.
 * System calls directly: no library needed. Errors: FAIL_PERMISSION, FAIL_CONFIG (no such user). */
#pragma once
#include "daemon/state.h"

/* user empty: ringlet, else nobody. owner: whose the file is in which it stands. */
bool privilege_drop(const struct state *s, const char *user, uid_t owner, struct fail *f);
/* Is there whom to become? user as above. */
bool privilege_known(const char *user, struct fail *f);
