/* overlay/fragment.h - frames that a path does not carry whole, put together again at the other end of the session.
 *
 * Each part is sealed on its own (kind FRAGMENT, overlay/wire.h): its place, and how long the whole is. Parts come in any
 * order, once each. A frame is whole when every byte is there; it waits at most FRAGMENT_WAIT_US from its first part on, and
 * only for parts of numbers near it.
 *
 * Full: of one session FRAGMENT_EACH frames wait, the oldest goes for a newer one, counted; so does the oldest of all when
 * all places are taken.
 *
 * Source: ours; RFC 8900 names what IP's own fragments suffer from: forged parts, overlaps, memory. Here parts are
 * authenticated, overlaps end the frame, memory is bounded. Units: bytes, microseconds. Owns: 70 KiB from the first part on.
 * Errors: NULL and why. Cost: one copy. */
#pragma once
#include "overlay/drop.h"
#include "overlay/wire.h"

#define FRAGMENT_SLOTS   32u
#define FRAGMENT_EACH    8u
#define FRAGMENT_WAIT_US UINT64_C(1000000)
#define FRAGMENT_NEAR                                                                              \
    1024 /* numbers; one farther from the newest ends: it is of the round before */
#define FRAGMENT_BITS (KIND_IP_MAX / FRAGMENT_UNIT / 64u)

struct fragment_slot {
    uint64_t until_us;
    uint64_t got[FRAGMENT_BITS]; /* a bit for each FRAGMENT_UNIT */
    uint32_t index;              /* session; 0: free */
    uint16_t number, whole, have;
    uint8_t bytes[KIND_IP_MAX];
};
struct fragments {
    struct fragment_slot *slots; /* NULL: there never was one */
};
/* The frame if this part makes it whole (lent until the next call; *len), else NULL. *why: what was dropped, DROP_COUNT: nothing */
uint8_t *fragments_take(struct fragments *f, uint64_t now_us, uint32_t index,
                        const struct fragment *in, uint32_t *len, enum drop *why);
void fragments_forget(struct fragments *f, uint32_t index); /* the session ends */
void fragments_free(struct fragments *f);
