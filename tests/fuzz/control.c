/* The control socket's bytes: lines cut out of pieces (byte 0 says how large), each read as a request and its parameters
 * looked at as the methods do; a failure goes out and comes back the same. */
#include "base/err.h"
#include "daemon/params.h"
#include "daemon/rpc.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void look_at(const struct json_t *params)
{
    struct fail f = {0};
    struct config_hosts hosts = {0};
    struct config_listen listen = {0};
    struct name_text groups[CERT_GROUPS_MAX];
    const char *text = NULL;
    int64_t number = 0;
    uint64_t us = 0;
    uint32_t ip = 0;
    uint8_t count = 0;
    bool flag = false;
    bool known = params_known(params, "target name count timeout seed listen group ip flag", &f);
    ensure(known || f.status == 2);
    if (param_name(params, "name", &text, &f) && text) ensure(name_valid(text, strlen(text)));
    if (param_int(params, "count", 0, 9, &number, &f)) ensure(number >= 0 && number <= 9);
    if (param_time(params, "timeout", 5, 7000000, &us, &f))
        ensure(us == 0 || (us >= 5 && us <= 7000000));
    if (param_hosts(params, "seed", &hosts, &f)) ensure(hosts.count <= CONFIG_HOSTS_MAX);
    if (param_listen(params, "listen", &listen, &f)) ensure(listen.count <= CONFIG_LISTEN_MAX);
    if (param_groups(params, "group", groups, &count, &f)) ensure(count <= CERT_GROUPS_MAX);
    (void)param_ipv4(params, "ip", &ip, &f);
    (void)param_bool(params, "flag", &flag, &f);
}

static void take(const char *line, size_t len)
{
    struct rpc_request r;
    struct json_t *error = NULL;
    struct fail back = {0};
    if (rpc_parse(line, len, &r, &error)) {
        ensure(r.method && (!r.params || js_is_object(r.params)));
        look_at(r.params);
        js_free(r.whole);
        return;
    }
    rpc_fail(js_get(error, "error"), &back);
    ensure(back.status == 2 && back.message[0]);
    char *text = js_print(error);
    ensure(!strchr(text, '\n'));
    free(text);
    js_free(error);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    struct rpc_lines l;
    size_t step, room, line_len;
    char *line, *space;
    if (len < 1) return 0;
    step = (size_t)data[0] + 1;
    rpc_lines_init(&l, 4096);
    for (size_t at = 1; at < len; at += step) {
        size_t part = len - at < step ? len - at : step;
        for (size_t put = 0; put < part;) {
            if (!(space = rpc_space(&l, &room))) goto out;
            size_t now = part - put < room ? part - put : room;
            memcpy(space, data + at + put, now);
            rpc_filled(&l, now);
            put += now;
            while (rpc_next(&l, &line, &line_len)) take(line, line_len);
        }
    }
out:
    rpc_lines_fini(&l);
    return 0;
}
