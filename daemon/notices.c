/* What changed: into the log, to watchers, into the peers file (daemon/daemon.h). */
#include "daemon/daemon.h"

#include "daemon/clock.h"
#include "daemon/views.h"
#include "vnet/address.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define REMEMBER_EVERY SECONDS(1)

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
    p->observed_count = v.observed_count;
    memcpy(p->observed, v.observed, sizeof p->observed);
    size_t len = home_print_peers(p, text, sizeof d->peers_text);
    bool same = len == d->peers_len && memcmp(text, d->peers_text, len) == 0;
    bool worth = p->count || p->observed_count ||
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
    [NOTICE_JOINED] = "joined",   [NOTICE_ALONE] = "alone",
    [NOTICE_PEER_UP] = "peer-up", [NOTICE_PEER_DOWN] = "peer-down",
    [NOTICE_PATH] = "path",       [NOTICE_ADDRESS_CONFLICT] = "address-conflict",
    [NOTICE_ADDRESS] = "address", [NOTICE_VERSION] = "version",
    [NOTICE_MESSAGE] = "message",
};

static const char *ipv4_text(uint32_t ipv4, char out[ENDPOINT_TEXT])
{
    uint8_t ip[16];
    if (!ipv4) return NULL;
    ip_from_v4(ip, ipv4);
    return ip_print(ip, out);
}

/* The host name that a member's certificate gives it; NULL: not known. */
static const char *name_of(const struct daemon *d, const struct id *id, struct member_view *v)
{
    uint32_t cursor = 0;
    while (node_member_next(d->node, &cursor, v))
        if (id_equal(&v->id, id)) return v->name.s[0] ? v->name.s : NULL;
    return NULL;
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
    js_put_text(e, "name", name_of(d, &n->id, &v));
    js_put_text(e, "text", text);
    control_event(&d->control, e);
}

static void tell_watchers(struct daemon *d, const struct notice *n)
{
    char text[ENDPOINT_TEXT];
    struct json_t *e = js_object();
    js_put_int(e, "at_ms", (int64_t)clock_calendar_ms());
    js_put_text(e, "event", names[n->type]);
    if (n->type != NOTICE_JOINED && n->type != NOTICE_ALONE) view_put_id(e, "id", &n->id);
    if (n->type == NOTICE_PATH) {
        js_put_text(e, "from", view_path(n->from));
        js_put_text(e, "to", view_path(n->to));
    }
    if (n->type == NOTICE_ADDRESS || n->type == NOTICE_ADDRESS_CONFLICT) {
        view_put_network(e, d, n->network);
        js_put_text(e, "ipv4", ipv4_text(n->ipv4, text));
    }
    js_put_text(e, "why", n->why[0] ? n->why : NULL);
    control_event(&d->control, e);
}

static void log_notice(const struct daemon *d, const struct notice *n)
{
    char id[ID_TEXT], ip[ENDPOINT_TEXT];
    const char *v4 = ipv4_text(n->ipv4, ip), *why = n->why[0] ? n->why : "-";
    id_print(&n->id, id);
    switch ((enum notice_type)n->type) {
    case NOTICE_JOINED: log_say(&d->log, LOG_INFO, "joined the ring"); break;
    case NOTICE_ALONE: log_say(&d->log, LOG_WARN, "alone: no peer answers (%s)", why); break;
    case NOTICE_PEER_UP: log_say(&d->log, LOG_DEBUG, "peer %s up: %s", id, why); break;
    case NOTICE_PEER_DOWN: log_say(&d->log, LOG_DEBUG, "peer %s down: %s", id, why); break;
    case NOTICE_PATH:
        log_say(&d->log, LOG_INFO, "path to %s: %s, was %s: %s", id, view_path(n->to),
                view_path(n->from), why);
        break;
    case NOTICE_ADDRESS_CONFLICT:
        log_say(&d->log, LOG_WARN, "address %s is also held by %s: %s", v4 ? v4 : "-", id, why);
        break;
    case NOTICE_ADDRESS:
        log_say(&d->log, LOG_INFO, "address is now %s: %s", v4 ? v4 : "none", why);
        break;
    case NOTICE_VERSION:
        log_say(&d->log, LOG_WARN, "a peer speaks another protocol version: %s", why);
        break;
    case NOTICE_MESSAGE: /* its text is for watchers, not for the log */
        log_say(&d->log, LOG_DEBUG, "a message from %s: %u bytes, %s", id, n->text_len,
                d->control.watchers ? "shown to those who watch" : "nobody watches");
        break;
    }
}

void notices_take(struct daemon *d, const struct notice *n)
{
    log_notice(d, n);
    if (d->control.watchers && n->type == NOTICE_MESSAGE) tell_message(d, n);
    if (d->control.watchers && n->type != NOTICE_MESSAGE) tell_watchers(d, n);
    if (n->type == NOTICE_ADDRESS && n->network >= 0) networks_addresses(d, (uint8_t)n->network);
    if (n->type == NOTICE_JOINED || n->type == NOTICE_PEER_UP)
        notices_remember(d); /* others may have told us where they see us */
}
