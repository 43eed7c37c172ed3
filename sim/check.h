/* sim/check.h - is the ring that the nodes believe in the true one?
 *
 * Perfect: every live node's neighbours are its true neighbours in the order of ids. Rings: how
 * many circles the nodes' right neighbours form (one, if whole; a node without one is a circle of
 * its own); ordered: going round a circle passes zero once (Zave's invariant).
 *
 * A check remembers where it last failed and begins there, so that asking again while the ring is
 * not whole is cheap.
 *
 * Source: Zave, "Reasoning about identifier spaces: how to make Chord correct" (2017).
 * Owns:   nothing that outlives a call. Errors: none. Cost: check_perfect: O(nodes right since the
 *         failure); check_rings: O(nodes log nodes). */
#pragma once
#include "sim/ring.h"

/* What a node believes; false: it has none. */
typedef bool neighbours_of(const void *context, uint32_t node, struct id *left, struct id *right);
struct check {
    uint32_t witness; /* a place that failed, or where to go on */
};
struct ring_shape {
    uint32_t rings;
    uint32_t wound;   /* circles that pass zero more than once */
    uint32_t outside; /* nodes on no circle, pointing into one */
};
/* r is sorted. Looks at `most` nodes, 0: all. */
bool check_perfect(struct check *c, const struct ring *r, neighbours_of *believes,
                   const void *context, uint32_t most);
/* Of every step-th node: how many have both neighbours right; *looked_at: of how many. */
uint32_t check_right(const struct ring *r, neighbours_of *believes, const void *context,
                     uint32_t step, uint32_t *looked_at);
/* The first `most` nodes that are wrong, with what they believe; returns how many. */
struct astray {
    uint32_t node;
    uint32_t left, right;           /* believed; RING_NONE: nobody, or somebody who is not live */
    uint32_t true_left, true_right; /* the node itself if it is alone */
};
uint32_t check_astray(const struct ring *r, neighbours_of *believes, const void *context,
                      struct astray *out, uint32_t most);
struct ring_shape check_rings(const struct ring *r, neighbours_of *believes, const void *context);
