#include "daemon/tun.h"

#include "base/err.h"
#include "daemon/offload.h"
#include "node/actions.h"
#include "overlay/wire.h"
#include "vnet/address.h"
#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <time.h>
#include <unistd.h>

#define DEVICE      "/dev/net/tun"
#define IPV6_PREFIX 48 /* fd and 40 bits of the network's hash */

static bool not_opened(int error, struct fail *f)
{
    if (error == EACCES || error == EPERM)
        return fail(f, FAIL_PERMISSION,
                    "run it as root, or with --no-tun to be only a part of the overlay",
                    "not allowed to make network devices");
    return fail(f, FAIL_IO, "load the tun module (modprobe tun), or run with --no-tun",
                "cannot open " DEVICE ": %s", strerror(error));
}

void tuns_init(struct tuns *t)
{
    *t = (struct tuns){.write = writev, .ioctl = ioctl, .steer = -1};
    for (unsigned i = 0; i < NETWORKS_MAX; i++) t->list[i].fd = -1;
}

bool tuns_open(struct tuns *t, bool offload, struct fail *f)
{
    tuns_init(t);
    t->offload = offload;
    t->joins = offload ? LANE_JOIN_TCP | LANE_JOIN_UDP : 0;
    for (unsigned i = 0; i < NETWORKS_MAX; i++) {
        int fd = open(DEVICE, O_RDWR | O_NONBLOCK | O_CLOEXEC);
        if (fd < 0) {
            int error = errno;
            tuns_close(t);
            return not_opened(error, f);
        }
        t->spare[t->spare_count++] = fd;
    }
    t->buffer = malloc(TUN_BUFFER);
    ensure(t->buffer);
    return true;
}

void tuns_close(struct tuns *t)
{
    for (unsigned i = 0; i < NETWORKS_MAX; i++)
        if (t->list[i].fd >= 0) close(t->list[i].fd), t->list[i].fd = -1;
    while (t->spare_count) close(t->spare[--t->spare_count]);
    free(t->buffer);
    t->buffer = NULL;
}

static bool not_made(const char *name, int error, bool several, struct fail *f)
{
    if (error == EBUSY)
        return fail(f, FAIL_IN_USE, "choose another with --tun or `device` in ringlet.conf",
                    "device %s is in use", name);
    if (error == EPERM) return not_opened(error, f);
    if (error == EINVAL && several)
        return fail(f, FAIL_IO,
                    "make it with `ip tuntap add mode tun multi_queue`, or set threads = 1",
                    "device %s was made for one thread", name);
    if (error == EINVAL)
        return fail(
            f, FAIL_IO,
            "make it with `ip tuntap add mode tun` (no multi_queue), or set threads = 2, or "
            "choose another name with --tun",
            "device %s was made for several threads, or is no TUN device", name);
    return fail(f, FAIL_IO, "choose another name with --tun", "cannot make device %s: %s", name,
                strerror(error));
}

static void own_devices(struct tuns *t)
{
    t->own.count = 0;
    for (unsigned i = 0; i < NETWORKS_MAX; i++)
        if (t->list[i].fd >= 0) t->own.index[t->own.count++] = t->list[i].index;
}

/* USO came later than the rest. What the kernel then takes joined: LANE_JOIN_*. */
static uint8_t set_offload(const struct tuns *t, int fd)
{
    const unsigned long tcp = TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN;
    if (t->ioctl(fd, TUNSETOFFLOAD, tcp | OFFLOAD_USO4 | OFFLOAD_USO6) == 0)
        return LANE_JOIN_TCP | LANE_JOIN_UDP;
    return t->ioctl(fd, TUNSETOFFLOAD, tcp) == 0 ? LANE_JOIN_TCP : 0;
}

/* Headers and offload, as far as this kernel goes. A device may have been there before us (`ip tuntap add`): it then keeps
 * what the last one who had it wanted, so nothing is taken for granted. */
static bool attach(struct tuns *t, int fd, struct ifreq *r, bool *headers)
{
    int size = sizeof(struct virtio_net_hdr);
    short plain = r->ifr_flags;
    r->ifr_flags = (short)(plain | IFF_VNET_HDR);
    *headers = t->offload && t->ioctl(fd, TUNSETIFF, r) == 0;
    if (*headers) {
        (void)t->ioctl(fd, TUNSETVNETHDRSZ, &size);
        t->joins &= set_offload(t, fd);
        return true;
    }
    r->ifr_flags = plain;
    if (t->ioctl(fd, TUNSETIFF, r) != 0) return false;
    /* else packets come without checksums, or as super-packets: off */
    (void)t->ioctl(fd, TUNSETOFFLOAD, 0ul);
    t->joins = 0;
    return true;
}

/* Does somebody hold it open? The kernel says so of a device with one queue (EBUSY); one with several it lets everybody share. */
static bool is_held(const struct tuns *t, const char *name)
{
    struct ethtool_value link = {.cmd = ETHTOOL_GLINK}; /* IFF_RUNNING is a second late */
    struct ifreq r = {.ifr_data = (char *)&link};
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s", name);
    bool held = t->ioctl(fd, SIOCETHTOOL, &r) == 0 && link.data != 0;
    close(fd);
    return held;
}

/* Between that question and the taking nobody else's answer may change: daemons that start at the same moment go one after the other.
 * Anybody may hold this lock, so it is not waited for for long. */
static void only_we_take(int fd)
{
    const struct timespec pause = {.tv_nsec = 10000000};
    for (int i = 0; i < 200 && flock(fd, LOCK_EX | LOCK_NB) != 0; i++) nanosleep(&pause, NULL);
}

static bool take(struct tuns *t, int fd, struct ifreq *r, const char *name, bool *headers)
{
    bool several = t->steer >= 0, asked = several && *name;
    if (asked) only_we_take(fd);
    bool held = asked && is_held(t, name);
    bool good = !held && attach(t, fd, r, headers) &&
                (!several || t->ioctl(fd, TUNSETSTEERINGEBPF, &t->steer) == 0);
    int error = held ? EBUSY : errno;
    if (asked) (void)flock(fd, LOCK_UN);
    errno = error;
    return good;
}

bool tun_add(struct tuns *t, uint8_t number, const char *name, uint16_t mtu_bytes, struct fail *f)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI};
    struct tun *d = &t->list[number];
    bool headers;
    ensure(d->fd < 0);
    if (!t->spare_count)
        return fail(f, FAIL_BUSY, "restart the daemon",
                    "no descriptor is left for one more device");
    int fd = t->spare[t->spare_count - 1];
    snprintf(r.ifr_name, sizeof r.ifr_name, "%s",
             *name ? name : "ring%d"); /* the kernel takes the first free number */
    if (t->steer >= 0) r.ifr_flags |= IFF_MULTI_QUEUE;
    if (!take(t, fd, &r, name, &headers))
        return not_made(*name ? name : "ring0", errno, t->steer >= 0, f);
    t->spare_count--;
    *d = (struct tun){.all = t,
                      .fd = fd,
                      .number = number,
                      .headers = headers,
                      .index = (int)if_nametoindex(r.ifr_name)};
    memcpy(d->name, r.ifr_name, sizeof d->name);
    own_devices(t);
    /* one super-packet becomes one train, by a relay too: else it would be a train and a rest, all along the way */
    if (headers)
        netlink_device_segments(
            d->index, TRAIN_BYTES / (mtu_bytes + IP_HEADER + 2 * DATA_OVERHEAD + RELAYED_HEADER));
    if (netlink_device_up(d->index, mtu_bytes, f)) return true;
    tun_drop(t, number);
    return false;
}

struct tun_place tun_place(const struct tuns *first, uint8_t number)
{
    const struct tun *d = &first->list[number];
    struct tun_place at = {.number = number, .joins = first->joins, .headers = d->headers};
    memcpy(at.name, d->name, sizeof at.name);
    return at;
}

bool tun_queue(struct tuns *t, const struct tun_place *at)
{
    struct ifreq r = {.ifr_flags = IFF_TUN | IFF_NO_PI | IFF_MULTI_QUEUE};
    if (at->headers) r.ifr_flags |= IFF_VNET_HDR;
    memcpy(r.ifr_name, at->name, sizeof r.ifr_name);
    if (!t->spare_count || t->list[at->number].fd >= 0) return false;
    int fd = t->spare[t->spare_count - 1];
    if (t->ioctl(fd, TUNSETIFF, &r) != 0) return false;
    t->spare_count--;
    t->joins = at->joins;
    t->list[at->number] = (struct tun){
        .all = t, .fd = fd, .number = at->number, .headers = at->headers};
    memcpy(t->list[at->number].name, at->name, sizeof at->name);
    return true;
}

static bool replace(struct tun *d, uint8_t set[16], const uint8_t ip[16], uint8_t prefix,
                    uint8_t old_prefix, struct fail *f)
{
    static const uint8_t none[16];
    struct fail ignored;
    if (memcmp(set, ip, 16) == 0) return true;
    if (memcmp(set, none, 16) != 0) (void)netlink_address_drop(d->index, set, old_prefix, &ignored);
    memset(set, 0, 16);
    if (memcmp(ip, none, 16) == 0) return true;
    if (!netlink_address_add(d->index, ip, prefix, f)) return false;
    memcpy(set, ip, 16);
    return true;
}

bool tun_addresses(struct tuns *t, uint8_t number, uint32_t ipv4, uint8_t prefix4,
                   const uint8_t ipv6[16], struct fail *f)
{
    struct tun *d = &t->list[number];
    uint8_t ip4[16] = {0};
    if (d->fd < 0) return true;
    if (ipv4) ip_from_v4(ip4, ipv4);
    bool good = replace(d, d->ip4, ip4, prefix4, d->prefix4, f);
    d->prefix4 = prefix4;
    return good && replace(d, d->ip6, ipv6, IPV6_PREFIX, IPV6_PREFIX, f);
}

/* One packet; its length, 0: nothing is there. */
static uint32_t read_one(struct tun *d)
{
    struct tuns *t = d->all;
    struct virtio_net_hdr h = {0};
    struct event e = {.type = EV_TUN};
    struct iovec iov[2] = {{&h, sizeof h}, {t->buffer + TUN_ROOM, TUN_PACKET}};
    ssize_t got = d->headers ? readv(d->fd, iov, 2) - (ssize_t)sizeof h
                             : read(d->fd, iov[1].iov_base, TUN_PACKET);
    if (got <= 0) return 0;
    e.tun.number = d->number;
    e.tun.bytes = t->buffer + TUN_ROOM;
    e.tun.len = (uint32_t)got;
    if (!d->headers || offload_read(&h, &e))
        t->received(t->context, &e);
    else
        t->dropped++;
    return (uint32_t)got;
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    struct tun *d = poll->data;
    struct tuns *t = d->all;
    uint32_t bytes = 0, got = 1;
    (void)events;
    if (status < 0 && t->gone) t->gone(t->context, d->number); /* and libuv has stopped asking */
    for (unsigned n = 0; got && n < TUN_BATCH && bytes < TUN_BATCH_BYTES; n++)
        bytes += got = read_one(d);
    if (bytes) t->batch_end(t->context);
}

bool tun_start(struct tuns *t, uint8_t number, uv_loop_t *loop)
{
    struct tun *d = &t->list[number];
    if (d->fd < 0) return true;
    d->poll.data = d;
    if (uv_poll_init(loop, &d->poll, d->fd) != 0) return false;
    d->polling = true;
    return uv_poll_start(&d->poll, UV_READABLE, on_readable) == 0;
}

static void on_closed(uv_handle_t *h)
{
    struct tun *d = h->data;
    close(d->fd); /* and the device goes */
    d->fd = -1;
    own_devices(d->all);
}

void tun_drop(struct tuns *t, uint8_t number)
{
    struct tun *d = &t->list[number];
    if (d->fd < 0) return;
    if (d->polling) {
        d->polling = false;
        uv_close((uv_handle_t *)&d->poll, on_closed);
        return;
    }
    close(d->fd);
    d->fd = -1;
    own_devices(t);
}

const char *tun_name(const struct tuns *t, uint8_t number)
{
    return number < NETWORKS_MAX && t->list[number].fd >= 0 ? t->list[number].name : NULL;
}
