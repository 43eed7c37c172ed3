/* overlay/noise.c alone: the published vector. */
#include "overlay/handshake.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* From the cacophony collection of Noise test vectors; psk and prologue are the same at both ends. */
static const char PROLOGUE[] = "4a6f686e2047616c74";
static const char PSK[] = "54686973206973206d7920417573747269616e20706572737065637469766521";
static const char INIT_STATIC[] =
    "e61ef9919cde45dd5f82166404bd08e38bceb5dfdfded0a34c8df7ed542214d1";
static const char INIT_EPHEMERAL[] =
    "893e28b9dc6ca8d611ab664754b8ceb7bac5117349a4439a6b0569da977c464a";
static const char RESP_STATIC[] =
    "4a3acbfdb163dec651dfa3194dece676d437029c62a408b4c5ea9114246e4893";
static const char RESP_EPHEMERAL[] =
    "bbdb4cdbd309f1a1f2e1456967fe288cadd6f712d65dc7b7793d5e63da6b375b";
static const char HANDSHAKE_HASH[] =
    "46b5997dfa51492ae9be5b611748455e83aebdbc2ea3c47d264ec6dd408cc076e962ff056890c603"
    "98fe3e7a430bbe057f34383a84df9ff99391266dcfd638b0";
static const struct {
    const char *payload, *ciphertext;
} MESSAGES[6] = {
    {"4c756477696720766f6e204d69736573",
     "ca35def5ae56cec33dc2036731ab14896bc4c75dbb07a61f879f8e3afa4c79440aa831d1e3bbd16b"
     "d7ffda87e9f7b6eeca2510006499a573ac27af3392ed1b69"},
    {"4d757272617920526f746862617264",
     "95ebc60d2b1fa672c1f46a8aa265ef51bfe38e7ccb39ec5be34069f14480884381a78489d56c9e2a"
     "c962826f25684980b25244dbfd505b7d903a94d4f4fd84004a1c7fbe94d686bc4c1f67259364f6f2"
     "a41cb40bf5198b9b3975be2cdd49d3e065a554e12c477d82029fabc6555bc1"},
    {"462e20412e20486179656b",
     "291dfeff6eff386e29adb0bdbd5a1ae9e09de4449c8695d109adcb63e80e489555792a3e9150eff7"
     "5d6d45571f824ed231173cb66e31e7da914241f86d0cbb678335ffe768a7445d2f5bc1"},
    {"4361726c204d656e676572", "6579dd60eb5e6a8b29dd60004289f5d3c2f69fcdbf683a869f59a8"},
    {"4a65616e2d426170746973746520536179",
     "24715fd39c3c7606e81b26e69e47b54d043d9d87c512f9417bae51ab48ebb17722"},
    {"457567656e2042f6686d20766f6e2042617765726b",
     "e49194a013d873712318643acbf0e3851086326bb168c500a766439ff543a7a1e2deb3215c"},
};

static size_t unhex(uint8_t *out, const char *hex)
{
    static const char digits[] = "0123456789abcdef";
    size_t len = strlen(hex) / 2;
    for (size_t i = 0; i < len; i++) {
        size_t high = (size_t)(strchr(digits, hex[2 * i]) - digits);
        size_t low = (size_t)(strchr(digits, hex[2 * i + 1]) - digits);
        out[i] = (uint8_t)(high << 4 | low);
    }
    return len;
}

struct vector_end {
    struct noise noise;
    uint8_t s_sk[32], s_pk[32], e_sk[32];
};

static struct vector_end vector_end(const char *s, const char *e)
{
    struct vector_end out;
    uint8_t prologue[32], psk[32];
    size_t len = unhex(prologue, PROLOGUE);
    unhex(psk, PSK);
    unhex(out.s_sk, s);
    unhex(out.e_sk, e);
    crypto_real.x25519_public(out.s_pk, out.s_sk);
    noise_init(&out.noise, &crypto_real, prologue, len, psk);
    return out;
}

static void test_published_vector(void **state)
{
    (void)state;
    struct vector_end ends[2] = {vector_end(INIT_STATIC, INIT_EPHEMERAL),
                                 vector_end(RESP_STATIC, RESP_EPHEMERAL)};
    uint8_t payload[64], want[200], out[200], back[200], hash[64], keys[2][2][32];
    size_t back_len;
    for (int m = 0; m < 3; m++) {
        struct vector_end *from = &ends[m % 2], *to = &ends[1 - m % 2];
        size_t payload_len = unhex(payload, MESSAGES[m].payload),
               want_len = unhex(want, MESSAGES[m].ciphertext);
        size_t len = noise_write(&from->noise, &crypto_real, m + 1, from->s_sk, from->s_pk,
                                 from->e_sk, payload, payload_len, out, sizeof out);
        assert_int_equal(len, want_len);
        assert_memory_equal(out, want, len);
        assert_int_equal(noise_read(&to->noise, &crypto_real, m + 1, to->s_sk, to->s_pk, out, len,
                                    back, &back_len),
                         OK);
        assert_int_equal(back_len, payload_len);
        assert_memory_equal(back, payload, payload_len);
    }
    unhex(hash, HANDSHAKE_HASH);
    for (int i = 0; i < 2; i++) {
        assert_memory_equal(ends[i].noise.h, hash, 64);
        noise_split(&ends[i].noise, &crypto_real, keys[i][0], keys[i][1]);
    }
    assert_memory_equal(keys[0], keys[1], sizeof keys[0]);
    static const uint8_t nonces[6][12] = {[5] = {[4] = 1}}; /* the responder's second */
    for (int m = 3; m < 6; m++) { /* transport: the responder speaks first, under the second key */
        size_t payload_len = unhex(payload, MESSAGES[m].payload),
               want_len = unhex(want, MESSAGES[m].ciphertext);
        crypto_real.seal(AEAD_CHACHA20_POLY1305, out, payload, payload_len, NULL, 0, nonces[m],
                         keys[0][m % 2]);
        assert_int_equal(want_len, payload_len + CRYPTO_TAG);
        assert_memory_equal(out, want, want_len);
    }
}

/* A payload longer than the room, or a message cut anywhere: refused, never written past the end. */
static void test_short_rooms_and_messages(void **state)
{
    (void)state;
    uint8_t out[200], back[200];
    size_t back_len;
    struct vector_end a = vector_end(INIT_STATIC, INIT_EPHEMERAL),
                      b = vector_end(RESP_STATIC, RESP_EPHEMERAL);
    for (int m = 1; m <= 3; m++) {
        struct vector_end *from = m == 2 ? &b : &a, *to = m == 2 ? &a : &b;
        struct noise writer = from->noise, reader = to->noise;
        size_t len = noise_write(&from->noise, &crypto_real, m, from->s_sk, from->s_pk, from->e_sk,
                                 "abc", 3, out, sizeof out);
        for (size_t max = 0; max < len; max++) {
            struct noise n = writer;
            uint8_t room[200];
            assert_int_equal(noise_write(&n, &crypto_real, m, from->s_sk, from->s_pk, from->e_sk,
                                         "abc", 3, room, max),
                             0);
            n = reader;
            assert_int_not_equal(
                noise_read(&n, &crypto_real, m, to->s_sk, to->s_pk, out, max, back, &back_len), OK);
            assert_int_equal(back_len, 0);
        }
        assert_int_equal(
            noise_read(&to->noise, &crypto_real, m, to->s_sk, to->s_pk, out, len, back, &back_len),
            OK);
        assert_int_equal(back_len, 3);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_published_vector),
        cmocka_unit_test(test_short_rooms_and_messages),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
