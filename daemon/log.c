#include "daemon/log.h"

#include "daemon/clock.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const char *const level_names[] = {"error", "warn", "info", "debug"};
static const int priorities[] = {3, 4, 6, 7}; /* of syslog */

static void print(const struct log *l, enum log_level level, const char *line)
{
    uint64_t ms = clock_calendar_ms();
    time_t s = (time_t)(ms / 1000);
    char when[32] = "";
    struct tm tm;
    if (l->journal) {
        fprintf(stderr, "<%d>%s\n", priorities[level], line);
        return;
    }
    if (gmtime_r(&s, &tm)) strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
    fprintf(stderr, "%s.%03uZ %-5s %s\n", when, (unsigned)(ms % 1000), level_names[level], line);
}

void log_say(const struct log *l, enum log_level level, const char *format, ...)
{
    char line[1200];
    va_list args;
    if (level > l->level) return;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    print(l, level, line);
}

static void on_log(void *context, enum log_level level, const char *line)
{
    const struct log *l = context;
    if (level <= l->level) print(l, level, line);
}

/* Asked for by class: shown whatever the level. */
static void on_trace(void *context, uint64_t now_us, enum trace_class c, const char *line)
{
    (void)now_us, (void)c;
    print(context, LOG_DEBUG, line);
}

void log_init(struct log *l)
{
    *l = (struct log){
        .level = LOG_INFO, .journal = getenv("JOURNAL_STREAM") != NULL, .text = "info"};
    l->trace = (struct trace){.sink = on_trace, .log = on_log, .context = l, .name = "node"};
}

bool log_set(struct log *l, const char *text)
{
    uint32_t mask;
    if (strlen(text) >= sizeof l->text || !trace_mask_parse(text, &mask)) return false;
    enum log_level level = LOG_INFO;
    for (unsigned i = 0; i < sizeof level_names / sizeof *level_names; i++)
        if (strcmp(level_names[i], text) == 0) level = (enum log_level)i;
    /* trace is for developers: at `info` an operator sees the log alone */
    bool is_level = strcmp(text, level_names[level]) == 0;
    l->level = level;
    l->trace.mask = is_level && level != LOG_DEBUG ? 0 : mask;
    snprintf(l->text, sizeof l->text, "%s", text);
    return true;
}
