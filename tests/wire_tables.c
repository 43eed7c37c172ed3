/* Prints the table `outer`, `kinds` or `control` of docs/wire.md, made from overlay/wire.h and overlay/control.h;
 * tests/unit/wire_doc.sh holds them against each other. */
#include "overlay/control.h"
#include "overlay/wire.h"
#include <stdio.h>
#include <string.h>

/* "344" or "33 to 65507" */
static const char *bytes(char out[32], unsigned min, unsigned max)
{
    if (min == max)
        snprintf(out, 32, "%u", min);
    else
        snprintf(out, 32, "%u to %u", min, max);
    return out;
}

static void outer(void)
{
    char text[32];
    puts("| type | name | bytes | proof | what it is for |\n|---|---|---|---|---|");
#define X(name, type, min, max, proof, what)                                                       \
    printf("| 0x%02x | %s | %s | %s | %s |\n", type, #name, bytes(text, min, max), #proof, what);
    OUTER(X)
#undef X
}

static void kinds(void)
{
    char text[32];
    puts("| kind | name | bytes | what it is for |\n|---|---|---|---|");
#define X(name, kind, min, max, what)                                                              \
    printf("| 0x%02x | %s | %s | %s |\n", kind, #name, bytes(text, min, max), what);
    KINDS(X)
#undef X
}

static void control(void)
{
    puts("| op | name | places after it | sent | what it is for |\n|---|---|---|---|---|");
#define X(name, op, places, where, what)                                                           \
    printf("| %d | %s | %s | %s | %s |\n", op, #name, places, where, what);
    CONTROLS(X)
#undef X
}

int main(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "outer") == 0)
        outer();
    else if (argc == 2 && strcmp(argv[1], "kinds") == 0)
        kinds();
    else if (argc == 2 && strcmp(argv[1], "control") == 0)
        control();
    else
        return 2;
    return 0;
}
