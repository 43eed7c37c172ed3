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
    struct ahead ahead;
    struct hints lists[LINKS];
    uint16_t list_at[LINKS];
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

/* What the link's peer has told: one link of its own. */
static void told(struct around *t, const struct link *l, unsigned at, unsigned rtt)
{
    uint16_t slot = link_slot(&t->o, l);
    struct hints *h = &t->lists[slot];
    t->ahead.lists = t->lists;
    t->ahead.at = t->list_at;
    t->ahead.at[slot] = (uint16_t)(slot + 1);
    t->o.ahead = &t->ahead;
    h->prefix[h->count] = (uint32_t)at << 24;
    h->rtt[h->count++] = rtt_code((uint16_t)rtt);
}

/* On a ring of 256 places. */
static struct id place(unsigned n)
{
    return (struct id){{(uint8_t)n}};
}

static struct link *choose(struct around *t, unsigned dst, uint16_t arrived_on,
                           const uint16_t avoid[3])
{
    struct routed r = {.src = place(200), .dst = place(dst)};
    return next_hop(&t->o, &r, 0, arrived_on, avoid);
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

static void two_steps_at_once(void **state)
{
    static struct around t;
    (void)state;
    around_init(&t);
    struct id at[] = {place(64), place(100)};
    struct link *a = add(&t, &at[0], 400), *b = add(&t, &at[1], 400);
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), b);
    told(&t, a, 127, 100);
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL),
                     a); /* 64 to 1 in two steps, 100 to 28 in one */
    told(&t, b, 127, 100);
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), a); /* the same; the first stays */
    struct id end = place(128), odd = place(127);
    struct link *c = add(&t, &odd, 400);
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), c); /* a link of our own wins the tie */
    struct link *d = add(&t, &end, 60000);
    told(&t, a, 128, 1);
    assert_ptr_equal(choose(&t, 128, NO_SLOT, NULL), d);
    identities_fini(&t.ids);
}

static void what_is_asked_again_is_not_led_astray(void **state)
{
    static struct around t;
    (void)state;
    around_init(&t);
    struct id at[] = {place(64), place(100)};
    struct link *a = add(&t, &at[0], 1), *b = add(&t, &at[1], 4000);
    told(&t, a, 128, 0);
    struct routed r = {.src = place(200), .dst = place(128)};
    assert_ptr_equal(next_hop(&t.o, &r, 0, NO_SLOT, NULL), a);
    r.flags = ROUTED_PLAIN;
    assert_ptr_equal(next_hop(&t.o, &r, 0, NO_SLOT, NULL), b);
    assert_int_equal(r.flags, ROUTED_PLAIN);
    identities_fini(&t.ids);
}

static void uphill_once(void **state)
{
    static struct around t;
    (void)state;
    around_init(&t);
    struct id at[] = {place(250), place(40)};
    struct link *back = add(&t, &at[0], 400), *on = add(&t, &at[1], 400);
    told(&t, back, 100, 400); /* 106 from there, as we are 100 */
    struct routed r = {.src = place(200), .dst = place(100)};
    assert_ptr_equal(next_hop(&t.o, &r, 0, NO_SLOT, NULL), back);
    assert_int_equal(r.flags, ROUTED_UPHILL);
    assert_ptr_equal(next_hop(&t.o, &r, 0, NO_SLOT, NULL), on); /* it has had its step */
    /* never for somebody who is nearest himself, as far as he knows */
    r = (struct routed){.src = place(200), .dst = place(10)};
    told(&t, back, 10, 1);
    assert_null(next_hop(&t.o, &r, 0, NO_SLOT, NULL));
    assert_int_equal(r.flags, 0);
    identities_fini(&t.ids);
}

/* A node that hardly anybody hears has one real link, to somewhere: what is sealed begins there, wherever it is to go. */
static void the_first_step_may_lead_anywhere(void **state)
{
    static struct around t;
    (void)state;
    around_init(&t);
    struct id at[] = {place(128), place(30)};
    struct link *real = add(&t, &at[0], 400), *tunnel = add(&t, &at[1], 400);
    link_set_path(tunnel, PATH_ROUTED);
    struct routed r = {.src = place(0), .dst = place(20)};
    assert_ptr_equal(next_hop(&t.o, &r, OUTER_DATA, NO_SLOT, NULL), real);
    assert_int_equal(r.flags, ROUTED_UPHILL);
    assert_null(next_hop(&t.o, &r, OUTER_DATA, link_slot(&t.o, tunnel), NULL)); /* no other step */
    r.flags = 0;
    assert_ptr_equal(next_hop(&t.o, &r, OUTER_HELLO1, NO_SLOT, NULL), tunnel); /* over that one */
    assert_ptr_equal(next_hop(&t.o, &r, 0, NO_SLOT, NULL), tunnel);
    identities_fini(&t.ids);
}

/* Against all that chance brings: a hop is taken if and only if there is one, it is none of those excluded, and it is nearer or,
 * once, somebody who says that he has a link to one who is. */
static void there_is_one_if_there_is_one(void **state)
{
    static struct around t;
    struct rng c;
    const uint8_t seed[32] = {1};
    unsigned taken = 0, none = 0, uphill = 0, out = 0;
    (void)state;
    rng_seed(&c, seed);
    for (unsigned n = 0; n < 30000; n++) {
        around_init(&t);
        unsigned count = (unsigned)rng_below(&c, 12);
        for (unsigned i = 0; i < count; i++) {
            struct id id = ID_ZERO;
            do {
                id.b[0] = (uint8_t)rng_below(&c, 256);
                id.b[19] = (uint8_t)rng_below(&c, 2);
            } while (id_is_zero(&id) || link_by_id(&t.o, &id));
            struct link *l = add(&t, &id, (unsigned)rng_below(&c, 2000));
            l->tries = rng_below(&c, 4) & 15;
            link_set_path(l, rng_below(&c, 3) ? PATH_DIRECT : PATH_ROUTED);
            for (uint64_t k = rng_below(&c, 4); k > 0; k--)
                told(&t, l, (unsigned)rng_below(&c, 256), (unsigned)rng_below(&c, 2000));
        }
        uint16_t from = rng_below(&c, 2) ? NO_SLOT : (uint16_t)rng_below(&c, 12);
        bool ours = from == NO_SLOT && rng_below(&c, 2); /* else it is tried again, perhaps */
        struct id dst = place((unsigned)rng_below(&c, 256)),
                  src = place(ours ? 0 : (unsigned)rng_below(&c, 255) + 1);
        const uint16_t avoid[3] = {(uint16_t)rng_below(&c, 12), NO_SLOT, NO_SLOT};
        uint8_t carried = rng_below(&c, 2) ? OUTER_DATA : 0;
        struct routed r = {
            .src = src,
            .dst = dst,
            .flags = (uint8_t[]){0, ROUTED_PLAIN, ROUTED_UPHILL, 0}[rng_below(&c, 4)]};
        uint8_t before = r.flags;
        struct link *l = next_hop(&t.o, &r, carried, from, avoid);
        struct link *any = route_next(&t.o, &dst, &src, carried != 0, from, avoid);
        if (l && !any) { /* its source: through any real link, if none leads nearer */
            assert_true(carried && ours && r.flags & ROUTED_UPHILL);
            assert_true(link_path(l) == PATH_DIRECT && !link_suspect(l));
            assert_int_not_equal(link_slot(&t.o, l), avoid[0]);
            out++;
            l = NULL;
        }
        assert_int_equal(l == NULL, any == NULL);
        if (l) {
            bool self_asks = id_is_zero(&dst) && id_is_zero(&src);
            bool nearer = id_nearer(&dst, link_id(&t.o, l), &t.o.self.id) < 0;
            assert_true(self_asks || nearer || (r.flags == ROUTED_UPHILL && before == 0));
            uphill += !nearer && !self_asks;
            assert_int_not_equal(link_slot(&t.o, l), from);
            assert_int_not_equal(link_slot(&t.o, l), avoid[0]);
            assert_false(carried && link_path(l) == PATH_ROUTED);
        }
        taken += l != NULL, none += l == NULL;
        identities_fini(&t.ids);
    }
    assert_true(taken > 5000 && none > 2000 && uphill > 500 && out > 200);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(near_in_time_before_near_on_the_ring),
        cmocka_unit_test(who_is_meant_is_taken),
        cmocka_unit_test(late_and_silent_ones),
        cmocka_unit_test(two_steps_at_once),
        cmocka_unit_test(what_is_asked_again_is_not_led_astray),
        cmocka_unit_test(uphill_once),
        cmocka_unit_test(the_first_step_may_lead_anywhere),
        cmocka_unit_test(there_is_one_if_there_is_one),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
