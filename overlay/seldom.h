/* overlay/seldom.h - what most nodes never have: behind one pointer of struct overlay, NULL until the first is needed.
 *
 * Senders of messages and origins of broadcasts (message.c), broadcasts under way (broadcast.c), pinned peers (pinned.c).
 *
 * Who sent us something lately, by id: how much more we take from it, and which numbers we have seen. SENDERS_MAX of them;
 * a newcomer takes the place of whoever was silent longest (of 16 senders at once none is forgotten; all together are
 * limited by SENDERS_RATE, so that many ids bring no more than a few).
 *
 * Units: microseconds of the node's clock. Owns: one allocation, freed by seldom_fini.
 * Errors: seldom_need: NULL without memory. Cost: about 3 KiB once there is something; linear searches of 16. */
#pragma once
#include "overlay/core.h"

#define BROADCASTS_MAX 8
#define SENDERS_MAX    16
#define SENDER_RECENT                                                                              \
    32 /* more than one sender may send while a repeat of its first can still come */

struct sender {
    struct id id; /* zero: free */
    uint64_t used_us;
    struct budget budget;
    uint32_t recent[SENDER_RECENT]; /* numbers, 0: none */
    uint64_t broadcasts_us;         /* broadcast.c: when it may send ORIGIN_BURST again */
    uint8_t next;
};
#define PINNED_MAX OVERLAY_PINNED_MAX
struct pin {
    struct id id;
    uint64_t next_us;
    uint8_t failures; /* doublings of the pause */
};
struct seldom {
    struct sender senders[SENDERS_MAX];
    struct budget all;      /* messages of all senders together */
    struct budget verify;   /* signatures of broadcasts */
    uint64_t broadcasts_us; /* of all origins together */
    struct pin *pins;       /* PINNED_MAX of them; NULL: none yet */
    uint16_t pin_count;
    struct broadcast *broadcasts[BROADCASTS_MAX]; /* pooled */
};
struct seldom *seldom_need(struct overlay *o);
void seldom_fini(struct overlay *o);
struct sender *sender_of(struct overlay *o, uint64_t now_us,
                         const struct id *id);                            /* NULL: no memory */
struct sender *sender_find(const struct overlay *o, const struct id *id); /* NULL: not there */
bool sender_seen(const struct sender *s, uint32_t number);                /* s may be NULL */
void sender_note(struct sender *s, uint32_t number);
