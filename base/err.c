#include "base/err.h"

const char *err_name(enum err e)
{
    static const char *const names[] = {
#define X(name, text) #name,
        ERRORS(X)
#undef X
    };
    return (unsigned)e < ERR_COUNT ? names[e] : "UNKNOWN";
}

const char *err_text(enum err e)
{
    static const char *const texts[] = {
#define X(name, text) text,
        ERRORS(X)
#undef X
    };
    return (unsigned)e < ERR_COUNT ? texts[e] : "unknown error";
}

void ensure_failed(const char *condition, const char *file, int line)
{
    fprintf(stderr, "%s:%d: ensure(%s) failed: this is a bug\n", file, line, condition);
    abort();
}
