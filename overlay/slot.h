/* overlay/slot.h - who holds a slot of an invite: the claim that says so, and what it has to prove.
 *
 * An invite of `uses` slots lets its holder issue itself a certificate (invite, slot, id) with nobody online; that two do it for one slot
 * is seen on the ring only. Whoever shows a certificate of an invite claims its slot: RECORD_TAG_SLOT, named by the invite's serial and
 * the slot's number, with the writer's own chain as the value. A replica keeps it, and a reader believes it, only if that chain
 * verifies for the writer and names that very slot: nobody can take one that is not his. The first writer holds it (dht.h).
 *
 * Owns: nothing. Errors: false. Cost: slot_proven verifies a chain, three signatures. */
#pragma once
#include "overlay/cert.h"
#include "overlay/record.h"

#define SLOT_TTL_US SECONDS(RECORD_TTL_MAX_S) /* who is away for less keeps it */

/* Does the record's writer have the slot that it claims? Records of other tags claim none: true. now_s 0: the calendar is unknown. */
bool slot_proven(const struct record *r, const struct crypto *c, const uint8_t authority_pk[32],
                 uint64_t now_s);
/* The name of the slot that a membership stands on; false: on none, the network's authority issued it. */
bool slot_name(const struct membership *m, struct record_name *out);
