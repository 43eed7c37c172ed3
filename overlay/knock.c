#include "overlay/knock.h"
#include "base/bytes.h"
#include "base/time.h"
#include <stdlib.h>
#include <string.h>

#define SECRET_LIFE_US        SECONDS(120) /* WireGuard 5.4.7 */
#define FILTER_LIFE_US        MINUTES(5)   /* two of them: remembered for 5 to 10 min */
#define EPOCH_GRACE_US        HOURS(24)    /* docs/wire.md, mac1 and mac2 */
#define SENDER_SIZE           21u
#define EPHEMERAL             32u /* of HELLO1, right behind its header */
#define FILTER_HASHES         8u
/* With n entries in m bits and 8 hashes a filter errs with (1 - e^(-8n/m))^8. m / n = 24 gives 4.2e-5,
 * both filters together 8.4e-5: less than 1e-4. */
#define FILTER_BITS_PER_ENTRY 24u

/* Of HELLO1, whatever its version says about the rest: it ends mac1 mac2, and is never shorter than the answer. */
#define HELLO1_ANY_MIN (COOKIE_SIZE + 2 * MAC_SIZE)
static const uint8_t *hello1_mac1(const uint8_t *msg, size_t len)
{
    return msg + len - 2 * MAC_SIZE;
}

/* --- keys --- */

/* 32 bytes: BLAKE2b(label || overlay key || id or 20 zeros, or nothing) */
static void derive(uint8_t out[32], const struct crypto *c, const char *label,
                   const struct overlay_key *ok, const struct id *id)
{
    uint8_t text[16 + 32 + ID_SIZE];
    struct writer w = writer_of(text, sizeof text);
    write_bytes(&w, label, strlen(label));
    write_bytes(&w, ok->key, 32);
    if (id) write_bytes(&w, id->b, ID_SIZE);
    ensure(!w.bad);
    c->hash(out, 32, text, w.len, NULL, 0);
    crypto_wipe(text, sizeof text);
}

static void derive_mac1(uint8_t out[32], const struct crypto *c, const struct overlay_key *ok,
                        const struct id *id)
{
    derive(out, c, "ringlet mac1 1", ok, id ? id : &ID_ZERO);
}

static void derive_epoch(struct knock_epoch *k, const struct crypto *c,
                         const struct overlay_key *ok, const struct id *self)
{
    derive_mac1(k->mac1_any, c, ok, NULL);
    derive_mac1(k->mac1_self, c, ok, self);
    derive(k->cookie_key, c, "ringlet cookie 1", ok, NULL);
}

void knock_init(struct knock *k, const struct crypto *c, const struct overlay_key *ok,
                const struct id *self, struct rng *r, uint8_t *filter, uint32_t filter_bytes)
{
    memset(k, 0, sizeof *k);
    derive_epoch(&k->keys, c, ok, self);
    rng_bytes(r, k->secret, sizeof k->secret);
    rng_bytes(r, k->filter_key, sizeof k->filter_key);
    ensure(!filter || filter_bytes * 8ull >= FILTER_BITS_PER_ENTRY);
    k->filter = filter;
    k->filter_bytes = filter_bytes;
}

void knock_rekey(struct knock *k, const struct crypto *c, const struct overlay_key *ok,
                 const struct id *self, uint64_t now_us)
{
    if (!k->previous) k->previous = malloc(sizeof *k->previous);
    if (k->previous)
        *k->previous = (struct knock_previous){k->keys, time_add(now_us, EPOCH_GRACE_US)};
    derive_epoch(&k->keys, c, ok, self);
}

void knock_fini(struct knock *k)
{
    if (k->previous) crypto_wipe(k->previous, sizeof *k->previous);
    free(k->previous);
    crypto_wipe(k, sizeof *k);
}

/* The epoch before while it still counts; else NULL. */
static const struct knock_epoch *previous_keys(const struct knock *k, uint64_t now_us)
{
    return k->previous && now_us < k->previous->until_us ? &k->previous->keys : NULL;
}

/* --- mac1 --- */

void mac1_compute(const struct crypto *c, const struct overlay_key *ok,
                  const struct id *target_or_null, const uint8_t *msg, size_t len_before_mac,
                  uint8_t mac[MAC_SIZE])
{
    uint8_t key[32];
    derive_mac1(key, c, ok, target_or_null);
    c->hash(mac, MAC_SIZE, msg, len_before_mac, key, sizeof key);
    crypto_wipe(key, sizeof key);
}

void mac1_write(const struct crypto *c, const struct overlay_key *ok,
                const struct id *target_or_null, uint8_t *msg, size_t len_before_mac)
{
    mac1_compute(c, ok, target_or_null, msg, len_before_mac, msg + len_before_mac);
}

static bool mac_good(const struct crypto *c, const uint8_t key[32], const uint8_t *msg, size_t len,
                     const uint8_t *mac)
{
    uint8_t right[MAC_SIZE];
    c->hash(right, MAC_SIZE, msg, len, key, 32);
    return crypto_equal(right, mac, MAC_SIZE);
}

static bool hello1_mac_good(const struct crypto *c, const struct knock_epoch *keys,
                            const uint8_t *msg, size_t len)
{
    const uint8_t *mac = hello1_mac1(msg, len);
    size_t before = (size_t)(mac - msg);
    return mac_good(c, keys->mac1_self, msg, before, mac) ||
           mac_good(c, keys->mac1_any, msg, before, mac);
}

bool knock_is_previous(const struct knock *k, const struct crypto *c, uint64_t now_us,
                       const uint8_t *msg, size_t len)
{
    const struct knock_epoch *previous = previous_keys(k, now_us);
    return previous && len >= HELLO1_ANY_MIN && hello1_mac_good(c, previous, msg, len);
}

bool knock_mac1(const struct knock *k, const struct crypto *c, uint64_t now_us, const uint8_t *msg,
                size_t len)
{
    if (len < 1 || (msg[0] != OUTER_HELLO2 && msg[0] != OUTER_HELLO3) ||
        !outer_length_ok(msg[0], len))
        return false;
    size_t before = len - MAC_SIZE;
    if (mac_good(c, k->keys.mac1_any, msg, before, msg + before)) return true;
    const struct knock_epoch *previous = previous_keys(k, now_us);
    return previous && mac_good(c, previous->mac1_any, msg, before, msg + before);
}

/* --- the replay filter --- */

static void filter_turn(struct knock *k, uint64_t now_us)
{
    uint64_t age_us = time_since(now_us, k->filter_at_us);
    bool full = k->filter_count >= k->filter_bytes * 8ull / FILTER_BITS_PER_ENTRY;
    if (age_us < FILTER_LIFE_US && !full) return;
    if (age_us >= 2 * FILTER_LIFE_US)
        memset(k->filter + k->filter_bytes, 0, k->filter_bytes);
    else
        memcpy(k->filter + k->filter_bytes, k->filter, k->filter_bytes);
    memset(k->filter, 0, k->filter_bytes);
    k->filter_count = 0;
    k->filter_at_us = now_us;
}

/* Bit i is at first + i * second (Kirsch and Mitzenmacher 2006). */
struct filter_walk {
    uint64_t first, second, bits;
};

static struct filter_walk filter_walk(const struct knock *k, const uint8_t *ephemeral)
{
    uint8_t other[16];
    memcpy(other, k->filter_key, sizeof other);
    other[0] ^= 0xff;
    return (struct filter_walk){crypto_siphash(ephemeral, EPHEMERAL, k->filter_key),
                                crypto_siphash(ephemeral, EPHEMERAL, other) | 1,
                                k->filter_bytes * 8ull};
}

static bool filter_has(const uint8_t *filter, struct filter_walk w)
{
    for (unsigned i = 0; i < FILTER_HASHES; i++) {
        uint64_t bit = (w.first + i * w.second) % w.bits;
        if (!(filter[bit / 8] >> bit % 8 & 1)) return false;
    }
    return true;
}

static void filter_put(uint8_t *filter, struct filter_walk w)
{
    for (unsigned i = 0; i < FILTER_HASHES; i++) {
        uint64_t bit = (w.first + i * w.second) % w.bits;
        filter[bit / 8] = (uint8_t)(filter[bit / 8] | 1u << bit % 8);
    }
}

static bool filter_seen(const struct knock *k, const uint8_t *ephemeral)
{
    if (!k->filter) return false;
    struct filter_walk w = filter_walk(k, ephemeral);
    return filter_has(k->filter, w) || filter_has(k->filter + k->filter_bytes, w);
}

static void filter_remember(struct knock *k, const uint8_t *ephemeral)
{
    if (!k->filter) return;
    filter_put(k->filter, filter_walk(k, ephemeral));
    k->filter_count++;
}

/* --- cookies --- */

void knock_sender_endpoint(uint8_t out[21], const struct endpoint *e)
{
    memset(out, 0, SENDER_SIZE);
    out[0] = 1;
    endpoint_encode(e, out + 1);
}

void knock_sender_id(uint8_t out[21], const struct id *src)
{
    out[0] = 2;
    memcpy(out + 1, src->b, ID_SIZE);
}

static void secrets_turn(struct knock *k, uint64_t now_us, struct rng *r)
{
    uint64_t age_us = time_since(now_us, k->secret_at_us);
    if (age_us < SECRET_LIFE_US) return;
    if (age_us < 2 * SECRET_LIFE_US)
        memcpy(k->secret[1], k->secret[0], sizeof k->secret[1]);
    else
        rng_bytes(r, k->secret[1], sizeof k->secret[1]);
    rng_bytes(r, k->secret[0], sizeof k->secret[0]);
    k->secret_at_us = now_us;
}

static void cookie_of(uint8_t out[16], const struct crypto *c, const uint8_t secret[16],
                      const uint8_t sender[21])
{
    c->hash(out, 16, sender, SENDER_SIZE, secret, 16);
}

static void mac2_compute(uint8_t out[MAC_SIZE], const struct crypto *c, const uint8_t cookie[16],
                         const uint8_t *hello1)
{
    c->hash(out, MAC_SIZE, hello1, HELLO1_SIZE - MAC_SIZE, cookie, 16);
}

void mac2_write(const struct crypto *c, const uint8_t cookie[16], uint8_t hello1[HELLO1_SIZE])
{
    mac2_compute(hello1 + HELLO1_SIZE - MAC_SIZE, c, cookie, hello1);
}

static bool mac2_good(const struct knock *k, const struct crypto *c, const uint8_t *msg,
                      const uint8_t sender[21])
{
    uint8_t cookie[16], right[MAC_SIZE];
    bool good = false;
    for (unsigned i = 0; i < 2 && !good; i++) {
        cookie_of(cookie, c, k->secret[i], sender);
        mac2_compute(right, c, cookie, msg);
        good = crypto_equal(right, msg + HELLO1_SIZE - MAC_SIZE, MAC_SIZE);
    }
    crypto_wipe(cookie, sizeof cookie);
    crypto_wipe(right, sizeof right);
    return good;
}

enum knock_verdict knock_hello1(struct knock *k, const struct crypto *c, uint64_t now_us,
                                struct rng *r, const uint8_t *msg, size_t len,
                                const uint8_t sender[21], bool busy)
{
    if (len < HELLO1_ANY_MIN || msg[0] != OUTER_HELLO1) return KNOCK_BAD_MAC1;
    if (!hello1_mac_good(c, &k->keys, msg, len) && !knock_is_previous(k, c, now_us, msg, len))
        return KNOCK_BAD_MAC1;
    if (msg[1] != WIRE_VERSION) return KNOCK_VERSION;
    if (len != HELLO1_SIZE) return KNOCK_BAD_MAC1;
    const uint8_t *ephemeral = msg + HELLO1_HEADER;
    secrets_turn(k, now_us, r);
    if (k->filter) filter_turn(k, now_us);
    if (filter_seen(k, ephemeral)) return KNOCK_REPLAYED;
    if (busy && !mac2_good(k, c, msg, sender)) return KNOCK_NEED_COOKIE;
    filter_remember(k, ephemeral);
    return KNOCK_OK;
}

/* AD of a COOKIE: its first 8 bytes (so nobody turns a reason into another), and mac1 of what it answers. */
static void cookie_ad(uint8_t ad[8 + MAC_SIZE], const uint8_t *cookie, const uint8_t mac1[MAC_SIZE])
{
    memcpy(ad, cookie, 8);
    memcpy(ad + 8, mac1, MAC_SIZE);
}

void cookie_write(struct knock *k, const struct crypto *c, uint64_t now_us, struct rng *r,
                  const uint8_t *msg, size_t len, const uint8_t sender[21],
                  enum cookie_reason reason, uint8_t out[COOKIE_SIZE])
{
    ensure(len >= HELLO1_ANY_MIN && msg[0] == OUTER_HELLO1);
    uint8_t cookie[16], ad[8 + MAC_SIZE];
    secrets_turn(k, now_us, r);
    cookie_of(cookie, c, k->secret[0], sender);
    struct writer w = writer_of(out, COOKIE_SIZE);
    write_u8(&w, OUTER_COOKIE);
    write_u8(&w, WIRE_VERSION);
    write_u8(&w, (uint8_t)reason);
    write_u8(&w, 0);
    write_bytes(&w, msg + 4, 4); /* the sender's index */
    uint8_t *nonce = write_space(&w, 24), *sealed = write_space(&w, sizeof cookie + CRYPTO_TAG);
    ensure(!w.bad && w.len == COOKIE_SIZE);
    rng_bytes(r, nonce, 24);
    cookie_ad(ad, out, hello1_mac1(msg, len));
    bool previous = knock_is_previous(k, c, now_us, msg, len);
    c->xseal(sealed, cookie, sizeof cookie, ad, sizeof ad, nonce,
             previous ? k->previous->keys.cookie_key : k->keys.cookie_key);
    crypto_wipe(cookie, sizeof cookie);
}

enum err cookie_read(const struct knock *k, const struct crypto *c, const uint8_t *in, size_t len,
                     const uint8_t mac1[16], uint8_t cookie[16], enum cookie_reason *reason)
{
    uint8_t ad[8 + MAC_SIZE];
    if (len != COOKIE_SIZE || in[0] != OUTER_COOKIE || in[2] > COOKIE_BUSY || in[3] != 0)
        return ERR_MALFORMED;
    const uint8_t *nonce = in + 8, *sealed = nonce + 24;
    cookie_ad(ad, in, mac1);
    if (!c->xopen(cookie, sealed, 16 + CRYPTO_TAG, ad, sizeof ad, nonce, k->keys.cookie_key))
        return ERR_CRYPTO;
    *reason = (enum cookie_reason)in[2];
    return OK;
}

/* --- REFER --- */

bool knock_fresh(const struct knock *k, const struct crypto *c, uint64_t now_us, const uint8_t *msg,
                 size_t len)
{
    if (len != HELLO1_SIZE || msg[0] != OUTER_HELLO1 || msg[1] != WIRE_VERSION) return false;
    if (!hello1_mac_good(c, &k->keys, msg, len) && !knock_is_previous(k, c, now_us, msg, len))
        return false;
    return !filter_seen(k, msg + HELLO1_HEADER);
}

size_t refer_write(const struct knock *k, const struct crypto *c, uint64_t now_us, struct rng *r,
                   const uint8_t *msg, size_t len, const uint8_t *list, size_t list_len,
                   uint8_t out[REFER_MAX])
{
    ensure(len == HELLO1_SIZE && list_len > 0 && list_len <= REFER_ENTRIES * REFER_ENTRY);
    uint8_t ad[8 + MAC_SIZE];
    struct writer w = writer_of(out, REFER_MAX);
    write_u8(&w, OUTER_REFER);
    write_u8(&w, WIRE_VERSION);
    write_u16(&w, 0);
    write_bytes(&w, msg + 4, 4); /* the sender's index */
    uint8_t *nonce = write_space(&w, 24), *sealed = write_space(&w, list_len + CRYPTO_TAG);
    ensure(!w.bad);
    rng_bytes(r, nonce, 24);
    cookie_ad(ad, out, hello1_mac1(msg, len));
    bool previous = knock_is_previous(k, c, now_us, msg, len);
    c->xseal(sealed, list, list_len, ad, sizeof ad, nonce,
             previous ? k->previous->keys.cookie_key : k->keys.cookie_key);
    return w.len;
}

enum err refer_read(const struct knock *k, const struct crypto *c, const uint8_t *in, size_t len,
                    const uint8_t mac1[16], uint8_t list[REFER_ENTRIES * REFER_ENTRY],
                    size_t *list_len)
{
    uint8_t ad[8 + MAC_SIZE];
    if (len < 1 || in[0] != OUTER_REFER || !outer_length_ok(in[0], len) || in[1] != WIRE_VERSION ||
        get_u16(in + 2) != 0)
        return ERR_MALFORMED;
    size_t inside = len - REFER_HEADER - CRYPTO_TAG;
    if (inside % REFER_ENTRY != 0) return ERR_MALFORMED;
    cookie_ad(ad, in, mac1);
    if (!c->xopen(list, in + REFER_HEADER, inside + CRYPTO_TAG, ad, sizeof ad, in + 8,
                  k->keys.cookie_key))
        return ERR_CRYPTO;
    *list_len = inside;
    return OK;
}
