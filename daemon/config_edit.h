/* daemon/config_edit.h - writing ringlet.conf: the commented file of create and join, and lines added or removed later.
 *
 * Edits keep everything else as the user wrote it. Errors: false: it would not fit. */
#pragma once
#include "daemon/config.h"

struct config_text {
    char text[CONFIG_TEXT_MAX];
    size_t len;
};
bool config_template(struct config_text *t);
/* Add "key = value" at the end of [section], which is made if it is missing. The same line twice is added once. */
bool config_add(struct config_text *t, const char *section, const char *key, const char *value);
/* Make sure that [section] is there. */
bool config_section(struct config_text *t, const char *section);
/* Remove [section] with its lines. */
void config_drop_section(struct config_text *t, const char *section);
