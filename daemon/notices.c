/* What changed: into the log, to watchers, into the peers file (daemon/daemon.h). */
#include "daemon/daemon.h"

#include "daemon/clock.h"
#include "daemon/views.h"
#include "vnet/address.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REMEMBER_EVERY SECONDS(1)
#define LIMITS_EVERY   SECONDS(2)

/* --- the peers file --- */

void notices_remember_now(struct daemon *d)
{
    struct node_view v;
    struct fail f;
    if (d->left_all) return;
    struct home_peers *p = calloc(1, sizeof *p);
    char *text = malloc(sizeof d->peers_text);
    ensure(p && text);
    node_view(d->node, &v);
    p->count = node_remembered(d->node, p->list, PEERS_REMEMBERED_MAX);
    p->pinned_count = node_pinned(d->node, p->pinned, NODE_PINNED_MAX);
    p->observed_count = v.observed_count;
    memcpy(p->observed, v.observed, sizeof p->observed);
    size_t len = home_print_peers(p, text, sizeof d->peers_text);
    bool same = len == d->peers_len && memcmp(text, d->peers_text, len) == 0;
    bool worth = p->count || p->observed_count || p->pinned_count ||
                 d->peers_len; /* a file that says nothing is not begun */
    if (len && !same && worth) {
        if (home_write_peers(&d->state, text, len, &f)) {
            memcpy(d->peers_text, text, len);
            d->peers_len = len;
        } else {
            log_say(&d->log, LOG_WARN, "%s", f.message);
        }
    }
    d->remember_due = false;
    d->remembered_us = clock_us();
    free(text);
    free(p);
}

static void on_remember(uv_timer_t *t)
{
    notices_remember_now(t->data);
}

void notices_remember(struct daemon *d)
{
    uint64_t since_us = time_since(clock_us(), d->remembered_us);
    if (d->remember_due) return;
    d->remember_due = true;
    uv_timer_start(&d->remember, on_remember,
                   since_us < REMEMBER_EVERY ? (REMEMBER_EVERY - since_us) / 1000 + 1 : 0, 0);
}

/* --- notices --- */

static const char *const names[] = {
    [NOTICE_JOINED] = "joined",
    [NOTICE_ALONE] = "alone",
    [NOTICE_PEER_UP] = "peer-up",
    [NOTICE_PEER_DOWN] = "peer-down",
    [NOTICE_PATH] = "path",
    [NOTICE_ADDRESS_CONFLICT] = "address-conflict",
    [NOTICE_ADDRESS] = "address",
    [NOTICE_VERSION] = "version",
    [NOTICE_MESSAGE] = "message",
    [NOTICE_SLOT_HELD] = "slot-held",
    [NOTICE_SLOT_REFUSED] = "slot-refused",
    [NOTICE_MEMBER_REFUSED] = "member-refused",
    [NOTICE_MEMBER_ACCEPTED] = "member-accepted",
};

static const char *ipv4_text(uint32_t ipv4, char out[ENDPOINT_TEXT])
{
    uint8_t ip[16];
    if (!ipv4) return NULL;
    ip_from_v4(ip, ipv4);
    return ip_print(ip, out);
}

/* What is known of the peer a notice is about: name and path, as far as there are any. */
struct subject {
    struct peer_view peer;                             /* its path; PATH_NONE: no session */
    char text[ID_TEXT + sizeof(struct name_text) + 4]; /* "bob (fahb...)" */
    char way[160];                                     /* "direct 192.0.2.2:7464" */
};

static void find_name(const struct daemon *d, const struct id *id, struct name_text *out)
{
    struct member_view m;
    for (uint32_t cursor = 0; node_member_next(d->node, &cursor, &m);)
        if (id_equal(&m.id, id)) *out = m.name;
}

static void find_subject(const struct daemon *d, const struct id *id, struct subject *s)
{
    char text[ENDPOINT_TEXT], id_text[ID_TEXT];
    bool found = false;
    memset(s, 0, sizeof *s);
    for (uint32_t cursor = 0; !found && node_peer_next(d->node, &cursor, &s->peer);)
        found = id_equal(&s->peer.id, id);
    if (!found) memset(&s->peer, 0, sizeof s->peer);
    if (!s->peer.name.s[0]) find_name(d, id, &s->peer.name);
    id_print(id, id_text);
    if (s->peer.name.s[0])
        snprintf(s->text, sizeof s->text, "%s (%s)", s->peer.name.s, id_text);
    else
        snprintf(s->text, sizeof s->text, "%s", id_text);
    const char *via = s->peer.via_name.s;
    snprintf(s->way, sizeof s->way, "%s%s%s", view_path(s->peer.path),
             s->peer.path == PATH_DIRECT ? " "
             : via[0]                    ? " by "
                                         : "",
             s->peer.path == PATH_DIRECT ? endpoint_print(&s->peer.endpoint, text) : via);
}

static void put_subject(struct json_t *e, const struct notice *n, const struct subject *s)
{
    static const struct endpoint no_endpoint;
    bool direct = s->peer.path == PATH_DIRECT;
    view_put_id(e, "id", &n->id);
    view_put_name(e, "name", &s->peer.name);
    if (n->type == NOTICE_PATH) {
        js_put_text(e, "from", view_path(n->from));
        js_put_text(e, "to", view_path(n->to));
    } else if (n->type == NOTICE_PEER_UP) {
        js_put_text(e, "path", view_path(s->peer.path));
    }
    if (n->type == NOTICE_PATH || n->type == NOTICE_PEER_UP) {
        view_put_endpoint(e, "endpoint", direct ? &s->peer.endpoint : &no_endpoint);
        view_put_id(e, "via", s->peer.path == PATH_RELAYED ? &s->peer.via : &ID_ZERO);
    }
}

/* The host name in dispute: a conflict that is about no address. NULL: it is about one. */
static const char *name_in_dispute(const struct daemon *d, const struct notice *n)
{
    bool ours = n->network >= 0 && n->network < NETWORKS_MAX && d->networks[n->network].used;
    if (n->type != NOTICE_ADDRESS_CONFLICT || n->ipv4 || !ours) return NULL;
    return d->networks[n->network].home.is.host.s;
}

static void tell_message(struct daemon *d, const struct notice *n)
{
    struct member_view v;
    char text[NODE_TEXT_MAX + 1];
    struct json_t *e = js_object();
    snprintf(text, sizeof text, "%.*s", (int)n->text_len, n->text);
    js_put_int(e, "at_ms", (int64_t)clock_calendar_ms());
    js_put_text(e, "event", names[n->type]);
    view_put_id(e, "from", &n->id);
    (void)view_member(d, &n->id, &v); /* of a broadcast the origin need not be a peer */
    view_put_name(e, "name", &v.name);
    js_put_text(e, "text", text);
    js_put_bool(e, "broadcast", n->broadcast);
    control_event(&d->control, e);
}

static bool is_slot_notice(uint8_t type)
{
    return type == NOTICE_SLOT_HELD || type == NOTICE_SLOT_REFUSED ||
           type == NOTICE_MEMBER_REFUSED || type == NOTICE_MEMBER_ACCEPTED;
}

static void tell_watchers(struct daemon *d, const struct notice *n, const struct subject *s)
{
    char text[ENDPOINT_TEXT];
    struct json_t *e = js_object();
    js_put_int(e, "at_ms", (int64_t)clock_calendar_ms());
    js_put_text(e, "event", names[n->type]);
    if (n->type != NOTICE_JOINED && n->type != NOTICE_ALONE) put_subject(e, n, s);
    if (is_slot_notice(n->type)) view_put_network(e, d, n->network);
    if (n->type == NOTICE_ADDRESS || n->type == NOTICE_ADDRESS_CONFLICT) {
        view_put_network(e, d, n->network);
        js_put_text(e, "ipv4", ipv4_text(n->ipv4, text));
        js_put_text(e, "host", name_in_dispute(d, n));
    }
    js_put_text(e, "why", n->why[0] ? n->why : NULL);
    control_event(&d->control, e);
}

static void log_notice(const struct daemon *d, const struct notice *n, const struct subject *s)
{
    char ip[ENDPOINT_TEXT];
    const char *v4 = ipv4_text(n->ipv4, ip), *host = name_in_dispute(d, n);
    const char *colon = n->why[0] ? ": " : "";
    switch ((enum notice_type)n->type) {
    case NOTICE_JOINED: log_say(&d->log, LOG_INFO, "joined the ring"); break;
    case NOTICE_ALONE:
        log_say(&d->log, LOG_WARN, "alone: no peer answers%s%s", colon, n->why);
        break;
    case NOTICE_PEER_UP:
        log_say(&d->log, LOG_DEBUG, "peer %s up, %s%s%s", s->text, s->way, colon, n->why);
        break;
    case NOTICE_PEER_DOWN:
        log_say(&d->log, LOG_DEBUG, "peer %s down%s%s", s->text, colon, n->why);
        break;
    case NOTICE_PATH:
        log_say(&d->log, LOG_INFO, "path to %s: %s, was %s%s%s", s->text,
                n->to == s->peer.path ? s->way : view_path(n->to), view_path(n->from), colon,
                n->why);
        break;
    case NOTICE_ADDRESS_CONFLICT:
        if (host)
            log_say(&d->log, LOG_WARN, "the name %s is also held by %s%s%s", host, s->text, colon,
                    n->why);
        else
            log_say(&d->log, LOG_WARN, "address %s is also held by %s%s%s", v4 ? v4 : "(none)",
                    s->text, colon, n->why);
        break;
    case NOTICE_ADDRESS:
        log_say(&d->log, LOG_INFO, "address is now %s%s%s", v4 ? v4 : "none", colon, n->why);
        break;
    case NOTICE_VERSION:
        log_say(&d->log, LOG_WARN, "a peer speaks another protocol version%s%s", colon, n->why);
        break;
    case NOTICE_MESSAGE: /* its text is for watchers, not for the log */
        log_say(&d->log, LOG_DEBUG, "a message from %s: %u bytes, %s", s->text, n->text_len,
                d->control.watchers ? "shown to those who watch" : "nobody watches");
        break;
    case NOTICE_SLOT_HELD: log_say(&d->log, LOG_INFO, "%s", n->why); break;
    case NOTICE_SLOT_REFUSED: /* another is tried, or none is left: daemon/slots.c says which */
        log_say(&d->log, LOG_DEBUG, "%s", n->why);
        break;
    case NOTICE_MEMBER_REFUSED:
        log_say(&d->log, LOG_WARN, "refused %s%s%s", s->text, colon, n->why);
        break;
    case NOTICE_MEMBER_ACCEPTED:
        log_say(&d->log, LOG_INFO, "%s is a member again%s%s", s->text, colon, n->why);
        break;
    }
}

/* A ring that gains or loses a neighbour is left for a moment and joined again: that is no news. */
static bool is_news(struct daemon *d, const struct notice *n)
{
    bool joined = n->type == NOTICE_JOINED;
    if (!joined && n->type != NOTICE_ALONE) return true;
    if (joined && d->told_joined) return false;
    d->told_joined = joined;
    if (joined) d->told_silent = false;
    return true;
}

void notices_seeds_silent(struct daemon *d)
{
    char list[300] = "";
    struct node_view v;
    node_view(d->node, &v);
    if (d->told_silent || d->seeds.count == 0 || v.sessions > 0) return;
    d->told_silent = true;
    for (size_t i = 0, used = 0; i < d->seeds.count && used < sizeof list; i++) {
        const struct resolve_name *n = &d->seeds.names[i];
        int len = snprintf(list + used, sizeof list - used, "%s%s%s", i ? ", " : "", n->text,
                           n->count ? "" : " (a name without an address)");
        used += len > 0 ? (size_t)len : 0;
    }
    log_say(&d->log, LOG_WARN,
            "no seed answers: %s: is a daemon running there, and does its port let UDP in? Where "
            "UDP is blocked here, "
            "a seed must listen on TCP 443, too: tcp = and advertise = tcp:HOST:443 there",
            list);
}

/* What being full means for somebody, by the order of node_use. */
static const char *const full_means[LIMIT_USES] = {
    "the least useful peer makes room for each new one",
    "some peers stay without a relay, a direct path or speed",
    "some peers' packets take the slow way",
    "other pairs of nodes are not relayed by this one",
};

void notices_limits(struct daemon *d)
{
    struct limit_use use[LIMIT_USES];
    uint64_t now_us = clock_us();
    if (time_since(now_us, d->limits_us) < LIMITS_EVERY) return;
    d->limits_us = now_us;
    node_use(d->node, use);
    for (uint32_t i = 0; i < LIMIT_USES; i++) {
        if (use[i].max == 0) continue; /* as it is wanted */
        if (use[i].used <= use[i].max / 2) d->told_limit[i] = false;
        if (use[i].used < use[i].max || d->told_limit[i]) continue;
        d->told_limit[i] = true;
        log_say(&d->log, LOG_WARN,
                "a limit is reached: %s = %u: %s; more by `%s` under [limits] in " STATE_CONF,
                use[i].limit, (unsigned)use[i].max, full_means[i], use[i].limit);
    }
}

void notices_take(struct daemon *d, const struct notice *n)
{
    struct subject s;
    if (is_news(d, n)) {
        find_subject(d, &n->id, &s);
        log_notice(d, n, &s);
        if (d->control.watchers && n->type == NOTICE_MESSAGE) tell_message(d, n);
        if (d->control.watchers && n->type != NOTICE_MESSAGE) tell_watchers(d, n, &s);
    }
    if (n->type == NOTICE_ADDRESS && n->network >= 0) networks_addresses(d, (uint8_t)n->network);
    if (n->type == NOTICE_SLOT_HELD || n->type == NOTICE_SLOT_REFUSED) slots_notice(d, n);
    if (n->type == NOTICE_JOINED || n->type == NOTICE_PEER_UP)
        notices_remember(d); /* others may have told us where they see us */
}
