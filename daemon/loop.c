#include "daemon/daemon.h"

#include "base/err.h"
#include "daemon/clock.h"
#include "daemon/netlink.h"
#include "daemon/notify.h"
#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define CALENDAR_MS 600000u /* a clock that is set while we run is noticed within 10 min */
#define SEED_TICKS  6u      /* fresh randomness hourly */
#define LEAVE_MS                                                                                   \
    1500u /* the neighbours' acknowledgements of our good-bye; the whole end takes under 2 s */
#define RESOLVE_AGAIN SECONDS(10)
#define LANE_MESSAGES 512 /* of one lane at a time */
#define WAKE_ROUNDS   8   /* timers due at once before sockets get their turn */

/* --- actions --- */

static void keep_reply(struct daemon *d, const struct reply *reply)
{
    struct waiting_reply *w = malloc(sizeof *w);
    ensure(w);
    *w = (struct waiting_reply){.reply = *reply};
    *d->last_reply = w;
    d->last_reply = &w->next;
}

static void on_seeds(void *context);

static void on_resolve_due(uv_timer_t *t)
{
    struct daemon *d = t->data;
    d->resolved_us = clock_us();
    notices_seeds_silent(d);
    resolve_start(&d->seeds, &d->config.seed);
    if (!d->seeds.asking) on_seeds(d); /* all numeric */
}

/* The seeds do not answer: their names may have moved. Not more often than every 10 s. */
static void resolve_again(struct daemon *d)
{
    uint64_t since_us = time_since(clock_us(), d->resolved_us);
    uint64_t wait_us = since_us < RESOLVE_AGAIN ? RESOLVE_AGAIN - since_us : 0;
    if (!uv_is_active((uv_handle_t *)&d->resolving))
        uv_timer_start(&d->resolving, on_resolve_due, wait_us / 1000, 0);
}

static void act(struct daemon *d, const struct action *a)
{
    switch ((enum action_type)a->type) {
    case ACT_SEND:
        if (a->send.to.transport == TRANSPORT_TCP)
            tcp_send(&d->tcp, &a->send.to, a->send.bytes, a->send.len, a->send.segment);
        else
            udp_queue(&d->udp, &a->send.to, a->send.bytes, a->send.len, a->send.segment);
        break;
    case ACT_TUN:
        if (!tun_write(&d->tuns, a)) lane_join(d->lane, d->tuns.joins);
        break;
    case ACT_REPLY: keep_reply(d, a->reply); break;
    case ACT_NOTICE: notices_take(d, &a->notice); break;
    case ACT_REMEMBER: notices_remember(d); break;
    case ACT_RESOLVE: resolve_again(d); break;
    case ACT_CLOSE: tcp_hang_up(&d->tcp, &a->send.to); break;
    }
}

/* --- events --- */

void loop_event(struct daemon *d, const struct event *in)
{
    struct event e = *in;
    for (;;) {
        struct actions a = batch_window(&d->batch);
        bool fresh = batch_is_fresh(&d->batch);
        uint32_t done = drive_step(d->node, d->lane, &d->down, &d->up, clock_us(), &e, &a);
        batch_took(&d->batch, &a);
        for (uint32_t i = 0; i < a.count; i++) act(d, &a.list[i]);
        threads_show(&d->threads);
        threads_ease(&d->threads);
        if ((e.type != EV_DATAGRAM && e.type != EV_TUN) || !event_advance(&e, done)) return;
        if (done == 0 && fresh)
            return; /* it does not fit into an empty arena: lost, and counted by the lane */
        if (done == 0) batch_flush(&d->batch);
    }
}

static void arm(struct daemon *d)
{
    uint64_t at_us = drive_wake_us(d->node, d->lane);
    if (at_us == TIME_NEVER || (d->armed_us && d->armed_us <= at_us))
        return;                /* early is fine: it looks again */
    if (at_us == 0) at_us = 1; /* 0 would disarm */
    struct itimerspec t = {.it_value = {(time_t)(at_us / 1000000), (long)(at_us % 1000000) * 1000}};
    ensure(timerfd_settime(d->wake_fd, TFD_TIMER_ABSTIME, &t, NULL) == 0);
    d->armed_us = at_us;
}

void loop_settle(struct daemon *d)
{
    if (d->settling) return; /* an answer led to one more step: the outer call goes on */
    d->settling = true;
    batch_flush(&d->batch);
    for (struct waiting_reply *w; (w = d->first_reply);) {
        d->first_reply = w->next;
        if (!d->first_reply) d->last_reply = &d->first_reply;
        requests_reply(d, &w->reply);
        free(w);
        batch_flush(&d->batch);
    }
    d->settling = false;
    notices_limits(d);
    arm(d);
}

void loop_say(struct daemon *d, const struct event *in)
{
    loop_event(d, in);
    loop_settle(d);
}

/* --- what arrives --- */

static void on_datagram(void *context, const struct endpoint *from, uint8_t *bytes, uint32_t len,
                        uint16_t segment)
{
    struct event e = {.type = EV_DATAGRAM, .datagram = {*from, bytes, len, segment}};
    loop_event(context, &e);
}

static void on_frame(void *context, const struct endpoint *from, uint8_t *bytes, uint32_t len)
{
    on_datagram(context, from, bytes, len, 0);
}

static void on_packet(void *context, const struct event *e)
{
    loop_event(context, e);
}

static void on_batch_end(void *context)
{
    loop_settle(context);
}

static void on_gone(void *context, uint8_t number)
{
    struct daemon *d = context;
    log_say(&d->log, LOG_ERROR,
            "device %s of network %s was removed: restart the daemon to have it again",
            d->tuns.list[number].name, d->networks[number].home.name.s);
}

/* Lanes in other threads have said something. One message a step, so that a lane sees nothing that follows from it before it was
 * carried out (node/node.h). While one has much to take the others' turns are short: it may wait for its own. */
static void on_lanes(void *context)
{
    struct daemon *d = context;
    struct event e = {.type = EV_LANE};
    for (e.lane = 1; e.lane < d->threads.count; e.lane++) {
        struct hot_queue *up = d->hot.up[e.lane];
        for (uint32_t n = 0; n < LANE_MESSAGES && !hot_is_empty(up); n++) {
            loop_event(d, &e);
            if (threads_behind(&d->threads)) break;
        }
        loop_settle(d);
        threads_answered(&d->threads, e.lane);
    }
}

static void on_wake(uv_poll_t *poll, int status, int events)
{
    struct daemon *d = poll->data;
    const struct event e = {.type = EV_TIMER};
    uint64_t ticks;
    (void)status, (void)events;
    if (read(d->wake_fd, &ticks, sizeof ticks) < 0) return;
    d->armed_us = 0;
    for (int i = 0; i < WAKE_ROUNDS && drive_wake_us(d->node, d->lane) <= clock_us(); i++)
        loop_event(d, &e);
    loop_settle(d);
}

static void on_monitor(uv_poll_t *poll, int status, int events)
{
    struct daemon *d = poll->data;
    (void)events;
    if (status < 0 || netlink_monitor_read(d->monitor_fd, &d->tuns.own)) networks_local(d);
    if (status < 0) uv_poll_start(poll, UV_READABLE, on_monitor);
}

static void tell_calendar(struct daemon *d)
{
    struct event e = {.type = EV_CLOCK, .calendar_s = clock_calendar_s()};
    loop_event(d, &e);
}

static void on_calendar(uv_timer_t *t)
{
    struct daemon *d = t->data;
    struct event e = {.type = EV_SEED};
    tell_calendar(d);
    if (++d->calendar_ticks % SEED_TICKS == 0) {
        clock_seed(e.seed);
        loop_event(d, &e);
        crypto_wipe(e.seed, sizeof e.seed);
    }
    loop_settle(d);
}

static void on_seeds(void *context)
{
    struct daemon *d = context;
    struct endpoint list[RESOLVE_MAX];
    struct event e = {.type = EV_SEEDS, .endpoints = {list, resolve_list(&d->seeds, list)}};
    loop_say(d, &e);
}

static void on_advertise(void *context)
{
    networks_local(context);
}

/* --- the end --- */

static void finish(struct daemon *d)
{
    if (d->phase == STOPPED) return;
    d->phase = STOPPED;
    uv_stop(&d->loop);
}

static void on_left(struct daemon *d, void *context, const struct reply *reply)
{
    (void)context, (void)reply;
    finish(d);
}

static void on_leave_timeout(uv_timer_t *t)
{
    finish(t->data);
}

void loop_stop(struct daemon *d, const char *why)
{
    struct command c = {.type = CMD_LEAVE, .timeout_us = MILLIS(LEAVE_MS)};
    if (d->phase != RUNNING) { /* asked twice: at once */
        finish(d);
        return;
    }
    d->phase = STOPPING;
    log_say(&d->log, LOG_INFO, "stopping: %s", why);
    notify_send(d->notify_fd, "STOPPING=1");
    uv_timer_start(&d->stopping, on_leave_timeout, LEAVE_MS, 0);
    if (!requests_send(d, &c, on_left, d)) finish(d);
}

static void on_signal(uv_signal_t *s, int number)
{
    struct daemon *d = s->data;
    struct fail f;
    if (number != SIGHUP) {
        loop_stop(d, number == SIGTERM ? "SIGTERM" : "SIGINT");
        return;
    }
    struct json_t *made = js_object();
    if (!reload_config(d, made, &f))
        log_say(&d->log, LOG_ERROR, "reload: %s: %s", f.message, f.hint);
    js_free(made);
}

/* --- the start --- */

static bool watch_fd(struct daemon *d, uv_poll_t *poll, int fd, uv_poll_cb on)
{
    poll->data = d;
    return uv_poll_init(&d->loop, poll, fd) == 0 && uv_poll_start(poll, UV_READABLE, on) == 0;
}

static bool watch_signal(struct daemon *d, uv_signal_t *s, int number)
{
    s->data = d;
    return uv_signal_init(&d->loop, s) == 0 && uv_signal_start(s, on_signal, number) == 0;
}

static void add_timer(struct daemon *d, uv_timer_t *t)
{
    uv_timer_init(&d->loop, t);
    t->data = d;
}

bool loop_start(struct daemon *d, struct fail *f)
{
    d->wake_fd = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    d->monitor_fd = netlink_monitor_open();
    add_timer(d, &d->calendar);
    add_timer(d, &d->remember);
    add_timer(d, &d->resolving);
    add_timer(d, &d->stopping);
    add_timer(d, &d->slots);
    bool good = d->wake_fd >= 0 && watch_fd(d, &d->wake, d->wake_fd, on_wake) &&
                (d->monitor_fd < 0 || watch_fd(d, &d->monitor, d->monitor_fd, on_monitor)) &&
                watch_signal(d, &d->term, SIGTERM) && watch_signal(d, &d->interrupt, SIGINT) &&
                watch_signal(d, &d->hangup, SIGHUP) &&
                udp_start(&d->udp, &d->loop, on_datagram, on_batch_end, d) &&
                tcp_start(&d->tcp, on_frame, on_batch_end, d);
    d->tuns.received = on_packet;
    d->tuns.batch_end = on_batch_end;
    d->tuns.gone = on_gone;
    d->tuns.context = d;
    if (d->lane) lane_join(d->lane, d->tuns.joins);
    good = good && threads_start(&d->threads, &d->loop, on_lanes, d);
    for (uint8_t n = 0; good && d->lane && n < NETWORKS_MAX; n++)
        good = tun_start(&d->tuns, n, &d->loop);
    if (!good) return fail(f, FAIL_IO, "", "cannot watch sockets and timers: %s", strerror(errno));
    resolve_init(&d->seeds, &d->loop, on_seeds, d);
    resolve_init(&d->advertise, &d->loop, on_advertise, d);
    resolve_start(&d->seeds, &d->config.seed);
    resolve_start(&d->advertise, &d->config.advertise);
    d->resolved_us = clock_us();
    uv_timer_start(&d->calendar, on_calendar, CALENDAR_MS, CALENDAR_MS);
    tell_calendar(d);
    networks_local(d); /* settles */
    return true;
}
