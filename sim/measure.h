/* sim/measure.h - counting what a run shows: histograms, and logarithms without floating point.
 *
 * A histogram is exact below 64 and to 1/64 above (values are told as the most they may be); its
 * mean and greatest value are exact.
 *
 * Units:  the caller's. Owns: nothing; 30 KiB by value. Errors: none. Cost: a few instructions a value. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define HISTOGRAM_EXACT  64u /* values below it have a bin each */
#define HISTOGRAM_OCTAVE 64u /* bins an octave above */
#define HISTOGRAM_BINS   (HISTOGRAM_EXACT + (64u - 6u) * HISTOGRAM_OCTAVE)
struct histogram {
    uint64_t count, sum, max;
    uint64_t bins[HISTOGRAM_BINS];
};
void histogram_add(struct histogram *h, uint64_t value);
/* The value that `millionths` of all do not exceed; 0 if there are none. */
uint64_t histogram_at(const struct histogram *h, uint32_t millionths);
/* sum * scale / count, rounded down; 0 if there are none. */
uint64_t histogram_mean(const struct histogram *h, uint64_t scale);

/* The first bin from `bin` on that holds something: its greatest value and how many there are; returns the bin behind it, 0: none. */
uint32_t histogram_next(const struct histogram *h, uint32_t bin, uint64_t *value, uint64_t *count);

uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c); /* a * b / c without overflow between */
uint64_t log2_millionths(uint64_t n);                 /* of n >= 1, rounded down */
/* -ln(u / 2^32) in millionths for 1 <= u <= 2^32: an exponential of mean one, if u is uniform. */
uint64_t exponential_millionths(uint64_t u);
