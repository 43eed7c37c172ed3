/* sim/records.h - records that nodes put under own names, and whether the ring still has them.
 *
 * A record counts as put once its writer was told so. It is due as long as its writer lives, who renews it, and else until its time,
 * counted from the put, has run out. At the end of a run each that is due is asked for: by a random live node; if that gets no
 * answer, by another, RECORDS_ASKERS in all. Lost is what somebody was told not to be there, or nobody got.
 *
 * Units:  microseconds. Owns: its table. Errors: none. Cost: 64 bytes a record, two a node. */
#pragma once
#include "sim/lookups.h"
#include "sim/world.h"

#define RECORDS_ASKERS 3u

struct sim_record {
    struct id key;
    uint32_t writer;
    uint8_t state; /* enum record_state */
    uint8_t asked; /* by so many, at the end */
    uint64_t at_us, ttl_us;
};
struct records_told {
    bool any; /* the scenario puts some */
    uint64_t put, lost;
};
struct records {
    struct sim_record *list;
    uint32_t count, room;
    uint8_t *under_way, *written; /* puts of each node */
    uint32_t node_room;
    uint32_t asking, again; /* at the end: questions under way; records to be asked for once more */
    struct records_told told;
};
void records_init(struct records *r);
void records_fini(struct records *r);
/* One more, by a random live node; the answers may come at once: look at w->replies. */
void records_put(struct records *r, struct world *w, struct rng *rng, uint64_t ttl_us);
void records_put_reply(struct records *r, const struct world *w, const struct reply *reply);
/* Asks for a random one that is due, as a look-up. */
void records_lookup(struct records *r, struct lookups *l, struct world *w, struct rng *rng,
                    uint32_t phase, uint64_t timeout_us);
/* Is that the record's value? */
bool records_match(const struct records *r, uint32_t number, const struct reply *reply);
/* After the end: the world goes on until each has been asked for. */
void records_check(struct records *r, struct world *w);
void records_check_reply(struct records *r, struct world *w, const struct reply *reply);
