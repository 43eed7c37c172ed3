/* What the kernel says before a packet, and what it is told: struct virtio_net_hdr to events and from actions. */
#include "daemon/offload.h"

#include "base/bytes.h"
#include "vnet/ip.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define NEEDS VIRTIO_NET_HDR_F_NEEDS_CSUM

static uint8_t packet[256];
static struct event e;

static void packet4(uint8_t protocol, uint32_t len)
{
    memset(packet, 0, sizeof packet);
    packet[0] = 0x45, packet[8] = 64, packet[9] = protocol;
    put_u16(packet + 2, (uint16_t)len);
    packet[32] = 0x50;
    for (uint32_t i = 40; i < len; i++) packet[i] = (uint8_t)i;
    e = (struct event){.type = EV_TUN, .tun = {.bytes = packet, .len = len}};
}

static void packet6(uint8_t next, uint32_t len)
{
    packet4(next, len);
    packet[0] = 0x60, packet[6] = next, packet[8] = packet[24] = 0xfd;
    put_u16(packet + 4, (uint16_t)(len - 40));
}

static bool read_as(struct virtio_net_hdr h)
{
    return offload_read(&h, &e);
}

static void plain_and_open(void **state)
{
    (void)state;
    packet4(6, 100);
    assert_true(read_as((struct virtio_net_hdr){0}));
    assert_int_equal(e.tun.segment, 0);
    assert_int_equal(e.tun.csum_open, 0);
    assert_true(
        read_as((struct virtio_net_hdr){.flags = NEEDS, .csum_start = 20, .csum_offset = 16}));
    assert_int_equal(e.tun.csum_open, 1);
    assert_int_equal(get_u16(packet + 36), 0); /* left as it was */
    packet6(17, 100);
    assert_true(
        read_as((struct virtio_net_hdr){.flags = NEEDS, .csum_start = 40, .csum_offset = 6}));
    assert_int_equal(e.tun.csum_open, 1);
}

/* At a place that no receiver would look at: completed here. */
static void open_elsewhere(void **state)
{
    (void)state;
    packet6(60, 100); /* destination options before TCP */
    packet[40] = 6;
    put_u16(packet + 48 + 16, 0x1234);
    assert_true(
        read_as((struct virtio_net_hdr){.flags = NEEDS, .csum_start = 48, .csum_offset = 16}));
    assert_int_equal(e.tun.csum_open, 0);
    assert_int_equal(ip_checksum(packet + 48, 52, 0x1234), 0); /* what stood there counts, too */
    packet4(132, 100);
    assert_true(
        read_as((struct virtio_net_hdr){.flags = NEEDS, .csum_start = 20, .csum_offset = 8}));
    assert_int_equal(e.tun.csum_open, 0);
    /* and outside of the packet: nonsense */
    assert_false(
        read_as((struct virtio_net_hdr){.flags = NEEDS, .csum_start = 99, .csum_offset = 0}));
    assert_false(
        read_as((struct virtio_net_hdr){.flags = NEEDS, .csum_start = 20, .csum_offset = 79}));
    assert_false(read_as(
        (struct virtio_net_hdr){.flags = NEEDS, .csum_start = 65535, .csum_offset = 65535}));
}

static void super_packets(void **state)
{
    static const uint8_t types[] = {VIRTIO_NET_HDR_GSO_TCPV4, VIRTIO_NET_HDR_GSO_TCPV6,
                                    OFFLOAD_UDP_L4,
                                    VIRTIO_NET_HDR_GSO_TCPV4 | VIRTIO_NET_HDR_GSO_ECN};
    (void)state;
    packet4(6, 200);
    for (unsigned i = 0; i < sizeof types; i++) {
        assert_true(read_as((struct virtio_net_hdr){.gso_type = types[i], .gso_size = 60}));
        assert_int_equal(e.tun.segment, 60);
        assert_false(read_as((struct virtio_net_hdr){.gso_type = types[i]}));
    }
    assert_false(
        read_as((struct virtio_net_hdr){.gso_type = VIRTIO_NET_HDR_GSO_UDP, .gso_size = 60}));
    assert_false(read_as((struct virtio_net_hdr){.gso_type = 77, .gso_size = 60}));
}

static struct virtio_net_hdr written(uint32_t parts)
{
    struct virtio_net_hdr h;
    struct action a = {.type = ACT_TUN, .tun = {.bytes = packet, .len = 200, .csum_open = 1}};
    a.tun.parts = (uint16_t)parts;
    a.tun.segment = 60;
    a.tun.head_len = 40;
    offload_write(&a, &h);
    return h;
}

static void what_is_written(void **state)
{
    (void)state;
    packet4(6, 200);
    struct virtio_net_hdr h = written(1);
    assert_int_equal(h.flags, NEEDS);
    assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_NONE);
    assert_int_equal(h.csum_start, 20), assert_int_equal(h.csum_offset, 16);
    h = written(3);
    assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV4);
    assert_int_equal(h.gso_size, 60), assert_int_equal(h.hdr_len, 40);
    packet6(6, 200);
    h = written(3);
    assert_int_equal(h.gso_type, VIRTIO_NET_HDR_GSO_TCPV6);
    assert_int_equal(h.csum_start, 40), assert_int_equal(h.csum_offset, 16);
    packet6(17, 200);
    h = written(3);
    assert_int_equal(h.gso_type, OFFLOAD_UDP_L4);
    assert_int_equal(h.csum_offset, 6);
    struct action whole = {.type = ACT_TUN, .tun = {.bytes = packet, .len = 200}};
    offload_write(&whole, &h);
    assert_int_equal(h.flags, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_and_open),
        cmocka_unit_test(open_elsewhere),
        cmocka_unit_test(super_packets),
        cmocka_unit_test(what_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
