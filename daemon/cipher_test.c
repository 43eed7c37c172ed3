/* Who seals packets: the cheapest that is there, whatever it is, and every choice is the same cipher. */
#include "daemon/cipher.h"

#include "base/crypto_gcrypt.h"
#include "base/crypto_ipsec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static const char *best; /* name of the cheapest; "": all cost the same */
static const char *broken = "";
static uint32_t asked;

static uint64_t cost(const struct crypto *c, enum aead kind)
{
    (void)kind;
    asked++;
    if (strcmp(c->name, broken) == 0) return UINT64_MAX;
    return strcmp(c->name, best) == 0 ? 10 : 20;
}

static const struct crypto *chosen(const char *cheapest, struct crypto *room)
{
    best = cheapest;
    asked = 0;
    return cipher_choose_by(room, cost);
}

static void the_cheapest_is_taken(void **state)
{
    struct crypto room, gcrypt, ipsec;
    (void)state;
    assert_true(crypto_init());
    assert_ptr_equal(chosen(crypto_real.name, &room), &crypto_real);
    assert_ptr_equal(chosen("", &room), &crypto_real); /* no better: nothing is changed */
    if (crypto_gcrypt(&gcrypt)) {
        assert_string_not_equal(gcrypt.name, crypto_real.name);
        assert_string_equal(chosen(gcrypt.name, &room)->name, gcrypt.name);
        broken = gcrypt.name;
        assert_string_not_equal(chosen(gcrypt.name, &room)->name, gcrypt.name);
        broken = "";
    }
    if (crypto_ipsec(&ipsec)) {
        assert_string_equal(chosen(ipsec.name, &room)->name, ipsec.name);
        assert_int_equal(asked, 2); /* libgcrypt stays asleep */
    }
}

/* As it is measured on this machine. */
static void whoever_it_is_interoperates(void **state)
{
    const enum aead kinds[] = {AEAD_CHACHA20_POLY1305, AEAD_AES256_GCM};
    const uint8_t key[CRYPTO_KEY] = {7}, nonce[12] = {1}, ad[16] = {2};
    uint8_t text[1400] = {3}, sealed[1400 + CRYPTO_TAG], back[1400];
    struct crypto room;
    (void)state;
    const struct crypto *c = cipher_choose(&room);
    for (unsigned i = 0; i < 1u + crypto_has_aes(); i++) {
        struct aead_key a, b;
        c->prepare(&a, kinds[i], key);
        crypto_real.prepare(&b, kinds[i], key);
        c->seal_prepared(&a, sealed, text, sizeof text, ad, sizeof ad, nonce);
        assert_true(
            crypto_real.open_prepared(&b, back, sealed, sizeof sealed, ad, sizeof ad, nonce));
        assert_memory_equal(back, text, sizeof text);
        c->forget(&a);
        crypto_real.forget(&b);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_cheapest_is_taken),
        cmocka_unit_test(whoever_it_is_interoperates),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
