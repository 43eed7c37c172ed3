/* daemon/clock.h - the one place where the program reads clocks and asks the system for randomness.
 *
 * clock_us is CLOCK_BOOTTIME: monotonic, and it counts sleep, so that a laptop that wakes up knows how long its
 * peers waited. Calendar time is only for expiry and for people.
 * Errors: a system without these calls is of no use to us: ensure. */
#pragma once
#include <stdint.h>

uint64_t clock_us(void);
uint64_t clock_calendar_s(void);  /* seconds since 1970; 0: the clock was never set */
uint64_t clock_calendar_ms(void); /* the same in milliseconds, as it stands */
void clock_seed(uint8_t out[32]); /* fresh bytes from the system */
