#include "daemon/home.h"

#include "daemon/clock.h"
#include "daemon/keyfile.h"
#include <stdio.h>
#include <string.h>

#define TAG_OVERLAY     "ringlet-overlay-1"
#define TAG_CERTIFICATE "ringlet-certificate-1"
#define TAG_AUTHORITY   "ringlet-authority-1"
#define TAG_INVITE      "ringlet-invite-1"
#define TAG_REFUSED     "ringlet-refused-1"
#define PATH_TEXT       128

static enum state_found damaged(const struct state *s, const char *name, struct fail *f)
{
    fail(f, FAIL_DAMAGED, "restore it from a copy, or put it aside; it was not touched",
         "%s/%s is damaged", s->path, name);
    return STATE_FAILED;
}

static const char *in_network(const char *network, const char *file, char out[PATH_TEXT])
{
    snprintf(out, PATH_TEXT, "networks/%s/%s", network, file);
    return out;
}

/* --- identity --- */

enum state_found home_read_identity(const struct state *s, struct identity *out, struct fail *f)
{
    char text[IDENTITY_TEXT + 2];
    size_t len;
    enum state_found found = state_read(s, "identity", text, sizeof text, &len, f);
    if (found == STATE_READ && identity_decode(out, &crypto_real, text, len) != OK)
        found = damaged(s, "identity", f);
    crypto_wipe(text, sizeof text);
    return found;
}

bool home_write_identity(const struct state *s, const struct identity *i, struct fail *f)
{
    char text[IDENTITY_TEXT];
    size_t len = identity_encode(i, &crypto_real, text);
    bool good = state_write(s, "identity", text, len, 0600, f);
    crypto_wipe(text, sizeof text);
    return good;
}

/* --- key files --- */

static enum state_found read_keyfile(const struct state *s, const char *name, const char *tag,
                                     struct keyfile *k, struct fail *f)
{
    enum state_found found = state_read(s, name, k->text, sizeof k->text, &k->len, f);
    if (found == STATE_READ && !keyfile_check(k, tag)) return damaged(s, name, f);
    return found;
}

static bool write_keyfile(const struct state *s, const char *name, struct keyfile *k, mode_t mode,
                          struct fail *f)
{
    bool good = keyfile_end(k) ? state_write(s, name, k->text, k->len, mode, f)
                               : fail(f, FAIL_INTERNAL, "", "%s does not fit", name);
    keyfile_wipe(k);
    return good;
}

enum state_found home_read_overlay(const struct state *s, struct home_overlay *out, struct fail *f)
{
    struct keyfile k;
    uint64_t epoch = 0, founder = 0;
    *out = (struct home_overlay){0};
    enum state_found found = read_keyfile(s, "overlay", TAG_OVERLAY, &k, f);
    if (found == STATE_READ &&
        !(keyfile_get(&k, "name", out->key.name, sizeof out->key.name) &&
          keyfile_get_bytes(&k, "key", out->key.key, 32, 32) &&
          keyfile_get_number(&k, "epoch", &epoch) &&
          keyfile_get_bytes(&k, "authority", out->authority_pk, 32, 32) &&
          keyfile_get_number(&k, "founder", &founder) && epoch <= UINT32_MAX))
        found = damaged(s, "overlay", f);
    out->key.epoch = (uint32_t)epoch;
    out->founder = founder == 1;
    keyfile_wipe(&k);
    return found;
}

bool home_write_overlay(const struct state *s, const struct home_overlay *o, struct fail *f)
{
    struct keyfile k;
    keyfile_begin(&k, TAG_OVERLAY);
    keyfile_put(&k, "name", o->key.name);
    keyfile_put_bytes(&k, "key", o->key.key, 32);
    keyfile_put_number(&k, "epoch", o->key.epoch);
    keyfile_put_bytes(&k, "authority", o->authority_pk, 32);
    keyfile_put_number(&k, "founder", o->founder);
    return write_keyfile(s, "overlay", &k, 0600, f);
}

/* Says in the user's words why a chain on disk is not good. */
static enum state_found refused(const struct state *s, const char *file, enum err e, struct fail *f)
{
    if (e == ERR_EXPIRED)
        fail(f, FAIL_EXPIRED, "leave the network and join it again with a new token",
             "the certificate in %s/%s has expired", s->path, file);
    else if (e == ERR_DENIED || e == ERR_CRYPTO)
        fail(f, FAIL_DAMAGED,
             "restore the files that belong together: identity, overlay, certificate",
             "%s/%s does not fit this node's identity and overlay", s->path, file);
    else
        damaged(s, file, f);
    return STATE_FAILED;
}

enum state_found home_read_network(const struct state *s, const struct home_overlay *o,
                                   const struct id *id, const char *name, struct home_network *out,
                                   struct fail *f)
{
    struct keyfile k;
    char file[PATH_TEXT];
    *out = (struct home_network){0};
    in_network(name, "certificate", file);
    enum state_found found = read_keyfile(s, file, TAG_CERTIFICATE, &k, f);
    if (found != STATE_READ) return found;
    out->chain_len = keyfile_get_bytes(&k, "chain", out->chain, 1, sizeof out->chain);
    if (!out->chain_len) return damaged(s, file, f);
    struct span chain = {out->chain, out->chain_len};
    enum err e = chain_verify(chain, &crypto_real, o->authority_pk, id, clock_calendar_s(),
                              &out->is);
    if (e) return refused(s, file, e, f);
    if (strcmp(out->is.network.s, name) != 0) return damaged(s, file, f);
    out->name = out->is.network;
    out->has_authority = state_exists(s, in_network(name, "authority", file));
    return STATE_READ;
}

bool home_write_chain(const struct state *s, const char *name, const uint8_t *chain, size_t len,
                      struct fail *f)
{
    struct keyfile k;
    char file[PATH_TEXT];
    keyfile_begin(&k, TAG_CERTIFICATE);
    keyfile_put(&k, "network", name);
    keyfile_put_bytes(&k, "chain", chain, len);
    return write_keyfile(s, in_network(name, "certificate", file), &k, 0644, f);
}

enum state_found home_read_invite(const struct state *s, const char *name, uint8_t seed[32],
                                  struct fail *f)
{
    struct keyfile k;
    char file[PATH_TEXT];
    enum state_found found = read_keyfile(s, in_network(name, "invite", file), TAG_INVITE, &k, f);
    if (found == STATE_READ && !keyfile_get_bytes(&k, "seed", seed, 32, 32))
        found = damaged(s, file, f);
    keyfile_wipe(&k);
    return found;
}

bool home_write_invite(const struct state *s, const char *name, const uint8_t seed[32],
                       struct fail *f)
{
    struct keyfile k;
    char file[PATH_TEXT];
    keyfile_begin(&k, TAG_INVITE);
    keyfile_put(&k, "network", name);
    keyfile_put_bytes(&k, "seed", seed, 32);
    return write_keyfile(s, in_network(name, "invite", file), &k, 0600, f);
}

bool home_write_refused(const struct state *s, const char *name, const uint8_t serial[16],
                        const struct id *holder, struct fail *f)
{
    struct keyfile k;
    char file[PATH_TEXT], id[ID_TEXT];
    keyfile_begin(&k, TAG_REFUSED);
    keyfile_put(&k, "network", name);
    keyfile_put_bytes(&k, "invite", serial, 16);
    keyfile_put(&k, "holder", id_print(holder, id));
    return write_keyfile(s, in_network(name, "refused", file), &k, 0644, f);
}

bool home_forget_refused(const struct state *s, const char *name, struct fail *f)
{
    char file[PATH_TEXT];
    return state_remove(s, in_network(name, "refused", file), f);
}

bool home_is_refused(const struct state *s, const char *name, const uint8_t serial[16])
{
    struct keyfile k;
    struct fail ignored;
    char file[PATH_TEXT];
    uint8_t of[16];
    enum state_found found = read_keyfile(s, in_network(name, "refused", file), TAG_REFUSED, &k,
                                          &ignored);
    bool is = found == STATE_READ && keyfile_get_bytes(&k, "invite", of, 16, 16) &&
              memcmp(of, serial, sizeof of) == 0;
    keyfile_wipe(&k);
    return is;
}

static enum state_found read_authority_file(const struct state *s, const char *file,
                                            struct home_authority *out, struct fail *f)
{
    struct keyfile k;
    *out = (struct home_authority){0};
    enum state_found found = read_keyfile(s, file, TAG_AUTHORITY, &k, f);
    if (found == STATE_READ && !keyfile_get_bytes(&k, "network-seed", out->network_seed, 32, 32))
        found = damaged(s, file, f);
    out->has_overlay = found == STATE_READ &&
                       keyfile_get_bytes(&k, "overlay-seed", out->overlay_seed, 32, 32);
    if (found == STATE_READ) crypto_real.ed25519_public(out->network_pk, out->network_seed);
    if (out->has_overlay) crypto_real.ed25519_public(out->overlay_pk, out->overlay_seed);
    keyfile_wipe(&k);
    return found;
}

enum state_found home_read_authority(const struct state *s, const char *name,
                                     struct home_authority *out, struct fail *f)
{
    char file[PATH_TEXT];
    return read_authority_file(s, in_network(name, "authority", file), out, f);
}

bool home_write_authority(const struct state *s, const char *name, const struct home_authority *a,
                          struct fail *f)
{
    struct keyfile k;
    char file[PATH_TEXT];
    keyfile_begin(&k, TAG_AUTHORITY);
    keyfile_put(&k, "network", name);
    keyfile_put_bytes(&k, "network-seed", a->network_seed, 32);
    if (a->has_overlay) keyfile_put_bytes(&k, "overlay-seed", a->overlay_seed, 32);
    return write_keyfile(s, in_network(name, "authority", file), &k, 0600, f);
}

enum state_found home_find_overlay_seed(const struct state *s, const uint8_t authority_pk[32],
                                        struct home_authority *out, struct fail *f)
{
    static const char *const folders[] = {"networks", "left"};
    for (unsigned i = 0; i < 2; i++) {
        struct name_text names[64];
        uint32_t count = state_labels(s, folders[i], names, 64);
        for (uint32_t n = 0; n < count; n++) {
            char file[PATH_TEXT];
            snprintf(file, sizeof file, "%s/%.63s/authority", folders[i], names[n].s);
            enum state_found found = read_authority_file(s, file, out, f);
            if (found == STATE_FAILED) return found;
            if (out->has_overlay && memcmp(out->overlay_pk, authority_pk, 32) == 0) return found;
        }
    }
    return STATE_ABSENT;
}

uint32_t home_networks(const struct state *s, struct name_text out[NETWORKS_MAX])
{
    struct name_text names[64];
    char file[PATH_TEXT];
    uint32_t all = state_labels(s, "networks", names, 64), count = 0;
    for (uint32_t i = 0; i < all && count < NETWORKS_MAX; i++)
        if (state_exists(s, in_network(names[i].s, "certificate", file))) out[count++] = names[i];
    return count;
}
