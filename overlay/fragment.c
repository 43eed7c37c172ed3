#include "overlay/fragment.h"

#include <stdlib.h>
#include <string.h>

_Static_assert(KIND_IP_MAX % (FRAGMENT_UNIT * 64u) == 0 && KIND_ETHERNET_MAX <= KIND_IP_MAX, "");

static struct fragment_slot *find(struct fragments *f, uint32_t index, uint16_t number)
{
    for (uint32_t i = 0; i < FRAGMENT_SLOTS; i++)
        if (f->slots[i].index == index && f->slots[i].number == number) return &f->slots[i];
    return NULL;
}

/* A free place; else that of the oldest: of this session if it has many, of all if there is no room. */
static struct fragment_slot *place(struct fragments *f, uint32_t index, enum drop *why)
{
    struct fragment_slot *oldest = NULL, *own = NULL, *free_one = NULL;
    uint32_t owns = 0;
    for (uint32_t i = 0; i < FRAGMENT_SLOTS; i++) {
        struct fragment_slot *s = &f->slots[i];
        if (s->index == 0) {
            free_one = s;
            continue;
        }
        if (!oldest || s->until_us < oldest->until_us) oldest = s;
        if (s->index != index) continue;
        owns++;
        if (!own || s->until_us < own->until_us) own = s;
    }
    if (owns < FRAGMENT_EACH && free_one) return free_one;
    *why = DROP_FULL;
    return owns < FRAGMENT_EACH ? oldest : own;
}

/* Numbers come round again: at line rate within a second. */
static bool is_far(const struct fragment_slot *s, uint32_t index, uint16_t number)
{
    int16_t ahead = (int16_t)(number - s->number);
    return s->index == index && (ahead > FRAGMENT_NEAR || ahead < -FRAGMENT_NEAR);
}

static void expire(struct fragments *f, uint64_t now_us, uint32_t index, uint16_t number,
                   enum drop *why)
{
    for (uint32_t i = 0; i < FRAGMENT_SLOTS; i++) {
        struct fragment_slot *s = &f->slots[i];
        if (s->index == 0) continue;
        if (s->until_us > now_us && !is_far(s, index, number)) continue;
        s->index = 0;
        *why = DROP_TIMEOUT;
    }
}

/* False: some of it is there already. */
static bool mark(struct fragment_slot *s, uint32_t at, uint32_t len)
{
    for (uint32_t i = at / FRAGMENT_UNIT; i * FRAGMENT_UNIT < at + len; i++) {
        if (s->got[i / 64] >> (i % 64) & 1) return false;
        s->got[i / 64] |= (uint64_t)1 << (i % 64);
    }
    return true;
}

uint8_t *fragments_take(struct fragments *f, uint64_t now_us, uint32_t index,
                        const struct fragment *in, uint32_t *len, enum drop *why)
{
    *why = DROP_COUNT;
    if (!f->slots) f->slots = calloc(FRAGMENT_SLOTS, sizeof *f->slots);
    if (!f->slots) {
        *why = DROP_FULL;
        return NULL;
    }
    expire(f, now_us, index, in->number, why);
    struct fragment_slot *s = find(f, index, in->number);
    if (!s) {
        s = place(f, index, why);
        s->index = index;
        s->number = in->number;
        s->whole = in->whole;
        s->have = 0;
        s->until_us = now_us + FRAGMENT_WAIT_US;
        memset(s->got, 0, sizeof s->got);
    }
    if (s->whole != in->whole || !mark(s, in->at, (uint32_t)in->len)) {
        s->index = 0;
        *why = DROP_MALFORMED;
        return NULL;
    }
    memcpy(s->bytes + in->at, in->bytes, in->len);
    s->have = (uint16_t)(s->have + in->len);
    if (s->have < s->whole) return NULL;
    s->index = 0;
    *len = s->whole;
    return s->bytes;
}

void fragments_forget(struct fragments *f, uint32_t index)
{
    for (uint32_t i = 0; f->slots && i < FRAGMENT_SLOTS; i++)
        if (f->slots[i].index == index) f->slots[i].index = 0;
}

void fragments_free(struct fragments *f)
{
    free(f->slots);
    f->slots = NULL;
}
