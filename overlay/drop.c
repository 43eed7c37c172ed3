#include "overlay/drop.h"

static const struct {
    const char *name, *text;
} drops[DROP_COUNT] = {
#define X(name, text) {#name, text},
    DROPS(X)
#undef X
};

const char *drop_name(enum drop d)
{
    return d < DROP_COUNT ? drops[d].name : "?";
}
const char *drop_text(enum drop d)
{
    return d < DROP_COUNT ? drops[d].text : "?";
}
