/* overlay/records.h - the table of the records that we keep for others, between dht.c, which fills it, and records.c.
 *
 * Full: the record that is worth least to the ring makes room, unless the newcomer is worth no more (goes_first).
 * Cost: one pooled object a record; searching is binary; a full table is looked through for each newcomer. */
#pragma once
#include "overlay/dht.h"

static inline const struct id *records_near_id(const struct overlay *o, uint8_t i)
{
    return link_id(o, &o->links[o->near[i].slot]);
}
uint16_t records_from(const struct overlay *o,
                      const struct id *key); /* the first whose key is not less */
/* The one with the record's key, whatever it holds, or a new one, empty but for its place: to be filled at once, its key first. NULL: no room, or the
 * writer has its share. Needs o->dht. */
struct record_entry *records_entry(struct overlay *o, const struct record *r, uint64_t until_us);
void records_remove(struct overlay *o, uint16_t i);
/* How many of us and our near links lie nearer to key than id does. */
unsigned records_rank(const struct overlay *o, const struct id *key, const struct id *id);
