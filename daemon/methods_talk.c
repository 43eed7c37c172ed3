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

static bool text_fine(const char *text, struct fail *f)
{
    size_t len = strlen(text);
    if (len > NODE_TEXT_MAX)
        return fail(f, FAIL_USAGE, "send it in pieces, or a file by other means",
                    "the text has %zu bytes: at most %u fit", len, NODE_TEXT_MAX);
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

void method_send(struct call *c)
{
    struct fail f;
    struct command command = {.type = CMD_SEND};
    const struct json_t *params = call_params(c);
    if (!params_known(params, "target text network timeout", &f) ||
        !param_time(params, "timeout", MILLIS(1), SECONDS(60), &command.timeout_us, &f) ||
        !target_read(c->daemon, params, &command.target, &f) ||
        !param_needed(params, "text", &command.text, &f) || !text_fine(command.text, &f)) {
        call_failed(c, &f);
        return;
    }
    command.text_len = (uint16_t)strlen(command.text);
    c->cancel = cancel_requests;
    if (requests_send(c->daemon, &command, on_sent, c)) return;
    fail(&f, FAIL_BUSY, "try again", "too many questions are under way");
    call_failed(c, &f);
}
