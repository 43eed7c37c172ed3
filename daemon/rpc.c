#include "daemon/rpc.h"

#include "base/err.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PARSE_ERROR      (-32700)
#define INVALID_REQUEST  (-32600)
#define METHOD_NOT_FOUND (-32601)
#define INVALID_PARAMS   (-32602)
#define SERVER_ERROR     (-32000)
#define ROOM_FIRST       4096u

/* --- lines --- */

void rpc_lines_init(struct rpc_lines *l, size_t max)
{
    *l = (struct rpc_lines){.max = max};
}

void rpc_lines_fini(struct rpc_lines *l)
{
    free(l->text);
    *l = (struct rpc_lines){0};
}

char *rpc_space(struct rpc_lines *l, size_t *room)
{
    if (l->start) {
        memmove(l->text, l->text + l->start, l->len - l->start);
        l->len -= l->start;
        l->start = 0;
    }
    if (l->len + 1 >= l->room && l->room < l->max + 1) {
        size_t more = l->room ? 2 * l->room : ROOM_FIRST;
        if (more > l->max + 1) more = l->max + 1;
        char *grown = realloc(l->text, more);
        ensure(grown);
        l->text = grown, l->room = more;
    }
    if (l->len + 1 >= l->room) {
        l->too_long = true;
        return NULL;
    }
    *room = l->room - l->len - 1;
    return l->text + l->len;
}

void rpc_filled(struct rpc_lines *l, size_t len)
{
    ensure(l->len + len < l->room);
    l->len += len;
}

bool rpc_next(struct rpc_lines *l, char **line, size_t *len)
{
    if (l->start == l->len) return false;
    char *from = l->text + l->start, *nl = memchr(from, '\n', l->len - l->start);
    if (!nl) return false;
    *nl = 0;
    *line = from;
    *len = (size_t)(nl - from);
    l->start += *len + 1;
    if (*len && from[*len - 1] == '\r') from[--*len] = 0;
    return true;
}

/* --- messages --- */

static struct json_t *message(void)
{
    struct json_t *m = js_object();
    js_put_text(m, "jsonrpc", "2.0");
    return m;
}

static void put_id(struct json_t *m, const struct json_t *id)
{
    if (id)
        js_put(m, "id", js_keep((struct json_t *)id));
    else
        js_put_null(m, "id");
}

static struct json_t *error_message(const struct json_t *id, int number, const struct fail *f)
{
    struct json_t *m = message(), *error = js_object(), *data = js_object();
    put_id(m, id);
    js_put_int(error, "code", number);
    js_put_text(error, "message", f->message);
    js_put_text(data, "code", f->code);
    js_put_text(data, "message", f->message);
    js_put_text(data, "hint", f->hint);
    js_put(error, "data", data);
    js_put(m, "error", error);
    return m;
}

static bool invalid(struct json_t **error, const struct json_t *id, int number, const char *why)
{
    struct fail f;
    fail(&f, FAIL_USAGE, "send one JSON-RPC 2.0 object a line", "%s", why);
    *error = error_message(id, number, &f);
    return false;
}

static bool id_valid(const struct json_t *id)
{
    return !js_is_object(id) && !js_is_array(id);
}

bool rpc_parse(const char *line, size_t len, struct rpc_request *out, struct json_t **error)
{
    char why[200];
    *out = (struct rpc_request){0};
    out->whole = js_parse(line, len, why, sizeof why);
    if (!out->whole) return invalid(error, NULL, PARSE_ERROR, why);
    out->method = js_get_text(out->whole, "method");
    out->params = js_get(out->whole, "params");
    out->id = js_get(out->whole, "id");
    const char *version = js_get_text(out->whole, "jsonrpc");
    bool good = true;
    if (!js_is_object(out->whole) || !version || strcmp(version, "2.0") != 0 || !out->method ||
        !id_valid(out->id))
        good = invalid(error, id_valid(out->id) ? out->id : NULL, INVALID_REQUEST,
                       "not a JSON-RPC 2.0 request");
    else if (out->params && !js_is_object(out->params))
        good = invalid(error, out->id, INVALID_PARAMS, "params must be an object");
    if (!good) {
        js_free(out->whole);
        *out = (struct rpc_request){0};
    }
    return good;
}

struct json_t *rpc_result(const struct json_t *id, struct json_t *result)
{
    struct json_t *m = message();
    put_id(m, id);
    js_put(m, "result", result);
    return m;
}

struct json_t *rpc_error(const struct json_t *id, const struct fail *f)
{
    int number = SERVER_ERROR;
    if (strcmp(f->code, fail_name(FAIL_USAGE)) == 0) number = INVALID_PARAMS;
    if (strcmp(f->code, fail_name(FAIL_UNSUPPORTED)) == 0) number = METHOD_NOT_FOUND;
    return error_message(id, number, f);
}

struct json_t *rpc_notification(const char *method, struct json_t *params)
{
    struct json_t *m = message();
    js_put_text(m, "method", method);
    js_put(m, "params", params);
    return m;
}

struct json_t *rpc_call(int64_t id, const char *method, struct json_t *params)
{
    struct json_t *m = rpc_notification(method, params ? params : js_object());
    js_put_int(m, "id", id);
    return m;
}

void rpc_fail(const struct json_t *error, struct fail *f)
{
    const struct json_t *data = js_get(error, "data");
    const char *code = js_get_text(data, "code"), *hint = js_get_text(data, "hint");
    const char *text = js_get_text(error, "message");
    if (!code) code = fail_name(FAIL_INTERNAL);
    snprintf(f->code, sizeof f->code, "%s", code);
    snprintf(f->message, sizeof f->message, "%s",
             text ? text : "the daemon's answer is not understood");
    snprintf(f->hint, sizeof f->hint, "%s", hint ? hint : "");
    f->status = fail_status(f->code);
}
