/* base/pack.h - MessagePack as cursors: bodies of messages, records, certificates, tokens.
 *
 * The only user of msgpack-c is pack.c. Reading walks one object in place without building a tree
 * and without allocating; strings and byte strings are borrowed. Refused (the error sticks): a
 * type other than asked for, depth over PACK_DEPTH, a count larger than the bytes left could hold,
 * non-minimal encodings of lengths and integers (one value has one encoding, so signed bytes
 * cannot be re-spelled), trailing bytes (unpack_done), strings that are not clean UTF-8,
 * extension, float and map types (without maps there are no duplicate keys). Writing refuses (the
 * error sticks) what does not fit, strings that would not be read, and a raw object that is not
 * exactly one.
 *
 * We use arrays with fixed places; a reader asks for the array's count first and skips what a newer
 * version appended (unpack_skip).
 *
 * Source: MessagePack specification. Owns: nothing. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define PACK_DEPTH 8

struct unpack { /* reading cursor */
    const uint8_t *p;
    size_t left;
    bool bad;
};
struct pack { /* writing cursor */
    uint8_t *p;
    size_t len, max;
    bool bad;
};
struct span { /* borrowed bytes; p may be NULL when len is 0 */
    const uint8_t *p;
    size_t len;
};

struct unpack unpack_of(const void *p, size_t len);
uint32_t unpack_array(struct unpack *u, uint32_t min, uint32_t max); /* its count */
uint64_t unpack_uint(struct unpack *u, uint64_t max);
int64_t unpack_int(struct unpack *u);
bool unpack_bool(struct unpack *u);
struct span unpack_bin(struct unpack *u, size_t min, size_t max);
struct span unpack_str(struct unpack *u,
                       size_t max); /* valid UTF-8 without NUL and control characters */
void unpack_copy(struct unpack *u, void *out, size_t len); /* a bin of exactly len bytes */
void unpack_skip(struct unpack *u);                        /* any one object, within PACK_DEPTH */
struct span unpack_raw(struct unpack *u); /* any one object, its bytes as received */
bool unpack_done(const struct unpack *u); /* no error and nothing left */

struct pack pack_of(void *p, size_t max);
void pack_array(struct pack *k, uint32_t count);
void pack_uint(struct pack *k, uint64_t v);
void pack_int(struct pack *k, int64_t v);
void pack_bool(struct pack *k, bool v);
void pack_bin(struct pack *k, const void *p, size_t len);
void pack_str(struct pack *k, const char *s, size_t len);
void pack_raw(struct pack *k, struct span object); /* bytes of one object, as they are */
