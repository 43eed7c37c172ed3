/* overlay/heat.c - sessions go into a lane when traffic flows and come back when it rests.
 *
 * While a lane has a session, control neither seals nor opens with it: one owner of the counters at a time. Where there are
 * several lanes all of them have it, and it is back when the last of them has let go. */
#include "overlay/core.h"
#include <string.h>

#define COOL_AFTER_US SECONDS(450) /* 7.5 min idle: Brunet's on-demand links, too */
#define SILENT_US     SECONDS(2)   /* we send and hear nothing: ask */
#define ANSWER_TOLD_US                                                                             \
    MILLIS(1500) /* after a lane said that it sent, its owner has said whether it heard */

void overlay_lanes(struct overlay *o, const struct hot_lanes *lanes)
{
    o->lanes = lanes;
    for (uint32_t i = 1; lanes && lanes->indices && i <= o->map_mask; i++)
        if (index_at(o, i)) hot_index(lanes, index_at(o, i), true);
}

/* old_index: the session these keys follow, whose path, rows and channels they take over in the lane; 0: none */
static bool push_keys(struct overlay *o, const struct link *l, uint32_t old_index)
{
    struct hot_keys k = {.tx_next = l->s.tx_next,
                         .rx_top = l->s.rx_top,
                         .rx_window = l->s.rx_window,
                         .remote_index = l->s.remote_index,
                         .aead = l->s.aead};
    struct hot_message m = {
        .op = DOWN_HOT, .index = link_index(l), .via = old_index, .len = sizeof k};
    if (o->lanes->count > 1) {
        k.counter = hot_counter_take(o->lanes, m.index, k.tx_next);
        if (!k.counter) return false;
    }
    memcpy(k.tx_key, l->s.tx_key, 32);
    memcpy(k.rx_key, l->s.rx_key, 32);
    enum err e = hot_tell(o->lanes, &m, &k);
    crypto_wipe(&k, sizeof k);
    if (e == OK) return true;
    hot_counter_refuse(o->lanes, m.index);
    return false;
}

/* The lane is to hand the session's counters back; if it cannot be told now, it is asked again when there is a reason again. */
void lane_call_back(struct overlay *o, uint32_t index)
{
    struct hot_message m = {.op = DOWN_COLD, .index = index};
    if (hot_tell(o->lanes, &m, NULL) != OK) drop(o, DROP_FULL);
}

/* All places are taken: the one that has rested longest gives its own back, for the next who asks. */
static void cool_idlest(struct overlay *o)
{
    struct extra *idlest = NULL;
    struct extra *x;
    for (struct table_walk w = {0, o->extra_count}; (x = extra_next(o, &w)) != NULL;)
        if (x->hot && (!idlest || x->used_us < idlest->used_us)) idlest = x;
    if (idlest) lane_call_back(o, link_index(&o->links[idlest->slot]));
}

bool overlay_heat_link(struct overlay *o, struct link *l)
{
    if (l->s.flags & SESSION_HOT) return true;
    if (!o->lanes || l->state != LINK_UP) return false;
    uint16_t hot = 0;
    for (uint16_t i = 0; i < o->common->limits.extras; i++)
        hot = (uint16_t)(hot + (o->extras[i] && o->extras[i]->hot));
    struct extra *x = link_need_extra(o, l);
    if (x && hot >= o->common->limits.hot) cool_idlest(o);
    if (!x || hot >= o->common->limits.hot || !push_keys(o, l, 0)) return false;
    l->s.flags |= SESSION_HOT;
    x->hot = true;
    x->told = false;
    if (!x->used_us) x->used_us = 1; /* heated for a relay: rests until it is used */
    o->heated = true;
    sizing_begin(o, l);
    path_tell_lane(o, l);
    return true;
}

bool overlay_is_hot(const struct overlay *o, const struct id *id)
{
    const struct link *l = link_by_id(o, id);
    return l && (l->s.flags & SESSION_HOT);
}

uint32_t overlay_next_heated(struct overlay *o, struct id *out)
{
    for (uint16_t i = 0; o->heated && i < o->common->limits.extras; i++) {
        struct extra *x = o->extras[i];
        if (!x || !x->hot || x->told) continue;
        x->told = true;
        *out = *link_id(o, &o->links[x->slot]);
        return link_index(&o->links[x->slot]);
    }
    o->heated = false;
    return 0;
}

uint32_t overlay_heat(struct overlay *o, uint64_t now_us, const struct id *id)
{
    struct link *l = link_by_id(o, id);
    if (!l || !overlay_heat_link(o, l)) return 0;
    link_extra(o, l)->used_us = now_us;
    path_used(o, now_us, l);
    l->kinds |= KIND_DEMAND;
    return link_index(l);
}

void overlay_cool(struct overlay *o, const struct id *id)
{
    struct link *l = link_by_id(o, id);
    struct extra *x = l ? link_extra(o, l) : NULL;
    if (x && x->hot && o->lanes) lane_call_back(o, link_index(l)); /* its rows are gone anyway */
}

/* A lane's session with this index is to be forgotten, and the index free again: never the second without the first,
 * or the lane would go on opening for whoever gets the index next. */
void lane_forget(struct overlay *o, uint32_t index)
{
    struct hot_message m = {.op = DOWN_COLD, .flag = 1, .index = index};
    if (!o->lanes || hot_tell(o->lanes, &m, NULL) == OK) {
        if (o->lanes) hot_counter_free(o->lanes, index);
        index_free(o, index);
        return;
    }
    index_move(o, index, (uint16_t)(ENTRY_OWED | index / (o->map_mask + 1u)));
    o->owed++;
    wake_at(o, o->started_us); /* at the next chance */
}

static void pay_owed(struct overlay *o, uint64_t now_us)
{
    for (uint32_t i = 1; o->owed && i <= o->map_mask; i++) {
        struct hot_message m = {.op = DOWN_COLD, .flag = 1, .index = index_at(o, i)};
        if ((o->map[i] & ENTRY_KIND) != ENTRY_OWED) continue;
        if (hot_tell(o->lanes, &m, NULL) != OK) break;
        hot_counter_free(o->lanes, m.index);
        index_free(o, m.index);
        o->owed--;
    }
    if (o->owed) wake_at(o, now_us + MILLIS(1));
}

/* The link ends: its index with it. */
void heat_cool(struct overlay *o, struct link *l)
{
    struct extra *x = link_extra(o, l);
    if (l->s.flags & SESSION_HOT)
        lane_forget(o, link_index(l));
    else
        index_free(o, link_index(l));
    l->s.flags &= (uint8_t)~SESSION_HOT;
    if (x) x->hot = false;
    sizing_end(o, l);
}

void heat_handed_back(struct overlay *o, struct link *l, uint32_t index, uint8_t lane,
                      const struct hot_counters *c)
{
    struct extra *x = link_extra(o, l);
    struct held *h = keys_held(o, l, index);
    struct session *s = h ? &h->s : &l->s;
    uint8_t lanes = o->lanes ? o->lanes->count : 1;
    if (!x || !(s->flags & SESSION_HOT)) return;
    if (c->tx_next > s->tx_next) /* UINT32_MAX is the hard stop: rekey is due */
        s->tx_next = c->tx_next < UINT32_MAX ? (uint32_t)c->tx_next : UINT32_MAX;
    if (lane == hot_owner(index, lanes)) {
        s->rx_top = c->rx_top < UINT32_MAX ? (uint32_t)c->rx_top : UINT32_MAX;
        s->rx_window = c->rx_window;
    }
    if (lanes > 1) {
        struct hot_counter *shared = hot_counter_of(o->lanes, index);
        if (!shared || ++shared->back < lanes) return; /* others may still seal with these keys */
        shared->index = 0;
    }
    if (!h) {
        x->hot = false;
        sizing_end(o, l);
    }
    s->flags &= (uint8_t)~SESSION_HOT;
}

/* l has new keys; the lane goes on opening the old ones until keys_tick() takes them away. */
void heat_rekeyed(struct overlay *o, struct link *l, uint32_t old_index)
{
    struct extra *x = link_extra(o, l);
    l->s.flags &= (uint8_t)~SESSION_HOT;
    if (!x || !push_keys(o, l, old_index)) {
        if (x) x->hot = false;
        sizing_end(o, l);
        return;
    }
    l->s.flags |= SESSION_HOT;
    path_tell_lane(o, l);
    /* others relayed through it name it by its index */
    const struct extra *r;
    for (struct table_walk w = {0, o->extra_count}; (r = extra_next(o, &w)) != NULL;)
        if (r->relay_slot == link_slot(o, l) + 1) path_tell_lane(o, &o->links[r->slot]);
    for (uint16_t i = 0; i < o->channel_count; i++) {
        const struct channel *c = &o->channels[i];
        if (c->in && (c->from == link_slot(o, l) || c->to == link_slot(o, l)))
            relay_tell_lane(o, c);
    }
}

void heat_used(struct overlay *o, uint64_t now_us, struct link *l, struct held *h, uint8_t lane,
               const struct hot_used *u, struct outbox *out)
{
    struct extra *x = link_extra(o, l);
    if (!x) return;
    if (h) {
        if (u->heard_us) keys_held_heard(o, u->heard_us, l, h);
        return;
    }
    bool rested = !used_lately(x, now_us);
    x->used_us = now_us;
    if (u->heard_us) keys_heard(o, now_us, l);
    if (!x->keys_used_us || rested) x->keys_used_us = now_us;
    x->hot_tx_next = u->newest_tx;
    sizing_used(o, now_us, l, u->largest);
    if (o->stats) {
        o->stats[link_slot(o, l)].rx_bytes += u->rx_bytes;
        o->stats[link_slot(o, l)].tx_bytes += u->tx_bytes;
    }
    if (u->heard_us && u->heard_us > x->hot_heard_us) {
        x->hot_heard_us = u->heard_us;
        l->heard_ms = ms32(u->heard_us);
    }
    bool silent = (int32_t)(ms32(now_us) - l->heard_ms) > (int32_t)(SILENT_US / 1000);
    if (!silent) x->silent_us = 0;
    if (!silent || !u->tx_packets) return;
    /* what one lane sent, another hears the answer to, and says so within a second */
    if (lane != hot_owner(link_index(l), o->lanes->count)) {
        if (!x->silent_us) x->silent_us = now_us;
        if (time_since(now_us, x->silent_us) < ANSWER_TOLD_US) return;
    }
    link_verify(o, l, now_us, out);
}

void heat_tick(struct overlay *o, uint64_t now_us)
{
    if (o->owed) pay_owed(o, now_us);
    struct extra *x;
    for (struct table_walk w = {0, o->extra_count}; (x = extra_next(o, &w)) != NULL;) {
        if (!x->hot || !x->used_us) continue;
        struct link *l = &o->links[x->slot];
        if (x->used_us == 1) x->used_us = now_us;
        uint64_t at = x->used_us + COOL_AFTER_US;
        if (at > now_us) {
            wake_at(o, at);
            continue;
        }
        x->used_us = 0;
        l->kinds &= (uint8_t)~KIND_DEMAND;
        lane_call_back(o, link_index(l));
    }
}
