#include "daemon/offload.h"

#include "vnet/ip.h"

bool offload_read(const struct virtio_net_hdr *h, struct event *e)
{
    struct ip_view v;
    uint8_t type = h->gso_type & (uint8_t)~VIRTIO_NET_HDR_GSO_ECN;
    e->tun.segment = 0;
    e->tun.csum_open = 0;
    if (type == VIRTIO_NET_HDR_GSO_TCPV4 || type == VIRTIO_NET_HDR_GSO_TCPV6 ||
        type == OFFLOAD_UDP_L4) {
        e->tun.segment = h->gso_size;
        e->tun.csum_open = 1;
        return h->gso_size > 0;
    }
    if (type != VIRTIO_NET_HDR_GSO_NONE) return false;
    if (!(h->flags & VIRTIO_NET_HDR_F_NEEDS_CSUM)) return true;
    uint32_t place = (uint32_t)h->csum_start + h->csum_offset;
    if (ip_view(e->tun.bytes, e->tun.len, &v) && ip_checksum_field(e->tun.bytes, &v) == place) {
        e->tun.csum_open = 1;
        return true;
    }
    return ip_finish_sum(e->tun.bytes, e->tun.len, h->csum_start, h->csum_offset);
}

/* The lane has seen to it that TCP or UDP stands behind the first header where a checksum is open. */
void offload_write(const struct action *a, struct virtio_net_hdr *h)
{
    const uint8_t *p = a->tun.bytes;
    bool six = p[0] >> 4 == 6, udp = p[six ? 6 : 9] == PROTO_UDP;
    *h = (struct virtio_net_hdr){0};
    if (!a->tun.csum_open) return;
    h->flags = VIRTIO_NET_HDR_F_NEEDS_CSUM;
    h->csum_start = six ? 40 : (uint16_t)((p[0] & 0x0fu) * 4u);
    h->csum_offset = udp ? 6 : 16;
    if (a->tun.parts <= 1) return;
    h->gso_type = udp ? OFFLOAD_UDP_L4 : six ? VIRTIO_NET_HDR_GSO_TCPV6 : VIRTIO_NET_HDR_GSO_TCPV4;
    h->gso_size = a->tun.segment;
    h->hdr_len = a->tun.head_len;
}
