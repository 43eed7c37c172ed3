/* status, peers, members, why: what the node knows now (daemon/methods.h). All keys are always there, null where they do not apply. */
#include "daemon/methods.h"

#include "daemon/clock.h"
#include "daemon/deeds.h"
#include "daemon/params.h"
#include "daemon/target.h"
#include "daemon/version.h"
#include "daemon/views.h"
#include "vnet/address.h"
#include "vnet/members.h"
#include <ctype.h>
#include <string.h>

static bool params_fine(struct call *c, const char *names)
{
    struct fail f;
    if (params_known(call_params(c), names, &f)) return true;
    call_failed(c, &f);
    return false;
}

/* -n narrows a list down. -1: all; -2: it failed and is answered. */
static int network_wanted(struct call *c)
{
    struct fail f;
    const char *name = NULL;
    if (!param_text(call_params(c), "network", &name, &f)) return call_failed(c, &f), -2;
    if (!name) return -1;
    int number = networks_find(c->daemon, name);
    if (number >= 0) return number;
    fail(&f, FAIL_NOT_FOUND, "`ringlet status` lists the networks",
         "this node is not in network %.63s", name);
    return call_failed(c, &f), -2;
}

/* --- status --- */

static struct json_t *ids(const struct id *list, uint32_t count)
{
    struct json_t *a = js_array();
    char text[ID_TEXT];
    for (uint32_t i = 0; i < count; i++) js_add_text(a, id_print(&list[i], text));
    return a;
}

static struct json_t *endpoints(const struct endpoint *list, uint32_t count)
{
    struct json_t *a = js_array();
    char text[ENDPOINT_TEXT];
    for (uint32_t i = 0; i < count; i++) js_add_text(a, endpoint_print(&list[i], text));
    return a;
}

static struct json_t *listens(const struct daemon *d)
{
    struct json_t *a = js_array();
    char text[ENDPOINT_TEXT];
    for (uint32_t i = 0; i < d->udp.count; i++)
        js_add_text(a, endpoint_print(&d->udp.sockets[i].at, text));
    for (uint32_t i = 0; i < d->tcp.listener_count; i++)
        if (!endpoint_is_none(&d->tcp.listeners[i].at))
            js_add_text(a, endpoint_print(&d->tcp.listeners[i].at, text));
    return a;
}

/* Our slot of the invite with which we joined. */
static void put_slot(struct json_t *o, const struct daemon_network *n, uint8_t state)
{
    if (n->slot.refused) state = SLOT_REFUSED;
    if (n->home.is.uses)
        js_put_int(o, "slot", n->home.is.slot);
    else
        js_put_null(o, "slot");
    js_put_text(o, "slot_state", view_slot(state));
    view_put_id(o, "slot_holder", state == SLOT_REFUSED ? &n->slot.holder : &ID_ZERO);
}

static struct json_t *network(const struct daemon *d, uint8_t number)
{
    struct json_t *o = js_object();
    const struct home_network *h = &d->networks[number].home;
    struct network_view v;
    char text[ID_TEXT], range[24];
    bool known = node_network_view(d->node, number, &v);
    network_id_print(h->is.network_key, text);
    js_put_text(o, "name", h->name.s);
    js_put_text(o, "id", text);
    js_put_text(o, "host", h->is.host.s);
    js_put_text(o, "range", range_print(&h->is.range, range));
    view_put_ipv4(o, "ipv4", known ? v.ipv4 : 0);
    if (known)
        view_put_ipv6(o, "ipv6", v.ipv6);
    else
        js_put_null(o, "ipv6");
    js_put_text(o, "device", tun_name(&d->tuns, number));
    js_put_int(o, "mtu", networks_mtu(d, number));
    js_put_text(o, "mode", h->is.mode == 2 ? "l2" : "l3");
    put_slot(o, &d->networks[number], known ? v.slot_state : SLOT_NONE);
    return o;
}

static struct json_t *nat(const struct node_view *v)
{
    struct json_t *o = js_object();
    js_put_text(o, "mapping", view_nat(v->mapping));
    js_put_text(o, "filtering", view_nat(v->filtering));
    js_put_text(o, "gateway", "none"); /* port mapping is not in this version */
    js_put_text(o, "hairpin", "unknown");
    return o;
}

static struct json_t *links(const struct node_view *v)
{
    struct json_t *o = js_object();
    js_put_int(o, "near", v->near);
    js_put_int(o, "far", v->far);
    js_put_int(o, "demand", v->demand);
    js_put_int(o, "leaf", v->leaf);
    js_put_int(o, "pinned", v->pinned);
    return o;
}

static struct json_t *ring(const struct node_view *v)
{
    struct json_t *o = js_object();
    js_put(o, "left", ids(v->left, v->left_count));
    js_put(o, "right", ids(v->right, v->right_count));
    js_put_int(o, "estimate", (int64_t)v->estimate);
    return o;
}

static void put_drops(struct json_t *o, const char *name, uint64_t count)
{
    char key[32];
    size_t i = 0;
    for (; name[i] && i + 1 < sizeof key; i++)
        key[i] = (char)(name[i] == '_' ? '-' : tolower((unsigned char)name[i]));
    key[i] = 0;
    if (count) js_put_int(o, key, (int64_t)count);
}

/* Those that happened, by reason. */
static struct json_t *drops(const struct daemon *d)
{
    struct json_t *o = js_object();
    const uint32_t *counts = node_drops(d->node);
    for (unsigned i = 0; i < DROP_COUNT; i++) put_drops(o, drop_name((enum drop)i), counts[i]);
    struct threads_drops others = threads_drops(&d->threads);
    put_drops(o, "udp-send", d->udp.dropped + others.udp);
    put_drops(o, "tcp-send", d->tcp.dropped);
    put_drops(o, "tun-write", d->tuns.dropped + others.tun);
    put_drops(o, "actions", d->batch.lost + others.actions);
    return o;
}

void method_status(struct call *c)
{
    struct daemon *d = c->daemon;
    struct node_view v;
    struct json_t *o, *nets;
    if (!params_fine(c, "network")) return;
    node_view(d->node, &v);
    o = js_object();
    nets = js_array();
    view_put_id(o, "id", &v.id);
    js_put_text(o, "version", RINGLET_VERSION);
    js_put_text(o, "state", view_state(v.state));
    js_put(o, "ring", ring(&v));
    js_put_int(o, "threads", d->threads.count);
    js_put(o, "listen", listens(d));
    js_put(o, "observed", endpoints(v.observed, v.observed_count));
    js_put(o, "nat", nat(&v));
    for (uint8_t n = 0; n < NETWORKS_MAX; n++)
        if (d->networks[n].used) js_add(nets, network(d, n));
    js_put(o, "networks", nets);
    js_put(o, "links", links(&v));
    js_put_int(o, "sessions", v.sessions);
    js_put_int(o, "uptime_s", (int64_t)(time_since(clock_us(), v.started_us) / SECONDS(1)));
    js_put_int(o, "rx_bytes", (int64_t)v.rx_bytes);
    js_put_int(o, "tx_bytes", (int64_t)v.tx_bytes);
    js_put(o, "drops", drops(d));
    call_result(c, o);
}

/* --- peers --- */

static struct json_t *peer(const struct daemon *d, const struct peer_view *v)
{
    static const struct endpoint no_endpoint;
    struct json_t *o = js_object();
    view_put_id(o, "id", &v->id);
    view_put_network(o, d, v->network);
    view_put_name(o, "name", &v->name);
    view_put_ipv4(o, "ipv4", v->ipv4);
    view_put_ipv6(o, "ipv6", v->ipv6);
    js_put(o, "links", view_links(v->links));
    js_put_text(o, "path", view_path(v->path));
    view_put_endpoint(o, "endpoint", v->path == PATH_DIRECT ? &v->endpoint : &no_endpoint);
    view_put_id(o, "via", v->path == PATH_RELAYED ? &v->via : &ID_ZERO);
    view_put_name(o, "via_name", &v->via_name);
    view_put_ms(o, "rtt_ms", v->rtt_us);
    view_put_size(o, "mtu", v->mtu_bytes);
    js_put_int(o, "rx_bytes", (int64_t)v->rx_bytes);
    js_put_int(o, "tx_bytes", (int64_t)v->tx_bytes);
    js_put_number(o, "since_s", (double)(time_since(clock_us(), v->since_us) / MILLIS(1)) / 1000.0);
    js_put_text(o, "why", v->why[0] ? v->why : NULL);
    return o;
}

void method_peers(struct call *c)
{
    struct peer_view v;
    uint32_t cursor = 0;
    int wanted;
    if (!params_fine(c, "network") || (wanted = network_wanted(c)) == -2) return;
    struct json_t *list = js_array();
    while (node_peer_next(c->daemon->node, &cursor, &v))
        if (wanted < 0 || v.network == wanted) js_add(list, peer(c->daemon, &v));
    call_result(c, list);
}

/* --- members --- */

static struct json_t *member(const struct daemon *d, const struct member_view *v)
{
    struct json_t *o = js_object(), *groups = js_array();
    view_put_id(o, "id", &v->id);
    view_put_network(o, d, v->network);
    view_put_name(o, "name", &v->name);
    view_put_ipv4(o, "ipv4", v->ipv4);
    view_put_ipv6(o, "ipv6", v->ipv6);
    for (uint8_t i = 0; i < v->group_count && i < CERT_GROUPS_MAX; i++)
        js_add_text(groups, v->groups[i].s);
    js_put(o, "groups", groups);
    js_put_int(o, "expires_s", (int64_t)v->expires_s);
    js_put_text(o, "slot_state", view_slot(v->slot_state));
    view_put_id(o, "slot_holder", &v->slot_holder);
    js_put_bool(o, "revoked", false); /* revocations are not in this version */
    js_put_bool(o, "self", v->self);
    js_put_bool(o, "up", v->up);
    js_put_int(o, "seen_s", v->up ? 0 : (int64_t)(time_since(clock_us(), v->seen_us) / SECONDS(1)));
    return o;
}

void method_members(struct call *c)
{
    struct member_view v;
    uint32_t cursor = 0;
    int wanted;
    if (!params_fine(c, "network") || (wanted = network_wanted(c)) == -2) return;
    struct json_t *list = js_array();
    while (node_member_next(c->daemon->node, &cursor, &v))
        if (wanted < 0 || v.network == wanted) js_add(list, member(c->daemon, &v));
    call_result(c, list);
}

/* --- why --- */

static struct json_t *nat_pair(uint8_t mapping, uint8_t filtering)
{
    struct json_t *o = js_object();
    js_put_text(o, "mapping", view_nat(mapping));
    js_put_text(o, "filtering", view_nat(filtering));
    return o;
}

static struct json_t *why(const struct why_view *v, bool self, uint64_t now_us)
{
    struct json_t *o = js_object(), *tried = js_array();
    view_put_id(o, "id", &v->id);
    view_put_name(o, "name", &v->name);
    js_put_bool(o, "self", self);
    js_put_text(o, "path", view_path(v->path));
    js_put_text(o, "verdict", v->verdict);
    js_put(o, "local", nat_pair(v->local_mapping, v->local_filtering));
    js_put(o, "remote", nat_pair(v->remote_mapping, v->remote_filtering));
    for (uint8_t i = 0; i < v->tried_count && i < WHY_TRIED_MAX; i++) {
        struct json_t *one = js_object();
        js_put_text(one, "what", v->tried[i].what);
        js_put_text(one, "result", v->tried[i].result);
        js_add(tried, one);
    }
    js_put(o, "tried", tried);
    if (v->next_us == TIME_NEVER)
        js_put_null(o, "next_s");
    else
        js_put_number(o, "next_s", (double)(v->next_us > now_us ? v->next_us - now_us : 0) / 1e6);
    return o;
}

void method_why(struct call *c)
{
    struct daemon *d = c->daemon;
    struct target t;
    struct fail f;
    struct why_view v;
    struct id id;
    uint8_t source;
    if (!params_fine(c, "target network")) return;
    if (!target_read(d, call_params(c), &t, &f)) {
        call_failed(c, &f);
        return;
    }
    const char *text = js_get_text(call_params(c), "target");
    enum err e = node_resolve(d->node, &t, &id, &source);
    uint64_t now_us = clock_us();
    if (!e && !node_why(d->node, now_us, &id, &v)) e = ERR_NOT_FOUND;
    if (!e) {
        call_result(c, why(&v, source == SOURCE_SELF, now_us));
        return;
    }
    target_failed(d, text, e, &f);
    if (e == ERR_NOT_FOUND && target_is_member(d, text))
        fail(&f, FAIL_NOT_FOUND, "", "there is no session with %.80s", text);
    if (e == ERR_NOT_FOUND)
        fail_hint(&f, "send it something first, then ask again: `ringlet ping %.80s`", text);
    call_failed(c, &f);
}
