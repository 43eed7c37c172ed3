#include "daemon/grid.h"

#include "base/err.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void grid_init(struct grid *g, uint32_t columns)
{
    ensure(columns <= GRID_COLUMNS);
    *g = (struct grid){.columns = columns};
}

void grid_row(struct grid *g, ...)
{
    va_list args;
    if (g->rows == g->room) {
        g->room = g->room ? 2 * g->room : 16;
        g->cells = realloc(g->cells, sizeof *g->cells * g->room * g->columns);
        ensure(g->cells);
    }
    va_start(args, g);
    for (uint32_t i = 0; i < g->columns; i++) {
        const char *text = va_arg(args, const char *);
        char *copy = strdup(text && *text ? text : "-");
        ensure(copy);
        g->cells[g->rows * g->columns + i] = copy;
    }
    va_end(args);
    g->rows++;
}

static void grid_free(struct grid *g)
{
    for (uint32_t i = 0; i < g->rows * g->columns; i++) free(g->cells[i]);
    free(g->cells);
    *g = (struct grid){0};
}

void grid_print_or(struct grid *g, const char *nothing)
{
    if (g->rows > 1 || !isatty(STDOUT_FILENO)) {
        grid_print(g);
        return;
    }
    puts(nothing);
    grid_free(g);
}

void grid_print(struct grid *g)
{
    size_t width[GRID_COLUMNS] = {0};
    for (uint32_t i = 0; i < g->rows * g->columns; i++) {
        size_t len = strlen(g->cells[i]);
        if (len > width[i % g->columns]) width[i % g->columns] = len;
    }
    for (uint32_t i = 0; i < g->rows * g->columns; i++) {
        bool last = i % g->columns == g->columns - 1;
        if (last)
            printf("%s\n", g->cells[i]);
        else
            printf("%-*s  ", (int)width[i % g->columns], g->cells[i]);
    }
    grid_free(g);
}
