/* overlay/records.c - the table of the records that we keep for others: sorted by key, who keeps what, and what goes when it is full. */
#include "overlay/records.h"
#include <string.h>

#define ROOM_FIRST 8u
#define WRITER_MIN 16u /* records of one writer that are always taken; else an eighth of all */

uint16_t records_from(const struct overlay *o, const struct id *key)
{
    uint16_t low = 0, high = o->record_count;
    while (low < high) {
        uint16_t mid = (uint16_t)((low + high) / 2);
        if (id_compare(&o->records[mid]->key, key) < 0)
            low = (uint16_t)(mid + 1);
        else
            high = mid;
    }
    return low;
}

struct record_entry *dht_find(const struct overlay *o, const struct id *key, uint64_t now_us)
{
    uint16_t i = records_from(o, key);
    if (i == o->record_count || !id_equal(&o->records[i]->key, key)) return NULL;
    return o->records[i]->until_us > now_us ? o->records[i] : NULL;
}

void records_remove(struct overlay *o, uint16_t i)
{
    pool_give(o->extra_pool, o->records[i]);
    o->record_count--;
    memmove(o->records + i, o->records + i + 1, (size_t)(o->record_count - i) * sizeof *o->records);
}

/* --- who keeps it --- */

unsigned records_rank(const struct overlay *o, const struct id *key, const struct id *id)
{
    unsigned nearer = id_nearer(key, &o->self.id, id) < 0;
    for (uint8_t i = 0; i < o->near_count; i++)
        nearer += id_nearer(key, records_near_id(o, i), id) < 0;
    return nearer;
}

/* Does key lie among our neighbours? Of what lies beyond them we know too little: half of them are nearer to anything. */
static bool is_around(const struct overlay *o, const struct id *key)
{
    uint16_t left[NEAR_SIDE_MAX], right[NEAR_SIDE_MAX];
    uint8_t lefts, rights;
    ring_sides(o, left, right, &lefts, &rights);
    if (o->near_count < 2 * NEAR_SIDE_MAX || !lefts || !rights)
        return true; /* they are all there are */
    return id_between(link_id(o, &o->links[left[lefts - 1]]), key,
                      link_id(o, &o->links[right[rights - 1]]));
}

bool dht_is_replica(const struct overlay *o, const struct id *key)
{
    return is_around(o, key) && records_rank(o, key, &o->self.id) < REPLICAS;
}

/* --- room --- */

/* What a record is worth to the ring, if it is kept here. */
struct worth {
    unsigned
        rank;  /* so many lie nearer to its key than we do; REPLICAS: it is not for us to keep */
    bool slot; /* its claim is proven, anything else can be made up by anybody */
    uint64_t until_us;
};

static struct worth worth_of(const struct overlay *o, const struct id *key, uint8_t tag,
                             uint64_t until_us)
{
    return (struct worth){.rank = dht_is_replica(o, key) ? records_rank(o, key, &o->self.id)
                                                         : REPLICAS,
                          .slot = tag == RECORD_TAG_SLOT,
                          .until_us = until_us};
}

/* First what others keep; then what is not proven; then what many keep who are nearer, so that no record loses all its copies
 * because tables are full. */
static bool goes_first(const struct worth *a, const struct worth *b)
{
    bool ours = a->rank < REPLICAS;
    if (ours != (b->rank < REPLICAS)) return !ours;
    if (a->slot != b->slot) return !a->slot;
    if (a->rank != b->rank) return a->rank > b->rank;
    return a->until_us < b->until_us;
}

/* Full: the least worth makes room, unless the newcomer is worth no more. */
static bool make_room(struct overlay *o, const struct worth *newcomer)
{
    uint16_t first = 0;
    struct worth least = {0};
    if (o->record_count < o->common->limits.records) return true;
    for (uint16_t i = 0; i < o->record_count; i++) {
        const struct record_entry *e = o->records[i];
        struct worth w = worth_of(o, &e->key, e->tag, e->until_us);
        if (i && !goes_first(&w, &least)) continue;
        least = w;
        first = i;
    }
    if (o->record_count == 0 || !goes_first(&least, newcomer)) return false;
    records_remove(o, first);
    drop(o, DROP_FULL);
    return true;
}

/* Has this writer its share already? */
static bool over_quota(const struct overlay *o, const struct id *writer)
{
    uint32_t count = 0, quota = o->common->limits.records / 8u;
    for (uint16_t i = 0; i < o->record_count; i++)
        count += id_equal(&o->records[i]->writer, writer);
    return count >= (quota > WRITER_MIN ? quota : WRITER_MIN);
}

/* One more pointer: most nodes of a large ring keep few records, or none. */
static bool grow(struct overlay *o)
{
    uint32_t max = o->common->limits.records, room = 2u * o->dht->room;
    if (o->record_count < o->dht->room) return true;
    if (room < ROOM_FIRST) room = ROOM_FIRST;
    if (room > max) room = max;
    struct record_entry **p = realloc(o->records, room * sizeof *p);
    if (!p) return false;
    o->records = p;
    o->dht->room = (uint16_t)room;
    return true;
}

struct record_entry *records_entry(struct overlay *o, const struct record *r, uint64_t until_us)
{
    uint16_t i = records_from(o, &r->key);
    if (i < o->record_count && id_equal(&o->records[i]->key, &r->key)) return o->records[i];
    struct worth worth = worth_of(o, &r->key, r->name.tag, until_us);
    if (over_quota(o, &r->writer) || !make_room(o, &worth) || !grow(o)) return NULL;
    struct record_entry *e = pool_take_size(o->extra_pool, sizeof *e);
    if (!e) return NULL;
    i = records_from(o, &r->key);
    memmove(o->records + i + 1, o->records + i, (size_t)(o->record_count - i) * sizeof *o->records);
    o->records[i] = e;
    o->record_count++;
    return e;
}
