#include "sim/phases.h"

#include "base/err.h"
#include "base/time.h"
#include "sim/churn.h"
#include "sim/hostile.h"
#include <string.h>

#define SEEDS_DEFAULT 1u

/* --- spreading `total` actions evenly over the phase's time --- */

static void next_of(const struct phase *p, struct phase_state *st)
{
    st->next_us = st->done == st->total ? p->at_us + p->over_us
                                        : p->at_us + mul_div(p->over_us, st->done, st->total);
}

static void finish(struct phases *all, uint32_t i)
{
    all->states[i].next_us = TIME_NEVER;
    all->results->phases[i].ended_us = all->world->now_us;
    all->ended = true;
}

/* --- one action of each kind --- */

static void act_join(struct phases *all, const struct phase *p, struct phase_state *st)
{
    (void)p, (void)st;
    world_start(all->world, all->seeds);
    all->changed = true;
}

static void act_lookups(struct phases *all, const struct phase *p, struct phase_state *st)
{
    uint32_t phase = (uint32_t)(p - all->scenario->phases);
    if (all->world->live_count == 0) return;
    if (p->records)
        records_lookup(&all->records, &all->lookups, all->world, &st->rng, phase, p->timeout_us);
    else
        lookups_begin(&all->lookups, all->world, &st->rng, phase, p->pairs, p->timeout_us);
    phases_replies(all);
}

static void act_put(struct phases *all, const struct phase *p, struct phase_state *st)
{
    if (all->world->live_count == 0) return;
    records_put(&all->records, all->world, &st->rng, p->ttl_us);
    phases_replies(all);
}

static void act_kill(struct phases *all, const struct phase *p, struct phase_state *st)
{
    (void)p;
    if (all->world->live_count == 0) return;
    world_kill(all->world, world_random_live(all->world, &st->rng));
    all->changed = true;
}

static void act_leave(struct phases *all, const struct phase *p, struct phase_state *st)
{
    (void)p;
    if (all->world->live_count == 0) return;
    world_leave(all->world, world_random_live(all->world, &st->rng));
    phases_replies(all);
    all->changed = true;
}

static void act_partition(struct phases *all, const struct phase *p, struct phase_state *st)
{
    if (st->done == 0)
        world_partition(all->world, p->sides, p->side_count, &st->rng);
    else
        world_heal(all->world);
    all->changed = true;
}

/* The first action makes them hostile, the last lets them be; between, those that flood do. */
static void act_hostile(struct phases *all, const struct phase *p, struct phase_state *st)
{
    if (st->done == 0)
        world_hostile(all->world, p->hostility, p->share, &st->rng);
    else if (st->done + 1 == st->total)
        world_hostile(all->world, HOSTILE_NONE, 0, &st->rng);
    else if (all->world->live_count > 0)
        world_flood(all->world, &st->rng);
}

/* --- churn: everybody has a life, drawn when it is met or born; new ones come at the rate at which they go --- */

static bool is_seed(const struct world *w, uint32_t node)
{
    for (uint32_t i = 0; i < w->seed_count; i++)
        if (w->seeds[i] == node) return true;
    return false;
}

static void will_die(struct phase_state *st, uint32_t node, uint64_t at_us)
{
    enum err e = heap_push(&st->deaths,
                           (struct heap_entry){.time_us = at_us, .a = node, .item = node});
    ensure(e == OK);
}

static uint64_t next_birth_us(const struct phase *p, struct phase_state *st)
{
    uint64_t mean_us = churn_mean_us(p->churn, p->median_us) / (st->population + 1);
    return 1 + mul_div(mean_us, exponential_millionths(rng_below(&st->rng, UINT64_C(1) << 32) + 1),
                       MILLION);
}

static void churn_begins(struct phases *all, const struct phase *p, struct phase_state *st)
{
    struct world *w = all->world;
    st->population = w->live_count;
    for (uint32_t node = 0; node < w->host_count; node++)
        if (w->hosts[node].state == HOST_LIVE && !is_seed(w, node))
            will_die(st, node, w->now_us + churn_residual_us(p->churn, p->median_us, &st->rng));
    st->birth_us = w->now_us + next_birth_us(p, st);
}

/* Its time has come, unless it is gone already, or became a seed meanwhile. */
static void one_goes(struct phases *all, const struct phase *p, struct phase_state *st)
{
    struct world *w = all->world;
    uint32_t node = heap_pop(&st->deaths).item;
    if (w->hosts[node].state != HOST_LIVE || is_seed(w, node)) return;
    if (rng_below(&st->rng, MILLION) < p->share)
        world_leave(w, node);
    else
        world_kill(w, node);
    phases_replies(all);
}

static void act_churn(struct phases *all, const struct phase *p, struct phase_state *st)
{
    struct world *w = all->world;
    const struct heap_entry *death = heap_first(&st->deaths);
    all->changed = true;
    if (st->done == 0) {
        churn_begins(all, p, st);
    } else if (death && death->time_us <= st->birth_us) {
        one_goes(all, p, st);
    } else {
        uint32_t node = world_start(w, all->seeds);
        will_die(st, node, w->now_us + churn_session_us(p->churn, p->median_us, &st->rng));
        st->birth_us = w->now_us + next_birth_us(p, st);
    }
}

static void next_churn(const struct phase *p, struct phase_state *st)
{
    uint64_t end_us = p->at_us + p->over_us;
    const struct heap_entry *death = heap_first(&st->deaths);
    st->next_us = time_min(time_min(st->birth_us, death ? death->time_us : TIME_NEVER), end_us);
    if (st->next_us == end_us) st->total = st->done;
}

/* --- all of them --- */

static void begin(struct phases *all, uint32_t i)
{
    const struct phase *p = &all->scenario->phases[i];
    struct phase_state *st = &all->states[i];
    struct world *w = all->world;
    st->begun = true;
    switch ((enum phase_kind)p->kind) {
    case PHASE_JOIN:
        if (p->seeds) all->seeds = p->seeds;
        uint32_t unborn = all->scenario->nodes > w->host_count
                              ? all->scenario->nodes - w->host_count
                              : 0;
        st->total = p->all ? unborn : p->count;
        break;
    case PHASE_PUT:
    case PHASE_LOOKUPS: st->total = p->count; break;
    case PHASE_KILL:
    case PHASE_LEAVE: st->total = (uint64_t)w->live_count * p->share / MILLION; break;
    case PHASE_PARTITION: st->total = 2; break;
    case PHASE_CHURN: st->total = UINT64_MAX; break;
    case PHASE_HOSTILE:
        st->total = p->over_us ? 2 : 1;
        if (p->hostility == HOSTILE_FLOOD)
            st->total += mul_div((uint64_t)w->live_count * p->share / MILLION * HOSTILE_FLOOD_S,
                                 p->over_us, SECONDS(1));
        break;
    case PHASE_COUNT: break;
    }
}

static void act(struct phases *all, uint32_t i)
{
    static void (*const actions[PHASE_COUNT])(struct phases *, const struct phase *,
                                              struct phase_state *) = {
        [PHASE_JOIN] = act_join,           [PHASE_LOOKUPS] = act_lookups,
        [PHASE_KILL] = act_kill,           [PHASE_LEAVE] = act_leave,
        [PHASE_PARTITION] = act_partition, [PHASE_CHURN] = act_churn,
        [PHASE_HOSTILE] = act_hostile,     [PHASE_PUT] = act_put,
    };
    const struct phase *p = &all->scenario->phases[i];
    struct phase_state *st = &all->states[i];
    if (!st->begun) begin(all, i);
    if (st->done == st->total) {
        finish(all, i);
        return;
    }
    actions[p->kind](all, p, st);
    st->done++;
    if (p->kind == PHASE_CHURN)
        next_churn(p, st);
    else if (p->kind == PHASE_HOSTILE && st->total > 1)
        st->next_us = p->at_us + mul_div(p->over_us,
                                         st->done < st->total ? st->done : st->total - 1,
                                         st->total - 1);
    else if (p->kind == PHASE_PARTITION) /* begins, ends */
        st->next_us = p->at_us + p->over_us;
    else
        next_of(p, st);
}

static void find_next(struct phases *all)
{
    all->next_us = TIME_NEVER;
    for (uint32_t i = 0; i < all->scenario->phase_count; i++) {
        uint64_t next_us = all->states[i].next_us;
        all->next_us = time_min(all->next_us, next_us);
    }
}

void phases_init(struct phases *p, const struct scenario *s, struct world *w, struct results *r)
{
    *p = (struct phases){.scenario = s, .world = w, .results = r, .seeds = SEEDS_DEFAULT};
    lookups_init(&p->lookups);
    records_init(&p->records);
    for (uint32_t i = 0; i < s->phase_count; i++) {
        rng_stream(&w->root, phase_name(s->phases[i].kind), s->phases[i].at_us, &p->states[i].rng);
        p->states[i].next_us = s->phases[i].at_us;
        heap_init(&p->states[i].deaths, EVENTS_NODES, NULL);
        r->phases[i] = (struct phase_result){
            .at_us = s->phases[i].at_us, .ended_us = TIME_NEVER, .complete_us = TIME_NEVER};
    }
    find_next(p);
}

void phases_fini(struct phases *p)
{
    lookups_fini(&p->lookups);
    records_fini(&p->records);
    for (uint32_t i = 0; i < p->scenario->phase_count; i++) heap_fini(&p->states[i].deaths);
}

void phases_act(struct phases *p)
{
    while (p->next_us <= p->world->now_us) {
        for (uint32_t i = 0; i < p->scenario->phase_count; i++)
            while (p->states[i].next_us <= p->world->now_us) act(p, i);
        find_next(p);
    }
}

void phases_replies(struct phases *p)
{
    struct world *w = p->world;
    const struct reply *r;
    for (uint32_t at = 0; (r = world_next_reply(w, &at)) != NULL;) {
        if (r->command == CMD_ROUTE_TEST)
            lookups_reply(&p->lookups, w, r);
        else if (r->command == CMD_GET)
            lookups_got(&p->lookups, w, r,
                        records_match(&p->records, lookups_record(&p->lookups, r->request), r));
        else if (r->command == CMD_PUT)
            records_put_reply(&p->records, w, r);
        else if (r->command == CMD_LEAVE)
            world_gone(w, w->stepped);
    }
}
