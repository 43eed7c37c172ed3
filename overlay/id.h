/* overlay/id.h - a position on the ring: 160 bits, big-endian, clockwise is upwards.
 *
 * Printed as 32 characters of lower-case base32 (RFC 4648 alphabet a-z2-7, no padding).
 * Units: distances are struct id too. Cost: byte loops over 20 bytes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define ID_SIZE 20
#define ID_TEXT 33 /* with its NUL */
struct id {
    uint8_t b[ID_SIZE];
};
extern const struct id ID_ZERO;

bool id_equal(const struct id *a, const struct id *b);
int id_compare(const struct id *a, const struct id *b); /* as numbers */
bool id_is_zero(const struct id *a);
struct id id_clockwise(const struct id *from, const struct id *to); /* to - from mod 2^160 */
struct id id_distance(const struct id *a, const struct id *b);      /* the shorter way round */
/* The first 64 bits of that distance; *clockwise: the shorter way is clockwise, or both are as long. */
uint64_t id_distance_top(const struct id *from, const struct id *to, bool *clockwise);
/* Base-2 logarithm of the distance in units of 1/256, exact at powers of two, between them a straight line: it grows with the distance and
 * never shrinks. Below 160 * 256; equal: 0. */
uint32_t id_distance_log2(const struct id *a, const struct id *b);
/* Which of a, b lies nearer to `target` (shorter way)? <0: a, >0: b; a tie is decided by the smaller number,
 * so it is a total order; 0 only if a == b. */
int id_nearer(const struct id *target, const struct id *a, const struct id *b);
/* x in (from, to) going clockwise; (from, from) is the whole ring without from */
bool id_between(const struct id *from, const struct id *x, const struct id *to);
const char *id_print(const struct id *a, char out[ID_TEXT]);
bool id_parse(const char *text, struct id *out); /* exactly 32 characters */
