/* What a device is given: with headers and without, and what comes of super-packets that it refuses. No device: a test's own. */
#include "daemon/tun.h"

#include "base/bytes.h"
#include "vnet/super.h"
#include <errno.h>
#include <linux/virtio_net.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#define SEGMENT 500u
#define STRIDE  640u

static struct { /* what the "kernel" got */
    uint32_t packets, refused;
    struct virtio_net_hdr h[8];
    uint32_t len[8];
    uint8_t bytes[8][4096];
} kernel;
static bool headers, refuses;

static ssize_t take(int fd, const struct iovec *list, int count)
{
    uint32_t n = kernel.packets, skip = headers ? sizeof kernel.h[0] : 0;
    assert_int_equal(fd, 5);
    if (headers) memcpy(&kernel.h[n], list[0].iov_base, skip);
    if (refuses && kernel.h[n].gso_type != VIRTIO_NET_HDR_GSO_NONE) {
        kernel.refused++;
        errno = EINVAL;
        return -1;
    }
    kernel.len[n] = 0;
    for (int i = headers; i < count; i++) {
        memcpy(kernel.bytes[n] + kernel.len[n], list[i].iov_base, list[i].iov_len);
        kernel.len[n] += (uint32_t)list[i].iov_len;
    }
    kernel.packets++;
    return (ssize_t)(skip + kernel.len[n]);
}

static struct tuns t;
static uint8_t batch[4 * STRIDE];

static void start(bool with_headers, bool refusing)
{
    memset(&kernel, 0, sizeof kernel);
    headers = with_headers;
    refuses = refusing;
    tuns_init(&t);
    t.write = take;
    t.joins = LANE_JOIN_TCP;
    t.list[3] = (struct tun){.all = &t, .fd = 5, .number = 3, .headers = with_headers};
    t.buffer = malloc(TUN_BUFFER);
}

/* Three segments of a flow as they lie in a batch, joined: 500, 500, 77 bytes. */
static struct action joined(void)
{
    struct action a = {.type = ACT_TUN, .tun = {.number = 3, .csum_open = 1}};
    struct super s = {0};
    for (uint32_t i = 0; i < 3; i++) {
        uint8_t *p = batch + i * STRIDE;
        uint32_t payload = i < 2 ? SEGMENT : 77, len = 40 + payload;
        struct ip_view v;
        memset(p, 0, 40);
        memset(p + 40, (int)(i + 1), payload);
        p[0] = 0x45, p[6] = 0x40, p[8] = 64, p[9] = 6, p[12] = p[16] = 10, p[19] = 1;
        put_u16(p + 2, (uint16_t)len);
        put_u16(p + 10, ip_checksum(p, 20, 0));
        put_u32(p + 24, 1000 + i * SEGMENT);
        p[32] = 0x50, p[33] = 0x10;
        put_u16(p + 36, (uint16_t)ip_sum(p + 12, 8, 6 + len - 20));
        assert_true(ip_view(p, len, &v));
        assert_true(i == 0 ? super_begin(&s, p, &v) : super_join(&s, p, &v));
    }
    super_finish(&s);
    a.tun.bytes = s.packet;
    a.tun.len = s.len;
    a.tun.head_len = s.head_len, a.tun.segment = s.segment;
    a.tun.stride = s.stride, a.tun.parts = s.parts;
    return a;
}

static void a_super_packet_is_one_write(void **state)
{
    (void)state;
    start(true, false);
    struct action a = joined();
    assert_true(tun_write(&t, &a));
    assert_int_equal(kernel.packets, 1);
    assert_int_equal(kernel.len[0], 40 + 1077);
    assert_int_equal(kernel.h[0].gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    assert_int_equal(get_u16(kernel.bytes[0] + 2), 40 + 1077);
    assert_int_equal(kernel.bytes[0][40 + 999], 2);
    assert_int_equal(kernel.bytes[0][40 + 1000], 3);
    assert_int_equal(t.dropped, 0);
    t.list[3].fd = -1; /* was none */
    tuns_close(&t);
}

static void refused_it_is_written_in_pieces(void **state)
{
    (void)state;
    start(true, true);
    struct action a = joined();
    assert_false(tun_write(&t, &a));
    assert_int_equal(t.joins, 0);
    assert_int_equal(kernel.refused, 1);
    assert_int_equal(kernel.packets, 3);
    for (uint32_t i = 0; i < 3; i++) {
        const uint8_t *p = kernel.bytes[i];
        uint32_t payload = i < 2 ? SEGMENT : 77;
        assert_int_equal(kernel.len[i], 40 + payload);
        assert_int_equal(kernel.h[i].gso_type, VIRTIO_NET_HDR_GSO_NONE);
        assert_int_equal(kernel.h[i].flags, VIRTIO_NET_HDR_F_NEEDS_CSUM);
        assert_int_equal(ip_checksum(p, 20, 0), 0);
        assert_int_equal(get_u32(p + 24), 1000 + i * SEGMENT);
        assert_int_equal(get_u16(p + 36), ip_sum(p + 12, 8, 6 + 20 + payload));
        assert_int_equal(p[40], i + 1);
        assert_int_equal(p[40 + payload - 1], i + 1);
    }
    assert_int_equal(t.dropped, 0);
    t.list[3].fd = -1; /* was none */
    tuns_close(&t);
}

static void without_headers_checksums_are_whole(void **state)
{
    (void)state;
    start(false, false);
    (void)joined();
    struct action a = {.type = ACT_TUN,
                       .tun = {.number = 3, .csum_open = 1, .bytes = batch + STRIDE}};
    a.tun.len = 40 + SEGMENT;
    assert_true(tun_write(&t, &a));
    assert_int_equal(kernel.packets, 1);
    const uint8_t *p = kernel.bytes[0];
    assert_int_equal(ip_checksum(p + 20, 20 + SEGMENT, ip_sum(p + 12, 8, 6 + 20 + SEGMENT)), 0);
    t.list[3].fd = -1; /* the device is gone */
    assert_true(tun_write(&t, &a));
    assert_int_equal(t.dropped, 1);
    t.list[3].fd = -1; /* was none */
    tuns_close(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_super_packet_is_one_write),
        cmocka_unit_test(refused_it_is_written_in_pieces),
        cmocka_unit_test(without_headers_checksums_are_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
