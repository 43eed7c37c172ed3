/* Networks of the running daemon and their devices (daemon/daemon.h). */
#include "daemon/daemon.h"

#include "daemon/sockaddr.h"
#include "vnet/address.h"
#include <string.h>

#define MTU_L3    1380
#define MTU_L2    1362
#define LOCAL_MAX 64

bool networks_read(struct daemon *d, struct fail *f)
{
    struct name_text names[NETWORKS_MAX];
    uint32_t count = home_networks(&d->state, names), used = 0;
    bool expired = false;
    for (uint32_t i = 0; i < count; i++) {
        struct daemon_network *n = &d->networks[used];
        enum state_found found = home_read_network(&d->state, &d->overlay, &d->identity.id,
                                                   names[i].s, &n->home, f);
        if (found == STATE_READ) {
            n->used = true;
            used++;
        } else if (found == STATE_FAILED && strcmp(f->code, fail_name(FAIL_EXPIRED)) == 0) {
            expired = true; /* the others still work */
            log_say(&d->log, LOG_ERROR, "%s: %s", f->message, f->hint);
        } else if (found == STATE_FAILED) {
            return false;
        }
    }
    if (used) return true;
    return expired ? false
                   : fail(f, FAIL_EMPTY, "`ringlet create NAME` or `ringlet join TOKEN` makes one",
                          "there is no network in %s", d->state.path);
}

uint8_t networks_free_number(const struct daemon *d)
{
    uint8_t n = 0;
    while (n < NETWORKS_MAX && (d->networks[n].used || d->tuns.list[n].fd >= 0)) n++;
    return n;
}

int networks_find(const struct daemon *d, const char *name)
{
    for (int n = 0; n < NETWORKS_MAX; n++)
        if (d->networks[n].used && strcmp(d->networks[n].home.name.s, name) == 0) return n;
    return -1;
}

uint16_t networks_mtu(const struct daemon *d, uint8_t number)
{
    const struct home_network *h = &d->networks[number].home;
    struct config_network c = config_network(&d->config, h->name.s);
    return c.mtu_bytes ? c.mtu_bytes : h->is.mode == 2 ? MTU_L2 : MTU_L3;
}

struct network_config networks_config(const struct daemon *d, uint8_t number)
{
    const struct home_network *h = &d->networks[number].home;
    return (struct network_config){h->chain, h->chain_len, number, networks_mtu(d, number)};
}

/* --tun, else the configuration, else empty: ring0.. */
static const char *device_wanted(const struct daemon *d, const char *network,
                                 char out[CONFIG_DEVICE_TEXT])
{
    struct config_network c = config_network(&d->config, network);
    memcpy(out, c.device, CONFIG_DEVICE_TEXT);
    for (uint32_t i = 0; i < d->options.device_count; i++) {
        const char *of = d->options.device_network[i].s;
        if (!*of || strcmp(of, network) == 0) memcpy(out, d->options.device[i], CONFIG_DEVICE_TEXT);
    }
    return out;
}

bool networks_device(struct daemon *d, uint8_t number, struct fail *f)
{
    const struct home_network *h = &d->networks[number].home;
    char who[96], range[24], name[CONFIG_DEVICE_TEXT];
    if (d->options.no_tun) return true;
    if (netlink_range_taken(&h->is.range, &d->tuns.own, who))
        return fail(f, FAIL_IN_USE, "free it, or run with --no-tun",
                    "range %s of network %s is in use on this host: %s",
                    range_print(&h->is.range, range), h->name.s, who);
    bool made = tun_add(&d->tuns, number, device_wanted(d, h->name.s, name),
                        networks_mtu(d, number), f);
    if (made && d->lane) lane_join(d->lane, d->tuns.joins);
    return made && threads_device(&d->threads, &d->tuns, number, f);
}

void networks_addresses(struct daemon *d, uint8_t number)
{
    struct network_view v;
    struct fail f;
    if (!tun_name(&d->tuns, number) || !node_network_view(d->node, number, &v)) return;
    if (!tun_addresses(&d->tuns, number, v.ipv4, v.range.prefix, v.ipv6, &f))
        log_say(&d->log, LOG_WARN, "device %s: %s: %s", tun_name(&d->tuns, number), f.message,
                f.hint);
}

/* --- our own underlay addresses --- */

static void add(struct endpoint *list, uint32_t *count, struct endpoint e)
{
    for (uint32_t i = 0; i < *count; i++)
        if (endpoint_equal(&list[i], &e)) return;
    if (*count < LOCAL_MAX && endpoint_is_usable(&e)) list[(*count)++] = e;
}

/* Where others could reach us: what is advertised, then each local address with the port of the socket that hears it. */
void networks_local(struct daemon *d)
{
    struct endpoint list[LOCAL_MAX], own[LOCAL_MAX], advertised[RESOLVE_MAX];
    uint32_t count = 0, own_count = netlink_addresses(&d->tuns.own, own, LOCAL_MAX);
    uint32_t advertised_count = resolve_list(&d->advertise, advertised);
    for (uint32_t i = 0; i < advertised_count; i++) add(list, &count, advertised[i]);
    for (uint32_t s = 0; s < d->udp.count; s++) {
        const struct endpoint *at = &d->udp.sockets[s].at;
        if (!endpoint_is_any(at)) add(list, &count, *at);
        for (uint32_t i = 0; i < own_count; i++) {
            struct endpoint e = own[i];
            e.port = at->port;
            if (endpoint_is_any(at) && endpoint_is_v4(&e) == endpoint_is_v4(at))
                add(list, &count, e);
        }
    }
    struct event e = {.type = EV_LOCAL, .endpoints = {list, count}};
    loop_say(d, &e);
}
