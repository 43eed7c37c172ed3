/* overlay/knock.h - the door: cheap proof before any work, replay filter, cookies under load.
 *
 * mac1 = first 16 bytes of keyed BLAKE2b over the message before it; key = H("ringlet mac1 1" || overlay key || id or zero).
 * The id is the target's when it is known. Its derivation never changes between versions. HELLO1 ends mac1 mac2;
 * HELLO2 and HELLO3 end mac1 (keyed without id). mac2 = keyed with the cookie last given, else zero.
 * cookie = keyed hash of the sender (endpoint, or the source id of a routed handshake) under a secret that changes
 * every 120 s (the one before is still taken); sent sealed with XChaCha20-Poly1305 under H("ringlet cookie 1" || overlay key),
 * AD = the first 8 bytes of the COOKIE || mac1 of the message answered.
 * COOKIE: type(1) version(1) reason(1) zero(1) receiver(4) nonce(24) sealed cookie(16+16) = 64. reason: 0 cookie, 1 version, 2 busy.
 * Ephemerals of accepted HELLO1 are remembered for 10 min (two rotating Bloom filters of KNOCK_FILTER bytes, each serving 5-10 min).
 *
 * Source: WireGuard whitepaper 5.3, 5.4.4, 5.4.7. Errors: verdicts. Cost: one or two BLAKE2b; memory in struct knock, filters
 * allocated by the owner on first use (bounded; the simulator gives a smaller size). */
#pragma once
#include "base/crypto.h"
#include "base/endpoint.h"
#include "base/rng.h"
#include "overlay/handshake.h"

#define KNOCK_FILTER                                                                               \
    8192u /* bytes of one filter in a daemon: 2,730 handshakes in 5 min before it turns early */

enum knock_verdict { KNOCK_OK, KNOCK_BAD_MAC1, KNOCK_VERSION, KNOCK_REPLAYED, KNOCK_NEED_COOKIE };
enum cookie_reason { COOKIE_PROVE = 0, COOKIE_VERSION = 1, COOKIE_BUSY = 2 };

struct knock_epoch { /* derived once a key epoch */
    uint8_t mac1_any[32], mac1_self[32], cookie_key[32];
};
struct knock_previous { /* the epoch before */
    struct knock_epoch keys;
    uint64_t until_us;
};
struct knock {
    struct knock_epoch keys;
    struct knock_previous *previous; /* NULL: there was none yet. Ours */
    uint8_t secret[2][16];           /* cookie secrets: current, previous */
    uint64_t secret_at_us;
    uint8_t
        *filter; /* 2 * filter_bytes, zeroed, borrowed from the owner; NULL: not remembered yet */
    uint32_t filter_bytes, filter_count;
    uint64_t filter_at_us;
    uint8_t filter_key[16];
};
void knock_init(struct knock *k, const struct crypto *c, const struct overlay_key *ok,
                const struct id *self, struct rng *r, uint8_t *filter, uint32_t filter_bytes);
void knock_fini(struct knock *k); /* wipes its keys */
void knock_rekey(
    struct knock *k, const struct crypto *c, const struct overlay_key *ok, const struct id *self,
    uint64_t now_us); /* a new epoch; the old one knocks for 24 h more, if there is memory for it */
void mac1_write(const struct crypto *c, const struct overlay_key *ok,
                const struct id *target_or_null, uint8_t *msg, size_t len_before_mac);
void mac1_compute(const struct crypto *c, const struct overlay_key *ok,
                  const struct id *target_or_null, const uint8_t *msg, size_t len_before_mac,
                  uint8_t mac[MAC_SIZE]);
/* sender: 20 or 21 bytes that stand for the other end (knock_sender_*). busy: half-open handshakes are at their bound.
 * Accepting is final: the ephemeral is remembered. */
enum knock_verdict knock_hello1(struct knock *k, const struct crypto *c, uint64_t now_us,
                                struct rng *r, const uint8_t *msg, size_t len,
                                const uint8_t sender[21], bool busy);
bool knock_mac1(const struct knock *k, const struct crypto *c, uint64_t now_us, const uint8_t *msg,
                size_t len); /* HELLO2, HELLO3 */
/* Was this HELLO1, which knock_hello1 took, made with the epoch before? Then the handshake is to run with that overlay_key. */
bool knock_is_previous(const struct knock *k, const struct crypto *c, uint64_t now_us,
                       const uint8_t *msg, size_t len);
void knock_sender_endpoint(uint8_t out[21], const struct endpoint *e);
void knock_sender_id(uint8_t out[21], const struct id *src);
/* Answer to msg (a HELLO1 with a good mac1). */
void cookie_write(struct knock *k, const struct crypto *c, uint64_t now_us, struct rng *r,
                  const uint8_t *msg, size_t len, const uint8_t sender[21],
                  enum cookie_reason reason, uint8_t out[COOKIE_SIZE]);
/* Initiator: open a COOKIE that answers the HELLO1 whose mac1 is given; then put mac2 on the next HELLO1. */
MUST_CHECK enum err cookie_read(const struct knock *k, const struct crypto *c, const uint8_t *in,
                                size_t len, const uint8_t mac1[16], uint8_t cookie[16],
                                enum cookie_reason *reason);
/* Would knock_hello1 let this one in, or ask it for a cookie? Changes nothing: for an answer that keeps no state. */
bool knock_fresh(const struct knock *k, const struct crypto *c, uint64_t now_us, const uint8_t *msg,
                 size_t len);
/* REFER: type(1) version(1) zero(2) receiver(4) nonce(24) sealed list(n * REFER_ENTRY + 16), sealed as a COOKIE is. Returns its length. */
size_t refer_write(const struct knock *k, const struct crypto *c, uint64_t now_us, struct rng *r,
                   const uint8_t *msg, size_t len, const uint8_t *list, size_t list_len,
                   uint8_t out[REFER_MAX]);
MUST_CHECK enum err refer_read(const struct knock *k, const struct crypto *c, const uint8_t *in,
                               size_t len, const uint8_t mac1[16],
                               uint8_t list[REFER_ENTRIES * REFER_ENTRY], size_t *list_len);
void mac2_write(const struct crypto *c, const uint8_t cookie[16], uint8_t hello1[HELLO1_SIZE]);
