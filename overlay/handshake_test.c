#include "overlay/handshake.h"

#include "overlay/cert.h"
#include "overlay/knock.h"
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
    rng_stream(&root, "handshake", number, &r);
    return r;
}

#define CHAIN_LEN 700u

struct end {
    const struct crypto *c;
    struct overlay_key ok;
    struct identity self;
    struct handshake h;
    struct hello_info own;
    uint8_t fresh[32];
};
struct run {
    struct end a, b;
    uint8_t hello1[HELLO1_SIZE], hello2[HELLO2_SIZE], hello3[HELLO3_MAX];
    size_t hello3_len;
    uint8_t chain[CHAIN_BYTES], got[CHAIN_BYTES];
    size_t got_len;
};

static void end_init(struct end *e, const struct crypto *c, struct rng *r, bool initiator)
{
    *e = (struct end){.c = c};
    identity_make(&e->self, c, r);
    rng_bytes(r, e->fresh, 32);
    memset(e->ok.key, 0x77, 32);
    strcpy(e->ok.name, "home");
    e->own = (struct hello_info){
        .capabilities = AEAD_CHACHA20_POLY1305 | AEAD_AES256_GCM | CAP_RELAY,
        .mtu_bytes = initiator ? 1400 : 1452,
        .observed = endpoint_v4(initiator ? 0xcb007105 : 0xc6336402, 7464)};
    handshake_init(&e->h, c, &e->ok, initiator, initiator ? 0x11111111 : 0x22222222);
}

static void run_init(struct run *run, const struct crypto *ca, const struct crypto *cb)
{
    struct rng r = rng_for(1);
    memset(run, 0, sizeof *run);
    end_init(&run->a, ca, &r, true);
    end_init(&run->b, cb, &r, false);
    run->a.h.expect = run->b.self.id;
    run->a.own.via = (struct id){{5, 6, 7}};
    run->a.own.place = (struct id){{8, 9}};
    rng_bytes(&r, run->chain, sizeof run->chain);
}

static enum err do_hello1(struct run *run)
{
    struct end *a = &run->a, *b = &run->b;
    hello1_write(&a->h, a->c, &a->ok, &a->own, a->fresh, run->hello1);
    return hello1_read(&b->h, b->c, run->hello1, sizeof run->hello1);
}

static enum err do_hello2(struct run *run)
{
    struct end *a = &run->a, *b = &run->b;
    enum err e = hello2_write(&b->h, b->c, &b->ok, &b->self, &b->own, b->fresh, run->hello2);
    if (e) return e;
    return hello2_read(&a->h, a->c, &a->ok, &a->self, run->hello2, sizeof run->hello2);
}

static enum err do_hello3(struct run *run)
{
    struct end *a = &run->a, *b = &run->b;
    run->hello3_len = hello3_write(&a->h, a->c, &a->ok, &a->self, &a->own, run->chain, CHAIN_LEN,
                                   run->hello3);
    assert_int_equal(run->hello3_len, HELLO3_MIN + CHAIN_LEN);
    return hello3_read(&b->h, b->c, &b->ok, &b->self, run->hello3, run->hello3_len, run->got,
                       &run->got_len);
}

static enum err do_all(struct run *run)
{
    enum err e = do_hello1(run);
    if (!e) e = do_hello2(run);
    return e ? e : do_hello3(run);
}

static void test_whole_handshake(void **state)
{
    (void)state;
    const struct crypto *const tables[] = {&crypto_real, &crypto_fake};
    for (int t = 0; t < 2; t++) {
        struct run run;
        run_init(&run, tables[t], tables[t]);
        struct handshake *a = &run.a.h, *b = &run.b.h;
        assert_int_equal(do_hello1(&run), OK);
        assert_int_equal(b->peer.capabilities, run.a.own.capabilities);
        assert_true(id_equal(&b->peer.via, &run.a.own.via));
        assert_true(id_equal(&b->peer.place, &run.a.own.place));
        assert_int_equal(b->remote_index, 0x11111111);
        assert_int_equal(do_hello2(&run), OK);
        assert_int_equal(a->remote_index, 0x22222222);
        assert_int_equal(a->aead, AEAD_AES256_GCM);
        assert_true(id_equal(&a->peer_id, &run.b.self.id));
        assert_memory_equal(a->peer_x_pk, run.b.self.x_pk, 32);
        assert_memory_equal(a->peer.ed_pk, run.b.self.ed_pk, 32);
        assert_int_equal(a->peer.mtu_bytes, 1452);
        assert_true(endpoint_equal(&a->peer.observed, &run.b.own.observed));
        assert_true(id_is_zero(&b->peer_id));
        assert_int_equal(do_hello3(&run), OK);
        assert_true(id_equal(&b->peer_id, &run.a.self.id));
        assert_memory_equal(b->peer.ed_pk, run.a.self.ed_pk, 32);
        assert_true(endpoint_equal(&b->peer.observed, &run.a.own.observed));
        assert_int_equal(run.got_len, CHAIN_LEN);
        assert_memory_equal(run.got, run.chain, CHAIN_LEN);

        struct session_keys ka, kb;
        handshake_keys(a, tables[t], &ka);
        handshake_keys(b, tables[t], &kb);
        assert_memory_equal(ka.tx, kb.rx, 32);
        assert_memory_equal(ka.rx, kb.tx, 32);
        assert_memory_not_equal(ka.tx, ka.rx, 32);
        assert_int_equal(ka.remote_index, kb.local_index);
        assert_int_equal(kb.remote_index, ka.local_index);
        assert_true(ka.initiator && !kb.initiator);
        assert_int_equal(ka.aead, kb.aead);
        handshake_wipe(a);
        static const struct handshake none;
        assert_memory_equal(a, &none, sizeof none);
    }
}

static void test_headers_and_indices(void **state)
{
    (void)state;
    struct run run;
    run_init(&run, &crypto_fake, &crypto_fake);
    assert_int_equal(do_all(&run), OK);
    static const uint8_t one[8] = {0x40, WIRE_VERSION, 0, 0, 0x11, 0x11, 0x11, 0x11};
    static const uint8_t two[12] = {0x41, WIRE_VERSION, 0,    0,    0x22, 0x22,
                                    0x22, 0x22,         0x11, 0x11, 0x11, 0x11};
    static const uint8_t three[12] = {0x42, WIRE_VERSION, 0,    0,    0x11, 0x11,
                                      0x11, 0x11,         0x22, 0x22, 0x22, 0x22};
    assert_memory_equal(run.hello1, one, 8);
    assert_memory_equal(run.hello2, two, 12);
    assert_memory_equal(run.hello3, three, 12);
    uint32_t sender = 9, receiver = 9;
    assert_true(hello_indices(run.hello1, sizeof run.hello1, &sender, &receiver));
    assert_true(sender == 0x11111111 && receiver == 0);
    assert_true(hello_indices(run.hello2, sizeof run.hello2, &sender, &receiver));
    assert_true(sender == 0x22222222 && receiver == 0x11111111);
    assert_true(hello_indices(run.hello3, run.hello3_len, &sender, &receiver));
    assert_true(sender == 0x11111111 && receiver == 0x22222222);
    uint8_t cookie[COOKIE_SIZE] = {OUTER_COOKIE, 1, 0, 0, 0, 0, 0, 5}, data[40] = {OUTER_DATA};
    assert_true(hello_indices(cookie, sizeof cookie, &sender, &receiver));
    assert_true(sender == 0 && receiver == 5);
    assert_false(hello_indices(data, sizeof data, &sender, &receiver));
    assert_false(hello_indices(run.hello2, sizeof run.hello2 - 1, &sender, &receiver));
    assert_false(hello_indices(run.hello2, 0, &sender, &receiver));
}

/* What the daemon does with arriving bytes: knock, then read. Any change must end in a refusal that changes nothing. */
static enum err knock_and_read1(struct run *run, struct knock *k, const uint8_t *in, size_t len)
{
    struct rng r = rng_for(9);
    uint8_t sender[21] = {0};
    if (knock_hello1(k, run->b.c, 1, &r, in, len, sender, false) != KNOCK_OK) return ERR_CRYPTO;
    return hello1_read(&run->b.h, run->b.c, in, len);
}

/* Refused at every flipped bit and every length, by `read`, whose state `watched` stays as it was. */
#define REFUSES_CHANGES(message, len_, read, watched)                                              \
    do {                                                                                           \
        uint8_t bad[HELLO3_MAX + 1] = {0};                                                         \
        struct handshake before = watched;                                                         \
        for (size_t at = 0; at < (len_); at++)                                                     \
            for (int bit = 0; bit < 8; bit += 7 - 6 * (at % 2)) {                                  \
                memcpy(bad, message, (len_));                                                      \
                bad[at] ^= (uint8_t)(1 << bit);                                                    \
                size_t len = (len_);                                                               \
                assert_int_not_equal(read, OK);                                                    \
            }                                                                                      \
        memcpy(bad, message, (len_));                                                              \
        for (size_t len = 0; len <= (len_) + 1; len++)                                             \
            if (len != (len_)) assert_int_not_equal(read, OK);                                     \
        assert_memory_equal(&before, &watched, sizeof before);                                     \
    } while (0)

static void test_any_change_is_refused_and_the_right_one_still_taken(void **state)
{
    (void)state;
    struct run run;
    run_init(&run, &crypto_real, &crypto_real);
    struct end *a = &run.a, *b = &run.b;
    struct rng r = rng_for(2);
    struct knock k;
    knock_init(&k, b->c, &b->ok, &b->self.id, &r, NULL, 0);

    hello1_write(&a->h, a->c, &a->ok, &a->own, a->fresh, run.hello1);
    /* mac2 is not looked at when idle, so only what is before it */
    REFUSES_CHANGES(run.hello1, HELLO1_SIZE - MAC_SIZE, knock_and_read1(&run, &k, bad, len), b->h);
    assert_int_equal(knock_and_read1(&run, &k, run.hello1, sizeof run.hello1), OK);

    assert_int_equal(hello2_write(&b->h, b->c, &b->ok, &b->self, &b->own, b->fresh, run.hello2),
                     OK);
    REFUSES_CHANGES(run.hello2, HELLO2_SIZE, hello2_read(&a->h, a->c, &a->ok, &a->self, bad, len),
                    a->h);
    assert_int_equal(hello2_read(&a->h, a->c, &a->ok, &a->self, run.hello2, HELLO2_SIZE), OK);

    size_t size = hello3_write(&a->h, a->c, &a->ok, &a->self, &a->own, run.chain, CHAIN_LEN,
                               run.hello3);
    REFUSES_CHANGES(run.hello3, size,
                    hello3_read(&b->h, b->c, &b->ok, &b->self, bad, len, run.got, &run.got_len),
                    b->h);
    assert_int_equal(
        hello3_read(&b->h, b->c, &b->ok, &b->self, run.hello3, size, run.got, &run.got_len), OK);
}

/* Somebody who holds the overlay key can make mac1 good again. Noise must refuse by itself. */
static void test_noise_refuses_without_mac1(void **state)
{
    (void)state;
    for (size_t at = HELLO_HEADER; at < HELLO2_SIZE - MAC_SIZE; at++) {
        struct run run;
        run_init(&run, &crypto_fake, &crypto_fake);
        struct end *a = &run.a, *b = &run.b;
        assert_int_equal(do_hello1(&run), OK);
        assert_int_equal(hello2_write(&b->h, b->c, &b->ok, &b->self, &b->own, b->fresh, run.hello2),
                         OK);
        uint8_t bad[HELLO2_SIZE];
        memcpy(bad, run.hello2, sizeof bad);
        bad[at] ^= 0x10;
        mac1_write(a->c, &a->ok, NULL, bad, HELLO2_SIZE - MAC_SIZE);
        assert_int_equal(hello2_read(&a->h, a->c, &a->ok, &a->self, bad, sizeof bad), ERR_CRYPTO);
        assert_int_equal(hello2_read(&a->h, a->c, &a->ok, &a->self, run.hello2, sizeof bad), OK);
        assert_int_equal(do_hello3(&run), OK);
    }
}

static void zero_point(uint8_t pk[32], const uint8_t sk[32])
{
    (void)sk;
    memset(pk, 0, 32);
}

static void test_zero_point_is_refused(void **state)
{
    (void)state;
    const struct crypto *const tables[] = {&crypto_real, &crypto_fake};
    for (int t = 0; t < 2; t++) {
        struct run run;
        run_init(&run, tables[t], tables[t]);
        struct end *a = &run.a, *b = &run.b;
        /* As responder: an initiator's ephemeral of low order, its payload sealed as it should be. */
        struct crypto zero = *tables[t];
        zero.x25519_ephemeral = zero_point;
        hello1_write(&a->h, &zero, &a->ok, &a->own, a->fresh, run.hello1);
        assert_int_equal(hello1_read(&b->h, b->c, run.hello1, sizeof run.hello1), OK);
        assert_int_equal(hello2_write(&b->h, b->c, &b->ok, &b->self, &b->own, b->fresh, run.hello2),
                         ERR_CRYPTO);
        /* As initiator: the responder's. */
        run_init(&run, tables[t], tables[t]);
        assert_int_equal(do_hello1(&run), OK);
        struct noise before = a->h.noise;
        assert_int_equal(hello2_write(&b->h, b->c, &b->ok, &b->self, &b->own, b->fresh, run.hello2),
                         OK);
        memset(run.hello2 + HELLO_HEADER, 0, 32);
        mac1_write(a->c, &a->ok, NULL, run.hello2, HELLO2_SIZE - MAC_SIZE);
        assert_int_equal(hello2_read(&a->h, a->c, &a->ok, &a->self, run.hello2, HELLO2_SIZE),
                         ERR_CRYPTO);
        assert_memory_equal(&before, &a->h.noise, sizeof before);
    }
}

static void test_wrong_overlay_key(void **state)
{
    (void)state;
    struct run run;
    run_init(&run, &crypto_real, &crypto_real);
    struct end *a = &run.a, *b = &run.b;
    b->ok.key[0] ^= 1;
    handshake_init(&b->h, b->c, &b->ok, false, 0x22222222);
    assert_int_equal(do_hello1(&run),
                     OK); /* knock would have refused; the psk comes at the end of message 3 */
    assert_int_equal(do_hello2(&run), ERR_CRYPTO);
    mac1_write(a->c, &a->ok, NULL, run.hello2, HELLO2_SIZE - MAC_SIZE); /* suppose mac1 were good */
    assert_int_equal(hello2_read(&a->h, a->c, &a->ok, &a->self, run.hello2, HELLO2_SIZE), OK);
    assert_int_equal(do_hello3(&run), ERR_CRYPTO);
    mac1_write(b->c, &b->ok, NULL, run.hello3, run.hello3_len - MAC_SIZE);
    assert_int_equal(hello3_read(&b->h, b->c, &b->ok, &b->self, run.hello3, run.hello3_len, run.got,
                                 &run.got_len),
                     ERR_CRYPTO);
}

static void test_another_overlay_name(void **state)
{
    (void)state;
    struct run run;
    run_init(&run, &crypto_real, &crypto_real);
    strcpy(run.b.ok.name, "work"); /* the same key: only the prologue differs */
    handshake_init(&run.b.h, run.b.c, &run.b.ok, false, 0x22222222);
    assert_int_equal(do_hello1(&run), ERR_CRYPTO);
}

static void test_prologue_as_written_down(void **state)
{
    (void)state;
    static const uint8_t prologue[] = {'r', 'i',          'n', 'g', 'l', 'e',
                                       't', WIRE_VERSION, 'h', 'o', 'm', 'e'};
    struct run run;
    struct noise n;
    run_init(&run, &crypto_real, &crypto_real);
    noise_init(&n, &crypto_real, prologue, sizeof prologue, run.a.ok.key);
    assert_memory_equal(&n, &run.a.h.noise, sizeof n);
}

static void test_tables_do_not_mix(void **state)
{
    (void)state;
    struct run run;
    run_init(&run, &crypto_real, &crypto_fake);
    assert_int_equal(do_hello1(&run), ERR_CRYPTO);
    run_init(&run, &crypto_fake, &crypto_real);
    assert_int_equal(do_hello1(&run), ERR_CRYPTO);
}

/* A node that is not who we dialled, or claims another's Ed25519 key, gets another id. */
static void test_stolen_id(void **state)
{
    (void)state;
    struct run run;
    struct rng r = rng_for(3);
    struct identity victim;
    identity_make(&victim, &crypto_real, &r);
    run_init(&run, &crypto_real, &crypto_real);
    run.a.h.expect = victim.id;
    assert_int_equal(do_hello1(&run), OK);
    assert_int_equal(do_hello2(&run), ERR_DENIED);
    run_init(&run, &crypto_real, &crypto_real);
    run.a.h.expect = victim.id;
    memcpy(run.b.self.ed_pk, victim.ed_pk, 32); /* its own X25519 key, the victim's Ed25519 key */
    run.b.self.id = victim.id;
    assert_int_equal(do_hello1(&run), OK);
    assert_int_equal(do_hello2(&run), ERR_DENIED);
    assert_true(id_is_zero(&run.a.h.peer_id));

    run_init(&run, &crypto_real,
             &crypto_real); /* as initiator: the id is that of the keys it has */
    memcpy(run.a.self.ed_pk, victim.ed_pk, 32);
    assert_int_equal(do_all(&run), OK);
    assert_false(id_equal(&run.b.h.peer_id, &victim.id));

    run_init(&run, &crypto_real,
             &crypto_real); /* the victim's X25519 public key without its secret */
    memcpy(run.b.self.x_pk, victim.x_pk, 32);
    assert_int_equal(do_hello1(&run), OK);
    assert_int_equal(do_hello2(&run), ERR_CRYPTO);
}

static void test_a_seed_may_be_anybody(void **state)
{
    (void)state;
    struct run run;
    run_init(&run, &crypto_fake, &crypto_fake);
    run.a.h.expect = ID_ZERO;
    assert_int_equal(do_hello1(&run), OK);
    assert_int_equal(do_hello2(&run), OK);
    assert_true(id_equal(&run.a.h.peer_id, &run.b.self.id));
}

static void test_aead_negotiation(void **state)
{
    (void)state;
    const uint32_t chacha = AEAD_CHACHA20_POLY1305, aes = AEAD_AES256_GCM, both = chacha | aes;
    const struct {
        uint32_t a, b;
        uint8_t want;
    } cases[] = {{both, both, AEAD_AES256_GCM},
                 {both, chacha, AEAD_CHACHA20_POLY1305},
                 {chacha, both, AEAD_CHACHA20_POLY1305},
                 {aes, chacha, 0},
                 {0, both, 0},
                 {aes | CAP_RELAY, both, 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run run;
        run_init(&run, &crypto_fake, &crypto_fake);
        run.a.own.capabilities = cases[i].a;
        run.b.own.capabilities = cases[i].b;
        assert_int_equal(do_hello1(&run), OK);
        struct end *b = &run.b;
        struct handshake before = b->h;
        assert_int_equal(hello2_write(&b->h, b->c, &b->ok, &b->self, &b->own, b->fresh, run.hello2),
                         cases[i].want ? OK : ERR_UNSUPPORTED);
        b->h = before;
        assert_int_equal(do_hello2(&run), cases[i].want ? OK : ERR_UNSUPPORTED);
        if (cases[i].want) assert_int_equal(run.a.h.aead, cases[i].want);
    }
    /* A responder that chooses what was not offered is refused. */
    struct run run;
    run_init(&run, &crypto_fake, &crypto_fake);
    run.a.own.capabilities = chacha;
    assert_int_equal(do_hello1(&run), OK);
    run.b.h.peer.capabilities = both;
    assert_int_equal(do_hello2(&run), ERR_UNSUPPORTED);
}

static void test_version_and_lengths(void **state)
{
    (void)state;
    struct run run;
    run_init(&run, &crypto_fake, &crypto_fake);
    struct end *a = &run.a, *b = &run.b;
    hello1_write(&a->h, a->c, &a->ok, &a->own, a->fresh, run.hello1);
    run.hello1[1] = WIRE_VERSION + 1;
    assert_int_equal(hello1_read(&b->h, b->c, run.hello1, sizeof run.hello1), ERR_UNSUPPORTED);
    run.hello1[1] = WIRE_VERSION;
    run.hello1[3] = 1;
    assert_int_equal(hello1_read(&b->h, b->c, run.hello1, sizeof run.hello1), ERR_MALFORMED);
    run.hello1[3] = 0;
    assert_int_equal(hello1_read(&b->h, b->c, run.hello1, sizeof run.hello1), OK);
    assert_int_equal(do_hello2(&run), OK);
    assert_int_equal(hello3_write(&a->h, a->c, &a->ok, &a->self, &a->own, run.chain,
                                  CHAIN_BYTES + 1, run.hello3),
                     0);
    size_t len = hello3_write(&a->h, a->c, &a->ok, &a->self, &a->own, run.chain, CHAIN_BYTES,
                              run.hello3);
    assert_int_equal(len, HELLO3_MIN + CHAIN_BYTES);
    assert_int_equal(
        hello3_read(&b->h, b->c, &b->ok, &b->self, run.hello3, len, run.got, &run.got_len), OK);
    assert_int_equal(run.got_len, CHAIN_BYTES);
}

/* Messages of one handshake do nothing in another. */
static void test_replies_belong_to_their_handshake(void **state)
{
    (void)state;
    struct run one, two;
    run_init(&one, &crypto_fake, &crypto_fake);
    run_init(&two, &crypto_fake, &crypto_fake);
    two.a.fresh[0] ^= 1;
    two.b.fresh[0] ^= 1;
    assert_int_equal(do_hello1(&one), OK);
    assert_int_equal(do_hello1(&two), OK);
    assert_int_equal(do_hello2(&two), OK);
    struct end *a = &one.a, *b = &one.b;
    assert_int_equal(hello2_read(&a->h, a->c, &a->ok, &a->self, two.hello2, HELLO2_SIZE),
                     ERR_CRYPTO);
    assert_int_equal(do_hello2(&one), OK);
    two.hello3_len = hello3_write(&two.a.h, a->c, &a->ok, &two.a.self, &two.a.own, "", 0,
                                  two.hello3);
    assert_int_equal(two.hello3_len, HELLO3_MIN);
    assert_int_equal(hello3_read(&b->h, b->c, &b->ok, &b->self, two.hello3, two.hello3_len, one.got,
                                 &one.got_len),
                     ERR_CRYPTO);
    assert_int_equal(do_hello3(&one), OK);
}

/* Indices are outside of Noise: only mac1 covers them, which every member can make. */
static void test_wrong_indices_are_refused(void **state)
{
    (void)state;
    struct run run;
    run_init(&run, &crypto_fake, &crypto_fake);
    struct end *a = &run.a, *b = &run.b;
    assert_int_equal(do_hello1(&run), OK);
    assert_int_equal(hello2_write(&b->h, b->c, &b->ok, &b->self, &b->own, b->fresh, run.hello2),
                     OK);
    run.hello2[11] ^= 1; /* receiver */
    mac1_write(a->c, &a->ok, NULL, run.hello2, HELLO2_SIZE - MAC_SIZE);
    assert_int_equal(hello2_read(&a->h, a->c, &a->ok, &a->self, run.hello2, HELLO2_SIZE),
                     ERR_MALFORMED);
    run.hello2[11] ^= 1;
    mac1_write(a->c, &a->ok, NULL, run.hello2, HELLO2_SIZE - MAC_SIZE);
    assert_int_equal(hello2_read(&a->h, a->c, &a->ok, &a->self, run.hello2, HELLO2_SIZE), OK);
    size_t len = hello3_write(&a->h, a->c, &a->ok, &a->self, &a->own, "", 0, run.hello3);
    for (size_t at = 7; at <= 11; at += 4) { /* sender, receiver */
        run.hello3[at] ^= 1;
        mac1_write(b->c, &b->ok, NULL, run.hello3, len - MAC_SIZE);
        assert_int_equal(
            hello3_read(&b->h, b->c, &b->ok, &b->self, run.hello3, len, run.got, &run.got_len),
            ERR_MALFORMED);
        run.hello3[at] ^= 1;
    }
}

/* A proven peer that lies about the length of its chain, or about its endpoint's transport. */
static void test_bad_payloads_are_refused(void **state)
{
    (void)state;
    static const struct {
        uint16_t said;
        size_t there;
        uint8_t transport;
        enum err want;
    } cases[] = {{5, 5, 0, OK},
                 {4, 5, 0, ERR_MALFORMED},
                 {6, 5, 0, ERR_MALFORMED},
                 {65535, 5, 0, ERR_MALFORMED},
                 {5, 5, 9, ERR_MALFORMED},
                 {CHAIN_BYTES, CHAIN_BYTES, 0, OK},
                 {CHAIN_BYTES + 1, CHAIN_BYTES + 1, 0, ERR_MALFORMED}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct run run;
        run_init(&run, &crypto_fake, &crypto_fake);
        struct end *a = &run.a, *b = &run.b;
        uint8_t payload[HELLO3_MAX] = {0};
        assert_int_equal(do_hello1(&run), OK);
        assert_int_equal(do_hello2(&run), OK);
        struct handshake copy = a->h; /* for the header */
        hello3_write(&copy, a->c, &a->ok, &a->self, &a->own, "", 0, run.hello3);
        payload[38] = cases[i].transport;
        payload[57] = (uint8_t)(cases[i].said >> 8);
        payload[58] = (uint8_t)cases[i].said;
        size_t len = noise_write(&a->h.noise, a->c, 3, a->self.x_sk, a->self.x_pk, NULL, payload,
                                 HELLO3_PAYLOAD + cases[i].there, run.hello3 + HELLO_HEADER, 1150);
        assert_true(len > 0);
        mac1_write(a->c, &a->ok, NULL, run.hello3, HELLO_HEADER + len);
        assert_int_equal(hello3_read(&b->h, b->c, &b->ok, &b->self, run.hello3,
                                     HELLO_HEADER + len + MAC_SIZE, run.got, &run.got_len),
                         cases[i].want);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_whole_handshake),
        cmocka_unit_test(test_headers_and_indices),
        cmocka_unit_test(test_any_change_is_refused_and_the_right_one_still_taken),
        cmocka_unit_test(test_noise_refuses_without_mac1),
        cmocka_unit_test(test_zero_point_is_refused),
        cmocka_unit_test(test_wrong_overlay_key),
        cmocka_unit_test(test_another_overlay_name),
        cmocka_unit_test(test_prologue_as_written_down),
        cmocka_unit_test(test_tables_do_not_mix),
        cmocka_unit_test(test_stolen_id),
        cmocka_unit_test(test_a_seed_may_be_anybody),
        cmocka_unit_test(test_aead_negotiation),
        cmocka_unit_test(test_version_and_lengths),
        cmocka_unit_test(test_replies_belong_to_their_handshake),
        cmocka_unit_test(test_wrong_indices_are_refused),
        cmocka_unit_test(test_bad_payloads_are_refused),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
