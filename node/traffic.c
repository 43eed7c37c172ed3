/* node/traffic.c - inner packets that the lane could not place: whose address is it, is there a session, may it come in?
 *
 * The first packet waits here (bounded, in pooled entries) until its destination's id is known and a session with it is up; then the
 * lane gets a row and the packets again. Nothing else of the packet path passes here. */
#include "node/internal.h"
#include <string.h>

#define WAIT_US      SECONDS(10)
#define ASK_FOR_US   SECONDS(3)
#define ASK_AGAIN_US MILLIS(250)
#define PACKETS_EACH 16u

struct own_network *network_by_key(struct node *n, const uint8_t key[32])
{
    for (unsigned i = 0; i < NETWORKS_MAX; i++)
        if (n->networks[i] && memcmp(n->networks[i]->network_key, key, 32) == 0)
            return n->networks[i];
    return NULL;
}

static bool down(struct node *n, const struct hot_message *m, const void *body)
{
    return node_lanes(n) && hot_tell(node_lanes(n), m, body) == OK;
}

static void count(struct node *n, enum drop why)
{
    overlay_drops(n->overlay)[why]++;
}

void network_tell_lane(struct node *n, const struct own_network *net, bool remove)
{
    struct lane_network ln = {.tag = net->tag,
                              .number = net->number,
                              .prefix = net->range.prefix,
                              .net = net->range.net,
                              .ipv4 = net->ipv4,
                              .mtu_bytes = net->mtu_bytes};
    memcpy(ln.ipv6, net->ipv6, 16);
    struct hot_message m = {
        .op = DOWN_NETWORK, .network = net->number, .flag = remove, .len = sizeof ln};
    if (node_lanes(n) && !down(n, &m, &ln)) count(n, DROP_FULL);
}

bool ip_owned_by(const struct member *m, const uint8_t ip[16])
{
    uint32_t v4 = ip_to_v4(ip);
    if (m->slot.state == SLOT_REFUSED) return false;
    return v4 ? m->ipv4 == v4 : memcmp(m->ipv6, ip, 16) == 0;
}

static void rows(struct node *n, const struct member *m, uint32_t index)
{
    struct hot_message row = {.op = DOWN_ROW, .network = m->network, .index = index};
    memcpy(row.ip, m->ipv6, 16);
    if (!down(n, &row, NULL)) count(n, DROP_FULL);
    if (!m->ipv4) return;
    ip_from_v4(row.ip, m->ipv4);
    if (!down(n, &row, NULL)) count(n, DROP_FULL);
}

static void rows_of(struct node *n, const struct id *id, uint32_t index)
{
    for (unsigned i = 0; i < NETWORKS_MAX; i++) {
        const struct member *m = n->networks[i] ? members_by_id(&n->members, (int)i, id) : NULL;
        if (m && m->slot.state != SLOT_REFUSED) rows(n, m, index);
    }
}

/* The session with this id into the lane, with the rows of all networks we share. 0: no session yet. */
static uint32_t place(struct step *s, const struct id *id)
{
    uint32_t index = overlay_heat(s->n->overlay, s->now_us, id);
    if (index) rows_of(s->n, id, index);
    return index;
}

void traffic_heated(struct step *s)
{
    struct id id;
    uint32_t index;
    while ((index = overlay_next_heated(s->n->overlay, &id)) != 0) rows_of(s->n, &id, index);
}

/* --- packets that wait --- */

static struct waiting *waiting_for(struct node *n, uint8_t network, const uint8_t ip[16])
{
    for (uint16_t i = 0; i < n->waiting_max; i++) {
        struct waiting *w = n->waitings[i];
        if (w && w->network == network && memcmp(w->ip, ip, 16) == 0) return w;
    }
    return NULL;
}

static void waiting_end(struct node *n, uint16_t i)
{
    struct waiting *w = n->waitings[i];
    struct pkt *p;
    while ((p = pkt_pop(&w->packets)) != NULL) {
        n->waiting_packets--;
        pool_give(n->env.pkts, p);
    }
    n->waitings[i] = NULL;
    pool_give(n->env.extras, w);
}

static struct waiting *waiting_new(struct step *s, uint8_t network, const uint8_t ip[16],
                                   uint16_t *at)
{
    struct node *n = s->n;
    uint16_t most = node_limits(n)->waiting_packets < 32 ? node_limits(n)->waiting_packets : 32;
    if (!n->waitings && (n->waitings = calloc(most, sizeof *n->waitings)) != NULL)
        n->waiting_max = most;
    for (uint16_t i = 0; i < s->n->waiting_max; i++) {
        if (s->n->waitings[i]) continue;
        struct waiting *w = pool_take_size(s->n->env.extras, sizeof *w);
        if (!w) return NULL;
        w->network = network;
        memcpy(w->ip, ip, 16);
        w->until_us = s->now_us + WAIT_US;
        node_wake_at(s->n, w->until_us);
        s->n->waitings[i] = w;
        *at = i;
        return w;
    }
    return NULL;
}

/* It goes back to the lane that it came from: what follows it comes there. */
static void keep(struct step *s, struct waiting *w, const struct hot_message *m,
                 const uint8_t *packet)
{
    struct node *n = s->n;
    struct pkt *p = NULL;
    if (w->packets.count < PACKETS_EACH && n->waiting_packets < node_limits(n)->waiting_packets)
        p = pkt_take(n->env.pkts, packet, m->len);
    if (!p) {
        count(n, DROP_FULL);
        return;
    }
    p->tag = m->lane;
    pkt_push(&w->packets, p);
    n->waiting_packets++;
}

static void refuse(struct node *n, uint8_t network, const uint8_t *packet, uint32_t len,
                   uint8_t lane)
{
    struct hot_message m = {.op = DOWN_ICMP, .network = network, .lane = lane, .len = len};
    count(n, DROP_NO_MEMBER);
    if (!down(n, &m, packet)) count(n, DROP_FULL);
}

static void flush(struct step *s, uint16_t i, bool reached)
{
    struct waiting *w = s->n->waitings[i];
    struct pkt *p;
    while ((p = pkt_pop(&w->packets)) != NULL) {
        const uint8_t *bytes = p->data + p->offset;
        struct hot_message m = {
            .op = DOWN_OFFER, .network = w->network, .lane = p->tag, .len = p->len};
        s->n->waiting_packets--;
        if (!reached)
            refuse(s->n, w->network, bytes, p->len, p->tag);
        else if (!down(s->n, &m, bytes))
            count(s->n, DROP_FULL);
        pool_give(s->n->env.pkts, p);
    }
    waiting_end(s->n, i);
}

/* --- whose address --- */

/* IPv6 carries 80 bits of the id: whoever is nearest to them owns it, or nobody does. */
static struct id id_from_ipv6(const uint8_t ip[16])
{
    struct id id = {0};
    memcpy(id.b, ip + 6, 10);
    return id;
}

bool traffic_resolve_start(struct step *s, uint8_t network, const uint8_t ip[16], uint32_t request)
{
    struct own_network *net = s->n->networks[network];
    uint32_t v4 = ip_to_v4(ip);
    if (!net) return false;
    if (v4) {
        struct id key;
        struct record_name name = record_name_ip4(net->network_key, v4);
        if (!range_contains(&net->range, v4)) return false;
        record_key(&key, s->n->env.crypto, &name, &ID_ZERO);
        overlay_get(s->n->overlay, s->now_us, &key, request, SECONDS(5), s->box);
        return true;
    }
    if (memcmp(ip, net->ipv6, 6) != 0) return false;
    struct id target = id_from_ipv6(ip);
    overlay_find(s->n->overlay, s->now_us, &target, request, SECONDS(5), s->box);
    return true;
}

bool name_resolve_start(struct step *s, uint8_t network, const char *name, uint32_t request)
{
    if (!s->n->networks[network]) return false;
    struct id key;
    struct record_name r = record_name_host(s->n->networks[network]->network_key, name,
                                            strlen(name));
    record_key(&key, s->n->env.crypto, &r, &ID_ZERO);
    overlay_get(s->n->overlay, s->now_us, &key, request, SECONDS(5), s->box);
    return true;
}

/* The id that an answer of the ring names: a record's writer, or the owner of a point. */
bool answer_id(const struct overlay_answer *a, struct id *out)
{
    if (a->err != OK) return false;
    *out = a->value ? a->writer : a->id;
    return !id_is_zero(out);
}

void traffic_miss(struct step *s, const struct hot_message *m, const uint8_t *packet)
{
    struct node *n = s->n;
    if (m->network >= NETWORKS_MAX || !n->networks[m->network]) {
        count(n, DROP_NETWORK);
        return;
    }
    struct waiting *w = waiting_for(n, m->network, m->ip);
    uint16_t at = 0;
    if (w) {
        keep(s, w, m, packet);
        return;
    }
    const struct member *who = members_by_ip(&n->members, m->network, m->ip);
    if (who && place(s, &who->is.id)) {
        struct hot_message again = {
            .op = DOWN_OFFER, .network = m->network, .lane = m->lane, .len = m->len};
        if (!down(n, &again, packet)) count(n, DROP_FULL);
        return;
    }
    w = waiting_new(s, m->network, m->ip, &at);
    if (!w) {
        count(n, DROP_FULL);
        return;
    }
    keep(s, w, m, packet);
    if (who) {
        w->has_id = true;
        w->id = who->is.id;
        overlay_want(n->overlay, s->now_us, &w->id, s->box);
    } else if (!traffic_resolve_start(s, m->network, m->ip, REQUEST_WAITING | at)) {
        flush(s, at, false);
    }
}

void traffic_answer(struct step *s, const struct overlay_answer *a)
{
    uint16_t i = (uint16_t)(a->request & 0xffff);
    struct waiting *w = i < s->n->waiting_max ? s->n->waitings[i] : NULL;
    struct id id;
    if (!w || w->has_id) return;
    bool v6 = !ip_to_v4(w->ip);
    if (!answer_id(a, &id) || (v6 && memcmp(id.b, w->ip + 6, 10) != 0) ||
        id_equal(&id, node_id(s->n))) {
        /* on a ring that is only being joined nobody may know yet: the first packets may wait some seconds */
        if (time_since(w->until_us, s->now_us) > WAIT_US - ASK_FOR_US) {
            w->again_us = s->now_us + ASK_AGAIN_US;
            node_wake_at(s->n, w->again_us);
        } else {
            flush(s, i, false);
        }
        return;
    }
    w->has_id = true;
    w->id = id;
    overlay_want(s->n->overlay, s->now_us, &id, s->box);
}

void traffic_failed(struct step *s, const struct id *id)
{
    for (uint16_t i = 0; i < s->n->waiting_max; i++)
        if (s->n->waitings[i] && s->n->waitings[i]->has_id && id_equal(&s->n->waitings[i]->id, id))
            flush(s, i, false);
}

/* A derived address counts until the ring names another holder: then it is taken away (docs/decisions/0009: the committed claim wins). */
static void verify_address(struct step *s, const struct member *m)
{
    uint32_t place = (uint32_t)(m - s->n->members.list);
    uint8_t ip[16];
    if (m->is.ipv4 || !m->ipv4 || place > 0xffff || !overlay_may_wonder(s->n->overlay)) return;
    ip_from_v4(ip, m->ipv4);
    (void)traffic_resolve_start(s, m->network, ip, REQUEST_VERIFY | place << 8 | (m->ipv4 & 0xff));
}

/* Is it another certificate than the one that we know? It may have left the network and joined again, and forgotten us. */
static bool is_news(const struct member *known, const struct membership *is)
{
    return !known || known->is.slot != is->slot || known->is.expires_s != is->expires_s ||
           memcmp(known->is.invite, is->invite, sizeof is->invite) != 0;
}

static void learn(struct step *s, const struct overlay_event *e)
{
    struct node *n = s->n;
    struct own_network *net = network_by_key(n, e->member.network_key);
    uint8_t ipv6[16];
    bool conflict = false;
    if (!net || !node_limits(n)->members) return;
    address_ipv6(ipv6, n->env.crypto, net->network_key, &e->id);
    uint32_t ipv4 = e->member.ipv4
                        ? e->member.ipv4
                        : address_ipv4(n->env.crypto, net->network_key, &net->range, &e->id, 0);
    const struct member *known = members_by_id(&n->members, net->number, &e->id);
    if (e->type == OE_CERT && known && memcmp(&known->is, &e->member, sizeof known->is) == 0)
        return; /* shown once more (node.c): nothing is asked or said again */
    bool fresh = e->type == OE_CERT && is_news(known, &e->member);
    enum err err = members_put(&n->members, net->number, &e->member, ipv4, ipv6, s->now_us,
                               &conflict);
    if (err != OK)
        log_line(n->env.trace, LOG_WARN, "a member of %s was not taken: %s", net->network.s,
                 err_text(err));
    struct member *m = members_by_id(&n->members, net->number, &e->id);
    if (m && err == OK) slot_met(s, m);
    if (m && err == OK) verify_address(s, m);
    /* it joined this network after our session began: it does not know our certificate for it, or no more */
    if (fresh && err == OK) overlay_chain_tell(n->overlay, s->now_us, net->number, &e->id, s->box);
    if (ipv4 == net->ipv4 && ipv4) conflict = true;
    if (conflict) {
        struct notice notice = {.type = NOTICE_ADDRESS_CONFLICT,
                                .id = e->id,
                                .network = (int8_t)net->number,
                                .ipv4 = ipv4};
        strncpy(notice.why, "two members hold the same IPv4 address", sizeof notice.why - 1);
        step_notice(s, &notice);
    }
}

static void unrow(struct node *n, const struct member *m, const uint8_t ip[16])
{
    struct hot_message row = {.op = DOWN_UNROW, .network = m->network};
    memcpy(row.ip, ip, 16);
    if (node_lanes(n) && !down(n, &row, NULL)) count(n, DROP_FULL);
}

void traffic_refuse(struct step *s, struct member *m)
{
    uint8_t ip[16];
    unrow(s->n, m, m->ipv6);
    if (m->ipv4) {
        ip_from_v4(ip, m->ipv4);
        unrow(s->n, m, ip);
        m->ipv4 = 0;
    }
    overlay_cool(s->n->overlay, &m->is.id); /* what still comes is then counted by its reason */
}

void traffic_readmit(struct step *s, struct member *m)
{
    struct node *n = s->n;
    struct own_network *net = n->networks[m->network];
    struct membership is = m->is;
    uint8_t ipv6[16];
    bool conflict;
    if (!net) return;
    memcpy(ipv6, m->ipv6, 16);
    uint32_t ipv4 = is.ipv4 ? is.ipv4
                            : address_ipv4(n->env.crypto, net->network_key, &net->range, &is.id, 0);
    enum err e = members_put(&n->members, m->network, &is, ipv4, ipv6, s->now_us, &conflict);
    if (e == OK && overlay_is_hot(n->overlay, &is.id)) (void)place(s, &is.id);
}

void traffic_verify_answer(struct step *s, const struct overlay_answer *a)
{
    struct node *n = s->n;
    uint32_t place = a->request >> 8 & 0xffff;
    struct member *m = place < n->members.count ? &n->members.list[place] : NULL;
    struct id holder;
    if (!m || !m->used || !m->ipv4 || (m->ipv4 & 0xff) != (a->request & 0xff)) return;
    if (!answer_id(a, &holder) || id_equal(&holder, &m->is.id)) return;
    struct notice notice = {.type = NOTICE_ADDRESS_CONFLICT,
                            .id = m->is.id,
                            .network = (int8_t)m->network,
                            .ipv4 = m->ipv4};
    strncpy(notice.why, "its derived IPv4 address is claimed by another member",
            sizeof notice.why - 1);
    uint8_t ip[16];
    ip_from_v4(ip, m->ipv4);
    unrow(n, m, ip);
    m->ipv4 = 0;
    step_notice(s, &notice);
}

void traffic_expire(struct step *s, uint64_t calendar_s)
{
    struct node *n = s->n;
    for (uint32_t i = 0; calendar_s && i < n->members.count; i++) {
        const struct member *m = &n->members.list[i];
        if (m->used && m->is.expires_s + CERT_TOLERANCE_S < calendar_s)
            overlay_expel(n->overlay, s->now_us, &m->is.id, "its certificate has expired", s->box);
    }
    (void)members_expire(&n->members, calendar_s);
}

void traffic_peer_up(struct step *s, const struct overlay_event *e)
{
    struct node *n = s->n;
    if (!id_is_zero(&e->member.id)) learn(s, e);
    bool placed = false;
    for (uint16_t i = 0; i < n->waiting_max; i++) {
        struct waiting *w = n->waitings[i];
        if (!w) continue;
        const struct member *m = members_by_id(&n->members, w->network, &e->id);
        if (!w->has_id && m && ip_owned_by(m, w->ip)) {
            w->has_id = true;
            w->id = e->id;
        }
        if (!w->has_id || !id_equal(&w->id, &e->id)) continue;
        placed = m && ip_owned_by(m, w->ip) && place(s, &e->id);
        flush(s, i, placed);
    }
    if (!placed && overlay_is_hot(n->overlay, &e->id))
        (void)place(s, &e->id); /* new keys, new index: rows anew */
}

/* A packet that came by a cold session: judge it here, and let the lane have the next. */
void traffic_inner(struct step *s, const struct overlay_event *e)
{
    struct node *n = s->n;
    struct own_network *net = NULL;
    struct ip_view ip;
    if (e->bytes[0] == KIND_FRAGMENT && node_lanes(n)) { /* only a lane puts them together */
        struct hot_message m = {.op = DOWN_FRAME, .len = e->len};
        if (members_by_id(&n->members, -1, &e->id)) m.index = place(s, &e->id);
        if (!m.index || !down(n, &m, e->bytes)) count(n, m.index ? DROP_FULL : DROP_NO_MEMBER);
        return;
    }
    if (e->len < IP_HEADER + 1 || e->bytes[0] != KIND_IP) {
        count(n, DROP_TYPE);
        return;
    }
    for (unsigned i = 0; i < NETWORKS_MAX; i++)
        if (n->networks[i] && n->networks[i]->tag == e->bytes[1]) net = n->networks[i];
    const uint8_t *packet = e->bytes + IP_HEADER;
    uint32_t len = e->len - IP_HEADER;
    const struct member *m = net ? members_by_id(&n->members, net->number, &e->id) : NULL;
    if (!m || !ip_view(packet, len, &ip)) {
        count(n, net && m ? DROP_NOT_IP : DROP_NETWORK);
        return;
    }
    if (m->slot.state == SLOT_REFUSED) {
        count(n, DROP_DENIED);
        return;
    }
    if ((e->bytes[2] & IP_CSUM_OPEN) && !ip_checksum_field(packet, &ip)) {
        count(n, DROP_MALFORMED);
        return;
    }
    if (!ip_owned_by(m, ip.src)) {
        count(n, DROP_SPOOFED);
        return;
    }
    uint32_t v4 = ip_to_v4(ip.dst);
    if (v4 ? v4 != net->ipv4 : memcmp(ip.dst, net->ipv6, 16) != 0) {
        count(n, DROP_NO_MEMBER);
        return;
    }
    if (!node_lanes(n)) return; /* a node without devices */
    (void)place(s, &e->id);
    uint8_t *copy = step_space(s, ip.len);
    if (!copy) return;
    memcpy(copy, packet, ip.len);
    actions_tun(s->out, net->number, copy, ip.len, e->bytes[2] & IP_CSUM_OPEN);
}

/* --- our own records --- */

#define CLAIM_TTL_US HOURS(2)

static void claim_all(struct step *s, struct own_network *net)
{
    struct overlay *o = s->n->overlay;
    slot_claim(s, net);
    if (net->ipv4) {
        struct record_name name = record_name_ip4(net->network_key, net->ipv4);
        overlay_claim(o, s->now_us, &name, NULL, 0, CLAIM_TTL_US, REQUEST_CLAIM | net->number,
                      s->box);
    }
    if (net->host.s[0]) {
        struct record_name name = record_name_host(net->network_key, net->host.s,
                                                   strlen(net->host.s));
        overlay_claim(o, s->now_us, &name, NULL, 0, CLAIM_TTL_US,
                      REQUEST_CLAIM | REQUEST_CLAIM_NAME | net->number, s->box);
    }
}

void traffic_joined(struct step *s)
{
    for (unsigned i = 0; i < NETWORKS_MAX; i++) {
        struct own_network *net = s->n->networks[i];
        if (!net || net->claimed || !node_limits(s->n)->members) continue;
        net->claimed = true;
        claim_all(s, net);
    }
}

void traffic_left(struct step *s, const struct own_network *net)
{
    overlay_unclaim_slot(s->n->overlay, net->number);
    struct record_name name = record_name_ip4(net->network_key, net->ipv4);
    overlay_unclaim(s->n->overlay, &name);
    name = record_name_host(net->network_key, net->host.s, strlen(net->host.s));
    if (name.len) overlay_unclaim(s->n->overlay, &name);
}

void traffic_claim_answer(struct step *s, const struct overlay_answer *a)
{
    unsigned number = a->request & 0xff;
    struct own_network *net = number < NETWORKS_MAX ? s->n->networks[number] : NULL;
    if (net && a->request & REQUEST_CLAIM_SLOT) {
        slot_claim_answer(s, net, a);
        return;
    }
    if (!net || a->err == OK) return;
    if (a->err != ERR_CONFLICT) { /* the ring was not there: try again when it is */
        net->claimed = false;
        return;
    }
    struct notice notice = {
        .type = NOTICE_ADDRESS_CONFLICT, .id = a->writer, .network = (int8_t)number};
    bool name = a->request & REQUEST_CLAIM_NAME;
    notice.ipv4 = name ? 0 : net->ipv4;
    strncpy(notice.why,
            name ? "this host name is held by another member"
                 : "this IPv4 address is held by another member",
            sizeof notice.why - 1);
    if (!name && !net->fixed_ipv4) { /* derived: we do not use it */
        net->ipv4_conflict = true;
        net->ipv4 = 0;
        network_tell_lane(s->n, net, false);
    }
    step_notice(s, &notice);
}

void traffic_tick(struct step *s)
{
    bool any = false;
    for (uint16_t i = 0; i < s->n->waiting_max; i++) {
        struct waiting *w = s->n->waitings[i];
        if (!w) continue;
        if (w->until_us <= s->now_us) {
            count(s->n, DROP_TIMEOUT);
            flush(s, i, false);
        } else if (w->again_us && w->again_us <= s->now_us) {
            w->again_us = 0;
            node_wake_at(s->n, w->until_us);
            if (!w->has_id) (void)traffic_resolve_start(s, w->network, w->ip, REQUEST_WAITING | i);
        } else {
            node_wake_at(s->n, w->again_us ? w->again_us : w->until_us);
        }
        any |= s->n->waitings[i] != NULL;
    }
    if (!any) traffic_free(s->n);
}

void traffic_free(struct node *n)
{
    for (uint16_t i = 0; i < n->waiting_max; i++)
        if (n->waitings[i]) waiting_end(n, i);
    free(n->waitings);
    n->waitings = NULL;
    n->waiting_max = 0;
}
