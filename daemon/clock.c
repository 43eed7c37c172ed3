#include "daemon/clock.h"

#include "base/err.h"
#include <errno.h>
#include <sys/random.h>
#include <time.h>

/* A board without a battery starts in 1970; nothing of ours was signed before this. */
#define CALENDAR_BELIEVED_S 1700000000u

static struct timespec read_clock(clockid_t which)
{
    struct timespec t;
    ensure(clock_gettime(which, &t) == 0);
    return t;
}

uint64_t clock_us(void)
{
    struct timespec t = read_clock(CLOCK_BOOTTIME);
    return (uint64_t)t.tv_sec * 1000000u + (uint64_t)t.tv_nsec / 1000u;
}

uint64_t clock_calendar_s(void)
{
    uint64_t s = clock_calendar_ms() / 1000u;
    return s < CALENDAR_BELIEVED_S ? 0 : s;
}

uint64_t clock_calendar_ms(void)
{
    struct timespec t = read_clock(CLOCK_REALTIME);
    return (uint64_t)t.tv_sec * 1000u + (uint64_t)t.tv_nsec / 1000000u;
}

void clock_seed(uint8_t out[32])
{
    ssize_t got;
    do got = getrandom(out, 32, 0);
    while (got < 0 && errno == EINTR);
    ensure(got == 32);
}
