/* sim/lookups.h - look-ups under way, and how they ended.
 *
 * A look-up asks a random live node for the owner of a random id. Right is whoever was the live node
 * nearest to that id at some moment between the question and the answer, those who were not on the
 * ring yet counted or not. Nothing is tried again. One
 * whose asker died or left is not counted as sent, nor is one that the asker refused, having as many
 * questions under way as its limits allow (busy).
 *
 * Units:  microseconds. Owns: a slot for each look-up under way. Errors: none.
 * Cost:   64 bytes a slot; two binary searches a look-up, and a look at all nodes for one whose answer
 *         is neither who owned the id at first nor who does now. */
#pragma once
#include "sim/measure.h"
#include "sim/world.h"

struct lookup {
    struct id target;
    uint32_t node, owner; /* who asks; who should answer */
    uint32_t next_free;   /* LOOKUP_UNDER_WAY, or the next free slot */
    uint32_t phase;       /* of the scenario */
    uint32_t record;      /* sim/records.h, its number; LOOKUP_OF_NONE */
    uint64_t at_us;
};
#define LOOKUP_OF_NONE UINT32_MAX
struct lookup_counts {
    uint64_t sent, ok, wrong, unanswered; /* sent: the other three, and what is under way */
    uint64_t busy;                        /* refused by the asker */
};
struct lookups {
    struct lookup *slots;
    uint32_t made, room, free_head;
    struct lookup_counts counts[PHASES_MAX]; /* by phase */
    struct histogram hops, latency_us;
    struct histogram stretch; /* in thousandths of the direct round trip */
};
void lookups_init(struct lookups *l);
void lookups_fini(struct lookups *l);
/* Asks from a random live node; the answers may come at once: look at w->replies. */
/* pairs: for the place of another random live node, not a random id. */
void lookups_begin(struct lookups *l, struct world *w, struct rng *r, uint32_t phase, bool pairs,
                   uint64_t timeout_us);
void lookups_reply(struct lookups *l, struct world *w, const struct reply *reply);
/* Asks for a record instead of an owner, by the command `get`; the answers as above. */
void lookups_begin_record(struct lookups *l, struct world *w, struct rng *r, uint32_t phase,
                          uint32_t record, const struct id *key, struct command *get);
/* Of which record that slot's look-up is. */
uint32_t lookups_record(const struct lookups *l, uint32_t slot);
/* right: it came, as it was put. Being told that there is none is wrong; the time it took counts, hops do not. */
void lookups_got(struct lookups *l, struct world *w, const struct reply *reply, bool right);
void lookups_end(struct lookups *l, const struct world *w); /* what is under way got no answer */
struct lookup_counts lookups_total(const struct lookup_counts counts[PHASES_MAX]);
