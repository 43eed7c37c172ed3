/* What a device is asked for when it is made, and what is left if it cannot be. No device: the test's own kernel. */
#include "daemon/tun.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/ethtool.h>
#include <linux/if_tun.h>
#include <linux/sockios.h>
#include <net/if.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <cmocka.h>

#define BOTH (LANE_JOIN_TCP | LANE_JOIN_UDP)
#define TCP  (TUN_F_CSUM | TUN_F_TSO4 | TUN_F_TSO6 | TUN_F_TSO_ECN)

static struct {            /* the "kernel" */
    bool busy;             /* all devices belong to others */
    bool held;             /* ..and have several queues */
    bool set;              /* one was asked for */
    bool no_headers;       /* one without IFF_VNET_HDR */
    unsigned long knows;   /* TUN_F_* */
    unsigned long offload; /* of the device, which was there before */
    int header;
} kernel;

static int answer(int error)
{
    errno = error;
    return error ? -1 : 0;
}

static int take(int fd, unsigned long request, ...)
{
    va_list list;
    (void)fd;
    va_start(list, request);
    struct ifreq *r = request == TUNSETIFF ? va_arg(list, struct ifreq *) : NULL;
    int *size = request == TUNSETVNETHDRSZ ? va_arg(list, int *) : NULL;
    unsigned long wanted = request == TUNSETOFFLOAD ? va_arg(list, unsigned long) : 0;
    struct ifreq *about = request == SIOCETHTOOL ? va_arg(list, struct ifreq *) : NULL;
    va_end(list);
    if (about) return ((struct ethtool_value *)(void *)about->ifr_data)->data = kernel.held, 0;
    if (r) {
        kernel.set = true;
        strcpy(r->ifr_name, "no-such-device");
        if (kernel.busy) return answer(EBUSY);
        return answer(kernel.no_headers && (r->ifr_flags & IFF_VNET_HDR) ? EINVAL : 0);
    }
    if (size) return kernel.header = *size, 0;
    if (request != TUNSETOFFLOAD || (wanted & ~kernel.knows)) return answer(EINVAL);
    kernel.offload = wanted;
    return 0;
}

static struct tuns t;

/* The device cannot be brought up, for there is none: what was asked before counts. */
static void make(bool offload)
{
    struct fail f;
    tuns_init(&t);
    t.ioctl = take;
    t.offload = offload;
    t.joins = offload ? BOTH : 0;
    t.spare[t.spare_count++] = open("/dev/null", O_RDWR | O_CLOEXEC);
    assert_false(tun_add(&t, 0, "", 1400, &f));
    tuns_close(&t);
}

static void start(unsigned long knows)
{
    memset(&kernel, 0, sizeof kernel);
    kernel.knows = knows;
    kernel.offload = TCP | 0x60; /* a predecessor's */
    kernel.header = 12;
}

static void as_far_as_the_kernel_goes(void **state)
{
    (void)state;
    start(TCP | 0x60);
    make(true);
    assert_int_equal(t.joins, BOTH);
    assert_int_equal(kernel.offload, TCP | 0x60);
    assert_int_equal(kernel.header, 10);
    start(TCP);
    make(true);
    assert_int_equal(t.joins, LANE_JOIN_TCP);
    assert_int_equal(kernel.offload, TCP);
    start(0);
    make(true);
    assert_int_equal(t.joins, 0);
}

/* Without headers nobody would say that a checksum is open: it must not be. */
static void a_predecessors_offload_is_turned_off(void **state)
{
    (void)state;
    start(TCP | 0x60);
    make(false);
    assert_int_equal(kernel.offload, 0);
    start(TCP | 0x60);
    kernel.no_headers = true;
    make(true);
    assert_int_equal(t.joins, 0);
    assert_int_equal(kernel.offload, 0);
}

/* It says nothing about those of other networks. */
static void a_device_not_made_changes_nothing(void **state)
{
    (void)state;
    start(TCP | 0x60);
    kernel.busy = true;
    make(true);
    assert_int_equal(t.joins, BOTH);
}

/* The kernel lets everybody share a device with several queues: whether it is somebody's must be asked before. */
static void a_device_of_several_queues_is_not_shared(void **state)
{
    struct fail f;
    (void)state;
    for (int held = 0; held < 2; held++)
        for (int steer = -1; steer < 1; steer++) {
            start(TCP);
            kernel.held = held;
            tuns_init(&t);
            t.ioctl = take;
            t.steer = steer;
            t.spare[t.spare_count++] = open("/dev/null", O_RDWR | O_CLOEXEC);
            assert_false(tun_add(&t, 0, "vpn0", 1400, &f));
            bool refused = held && steer >= 0;
            assert_int_equal(kernel.set, !refused);
            if (refused) assert_string_equal(f.code, fail_name(FAIL_IN_USE));
            tuns_close(&t);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(as_far_as_the_kernel_goes),
        cmocka_unit_test(a_predecessors_offload_is_turned_off),
        cmocka_unit_test(a_device_not_made_changes_nothing),
        cmocka_unit_test(a_device_of_several_queues_is_not_shared),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
