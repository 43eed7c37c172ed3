/* daemon/udp.h - our datagram sockets: received in batches, sent in batches, coalesced by the kernel where it can.
 *
 * Receiving: recvmmsg of up to UDP_BATCH buffers, of fewer while trains come; UDP_GRO lets one buffer hold many datagrams of
 * one sender. Buffers are lent to udp_each's receiver until the batch ends. Sending (udp_out.c): udp_queue borrows the bytes until udp_flush. What goes to one
 * endpoint in a row and is of one size leaves as one train (UDP_SEGMENT), wherever it lies; if the kernel has none, or a device refuses
 * trains, in the midst of it too, datagram by datagram. What the kernel does not take at once is dropped and counted: upper layers know loss.
 * Never fragmented: DF is set and the kernel's idea of the path's MTU ignored (IP_PMTUDISC_PROBE); we probe ourselves.
 *
 * Owns: descriptors and buffers. Errors: FAIL_IN_USE names --listen. Cost: one system call a batch. */
#pragma once
#include "daemon/config.h"
#include <sys/socket.h>
#include <uv.h>

#define UDP_BATCH         16
#define UDP_ROOM          64u /* before each received datagram */
#define UDP_BUFFER        (UDP_ROOM + 65536u + 64u)
#define UDP_OUT           64  /* messages a system call */
#define UDP_OUT_PARTS     256 /* pieces of memory in all of them */
#define UDP_SOCKET_BUFFER (7 << 20)

struct udp;
struct udp_socket {
    uv_poll_t poll;
    struct udp *udp;
    int fd;
    uint32_t batch; /* buffers that the next call takes */
    struct endpoint at;
};
typedef void udp_received(void *context, const struct endpoint *from, uint8_t *bytes, uint32_t len,
                          uint16_t segment);
typedef void udp_batch_end(void *context);
struct udp_message { /* a datagram or a train, not sent yet */
    struct endpoint to;
    uint32_t len, count; /* datagrams */
    uint32_t segment;    /* of each but the last */
};
typedef int udp_sendmmsg(int fd, struct mmsghdr *list, unsigned count, int flags);
struct udp_out {
    int fd; /* of what is queued */
    uint32_t count, parts;
    struct udp_message list[UDP_OUT];
    struct mmsghdr headers[UDP_OUT];
    struct sockaddr_storage to[UDP_OUT];
    struct iovec iov[UDP_OUT_PARTS];
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } control[UDP_OUT];
    bool no_segment;    /* not wanted, or the kernel or a device refused UDP_SEGMENT */
    udp_sendmmsg *send; /* the system's; a test's */
};
struct udp {
    struct udp_socket sockets[CONFIG_LISTEN_MAX];
    uint32_t count;
    uint8_t *buffers; /* UDP_BATCH of UDP_BUFFER */
    udp_received *received;
    udp_batch_end *batch_end;
    void *context;
    struct udp_out out;
    uint64_t rx_bytes, tx_bytes, dropped;
};
/* Sockets of several lanes share their ports: the first lane's are opened first. */
enum udp_share { UDP_ALONE, UDP_FIRST, UDP_NEXT };
/* offload: trains by UDP_SEGMENT and UDP_GRO, where the kernel has them. */
bool udp_open(struct udp *u, const struct config_listen *l, bool offload, enum udp_share share,
              const char *conf, struct fail *f);
bool udp_start(struct udp *u, uv_loop_t *loop, udp_received *received, udp_batch_end *end,
               void *context);
void udp_queue(struct udp *u, const struct endpoint *to, const uint8_t *bytes, uint32_t len,
               uint16_t segment);
void udp_flush(struct udp *u);
void udp_close(struct udp *u); /* the descriptors; handles are closed with the loop */
