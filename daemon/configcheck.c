#include "daemon/configcheck.h"

#include "base/err.h"
#include "daemon/params.h"
#include "daemon/privilege.h"
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

/* What is right by itself, but names what is not there. */
static bool names_what_is(const struct state *s, const struct config *c, struct fail *f)
{
    char file[STATE_PATH_MAX];
    if (!privilege_known(c->user, f)) return false;
    for (uint32_t i = 0; i < c->network_count; i++) {
        const char *name = c->networks[i].name.s;
        snprintf(file, sizeof file, "networks/%s/certificate", name);
        if (!state_exists(s, file))
            return fail(f, FAIL_CONFIG, "correct its name, or take the section out",
                        "%s/" STATE_CONF
                        " has a section [network %s], and this node is not in that network",
                        s->path, name);
    }
    return true;
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
    good = good && config_read(s, c, f) && names_what_is(s, c, f);
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
