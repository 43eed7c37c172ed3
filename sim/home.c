#include "sim/home.h"

/* --- numbers --- */

static uint32_t home_of(const struct world *w, uint32_t node)
{
    return node / w->nats.spec.hosts;
}

static uint32_t first_of_home(const struct world *w, uint32_t home)
{
    return home * w->nats.spec.hosts;
}

static uint32_t first_of_carrier(const struct world *w, uint32_t home)
{
    return first_of_home(w, home - home % w->nats.spec.homes);
}

static struct nat_inside endpoint_of(uint32_t who, uint16_t port)
{
    return (struct nat_inside){who, port};
}

/* The home's box, if it has one now. */
static struct nat_box *box_of(const struct world *w, uint32_t home)
{
    uint32_t first = first_of_home(w, home);
    for (uint32_t i = first; i < first + w->nats.spec.hosts && i < w->host_count; i++)
        if (w->hosts[i].nat) return w->hosts[i].nat;
    return NULL;
}

static struct nat_box *carrier_of(const struct world *w, uint32_t home)
{
    uint32_t first = home - home % w->nats.spec.homes;
    for (uint32_t i = first; i < first + w->nats.spec.homes; i++) {
        struct nat_box *b = box_of(w, i);
        if (b && b->outer) return b->outer;
    }
    return NULL;
}

static struct nat_box *outermost(struct nat_box *b)
{
    return b->outer ? b->outer : b;
}

/* --- coming and going --- */

static bool stands_behind(const struct world *w, uint32_t home, enum nat_type type)
{
    return type != NAT_TYPE_NONE && type != NAT_TYPE_CGN &&
           nat_draw_share(&w->nats, first_of_home(w, home), NAT_DRAW_BEHIND, w->nats.spec.behind);
}

static struct nat_box *carrier_new(struct world *w, uint32_t home, uint32_t node)
{
    struct nat_box *b = nat_new(NAT_TYPE_CGN, node, w->nats.spec.homes * w->nats.spec.hosts);
    b->hairpin = nat_draw_share(&w->nats, first_of_carrier(w, home), NAT_DRAW_CARRIER_HAIRPIN,
                                w->nats.spec.hairpin);
    b->carrier = true;
    w->hosts[node].owned = b;
    return b;
}

static struct nat_box *box_new(struct world *w, uint32_t home, enum nat_type type, uint32_t node)
{
    struct nat_box *b = nat_new(type, node, w->nats.spec.hosts);
    if (stands_behind(w, home, type)) {
        b->outer = carrier_of(w, home);
        if (!b->outer) b->outer = carrier_new(w, home, node);
        b->outer->users++;
    } else {
        w->hosts[node].owned = b;
    }
    b->hairpin = nat_draw_share(&w->nats, first_of_home(w, home), NAT_DRAW_HAIRPIN,
                                w->nats.spec.hairpin);
    return b;
}

/* A home is at one place, and a carrier's homes are in one region (of a matrix: at one place). */
static void place(struct world *w, uint32_t home, struct nat_box *b, struct net_place *p)
{
    struct net_place at = net_place(&w->net, first_of_home(w, home));
    struct net_place region = net_place(&w->net, first_of_carrier(w, home));
    if (b->outer && w->net.spec.model == NETWORK_REGIONS) at.region = region.region;
    if (b->outer && w->net.spec.model == NETWORK_MATRIX) at = region;
    at.side = w->hosts[outermost(b)->node].place.side;
    *p = at;
}

void home_settle(struct world *w, uint32_t node)
{
    struct host *h = &w->hosts[node];
    uint32_t home = home_of(w, node);
    h->nat_type = (uint8_t)nat_pick(&w->nats, first_of_home(w, home));
    if (h->nat_type == NAT_TYPE_NONE) return;
    struct nat_box *b = box_of(w, home);
    if (!b) b = box_new(w, home, h->nat_type, node);
    b->users++;
    h->nat = b;
    if (b->type == NAT_TYPE_UPNP && !b->mapped.port) b->mapped = endpoint_of(node, NET_PORT);
    place(w, home, b, &h->place);
}

static void release(struct world *w, struct nat_box *b)
{
    if (!b || --b->users > 0) return;
    release(w, b->outer);
    if (w->hosts[b->node].owned == b) w->hosts[b->node].owned = NULL;
    nat_free(b);
}

void home_left(struct world *w, uint32_t node)
{
    struct host *h = &w->hosts[node];
    struct nat_box *b = h->nat;
    if (!b) return;
    if (b->mapped.port && b->mapped.who == node) b->mapped = endpoint_of(0, 0);
    h->nat = NULL;
    release(w, b);
}

void home_sides(struct world *w)
{
    for (uint32_t i = 0; i < w->host_count; i++) {
        struct host *h = &w->hosts[i];
        if (h->nat) h->place.side = w->hosts[home_address(w, i)].place.side;
    }
}

/* --- addresses --- */

uint32_t home_inside_ip(const struct world *w, uint32_t node)
{
    uint32_t first = first_of_home(w, home_of(w, node));
    uint64_t h = nat_draw(&w->nats, first, NAT_DRAW_ADDRESS);
    uint32_t last = (uint32_t)((h >> 8) % 200) + (node - first);
    return 192u << 24 | 168u << 16 | (uint32_t)(h & 3) << 8 | (2 + last % 200);
}

uint32_t home_address(const struct world *w, uint32_t node)
{
    struct nat_box *b = w->hosts[node].nat;
    return b ? outermost(b)->node : node;
}

/* A neighbour in the same home; node itself: none. */
static uint32_t in_the_home(const struct world *w, uint32_t node, uint32_t ip)
{
    uint32_t first = first_of_home(w, home_of(w, node));
    for (uint32_t i = first; i < first + w->nats.spec.hosts && i < w->host_count; i++)
        if (i != node && w->hosts[i].nat && home_inside_ip(w, i) == ip) return i;
    return node;
}

static bool in_the_lan(const struct world *w, uint32_t node, uint32_t ip)
{
    return w->nats.spec.hosts > 1 && ip >> 8 == home_inside_ip(w, node) >> 8;
}

/* --- out and in --- */

struct home_way home_out(struct world *w, uint32_t from, uint32_t ip, uint16_t port)
{
    struct nat_box *b = w->hosts[from].nat;
    struct home_way way = {.kind = HOME_OUT, .from_ip = net_ip(from), .from_port = NET_PORT};
    if (b) {
        if (in_the_lan(w, from, ip)) {
            way.to = in_the_home(w, from, ip);
            way.kind = way.to != from && port == NET_PORT ? HOME_LAN : HOME_NOWHERE;
            way.from_ip = home_inside_ip(w, from);
            return way;
        }
        way.from_port = nat_out(b, &w->nats, w->now_us, endpoint_of(from, NET_PORT), ip, port);
        if (b->outer)
            way.from_port = nat_out(b->outer, &w->nats, w->now_us,
                                    endpoint_of(home_of(w, from), way.from_port), ip, port);
        way.from_ip = net_ip(outermost(b)->node);
        if (ip == way.from_ip) way.kind = nat_hairpins(outermost(b)) ? HOME_HAIRPIN : HOME_FILTERED;
    }
    if (!net_node_of(ip, &way.to) || way.to >= w->host_count) way.kind = HOME_NOWHERE;
    return way;
}

bool home_in(struct world *w, uint32_t *node, const struct flight *f)
{
    struct nat_box *b = w->hosts[*node].owned;
    struct nat_inside in;
    if (!nat_in(b, &w->nats, w->now_us, f->to_port, f->from_ip, f->from_port, f->hairpin, &in))
        return false;
    if (b->carrier) {
        struct nat_box *home = box_of(w, in.who);
        if (!home || home->outer != b ||
            !nat_in(home, &w->nats, w->now_us, in.port, f->from_ip, f->from_port, false, &in))
            return false;
    }
    *node = in.who;
    return true;
}

/* --- what a keep-alive that is not sent would meet --- */

bool home_holds(const struct world *w, uint32_t node, uint32_t ip, uint16_t port, uint32_t *seen_ip,
                uint16_t *seen_port)
{
    const struct nat_box *b = w->hosts[node].nat;
    *seen_ip = net_ip(home_address(w, node));
    *seen_port = NET_PORT;
    if (!b) return true;
    if (!nat_holds(b, &w->nats, w->now_us, endpoint_of(node, NET_PORT), ip, port, seen_port))
        return false;
    return !b->outer || nat_holds(b->outer, &w->nats, w->now_us,
                                  endpoint_of(home_of(w, node), *seen_port), ip, port, seen_port);
}

void home_renew(struct world *w, uint32_t node, uint32_t ip, uint16_t port, uint64_t at_us)
{
    struct nat_box *b = w->hosts[node].nat;
    uint16_t between = NET_PORT;
    if (!b) return;
    (void)nat_holds(b, &w->nats, w->now_us, endpoint_of(node, NET_PORT), ip, port, &between);
    nat_renew(b, at_us, endpoint_of(node, NET_PORT), ip, port);
    if (b->outer) nat_renew(b->outer, at_us, endpoint_of(home_of(w, node), between), ip, port);
}

bool home_behind(const struct world *w, uint32_t ip, uint16_t port, uint32_t from_ip,
                 uint16_t from_port, uint32_t *node)
{
    struct nat_inside in;
    if (!net_node_of(ip, node) || *node >= w->host_count) return false;
    const struct nat_box *b = w->hosts[*node].owned;
    if (!b) return port == NET_PORT;
    if (!nat_whose(b, &w->nats, w->now_us, port, from_ip, from_port, &in)) return false;
    if (b->carrier) {
        b = box_of(w, in.who);
        if (!b || !nat_whose(b, &w->nats, w->now_us, in.port, from_ip, from_port, &in))
            return false;
    }
    *node = in.who;
    return true;
}
