/* overlay/path.c - from "we share keys" to "we talk directly": candidates, probing, roaming, falling back.
 *
 * Session first, path later (docs/architecture.md): candidates are swapped inside the session, both ends probe at once with sealed PINGs, and
 * the first PONG that proves a way moves the path. Until then bytes flow routed or through a relay. */
#include "overlay/core.h"
#include <string.h>

#define ROAM_EVERY_US SECONDS(1)
#define COMMON_MAX    8
#define RETRY_USED_US                                                                              \
    SECONDS(45) /* traffic goes a detour: a way that opens again is found within a minute */

static const char *path_name(enum path_kind p)
{
    static const char *const names[] = {"none", "direct", "relayed", "routed"};
    return names[p & 3];
}

void local_candidates(const struct overlay *o, struct candidates *out)
{
    struct endpoint seen[4];
    memset(out, 0, sizeof *out);
    for (uint8_t i = 0; i < o->local_count; i++)
        (void)candidates_add(out, &o->locals[i], CANDIDATE_LOCAL);
    uint8_t n = observe_believed(&o->observe, seen, 4);
    for (uint8_t i = 0; i < n; i++) (void)candidates_add(out, &seen[i], CANDIDATE_OBSERVED);
    /* one voice is not believed, but a probe there costs nothing: we may just have moved */
    if (observe_newest(&o->observe, &seen[0]))
        (void)candidates_add(out, &seen[0], CANDIDATE_OBSERVED);
}

void candidates_send(struct overlay *o, uint64_t now_us, struct link *l, bool ask,
                     struct outbox *out)
{
    uint8_t frame[CONTROL_MAX];
    struct candidates own;
    local_candidates(o, &own);
    uint16_t common[COMMON_MAX], count = o->up_count, start = order_find(o, link_id(o, l));
    uint32_t n = 0;
    /* those around it first: they are the likeliest to be its peers, too */
    for (uint16_t i = 0; i < count && n < COMMON_MAX; i++) {
        uint16_t step = (uint16_t)(i / 2);
        const struct link *p = order_at(
            o, (uint16_t)(i & 1 ? (start + count - 1 - step) % count : (start + step) % count));
        if (p != l && link_path(p) == PATH_DIRECT && !p->tries) common[n++] = link_slot(o, p);
    }
    struct pack k = control_pack(frame, sizeof frame, CONTROL_CANDIDATES, 5);
    pack_bool(&k, ask);
    pack_uint(&k, observe_mapping(&o->observe, o->locals, o->local_count));
    candidates_pack(&own, &k);
    pack_array(&k, n);
    for (uint32_t i = 0; i < n; i++) pack_bin(&k, link_id(o, &o->links[common[i]])->b, ID_SIZE);
    ensure(!k.bad);
    frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
}

/* When to probe again, after so many attempts in vain. */
static uint64_t retry_at(struct overlay *o, uint64_t now_us, const struct extra *x)
{
    uint64_t pause_us = punch_retry_us(x->punch_failures, &o->rng);
    return now_us + (used_lately(x, now_us) ? time_min(pause_us, RETRY_USED_US) : pause_us);
}

bool mapping_depends(uint64_t mapping)
{
    return mapping == MAPPING_ADDRESS_DEPENDENT || mapping == MAPPING_PORT_DEPENDENT;
}

static bool names(const struct candidates *c, const struct endpoint *at, bool any_port)
{
    for (uint8_t i = 0; i < c->count; i++)
        if (any_port ? endpoint_same_ip(&c->list[i].at, at) : endpoint_equal(&c->list[i].at, at))
            return true;
    return false;
}

/* Does the peer name a place that it did not name before? The port tells nothing if its NAT gives everybody another. */
static bool anything_new(const struct candidates *before, const struct candidates *now,
                         uint64_t mapping)
{
    for (uint8_t i = 0; i < now->count; i++)
        if (!names(before, &now->list[i].at, mapping_depends(mapping))) return true;
    return false;
}

static void probe(struct overlay *o, uint64_t now_us, struct link *l, struct extra *x,
                  struct outbox *out)
{
    struct endpoint at;
    while (punch_wake_us(&x->punch) <= now_us &&
           budget_take(&o->probe_budget, now_us, PROBES_PER_S, PROBES_BURST) &&
           punch_next(&x->punch, now_us, &at)) {
        struct way way = {.path = PATH_DIRECT, .at = at};
        link_ping(o, l, now_us, &way, 0, out);
    }
    if (!punch_exhausted(&x->punch, now_us)) {
        wake_at(o, time_max(punch_wake_us(&x->punch), now_us + 1000));
        return;
    }
    x->punching = false;
    if (link_path(l) == PATH_DIRECT) return;
    x->why = "no answer at any of its endpoints";
    x->punch_failures++;
    /* both NATs give everybody another port: unless they stand side by side, they never meet */
    if (mapping_depends(x->remote_mapping) &&
        mapping_depends(observe_mapping(&o->observe, o->locals, o->local_count)))
        x->punch_failures = (uint8_t)(x->punch_failures + 2);
    if (x->punch_failures > 100) x->punch_failures = 100;
    x->punch_at_us = retry_at(o, now_us, x);
    wake_at(o, x->punch_at_us);
}

static bool among_common(const struct extra *x, const struct id *id)
{
    for (uint8_t i = 0; i < x->common_count; i++)
        if (id_equal(&x->common[i], id)) return true;
    return false;
}

struct id path_waypoint(struct overlay *o, const struct link *l, const struct extra *x)
{
    uint32_t start = x->common_count ? (uint32_t)rng_below(&o->rng, x->common_count) : 0;
    for (uint8_t i = 0; i < x->common_count; i++) {
        const struct id *id = &x->common[(start + i) % x->common_count];
        if (!id_equal(id, &x->waypoint) && !id_equal(id, &o->self.id)) return *id;
    }
    return waypoint_near(o, link_id(o, l), &x->waypoint);
}

struct id path_waypoint_back(const struct extra *x, const struct id *came_by)
{
    if (!x) return *came_by;
    return id_is_zero(came_by) || among_common(x, &x->waypoint) ? x->waypoint : *came_by;
}

void on_candidates(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
                   struct outbox *out)
{
    struct extra *x = link_need_extra(o, l);
    bool ask = unpack_bool(u);
    uint64_t mapping = unpack_uint(u, MAPPING_PORT_DEPENDENT);
    struct candidates remote;
    memset(&remote, 0, sizeof remote);
    if (!candidates_unpack(&remote, u)) {
        drop(o, DROP_MALFORMED);
        return;
    }
    uint32_t n = unpack_array(u, 0, 64);
    struct id common[COMMON_MAX];
    uint8_t count = 0;
    for (uint32_t i = 0; i < n && !u->bad; i++) {
        struct id id;
        unpack_copy(u, id.b, ID_SIZE);
        if (count < COMMON_MAX && !u->bad) common[count++] = id;
    }
    if (u->bad || !x) {
        drop(o, x ? DROP_MALFORMED : DROP_FULL);
        return;
    }
    if (anything_new(&x->remote, &remote, mapping)) x->punch_failures = 0;
    x->remote = remote;
    x->remote_mapping = (uint8_t)mapping;
    memcpy(x->common, common, sizeof common);
    x->common_count = count;
    x->candidates_got = true;
    if (!among_common(x, &x->waypoint)) x->waypoint = path_waypoint(o, l, x);
    x->relay_tried = 0;
    if (ask) candidates_send(o, now_us, l, false, out);
    if (link_path(l) == PATH_DIRECT) return;
    struct candidates own;
    local_candidates(o, &own);
    punch_start(&x->punch, now_us, &x->remote, &own);
    x->punching = true;
    x->punch_at_us = 0;
    probe(o, now_us, l, x, out);
    relay_seek(o, now_us, l, out);
}

void path_started(struct overlay *o, uint64_t now_us, struct link *l, struct outbox *out)
{
    path_tell_lane(o, l);
    if (link_path(l) == PATH_DIRECT) {
        relay_found(o, now_us, l, out);
        return;
    }
    struct extra *x = link_need_extra(o, l);
    if (!x) return;
    x->why = "looking for a direct way";
    x->punch_at_us = now_us + SECONDS(3); /* if the answer is lost, ask again */
    wake_at(o, x->punch_at_us);
    /* one end asks, the other answers and both probe */
    if (l->s.flags & SESSION_INITIATOR) candidates_send(o, now_us, l, true, out);
}

void path_tell_lane(struct overlay *o, struct link *l)
{
    if (!(l->s.flags & SESSION_HOT) || !o->lanes) return;
    struct way w = link_way(o, l);
    struct hot_message m = {
        .op = DOWN_PATH, .index = link_index(l), .path = (uint8_t)w.path, .endpoint = w.at};
    if (w.path == PATH_RELAYED) {
        struct link *relay = &o->links[w.relay];
        m.via = overlay_heat_link(o, relay) ? link_index(relay) : 0;
        m.channel = w.channel;
        if (!m.via) m.path = PATH_ROUTED; /* no room for the relay's session in the lane */
    }
    m.value = sizing_bound(o, l);
    m.flag = sizing_is_open(o, l);
    if (hot_tell(o->lanes, &m, NULL) != OK) drop(o, DROP_FULL);
}

void path_move(struct overlay *o, uint64_t now_us, struct link *l, enum path_kind to,
               const struct endpoint *at, const char *why, struct outbox *out)
{
    link_unvouch(o, l);
    enum path_kind from = link_path(l);
    struct extra *x = link_extra(o, l);
    char id[ID_TEXT], where[ENDPOINT_TEXT] = "";
    link_set_path(l, to);
    if (at) {
        link_set_endpoint(l, at);
        endpoint_print(at, where);
    }
    l->tries = 0;
    if (to == PATH_DIRECT) l->srtt = 0; /* measured anew; a detour is at most a few times as long */
    if (from == PATH_DIRECT && to != PATH_DIRECT && l->srtt < 8000)
        l->srtt = (uint16_t)(l->srtt * 3);
    trace(o->trace, now_us, PATH, "%.8s > %s %s: %s", id_print(link_id(o, l), id), path_name(to),
          where, why);
    if (x) {
        x->why = why;
        if (to == PATH_DIRECT) {
            x->punch_failures = 0;
            x->punch_at_us = 0;
            x->punching = false;
            memset(&x->roam, 0, sizeof x->roam);
        }
    }
    sizing_begin(o, l);
    path_tell_lane(o, l);
    if (from != to) {
        struct overlay_event *e = outbox_event(out, OE_PATH, link_id(o, l));
        e->from = (uint8_t)from;
        e->to = (uint8_t)to;
        e->why = why;
        e->index = link_index(l);
    }
    if (to == PATH_DIRECT) {
        join_remember(o, now_us, l, out);
        relay_found(o, now_us, l, out);
    }
    upkeep_arm(o, l, now_us + KEEP_US);
    join_state(o, now_us, out);
}

void path_waypoint_lost(struct overlay *o, const struct id *id)
{
    struct extra *x;
    for (struct table_walk w = {0, o->extra_count}; (x = extra_next(o, &w)) != NULL;)
        if (id_equal(&x->waypoint, id)) x->waypoint = path_waypoint(o, &o->links[x->slot], x);
}

/* Silence on the present path: carry on over the ring, and seek a better way at once. */
void path_lost(struct overlay *o, uint64_t now_us, struct link *l, bool lives, struct outbox *out)
{
    struct extra *x = link_need_extra(o, l);
    if (!x) {
        upkeep_dead(o, now_us, l, "its path is silent", out);
        return;
    }
    bool was_direct = link_path(l) == PATH_DIRECT;
    link_unvouch(o, l);
    x->relay_slot = 0;
    path_waypoint_lost(o, link_id(o, l));
    x->waypoint = path_waypoint(o, l, x);
    path_move(o, now_us, l, PATH_ROUTED, NULL,
              was_direct ? "the direct path is silent" : "the relay is silent", out);
    x->punch_at_us = now_us + SECONDS(1);
    wake_at(o, x->punch_at_us);
    /* perhaps it is we who moved: whoever still hears us tells us where we are now */
    unsigned asked = 0;
    for (uint16_t i = 0; i < o->up_count && asked < 3 && was_direct; i++) {
        struct link *p = order_at(o, i);
        if (p == l || link_path(p) != PATH_DIRECT) continue;
        link_verify(o, p, now_us, out);
        asked++;
    }
    if (lives) candidates_send(o, now_us, l, true, out); /* else once it is heard: path_tick */
    link_verify(o, l, now_us, out);
}

void path_roam(struct overlay *o, uint64_t now_us, struct link *l, const struct endpoint *from,
               struct outbox *out)
{
    struct extra *x = link_need_extra(o, l);
    if (!x || !endpoint_is_usable(from)) return;
    if (x->punching) (void)punch_add(&x->punch, now_us, from);
    if (x->roam_at_us && time_since(now_us, x->roam_at_us) < ROAM_EVERY_US &&
        link_path(l) == PATH_DIRECT)
        return;
    if (!budget_take(&o->probe_budget, now_us, PROBES_PER_S, PROBES_BURST)) return;
    x->roam = *from;
    x->roam_at_us = now_us;
    struct way way = {.path = PATH_DIRECT, .at = *from};
    link_ping(o, l, now_us, &way, PING_CHALLENGE, out);
}

/* Traffic begins: a pair that was given up for an hour is tried again soon. */
void path_used(struct overlay *o, uint64_t now_us, struct link *l)
{
    struct extra *x = link_extra(o, l);
    if (!x || link_path(l) == PATH_DIRECT || !x->punch_at_us) return;
    x->punch_at_us = time_min(x->punch_at_us, now_us + RETRY_USED_US);
    wake_at(o, x->punch_at_us);
}

void path_observed_changed(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    outbox_event(out, OE_REMEMBER, NULL);
    patience_forget(o, now_us);
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        struct extra *x = link_extra(o, l);
        if (link_path(l) == PATH_DIRECT || !x || !x->candidates_got) continue;
        x->punch_failures = 0;
        candidates_send(o, now_us, l, true, out);
    }
}

void path_restart_all(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    observe_forget(&o->observe);
    patience_forget(o, now_us);
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        struct extra *x = link_extra(o, l);
        link_verify(o, l, now_us, out);
        if (link_path(l) == PATH_DIRECT) continue;
        if (x) x->punch_failures = 0;
        candidates_send(o, now_us, l, true, out);
    }
}

static void extra_tick(struct overlay *o, uint64_t now_us, struct link *l, struct extra *x,
                       struct outbox *out)
{
    keys_tick(o, now_us, x);
    if (x->ping_request && x->ping_until_us <= now_us) {
        struct overlay_event *e = outbox_event(out, OE_ANSWER, link_id(o, l));
        e->answer = (struct overlay_answer){
            .request = x->ping_request, .err = ERR_TIMEOUT, .id = *link_id(o, l)};
        x->ping_request = 0;
    } else if (x->ping_request) {
        wake_at(o, x->ping_until_us);
    }
    if (x->offer_slot) {
        relay_try(o, now_us, l, out);
        if (x->offer_slot) wake_at(o, x->offer_us);
    }
    if (x->punching) probe(o, now_us, l, x, out);
    sizing_tick(o, now_us, l, x, out);
    if (x->punch_at_us && !x->punching && link_path(l) != PATH_DIRECT) {
        if (x->punch_at_us <= now_us) {
            candidates_send(o, now_us, l, true, out);
            x->punch_at_us = retry_at(o, now_us, x); /* if no answer comes */
        }
        wake_at(o, x->punch_at_us);
    }
}

void path_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    for (uint16_t i = 0, left = o->extra_count; left && i < o->common->limits.extras; i++) {
        struct extra *x = o->extras[i];
        if (!x) continue;
        uint16_t count = o->extra_count;
        struct link *l = &o->links[x->slot];
        if (l->state == LINK_UP) extra_tick(o, now_us, l, x, out);
        if (l->state == LINK_UP && l->extra == i + 1) link_release_extra(o, l);
        left = o->extra_count > count ? UINT16_MAX : (uint16_t)(left - 1); /* more: look at all */
    }
}
