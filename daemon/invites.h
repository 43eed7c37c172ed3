/* daemon/invites.h - the invites given here: a line each in networks/NAME/invites.
 *
 * Only a person's memory: nothing depends on it, so a line that cannot be written is not an error, and one that does not
 * parse is left out. Slots spent are those of known members; null when no daemon knows any. */
#pragma once
#include "daemon/deeds.h"

struct invite_note {
    char serial[33];
    uint64_t created_s, expires_s;
    uint32_t uses;
    char host[CERT_NAME_MAX + 1]; /* empty: free */
};
void invites_add(const struct state *s, const char *network, const struct invite_note *note);
bool invites_list(struct state *s, const struct json_t *params, struct json_t *made,
                  struct fail *f); /* made: an array */
