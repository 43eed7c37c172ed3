/* base/trace.h - tracepoints: the story of the protocol, one stable line each.
 *
 * "[    40ms] b link a > up: rtt 80ms": time (ms, at least 6 wide), node, class, then the
 * tracepoint's own text, which reads "subject > what: why". One space between. Tests compare
 * lines, the simulator hashes them, `ringlet log link,path` streams them from a live daemon. Lines
 * over 319 bytes are cut; control characters become '?'. The table of tracepoints is in
 * overlay/trace_points.h and its like; here is only the machinery: classes, a sink handed in,
 * formatting without floating point. Never print key material.
 *
 * Cost: a disabled class costs one load and one branch; arguments are not evaluated. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

/*         name      what it tells */
#define TRACE_CLASSES(X)                                                                           \
    X(NODE, "node", "start, stop, states")                                                         \
    X(HELLO, "hello", "handshakes")                                                                \
    X(LINK, "link", "sessions and links: up, down, why")                                           \
    X(PATH, "path", "direct, relayed, routed: moves and why")                                      \
    X(RING, "ring", "neighbours, repair")                                                          \
    X(ROUTE, "route", "hop by hop frames: retries, give-ups")                                      \
    X(RELAY, "relay", "channels")                                                                  \
    X(DHT, "dht", "records")                                                                       \
    X(VNET, "vnet", "addresses, members")                                                          \
    X(DROP, "drop", "every dropped packet and the reason")

/* Their names, each after a space. */
#define TRACE_CLASS_WORD(name, text, what) " " text
#define TRACE_CLASS_WORDS                  TRACE_CLASSES(TRACE_CLASS_WORD)

enum trace_class {
#define X(name, text, what) TRACE_##name,
    TRACE_CLASSES(X)
#undef X
        TRACE_COUNT
};
enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Where lines go. `line` is without a newline, valid for the call. */
typedef void trace_sink(void *context, uint64_t now_us, enum trace_class c, const char *line);
typedef void log_sink(void *context, enum log_level level, const char *line);
struct trace {
    uint32_t mask; /* bit (1 << class): wanted */
    trace_sink *sink;
    log_sink *log; /* operators' log; may be NULL */
    void *context;
    char name[12]; /* the node's short name in lines */
};

#define trace(t, now_us, class_, ...)                                                              \
    do {                                                                                           \
        if ((t)->mask & (1u << TRACE_##class_))                                                    \
            trace_line((t), (now_us), TRACE_##class_, __VA_ARGS__);                                \
    } while (0)
void trace_line(const struct trace *t, uint64_t now_us, enum trace_class c, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
void log_line(const struct trace *t, enum log_level level, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
const char *trace_class_name(enum trace_class c);
/* A list of classes ("link,path"), "all", "none", or an operator's level into a mask: error and
 * warn trace nothing, info tells node, link, path and vnet, debug everything. False: unknown word;
 * the mask is then untouched. */
bool trace_mask_parse(const char *text, uint32_t *mask);
