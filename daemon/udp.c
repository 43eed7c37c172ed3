#include "daemon/udp.h"

#include "base/err.h"
#include "daemon/sockaddr.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define BATCHES_A_WAKE 4 /* then timers and others get their turn.. */
#define BYTES_A_WAKE                                                                               \
    (128u << 10) /* ..or sooner: acknowledgements that wait hold up the other end */

/* --- opening --- */

static void set(int fd, int level, int name, int value)
{
    (void)setsockopt(fd, level, name, &value, sizeof value); /* all of these are wishes */
}

static void tune(int fd, bool v4, bool offload)
{
    int size = UDP_SOCKET_BUFFER;
    if (setsockopt(fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        set(fd, SOL_SOCKET, SO_RCVBUF, size);
    if (setsockopt(fd, SOL_SOCKET, SO_SNDBUFFORCE, &size, sizeof size) != 0)
        set(fd, SOL_SOCKET, SO_SNDBUF, size);
    if (v4)
        set(fd, IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE);
    else
        set(fd, IPPROTO_IPV6, IPV6_MTU_DISCOVER, IPV6_PMTUDISC_PROBE);
    if (offload) set(fd, IPPROTO_UDP, UDP_GRO, 1);
}

/* Linux before 4.18 has no UDP_SEGMENT. 0: none on this socket, only where a message says so. */
static bool can_segment(int fd)
{
    int none = 0;
    return setsockopt(fd, IPPROTO_UDP, UDP_SEGMENT, &none, sizeof none) == 0;
}

/* share: UDP_NEXT: the first lane has this port already. */
static bool refused(const struct endpoint *e, const char *conf, enum udp_share share, int error,
                    struct fail *f)
{
    char text[ENDPOINT_TEXT];
    endpoint_print(e, text);
    if (share == UDP_NEXT || (share == UDP_FIRST && error == ENOPROTOOPT))
        return fail(f, FAIL_IO, "set threads = 1 in ringlet.conf", "threads cannot share %s: %s",
                    text, strerror(error));
    if (error == EADDRINUSE) {
        fail(f, FAIL_IN_USE, "", "port %u is in use: cannot listen on %s", (unsigned)e->port, text);
        return fail_hint(f, "change `listen` in %.200s (create and join take --listen)", conf);
    }
    fail(f, error == EACCES ? FAIL_PERMISSION : FAIL_IO, "", "cannot listen on %s: %s", text,
         strerror(error));
    return fail_hint(f,
                     error == EADDRNOTAVAIL
                         ? "is the address on this host? change `listen` in %.200s (create and "
                           "join take --listen)"
                         : "change `listen` in %.200s (create and join take --listen)",
                     conf);
}

/* -1: errno says why */
static int open_one(const struct endpoint *e, bool offload, bool shared)
{
    struct sockaddr_storage at;
    socklen_t len = sockaddr_of(e, &at);
    int one = 1, fd = socket(at.ss_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) return -1;
    if (at.ss_family == AF_INET6) (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    bool fine = !shared || setsockopt(fd, SOL_SOCKET, SO_REUSEPORT, &one, sizeof one) == 0;
    if (fine && bind(fd, (struct sockaddr *)&at, len) == 0) {
        tune(fd, at.ss_family == AF_INET, offload);
        return fd;
    }
    int error = errno;
    close(fd);
    errno = error;
    return -1;
}

/* A port that is to be shared by our lanes must not be another daemon's, which may have shared it, too. */
static int open_shared(const struct endpoint *e, bool offload, enum udp_share share)
{
    if (share == UDP_FIRST) {
        int fd = open_one(e, false, false);
        if (fd < 0) return -1;
        close(fd);
    }
    return open_one(e, offload, share != UDP_ALONE);
}

bool udp_open(struct udp *u, const struct config_listen *l, bool offload, enum udp_share share,
              const char *conf, struct fail *f)
{
    *u = (struct udp){.out = {.fd = -1, .no_segment = !offload, .send = sendmmsg}};
    for (uint32_t i = 0; i < l->count; i++) {
        const struct endpoint *e = &l->at[i];
        int fd = open_shared(e, offload, share);
        /* a host without IPv6: the wildcard is a default, not a wish */
        bool without = (errno == EAFNOSUPPORT || errno == EADDRNOTAVAIL) && !endpoint_is_v4(e) &&
                       endpoint_is_any(e);
        if (fd < 0 && without) continue;
        if (fd < 0) {
            bool said = refused(e, conf, share, errno, f);
            udp_close(u);
            return said;
        }
        u->out.no_segment |= !can_segment(fd);
        u->sockets[u->count++] = (struct udp_socket){
            .udp = u, .fd = fd, .at = *e, .batch = UDP_BATCH};
    }
    u->buffers = malloc((size_t)UDP_BATCH * UDP_BUFFER);
    ensure(u->buffers);
    if (u->count) return true;
    fail(f, FAIL_CONFIG, "", "there is nothing to listen on");
    return fail_hint(f, "write `listen = 0.0.0.0:7464` into %.200s", conf);
}

void udp_close(struct udp *u)
{
    for (uint32_t i = 0; i < u->count; i++) close(u->sockets[i].fd);
    u->count = 0;
    free(u->buffers);
    u->buffers = NULL;
}

/* --- receiving --- */

struct in_batch {
    struct mmsghdr messages[UDP_BATCH];
    struct iovec iov[UDP_BATCH];
    struct sockaddr_storage from[UDP_BATCH];
    union {
        char bytes[CMSG_SPACE(sizeof(int))];
        struct cmsghdr align;
    } control[UDP_BATCH];
};

static void prepare(const struct udp *u, struct in_batch *b, uint32_t count)
{
    for (uint32_t i = 0; i < count; i++) {
        b->iov[i] = (struct iovec){u->buffers + (size_t)i * UDP_BUFFER + UDP_ROOM, 65536};
        b->messages[i].msg_hdr = (struct msghdr){.msg_name = &b->from[i],
                                                 .msg_namelen = sizeof b->from[i],
                                                 .msg_iov = &b->iov[i],
                                                 .msg_iovlen = 1,
                                                 .msg_control = b->control[i].bytes,
                                                 .msg_controllen = sizeof b->control[i].bytes};
    }
}

static uint16_t segment_of(struct msghdr *m)
{
    int size = 0;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c))
        if (c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_GRO)
            memcpy(&size, CMSG_DATA(c), sizeof size);
    return size > 0 && size <= UINT16_MAX ? (uint16_t)size : 0;
}

/* How many buffers the next batch takes: two trains, or many datagrams. */
static uint32_t batch_for(uint32_t bytes, uint32_t count)
{
    uint32_t fit = BYTES_A_WAKE / (bytes / count + 1);
    return fit < 2 ? 2 : fit < UDP_BATCH ? fit : UDP_BATCH;
}

/* One batch; false: nothing is left. */
static bool receive(struct udp_socket *s, uint32_t *bytes)
{
    struct udp *u = s->udp;
    struct in_batch b;
    uint32_t asked = s->batch, sum = 0;
    prepare(u, &b, asked);
    int count = recvmmsg(s->fd, b.messages, asked, MSG_DONTWAIT, NULL);
    for (int i = 0; i < count; i++) {
        struct msghdr *m = &b.messages[i].msg_hdr;
        struct endpoint from = sockaddr_endpoint((struct sockaddr *)&b.from[i], TRANSPORT_UDP);
        uint32_t len = b.messages[i].msg_len;
        uint16_t segment = segment_of(m);
        sum += len;
        if ((m->msg_flags & MSG_TRUNC) || from.transport == TRANSPORT_NONE) continue;
        u->rx_bytes += len;
        u->received(u->context, &from, b.iov[i].iov_base, len, segment < len ? segment : 0);
    }
    if (count <= 0) return false;
    u->batch_end(u->context);
    *bytes += sum;
    s->batch = batch_for(sum, (uint32_t)count);
    return (uint32_t)count == asked;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct udp_socket *s = poll->data;
    uint32_t bytes = 0;
    (void)events;
    if (status < 0)
        uv_poll_start(poll, UV_READABLE,
                      on_readable); /* libuv stops at POLLERR; reading clears it */
    for (int i = 0; i < BATCHES_A_WAKE && bytes < BYTES_A_WAKE; i++)
        if (!receive(s, &bytes)) break;
}

bool udp_start(struct udp *u, uv_loop_t *loop, udp_received *received, udp_batch_end *end,
               void *context)
{
    u->received = received;
    u->batch_end = end;
    u->context = context;
    for (uint32_t i = 0; i < u->count; i++) {
        struct udp_socket *s = &u->sockets[i];
        s->poll.data = s;
        if (uv_poll_init(loop, &s->poll, s->fd) != 0 ||
            uv_poll_start(&s->poll, UV_READABLE, on_readable) != 0)
            return false;
    }
    return true;
}
