/* overlay/links.c - the table of links: slots, receiver indices, order by id, extras. */
#include "overlay/core.h"
#include <string.h>

#define HAND_ON_US                                                                                 \
    MILLIS(                                                                                        \
        750) /* so long a newcomer is never pushed out: a handshake through us takes about six one-way trips */

#define LIFELINES 2 /* a node keeps so many, though nothing goes over them now */

const struct id *link_id(const struct overlay *o, const struct link *l)
{
    return identities_id(o->identities, l->peer);
}

uint32_t link_index(const struct link *l)
{
    return l->s.entry;
}

/* --- receiver indices: a place in the map, and above it how often that place was given away, in 16 bits. So what comes late
 * for a session that has ended is not taken for its successor's. A free place keeps the number for the next. --- */

static uint16_t index_of(const struct overlay *o, uint32_t place, uint32_t generation)
{
    return (uint16_t)(place | generation * (o->map_mask + 1u));
}

uint32_t index_at(const struct overlay *o, uint32_t place)
{
    uint16_t in = o->map[place], n = (uint16_t)(in & ~ENTRY_KIND);
    const struct extra *x;
    switch (in & ENTRY_KIND) {
    case ENTRY_LINK: return o->links[n].s.entry;
    case ENTRY_HELLO: return o->hellos[n]->entry;
    case ENTRY_OWED: return index_of(o, place, n);
    case ENTRY_HELD:
        x = link_extra(o, &o->links[n]);
        for (unsigned i = 0; x && i < HELD_MAX; i++)
            if ((x->held[i].s.entry & o->map_mask) == place) return x->held[i].s.entry;
        return 0;
    default: return 0;
    }
}

uint16_t index_meaning(const struct overlay *o, uint32_t index)
{
    uint32_t place = index & o->map_mask;
    return index && index_at(o, place) == index ? o->map[place] : ENTRY_FREE;
}

static uint32_t index_search(struct overlay *o, uint16_t meaning, uint32_t like, uint8_t lanes)
{
    for (uint32_t i = 0; i <= o->map_mask; i++) {
        o->map_next = (uint16_t)((o->map_next + 1) & o->map_mask);
        uint16_t *place = &o->map[o->map_next];
        if (o->map_next == 0 || (*place & ENTRY_KIND) != ENTRY_FREE) continue;
        uint16_t index = index_of(o, o->map_next, *place);
        if (hot_owner(index, lanes) != hot_owner(like, lanes)) continue;
        *place = meaning;
        return index;
    }
    return 0;
}

uint32_t index_new(struct overlay *o, uint16_t meaning, uint32_t like)
{
    uint32_t index = 0;
    if (like && o->lanes) index = index_search(o, meaning, like, o->lanes->count);
    if (!index) index = index_search(o, meaning, 0, 1);
    if (index) hot_index(o->lanes, index, true);
    return index;
}

void index_free(struct overlay *o, uint32_t index)
{
    uint32_t size = o->map_mask + 1u, generations = (UINT16_MAX + 1u) / size;
    if (!index) return;
    hot_index(o->lanes, index, false);
    index_move(o, index, (uint16_t)(ENTRY_FREE | (index / size + 1) % generations));
}

/* --- order by id: the ring as we know it --- */

uint16_t order_find(const struct overlay *o, const struct id *id)
{
    uint16_t low = 0, high = o->up_count;
    while (low < high) {
        uint16_t mid = (uint16_t)((low + high) / 2);
        if (id_compare(link_id(o, order_at(o, mid)), id) < 0)
            low = (uint16_t)(mid + 1);
        else
            high = mid;
    }
    return low;
}

struct link *link_by_id(const struct overlay *o, const struct id *id)
{
    uint16_t pos = order_find(o, id);
    if (pos == o->up_count || !id_equal(link_id(o, order_at(o, pos)), id)) return NULL;
    return order_at(o, pos);
}

struct link *link_by_id_any(const struct overlay *o, const struct id *id)
{
    struct link *l = link_by_id(o, id);
    for (uint16_t i = 0; !l && i < o->common->limits.links; i++)
        if (o->links[i].state == LINK_CERT && id_equal(link_id(o, &o->links[i]), id))
            l = &o->links[i];
    return l;
}

static void order_insert(struct overlay *o, const struct link *l)
{
    uint16_t pos = order_find(o, link_id(o, l));
    memmove(o->order + pos + 1, o->order + pos, (size_t)(o->up_count - pos) * sizeof *o->order);
    o->order[pos] = link_slot(o, l);
    o->up_count++;
    if (id_compare(link_id(o, l), &o->self.id) < 0) o->self_place++;
}

static void order_remove(struct overlay *o, const struct link *l)
{
    uint16_t pos = order_find(o, link_id(o, l));
    ensure(pos < o->up_count && order_at(o, pos) == l);
    o->up_count--;
    if (pos < o->self_place) o->self_place--;
    memmove(o->order + pos, o->order + pos + 1, (size_t)(o->up_count - pos) * sizeof *o->order);
}

/* --- slots --- */

/* How much we would miss it; the least is dropped first when the table is full. */
static uint32_t usefulness(const struct overlay *o, const struct link *l, bool carries,
                           uint64_t now_us)
{
    uint32_t age_ms = ms32(now_us) - link_heard_ms(o, l, now_us);
    if (l->state == LINK_CERT) return l->due_ms ? 0 : 100; /* about to be something */
    uint32_t score = 0;
    if (l->kinds & (KIND_NEAR | KIND_PINNED)) score += 10000;
    if (l->kinds & KIND_FAR) score += 3000;
    score += demand_worth(o, l, now_us);
    if (l->kinds & KIND_LEAF) score += 50;
    if (l->s.flags & LINK_WANTED) score += 500;
    if (relay_serves(o, l) || link_lifeline(o, l)) score += 2000;
    if (carries) score += 2000; /* or two others lose their path */
    const struct extra *x = link_extra(o, l);
    if (x && x->hot) score += 2000;
    if (l->kinds == KIND_DEMAND) return score; /* by its use alone */
    return score + (age_ms < 40000 ? (40000 - age_ms) / 1000 : 0);
}

static struct link *least_useful(struct overlay *o, uint64_t now_us, uint32_t below)
{
    struct link *worst = NULL;
    uint64_t carriers[(LIMIT_LINKS_MAX + 64) / 64] = {
        0}; /* by slot: each channel is looked at once */
    relay_carriers(o, now_us, carriers);
    for (uint16_t i = 0; i < o->common->limits.links; i++) {
        struct link *l = &o->links[i];
        /* a newcomer needs a moment to be handed on */
        if (l->state == LINK_FREE || link_age_us(l, now_us) < HAND_ON_US) continue;
        uint32_t u = usefulness(o, l, carriers[i / 64] >> i % 64 & 1, now_us);
        if (u < below) below = u, worst = l;
    }
    return worst;
}

void close_send(struct overlay *o, struct link *l, uint64_t now_us, unsigned reason,
                struct outbox *out)
{
    uint8_t frame[16];
    struct pack k = control_pack(frame, sizeof frame, CONTROL_CLOSE, 2);
    pack_uint(&k, reason);
    frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
}

/* 10 a second, burst 20, in 16 bits: 10 of time in 0.1 s, 6 of tokens. */
bool link_may_hello(struct overlay *o, const struct link *l, uint64_t now_us)
{
    if (!tables_need_rates(o)) return false;
    uint16_t *r = &o->hello_rate[link_slot(o, l)];
    o->hello_rate_ms = ms32(now_us) | 1u;
    unsigned now = (unsigned)(now_us / MILLIS(100)) & 0x3ffu, then = *r >> 6, tokens = *r & 0x3fu;
    tokens += (now - then) & 0x3ffu;
    if (tokens > 20) tokens = 20;
    bool yes = tokens > 0;
    *r = (uint16_t)(now << 6 | (tokens - yes));
    return yes;
}

uint64_t link_age_us(const struct link *l, uint64_t now_us)
{
    return (uint64_t)(uint16_t)((uint16_t)(now_us / LINK_BORN_UNIT_US) - l->born) *
           LINK_BORN_UNIT_US;
}

bool links_any_direct(const struct overlay *o)
{
    for (uint16_t i = 0; i < o->up_count; i++)
        if (link_path(order_at(o, i)) == PATH_DIRECT) return true;
    return false;
}

bool link_leads_out(const struct overlay *o, const struct link *l)
{
    struct endpoint at = link_endpoint(l);
    return l->state == LINK_UP && link_path(l) == PATH_DIRECT && !ring_in_subnet(o, &at);
}

bool links_any_out(const struct overlay *o)
{
    for (uint16_t i = 0; i < o->up_count; i++)
        if (link_leads_out(o, order_at(o, i))) return true;
    return false;
}

bool link_lifeline(const struct overlay *o, const struct link *l)
{
    if (!link_leads_out(o, l)) return false;
    for (uint16_t i = 0, n = 0; i < o->up_count; i++) {
        n = (uint16_t)(n + link_leads_out(o, order_at(o, i)));
        if (n > LIFELINES) return false;
    }
    return true;
}

bool link_room(struct overlay *o, uint64_t now_us)
{
    return o->link_count < o->common->limits.links || least_useful(o, now_us, 3000) != NULL;
}

struct link *link_new(struct overlay *o, uint64_t now_us, peer_handle peer, struct outbox *out)
{
    struct link *l = NULL;
    if (o->link_count >= o->common->limits.links) {
        /* a newcomer may always push out a leaf that has been handed on, never a part of the ring */
        struct link *worst = least_useful(o, now_us, 3000);
        if (!worst) return NULL;
        if (worst->state == LINK_UP) close_send(o, worst, now_us, 0, out);
        link_close(o, worst, now_us, "making room", out);
    }
    for (uint16_t i = 0; i < o->common->limits.links && !l; i++)
        if (o->links[i].state == LINK_FREE) l = &o->links[i];
    ensure(l != NULL);
    memset(l, 0, sizeof *l);
    l->peer = peer;
    l->state = LINK_CERT;
    l->heard_ms = ms32(now_us);
    l->born = (uint16_t)(now_us / LINK_BORN_UNIT_US);
    if (o->hello_rate)
        o->hello_rate[link_slot(o, l)] = (uint16_t)((now_us / MILLIS(100)) << 6 | 20u);
    o->link_count++;
    if (o->stats) o->stats[link_slot(o, l)] = (struct link_stats){.since_us = now_us};
    return l;
}

void link_up(struct overlay *o, struct link *l, uint64_t now_us)
{
    ensure(l->state == LINK_CERT);
    l->state = LINK_UP;
    l->heard_ms = ms32(now_us);
    order_insert(o, l);
    pinned_link_up(o, l);
    demand_used(o, l, now_us);
}

void link_close(struct overlay *o, struct link *l, uint64_t now_us, const char *why,
                struct outbox *out)
{
    uint16_t slot = link_slot(o, l);
    struct id id = *link_id(o, l);
    bool was_up = l->state == LINK_UP;
    char text[ID_TEXT];
    trace(o->trace, now_us, LINK, "%.8s > down: %s", id_print(&id, text), why);
    link_unvouch(o, l);
    pinned_link_down(o, now_us, l);
    heat_cool(o, l);
    hello_forget_link(o, slot);
    relay_forget_link(o, now_us, slot, out);
    ahead_forget(o, slot);
    struct extra *x = link_extra(o, l);
    if (x) {
        keys_drop(o, x);
        if (x->ping_request) {
            struct overlay_event *e = outbox_event(out, OE_ANSWER, &id);
            e->answer = (struct overlay_answer){
                .request = x->ping_request, .err = ERR_UNREACHABLE, .id = id};
        }
        link_drop_extra(o, l);
    }
    if (was_up) {
        if (l->kinds & KIND_FAR) far_lost(o, now_us);
        order_remove(o, l);
        path_waypoint_lost(o, &id);
    }
    session_wipe(&l->s);
    upkeep_forget(o, l);
    l->state = LINK_FREE;
    o->link_count--;
    identities_drop(o->identities, l->peer);
    l->peer = 0;
    for (uint8_t i = 0; i < o->ack_count; i++)
        if (o->acks[i].slot == slot) o->acks[i--] = o->acks[--o->ack_count];
    if (was_up) {
        outbox_event(out, OE_DOWN, &id)->why = why;
        route_forget_link(o, now_us, slot, out);
        ways_forget_link(o, slot);
        ring_changed(o, now_us, out);
    }
}

/* --- extras --- */

struct extra *extra_next(const struct overlay *o, struct table_walk *w)
{
    while (w->left && w->at < o->common->limits.extras) {
        struct extra *x = o->extras[w->at++];
        if (!x) continue;
        w->left--;
        return x;
    }
    return NULL;
}

struct extra *link_extra(const struct overlay *o, const struct link *l)
{
    return l->extra ? o->extras[l->extra - 1] : NULL;
}

struct extra *link_need_extra(struct overlay *o, struct link *l)
{
    if (l->extra) return o->extras[l->extra - 1];
    if (!tables_need_extras(o)) return NULL;
    link_unvouch(o, l);
    for (uint16_t i = 0; i < o->common->limits.extras; i++) {
        if (o->extras[i]) continue;
        struct extra *x = pool_take_size(o->extra_pool, sizeof *x);
        if (!x) return NULL;
        x->in_use = 1;
        x->slot = link_slot(o, l);
        x->why = "";
        o->extras[i] = x;
        o->extra_count++;
        l->extra = (uint16_t)(i + 1);
        return x;
    }
    return NULL;
}

void link_release_extra(struct overlay *o, struct link *l)
{
    struct extra *x = link_extra(o, l);
    if (!x || x->held[0].s.entry || x->held[1].s.entry || x->punching || x->hot ||
        x->ping_request || x->punch_at_us != 0 || link_path(l) != PATH_DIRECT ||
        (l->kinds & KIND_DEMAND))
        return;
    if (o->stats) return; /* a daemon has room, and keeps what `why` tells */
    link_drop_extra(o, l);
}

void link_drop_extra(struct overlay *o, struct link *l)
{
    if (!l->extra) return;
    pool_give(o->extra_pool, o->extras[l->extra - 1]);
    o->extras[l->extra - 1] = NULL;
    o->extra_count--;
    l->extra = 0;
}

/* --- small values --- */

struct endpoint link_endpoint(const struct link *l)
{
    struct endpoint e = {.port = l->port};
    if (!l->port) return e;
    memcpy(e.ip, l->ip, 16);
    e.transport = l->s.flags & LINK_TCP ? TRANSPORT_TCP : TRANSPORT_UDP;
    return e;
}

void link_set_endpoint(struct link *l, const struct endpoint *e)
{
    memcpy(l->ip, e->ip, 16);
    l->port = e->port;
    l->s.flags &= (uint8_t)~LINK_TCP;
    if (e->transport == TRANSPORT_TCP) l->s.flags |= LINK_TCP;
}

void link_set_path(struct link *l, enum path_kind p)
{
    l->s.flags = (uint8_t)((l->s.flags & 0x3f) | (unsigned)p << LINK_PATH_SHIFT);
}

#define ONLY_SHRANK 1u

/* RFC 6298 with integers: srtt += (r - srtt) / 8, rttvar += (|r - srtt| - rttvar) / 4; unit 0.25 ms */
void link_rtt_sample(struct link *l, uint64_t rtt_us)
{
    uint32_t r = (uint32_t)(rtt_us / 250u);
    if (r < 1) r = 1;
    if (r > 40000) r = 40000;
    /* A first sample often holds more than the path: addresses asked for on the way (ARP), a NAT's new mapping, keys agreed. While no
     * sample has taken as long as the one before it (the last bit of rttvar says so), the newest counts alone. */
    bool only_shrank = (l->rttvar & ONLY_SHRANK) && r < l->srtt;
    if (l->srtt == 0 || only_shrank) {
        l->srtt = (uint16_t)r;
        l->rttvar = (uint16_t)(r / 2 | ONLY_SHRANK);
        return;
    }
    uint32_t gap = r > l->srtt ? r - l->srtt : l->srtt - r;
    l->rttvar = (uint16_t)((3u * l->rttvar + gap) / 4u & ~ONLY_SHRANK);
    l->srtt = (uint16_t)((7u * l->srtt + r) / 8u);
    if (l->srtt == 0) l->srtt = 1;
}

uint32_t link_rtt_us(const struct link *l)
{
    return (uint32_t)l->srtt * 250u;
}

uint64_t link_rto_us(const struct link *l)
{
    if (l->srtt == 0) return MILLIS(600); /* RFC 6298 says 1 s; a lost ping costs little */
    /* measured once or twice, the variance is a guess: no more than half a round trip and a bit on top, unless others carry it */
    uint64_t rtt_us = link_rtt_us(l), more_us = 4u * 250u * (uint64_t)l->rttvar;
    if (link_path(l) == PATH_DIRECT) more_us = time_min(more_us, rtt_us / 2 + MILLIS(60));
    uint64_t rto = rtt_us + more_us;
    /* over the ring others may first have to find out what we have found out */
    uint64_t floor = link_path(l) == PATH_ROUTED ? MILLIS(250) : MILLIS(50);
    return time_min(time_max(rto, floor), SECONDS(3));
}

uint64_t calendar_now(const struct overlay *o, uint64_t now_us)
{
    if (!o->calendar_s) return 0;
    return o->calendar_s + time_since(now_us, o->calendar_at_us) / SECONDS(1);
}
