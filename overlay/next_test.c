/* Which link a routed frame takes: progress for its time, never a step back, and whether there is any does not hang on delays. */
#include "base/rng.h"
#include "overlay/core.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define LINKS 40

struct around { /* as little of an overlay as choosing a hop needs */
    struct overlay o;
    struct identities ids;
    struct link links[LINKS];
    uint16_t order[LINKS];
};

static void around_init(struct around *t)
{
    static const uint8_t key[16];
    memset(t, 0, sizeof *t);
    assert_int_equal(identities_init(&t->ids, 1024, key), OK);
    t->o.identities = &t->ids;
    t->o.links = t->links;
    t->o.order = t->order;
}

static struct link *add(struct around *t, const struct id *id, unsigned srtt)
{
    struct overlay *o = &t->o;
    uint16_t slot = o->up_count, pos = order_find(o, id);
    struct link *l = &t->links[slot];
    *l = (struct link){
        .state = LINK_UP, .peer = identities_hold(&t->ids, id), .srtt = (uint16_t)srtt};
    link_set_path(l, PATH_DIRECT);
    memmove(o->order + pos + 1, o->order + pos, (size_t)(o->up_count - pos) * sizeof *o->order);
    o->order[pos] = slot;
    o->up_count++;
    return l;
}

/* On a ring of 256 places. */
static struct id place(unsigned n)
{
    return (struct id){{(uint8_t)n}};
}

static struct link *choose(struct around *t, unsigned dst, uint16_t arrived_on,
                           const uint16_t avoid[3])
{
    struct id to = place(dst), from = place(200);
    return next_hop(&t->o, &to, &from, 0, arrived_on, avoid);
}

static void near_in_time_before_near_on_the_ring(void **state)
{
    static struct around t;
    (void)state;
    around_init(&t); /* we are at 0; the way leads to 128 */
    struct id at[] = {place(64), place(112), place(127)};
    struct link *half = add(&t, &at[0], 20), *most = add(&t, &at[1], 400),
                *all = add(&t, &at[2], 1600);
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), half); /* 1 octave, 3 in four times the time */
    half->srtt = 400;
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), most); /* 3 in the same */
    half->srtt = most->srtt = 1600;
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), all);
    half->srtt = most->srtt = all->srtt = 0; /* not measured: all alike */
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), all);
    identities_fini(&t.ids);
}

static void who_is_meant_is_taken(void **state)
{
    static struct around t;
    (void)state;
    around_init(&t);
    struct id at[] = {place(64), place(128)};
    add(&t, &at[0], 1);
    struct link *end = add(&t, &at[1], 4000);
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), end);
    identities_fini(&t.ids);
}

static void late_and_silent_ones(void **state)
{
    static struct around t;
    (void)state;
    around_init(&t);
    struct id at[] = {place(100), place(100 + 56)}; /* both 28 from the end */
    struct link *a = add(&t, &at[0], 100), *b = add(&t, &at[1], 140);
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), a);
    a->tries = 1; /* it is late with an answer: as if it were twice as far away */
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), b);
    a->tries = 0, b->tries = 2;
    a->srtt = 40000;
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), a);
    a->tries = 2; /* both silent: rather one of them than none */
    assert_non_null(choose(&t, 128, NO_SLOT, NULL));
    identities_fini(&t.ids);
}

/* Against all that chance brings: a hop is taken if and only if there is one, it is nearer, and none of those excluded. */
static void there_is_one_if_there_is_one(void **state)
{
    static struct around t;
    struct rng r;
    const uint8_t seed[32] = {1};
    unsigned taken = 0, none = 0;
    (void)state;
    rng_seed(&r, seed);
    for (unsigned n = 0; n < 20000; n++) {
        around_init(&t);
        unsigned count = (unsigned)rng_below(&r, 12);
        for (unsigned i = 0; i < count; i++) {
            struct id id = ID_ZERO;
            do {
                id.b[0] = (uint8_t)rng_below(&r, 256);
                id.b[19] = (uint8_t)rng_below(&r, 2);
            } while (id_is_zero(&id) || link_by_id(&t.o, &id));
            struct link *l = add(&t, &id, (unsigned)rng_below(&r, 2000));
            l->tries = rng_below(&r, 4) & 15;
            link_set_path(l, rng_below(&r, 3) ? PATH_DIRECT : PATH_ROUTED);
        }
        struct id dst = place((unsigned)rng_below(&r, 256)),
                  src = place((unsigned)rng_below(&r, 256));
        uint16_t from = rng_below(&r, 2) ? NO_SLOT : (uint16_t)rng_below(&r, 12);
        const uint16_t avoid[3] = {(uint16_t)rng_below(&r, 12), NO_SLOT, NO_SLOT};
        uint8_t carried = rng_below(&r, 2) ? OUTER_DATA : 0;
        struct link *l = next_hop(&t.o, &dst, &src, carried, from, avoid);
        struct link *any = route_next(&t.o, &dst, &src, carried != 0, from, avoid);
        assert_int_equal(l == NULL, any == NULL);
        if (l) {
            bool self_asks = id_is_zero(&dst) && id_is_zero(&src);
            assert_true(self_asks || id_nearer(&dst, link_id(&t.o, l), &t.o.self.id) < 0);
            assert_int_not_equal(link_slot(&t.o, l), from);
            assert_int_not_equal(link_slot(&t.o, l), avoid[0]);
            assert_false(carried && link_path(l) == PATH_ROUTED);
        }
        taken += l != NULL, none += l == NULL;
        identities_fini(&t.ids);
    }
    assert_true(taken > 5000 && none > 2000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_in_time_before_near_on_the_ring),
        cmocka_unit_test(who_is_meant_is_taken),
        cmocka_unit_test(late_and_silent_ones),
        cmocka_unit_test(there_is_one_if_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
