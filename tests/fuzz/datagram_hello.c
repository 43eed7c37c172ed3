/* overlay/{handshake,knock,session}.h: a datagram from anybody, and one from somebody who holds the overlay key.
 *
 * The first byte of the input says what to attack; the rest is laid over the message that a good peer would have sent
 * there. First as it is: then only the good message itself may be taken. Then with mac1 made good: still nothing but
 * that message may be taken, and what is refused leaves the handshake able to go on. */
#include "base/err.h"
#include "overlay/cert.h"
#include "overlay/handshake.h"
#include "overlay/knock.h"
#include "overlay/session.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct crypto *const c = &crypto_fake;

struct scene {
    struct overlay_key ok;
    struct identity ia, ib;
    struct handshake a, b;
    struct hello_info own;
    struct knock k;
    struct rng r;
    uint8_t good[HELLO3_MAX]; /* what the attacked end waits for */
    size_t good_len;
};

static void scene_init(struct scene *s)
{
    static const uint8_t one[32] = {1}, two[32] = {2}, three[32] = {3}, four[32] = {4};
    memset(s, 0, sizeof *s);
    rng_seed(&s->r, one);
    s->ok = (struct overlay_key){.key = {7}, .epoch = 1, .name = "fuzz"};
    identity_from_seeds(&s->ia, c, one, two);
    identity_from_seeds(&s->ib, c, three, four);
    s->own = (struct hello_info){.capabilities = AEAD_CHACHA20_POLY1305, .mtu_bytes = 1400};
    handshake_init(&s->a, c, &s->ok, true, 0xa);
    handshake_init(&s->b, c, &s->ok, false, 0xb);
    s->a.expect = s->ib.id;
    knock_init(&s->k, c, &s->ok, &s->ib.id, &s->r, NULL, 0);
}

/* The input over the good message: its first two bytes are how much is cut off or added, then (place, byte) pairs. */
static size_t spoil(const struct scene *s, const uint8_t *data, size_t size,
                    uint8_t out[HELLO3_MAX + 64])
{
    memset(out, 0, HELLO3_MAX + 64);
    memcpy(out, s->good, s->good_len);
    if (size < 2) return s->good_len;
    size_t len = s->good_len + data[0] % 64 - (data[1] < s->good_len ? data[1] : s->good_len);
    for (size_t i = 2; i + 3 <= size; i += 3) {
        size_t at = (size_t)(data[i] << 8 | data[i + 1]);
        if (at < len) out[at] ^= data[i + 2];
    }
    return len;
}

static bool is_good(const struct scene *s, const uint8_t *msg, size_t len)
{
    return len == s->good_len && memcmp(msg, s->good, len) == 0;
}

/* The sender's index is a label of its choice: mac1 alone covers it, which a member can make. */
static bool is_good_but_index(const struct scene *s, const uint8_t *msg, size_t len)
{
    return len == s->good_len && memcmp(msg, s->good, 4) == 0 &&
           memcmp(msg + 8, s->good + 8, len - 8 - MAC_SIZE) == 0;
}

/* HELLO1 at the responder. mac2 counts only under load. */
static void attack_hello1(struct scene *s, const uint8_t *data, size_t size, bool member)
{
    uint8_t msg[HELLO3_MAX + 64], sender[21] = {0}, cookie[COOKIE_SIZE], inside[16];
    enum cookie_reason reason;
    hello1_write(&s->a, c, &s->ok, &s->own, s->ia.ed_seed, s->good);
    s->good_len = HELLO1_SIZE;
    size_t len = spoil(s, data, size, msg);
    if (member && len >= 2 * MAC_SIZE) mac1_write(c, &s->ok, &s->ib.id, msg, len - 2 * MAC_SIZE);
    bool unspoiled = len == HELLO1_SIZE && memcmp(msg, s->good, HELLO1_SIZE - MAC_SIZE) == 0;
    enum knock_verdict busy = knock_hello1(&s->k, c, 1, &s->r, msg, len, sender, true);
    ensure(busy != KNOCK_OK && busy != KNOCK_REPLAYED); /* no cookie was given to anybody */
    enum knock_verdict v = knock_hello1(&s->k, c, 1, &s->r, msg, len, sender, false);
    ensure(member || (v == KNOCK_OK) == unspoiled);
    if (v == KNOCK_VERSION || busy == KNOCK_NEED_COOKIE) {
        cookie_write(&s->k, c, 1, &s->r, msg, len, sender, COOKIE_VERSION, cookie);
        ensure(cookie_read(&s->k, c, cookie, sizeof cookie, msg + len - 2 * MAC_SIZE, inside,
                           &reason) == OK);
        ensure(sizeof cookie <= len && reason == COOKIE_VERSION);
    }
    if (v != KNOCK_OK) return;
    enum err e = hello1_read(&s->b, c, msg, len);
    if (unspoiled) ensure(e == OK);
    if (!e) ensure(s->b.remote_index == get_u32(msg + 4));
}

static void attack_hello2(struct scene *s, const uint8_t *data, size_t size, bool member)
{
    uint8_t msg[HELLO3_MAX + 64];
    hello1_write(&s->a, c, &s->ok, &s->own, s->ia.ed_seed, s->good);
    ensure(hello1_read(&s->b, c, s->good, HELLO1_SIZE) == OK);
    ensure(hello2_write(&s->b, c, &s->ok, &s->ib, &s->own, s->ib.ed_seed, s->good) == OK);
    s->good_len = HELLO2_SIZE;
    size_t len = spoil(s, data, size, msg);
    if (member && len >= MAC_SIZE) mac1_write(c, &s->ok, NULL, msg, len - MAC_SIZE);
    struct handshake before = s->a;
    enum err e = hello2_read(&s->a, c, &s->ok, &s->ia, msg, len);
    ensure(!e == (member ? is_good_but_index(s, msg, len) : is_good(s, msg, len)));
    if (!e) return;
    ensure(memcmp(&before, &s->a, sizeof before) == 0);
    ensure(hello2_read(&s->a, c, &s->ok, &s->ia, s->good, s->good_len) == OK);
}

static void attack_hello3(struct scene *s, const uint8_t *data, size_t size, bool member)
{
    uint8_t msg[HELLO3_MAX + 64], chain[CHAIN_BYTES];
    size_t chain_len;
    hello1_write(&s->a, c, &s->ok, &s->own, s->ia.ed_seed, s->good);
    ensure(hello1_read(&s->b, c, s->good, HELLO1_SIZE) == OK);
    ensure(hello2_write(&s->b, c, &s->ok, &s->ib, &s->own, s->ib.ed_seed, s->good) == OK);
    ensure(hello2_read(&s->a, c, &s->ok, &s->ia, s->good, HELLO2_SIZE) == OK);
    s->good_len = hello3_write(&s->a, c, &s->ok, &s->ia, &s->own, "a chain", 7, s->good);
    size_t len = spoil(s, data, size, msg);
    if (member && len >= MAC_SIZE) mac1_write(c, &s->ok, NULL, msg, len - MAC_SIZE);
    struct handshake before = s->b;
    enum err e = hello3_read(&s->b, c, &s->ok, &s->ib, msg, len, chain, &chain_len);
    ensure(!e == is_good(s, msg, len));
    if (!e) return;
    ensure(memcmp(&before, &s->b, sizeof before) == 0);
    ensure(hello3_read(&s->b, c, &s->ok, &s->ib, s->good, s->good_len, chain, &chain_len) == OK);
}

static void attack_cookie(struct scene *s, const uint8_t *data, size_t size)
{
    uint8_t msg[HELLO3_MAX + 64], hello1[HELLO1_SIZE], cookie[16], sender[21] = {0};
    enum cookie_reason reason;
    hello1_write(&s->a, c, &s->ok, &s->own, s->ia.ed_seed, hello1);
    cookie_write(&s->k, c, 1, &s->r, hello1, HELLO1_SIZE, sender, COOKIE_PROVE, s->good);
    s->good_len = COOKIE_SIZE;
    size_t len = spoil(s, data, size, msg);
    enum err e = cookie_read(&s->k, c, msg, len, hello1 + HELLO1_SIZE - 2 * MAC_SIZE, cookie,
                             &reason);
    ensure(!e == is_good(s, msg, len));
    uint8_t list[REFER_ENTRIES * REFER_ENTRY] = {0};
    size_t list_len;
    s->good_len = refer_write(&s->k, c, 1, &s->r, hello1, HELLO1_SIZE, list, 2 * REFER_ENTRY,
                              s->good);
    len = spoil(s, data, size, msg);
    e = refer_read(&s->k, c, msg, len, hello1 + HELLO1_SIZE - 2 * MAC_SIZE, list, &list_len);
    ensure(!e == is_good(s, msg, len));
}

static void attack_session(struct scene *s, const uint8_t *data, size_t size)
{
    uint8_t msg[HELLO3_MAX + 64], *frame;
    size_t frame_len, good_len;
    bool newest;
    struct session_keys one = {.tx = {1}, .rx = {2}, .aead = 1, .remote_index = 5},
                        two = {.tx = {2}, .rx = {1}, .aead = 1};
    struct session a, b;
    session_start(&a, &one);
    session_start(&b, &two);
    ensure(session_seal(&a, c, (const uint8_t *)"\x01 frame", 7, s->good, sizeof s->good,
                        &good_len) == OK);
    s->good_len = good_len;
    size_t len = spoil(s, data, size, msg);
    bool unspoiled = is_good(s, msg, len); /* asked before it is opened in place */
    struct session before = b;
    enum err e = session_open(&b, c, msg, len, &frame, &frame_len, &newest);
    ensure(!e == unspoiled);
    if (e) ensure(memcmp(&before, &b, sizeof b) == 0);
}

/* Bytes as they are, at every door. */
static void raw(struct scene *s, const uint8_t *data, size_t size)
{
    uint8_t sender[21] = {0}, cookie[16], copy[HELLO3_MAX + 64], *frame;
    uint32_t one, two;
    enum cookie_reason reason;
    struct session b;
    struct session_keys keys = {.aead = 1};
    size_t frame_len, list_len;
    uint8_t list[REFER_ENTRIES * REFER_ENTRY];
    bool newest;
    if (hello_indices(data, size, &one, &two))
        ensure(outer_name(data[0]) && outer_length_ok(data[0], size));
    ensure(knock_hello1(&s->k, c, 1, &s->r, data, size, sender, false) == KNOCK_BAD_MAC1);
    ensure(!knock_mac1(&s->k, c, 1, data, size));
    ensure(cookie_read(&s->k, c, data, size, sender, cookie, &reason) != OK);
    ensure(!knock_fresh(&s->k, c, 1, data, size));
    ensure(refer_read(&s->k, c, data, size, sender, list, &list_len) != OK);
    (void)!hello1_read(&s->b, c, data,
                       size); /* only Noise guards here, and message 1 has no secret */
    if (size > sizeof copy) return;
    memcpy(copy, data, size);
    session_start(&b, &keys);
    ensure(session_open(&b, c, copy, size, &frame, &frame_len, &newest) != OK);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct scene s;
    if (size < 1) return 0;
    scene_init(&s);
    bool member = data[0] & 0x10;
    switch (data[0] & 0x0f) {
    case 1: attack_hello1(&s, data + 1, size - 1, member); break;
    case 2: attack_hello2(&s, data + 1, size - 1, member); break;
    case 3: attack_hello3(&s, data + 1, size - 1, member); break;
    case 4: attack_cookie(&s, data + 1, size - 1); break;
    case 5: attack_session(&s, data + 1, size - 1); break;
    default: raw(&s, data + 1, size - 1); break;
    }
    return 0;
}
