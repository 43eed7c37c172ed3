#include "sim/text.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#define TIME_MAX_US (UINT64_C(366) * 24 * 3600 * MILLION)

struct lines lines_of(const char *text, size_t len)
{
    return (struct lines){.p = text, .left = len};
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t' || c == '\r';
}

/* The words of p[0..len) into the line; false if there are too many or one has odd characters. */
static enum line_state split(struct line *out, const char *p, size_t len)
{
    size_t used = 0;
    for (size_t i = 0; i < len;) {
        if (is_blank(p[i])) {
            i++;
            continue;
        }
        if (out->count == LINE_WORDS) return LINE_TOO_LONG;
        if (used) out->text[used - 1] = ' ';
        out->word[out->count++] = out->copy + used;
        for (; i < len && !is_blank(p[i]); i++) {
            if (p[i] < 0x21 || p[i] > 0x7e) return LINE_NOT_TEXT;
            out->text[used] = out->copy[used] = p[i];
            used++;
        }
        out->text[used] = out->copy[used] = 0;
        used++;
    }
    return LINE_OK;
}

enum line_state lines_next(struct lines *l, struct line *out)
{
    while (l->left > 0) {
        const char *start = l->p, *end = memchr(start, '\n', l->left);
        size_t whole = end ? (size_t)(end - start) : l->left;
        l->p += whole + (end ? 1 : 0);
        l->left -= whole + (end ? 1 : 0);
        out->number = ++l->number;
        out->count = out->next = 0;
        const char *comment = memchr(start, '#', whole);
        size_t len = comment ? (size_t)(comment - start) : whole;
        if (len >= LINE_BYTES) return LINE_TOO_LONG;
        enum line_state state = split(out, start, len);
        if (state != LINE_OK || out->count > 0) return state;
    }
    return LINE_END;
}

const char *line_peek(const struct line *l)
{
    return l->next < l->count ? l->word[l->next] : NULL;
}

const char *line_take(struct line *l)
{
    const char *word = line_peek(l);
    if (word) l->next++;
    return word;
}

bool line_accept(struct line *l, const char *word)
{
    const char *next = line_peek(l);
    if (!next || strcmp(next, word) != 0) return false;
    l->next++;
    return true;
}

/* Digits with at most `places` after a point, scaled by 10^places. Moves *s behind them. */
static bool number(const char **s, unsigned places, uint64_t *out)
{
    const char *p = *s;
    uint64_t value = 0;
    bool point = false, any = false;
    unsigned left = places;
    for (;; p++) {
        if (*p == '.' && !point && any && places > 0) {
            point = true;
            any = false; /* a digit must follow */
            continue;
        }
        if (*p < '0' || *p > '9') break;
        if (point && left == 0) return false;
        if (__builtin_mul_overflow(value, 10, &value)) return false;
        if (__builtin_add_overflow(value, (uint64_t)(*p - '0'), &value)) return false;
        any = true;
        if (point) left--;
    }
    if (!any) return false;
    for (; left > 0; left--)
        if (__builtin_mul_overflow(value, 10, &value)) return false;
    *s = p;
    *out = value;
    return true;
}

bool text_u64(const char *s, uint64_t *out)
{
    uint64_t value;
    if (!s || !number(&s, 0, &value) || *s) return false;
    *out = value;
    return true;
}

bool text_u32(const char *s, uint32_t *out)
{
    uint64_t value;
    if (!text_u64(s, &value) || value > UINT32_MAX) return false;
    *out = (uint32_t)value;
    return true;
}

bool text_decimal(const char *s, uint64_t *millionths)
{
    uint64_t value;
    if (!s || !number(&s, 6, &value) || *s) return false;
    *millionths = value;
    return true;
}

bool text_share(const char *s, uint32_t *millionths)
{
    uint64_t value; /* of a per cent, in 10^-4 */
    if (!s || !number(&s, 4, &value) || strcmp(s, "%") != 0 || value > MILLION) return false;
    *millionths = (uint32_t)value;
    return true;
}

bool text_rate(const char *s, uint64_t *bits_per_s)
{
    static const struct {
        const char *name;
        uint64_t bits;
    } rates[] = {{"kbit", 1000}, {"Mbit", MILLION}, {"Gbit", UINT64_C(1000) * MILLION}};
    uint64_t value;
    if (!s || !number(&s, 3, &value)) return false;
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++) {
        if (strcmp(s, rates[i].name) != 0 || value > MILLION * UINT64_C(1000)) continue;
        *bits_per_s = value * (rates[i].bits / 1000);
        return true;
    }
    return false;
}

static const struct {
    const char *name;
    uint64_t us;
} units[] = {{"h", UINT64_C(3600) * MILLION},
             {"m", UINT64_C(60) * MILLION},
             {"s", MILLION},
             {"ms", 1000},
             {"us", 1}};

bool text_time(const char *s, uint64_t *us)
{
    uint64_t value;
    if (!s || !number(&s, 6, &value)) return false;
    if (value == 0 && !*s) {
        *us = 0;
        return true;
    }
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
        if (strcmp(s, units[i].name) != 0) continue;
        if (value > TIME_MAX_US / units[i].us * MILLION) return false;
        uint64_t whole = value / MILLION * units[i].us;
        uint64_t part = value % MILLION * units[i].us;
        if (part % MILLION != 0) return false; /* finer than a microsecond */
        *us = whole + part / MILLION;
        return true;
    }
    return false;
}

const char *time_print(uint64_t us, char out[TIME_TEXT])
{
    size_t i = 0;
    while (us == 0 ? units[i].us != MILLION : us % units[i].us != 0) i++;
    snprintf(out, TIME_TEXT, "%" PRIu64 "%s", us / units[i].us, units[i].name);
    return out;
}
