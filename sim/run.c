#include "sim/run.h"

#include "base/time.h"
#include "sim/check.h"
#include "sim/expect.h"
#include "sim/phases.h"
#include "sim/quiet.h"
#include <string.h>

#define TICK_BROKEN_US MILLIS(100)
#define TICK_WHOLE_US  SECONDS(1)
#define CHECK_NODES    2000u /* looked at in one tick of a whole ring */
#define UPKEEP_US      MINUTES(10)
#define PROGRESS_EVERY 4096u
#define LINKS_SAMPLE   10000u /* nodes whose links are counted; of more, every n-th */

struct run {
    const struct scenario *scenario;
    const struct run_options *options;
    struct results *results;
    struct world *world;
    struct phases phases;
    struct check check;
    uint64_t tick_us, window_us, sample_us;
    uint64_t since_progress;
};

/* --- watching the ring --- */

static bool waits_for_ring(const struct phase_result *p)
{
    return p->ended_us != TIME_NEVER && p->complete_us == TIME_NEVER;
}

static bool anything_waits(const struct run *u)
{
    for (uint32_t i = 0; i < u->scenario->phase_count; i++)
        if (waits_for_ring(&u->results->phases[i])) return true;
    return false;
}

static void is_whole(struct run *u)
{
    struct results *r = u->results;
    uint64_t now_us = u->world->now_us;
    r->complete = true;
    if (r->complete_us == TIME_NEVER) r->complete_us = now_us;
    for (uint32_t i = 0; i < u->scenario->phase_count; i++)
        if (waits_for_ring(&r->phases[i])) r->phases[i].complete_us = now_us;
}

static uint64_t next_tick(uint64_t now_us, uint64_t every_us)
{
    return now_us - now_us % every_us + every_us;
}

static void look_at_ring(struct run *u)
{
    struct results *r = u->results;
    struct world *w = u->world;
    bool all = !r->complete || anything_waits(u);
    ring_sort(&w->ring);
    if (check_perfect(&u->check, &w->ring, world_believes, w, all ? 0 : CHECK_NODES)) {
        if (all) is_whole(u);
    } else if (r->complete) {
        r->complete = false;
        r->breaks++;
    }
    u->tick_us = next_tick(w->now_us, r->complete ? TICK_WHOLE_US : TICK_BROKEN_US);
}

/* A phase ended: when was the ring whole after it? */
static void look_soon(struct run *u)
{
    u->phases.ended = false;
    u->tick_us = time_min(u->tick_us, next_tick(u->world->now_us, TICK_BROKEN_US));
}

static void ring_changed(struct run *u)
{
    u->phases.changed = false;
    u->results->complete = false;
    u->results->complete_us = TIME_NEVER;
    look_soon(u);
}

/* --- samples --- */

static uint64_t sample_every(const struct scenario *s)
{
    uint64_t every_us = s->end_us / (SAMPLES_MAX - 1);
    return time_max(every_us + MILLIS(100) - every_us % MILLIS(100), MILLIS(100));
}

static void take_sample(struct run *u)
{
    struct world *w = u->world;
    struct results *r = u->results;
    ensure(r->sample_count < SAMPLES_MAX);
    struct sample *s = &r->samples[r->sample_count++];
    ring_sort(&w->ring);
    *s = (struct sample){.at_us = w->now_us,
                         .lookups = lookups_total(u->phases.lookups.counts),
                         .live = w->live_count};
    quiet_sent(w, &s->bytes, &s->datagrams);
    s->right = check_right(&w->ring, world_believes, w, w->live_count / LINKS_SAMPLE + 1,
                           &s->looked_at);
    u->sample_us += sample_every(u->scenario);
}

/* --- the loop --- */

static bool go_on(struct run *u)
{
    if (++u->since_progress < PROGRESS_EVERY || !u->options->progress) return true;
    u->since_progress = 0;
    const struct progress p = {.now_us = u->world->now_us,
                               .end_us = u->scenario->end_us,
                               .events = u->world->steps,
                               .live = u->world->live_count,
                               .complete = u->results->complete};
    return u->options->progress(u->options->context, &p);
}

/* Nodes run up to, and not including, time `us`. False: stopped by the person. */
static bool nodes_until(struct run *u, uint64_t us)
{
    struct world *w = u->world;
    if (us == w->now_us) return true;
    while (world_advance(w, us - 1)) {
        if (w->replies) phases_replies(&u->phases);
        if (!go_on(u)) return false;
    }
    w->now_us = us;
    return true;
}

/* For a measurement of the machine's own time. */
static void rest(const struct run *u)
{
    if (u->options->rest) u->options->rest(u->options->context);
}

static bool run_to_end(struct run *u)
{
    struct world *w = u->world;
    for (;;) {
        uint64_t next_us = time_min(time_min(u->phases.next_us, u->tick_us), u->window_us);
        next_us = time_min(time_min(next_us, u->sample_us), u->scenario->end_us);
        if (!nodes_until(u, next_us)) return false;
        if (u->phases.next_us <= next_us) phases_act(&u->phases);
        if (u->phases.changed) ring_changed(u);
        if (u->phases.ended) look_soon(u);
        if (u->tick_us <= next_us) look_at_ring(u);
        if (u->sample_us <= next_us) take_sample(u);
        if (u->window_us <= next_us) {
            world_window(w);
            u->window_us = TIME_NEVER;
            u->results->rest_events = w->steps;
            rest(u);
        }
        if (next_us == u->scenario->end_us) return true;
    }
}

/* The last ten minutes, or what is left of them after the last phase. */
static uint64_t window_begins(const struct scenario *s)
{
    if (s->upkeep_line) return s->upkeep_us;
    uint64_t begin_us = s->end_us > UPKEEP_US ? s->end_us - UPKEEP_US : 0;
    for (uint32_t i = 0; i < s->phase_count; i++)
        begin_us = time_max(begin_us, s->phases[i].at_us + s->phases[i].over_us);
    return begin_us;
}

/* --- what is to be told at the end --- */

static uint64_t bytes_of_all(const struct traffic *t)
{
    uint64_t sum = 0;
    for (unsigned way = 0; way < WAY_COUNT; way++)
        for (unsigned type = 0; type < TRAFFIC_TYPES; type++) sum += t->bytes[way][type];
    return sum;
}

static void tell_upkeep(struct run *u)
{
    struct world *w = u->world;
    if (u->window_us != TIME_NEVER || w->now_us == w->window_us)
        return; /* never begun, or no time */
    u->results->upkeep_us = w->now_us - w->window_us;
    u->results->traffic = w->traffic;
    /* amid churn those who are gone have sent, too, and those who live are of all ages: only the mean means something */
    bool together = u->scenario->upkeep_line;
    uint64_t each = together && w->live_count ? bytes_of_all(&w->traffic) / w->live_count : 0;
    for (uint32_t i = 0; i < w->live_count; i++)
        histogram_add(&u->results->upkeep,
                      mul_div(together ? each : w->hosts[w->live[i]].sent_bytes, 1000 * MILLION,
                              u->results->upkeep_us));
}

static void tell_links(struct run *u)
{
    struct world *w = u->world;
    uint32_t step = w->live_count / LINKS_SAMPLE + 1;
    for (uint32_t i = 0; i < w->ring.count; i += step) {
        const struct node *node = w->hosts[ring_at(&w->ring, i)].node;
        struct peer_view peer;
        for (uint32_t cursor = 0; node_peer_next(node, &cursor, &peer);)
            if (peer.links && peer.path <= PATH_ROUTED) u->results->links[peer.path] += step;
    }
}

static void tell_counters(struct run *u)
{
    struct world *w = u->world;
    struct results *r = u->results;
    memcpy(r->drops, w->drops, sizeof r->drops);
    for (uint32_t i = 0; i < w->host_count; i++) {
        if (!w->hosts[i].node) continue;
        const uint32_t *drops = node_drops(w->hosts[i].node);
        for (unsigned d = 0; d < DROP_COUNT; d++) r->drops[d] += drops[d];
    }
    memcpy(r->net, w->net_counts, sizeof r->net);
    r->events = w->steps;
    r->vouched = w->vouched;
    r->datagrams = w->net_counts[NET_SENT];
    r->in_flight_max = w->events.in_flight_max;
    r->joined = w->joined_count;
    r->joined_us_mean = w->joined_count ? w->joined_us_sum / w->joined_count : 0;
    r->memory.node = node_size(&w->config.limits);
    r->memory.pools = (uint64_t)w->extras.chunks_max * w->extras.chunk_bytes +
                      (uint64_t)w->pkts.chunks_max * w->pkts.chunk_bytes;
    r->memory.pools_end = (uint64_t)w->extras.chunk_count * w->extras.chunk_bytes +
                          (uint64_t)w->pkts.chunk_count * w->pkts.chunk_bytes;
    r->memory.in_flight = events_bytes(&w->events);
    r->memory.tables = (uint64_t)w->host_room * (sizeof *w->hosts + sizeof *w->live) +
                       w->ring.room * sizeof *w->ring.entries +
                       w->identities.room * sizeof *w->identities.entries;
    r->live = w->live_count;
    r->sim_us = w->now_us;
}

static void tell(struct run *u)
{
    struct world *w = u->world;
    struct results *r = u->results;
    struct lookups *l = &u->phases.lookups;
    quiet_settle(w);
    ring_sort(&w->ring);
    if (check_perfect(&u->check, &w->ring, world_believes, w, 0))
        is_whole(u);
    else
        r->complete = false;
    struct ring_shape shape = check_rings(&w->ring, world_believes, w);
    r->rings = shape.rings;
    r->wound = shape.wound;
    r->outside = shape.outside;
    r->astray_count = check_astray(&w->ring, world_believes, w, r->astray, ASTRAY_MAX);
    lookups_end(l, w);
    memcpy(r->lookups, l->counts, sizeof r->lookups);
    r->hops = l->hops;
    r->latency_us = l->latency_us;
    r->stretch = l->stretch;
    tell_upkeep(u);
    tell_links(u);
    tell_counters(u);
    r->hash = world_hash(w);
    r->links_hash = world_links_hash(w);
}

void run_scenario(const struct scenario *s, const struct run_options *o, struct results *r)
{
    *r = (struct results){.seed = o->seed, .nodes = s->nodes, .complete_us = TIME_NEVER};
    const struct world_config config = {.seed = o->seed,
                                        .crypto = o->crypto,
                                        .limits = o->limits,
                                        .network = s->network,
                                        .nat = s->nat,
                                        .nodes = s->nodes,
                                        .quiet = o->quiet,
                                        .matrix = o->matrix,
                                        .skew_us = s->skew_us,
                                        .trace = o->trace};
    struct run u = {.scenario = s, .options = o, .results = r, .world = world_new(&config)};
    u.tick_us = TICK_BROKEN_US;
    u.sample_us = o->samples ? 0 : TIME_NEVER;
    u.window_us = window_begins(s);
    phases_init(&u.phases, s, u.world, r);
    r->stopped = !run_to_end(&u);
    if (u.window_us == TIME_NEVER) {
        quiet_settle(u.world);
        rest(&u);
        r->rest_events = u.world->steps - r->rest_events;
    }
    tell(&u);
    if (!r->stopped) records_check(&u.phases.records, u.world);
    r->records = u.phases.records.told;
    phases_fini(&u.phases);
    world_free(u.world);
    expect_judge(s, r);
}
