/* ping, trace, lookup: questions to other nodes (daemon/methods.h). */
#include "daemon/methods.h"

#include "daemon/clock.h"
#include "daemon/params.h"
#include "daemon/pingsum.h"
#include "daemon/target.h"
#include "daemon/views.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *target_text(const struct call *c)
{
    return js_get_text(call_params(c), "target");
}

static void busy(struct call *c)
{
    struct fail f;
    target_failed(c->daemon, target_text(c), ERR_BUSY, &f);
    call_failed(c, &f);
}

static void cancel_requests(struct call *c)
{
    requests_cancel(c->daemon, c);
}

/* --- ping --- */

struct pinging {
    struct call *call;
    struct target target;
    int64_t count, seq;
    uint64_t interval_us, timeout_us, begun_us;
    struct pingsum sum;
    uv_timer_t timer;
};

static void on_timer_closed(uv_handle_t *h)
{
    struct pinging *p = h->data;
    pingsum_fini(&p->sum);
    free(p);
}

static void ping_free(struct pinging *p)
{
    p->call->state = NULL;
    p->call->cancel = NULL;
    uv_close((uv_handle_t *)&p->timer, on_timer_closed);
}

static void ping_cancel(struct call *c)
{
    struct pinging *p = c->state;
    requests_cancel(c->daemon, p);
    ping_free(p);
}

static struct json_t *ping_answer(int64_t seq, const struct reply *r)
{
    static const struct endpoint no_endpoint;
    struct json_t *o = js_object();
    bool ok = r->err == OK;
    js_put_int(o, "seq", seq);
    if (ok)
        js_put_number(o, "rtt_ms", r->rtt_us / 1000.0);
    else
        js_put_null(o, "rtt_ms");
    js_put_text(o, "path", ok ? view_path(r->path) : NULL);
    view_put_endpoint(o, "endpoint", ok && r->path == PATH_DIRECT ? &r->endpoint : &no_endpoint);
    view_put_id(o, "via", ok && r->path == PATH_RELAYED ? &r->via : &ID_ZERO);
    if (ok && r->path == PATH_RELAYED)
        view_put_name(o, "via_name", &r->via_name);
    else
        js_put_null(o, "via_name");
    if (ok)
        js_put_int(o, "hops",
                   r->path == PATH_NONE      ? 0
                   : r->path == PATH_DIRECT  ? 1
                   : r->path == PATH_RELAYED ? 2
                                             : r->hops);
    else
        js_put_null(o, "hops");
    return o;
}

static void ping_next(struct pinging *p);

static void on_ping_timer(uv_timer_t *t)
{
    ping_next(t->data);
}

static void on_pong(struct daemon *d, void *context, const struct reply *r)
{
    struct pinging *p = context;
    struct call *c = p->call;
    struct fail f;
    (void)d;
    bool lost = r->err == ERR_TIMEOUT || r->err == ERR_UNREACHABLE;
    bool unknown = lost && id_is_zero(&r->id); /* nobody knew in time who that is */
    if ((r->err != OK && !lost) || unknown) {
        target_failed(c->daemon, target_text(c), unknown ? ERR_NOT_FOUND : r->err, &f);
        ping_free(p);
        call_failed(c, &f);
        return;
    }
    if (!id_is_zero(&r->id)) id_print(&r->id, p->sum.id);
    pingsum_add(&p->sum, ping_answer(p->seq, r));
    if (--p->count > 0 && c->connection) {
        uint64_t since_us = time_since(clock_us(), p->begun_us);
        p->seq++;
        uv_timer_start(&p->timer, on_ping_timer,
                       since_us < p->interval_us ? (p->interval_us - since_us) / 1000 : 0, 0);
        return;
    }
    struct json_t *document = pingsum_document(&p->sum);
    ping_free(p);
    call_result(c, document);
}

static void ping_next(struct pinging *p)
{
    struct call *c = p->call;
    struct command command = {.type = CMD_PING, .target = p->target, .timeout_us = p->timeout_us};
    p->begun_us = clock_us();
    if (requests_send(c->daemon, &command, on_pong, p)) return; /* p may be gone now */
    ping_free(p);
    busy(c);
}

void method_ping(struct call *c)
{
    struct fail f;
    const struct json_t *params = call_params(c);
    struct pinging *p = calloc(1, sizeof *p);
    ensure(p);
    *p = (struct pinging){
        .call = c, .count = 4, .seq = 1, .interval_us = SECONDS(1), .timeout_us = 0};
    if (!params_known(params, "target network count interval timeout seq", &f) ||
        !param_int(params, "count", 1, 10000, &p->count, &f) ||
        !param_int(params, "seq", 1, INT32_MAX, &p->seq, &f) ||
        !param_time(params, "interval", MILLIS(10), HOURS(1), &p->interval_us, &f) ||
        !param_time(params, "timeout", MILLIS(1), HOURS(1), &p->timeout_us, &f) ||
        !target_read(c->daemon, params, &p->target, &f)) {
        free(p);
        call_failed(c, &f);
        return;
    }
    pingsum_init(&p->sum);
    uv_timer_init(&c->daemon->loop, &p->timer);
    p->timer.data = p;
    c->state = p;
    c->cancel = ping_cancel;
    ping_next(p);
}

/* --- trace --- */

static void on_trace(struct daemon *d, void *context, const struct reply *r)
{
    struct call *c = context;
    struct fail f;
    char text[ID_TEXT];
    bool partial = r->err == ERR_TIMEOUT || r->err == ERR_UNREACHABLE;
    bool unknown = partial && id_is_zero(&r->id);
    if ((r->err != OK && !partial) || unknown) {
        target_failed(d, target_text(c), unknown ? ERR_NOT_FOUND : r->err, &f);
        call_failed(c, &f);
        return;
    }
    struct json_t *o = js_object(), *hops = js_array();
    js_put_text(o, "target", id_is_zero(&r->id) ? target_text(c) : id_print(&r->id, text));
    js_put_bool(o, "ok", r->err == OK);
    for (uint8_t i = 0; i < r->hop_count && i < TRACE_HOPS_MAX; i++) {
        struct json_t *hop = js_object();
        view_put_id(hop, "id", &r->hop[i].id);
        view_put_name(hop, "name", &r->hop[i].name);
        view_put_ms(hop, "rtt_ms", r->hop[i].rtt_us);
        js_add(hops, hop);
    }
    js_put(o, "hops", hops);
    call_result(c, o);
}

/* --- lookup --- */

static void on_lookup(struct daemon *d, void *context, const struct reply *r)
{
    struct call *c = context;
    struct fail f;
    if (r->err != OK) {
        target_failed(d, target_text(c), r->err, &f);
        call_failed(c, &f);
        return;
    }
    struct json_t *o = js_object();
    view_put_id(o, "id", &r->id);
    view_put_name(o, "name", &r->name);
    view_put_ipv4(o, "ipv4", r->ipv4);
    view_put_ipv6(o, "ipv6", r->ipv6);
    js_put_text(o, "source", view_source(r->source));
    call_result(c, o);
}

static void ask(struct call *c, enum command_type type, request_done *done)
{
    struct fail f;
    struct command command = {.type = (uint8_t)type};
    if (!params_known(call_params(c), "target network timeout", &f) ||
        !param_time(call_params(c), "timeout", MILLIS(1), HOURS(1), &command.timeout_us, &f) ||
        !target_read(c->daemon, call_params(c), &command.target, &f)) {
        call_failed(c, &f);
        return;
    }
    c->cancel = cancel_requests;
    if (!requests_send(c->daemon, &command, done, c)) busy(c);
}

void method_trace(struct call *c)
{
    ask(c, CMD_TRACE, on_trace);
}

void method_lookup(struct call *c)
{
    ask(c, CMD_LOOKUP, on_lookup);
}
