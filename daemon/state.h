/* daemon/state.h - the state directory: one node on one overlay, reached through a held directory descriptor.
 *
 * Everything is named relative to the directory (openat), so it goes on working after privileges were dropped below a
 * parent that is closed to us, and if the directory is renamed. Files are replaced atomically: written beside, synced,
 * renamed, the directory synced. What does not parse is never overwritten: readers say so and stop.
 *
 * Owns: its descriptors. Errors: false and a struct fail that names the file. */
#pragma once
#include "daemon/fail.h"
#include "overlay/cert.h"
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

#define STATE_PATH_MAX 3072
#define STATE_CONF     "ringlet.conf"
struct state {
    int fd, lock; /* -1: not open, not locked */
    char path[STATE_PATH_MAX];
};
enum state_found { STATE_FAILED, STATE_ABSENT, STATE_READ };

/* Where the state is when nobody says: RINGLET_DIR, /var/lib/ringlet, $XDG_STATE_HOME/ringlet. False: no home. */
bool state_default_path(char out[STATE_PATH_MAX], struct fail *f);
/* `make`: create it (0700) with its parents if it is not there; otherwise absent is FAIL_EMPTY. */
bool state_open(struct state *s, const char *path, bool make, struct fail *f);
void state_close(struct state *s);
/* One writer at a time: daemons for their life, commands for their change. FAIL_IN_USE names the holder. */
bool state_lock(struct state *s, struct fail *f);
/* The same for a daemon's start: a command that is at its change holds it for milliseconds and is waited for, `ms` at most. */
bool state_lock_within(struct state *s, unsigned ms, struct fail *f);
bool state_locked(const char *path); /* does somebody hold it now? */

/* Text files; `out` gets a NUL behind. A file longer than max - 1 is damaged. */
enum state_found state_read(const struct state *s, const char *name, char *out, size_t max,
                            size_t *len, struct fail *f);
bool state_write(const struct state *s, const char *name, const void *bytes, size_t len,
                 mode_t mode, struct fail *f);
/* The same, for a file whose owner matters: who had what was read (ourselves, if it is absent), and whose the new one
 * will be. Root can keep a file its owner's; for anybody else it becomes their own. */
enum state_found state_read_of(const struct state *s, const char *name, char *out, size_t max,
                               size_t *len, uid_t *owner, struct fail *f);
bool state_write_of(const struct state *s, const char *name, const void *bytes, size_t len,
                    mode_t mode, uid_t owner, struct fail *f);
bool state_exists(const struct state *s, const char *name);
bool state_mkdir(const struct state *s, const char *name, struct fail *f);
bool state_remove(const struct state *s, const char *name,
                  struct fail *f); /* a file or an empty directory; absent is fine */
bool state_rename(const struct state *s, const char *from, const char *to, struct fail *f);
/* The names in a folder that are DNS labels, sorted; at most max. */
uint32_t state_labels(const struct state *s, const char *folder, struct name_text *out,
                      uint32_t max);
/* Give the directory and all regular files in it to a user (before privileges are dropped), but for STATE_CONF: it
 * keeps its owner, and the user's group may read it. */
bool state_give(const struct state *s, uid_t uid, gid_t gid, struct fail *f);
