#include "daemon/threads.h"

#include "base/err.h"
#include "base/time.h"
#include "daemon/clock.h"
#include "daemon/steer.h"
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define QUEUE_BYTES (512u << 10)
#define QUEUE_ROOM  (160u << 10) /* a whole GRO buffer of small datagrams may ask control */
#define COUNTERS    4u /* for each hot session: its keys, those before, those in the queues */
#define QUEUE_HIGH  (QUEUE_BYTES / 2) /* so much to take: control lets it be taken first.. */
#define QUEUE_LOW   (QUEUE_BYTES / 4)
#define EASE_NS     2000000u /* ..for at most so long */
#define WORK_ROUNDS 64

static void count_one(uint64_t *shared, uint64_t value)
{
    __atomic_store_n(shared, value, __ATOMIC_RELAXED);
}

/* --- a batch of one lane --- */

static void tell_main(struct lane_thread *t)
{
    count_one(&t->udp_dropped, t->udp.dropped);
    count_one(&t->tun_dropped, t->tuns.dropped);
    count_one(&t->actions_lost, t->batch.lost);
    if (!hot_is_empty(&t->up)) uv_async_send(&t->all->told_async);
}

/* Control sends it: connections are the main thread's. */
static void send_tcp(struct lane_thread *t, const struct action *a)
{
    uint32_t segment = a->send.segment ? a->send.segment : a->send.len;
    for (uint32_t at = 0; at < a->send.len; at += segment) {
        struct hot_message m = {.op = UP_SEND, .endpoint = a->send.to};
        m.len = segment < a->send.len - at ? segment : a->send.len - at;
        lane_up(t->lane, &m, a->send.bytes + at); /* no room: counted there, as `full` */
    }
}

static void act(struct lane_thread *t, const struct action *a)
{
    if (a->type == ACT_TUN) {
        if (!tun_write(&t->tuns, a)) lane_join(t->lane, t->tuns.joins);
        return;
    }
    ensure(a->type == ACT_SEND); /* a lane does nothing else */
    if (a->send.to.transport == TRANSPORT_TCP)
        send_tcp(t, a);
    else
        udp_queue(&t->udp, &a->send.to, a->send.bytes, a->send.len, a->send.segment);
}

/* Until control has answered, or we end. */
static void await_answers(struct lane_thread *t)
{
    batch_flush(&t->batch);
    tell_main(t);
    uv_mutex_lock(&t->lock);
    uv_cond_signal(&t->eased); /* who waits takes nothing */
    while (lane_waits(t->lane) && !t->stop) uv_cond_wait(&t->answered, &t->lock);
    uv_mutex_unlock(&t->lock);
}

/* Main waits for that: threads_ease. */
static void tell_eased(struct lane_thread *t)
{
    if (!__atomic_load_n(&t->main_waits, __ATOMIC_SEQ_CST) || hot_used(&t->down) >= QUEUE_LOW)
        return;
    uv_mutex_lock(&t->lock);
    uv_cond_signal(&t->eased);
    uv_mutex_unlock(&t->lock);
}

static void lane_event(struct lane_thread *t, const struct event *in)
{
    struct event e = *in;
    for (;;) {
        if (!hot_room(&t->up, QUEUE_ROOM) && lane_waits(t->lane)) await_answers(t);
        struct actions a = batch_window(&t->batch);
        bool fresh = batch_is_fresh(&t->batch);
        uint32_t done = lane_step(t->lane, clock_us(), &e, &a);
        batch_took(&t->batch, &a);
        for (uint32_t i = 0; i < a.count; i++) act(t, &a.list[i]);
        tell_eased(t);
        if ((e.type != EV_DATAGRAM && e.type != EV_TUN) || !event_advance(&e, done)) return;
        if (done == 0 && fresh) return; /* lost, and counted by the lane */
        if (done == 0) batch_flush(&t->batch);
    }
}

static void on_due(uv_timer_t *timer);

static void arm(struct lane_thread *t)
{
    uint64_t at_us = lane_wake_us(t->lane);
    if (at_us == TIME_NEVER || at_us >= t->due_us) return; /* early is fine: it looks again */
    uint64_t now_us = clock_us(), wait_us = at_us > now_us ? at_us - now_us : 0;
    uv_update_time(&t->loop);
    uv_timer_start(&t->due, on_due, wait_us / 1000 + 1, 0);
    t->due_us = at_us;
}

/* What control said is worked off, what was asked is answered, what is to be sent is sent. */
static void settle(struct lane_thread *t)
{
    const struct event e = {.type = EV_TIMER};
    for (int round = 0; round < WORK_ROUNDS; round++) {
        bool asked = lane_waits(t->lane);
        if (asked) await_answers(t);
        if (!asked && hot_is_empty(&t->down)) break;
        lane_event(t, &e);
    }
    batch_flush(&t->batch);
    tell_main(t);
    arm(t);
}

static void on_datagram(void *context, const struct endpoint *from, uint8_t *bytes, uint32_t len,
                        uint16_t segment)
{
    struct event e = {.type = EV_DATAGRAM, .datagram = {*from, bytes, len, segment}};
    lane_event(context, &e);
}

static void on_packet(void *context, const struct event *e)
{
    lane_event(context, e);
}

static void on_batch_end(void *context)
{
    settle(context);
}

static void on_due(uv_timer_t *timer)
{
    struct lane_thread *t = timer->data;
    const struct event e = {.type = EV_TIMER};
    t->due_us = TIME_NEVER;
    lane_event(t, &e);
    settle(t);
}

/* --- devices --- */

static void ask_change(struct lane_thread *t, enum device_change change,
                       const struct tun_place *place)
{
    uv_mutex_lock(&t->lock);
    t->change[place->number] = (uint8_t)change;
    t->place[place->number] = *place;
    uv_mutex_unlock(&t->lock);
    uv_async_send(&t->wake);
}

/* Unless main has asked for something else meanwhile. */
static void again(struct lane_thread *t, uint8_t change, const struct tun_place *place)
{
    uv_mutex_lock(&t->lock);
    bool other = t->change[place->number] != DEVICE_SAME;
    if (!other) {
        t->change[place->number] = change;
        t->place[place->number] = *place;
    }
    uv_mutex_unlock(&t->lock);
    uv_async_send(&t->wake);
}

static void change_device(struct lane_thread *t, uint8_t number, uint8_t change,
                          const struct tun_place *place)
{
    if (change == DEVICE_NEW &&
        t->tuns.list[number].fd >= 0) { /* the one before is not closed yet */
        if (t->tuns.list[number].polling) tun_drop(&t->tuns, number);
        again(t, change, place);
    } else if (change == DEVICE_GONE) {
        tun_drop(&t->tuns, number);
    } else if (change == DEVICE_NEW && tun_queue(&t->tuns, place)) {
        lane_join(t->lane, t->tuns.joins);
        if (!tun_start(&t->tuns, number, &t->loop)) /* left open it would be waited for, above */
            tun_drop(&t->tuns, number);
    }
}

static void on_wake(uv_async_t *wake)
{
    struct lane_thread *t = wake->data;
    uint8_t change[NETWORKS_MAX];
    struct tun_place place[NETWORKS_MAX];
    uv_mutex_lock(&t->lock);
    bool stop = t->stop;
    memcpy(change, t->change, sizeof change);
    memcpy(place, t->place, sizeof place);
    memset(t->change, DEVICE_SAME, sizeof t->change);
    uv_mutex_unlock(&t->lock);
    if (stop) {
        uv_stop(&t->loop);
        return;
    }
    for (uint8_t n = 0; n < NETWORKS_MAX; n++) change_device(t, n, change[n], &place[n]);
    settle(t);
}

bool threads_device(struct threads *t, const struct tuns *first, uint8_t number, struct fail *f)
{
    struct tun_place place = tun_place(first, number);
    for (uint8_t i = 0; i + 1 < t->count; i++) {
        struct lane_thread *one = &t->list[i];
        if (one->running)
            ask_change(one, DEVICE_NEW, &place);
        else if (!tun_queue(&one->tuns, &place))
            return fail(f, FAIL_IO, "set threads = 1 in ringlet.conf",
                        "cannot make a queue of device %s for thread %u: %s", place.name,
                        one->number + 1u, strerror(errno));
    }
    return true;
}

void threads_device_drop(struct threads *t, uint8_t number)
{
    const struct tun_place place = {.number = number};
    for (uint8_t i = 0; i + 1 < t->count; i++)
        if (t->list[i].running) ask_change(&t->list[i], DEVICE_GONE, &place);
}

/* --- what the main thread does --- */

void threads_init(struct threads *t, uint8_t count, int *error)
{
    *t = (struct threads){.count = count, .steer = -1};
    *error = 0;
    if (count < 2) return;
    t->steer = steer_packets();
    if (t->steer >= 0 && steer_ports()) return;
    *error = errno;
    if (t->steer >= 0) close(t->steer);
    t->steer = -1;
    t->count = 1;
}

bool threads_open(struct threads *t, const struct config *c, const struct udp *first,
                  const char *conf, struct fail *f)
{
    if (t->count < 2) return true;
    t->list = calloc(t->count - 1u, sizeof *t->list);
    ensure(t->list);
    for (uint8_t i = 0; i + 1 < t->count; i++) {
        struct lane_thread *one = &t->list[i];
        one->all = t;
        one->number = (uint8_t)(i + 1);
        one->due_us = TIME_NEVER;
        tuns_init(&one->tuns);
    }
    for (uint8_t i = 0; i + 1 < t->count; i++) {
        struct lane_thread *one = &t->list[i];
        if (!udp_open(&one->udp, &c->listen, c->offload, UDP_NEXT, conf, f) ||
            !tuns_open(&one->tuns, c->offload, f))
            return false;
        batch_init(&one->batch, &one->udp);
    }
    for (uint32_t i = 0; i < first->count; i++)
        if (!steer_datagrams(first->sockets[i].fd, t->count))
            return fail(f, FAIL_IO, "set threads = 1 in ringlet.conf",
                        "the kernel does not share a port between threads: %s", strerror(errno));
    return true;
}

bool threads_lanes(struct threads *t, struct lane *first, const struct limits *l,
                   const struct crypto *c, struct hot_lanes *hot, struct fail *f)
{
    if (t->count < 2) return true;
    enum err e = OK;
    t->counter_count = COUNTERS * l->hot;
    t->counters = aligned_alloc(_Alignof(struct hot_counter),
                                t->counter_count * sizeof *t->counters);
    ensure(t->counters);
    memset(t->counters, 0, t->counter_count * sizeof *t->counters);
    t->indices = calloc(HOT_INDEX_WORDS, sizeof *t->indices);
    ensure(t->indices);
    lane_share(first, t->count, t->counters);
    for (uint8_t i = 0; e == OK && i + 1 < t->count; i++) {
        struct lane_thread *one = &t->list[i];
        e = hot_queue_init(&one->down, QUEUE_BYTES);
        if (!e) e = hot_queue_init(&one->up, QUEUE_BYTES);
        if (!e) e = lane_new(&one->lane, l, c, one->number, &one->down, &one->up);
        if (e) break;
        one->down.held = true;
        lane_share(one->lane, t->count, t->counters);
        lane_indices(one->lane, t->indices);
        lane_join(one->lane, one->tuns.joins);
        hot->down[one->number] = &one->down;
        hot->up[one->number] = &one->up;
    }
    hot->count = t->count;
    hot->counters = t->counters;
    hot->counter_count = t->counter_count;
    hot->indices = t->indices;
    return e == OK || fail(f, FAIL_INTERNAL, "", "cannot make lanes for %u threads: %s", t->count,
                           err_text(e));
}

static void run(void *arg)
{
    struct lane_thread *t = arg;
    uv_run(&t->loop, UV_RUN_DEFAULT);
}

static void on_told(uv_async_t *a)
{
    struct threads *t = a->data;
    t->told(t->context);
}

static bool start_one(struct lane_thread *t)
{
    t->wake.data = t->due.data = t;
    if (uv_mutex_init(&t->lock) != 0 || uv_cond_init(&t->answered) != 0 ||
        uv_cond_init(&t->eased) != 0 || uv_loop_init(&t->loop) != 0)
        return false;
    bool good = uv_async_init(&t->loop, &t->wake, on_wake) == 0 &&
                uv_timer_init(&t->loop, &t->due) == 0 &&
                udp_start(&t->udp, &t->loop, on_datagram, on_batch_end, t);
    t->tuns.received = on_packet;
    t->tuns.batch_end = on_batch_end;
    t->tuns.context = t;
    for (uint8_t n = 0; good && n < NETWORKS_MAX; n++) good = tun_start(&t->tuns, n, &t->loop);
    t->running = good && uv_thread_create(&t->thread, run, t) == 0;
    return t->running;
}

bool threads_start(struct threads *t, uv_loop_t *loop, threads_told *told, void *context)
{
    sigset_t all, old;
    bool good = true;
    if (t->count < 2) return true;
    t->told = told;
    t->context = context;
    t->told_async.data = t;
    if (uv_async_init(loop, &t->told_async, on_told) != 0) return false;
    sigfillset(&all); /* signals are the main thread's */
    pthread_sigmask(SIG_BLOCK, &all, &old);
    for (uint8_t i = 0; good && i + 1 < t->count; i++) good = start_one(&t->list[i]);
    pthread_sigmask(SIG_SETMASK, &old, NULL);
    return good;
}

void threads_show(struct threads *t)
{
    for (uint8_t i = 0; i + 1 < t->count; i++)
        if (t->list[i].running && hot_show(&t->list[i].down)) uv_async_send(&t->list[i].wake);
}

/* It has asked something, and perhaps takes nothing before we have answered. */
static bool may_wait(struct lane_thread *t)
{
    return t->up.done != __atomic_load_n(&t->up.tail, __ATOMIC_ACQUIRE);
}

static void ease(struct lane_thread *t)
{
    uint64_t now = uv_hrtime(), end = now + EASE_NS;
    uv_mutex_lock(&t->lock);
    __atomic_store_n(&t->main_waits, true, __ATOMIC_SEQ_CST);
    for (; hot_used(&t->down) >= QUEUE_LOW && !may_wait(t) && now < end; now = uv_hrtime())
        (void)uv_cond_timedwait(&t->eased, &t->lock, end - now);
    __atomic_store_n(&t->main_waits, false, __ATOMIC_SEQ_CST);
    uv_mutex_unlock(&t->lock);
}

void threads_ease(struct threads *t)
{
    for (uint8_t i = 0; i + 1 < t->count; i++) {
        struct lane_thread *one = &t->list[i];
        if (one->running && hot_used(&one->down) >= QUEUE_HIGH && !may_wait(one)) ease(one);
    }
}

bool threads_behind(const struct threads *t)
{
    for (uint8_t i = 0; i + 1 < t->count; i++)
        if (hot_used(&t->list[i].down) >= QUEUE_HIGH) return true;
    return false;
}

void threads_answered(struct threads *t, uint8_t lane)
{
    struct lane_thread *one = &t->list[lane - 1];
    uv_mutex_lock(&one->lock);
    hot_done(&one->up);
    uv_cond_signal(&one->answered);
    uv_mutex_unlock(&one->lock);
    if (!hot_is_empty(&one->up)) uv_async_send(&t->told_async); /* the others first */
}

struct threads_drops threads_drops(const struct threads *t)
{
    struct threads_drops sum = {0};
    for (uint8_t i = 0; i + 1 < t->count; i++) {
        sum.udp += __atomic_load_n(&t->list[i].udp_dropped, __ATOMIC_RELAXED);
        sum.tun += __atomic_load_n(&t->list[i].tun_dropped, __ATOMIC_RELAXED);
        sum.actions += __atomic_load_n(&t->list[i].actions_lost, __ATOMIC_RELAXED);
    }
    return sum;
}

/* --- the end --- */

static void close_handle(uv_handle_t *h, void *context)
{
    (void)context;
    if (!uv_is_closing(h)) uv_close(h, NULL);
}

static void stop_one(struct lane_thread *t)
{
    if (!t->running) return;
    uv_mutex_lock(&t->lock);
    t->stop = true;
    uv_cond_signal(&t->answered);
    uv_mutex_unlock(&t->lock);
    uv_async_send(&t->wake);
    uv_thread_join(&t->thread);
    t->running = false;
    for (uint8_t n = 0; n < NETWORKS_MAX; n++) tun_drop(&t->tuns, n);
    uv_walk(&t->loop, close_handle, NULL);
    uv_run(&t->loop, UV_RUN_DEFAULT);
    uv_loop_close(&t->loop);
    uv_cond_destroy(&t->answered);
    uv_cond_destroy(&t->eased);
    uv_mutex_destroy(&t->lock);
}

void threads_stop(struct threads *t)
{
    for (uint8_t i = 0; t->list && i + 1 < t->count; i++) stop_one(&t->list[i]);
}

void threads_free(struct threads *t)
{
    for (uint8_t i = 0; t->list && i + 1 < t->count; i++) {
        struct lane_thread *one = &t->list[i];
        udp_close(&one->udp);
        tuns_close(&one->tuns);
        if (one->lane) lane_free(one->lane);
        hot_queue_fini(&one->down);
        hot_queue_fini(&one->up);
        batch_free(&one->batch);
    }
    free(t->list);
    free(t->counters);
    free(t->indices);
    if (t->steer >= 0) close(t->steer);
    t->list = NULL;
    t->counters = NULL;
    t->indices = NULL;
    t->count = 1;
}
