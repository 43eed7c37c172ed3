/* link add, drop, list: pinned links, with which a controller from outside steers (daemon/methods.h). */
#include "daemon/methods.h"

#include "daemon/daemon.h"
#include "daemon/params.h"
#include "daemon/target.h"
#include "daemon/views.h"

static void cancel_requests(struct call *c)
{
    requests_cancel(c->daemon, c);
}

static void failed(struct call *c, const struct reply *r)
{
    struct fail f;
    const char *target = js_get_text(call_params(c), "target");
    if (r->err == ERR_INVALID)
        fail(&f, FAIL_USAGE, "name another node", "%.80s is this node itself", target);
    else if (r->err == ERR_FULL && r->command == CMD_LINK_ADD)
        fail(&f, FAIL_BUSY, "drop one: `ringlet link list`", "no more links can be pinned");
    else if (r->err == ERR_NOT_FOUND && r->command == CMD_LINK_DROP)
        fail(&f, FAIL_NOT_FOUND, "`ringlet link list` lists them, by id too",
             "no pinned link to %.80s", target);
    else
        target_failed(c->daemon, target, r->err, &f);
    call_failed(c, &f);
}

static void on_changed(struct daemon *d, void *context, const struct reply *r)
{
    struct call *c = context;
    if (r->err != OK) {
        failed(c, r);
        return;
    }
    notices_remember_now(d); /* it holds from now on, whatever happens to us */
    struct json_t *o = js_object();
    js_put_bool(o, "ok", true);
    view_put_id(o, "id", &r->id);
    view_put_name(o, "name", &r->name);
    js_put_text(o, "path", r->command == CMD_LINK_ADD ? view_path(r->path) : NULL);
    call_result(c, o);
}

static void change(struct call *c, enum command_type type)
{
    struct fail f;
    struct command command = {.type = (uint8_t)type};
    const struct json_t *params = call_params(c);
    if (!params_known(params, "target network timeout", &f) ||
        !param_time(params, "timeout", MILLIS(1), SECONDS(60), &command.timeout_us, &f) ||
        !target_read(c->daemon, params, &command.target, &f)) {
        call_failed(c, &f);
        return;
    }
    c->cancel = cancel_requests;
    if (requests_send(c->daemon, &command, on_changed, c)) return;
    fail(&f, FAIL_BUSY, "try again", "too many questions are under way");
    call_failed(c, &f);
}

void method_link_add(struct call *c)
{
    change(c, CMD_LINK_ADD);
}

void method_link_drop(struct call *c)
{
    change(c, CMD_LINK_DROP);
}

void method_link_list(struct call *c)
{
    struct fail f;
    struct id list[NODE_PINNED_MAX];
    struct member_view v;
    if (!params_known(call_params(c), "network", &f)) {
        call_failed(c, &f);
        return;
    }
    struct json_t *all = js_array();
    uint32_t n = node_pinned(c->daemon->node, list, NODE_PINNED_MAX);
    for (uint32_t i = 0; i < n; i++) {
        struct json_t *o = js_object();
        bool known = view_member(c->daemon, &list[i], &v);
        view_put_id(o, "id", &list[i]);
        js_put_text(o, "name", known && v.name.s[0] ? v.name.s : NULL);
        js_put_text(o, "path", view_path(node_path(c->daemon->node, &list[i])));
        js_add(all, o);
    }
    call_result(c, all);
}
