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
    if (b->to->state != HOST_LIVE || b->from->state != HOST_LIVE) return false;
    return world_reaches(w, home_address(w, b->from_node), home_address(w, b->to_node));
}

static bool ask(void *context, uint64_t now_us, const struct endpoint *at, const struct id *to,
                const struct keepalive *k, struct vouch *out)
{
    struct world *w = context;
    struct both b;
    if (!find(w, at, &b) || !id_equal(&b.to->id, to)) return false;
    if (net_lost(&w->net, b.from_node, home_address(w, b.to_node), b.from->sent_datagrams) ||
        net_lost(&w->net, b.to_node, home_address(w, b.from_node), b.to->sent_datagrams))
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
    home_renew(w, b.from_node, get_u32(at->ip + 12), at->port);
    home_renew(w, b.to_node, get_u32(v->observed.ip + 12), v->observed.port);
    uint64_t there_us = net_latency_us(&w->net, b.from->place, b.to->place);
    node_vouched(b.to->node, now_us + there_us, &v->observed, k);
    w->vouched++;
}

void quiet_init(struct world *w)
{
    w->monitor = (struct link_monitor){.ask = ask, .charge = charge, .context = w};
    w->common.monitor = &w->monitor;
}
