/* daemon/json.h - JSON documents: build, parse, look up. The only user of jansson is json.c.
 *
 * Functions that are given a document to put somewhere take it over (even when they fail); what they return without
 * "new" in its comment is borrowed. Running out of memory while building ends the process: documents are small.
 * Errors: js_parse returns NULL and says where. Depth and size of what is parsed are bounded by the caller's line length. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct json_t;

struct json_t *js_object(void); /* new */
struct json_t *js_array(void);  /* new */
struct json_t *js_text_new(
    const char *s);             /* new; NULL gives null; bytes that are not UTF-8 become '?' */
void js_free(struct json_t *j); /* NULL is fine */
struct json_t *js_keep(struct json_t *j); /* one more holder: free once more */

void js_put(struct json_t *object, const char *key, struct json_t *value);
void js_put_text(struct json_t *object, const char *key, const char *s); /* NULL: null */
void js_put_int(struct json_t *object, const char *key, int64_t v);
void js_put_number(struct json_t *object, const char *key, double v);
void js_put_bool(struct json_t *object, const char *key, bool v);
void js_put_null(struct json_t *object, const char *key);
void js_remove(struct json_t *object, const char *key);
void js_update(struct json_t *object,
               const struct json_t *from); /* copies the members of `from` into it */
void js_add(struct json_t *array, struct json_t *value);
void js_add_text(struct json_t *array, const char *s);

bool js_is_object(const struct json_t *j);
bool js_is_array(const struct json_t *j);
bool js_is_null(const struct json_t *j);                             /* also NULL itself */
struct json_t *js_get(const struct json_t *object, const char *key); /* NULL: absent */
const char *js_get_text(const struct json_t *object,
                        const char *key); /* NULL: absent or no string */
bool js_get_int(const struct json_t *object, const char *key, int64_t *out);
bool js_get_number(const struct json_t *object, const char *key, double *out);
bool js_get_bool(const struct json_t *object, const char *key, bool *out);
const char *js_text(const struct json_t *j); /* of a string; else NULL */
size_t js_count(const struct json_t *array_or_object);
struct json_t *js_at(const struct json_t *array, size_t i);
/* Walk an object's members: *step starts at NULL; false at the end. */
bool js_member(struct json_t *object, void **step, const char **key, struct json_t **value);

struct json_t *js_parse(const char *text, size_t len, char *why, size_t why_max); /* new */
char *js_print(const struct json_t *j);        /* new, malloc: one line */
char *js_print_pretty(const struct json_t *j); /* new, malloc: indented */
