/* create: a new overlay with its first network, or one more network on the overlay that is here (daemon/deeds.h). */
#include "daemon/deeds.h"

#include "daemon/listen.h"
#include "daemon/netlink.h"
#include "daemon/params.h"
#include "vnet/address.h"
#include <stdio.h>
#include <string.h>

#define YEARS_S(n)  ((uint64_t)(n)*365u * 86400u)
#define CERT_LIFE_S YEARS_S(10)
#define MODE_L3     3

struct request {
    const char *name, *host;
    struct range4 range;
    uint32_t ipv4;
    struct config_listen listen;
    struct config_hosts advertise, seed;
};

static bool read_request(struct request *r, const struct json_t *params, struct fail *f)
{
    const char *range = NULL;
    bool l2 = false;
    *r = (struct request){0};
    if (!params_known(params, "name range l2 listen advertise seed host ip network", f) ||
        !param_needed(params, "name", &r->name, f) || !param_name(params, "name", &r->name, f) ||
        !param_name(params, "host", &r->host, f) || !param_text(params, "range", &range, f) ||
        !param_bool(params, "l2", &l2, f) || !param_ipv4(params, "ip", &r->ipv4, f) ||
        !param_listen(params, "listen", &r->listen, f) ||
        !param_hosts(params, "advertise", &r->advertise, f) ||
        !param_hosts(params, "seed", &r->seed, f))
        return false;
    if (l2)
        return fail(f, FAIL_UNSUPPORTED, "leave --l2 out for an IP network",
                    "Ethernet networks are not in this version");
    if (range && !range_parse(range, &r->range))
        return fail(f, FAIL_USAGE, "write it like 10.42.0.0/16: prefix 8 to 30, host bits zero",
                    "%.40s is not a range", range);
    return true;
}

/* The range and the address against each other and against this host. */
static bool check_range(struct request *r, const uint8_t network_key[32], struct fail *f)
{
    char who[96], text[24];
    if (!r->range.prefix) r->range = address_default_range(&crypto_real, network_key);
    if (r->ipv4 && !range_contains(&r->range, r->ipv4))
        return fail(f, FAIL_USAGE, "give an address inside it", "--ip is not a host address of %s",
                    range_print(&r->range, text));
    if (netlink_range_taken(&r->range, NULL, who))
        return fail(f, FAIL_IN_USE, "choose another with --range",
                    "range %s is in use on this host: %s", range_print(&r->range, text), who);
    return true;
}

/* The keys that sign: new ones for the network; the overlay's new or found here. */
/* Networks of one node are told apart on the wire by one byte (docs/decisions/0004-network-tag.md). */
static bool tag_is_taken(const struct deed *d, const uint8_t network_pk[32])
{
    struct name_text names[NETWORKS_MAX];
    struct home_network other;
    struct fail f = {0};
    uint8_t tag = address_tag(&crypto_real, network_pk);
    uint32_t count = d->fresh ? 0 : home_networks(d->state, names);
    for (uint32_t i = 0; i < count; i++)
        if (home_read_network(d->state, &d->overlay, &d->identity.id, names[i].s, &other, &f) ==
                STATE_READ &&
            address_tag(&crypto_real, other.is.network_key) == tag)
            return true;
    return false;
}

static bool make_authority(struct deed *d, const char *name, struct home_authority *network,
                           struct home_authority *overlay, struct fail *f)
{
    do {
        rng_bytes(&d->rng, network->network_seed, 32);
        crypto_real.ed25519_public(network->network_pk, network->network_seed);
    } while (tag_is_taken(d, network->network_pk));
    if (d->fresh) {
        network->has_overlay = true;
        rng_bytes(&d->rng, network->overlay_seed, 32);
        crypto_real.ed25519_public(network->overlay_pk, network->overlay_seed);
        *overlay = *network;
        d->overlay.founder = true;
        d->overlay.key.epoch = 1;
        rng_bytes(&d->rng, d->overlay.key.key, 32);
        snprintf(d->overlay.key.name, sizeof d->overlay.key.name, "%s", name);
        memcpy(d->overlay.authority_pk, overlay->overlay_pk, 32);
        return true;
    }
    enum state_found found = home_find_overlay_seed(d->state, d->overlay.authority_pk, overlay, f);
    if (found != STATE_ABSENT) return found == STATE_READ;
    return fail(
        f, FAIL_NO_AUTHORITY,
        "run it on the node that created the overlay, or create an overlay of its own with -d",
        "this node does not hold the authority of overlay %s", d->overlay.key.name);
}

static size_t sign_chain(struct deed *d, const struct request *r,
                         const struct home_authority *network, const struct home_authority *overlay,
                         const struct name_text *host, uint8_t chain[CHAIN_BYTES])
{
    uint8_t bytes[2][CHAIN_BYTES];
    struct cert net = {.kind = CERT_NETWORK,
                       .not_before_s = d->now_s,
                       .expires_s = d->now_s + CERT_LIFE_S,
                       .range = r->range,
                       .mode = MODE_L3};
    struct cert own = {.kind = CERT_NODE,
                       .not_before_s = d->now_s,
                       .expires_s = d->now_s + CERT_LIFE_S,
                       .name = *host,
                       .ipv4 = r->ipv4,
                       .id = d->identity.id};
    memcpy(net.key, network->network_pk, 32);
    snprintf(net.name.s, sizeof net.name.s, "%s", r->name);
    rng_bytes(&d->rng, net.serial, sizeof net.serial);
    rng_bytes(&d->rng, own.serial, sizeof own.serial);
    struct span certs[2] = {{bytes[0], cert_sign(bytes[0], sizeof bytes[0], &crypto_real, &net,
                                                 overlay->overlay_seed, overlay->overlay_pk)},
                            {bytes[1], cert_sign(bytes[1], sizeof bytes[1], &crypto_real, &own,
                                                 network->network_seed, network->network_pk)}};
    if (!certs[0].len || !certs[1].len) return 0;
    return chain_write(chain, CHAIN_BYTES, certs, 2);
}

static bool make(struct deed *d, struct request *r, struct json_t *made, struct fail *f)
{
    struct home_authority network = {0}, overlay = {0};
    struct membership is;
    struct name_text host;
    uint8_t chain[CHAIN_BYTES];
    bool good = make_authority(d, r->name, &network, &overlay, f) &&
                check_range(r, network.network_pk, f) && deed_host(d, r->host, &host);
    size_t len = good ? sign_chain(d, r, &network, &overlay, &host, chain) : 0;
    struct span signed_chain = {chain, len};
    if (good && (len == 0 || chain_verify(signed_chain, &crypto_real, d->overlay.authority_pk,
                                          &d->identity.id, d->now_s, &is)))
        good = fail(f, FAIL_INTERNAL, "", "the certificate that was made does not verify");
    struct deed_files files = {.network = r->name,
                               .chain = chain,
                               .chain_len = len,
                               .authority = &network,
                               .listen = d->fresh ? &r->listen : NULL,
                               .advertise = &r->advertise,
                               .seed = &r->seed};
    good = good && deed_write(d, &files, f);
    crypto_wipe(&network, sizeof network);
    crypto_wipe(&overlay, sizeof overlay);
    if (!good) return false;
    js_put_bool(made, "ok", true);
    js_put_text(made, "overlay", d->overlay.key.name);
    deed_describe(made, &is);
    return true;
}

/* What must be so before anything is made. */
static bool check_directory(struct deed *d, struct request *r, struct fail *f)
{
    struct name_text names[NETWORKS_MAX];
    uint32_t count = d->fresh ? 0 : home_networks(d->state, names);
    for (uint32_t i = 0; i < count; i++)
        if (strcmp(names[i].s, r->name) == 0)
            return fail(f, FAIL_EXISTS, "choose another name; `ringlet invite` lets others in",
                        "network %s is there already", r->name);
    if (count == NETWORKS_MAX)
        return fail(f, FAIL_BUSY, "leave one first", "a node can be in %d networks", NETWORKS_MAX);
    if (!d->fresh && r->listen.count)
        return fail(f, FAIL_USAGE, "change `listen` in its ringlet.conf instead",
                    "--listen is for a new directory, and this one is in use");
    if (d->fresh && !r->listen.count) listen_default(&r->listen, CONFIG_PORT);
    return !d->fresh || state_exists(d->state, "ringlet.conf") || listen_free(&r->listen, f);
}

bool deed_create(struct state *s, const struct json_t *params, struct json_t *made, struct fail *f)
{
    struct request r;
    struct deed d;
    if (!read_request(&r, params, f)) return false;
    bool good = deed_begin(&d, s, f) && check_directory(&d, &r, f) && make(&d, &r, made, f);
    deed_end(&d);
    return good;
}
