/* join: a token becomes a membership, with nobody online (daemon/deeds.h, vnet/token.h). */
#include "daemon/deeds.h"

#include "daemon/listen.h"
#include "daemon/netlink.h"
#include "daemon/params.h"
#include "vnet/address.h"
#include "vnet/token.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

struct request {
    const char *host;
    struct config_listen listen;
    struct config_hosts seed;
    struct token token;
    struct membership is; /* the network it invites to */
    struct cert invite;
    bool expired;
    bool instead; /* of a membership whose slot another node holds */
};

/* In the words of whoever pasted it. */
static bool refused(enum err e, struct fail *f)
{
    switch (e) {
    case ERR_UNSUPPORTED:
        return fail(f, FAIL_TOKEN, "install a newer ringlet here",
                    "the token is of a newer version than this program");
    case ERR_CRYPTO:
    case ERR_DENIED:
        return fail(f, FAIL_TOKEN, "ask for a new token",
                    "the token is not signed by the authority it names");
    case ERR_EXPIRED: return fail(f, FAIL_EXPIRED, "ask for a new token", "the token has expired");
    default:
        return fail(f, FAIL_TOKEN, "copy it whole, on one line, or ask for a new one",
                    "the token is damaged or cut short");
    }
}

static bool read_token(struct request *r, const char *text, uint64_t now_s, struct fail *f)
{
    while (isspace((unsigned char)*text)) text++;
    size_t len = strlen(text);
    while (len && isspace((unsigned char)text[len - 1])) len--;
    if (strncmp(text, "ringlet", 7) != 0)
        return fail(f, FAIL_TOKEN, "`ringlet invite` prints one, it begins with ringlet1",
                    "that is not a token");
    enum err e = token_decode(&r->token, &crypto_real, text, len);
    if (e) return refused(e, f);
    e = token_check(&r->token, &crypto_real, now_s, &r->is, &r->invite);
    r->expired = e == ERR_EXPIRED;
    if (r->expired)
        e = token_check(&r->token, &crypto_real, 0, &r->is, &r->invite); /* whose it was */
    return e == OK || refused(e, f);
}

static bool read_request(struct request *r, const struct json_t *params, uint64_t now_s,
                         struct fail *f)
{
    const char *token;
    memset(r, 0, sizeof *r);
    return params_known(params, "token host listen seed network", f) &&
           param_needed(params, "token", &token, f) && param_name(params, "host", &r->host, f) &&
           param_listen(params, "listen", &r->listen, f) &&
           param_hosts(params, "seed", &r->seed, f) && read_token(r, token, now_s, f);
}

/* Is this directory in that network already? Sets *already; false: it belongs elsewhere. */
static bool check_directory(struct deed *d, struct request *r, struct home_network *net,
                            bool *already, struct fail *f)
{
    *already = false;
    if (d->fresh) return true;
    if (memcmp(d->overlay.authority_pk, r->token.authority_pk, 32) != 0)
        return fail(f, FAIL_OTHER_OVERLAY,
                    "use another directory with -d: one directory is one node on one overlay",
                    "%s belongs to overlay %s, the token to overlay %s", d->state->path,
                    d->overlay.key.name, r->token.overlay.name);
    enum state_found found = home_read_network(d->state, &d->overlay, &d->identity.id,
                                               r->is.network.s, net, f);
    if (found == STATE_FAILED) return false;
    *already = found == STATE_READ && memcmp(net->is.network_key, r->is.network_key, 32) == 0;
    if (found == STATE_READ && !*already)
        return fail(f, FAIL_EXISTS, "leave it first", "this node is in another network called %s",
                    r->is.network.s);
    /* a membership that the network refuses is worth nothing: another invite's takes its place */
    r->instead = *already && memcmp(net->is.invite, r->invite.serial, sizeof net->is.invite) != 0 &&
                 home_is_refused(d->state, r->is.network.s, net->is.invite);
    if (r->instead) {
        *already = false;
        return true;
    }
    struct name_text names[NETWORKS_MAX];
    if (!*already && home_networks(d->state, names) == NETWORKS_MAX)
        return fail(f, FAIL_BUSY, "leave one first", "a node can be in %d networks", NETWORKS_MAX);
    return true;
}

static bool check_host(struct deed *d, struct request *r, struct name_text *host, struct fail *f)
{
    char who[96], text[24];
    if (r->invite.name.s[0] && r->host && strcmp(r->invite.name.s, r->host) != 0)
        return fail(f, FAIL_USAGE, "leave --host out", "the token is for host %s",
                    r->invite.name.s);
    if (netlink_range_taken(&r->is.range, NULL, who))
        return fail(f, FAIL_IN_USE, "free it here, or the network needs another range",
                    "range %s is in use on this host: %s", range_print(&r->is.range, text), who);
    if (!d->fresh && r->listen.count)
        return fail(f, FAIL_USAGE, "change `listen` in its ringlet.conf instead",
                    "--listen is for a new directory, and this one is in use");
    if (!d->fresh) return deed_host(d, r->invite.name.s[0] ? r->invite.name.s : r->host, host);
    bool prepared = state_exists(d->state, "ringlet.conf"); /* its own `listen` counts */
    if (!prepared &&
        !(r->listen.count ? listen_free(&r->listen, f) : listen_random(&r->listen, &d->rng, f)))
        return false;
    return deed_host(d, r->invite.name.s[0] ? r->invite.name.s : r->host, host);
}

/* The token's seeds, then the given ones. */
static void merge_seeds(struct request *r)
{
    struct config_hosts all = {0};
    for (uint32_t i = 0; i < r->token.seed_count && all.count < CONFIG_HOSTS_MAX; i++)
        if (config_host_valid(r->token.seeds[i]))
            snprintf(all.text[all.count++], CONFIG_HOST_TEXT, "%s", r->token.seeds[i]);
    for (uint32_t i = 0; i < r->seed.count && all.count < CONFIG_HOSTS_MAX; i++)
        snprintf(all.text[all.count++], CONFIG_HOST_TEXT, "%s", r->seed.text[i]);
    r->seed = all;
}

static bool make(struct deed *d, struct request *r, struct json_t *made, struct fail *f)
{
    struct name_text host;
    struct membership is;
    uint8_t chain[CHAIN_BYTES];
    size_t len = 0;
    if (r->expired) return refused(ERR_EXPIRED, f);
    if (!check_host(d, r, &host, f)) return false;
    enum err e = token_issue(&r->token, &crypto_real, &d->rng, &d->identity.id, host.s, d->now_s,
                             chain, &len);
    struct span whole = {chain, len};
    if (!e)
        e = chain_verify(whole, &crypto_real, r->token.authority_pk, &d->identity.id, d->now_s,
                         &is);
    if (e) return refused(e, f);
    if (d->fresh) {
        d->overlay.key = r->token.overlay;
        memcpy(d->overlay.authority_pk, r->token.authority_pk, 32);
    }
    merge_seeds(r);
    struct deed_files files = {.network = is.network.s,
                               .chain = chain,
                               .chain_len = len,
                               .invite_seed = is.uses > 1 ? r->token.invite_seed : NULL,
                               .listen = d->fresh ? &r->listen : NULL,
                               .seed = &r->seed};
    if (!deed_write(d, &files, f)) return false;
    if (r->instead && !home_forget_refused(d->state, is.network.s, f)) return false;
    js_put_bool(made, "ok", true);
    js_put_bool(made, "already", false);
    js_put_text(made, "overlay", d->overlay.key.name);
    deed_describe(made, &is);
    return true;
}

bool deed_join(struct state *s, const struct json_t *params, struct json_t *made, struct fail *f)
{
    struct request r;
    struct deed d;
    struct home_network net;
    bool already;
    bool good = deed_begin(&d, s, f) && read_request(&r, params, d.now_s, f) &&
                check_directory(&d, &r, &net, &already, f);
    if (good && already) {
        js_put_bool(made, "ok", true);
        js_put_bool(made, "already", true);
        js_put_text(made, "overlay", d.overlay.key.name);
        deed_describe(made, &net.is);
    } else if (good) {
        good = make(&d, &r, made, f);
    }
    crypto_wipe(&r.token, sizeof r.token);
    deed_end(&d);
    return good;
}
