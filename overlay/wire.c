#include "overlay/wire.h"
#include "base/err.h"

const char *outer_name(uint8_t type)
{
    switch (type) {
#define X(name, type, min, max, proof, what)                                                       \
    case type: return #name;
        OUTER(X)
#undef X
    default: return NULL;
    }
}

const char *kind_name(uint8_t kind)
{
    switch (kind) {
#define X(name, kind, min, max, what)                                                              \
    case kind: return #name;
        KINDS(X)
#undef X
    default: return NULL;
    }
}

bool outer_length_ok(uint8_t type, size_t len)
{
    switch (type) {
#define X(name, type, min, max, proof, what)                                                       \
    case type: return len >= min && len <= max;
        OUTER(X)
#undef X
    default: return false;
    }
}

bool kind_length_ok(uint8_t kind, size_t len)
{
    switch (kind) {
#define X(name, kind, min, max, what)                                                              \
    case kind: return len >= min && len <= max;
        KINDS(X)
#undef X
    default: return false;
    }
}

/* A reader behind the kind byte, or a bad one: not this kind, or not its length. */
static struct reader open_kind(const uint8_t *p, size_t len, uint8_t kind)
{
    struct reader r = reader_of(p, len);
    if (read_u8(&r) != kind || !kind_length_ok(kind, len)) r.bad = true;
    return r;
}

static size_t finish(const struct writer *w)
{
    return w->bad ? 0 : w->len;
}

/* --- DATA --- */

void data_header_write(uint8_t out[DATA_HEADER], const struct data_header *h)
{
    put_u32(out, (uint32_t)OUTER_DATA << 24);
    put_u32(out + 4, h->receiver);
    put_u64(out + 8, h->counter);
}

bool data_header_read(const uint8_t *p, size_t len, struct data_header *h)
{
    if (!outer_length_ok(OUTER_DATA, len) || get_u32(p) != (uint32_t)OUTER_DATA << 24) return false;
    h->receiver = get_u32(p + 4);
    h->counter = get_u64(p + 8);
    return true;
}

/* --- PING, PONG --- */

size_t ping_write(uint8_t *out, size_t max, const struct ping *p)
{
    struct writer w = writer_of(out, max);
    write_u8(&w, KIND_PING);
    write_u8(&w, p->flags);
    write_u64(&w, p->token);
    write_u32(&w, p->digest);
    return finish(&w);
}

bool ping_read(const uint8_t *p, size_t len, struct ping *out)
{
    struct reader r = open_kind(p, len, KIND_PING);
    struct ping ping = {.flags = read_u8(&r)};
    ping.token = read_u64(&r);
    ping.digest = read_u32(&r);
    if (r.bad) return false; /* what is left is padding */
    *out = ping;
    return true;
}

size_t pong_write(uint8_t *out, size_t max, const struct pong *p)
{
    struct writer w = writer_of(out, max);
    write_u8(&w, KIND_PONG);
    write_u8(&w, p->flags);
    write_u64(&w, p->token);
    uint8_t *observed = write_space(&w, ENDPOINT_WIRE);
    if (observed) endpoint_encode(&p->observed, observed);
    write_u32(&w, p->digest);
    return finish(&w);
}

bool pong_read(const uint8_t *p, size_t len, struct pong *out)
{
    struct reader r = open_kind(p, len, KIND_PONG);
    struct pong pong = {.flags = read_u8(&r)};
    pong.token = read_u64(&r);
    const uint8_t *observed = read_bytes(&r, ENDPOINT_WIRE);
    pong.digest = read_u32(&r);
    if (!reader_done(&r) || !endpoint_decode(observed, &pong.observed)) return false;
    *out = pong;
    return true;
}

/* --- FRAGMENT --- */

void fragment_header_write(uint8_t out[FRAGMENT_HEADER], const struct fragment *f)
{
    out[0] = KIND_FRAGMENT;
    put_u16(out + 1, f->number);
    put_u16(out + 3, f->at);
    put_u16(out + 5, f->whole);
}

bool fragment_read(const uint8_t *p, size_t len, struct fragment *out)
{
    struct reader r = open_kind(p, len, KIND_FRAGMENT);
    struct fragment f = {.number = read_u16(&r)};
    f.at = read_u16(&r);
    f.whole = read_u16(&r);
    f.len = r.left;
    f.bytes = read_bytes(&r, f.len);
    if (r.bad || f.whole > KIND_IP_MAX || f.len >= f.whole || f.at % FRAGMENT_UNIT ||
        f.at + f.len > f.whole)
        return false;
    if (f.at + f.len < f.whole && f.len % FRAGMENT_UNIT) return false;
    *out = f;
    return true;
}

/* --- ROUTED --- */

size_t routed_write(uint8_t *out, size_t max, const struct routed *r)
{
    ensure(r->mode == ROUTE_EXACT || r->mode == ROUTE_NEAREST);
    struct writer w = writer_of(out, max);
    write_u8(&w, KIND_ROUTED);
    write_u8(&w, r->mode);
    write_u8(&w, r->ttl);
    write_u8(&w, r->flags);
    write_u16(&w, r->seq);
    write_bytes(&w, r->src.b, ID_SIZE);
    write_bytes(&w, r->dst.b, ID_SIZE);
    write_bytes(&w, r->body, r->body_len);
    return kind_length_ok(KIND_ROUTED, finish(&w)) ? w.len : 0;
}

bool routed_read(const uint8_t *p, size_t len, struct routed *out)
{
    struct reader r = open_kind(p, len, KIND_ROUTED);
    struct routed v = {.mode = read_u8(&r)};
    v.ttl = read_u8(&r);
    v.flags = read_u8(&r);
    v.seq = read_u16(&r);
    read_copy(&r, v.src.b, ID_SIZE);
    read_copy(&r, v.dst.b, ID_SIZE);
    v.body_len = r.left;
    v.body = read_bytes(&r, r.left);
    if (!reader_done(&r) || (v.mode != ROUTE_EXACT && v.mode != ROUTE_NEAREST)) return false;
    *out = v;
    return true;
}

/* --- ACK --- */

size_t ack_write(uint8_t *out, size_t max, const struct ack *a)
{
    ensure(a->count >= 1 && a->count <= ACK_MAX);
    struct writer w = writer_of(out, max);
    write_u8(&w, KIND_ACK);
    write_u8(&w, a->count);
    for (uint8_t i = 0; i < a->count; i++) write_u16(&w, a->seq[i]);
    return finish(&w);
}

bool ack_read(const uint8_t *p, size_t len, struct ack *out)
{
    struct reader r = open_kind(p, len, KIND_ACK);
    struct ack v = {.count = read_u8(&r)};
    if (r.bad || v.count < 1 || v.count > ACK_MAX) return false;
    for (uint8_t i = 0; i < v.count; i++) v.seq[i] = read_u16(&r);
    v.rest_len = r.left;
    v.rest = r.left ? read_bytes(&r, r.left) : NULL;
    if (!reader_done(&r)) return false;
    if (v.rest && v.rest[0] == KIND_ACK) return false; /* one is enough; readers need not nest */
    *out = v;
    return true;
}
