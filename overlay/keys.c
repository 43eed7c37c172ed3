/* overlay/keys.c - several sessions with one peer: which of them goes on, and how long the others open. */
#include "overlay/core.h"
#include <string.h>

#define SIMULTANEOUS_US SECONDS(10)
#define PREVIOUS_US     SECONDS(10) /* the old keys open so much longer: for what is under way */

/* The keys before the last rekey have had their time. */
void previous_drop(struct overlay *o, struct extra *x)
{
    if (!x->has_previous) return;
    if (x->previous.flags & SESSION_HOT)
        lane_forget(o, x->previous_entry);
    else
        index_free(o, x->previous_entry);
    session_wipe(&x->previous);
    x->has_previous = false;
}

/* Old keys of `l` open for PREVIOUS_US more (or, if the new ones lost, those). */
static void keep_previous(struct overlay *o, struct link *l, const struct session *old,
                          uint64_t now_us)
{
    struct extra *x = link_need_extra(o, l);
    if (!x) {
        index_free(o, old->entry);
        return;
    }
    previous_drop(o, x);
    x->previous = *old;
    x->previous_entry = old->entry;
    x->has_previous = true;
    x->previous_used = false;
    x->previous_prolonged = false;
    x->previous_until_us = now_us + PREVIOUS_US;
    o->map[INDEX_SLOT(old->entry)] = (uint16_t)(ENTRY_PREVIOUS | link_slot(o, l));
    wake_at(o, x->previous_until_us);
}

/* Both ends began within the same seconds: does the session of `fresh` win over the one that l holds? Both must come to the same
 * answer, and their clocks see different orders: so by id alone. A peer that restarted so soon is found out by its using
 * the other keys (upkeep.c). */
static bool fresh_wins(const struct overlay *o, const struct link *l, const struct link *fresh,
                       uint64_t now_us)
{
    bool old_mine = l->s.flags & SESSION_INITIATOR, fresh_mine = fresh->s.flags & SESSION_INITIATOR;
    if (old_mine == fresh_mine || link_age_us(l, now_us) >= SIMULTANEOUS_US) return true;
    bool i_am_smaller = id_compare(&o->self.id, link_id(o, l)) < 0;
    return fresh_mine == i_am_smaller;
}

/* `fresh` is proven and there is already a link `l` to the same id: one of the two sessions goes on in l's place. */
static struct link *merge(struct overlay *o, uint64_t now_us, struct link *l, struct link *fresh)
{
    struct extra *fx = link_extra(o, fresh);
    bool wins = fresh_wins(o, l, fresh, now_us);
    uint32_t old_index = link_index(l);
    bool was_hot = l->s.flags & SESSION_HOT;
    uint8_t held = (uint8_t)(l->s.flags & (LINK_WANTED | LINK_TCP));
    enum path_kind old_path = link_path(l), fresh_path = link_path(fresh);
    l->kinds |= fresh->kinds;
    if (wins) {
        struct session old = l->s;
        l->s = fresh->s;
        l->s.flags = (uint8_t)((l->s.flags & 0x0f) | held | SESSION_PEER_CERT);
        o->map[INDEX_SLOT(l->s.entry)] = (uint16_t)(ENTRY_LINK | link_slot(o, l));
        l->born = fresh->born;
        keep_previous(o, l, &old, now_us);
        session_wipe(&old);
        if (link_extra(o, l)) link_extra(o, l)->keys_used_us = 0;
        l->tries = 0;
    } else {
        struct session loser = fresh->s;
        keep_previous(o, l, &loser, now_us);
        session_wipe(&loser);
    }
    /* a bare arrival is a proven direct path; a routed one does not end a direct path that was heard lately */
    bool recent = ms32(now_us) - l->heard_ms < 2000;
    if (fresh_path == PATH_DIRECT) {
        struct endpoint e = link_endpoint(fresh);
        link_set_path(l, PATH_DIRECT);
        link_set_endpoint(l, &e);
    } else if (old_path == PATH_DIRECT && recent) {
        link_set_path(l, PATH_DIRECT);
    } else {
        struct extra *x = link_need_extra(o, l);
        link_set_path(l, PATH_ROUTED);
        if (x && fx) x->waypoint = fx->waypoint;
    }
    l->heard_ms = ms32(now_us);
    /* free the slot of `fresh` without touching its index */
    link_drop_extra(o, fresh);
    session_wipe(&fresh->s);
    fresh->state = LINK_FREE;
    o->link_count--;
    identities_drop(o->identities, fresh->peer);
    fresh->peer = 0;
    if (was_hot && wins) heat_rekeyed(o, now_us, l, old_index);
    return l;
}

/* The peer behind `l` is proven and certified: the session counts from now on. */
struct link *proven(struct overlay *o, uint64_t now_us, struct link *l, const struct membership *m,
                    struct outbox *out)
{
    struct link *old = link_by_id(o, link_id(o, l));
    l->s.flags |= SESSION_PEER_CERT;
    if (old) {
        l = merge(o, now_us, old, l);
        link_ping(o, l, now_us, NULL, 0,
                  out); /* show which keys we use, and see which the other end does */
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
    upkeep_arm(o, l, now_us + rng_below(&o->rng, SECONDS(20)) + SECONDS(5));
    path_started(o, now_us, l, out);
    join_link_up(o, now_us, l, out);
    ring_changed(o, now_us, out);
}

/* Something sealed came from `fresh`, whose CERT did not come yet. If its proven id is certified already (new keys of an old peer) that
 * says all we wait for: HELLO3 has arrived. Returns the link that goes on, or NULL. */
struct link *hello_confirmed(struct overlay *o, uint64_t now_us, struct link *fresh,
                             struct outbox *out)
{
    static const struct membership known; /* told before */
    struct link *old = link_by_id(o, link_id(o, fresh));
    struct hello *h = hello_of_link(o, fresh);
    if (!old || !(old->s.flags & SESSION_PEER_CERT) || !h) return NULL;
    fresh->kinds |= h->kinds;
    hello_end(o, h, true);
    struct link *l = proven(o, now_us, fresh, &known, out);
    settled(o, now_us, l, out);
    return l;
}

/* The other end uses the keys that we keep as previous: take them up, the present ones become the previous. */
bool adopt_previous(struct overlay *o, uint64_t now_us, struct link *l)
{
    struct extra *x = link_extra(o, l);
    if (!x || !x->has_previous || !x->previous_used || (x->previous.flags & SESSION_HOT))
        return false;
    uint16_t slot = link_slot(o, l);
    struct session old = l->s;
    l->s = x->previous;
    l->s.flags = (uint8_t)((l->s.flags & 0x0f) | (old.flags & 0xf0) | SESSION_PEER_CERT);
    x->previous = old;
    x->previous_entry = old.entry;
    x->previous_used = false;
    x->previous_until_us = now_us + SECONDS(10);
    o->map[INDEX_SLOT(l->s.entry)] = (uint16_t)(ENTRY_LINK | slot);
    o->map[INDEX_SLOT(old.entry)] = (uint16_t)(ENTRY_PREVIOUS | slot);
    wake_at(o, x->previous_until_us);
    if (old.flags & SESSION_HOT) heat_rekeyed(o, now_us, l, old.entry);
    session_wipe(&old);
    return true;
}

/* The old keys have had their time. If the other end uses them still, one of us must give way: the larger id at once, the smaller
 * after waiting once more. */
void previous_over(struct overlay *o, uint64_t now_us, struct link *l, struct extra *x)
{
    bool apart = x->previous_used && !(x->previous.flags & SESSION_HOT);
    if (apart && !x->previous_prolonged && id_compare(&o->self.id, link_id(o, l)) < 0) {
        x->previous_prolonged = true;
        x->previous_until_us = now_us + SECONDS(10);
        wake_at(o, x->previous_until_us);
        return;
    }
    x->previous_prolonged = false;
    if (!apart || !adopt_previous(o, now_us, l)) previous_drop(o, x);
}
