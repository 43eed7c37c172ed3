/* What neighbours compare: the digest that each computes of what both ought to hold. */
#include "overlay/dht_testing.h"

static struct overlay *node_with(struct net *n, uint32_t nodes, const struct id *id)
{
    for (uint32_t i = 0; i < nodes; i++)
        if (id_equal(&n->nodes[i]->self.id, id)) return n->nodes[i];
    return NULL;
}

/* Pairs of near links at whose ends the digests differ. */
static unsigned differing(struct net *n, uint32_t nodes, unsigned *pairs)
{
    unsigned differ = 0;
    *pairs = 0;
    for (uint32_t i = 0; i < nodes; i++) {
        struct overlay *o = n->nodes[i];
        for (uint16_t k = 0; k < o->up_count; k++) {
            const struct link *l = order_at(o, k);
            struct overlay *p = node_with(n, nodes, link_id(o, l));
            const struct link *back = p ? link_by_id(p, &o->self.id) : NULL;
            if (!back || !(l->kinds & KIND_NEAR) || !(back->kinds & KIND_NEAR)) continue;
            (*pairs)++;
            differ += near_digest(o, l) != near_digest(p, back);
            assert_int_equal(near_digest_is_news(p, back, near_digest(p, back)), false);
        }
    }
    return differ;
}

/* In rings so small that the sides overlap, that are just full, and larger ones. */
static void both_ends_agree(void **state)
{
    static const uint32_t sizes[] = {2, 5, 8, 9, 10, 16};
    (void)state;
    for (unsigned i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct net *n = ring_of(sizes[i]);
        unsigned pairs;
        assert_int_equal(differing(n, sizes[i], &pairs), 0);
        assert_true(pairs >= 2 * (sizes[i] - 1));
        net_free(n);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
