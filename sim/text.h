/* sim/text.h - the words, numbers, shares and times of which scenario lines are made.
 *
 * Everything is an integer: decimals and shares are held as millionths, times as microseconds.
 *
 * Owns: a line owns a copy of its text. Errors: false, and the output is untouched.
 * Cost: one pass. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MILLION    1000000u
#define LINE_BYTES 512
#define LINE_WORDS 64

struct line {
    uint32_t number;       /* from 1 */
    uint32_t count, next;  /* words, and the next to be read */
    char text[LINE_BYTES]; /* without comment and surrounding blanks, one space between words */
    char copy[LINE_BYTES]; /* cut into words */
    const char *word[LINE_WORDS];
};
struct lines { /* a cursor over a text in memory */
    const char *p;
    size_t left;
    uint32_t number;
};

struct lines lines_of(const char *text, size_t len);
enum line_state { LINE_END, LINE_OK, LINE_TOO_LONG, LINE_NOT_TEXT };
/* The next line that has a word; its number is set in every case but LINE_END. */
enum line_state lines_next(struct lines *l, struct line *out);

const char *line_take(struct line *l);              /* the next word, NULL at the end */
const char *line_peek(const struct line *l);        /* the same, without taking it */
bool line_accept(struct line *l, const char *word); /* takes the next word if it is this one */

bool text_u32(const char *s, uint32_t *out);
bool text_u64(const char *s, uint64_t *out);
bool text_decimal(const char *s, uint64_t *millionths); /* 0.43; at most six places */
bool text_share(const char *s, uint32_t *millionths);   /* 99.99%, at most 100% */
bool text_rate(const char *s, uint64_t *bits_per_s);    /* 56kbit 10Mbit 1Gbit */
bool text_time(const char *s, uint64_t *us);            /* 50ms 90s 1.5s 10m 2h 100us, 0 */
/* Exact, in the largest unit that leaves no fraction: "1500ms", "10m". Returns out. */
#define TIME_TEXT 32
const char *time_print(uint64_t us, char out[TIME_TEXT]);
