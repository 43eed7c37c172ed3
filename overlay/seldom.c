/* overlay/seldom.c - what most nodes never have (seldom.h): allocated when first needed, and who sent us something lately. */
#include "overlay/seldom.h"
#include <string.h>

struct seldom *seldom_need(struct overlay *o)
{
    if (!o->seldom) o->seldom = calloc(1, sizeof *o->seldom);
    return o->seldom;
}

void seldom_fini(struct overlay *o)
{
    free(o->seldom);
    o->seldom = NULL;
}

struct sender *sender_of(struct overlay *o, uint64_t now_us, const struct id *id)
{
    struct seldom *s = seldom_need(o);
    struct sender *oldest = NULL;
    for (unsigned i = 0; s && i < SENDERS_MAX; i++) {
        struct sender *one = &s->senders[i];
        if (id_equal(&one->id, id)) {
            one->used_us = now_us;
            return one;
        }
        if (!oldest || one->used_us < oldest->used_us) oldest = one;
    }
    if (oldest) *oldest = (struct sender){.id = *id, .used_us = now_us};
    return oldest;
}

bool sender_seen(const struct sender *s, uint32_t number)
{
    for (unsigned i = 0; i < SENDER_RECENT; i++)
        if (s->recent[i] == number) return number != 0;
    return false;
}

void sender_note(struct sender *s, uint32_t number)
{
    s->recent[s->next] = number;
    s->next = (uint8_t)((s->next + 1) % SENDER_RECENT);
}
