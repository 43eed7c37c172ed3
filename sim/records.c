#include "sim/records.h"

#include "base/err.h"
#include "base/time.h"
#include "overlay/dht.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TRIES         4u          /* nodes looked at for the one with least to do */
#define DRAWS         32u         /* records looked at for one that is due */
#define CHECK         0x80000000u /* in request numbers: asked at the end */
#define CHECK_TICK_US MILLIS(10)
#define ASK_US        SECONDS(10)

enum record_state { RECORD_PUTTING, RECORD_PUT, RECORD_REFUSED, RECORD_AGAIN };

struct text { /* a record's name, and its value */
    char s[32];
    uint16_t len;
};

static struct text text_of(const char *format, uint32_t number)
{
    struct text t;
    int len = snprintf(t.s, sizeof t.s, format, number);
    ensure(len > 0 && (size_t)len < sizeof t.s);
    t.len = (uint16_t)len;
    return t;
}

static struct text name_of(uint32_t number)
{
    return text_of("record %u", number);
}

static struct text value_of(uint32_t number)
{
    return text_of("value of record %u", number);
}

void records_init(struct records *r)
{
    *r = (struct records){0};
}

void records_fini(struct records *r)
{
    free(r->list);
    free(r->under_way);
    free(r->written);
    records_init(r);
}

/* --- put --- */

static uint8_t *more_bytes(uint8_t *p, uint32_t before, uint32_t now)
{
    p = realloc(p, now);
    ensure(p);
    memset(p + before, 0, now - before);
    return p;
}

static void make_room(struct records *r, uint32_t nodes)
{
    if (r->node_room < nodes) {
        r->under_way = more_bytes(r->under_way, r->node_room, nodes);
        r->written = more_bytes(r->written, r->node_room, nodes);
        r->node_room = nodes;
    }
    if (r->count < r->room) return;
    r->room = r->room ? 2 * r->room : 256;
    r->list = realloc(r->list, r->room * sizeof *r->list);
    ensure(r->list);
}

/* Of a few live nodes the one with the fewest puts under way; who has written all that a node may is passed over. */
static uint32_t pick_writer(const struct records *r, const struct world *w, struct rng *rng)
{
    uint32_t best = world_random_live(w, rng);
    for (uint32_t i = 1; i < TRIES; i++) {
        uint32_t other = world_random_live(w, rng);
        bool full = r->written[best] == CLAIMS_MAX;
        if (r->written[other] < CLAIMS_MAX && (full || r->under_way[other] < r->under_way[best]))
            best = other;
    }
    return best;
}

void records_put(struct records *r, struct world *w, struct rng *rng, uint64_t ttl_us)
{
    make_room(r, w->host_count);
    uint32_t number = r->count++, writer = pick_writer(r, w, rng);
    struct text name = name_of(number), value = value_of(number);
    struct sim_record *one = &r->list[number];
    *one = (struct sim_record){.writer = writer, .at_us = w->now_us, .ttl_us = ttl_us};
    record_key_own(&one->key, w->config.crypto, &w->hosts[writer].id, name.s, name.len);
    r->told.any = true;
    r->under_way[writer]++;
    if (r->written[writer] < CLAIMS_MAX) r->written[writer]++;
    const struct command c = {.type = CMD_PUT,
                              .request = number,
                              .text = name.s,
                              .text_len = name.len,
                              .value = value.s,
                              .value_len = value.len,
                              .ttl_us = ttl_us};
    world_command(w, writer, &c);
}

void records_put_reply(struct records *r, const struct world *w, const struct reply *reply)
{
    ensure(reply->request < r->count);
    struct sim_record *one = &r->list[reply->request];
    ensure(one->state == RECORD_PUTTING && one->writer == w->stepped);
    one->state = reply->err ? RECORD_REFUSED : RECORD_PUT;
    r->told.put += one->state == RECORD_PUT;
    r->under_way[one->writer]--;
}

/* --- got --- */

static bool is_due(const struct sim_record *one, const struct world *w)
{
    bool lives = w->hosts[one->writer].state == HOST_LIVE;
    return one->state == RECORD_PUT && (lives || w->now_us < one->at_us + one->ttl_us);
}

static struct command question(const struct records *r, const struct world *w, uint32_t number,
                               const struct text *name)
{
    return (struct command){
        .type = CMD_GET,
        .target = {.kind = TARGET_ID, .network = -1, .id = w->hosts[r->list[number].writer].id},
        .text = name->s,
        .text_len = name->len};
}

bool records_match(const struct records *r, uint32_t number, const struct reply *reply)
{
    struct text value = value_of(number);
    ensure(number < r->count);
    return reply->err == OK && reply->value && reply->value_len == value.len &&
           memcmp(reply->value, value.s, value.len) == 0;
}

void records_lookup(struct records *r, struct lookups *l, struct world *w, struct rng *rng,
                    uint32_t phase, uint64_t timeout_us)
{
    for (unsigned i = 0; r->count && i < DRAWS; i++) {
        uint32_t number = (uint32_t)rng_below(rng, r->count);
        if (!is_due(&r->list[number], w)) continue;
        struct text name = name_of(number);
        struct command c = question(r, w, number, &name);
        c.timeout_us = timeout_us;
        lookups_begin_record(l, w, rng, phase, number, &r->list[number].key, &c);
        return;
    }
}

/* --- at the end --- */

static void lost(struct records *r, struct world *w, uint32_t number, const char *why)
{
    char key[ID_TEXT];
    r->told.lost++;
    trace(w->config.trace, w->now_us, DHT, "record %.8s > lost: %s (number %u, of n%u)",
          id_print(&r->list[number].key, key), why, number, r->list[number].writer);
}

static void replies(struct records *r, struct world *w)
{
    const struct reply *reply;
    for (uint32_t at = 0; (reply = world_next_reply(w, &at)) != NULL;)
        if (reply->command == CMD_GET && reply->request & CHECK) records_check_reply(r, w, reply);
}

static void ask(struct records *r, struct world *w, struct rng *rng, uint32_t number)
{
    struct text name = name_of(number);
    struct command c = question(r, w, number, &name);
    c.request = CHECK | number;
    c.timeout_us = ASK_US;
    r->list[number].asked++;
    r->asking++;
    world_command(w, world_random_live(w, rng), &c);
    replies(r, w);
}

void records_check_reply(struct records *r, struct world *w, const struct reply *reply)
{
    uint32_t number = reply->request & ~CHECK;
    struct sim_record *one = &r->list[number];
    r->asking--;
    if (reply->err == ERR_NOT_FOUND) {
        lost(r, w, number, "not found");
    } else if (reply->err == OK && !records_match(r, number, reply)) {
        lost(r, w, number, "another value");
    } else if (reply->err != OK) { /* once more, if somebody is left to ask */
        bool again = one->asked < RECORDS_ASKERS;
        r->again += again;
        if (again)
            one->state = RECORD_AGAIN;
        else
            lost(r, w, number, "no answer");
    }
}

/* All of the world's events up to then. */
static void go_on(struct records *r, struct world *w, uint64_t until_us)
{
    while (world_advance(w, until_us))
        if (w->replies) replies(r, w);
}

static void ask_again(struct records *r, struct world *w, struct rng *rng)
{
    for (uint32_t i = 0; r->again && i < r->count; i++) {
        if (r->list[i].state != RECORD_AGAIN) continue;
        r->list[i].state = RECORD_PUT;
        r->again--;
        ask(r, w, rng, i);
    }
}

/* As many a second as there are nodes. */
void records_check(struct records *r, struct world *w)
{
    struct rng rng;
    uint32_t asked = 0, at_once = w->live_count / 100 + 1;
    rng_stream(&w->root, "records", 0, &rng);
    if (r->count == 0 || w->live_count == 0) return;
    while (asked < r->count || r->asking || r->again) {
        for (uint32_t i = 0; i < at_once && asked < r->count; asked++) {
            if (!is_due(&r->list[asked], w)) continue;
            ask(r, w, &rng, asked);
            i++;
        }
        go_on(r, w, w->now_us + CHECK_TICK_US);
        ask_again(r, w, &rng);
    }
}
