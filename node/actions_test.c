#include "node/actions.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

static uint8_t arena[4096];
static struct action list[4];
static struct actions empty(void)
{
    return (struct actions){.arena = arena, .arena_size = sizeof arena, .list = list, .max = 4};
}

static void room_is_bounded(void **state)
{
    struct actions a = empty();
    (void)state;
    assert_true(actions_room(&a, 4096, 4));
    assert_false(actions_room(&a, 4097, 0));
    assert_false(actions_room(&a, 0, 5));
    assert_ptr_equal(actions_space(&a, 4000), arena);
    assert_null(actions_space(&a, 97));
    assert_ptr_equal(actions_space(&a, 96), arena + 4000);
    actions_unspace(&a, 96);
    assert_ptr_equal(actions_space(&a, 1), arena + 4000);
    for (int i = 0; i < 4; i++) assert_true(actions_plain(&a, ACT_REMEMBER));
    assert_false(actions_plain(&a, ACT_REMEMBER));
    assert_int_equal(a.lost, 1);
    actions_clear(&a);
    assert_true(actions_room(&a, 4096, 4));
    assert_int_equal(a.lost, 1);
}

static void datagrams_back_to_back_are_a_train(void **state)
{
    struct actions a = empty();
    struct endpoint x = endpoint_v4(1, 1), y = endpoint_v4(2, 1), tcp = x;
    (void)state;
    tcp.transport = TRANSPORT_TCP;
    assert_true(actions_train(&a, &x, arena, 100));
    assert_int_equal(list[0].send.segment, 0);
    assert_true(actions_train(&a, &x, arena + 100, 100));
    assert_true(actions_train(&a, &x, arena + 200, 60)); /* the last may be shorter */
    assert_int_equal(a.count, 1);
    assert_int_equal(list[0].send.segment, 100);
    assert_int_equal(list[0].send.len, 260);
    assert_true(actions_train(&a, &x, arena + 260, 60)); /* and was the last */
    assert_int_equal(a.count, 2);
    assert_true(actions_train(&a, &y, arena + 320, 60)); /* to another */
    assert_int_equal(a.count, 3);
    actions_clear(&a);
    assert_true(actions_train(&a, &x, arena, 100));
    assert_true(actions_train(&a, &x, arena + 101, 100)); /* a gap */
    assert_true(actions_train(&a, &x, arena + 201, 101)); /* longer */
    assert_int_equal(a.count, 3);
    actions_clear(&a);
    assert_true(actions_train(&a, &tcp, arena, 100)); /* no trains on TCP */
    assert_true(actions_train(&a, &tcp, arena + 100, 100));
    assert_int_equal(a.count, 2);
}

static void trains_are_bounded(void **state)
{
    struct actions a = empty();
    struct endpoint x = endpoint_v4(1, 1);
    (void)state;
    for (uint32_t i = 0; i < 65; i++) assert_true(actions_train(&a, &x, arena + 10 * i, 10));
    assert_int_equal(a.count, 2);
    assert_int_equal(list[0].send.len, 640);
}

static void replies_are_kept_aligned(void **state)
{
    static uint8_t big[3 * sizeof(struct reply)];
    struct actions a = empty();
    struct reply r = {.request = 7}, many;
    (void)state;
    a.arena = big + 1;
    a.arena_size = sizeof big - 1;
    assert_true(actions_reply(&a, &r));
    r.request = 8;
    assert_true(actions_reply(&a, &r));
    assert_int_equal((uintptr_t)list[0].reply % _Alignof(struct reply), 0);
    assert_int_equal(list[0].reply->request, 7);
    assert_int_equal(list[1].reply->request, 8);
    memcpy(&many, list[1].reply, sizeof many);
    assert_false(actions_reply(&a, &r));
    assert_int_equal(a.lost, 1);
    assert_int_equal(a.count, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(room_is_bounded),
        cmocka_unit_test(datagrams_back_to_back_are_a_train),
        cmocka_unit_test(trains_are_bounded),
        cmocka_unit_test(replies_are_kept_aligned),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
