/* sim/lookups.h - look-ups under way, and how they ended.
 *
 * A look-up asks a random live node for the owner of a random id. The right answer is the live node
 * nearest to that id, either when it was asked or when it was answered. Nothing is tried again. One
 * whose asker died or left is not counted as sent.
 *
 * Units:  microseconds. Owns: a slot for each look-up under way. Errors: none.
 * Cost:   48 bytes a slot; two binary searches a look-up. */
#pragma once
#include "sim/measure.h"
#include "sim/world.h"

struct lookup {
    struct id target;
    uint32_t node, owner; /* who asks; who should answer */
    uint32_t next_free;   /* LOOKUP_BUSY while under way */
    uint64_t at_us;
};
struct lookups {
    struct lookup *slots;
    uint32_t made, room, free_head;
    uint64_t begun, ok, wrong, unanswered, abandoned;
    struct histogram hops, latency_us;
    struct histogram stretch; /* in thousandths of the direct round trip */
};
void lookups_init(struct lookups *l);
void lookups_fini(struct lookups *l);
/* Asks from a random live node; the answers may come at once: look at w->replies. */
void lookups_begin(struct lookups *l, struct world *w, struct rng *r, uint64_t timeout_us);
void lookups_reply(struct lookups *l, struct world *w, const struct reply *reply);
void lookups_end(struct lookups *l, const struct world *w); /* what is under way got no answer */
uint64_t lookups_sent(const struct lookups *l);
