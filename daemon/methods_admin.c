/* log, reload, stop, watch, config check, invites: the daemon itself (daemon/methods.h). */
#include "daemon/methods.h"

#include "daemon/configcheck.h"
#include "daemon/daemon.h"
#include "daemon/params.h"
#include <stdlib.h>
#include <string.h>

static struct json_t *ok(void)
{
    struct json_t *o = js_object();
    js_put_bool(o, "ok", true);
    return o;
}

void method_log(struct call *c)
{
    struct fail f;
    const char *level;
    if (!params_known(call_params(c), "level network", &f) ||
        !param_needed(call_params(c), "level", &level, &f)) {
        call_failed(c, &f);
        return;
    }
    if (!log_set(&c->daemon->log, level)) {
        fail(&f, FAIL_USAGE, LOG_WORDS, "`%.60s` is no log level", level);
        call_failed(c, &f);
        return;
    }
    struct json_t *o = ok();
    js_put_text(o, "level", level);
    call_result(c, o);
}

void method_stop(struct call *c)
{
    struct daemon *d = c->daemon;
    call_result(c, ok());
    loop_stop(d, "asked to");
}

void method_watch(struct call *c)
{
    call_watch(c);
    call_result(c, ok());
}

/* --- reload --- */

#define CHANGED(a, b, field) (memcmp(&(a)->field, &(b)->field, sizeof(a)->field) != 0)

/* What of the networks' sections changed: device and mtu want a restart. */
static void networks_changed(const struct config *old, const struct config *new,
                             struct json_t *applied, struct json_t *restart)
{
    for (uint32_t i = 0; i < new->network_count; i++) {
        const struct config_network *n = &new->networks[i];
        struct config_network o = config_network(old, n->name.s);
        if (o.dns != n->dns) js_add_text(applied, "dns");
        if (o.accept_routes != n->accept_routes) js_add_text(applied, "accept-routes");
        if (strcmp(o.device, n->device) != 0) js_add_text(restart, "device");
        if (o.mtu_bytes != n->mtu_bytes) js_add_text(restart, "mtu");
    }
}

static uint8_t threads_of(const struct config *c)
{
    return c->threads ? c->threads : THREADS_DEFAULT;
}

static void node_changed(const struct config *old, const struct config *new, struct json_t *restart)
{
    if (CHANGED(old, new, listen)) js_add_text(restart, "listen");
    if (CHANGED(old, new, tcp) || old->tcp_same != new->tcp_same) js_add_text(restart, "tcp");
    if (old->port_mapping != new->port_mapping) js_add_text(restart, "port-mapping");
    if (strcmp(old->user, new->user) != 0) js_add_text(restart, "user");
    if (old->offload != new->offload) js_add_text(restart, "offload");
    if (threads_of(old) != threads_of(new)) js_add_text(restart, "threads");
    if (CHANGED(old, new, limits)) js_add_text(restart, "limits");
}

static void apply(struct daemon *d, const struct config *new, struct json_t *applied)
{
    if (strcmp(d->config.log, new->log) != 0 && log_set(&d->log, new->log))
        js_add_text(applied, "log");
    if (CHANGED(&d->config, new, stun)) js_add_text(applied, "stun");
    if (CHANGED(&d->config, new, seed)) {
        js_add_text(applied, "seed");
        resolve_start(&d->seeds, &new->seed);
        if (!d->seeds.asking) d->seeds.done(d); /* all numeric: nobody will call */
    }
    if (CHANGED(&d->config, new, advertise)) {
        js_add_text(applied, "advertise");
        resolve_start(&d->advertise, &new->advertise);
        if (!d->advertise.asking) d->advertise.done(d);
    }
}

bool reload_config(struct daemon *d, struct json_t *made, struct fail *f)
{
    struct config *new = malloc(sizeof *new);
    ensure(new);
    if (!config_read(&d->state, new, f)) {
        free(new);
        return false;
    }
    struct json_t *applied = js_array(), *restart = js_array();
    networks_changed(&d->config, new, applied, restart);
    node_changed(&d->config, new, restart);
    apply(d, new, applied);
    d->config = *new;
    free(new);
    log_say(&d->log, LOG_INFO, "reloaded ringlet.conf: %zu applied, %zu need a restart",
            js_count(applied), js_count(restart));
    js_put_bool(made, "ok", true);
    js_put(made, "applied", applied);
    js_put(made, "restart", restart);
    return true;
}

void method_reload(struct call *c)
{
    struct fail f;
    struct json_t *made = js_object();
    if (reload_config(c->daemon, made, &f)) {
        call_result(c, made);
        return;
    }
    js_free(made);
    call_failed(c, &f);
}

/* --- files --- */

void method_config_check(struct call *c)
{
    struct fail f;
    struct json_t *made = js_object();
    if (config_check(&c->daemon->state, call_params(c), made, &f)) {
        call_result(c, made);
        return;
    }
    js_free(made);
    call_failed(c, &f);
}
