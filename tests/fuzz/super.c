/* A virtio header and a packet, as a TUN device might hand them over: read, cut, carried to another lane, joined, and described
 * to its device. Whatever the kernel says, nothing lies outside its buffer, and a stream arrives as it was.
 *
 * Input: the header (10 bytes), arena (1 byte, in KiB, above the least), what is asked for (1 byte), how often the packet's
 * payload is repeated (1 byte), the packet. */
#include "vnet/super.h"
#include "daemon/offload.h"
#include "node/lane_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

#define MOST_PIECES 100u /* more of them are only slower */

static uint8_t sent_payload[65536], got_payload[65536];
static uint32_t sent_len, got_len;

static void check_described(const struct action *a)
{
    struct virtio_net_hdr h;
    uint32_t head = a->tun.parts > 1 ? (uint32_t)a->tun.head_len + a->tun.segment : a->tun.len;
    offload_write(a, &h);
    ensure(!a->tun.csum_open == !h.flags);
    if (h.flags) ensure(h.csum_start + h.csum_offset + 2u <= head);
    if (a->tun.parts < 2) {
        ensure(h.gso_type == VIRTIO_NET_HDR_GSO_NONE);
        return;
    }
    ensure(a->tun.parts <= SUPER_PARTS_MAX && a->tun.csum_open);
    ensure(h.gso_size == a->tun.segment && h.gso_size > 0);
    uint32_t payload = a->tun.len - a->tun.head_len;
    ensure((payload + h.gso_size - 1) / h.gso_size == a->tun.parts);
}

static void collect(const struct action *a)
{
    struct ip_view v;
    uint32_t first = a->tun.parts > 1 ? (uint32_t)a->tun.head_len + a->tun.segment : a->tun.len;
    ensure(ip_view(a->tun.bytes, a->tun.parts > 1 ? UINT16_MAX : first, &v));
    ensure(v.len == a->tun.len);
    if (v.version == 4 && a->tun.parts > 1) ensure(ip_checksum(a->tun.bytes, v.header_len, 0) == 0);
    struct super_cut c;
    if (!super_cut_begin(&c, a->tun.bytes, &v, 1)) return;
    uint32_t left = v.len - c.head_len;
    for (uint32_t i = 0; left > 0; i++) {
        uint32_t size = a->tun.parts > 1 && a->tun.segment < left ? a->tun.segment : left;
        memcpy(got_payload + got_len, a->tun.bytes + c.head_len + i * a->tun.stride, size);
        got_len += size;
        left -= size;
    }
}

/* What a has for the wire goes to b as the batches that it is. */
static void carry(struct world *w)
{
    static uint8_t wire[70000];
    for (uint32_t i = 0; i < w->a.out.count; i++) {
        const struct action *a = &w->a.list[i];
        if (a->type != ACT_SEND) continue;
        memcpy(wire, a->send.bytes, a->send.len);
        wire_in(&w->b, &w->a.at, wire, a->send.len, a->send.segment);
        for (uint32_t k = 0; k < w->b.out.count; k++) {
            ensure(w->b.list[k].type == ACT_TUN);
            check_described(&w->b.list[k]);
            collect(&w->b.list[k]);
        }
        actions_clear(&w->b.out);
    }
    actions_clear(&w->a.out);
    while (hear(&w->a) || hear(&w->b)) {}
}

/* Ours as source, b as destination, checksums and lengths that fit: so that it is not always refused for these. */
static void adapt(struct world *w, uint8_t *p, uint32_t len)
{
    if (len >= 20 && p[0] >> 4 == 4) {
        uint32_t header = (p[0] & 0x0fu) * 4u;
        put_u32(p + 12, w->a.ipv4), put_u32(p + 16, w->b.ipv4);
        put_u16(p + 2, (uint16_t)len), put_u16(p + 10, 0);
        if (header <= len) put_u16(p + 10, ip_checksum(p, header, 0));
    } else if (len >= 40 && p[0] >> 4 == 6) {
        memcpy(p + 8, w->a.ipv6, 16), memcpy(p + 24, w->b.ipv6, 16);
        put_u16(p + 4, (uint16_t)(len - 40));
    }
}

static uint32_t dropped_so_far(const struct world *w)
{
    uint32_t all = 0;
    for (uint32_t i = 0; i < DROP_COUNT; i++)
        all += lane_drops(w->a.lane)[i] + lane_drops(w->b.lane)[i];
    return all;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w;
    struct virtio_net_hdr h;
    struct ip_view v;
    if (len < sizeof h + 3 || len > 2048) return 0;
    if (!w.a.lane) {
        world_init(&w, &crypto_fake, AEAD_CHACHA20_POLY1305);
        connect_sides(&w.a, &w.b, AB, BA);
    }
    memcpy(&h, data, sizeof h);
    w.a.out.arena_size = 8192 + data[sizeof h] * 300u;
    lane_join(w.b.lane, data[sizeof h + 1] & 3);
    uint32_t repeat = data[sizeof h + 2], n = (uint32_t)(len - sizeof h - 3);
    uint8_t *p = w.buffer + LANE_HEADROOM;
    memcpy(p, data + sizeof h + 3, n);
    for (uint32_t one = n; repeat > 0 && n + one <= 12000; repeat--, n += one)
        memcpy(p + n, p, one);
    adapt(&w, p, n);
    if (h.gso_size && n / h.gso_size > MOST_PIECES) h.gso_size = (uint16_t)(n / MOST_PIECES + 1);

    struct event e = {.type = EV_TUN};
    e.tun.number = NUMBER;
    e.tun.bytes = p;
    e.tun.len = n;
    uint32_t before = dropped_so_far(&w);
    sent_len = got_len = 0;
    if (!offload_read(&h, &e)) return 0;
    struct super_cut c;
    bool stream = e.tun.segment && ip_view(p, n, &v) && super_cut_begin(&c, p, &v, e.tun.segment);
    if (stream) {
        sent_len = v.len - c.head_len;
        memcpy(sent_payload, p + c.head_len, sent_len);
    }
    while (e.tun.len > 0) {
        uint32_t done = lane_step(w.a.lane, NOW, &e, &w.a.out);
        ensure(done > 0 && done <= e.tun.len && w.a.out.lost == 0);
        carry(&w);
        e.tun.bytes += done;
        e.tun.len -= done;
    }
    if (stream && dropped_so_far(&w) == before) {
        ensure(got_len == sent_len);
        ensure(memcmp(got_payload, sent_payload, got_len) == 0);
    }
    return 0;
}
