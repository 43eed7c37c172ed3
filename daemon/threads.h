/* daemon/threads.h - the lanes beside the first, each in a thread: its sockets, its queues of the devices, its loop.
 *
 * Lane 0 runs with control in the main thread; with `threads = 1`, the default, there is nothing here. What a thread and the main
 * one say to each other goes through the lane's two queues (overlay/hot.h); a message that goes up wakes the main loop (`told`), one
 * that goes down the thread's. A lane that asked control something waits (lane_waits) at the end of its batch.
 *
 *     main                                     thread
 *     threads_show: what a step said is seen   events, batch; what it says wakes main
 *     threads_ease: waits for that             takes what was said
 *     threads_answered                         waits for that, if it asked
 *     threads_device, threads_device_drop      takes a queue of that device, gives it up
 *
 * Owns: threads, sockets and queues of the devices. Errors: FAIL_IO. Cost: a thread about 2 MB of buffers once it is loaded. */
#pragma once
#include "daemon/batch.h"
#include "daemon/config.h"
#include "daemon/tun.h"
#include "daemon/udp.h"
#include "node/lane.h"
#include <uv.h>

struct threads;
enum device_change { DEVICE_SAME, DEVICE_NEW, DEVICE_GONE };
struct lane_thread {
    struct threads *all;
    uint8_t number;
    bool running;
    uv_thread_t thread;
    struct lane *lane;
    struct hot_queue down, up;
    struct udp udp;
    struct tuns tuns;
    struct batch batch;
    uv_loop_t loop;
    uv_async_t wake;
    uv_timer_t due;
    uint64_t due_us; /* that it is set to; TIME_NEVER: it is not */
    /* shared; behind the lock */
    uv_mutex_t lock;
    uv_cond_t answered, eased;
    bool main_waits; /* for the second */
    bool stop;
    uint8_t change[NETWORKS_MAX]; /* enum device_change */
    struct tun_place place[NETWORKS_MAX];
    /* the thread's, for others to read */
    uint64_t udp_dropped, tun_dropped, actions_lost;
};
typedef void threads_told(void *context); /* in the main thread: a lane has said something */
struct threads {
    uint8_t count;            /* lanes, the first included */
    int steer;                /* daemon/steer.h; -1: none */
    struct lane_thread *list; /* count - 1 of them: lanes 1.. */
    struct hot_counter *counters;
    uint32_t counter_count;
    uint64_t *indices; /* HOT_INDEX_WORDS */
    uv_async_t told_async;
    threads_told *told;
    void *context;
};
struct threads_drops {
    uint64_t udp, tun, actions;
};

/* So many, if the kernel lets us choose a lane for each packet; else one, and *error says why. */
void threads_init(struct threads *t, uint8_t count, int *error);
/* While we may: sockets, and descriptors for devices. `first` are those of lane 0. */
bool threads_open(struct threads *t, const struct config *c, const struct udp *first,
                  const char *conf, struct fail *f);
/* A queue each at this device; before or after the start. */
bool threads_device(struct threads *t, const struct tuns *first, uint8_t number, struct fail *f);
void threads_device_drop(struct threads *t, uint8_t number);
/* Lanes for a node, and what control is to know of them: adds to `hot`, which has lane 0 already. */
bool threads_lanes(struct threads *t, struct lane *first, const struct limits *l,
                   const struct crypto *c, struct hot_lanes *hot, struct fail *f);
bool threads_start(struct threads *t, uv_loop_t *loop, threads_told *told, void *context);
void threads_show(struct threads *t);
/* Waits a little, 2 ms at most, for a lane whose queue is half full: what control says next would find no room. Not for one that may
 * wait for us. */
void threads_ease(struct threads *t);
bool threads_behind(const struct threads *t);           /* there is such a lane yet */
void threads_answered(struct threads *t, uint8_t lane); /* all that was taken is carried out */
struct threads_drops threads_drops(const struct threads *t);
/* Ends them. What they had is still there for threads_free: control may name their queues until then. */
void threads_stop(struct threads *t);
void threads_free(struct threads *t);
