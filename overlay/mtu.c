#include "overlay/mtu.h"

#include "base/time.h"
#include <string.h>

#define CHECK_EVERY_US SECONDS(1)
#define STRIKES        3
#define SURE           2 /* so often a size fails in a search before it counts */
#define TRIES          6 /* of a volley of which nothing comes back */
#define RAISE_US       SECONDS(15)
#define RAISE_PAUSES   6 /* 15 s << 6 is more than the most: */
#define RAISE_MAX_US   SECONDS(600)
#define GRACE_US                                                                                   \
    MILLIS(10) /* for those that the plain one overtook; and a quarter of its round trip */
#define STRIKE_PAUSE_US MILLIS(100)
#define CHECK_WAIT_MIN  MILLIS(100)

static void rest(struct mtu *m)
{
    m->phase = MTU_REST;
    m->due_us = TIME_NEVER;
    m->count = 0;
}

/* --- volleys --- */

static void put(struct mtu *m, uint32_t size)
{
    m->sizes[m->count++] = (uint16_t)size;
}

static void load(struct mtu *m, uint64_t at_us)
{
    m->number = (uint8_t)(m->number + 1);
    put(m, 1u + m->number);
    m->answered = 0;
    m->tries = 0;
    m->sent = false;
    m->due_us = at_us;
}

/* Between what passed and what failed, and the suspect itself. The whole size is asked alone at first: mostly it passes. */
static void aim(struct mtu *m, uint64_t now_us)
{
    bool alone = m->phase == MTU_SEARCH && m->suspect == m->top && m->misses == 0;
    uint32_t end = m->suspect ? m->suspect : m->high, n = MTU_VOLLEY - 1u - (m->suspect ? 1u : 0u);
    m->count = 0;
    for (uint32_t k = 1, before = m->low; k <= n && !alone; k++) {
        uint32_t size = m->low + (end - m->low) * k / (n + 1);
        if (size > before && size < end) put(m, size);
        before = size;
    }
    if (m->suspect) put(m, m->suspect);
    load(m, now_us);
}

/* --- judging --- */

static void search(struct mtu *m, uint64_t now_us, enum mtu_phase phase, uint16_t low,
                   uint16_t high, uint16_t suspect)
{
    m->phase = (uint8_t)phase;
    m->low = low;
    m->high = high;
    m->suspect = suspect;
    m->misses = 0;
    aim(m, now_us);
}

static void found(struct mtu *m, uint64_t now_us)
{
    uint64_t pause_us = RAISE_US << m->pause;
    m->raise_us = now_us + (pause_us < RAISE_MAX_US ? pause_us : RAISE_MAX_US);
    m->check_us = now_us + CHECK_EVERY_US;
    if (m->pause < RAISE_PAUSES) m->pause++;
    m->settled = true;
    rest(m);
}

/* The smallest size of this volley that was not answered though a plain one was; 0: none. */
static uint16_t smallest_missed(const struct mtu *m)
{
    uint16_t least = 0;
    for (uint8_t i = 0; i + 1 < m->count; i++)
        if (!(m->answered >> i & 1) && m->sizes[i] > m->low && (!least || m->sizes[i] < least))
            least = m->sizes[i];
    return least;
}

static void judge_search(struct mtu *m, uint64_t now_us)
{
    uint16_t missed = smallest_missed(m);
    if (m->phase == MTU_RAISE) {
        bool none = (m->answered & ((1u << (m->count - 1)) - 1u)) == 0;
        m->phase = MTU_SEARCH;
        if (none) {
            found(m, now_us);
            return;
        }
    }
    if (m->suspect && m->low >= m->suspect) m->suspect = 0;
    if (m->suspect && ++m->misses >= SURE) {
        m->high = m->suspect;
        m->suspect = 0;
    }
    if (missed && missed < (m->suspect ? m->suspect : m->high)) {
        m->suspect = missed;
        m->misses = 1;
    }
    if (m->now >= m->high) m->now = m->low;
    if (m->low >= m->top || (!m->suspect && m->high - m->low <= (int)MTU_CLOSE))
        found(m, now_us);
    else
        aim(m, now_us);
}

static void judge_check(struct mtu *m, uint64_t now_us)
{
    uint16_t size = m->sizes[0];
    if (++m->misses >= STRIKES) {
        m->pause = 0;
        m->settled = false;
        m->now = m->safe < size ? m->safe : MTU_FLOOR;
        search(m, now_us, MTU_SEARCH, MTU_FLOOR, size, 0);
    } else {
        m->count = 1;
        load(m, now_us + STRIKE_PAUSE_US);
    }
}

static bool plain_answered(const struct mtu *m)
{
    return m->count && m->sizes[m->count - 1] < MTU_FLOOR && (m->answered >> (m->count - 1) & 1);
}

static bool all_answered(const struct mtu *m)
{
    return m->count && m->answered == (1u << m->count) - 1u;
}

/* --- from outside --- */

void mtu_end(struct mtu *m)
{
    memset(m, 0, sizeof *m);
    rest(m);
}

bool mtu_is_settled(const struct mtu *m)
{
    return m->settled;
}

void mtu_begin(struct mtu *m, uint64_t now_us, uint16_t top, uint16_t safe)
{
    uint8_t number = m->number;
    mtu_end(m);
    m->number = number;
    m->top = top;
    m->safe = m->now = safe < top ? safe : top;
    if (top > MTU_FLOOR) search(m, now_us, MTU_SEARCH, MTU_FLOOR, (uint16_t)(top + 1u), top);
}

bool mtu_tick(struct mtu *m, uint64_t now_us, uint64_t rto_us, bool *changed)
{
    uint16_t before = m->now;
    *changed = false;
    if (m->due_us > now_us) return false;
    if (m->sent && (plain_answered(m) || all_answered(m))) {
        if (m->phase == MTU_CHECK)
            judge_check(m, now_us);
        else
            judge_search(m, now_us);
        *changed = m->now != before;
        if (m->due_us > now_us) return false;
    } else if (m->sent && m->phase == MTU_CHECK && m->count == 1) {
        load(m, now_us); /* late, or too large? the same, and a plain one */
    } else if (m->sent && ++m->tries >= TRIES) {
        rest(m);
        m->check_us = now_us + CHECK_EVERY_US;
        m->raise_us = now_us + RAISE_US;
        return false;
    }
    m->sent = true;
    m->due_us = now_us + (time_max(rto_us, CHECK_WAIT_MIN) << (m->tries < 4 ? m->tries : 4));
    return true;
}

bool mtu_answered(struct mtu *m, uint64_t now_us, uint8_t i, uint64_t rtt_us)
{
    if (i >= m->count) return false;
    uint16_t size = m->sizes[i], before = m->now;
    if (m->phase == MTU_CHECK && i == 0) { /* late or not: it passes */
        rest(m);
        return false;
    }
    if (!m->sent) return false;
    m->answered |= (uint8_t)(1u << i);
    if (size > m->low && size >= MTU_FLOOR) m->low = size;
    if (size > m->now && size >= MTU_FLOOR) m->now = size;
    if (all_answered(m))
        m->due_us = now_us;
    else if (plain_answered(m))
        m->due_us = time_min(m->due_us, now_us + GRACE_US + rtt_us / 4);
    return m->now != before;
}

void mtu_used(struct mtu *m, uint64_t now_us, uint16_t largest)
{
    if (m->phase != MTU_REST || m->now == 0 || m->top <= MTU_FLOOR) return;
    if (!m->settled) { /* nobody answered; perhaps somebody does now */
        if (now_us >= m->check_us)
            search(m, now_us, MTU_SEARCH, MTU_FLOOR, (uint16_t)(m->top + 1u), m->top);
        return;
    }
    if (largest <= MTU_FLOOR) return;
    if (m->now < m->top && now_us >= m->raise_us) {
        search(m, now_us, MTU_RAISE, m->now, (uint16_t)(m->top + 1u), m->top);
    } else if (now_us >= m->check_us) {
        m->phase = MTU_CHECK;
        m->misses = 0;
        m->count = 1;
        m->sizes[0] = largest < m->now ? largest : m->now;
        m->check_us = now_us + CHECK_EVERY_US;
        m->tries = 0;
        m->answered = 0;
        m->sent = false;
        m->due_us = now_us;
    }
}
