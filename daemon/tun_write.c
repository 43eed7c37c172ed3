/* Packets and super-packets to a device (daemon/tun.h). */
#include "base/err.h"
#include "daemon/offload.h"
#include "daemon/tun.h"
#include "vnet/super.h"
#include <errno.h>
#include <string.h>

/* A device without headers wants whole checksums. */
static bool write_plain(const struct tuns *t, const struct tun *d, const struct action *a)
{
    struct ip_view v;
    uint8_t whole[2048];
    struct iovec one = {(uint8_t *)(uintptr_t)a->tun.bytes, a->tun.len}; /* iovec's are not const */
    if (a->tun.csum_open && a->tun.len <= sizeof whole) {
        memcpy(whole, a->tun.bytes, a->tun.len);
        if (ip_view(whole, a->tun.len, &v)) ip_finish_checksum(whole, &v);
        one.iov_base = whole;
    }
    return t->write(d->fd, &one, 1) == (ssize_t)a->tun.len;
}

static bool write_headed(const struct tuns *t, const struct tun *d, const struct action *a)
{
    struct virtio_net_hdr h;
    struct iovec iov[1 + SUPER_PARTS_MAX] = {{&h, sizeof h}};
    uint8_t *p = (uint8_t *)(uintptr_t)a->tun.bytes;
    uint32_t parts = a->tun.parts > 1 ? a->tun.parts : 1, left = a->tun.len;
    offload_write(a, &h);
    ensure(parts <= SUPER_PARTS_MAX);
    for (uint32_t i = 0; i < parts; i++) {
        uint32_t head = i == 0 ? a->tun.head_len : 0, size = head + a->tun.segment;
        if (parts == 1 || size > left) size = left;
        iov[1 + i] = (struct iovec){p + (i == 0 ? 0 : a->tun.head_len + i * a->tun.stride), size};
        left -= size;
    }
    return t->write(d->fd, iov, (int)(1 + parts)) == (ssize_t)(sizeof h + a->tun.len);
}

/* A super-packet that the kernel does not take: put together and cut again. The buffer for reading serves: no packet of a
 * device is in hand while datagrams are. */
static void write_pieces(struct tuns *t, const struct tun *d, const struct action *a)
{
    struct super_cut cut;
    struct ip_view v;
    uint8_t *p = t->buffer + TUN_ROOM;
    uint32_t at = a->tun.head_len;
    memcpy(p, a->tun.bytes, at);
    for (uint32_t i = 0; i < a->tun.parts; i++) {
        uint32_t left = a->tun.len - at, size = a->tun.segment < left ? a->tun.segment : left;
        memcpy(p + at, a->tun.bytes + a->tun.head_len + i * a->tun.stride, size);
        at += size;
    }
    bool whole = ip_view(p, at, &v) && super_cut_begin(&cut, p, &v, a->tun.segment);
    ensure(whole); /* the lane made it */
    uint32_t left = a->tun.len - cut.head_len;
    for (at = cut.head_len; left > 0;) {
        uint32_t size = super_cut_next(&cut, p + at, left);
        struct action one = {.type = ACT_TUN, .tun = {.number = a->tun.number, .csum_open = 1}};
        one.tun.bytes = p + at - cut.head_len;
        one.tun.len = cut.head_len + size;
        if (!write_headed(t, d, &one)) t->dropped++;
        at += size;
        left -= size;
    }
}

bool tun_write(struct tuns *t, const struct action *a)
{
    const struct tun *d = &t->list[a->tun.number];
    bool good = d->fd >= 0 && (d->headers ? write_headed(t, d, a) : write_plain(t, d, a));
    if (!good && d->fd >= 0 && a->tun.parts > 1 && errno == EINVAL) {
        write_pieces(t, d, a);
        t->joins = 0;
        return false;
    }
    t->dropped += !good;
    return true;
}
