#include "daemon/json.h"

#include "base/err.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static json_t *made(json_t *j)
{
    ensure(j);
    return j;
}

struct json_t *js_object(void)
{
    return made(json_object());
}

struct json_t *js_array(void)
{
    return made(json_array());
}

struct json_t *js_text_new(const char *s)
{
    if (!s) return json_null();
    json_t *j = json_string(s);
    if (j) return j;
    char *clean = strdup(s); /* not UTF-8 */
    ensure(clean);
    for (char *p = clean; *p; p++)
        if (*p & 0x80) *p = '?';
    j = made(json_string(clean));
    free(clean);
    return j;
}

void js_free(struct json_t *j)
{
    json_decref(j);
}

struct json_t *js_keep(struct json_t *j)
{
    return json_incref(j);
}

void js_put(struct json_t *object, const char *key, struct json_t *value)
{
    ensure(json_object_set_new(object, key, value) == 0);
}

void js_put_text(struct json_t *object, const char *key, const char *s)
{
    js_put(object, key, js_text_new(s));
}

void js_put_int(struct json_t *object, const char *key, int64_t v)
{
    js_put(object, key, made(json_integer(v)));
}

void js_put_number(struct json_t *object, const char *key, double v)
{
    js_put(object, key, made(json_real(v)));
}

void js_put_bool(struct json_t *object, const char *key, bool v)
{
    js_put(object, key, json_boolean(v));
}

void js_put_null(struct json_t *object, const char *key)
{
    js_put(object, key, json_null());
}

void js_remove(struct json_t *object, const char *key)
{
    (void)json_object_del(object, key); /* absent is fine */
}

void js_update(struct json_t *object, const struct json_t *from)
{
    json_t *copy = made(json_deep_copy(from));
    ensure(json_object_update(object, copy) == 0);
    json_decref(copy);
}

void js_add(struct json_t *array, struct json_t *value)
{
    ensure(json_array_append_new(array, value) == 0);
}

void js_add_text(struct json_t *array, const char *s)
{
    js_add(array, js_text_new(s));
}

bool js_is_object(const struct json_t *j)
{
    return json_is_object(j);
}

bool js_is_array(const struct json_t *j)
{
    return json_is_array(j);
}

bool js_is_null(const struct json_t *j)
{
    return !j || json_is_null(j);
}

struct json_t *js_get(const struct json_t *object, const char *key)
{
    return json_object_get(object, key);
}

const char *js_get_text(const struct json_t *object, const char *key)
{
    return json_string_value(json_object_get(object, key));
}

bool js_get_int(const struct json_t *object, const char *key, int64_t *out)
{
    json_t *j = json_object_get(object, key);
    if (!json_is_integer(j)) return false;
    *out = json_integer_value(j);
    return true;
}

bool js_get_number(const struct json_t *object, const char *key, double *out)
{
    json_t *j = json_object_get(object, key);
    if (!json_is_number(j)) return false;
    *out = json_number_value(j);
    return true;
}

bool js_get_bool(const struct json_t *object, const char *key, bool *out)
{
    json_t *j = json_object_get(object, key);
    if (!json_is_boolean(j)) return false;
    *out = json_is_true(j);
    return true;
}

const char *js_text(const struct json_t *j)
{
    return json_string_value(j);
}

size_t js_count(const struct json_t *j)
{
    return json_is_array(j) ? json_array_size(j) : json_object_size(j);
}

struct json_t *js_at(const struct json_t *array, size_t i)
{
    return json_array_get(array, i);
}

bool js_member(struct json_t *object, void **step, const char **key, struct json_t **value)
{
    *step = *step ? json_object_iter_next(object, *step) : json_object_iter(object);
    if (!*step) return false;
    *key = json_object_iter_key(*step);
    *value = json_object_iter_value(*step);
    return true;
}

struct json_t *js_parse(const char *text, size_t len, char *why, size_t why_max)
{
    json_error_t error;
    json_t *j = json_loadb(text, len, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
    if (!j) snprintf(why, why_max, "%.150s (column %d)", error.text, error.column);
    return j;
}

/* 6 digits after the point are enough for milliseconds from microseconds. */
static char *print(const struct json_t *j, size_t flags)
{
    char *text = json_dumps(j, flags | JSON_ENCODE_ANY | JSON_REAL_PRECISION(12));
    ensure(text);
    return text;
}

char *js_print(const struct json_t *j)
{
    return print(j, JSON_COMPACT);
}

char *js_print_pretty(const struct json_t *j)
{
    return print(j, JSON_INDENT(2));
}
