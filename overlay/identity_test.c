#include "overlay/identity.h"

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
    rng_stream(&root, "identity", number, &r);
    return r;
}

static void test_id_is_the_hash_of_both_keys(void **state)
{
    (void)state;
    struct rng r = rng_for(1);
    struct identity i;
    identity_make(&i, &crypto_real, &r);
    uint8_t text[12 + 64], hash[32];
    memcpy(text, "ringlet id 1", 12);
    memcpy(text + 12, i.ed_pk, 32);
    memcpy(text + 44, i.x_pk, 32);
    crypto_real.hash(hash, 32, text, sizeof text, NULL, 0);
    assert_memory_equal(i.id.b, hash, ID_SIZE);
}

static void test_the_same_in_both_tables(void **state)
{
    (void)state;
    struct rng r1 = rng_for(2), r2 = rng_for(2);
    struct identity real, fake;
    identity_make(&real, &crypto_real, &r1);
    identity_make(&fake, &crypto_fake, &r2);
    assert_memory_equal(&real, &fake, sizeof real);
    assert_memory_equal(&r1, &r2, sizeof r1);
    identity_wipe(&real);
    static const struct identity none;
    assert_memory_equal(&real, &none, sizeof real);
}

static void test_text_and_back(void **state)
{
    (void)state;
    struct rng r = rng_for(3);
    struct identity i, back;
    char text[IDENTITY_TEXT];
    for (int n = 0; n < 20; n++) {
        identity_make(&i, &crypto_real, &r);
        size_t len = identity_encode(&i, &crypto_real, text);
        assert_int_equal(len, strlen(text));
        assert_int_equal(text[len - 1], '\n');
        assert_int_equal(identity_decode(&back, &crypto_real, text, len), OK);
        assert_memory_equal(&i, &back, sizeof i);
        assert_int_equal(identity_decode(&back, &crypto_real, text, len - 1),
                         OK); /* newline lost */
    }
}

static void test_damaged_text_is_refused(void **state)
{
    (void)state;
    struct rng r = rng_for(4);
    struct identity i, back = {.id = {{1}}}, before = back;
    char text[IDENTITY_TEXT + 1] = {0}, bad[IDENTITY_TEXT + 1];
    identity_make(&i, &crypto_real, &r);
    size_t len = identity_encode(&i, &crypto_real, text);
    for (size_t cut = 0; cut < len - 1; cut++)
        assert_int_equal(identity_decode(&back, &crypto_real, text, cut), ERR_MALFORMED);
    assert_int_equal(identity_decode(&back, &crypto_real, text, len + 1), ERR_MALFORMED);
    for (size_t at = 0; at < len; at++)
        for (int bit = 0; bit < 8; bit++) {
            memcpy(bad, text, sizeof bad);
            bad[at] = (char)(bad[at] ^ 1 << bit);
            assert_int_equal(identity_decode(&back, &crypto_real, bad, len), ERR_MALFORMED);
        }
    assert_memory_equal(&back, &before, sizeof back);
}

/* --- the table --- */

#define MAX 200u

static struct id id_of(uint32_t n)
{
    struct id out = {{0}};
    memcpy(out.b, &n, sizeof n);
    out.b[19] = 1;
    return out;
}

static void test_table_against_counts(void **state)
{
    (void)state;
    static const uint8_t key[16] = {1};
    struct identities t;
    struct rng r = rng_for(5);
    uint32_t holders[2 * MAX] = {0}, live = 0;
    peer_handle handle[2 * MAX] = {0};
    assert_int_equal(identities_init(&t, MAX, key), OK);
    for (int n = 0; n < 100000; n++) {
        uint32_t which = (uint32_t)rng_below(&r, 2 * MAX);
        struct id id = id_of(which);
        bool take = rng_below(&r, 100) < (n / 10000 % 2 ? 40u : 60u);
        if (take) {
            peer_handle h = identities_hold(&t, &id);
            if (!holders[which] && live == MAX) {
                assert_int_equal(h, 0);
                continue;
            }
            assert_true(h > 0 && h <= MAX);
            if (holders[which]) assert_int_equal(h, handle[which]);
            live += !holders[which]++;
            handle[which] = h;
        } else if (holders[which]) {
            identities_drop(&t, handle[which]);
            live -= !--holders[which];
        }
        uint32_t other = (uint32_t)rng_below(&r, 2 * MAX);
        struct id wanted = id_of(other);
        peer_handle found = identities_find(&t, &wanted);
        assert_int_equal(found, holders[other] ? handle[other] : 0);
        if (found) assert_true(id_equal(&identities_get(&t, found)->id, &wanted));
        if (found) assert_int_equal(identities_get(&t, found)->holders, holders[other]);
    }
    identities_fini(&t);
}

static void test_keys_arrive_later(void **state)
{
    (void)state;
    static const uint8_t key[16] = {2};
    struct identities t;
    struct rng r = rng_for(6);
    struct identity i;
    identity_make(&i, &crypto_fake, &r);
    assert_int_equal(identities_init(&t, 1, key), OK);
    peer_handle h = identities_hold(&t, &i.id);
    assert_false(identities_get(&t, h)->has_keys);
    assert_int_equal(identities_hold_keys(&t, &i.id, i.ed_pk, i.x_pk), h);
    assert_true(identities_get(&t, h)->has_keys);
    assert_memory_equal(identities_get(&t, h)->x_pk, i.x_pk, 32);
    struct id other = id_of(1);
    assert_int_equal(identities_hold(&t, &other), 0); /* full */
    identities_drop(&t, h);
    assert_int_equal(identities_find(&t, &i.id), h); /* one holder left */
    identities_drop(&t, h);
    assert_int_equal(identities_find(&t, &i.id), 0);
    h = identities_hold(&t, &other);
    assert_false(identities_get(&t, h)->has_keys); /* nothing left of who was there */
    identities_fini(&t);
}

static void test_grows_to_its_bound(void **state)
{
    (void)state;
    static const uint8_t key[16] = {3};
    struct identities t;
    assert_int_equal(identities_init(&t, 5000, key), OK);
    for (uint32_t n = 0; n < 5000; n++) {
        struct id id = id_of(n);
        assert_int_equal(identities_hold(&t, &id), n + 1);
    }
    struct id id = id_of(5000);
    assert_int_equal(identities_hold(&t, &id), 0);
    for (uint32_t n = 0; n < 5000; n++) {
        id = id_of(n);
        assert_int_equal(identities_find(&t, &id), n + 1);
    }
    identities_fini(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_id_is_the_hash_of_both_keys),
        cmocka_unit_test(test_the_same_in_both_tables),
        cmocka_unit_test(test_text_and_back),
        cmocka_unit_test(test_damaged_text_is_refused),
        cmocka_unit_test(test_table_against_counts),
        cmocka_unit_test(test_keys_arrive_later),
        cmocka_unit_test(test_grows_to_its_bound),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
