/* overlay/upkeep.c - is the other end alive, how far is it, and are its keys fresh? PING, PONG, death, rekey.
 *
 * A PONG proves one way: its token holds the time of the PING and a keyed hash over the way it was sent, so nothing has to be
 * remembered per ping, and a PONG counts only for the endpoint (or channel) that was asked. */
#include "overlay/core.h"
#include <string.h>

#define LISTEN_SLACK_US   SECONDS(12) /* the other end pings; we ask only when it is so late */
#define IN_STEP           8           /* a pause is shortened by no more than this part of it */
#define LOOK_MAX_US       SECONDS(60) /* so often all links are looked at, at least */
#define PING_TRIES_ROUTED 3           /* each through another waypoint; its hops are retried, too */
#define TOKEN_LIFE_US     SECONDS(60)
#define REKEY_PACKETS     0xf0000000u
#define KEYS_LATE_US      SECONDS(180)
#define KEYS_IDLE_MAX_US  HOURS(2)

/* size: of the inner packet that this one stands for (sizing.c); 0: for none. */
static uint64_t token_make(const struct overlay *o, const struct link *l, const struct way *way,
                           uint32_t time32, uint16_t size)
{
    uint8_t b[40];
    struct writer w = writer_of(b, sizeof b);
    write_u16(&w, l->s.entry);
    write_u32(&w, l->s.remote_index);
    write_u32(&w, time32);
    write_u8(&w, (uint8_t)way->path);
    if (way->path == PATH_DIRECT) {
        write_bytes(&w, way->at.ip, 16);
        write_u16(&w, way->at.port);
        write_u8(&w, way->at.transport);
    } else if (way->path == PATH_RELAYED) {
        write_u16(&w, way->relay);
        write_u32(&w, way->channel);
    }
    if (size) write_u16(&w, size);
    return (uint64_t)time32 << 32 | (crypto_siphash(b, w.len, o->token_key) & 0xffffffffu);
}

uint8_t link_ping_flags(const struct overlay *o, const struct link *l)
{
    bool held = l->kinds & (KIND_NEAR | KIND_FAR | KIND_DEMAND | KIND_PINNED);
    uint8_t wanted = held || relay_serves(o, l) || link_lifeline(o, l) ? PING_WANTED : 0;
    if (patient(o, l)) wanted |= PING_PATIENT;
    if (patience_tries(o, l)) wanted |= PING_TRIAL;
    return wanted | (l->kinds & KIND_NEAR ? PING_DIGEST : 0);
}

static void ping(struct overlay *o, struct link *l, uint64_t now_us, const struct way *way,
                 uint8_t flags, uint16_t size, struct outbox *out)
{
    uint8_t frame[KIND_PING_MAX] = {0};
    struct way own = link_way(o, l);
    if (!way) way = &own;
    struct ping p = {.flags = (uint8_t)(flags | link_ping_flags(o, l)),
                     .token = token_make(o, l, way, (uint32_t)now_us, size)};
    if (p.flags & PING_DIGEST) p.digest = near_digest(o, l);
    size_t len = ping_write(frame, sizeof frame, &p), padded = size + IP_HEADER;
    if (padded > KIND_PING_MAX) padded = KIND_PING_MAX;
    frame_send(o, l, now_us, frame, padded > len ? padded : len, way, out);
}

void link_ping(struct overlay *o, struct link *l, uint64_t now_us, const struct way *way,
               uint8_t flags, struct outbox *out)
{
    ping(o, l, now_us, way, flags, 0, out);
}

void link_ping_sized(struct overlay *o, struct link *l, uint64_t now_us, uint16_t size,
                     struct outbox *out)
{
    ping(o, l, now_us, NULL, 0, size, out);
}

/* Nobody's deadline comes before this one, and it is looked at once in LOOK_MAX_US at least. */
static void first_due(struct overlay *o)
{
    uint32_t from_ms = ms32(o->upkeep_us);
    int32_t first = (int32_t)(LOOK_MAX_US / 1000);
    if (o->up_count == 0) {
        o->upkeep_us = TIME_NEVER;
        return;
    }
    for (uint16_t i = 0; i < o->up_count; i++) {
        int32_t left = (int32_t)(order_at(o, i)->due_ms - from_ms);
        if (left < first) first = left > 0 ? left : 0;
    }
    o->upkeep_us = (uint64_t)((int64_t)(o->upkeep_us / 1000) + first) * 1000;
}

void upkeep_forget(struct overlay *o, const struct link *l)
{
    if (o->upkeep_us != TIME_NEVER && l->due_ms == ms32(o->upkeep_us)) first_due(o);
}

void upkeep_arm(struct overlay *o, struct link *l, uint64_t at_us)
{
    uint64_t due_us = (at_us / 1000 + 1) * 1000;
    if (l->vouched) link_revoke(o, l);
    bool was_first = l->due_ms == ms32(o->upkeep_us);
    l->due_ms = ms32(due_us);
    if (due_us < o->upkeep_us)
        o->upkeep_us = due_us;
    else if (was_first && o->upkeep_us != TIME_NEVER)
        first_due(o); /* else we would wake for nothing */
}

/* Links that are asked equally often are asked in the same moment, and it wakes a node once. Never later than keep_us from now; a link
 * that is out of step falls in by and by, so that one that is doubted often does not cost twice as much. */
uint64_t upkeep_next_round(const struct overlay *o, const struct link *l, uint64_t now_us)
{
    uint64_t keep_ms = keep_us(o, l) / 1000, then_ms = now_us / 1000 + keep_ms;
    uint64_t round_ms = then_ms - (then_ms + get_u32(o->self.id.b)) % keep_ms;
    if (l->trial) return then_ms * 1000; /* the silence is what it is about */
    return time_max(round_ms, then_ms - keep_ms / IN_STEP) * 1000;
}

/* The other end does. */
bool upkeep_asks(const struct overlay *o, const struct link *l)
{
    return (l->s.flags & SESSION_INITIATOR) && !patience_tries(o, l);
}

uint64_t upkeep_late_us(const struct overlay *o, const struct link *l)
{
    return keep_us(o, l) + LISTEN_SLACK_US * (patience_tries(o, l) ? 2 : 1);
}

void upkeep_was_asked(struct overlay *o, struct link *l, uint64_t at_us)
{
    if (!l->tries && !l->trial && !l->vouched && !upkeep_asks(o, l))
        upkeep_arm(o, l, at_us + upkeep_late_us(o, l));
}

static struct way arrival_way(const struct overlay *o, const struct arrival *a)
{
    struct way w = {.path = PATH_ROUTED};
    if (!endpoint_is_none(&a->from)) {
        w.path = PATH_DIRECT;
        w.at = a->from;
    } else if (a->relayed && a->link) {
        w.path = PATH_RELAYED;
        w.relay = link_slot(o, a->link);
        w.channel = a->channel;
    } else {
        w.waypoint = a->waypoint;
    }
    return w;
}

static void flags_heard(struct overlay *o, struct link *l, uint8_t flags)
{
    bool was_wanted = l->s.flags & LINK_WANTED, wanted = flags & PING_WANTED;
    bool is_patient = flags & PING_PATIENT;
    if (was_wanted != wanted || l->patient != is_patient || (flags & PING_TRIAL))
        link_unvouch(o, l);
    l->s.flags &= (uint8_t)~LINK_WANTED;
    if (wanted) l->s.flags |= LINK_WANTED;
    l->patient = is_patient;
    if ((flags & PING_TRIAL) || !l->tries)
        l->trial = (flags & PING_TRIAL) != 0; /* its path opens again */
}

void on_ping(struct overlay *o, uint64_t now_us, struct link *l, const struct arrival *a,
             const uint8_t *f, size_t len, struct outbox *out)
{
    struct ping p;
    if (!ping_read(f, len, &p)) {
        drop(o, DROP_MALFORMED);
        return;
    }
    flags_heard(o, l, p.flags);
    struct way back = arrival_way(o, a);
    struct extra *x = link_extra(o, l);
    if (back.path == PATH_ROUTED) back.waypoint = path_waypoint_back(x, &back.waypoint);
    struct pong r = {.flags = link_ping_flags(o, l), .token = p.token, .observed = a->from};
    if (r.flags & PING_DIGEST) r.digest = near_digest(o, l);
    uint8_t frame[PONG_SIZE];
    size_t n = pong_write(frame, sizeof frame, &r);
    frame_send(o, l, now_us, frame, n, &back, out);
    if (p.flags & PING_DIGEST) near_heard_digest(o, now_us, l, p.digest, out);
    if (l->trial && !l->tries && link_path(l) == PATH_DIRECT)
        upkeep_arm(o, l, now_us + keep_us(o, l));
    else if (l->heard_ms == ms32(now_us))
        upkeep_was_asked(o, l, now_us);
    if (back.path == PATH_ROUTED && link_path(l) == PATH_DIRECT) { /* it doubts the path */
        if (patience_tries(o, l)) patience_lost(o, now_us, l, out);
        link_verify(o, l, now_us, out);
    }
}

static void command_answered(struct overlay *o, uint64_t now_us, struct link *l, struct extra *x,
                             const struct way *way, uint64_t rtt_us, struct outbox *out)
{
    struct overlay_event *e = outbox_event(out, OE_ANSWER, link_id(o, l));
    e->answer = (struct overlay_answer){.request = x->ping_request,
                                        .err = OK,
                                        .id = *link_id(o, l),
                                        .rtt_us = (uint32_t)rtt_us,
                                        .path = (uint8_t)way->path,
                                        .endpoint = way->at};
    if (way->path == PATH_RELAYED) e->answer.via = *link_id(o, &o->links[way->relay]);
    if (way->path == PATH_ROUTED) e->answer.hops = (uint8_t)(id_is_zero(&x->waypoint) ? 1 : 2);
    x->ping_request = 0;
    (void)now_us;
}

/* An answer that proves a way better than the present one moves the path. */
static void pong_moves(struct overlay *o, uint64_t now_us, struct link *l, const struct way *way,
                       uint64_t rtt_us, struct outbox *out)
{
    struct extra *x = link_extra(o, l);
    struct endpoint at = link_endpoint(l);
    if (way->path == PATH_DIRECT) {
        bool roamed = x && endpoint_equal(&x->roam, &way->at);
        if (link_path(l) != PATH_DIRECT)
            path_move(o, now_us, l, PATH_DIRECT, &way->at, "it answered there", out);
        else if (!endpoint_equal(&at, &way->at) &&
                 (roamed || l->tries > 1 || rtt_us * 10 < (uint64_t)link_rtt_us(l) * 7))
            path_move(o, now_us, l, PATH_DIRECT, &way->at, roamed ? "it moved" : "a faster way",
                      out);
    } else if (way->path == PATH_ROUTED && link_path(l) == PATH_DIRECT && link_suspect(l) &&
               !l->trial) { /* its NAT was tried: it opens the way again by itself */
        patience_lost(o, now_us, l, out);
        path_lost(o, now_us, l, true, out); /* the peer lives, the path does not */
    } else if (way->path == PATH_RELAYED && link_path(l) == PATH_ROUTED && x) {
        link_unvouch(o, &o->links[way->relay]);
        x->relay_slot = (uint16_t)(way->relay + 1);
        x->relay_channel = way->channel;
        path_move(o, now_us, l, PATH_RELAYED, NULL, "a common peer relays", out);
    }
}

/* Of a PING that asked for a size of the present path? */
static bool sized_pong(struct overlay *o, uint64_t now_us, struct link *l, const struct way *way,
                       uint64_t token, uint64_t rtt_us)
{
    const struct extra *x = link_extra(o, l);
    for (uint8_t i = 0; x && i < x->mtu.count; i++) {
        if (token != token_make(o, l, way, (uint32_t)(token >> 32), x->mtu.sizes[i])) continue;
        sizing_answered(o, now_us, l, i, rtt_us);
        return true;
    }
    return false;
}

void on_pong(struct overlay *o, uint64_t now_us, struct link *l, const struct arrival *a,
             const uint8_t *f, size_t len, struct outbox *out)
{
    struct pong p;
    if (!pong_read(f, len, &p)) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct way way = arrival_way(o, a);
    uint32_t then = (uint32_t)(p.token >> 32);
    uint64_t rtt = (uint32_t)((uint32_t)now_us - then);
    if (rtt > TOKEN_LIFE_US || p.token != token_make(o, l, &way, then, 0)) {
        if (rtt > TOKEN_LIFE_US || !sized_pong(o, now_us, l, &way, p.token, rtt))
            drop(o, DROP_UNASKED);
        return;
    }
    flags_heard(o, l, p.flags);
    pong_moves(o, now_us, l, &way, rtt, out);
    struct way own = link_way(o, l);
    if (own.path == way.path && (own.path != PATH_DIRECT || endpoint_equal(&own.at, &way.at))) {
        link_rtt_sample(l, rtt);
        if (l->tries) {
            unsigned tries = l->tries;
            l->tries = 0;
            patience_answered(o, tries);
            flags_heard(o, l, p.flags);
            upkeep_arm(o, l, upkeep_next_round(o, l, now_us));
        }
    }
    if (way.path == PATH_DIRECT && !endpoint_is_none(&p.observed)) {
        bool news = observe_is_news(&o->observe, &way.at, &p.observed);
        news |= observe_report(&o->observe, now_us, &way.at, &p.observed);
        if (news && ms32(now_us) - o->observed_told_ms >= 200u) {
            o->observed_told_ms = ms32(now_us);
            path_observed_changed(o, now_us, out);
        }
    }
    struct extra *x = link_extra(o, l);
    if (x) {
        x->silent_us = 0;
        if (way.path == PATH_ROUTED && link_path(l) == PATH_ROUTED && !x->offer_slot) {
            x->relay_tried = 0; /* those that would not may by now */
            relay_seek(o, now_us, l, out);
        }
        if (x->ping_request && then == (uint32_t)x->ping_sent_us)
            command_answered(o, now_us, l, x, &way, rtt, out);
    }
    if (p.flags & PING_DIGEST) near_heard_digest(o, now_us, l, p.digest, out);
    join_state(o, now_us, out);
}

void upkeep_heard(struct overlay *o, struct link *l, uint64_t now_us, const struct arrival *a)
{
    if (link_path(l) == PATH_DIRECT && endpoint_is_none(&a->from)) return;
    if (link_path(l) == PATH_DIRECT) patience_heard(o, l, now_us);
    link_settle(o, l, now_us);
    if ((int32_t)(ms32(now_us) - l->heard_ms) > 0) l->heard_ms = ms32(now_us);
}

/* A far link whose way nothing in front of either end forgets: if it is silent the peer is gone, and there are others. */
static bool is_spare(const struct overlay *o, const struct link *l, uint64_t now_us)
{
    return !(l->kinds & ~KIND_FAR) && link_path(l) == PATH_DIRECT && l->patient && !l->trial &&
           patient(o, l) && !patience_tries(o, l) && !used_lately(link_extra(o, l), now_us);
}

/* Once more: is it there? Who did not answer one PING is asked around its path, too: is it the path, or the peer? Not sooner: each hop of
 * that way is acknowledged, and where much is lost the doubts about those hops would feed on each other. */
static void ask(struct overlay *o, struct link *l, uint64_t now_us, bool around, struct outbox *out)
{
    link_unvouch(o, l);
    struct extra *x = link_extra(o, l);
    l->tries++;
    if (l->tries > 1 && x && link_path(l) == PATH_ROUTED) x->waypoint = path_waypoint(o, l, x);
    link_ping(o, l, now_us, NULL, 0, out);
    if (around && l->tries == patience_pings(o) && link_path(l) == PATH_DIRECT && o->up_count > 1) {
        struct way way = {.path = PATH_ROUTED,
                          .waypoint = waypoint_near(o, link_id(o, l), link_id(o, l))};
        link_ping(o, l, now_us, &way, 0, out);
    }
    upkeep_arm(o, l, now_us + (link_rto_us(l) * (l->tries > 2 ? 2 : 1)));
    if (l->tries == patience_pings(o) && (l->kinds & KIND_NEAR)) ring_doubted(o, now_us, l, out);
}

void link_verify(struct overlay *o, struct link *l, uint64_t now_us, struct outbox *out)
{
    if (l->state != LINK_UP || l->tries || link_answer_under_way(o, l, now_us)) return;
    ask(o, l, now_us, false, out);
}

void link_doubt(struct overlay *o, struct link *l, uint64_t now_us, uint64_t since_us,
                struct outbox *out)
{
    if (l->state != LINK_UP || l->tries || link_answer_under_way(o, l, now_us)) return;
    if ((int32_t)(link_heard_ms(o, l, now_us) - ms32(since_us)) > 0)
        return; /* it lives: that was lost */
    link_unvouch(o, l);
    if (link_path(l) == PATH_DIRECT) l->tries = 1;
    ask(o, l, now_us, false, out);
}

void upkeep_dead(struct overlay *o, uint64_t now_us, struct link *l, const char *why,
                 struct outbox *out)
{
    struct id id = *link_id(o, l);
    bool near = l->kinds & KIND_NEAR, held = l->kinds || (l->s.flags & LINK_WANTED);
    /* nobody misses a far link: there are others of that octave; a near one those miss who stand next to it */
    bool missed = (l->kinds & ~(KIND_FAR | KIND_NEAR)) || ring_is_next(o, l) ||
                  used_lately(link_extra(o, l), now_us);
    join_remember(o, now_us, l, out);
    if (l->kinds & (KIND_NEAR | KIND_FAR)) o->died_s = s16(now_us) ? s16(now_us) : UINT16_MAX;
    if (held) join_lost(o, &id);
    link_close(o, l, now_us, why, out);
    if (near) ring_neighbour_dead(o, now_us, out);
    /* if it was not held, its CLOSE was lost, perhaps */
    if (missed || (held && !o->up_count)) join_dial_remembered(o, now_us, &id, out);
}

/* Idle long enough, and nobody wants it: let go. */
static bool trimmed(struct overlay *o, struct link *l, uint64_t now_us, struct outbox *out)
{
    if (l->kinds || (l->s.flags & LINK_WANTED) || link_age_us(l, now_us) < SECONDS(30) ||
        relay_serves(o, l) || relay_carries(o, l, now_us) || link_lifeline(o, l))
        return false;
    if (l->trial || patience_tries(o, l)) return false; /* CLOSE would not come through, perhaps */
    close_send(o, l, now_us, 0, out);
    link_close(o, l, now_us, "not needed any more", out);
    return true;
}

/* Keys that nobody renewed in time: 180 s after it was due under use, or 2 h; the link ends. */
static bool outlived(struct overlay *o, struct link *l, uint64_t now_us, struct outbox *out)
{
    const struct extra *x = link_extra(o, l);
    uint64_t age = link_age_us(l, now_us);
    uint64_t in_use = used_lately(x, now_us) && x->keys_used_us
                          ? time_since(now_us, x->keys_used_us)
                          : 0;
    bool late = age >= REKEY_USED_US + KEYS_LATE_US && in_use >= KEYS_LATE_US;
    if (!late && age < KEYS_IDLE_MAX_US) return false;
    upkeep_dead(o, now_us, l, "its keys were not renewed in time", out);
    return true;
}

static void rekey_if_due(struct overlay *o, struct link *l, uint64_t now_us, struct outbox *out)
{
    const struct extra *x = link_extra(o, l);
    uint64_t age = link_age_us(l, now_us);
    bool many = l->s.tx_next > REKEY_PACKETS || (x && x->hot && x->hot_tx_next > REKEY_PACKETS);
    bool due = age >= (used_lately(x, now_us) ? REKEY_USED_US : REKEY_IDLE_US) || many;
    /* keys_settled looks at all links: only where a new key is due */
    if (!due || !(l->s.flags & SESSION_INITIATOR) || !keys_settled(o, l)) return;
    struct endpoint at = link_endpoint(l);
    if (link_path(l) == PATH_DIRECT)
        (void)hello_dial(o, now_us, &at, link_id(o, l), l->kinds, false, out);
    else
        (void)hello_route(o, now_us, link_id(o, l), x ? &x->waypoint : &ID_ZERO,
                          &(struct endpoint){0}, l->kinds, out);
}

/* Still wanted, and with keys that may be used on? false: it is no more. */
static bool tended(struct overlay *o, struct link *l, uint64_t now_us, struct outbox *out)
{
    demand_due(o, l, now_us);
    if (o->joined && o->near_count > 1) l->kinds &= (uint8_t)~KIND_LEAF;
    if (trimmed(o, l, now_us, out)) return false;
    rekey_if_due(o, l, now_us, out);
    return !outlived(o, l, now_us, out);
}

static void upkeep_due(struct overlay *o, struct link *l, uint64_t now_us, struct outbox *out)
{
    if (!upkeep_asks(o, l)) link_unvouch(o, l);
    uint64_t silent = (uint64_t)(ms32(now_us) - l->heard_ms) * 1000u;
    unsigned most = link_path(l) == PATH_ROUTED ? PING_TRIES_ROUTED : patience_pings(o) + l->trial;
    if (l->tries >= most) {
        if (link_path(l) == PATH_ROUTED || link_path(l) == PATH_NONE || o->up_count < 2 ||
            is_spare(o, l, now_us)) {
            upkeep_dead(o, now_us, l, "no answer", out);
        } else {
            /* asked around a direct path already, if there was time for that: one answer more is waited for */
            uint64_t rto_us = link_rto_us(l);
            bool asked = link_path(l) == PATH_DIRECT && rto_us >= MILLIS(100);
            path_lost(o, now_us, l, false, out);
            if (l->state == LINK_UP && asked) {
                l->tries = PING_TRIES_ROUTED;
                upkeep_arm(o, l, now_us + rto_us);
            }
        }
        return;
    }
    if (l->tries) {
        ask(o, l, now_us, !is_spare(o, l, now_us), out);
        return;
    }
    if (!tended(o, l, now_us, out)) return;
    bool asks = upkeep_asks(o, l);
    uint64_t keep = keep_us(o, l), late = upkeep_late_us(o, l);
    if (asks && link_vouched(o, l, now_us)) return;
    if (asks || silent >= late) {
        ask(o, l, now_us, false, out);
        return;
    }
    upkeep_arm(o, l, now_us + late - time_min(silent, keep));
}

void upkeep_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    uint32_t most = o->common->limits.links;
    bool any = o->upkeep_us <= now_us;
    if (o->link_count == o->up_count && !any) return;
    if (any) o->upkeep_us = TIME_NEVER; /* so nobody is the first while they are looked at */
    for (uint16_t i = 0; i < most; i++) {
        struct link *l = &o->links[i];
        if (l->state == LINK_CERT) keys_fresh_tick(o, now_us, l, out);
        if (l->state != LINK_UP || !any) continue;
        if ((int32_t)(l->due_ms - ms32(now_us)) <= 0)
            upkeep_due(o, l, now_us, out);
        else if (!l->tries && !upkeep_asks(o, l))
            (void)tended(o, l, now_us, out);
    }
    if (!any) return;
    o->upkeep_us = now_us + 1000;
    first_due(o);
    if (o->upkeep_us <= now_us) o->upkeep_us = (now_us / 1000 + 1) * 1000;
}

void overlay_ping(struct overlay *o, uint64_t now_us, const struct id *id, uint32_t request,
                  uint64_t timeout_us, struct outbox *out)
{
    struct link *l = link_by_id(o, id);
    struct extra *x = l ? link_need_extra(o, l) : NULL;
    if (!x || x->ping_request) {
        struct overlay_event *e = outbox_event(out, OE_ANSWER, id);
        e->answer = (struct overlay_answer){
            .request = request, .err = l ? ERR_BUSY : ERR_UNREACHABLE, .id = *id};
        return;
    }
    x->ping_request = request;
    x->ping_sent_us = now_us;
    x->ping_until_us = now_us + timeout_us;
    wake_at(o, x->ping_until_us);
    link_ping(o, l, now_us, NULL, 0, out);
    if (link_path(l) == PATH_DIRECT && !l->tries) { /* a dead path shows up sooner */
        l->tries = 1;
        upkeep_arm(o, l, now_us + link_rto_us(l));
    }
}
