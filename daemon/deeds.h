/* daemon/deeds.h - what changes a state directory: create, invite, join, leave.
 *
 * Work on files alone, so that they serve the command line without a daemon and the daemon's own methods alike (the
 * daemon then tells its node). Whoever calls holds the directory's lock. `params` are the verb's options, named as
 * in daemon/cli_verbs.c; `made` is filled with the answer. On failure nothing is left half done: new files are taken
 * back. */
#pragma once
#include "daemon/home.h"
#include "daemon/json.h"

bool deed_create(struct state *s, const struct json_t *params, struct json_t *made, struct fail *f);
bool deed_invite(struct state *s, const struct json_t *params, struct json_t *made, struct fail *f);
bool deed_join(struct state *s, const struct json_t *params, struct json_t *made, struct fail *f);
bool deed_leave(struct state *s, const struct json_t *params, struct json_t *made, struct fail *f);

/* --- shared by them: deeds.c --- */
struct deed { /* what one of them works with */
    struct state *state;
    struct rng rng;
    uint64_t now_s;
    struct home_overlay overlay;
    bool fresh; /* the directory held nothing */
    struct identity identity;
    char written[8][128]; /* new names, for taking back */
    uint32_t written_count;
};
bool deed_begin(struct deed *d, struct state *s,
                struct fail *f); /* reads overlay and identity, or makes an identity */
void deed_end(struct deed *d);   /* wipes */
void deed_undo(struct deed *d);
void deed_new(struct deed *d,
              const char *name); /* about to be written; noted if it is not there yet */
/* Which network is meant: `network` of params, else the only one. FAIL_AMBIGUOUS lists them. */
bool deed_network(const struct state *s, const struct json_t *params, struct name_text *out,
                  struct fail *f);
/* --host, or this machine's name made a DNS label, or node-xxxxxx. */
bool deed_host(const struct deed *d, const char *given, struct name_text *out);
/* Writes identity, ringlet.conf (with these lines and the network's section), authority (may be NULL), certificate, overlay. */
struct deed_files {
    const char *network;
    const uint8_t *chain;
    size_t chain_len;
    const struct home_authority *authority;
    const uint8_t
        *invite_seed; /* kept to take another slot of the invite with; NULL: it has one only */
    const struct config_listen *listen;
    const struct config_hosts *advertise, *seed;
};
bool deed_write(struct deed *d, const struct deed_files *files, struct fail *f);
/* network, network_id, range, mode, host, id, ipv4, ipv6 of a membership */
void deed_describe(struct json_t *made, const struct membership *is);
void network_id_print(const uint8_t network_key[32], char out[ID_TEXT]);
