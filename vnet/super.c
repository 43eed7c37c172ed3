#include "vnet/super.h"

#include "base/bytes.h"
#include "base/err.h"
#include <string.h>

#define IP4_HEADER 20u
#define IP6_HEADER 40u
#define TCP_HEADER 20u
#define UDP_HEADER 8u
#define IP_LEN_MAX 65535u

#define TCP_FIN            0x01u
#define TCP_SYN            0x02u
#define TCP_RST            0x04u
#define TCP_PSH            0x08u
#define TCP_ACK            0x10u
#define TCP_URG            0x20u
#define TCP_ECE            0x40u
#define TCP_CWR            0x80u
#define TCP_OPTION_END     0
#define TCP_OPTION_NOTHING 1
#define TCP_OPTION_MD5     19
#define TCP_OPTION_AO      29
#define IP4_DF             0x40u /* in byte 6 */
#define IP4_MORE_OR_OFFSET 0x3fffu

/* --- headers --- */

/* The header's length; 0: neither TCP nor UDP, or not whole. */
static uint32_t transport_header(const uint8_t *p, uint32_t left, uint8_t protocol)
{
    if (protocol == PROTO_UDP) return left < UDP_HEADER ? 0 : UDP_HEADER;
    if (protocol != PROTO_TCP || left < TCP_HEADER) return 0;
    uint32_t size = (uint32_t)(p[12] >> 4) * 4u;
    return size < TCP_HEADER || size > left ? 0 : size;
}

static uint32_t pseudo_sum(const uint8_t *p, uint8_t version, uint8_t protocol)
{
    return version == 4 ? ip_sum(p + 12, 8, protocol) : ip_sum(p + 8, 32, protocol);
}

/* Lengths and checksums of headers before `payload` bytes; the transport checksum is left open. */
static void set_lengths(uint8_t *head, uint8_t version, uint8_t protocol, uint32_t transport,
                        uint32_t head_len, uint32_t payload, uint32_t pseudo)
{
    uint32_t below = head_len - transport + payload;
    if (version == 4) {
        put_u16(head + 2, (uint16_t)(head_len + payload));
        put_u16(head + 10, 0);
        put_u16(head + 10, ip_checksum(head, transport, 0));
    } else {
        put_u16(head + 4, (uint16_t)(head_len + payload - IP6_HEADER));
    }
    uint32_t field = transport + (protocol == PROTO_TCP ? 16 : 6);
    uint32_t sum = pseudo + below;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    if (protocol == PROTO_UDP) put_u16(head + transport + 4, (uint16_t)below);
    put_u16(head + field, (uint16_t)sum);
}

/* --- cutting --- */

bool super_cut_begin(struct super_cut *c, const uint8_t *packet, const struct ip_view *v,
                     uint16_t segment)
{
    uint8_t protocol;
    uint32_t at = ip_transport(packet, v, &protocol);
    uint32_t size = at ? transport_header(packet + at, v->len - at, protocol) : 0;
    if (size == 0 || segment == 0 || at + size > SUPER_HEAD_MAX || at + size >= v->len)
        return false;
    memcpy(c->head, packet, at + size);
    c->head_len = (uint16_t)(at + size);
    c->transport = (uint16_t)at;
    c->segment = segment;
    c->version = v->version;
    c->protocol = protocol;
    c->csum_open = at == v->header_len;
    c->pseudo = pseudo_sum(packet, v->version, protocol);
    return true;
}

/* RFC 2385, 5925: a signature of the segment as it is. An option that does not parse may be one, too. */
static bool is_signed(const uint8_t *tcp, uint32_t len)
{
    for (uint32_t at = TCP_HEADER; at < len && tcp[at] != TCP_OPTION_END;) {
        if (tcp[at] == TCP_OPTION_NOTHING) {
            at++;
            continue;
        }
        if (len - at < 2 || tcp[at + 1] < 2 || tcp[at + 1] > len - at) return true;
        if (tcp[at] == TCP_OPTION_MD5 || tcp[at] == TCP_OPTION_AO) return true;
        at += tcp[at + 1];
    }
    return false;
}

bool super_may_recut(const struct super_cut *c)
{
    const uint8_t *own = c->head + c->transport;
    return c->protocol == PROTO_TCP && !(own[13] & (TCP_SYN | TCP_RST | TCP_URG)) &&
           !is_signed(own, c->head_len - c->transport);
}

bool super_sum_is_good(const struct super_cut *c, const uint8_t *packet, const struct ip_view *v)
{
    uint32_t below = v->len - c->transport;
    return ip_checksum(packet + c->transport, below, c->pseudo + below) == 0;
}

uint32_t super_cut_next(struct super_cut *c, uint8_t *payload, uint32_t left)
{
    uint32_t size = left < c->segment ? left : c->segment;
    uint8_t *head = payload - c->head_len, *own = c->head + c->transport;
    memcpy(head, c->head, c->head_len);
    if (c->protocol == PROTO_TCP) {
        if (size < left) head[c->transport + 13] &= (uint8_t) ~(TCP_FIN | TCP_PSH);
        put_u32(own + 4, get_u32(own + 4) + size);
        own[13] &= (uint8_t)~TCP_CWR;
    }
    if (c->version == 4) put_u16(c->head + 4, (uint16_t)(get_u16(c->head + 4) + 1));
    set_lengths(head, c->version, c->protocol, c->transport, c->head_len, size, c->pseudo);
    if (!c->csum_open)
        ip_finish_sum(head, c->head_len + size, c->transport, c->protocol == PROTO_TCP ? 16 : 6);
    return size;
}

void super_cut_rest(const struct super_cut *c, uint8_t *payload, uint32_t left)
{
    uint8_t *head = payload - c->head_len;
    memcpy(head, c->head, c->head_len);
    set_lengths(head, c->version, c->protocol, c->transport, c->head_len, left, c->pseudo);
}

/* --- joining --- */

static bool is_joinable(const uint8_t *p, const struct ip_view *v, uint32_t *head_len,
                        uint8_t *flags)
{
    if (v->version == 4 && (v->header_len != IP4_HEADER || get_u16(p + 6) & IP4_MORE_OR_OFFSET))
        return false;
    const uint8_t *own = p + v->header_len;
    uint32_t size = transport_header(own, v->len - v->header_len, v->protocol);
    if (size == 0 || v->len <= v->header_len + size) return false;
    *head_len = v->header_len + size;
    *flags = 0;
    if (v->protocol == PROTO_UDP) return get_u16(own + 4) == v->len - v->header_len;
    *flags = own[13];
    return (*flags & TCP_ACK) && (*flags & ~(TCP_ACK | TCP_ECE | TCP_PSH | TCP_FIN)) == 0;
}

bool super_begin(struct super *s, uint8_t *packet, const struct ip_view *v)
{
    uint32_t head_len;
    uint8_t flags;
    if (!is_joinable(packet, v, &head_len, &flags)) return false;
    *s = (struct super){.packet = packet, .len = v->len, .parts = 1};
    s->head_len = (uint16_t)head_len;
    s->segment = (uint16_t)(v->len - head_len);
    s->version = v->version;
    s->protocol = v->protocol;
    s->flags = flags;
    s->closed = flags & (TCP_PSH | TCP_FIN);
    return true;
}

static bool same(const uint8_t *a, const uint8_t *b, uint32_t from, uint32_t to)
{
    return memcmp(a + from, b + from, to - from) == 0;
}

/* Alike in what all parts share: addresses, TOS with ECN, TTL, flow label; ports, ack, window, options. */
static bool is_alike(const struct super *s, const uint8_t *b)
{
    const uint8_t *a = s->packet;
    uint32_t at = s->version == 4 ? IP4_HEADER : IP6_HEADER;
    if (s->version == 4) {
        uint16_t first = get_u16(a + 4), id = get_u16(b + 4);
        if (!same(a, b, 0, 2) || !same(a, b, 6, 10) || !same(a, b, 12, 20)) return false;
        if (id != (uint16_t)(first + s->parts) && !(id == first && a[6] & IP4_DF)) return false;
    } else if (!same(a, b, 0, 4) || !same(a, b, 6, 40)) {
        return false;
    }
    if (s->protocol == PROTO_UDP) return same(a, b, at, at + 4);
    return get_u32(b + at + 4) == get_u32(a + at + 4) + (s->len - s->head_len) &&
           same(a, b, at, at + 4) && same(a, b, at + 8, at + 13) && same(a, b, at + 14, at + 16) &&
           same(a, b, at + 18, s->head_len);
}

/* The parts lie one stride apart: the second one sets it. */
static bool is_in_step(const struct super *s, const uint8_t *packet)
{
    uintptr_t first = (uintptr_t)s->packet, at = (uintptr_t)packet;
    if (at <= first) return false;
    return s->parts == 1 ? at - first <= UINT16_MAX : at - first == (uintptr_t)s->parts * s->stride;
}

bool super_join(struct super *s, const uint8_t *packet, const struct ip_view *v)
{
    uint32_t head_len;
    uint8_t flags;
    if (s->closed || s->parts >= SUPER_PARTS_MAX || !is_in_step(s, packet)) return false;
    if (v->version != s->version || v->protocol != s->protocol) return false;
    if (!is_joinable(packet, v, &head_len, &flags) || head_len != s->head_len) return false;
    uint32_t payload = v->len - head_len;
    if (payload > s->segment || s->len + payload > IP_LEN_MAX) return false;
    if ((flags ^ s->flags) & ~(TCP_PSH | TCP_FIN)) return false;
    if (!is_alike(s, packet)) return false;
    if (s->parts == 1) s->stride = (uint16_t)(packet - s->packet);
    s->parts++;
    s->len += payload;
    s->flags |= flags;
    s->closed = payload < s->segment || (flags & (TCP_PSH | TCP_FIN));
    return true;
}

void super_finish(struct super *s)
{
    uint32_t at = s->version == 4 ? IP4_HEADER : IP6_HEADER;
    if (s->protocol == PROTO_TCP) s->packet[at + 13] = s->flags;
    set_lengths(s->packet, s->version, s->protocol, at, s->head_len, s->len - s->head_len,
                pseudo_sum(s->packet, s->version, s->protocol));
}
