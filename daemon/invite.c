/* invite: a token that lets others join by themselves (daemon/deeds.h, vnet/token.h). */
#include "daemon/deeds.h"

#include "daemon/invites.h"
#include "daemon/params.h"
#include "overlay/record.h"
#include "vnet/address.h"
#include "vnet/token.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define EXPIRES_DEFAULT HOURS(24)
#define EXPIRES_LEAST   SECONDS(1)
#define EXPIRES_MOST    HOURS(24 * 365)
#define USES_MAX        65535

struct request {
    struct name_text network;
    int64_t uses;
    uint64_t expires_us;
    const char *host;
    uint32_t ipv4;
    struct config_hosts seed;
    struct name_text groups[CERT_GROUPS_MAX];
    uint8_t group_count;
};

static bool read_request(struct request *r, const struct state *s, const struct json_t *params,
                         struct fail *f)
{
    *r = (struct request){.uses = 1, .expires_us = EXPIRES_DEFAULT};
    if (!params_known(params, "network uses expires group seed host ip", f) ||
        !param_int(params, "uses", 1, USES_MAX, &r->uses, f) ||
        !param_time(params, "expires", EXPIRES_LEAST, EXPIRES_MOST, &r->expires_us, f) ||
        !param_groups(params, "group", r->groups, &r->group_count, f) ||
        !param_hosts(params, "seed", &r->seed, f) || !param_name(params, "host", &r->host, f) ||
        !param_ipv4(params, "ip", &r->ipv4, f))
        return false;
    if (r->uses > 1 && (r->host || r->ipv4))
        return fail(f, FAIL_USAGE, "make one token for each",
                    "--host and --ip are for a token of one use");
    return deed_network(s, params, &r->network, f);
}

static void add_seed(struct config_hosts *h, const char *text)
{
    for (uint32_t i = 0; i < h->count; i++)
        if (strcmp(h->text[i], text) == 0) return;
    if (h->count < TOKEN_SEEDS_MAX) snprintf(h->text[h->count++], CONFIG_HOST_TEXT, "%s", text);
}

/* Where newcomers start: as given; else what is advertised and what peers saw of us. */
static bool find_seeds(struct deed *d, struct request *r, struct fail *f)
{
    char path[STATE_PATH_MAX + 16], text[ENDPOINT_TEXT];
    size_t len;
    if (r->seed.count > TOKEN_SEEDS_MAX)
        return fail(f, FAIL_USAGE, "", "a token has room for %d seeds", TOKEN_SEEDS_MAX);
    if (r->seed.count) return true;
    char *file = malloc(CONFIG_TEXT_MAX);
    struct config *c = malloc(sizeof *c);
    struct home_peers *peers = malloc(sizeof *peers);
    ensure(file && c && peers);
    snprintf(path, sizeof path, "%s/ringlet.conf", d->state->path);
    enum state_found found = state_read(d->state, "ringlet.conf", file, CONFIG_TEXT_MAX, &len, f);
    bool good = found != STATE_FAILED &&
                (found == STATE_ABSENT || config_parse(c, file, len, path, f));
    if (good && found == STATE_READ)
        for (uint32_t i = 0; i < c->advertise.count; i++) add_seed(&r->seed, c->advertise.text[i]);
    struct fail ignored; /* without the file only what is advertised is known */
    if (good && home_read_peers(d->state, peers, &ignored) == STATE_READ)
        for (uint32_t i = 0; i < peers->observed_count; i++)
            add_seed(&r->seed, endpoint_print(&peers->observed[i], text));
    free(file);
    free(c);
    free(peers);
    if (good && !r->seed.count)
        good = fail(f, FAIL_NO_SEED,
                    "give --seed HOST:PORT, an endpoint of this node or of another member",
                    "nobody has told this node yet at which endpoint it can be reached");
    return good;
}

/* The longest certificate that a joiner may issue itself still fits into the claim of its slot. */
static bool room_for_node(const struct deed *d, const struct cert *invite, const struct token *t,
                          struct span certs[CHAIN_MAX])
{
    uint8_t bytes[CHAIN_BYTES], chain[CHAIN_BYTES];
    struct cert node = *invite;
    node.kind = CERT_NODE;
    node.id = d->identity.id;
    node.slot = invite->uses - 1;
    if (!node.name.s[0]) memset(node.name.s, 'a', CERT_NAME_MAX);
    certs[2] = (struct span){
        bytes, cert_sign(bytes, sizeof bytes, &crypto_real, &node, t->invite_seed, invite->key)};
    size_t len = certs[2].len ? chain_write(chain, sizeof chain, certs, 3) : 0;
    return len > 0 && len <= RECORD_CHAIN_MAX;
}

static bool sign(struct deed *d, const struct request *r, const struct home_network *net,
                 const struct home_authority *authority, struct token *t, struct cert *invite,
                 struct fail *f)
{
    uint8_t bytes[CHAIN_BYTES];
    struct span certs[CHAIN_MAX], chain = {net->chain, net->chain_len};
    uint32_t count;
    *invite = (struct cert){.kind = CERT_INVITE,
                            .not_before_s = d->now_s,
                            .expires_s = d->now_s + r->expires_us / SECONDS(1),
                            .uses = (uint32_t)r->uses,
                            .ipv4 = r->ipv4,
                            .group_count = r->group_count};
    if (invite->expires_s > net->is.expires_s) invite->expires_s = net->is.expires_s;
    memcpy(invite->groups, r->groups, sizeof invite->groups);
    if (r->host) snprintf(invite->name.s, sizeof invite->name.s, "%s", r->host);
    rng_bytes(&d->rng, invite->serial, sizeof invite->serial);
    rng_bytes(&d->rng, t->invite_seed, 32);
    crypto_real.ed25519_public(invite->key, t->invite_seed);
    if (chain_split(chain, certs, &count) != OK)
        return fail(f, FAIL_INTERNAL, "", "the network's certificate does not parse");
    certs[1] = (struct span){bytes, cert_sign(bytes, sizeof bytes, &crypto_real, invite,
                                              authority->network_seed, authority->network_pk)};
    t->chain_len = certs[1].len ? chain_write(t->chain, sizeof t->chain, certs, 2) : 0;
    return (t->chain_len && room_for_node(d, invite, t, certs)) ||
           fail(f, FAIL_USAGE, "use fewer or shorter groups", "the invite does not fit");
}

static bool encode(struct deed *d, const struct request *r, struct token *t, char text[TOKEN_TEXT],
                   struct fail *f)
{
    struct membership is;
    struct cert last;
    t->overlay = d->overlay.key;
    memcpy(t->authority_pk, d->overlay.authority_pk, 32);
    t->created_s = d->now_s;
    for (uint32_t i = 0; i < r->seed.count; i++)
        snprintf(t->seeds[t->seed_count++], TOKEN_SEED_TEXT, "%s", r->seed.text[i]);
    enum err e = token_check(t, &crypto_real, d->now_s, &is, &last);
    if (e)
        return fail(f, FAIL_INTERNAL, "", "the token that was made does not verify: %s",
                    err_text(e));
    return token_encode(t, &crypto_real, text) > 0 ||
           fail(f, FAIL_USAGE, "give fewer seeds", "the token is too long");
}

static bool describe(struct deed *d, struct json_t *made, const struct request *r,
                     const struct cert *invite, const char *text, struct fail *f)
{
    struct invite_note note = {
        .created_s = d->now_s, .expires_s = invite->expires_s, .uses = invite->uses};
    struct json_t *seeds = js_array();
    js_put_bool(made, "ok", true);
    js_put_text(made, "token", text);
    js_put_text(made, "network", r->network.s);
    for (unsigned i = 0; i < 16; i++) snprintf(note.serial + 2 * i, 3, "%02x", invite->serial[i]);
    if (r->host) snprintf(note.host, sizeof note.host, "%s", r->host);
    if (!invites_add(d->state, r->network.s, &note, f)) return false;
    js_put_text(made, "invite", note.serial);
    js_put_int(made, "uses", r->uses);
    js_put_int(made, "expires_s", (int64_t)invite->expires_s);
    for (uint32_t i = 0; i < r->seed.count; i++) js_add_text(seeds, r->seed.text[i]);
    js_put(made, "seeds", seeds);
    return true;
}

static bool make(struct deed *d, struct request *r, struct json_t *made, struct fail *f)
{
    struct home_network net;
    struct home_authority authority;
    struct token t = {0};
    struct cert invite;
    char text[TOKEN_TEXT], range[24];
    if (home_read_network(d->state, &d->overlay, &d->identity.id, r->network.s, &net, f) !=
        STATE_READ)
        return false;
    if (r->ipv4 && !range_contains(&net.is.range, r->ipv4))
        return fail(f, FAIL_USAGE, "give an address inside it", "--ip is not a host address of %s",
                    range_print(&net.is.range, range));
    enum state_found found = home_read_authority(d->state, r->network.s, &authority, f);
    if (found == STATE_FAILED) return false;
    if (found == STATE_ABSENT || memcmp(authority.network_pk, net.is.network_key, 32) != 0)
        return fail(f, FAIL_NO_AUTHORITY,
                    "run it on the node that created the network (it has networks/NAME/authority)",
                    "this node does not hold the authority of network %s", r->network.s);
    bool good = find_seeds(d, r, f) && sign(d, r, &net, &authority, &t, &invite, f) &&
                encode(d, r, &t, text, f);
    good = good && describe(d, made, r, &invite, text, f);
    crypto_wipe(&authority, sizeof authority);
    crypto_wipe(&t, sizeof t);
    crypto_wipe(text, sizeof text);
    return good;
}

bool deed_invite(struct state *s, const struct json_t *params, struct json_t *made, struct fail *f)
{
    struct request r;
    struct deed d;
    if (!read_request(&r, s, params, f)) return false;
    bool good = deed_begin(&d, s, f) && make(&d, &r, made, f);
    deed_end(&d);
    return good;
}
