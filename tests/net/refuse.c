/* refuse.so - a kernel that has no offloads, or loses them in the midst of it, or is slow: put before the daemon (LD_PRELOAD) by
 * fallbacks.sh and devices.sh.
 *
 * The file that REFUSE names is shared with the test: its first eight bytes are switches, counters of 4 bytes (host order) follow. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <linux/virtio_net.h>
#include <net/if.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

static struct shared {
    volatile uint8_t trains;  /* 1: sendmmsg refuses trains: EIO */
    volatile uint8_t supers;  /* 1: the device refuses super-packets: EINVAL */
    volatile uint8_t old;     /* 1: no UDP_SEGMENT (EINVAL where one is tried), no UDP_GRO */
    volatile uint8_t no_uso;  /* 1: TUNSETOFFLOAD knows TCP only */
    volatile uint8_t no_vnet; /* 1: no IFF_VNET_HDR */
    volatile uint8_t slow;    /* 1: half a second passes after a device was asked whether it is held */
    uint8_t spare[2];
    uint32_t trains_sent, trains_refused, supers_written, supers_refused;
} *is;

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("REFUSE");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *p = fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *is, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (p == MAP_FAILED) _exit(99);
    is = p;
}

static bool is_train(const struct msghdr *m)
{
    const struct cmsghdr *c = m->msg_controllen ? CMSG_FIRSTHDR(m) : NULL;
    return c && c->cmsg_level == IPPROTO_UDP && c->cmsg_type == UDP_SEGMENT;
}

int sendmmsg(int fd, struct mmsghdr *list, unsigned count, int flags)
{
    int (*real)(int, struct mmsghdr *, unsigned, int) = (__typeof__(real))dlsym(RTLD_NEXT, "sendmmsg");
    unsigned n = 0;
    for (; n < count; n++) {
        bool train = is_train(&list[n].msg_hdr);
        if (train && (is->trains || is->old)) break;
        is->trains_sent += train;
    }
    if (n > 0) return real(fd, list, n, flags);
    is->trains_refused++;
    errno = is->old ? EINVAL : EIO;
    return -1;
}

ssize_t writev(int fd, const struct iovec *list, int count)
{
    ssize_t (*real)(int, const struct iovec *, int) = (__typeof__(real))dlsym(RTLD_NEXT, "writev");
    const struct virtio_net_hdr *h = list[0].iov_base;
    if (count > 2 && list[0].iov_len == sizeof *h && h->gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        is->supers_refused += is->supers;
        is->supers_written += !is->supers;
        errno = EINVAL;
        if (is->supers) return -1;
    }
    return real(fd, list, count);
}

int setsockopt(int fd, int level, int name, const void *value, socklen_t len)
{
    int (*real)(int, int, int, const void *, socklen_t) = (__typeof__(real))dlsym(RTLD_NEXT, "setsockopt");
    errno = ENOPROTOOPT;
    if (is->old && level == IPPROTO_UDP && (name == UDP_SEGMENT || name == UDP_GRO)) return -1;
    return real(fd, level, name, value, len);
}

int ioctl(int fd, unsigned long request, ...)
{
    int (*real)(int, unsigned long, ...) = (__typeof__(real))dlsym(RTLD_NEXT, "ioctl");
    va_list more;
    va_start(more, request);
    void *value = va_arg(more, void *);
    va_end(more);
    errno = EINVAL;
    if (is->no_uso && request == TUNSETOFFLOAD && ((uintptr_t)value & 0x60)) return -1;
    if (is->no_vnet && request == TUNSETIFF && (((struct ifreq *)value)->ifr_flags & IFF_VNET_HDR)) return -1;
    int result = real(fd, request, value);
    if (is->slow && request == SIOCETHTOOL) usleep(500000);
    return result;
}
