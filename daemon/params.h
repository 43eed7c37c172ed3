/* daemon/params.h - the parameters of a method, taken out of JSON with one way of saying what is wrong.
 *
 * Absent parameters leave the given default. Text is borrowed from the document. Durations are a number (seconds) or
 * text: 500ms, 90s, 10m, 24h, 7d. Errors: FAIL_USAGE that names the parameter. */
#pragma once
#include "daemon/config.h"
#include "daemon/json.h"

/* `names`: those there are, separated by spaces. `params` may be NULL. */
bool params_known(const struct json_t *params, const char *names, struct fail *f);
bool param_text(const struct json_t *params, const char *name, const char **out, struct fail *f);
bool param_needed(const struct json_t *params, const char *name, const char **out, struct fail *f);
bool param_int(const struct json_t *params, const char *name, int64_t min, int64_t max,
               int64_t *out, struct fail *f);
bool param_bool(const struct json_t *params, const char *name, bool *out, struct fail *f);
/* Microseconds, between the two. */
bool param_time(const struct json_t *params, const char *name, uint64_t min_us, uint64_t max_us,
                uint64_t *out_us, struct fail *f);
/* A list of text, or one text. */
bool param_hosts(const struct json_t *params, const char *name, struct config_hosts *out,
                 struct fail *f);
bool param_listen(const struct json_t *params, const char *name, struct config_listen *out,
                  struct fail *f);
bool param_groups(const struct json_t *params, const char *name,
                  struct name_text out[CERT_GROUPS_MAX], uint8_t *count, struct fail *f);
bool param_name(const struct json_t *params, const char *name, const char **out,
                struct fail *f); /* a DNS label */
bool param_ipv4(const struct json_t *params, const char *name, uint32_t *out,
                struct fail *f); /* host order */
bool duration_parse(const char *text, uint64_t *out_us);
