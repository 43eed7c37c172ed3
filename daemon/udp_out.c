/* Sending: a queue of datagrams and trains, joined to longer trains where that is possible (daemon/udp.h). */
#include "base/err.h"
#include "daemon/sockaddr.h"
#include "daemon/udp.h"
#include "node/actions.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>

static int socket_for(const struct udp *u, const struct endpoint *to)
{
    for (uint32_t i = 0; i < u->count; i++)
        if (endpoint_is_v4(&u->sockets[i].at) == endpoint_is_v4(to)) return u->sockets[i].fd;
    return -1;
}

/* A train that the kernel does not cut: piece by piece. Each part of memory holds whole pieces. */
static void send_pieces(struct udp *u, const struct msghdr *m, uint32_t segment)
{
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        struct iovec part = m->msg_iov[i];
        while (part.iov_len > 0) {
            struct iovec piece = {part.iov_base, part.iov_len < segment ? part.iov_len : segment};
            struct mmsghdr one = {.msg_hdr = {.msg_name = m->msg_name,
                                              .msg_namelen = m->msg_namelen,
                                              .msg_iov = &piece,
                                              .msg_iovlen = 1}};
            if (u->out.send(u->out.fd, &one, 1, MSG_DONTWAIT | MSG_NOSIGNAL) != 1) u->dropped++;
            part.iov_base = (uint8_t *)part.iov_base + piece.iov_len;
            part.iov_len -= piece.iov_len;
        }
    }
}

/* The message that the kernel refused: cut it ourselves if that may help, else it is lost. EIO: the device does not sum, or
 * a transform is in the way, and neither passes; EINVAL: this one's segment is longer than the device's MTU. */
static void refused_one(struct udp *u, uint32_t i, int error)
{
    const struct udp_message *m = &u->out.list[i];
    if (m->count > 1 &&
        (error == EIO || error == EINVAL || error == EMSGSIZE || error == EOPNOTSUPP)) {
        if (error == EIO || error == EOPNOTSUPP) u->out.no_segment = true;
        send_pieces(u, &u->out.headers[i].msg_hdr, m->segment);
        return;
    }
    /* EAGAIN, ENOBUFS: full. The rest (ECONNREFUSED, ENETUNREACH, EPERM..) is as good as loss */
    u->dropped += m->count;
}

static void add_segment(struct udp_out *o, uint32_t i)
{
    struct msghdr *m = &o->headers[i].msg_hdr;
    uint16_t segment = (uint16_t)o->list[i].segment;
    m->msg_control = o->control[i].bytes;
    m->msg_controllen = sizeof o->control[i].bytes;
    struct cmsghdr *c = CMSG_FIRSTHDR(m);
    *c = (struct cmsghdr){
        .cmsg_level = IPPROTO_UDP, .cmsg_type = UDP_SEGMENT, .cmsg_len = CMSG_LEN(sizeof segment)};
    memcpy(CMSG_DATA(c), &segment, sizeof segment);
}

void udp_flush(struct udp *u)
{
    struct udp_out *o = &u->out;
    uint32_t done = 0;
    for (uint32_t i = 0; i < o->count; i++)
        if (o->list[i].count > 1) add_segment(o, i);
    while (done < o->count) {
        const struct udp_message *m = &o->list[done];
        if (o->no_segment && m->count > 1) { /* joined before the device refused the first */
            send_pieces(u, &o->headers[done++].msg_hdr, m->segment);
            continue;
        }
        int sent = o->send(o->fd, o->headers + done, o->count - done, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) continue;
        if (sent <= 0) {
            refused_one(u, done, errno);
            sent = 1;
        }
        done += (uint32_t)sent;
    }
    o->count = o->parts = 0;
}

/* May `count` datagrams of `segment` bytes (the last perhaps less), `len` in all, follow those of m? */
static bool continues(const struct udp_message *m, const struct endpoint *to, uint32_t len,
                      uint32_t segment, uint32_t count)
{
    if (m->len != m->count * m->segment) return false; /* its last is a short one */
    if (segment > m->segment || (count > 1 && segment != m->segment)) return false;
    if (m->count + count > TRAIN_SEGMENTS || m->len + len > TRAIN_BYTES) return false;
    return endpoint_equal(&m->to, to);
}

static void begin(struct udp_out *o, const struct endpoint *to, uint32_t segment)
{
    uint32_t i = o->count++;
    o->list[i] = (struct udp_message){.to = *to, .segment = segment};
    o->headers[i].msg_hdr = (struct msghdr){.msg_name = &o->to[i],
                                            .msg_namelen = sockaddr_of(to, &o->to[i]),
                                            .msg_iov = &o->iov[o->parts]};
}

static void put(struct udp *u, int fd, const struct endpoint *to, const uint8_t *bytes,
                uint32_t len, uint32_t segment)
{
    struct udp_out *o = &u->out;
    uint32_t count = (len + segment - 1) / segment;
    if (o->parts == UDP_OUT_PARTS || (o->count && fd != o->fd)) udp_flush(u);
    o->fd = fd;
    if (o->count == 0 || o->no_segment ||
        !continues(&o->list[o->count - 1], to, len, segment, count)) {
        if (o->count == UDP_OUT) udp_flush(u);
        begin(o, to, segment);
    }
    struct udp_message *m = &o->list[o->count - 1];
    o->iov[o->parts++] = (struct iovec){(void *)(uintptr_t)bytes, len};
    o->headers[o->count - 1].msg_hdr.msg_iovlen++;
    m->len += len;
    m->count += count;
}

void udp_queue(struct udp *u, const struct endpoint *to, const uint8_t *bytes, uint32_t len,
               uint16_t segment)
{
    int fd = socket_for(u, to);
    uint32_t size = segment && segment < len ? segment : len;
    if (fd < 0 || len == 0) {
        u->dropped++;
        return;
    }
    u->tx_bytes += len;
    if (!u->out.no_segment) {
        put(u, fd, to, bytes, len, size);
        return;
    }
    for (uint32_t at = 0; at < len; at += size) {
        uint32_t piece = len - at < size ? len - at : size;
        put(u, fd, to, bytes + at, piece, piece);
    }
}
