/* sim/matrix.h - latencies from a file: one row and one column for each place, nodes live at places drawn evenly.
 *
 * The file holds N lines of N round trip times in milliseconds, decimals allowed, blanks between them; `#` begins a comment. The value in
 * line i and column j is for datagrams from place i to place j: one way takes half of it. Two nodes of one place have the
 * diagonal between them, or MATRIX_SAME_US if it is 0.
 *
 * Units:  microseconds. Owns: its values. Errors: false, and "FILE:LINE: what" in `error`.
 * Cost:   4 bytes a value. */
#pragma once
#include "sim/scenario.h"

#define MATRIX_MAX     4096u /* places */
#define MATRIX_SAME_US 500u  /* one way, within a place */
struct matrix {
    uint32_t *one_way_us; /* [from * size + to] */
    uint32_t size;
};
bool matrix_parse(struct matrix *m, const char *file, const char *text, size_t len,
                  char error[SCENARIO_ERROR]);
void matrix_free(struct matrix *m);
