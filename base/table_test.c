#include "base/table.h"

#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <stdlib.h>
#include <cmocka.h>

static const uint8_t key16[16] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};

struct keys {
    uint32_t of[256]; /* value -> key */
};

static bool key_is(const void *context, uint32_t value, const void *key)
{
    const struct keys *k = context;
    return memcmp(&k->of[value], key, sizeof k->of[value]) == 0;
}

static bool always(const void *context, uint32_t value, const void *key)
{
    (void)context, (void)value, (void)key;
    return true;
}

/* The oracle is an array: present[value] says whether the key of that value is in. */
static void against_an_array(uint32_t entries, unsigned rounds, uint64_t seed)
{
    struct rng rng, root;
    uint8_t zero[32] = {0};
    rng_seed(&root, zero);
    rng_stream(&root, "table", seed, &rng);
    struct keys keys;
    bool present[256] = {false};
    uint32_t slots = table_slots_for(entries), used = 0;
    struct table_slot *memory = malloc(slots * sizeof *memory);
    struct table t;
    for (uint32_t v = 0; v < entries; v++) keys.of[v] = v * 2654435761u;
    table_init(&t, memory, slots, key16);
    for (unsigned n = 0; n < rounds; n++) {
        uint32_t v = (uint32_t)rng_below(&rng, entries);
        uint32_t *key = &keys.of[v];
        bool grow = rng_below(&rng, 1000) < ((n / 500) % 2 ? 300 : 700); /* fills and drains */
        if (grow && !present[v]) {
            assert_int_equal(table_put(&t, key, sizeof *key, v), OK);
            present[v] = true;
            used++;
        } else if (!grow) {
            assert_int_equal(table_remove(&t, key, sizeof *key, v), present[v]);
            used -= present[v];
            present[v] = false;
        }
        assert_int_equal(t.used, used);
        if (n % 16) continue;
        for (uint32_t i = 0; i < entries; i++)
            assert_int_equal(table_get(&t, &keys.of[i], sizeof keys.of[i], key_is, &keys),
                             present[i] ? i : TABLE_NONE);
    }
    free(memory);
}

static void like_an_array(void **state)
{
    (void)state;
    for (uint64_t seed = 0; seed < 8; seed++) {
        against_an_array(7, 4000, seed); /* eight slots, often full to the bound, wrapping */
        against_an_array(14, 4000, seed);
        against_an_array(200, 8000, seed);
    }
}

static void full(void **state)
{
    (void)state;
    struct table_slot memory[8];
    struct table t;
    table_init(&t, memory, 8, key16);
    for (uint32_t v = 0; v < 7; v++) assert_int_equal(table_put(&t, &v, sizeof v, v), OK);
    uint32_t one_more = 7;
    assert_int_equal(table_put(&t, &one_more, sizeof one_more, 7), ERR_FULL);
    assert_int_equal(table_get(&t, &one_more, sizeof one_more, always, NULL), TABLE_NONE);
    uint32_t gone = 3;
    assert_true(table_remove(&t, &gone, sizeof gone, 3));
    assert_false(table_remove(&t, &gone, sizeof gone, 3));
    assert_int_equal(table_put(&t, &one_more, sizeof one_more, 7), OK);
}

static void one_key_two_values(void **state)
{
    (void)state;
    struct table_slot memory[8];
    struct table t;
    uint32_t key = 5;
    table_init(&t, memory, 8, key16);
    assert_int_equal(table_put(&t, &key, sizeof key, 1), OK);
    assert_int_equal(table_put(&t, &key, sizeof key, 2), OK);
    assert_false(table_remove(&t, &key, sizeof key, 3));
    assert_true(table_remove(&t, &key, sizeof key, 1));
    assert_int_equal(table_get(&t, &key, sizeof key, always, NULL), 2);
}

static void sizes(void **state)
{
    (void)state;
    assert_int_equal(table_slots_for(0), 8);
    assert_int_equal(table_slots_for(7), 8);
    assert_int_equal(table_slots_for(8), 16);
    assert_int_equal(table_slots_for(14), 16);
    assert_int_equal(table_slots_for(15), 32);
    assert_int_equal(table_slots_for(0x70000000), 0x80000000);
    struct table_slot two[2]; /* small tables work too: one entry, one end mark */
    struct table t;
    uint32_t key = 1;
    table_init(&t, two, 2, key16);
    assert_int_equal(table_put(&t, &key, sizeof key, 9), OK);
    assert_int_equal(table_put(&t, &key, sizeof key, 9), ERR_FULL);
    assert_int_equal(table_get(&t, &key, sizeof key, always, NULL), 9);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(like_an_array),
        cmocka_unit_test(full),
        cmocka_unit_test(one_key_two_values),
        cmocka_unit_test(sizes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
