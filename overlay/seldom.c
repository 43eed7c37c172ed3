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
    broadcasts_fini(o);
    if (o->seldom) free(o->seldom->pins);
    free(o->seldom);
    o->seldom = NULL;
}

struct sender *sender_find(const struct overlay *o, const struct id *id)
{
    for (unsigned i = 0; o->seldom && i < SENDERS_MAX; i++)
        if (id_equal(&o->seldom->senders[i].id, id)) return &o->seldom->senders[i];
    return NULL;
}

struct sender *sender_of(struct overlay *o, uint64_t now_us, const struct id *id)
{
    struct seldom *s = seldom_need(o);
    if (!s) return NULL;
    struct sender *one = sender_find(o, id);
    if (!one) {
        one = &s->senders[0]; /* a free one was never used */
        for (unsigned i = 1; i < SENDERS_MAX; i++)
            if (s->senders[i].used_us < one->used_us) one = &s->senders[i];
        *one = (struct sender){.id = *id};
    }
    one->used_us = now_us;
    return one;
}

bool sender_seen(const struct sender *s, uint32_t number)
{
    for (unsigned i = 0; s && i < SENDER_RECENT; i++)
        if (s->recent[i] == number) return number != 0;
    return false;
}

void sender_note(struct sender *s, uint32_t number)
{
    s->recent[s->next] = number;
    s->next = (uint8_t)((s->next + 1) % SENDER_RECENT);
}
