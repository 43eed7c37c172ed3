/* tests/harness/wire.c - the wire between guests, their steps, and time. */
#include "tests/harness/party.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define STILL_MAX 20000u /* steps without time passing: it never ends */

static void keep(struct letter *out, const struct letter *l)
{
    *out = *l;
    out->bytes = malloc(l->len ? l->len : 1);
    ensure(out->bytes);
    memcpy(out->bytes, l->bytes, l->len);
}

static void mail_add(struct party *p, const struct letter *l)
{
    if (p->mail_count == p->mail_room) {
        p->mail_room = p->mail_room ? 2 * p->mail_room : 64;
        p->mail = realloc(p->mail, p->mail_room * sizeof *p->mail);
        ensure(p->mail);
    }
    struct letter *under_way = &p->mail[p->mail_count++];
    keep(under_way, l);
    under_way->number = p->letters_sent++;
    under_way->at_us = p->now_us + p->delay_us;
    if (p->jitter_us) under_way->at_us += rng_below(&p->rng, p->jitter_us);
}

static struct guest *guest_at(const struct party *p, const struct endpoint *at)
{
    for (uint32_t i = 0; i < p->count; i++)
        if (endpoint_equal(&p->guests[i]->at, at)) return p->guests[i];
    return NULL;
}

void party_post(struct party *p, struct guest *g, const struct endpoint *to, const uint8_t *bytes,
                uint32_t len)
{
    struct letter l = {
        .at_us = p->now_us, .from = g->at, .to = *to, .bytes = (uint8_t *)bytes, .len = len};
    g->sent++;
    g->sent_bytes += len;
    if (p->booking && p->book_count < PARTY_BOOK) keep(&p->book[p->book_count++], &l);
    if (p->tap && !p->tap(p, &l)) return;
    if (!guest_at(p, &l.to)) {
        p->nobody++;
        p->nobody_bytes += len;
        return;
    }
    if (p->loss_percent && rng_below(&p->rng, 100) < p->loss_percent) return;
    mail_add(p, &l);
    if (p->double_percent && rng_below(&p->rng, 100) < p->double_percent) mail_add(p, &l);
}

/* --- steps --- */

static void from_device(struct guest *g, const uint8_t *bytes, uint32_t len)
{
    g->tun_count++;
    g->tun_len = len;
    memcpy(g->tun, bytes, len < sizeof g->tun ? len : sizeof g->tun);
    if (len >= 24 && get_u32(bytes + 20) < PARTY_SERIAL) g->got[get_u32(bytes + 20)]++;
}

static void act(struct party *p, struct guest *g)
{
    ensure(g->actions.lost == 0);
    for (uint32_t i = 0; i < g->actions.count; i++) {
        const struct action *a = &g->actions.list[i];
        if (a->type == ACT_SEND) {
            uint32_t piece = a->send.segment ? a->send.segment : a->send.len;
            for (uint32_t at = 0; at < a->send.len; at += piece)
                party_post(p, g, &a->send.to, a->send.bytes + at,
                           a->send.len - at < piece ? a->send.len - at : piece);
        } else if (a->type == ACT_TUN) {
            from_device(g, a->tun.bytes, a->tun.len);
        } else if (a->type == ACT_REPLY) {
            g->replies++;
            g->reply = *a->reply;
        } else if (a->type == ACT_NOTICE && a->notice.type < 16) {
            g->notices[a->notice.type]++;
            if (a->notice.type == NOTICE_MESSAGE) {
                snprintf(g->text, sizeof g->text, "%.*s", (int)a->notice.text_len, a->notice.text);
                g->text_from = a->notice.id;
            }
        }
    }
    actions_clear(&g->actions);
}

/* --- several lanes: each as if it had a thread, and the threads took turns --- */

static struct lane *lane_of(const struct guest *g, uint8_t i)
{
    return i ? g->more[i] : g->lane;
}

/* What lanes and control have to say to each other, until nobody has anything to say. */
static void lanes_settle(struct party *p, struct guest *g)
{
    const struct event timer = {.type = EV_TIMER};
    if (g->lanes.count < 2) return;
    for (uint32_t turns = 0; turns < STILL_MAX; turns++) {
        bool quiet = true;
        for (uint8_t i = 1; i < g->lanes.count; i++) {
            const struct event said = {.type = EV_LANE, .lane = i};
            for (; !hot_is_empty(&g->more_up[i]); quiet = false) {
                drive_step(g->node, g->lane, &g->down, &g->up, p->now_us, &said, &g->actions);
                act(p, g);
            }
            hot_done(&g->more_up[i]);
        }
        for (uint8_t i = 1; i < g->lanes.count; i++) {
            if (!hot_show(&g->more_down[i])) continue;
            quiet = false;
            lane_step(g->more[i], p->now_us, &timer, &g->actions);
            act(p, g);
        }
        if (quiet) return;
    }
    ensure(g->lanes.count < 2); /* it goes on for ever */
}

/* As the kernel chooses: datagrams by their index, packets by their flow, which is their number here. */
static uint8_t lane_for(const struct guest *g, const struct event *e)
{
    struct data_header h;
    uint8_t lanes = g->lane ? g->lanes.count : 1;
    if (e->type == EV_TUN && e->tun.len >= 24) return (uint8_t)(e->tun.bytes[23] % lanes);
    if (e->type != EV_DATAGRAM || !data_header_read(e->datagram.bytes, e->datagram.len, &h))
        return 0;
    return hot_owner(h.receiver, lanes);
}

/* True: it was for a lane beside the first. */
static bool other_lanes(struct party *p, struct guest *g, const struct event *e)
{
    uint8_t to = lane_for(g, e);
    for (uint8_t i = 1; e->type == EV_TIMER && g->lane && i < g->lanes.count; i++) {
        lane_step(g->more[i], p->now_us, e, &g->actions);
        act(p, g);
    }
    if (to == 0) return false;
    lane_step(g->more[to], p->now_us, e, &g->actions);
    act(p, g);
    lanes_settle(p, g);
    return true;
}

static uint64_t guest_wake_us(const struct guest *g)
{
    uint64_t at_us = drive_wake_us(g->node, g->lane);
    for (uint8_t i = 1; g->lane && i < g->lanes.count; i++)
        at_us = time_min(at_us, lane_wake_us(lane_of(g, i)));
    return at_us;
}

static void first_lane(struct party *p, struct guest *g, const struct event *e)
{
    struct event rest = *e;
    if (p->trace.mask) snprintf(p->trace.name, sizeof p->trace.name, "%x", g->at.ip[14]);
    if (e->type != EV_DATAGRAM || e->datagram.len == 0) {
        drive_step(g->node, g->lane, &g->down, &g->up, p->now_us, e, &g->actions);
        act(p, g);
        return;
    }
    for (uint32_t turns = 0; rest.datagram.len; turns++) {
        uint32_t done = drive_step(g->node, g->lane, &g->down, &g->up, p->now_us, &rest,
                                   &g->actions);
        act(p, g);
        ensure(done <= rest.datagram.len && turns < STILL_MAX);
        rest.datagram.bytes += done;
        rest.datagram.len -= done;
    }
}

void party_step(struct party *p, struct guest *g, const struct event *e)
{
    if (other_lanes(p, g, e)) return;
    first_lane(p, g, e);
    lanes_settle(p, g);
}

void party_give(struct party *p, struct guest *g, const struct endpoint *from, const void *bytes,
                size_t len)
{
    uint8_t *copy = malloc(len ? len : 1);
    ensure(copy);
    memcpy(copy, bytes, len);
    party_step(p, g,
               &(struct event){.type = EV_DATAGRAM,
                               .datagram = {.from = *from, .bytes = copy, .len = (uint32_t)len}});
    free(copy);
}

void party_run(struct party *p, uint64_t us)
{
    uint64_t until_us = p->now_us + us;
    for (uint32_t still = 0;;) {
        uint64_t at_us = until_us + 1;
        uint32_t first = UINT32_MAX;
        struct guest *who = NULL;
        for (uint32_t i = 0; i < p->count; i++) {
            uint64_t wake = guest_wake_us(p->guests[i]);
            if (wake < at_us) at_us = wake, who = p->guests[i];
        }
        for (uint32_t i = 0; i < p->mail_count; i++) {
            const struct letter *l = &p->mail[i];
            bool before = first == UINT32_MAX
                              ? l->at_us <= at_us
                              : l->at_us < at_us ||
                                    (l->at_us == at_us && l->number < p->mail[first].number);
            if (before) first = i, at_us = l->at_us;
        }
        if (at_us > until_us) break;
        still = at_us <= p->now_us ? still + 1 : 0;
        ensure(still < STILL_MAX);
        if (at_us > p->now_us) p->now_us = at_us;
        if (first == UINT32_MAX) {
            party_step(p, who, &(struct event){.type = EV_TIMER});
            continue;
        }
        struct letter l = p->mail[first];
        p->mail[first] = p->mail[--p->mail_count];
        struct guest *g = guest_at(p, &l.to);
        if (g)
            party_step(
                p, g,
                &(struct event){.type = EV_DATAGRAM,
                                .datagram = {.from = l.from, .bytes = l.bytes, .len = l.len}});
        free(l.bytes);
    }
    p->now_us = until_us;
}
