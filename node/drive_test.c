/* The node is a stand-in that notes what it was given and answers as it is told. */
#include "node/drive.h"

#include "node/actions.h"
#include "overlay/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

struct node {
    struct hot_queue *down, *up;
    uint64_t wake_us;
    char story[256];       /* d: datagram, t: timer, l: lane, c: command */
    uint32_t datagram_len; /* of the last */
    int frames, echoes;    /* UP_FRAMEs heard; DOWN_SEALs to answer each with */
};

static void note(struct node *n, char what)
{
    size_t len = strlen(n->story);
    if (len + 1 < sizeof n->story) n->story[len] = what;
}

void node_step(struct node *n, uint64_t now_us, const struct event *in, struct actions *out)
{
    struct hot_message m;
    uint8_t body[HOT_BODY_MAX];
    (void)now_us;
    note(n, in->type == EV_DATAGRAM ? 'd'
            : in->type == EV_TIMER  ? 't'
            : in->type == EV_LANE   ? 'l'
                                    : 'c');
    if (in->type == EV_DATAGRAM) {
        n->datagram_len = in->datagram.len;
        assert_int_equal(in->datagram.segment, 0);
        actions_send(out, &in->datagram.from, in->datagram.bytes, in->datagram.len, 0);
    }
    while (in->type == EV_LANE && hot_pop(n->up, &m, body, sizeof body)) {
        n->frames += m.op == UP_FRAME;
        for (int i = 0; i < n->echoes && m.op == UP_FRAME; i++) {
            struct hot_message seal = {.op = DOWN_SEAL, .index = m.index, .len = m.len};
            if (hot_push(n->down, &seal, body)) fail();
        }
    }
}

uint64_t node_wake_us(const struct node *n)
{
    return n->wake_us;
}

struct world {
    struct node node;
    struct lane *lane;
    struct hot_queue down, up;
    uint8_t arena[ACTIONS_ARENA_MIN];
    struct action list[ACTIONS_LIST_MIN];
    struct actions out;
    struct event in;
    uint8_t bytes[65536];
};

/* Session 1 seals for itself: what it sends, it can also open. */
static int setup(void **state)
{
    static const struct limits limits = {.hot = 2, .channels = 2};
    struct world *w = test_calloc(1, sizeof *w);
    struct hot_keys k = {.remote_index = 1, .aead = AEAD_CHACHA20_POLY1305};
    struct hot_message hot = {.op = DOWN_HOT, .index = 1, .len = sizeof k};
    struct hot_message path = {.op = DOWN_PATH, .index = 1, .path = PATH_DIRECT};
    assert_int_equal(hot_queue_init(&w->down, 1u << 17), OK);
    assert_int_equal(hot_queue_init(&w->up, 1u << 17), OK);
    assert_int_equal(lane_new(&w->lane, &limits, &crypto_fake, 0, &w->down, &w->up), OK);
    w->out = (struct actions){.arena = w->arena, .arena_size = sizeof w->arena, .list = w->list};
    w->out.max = ACTIONS_LIST_MIN;
    w->node = (struct node){.down = &w->down, .up = &w->up, .wake_us = 77};
    path.endpoint = endpoint_v4(0x0a000001, 1);
    if (hot_push(&w->down, &hot, &k) || hot_push(&w->down, &path, NULL)) fail();
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    lane_free(w->lane);
    hot_queue_fini(&w->down), hot_queue_fini(&w->up);
    test_free(w);
    return 0;
}

static uint32_t drive(struct world *w)
{
    return drive_step(&w->node, w->lane, &w->down, &w->up, 1000, &w->in, &w->out);
}

/* Appends a control frame sealed by the lane, or as long a datagram that is the node's. */
static uint32_t append(struct world *w, uint32_t at, bool hot)
{
    uint8_t frame[68] = {KIND_CONTROL, 1};
    struct hot_message m = {.op = DOWN_SEAL, .index = 1, .len = sizeof frame};
    const struct event timer = {.type = EV_TIMER};
    memset(w->bytes + at, OUTER_HELLO1, 100);
    if (!hot) return at + 100;
    if (hot_push(&w->down, &m, frame)) fail();
    actions_clear(&w->out);
    lane_step(w->lane, 1000, &timer, &w->out);
    assert_int_equal(w->out.count, 1);
    assert_int_equal(w->list[0].send.len, 100);
    memcpy(w->bytes + at, w->list[0].send.bytes, 100);
    actions_clear(&w->out);
    return at + 100;
}

static void batch(struct world *w, const char *kinds)
{
    uint32_t len = 0;
    for (const char *k = kinds; *k; k++) len = append(w, len, *k == 'h');
    w->in = (struct event){.type = EV_DATAGRAM};
    w->in.datagram.bytes = w->bytes;
    w->in.datagram.len = len;
    w->in.datagram.segment = 100;
}

static void a_batch_is_cut_where_halves_change(void **state)
{
    struct world *w = *state;
    batch(w, "hhcchhhc");
    assert_int_equal(drive(w), 800);
    assert_string_equal(w->node.story, "dddl");
    assert_int_equal(w->node.frames, 5);
    assert_int_equal(w->node.datagram_len, 100);
    assert_true(hot_is_empty(&w->up) && hot_is_empty(&w->down));
}

static void answers_go_out_in_the_same_step(void **state)
{
    struct world *w = *state;
    w->node.echoes = 3;
    batch(w, "hh");
    assert_int_equal(drive(w), 200);
    assert_int_equal(w->node.frames, 2);
    assert_true(hot_is_empty(&w->up) && hot_is_empty(&w->down));
    uint32_t bytes = 0;
    for (uint32_t i = 0; i < w->out.count; i++) bytes += w->list[i].send.len;
    assert_int_equal(bytes, 600);
}

static void a_full_list_is_offered_again(void **state)
{
    struct world *w = *state;
    uint32_t done = 0, steps = 0, sends = 0;
    batch(w, "cccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccccc");
    w->out.max = 40;
    for (uint32_t part; done < 6400; done += part, steps++) {
        w->in.datagram.bytes = w->bytes + done;
        w->in.datagram.len = 6400 - done;
        part = drive(w);
        assert_true(part > 0);
        sends += w->out.count;
        actions_clear(&w->out);
    }
    assert_int_equal(sends, 64);
    assert_int_equal(w->out.lost, 0);
    assert_true(steps > 1);
}

static void other_events_find_their_half(void **state)
{
    struct world *w = *state;
    w->in = (struct event){.type = EV_TIMER};
    drive(w);
    w->in.type = EV_COMMAND;
    drive(w);
    assert_string_equal(w->node.story, "tc");
    w->in = (struct event){.type = EV_DATAGRAM};
    w->in.datagram.bytes = w->bytes;
    drive(w); /* an empty datagram is the node's to count */
    assert_string_equal(w->node.story, "tcd");
    assert_int_equal(w->node.datagram_len, 0);
}

static void without_a_lane(void **state)
{
    struct world *w = *state;
    batch(w, "hc");
    assert_int_equal(drive_step(&w->node, NULL, NULL, NULL, 1000, &w->in, &w->out), 200);
    assert_string_equal(w->node.story, "dd");
    w->in = (struct event){.type = EV_TUN};
    w->in.tun.bytes = w->bytes + LANE_HEADROOM;
    w->in.tun.len = 60;
    assert_int_equal(drive_step(&w->node, NULL, NULL, NULL, 1000, &w->in, &w->out), 60);
    assert_string_equal(w->node.story, "dd");
    assert_int_equal(drive_wake_us(&w->node, NULL), 77);
}

static void wakes_for_the_earlier(void **state)
{
    struct world *w = *state;
    assert_int_equal(drive_wake_us(&w->node, w->lane), 0); /* messages wait */
    w->in = (struct event){.type = EV_TIMER};
    drive(w);
    assert_int_equal(drive_wake_us(&w->node, w->lane), 77);
    w->node.wake_us = TIME_NEVER;
    assert_int_equal(drive_wake_us(&w->node, w->lane), TIME_NEVER);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_batch_is_cut_where_halves_change, setup, teardown),
        cmocka_unit_test_setup_teardown(answers_go_out_in_the_same_step, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_list_is_offered_again, setup, teardown),
        cmocka_unit_test_setup_teardown(other_events_find_their_half, setup, teardown),
        cmocka_unit_test_setup_teardown(without_a_lane, setup, teardown),
        cmocka_unit_test_setup_teardown(wakes_for_the_earlier, setup, teardown),
    };
    if (!crypto_init()) return 1;
    return cmocka_run_group_tests(tests, NULL, NULL);
}
