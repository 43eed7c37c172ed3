/* daemon/daemon.h - the running daemon: everything that run holds, and who does what with it.
 *
 *     start.c     opens all of it in order and closes it again          loop.c      events in, actions out, timers
 *     networks.c  networks and their devices                            requests.c  questions to the node and their answers
 *     slots.c     a slot of an invite that another node holds
 *     notices.c   what changed: log, watchers, peers file               control.c   the control socket; methods_*.c answer
 *
 *     threads.c   lanes in threads of their own (`threads` above 1)
 *
 * One thread, but for those. The node's actions are worked off before the next batch; what an action leads to in the daemon itself
 * (answers, notices) waits until the batch is settled, so that no step runs inside another. */
#pragma once
#include "daemon/batch.h"
#include "daemon/config.h"
#include "daemon/control.h"
#include "daemon/home.h"
#include "daemon/log.h"
#include "daemon/resolve.h"
#include "daemon/tcp.h"
#include "daemon/threads.h"
#include "daemon/tun.h"
#include "daemon/udp.h"
#include "node/drive.h"
#include "node/lane.h"
#include "node/node.h"
#include <uv.h>

#define REQUESTS_MAX    64
#define SLOTS_TRIED_MAX 32 /* slots of an invite that a node tries, one after the other */

struct daemon;
typedef void request_done(struct daemon *d, void *context, const struct reply *reply);
struct request {
    uint32_t number; /* 0: free */
    request_done *done;
    void *context;
};
struct waiting_reply { /* copied out of the arena until the batch is settled */
    struct waiting_reply *next;
    struct reply reply;
};
struct daemon_slot {  /* our slot of the invite, where there is one */
    bool told, lost;  /* the node has said something that was not worked off; another holds it */
    bool unwritten;   /* the certificate in use is not that of the file yet */
    bool refused;     /* given up: the node is not in this network any more */
    struct id holder; /* who holds it */
    uint32_t tried[SLOTS_TRIED_MAX], tried_count;
};
struct daemon_network {
    bool used;
    struct home_network home;
    struct daemon_slot slot;
};
struct run_options {
    bool no_tun;
    char device[NETWORKS_MAX][CONFIG_DEVICE_TEXT];
    struct name_text device_network[NETWORKS_MAX]; /* empty: the only one */
    uint32_t device_count;
    uint8_t threads; /* 0: as the configuration says */
};
struct daemon {
    uv_loop_t loop;
    struct state state;
    struct config config;
    struct run_options options;
    struct log log;
    struct home_overlay overlay;
    struct identity identity;
    struct daemon_network networks[NETWORKS_MAX];

    struct crypto fast;          /* room for cipher_choose */
    const struct crypto *cipher; /* of the packet path */
    struct node *node;
    struct lane *lane; /* NULL: --no-tun */
    struct hot_queue down, up;
    struct hot_lanes hot;
    struct identities identities;
    struct pool pkts, extras;
    struct threads threads; /* the other lanes */
    struct batch batch;
    bool settling;
    struct waiting_reply *first_reply, **last_reply;

    struct udp udp;
    struct tcp tcp;
    struct tuns tuns;
    int wake_fd; /* timerfd: it counts sleep */
    uv_poll_t wake;
    uint64_t armed_us; /* 0: not armed */
    uv_timer_t calendar, remember, resolving, stopping, slots;
    bool remember_due, left_all; /* left_all: nothing is to be written any more */
    bool told_joined;            /* what was said last of joined and alone */
    bool told_silent;            /* that no seed answers; once until we are joined */
    uint64_t remembered_us, resolved_us;
    uint64_t limits_us;          /* limits were looked at */
    bool told_limit[LIMIT_USES]; /* that it is reached */
    uint32_t calendar_ticks;
    uv_signal_t term, interrupt, hangup;
    int notify_fd;  /* the service manager's; -1: none */
    int monitor_fd; /* netlink; -1: none */
    uv_poll_t monitor;
    struct resolve seeds, advertise;
    char peers_text[16384]; /* as last written */
    size_t peers_len;

    struct control control;
    struct request requests[REQUESTS_MAX];
    uint32_t last_request;
    enum { RUNNING, STOPPING, STOPPED } phase;
    struct fail end; /* why it ends by itself; status 0: it does not, or in good order */
};

/* start.c */
int daemon_run(const char *dir, const struct run_options *o, struct fail *f);
/* loop.c */
bool loop_start(struct daemon *d, struct fail *f);
void loop_event(struct daemon *d, const struct event *in); /* one event; settle afterwards */
void loop_settle(struct daemon *d); /* send what is queued, hand out answers, arm the timer */
void loop_say(struct daemon *d, const struct event *in); /* both */
void loop_stop(struct daemon *d,
               const char *why); /* leave the ring in good order, then end; twice: end now */
/* networks.c */
bool networks_read(struct daemon *d, struct fail *f);
uint8_t networks_free_number(const struct daemon *d);        /* NETWORKS_MAX: none */
int networks_find(const struct daemon *d, const char *name); /* -1: not a member */
bool networks_device(struct daemon *d, uint8_t number,
                     struct fail *f); /* makes it, if devices are wanted */
void networks_addresses(struct daemon *d,
                        uint8_t number); /* as the node says; a failure is logged */
uint16_t networks_mtu(const struct daemon *d, uint8_t number);
void networks_local(struct daemon *d); /* EV_LOCAL */
struct network_config networks_config(const struct daemon *d, uint8_t number);
/* requests.c */
bool requests_send(struct daemon *d, struct command *c, request_done *done,
                   void *context); /* false: too many */
void requests_reply(struct daemon *d, const struct reply *reply);
void requests_cancel(struct daemon *d, const void *context); /* its answers are dropped */
/* slots.c */
void slots_notice(struct daemon *d, const struct notice *n); /* about our own */
/* notices.c */
void notices_take(struct daemon *d, const struct notice *n);
void notices_seeds_silent(struct daemon *d); /* nobody has answered for 10 s */
void notices_limits(struct daemon *d);       /* one is reached; looks every few seconds */
void notices_remember(struct daemon *d);     /* write `peers` soon */
void notices_remember_now(struct daemon *d);
/* methods_admin.c */
bool reload_config(struct daemon *d, struct json_t *made, struct fail *f);
