/* base/bytes.h - bounds-checked cursors over bytes: a reader and a writer whose error sticks.
 *
 * Parsers read straight down and ask once at the end. After an error every read gives 0, every
 * pointer is NULL (or an all-zero static), every write is ignored. Numbers are big-endian.
 *
 * Owns: nothing; both borrow the buffer. Errors: reader.bad / writer.bad. Cost: one compare a
 *       field. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reader {
    const uint8_t *p;
    size_t left;
    bool bad;
};
struct writer {
    uint8_t *p; /* start */
    size_t len; /* written so far */
    size_t max;
    bool bad;
};

struct reader reader_of(const void *p, size_t len);
uint8_t read_u8(struct reader *r);
uint16_t read_u16(struct reader *r);
uint32_t read_u32(struct reader *r);
uint64_t read_u64(struct reader *r);
const uint8_t *read_bytes(struct reader *r, size_t len); /* borrowed; NULL after an error */
void read_copy(struct reader *r, void *out, size_t len); /* zeroes after an error */
struct reader read_rest(struct reader *r);               /* everything left, as a reader */
bool reader_done(const struct reader *r);                /* no error and nothing left */

struct writer writer_of(void *p, size_t max);
void write_u8(struct writer *w, uint8_t v);
void write_u16(struct writer *w, uint16_t v);
void write_u32(struct writer *w, uint32_t v);
void write_u64(struct writer *w, uint64_t v);
void write_bytes(struct writer *w, const void *p, size_t len);
void write_zeros(struct writer *w, size_t len);
uint8_t *write_space(struct writer *w, size_t len); /* reserve; NULL after an error */

static inline uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint16_t get_u16(const uint8_t *p)
{
    return (uint16_t)(p[0] << 8 | p[1]);
}
static inline uint64_t get_u64(const uint8_t *p)
{
    return (uint64_t)get_u32(p) << 32 | get_u32(p + 4);
}
static inline void put_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8), p[1] = (uint8_t)v;
}
static inline void put_u32(uint8_t *p, uint32_t v)
{
    put_u16(p, (uint16_t)(v >> 16)), put_u16(p + 2, (uint16_t)v);
}
static inline void put_u64(uint8_t *p, uint64_t v)
{
    put_u32(p, (uint32_t)(v >> 32)), put_u32(p + 4, (uint32_t)v);
}
