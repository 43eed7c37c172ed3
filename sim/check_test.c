#include "sim/check.h"

#include "base/rng.h"
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define NODES 40u

static struct model {
    struct id ids[NODES], left[NODES], right[NODES];
    bool live[NODES], has[NODES];
} m;

static const struct id *id_of(const void *context, uint32_t node)
{
    return &((const struct model *)context)->ids[node];
}
static bool is_live(const void *context, uint32_t node)
{
    return ((const struct model *)context)->live[node];
}
static bool believes(const void *context, uint32_t node, struct id *left, struct id *right)
{
    const struct model *k = context;
    assert_true(k->live[node]);
    *left = k->left[node], *right = k->right[node];
    return k->has[node];
}

/* Brute force: the nearest live node clockwise; the node itself if there is no other. */
static uint32_t after(uint32_t node)
{
    uint32_t best = node;
    for (uint32_t i = 0; i < NODES; i++)
        if (m.live[i] && i != node &&
            (best == node || id_between(&m.ids[node], &m.ids[i], &m.ids[best])))
            best = i;
    return best;
}

static uint32_t live_count(void)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < NODES; i++) n += m.live[i];
    return n;
}

static void believe_truth(void)
{
    for (uint32_t i = 0; i < NODES; i++) {
        if (!m.live[i]) continue;
        uint32_t next = after(i);
        m.has[i] = next != i;
        m.right[i] = m.ids[next];
        m.left[next] = m.ids[i];
    }
}

static bool truth_is_believed(void)
{
    for (uint32_t i = 0; i < NODES; i++) {
        if (!m.live[i]) continue;
        uint32_t next = after(i);
        if (m.has[i] != (next != i)) return false;
        if (next != i &&
            !(id_equal(&m.right[i], &m.ids[next]) && id_equal(&m.left[next], &m.ids[i])))
            return false;
    }
    return live_count() > 0;
}

/* Circles of right neighbours, by following each node so often that it must be on one. */
static uint32_t circles(void)
{
    bool on[NODES] = {false}, counted[NODES] = {false};
    uint32_t next[NODES], n = 0;
    for (uint32_t i = 0; i < NODES; i++) {
        next[i] = i;
        for (uint32_t k = 0; k < NODES && m.live[i] && m.has[i]; k++)
            if (m.live[k] && id_equal(&m.ids[k], &m.right[i])) next[i] = k;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        uint32_t at = i;
        for (uint32_t k = 0; k < NODES; k++) at = next[at];
        if (m.live[i]) on[at] = true;
    }
    for (uint32_t i = 0; i < NODES; i++) {
        if (!on[i] || counted[i]) continue;
        n++;
        for (uint32_t at = i; !counted[at]; at = next[at]) counted[at] = true;
    }
    return n;
}

static void random_world(struct rng *r, struct ring *ring)
{
    memset(&m, 0, sizeof m);
    uint32_t share = (uint32_t)rng_below(r, 4);
    ring_init(ring, id_of, is_live, &m);
    for (uint32_t i = 0; i < NODES; i++) {
        rng_bytes(r, m.ids[i].b, ID_SIZE);
        if (rng_below(r, 3) == 0 && i > 0) { /* the same prefix as another */
            memcpy(m.ids[i].b, m.ids[i - 1].b, 8);
        }
        m.live[i] = true;
        ring_add(ring, i);
        if (rng_below(r, 10) == 0) ring_sort(ring);
    }
    for (uint32_t i = 0; i < NODES; i++) {
        if (rng_below(r, 4) >= share) continue;
        m.live[i] = false;
        ring_removed(ring);
        if (rng_below(r, 10) == 0) ring_sort(ring);
    }
    ring_sort(ring);
}

static void test_against_brute_force(void **state)
{
    (void)state;
    struct rng r;
    uint8_t seed[32] = {1};
    rng_seed(&r, seed);
    uint32_t perfect_seen = 0;
    for (uint32_t round = 0; round < 2000; round++) {
        struct ring ring;
        random_world(&r, &ring);
        assert_int_equal(ring.count, live_count());
        believe_truth();
        for (uint64_t wrong = rng_below(&r, 4); wrong > 0; wrong--) {
            uint32_t i = (uint32_t)rng_below(&r, NODES), k = (uint32_t)rng_below(&r, NODES);
            if (rng_below(&r, 2))
                m.right[i] = m.ids[k];
            else if (rng_below(&r, 2))
                m.left[i] = m.ids[k];
            else
                m.has[i] = !m.has[i];
        }
        struct check c = {.witness = (uint32_t)rng_below(&r, NODES)};
        bool perfect = check_perfect(&c, &ring, believes, &m, 0);
        assert_int_equal(perfect, truth_is_believed());
        assert_int_equal(check_perfect(&c, &ring, believes, &m, 0), perfect);
        perfect_seen += perfect;
        struct astray astray[NODES];
        uint32_t lost = check_astray(&ring, believes, &m, astray, NODES);
        assert_int_equal(lost == 0, perfect || ring.count == 0);
        for (uint32_t i = 0; i < lost; i++)
            assert_int_equal(astray[i].true_right, after(astray[i].node));
        struct ring_shape shape = check_rings(&ring, believes, &m);
        assert_int_equal(shape.rings, circles());
        if (perfect) assert_true(shape.rings == 1 && shape.wound == 0 && shape.outside == 0);
        ring_fini(&ring);
    }
    assert_in_range(perfect_seen, 200, 1800);
}

static void test_owner(void **state)
{
    (void)state;
    struct rng r;
    uint8_t seed[32] = {2};
    rng_seed(&r, seed);
    for (uint32_t round = 0; round < 300; round++) {
        struct ring ring;
        random_world(&r, &ring);
        for (uint32_t i = 0; i < 20; i++) {
            struct id target;
            rng_bytes(&r, target.b, ID_SIZE);
            if (i < NODES && i % 3 == 0) target = m.ids[i];
            uint32_t best = RING_NONE;
            for (uint32_t k = 0; k < NODES; k++)
                if (m.live[k] &&
                    (best == RING_NONE || id_nearer(&target, &m.ids[k], &m.ids[best]) < 0))
                    best = k;
            assert_int_equal(ring_owner(&ring, &target), best);
        }
        for (uint32_t k = 0; k < NODES; k++) {
            uint32_t place = ring_find(&ring, &m.ids[k]);
            assert_int_equal(place != RING_NONE, m.live[k]);
            if (m.live[k]) assert_int_equal(ring_at(&ring, place), k);
        }
        ring_fini(&ring);
    }
}

/* Two circles of every other node; and one circle that goes round twice. */
static void test_shapes(void **state)
{
    (void)state;
    memset(&m, 0, sizeof m);
    struct ring ring;
    ring_init(&ring, id_of, is_live, &m);
    for (uint32_t i = 0; i < 10; i++) {
        m.ids[i].b[0] = (uint8_t)(20 * i + 1);
        m.live[i] = m.has[i] = true;
        ring_add(&ring, i);
    }
    ring_sort(&ring);
    for (uint32_t i = 0; i < 10; i++)
        m.right[i] = m.ids[(i + 2) % 10], m.left[(i + 2) % 10] = m.ids[i];
    struct ring_shape shape = check_rings(&ring, believes, &m);
    assert_true(shape.rings == 2 && shape.wound == 0 && shape.outside == 0);
    m.right[8] = m.ids[1], m.right[9] = m.ids[0];
    shape = check_rings(&ring, believes, &m);
    assert_true(shape.rings == 1 && shape.wound == 1);
    for (uint32_t i = 0; i < 10; i++) m.right[i] = m.ids[(i + 1) % 10];
    m.right[4] = m.ids[6]; /* 5 is beside the ring, pointing in */
    shape = check_rings(&ring, believes, &m);
    assert_true(shape.rings == 1 && shape.wound == 0 && shape.outside == 1);
    ring_fini(&ring);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_against_brute_force),
        cmocka_unit_test(test_owner),
        cmocka_unit_test(test_shapes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
