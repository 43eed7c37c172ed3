#include "sim/quiet.h"

#include "base/bytes.h"
#include "overlay/wire.h"

struct both { /* the ends of a keep-alive */
    struct host *from, *to;
    uint32_t from_node, to_node;
    struct endpoint seen; /* where the asker is, as the other sees it */
};

static bool find(struct world *w, const struct endpoint *at, struct both *b)
{
    b->from_node = w->stepped;
    b->from = &w->hosts[b->from_node];
    if (!endpoint_is_v4(at) || at->transport != TRANSPORT_UDP) return false;
    if (!net_node_of(get_u32(at->ip + 12), &b->to_node) || b->to_node >= w->host_count)
        return false;
    b->to = &w->hosts[b->to_node];
    if (b->to->state != HOST_LIVE || b->from->state != HOST_LIVE) return false;
    return world_reaches(w, b->from_node, b->to_node);
}

/* Both datagrams pass what boxes there are, along mappings that live. */
static bool pass(const struct world *w, const struct endpoint *at, struct both *b)
{
    uint16_t port = NET_PORT, back = NET_PORT;
    uint32_t from_ip = net_ip(b->from_node);
    if (b->from->nat &&
        !nat_holds(b->from->nat, &w->nats, w->now_us, get_u32(at->ip + 12), at->port, &port))
        return false;
    if (b->to->nat && !nat_holds(b->to->nat, &w->nats, w->now_us, from_ip, port, &back))
        return false;
    b->seen = endpoint_v4(from_ip, port);
    return back == at->port;
}

static bool ask(void *context, uint64_t now_us, const struct endpoint *at, const struct id *to,
                const struct keepalive *k, struct vouch *out)
{
    struct world *w = context;
    struct both b;
    if (!find(w, at, &b) || !id_equal(&b.to->id, to) || !pass(w, at, &b)) return false;
    if (net_lost(&w->net, b.from_node, b.to_node, b.from->sent_datagrams) ||
        net_lost(&w->net, b.to_node, b.from_node, b.to->sent_datagrams))
        return false;
    if (!node_vouch(b.to->node, now_us, &b.seen, k, out)) return false;
    out->rtt_us = net_latency_us(&w->net, b.from->place, b.to->place) +
                  net_latency_us(&w->net, b.to->place, b.from->place);
    return now_us + out->rtt_us < w->disturbed_us; /* nobody goes while they are on their way */
}

static void sent(struct world *w, struct host *h, enum traffic_type type, uint32_t len)
{
    uint32_t bytes = len + DATA_OVERHEAD + UDP_IP_BYTES;
    h->sent_datagrams++;
    h->sent_bytes += bytes;
    w->bytes_sent += bytes;
    w->traffic.bytes[WAY_DIRECT][type] += bytes;
    w->traffic.datagrams[WAY_DIRECT][type]++;
    w->net_counts[NET_SENT]++;
    w->net_counts[NET_ARRIVED]++;
}

static void charge(void *context, uint64_t now_us, const struct endpoint *at,
                   const struct keepalive *k, const struct vouch *v)
{
    struct world *w = context;
    struct both b;
    bool found = find(w, at, &b);
    ensure(found);
    sent(w, b.from, TRAFFIC_PING, PING_SIZE);
    sent(w, b.to, TRAFFIC_PONG, PONG_SIZE);
    uint32_t from_ip = get_u32(v->observed.ip + 12);
    if (b.from->nat) nat_renew(b.from->nat, now_us, get_u32(at->ip + 12), at->port);
    if (b.to->nat) nat_renew(b.to->nat, now_us, from_ip, v->observed.port);
    uint64_t there_us = net_latency_us(&w->net, b.from->place, b.to->place);
    node_vouched(b.to->node, now_us + there_us, &v->observed, k);
    w->vouched++;
}

void quiet_init(struct world *w)
{
    w->monitor = (struct link_monitor){.ask = ask, .charge = charge, .context = w};
    w->common.monitor = &w->monitor;
}
