#include "sim/measure.h"

#include "base/err.h"

__extension__ typedef unsigned __int128 wide;

static unsigned highest_bit(uint64_t v)
{
    return 63u - (unsigned)__builtin_clzll(v);
}

static uint32_t bin_of(uint64_t value)
{
    if (value < HISTOGRAM_EXACT) return (uint32_t)value;
    unsigned top = highest_bit(value); /* at least 6 */
    uint32_t within = (uint32_t)(value >> (top - 6)) & (HISTOGRAM_OCTAVE - 1);
    return HISTOGRAM_EXACT + (top - 6) * HISTOGRAM_OCTAVE + within;
}

static uint64_t bin_most(uint32_t bin)
{
    if (bin < HISTOGRAM_EXACT) return bin;
    unsigned shift = (bin - HISTOGRAM_EXACT) / HISTOGRAM_OCTAVE;
    uint64_t within = (bin - HISTOGRAM_EXACT) % HISTOGRAM_OCTAVE;
    return ((HISTOGRAM_OCTAVE + within) << shift) + ((UINT64_C(1) << shift) - 1);
}

void histogram_add(struct histogram *h, uint64_t value)
{
    h->count++;
    h->sum += value;
    if (value > h->max) h->max = value;
    h->bins[bin_of(value)]++;
}

uint64_t histogram_at(const struct histogram *h, uint32_t millionths)
{
    uint64_t wanted = mul_div(h->count, millionths, 1000000), seen = 0;
    for (uint32_t i = 0; i < HISTOGRAM_BINS && wanted < h->count; i++) {
        seen += h->bins[i];
        if (seen > wanted) return bin_most(i) < h->max ? bin_most(i) : h->max;
    }
    return h->max;
}

uint64_t histogram_mean(const struct histogram *h, uint64_t scale)
{
    return h->count ? mul_div(h->sum, scale, h->count) : 0;
}

uint32_t histogram_next(const struct histogram *h, uint32_t bin, uint64_t *value, uint64_t *count)
{
    while (bin < HISTOGRAM_BINS && h->bins[bin] == 0) bin++;
    if (bin == HISTOGRAM_BINS) return 0;
    *value = bin_most(bin) < h->max ? bin_most(bin) : h->max;
    *count = h->bins[bin];
    return bin + 1;
}

uint64_t mul_div(uint64_t a, uint64_t b, uint64_t c)
{
    ensure(c > 0);
    wide result = (wide)a * b / c;
    return result > UINT64_MAX ? UINT64_MAX : (uint64_t)result;
}

/* log2(n) as 32.32 fixed point: the whole part is the highest bit; each squaring of what is left,
 * held as 1.63, gives one more bit. */
static uint64_t log2_fixed(uint64_t n)
{
    ensure(n > 0);
    unsigned top = highest_bit(n);
    uint64_t result = (uint64_t)top << 32;
    uint64_t x = n << (63 - top);
    for (int bit = 31; bit >= 0; bit--) {
        wide square = (wide)x * x >> 63; /* in [1, 4) */
        if (square >> 64) {
            result |= UINT64_C(1) << bit;
            square >>= 1;
        }
        x = (uint64_t)square;
    }
    return result;
}

uint64_t log2_millionths(uint64_t n)
{
    return mul_div(log2_fixed(n), 1000000, UINT64_C(1) << 32);
}

uint64_t exponential_millionths(uint64_t u)
{
    ensure(u > 0 && u <= UINT64_C(1) << 32);
    uint64_t log2_inverse = (UINT64_C(32) << 32) - log2_fixed(u);
    return mul_div(log2_inverse, 693147, UINT64_C(1) << 32); /* ln 2 */
}
