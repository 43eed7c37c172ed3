/* daemon/grid.h - rows of text in aligned columns, for people. Cells are copied; numbers of columns and rows are bounded
 * by what is shown. Wide cells are not cut; the last column is not padded. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define GRID_COLUMNS 10
struct grid {
    char **cells; /* rows * columns */
    uint32_t columns, rows, room;
};
void grid_init(struct grid *g, uint32_t columns);
void grid_row(struct grid *g, ...); /* `columns` times const char *; NULL is shown as - */
void grid_print(struct grid *g);    /* to stdout, and frees */
void grid_print_or(struct grid *g,
                   const char *nothing); /* likewise; that, on a terminal, if it has but a header */
