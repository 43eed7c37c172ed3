/* daemon/log.h - the operators' log on stderr: a line at each change, levels, and the node's trace lines when asked for.
 *
 * Under systemd's journal lines carry its priority prefix and no time. Levels are those of `ringlet.conf`'s `log`;
 * trace classes (link,path..) leave the level as it is. */
#pragma once
#include "base/trace.h"

#define LOG_WORDS                                                                                  \
    "error, warn, info, debug, or of the trace classes, with commas between, some or "             \
    "`all`:" TRACE_CLASS_WORDS

struct log {
    enum log_level level;
    bool journal;
    struct trace trace; /* handed to the node; its sinks lead here */
    char text[96];      /* what was asked for last */
};
void log_init(struct log *l);
bool log_set(struct log *l, const char *text); /* a level or classes; false: neither */
void log_say(const struct log *l, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
