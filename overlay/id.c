#include "overlay/id.h"
#include "base/bytes.h"
#include <string.h>

/* An id as a number: 64 + 64 + 32 bits, so that comparing and subtracting are a few instructions. */
struct words {
    uint64_t high, middle;
    uint32_t low;
};

const struct id ID_ZERO = {{0}};

static struct words words_of(const struct id *a)
{
    return (struct words){get_u64(a->b), get_u64(a->b + 8), get_u32(a->b + 16)};
}

static int words_compare(const struct words *a, const struct words *b)
{
    if (a->high != b->high) return a->high < b->high ? -1 : 1;
    if (a->middle != b->middle) return a->middle < b->middle ? -1 : 1;
    if (a->low != b->low) return a->low < b->low ? -1 : 1;
    return 0;
}

/* to - from mod 2^160 */
static struct words words_between(const struct words *from, const struct words *to)
{
    struct words d;
    d.low = to->low - from->low;
    uint64_t borrow = to->low < from->low;
    d.middle = to->middle - from->middle - borrow;
    borrow = to->middle < from->middle || (to->middle == from->middle && borrow);
    d.high = to->high - from->high - borrow;
    return d;
}

static struct words words_distance(const struct words *a, const struct words *b)
{
    struct words up = words_between(a, b), down = words_between(b, a);
    return words_compare(&up, &down) <= 0 ? up : down;
}

static struct id words_id(const struct words *w)
{
    struct id out;
    put_u64(out.b, w->high);
    put_u64(out.b + 8, w->middle);
    put_u32(out.b + 16, w->low);
    return out;
}

bool id_equal(const struct id *a, const struct id *b)
{
    return memcmp(a->b, b->b, ID_SIZE) == 0;
}

int id_compare(const struct id *a, const struct id *b)
{
    struct words x = words_of(a), y = words_of(b);
    return words_compare(&x, &y);
}

bool id_is_zero(const struct id *a)
{
    return id_equal(a, &ID_ZERO);
}

struct id id_clockwise(const struct id *from, const struct id *to)
{
    struct words x = words_of(from), y = words_of(to), d = words_between(&x, &y);
    return words_id(&d);
}

struct id id_distance(const struct id *a, const struct id *b)
{
    struct words x = words_of(a), y = words_of(b), d = words_distance(&x, &y);
    return words_id(&d);
}

uint64_t id_distance_top(const struct id *from, const struct id *to, bool *clockwise)
{
    struct words x = words_of(from), y = words_of(to), up = words_between(&x, &y),
                 down = words_between(&y, &x);
    *clockwise = words_compare(&up, &down) <= 0;
    return *clockwise ? up.high : down.high;
}

uint32_t id_distance_log2(const struct id *a, const struct id *b)
{
    struct words x = words_of(a), y = words_of(b), d = words_distance(&x, &y);
    /* the 64 bits from its first one on, and how many bits stand below them */
    uint64_t top = d.high;
    uint32_t below = 96;
    if (!top) top = d.middle, below = 32;
    if (!top) top = (uint64_t)d.low << 32, below = 0;
    if (!top) return 0;
    uint32_t zeros = (uint32_t)__builtin_clzll(top);
    if (below && zeros) {
        uint64_t next = below == 96 ? d.middle : (uint64_t)d.low << 32;
        top = top << zeros | next >> (64 - zeros);
    } else {
        top <<= zeros;
    }
    uint32_t whole = below + 63 - zeros - (below ? 0 : 32);
    return whole * 256u + (uint32_t)(top >> 55 & 0xff);
}

int id_nearer(const struct id *target, const struct id *a, const struct id *b)
{
    struct words t = words_of(target), x = words_of(a), y = words_of(b);
    struct words dx = words_distance(&t, &x), dy = words_distance(&t, &y);
    int c = words_compare(&dx, &dy);
    return c ? c : words_compare(&x, &y);
}

bool id_between(const struct id *from, const struct id *x, const struct id *to)
{
    if (id_equal(from, x)) return false;
    if (id_equal(from, to)) return true;
    struct words f = words_of(from), m = words_of(x), t = words_of(to);
    struct words to_x = words_between(&f, &m), to_end = words_between(&f, &t);
    return words_compare(&to_x, &to_end) < 0;
}

const char *id_print(const struct id *a, char out[ID_TEXT])
{
    static const char alphabet[] = "abcdefghijklmnopqrstuvwxyz234567";
    for (size_t i = 0; i < 4; i++) { /* five bytes are eight characters */
        uint64_t v = (uint64_t)a->b[5 * i] << 32 | get_u32(a->b + 5 * i + 1);
        for (size_t j = 0; j < 8; j++) out[8 * i + j] = alphabet[v >> (35 - 5 * j) & 31];
    }
    out[ID_TEXT - 1] = 0;
    return out;
}

static int base32_value(char c)
{
    if (c >= 'a' && c <= 'z') return c - 'a';
    if (c >= '2' && c <= '7') return c - '2' + 26;
    return -1;
}

bool id_parse(const char *text, struct id *out)
{
    struct id id;
    for (size_t i = 0; i < 4; i++) {
        uint64_t v = 0;
        for (size_t j = 0; j < 8; j++) {
            int five = base32_value(text[8 * i + j]); /* -1 at the NUL, so never past it */
            if (five < 0) return false;
            v = v << 5 | (uint64_t)five;
        }
        id.b[5 * i] = (uint8_t)(v >> 32);
        put_u32(id.b + 5 * i + 1, (uint32_t)v);
    }
    if (text[ID_TEXT - 1]) return false;
    *out = id;
    return true;
}
