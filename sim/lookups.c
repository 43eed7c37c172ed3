#include "sim/lookups.h"

#include "base/err.h"
#include "base/time.h"
#include <stdlib.h>

#define SLOT_NONE        UINT32_MAX
#define LOOKUP_UNDER_WAY (UINT32_MAX - 1)

void lookups_init(struct lookups *l)
{
    *l = (struct lookups){.free_head = SLOT_NONE};
}

void lookups_fini(struct lookups *l)
{
    free(l->slots);
    l->slots = NULL;
}

static uint32_t slot_take(struct lookups *l)
{
    uint32_t slot = l->free_head;
    if (slot != SLOT_NONE) {
        l->free_head = l->slots[slot].next_free;
        return slot;
    }
    if (l->made == l->room) {
        l->room = l->room ? l->room * 2 : 256;
        l->slots = realloc(l->slots, l->room * sizeof *l->slots);
        ensure(l->slots);
    }
    return l->made++;
}

static void slot_give(struct lookups *l, uint32_t slot)
{
    l->slots[slot].next_free = l->free_head;
    l->free_head = slot;
}

static uint32_t owner_now(struct world *w, const struct id *target)
{
    ring_sort(&w->ring);
    return ring_owner(&w->ring, target);
}

void lookups_begin(struct lookups *l, struct world *w, struct rng *r, uint32_t phase, bool pairs,
                   uint64_t timeout_us)
{
    struct lookup k = {.node = world_random_live(w, r),
                       .phase = phase,
                       .at_us = w->now_us,
                       .record = LOOKUP_OF_NONE,
                       .next_free = LOOKUP_UNDER_WAY};
    if (pairs && w->live_count > 1) { /* "who is nearest to me" is another question */
        uint32_t other = world_random_live(w, r);
        while (other == k.node) other = world_random_live(w, r);
        k.target = w->hosts[other].id;
    } else {
        rng_bytes(r, k.target.b, sizeof k.target.b);
    }
    k.owner = owner_now(w, &k.target);
    uint32_t slot = slot_take(l);
    l->slots[slot] = k;
    l->counts[phase].sent++;
    struct command c = {.type = CMD_ROUTE_TEST,
                        .request = slot,
                        .target = {.kind = TARGET_ID, .network = -1, .id = k.target},
                        .timeout_us = timeout_us};
    world_command(w, k.node, &c);
}

void lookups_begin_record(struct lookups *l, struct world *w, struct rng *r, uint32_t phase,
                          uint32_t record, const struct id *key, struct command *get)
{
    struct lookup k = {.node = world_random_live(w, r),
                       .target = *key,
                       .phase = phase,
                       .record = record,
                       .at_us = w->now_us,
                       .owner = owner_now(w, key),
                       .next_free = LOOKUP_UNDER_WAY};
    uint32_t slot = slot_take(l);
    l->slots[slot] = k;
    l->counts[phase].sent++;
    get->request = slot;
    world_command(w, k.node, get);
}

uint32_t lookups_record(const struct lookups *l, uint32_t slot)
{
    ensure(slot < l->made);
    return l->slots[slot].record;
}

/* Is it on the ring then? Who has only just started owns nothing yet. */
static bool on_ring(const struct host *h, uint64_t at_us)
{
    return h->joined_ms && h->started_us + MILLIS(h->joined_ms) <= at_us && at_us < h->ended_us;
}

/* From `at_us` on, until when there is somebody on the ring who is nearer to the target than `than`?
 * at_us: nobody is. */
static uint64_t nearer_until(const struct world *w, const struct id *target, const struct id *than,
                             uint64_t at_us)
{
    for (uint32_t i = 0; i < w->host_count; i++) {
        const struct host *h = &w->hosts[i];
        if (on_ring(h, at_us) && id_nearer(target, &h->id, than) < 0) return h->ended_us;
    }
    return at_us;
}

static const struct host *host_by_id(const struct world *w, const struct id *id)
{
    for (uint32_t i = 0; i < w->host_count; i++)
        if (id_equal(&w->hosts[i].id, id)) return &w->hosts[i];
    return NULL;
}

/* Was it the owner for a while between the question and the answer? */
static bool was_owner(const struct world *w, const struct lookup *k, const struct id *answered)
{
    const struct host *h = host_by_id(w, answered);
    if (!h) return false;
    uint64_t at_us = time_max(k->at_us, h->started_us);
    while (at_us <= w->now_us && at_us < h->ended_us) {
        uint64_t until_us = nearer_until(w, &k->target, answered, at_us);
        if (until_us == at_us) return true;
        at_us = until_us;
    }
    return false;
}

static bool is_owner(struct world *w, const struct lookup *k, const struct id *answered)
{
    if (id_equal(&w->hosts[k->owner].id, answered)) return true;
    uint32_t owner = owner_now(w, &k->target);
    if (owner != RING_NONE && id_equal(&w->hosts[owner].id, answered)) return true;
    return was_owner(w, k, answered);
}

static void measure(struct lookups *l, struct world *w, const struct lookup *k,
                    const struct reply *reply)
{
    uint64_t took_us = w->now_us - k->at_us;
    histogram_add(&l->hops, reply->hops);
    histogram_add(&l->latency_us, took_us);
    struct net_place from = w->hosts[k->node].place, to = w->hosts[k->owner].place;
    uint64_t direct_us = net_latency_us(&w->net, from, to) + net_latency_us(&w->net, to, from);
    if (k->node != k->owner && direct_us > 0)
        histogram_add(&l->stretch, mul_div(took_us, 1000, direct_us));
}

/* What went wrong, among the nodes' own trace: where to begin looking. */
static void tell(struct world *w, const struct lookup *k, const char *what,
                 const struct id *answered)
{
    char target[ID_TEXT], owner[ID_TEXT], got[ID_TEXT];
    trace(w->config.trace, w->now_us, ROUTE,
          "look-up of %.8s > %s: asked %llu us ago, %.8s (n%u) owned it, answer %.8s",
          id_print(&k->target, target), what, (unsigned long long)(w->now_us - k->at_us),
          id_print(&w->hosts[k->owner].id, owner), k->owner, id_print(answered, got));
}

static struct lookup answered(struct lookups *l, const struct world *w, const struct reply *reply)
{
    ensure(reply->request < l->made);
    struct lookup k = l->slots[reply->request];
    ensure(k.next_free == LOOKUP_UNDER_WAY && k.node == w->stepped);
    slot_give(l, reply->request);
    return k;
}

static bool was_busy(struct lookup_counts *count, const struct reply *reply)
{
    bool busy = reply->err == ERR_FULL || reply->err == ERR_BUSY;
    count->busy += busy;
    count->sent -= busy;
    return busy;
}

void lookups_got(struct lookups *l, struct world *w, const struct reply *reply, bool right)
{
    struct lookup k = answered(l, w, reply);
    struct lookup_counts *count = &l->counts[k.phase];
    if (was_busy(count, reply)) return;
    if (right) {
        count->ok++;
        histogram_add(&l->latency_us, w->now_us - k.at_us);
    } else if (reply->err == OK || reply->err == ERR_NOT_FOUND) {
        count->wrong++;
        tell(w, &k, "not that record", &reply->id);
    } else {
        count->unanswered++;
        tell(w, &k, "no answer", &reply->id);
    }
}

void lookups_reply(struct lookups *l, struct world *w, const struct reply *reply)
{
    struct lookup k = answered(l, w, reply);
    struct lookup_counts *count = &l->counts[k.phase];
    if (was_busy(count, reply)) return;
    if (reply->err) {
        count->unanswered++;
        tell(w, &k, "no answer", &reply->id);
    } else if (is_owner(w, &k, &reply->id)) {
        count->ok++;
        measure(l, w, &k, reply);
    } else {
        count->wrong++;
        tell(w, &k, "wrong owner", &reply->id);
    }
}

void lookups_end(struct lookups *l, const struct world *w)
{
    for (uint32_t i = 0; i < l->made; i++) {
        if (l->slots[i].next_free != LOOKUP_UNDER_WAY) continue;
        struct lookup_counts *count = &l->counts[l->slots[i].phase];
        if (w->hosts[l->slots[i].node].state == HOST_LIVE)
            count->unanswered++;
        else
            count->sent--;
        slot_give(l, i);
    }
}

struct lookup_counts lookups_total(const struct lookup_counts counts[PHASES_MAX])
{
    struct lookup_counts sum = {0};
    for (unsigned i = 0; i < PHASES_MAX; i++) {
        sum.sent += counts[i].sent;
        sum.ok += counts[i].ok;
        sum.wrong += counts[i].wrong;
        sum.unanswered += counts[i].unanswered;
        sum.busy += counts[i].busy;
    }
    return sum;
}
