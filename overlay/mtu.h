/* overlay/mtu.h - how large an inner packet one path carries: found by probing, and found again when it shrinks or grows.
 *
 * A volley is some sizes, asked all at once, and a plain PING behind them. Whoever sends it pads a PING to the length that an
 * inner packet of that size makes on this path. What is judged is not silence but order: the plain one was answered, a larger
 * one was not. Nothing answered says nothing about sizes, and the volley is sent again.
 *
 *   search  the whole size first; if it fails, sizes spread evenly below it, each time between the largest that passed and
 *           the smallest that failed. A size has failed when it failed twice.
 *   check   under traffic, once a second: the largest packet's size. Failed three times while the plain one passes: a black
 *           hole; search again.
 *   raise   below the whole size, under traffic: 15 s after the search, then after twice as long, up to 10 min.
 *
 * Source: RFC 8899 (PLPMTU probing; PMTU_RAISE_TIMER 600 s, MAX_PROBES 3); volleys are ours (docs/decisions/0023).
 * Units: bytes of inner packet, microseconds. Owns: nothing. Errors: none. Cost: a few compares; about 60 bytes. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

#define MTU_FLOOR  512u /* taken to pass: IPv4 carries 576 everywhere (RFC 791), headers off */
#define MTU_VOLLEY 8u   /* sizes of one volley, the plain one included */
#define MTU_CLOSE  8u   /* near enough */

enum mtu_phase { MTU_REST, MTU_SEARCH, MTU_RAISE, MTU_CHECK };
struct mtu {
    uint64_t
        due_us; /* the volley is to be sent, judged or sent again; TIME_NEVER: none under way */
    uint64_t raise_us;  /* not before */
    uint64_t check_us;  /* not before */
    uint16_t now;       /* passes, as far as is known; 0: no path was looked at */
    uint16_t safe;      /* taken to pass while it is searched */
    uint16_t top;       /* more is not wanted */
    uint16_t low, high; /* passed; failed, or top + 1 */
    uint16_t suspect;   /* failed once, or not asked yet; 0: none */
    uint8_t misses;     /* so often: of the suspect, or of the size that is checked */
    uint8_t phase;      /* enum mtu_phase */
    uint16_t
        sizes[MTU_VOLLEY];   /* below MTU_FLOOR: plain, and a number that no volley before it had */
    uint8_t count, answered; /* answered: a bit each */
    uint8_t tries, number, pause; /* pause: of the next raise, 15 s << pause */
    bool sent, settled;
};
/* A new path, or one that may have become another: search. At most `safe` is sent whole meanwhile. */
void mtu_begin(struct mtu *m, uint64_t now_us, uint16_t top, uint16_t safe);
bool mtu_is_settled(const struct mtu *m); /* false: more than `now` may pass */
void mtu_end(struct mtu *m);              /* nobody uses the path */
/* At due_us: true: send sizes[0..count) now, in this order. *changed: `now` is another. rto_us: when an answer is late. */
bool mtu_tick(struct mtu *m, uint64_t now_us, uint64_t rto_us, bool *changed);
/* sizes[i] was answered, so long after it was asked. True: `now` is another. */
bool mtu_answered(struct mtu *m, uint64_t now_us, uint8_t i, uint64_t rtt_us);
/* Inner packets were sent since the last call, the largest of this size. */
void mtu_used(struct mtu *m, uint64_t now_us, uint16_t largest);
