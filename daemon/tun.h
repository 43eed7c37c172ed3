/* daemon/tun.h - TUN devices: one a virtual network, read in batches, with super-packets where the kernel has them.
 *
 * /dev/net/tun is opened NETWORKS_MAX times at the start, while we may; a network that comes later takes a spare
 * descriptor, for which CAP_NET_ADMIN is enough. Devices go with the process.
 * Reading: up to TUN_BATCH packets a wake-up or TUN_BATCH_BYTES, one after the other into one buffer, with TUN_ROOM writable
 * bytes before it (LANE_HEADROOM): what the receiver does not copy during the call is gone.
 * Offload (daemon/offload.h): asked for when the device is made, and what the kernel refuses is done without: USO before
 * Linux 6.2, or all of it. Whoever turned it off gets plain packets with whole checksums.
 * Owns: descriptors, the buffer. Errors: FAIL_PERMISSION (not root), FAIL_IO (no /dev/net/tun), FAIL_IN_USE. */
#pragma once
#include "daemon/fail.h"
#include "daemon/netlink.h"
#include "node/lane.h"
#include <sys/uio.h>
#include <uv.h>

#define TUN_BATCH 64
#define TUN_BATCH_BYTES                                                                            \
    (128u << 10) /* more would wait longer, in this queue and in the other end's */
#define TUN_ROOM   LANE_HEADROOM
#define TUN_PACKET 65536u
#define TUN_BUFFER (TUN_ROOM + TUN_PACKET + 64u)

struct tuns;
struct tun {
    uv_poll_t poll;
    struct tuns *all;
    int fd;    /* -1: none */
    int index; /* of the interface */
    uint8_t number;
    char name[16];
    uint8_t ip4[16], ip6[16]; /* set on it; zero: none */
    uint8_t prefix4;
    bool polling;
    bool headers; /* a struct virtio_net_hdr stands before each packet */
};
typedef void tun_received(void *context, const struct event *e); /* EV_TUN */
typedef void tun_batch_end(void *context);
typedef void tun_gone(void *context, uint8_t number); /* somebody has removed the device */
typedef ssize_t tun_writev(int fd, const struct iovec *list, int count);
typedef int tun_ioctl(int fd, unsigned long request, ...);
struct tuns {
    struct tun list[NETWORKS_MAX];
    int spare[NETWORKS_MAX];
    uint32_t spare_count;
    struct netlink_own own;
    uint8_t *buffer; /* TUN_BUFFER */
    bool offload;    /* wanted */
    int steer;       /* devices have several queues; this program chooses one. -1: one queue */
    uint8_t joins;   /* LANE_JOIN_* that all devices take */
    tun_received *received;
    tun_batch_end *batch_end;
    tun_gone *gone; /* NULL: nobody asks */
    void *context;
    tun_writev *write; /* the system's; a test's */
    tun_ioctl *ioctl;
    uint64_t dropped;
};
struct tun_place { /* what another thread needs to know of a device */
    char name[16];
    uint8_t number, joins;
    bool headers;
};
void tuns_init(struct tuns *t); /* none: --no-tun */
/* The spare descriptors; also initialises. offload: use what the kernel has. */
bool tuns_open(struct tuns *t, bool offload, struct fail *f);
void tuns_close(struct tuns *t);
/* A device for network `number`; name empty: ring0, ring1.. Up, with this MTU, without addresses. */
bool tun_add(struct tuns *t, uint8_t number, const char *name, uint16_t mtu_bytes, struct fail *f);
/* Give it these addresses instead of those it has; ipv4 0: none. */
bool tun_addresses(struct tuns *t, uint8_t number, uint32_t ipv4, uint8_t prefix4,
                   const uint8_t ipv6[16], struct fail *f);
/* Another thread's tuns: a queue of its own at the device that `first` has of this number. Errors: errno. */
bool tun_queue(struct tuns *t, const struct tun_place *at);
struct tun_place tun_place(const struct tuns *first, uint8_t number);
bool tun_start(struct tuns *t, uint8_t number, uv_loop_t *loop);
void tun_drop(struct tuns *t, uint8_t number);
const char *tun_name(const struct tuns *t, uint8_t number); /* NULL: none */
/* ACT_TUN (tun_write.c). False: the device refused a super-packet, which was written in pieces: ask for no more of them. */
bool tun_write(struct tuns *t, const struct action *a);
