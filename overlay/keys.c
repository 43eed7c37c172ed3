/* overlay/keys.c - several sessions with one peer: on which one we send, and how long the others open.
 *
 * They come from handshakes that cross, from rekeys, and from restarts. Both ends put them into the same order and only ever go up in
 * it, so whatever is opened under one session says that its sender will not use a lower one again. docs/decisions/0017 has the
 * states and why no packet is lost. The present session is in the link, lower ones in its extra (`held`), one of ours whose HELLO3 was
 * not answered yet in a link of its own (LINK_CERT). */
#include "overlay/core.h"
#include <string.h>

#define UNDER_WAY_US SECONDS(5)         /* no datagram is longer on its way */
#define HELD_US      (2 * UNDER_WAY_US) /* the old keys open so much longer */
#define LIVES_US     SECONDS(60) /* a session of a former life is taken up within this, or not at all */

/* --- lower sessions --- */

static void held_drop(struct overlay *o, struct held *h)
{
    if (!h->s.entry) return;
    if (h->s.flags & SESSION_HOT)
        lane_forget(o, h->s.entry);
    else
        index_free(o, h->s.entry);
    session_wipe(&h->s);
}

void keys_drop(struct overlay *o, struct extra *x)
{
    for (unsigned i = 0; i < HELD_MAX; i++) held_drop(o, &x->held[i]);
}

struct held *keys_held(struct overlay *o, const struct link *l, uint32_t index)
{
    struct extra *x = link_extra(o, l);
    for (unsigned i = 0; x && i < HELD_MAX; i++)
        if (index && x->held[i].s.entry == index) return &x->held[i];
    return NULL;
}

static bool holds_any(const struct extra *x)
{
    for (unsigned i = 0; x && i < HELD_MAX; i++)
        if (x->held[i].s.entry) return true;
    return false;
}

/* `s` is lower than the present one from now on: it opens until the peer was heard above it, and HELD_US more. */
static void hold(struct overlay *o, uint64_t now_us, struct link *l, const struct session *s,
                 uint16_t born)
{
    struct extra *x = link_need_extra(o, l);
    struct held none = {.s = *s};
    if (!x) {
        held_drop(o, &none);
        return;
    }
    held_drop(o, &x->held[HELD_MAX - 1]);
    memmove(&x->held[1], &x->held[0], sizeof x->held - sizeof *x->held);
    /* the lane accepts the present session and the one before it; an older one is opened here */
    if (x->held[1].s.entry && (x->held[1].s.flags & SESSION_HOT))
        lane_call_back(o, x->held[1].s.entry);
    x->held[0] = (struct held){.s = *s, .until_us = TIME_NEVER, .born = born};
    if (l->s.flags & SESSION_HEARD) x->held[0].until_us = now_us + HELD_US;
    index_move(o, s->entry, (uint16_t)(ENTRY_HELD | link_slot(o, l)));
    wake_at(o, x->held[0].until_us);
}

/* --- what is heard --- */

void keys_heard(struct overlay *o, uint64_t now_us, struct link *l)
{
    if (l->s.flags & SESSION_HEARD) return;
    l->s.flags |= SESSION_HEARD;
    if (l->s.flags & SESSION_INITIATOR) l->born = (uint16_t)(now_us / LINK_BORN_UNIT_US);
    struct extra *x = link_extra(o, l);
    if (!x) return;
    x->heard_us = now_us;
    for (unsigned i = 0; i < HELD_MAX; i++)
        if (x->held[i].s.entry) x->held[i].until_us = now_us + HELD_US;
    wake_at(o, now_us + HELD_US);
}

/* The peer sends on a lower session although it was heard on the present one, and not only lately: it has restarted since,
 * and knows the lower one only. Not if that is long older: restarts make new keys; then somebody on the path held a datagram back, and
 * would have both ends go on with keys that were renewed. */
void keys_held_heard(struct overlay *o, uint64_t now_us, struct link *l, struct held *h)
{
    struct extra *x = link_extra(o, l);
    if (!(l->s.flags & SESSION_HEARD) || time_since(now_us, x->heard_us) <= UNDER_WAY_US) return;
    if ((int16_t)(l->born - h->born) > (int16_t)(LIVES_US / LINK_BORN_UNIT_US)) return;
    if (h->s.flags & SESSION_HOT) { /* with the next packet, when its counters are here */
        lane_call_back(o, h->s.entry);
        return;
    }
    struct session lost = l->s;
    l->s = h->s;
    l->s.flags = (uint8_t)((l->s.flags & 0x0f) | (lost.flags & 0xf0) | SESSION_PEER_CERT |
                           SESSION_HEARD);
    uint16_t lost_born = l->born;
    l->born = h->born;
    *h = (struct held){.s = lost, .until_us = now_us + HELD_US, .born = lost_born};
    x->heard_us = now_us;
    x->keys_used_us = 0;
    index_move(o, l->s.entry, (uint16_t)(ENTRY_LINK | link_slot(o, l)));
    index_move(o, lost.entry, (uint16_t)(ENTRY_HELD | link_slot(o, l)));
    wake_at(o, h->until_us);
    if (lost.flags & SESSION_HOT) heat_rekeyed(o, l, lost.entry);
    session_wipe(&lost);
    char text[ID_TEXT];
    trace(o->trace, now_us, LINK, "%.8s > other keys: it has lost the present ones",
          id_print(link_id(o, l), text));
}

void keys_tick(struct overlay *o, uint64_t now_us, struct extra *x)
{
    for (unsigned i = 0; i < HELD_MAX; i++) {
        if (!x->held[i].s.entry) continue;
        if (x->held[i].until_us <= now_us)
            held_drop(o, &x->held[i]);
        else
            wake_at(o, x->held[i].until_us);
    }
}

/* --- a new session --- */

static bool is_fresh(const struct overlay *o, const struct link *l, const struct id *id)
{
    return l->state == LINK_CERT && id_equal(link_id(o, l), id);
}

bool keys_settled(const struct overlay *o, const struct link *l)
{
    if (!(l->s.flags & SESSION_HEARD) || holds_any(link_extra(o, l))) return false;
    for (uint16_t i = 0; i < o->common->limits.links; i++)
        if (is_fresh(o, &o->links[i], link_id(o, l))) return false;
    return true;
}

bool keys_follow(const struct overlay *o, const struct link *l, uint64_t hello1_us)
{
    const struct extra *x = link_extra(o, l);
    bool mine = l->s.flags & SESSION_INITIATOR;
    if (!mine || id_compare(&o->self.id, link_id(o, l)) > 0) return true;
    if (x && x->heard_us) return x->heard_us < hello1_us;
    return (int16_t)((uint16_t)(hello1_us / LINK_BORN_UNIT_US) - l->born) > 0;
}

/* Frees the place of `fresh`, not its index: another has its session now. */
static void fresh_free(struct overlay *o, struct link *fresh)
{
    link_drop_extra(o, fresh);
    session_wipe(&fresh->s);
    fresh->state = LINK_FREE;
    o->link_count--;
    identities_drop(o->identities, fresh->peer);
    fresh->peer = 0;
}

/* Those of ours that still wait for an answer are below the session of `than`: they are held in `l`. */
static void put_below(struct overlay *o, uint64_t now_us, struct link *l, const struct link *than)
{
    hello_forget_target(o, l);
    for (uint16_t i = 0; i < o->common->limits.links; i++) {
        struct link *fresh = &o->links[i];
        if (fresh == than || !is_fresh(o, fresh, link_id(o, l))) continue;
        link_unvouch(o, l);
        l->kinds |= fresh->kinds;
        hello_forget_link(o, i);
        hold(o, now_us, l, &fresh->s, fresh->born);
        fresh_free(o, fresh);
    }
}

/* `fresh` is proven and there is already a link `l` to the same id: its session goes on in l's place. */
static void replace(struct overlay *o, uint64_t now_us, struct link *l, struct link *fresh)
{
    link_unvouch(o, l);
    struct session old = l->s;
    uint16_t old_born = l->born;
    uint8_t kept = (uint8_t)(old.flags & (LINK_WANTED | LINK_TCP));
    enum path_kind old_path = link_path(l), fresh_path = link_path(fresh);
    l->kinds |= fresh->kinds;
    l->s = fresh->s;
    l->s.flags = (uint8_t)((l->s.flags & 0x0f) | kept | SESSION_PEER_CERT);
    index_move(o, l->s.entry, (uint16_t)(ENTRY_LINK | link_slot(o, l)));
    l->born = fresh->born;
    l->tries = 0;
    hold(o, now_us, l, &old, old_born);
    struct extra *x = link_extra(o, l);
    const struct extra *fx = link_extra(o, fresh);
    if (x) {
        x->heard_us = l->s.flags & SESSION_HEARD ? now_us : 0;
        for (unsigned i = 0; i < HELD_MAX; i++) x->held[i].until_us = x->held[0].until_us;
        x->keys_used_us = 0;
    }
    /* a bare arrival is a proven direct path; a routed one does not end a direct path that was heard lately */
    bool recent = (int32_t)(ms32(now_us) - l->heard_ms) < 2000;
    if (fresh_path == PATH_DIRECT) {
        struct endpoint e = link_endpoint(fresh);
        link_set_path(l, PATH_DIRECT);
        link_set_endpoint(l, &e);
    } else if (old_path == PATH_DIRECT && recent) {
        link_set_path(l, PATH_DIRECT);
    } else {
        x = link_need_extra(o, l);
        link_set_path(l, PATH_ROUTED);
        if (x && fx) x->waypoint = fx->waypoint;
    }
    l->heard_ms = ms32(now_us);
    fresh_free(o, fresh);
    if (old.flags & SESSION_HOT) heat_rekeyed(o, l, old.entry);
    session_wipe(&old);
}

struct link *proven(struct overlay *o, uint64_t now_us, struct link *l, const struct membership *m,
                    struct outbox *out)
{
    struct link *old = link_by_id(o, link_id(o, l));
    /* ours that wait are older than one of ours; of two that cross, that of the smaller id is higher */
    bool below = (l->s.flags & SESSION_INITIATOR) || id_compare(&o->self.id, link_id(o, l)) > 0;
    l->s.flags |= SESSION_PEER_CERT;
    if (below) put_below(o, now_us, old ? old : l, l);
    hello_forget_target(o, old ? old : l); /* not answered yet: it has become needless */
    if (old) {
        replace(o, now_us, old, l);
        l = old;
        link_ping(o, l, now_us, NULL, 0, out); /* so that the other end hears us on these keys */
    } else {
        link_up(o, l, now_us);
    }
    char text[ID_TEXT];
    trace(o->trace, now_us, LINK, "%.8s > %s: certificate verified", id_print(link_id(o, l), text),
          old ? "new keys" : "up");
    struct overlay_event *e = outbox_event(out, OE_UP, link_id(o, l));
    e->index = link_index(l);
    e->member = *m;
    return l;
}

void settled(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out)
{
    upkeep_arm(o, l, now_us + rng_below(&o->rng, SECONDS(13)) + SECONDS(12));
    path_started(o, now_us, l, out);
    join_link_up(o, now_us, l, out);
    ring_changed(o, now_us, out);
}

struct link *keys_confirmed(struct overlay *o, uint64_t now_us, struct link *fresh,
                            struct outbox *out)
{
    static const struct membership known; /* told before */
    const struct link *old = link_by_id(o, link_id(o, fresh));
    if (!old || !(old->s.flags & SESSION_PEER_CERT)) return NULL;
    hello_forget_link(o, link_slot(o, fresh));
    struct link *l = proven(o, now_us, fresh, &known, out);
    settled(o, now_us, l, out);
    return l;
}

/* HELLO3 was sent for the last time. The other end may have the session all the same, and send on it. */
void keys_unanswered(struct overlay *o, uint64_t now_us, struct link *fresh)
{
    fresh->due_ms = ms32(now_us + HELD_US) | 1u;
    wake_at(o, now_us + HELD_US + 2000);
}

/* What comes on a lower session so late was sent after every HELLO3 had arrived or was lost: lost, then. */
void keys_fresh_tick(struct overlay *o, uint64_t now_us, struct link *fresh, struct outbox *out)
{
    if (!fresh->due_ms) return;
    int32_t left = (int32_t)(fresh->due_ms - ms32(now_us));
    const struct link *l = link_by_id(o, link_id(o, fresh));
    if (left <= 0 && (!l || (int32_t)(l->heard_ms - fresh->due_ms) > 0)) {
        link_close(o, fresh, now_us, "no certificate came", out);
        return;
    }
    wake_at(o, now_us + (left > 0 ? (uint64_t)left + 1 : 1000) * 1000);
}
