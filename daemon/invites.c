#include "daemon/invites.h"

#include "daemon/params.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX       65536
#define LINE_MAX_BYTES 200

/* Drops the first line: the oldest. */
static size_t forget_first(char *text, size_t len)
{
    size_t first = strcspn(text, "\n");
    first += text[first] == '\n';
    memmove(text, text + first, len - first + 1);
    return len - first;
}

bool invites_add(const struct state *s, const char *network, const struct invite_note *note,
                 struct fail *f)
{
    char name[128], *text = calloc(1, FILE_MAX);
    size_t len = 0;
    ensure(text);
    snprintf(name, sizeof name, "networks/%s/invites", network);
    bool good = state_read(s, name, text, FILE_MAX, &len, f) != STATE_FAILED;
    while (good && len + LINE_MAX_BYTES >= FILE_MAX) len = forget_first(text, len);
    if (good) {
        len += (size_t)snprintf(
            text + len, FILE_MAX - len, "%s %" PRIu64 " %" PRIu64 " %" PRIu32 " %s\n", note->serial,
            note->created_s, note->expires_s, note->uses, note->host[0] ? note->host : "-");
        good = state_write(s, name, text, len, 0600, f);
    }
    free(text);
    return good;
}

static void add(struct json_t *list, const char *network, const char *line)
{
    struct invite_note n = {0};
    if (sscanf(line, "%32[0-9a-f] %" SCNu64 " %" SCNu64 " %" SCNu32 " %63s", n.serial, &n.created_s,
               &n.expires_s, &n.uses, n.host) != 5)
        return;
    struct json_t *one = js_object();
    js_put_text(one, "invite", n.serial);
    js_put_text(one, "network", network);
    js_put_text(one, "host", strcmp(n.host, "-") == 0 ? NULL : n.host);
    js_put_int(one, "uses", n.uses);
    js_put_null(one, "spent"); /* methods_invites.c asks the ring */
    js_put_int(one, "created_s", (int64_t)n.created_s);
    js_put_int(one, "expires_s", (int64_t)n.expires_s);
    js_add(list, one);
}

bool invites_list(struct state *s, const struct json_t *params, struct json_t *made, struct fail *f)
{
    struct name_text names[NETWORKS_MAX];
    const char *wanted = NULL;
    if (!params_known(params, "network", f) || !param_text(params, "network", &wanted, f))
        return false;
    char *text = malloc(FILE_MAX), file[128], *rest;
    ensure(text);
    uint32_t count = home_networks(s, names);
    for (uint32_t i = 0; i < count; i++) {
        size_t len;
        struct fail ignored;
        if (wanted && strcmp(wanted, names[i].s) != 0) continue;
        snprintf(file, sizeof file, "networks/%.63s/invites", names[i].s);
        if (state_read(s, file, text, FILE_MAX, &len, &ignored) != STATE_READ) continue;
        for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
            add(made, names[i].s, line);
    }
    free(text);
    return true;
}
