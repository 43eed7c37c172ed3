/* daemon/fail.h - a failure as a person and a program see it: a code, what went wrong, what to do, the exit status.
 *
 * Made where the failure is known, carried unchanged through the control socket to the command line.
 * fail() returns false, so that `return fail(f, ...)` ends a function that returns bool. */
#pragma once
#include <stdbool.h>

// clang-format off
/*    name           code           exit  when */
#define FAILS(X)                                                                                   \
    X(USAGE,         "usage",           2, "an argument is missing, unknown or malformed")         \
    X(NO_DAEMON,     "no-daemon",       3, "no daemon runs on this state directory")               \
    X(AMBIGUOUS,     "ambiguous",       2, "several networks or nodes fit; choose with -n")        \
    X(UNSUPPORTED,   "not-supported",   1, "not in this version")                                  \
    X(NOT_FOUND,     "not-found",       1, "no such node, network or method")                      \
    X(EXISTS,        "exists",          1, "it is there already")                                  \
    X(EMPTY,         "empty",           1, "the state directory holds no overlay yet")             \
    X(DAMAGED,       "damaged",         1, "a file of the state directory does not parse")         \
    X(CONFIG,        "config",          1, "ringlet.conf has a wrong key or value")                \
    X(TOKEN,         "bad-token",       1, "the token is damaged, foreign, or of a newer version") \
    X(EXPIRED,       "expired",         1, "the time of a token or certificate is over")           \
    X(USED_UP,       "used-up",         1, "other nodes hold the slots of the invite")            \
    X(OTHER_OVERLAY, "other-overlay",   1, "the state directory belongs to another overlay")       \
    X(NO_AUTHORITY,  "no-authority",    1, "this node does not hold the key that signs this")      \
    X(NO_SEED,       "no-seed",         1, "no endpoint is known at which newcomers could start")  \
    X(IN_USE,        "in-use",          1, "a port, device, address range or directory is taken")  \
    X(PERMISSION,    "permission",      1, "the system does not let this user do that")            \
    X(IO,            "io",              1, "reading or writing failed")                            \
    X(TIMEOUT,       "timeout",         1, "it did not happen in time")                            \
    X(UNREACHABLE,   "unreachable",     1, "no way to get there")                                  \
    X(BUSY,          "busy",            1, "too much under way; try again")                        \
    X(INTERNAL,      "internal",        1, "a bug of ours")
// clang-format on

enum fail_code {
#define X(name, code, status, when) FAIL_##name,
    FAILS(X)
#undef X
        FAIL_COUNT
};
struct fail {
    char code[20];
    int status; /* exit status; 0: nothing failed */
    char message[420];
    char hint[300];
};

/* `hint` says what to do; "" if there is nothing to do. Always false. */
bool fail(struct fail *f, enum fail_code code, const char *hint, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* Replace the hint. Always false. */
bool fail_hint(struct fail *f, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* A failed system call on `what`: errno said, with the hint that fits it. Always false. */
bool fail_system(struct fail *f, const char *doing, const char *what, int error);
/* The exit status that belongs to a code that came as text; 1 if unknown. */
int fail_status(const char *code);
const char *fail_when(enum fail_code code);
const char *fail_name(enum fail_code code);
