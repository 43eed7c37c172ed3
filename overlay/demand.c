/* overlay/demand.c - links held because traffic flows: from the first packet until 7.5 minutes after the last, in either direction.
 *
 * Whoever wants a session with an id (overlay_want), or gets inner packets from it (overlay_heat), holds the link for demand; the
 * time of the last use is that of the lane's reports, which count both directions, and of messages. When the table of links is full the one
 * that has rested longest goes first (demand_worth); one whose session is in a lane, or which the ring needs too, stays.
 *
 * Source: Brunet's OnDemandConnectionOverlord, which replaced one that kept scores: "much better". Owns: nothing. */
#include "overlay/core.h"

#define IDLE_US SECONDS(450)

static uint64_t idle_us(const struct overlay *o, const struct link *l, uint64_t now_us)
{
    const struct extra *x = link_extra(o, l);
    return x ? time_since(now_us, x->used_us) : IDLE_US;
}

void demand_used(struct overlay *o, struct link *l, uint64_t now_us)
{
    struct extra *x = l->kinds & KIND_DEMAND ? link_need_extra(o, l) : NULL;
    if (x && x->used_us < now_us) x->used_us = now_us;
}

void demand_due(struct overlay *o, struct link *l, uint64_t now_us)
{
    const struct extra *x = link_extra(o, l);
    if ((l->kinds & KIND_DEMAND) && !(x && x->hot) && idle_us(o, l, now_us) >= IDLE_US) {
        link_unvouch(o, l);
        l->kinds &= (uint8_t)~KIND_DEMAND;
    }
}

uint32_t demand_worth(const struct overlay *o, const struct link *l, uint64_t now_us)
{
    if (!(l->kinds & KIND_DEMAND)) return 0;
    uint64_t idle = idle_us(o, l, now_us);
    return 1000u + (idle < IDLE_US ? (uint32_t)((IDLE_US - idle) / MILLIS(450)) : 0);
}
