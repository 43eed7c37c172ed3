/* Keep-alives on simulated rings: behind NATs that remember for two minutes, links to distant nodes are asked once a minute; behind NATs that
 * forget after 30 s nodes find that out, go on every 25 s, and lose no neighbour by having tried. */
#include "node/internal.h"
#include "overlay/core.h"
#include "sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <cmocka.h>

#define NODES    40
#define BEGIN_US MINUTES(3) /* whole, and the first trials are under way */
#define END_US   MINUTES(20)

struct said { /* by the tracepoints, since BEGIN_US */
    uint32_t silent, dead, remember;
};

static void listen(void *context, uint64_t now_us, enum trace_class c, const char *line)
{
    struct said *s = context;
    (void)c;
    if (now_us < BEGIN_US) return;
    s->silent += strstr(line, "direct path is silent") != NULL;
    s->dead += strstr(line, "no answer") != NULL && strstr(line, "down") != NULL;
    s->remember += strstr(line, "our NAT remembers") != NULL;
}

static void run(struct world *w, uint64_t until_us)
{
    while (world_advance(w, until_us)) continue;
}

static struct world *ring_of(uint64_t seed, struct trace *t, uint64_t timeout_us, bool symmetric)
{
    struct world_config c = {.seed = seed,
                             .crypto = &crypto_fake,
                             .limits = limits_sim,
                             .network = {.model = NETWORK_CONSTANT, .latency_us = MILLIS(30)},
                             .nodes = NODES,
                             .trace = t};
    c.nat.share[NAT_TYPE_NONE] = 100000;
    c.nat.share[NAT_TYPE_RESTRICTED] = 200000;
    c.nat.share[NAT_TYPE_PORT_RESTRICTED] = symmetric ? 500000 : 700000;
    c.nat.share[NAT_TYPE_SYMMETRIC] = symmetric ? 200000 : 0;
    c.nat.timeout_us = timeout_us;
    struct world *w = world_new(&c);
    assert_non_null(w);
    for (uint32_t i = 0; i < NODES; i++) {
        world_start(w, 3);
        run(w, w->now_us + MILLIS(100));
    }
    run(w, END_US);
    return w;
}

static const struct overlay *overlay_of(const struct world *w, uint32_t i)
{
    assert_non_null(w->hosts[i].node);
    return w->hosts[i].node->overlay;
}

/* Of the nodes behind NATs, how many know that theirs remembers? Those without: all are patient. */
static uint32_t that_remember(const struct world *w, uint32_t *behind)
{
    uint32_t n = 0;
    *behind = 0;
    for (uint32_t i = 0; i < w->host_count; i++) {
        const struct overlay *o = overlay_of(w, i);
        if (w->hosts[i].nat) (*behind)++;
        assert_int_equal(o->open, w->hosts[i].nat == NULL);
        n += o->remembers;
    }
    return n;
}

struct kept {
    uint32_t near, patient, tunnels;
};

static struct kept links_kept(const struct world *w)
{
    struct kept k = {0};
    for (uint32_t i = 0; i < w->host_count; i++) {
        const struct overlay *o = overlay_of(w, i);
        for (uint16_t n = 0; n < o->up_count; n++) {
            const struct link *l = order_at(o, n);
            if (link_path(l) != PATH_DIRECT)
                k.tunnels++;
            else if (keep_us(o, l) > KEEP_US)
                k.patient++;
            else
                k.near++;
            if (l->kinds & KIND_NEAR) assert_true(keep_us(o, l) <= KEEP_PATIENT_US);
        }
    }
    return k;
}

static void two_minutes(void **state)
{
    struct said s = {0};
    struct trace t = {.mask = UINT32_MAX, .sink = listen, .context = &s};
    struct world *w = ring_of(1, &t, SECONDS(120), true);
    uint32_t behind;
    (void)state;
    uint32_t n = that_remember(w, &behind);
    assert_true(behind >= NODES / 2);
    assert_true(n * 10 >= behind * 9);
    struct kept k = links_kept(w);
    assert_true(k.patient > k.near / 3);
    assert_int_equal(s.silent, 0);
    world_free(w);
}

static void thirty_seconds(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 3; seed++) {
        struct said s = {0};
        struct trace t = {.mask = UINT32_MAX, .sink = listen, .context = &s};
        struct world *w = ring_of(seed, &t, SECONDS(30), false);
        uint32_t behind;
        assert_int_equal(that_remember(w, &behind), 0);
        assert_int_equal(s.remember, 0);
        /* it was tried, the ping did not come, and the way was opened again before it was given up */
        assert_true(behind >= NODES * 3 / 4);
        assert_true(s.silent * 10 <= behind);
        assert_int_equal(s.dead, 0);
        world_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_minutes),
        cmocka_unit_test(thirty_seconds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
