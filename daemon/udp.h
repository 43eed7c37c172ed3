/* daemon/udp.h - our datagram sockets: received in batches, sent in batches, coalesced by the kernel where it can.
 *
 * Receiving: recvmmsg of UDP_BATCH buffers; UDP_GRO lets one buffer hold many datagrams of one sender. Buffers are lent
 * to udp_each's receiver until the batch ends. Sending: udp_queue borrows the bytes until udp_flush; trains (segment > 0)
 * go out by UDP_SEGMENT. What the kernel does not take at once is dropped and counted: upper layers know loss.
 * Never fragmented: DF is set and the kernel's idea of the path's MTU ignored (IP_PMTUDISC_PROBE); we probe ourselves.
 *
 * Owns: descriptors and buffers. Errors: FAIL_IN_USE names --listen. Cost: one system call a batch. */
#pragma once
#include "daemon/config.h"
#include <sys/socket.h>
#include <uv.h>

#define UDP_BATCH         32
#define UDP_ROOM          64u /* before each received datagram */
#define UDP_BUFFER        (UDP_ROOM + 65536u + 64u)
#define UDP_OUT           64
#define UDP_SOCKET_BUFFER (4 << 20)

struct udp;
struct udp_socket {
    uv_poll_t poll;
    struct udp *udp;
    int fd;
    struct endpoint at;
};
typedef void udp_received(void *context, const struct endpoint *from, uint8_t *bytes, uint32_t len,
                          uint16_t segment);
typedef void udp_batch_end(void *context);
struct udp {
    struct udp_socket sockets[CONFIG_LISTEN_MAX];
    uint32_t count;
    uint8_t *buffers; /* UDP_BATCH of UDP_BUFFER */
    udp_received *received;
    udp_batch_end *batch_end;
    void *context;
    int out_fd; /* of what is queued */
    uint32_t out_count;
    struct mmsghdr out[UDP_OUT];
    struct iovec out_iov[UDP_OUT];
    struct sockaddr_storage out_to[UDP_OUT];
    union {
        char bytes[CMSG_SPACE(sizeof(uint16_t))];
        struct cmsghdr align;
    } out_control[UDP_OUT];
    bool no_segment; /* the kernel or a device refused UDP_SEGMENT */
    uint64_t rx_bytes, tx_bytes, dropped;
};
/* offload: trains by UDP_SEGMENT and UDP_GRO, where the kernel has them. */
bool udp_open(struct udp *u, const struct config_listen *l, bool offload, const char *conf,
              struct fail *f);
bool udp_start(struct udp *u, uv_loop_t *loop, udp_received *received, udp_batch_end *end,
               void *context);
void udp_queue(struct udp *u, const struct endpoint *to, const uint8_t *bytes, uint32_t len,
               uint16_t segment);
void udp_flush(struct udp *u);
void udp_close(struct udp *u); /* the descriptors; handles are closed with the loop */
