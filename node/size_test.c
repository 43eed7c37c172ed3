/* node/size_test.c - what a node costs in memory: prints the table of docs/memory.md and holds its bounds. */
#include "node/internal.h"
#include "overlay/core.h"
#include "overlay/dht.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <cmocka.h>

#define NODE_BYTES_MAX 8192 /* docs/memory.md */
#define POOLED_MAX     2048

static size_t total;
static void row(const char *what, size_t count, size_t each)
{
    printf("  %-34s %5zu x %5zu = %6zu\n", what, count, each, count * each);
    total += count * each;
}

/* Everything that node_size() counts, one row each; the sum is node_size(). */
static void a_node_of_the_simulator(void **state)
{
    const struct limits *l = &limits_sim;
    (void)state;
    total = 0;
    row("struct node", 1, sizeof(struct node));
    row("struct overlay", 1, sizeof(struct overlay));
    row("links", l->links, sizeof(struct link));
    row("order of links by id", l->links, sizeof(uint16_t));
    row("passive peers", l->passive, sizeof(struct overlay_seed_peer));
    row("seeds, a local address", l->seeds + 1u, sizeof(struct endpoint));
    row("own network, its chain", 1, sizeof(struct own_network) + sizeof(struct own_chain));
    size_t map = node_size(l) - total; /* a power of two of entries */
    row("receiver index map", map / sizeof(uint16_t), sizeof(uint16_t));
    printf("  node_size(&limits_sim) = %zu\n", node_size(l));
    assert_true(map >= 2u * (2u * l->links + l->handshakes) && map <= 1024 &&
                (map & (map - 1)) == 0);
    assert_int_equal(total, node_size(l));
    assert_true(node_size(l) <= NODE_BYTES_MAX);
}

static void inside(const char *what, size_t bytes)
{
    printf("    .%-32s %5zu\n", what, bytes);
}

static void the_overlay(void **state)
{
    const struct overlay *o = NULL;
    (void)state;
    printf("  struct overlay = %zu, in it:\n", sizeof *o);
    inside("observe", sizeof o->observe);
    inside("knock", sizeof o->knock);
    inside("seen", sizeof o->seen);
    inside("self", sizeof o->self);
    inside("near", sizeof o->near);
    inside("drops", sizeof o->drops);
    assert_true(sizeof(struct link) <= 128);
    assert_true(sizeof(struct session) <= 88);
    assert_true(sizeof(struct node) <= 184);
}

static void pooled(const char *what, size_t bytes)
{
    printf("  pooled: %-26s %5zu\n", what, bytes);
    assert_true(bytes <= OVERLAY_POOLED_MAX);
}

static void what_is_pooled(void **state)
{
    (void)state;
    pooled("handshake", sizeof(struct hello));
    pooled("routed frame in flight", sizeof(struct inflight));
    pooled("request", sizeof(struct request));
    pooled("record", sizeof(struct record_entry));
    pooled("extra of a link", sizeof(struct extra));
    pooled("command under way", sizeof(struct ask));
    pooled("waiting destination", sizeof(struct waiting));
    printf("  one object of the pool = %zu; struct pkt = %zu\n", (size_t)OVERLAY_POOLED_MAX,
           sizeof(struct pkt));
    assert_true(OVERLAY_POOLED_MAX <= POOLED_MAX);
}

static void a_quiet_daemon_is_within_ten_mebibytes(void **state)
{
    (void)state;
    printf("  node_size(&limits_daemon) = %zu\n", node_size(&limits_daemon));
    assert_true(node_size(&limits_daemon) <=
                4u << 20); /* the programs and their libraries take the rest */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_node_of_the_simulator),
        cmocka_unit_test(the_overlay),
        cmocka_unit_test(what_is_pooled),
        cmocka_unit_test(a_quiet_daemon_is_within_ten_mebibytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
