/* overlay/identity.h - who a node is: two key pairs and the id that binds them; and the table of known ids.
 *
 * id = first 20 bytes of BLAKE2b-256("ringlet id 1" || ed25519_pk || x25519_pk). Both keys are bound by the id itself.
 * Identities (public parts) are interned: links hold 4-byte handles. The table is its own in the daemon, shared
 * in the simulator. An entry is counted by its holders and goes when the last lets go.
 *
 * File form of the secret part: "ringlet-identity-1" then 64 bytes and an 8-byte checksum, base64 (identity_encode).
 * Errors: ERR_FULL when the table's bound is reached; ERR_CONFLICT when an id is presented with other keys. */
#pragma once
#include "base/crypto.h"
#include "base/err.h"
#include "base/rng.h"
#include "base/table.h"
#include "overlay/id.h"

struct identity { /* secret part: wiped by identity_wipe */
    uint8_t ed_seed[32], ed_pk[32];
    uint8_t x_sk[32], x_pk[32];
    struct id id;
};
void identity_make(struct identity *out, const struct crypto *c, struct rng *r);
void identity_from_seeds(struct identity *out, const struct crypto *c, const uint8_t ed_seed[32],
                         const uint8_t x_sk[32]);
void identity_wipe(struct identity *i);
void identity_id(struct id *out, const struct crypto *c, const uint8_t ed_pk[32],
                 const uint8_t x_pk[32]);
#define IDENTITY_TEXT 160
/* One line of text with newline; and back: ERR_MALFORMED names nothing else. */
size_t identity_encode(const struct identity *i, const struct crypto *c, char out[IDENTITY_TEXT]);
MUST_CHECK enum err identity_decode(struct identity *out, const struct crypto *c, const char *text,
                                    size_t len);

/* --- the interned public parts --- */
typedef uint32_t peer_handle; /* 0 is none */
struct peer_identity {
    struct id id;
    uint8_t ed_pk[32], x_pk[32];
    uint32_t holders;
    bool has_keys; /* false: only the id is known yet (a target we want to reach) */
};
struct identities {
    struct peer_identity *entries; /* entries[handle]; grown by doubling within max */
    struct id *ids; /* theirs once more: all that routing looks at, four to a cache line */
    uint32_t count, room, max, free_head;
    struct table index;
    struct table_slot *slots;
};
MUST_CHECK enum err identities_init(struct identities *t, uint32_t max, const uint8_t key[16]);
void identities_fini(struct identities *t);
/* Find or add by id; adds one holder. 0: full. */
peer_handle identities_hold(struct identities *t, const struct id *id);
/* The same with proven keys; ERR_CONFLICT cannot happen for keys whose hash is the id, so keys are simply set. */
peer_handle identities_hold_keys(struct identities *t, const struct id *id, const uint8_t ed_pk[32],
                                 const uint8_t x_pk[32]);
void identities_drop(struct identities *t,
                     peer_handle h); /* one holder less; at none the entry goes */
peer_handle identities_find(const struct identities *t,
                            const struct id *id); /* adds no holder; 0: unknown */
/* Of somebody who is held. */
static inline const struct id *identities_id(const struct identities *t, peer_handle h)
{
    return &t->ids[h];
}
const struct peer_identity *identities_get(const struct identities *t, peer_handle h);
