/* Writing goes through msgpack-c's packer. Reading is by hand: msgpack-c's unpacker builds a tree
 * of objects, allocates for it, and takes every spelling of a value, while we want one spelling,
 * no tree and no memory. tests/fuzz/pack.c holds the two against each other. */
#include "base/pack.h"

#include "base/bytes.h"
#include "base/err.h"
#include <msgpack.h>
#include <string.h>

/* --- reading --- */

static const uint8_t nothing[1];

struct unpack unpack_of(const void *p, size_t len)
{
    ensure(p || len == 0);
    return (struct unpack){.p = p ? p : nothing, .left = len};
}

static void fail(struct unpack *u)
{
    u->bad = true;
    u->left = 0;
}

/* The next len bytes; NULL after an error. */
static const uint8_t *take(struct unpack *u, size_t len)
{
    if (u->bad || len > u->left) {
        fail(u);
        return NULL;
    }
    const uint8_t *p = u->p;
    u->p += len;
    u->left -= len;
    return p;
}

/* First byte of the next object; 0xc1, which MessagePack never uses, after an error. */
#define NEVER_USED 0xc1
static uint8_t take_head(struct unpack *u)
{
    const uint8_t *p = take(u, 1);
    return p ? *p : NEVER_USED;
}

/* A big-endian number of `bytes` bytes, refused if it is less than `least`: a shorter form would
 * have held it. */
static uint64_t take_number(struct unpack *u, unsigned bytes, uint64_t least)
{
    const uint8_t *p = take(u, bytes);
    uint64_t value = 0;
    if (!p) return 0;
    for (unsigned i = 0; i < bytes; i++) value = value << 8 | p[i];
    if (value >= least) return value;
    fail(u);
    return 0;
}

static uint64_t take_uint(struct unpack *u, uint8_t head)
{
    if (head <= 0x7f) return head;
    switch (head) {
    case 0xcc: return take_number(u, 1, 0x80);
    case 0xcd: return take_number(u, 2, 0x100);
    case 0xce: return take_number(u, 4, 0x10000);
    case 0xcf: return take_number(u, 8, 0x100000000);
    default: fail(u); return 0;
    }
}

/* A negative number: two's complement in `bytes` bytes, refused if greater than `most`. */
static int64_t take_negative(struct unpack *u, unsigned bytes, int64_t most)
{
    uint64_t value = take_number(u, bytes, 0);
    uint64_t sign = (uint64_t)1 << (8 * bytes - 1);
    int64_t v = (int64_t)((value ^ sign) - sign);
    if (!u->bad && v <= most) return v;
    fail(u);
    return 0;
}

static int64_t take_int(struct unpack *u, uint8_t head)
{
    if (head >= 0xe0) return (int64_t)head - 0x100;
    switch (head) {
    case 0xd0: return take_negative(u, 1, -33);
    case 0xd1: return take_negative(u, 2, -129);
    case 0xd2: return take_negative(u, 4, -0x8001);
    case 0xd3: return take_negative(u, 8, -0x80000001LL);
    default: break;
    }
    uint64_t v = take_uint(u, head);
    if (v <= INT64_MAX) return (int64_t)v;
    fail(u);
    return 0;
}

static uint32_t take_array(struct unpack *u, uint8_t head)
{
    uint64_t count = 0;
    if (head >= 0x90 && head <= 0x9f)
        count = head & 0x0f;
    else if (head == 0xdc)
        count = take_number(u, 2, 0x10);
    else if (head == 0xdd)
        count = take_number(u, 4, 0x10000);
    else
        fail(u);
    if (count > u->left) fail(u); /* an object has at least one byte */
    return u->bad ? 0 : (uint32_t)count;
}

static struct span take_span(struct unpack *u, uint64_t len)
{
    const uint8_t *p = len <= u->left ? take(u, (size_t)len) : (fail(u), NULL);
    return (struct span){.p = p, .len = p ? (size_t)len : 0};
}

static struct span take_bin(struct unpack *u, uint8_t head)
{
    switch (head) {
    case 0xc4: return take_span(u, take_number(u, 1, 0));
    case 0xc5: return take_span(u, take_number(u, 2, 0x100));
    case 0xc6: return take_span(u, take_number(u, 4, 0x10000));
    default: fail(u); return (struct span){0};
    }
}

/* How many bytes the UTF-8 character at p has (RFC 3629, table 3-7 of Unicode); 0 if it is none,
 * or one that does not belong into a name: U+0000..1F, U+7F..9F. */
static size_t utf8_character(const uint8_t *p, size_t left)
{
    uint8_t c = p[0];
    if (c < 0x80) return c >= 0x20 && c != 0x7f;
    size_t len = c >= 0xf0 ? 4 : c >= 0xe0 ? 3 : 2;
    if (c < 0xc2 || c > 0xf4 || len > left) return 0;
    uint8_t low = c == 0xe0 ? 0xa0 : c == 0xf0 ? 0x90 : c == 0xc2 ? 0xa0 : 0x80;
    uint8_t high = c == 0xed ? 0x9f : c == 0xf4 ? 0x8f : 0xbf;
    if (p[1] < low || p[1] > high) return 0;
    for (size_t i = 2; i < len; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    return len;
}

static bool utf8_is_valid(const uint8_t *p, size_t len)
{
    for (size_t i = 0; i < len;) {
        size_t step = utf8_character(p + i, len - i);
        if (step == 0) return false;
        i += step;
    }
    return true;
}

static struct span take_str(struct unpack *u, uint8_t head)
{
    struct span s = {0};
    if (head >= 0xa0 && head <= 0xbf)
        s = take_span(u, head & 0x1f);
    else if (head == 0xd9)
        s = take_span(u, take_number(u, 1, 0x20));
    else if (head == 0xda)
        s = take_span(u, take_number(u, 2, 0x100));
    else if (head == 0xdb)
        s = take_span(u, take_number(u, 4, 0x10000));
    else
        fail(u);
    if (!u->bad && !utf8_is_valid(s.p, s.len)) fail(u);
    return u->bad ? (struct span){0} : s;
}

uint32_t unpack_array(struct unpack *u, uint32_t min, uint32_t max)
{
    uint32_t count = take_array(u, take_head(u));
    if (!u->bad && count >= min && count <= max) return count;
    fail(u);
    return 0;
}

uint64_t unpack_uint(struct unpack *u, uint64_t max)
{
    uint64_t v = take_uint(u, take_head(u));
    if (!u->bad && v <= max) return v;
    fail(u);
    return 0;
}

int64_t unpack_int(struct unpack *u)
{
    int64_t v = take_int(u, take_head(u));
    return u->bad ? 0 : v;
}

bool unpack_bool(struct unpack *u)
{
    uint8_t head = take_head(u);
    if (head != 0xc2 && head != 0xc3) fail(u);
    return !u->bad && head == 0xc3;
}

struct span unpack_bin(struct unpack *u, size_t min, size_t max)
{
    struct span s = take_bin(u, take_head(u));
    if (!u->bad && s.len >= min && s.len <= max) return s;
    fail(u);
    return (struct span){0};
}

struct span unpack_str(struct unpack *u, size_t max)
{
    struct span s = take_str(u, take_head(u));
    if (!u->bad && s.len <= max) return s;
    fail(u);
    return (struct span){0};
}

void unpack_copy(struct unpack *u, void *out, size_t len)
{
    struct span s = unpack_bin(u, len, len);
    if (len == 0) return;
    if (u->bad)
        memset(out, 0, len);
    else
        memcpy(out, s.p, len);
}

/* One object that is not an array, of any type we know. */
static void skip_scalar(struct unpack *u, uint8_t head)
{
    if (head == 0xc0 || head == 0xc2 || head == 0xc3) return; /* nil, false, true */
    if ((head >= 0xa0 && head <= 0xbf) || (head >= 0xd9 && head <= 0xdb))
        take_str(u, head);
    else if (head >= 0xc4 && head <= 0xc6)
        take_bin(u, head);
    else if (head <= 0x7f || (head >= 0xcc && head <= 0xcf))
        take_uint(u, head);
    else if (head >= 0xd0 && head <= 0xd3)
        take_int(u, head);
    else if (head < 0xe0)
        fail(u);
}

/* Without recursion: every round takes at least one byte, and every open array has one count to
 * remember. */
void unpack_skip(struct unpack *u)
{
    uint32_t left[PACK_DEPTH]; /* objects still to come in each open array */
    unsigned depth = 0;
    do {
        uint8_t head = take_head(u);
        bool array = (head >= 0x90 && head <= 0x9f) || head == 0xdc || head == 0xdd;
        if (array && depth == PACK_DEPTH)
            fail(u);
        else if (array)
            left[depth++] = take_array(u, head);
        else
            skip_scalar(u, head);
        while (depth > 0 && left[depth - 1] == 0) depth--;
        if (depth > 0) left[depth - 1]--;
    } while (depth > 0 && !u->bad);
}

struct span unpack_raw(struct unpack *u)
{
    const uint8_t *start = u->p;
    unpack_skip(u);
    if (u->bad) return (struct span){0};
    return (struct span){.p = start, .len = (size_t)(u->p - start)};
}

bool unpack_done(const struct unpack *u)
{
    return !u->bad && u->left == 0;
}

/* --- writing --- */

static int on_packed(void *data, const char *bytes, size_t len)
{
    struct pack *k = data;
    if (k->bad || len > k->max - k->len) {
        k->bad = true;
        return -1;
    }
    if (len > 0) memcpy(k->p + k->len, bytes, len);
    k->len += len;
    return 0;
}

struct pack pack_of(void *p, size_t max)
{
    ensure(p || max == 0);
    return (struct pack){.p = p, .max = max};
}

static msgpack_packer packer_of(struct pack *k)
{
    msgpack_packer packer;
    msgpack_packer_init(&packer, k, on_packed);
    return packer;
}

void pack_array(struct pack *k, uint32_t count)
{
    msgpack_packer packer = packer_of(k);
    if (msgpack_pack_array(&packer, count)) k->bad = true;
}

void pack_uint(struct pack *k, uint64_t v)
{
    msgpack_packer packer = packer_of(k);
    if (msgpack_pack_uint64(&packer, v)) k->bad = true;
}

void pack_int(struct pack *k, int64_t v)
{
    msgpack_packer packer = packer_of(k);
    if (msgpack_pack_int64(&packer, v)) k->bad = true;
}

void pack_bool(struct pack *k, bool v)
{
    msgpack_packer packer = packer_of(k);
    if (v ? msgpack_pack_true(&packer) : msgpack_pack_false(&packer)) k->bad = true;
}

void pack_bin(struct pack *k, const void *p, size_t len)
{
    msgpack_packer packer = packer_of(k);
    if (len > UINT32_MAX || msgpack_pack_bin_with_body(&packer, p, len)) k->bad = true;
}

void pack_str(struct pack *k, const char *s, size_t len)
{
    msgpack_packer packer = packer_of(k);
    if (len > UINT32_MAX || !utf8_is_valid((const uint8_t *)s, len) ||
        msgpack_pack_str_with_body(&packer, s, len))
        k->bad = true;
}

void pack_raw(struct pack *k, struct span object)
{
    struct unpack u = unpack_of(object.p, object.len);
    unpack_skip(&u);
    if (!unpack_done(&u) || on_packed(k, (const char *)object.p, object.len)) k->bad = true;
}
