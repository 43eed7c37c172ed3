#include "overlay/session.h"

#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct rng rng_for(uint64_t number)
{
    struct rng root, r;
    uint8_t zero[32] = {0};
    rng_seed(&root, zero);
    rng_stream(&root, "session", number, &r);
    return r;
}

struct pair {
    const struct crypto *c;
    struct session a, b;
};

static struct pair pair_of(const struct crypto *c, enum aead aead)
{
    struct rng r = rng_for(1);
    struct session_keys one = {.aead = (uint8_t)aead,
                               .local_index = 1,
                               .remote_index = 2,
                               .initiator = true},
                        two;
    rng_bytes(&r, one.tx, 32);
    rng_bytes(&r, one.rx, 32);
    two = (struct session_keys){.aead = one.aead, .local_index = 2, .remote_index = 1};
    memcpy(two.tx, one.rx, 32);
    memcpy(two.rx, one.tx, 32);
    struct pair p = {.c = c};
    session_start(&p.a, &one);
    session_start(&p.b, &two);
    return p;
}

static size_t seal(struct pair *p, const void *frame, size_t len, uint8_t out[200])
{
    size_t n;
    assert_int_equal(session_seal(&p->a, p->c, frame, len, out, 200, &n), OK);
    return n;
}

/* Opens a copy, so that it can be opened again. */
static enum err open_copy(struct pair *p, const uint8_t *datagram, size_t len, bool *newest)
{
    uint8_t copy[200], *frame;
    size_t frame_len;
    memcpy(copy, datagram, len);
    return session_open(&p->b, p->c, copy, len, &frame, &frame_len, newest);
}

static unsigned aeads(const struct crypto *c)
{
    return c == &crypto_fake || crypto_has_aes() ? 2 : 1;
}

static void each_way(const struct crypto *c, enum aead aead)
{
    struct pair p = pair_of(c, aead);
    uint8_t datagram[200], *frame;
    size_t frame_len, len;
    bool newest = false;
    for (size_t n = 1; n <= 200 - DATA_OVERHEAD; n++) {
        uint8_t text[200];
        memset(text, (int)n, sizeof text);
        len = seal(&p, text, n, datagram);
        assert_int_equal(len, n + DATA_OVERHEAD);
        assert_int_equal(datagram[0], OUTER_DATA);
        assert_int_equal(session_open(&p.b, c, datagram, len, &frame, &frame_len, &newest), OK);
        assert_ptr_equal(frame, datagram + DATA_HEADER);
        assert_int_equal(frame_len, n);
        assert_memory_equal(frame, text, n);
        assert_true(newest);
        memcpy(datagram + DATA_HEADER, text, n); /* sealed where it lies, the other way */
        assert_int_equal(
            session_seal(&p.b, c, datagram + DATA_HEADER, n, datagram, sizeof datagram, &len), OK);
        assert_int_equal(session_open(&p.a, c, datagram, len, &frame, &frame_len, &newest), OK);
        assert_memory_equal(frame, text, n);
    }
}

static void test_both_ways(void **state)
{
    (void)state;
    const struct crypto *const tables[] = {&crypto_real, &crypto_fake};
    for (int t = 0; t < 2; t++)
        for (unsigned aead = 1; aead <= aeads(tables[t]); aead++)
            each_way(tables[t], (enum aead)aead);
}

static void test_nonces(void **state)
{
    (void)state;
    static const uint8_t little[12] = {0, 0, 0, 0, 8, 7, 6, 5, 4, 3, 2, 1};
    static const uint8_t big[12] = {0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    uint8_t nonce[12];
    session_nonce(nonce, AEAD_CHACHA20_POLY1305, 0x0102030405060708);
    assert_memory_equal(nonce, little, 12);
    session_nonce(nonce, AEAD_AES256_GCM, 0x0102030405060708);
    assert_memory_equal(nonce, big, 12);
}

static void test_any_flipped_bit_is_refused_and_changes_nothing(void **state)
{
    (void)state;
    const struct crypto *const tables[] = {&crypto_real, &crypto_fake};
    for (int t = 0; t < 2; t++) {
        struct pair p = pair_of(tables[t], AEAD_CHACHA20_POLY1305);
        uint8_t datagram[200], bad[200], *frame;
        size_t frame_len, len = seal(&p, "\x01 a frame", 9, datagram);
        bool newest;
        struct session before = p.b;
        for (size_t at = 0; at < len; at++)
            for (int bit = 0; bit < 8; bit++) {
                memcpy(bad, datagram, len);
                bad[at] ^= (uint8_t)(1 << bit);
                assert_int_not_equal(session_open(&p.b, p.c, bad, len, &frame, &frame_len, &newest),
                                     OK);
            }
        for (size_t cut = 0; cut < len; cut++) {
            memcpy(bad, datagram, len);
            assert_int_not_equal(session_open(&p.b, p.c, bad, cut, &frame, &frame_len, &newest),
                                 OK);
        }
        assert_memory_equal(&before, &p.b, sizeof before);
        assert_int_equal(open_copy(&p, datagram, len, &newest), OK);
        assert_int_equal(open_copy(&p, datagram, len, &newest), ERR_EXISTS);
    }
}

static void test_wrong_key(void **state)
{
    (void)state;
    struct pair p = pair_of(&crypto_real, AEAD_CHACHA20_POLY1305);
    uint8_t datagram[200];
    bool newest;
    size_t len = seal(&p, "\x01", 1, datagram);
    p.b.rx_key[0] ^= 1;
    assert_int_equal(open_copy(&p, datagram, len, &newest), ERR_CRYPTO);
    session_wipe(&p.b);
    static const struct session none;
    assert_memory_equal(&p.b, &none, sizeof none);
}

static void test_an_empty_frame_is_refused(void **state)
{
    (void)state;
    struct pair p = pair_of(&crypto_real, AEAD_CHACHA20_POLY1305);
    uint8_t datagram[DATA_OVERHEAD], nonce[12]; /* sealed by hand: session_seal would not */
    struct data_header h = {.receiver = p.a.remote_index};
    bool newest;
    data_header_write(datagram, &h);
    session_nonce(nonce, AEAD_CHACHA20_POLY1305, 0);
    p.c->seal(AEAD_CHACHA20_POLY1305, datagram + DATA_HEADER, NULL, 0, datagram, DATA_HEADER, nonce,
              p.a.tx_key);
    assert_int_equal(open_copy(&p, datagram, sizeof datagram, &newest), ERR_MALFORMED);
}

static void test_hard_stop(void **state)
{
    (void)state;
    struct pair p = pair_of(&crypto_fake, AEAD_CHACHA20_POLY1305);
    uint8_t datagram[200];
    size_t len;
    bool newest = false;
    p.a.tx_next = UINT32_MAX - 1; /* the last one */
    len = seal(&p, "x", 1, datagram);
    assert_int_equal(open_copy(&p, datagram, len, &newest), OK);
    assert_true(newest);
    assert_int_equal(open_copy(&p, datagram, len, &newest), ERR_EXISTS);
    for (int n = 0; n < 3; n++)
        assert_int_equal(session_seal(&p.a, p.c, datagram, 1, datagram, 200, &len), ERR_EXHAUSTED);
    /* A hostile peer with good keys goes beyond: refused, nothing wraps. */
    static const uint64_t beyond[] = {UINT32_MAX, 1ull << 32, UINT64_MAX};
    struct session before = p.b;
    for (int n = 0; n < 3; n++) {
        uint8_t nonce[12];
        struct data_header h = {.receiver = 1, .counter = beyond[n]};
        data_header_write(datagram, &h);
        session_nonce(nonce, AEAD_CHACHA20_POLY1305, h.counter);
        p.c->seal(AEAD_CHACHA20_POLY1305, datagram + 16, (const uint8_t *)"x", 1, datagram, 16,
                  nonce, p.a.tx_key);
        assert_int_equal(open_copy(&p, datagram, 33, &newest), ERR_MALFORMED);
    }
    assert_memory_equal(&before, &p.b, sizeof before);
}

/* --- windows against naive ones: a set of everything seen --- */

#define SPAN 40000u

/* Counters that jump about `top`: near, at the window's edge, far. */
static uint64_t any_counter(struct rng *r, uint64_t top, uint64_t window)
{
    switch (rng_below(r, 8)) {
    case 0: return top + rng_below(r, 3);
    case 1: return top + rng_below(r, window / 8 + 2);
    case 2: return top > window ? top - window + rng_below(r, 3) : 0;
    case 3: return rng_below(r, top + 1);
    case 4: return rng_below(r, 50) ? top : top + rng_below(r, 3 * window);
    default:
        return top > 1 + window / 2 ? top - 1 - rng_below(r, window / 2) : rng_below(r, top + 2);
    }
}

static void test_cold_window_against_a_set(void **state)
{
    (void)state;
    for (uint64_t round = 0; round < 20; round++) {
        struct rng r = rng_for(100 + round);
        struct pair p = pair_of(&crypto_fake, AEAD_CHACHA20_POLY1305);
        static bool seen[SPAN];
        uint64_t top = 0;
        memset(seen, 0, sizeof seen);
        for (int n = 0; n < 5000; n++) {
            uint64_t counter = any_counter(&r, top, 64);
            if (counter >= SPAN) break;
            uint8_t datagram[200];
            bool newest = false, want_new = counter >= top;
            p.a.tx_next = (uint32_t)counter;
            size_t len = seal(&p, "x", 1, datagram);
            bool want = !seen[counter] && (want_new || top - 1 - counter < 64);
            assert_int_equal(open_copy(&p, datagram, len, &newest), want ? OK : ERR_EXISTS);
            if (!want) continue;
            assert_int_equal(newest, want_new);
            seen[counter] = true;
            if (want_new) top = counter + 1;
        }
    }
}

static void test_replay_window_against_a_set(void **state)
{
    (void)state;
    static bool seen[1u << 20];
    static struct replay w;
    for (uint64_t round = 0; round < 6; round++) {
        struct rng r = rng_for(200 + round);
        uint64_t base = round % 2 ? UINT64_MAX - 64 - sizeof seen : 0, top = base;
        memset(seen, 0, sizeof seen);
        w = (struct replay){0};
        if (base) replay_mark(&w, base - 1);
        for (int n = 0; n < 200000; n++) {
            uint64_t counter = any_counter(&r, top - base, REPLAY_BITS - 64);
            if (counter >= sizeof seen) break;
            bool want = !seen[counter] &&
                        (base + counter >= top || top - 1 - (base + counter) < REPLAY_BITS - 64);
            assert_int_equal(replay_check(&w, base + counter), want);
            if (!want) continue;
            replay_mark(&w, base + counter);
            seen[counter] = true;
            if (base + counter >= top) top = base + counter + 1;
        }
    }
    assert_false(replay_check(&w, UINT64_MAX)); /* top would wrap */
}

/* After a leap over the whole ring nothing old is left in it, at either edge of the window. */
static void test_replay_window_after_a_leap(void **state)
{
    (void)state;
    for (uint64_t leap = REPLAY_BITS - 130; leap < REPLAY_BITS + 130; leap++) {
        struct replay w = {0};
        for (uint64_t n = 0; n < REPLAY_BITS; n++) replay_mark(&w, n);
        uint64_t top = REPLAY_BITS + leap;
        replay_mark(&w, top - 1);
        for (uint64_t n = top - REPLAY_BITS; n < top - 1; n++)
            assert_int_equal(replay_check(&w, n),
                             n >= REPLAY_BITS && top - 1 - n < REPLAY_BITS - 64);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_both_ways),
        cmocka_unit_test(test_nonces),
        cmocka_unit_test(test_any_flipped_bit_is_refused_and_changes_nothing),
        cmocka_unit_test(test_wrong_key),
        cmocka_unit_test(test_an_empty_frame_is_refused),
        cmocka_unit_test(test_hard_stop),
        cmocka_unit_test(test_cold_window_against_a_set),
        cmocka_unit_test(test_replay_window_against_a_set),
        cmocka_unit_test(test_replay_window_after_a_leap),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
