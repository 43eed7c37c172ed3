/* overlay/record.h - a signed record: something small that its writer says, kept by the nodes nearest to its key.
 *
 * OWN:   key = H("ringlet own 1" || writer id || name): only that writer can make one.
 * CLAIM: key = H("ringlet claim 1" || tag || 0 || name): anybody's, held by the first writer until it expires (dht.c). The tag says
 *        what kind of thing is claimed and what its name looks like; any other name, and any other tag, is refused.
 * H is the first 20 bytes of BLAKE2b-256. The writer's id is made of its two public keys (identity.h), so it cannot be pretended.
 * The name stands in the record, for a replica to check that the key is the name's. What a claim of an address or a host name does
 * not prove: that its writer is a member of the network it names; readers ask for the writer's certificate. A claim of a slot carries
 * its writer's certificate chain as its value, which replicas and readers check (slot.h).
 *
 * Form: MessagePack array [body bin, signature bin(64)], the body an array as in record.c. Verified over the bytes received, never
 * re-encoded. A record says how long it lives (ttl_s, at most a day, counted by each holder from arrival) and, when the writer knows
 * the calendar, until when; the latter is judged with RECORD_TOLERANCE_S of tolerance, and only by those who know the calendar.
 *
 * Units: *_s are seconds, expires_s of the calendar. Owns: nothing; spans of struct record borrow the bytes it was read from.
 * Errors: ERR_MALFORMED; ERR_DENIED (the key is not the name's, or a name its tag does not allow); ERR_CRYPTO (signature); ERR_EXPIRED
 * (or too far ahead). Outputs are untouched after an error. Cost: one Ed25519 verification; at most RECORD_BYTES. */
#pragma once
#include "base/crypto.h"
#include "base/err.h"
#include "base/pack.h"
#include "overlay/identity.h"

#define RECORD_NAME_MAX    96u
#define RECORD_VALUE_MAX   768u  /* with all around it one CONTROL frame; dht.c asserts it */
#define RECORD_BYTES       1060u /* the longest record; record_test.c makes one */
#define RECORD_SLOT_NAME   20u
/* a chain, as the value of a slot's claim: its name is short */
#define RECORD_CHAIN_MAX   (RECORD_VALUE_MAX + RECORD_NAME_MAX - RECORD_SLOT_NAME)
#define RECORD_TTL_MAX_S   86400u
#define RECORD_TOLERANCE_S 86400u

enum record_kind { RECORD_OWN = 1, RECORD_CLAIM = 2 };

// clang-format off
/*    tag    text    its name */
#define RECORD_TAGS(X)                                                                             \
    X(IP4,  "ip4",  "network key(32), address(4): who has this virtual address?")                  \
    X(HOST, "name", "network key(32), host name (cert.h): who has this name?")                     \
    X(USER, "user", "1 to 96 bytes, whatever users agree on")                                     \
    X(SLOT, "slot", "serial of an invite(16), number(4): who has this slot of the invite?")
// clang-format on
enum record_tag {
    RECORD_TAG_OWN, /* no claim: a record of the writer's own */
#define X(tag, text, what) RECORD_TAG_##tag,
    RECORD_TAGS(X)
#undef X
        RECORD_TAG_COUNT
};
/* What a record is about. */
struct record_name {
    uint8_t tag; /* enum record_tag */
    uint8_t len;
    uint8_t b[RECORD_NAME_MAX];
};
struct record { /* one, decoded */
    uint8_t kind;
    struct record_name name;
    struct id key, writer;
    uint8_t ed_pk[32], x_pk[32]; /* the writer's */
    uint64_t seq;                /* the writer counts; a newer one replaces an older */
    uint64_t expires_s;          /* 0: the writer did not know the calendar */
    uint32_t ttl_s;
    struct span value;
};

/* Names. The result has length 0 if the data cannot be such a name. */
struct record_name record_name_of(enum record_tag tag, const void *data, size_t len);
struct record_name record_name_ip4(const uint8_t network_key[32], uint32_t ipv4);
struct record_name record_name_host(const uint8_t network_key[32], const char *host, size_t len);
struct record_name record_name_slot(const uint8_t serial[16], uint32_t slot);
bool record_name_valid(const struct record_name *n);
size_t record_value_max(const struct record_name *n); /* bytes */

/* Keys. */
void record_key_claim(struct id *out, const struct crypto *c, enum record_tag tag, const void *data,
                      size_t len);
void record_key_own(struct id *out, const struct crypto *c, const struct id *writer,
                    const void *data, size_t len);
/* The one or the other, as the name's tag says. */
void record_key(struct id *out, const struct crypto *c, const struct record_name *n,
                const struct id *writer);

/* Sign what `r` says of name, seq, expires_s, ttl_s and value; kind, key and writer follow from them and from who signs.
 * The length; 0: it does not fit, or no verifier would take it. */
size_t record_sign(uint8_t *out, size_t max, const struct crypto *c, const struct record *r,
                   const struct identity *writer);
/* Everything but the signature and the time: cheap, to see whether verifying is worth while. */
MUST_CHECK enum err record_decode(struct span bytes, const struct crypto *c, struct record *out);
/* now_s 0: the calendar is unknown, expires_s is then not judged. */
MUST_CHECK enum err record_verify(struct span bytes, const struct crypto *c, uint64_t now_s,
                                  struct record *out);
/* Of two claims that met by accident (a merge of two rings): does a's stay? The smaller BLAKE2b(key || writer). */
bool record_stays(const struct crypto *c, const struct id *key, const struct id *a,
                  const struct id *b);
