/* Keep-alives that are vouched for some rounds ahead (docs/decisions/0033): whatever happens to either end revokes them, so that what
 * is vouched for would be so if it were sent, a death is noticed as soon as ever, and the bytes are those of `--queue all`. */
#include "base/bytes.h"
#include "node/internal.h"
#include "overlay/core.h"
#include "sim/home.h"
#include "sim/quiet.h"
#include "sim/world.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#define NODES 60

static void run(struct world *w, uint64_t us)
{
    uint64_t until_us = w->now_us + us;
    while (world_advance(w, until_us)) {}
}

static struct world *ring_of(bool quiet, uint32_t loss, bool nats, uint64_t timeout_us)
{
    struct world_config c = {.seed = 7,
                             .crypto = &crypto_fake,
                             .limits = limits_sim,
                             .network = {.model = NETWORK_REGIONS, .regions = 4, .loss = loss},
                             .nodes = NODES,
                             .quiet = quiet};
    c.nat.share[NAT_TYPE_NONE] = nats ? 200000 : 1000000;
    c.nat.share[NAT_TYPE_RESTRICTED] = nats ? 300000 : 0;
    c.nat.share[NAT_TYPE_PORT_RESTRICTED] = nats ? 300000 : 0;
    c.nat.share[NAT_TYPE_SYMMETRIC] = nats ? 200000 : 0;
    c.nat.timeout_us = timeout_us;
    struct world *w = world_new(&c);
    for (uint32_t i = 0; i < NODES; i++) {
        world_start(w, 3);
        run(w, MILLIS(100));
    }
    return w;
}

static const struct overlay *overlay_of(const struct world *w, uint32_t node)
{
    return w->hosts[node].node ? w->hosts[node].node->overlay : NULL;
}

static uint32_t node_of(const struct world *w, const struct id *id)
{
    uint32_t i = 0;
    while (i < w->host_count && !(w->hosts[i].node && id_equal(&w->hosts[i].id, id))) i++;
    return i;
}

/* --- what is vouched for is so --- */

/* Would `to` learn anything from a PING or PONG of `from`? */
static void check_told(const struct overlay *from, const struct link *l, const struct overlay *to,
                       const struct link *back)
{
    uint8_t flags = link_ping_flags(from, l);
    assert_int_equal(!!(back->s.flags & LINK_WANTED), !!(flags & PING_WANTED));
    assert_int_equal(back->patient, !!(flags & PING_PATIENT));
    assert_false(flags & PING_TRIAL);
    if (flags & PING_DIGEST) assert_false(near_digest_is_news(to, back, near_digest(from, l)));
}

static void check_link(struct world *w, uint32_t node, const struct link *l)
{
    const struct overlay *o = overlay_of(w, node);
    uint32_t other = node_of(w, link_id(o, l)), now_ms = ms32(w->now_us);
    assert_true(other < w->host_count); /* it lives */
    assert_true(world_reaches(w, node, other));
    const struct overlay *p = overlay_of(w, other);
    const struct link *back = link_by_id(p, &o->self.id);
    assert_non_null(back);
    assert_true(back->vouched);
    assert_int_equal(back->s.remote_index, l->s.entry);
    assert_int_equal(l->s.remote_index, back->s.entry);
    assert_true(upkeep_asks(o, l) != upkeep_asks(p, back));
    assert_int_equal(l->tries, 0);
    assert_int_equal(link_path(l), PATH_DIRECT);
    uint32_t seen_ip;
    uint16_t seen_port; /* what boxes there are keep the way open */
    assert_true(home_holds(w, node, get_u32(l->ip + 12), l->port, &seen_ip, &seen_port));
    check_told(o, l, p, back);
    if (!upkeep_asks(o, l)) return;
    uint32_t ahead_ms = l->due_ms - now_ms;
    assert_true(ahead_ms <= 360001);
    int32_t later_ms = (int32_t)(back->due_ms - l->due_ms);
    assert_true(later_ms >= 1000 && later_ms < 50000); /* it asks after we should have */
    int32_t silent_ms = (int32_t)(now_ms - link_heard_ms(o, l, w->now_us));
    assert_true(silent_ms > -2000 && silent_ms <= (int32_t)(keep_us(o, l) / 1000) + 1);
}

static uint32_t check_all(struct world *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->host_count; i++) {
        const struct overlay *o = overlay_of(w, i);
        for (uint16_t k = 0; o && k < o->up_count; k++) {
            if (!order_at(o, k)->vouched) continue;
            check_link(w, i, order_at(o, k));
            n++;
        }
    }
    return n;
}

static void through_everything(bool nats, uint64_t timeout_us)
{
    struct world *w = ring_of(true, 10000, nats, timeout_us);
    struct rng r;
    rng_stream(&w->root, "story", 0, &r);
    uint64_t seen = 0;
    uint32_t share = 300000;
    for (unsigned s = 1; s <= 1800; s++) {
        run(w, SECONDS(1));
        seen += check_all(w);
        if (s < 300) continue;
        uint32_t one = world_random_live(w, &r);
        if (s % 150 == 0 && one > 3) world_kill(w, one);
        if (s % 150 == 50 && one > 3) world_leave(w, one);
        if (s % 150 == 100) world_start(w, 3);
        if (s == 900) world_partition(w, &share, 1, &r);
        if (s == 1020) world_heal(w);
    }
    printf("  %llu links' ends were vouched for, %llu keep-alives charged\n",
           (unsigned long long)seen / 1800, (unsigned long long)w->vouched);
    assert_true(seen > 1800 * 50);
    world_free(w);
}

static void what_is_vouched_for_is_so(void **state)
{
    (void)state;
    through_everything(false, SECONDS(120));
}

static void behind_nats_too(void **state)
{
    (void)state;
    through_everything(true, SECONDS(120));
}

static void behind_nats_that_forget(void **state)
{
    (void)state;
    through_everything(true, SECONDS(30));
}

/* --- and no later --- */

static uint32_t links_to(const struct world *w, uint32_t node)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->host_count; i++) {
        const struct overlay *o = overlay_of(w, i);
        n += i != node && o && link_by_id(o, &w->hosts[node].id) != NULL;
    }
    return n;
}

static uint32_t links_across(const struct world *w)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < w->host_count; i++)
        for (uint32_t k = 0; k < w->host_count; k++)
            n += !world_reaches(w, i, k) && link_by_id(overlay_of(w, i), &w->hosts[k].id) &&
                 link_path(link_by_id(overlay_of(w, i), &w->hosts[k].id)) == PATH_DIRECT;
    return n;
}

enum end { KILLED, LEAVES_UNHEARD, CUT_OFF };

/* Half of the direct links are gone, and all of them, after so many ms. */
struct gone {
    uint32_t links, half_ms, all_ms;
};

static struct gone end_one(bool quiet, enum end what)
{
    struct world *w = ring_of(quiet, 0, false, SECONDS(120));
    struct rng r;
    struct gone g = {0};
    uint32_t one = 20, share = 400000, left;
    rng_stream(&w->root, "story", 0, &r);
    run(w, MINUTES(20) + MILLIS(7777));
    if (quiet) assert_true(check_all(w) > 100);
    g.links = links_to(w, one);
    switch (what) {
    case KILLED: world_kill(w, one); break;
    case LEAVES_UNHEARD: /* its good-byes are lost */
        w->net.loss_below = UINT64_C(1) << 32;
        world_leave(w, one);
        w->net.loss_below = 0;
        if (w->hosts[one].node) world_gone(w, one);
        break;
    case CUT_OFF:
        world_partition(w, &share, 1, &r);
        g.links = links_across(w);
        break;
    }
    do {
        run(w, MILLIS(100));
        left = what == CUT_OFF ? links_across(w) : links_to(w, one);
        g.all_ms += 100;
        if (left * 2 > g.links) g.half_ms = g.all_ms;
    } while (left > 0 && g.all_ms < 400000);
    world_free(w);
    return g;
}

static void noticed_as_ever(void **state)
{
    (void)state;
    for (unsigned what = KILLED; what <= CUT_OFF; what++) {
        struct gone all = end_one(false, (enum end)what), quiet = end_one(true, (enum end)what);
        printf("  %u and %u links: half gone after %u and %u ms, all after %u and %u\n", all.links,
               quiet.links, all.half_ms, quiet.half_ms, all.all_ms, quiet.all_ms);
        assert_true(all.links > 8 && quiet.links > 8);
        assert_in_range(quiet.half_ms, all.half_ms / 2, all.half_ms + 3000);
        assert_in_range(quiet.all_ms, all.all_ms / 2, all.all_ms + 12000);
    }
}

/* --- counted --- */

struct sums {
    uint64_t bytes, datagrams, pings, events;
};

/* Which far links are held differs, and how many. */
static void about(uint64_t a, uint64_t b)
{
    assert_in_range(b * 100, a * 98, a * 102);
}

static struct sums at_rest(bool quiet)
{
    struct world *w = ring_of(quiet, 0, false, SECONDS(120));
    run(w, MINUTES(20));
    world_window(w);
    struct sums s = {.events = w->steps, .datagrams = w->net_counts[NET_SENT]};
    run(w, MINUTES(6) + SECONDS(40)); /* not a multiple of what is vouched for */
    uint64_t bytes, datagrams;
    quiet_sent(w, &bytes, &datagrams);
    quiet_settle(w);
    assert_in_range(w->ahead.passed + 60, 0, 120); /* but those of this second */
    about(w->net_counts[NET_SENT], datagrams);
    about(w->bytes_sent, bytes);
    for (uint32_t i = 0; i < NODES; i++) s.bytes += w->hosts[i].sent_bytes;
    s.pings = w->traffic.datagrams[WAY_DIRECT][TRAFFIC_PING];
    s.datagrams = w->net_counts[NET_SENT] - s.datagrams;
    s.events = w->steps - s.events;
    world_free(w);
    return s;
}

static void counted_as_if_sent(void **state)
{
    struct sums all = at_rest(false), quiet = at_rest(true);
    (void)state;
    printf("  %llu and %llu bytes, %llu and %llu PINGs, %llu and %llu events\n",
           (unsigned long long)all.bytes, (unsigned long long)quiet.bytes,
           (unsigned long long)all.pings, (unsigned long long)quiet.pings,
           (unsigned long long)all.events, (unsigned long long)quiet.events);
    about(all.bytes, quiet.bytes);
    about(all.datagrams, quiet.datagrams);
    about(all.pings, quiet.pings);
    assert_true(quiet.events * 4 < all.events);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_vouched_for_is_so), cmocka_unit_test(behind_nats_too),
        cmocka_unit_test(behind_nats_that_forget),   cmocka_unit_test(noticed_as_ever),
        cmocka_unit_test(counted_as_if_sent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
