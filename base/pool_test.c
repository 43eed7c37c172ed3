#include "base/pool.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <stdbool.h>
#include <cmocka.h>

static bool is_zero(const void *p, size_t len)
{
    const uint8_t *b = p;
    for (size_t i = 0; i < len; i++)
        if (b[i]) return false;
    return true;
}

static void bounded(void **state)
{
    (void)state;
    for (uint32_t per_chunk = 1; per_chunk < 12; per_chunk++) {
        struct pool p;
        void *all[10];
        pool_init(&p, 33, 10, per_chunk);
        assert_int_equal(p.size, 48);
        for (int i = 0; i < 10; i++) {
            all[i] = pool_take(&p);
            assert_non_null(all[i]);
            assert_int_equal((uintptr_t)all[i] % 16, 0);
            assert_true(is_zero(all[i], 48));
            memset(all[i], 0xab, 48); /* overlapping objects would not be zero */
        }
        assert_null(pool_take(&p));
        assert_int_equal(p.taken, 10);
        pool_give(&p, all[4]);
        pool_give(&p, all[7]);
        for (int i = 0; i < 2; i++) {
            void *again = pool_take(&p);
            assert_true(again == all[4] || again == all[7]);
            assert_true(is_zero(again, 48)); /* wiped, and the list's link too */
        }
        assert_null(pool_take(&p));
        pool_fini(&p);
    }
}

static void wiped_when_given_back(void **state)
{
    (void)state;
    struct pool p;
    pool_init(&p, 64, 1, 1);
    uint8_t *secret = pool_take(&p);
    memset(secret, 0xcd, 64);
    pool_give(&p, secret);
    assert_true(is_zero(secret + sizeof(void *), 64 - sizeof(void *)));
    pool_fini(&p);
}

/* After a busy time the memory goes back, all but one chunk; and what stays is used first. */
static void empty_chunks_go_back(void **state)
{
    (void)state;
    struct pool p;
    enum { MANY = 1000 };
    static void *all[MANY];
    pool_init(&p, 100, MANY, 8);
    for (int i = 0; i < MANY; i++) all[i] = pool_take(&p);
    assert_int_equal(p.taken_max, MANY);
    uint32_t most = p.chunk_count;
    assert_int_equal(most, (MANY + p.sizes[0].per_chunk - 1) / p.sizes[0].per_chunk);
    for (int i = 20; i < MANY; i++) pool_give(&p, all[i]);
    assert_true(p.chunk_count <= 20 / p.sizes[0].per_chunk + 2);
    assert_int_equal(p.chunks_max, most);
    for (int round = 0; round < 3; round++) { /* holes low down are filled before new chunks */
        for (int i = 0; i < 20; i += 2) pool_give(&p, all[i]);
        uint32_t before = p.chunk_count;
        for (int i = 0; i < 20; i += 2) assert_non_null(all[i] = pool_take(&p));
        assert_int_equal(p.chunk_count, before);
    }
    for (int i = 20; i < MANY; i++) assert_non_null(all[i] = pool_take(&p));
    assert_int_equal(p.chunk_count, most);
    assert_null(pool_take(&p));
    for (int i = MANY - 1; i >= 0; i--) pool_give(&p, all[i]);
    assert_int_equal(p.chunk_count, 1);
    pool_fini(&p);
}

/* Each size has chunks of its own, and one bound counts them all. */
static void several_sizes(void **state)
{
    (void)state;
    const size_t sizes[] = {40, 100, 700};
    enum { MANY = 300 };
    static uint8_t *all[MANY];
    static size_t asked[MANY];
    struct pool p;
    pool_init_sizes(&p, sizes, 3, MANY, 4);
    assert_int_equal(pool_room(&p, 1), 48);
    assert_int_equal(pool_room(&p, 48), 48);
    assert_int_equal(pool_room(&p, 49), 112);
    assert_int_equal(pool_room(&p, 113), 704);
    for (int round = 0; round < 2; round++) {
        for (int i = 0; i < MANY; i++) {
            asked[i] = (size_t)(i * 37) % 700 + 1;
            all[i] = pool_take_size(&p, asked[i]);
            assert_non_null(all[i]);
            assert_true(is_zero(all[i], pool_room(&p, asked[i])));
            memset(all[i], 0xab, pool_room(&p, asked[i]));
        }
        assert_null(pool_take_size(&p, 1));
        for (int i = 0; i < MANY; i++) pool_give(&p, all[(i * 7) % MANY]);
        assert_int_equal(p.taken, 0);
        assert_true(p.chunk_count <= 3);
    }
    pool_fini(&p);
    pool_init_sizes(&p, sizes, 3, MANY, 4);
    for (int i = 0; i < MANY; i++)
        all[i] = pool_take_size(&p, 40); /* as dense as if it were the only size */
    assert_int_equal(p.chunks_max, (MANY + p.sizes[0].per_chunk - 1) / p.sizes[0].per_chunk);
    pool_fini(&p);
}

/* A pool for very many takes chunks by regions: what was given back serves any size, and everything is where it was put. */
static void by_regions(void **state)
{
    (void)state;
    enum { SOME = 12000 };
    static const size_t sizes[] = {48, 112, 700};
    static uint32_t *all[SOME];
    struct pool p;
    pool_init_sizes(&p, sizes, 3, 1u << 21, 16);
    assert_true(p.region_chunks > 1);
    for (uint32_t round = 0; round < 4; round++) {
        for (uint32_t i = 0; i < SOME; i++) {
            size_t size = round % 2 ? 700 : (i * 37u) % 700 + 4;
            all[i] = pool_take_size(&p, size);
            assert_non_null(all[i]);
            for (size_t k = 0; k < size / 4; k++) assert_int_equal(all[i][k], 0);
            all[i][0] = i;
            all[i][size / 4 - 1] = i;
        }
        for (uint32_t i = 0; i < SOME; i++) {
            uint32_t other = i * 7919u % SOME;
            assert_int_equal(all[other][0], other);
            pool_give(&p, all[other]);
        }
        assert_int_equal(p.taken, 0);
        assert_true(p.chunk_count <= 3);
    }
    assert_true(p.chunks_max > 3 * p.region_chunks);
    pool_fini(&p);
}

static void none_at_all(void **state)
{
    (void)state;
    struct pool p;
    pool_init(&p, 16, 0, 8);
    assert_null(pool_take(&p));
    assert_int_equal(p.chunk_count, 0);
    pool_fini(&p);
}

static void packets(void **state)
{
    (void)state;
    static const uint8_t big[PKT_MAX];
    struct pool p;
    struct pkt_queue q = {0};
    pool_init(&p, sizeof(struct pkt), 3, 2);
    assert_null(pkt_take(&p, big, PKT_MAX - PKT_HEADROOM + 1));
    struct pkt *a = pkt_take(&p, "first", 5);
    struct pkt *b = pkt_take(&p, NULL, 0);
    struct pkt *c = pkt_take(&p, big, PKT_MAX - PKT_HEADROOM);
    assert_non_null(a);
    assert_non_null(b);
    assert_non_null(c);
    assert_null(pkt_take(&p, "fourth", 6));
    assert_int_equal(a->offset, PKT_HEADROOM);
    assert_int_equal(a->len, 5);
    assert_memory_equal(a->data + a->offset, "first", 5);
    assert_null(pkt_pop(&q));
    pkt_push(&q, a);
    pkt_push(&q, b);
    assert_ptr_equal(pkt_pop(&q), a);
    pkt_push(&q, c);
    assert_int_equal(q.count, 2);
    assert_ptr_equal(pkt_pop(&q), b);
    assert_ptr_equal(pkt_pop(&q), c);
    assert_null(pkt_pop(&q));
    assert_int_equal(q.count, 0);
    pool_give(&p, a);
    pool_give(&p, b);
    pool_give(&p, c);
    assert_int_equal(p.taken, 0);
    pool_fini(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounded),
        cmocka_unit_test(wiped_when_given_back),
        cmocka_unit_test(empty_chunks_go_back),
        cmocka_unit_test(several_sizes),
        cmocka_unit_test(by_regions),
        cmocka_unit_test(none_at_all),
        cmocka_unit_test(packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
