/* overlay/pinned.c - links held because somebody said so: `link add`, the handle of a controller from outside.
 *
 * A pinned peer keeps its link until it is dropped: neither idleness nor a full table ends it. Without one, it is asked for over the
 * ring after a second, doubled up to a minute while nobody answers; a link that did not last a minute counts as no answer, for the
 * other end may have no room. The driver stores the list (overlay_pinned) and gives it back at the next start.
 *
 * Source: Brunet's ManagedConnectionOverlord. Owns: the list, PINNED_MAX of them and at most half as many as links.
 * Errors: overlay_pin: FULL, INVALID (ourselves), NO_MEMORY. Units: microseconds. */
#include "overlay/seldom.h"
#include <string.h>

#define RETRY_FIRST_US SECONDS(1)
#define DOUBLINGS      6u
#define LASTED_US      SECONDS(60)

static struct pin *pin_find(const struct overlay *o, const struct id *id)
{
    for (uint16_t i = 0; o->seldom && i < o->seldom->pin_count; i++)
        if (id_equal(&o->seldom->pins[i].id, id)) return &o->seldom->pins[i];
    return NULL;
}

static uint16_t room(const struct overlay *o)
{
    uint16_t half = o->common->limits.links / 2;
    return half < PINNED_MAX ? half : PINNED_MAX;
}

enum err overlay_pin(struct overlay *o, uint64_t now_us, const struct id *id)
{
    if (id_equal(id, &o->self.id)) return ERR_INVALID;
    if (pin_find(o, id)) return OK;
    struct seldom *s = seldom_need(o);
    if (s && !s->pins) s->pins = calloc(PINNED_MAX, sizeof *s->pins);
    if (!s || !s->pins) return ERR_NO_MEMORY;
    if (s->pin_count >= room(o)) return ERR_FULL;
    s->pins[s->pin_count++] = (struct pin){.id = *id, .next_us = now_us};
    struct link *l = link_by_id(o, id);
    if (l) link_unvouch(o, l);
    if (l) l->kinds |= KIND_PINNED;
    wake_at(o, now_us);
    return OK;
}

bool overlay_unpin(struct overlay *o, uint64_t now_us, const struct id *id)
{
    struct pin *p = pin_find(o, id);
    if (!p) return false;
    *p = o->seldom->pins[--o->seldom->pin_count];
    struct hello *h; /* it would come back with new keys */
    for (struct table_walk w = {0, o->hello_count}; (h = hello_next(o, &w)) != NULL;)
        if (id_equal(&h->target, id)) h->kinds &= (uint8_t)~KIND_PINNED;
    struct link *l = link_by_id_any(o, id);
    if (!l) return true;
    l->kinds &= (uint8_t)~KIND_PINNED;
    if (l->state == LINK_UP) upkeep_arm(o, l, now_us + SECONDS(1)); /* let go, if nobody wants it */
    return true;
}

uint32_t overlay_pinned(const struct overlay *o, struct id *out, uint32_t max)
{
    uint32_t n = 0;
    for (; o->seldom && n < o->seldom->pin_count && n < max; n++) out[n] = o->seldom->pins[n].id;
    return n;
}

void pinned_link_up(struct overlay *o, struct link *l)
{
    if (pin_find(o, link_id(o, l))) l->kinds |= KIND_PINNED;
}

void pinned_link_down(struct overlay *o, uint64_t now_us, const struct link *l)
{
    struct pin *p = pin_find(o, link_id(o, l));
    if (!p) return;
    if (link_age_us(l, now_us) >= LASTED_US) p->failures = 0;
    p->next_us = now_us + rng_jitter(&o->rng, RETRY_FIRST_US << p->failures, 20);
    wake_at(o, p->next_us);
}

void pinned_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    for (uint16_t i = 0; o->seldom && i < o->seldom->pin_count && !o->leaving; i++) {
        struct pin *p = &o->seldom->pins[i];
        if (link_by_id_any(o, &p->id)) continue; /* pinned_link_down says when it is gone */
        if (p->next_us <= now_us) {
            struct id via = request_via(o);
            if (o->up_count)
                (void)hello_route(o, now_us, &p->id, &via, &(struct endpoint){0}, KIND_PINNED, out);
            p->next_us = now_us + rng_jitter(&o->rng, RETRY_FIRST_US << p->failures, 20);
            if (p->failures < DOUBLINGS && o->up_count) p->failures++;
        }
        wake_at(o, p->next_us);
    }
}
