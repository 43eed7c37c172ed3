/* leave: this node stops being a member of a network (daemon/deeds.h).
 *
 * An authority's keys cannot be made again, so they are never removed: they are kept under left/NAME. */
#include "daemon/deeds.h"

#include "daemon/config_edit.h"
#include "daemon/params.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool drop_section(struct state *s, const char *network, struct fail *f)
{
    struct config_text *t = malloc(sizeof *t);
    char section[96];
    ensure(t);
    snprintf(section, sizeof section, "network %s", network);
    uid_t owner;
    enum state_found found = state_read_of(s, STATE_CONF, t->text, sizeof t->text, &t->len, &owner,
                                           f);
    bool good = found != STATE_FAILED;
    if (found == STATE_READ) {
        size_t before = t->len;
        config_drop_section(t, section);
        good = t->len == before || state_write_of(s, STATE_CONF, t->text, t->len, 0644, owner, f);
    }
    free(t);
    return good;
}

/* Makes the place for an authority: left/NAME, or left/NAME-2.. ; empty if there is none to keep. */
static bool prepare_kept(struct state *s, const char *network, char folder[100], struct fail *f)
{
    char from[128];
    folder[0] = 0;
    snprintf(from, sizeof from, "networks/%s/authority", network);
    if (!state_exists(s, from)) return true;
    snprintf(folder, 100, "left/%s", network);
    for (unsigned n = 2; state_exists(s, folder) && n < 1000; n++)
        snprintf(folder, 100, "left/%.50s-%u", network, n);
    return state_mkdir(s, "left", f) && state_mkdir(s, folder, f);
}

static bool keep_authority(struct state *s, const char *network, const char *folder, char kept[128],
                           struct fail *f)
{
    char from[128];
    kept[0] = 0;
    if (!folder[0]) return true;
    snprintf(from, sizeof from, "networks/%s/authority", network);
    snprintf(kept, 128, "%s/authority", folder);
    return state_rename(s, from, kept, f);
}

static bool remove_network(struct state *s, const char *network, struct fail *f)
{
    static const char *const files[] = {"certificate", "invite", "invites", "refused"};
    char name[128];
    for (unsigned i = 0; i < sizeof files / sizeof *files; i++) {
        snprintf(name, sizeof name, "networks/%s/%s", network, files[i]);
        if (!state_remove(s, name, f)) return false;
    }
    snprintf(name, sizeof name, "networks/%s", network);
    return state_remove(s, name, f);
}

bool deed_leave(struct state *s, const struct json_t *params, struct json_t *made, struct fail *f)
{
    struct name_text network, others[NETWORKS_MAX];
    struct fail ignored;
    char folder[100], kept[128];
    if (!params_known(params, "network", f) || !deed_network(s, params, &network, f)) return false;
    /* What may fail for want of room comes first; what follows only renames and removes. */
    if (!prepare_kept(s, network.s, folder, f) || !drop_section(s, network.s, f)) {
        if (folder[0]) (void)state_remove(s, folder, &ignored);
        return false;
    }
    if (!keep_authority(s, network.s, folder, kept, f) || !remove_network(s, network.s, f))
        return false;
    bool last = home_networks(s, others) == 0;
    /* The last one: the directory may join any overlay now. Its identity, and with it its id, stays. */
    if (last && !(state_remove(s, "overlay", f) && state_remove(s, "peers", f))) return false;
    js_put_bool(made, "ok", true);
    js_put_text(made, "network", network.s);
    js_put_bool(made, "last", last);
    js_put_text(made, "kept", kept[0] ? kept : NULL);
    return true;
}
