/* base/err.h - kinds of failure: our bug and the world's no (bad packets: overlay/drop.h).
 *
 * enum err is one table: name and text. 0 is ok. Functions that return it are marked must-check.
 * ensure() states what callers promise and what a function leaves behind; it stays on in release
 * builds and never judges bytes from the network. */
#pragma once
#include <stdio.h>
#include <stdlib.h>

/*        name            text (for operators) */
#define ERRORS(X)                                                                                  \
    X(OK, "no error")                                                                              \
    X(FULL, "a bounded table is full")                                                             \
    X(MALFORMED, "the bytes do not have the expected form")                                        \
    X(UNSUPPORTED, "not supported by this version")                                                \
    X(CRYPTO, "a cryptographic check failed")                                                      \
    X(EXPIRED, "its time is over")                                                                 \
    X(NOT_FOUND, "not found")                                                                      \
    X(EXISTS, "exists already")                                                                    \
    X(CONFLICT, "held by somebody else")                                                           \
    X(DENIED, "not allowed")                                                                       \
    X(UNREACHABLE, "no way to get there")                                                          \
    X(TIMEOUT, "no answer in time")                                                                \
    X(BUSY, "try again later")                                                                     \
    X(EXHAUSTED, "used up")                                                                        \
    X(AMBIGUOUS, "more than one fits")                                                             \
    X(INVALID, "an argument is out of range")                                                      \
    X(NO_MEMORY, "out of memory")                                                                  \
    X(IO, "input or output failed")

enum err {
#define X(name, text) ERR_##name,
    ERRORS(X)
#undef X
        ERR_COUNT,
    OK = ERR_OK
};

#define MUST_CHECK __attribute__((warn_unused_result))

const char *err_name(enum err e); /* "NOT_FOUND" */
const char *err_text(enum err e); /* "not found" */

#define ensure(condition)                                                                          \
    do {                                                                                           \
        if (__builtin_expect(!(condition), 0)) ensure_failed(#condition, __FILE__, __LINE__);      \
    } while (0)
_Noreturn void ensure_failed(const char *condition, const char *file, int line);
