#include "daemon/fail.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static const struct {
    const char *code, *when;
    int status;
} table[] = {
#define X(name, code_, status_, when_) {code_, when_, status_},
    FAILS(X)
#undef X
};

bool fail(struct fail *f, enum fail_code code, const char *hint, const char *format, ...)
{
    va_list args;
    snprintf(f->code, sizeof f->code, "%s", table[code].code);
    f->status = table[code].status;
    snprintf(f->hint, sizeof f->hint, "%s", hint);
    va_start(args, format);
    vsnprintf(f->message, sizeof f->message, format, args);
    va_end(args);
    return false;
}

bool fail_hint(struct fail *f, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(f->hint, sizeof f->hint, format, args);
    va_end(args);
    return false;
}

bool fail_system(struct fail *f, const char *doing, const char *what, int error)
{
    switch (error) {
    case ENOSPC:
    case EDQUOT:
    case EFBIG:
        return fail(f, FAIL_IO, "make room and try again; nothing was changed", "cannot %s %s: %s",
                    doing, what, strerror(error));
    case EROFS:
        return fail(f, FAIL_IO, "choose a writable directory with -d", "cannot %s %s: %s", doing,
                    what, strerror(error));
    case EACCES:
    case EPERM:
        return fail(f, FAIL_PERMISSION,
                    "run as its owner or as root, or choose a directory with -d",
                    "cannot %s %s: %s", doing, what, strerror(error));
    default:
        return fail(f, FAIL_IO, "look at the path given with -d", "cannot %s %s: %s", doing, what,
                    strerror(error));
    }
}

int fail_status(const char *code)
{
    for (unsigned i = 0; i < FAIL_COUNT; i++)
        if (strcmp(table[i].code, code) == 0) return table[i].status;
    return 1;
}

const char *fail_when(enum fail_code code)
{
    return table[code].when;
}

const char *fail_name(enum fail_code code)
{
    return table[code].code;
}
