/* overlay/dht.h - between the parts of the records: dht.c keeps them for others, in the table of records.c; claim.c asks for them and renews our own.
 *
 * A record lives on the REPLICAS nodes nearest to its key. PUT and GET go to the nearest, the root; the root stores copies at the
 * others. When a neighbour comes, those who hold records hand over what it should hold too. A GET that gets no answer, or is
 * told that there is nothing, asks the other replicas as well (ways.c); who of them has it gives the root a copy.
 *
 *   PUT  root: nobody holds it, or the same writer with a smaller seq -> kept, copies stored, OK
 *              the same bytes once more (the answer was lost)         -> OK
 *              the same writer, seq not larger                        -> OLD, with the record held
 *              another writer                                         -> CONFLICT, with the record held
 *   STORE: the same, but of two writers the one for whom record_stays() speaks stays, and the sender is told.
 *
 * So on a ring that stays as it is the first writer wins: all PUTs under a key go to one root, which keeps the first and shows it to
 * whoever comes later, until it has expired; its holder renews it long before. A root that has just come does not know yet what was
 * there before it: for a slot of an invite (slot.h) it abstains for ABSTAIN_S, in which its new neighbours hand over what they hold.
 *
 * Limits of this version: one root decides (no quorum: two claims made on both sides of a partition, or of a change of roots, are
 * settled by STORE, and the root tells the loser).
 *
 * Full: what is not for us to keep goes first, then what is not proven, then what most others keep who are nearer (records.c).
 * Units: until_us and *_us are the node's clock. Owns: records are objects of extra_pool; struct dht and claims are allocated.
 * Cost: one pooled object a record; searching is binary; a verification per PUT and per STORE of something new, VERIFY_RATE a second. */
#pragma once
#include "overlay/core.h"
#include "overlay/record.h"

#define REPLICAS 8
#define CLAIMS_MAX                                                                                 \
    32 /* records of our own: an address, a name and a slot in each of eight networks */

struct record_entry { /* one we keep */
    struct id key, writer;
    uint64_t seq, until_us;
    uint64_t since_us, kept_us; /* this writer's first; the last that came */
    uint64_t repaired_us;       /* the root was given a copy because somebody asked us */
    uint16_t len;
    uint8_t tag; /* enum record_tag */
    uint8_t bytes[RECORD_BYTES];
};
_Static_assert(sizeof(struct record_entry) <= OVERLAY_POOLED_MAX, "one object of the pool");
_Static_assert(1 + 1 + 1 + 5 + 2 + ID_SIZE + 3 + RECORD_BYTES <= CONTROL_MAX, "PUT fits");

struct own_claim {
    struct record_name name;
    struct id key;
    uint64_t seq, put_us, next_us;
    uint32_t request, ttl_s;
    bool held;      /* the root has said so, and nothing else since */
    uint8_t behind; /* times in a row that the root knew a larger seq */
    uint8_t
        disputed; /* times in a row that somebody held it for whom record_stays() does not speak */
    uint16_t value_len;
    uint8_t value[];
};
struct dht {
    struct budget verify;
    /* hand-over: the near set as it was looked at last (first bytes of the ids), and who of it is new */
    uint32_t digest, near[2 * NEAR_SIDE_MAX];
    uint8_t near_count;
    uint8_t fresh;  /* a bit for each of near */
    bool lost;      /* somebody went away, whose copies others should hold now */
    struct id next; /* the next key to look at */
    uint64_t hand_over_us;
    uint16_t room; /* of overlay.records: it grows as they come */
    struct own_claim *claims[CLAIMS_MAX];
};
enum dht_result {
    DHT_OK,
    DHT_NOT_FOUND,
    DHT_CONFLICT,
    DHT_OLD,
    DHT_REFUSED,
    DHT_FULL
}; /* on the wire, in GOT */

struct dht *dht_need(struct overlay *o); /* NULL: no memory */
void dht_due(struct overlay *o, uint64_t at_us);
bool dht_is_root(const struct overlay *o, const struct id *key); /* nobody nearer is known */
/* What we hold under key and what has not expired; NULL: nothing. */
struct record_entry *dht_find(const struct overlay *o, const struct id *key, uint64_t now_us);
/* What a replica holds by itself, without asking the root: as good as what the root says while neighbours are few. NULL: nothing, or
 * others are nearer. */
const struct record_entry *dht_copy(const struct overlay *o, const struct id *key, uint64_t now_us);
/* Are we one of those who should keep what has this key, as far as we know? */
bool dht_is_replica(const struct overlay *o, const struct id *key);
/* We are too new here to say that nobody holds this slot. */
bool dht_abstains(const struct overlay *o, uint64_t now_us, const struct record *r);
bool dht_value_fits(const struct overlay *o, const struct record_name *name, size_t len);
/* We, who keep it, are asked though we are not the root: perhaps that one does not have it, and gets a copy, every 10 s at most. */
void dht_repair(struct overlay *o, uint64_t now_us, struct record_entry *e, struct outbox *out);
/* May we say that nobody holds it, if we do not? Not while neighbours have just died: we stand nearer to it than before, and what it is for us to
 * keep now is still on its way. */
bool dht_denies(struct overlay *o, uint64_t now_us, const struct id *key);
/* The signature, the time, and for a slot its proof. */
MUST_CHECK enum err dht_verify(const struct overlay *o, uint64_t now_us, struct span bytes,
                               struct record *out);
/* PUT at the root, by ourselves or for another; `r` is what `bytes` say and is verified. held: what stands in the way. */
enum dht_result dht_put(struct overlay *o, uint64_t now_us, const struct record *r,
                        struct span bytes, struct record_entry **held, struct outbox *out);
/* --- claim.c --- */
void on_got(struct overlay *o, uint64_t now_us, const struct arrival *a, struct unpack *u,
            struct outbox *out);
void claim_disputed(struct overlay *o, uint64_t now_us,
                    const struct id *key); /* somebody says that another holds it: ask soon */
void claims_near_changed(struct overlay *o, uint64_t now_us, struct outbox *out);
void claims_tick(struct overlay *o, uint64_t now_us, struct outbox *out); /* and says when next */
