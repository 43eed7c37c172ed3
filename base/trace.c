#include "base/trace.h"

#include "base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LINE_MAX_BYTES 320 /* longer lines are cut */

static const char *const class_names[TRACE_COUNT] = {
#define X(name, text, what) text,
    TRACE_CLASSES(X)
#undef X
};

const char *trace_class_name(enum trace_class c)
{
    return (unsigned)c < TRACE_COUNT ? class_names[c] : "unknown";
}

/* A line is one line whatever was printed into it: names and texts of strangers may be in there. */
static void line_clean(char *line)
{
    for (; *line; line++)
        if ((unsigned char)*line < 0x20 || *line == 0x7f) *line = '?';
}

void trace_line(const struct trace *t, uint64_t now_us, enum trace_class c, const char *format, ...)
{
    if (!t->sink) return;
    char line[LINE_MAX_BYTES];
    int used = snprintf(line, sizeof line, "[%6llums] %.*s %s ",
                        (unsigned long long)(now_us / 1000), (int)sizeof t->name, t->name,
                        trace_class_name(c));
    ensure(used > 0 && (size_t)used < sizeof line);
    va_list args;
    va_start(args, format);
    vsnprintf(line + used, sizeof line - (size_t)used, format, args);
    va_end(args);
    line_clean(line);
    t->sink(t->context, now_us, c, line);
}

void log_line(const struct trace *t, enum log_level level, const char *format, ...)
{
    if (!t->log) return;
    char line[LINE_MAX_BYTES];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    line_clean(line);
    t->log(t->context, level, line);
}

/* One word of the list into bits. */
static bool word_mask(const char *word, size_t len, uint32_t *mask)
{
    static const struct {
        const char *word;
        uint32_t mask;
    } levels[] = {
        {"all", (1u << TRACE_COUNT) - 1},
        {"none", 0},
        {"error", 0},
        {"warn", 0},
        {"info", 1u << TRACE_NODE | 1u << TRACE_LINK | 1u << TRACE_PATH | 1u << TRACE_VNET},
        {"debug", (1u << TRACE_COUNT) - 1},
    };
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        if (strlen(levels[i].word) == len && memcmp(levels[i].word, word, len) == 0) {
            *mask |= levels[i].mask;
            return true;
        }
    }
    for (unsigned c = 0; c < TRACE_COUNT; c++) {
        if (strlen(class_names[c]) == len && memcmp(class_names[c], word, len) == 0) {
            *mask |= 1u << c;
            return true;
        }
    }
    return false;
}

bool trace_mask_parse(const char *text, uint32_t *mask)
{
    uint32_t sum = 0;
    for (const char *p = text;; p++) {
        size_t len = strcspn(p, ",");
        if (!word_mask(p, len, &sum)) return false;
        p += len;
        if (!*p) break;
    }
    *mask = sum;
    return true;
}
