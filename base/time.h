/* base/time.h - time is microseconds handed in by the driver; nothing here reads a clock.
 *
 * now_us: monotonic, counts sleep (the daemon uses CLOCK_BOOTTIME). Calendar time is seconds since
 * 1970 and appears only where its name ends in _s and its comment says calendar. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define TIME_NEVER UINT64_MAX
#define MICROS(n)  ((uint64_t)(n))
#define MILLIS(n)  ((uint64_t)(n)*1000u)
#define SECONDS(n) ((uint64_t)(n)*1000000u)
#define MINUTES(n) SECONDS((uint64_t)(n)*60u)
#define HOURS(n)   MINUTES((uint64_t)(n)*60u)

/* a + b, or TIME_NEVER when that does not fit or one of them is TIME_NEVER */
static inline uint64_t time_add(uint64_t a, uint64_t b)
{
    return a > TIME_NEVER - b ? TIME_NEVER : a + b;
}
/* how long after `then` it is now; 0 if `then` lies ahead */
static inline uint64_t time_since(uint64_t now, uint64_t then)
{
    return now > then ? now - then : 0;
}
static inline uint64_t time_min(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}
static inline uint64_t time_max(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}
