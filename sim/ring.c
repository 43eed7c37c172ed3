#include "sim/ring.h"

#include "base/bytes.h"
#include "base/err.h"
#include <stdlib.h>
#include <string.h>

void ring_init(struct ring *r, const struct id *(*id_of)(const void *, uint32_t),
               bool (*is_live)(const void *, uint32_t), const void *context)
{
    *r = (struct ring){.id_of = id_of, .is_live = is_live, .context = context};
}

void ring_fini(struct ring *r)
{
    free(r->entries);
    *r = (struct ring){0};
}

void ring_add(struct ring *r, uint32_t node)
{
    if (r->count == r->room) {
        r->room = r->room ? r->room * 2 : 64;
        r->entries = realloc(r->entries, r->room * sizeof *r->entries);
        ensure(r->entries);
    }
    const struct id *id = r->id_of(r->context, node);
    r->entries[r->count++] = (struct ring_entry){.prefix = get_u64(id->b), .node = node};
}

void ring_removed(struct ring *r)
{
    r->gone++;
}

static int compare(const struct ring *r, const struct ring_entry *a, const struct ring_entry *b)
{
    if (a->prefix != b->prefix) return a->prefix < b->prefix ? -1 : 1;
    return id_compare(r->id_of(r->context, a->node), r->id_of(r->context, b->node));
}

static int compare_entries(const void *a, const void *b, void *ring)
{
    return compare(ring, a, b);
}

/* The sorted entries and the new ones, already sorted among themselves, into one, from the end. */
static void merge(struct ring *r, uint32_t fresh_count)
{
    struct ring_entry *fresh = malloc(fresh_count * sizeof *fresh);
    ensure(fresh);
    memcpy(fresh, r->entries + r->sorted, fresh_count * sizeof *fresh);
    uint32_t old = r->sorted, out = r->sorted + fresh_count;
    for (uint32_t left = fresh_count; left > 0;) {
        bool take_old = old > 0 && compare(r, &r->entries[old - 1], &fresh[left - 1]) > 0;
        r->entries[--out] = take_old ? r->entries[--old] : fresh[--left];
    }
    free(fresh);
}

void ring_sort(struct ring *r)
{
    if (r->gone) {
        uint32_t kept = 0, sorted = 0;
        for (uint32_t i = 0; i < r->count; i++) {
            if (!r->is_live(r->context, r->entries[i].node)) continue;
            r->entries[kept++] = r->entries[i];
            if (i < r->sorted) sorted = kept;
        }
        r->count = kept;
        r->sorted = sorted;
        r->gone = 0;
    }
    uint32_t fresh = r->count - r->sorted;
    if (fresh == 0) return;
    qsort_r(r->entries + r->sorted, fresh, sizeof *r->entries, compare_entries, r);
    merge(r, fresh);
    r->sorted = r->count;
}

/* The first place whose id is not below `id`; count: none. */
static uint32_t lower_bound(const struct ring *r, const struct id *id)
{
    ensure(r->sorted == r->count && r->gone == 0);
    uint64_t prefix = get_u64(id->b);
    uint32_t low = 0, high = r->count;
    while (low < high) {
        uint32_t middle = low + (high - low) / 2;
        const struct ring_entry *e = &r->entries[middle];
        bool below = e->prefix != prefix ? e->prefix < prefix
                                         : id_compare(r->id_of(r->context, e->node), id) < 0;
        if (below)
            low = middle + 1;
        else
            high = middle;
    }
    return low;
}

uint32_t ring_owner(const struct ring *r, const struct id *target)
{
    uint32_t at = lower_bound(r, target);
    if (r->count == 0) return RING_NONE;
    uint32_t above = ring_at(r, at == r->count ? 0 : at);
    uint32_t below = ring_at(r, at == 0 ? r->count - 1 : at - 1);
    const struct id *a = r->id_of(r->context, above), *b = r->id_of(r->context, below);
    return id_nearer(target, a, b) <= 0 ? above : below;
}

uint32_t ring_find(const struct ring *r, const struct id *id)
{
    uint32_t at = lower_bound(r, id);
    if (at == r->count || !id_equal(r->id_of(r->context, ring_at(r, at)), id)) return RING_NONE;
    return at;
}
