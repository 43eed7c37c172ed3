#include "sim/world_step.h"

#include "base/bytes.h"
#include "base/err.h"
#include "sim/home.h"
#include "sim/hostile.h"
#include "sim/quiet.h"
#include <stdio.h>
#include <string.h>

#define STILL_MAX 100000u /* steps of one node's timer without time passing: it never ends */

static void count(struct world *w, enum net_count what)
{
    w->net_counts[what]++;
}

/* --- sending --- */

/* When it has gone out at the sender's rate; TIME_NEVER: too much is waiting before it. */
static uint64_t leaves(const struct world *w, struct host *h, uint64_t bytes)
{
    uint64_t rate = w->net.spec.bits_per_s;
    if (rate == 0) return w->now_us;
    uint64_t begin_us = time_max(w->now_us, h->sending_until_us);
    if (begin_us - w->now_us > NET_QUEUE_US) return TIME_NEVER;
    h->sending_until_us = begin_us + bytes * 8 * MILLION / rate;
    return h->sending_until_us;
}

static void send_one(struct world *w, uint32_t from, const struct endpoint *to,
                     const uint8_t *bytes, uint32_t len)
{
    struct host *h = &w->hosts[from];
    uint8_t changed[EVENTS_BYTES];
    if (h->hostility && len <= sizeof changed) {
        bytes = memcpy(changed, bytes, len);
        if (!hostile_lets_go(w, from, changed, len)) return count(w, NET_SWALLOWED);
    }
    uint32_t sequence = h->sent_datagrams++;
    h->sent_bytes += len + UDP_IP_BYTES;
    w->bytes_sent += len + UDP_IP_BYTES;
    traffic_count(&w->traffic, bytes, len, len + UDP_IP_BYTES);
    count(w, NET_SENT);
    bool tcp = to->transport == TRANSPORT_TCP;
    if (len > (tcp ? EVENTS_BYTES : NET_MTU)) return count(w, NET_TOO_LONG);
    if (!endpoint_is_v4(to)) return count(w, NET_NOBODY);
    if (h->nat_type == NAT_TYPE_UDP_BLOCKED && !tcp) return count(w, NET_FILTERED);
    uint64_t leaves_us = leaves(w, h, len + UDP_IP_BYTES);
    if (leaves_us == TIME_NEVER) return count(w, NET_QUEUE);
    struct home_way way = home_out(w, from, get_u32(to->ip + 12), to->port);
    if (way.kind == HOME_NOWHERE) return count(w, NET_NOBODY);
    if (way.kind == HOME_FILTERED) return count(w, NET_FILTERED);
    bool lan = way.kind == HOME_LAN;
    const struct host *other = &w->hosts[way.to];
    if (!lan && !world_reaches(w, home_address(w, from), way.to)) return count(w, NET_CUT);
    bool unanswered = false;
    if (w->doom_count && quiet_loses(w, get_u32(to->ip + 12), to->port, &unanswered))
        return count(w, NET_LOST);
    if (!unanswered && !lan && !tcp && net_lost(&w->net, from, way.to, sequence))
        return count(w, NET_LOST);
    uint64_t there_us = lan ? HOME_LAN_US : net_latency_us(&w->net, h->place, other->place);
    struct flight *f = events_send(&w->events, leaves_us + there_us, way.to, from, sequence, len);
    f->from_ip = way.from_ip;
    f->from_port = way.from_port;
    f->to_port = to->port;
    f->tcp = tcp;
    f->lan = lan;
    f->unanswered = unanswered;
    f->hairpin = way.kind == HOME_HAIRPIN;
    memcpy(f->bytes, bytes, len);
}

/* A train is as many datagrams as its segments. */
static void send(struct world *w, uint32_t from, const struct action *a)
{
    uint32_t piece = a->send.segment ? a->send.segment : a->send.len;
    for (uint32_t done = 0; done < a->send.len; done += piece) {
        uint32_t left = a->send.len - done;
        send_one(w, from, &a->send.to, a->send.bytes + done, left < piece ? left : piece);
    }
}

void world_flood(struct world *w, struct rng *r)
{
    uint8_t junk[HOSTILE_JUNK];
    uint32_t from = world_random_live(w, r), to = world_random_live(w, r);
    for (uint32_t i = 0; w->hosts[from].hostility != HOSTILE_FLOOD; i++) {
        if (i == w->host_count) return;
        from = from + 1 == w->host_count ? 0 : from + 1;
    }
    if (w->hosts[from].state != HOST_LIVE) return;
    hostile_junk(r, junk);
    struct endpoint at = endpoint_v4(net_ip(to), NET_PORT);
    send_one(w, from, &at, junk, sizeof junk);
}

/* --- stepping --- */

static void on_notice(struct world *w, uint32_t node, const struct notice *n)
{
    struct host *h = &w->hosts[node];
    if (n->type != NOTICE_JOINED || h->joined_ms) return;
    h->joined_ms = (uint32_t)((w->now_us - h->started_us) / 1000) + 1;
    w->joined_count++;
    w->joined_us_sum += w->now_us - h->started_us;
}

void world_step(struct world *w, uint32_t node, const struct event *e)
{
    struct trace *t = w->config.trace;
    if (t->mask) snprintf(t->name, sizeof t->name, "n%u", node);
    actions_clear(&w->actions);
    w->replies = 0;
    w->stepped = node;
    w->steps++;
    node_step(w->hosts[node].node, w->now_us, e, &w->actions);
    for (uint32_t i = 0; i < w->actions.count; i++) {
        const struct action *a = &w->actions.list[i];
        switch (a->type) {
        case ACT_SEND: send(w, node, a); break;
        case ACT_REPLY: w->replies++; break;
        case ACT_NOTICE: on_notice(w, node, &a->notice); break;
        default: break; /* names never change here, nothing is stored, there is no TCP */
        }
    }
    w->doom_count = 0;
    uint64_t wake_us = node_wake_us(w->hosts[node].node);
    events_timer(&w->events, node,
                 wake_us == TIME_NEVER ? TIME_NEVER : time_max(wake_us, w->now_us));
}

const struct reply *world_next_reply(struct world *w, uint32_t *at)
{
    while (w->replies > 0) {
        const struct action *a = &w->actions.list[(*at)++];
        if (a->type != ACT_REPLY) continue;
        w->replies--;
        return a->reply;
    }
    return NULL;
}

void world_command(struct world *w, uint32_t node, const struct command *c)
{
    world_step(w, node, &(struct event){.type = EV_COMMAND, .command = c});
}

/* --- arriving --- */

static void arrive(struct world *w, const struct due *d)
{
    struct flight *f = d->flight;
    uint32_t node = d->node;
    if (!f->lan && w->hosts[node].owned) {
        if (!home_in(w, &node, f)) return count(w, NET_FILTERED);
    } else if (f->to_port != NET_PORT) {
        return count(w, NET_NOBODY);
    }
    const struct host *h = &w->hosts[node];
    if (!h->node) return count(w, NET_NOBODY);
    if (h->nat_type == NAT_TYPE_UDP_BLOCKED && !f->tcp) return count(w, NET_FILTERED);
    count(w, NET_ARRIVED);
    struct endpoint from = endpoint_v4(f->from_ip, f->from_port);
    if (f->unanswered) quiet_lose(w, f->from_ip, f->from_port, false);
    if (f->tcp) from.transport = TRANSPORT_TCP;
    world_step(w, node,
               &(struct event){.type = EV_DATAGRAM,
                               .datagram = {.from = from, .bytes = f->bytes, .len = f->len}});
}

static void timer(struct world *w, const struct due *d)
{
    bool again = w->timer_us == d->time_us && w->timer_node == d->node;
    w->still = again ? w->still + 1 : 0;
    w->timer_us = d->time_us;
    w->timer_node = d->node;
    ensure(w->still < STILL_MAX);
    world_step(w, d->node, &(struct event){.type = EV_TIMER});
}

static void look_at(const struct world *w, uint32_t ahead, enum node_prefetch step)
{
    const struct flight *flight;
    uint32_t node;
    if (!events_ahead(&w->events, ahead, &node, &flight) || !w->hosts[node].node) return;
    node_prefetch(w->hosts[node].node, step, flight ? flight->bytes : NULL);
}

/* What the next events' nodes need is fetched while this one is worked on, step by step. */
static void look_ahead(const struct world *w)
{
    const struct flight *flight;
    uint32_t node;
    if (events_ahead(&w->events, 14, &node, &flight)) {
        __builtin_prefetch(&w->hosts[node]);
        __builtin_prefetch(&w->events.timers[node]);
        for (size_t at = 0; flight && at < 256; at += 64)
            __builtin_prefetch((const char *)flight + at);
    }
    look_at(w, 10, PREFETCH_NODE);
    look_at(w, 6, PREFETCH_OVERLAY);
    look_at(w, 3, PREFETCH_TABLES);
    look_at(w, 1, PREFETCH_LINK);
}

bool world_advance(struct world *w, uint64_t until_us)
{
    w->replies = 0;
    uint64_t next_us = events_next_us(&w->events);
    if (next_us > until_us) {
        w->now_us = until_us;
        return false;
    }
    struct due d = events_take(&w->events);
    ensure(d.time_us >= w->now_us);
    w->now_us = d.time_us;
    look_ahead(w);
    if (d.kind == DUE_TIMER) {
        timer(w, &d);
    } else {
        arrive(w, &d);
        events_release(&w->events, &d);
    }
    return true;
}
