/* send: text to others (daemon/methods.h). */
#include "daemon/methods.h"

#include "daemon/daemon.h"
#include "daemon/params.h"
#include "daemon/target.h"
#include "daemon/views.h"
#include <string.h>

static void cancel_requests(struct call *c)
{
    requests_cancel(c->daemon, c);
}

static bool text_fine(const char *text, unsigned most, struct fail *f)
{
    size_t len = strlen(text);
    if (len > most)
        return fail(f, FAIL_USAGE, "send it in pieces, or a file by other means",
                    "the text has %zu bytes: at most %u fit", len, most);
    return node_text_ok(text, len) || fail(f, FAIL_USAGE, "send one line of UTF-8 text",
                                           "the text is empty, or has control characters");
}

static void on_sent(struct daemon *d, void *context, const struct reply *r)
{
    struct call *c = context;
    struct fail f;
    const char *target = js_get_text(call_params(c), "target");
    if (r->err != OK) {
        target_failed(d, target, r->err, &f);
        if (r->err == ERR_BUSY)
            fail(&f, FAIL_BUSY, "wait some seconds, then try again",
                 "%.80s takes no more messages for now", target);
        if (r->err == ERR_FULL)
            fail(&f, FAIL_BUSY, "try again when they are answered",
                 "too many messages wait for their answer");
        call_failed(c, &f);
        return;
    }
    struct json_t *o = js_object();
    js_put_bool(o, "ok", true);
    view_put_id(o, "id", &r->id);
    view_put_name(o, "name", &r->name);
    view_put_ms(o, "rtt_ms", r->rtt_us);
    js_put_text(o, "path", view_path(r->path));
    call_result(c, o);
}

static void on_broadcast(struct daemon *d, void *context, const struct reply *r)
{
    struct call *c = context;
    struct fail f;
    (void)d;
    if (r->err == ERR_UNREACHABLE)
        fail(&f, FAIL_UNREACHABLE, "wait: `ringlet status --wait joined`",
             "this node is not on the ring");
    else if (r->err == ERR_BUSY || r->err == ERR_FULL)
        fail(&f, FAIL_BUSY, "try again in 10 s", "too many broadcasts of late");
    else if (r->err != OK)
        fail(&f, FAIL_TIMEOUT, "look at `ringlet status`", "the broadcast: %s", err_text(r->err));
    if (r->err != OK) {
        call_failed(c, &f);
        return;
    }
    struct json_t *o = js_object();
    js_put_bool(o, "ok", true);
    js_put_int(o, "reached", r->reached);
    js_put_int(o, "lost", r->lost);
    call_result(c, o);
}

/* Either to a target, or to everybody. */
static bool read_send(struct call *c, struct command *out, struct fail *f)
{
    const struct json_t *params = call_params(c);
    const char *all = NULL;
    if (!params_known(params, "target text broadcast network timeout", f) ||
        !param_time(params, "timeout", MILLIS(100), SECONDS(60), &out->timeout_us, f) ||
        !param_text(params, "broadcast", &all, f))
        return false;
    out->type = all ? CMD_BROADCAST : CMD_SEND;
    out->text = all;
    if (all && (js_get(params, "target") || js_get(params, "text")))
        return fail(f, FAIL_USAGE, "leave the target out",
                    "--broadcast goes to everybody, not to a target");
    if (!all && (!target_read(c->daemon, params, &out->target, f) ||
                 !param_needed(params, "text", &out->text, f)))
        return false;
    out->text_len = (uint16_t)strlen(out->text);
    return text_fine(out->text, all ? NODE_BROADCAST_MAX : NODE_TEXT_MAX, f);
}

void method_send(struct call *c)
{
    struct fail f;
    struct command command = {0};
    if (!read_send(c, &command, &f)) {
        call_failed(c, &f);
        return;
    }
    c->cancel = cancel_requests;
    if (requests_send(c->daemon, &command, command.type == CMD_SEND ? on_sent : on_broadcast, c))
        return;
    fail(&f, FAIL_BUSY, "try again", "too many questions are under way");
    call_failed(c, &f);
}
