/* node/command.c - questions and orders of people: resolve the target, get a session, ask, answer once. */
#include "node/internal.h"
#include <string.h>

#define DEFAULT_TIMEOUT_US SECONDS(10)
#define AGAIN_US           MILLIS(250)
/* So long a newcomer's claims may take to be found; a ring that knows nobody after that is believed. */
#define BELIEVE_US         SECONDS(4)

/* Each question to the overlay has a number of its own: an answer to an earlier one, of this command or of another in its place, is not
 * taken for it. */
static uint32_t number_of(struct node *n, uint16_t i)
{
    n->asks[i]->number = (++n->salt << 12 & 0x0ffff000u) | (i + 1u);
    return n->asks[i]->number;
}

static struct ask *ask_by_request(struct node *n, uint32_t request, uint16_t *at)
{
    uint16_t i = (uint16_t)((request & 0xfff) - 1);
    if (i >= n->ask_max || !n->asks[i] || n->asks[i]->number != request) return NULL;
    *at = i;
    return n->asks[i];
}

/* What we know of the target goes into the reply: name, addresses. */
static void describe(struct node *n, struct reply *r, const struct id *id, int network)
{
    r->id = *id;
    if (id_equal(id, node_id(n))) {
        for (unsigned i = 0; i < NETWORKS_MAX; i++) {
            const struct own_network *net = n->networks[i];
            if (!net || (network >= 0 && network != (int)i)) continue;
            r->name = net->host;
            r->ipv4 = net->ipv4;
            memcpy(r->ipv6, net->ipv6, 16);
            return;
        }
    }
    const struct member *m = members_by_id(&n->members, network, id);
    if (!m) return;
    r->name = m->is.host;
    r->ipv4 = m->ipv4;
    memcpy(r->ipv6, m->ipv6, 16);
}

static void put_hops(struct node *n, struct reply *r, const struct ask *a)
{
    r->hop_count = a->hop_count;
    for (uint8_t i = 0; i < a->hop_count; i++) {
        const struct ask_hop *h = &a->hop[i];
        const struct member *m = members_by_id(&n->members, -1, &h->id);
        r->hop[i] = (struct trace_hop){.id = h->id, .rtt_us = h->rtt_us, .number = h->number};
        if (m) r->hop[i].name = m->is.host;
    }
}

static bool about_link(const struct ask *a)
{
    return a->type == CMD_LINK_ADD || a->type == CMD_LINK_DROP;
}

/* The one answer, put together from what was gathered; `r` has what came with the last piece, NULL: nothing did. */
static void ask_end(struct step *s, uint16_t i, enum err e, const struct overlay_answer *r)
{
    struct node *n = s->n;
    struct ask *a = n->asks[i];
    struct reply reply = {.command = a->type, .request = a->request, .err = e, .source = a->source};
    if (a->type == CMD_LINK_ADD && a->stage == ASK_CONNECT)
        reply.err = OK; /* it is pinned, whether it is up or not */
    if ((a->stage == ASK_RUN && a->type != CMD_ROUTE_TEST && a->type != CMD_BROADCAST &&
         a->type != CMD_SLOT) ||
        (about_link(a) && a->stage == ASK_CONNECT))
        describe(n, &reply, &a->id, a->target.network);
    if (a->type == CMD_LINK_ADD && reply.err == OK) reply.path = overlay_path(n->overlay, &a->id);
    if (a->type == CMD_TRACE) put_hops(n, &reply, a);
    if (r) {
        reply.rtt_us = r->rtt_us;
        reply.hops = r->hops;
        reply.reached = r->reached;
        reply.lost = r->lost;
    }
    if (r && a->type == CMD_SEND) reply.path = r->path;
    if (r && a->type == CMD_PING) {
        const struct member *via = members_by_id(&n->members, -1, &r->via);
        reply.path = r->path;
        reply.endpoint = r->endpoint;
        reply.via = r->via;
        if (via) reply.via_name = via->is.host;
    }
    if (r && a->type == CMD_ROUTE_TEST) reply.id = r->id;
    if (r && a->type == CMD_SLOT) reply.id = r->writer;
    if (r && a->type == CMD_GET) {
        reply.value = r->value;
        reply.value_len = (uint16_t)r->value_len;
    }
    step_reply(s, &reply);
    n->asks[i] = NULL;
    pool_give(n->env.extras, a);
}

static void run(struct step *s, uint16_t i)
{
    struct node *n = s->n;
    struct ask *a = n->asks[i];
    uint64_t left = time_since(a->until_us, s->now_us);
    a->stage = ASK_RUN;
    if (a->type == CMD_GET) {
        struct id key;
        record_key_own(&key, n->env.crypto, &a->id, a->text, a->text_len);
        overlay_get(n->overlay, s->now_us, &key, number_of(n, i), left, s->box);
    } else if (a->type == CMD_LOOKUP || a->type == CMD_LINK_ADD) {
        ask_end(s, i, OK, NULL);
    } else if (id_equal(&a->id, node_id(n))) {
        if (a->type == CMD_SEND) step_message(s, &a->id, a->text, a->text_len, false);
        ask_end(s, i, OK, NULL); /* ourselves: no path, no time */
    } else if (a->type == CMD_TRACE) {
        overlay_trace_route(n->overlay, s->now_us, &a->id, number_of(n, i), left, s->box);
    } else if (a->type == CMD_SEND) {
        overlay_message(n->overlay, s->now_us, &a->id, a->text, a->text_len, number_of(n, i), left,
                        s->box);
    } else {
        overlay_ping(n->overlay, s->now_us, &a->id, number_of(n, i), left, s->box);
    }
}

/* Once more a little later, if its time allows. */
static bool again(struct node *n, struct ask *a, uint64_t now_us)
{
    if (now_us + AGAIN_US >= a->until_us) return false;
    a->again_us = now_us + AGAIN_US;
    node_wake_at(n, a->again_us);
    return true;
}

/* Its id is known: pin it, or drop the pin. True: wait for the link. */
static bool link_changed(struct step *s, uint16_t i)
{
    struct node *n = s->n;
    struct ask *a = n->asks[i];
    enum err e = OK;
    if (a->type == CMD_LINK_ADD)
        e = overlay_pin(n->overlay, s->now_us, &a->id);
    else if (!overlay_unpin(n->overlay, s->now_us, &a->id))
        e = ERR_NOT_FOUND;
    if (e == OK && a->type == CMD_LINK_ADD && overlay_path(n->overlay, &a->id) == PATH_NONE) {
        a->stage = ASK_CONNECT;
        return true;
    }
    a->stage = ASK_RUN;
    ask_end(s, i, e, NULL);
    return false;
}

static void connect_then_run(struct step *s, uint16_t i)
{
    struct node *n = s->n;
    struct ask *a = n->asks[i];
    if (about_link(a)) {
        (void)link_changed(s, i);
        return;
    }
    bool known = members_by_id(&n->members, a->target.network, &a->id) != NULL;
    if (id_equal(&a->id, node_id(n)) || a->type == CMD_TRACE || a->type == CMD_GET ||
        (a->type == CMD_LOOKUP && known)) {
        run(s, i);
        return;
    }
    a->stage = ASK_CONNECT;
    overlay_want(n->overlay, s->now_us, &a->id, s->box); /* OE_UP or OE_FAILED follows */
}

static void resolve(struct step *s, uint16_t i)
{
    struct node *n = s->n;
    struct ask *a = n->asks[i];
    const struct target *t = &a->target;
    enum err e = node_resolve(n, t, &a->id, &a->source);
    if (e == OK) {
        connect_then_run(s, i);
        return;
    }
    uint8_t network = 0;
    for (uint8_t k = NETWORKS_MAX; k-- > 0;)
        if (n->networks[k] && (t->network < 0 || t->network == (int)k)) network = k;
    a->stage = ASK_RESOLVE;
    a->source = SOURCE_RING;
    if (e != ERR_NOT_FOUND)
        ask_end(s, i, e, NULL);
    else if (t->kind == TARGET_NAME
                 ? !name_resolve_start(s, network, t->name.s, number_of(n, i))
                 : t->kind != TARGET_IP ||
                       !traffic_resolve_start(s, network, t->ip, number_of(n, i)))
        ask_end(s, i, ERR_NOT_FOUND, NULL);
}

static void immediate(struct step *s, const struct command *c)
{
    struct reply r = {.command = c->type, .request = c->request};
    if (c->type == CMD_LEAVE) {
        s->n->left = true;
        overlay_leave(s->n->overlay, s->now_us, s->box);
        step_reply(s, &r);
        return;
    }
    network_changed(s, c);
}

static bool valid(const struct command *c)
{
    switch (c->type) {
    case CMD_SEND:
    case CMD_BROADCAST: return node_text_ok(c->text, c->text_len);
    case CMD_PUT:
    case CMD_GET: return c->text_len >= 1 && c->text_len <= RECORD_NAME_MAX;
    default: return true;
    }
}

static void put(struct step *s, const struct command *c, uint32_t number)
{
    struct record_name name = record_name_of(RECORD_TAG_OWN, c->text, c->text_len);
    overlay_claim(s->n->overlay, s->now_us, &name, c->value, c->value_len, c->ttl_us, number,
                  s->box);
}

void command_start(struct step *s, const struct command *c)
{
    struct node *n = s->n;
    if (c->type == CMD_LEAVE || c->type == CMD_NETWORK_ADD || c->type == CMD_NETWORK_DROP) {
        immediate(s, c);
        return;
    }
    if (!valid(c)) {
        struct reply r = {.command = c->type, .request = c->request, .err = ERR_INVALID};
        step_reply(s, &r);
        return;
    }
    uint16_t i = 0;
    if (!n->asks && (n->asks = calloc(node_limits(n)->requests, sizeof *n->asks)) != NULL)
        n->ask_max = node_limits(n)->requests;
    while (i < n->ask_max && n->asks[i]) i++;
    struct ask *a = i < n->ask_max ? pool_take_size(n->env.extras, sizeof(struct ask)) : NULL;
    if (!a) {
        struct reply r = {.command = c->type, .request = c->request, .err = ERR_FULL};
        step_reply(s, &r);
        return;
    }
    n->asks[i] = a;
    a->type = c->type;
    a->request = c->request;
    a->target = c->target;
    if (c->type == CMD_SEND || c->type == CMD_GET)
        memcpy(a->text, c->text, a->text_len = c->text_len);
    a->begun_us = s->now_us;
    a->again_us = 0;
    a->until_us = s->now_us + (c->timeout_us ? c->timeout_us : DEFAULT_TIMEOUT_US);
    node_wake_at(n, a->until_us);
    if (c->type == CMD_SLOT) {
        a->stage = ASK_RUN;
        struct id key;
        struct record_name name = record_name_slot(c->invite, c->slot);
        record_key(&key, n->env.crypto, &name, &ID_ZERO);
        overlay_get(n->overlay, s->now_us, &key, number_of(n, i), a->until_us - s->now_us, s->box);
    } else if (c->type == CMD_PUT) {
        a->stage = ASK_RUN;
        put(s, c, number_of(n, i));
    } else if (c->type == CMD_ROUTE_TEST) {
        a->stage = ASK_RUN;
        overlay_find(n->overlay, s->now_us, &c->target.id, number_of(n, i), a->until_us - s->now_us,
                     s->box);
    } else if (c->type == CMD_BROADCAST) {
        a->stage = ASK_RUN;
        overlay_broadcast(n->overlay, s->now_us, c->text, c->text_len, number_of(n, i),
                          a->until_us - s->now_us, s->box);
        a->until_us += SECONDS(1); /* it ends by itself, with what is known by then */
    } else {
        resolve(s, i);
    }
}

void command_peer_up(struct step *s, const struct id *id)
{
    for (uint16_t i = 0; i < s->n->ask_max; i++) {
        struct ask *a = s->n->asks[i];
        if (a && a->stage == ASK_CONNECT && id_equal(&a->id, id)) run(s, i);
    }
}

void command_failed(struct step *s, const struct id *id)
{
    for (uint16_t i = 0; i < s->n->ask_max; i++) {
        struct ask *a = s->n->asks[i];
        if (!a || a->stage != ASK_CONNECT || !id_equal(&a->id, id)) continue;
        if (a->type == CMD_LINK_ADD) continue; /* it goes on trying */
        if ((a->type == CMD_PING || a->type == CMD_SEND) && again(s->n, a, s->now_us))
            continue; /* who waits for an answer waits for a way, too */
        ask_end(s, i, ERR_UNREACHABLE, NULL);
    }
}

static void resolved(struct step *s, uint16_t i, const struct overlay_answer *r)
{
    struct ask *a = s->n->asks[i];
    bool v6 = a->target.kind == TARGET_IP && !ip_to_v4(a->target.ip);
    if (!answer_id(r, &a->id) || (v6 && memcmp(a->id.b, a->target.ip + 6, 10) != 0)) {
        struct overlay_view v;
        overlay_view(s->n->overlay, &v);
        bool believed = v.joined && r->err != ERR_TIMEOUT &&
                        time_since(s->now_us, a->begun_us) >= BELIEVE_US;
        if (!believed && again(s->n, a, s->now_us)) return;
        ask_end(s, i, r->err == ERR_TIMEOUT ? ERR_TIMEOUT : ERR_NOT_FOUND, NULL);
        return;
    }
    connect_then_run(s, i);
}

void command_answer(struct step *s, const struct overlay_answer *r)
{
    uint16_t i = 0;
    struct ask *a = ask_by_request(s->n, r->request, &i);
    if (!a) return;
    if (a->stage == ASK_RESOLVE) {
        resolved(s, i, r);
        return;
    }
    ask_end(s, i, r->err, r);
}

void command_hop(struct step *s, const struct overlay_answer *r)
{
    uint16_t i = 0;
    struct ask *a = ask_by_request(s->n, r->request, &i);
    if (!a || a->type != CMD_TRACE) return;
    uint8_t at = 0; /* hops may answer out of order; hops holds the number */
    while (at < a->hop_count && a->hop[at].number < r->hops) at++;
    if (a->hop_count == TRACE_HOPS_MAX || (at < a->hop_count && a->hop[at].number == r->hops))
        return;
    memmove(a->hop + at + 1, a->hop + at, (size_t)(a->hop_count - at) * sizeof *a->hop);
    a->hop[at] = (struct ask_hop){r->id, r->rtt_us, r->hops};
    a->hop_count++;
}

void command_tick(struct step *s)
{
    bool any = false;
    for (uint16_t i = 0; i < s->n->ask_max; i++) {
        struct ask *a = s->n->asks[i];
        if (!a) continue;
        if (a->until_us <= s->now_us) {
            ask_end(s, i, ERR_TIMEOUT, NULL);
        } else if (a->again_us && a->again_us <= s->now_us) {
            a->again_us = 0;
            node_wake_at(s->n, a->until_us);
            if (a->stage == ASK_CONNECT)
                connect_then_run(s, i);
            else
                resolve(s, i);
        } else {
            node_wake_at(s->n, a->again_us ? a->again_us : a->until_us);
        }
        any |= s->n->asks[i] != NULL;
    }
    if (!any) command_free(s->n);
}

void command_free(struct node *n)
{
    for (uint16_t i = 0; i < n->ask_max; i++)
        if (n->asks[i]) pool_give(n->env.extras, n->asks[i]);
    free(n->asks);
    n->asks = NULL;
    n->ask_max = 0;
}
