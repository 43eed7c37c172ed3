/* daemon/invites.h - the invites given here: a line each in networks/NAME/invites.
 *
 * An invite that cannot be recorded is not given: nobody could revoke what nobody remembers. A line that does not parse is
 * left out. The oldest go when the file is full (64 KiB). Slots spent are null here: only the ring knows (methods_invites.c). */
#pragma once
#include "daemon/deeds.h"

struct invite_note {
    char serial[33];
    uint64_t created_s, expires_s;
    uint32_t uses;
    char host[CERT_NAME_MAX + 1]; /* empty: free */
};
bool invites_add(const struct state *s, const char *network, const struct invite_note *note,
                 struct fail *f);
bool invites_list(struct state *s, const struct json_t *params, struct json_t *made,
                  struct fail *f); /* made: an array */
