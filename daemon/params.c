#include "daemon/params.h"

#include "vnet/address.h"
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool wrong(struct fail *f, const char *name, const char *want)
{
    return fail(f, FAIL_USAGE, "see --help", "%s must be %s", name, want);
}

bool params_known(const struct json_t *params, const char *names, struct fail *f)
{
    void *step = NULL;
    const char *key;
    struct json_t *value;
    if (!params) return true;
    while (js_member((struct json_t *)params, &step, &key, &value)) {
        size_t len = strlen(key);
        const char *p = names;
        while (p && (strncmp(p, key, len) != 0 || (p[len] != ' ' && p[len] != 0))) {
            p = strchr(p, ' ');
            if (p) p++;
        }
        if (!p || len == 0)
            return fail(f, FAIL_USAGE, "see --help", "there is no parameter `%.60s`", key);
    }
    return true;
}

bool param_text(const struct json_t *params, const char *name, const char **out, struct fail *f)
{
    const struct json_t *j = js_get(params, name);
    if (js_is_null(j)) return true;
    const char *s = js_text(j);
    if (!s) return wrong(f, name, "text");
    *out = s;
    return true;
}

bool param_needed(const struct json_t *params, const char *name, const char **out, struct fail *f)
{
    *out = NULL;
    if (!param_text(params, name, out, f)) return false;
    if (!*out || !**out) return fail(f, FAIL_USAGE, "see --help", "%s is missing", name);
    return true;
}

bool param_int(const struct json_t *params, const char *name, int64_t min, int64_t max,
               int64_t *out, struct fail *f)
{
    const struct json_t *j = js_get(params, name);
    const char *text = js_text(j);
    char *end = NULL, want[64];
    int64_t v = 0;
    if (js_is_null(j)) return true;
    bool good = text ? *text && !isspace((unsigned char)*text) &&
                           (v = strtoll(text, &end, 10), *end == 0)
                     : js_get_int(params, name, &v);
    snprintf(want, sizeof want, "a number from %lld to %lld", (long long)min, (long long)max);
    if (!good || v < min || v > max) return wrong(f, name, want);
    *out = v;
    return true;
}

bool param_bool(const struct json_t *params, const char *name, bool *out, struct fail *f)
{
    if (js_is_null(js_get(params, name))) return true;
    return js_get_bool(params, name, out) || wrong(f, name, "true or false");
}

static bool from_number(double s, uint64_t *out_us)
{
    if (!(s >= 0) || s > 1e9) return false;
    *out_us = (uint64_t)(s * 1e6 + 0.5); /* not llround: libm costs each daemon 330 KB */
    return true;
}

bool duration_parse(const char *text, uint64_t *out_us)
{
    static const struct {
        const char *unit;
        double s;
    } units[] = {{"", 1}, {"s", 1}, {"ms", 0.001}, {"m", 60}, {"h", 3600}, {"d", 86400}};
    char *end;
    if (!isdigit((unsigned char)*text)) return false;
    if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X'))
        return false; /* strtod would take it */
    double v = strtod(text, &end);
    for (size_t i = 0; i < sizeof units / sizeof *units; i++)
        if (strcmp(end, units[i].unit) == 0) return from_number(v * units[i].s, out_us);
    return false;
}

bool param_time(const struct json_t *params, const char *name, uint64_t min_us, uint64_t max_us,
                uint64_t *out_us, struct fail *f)
{
    const struct json_t *j = js_get(params, name);
    const char *text = js_text(j);
    double s = 0;
    uint64_t us = 0;
    if (js_is_null(j)) return true;
    bool good = text ? duration_parse(text, &us)
                     : js_get_number(params, name, &s) && from_number(s, &us);
    if (!good) return wrong(f, name, "a time like 500ms, 90s, 10m, 24h");
    if (us < min_us || us > max_us) return wrong(f, name, us < min_us ? "longer" : "shorter");
    *out_us = us;
    return true;
}

/* Item i of a list, or the one text itself. */
static const char *item(const struct json_t *j, size_t i)
{
    return js_is_array(j) ? js_text(js_at(j, i)) : js_text(j);
}

static size_t items(const struct json_t *j)
{
    return js_is_null(j) ? 0 : js_is_array(j) ? js_count(j) : 1;
}

bool param_hosts(const struct json_t *params, const char *name, struct config_hosts *out,
                 struct fail *f)
{
    const struct json_t *j = js_get(params, name);
    for (size_t i = 0; i < items(j); i++) {
        const char *text = item(j, i);
        if (!text || !config_host_valid(text)) return wrong(f, name, "HOST:PORT");
        if (out->count == CONFIG_HOSTS_MAX) return wrong(f, name, "given fewer times");
        snprintf(out->text[out->count++], CONFIG_HOST_TEXT, "%s", text);
    }
    return true;
}

bool param_listen(const struct json_t *params, const char *name, struct config_listen *out,
                  struct fail *f)
{
    const struct json_t *j = js_get(params, name);
    for (size_t i = 0; i < items(j); i++) {
        const char *text = item(j, i);
        struct endpoint e;
        if (!text || !endpoint_parse(text, &e) || e.transport != TRANSPORT_UDP || e.port == 0)
            return wrong(f, name, "ADDRESS:PORT, like 0.0.0.0:7464 or [::]:7464");
        if (out->count == CONFIG_LISTEN_MAX) return wrong(f, name, "given fewer times");
        out->at[out->count++] = e;
    }
    return true;
}

bool param_groups(const struct json_t *params, const char *name,
                  struct name_text out[CERT_GROUPS_MAX], uint8_t *count, struct fail *f)
{
    const struct json_t *j = js_get(params, name);
    *count = 0;
    for (size_t i = 0; i < items(j); i++) {
        const char *text = item(j, i);
        if (!text || !name_valid(text, strlen(text)))
            return wrong(f, name, "lower-case letters, digits and -");
        if (*count == CERT_GROUPS_MAX) return wrong(f, name, "given at most 8 times");
        snprintf(out[(*count)++].s, sizeof out->s, "%s", text);
    }
    return true;
}

bool param_name(const struct json_t *params, const char *name, const char **out, struct fail *f)
{
    if (!param_text(params, name, out, f)) return false;
    if (*out && !name_valid(*out, strlen(*out)))
        return wrong(f, name, "1 to 63 lower-case letters, digits and -, no - at the ends");
    return true;
}

bool param_ipv4(const struct json_t *params, const char *name, uint32_t *out, struct fail *f)
{
    const char *text = NULL;
    uint8_t ip[16];
    if (!param_text(params, name, &text, f)) return false;
    if (!text) return true;
    if (!ip_parse(text, ip) || ip_to_v4(ip) == 0) return wrong(f, name, "an IPv4 address");
    *out = ip_to_v4(ip);
    return true;
}
