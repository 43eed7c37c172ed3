#include "daemon/deeds.h"

#include "daemon/clock.h"
#include "daemon/config_edit.h"
#include "vnet/address.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

bool deed_begin(struct deed *d, struct state *s, struct fail *f)
{
    uint8_t seed[32];
    memset(d, 0, sizeof *d);
    d->state = s;
    d->now_s = clock_calendar_s();
    clock_seed(seed);
    rng_seed(&d->rng, seed);
    crypto_wipe(seed, sizeof seed);
    if (!d->now_s)
        return fail(f, FAIL_INTERNAL, "set the date first: certificates have an expiry",
                    "this machine's clock is not set");
    enum state_found overlay = home_read_overlay(s, &d->overlay, f);
    if (overlay == STATE_FAILED) return false;
    d->fresh = overlay == STATE_ABSENT;
    enum state_found identity = home_read_identity(s, &d->identity, f);
    if (identity == STATE_FAILED) return false;
    if (identity == STATE_ABSENT && !d->fresh)
        return fail(f, FAIL_DAMAGED, "restore it from a copy", "%s/identity is missing", s->path);
    if (identity == STATE_ABSENT) identity_make(&d->identity, &crypto_real, &d->rng);
    return true;
}

void deed_end(struct deed *d)
{
    crypto_wipe(d, sizeof *d);
}

void deed_new(struct deed *d, const char *name)
{
    ensure(d->written_count < sizeof d->written / sizeof *d->written);
    if (!state_exists(d->state, name))
        snprintf(d->written[d->written_count++], sizeof *d->written, "%s", name);
}

void deed_undo(struct deed *d)
{
    struct fail ignored;
    while (d->written_count) (void)state_remove(d->state, d->written[--d->written_count], &ignored);
}

bool deed_network(const struct state *s, const struct json_t *params, struct name_text *out,
                  struct fail *f)
{
    struct name_text names[NETWORKS_MAX];
    char all[600] = "";
    const char *wanted = js_get_text(params, "network");
    uint32_t count = home_networks(s, names);
    for (uint32_t i = 0; i < count; i++) {
        if (wanted && strcmp(wanted, names[i].s) == 0) return *out = names[i], true;
        snprintf(all + strlen(all), sizeof all - strlen(all), "%s%s", i ? ", " : "", names[i].s);
    }
    if (count == 0)
        return fail(f, FAIL_EMPTY, "`ringlet create NAME` or `ringlet join TOKEN` makes one",
                    "there is no network in %s", s->path);
    if (wanted) {
        fail(f, FAIL_NOT_FOUND, "", "this node is not a member of network %.63s", wanted);
        return fail_hint(f, "it has: %.200s", all);
    }
    if (count == 1) return *out = names[0], true;
    fail(f, FAIL_AMBIGUOUS, "", "there are several networks: %.300s", all);
    return fail_hint(f, "choose one with -n NETWORK");
}

bool deed_host(const struct deed *d, const char *given, struct name_text *out)
{
    char text[256] = "", id[ID_TEXT];
    *out = (struct name_text){0};
    if (given) return snprintf(out->s, sizeof out->s, "%s", given) > 0;
    if (gethostname(text, sizeof text - 1) != 0) text[0] = 0;
    size_t len = 0;
    for (const char *p = text; *p && *p != '.' && len < CERT_NAME_MAX; p++) {
        char c = (char)tolower((unsigned char)*p);
        if (!((c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'))) c = '-';
        if (c == '-' && len == 0) continue;
        out->s[len++] = c;
    }
    while (len && out->s[len - 1] == '-') out->s[--len] = 0;
    if (len && strcmp(out->s, "localhost") != 0 && name_valid(out->s, len)) return true;
    *out = (struct name_text){0};
    snprintf(out->s, sizeof out->s, "node-%.6s", id_print(&d->identity.id, id));
    return true;
}

/* --- writing --- */

static bool add_hosts(struct config_text *t, const char *key, const struct config_hosts *h)
{
    bool good = true;
    for (uint32_t i = 0; h && i < h->count; i++)
        good = good && config_add(t, "node", key, h->text[i]);
    return good;
}

static bool write_config(struct deed *d, const struct deed_files *files, struct fail *f)
{
    struct config_text *t = malloc(sizeof *t);
    struct config *check = malloc(sizeof *check);
    char section[96], text[ENDPOINT_TEXT], path[STATE_PATH_MAX + 16];
    ensure(t && check);
    snprintf(path, sizeof path, "%s/ringlet.conf", d->state->path);
    uid_t
        owner; /* as root we must not make our own what somebody else wrote (daemon/privilege.h) */
    enum state_found found = state_read_of(d->state, STATE_CONF, t->text, sizeof t->text, &t->len,
                                           &owner, f);
    bool good = found != STATE_FAILED;
    if (found == STATE_ABSENT) good = config_template(t);
    if (found == STATE_READ) good = config_parse(check, t->text, t->len, path, f);
    bool listens = good && found == STATE_READ &&
                   check->listen.count > 0; /* a file that was prepared */
    if (good) {
        for (uint32_t i = 0; files->listen && !listens && i < files->listen->count; i++)
            good = good &&
                   config_add(t, "node", "listen", endpoint_print(&files->listen->at[i], text));
        snprintf(section, sizeof section, "network %s", files->network);
        good = good && add_hosts(t, "advertise", files->advertise) &&
               add_hosts(t, "seed", files->seed) && config_section(t, section);
        if (!good) fail(f, FAIL_CONFIG, "shorten it", "%s is too long", path);
    }
    deed_new(d, "ringlet.conf");
    good = good && config_parse(check, t->text, t->len, path, f) &&
           state_write_of(d->state, STATE_CONF, t->text, t->len, 0644, owner, f);
    free(t);
    free(check);
    return good;
}

bool deed_write(struct deed *d, const struct deed_files *files, struct fail *f)
{
    char folder[128], name[160];
    snprintf(folder, sizeof folder, "networks/%s", files->network);
    deed_new(d, "identity");
    bool good = state_exists(d->state, "identity") ||
                home_write_identity(d->state, &d->identity, f);
    good = good && write_config(d, files, f);
    deed_new(d, "networks");
    good = good && state_mkdir(d->state, "networks", f);
    deed_new(d, folder);
    good = good && state_mkdir(d->state, folder, f);
    if (files->authority) {
        snprintf(name, sizeof name, "%s/authority", folder);
        deed_new(d, name);
        good = good && home_write_authority(d->state, files->network, files->authority, f);
    }
    if (files->invite_seed) {
        snprintf(name, sizeof name, "%s/invite", folder);
        deed_new(d, name);
        good = good && home_write_invite(d->state, files->network, files->invite_seed, f);
    }
    snprintf(name, sizeof name, "%s/certificate", folder);
    deed_new(d, name);
    good = good && home_write_chain(d->state, files->network, files->chain, files->chain_len, f);
    deed_new(d, "overlay");
    good = good && (!d->fresh || home_write_overlay(d->state, &d->overlay, f));
    if (!good) deed_undo(d);
    return good;
}

/* --- saying what was made --- */

void network_id_print(const uint8_t network_key[32], char out[ID_TEXT])
{
    struct id id;
    crypto_real.hash(id.b, sizeof id.b, network_key, 32, "ringlet network",
                     strlen("ringlet network"));
    id_print(&id, out);
}

void deed_describe(struct json_t *made, const struct membership *is)
{
    char text[ENDPOINT_TEXT], id[ID_TEXT], range[24];
    uint8_t ip[16];
    uint32_t v4 = is->ipv4 ? is->ipv4
                           : address_ipv4(&crypto_real, is->network_key, &is->range, &is->id, 0);
    js_put_text(made, "id", id_print(&is->id, id));
    js_put_text(made, "network", is->network.s);
    network_id_print(is->network_key, id);
    js_put_text(made, "network_id", id);
    js_put_text(made, "host", is->host.s);
    js_put_text(made, "range", range_print(&is->range, range));
    js_put_text(made, "mode", is->mode == 2 ? "l2" : "l3");
    ip_from_v4(ip, v4);
    js_put_text(made, "ipv4", v4 ? ip_print(ip, text) : NULL);
    address_ipv6(ip, &crypto_real, is->network_key, &is->id);
    js_put_text(made, "ipv6", ip_print(ip, text));
    js_put_int(made, "expires_s", (int64_t)is->expires_s);
}
