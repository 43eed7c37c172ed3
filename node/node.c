/* node/node.c - made, stepped, freed: events to the overlay, what comes out of it to vnet, people and the driver. */
#include "node/internal.h"
#include <string.h>

#define CALENDAR_MAX_S (UINT64_C(1) << 40) /* year 36812; more, or a time before 1970: unknown */

_Static_assert(sizeof(struct ask) <= OVERLAY_POOLED_MAX, "one object of the pool");

/* A routed FIND in flight, or our own, HELLO rates; a routed HELLO1, a HELLO3, tables; a handshake; an extra, a command; the
 * rest. */
static const size_t pooled_sizes[] = {160, 432, 704, 1248, OVERLAY_POOLED_MAX};

void node_pool_init(struct pool *p, uint32_t max, uint32_t per_chunk)
{
    pool_init_sizes(p, pooled_sizes, sizeof pooled_sizes / sizeof *pooled_sizes, max, per_chunk);
}

uint32_t node_pool_max(const struct limits *l)
{
    return overlay_pool_max(l);
}

size_t node_size(const struct limits *l)
{
    return sizeof(struct node) + overlay_size(l) + sizeof(struct own_network) +
           l->members * sizeof(struct member);
}

static struct own_network *own_network_new(const struct node *n, const struct network_config *c,
                                           const struct membership *m, uint8_t tag)
{
    struct own_network *net = calloc(1, sizeof *net + m->group_count * sizeof *net->groups);
    if (!net) return NULL;
    memcpy(net->network_key, m->network_key, sizeof net->network_key);
    net->network = m->network;
    net->host = m->host;
    net->range = m->range;
    net->mode = m->mode;
    net->expires_s = m->expires_s;
    net->fixed_ipv4 = m->ipv4;
    net->ipv4 = m->ipv4 ? m->ipv4
                        : address_ipv4(n->env.crypto, m->network_key, &m->range, node_id(n), 0);
    address_ipv6(net->ipv6, n->env.crypto, m->network_key, node_id(n));
    net->number = c->number;
    net->tag = tag;
    net->mtu_bytes = c->mtu_bytes;
    overlay_mtu(n->overlay, c->mtu_bytes);
    net->group_count = m->group_count;
    memcpy(net->groups, m->groups, m->group_count * sizeof *net->groups);
    return net;
}

static enum err network_set(struct node *n, const struct network_config *c, uint64_t now_s)
{
    struct membership m;
    if (c->number >= NETWORKS_MAX) return ERR_INVALID;
    enum err e = chain_verify((struct span){c->chain, c->chain_len}, n->env.crypto,
                              overlay_common(n->overlay)->authority_pk, node_id(n), now_s, &m);
    if (e != OK) return e;
    uint8_t tag = address_tag(n->env.crypto, m.network_key);
    for (unsigned i = 0; i < NETWORKS_MAX; i++) {
        const struct own_network *o = n->networks[i];
        if (o && i != c->number && o->tag == tag)
            return ERR_CONFLICT; /* docs/decisions/0004-network-tag.md */
    }
    struct own_network *net = own_network_new(n, c, &m, tag);
    if (!net) return ERR_NO_MEMORY;
    e = overlay_chain_set(n->overlay, c->number, c->chain, c->chain_len);
    if (e != OK) {
        free(net);
        return e;
    }
    free(n->networks[c->number]);
    n->networks[c->number] = net;
    network_tell_lane(n, net, false);
    return OK;
}

enum err node_new(struct node **out, const struct node_config *c, const struct node_env *env,
                  uint64_t now_us)
{
    struct node *n = calloc(1, sizeof *n);
    *out = NULL;
    if (!n) return ERR_NO_MEMORY;
    n->env = *env;
    const struct limits *l = c->common ? &c->common->limits : &c->limits;
    members_init(&n->members, l->members);
    n->wake_us = TIME_NEVER;
    struct overlay_config oc = {.crypto = env->crypto,
                                .identities = env->identities,
                                .pkts = env->pkts,
                                .extras = env->extras,
                                .trace = env->trace,
                                .identity = c->identity,
                                .own = {.key = c->overlay_key, .limits = c->limits},
                                .common = c->common,
                                .capabilities = c->capabilities,
                                .founder = c->founder,
                                .stats = l->members > 0};
    memcpy(oc.own.authority_pk, c->authority_pk, 32);
    memcpy(oc.seed, c->seed, 32);
    enum err e = overlay_new(&n->overlay, &oc, now_us);
    crypto_wipe(&oc.seed, sizeof oc.seed);
    for (uint32_t i = 0; e == OK && i < c->network_count; i++)
        e = network_set(n, &c->networks[i], 0);
    if (e == OK && c->network_count == 0) e = ERR_INVALID;
    if (e != OK) {
        node_free(n);
        return e;
    }
    overlay_seeds(n->overlay, now_us, c->seeds, c->seed_count);
    for (uint32_t i = 0; i < c->remembered_count; i++) {
        struct overlay_seed_peer p = {c->remembered[i].id, c->remembered[i].at};
        overlay_remember(n->overlay, &p, 1);
    }
    for (uint32_t i = 0; i < c->pinned_count; i++)
        if (overlay_pin(n->overlay, now_us, &c->pinned[i]) != OK)
            log_line(env->trace, LOG_WARN, "a pinned link is left out: there are too many");
    *out = n;
    return OK;
}

void node_free(struct node *n)
{
    if (!n) return;
    traffic_free(n);
    command_free(n);
    overlay_free(n->overlay);
    members_fini(&n->members);
    for (unsigned i = 0; i < NETWORKS_MAX; i++) free(n->networks[i]);
    free(n);
}

void node_attach(struct node *n, const struct hot_lanes *lanes)
{
    overlay_lanes(n->overlay, lanes);
    for (unsigned i = 0; i < NETWORKS_MAX; i++)
        if (n->networks[i]) network_tell_lane(n, n->networks[i], false);
}

uint64_t node_wake_us(const struct node *n)
{
    return time_min(n->wake_us, overlay_wake_us(n->overlay));
}

/* --- one step --- */

uint8_t *step_space(struct step *s, uint32_t len)
{
    uint8_t *p = outbox_space(s->box, len);
    if (!p) {
        s->out->lost++;
        return NULL;
    }
    outbox_commit(s->box, len);
    return p;
}

void step_reply(struct step *s, const struct reply *r)
{
    s->out->arena_used = s->base + s->box->arena_used;
    actions_reply(s->out, r);
    s->box->arena_used = s->out->arena_used - s->base;
}

void step_notice(struct step *s, const struct notice *n)
{
    actions_notice(s->out, n);
}

/* The text is copied: what it lies in may be written over by the next event of this step. */
void step_message(struct step *s, const struct id *from, const void *text, size_t len,
                  bool broadcast)
{
    uint8_t *copy = step_space(s, (uint32_t)len);
    if (!copy) return;
    memcpy(copy, text, len);
    struct notice notice = {.type = NOTICE_MESSAGE,
                            .id = *from,
                            .network = -1,
                            .broadcast = broadcast,
                            .text = (const char *)copy,
                            .text_len = (uint16_t)len};
    step_notice(s, &notice);
}

bool node_text_ok(const char *text, size_t len)
{
    return overlay_text_ok(text, len);
}

static int8_t network_number(struct node *n, const struct membership *m)
{
    const struct own_network *net = network_by_key(n, m->network_key);
    return net ? (int8_t)net->number : -1;
}

static void say(struct step *s, enum notice_type type, const struct overlay_event *e)
{
    struct notice notice = {.type = (uint8_t)type,
                            .id = e->id,
                            .from = e->from,
                            .to = e->to,
                            .network = network_number(s->n, &e->member)};
    if (e->why) strncpy(notice.why, e->why, sizeof notice.why - 1);
    step_notice(s, &notice);
}

static void on_event(struct step *s, const struct overlay_event *e)
{
    switch (e->type) {
    case OE_UP:
        traffic_peer_up(s, e);
        command_peer_up(s, &e->id);
        /* new keys, or somebody who wants it: it was up */
        if (!members_up(&s->n->members, &e->id, true, s->now_us) && !id_is_zero(&e->member.id))
            say(s, NOTICE_PEER_UP, e);
        break;
    case OE_CERT:
        traffic_peer_up(s, e);
        (void)members_up(&s->n->members, &e->id, true, s->now_us);
        break;
    case OE_DOWN:
        (void)members_up(&s->n->members, &e->id, false, s->now_us);
        say(s, NOTICE_PEER_DOWN, e);
        break;
    case OE_PATH: say(s, NOTICE_PATH, e); break;
    case OE_INNER: traffic_inner(s, e); break;
    case OE_JOINED:
        traffic_joined(s);
        say(s, NOTICE_JOINED, e);
        break;
    case OE_ALONE: say(s, NOTICE_ALONE, e); break;
    case OE_REMEMBER: actions_plain(s->out, ACT_REMEMBER); break;
    case OE_RESOLVE: actions_plain(s->out, ACT_RESOLVE); break;
    case OE_VERSION: say(s, NOTICE_VERSION, e); break;
    case OE_FAILED:
        traffic_failed(s, &e->id);
        command_failed(s, &e->id);
        break;
    case OE_MESSAGE: step_message(s, &e->id, e->bytes, e->len, e->to); break;
    case OE_HOP: command_hop(s, &e->answer); break;
    case OE_ANSWER:
        if (e->answer.request & REQUEST_WAITING)
            traffic_answer(s, &e->answer);
        else if (e->answer.request & REQUEST_CLAIM)
            traffic_claim_answer(s, &e->answer);
        else if (e->answer.request & REQUEST_VERIFY)
            traffic_verify_answer(s, &e->answer);
        else if (e->answer.request & REQUEST_SLOT)
            slot_answer(s, &e->answer);
        else
            command_answer(s, &e->answer);
        break;
    default: break;
    }
}

/* Work through what the overlay said; handlers may make it say more. */
static void settle(struct step *s)
{
    for (uint32_t i = 0; i < s->box->event_count; i++) {
        struct overlay_event e = s->box->events[i];
        on_event(s, &e);
    }
    s->box->event_count = 0;
    traffic_heated(s);
}

static void lane_said(struct step *s, const struct hot_message *m, uint8_t *body)
{
    struct overlay *o = s->n->overlay;
    uint8_t *copy;
    switch (m->op) {
    case UP_MISS: traffic_miss(s, m, body); break;
    case UP_DATAGRAM: overlay_datagram(o, s->now_us, &m->endpoint, body, m->len, s->box); break;
    case UP_SEND:
        copy = step_space(s, m->len);
        if (copy) memcpy(copy, body, m->len);
        if (copy) actions_send(s->out, &m->endpoint, copy, m->len, 0);
        break;
    default: overlay_lane_up(o, s->now_us, m, body, s->box); break;
    }
    settle(s);
}

static void on_lane(struct step *s, uint8_t lane)
{
    struct hot_message m;
    uint8_t body[PKT_MAX + 64];
    const struct hot_lanes *lanes = node_lanes(s->n);
    while (lanes && lane < lanes->count && hot_pop(lanes->up[lane], &m, body, sizeof body)) {
        m.lane = lane;
        lane_said(s, &m, body);
        if (lane > 0) return;
    }
}

static void on_datagrams(struct step *s, const struct event *in)
{
    uint32_t step = in->datagram.segment ? in->datagram.segment : in->datagram.len;
    if (in->datagram.len == 0) overlay_drops(s->n->overlay)[DROP_LENGTH]++;
    for (uint32_t at = 0; at < in->datagram.len && step; at += step) {
        uint32_t len = in->datagram.len - at < step ? in->datagram.len - at : step;
        overlay_datagram(s->n->overlay, s->now_us, &in->datagram.from, in->datagram.bytes + at, len,
                         s->box);
        settle(s);
    }
}

/* A CERT is not acknowledged: who missed the new one would not know us as a member, or refuse us for the slot that we had before. */
#define SHOWS        2
#define SHOW_FIRST_S 3
#define SHOW_NEXT_S  9

static void show_later(struct step *s, struct own_network *net, unsigned after_s)
{
    net->show_s = (uint8_t)(s->now_us / SECONDS(1) + after_s);
    node_wake_at(s->n, s->now_us + SECONDS(after_s));
}

static void networks_show(struct step *s)
{
    for (unsigned i = 0; i < NETWORKS_MAX; i++) {
        struct own_network *net = s->n->networks[i];
        if (!net || !net->shows) continue;
        int8_t left_s = (int8_t)(net->show_s - (uint8_t)(s->now_us / SECONDS(1)));
        if (left_s > 0) {
            node_wake_at(s->n, s->now_us + SECONDS((unsigned)left_s));
            continue;
        }
        overlay_chain_tell(s->n->overlay, s->now_us, i, NULL, s->box);
        if (--net->shows) show_later(s, net, SHOW_NEXT_S);
    }
}

static void on_timer(struct step *s)
{
    struct node *n = s->n;
    overlay_timer(n->overlay, s->now_us, s->box);
    settle(s);
    if (n->wake_us > s->now_us) return;
    n->wake_us = TIME_NEVER;
    traffic_tick(s);
    slot_tick(s);
    networks_show(s);
    command_tick(s);
    settle(s);
    if (n->wake_us <= s->now_us) n->wake_us = s->now_us + 1;
}

static void on_event_in(struct step *s, const struct event *in)
{
    struct node *n = s->n;
    switch (in->type) {
    case EV_TIMER: on_timer(s); break;
    case EV_DATAGRAM: on_datagrams(s, in); break;
    case EV_LANE: on_lane(s, in->lane); break;
    case EV_COMMAND: command_start(s, in->command); break;
    case EV_SEED: overlay_entropy(n->overlay, in->seed); break;
    case EV_CLOCK: {
        uint64_t calendar_s = in->calendar_s < CALENDAR_MAX_S ? in->calendar_s : 0;
        overlay_calendar(n->overlay, s->now_us, calendar_s);
        traffic_expire(s, calendar_s);
        break;
    }
    case EV_LOCAL:
        overlay_locals(n->overlay, s->now_us, in->endpoints.list, in->endpoints.count, s->box);
        break;
    case EV_SEEDS:
        overlay_seeds(n->overlay, s->now_us, in->endpoints.list, in->endpoints.count);
        break;
    default: break; /* EV_TUN goes to a lane */
    }
}

void node_step(struct node *n, uint64_t now_us, const struct event *in, struct actions *out)
{
    struct outbox box;
    struct step s = {n, now_us, &box, out, out->arena_used};
    box.arena = out->arena + out->arena_used;
    box.arena_size = out->arena_size - out->arena_used;
    box.arena_used = box.send_count = box.event_count = box.lost = 0;
    on_event_in(&s, in);
    settle(&s);
    out->arena_used = s.base + box.arena_used;
    for (uint32_t i = 0; i < box.send_count; i++)
        actions_send(out, &box.sends[i].to, box.sends[i].bytes, box.sends[i].len, 0);
    out->lost += box.lost;
}

/* --- networks, while running --- */

void network_changed(struct step *s, const struct command *c)
{
    struct node *n = s->n;
    struct reply r = {.command = c->type, .request = c->request};
    if (c->type == CMD_NETWORK_ADD) {
        r.err = network_set(n, &c->network_config, 0);
        if (r.err == OK) {
            overlay_chain_tell(n->overlay, s->now_us, c->network_config.number, NULL, s->box);
            n->networks[c->network_config.number]->shows = SHOWS;
            show_later(s, n->networks[c->network_config.number], SHOW_FIRST_S);
            traffic_joined(s);
        }
    } else if (c->network < NETWORKS_MAX && n->networks[c->network]) {
        network_tell_lane(n, n->networks[c->network], true);
        traffic_left(s, n->networks[c->network]);
        members_forget_network(&n->members, c->network);
        overlay_chain_drop(n->overlay, c->network);
        free(n->networks[c->network]);
        n->networks[c->network] = NULL;
    } else {
        r.err = ERR_NOT_FOUND;
    }
    step_reply(s, &r);
}
