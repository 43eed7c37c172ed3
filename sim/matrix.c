#include "sim/matrix.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NUMBER_BYTES 24u
#define RTT_MAX_MS   60000u

struct reading {
    const char *file, *p, *end;
    uint32_t line, columns; /* columns: numbers on this line so far */
    char *error;
};

__attribute__((format(printf, 2, 3))) static bool refuse(struct reading *r, const char *format, ...)
{
    va_list args;
    int used = snprintf(r->error, SCENARIO_ERROR, "%.256s:%u: ", r->file, r->line);
    va_start(args, format);
    vsnprintf(r->error + used, SCENARIO_ERROR - (size_t)used, format, args);
    va_end(args);
    return false;
}

static void skip_blanks(struct reading *r)
{
    while (r->p < r->end && (*r->p == ' ' || *r->p == '\t' || *r->p == '\r')) r->p++;
    if (r->p < r->end && *r->p == '#')
        while (r->p < r->end && *r->p != '\n') r->p++;
}

/* Half of a round trip in milliseconds, as microseconds. */
static bool read_number(struct reading *r, uint32_t *one_way_us)
{
    char word[NUMBER_BYTES];
    size_t len = 0;
    while (r->p < r->end && !strchr(" \t\r\n#", *r->p) && len < sizeof word - 1)
        word[len++] = *r->p++;
    word[len] = 0;
    uint64_t millionths;
    if (!text_decimal(word, &millionths) || millionths > (uint64_t)RTT_MAX_MS * MILLION)
        return refuse(r, "column %u is no round trip time in milliseconds, at most %u",
                      r->columns + 1, RTT_MAX_MS);
    *one_way_us = (uint32_t)(millionths / 2000);
    return true;
}

static bool put(struct matrix *m, struct reading *r, uint32_t rows, uint32_t one_way_us)
{
    if (rows == 0) { /* the first line says how many there are */
        if (r->columns == MATRIX_MAX) return refuse(r, "more than %u columns", MATRIX_MAX);
        uint32_t *more = realloc(m->one_way_us, (r->columns + 1) * sizeof *more);
        if (!more) return refuse(r, "out of memory");
        m->one_way_us = more;
    } else if (r->columns == m->size) {
        return refuse(r, "more than %u values, as the first line has", m->size);
    } else if (rows == m->size) {
        return refuse(r, "a line too many: the first has %u values", m->size);
    }
    m->one_way_us[(size_t)rows * m->size + r->columns++] = one_way_us;
    return true;
}

/* One line; true with r->columns 0: nothing stood on it. */
static bool read_line(struct matrix *m, struct reading *r, uint32_t rows)
{
    uint32_t one_way_us = 0;
    r->columns = 0;
    for (skip_blanks(r); r->p < r->end && *r->p != '\n'; skip_blanks(r))
        if (!read_number(r, &one_way_us) || !put(m, r, rows, one_way_us)) return false;
    return true;
}

static bool row_is_over(struct matrix *m, struct reading *r, uint32_t rows)
{
    if (rows > 0 && r->columns < m->size)
        return refuse(r, "%u values, the first line has %u", r->columns, m->size);
    if (rows > 0) return true;
    m->size = r->columns;
    uint32_t *all = realloc(m->one_way_us, (size_t)m->size * m->size * sizeof *all);
    if (!all) return refuse(r, "out of memory");
    m->one_way_us = all;
    return true;
}

static bool read_all(struct matrix *m, struct reading *r)
{
    uint32_t rows = 0;
    while (r->p < r->end) {
        if (!read_line(m, r, rows)) return false;
        if (r->columns > 0) {
            if (!row_is_over(m, r, rows)) return false;
            rows++;
        }
        if (r->p < r->end) r->p++; /* the line's end */
        r->line++;
    }
    r->line--;
    if (rows == 0) return refuse(r, "no values");
    return rows == m->size ? true : refuse(r, "%u lines of %u values: not square", rows, m->size);
}

bool matrix_parse(struct matrix *m, const char *file, const char *text, size_t len,
                  char error[SCENARIO_ERROR])
{
    *m = (struct matrix){0};
    struct reading r = {.file = file, .p = text, .end = text + len, .line = 1, .error = error};
    if (!read_all(m, &r)) {
        matrix_free(m);
        return false;
    }
    for (uint32_t i = 0; i < m->size; i++)
        if (m->one_way_us[(size_t)i * m->size + i] == 0)
            m->one_way_us[(size_t)i * m->size + i] = MATRIX_SAME_US;
    return true;
}

void matrix_free(struct matrix *m)
{
    free(m->one_way_us);
    *m = (struct matrix){0};
}
