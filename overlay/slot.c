#include "overlay/slot.h"

#include <string.h>

bool slot_name(const struct membership *m, struct record_name *out)
{
    if (m->uses == 0) return false;
    *out = record_name_slot(m->invite, m->slot);
    return true;
}

bool slot_proven(const struct record *r, const struct crypto *c, const uint8_t authority_pk[32],
                 uint64_t now_s)
{
    struct membership m;
    struct record_name name;
    if (r->name.tag != RECORD_TAG_SLOT) return true;
    if (chain_verify(r->value, c, authority_pk, &r->writer, now_s, &m) != OK) return false;
    return slot_name(&m, &name) && name.len == r->name.len &&
           memcmp(name.b, r->name.b, name.len) == 0;
}
