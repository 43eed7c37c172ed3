#include "base/bytes.h"

#include "base/err.h"
#include <string.h>

/* An empty reader points here instead of at NULL, so that no arithmetic meets a null pointer. */
static const uint8_t nothing[1];

struct reader reader_of(const void *p, size_t len)
{
    ensure(p || len == 0);
    return (struct reader){.p = p ? p : nothing, .left = len};
}

const uint8_t *read_bytes(struct reader *r, size_t len)
{
    if (r->bad || len > r->left) {
        r->bad = true;
        r->left = 0;
        return NULL;
    }
    const uint8_t *p = r->p;
    r->p += len;
    r->left -= len;
    return p;
}

uint8_t read_u8(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 1);
    return p ? *p : 0;
}

uint16_t read_u16(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 2);
    return p ? get_u16(p) : 0;
}

uint32_t read_u32(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 4);
    return p ? get_u32(p) : 0;
}

uint64_t read_u64(struct reader *r)
{
    const uint8_t *p = read_bytes(r, 8);
    return p ? get_u64(p) : 0;
}

void read_copy(struct reader *r, void *out, size_t len)
{
    const uint8_t *p = read_bytes(r, len);
    if (len == 0) return;
    if (p)
        memcpy(out, p, len);
    else
        memset(out, 0, len);
}

struct reader read_rest(struct reader *r)
{
    size_t len = r->left;
    const uint8_t *p = read_bytes(r, len);
    return p ? reader_of(p, len) : (struct reader){.p = nothing, .bad = true};
}

bool reader_done(const struct reader *r)
{
    return !r->bad && r->left == 0;
}

struct writer writer_of(void *p, size_t max)
{
    ensure(p || max == 0);
    return (struct writer){.p = p, .max = max};
}

uint8_t *write_space(struct writer *w, size_t len)
{
    if (w->bad || len > w->max - w->len || !w->p) {
        w->bad = w->bad || len > w->max - w->len;
        return NULL;
    }
    uint8_t *p = w->p + w->len;
    w->len += len;
    return p;
}

void write_u8(struct writer *w, uint8_t v)
{
    uint8_t *p = write_space(w, 1);
    if (p) *p = v;
}

void write_u16(struct writer *w, uint16_t v)
{
    uint8_t *p = write_space(w, 2);
    if (p) put_u16(p, v);
}

void write_u32(struct writer *w, uint32_t v)
{
    uint8_t *p = write_space(w, 4);
    if (p) put_u32(p, v);
}

void write_u64(struct writer *w, uint64_t v)
{
    uint8_t *p = write_space(w, 8);
    if (p) put_u64(p, v);
}

void write_bytes(struct writer *w, const void *p, size_t len)
{
    uint8_t *to = write_space(w, len);
    if (to && len > 0) memcpy(to, p, len);
}

void write_zeros(struct writer *w, size_t len)
{
    uint8_t *to = write_space(w, len);
    if (to && len > 0) memset(to, 0, len);
}
