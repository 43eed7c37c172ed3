/* node/views.c - what a person sees of a node: copies, made when asked for. */
#include "node/internal.h"
#include <stdio.h>
#include <string.h>

_Static_assert((int)NAT_NONE == (int)MAPPING_NONE &&
                   (int)NAT_PORT_DEPENDENT == (int)MAPPING_PORT_DEPENDENT,
               "one set of words");

void node_use(const struct node *n, struct limit_use out[LIMIT_USES])
{
    overlay_use(n->overlay, out);
}

void node_view(const struct node *n, struct node_view *v)
{
    struct overlay_view o;
    overlay_view(n->overlay, &o);
    memset(v, 0, sizeof *v);
    v->id = o.id;
    v->state = o.joined     ? STATE_JOINED
               : o.alone    ? STATE_ALONE
               : o.starting ? STATE_STARTING
                            : STATE_JOINING;
    memcpy(v->left, o.left, sizeof v->left);
    memcpy(v->right, o.right, sizeof v->right);
    v->left_count = o.left_count, v->right_count = o.right_count;
    v->estimate = o.estimate;
    memcpy(v->observed, o.observed, sizeof v->observed);
    v->observed_count = o.observed_count;
    v->mapping = o.mapping;
    v->near = o.near, v->far = o.far, v->demand = o.demand, v->leaf = o.leaf, v->pinned = o.pinned;
    v->sessions = o.sessions;
    v->started_us = overlay_started_us(n->overlay);
    struct overlay_peer p;
    for (uint32_t c = 0; overlay_peer_next(n->overlay, &c, &p);)
        v->rx_bytes += p.rx_bytes, v->tx_bytes += p.tx_bytes;
}

bool node_network_view(const struct node *n, uint32_t number, struct network_view *v)
{
    memset(v, 0, sizeof *v);
    if (number >= NETWORKS_MAX || !n->networks[number]) return false;
    const struct own_network *net = n->networks[number];
    v->used = true;
    v->network = net->network;
    v->host = net->host;
    memcpy(v->key, net->network_key, 32);
    v->range = net->range;
    v->ipv4 = net->ipv4;
    v->ipv4_conflict = net->ipv4_conflict;
    memcpy(v->ipv6, net->ipv6, 16);
    v->mtu_bytes = net->mtu_bytes;
    v->mode = net->mode;
    v->number = (uint8_t)number;
    v->slot_state = net->slot_state;
    return true;
}

static void say_refused(const struct member *m, char *out, size_t max)
{
    char id[ID_TEXT];
    snprintf(out, max, "refused: its slot of the invite is held by %s",
             id_print(&m->slot.holder, id));
}

bool node_peer_next(const struct node *n, uint32_t *cursor, struct peer_view *v)
{
    struct overlay_peer p;
    if (!overlay_peer_next(n->overlay, cursor, &p)) return false;
    memset(v, 0, sizeof *v);
    v->id = p.id;
    v->network = -1;
    v->links = p.kinds;
    v->path = p.path;
    v->endpoint = p.endpoint;
    v->via = p.via;
    const struct member *via = p.path == PATH_RELAYED ? members_by_id(&n->members, -1, &p.via)
                                                      : NULL;
    if (via) v->via_name = via->is.host;
    v->rtt_us = p.rtt_us;
    v->mtu_bytes = p.mtu_bytes;
    v->rx_bytes = p.rx_bytes, v->tx_bytes = p.tx_bytes, v->since_us = p.since_us;
    memcpy(v->why, p.why, sizeof v->why);
    const struct member *m = members_by_id(&n->members, -1, &p.id);
    if (!m) return true;
    v->network = (int8_t)m->network;
    v->name = m->is.host;
    v->ipv4 = m->ipv4;
    memcpy(v->ipv6, m->ipv6, 16);
    if (m->slot.state == SLOT_REFUSED) say_refused(m, v->why, sizeof v->why);
    return true;
}

static void own_member(const struct node *n, const struct own_network *net, struct member_view *v)
{
    v->id = *node_id(n);
    v->network = (int8_t)net->number;
    v->name = net->host;
    v->ipv4 = net->ipv4;
    memcpy(v->ipv6, net->ipv6, 16);
    memcpy(v->groups, net->groups, net->group_count * sizeof *v->groups);
    v->group_count = net->group_count;
    v->expires_s = net->expires_s;
    v->self = v->up = true;
    v->slot_state = net->slot_state;
}

/* Ourselves in each network first, then the others. */
bool node_member_next(const struct node *n, uint32_t *cursor, struct member_view *v)
{
    memset(v, 0, sizeof *v);
    for (; *cursor < NETWORKS_MAX; (*cursor)++) {
        if (!n->networks[*cursor]) continue;
        own_member(n, n->networks[(*cursor)++], v);
        return true;
    }
    for (; *cursor - NETWORKS_MAX < n->members.count; (*cursor)++) {
        const struct member *m = &n->members.list[*cursor - NETWORKS_MAX];
        if (!m->used) continue;
        (*cursor)++;
        v->id = m->is.id;
        v->network = (int8_t)m->network;
        v->name = m->is.host;
        v->ipv4 = m->ipv4;
        memcpy(v->ipv6, m->ipv6, 16);
        memcpy(v->groups, m->is.groups, sizeof v->groups);
        v->group_count = m->is.group_count;
        v->expires_s = m->is.expires_s;
        v->up = m->up;
        v->seen_us = m->up ? 0 : m->seen_us;
        v->slot_state = m->slot.state;
        if (m->slot.state == SLOT_REFUSED) v->slot_holder = m->slot.holder;
        return true;
    }
    return false;
}

bool node_why(const struct node *n, uint64_t now_us, const struct id *id, struct why_view *v)
{
    struct overlay_why w;
    struct overlay_view o;
    memset(v, 0, sizeof *v);
    v->id = *id;
    v->next_us = TIME_NEVER;
    struct member_view m;
    for (uint32_t cursor = 0; node_member_next(n, &cursor, &m);)
        if (id_equal(&m.id, id)) v->name = m.name;
    overlay_view(n->overlay, &o);
    if (id_equal(id, node_id(n))) {
        strcpy(v->verdict, "this is the node itself");
        v->local_mapping = o.mapping;
        return true;
    }
    bool known = overlay_why(n->overlay, now_us, id, &w);
    v->path = w.path;
    memcpy(v->verdict, w.verdict, sizeof v->verdict);
    v->local_mapping = o.mapping;
    v->remote_mapping = w.remote_mapping;
    _Static_assert(sizeof v->tried == sizeof w.tried, "the same rows");
    memcpy(v->tried, w.tried, sizeof v->tried);
    v->tried_count = w.tried_count;
    v->next_us = w.next_us;
    const struct member *who = members_by_id(&n->members, -1, id);
    if (who && who->slot.state == SLOT_REFUSED) say_refused(who, v->verdict, sizeof v->verdict);
    return known;
}

static enum err resolve_ip(const struct node *n, const struct target *t, struct id *out,
                           uint8_t *source)
{
    for (unsigned i = 0; i < NETWORKS_MAX; i++) {
        const struct own_network *net = n->networks[i];
        if (!net || (t->network >= 0 && t->network != (int)i)) continue;
        uint32_t v4 = ip_to_v4(t->ip);
        if (v4 ? v4 == net->ipv4 : memcmp(t->ip, net->ipv6, 16) == 0) {
            *out = *node_id(n), *source = SOURCE_SELF;
            return OK;
        }
    }
    const struct member *m = members_by_ip(&n->members, t->network, t->ip);
    if (!m) return ERR_NOT_FOUND;
    *out = m->is.id, *source = SOURCE_CERTIFICATE;
    return OK;
}

static enum err resolve_name(const struct node *n, const struct target *t, struct id *out,
                             uint8_t *source)
{
    uint32_t matches = 0;
    const struct member *m = members_by_name(&n->members, t->network, t->name.s, &matches);
    for (unsigned i = 0; i < NETWORKS_MAX; i++) {
        const struct own_network *net = n->networks[i];
        if (!net || (t->network >= 0 && t->network != (int)i) ||
            strcasecmp(net->host.s, t->name.s) != 0)
            continue;
        if (m && !id_equal(&m->is.id, node_id(n))) return ERR_AMBIGUOUS;
        *out = *node_id(n), *source = SOURCE_SELF;
        return OK;
    }
    if (!m) return ERR_NOT_FOUND;
    if (matches > 1) return ERR_AMBIGUOUS;
    *out = m->is.id, *source = SOURCE_CERTIFICATE;
    return OK;
}

enum err node_resolve(const struct node *n, const struct target *t, struct id *out, uint8_t *source)
{
    switch (t->kind) {
    case TARGET_ID:
        *out = t->id;
        *source = id_equal(out, node_id(n))             ? SOURCE_SELF
                  : members_by_id(&n->members, -1, out) ? SOURCE_CERTIFICATE
                                                        : SOURCE_RING;
        return OK;
    case TARGET_IP: return resolve_ip(n, t, out, source);
    case TARGET_NAME: return resolve_name(n, t, out, source);
    default: return ERR_INVALID;
    }
}

_Static_assert(NODE_PINNED_MAX == OVERLAY_PINNED_MAX, "the driver has room for all");

uint32_t node_pinned(const struct node *n, struct id *out, uint32_t max)
{
    return overlay_pinned(n->overlay, out, max);
}

uint8_t node_path(const struct node *n, const struct id *id)
{
    return overlay_path(n->overlay, id);
}

uint32_t node_remembered(const struct node *n, struct remembered *out, uint32_t max)
{
    struct overlay_seed_peer list[256];
    uint32_t count = overlay_remembered(n->overlay, list, max < 256 ? max : 256);
    for (uint32_t i = 0; i < count; i++) out[i] = (struct remembered){list[i].id, list[i].at};
    return count;
}

const uint32_t *node_drops(const struct node *n)
{
    return overlay_drops(n->overlay);
}
bool node_vouch(struct node *n, uint64_t now_us, const struct endpoint *from,
                const struct keepalive *k, const struct rounds *r, struct vouch *v)
{
    return overlay_vouch(n->overlay, now_us, from, k, r, v);
}
void node_vouched(struct node *n, uint64_t at_us, const struct endpoint *from,
                  const struct keepalive *k, const struct rounds *r, const struct vouch *v)
{
    overlay_vouched(n->overlay, at_us, from, k, r, v);
}
void node_revoked(struct node *n, const struct endpoint *from, const struct keepalive *k,
                  struct revoked *r)
{
    overlay_revoked(n->overlay, from, k, r);
}
void node_unvouch(struct node *n)
{
    overlay_unvouch(n->overlay);
}
void node_settle(struct node *n, uint64_t now_us)
{
    overlay_settle(n->overlay, now_us);
}
void node_prefetch(const struct node *n, enum node_prefetch step, const uint8_t *datagram)
{
    if (step == PREFETCH_NODE)
        __builtin_prefetch(n);
    else
        overlay_prefetch(n->overlay, (unsigned)step - PREFETCH_OVERLAY, datagram);
}
uint64_t node_hash(const struct node *n)
{
    return overlay_hash(n->overlay);
}
bool node_ring_neighbours(const struct node *n, struct id *left, struct id *right)
{
    return overlay_neighbours(n->overlay, left, right);
}
