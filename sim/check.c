#include "sim/check.h"

#include "base/err.h"
#include <stdlib.h>

static bool right_here(const struct ring *r, uint32_t place, neighbours_of *believes,
                       const void *context)
{
    struct id left, right;
    bool any = believes(context, ring_at(r, place), &left, &right);
    if (r->count == 1) return !any;
    uint32_t before = ring_at(r, place == 0 ? r->count - 1 : place - 1);
    uint32_t after = ring_at(r, place == r->count - 1 ? 0 : place + 1);
    return any && id_equal(&left, r->id_of(r->context, before)) &&
           id_equal(&right, r->id_of(r->context, after));
}

bool check_perfect(struct check *c, const struct ring *r, neighbours_of *believes,
                   const void *context, uint32_t most)
{
    if (r->count == 0) return false;
    if (most == 0 || most > r->count) most = r->count;
    uint32_t place = c->witness < r->count ? c->witness : 0;
    for (uint32_t i = 0; i < most; i++) {
        c->witness = place;
        if (!right_here(r, place, believes, context)) return false;
        place = place + 1 == r->count ? 0 : place + 1;
    }
    c->witness = place;
    return true;
}

uint32_t check_right(const struct ring *r, neighbours_of *believes, const void *context,
                     uint32_t step, uint32_t *looked_at)
{
    uint32_t right = 0;
    *looked_at = 0;
    for (uint32_t i = 0; i < r->count; i += step, (*looked_at)++)
        right += right_here(r, i, believes, context);
    return right;
}

static uint32_t node_of(const struct ring *r, const struct id *id)
{
    uint32_t place = ring_find(r, id);
    return place == RING_NONE ? RING_NONE : ring_at(r, place);
}

uint32_t check_astray(const struct ring *r, neighbours_of *believes, const void *context,
                      struct astray *out, uint32_t most)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->count && count < most; i++) {
        if (right_here(r, i, believes, context)) continue;
        struct id left, right;
        bool any = believes(context, ring_at(r, i), &left, &right);
        out[count++] = (struct astray){
            .node = ring_at(r, i),
            .left = any ? node_of(r, &left) : RING_NONE,
            .right = any ? node_of(r, &right) : RING_NONE,
            .true_left = ring_at(r, i == 0 ? r->count - 1 : i - 1),
            .true_right = ring_at(r, i == r->count - 1 ? 0 : i + 1),
        };
    }
    return count;
}

/* Everybody's right neighbour as a place; itself if it has none, or one that is not live. */
static uint32_t *successors(const struct ring *r, neighbours_of *believes, const void *context)
{
    uint32_t *next = malloc(r->count * sizeof *next);
    ensure(next);
    for (uint32_t i = 0; i < r->count; i++) {
        struct id left, right;
        next[i] = i;
        if (!believes(context, ring_at(r, i), &left, &right)) continue;
        uint32_t place = ring_find(r, &right);
        if (place != RING_NONE) next[i] = place;
    }
    return next;
}

struct ring_shape check_rings(const struct ring *r, neighbours_of *believes, const void *context)
{
    struct ring_shape shape = {0};
    if (r->count == 0) return shape;
    uint32_t *next = successors(r, believes, context);
    uint32_t *seen = calloc(r->count, sizeof *seen); /* by which walk, from 1 */
    ensure(seen);
    uint32_t on_circles = 0;
    for (uint32_t start = 0; start < r->count; start++) {
        uint32_t at = start;
        while (!seen[at]) {
            seen[at] = start + 1;
            at = next[at];
        }
        if (seen[at] != start + 1) continue; /* came upon an older walk */
        uint32_t turns = 0, begin = at;
        do {
            turns += next[at] <= at;
            on_circles++;
            at = next[at];
        } while (at != begin);
        shape.rings++;
        shape.wound += turns > 1;
    }
    shape.outside = r->count - on_circles;
    free(seen);
    free(next);
    return shape;
}
