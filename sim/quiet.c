#include "sim/quiet.h"

#include "base/bytes.h"
#include "overlay/wire.h"
#include "sim/home.h"

struct both { /* the ends of a keep-alive */
    struct host *from, *to;
    uint32_t from_node, to_node;
    struct endpoint seen; /* where the asker is, as the other sees it */
};

/* Who they are, and whether both datagrams pass what boxes there are, along mappings that live. */
static bool find(struct world *w, const struct endpoint *at, struct both *b)
{
    uint32_t ip = get_u32(at->ip + 12), seen_ip, back_ip;
    uint16_t seen_port, back_port;
    b->from_node = w->stepped;
    b->from = &w->hosts[b->from_node];
    if (!endpoint_is_v4(at) || at->transport != TRANSPORT_UDP) return false;
    if (!home_holds(w, b->from_node, ip, at->port, &seen_ip, &seen_port) || seen_ip == ip)
        return false;
    if (!home_behind(w, ip, at->port, seen_ip, seen_port, &b->to_node)) return false;
    if (!home_holds(w, b->to_node, seen_ip, seen_port, &back_ip, &back_port)) return false;
    if (back_ip != ip || back_port != at->port) return false;
    b->to = &w->hosts[b->to_node];
    b->seen = endpoint_v4(seen_ip, seen_port);
    return true;
}

static bool reaches(const struct world *w, const struct both *b)
{
    return world_reaches(w, home_address(w, b->from_node), home_address(w, b->to_node));
}

static uint64_t round_trip_us(const struct world *w, const struct both *b)
{
    return net_latency_us(&w->net, b->from->place, b->to->place) +
           net_latency_us(&w->net, b->to->place, b->from->place);
}

/* The next round that would be lost ends those that are vouched for. Where a NAT may forget meanwhile there is one at a time. */
static uint32_t rounds_kept(const struct world *w, const struct both *b, const struct rounds *r,
                            uint32_t most)
{
    bool behind = b->from->nat || b->to->nat;
    if (behind && r->keep_us >= w->nats.spec.timeout_us) return 1;
    uint32_t n = 1;
    uint64_t at_us = r->next_us;
    while (n < most && net_keepalive(&w->net, b->from_node, b->to_node, at_us) == NET_KEPT)
        n++, at_us += r->keep_us;
    return n;
}

static bool ask(void *context, uint64_t now_us, const struct endpoint *at, const struct id *to,
                const struct keepalive *k, const struct rounds *r, struct vouch *out)
{
    struct world *w = context;
    struct both b;
    if (!find(w, at, &b) || b.from->state != HOST_LIVE || b.to->state != HOST_LIVE ||
        !reaches(w, &b) || !id_equal(&b.to->id, to))
        return false;
    enum net_keepalive lost = net_keepalive(&w->net, b.from_node, b.to_node, r->due_us);
    if (lost) quiet_lose(w, get_u32(at->ip + 12), at->port, lost == NET_PONG_LOST);
    if (lost || !node_vouch(b.to->node, now_us, &b.seen, k, r, out)) return false;
    out->rtt_us = round_trip_us(w, &b);
    out->rounds = rounds_kept(w, &b, r, out->rounds);
    return true;
}

/* --- counting --- */

static void sent(struct world *w, struct host *h, enum traffic_type type, uint32_t len, uint32_t n)
{
    uint64_t bytes = (uint64_t)n * (len + DATA_OVERHEAD + UDP_IP_BYTES);
    h->sent_datagrams += n;
    h->sent_bytes += bytes;
    w->bytes_sent += bytes;
    w->traffic.bytes[WAY_DIRECT][type] += bytes;
    w->traffic.datagrams[WAY_DIRECT][type] += n;
    w->net_counts[NET_SENT] += n;
    w->net_counts[NET_ARRIVED] += n;
}

static void count(struct world *w, const struct both *b, uint32_t n)
{
    sent(w, b->from, TRAFFIC_PING, PING_SIZE, n);
    sent(w, b->to, TRAFFIC_PONG, PONG_SIZE, n);
    w->vouched += n;
}

/* Rounds of these seconds are due: `more` is 1 or -1. */
static void ahead(struct world *w, uint64_t next_us, uint64_t keep_us, uint32_t count, int32_t more)
{
    struct quiet_ahead *a = &w->ahead;
    for (; a->at_s < w->now_us / MILLION; a->at_s++) {
        int32_t *r = &a->rounds[a->at_s % QUIET_AHEAD_S];
        a->passed += *r;
        *r = 0;
    }
    for (uint64_t at_us = next_us; count > 0; count--, at_us += keep_us)
        a->rounds[at_us / MILLION % QUIET_AHEAD_S] += more;
}

void quiet_sent(struct world *w, uint64_t *bytes, uint64_t *datagrams)
{
    ahead(w, 0, 0, 0, 0);
    uint64_t n = w->ahead.passed > 0 ? (uint64_t)w->ahead.passed : 0;
    *bytes = w->bytes_sent + n * (PING_SIZE + PONG_SIZE + 2 * (DATA_OVERHEAD + UDP_IP_BYTES));
    *datagrams = w->net_counts[NET_SENT] + 2 * n;
}

static uint64_t charge(void *context, const struct endpoint *at, uint32_t n)
{
    struct world *w = context;
    struct both b;
    w->ahead.passed -= n;
    if (!find(w, at, &b)) return 0;
    count(w, &b, n);
    return round_trip_us(w, &b);
}

/* --- beginning, revoking --- */

static void begin(void *context, uint64_t now_us, const struct endpoint *at,
                  const struct keepalive *k, const struct rounds *r, const struct vouch *v)
{
    struct world *w = context;
    struct both b;
    bool found = find(w, at, &b);
    ensure(found);
    count(w, &b, 1);
    ahead(w, r->next_us, r->keep_us, v->rounds - 1, 1);
    uint64_t last_us = v->rounds > 1 ? r->next_us + (v->rounds - 2) * r->keep_us : now_us;
    home_renew(w, b.from_node, get_u32(at->ip + 12), at->port, last_us);
    home_renew(w, b.to_node, get_u32(v->observed.ip + 12), v->observed.port, last_us);
    uint64_t there_us = net_latency_us(&w->net, b.from->place, b.to->place);
    node_vouched(b.to->node, now_us + there_us, &v->observed, k, r, v);
}

static void wakes(struct world *w, uint32_t node)
{
    uint64_t wake_us = node_wake_us(w->hosts[node].node);
    events_timer(&w->events, node,
                 wake_us == TIME_NEVER ? TIME_NEVER : time_max(wake_us, w->now_us));
}

static void revoke(void *context, const struct endpoint *at, const struct keepalive *k,
                   struct revoked *r)
{
    struct world *w = context;
    struct both b;
    bool found = find(w, at, &b) && b.to->node;
    if (r->asks) ahead(w, r->next_us, r->keep_us, r->left, -1);
    if (!found) {
        r->last_us = r->now_us;
        return;
    }
    r->there_us = r->asks ? net_latency_us(&w->net, b.from->place, b.to->place)
                          : net_latency_us(&w->net, b.to->place, b.from->place);
    r->gone = w->ending || !reaches(w, &b);
    uint32_t stepped = w->stepped;
    w->stepped = b.to_node; /* it may charge rounds that it asked in */
    node_revoked(b.to->node, &b.seen, k, r);
    w->stepped = stepped;
    if (!r->asks) ahead(w, r->next_us, r->keep_us, r->left, -1);
    home_renew(w, b.from_node, get_u32(at->ip + 12), at->port, r->last_us);
    home_renew(w, b.to_node, get_u32(b.seen.ip + 12), b.seen.port, r->last_us);
    wakes(w, b.to_node);
}

static uint64_t now_us(void *context)
{
    return ((const struct world *)context)->now_us;
}

void quiet_gone(struct world *w, uint32_t node)
{
    uint32_t stepped = w->stepped;
    if (!w->config.quiet) return;
    w->stepped = node;
    w->ending = true;
    node_unvouch(w->hosts[node].node);
    w->ending = false;
    w->stepped = stepped;
}

void quiet_revoke(struct world *w)
{
    uint32_t stepped = w->stepped;
    for (uint32_t i = 0; w->config.quiet && i < w->host_count; i++) {
        if (!w->hosts[i].node) continue;
        w->stepped = i;
        node_unvouch(w->hosts[i].node);
        wakes(w, i);
    }
    w->stepped = stepped;
}

void quiet_settle(struct world *w)
{
    uint32_t stepped = w->stepped;
    for (uint32_t i = 0; w->config.quiet && i < w->host_count; i++) {
        w->stepped = i;
        if (w->hosts[i].node) node_settle(w->hosts[i].node, w->now_us);
    }
    w->stepped = stepped;
}

/* --- losing --- */

void quiet_lose(struct world *w, uint32_t ip, uint16_t port, bool answer)
{
    if (w->doom_count == QUIET_DOOMS) return;
    w->dooms[w->doom_count++] = (struct quiet_doom){.ip = ip, .port = port, .answer = answer};
}

bool quiet_loses(struct world *w, uint32_t ip, uint16_t port, bool *answer)
{
    *answer = false;
    for (uint32_t i = 0; i < w->doom_count; i++) {
        struct quiet_doom d = w->dooms[i];
        if (d.ip != ip || d.port != port) continue;
        w->dooms[i] = w->dooms[--w->doom_count];
        *answer = d.answer;
        return !d.answer;
    }
    return false;
}

void quiet_init(struct world *w)
{
    w->monitor = (struct link_monitor){.ask = ask,
                                       .begin = begin,
                                       .charge = charge,
                                       .revoke = revoke,
                                       .now_us = now_us,
                                       .context = w};
    w->common.monitor = &w->monitor;
}
