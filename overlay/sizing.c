/* overlay/sizing.c - the MTU of a hot session's path: probed with padded PINGs along the path itself, told to the lane.
 *
 * An inner packet of some size makes a frame, and a frame's length decides whether the path carries it, whatever is put around
 * it on the way. So a PING is padded to that very length, and relayed paths need no sums of their own (docs/decisions/0023).
 * Cold sessions carry no inner packets and are not asked. */
#include "overlay/core.h"

/* Sent whole before a path is known: goes through any that carries IPv6, even relayed over IPv6. */
#define MTU_SAFE (1280u - 48u - DATA_OVERHEAD - RELAYED_HEADER - DATA_OVERHEAD - IP_HEADER)

void overlay_mtu(struct overlay *o, uint16_t mtu_bytes)
{
    uint32_t over = mtu_bytes > INNER_MTU_L3 ? mtu_bytes - INNER_MTU_L3 : 0;
    over = (over + MTU_OVER_UNIT - 1) / MTU_OVER_UNIT;
    if (over > o->mtu_over) o->mtu_over = (uint8_t)(over < UINT8_MAX ? over : UINT8_MAX);
}

/* 0: this path is not probed. TCP carries every size. */
static uint16_t path_top(const struct overlay *o, const struct link *l)
{
    switch (link_path(l)) {
    case PATH_DIRECT:
        if (l->s.flags & LINK_TCP) return 0;
        break;
    case PATH_RELAYED: break;
    case PATH_ROUTED: return INNER_MTU_ROUTED;
    case PATH_NONE: return 0;
    }
    return (uint16_t)(INNER_MTU_L3 + o->mtu_over * MTU_OVER_UNIT);
}

uint16_t sizing_bound(const struct overlay *o, const struct link *l)
{
    const struct extra *x = link_extra(o, l);
    return x && x->mtu.now < x->mtu.top ? x->mtu.now : 0;
}

bool sizing_is_open(const struct overlay *o, const struct link *l)
{
    const struct extra *x = link_extra(o, l);
    return x && x->mtu.top && !mtu_is_settled(&x->mtu);
}

void sizing_begin(struct overlay *o, const struct link *l)
{
    struct extra *x = link_extra(o, l);
    if (!x || !x->hot) return;
    mtu_begin(&x->mtu, o->started_us, path_top(o, l), MTU_SAFE);
    wake_at(o, x->mtu.due_us);
}

void sizing_end(struct overlay *o, const struct link *l)
{
    struct extra *x = link_extra(o, l);
    if (x) mtu_end(&x->mtu);
}

static void changed(struct overlay *o, uint64_t now_us, struct link *l, const struct extra *x)
{
    char id[ID_TEXT];
    trace(o->trace, now_us, PATH, "%.8s > carries %u bytes", id_print(link_id(o, l), id),
          (unsigned)x->mtu.now);
    path_tell_lane(o, l);
}

void sizing_tick(struct overlay *o, uint64_t now_us, struct link *l, struct extra *x,
                 struct outbox *out)
{
    bool is_news, settled = mtu_is_settled(&x->mtu);
    if (!x->hot || x->mtu.due_us == TIME_NEVER) return;
    bool ask = mtu_tick(&x->mtu, now_us, link_rto_us(l), &is_news);
    if (is_news || settled != mtu_is_settled(&x->mtu)) changed(o, now_us, l, x);
    for (uint8_t i = 0; ask && i < x->mtu.count; i++)
        link_ping_sized(o, l, now_us, x->mtu.sizes[i], out);
    wake_at(o, x->mtu.due_us);
}

void sizing_answered(struct overlay *o, uint64_t now_us, struct link *l, uint8_t i, uint64_t rtt_us)
{
    struct extra *x = link_extra(o, l);
    if (!x || !x->hot) return;
    if (mtu_answered(&x->mtu, now_us, i, rtt_us)) changed(o, now_us, l, x);
    wake_at(o, x->mtu.due_us);
}

void sizing_used(struct overlay *o, uint64_t now_us, struct link *l, uint32_t largest)
{
    struct extra *x = link_extra(o, l);
    if (!x || !x->hot) return;
    mtu_used(&x->mtu, now_us, (uint16_t)(largest < UINT16_MAX ? largest : UINT16_MAX));
    wake_at(o, x->mtu.due_us);
}
