#include "daemon/configcheck.h"

#include "base/err.h"
#include "daemon/params.h"
#include <stdio.h>
#include <stdlib.h>

bool config_read(const struct state *s, struct config *out, struct fail *f)
{
    char path[STATE_PATH_MAX + 16];
    size_t len;
    char *text = malloc(CONFIG_TEXT_MAX);
    ensure(text);
    snprintf(path, sizeof path, "%s/ringlet.conf", s->path);
    config_defaults(out);
    uid_t owner;
    enum state_found found = state_read_of(s, STATE_CONF, text, CONFIG_TEXT_MAX, &len, &owner, f);
    bool good = found == STATE_ABSENT ||
                (found == STATE_READ && config_parse(out, text, len, path, f));
    out->owner = owner;
    free(text);
    return good;
}

static void add_value(void *context, const char *section, const char *key, const char *value)
{
    struct json_t *one = js_object();
    js_put_text(one, "section", section);
    js_put_text(one, "key", key);
    js_put_text(one, "value", value);
    js_put_bool(one, "used", !config_unused(key));
    js_add(context, one);
}

bool config_check(struct state *s, const struct json_t *params, struct json_t *made, struct fail *f)
{
    char path[STATE_PATH_MAX + 16];
    struct config *c = malloc(sizeof *c);
    ensure(c);
    bool good = params_known(params, "network", f);
    if (good && !state_exists(s, "ringlet.conf"))
        good = fail(f, FAIL_EMPTY, "`ringlet create` and `ringlet join` write one",
                    "there is no %s/ringlet.conf", s->path);
    good = good && config_read(s, c, f);
    if (good) {
        struct json_t *values = js_array();
        snprintf(path, sizeof path, "%s/ringlet.conf", s->path);
        config_walk(c, add_value, values);
        js_put_bool(made, "ok", true);
        js_put_text(made, "file", path);
        js_put(made, "values", values);
    }
    free(c);
    return good;
}
