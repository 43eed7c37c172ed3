/* What control says (the down queue), and what it is told in time. */
#include "node/lane_internal.h"

#include <string.h>

/* Worked through only while the answers fit: UP_USED and UP_HANDBACK, or one body. */
#define UP_ROOM (2u * HOT_BODY_MAX)
_Static_assert(UP_ROOM + 2 * sizeof(struct hot_message) < HOT_QUEUE_MIN, "");

void lane_drop(struct lane *l, enum drop why)
{
    l->drops[why]++;
    l->drops_to_tell = true;
}

/* Packets that go through control: the lane waits for them, or it would bring more than control can carry. The rest is seldom. */
static bool is_packet(uint8_t op)
{
    return op == UP_MISS || op == UP_DATAGRAM || op == UP_INNER || op == UP_ROUTE || op == UP_SEND;
}

void lane_up(struct lane *l, const struct hot_message *m, const void *body)
{
    if (hot_push(l->up, m, body))
        lane_drop(l, DROP_FULL);
    else if (is_packet(m->op))
        l->asked_at = l->up->put;
}

bool lane_waits(const struct lane *l)
{
    return l->number > 0 && l->asked_at > __atomic_load_n(&l->up->done, __ATOMIC_ACQUIRE);
}

bool lane_room(const struct actions *out)
{
    bool room = actions_room(out, LANE_ROOM, LANE_ROOM_COUNT);
    ensure(room || out->count > 0); /* an empty list that has no room would be offered for ever */
    return room;
}

/* --- rows and channels --- */

static void on_row(struct lane *l, uint64_t now_us, const struct hot_message *m)
{
    struct hot_session *s = lane_session(l, m->index);
    struct lane_row *row = lane_row(l, m->network, m->ip);
    if (!s) { /* not hot here: the next packet is a miss and tells control */
        if (row) lane_row_remove(l, row);
        return;
    }
    lane_row_put(l, m->network, m->ip, s, now_us);
}

static void on_unrow(struct lane *l, const struct hot_message *m)
{
    struct lane_row *row = lane_row(l, m->network, m->ip);
    if (row) lane_row_remove(l, row);
}

static void on_channel(struct lane *l, const struct hot_message *m)
{
    struct lane_channel c = {.index = m->index, .channel = m->channel, .via = m->via};
    c.channel2 = m->channel2;
    c.rate = m->value;
    lane_channel_put(l, &c);
}

static void on_unchannel(struct lane *l, const struct hot_message *m)
{
    struct lane_channel *c = lane_channel(l, m->index, m->channel);
    if (c) lane_channel_remove(l, c);
}

/* --- sessions --- */

/* The cold window's 64 places, and as seen everything before them: what the cold form forgot must not be replayed. */
static void replay_load(struct replay *r, uint64_t top, uint64_t window)
{
    memset(r, 0, sizeof *r);
    for (uint64_t c = top > REPLAY_BITS ? top - REPLAY_BITS : 0; c < top; c++) {
        uint64_t back = top - 1 - c;
        if (back == 0 || back >= 64 || (window >> back & 1)) replay_mark(r, c);
    }
}

static uint64_t replay_window(const struct replay *r)
{
    uint64_t window = 0;
    for (uint64_t back = 0; back < 64 && back < r->top; back++)
        if (!replay_check(r, r->top - 1 - back)) window |= (uint64_t)1 << back;
    return window;
}

static void handback(struct lane *l, uint32_t index, const struct hot_counters *c)
{
    struct hot_message m = {.op = UP_HANDBACK, .index = index, .len = sizeof *c};
    lane_up(l, &m, c);
}

static void on_hot(struct lane *l, const struct hot_message *m, const uint8_t *body)
{
    struct hot_keys k;
    ensure(m->len == sizeof k && m->index != 0);
    memcpy(&k, body, sizeof k);
    ensure((k.counter != 0) == (l->counters != NULL));
    struct hot_counter *shared = k.counter ? &l->counters[k.counter - 1] : NULL;
    struct hot_session *s = lane_session(l, m->index);
    if (!s) s = lane_session_take(l, m->index);
    if (s) {
        lane_let_go(s);
        s->shared = shared;
        l->crypto->forget(&s->tx);
        l->crypto->forget(&s->rx);
        l->crypto->prepare(&s->tx, (enum aead)k.aead, k.tx_key);
        l->crypto->prepare(&s->rx, (enum aead)k.aead, k.rx_key);
        if (lane_own_session(l, m->index)) replay_load(&s->replay, k.rx_top, k.rx_window);
        s->tx_next = s->tx_end = k.tx_next;
        s->remote_index = k.remote_index;
        const struct hot_session *old = m->via ? lane_session(l, m->via) : NULL;
        if (old && old != s) lane_session_continue(l, s, old);
    } else {
        struct hot_counters same = {k.tx_next, k.rx_top, k.rx_window};
        if (shared) __atomic_sub_fetch(&shared->holders, 1, __ATOMIC_RELEASE);
        lane_drop(l, DROP_FULL);
        handback(l, m->index, &same);
    }
    crypto_wipe(&k, sizeof k);
}

/* No packet has this counter yet. A shared one may go on; whoever looks after the last lane let go sees the end. */
static uint64_t next_of(const struct hot_session *s)
{
    return s->shared ? __atomic_load_n(&s->shared->next, __ATOMIC_RELAXED) : s->tx_next;
}

static void tell_used(struct lane *l, struct hot_session *s)
{
    struct hot_message m = {.op = UP_USED, .index = s->index, .len = sizeof s->used};
    s->used.newest_tx = next_of(s);
    lane_up(l, &m, &s->used);
    s->used = (struct hot_used){.heard_us = s->used.heard_us};
    s->used_due_us = TIME_NEVER;
}

static void on_cold(struct lane *l, const struct hot_message *m)
{
    struct hot_session *s = lane_session(l, m->index);
    if (!s) return;
    if (!(m->flag & 1)) {
        struct hot_counters c = {next_of(s), s->replay.top, replay_window(&s->replay)};
        if (s->used.tx_bytes || s->used.rx_bytes) tell_used(l, s);
        handback(l, m->index, &c);
    }
    lane_session_remove(l, s);
}

static void on_path(struct lane *l, const struct hot_message *m)
{
    struct hot_session *s = lane_session(l, m->index);
    if (!s) return;
    s->way = (struct way){.path = m->path, .endpoint = m->endpoint};
    s->way.via = m->via;
    s->way.channel = m->channel;
    s->way.mtu = m->path == PATH_ROUTED ? LANE_MTU_ROUTED : LANE_MTU_MAX;
    s->way.searching = m->flag & 1;
    if (m->value && m->value < s->way.mtu) s->way.mtu = (uint16_t)m->value;
}

/* --- the rest of what control says --- */

static void on_network(struct lane *l, const struct hot_message *m, const uint8_t *body)
{
    struct lane_network n = {.number = m->network};
    ensure(m->len == sizeof n || (m->len == 0 && (m->flag & 1)));
    if (m->len) memcpy(&n, body, sizeof n);
    ensure(n.number < NETWORKS_MAX);
    if (m->flag & 1) {
        memset(&l->networks[n.number], 0, sizeof n);
        for (uint32_t i = 0; i < l->row_used; i++)
            if (l->rows[i].in_use && l->rows[i].network == n.number)
                lane_row_remove(l, &l->rows[i]);
        return;
    }
    if (n.mtu_bytes == 0) n.mtu_bytes = INNER_MTU_L3;
    if (n.mtu_bytes > LANE_MTU_MAX) n.mtu_bytes = LANE_MTU_MAX;
    l->networks[n.number] = n;
}

static void on_seal(struct lane *l, uint64_t now_us, const struct hot_message *m,
                    const uint8_t *frame, struct actions *out)
{
    struct hot_session *s = lane_session(l, m->index);
    struct way w = {.path = m->path, .endpoint = m->endpoint};
    w.via = m->via;
    w.channel = m->channel;
    if (!endpoint_is_none(&m->endpoint))
        w.path = PATH_DIRECT;
    else if (s && m->path == PATH_NONE)
        w = s->way;
    if (!s || m->len == 0 || !lane_way_is_open(l, &w))
        lane_drop(l, s ? DROP_NO_ROUTE : DROP_NO_SESSION);
    else
        lane_send(l, now_us, s, &w, frame, m->len, out);
}

/* Opened in the arena: what it holds may be for the TUN, or be forwarded from there. */
static void on_datagram(struct lane *l, uint64_t now_us, const struct hot_message *m,
                        const uint8_t *body, struct actions *out)
{
    struct lane_arrival a = {.from = m->endpoint, .via = m->via, .channel = m->channel};
    a.inner = endpoint_is_none(&m->endpoint);
    uint8_t *p = actions_space(out, m->len);
    memcpy(p, body, m->len);
    lane_datagram(l, now_us, &a, p, m->len, out);
    lane_join_end(l, out);
    if (out->count == 0) out->arena_used = 0; /* it opened to nothing that an action names */
}

/* Of frames that came while the session was cold only parts are of use here. */
static void on_frame(struct lane *l, uint64_t now_us, const struct hot_message *m,
                     const uint8_t *body, struct actions *out)
{
    struct hot_session *s = lane_session(l, m->index);
    if (!s || m->len == 0 || body[0] != KIND_FRAGMENT) {
        lane_drop(l, s ? DROP_TYPE : DROP_NO_SESSION);
        return;
    }
    lane_fragment(l, now_us, s, body, m->len, out);
    lane_join_end(l, out);
}

static void on_message(struct lane *l, uint64_t now_us, const struct hot_message *m,
                       struct actions *out)
{
    uint8_t *body = l->body + LANE_HEADROOM;
    switch ((enum hot_op)m->op) {
    case DOWN_HOT:
        on_hot(l, m, body);
        crypto_wipe(body, m->len);
        return;
    case DOWN_COLD: on_cold(l, m); return;
    case DOWN_PATH: on_path(l, m); return;
    case DOWN_SEAL: on_seal(l, now_us, m, body, out); return;
    case DOWN_NETWORK: on_network(l, m, body); return;
    case DOWN_ROW: on_row(l, now_us, m); return;
    case DOWN_UNROW: on_unrow(l, m); return;
    case DOWN_OFFER: lane_packet(l, now_us, m->network, body, m->len, false, true, out); return;
    case DOWN_CHANNEL: on_channel(l, m); return;
    case DOWN_UNCHANNEL: on_unchannel(l, m); return;
    case DOWN_ICMP: lane_unreachable(l, m->network, body, m->len, out); return;
    case DOWN_FRAME: on_frame(l, now_us, m, body, out); return;
    case DOWN_DATAGRAM: on_datagram(l, now_us, m, body, out); return;
    case UP_FRAME:
    case UP_MISS:
    case UP_ROAM:
    case UP_USED:
    case UP_HANDBACK:
    case UP_ROUTE:
    case UP_INNER:
    case UP_DATAGRAM:
    case UP_SEND:
    case UP_DROP: break;
    }
    ensure(m->op == DOWN_HOT); /* not a message for a lane */
}

/* A lane in a thread of its own that has asked several things gets no answer before the last one is there: between two questions
 * of one flow there is to be nothing. */
static void work_down(struct lane *l, uint64_t now_us, struct actions *out)
{
    struct hot_message m;
    if (lane_waits(l)) return;
    while (!hot_is_empty(l->down) && lane_room(out) && hot_room(l->up, UP_ROOM)) {
        bool got = hot_pop(l->down, &m, l->body + LANE_HEADROOM, HOT_BODY_MAX);
        ensure(got);
        on_message(l, now_us, &m, out);
    }
}

/* --- in time --- */

void lane_worked(struct lane *l, struct hot_session *s, uint64_t now_us)
{
    if (s->used_due_us != TIME_NEVER) return;
    s->used_due_us = time_add(now_us, USED_EVERY_US);
    l->wake_us = time_min(l->wake_us, s->used_due_us);
}

static void tell_used_due(struct lane *l, uint64_t now_us)
{
    l->wake_us = TIME_NEVER;
    for (uint32_t i = 0; i < l->session_used; i++) {
        struct hot_session *s = &l->sessions[i];
        if (s->index == 0) continue;
        if (s->used_due_us <= now_us && hot_room(l->up, sizeof s->used)) tell_used(l, s);
        l->wake_us = time_min(l->wake_us, s->used_due_us);
    }
}

static void tell_drops(struct lane *l)
{
    l->drops_to_tell = false;
    for (uint32_t i = 0; i < DROP_COUNT; i++) {
        uint32_t more = l->drops[i] - l->told[i];
        if (more == 0) continue;
        struct hot_message m = {.op = UP_DROP, .value = i, .channel = more};
        if (!hot_room(l->up, 0) || hot_push(l->up, &m, NULL))
            l->drops_to_tell = true; /* next time */
        else
            l->told[i] += more;
    }
}

bool lane_wants(const struct lane *l, const struct event *in)
{
    if (in->type == EV_TUN) return true;
    if (in->type != EV_DATAGRAM) return false;
    uint32_t len = in->datagram.len;
    if (in->datagram.segment && in->datagram.segment < len) len = in->datagram.segment;
    struct data_header h;
    return data_header_read(in->datagram.bytes, len, &h) && lane_own_session(l, h.receiver);
}

uint32_t lane_step(struct lane *l, uint64_t now_us, const struct event *in, struct actions *out)
{
    uint32_t done = 0;
    work_down(l, now_us, out);
    if (in->type == EV_TUN)
        done = lane_tun(l, now_us, in, out);
    else if (in->type == EV_DATAGRAM)
        done = lane_datagrams(l, now_us, in, out);
    work_down(l, now_us, out);
    if (now_us >= l->wake_us) tell_used_due(l, now_us);
    if (l->drops_to_tell) tell_drops(l);
    return done;
}

uint64_t lane_wake_us(const struct lane *l)
{
    return hot_is_empty(l->down) ? l->wake_us : 0;
}

void lane_join(struct lane *l, uint8_t joins)
{
    l->joins = joins;
}

const uint32_t *lane_drops(const struct lane *l)
{
    return l->drops;
}
