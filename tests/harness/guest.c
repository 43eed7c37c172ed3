/* tests/harness/guest.c - what is inside a guest: its overlay, its drops, what it holds, and whether its tables agree. */
#include "tests/harness/party.h"
#include <stdio.h>
#include <string.h>

struct overlay *guest_overlay(const struct guest *g)
{
    return g->node->overlay;
}

struct link *guest_link(const struct guest *g, const struct guest *to)
{
    return link_by_id(guest_overlay(g), &to->self.id);
}

uint32_t guest_dropped(const struct guest *g, enum drop why)
{
    return node_drops(g->node)[why];
}

uint32_t guest_drops(const struct guest *g)
{
    uint32_t sum = 0;
    for (unsigned i = 0; i < DROP_COUNT; i++) sum += node_drops(g->node)[i];
    return sum;
}

size_t guest_seal(struct guest *g, const struct guest *to, const void *frame, size_t len,
                  uint8_t *out, size_t max)
{
    struct link *l = guest_link(g, to);
    size_t sealed;
    if (!l || (l->s.flags & SESSION_HOT) || len + DATA_OVERHEAD > max) return 0;
    enum err e = session_seal(&l->s, guest_overlay(g)->crypto, frame, len, out, max, &sealed);
    return e == OK ? sealed : 0;
}

static uint32_t held(const struct identities *t)
{
    uint32_t n = 0;
    for (uint32_t i = 1; i < t->count; i++) n += t->entries[i].holders > 0;
    return n;
}

static uint32_t waitings(const struct node *n)
{
    uint32_t count = 0;
    for (uint16_t i = 0; i < n->waiting_max; i++) count += n->waitings[i] != NULL;
    return count;
}

static uint32_t asks(const struct node *n)
{
    uint32_t count = 0;
    for (uint16_t i = 0; i < n->ask_max; i++) count += n->asks[i] != NULL;
    return count;
}

static uint32_t members(const struct node *n)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < n->members.count; i++) count += n->members.list[i].used;
    return count;
}

static uint32_t extras(const struct overlay *o)
{
    uint32_t count = 0;
    for (uint16_t i = 0; i < o->common->limits.extras; i++) count += o->extras[i] != NULL;
    return count;
}

struct holding guest_holds(const struct guest *g)
{
    const struct overlay *o = guest_overlay(g);
    struct holding h = {.pkts = g->pkts.taken,
                        .extras = g->extras.taken,
                        .identities = held(&g->identities),
                        .links = o->link_count,
                        .up = o->up_count,
                        .hellos = o->hello_count,
                        .inflight = o->inflight_count,
                        .requests = o->request_count,
                        .records = o->record_count,
                        .members = members(g->node),
                        .waiting = waitings(g->node),
                        .passive = o->passive_count};
    for (uint16_t i = 0; o->channels && i < o->channel_count; i++)
        h.channels += o->channels[i].in != 0;
    return h;
}

bool holding_equal(const struct holding *a, const struct holding *b)
{
    bool equal = memcmp(a, b, sizeof *a) == 0;
    if (!equal) {
        const uint32_t *x = (const uint32_t *)a, *y = (const uint32_t *)b;
        fprintf(stderr, "held before and after (pkts extras identities links up hellos inflight "
                        "requests records channels members waiting passive):\n");
        for (unsigned i = 0; i < sizeof *a / 4; i++) fprintf(stderr, " %u:%u", x[i], y[i]);
        fprintf(stderr, "\n");
    }
    return equal;
}

void guest_check(const struct guest *g)
{
    const struct overlay *o = guest_overlay(g);
    const struct limits *l = &o->common->limits;
    struct holding h = guest_holds(g);
    uint32_t links = 0, up = 0, hellos = 0, hello3s = 0, in_flight = 0, requests = 0;
    for (uint16_t i = 0; i < l->links; i++) {
        links += o->links[i].state != LINK_FREE;
        up += o->links[i].state == LINK_UP;
    }
    for (uint16_t i = 0; i < l->handshakes; i++) {
        hellos += o->hellos[i] != NULL;
        hello3s += o->hellos[i] && o->hellos[i]->hello3;
    }
    for (uint16_t i = 0; i < l->inflight; i++) in_flight += o->inflights[i] != NULL;
    for (uint16_t i = 0; i < l->requests; i++) requests += o->requests[i] != NULL;
    ensure(links == h.links && up == h.up && hellos == h.hellos);
    ensure(in_flight == h.inflight && requests == h.requests);
    for (uint16_t i = 1; i < o->up_count; i++)
        ensure(id_compare(&identities_get(o->identities, o->links[o->order[i - 1]].peer)->id,
                          &identities_get(o->identities, o->links[o->order[i]].peer)->id) < 0);
    ensure(h.records <= l->records && h.members <= l->members && h.passive <= l->passive);
    ensure(h.identities <= (uint32_t)l->links + l->handshakes + 64);
    ensure(h.extras == extras(o) + h.hellos + hello3s + h.inflight + h.requests + h.records +
                           h.waiting + asks(g->node) + broadcasts_held(o) + (o->backs != NULL));
    ensure(h.pkts == g->node->waiting_packets && h.pkts <= l->waiting_packets);
}
