#include "vnet/ip.h"

#include "base/bytes.h"
#include <string.h>

#define IP4_HEADER         20u
#define IP6_HEADER         40u
#define ICMP_HEADER        8u
#define IP4_MORE_OR_OFFSET 0x3fffu
#define EXTENSIONS         8 /* extension headers looked at; more of them are nobody's honest packet */
#define ICMP_TTL           64
#define IP6_MTU_LEAST      1280u /* RFC 8200, section 5 */

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

/* --- looking --- */

/* RFC 792: the error types; everything else is a question or an answer. */
static bool is_icmp4_error(uint8_t type)
{
    return type == 3 || type == 4 || type == 5 || type == 11 || type == 12;
}

static bool view4(const uint8_t *p, size_t len, struct ip_view *v)
{
    if (len < IP4_HEADER) return false;
    uint32_t header = (p[0] & 0x0fu) * 4u, total = get_u16(p + 2);
    if (header < IP4_HEADER || total < header || total > len) return false;
    uint16_t fragment = get_u16(p + 6);
    *v = (struct ip_view){.version = 4, .protocol = p[9], .len = total};
    v->header_len = (uint16_t)header;
    v->dont_fragment = fragment & 0x4000;
    v->fragment = (fragment & 0x1fff) != 0;
    memcpy(v->src, mapped, sizeof mapped);
    memcpy(v->src + 12, p + 12, 4);
    memcpy(v->dst, mapped, sizeof mapped);
    memcpy(v->dst + 12, p + 16, 4);
    uint32_t dst = get_u32(p + 16);
    v->is_multicast = dst >> 28 == 0xe || dst == UINT32_MAX;
    v->is_icmp_error = v->protocol == PROTO_ICMP && !v->fragment && total > header &&
                       is_icmp4_error(p[header]);
    return true;
}

/* Walks the extension headers to see what the packet is; stops at what is not one, or does not fit. */
static void walk6(const uint8_t *p, struct ip_view *v)
{
    uint8_t next = p[6];
    uint32_t at = IP6_HEADER;
    for (int i = 0; i < EXTENSIONS; i++) {
        if (next == PROTO_ICMP6) {
            v->is_icmp_error = at < v->len && p[at] < 128; /* RFC 4443, 2.1 */
            return;
        }
        if (next != PROTO_HOPOPTS && next != PROTO_ROUTING && next != PROTO_FRAGMENT &&
            next != PROTO_DSTOPTS)
            return;
        if (v->len - at < 8) return;
        if (next == PROTO_FRAGMENT && (get_u16(p + at + 2) & 0xfff8) != 0) {
            v->fragment = true;
            return;
        }
        uint32_t size = next == PROTO_FRAGMENT ? 8u : (p[at + 1] + 1u) * 8u;
        if (size > v->len - at) return;
        next = p[at];
        at += size;
    }
}

static bool view6(const uint8_t *p, size_t len, struct ip_view *v)
{
    if (len < IP6_HEADER) return false;
    uint32_t total = IP6_HEADER + get_u16(p + 4);
    if (total > len) return false;
    *v = (struct ip_view){.version = 6, .protocol = p[6], .len = total, .dont_fragment = true};
    v->header_len = IP6_HEADER;
    memcpy(v->src, p + 8, 16);
    memcpy(v->dst, p + 24, 16);
    /* A v4-mapped address on the wire would pass for the IPv4 address of somebody (RFC 4942, 2.2). */
    if (ip_is_v4(v->src) || ip_is_v4(v->dst)) return false;
    v->is_multicast = v->dst[0] == 0xff;
    walk6(p, v);
    return true;
}

bool ip_view(const uint8_t *p, size_t len, struct ip_view *out)
{
    if (len < 1) return false;
    if (p[0] >> 4 == 4) return view4(p, len, out);
    if (p[0] >> 4 == 6) return view6(p, len, out);
    return false;
}

uint32_t ip_transport(const uint8_t *p, const struct ip_view *v, uint8_t *protocol)
{
    uint32_t at = v->header_len;
    *protocol = v->protocol;
    if (v->version == 4) return get_u16(p + 6) & IP4_MORE_OR_OFFSET ? 0 : at;
    for (int i = 0; i < EXTENSIONS; i++) {
        if (*protocol != PROTO_HOPOPTS && *protocol != PROTO_ROUTING && *protocol != PROTO_DSTOPTS)
            return *protocol == PROTO_FRAGMENT ? 0 : at;
        if (v->len - at < 8) return 0;
        uint32_t size = (p[at + 1] + 1u) * 8u;
        if (size > v->len - at) return 0;
        *protocol = p[at];
        at += size;
    }
    return 0;
}

bool ip_is_v4(const uint8_t ip[16])
{
    return memcmp(ip, mapped, sizeof mapped) == 0;
}

/* --- answering --- */

uint32_t ip_sum(const void *bytes, size_t len, uint32_t start)
{
    const uint8_t *p = bytes;
    uint64_t sum = start;
    for (; len >= 2; len -= 2, p += 2) sum += get_u16(p);
    if (len) sum += (uint32_t)p[0] << 8;
    while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
    return (uint32_t)sum;
}

uint16_t ip_checksum(const void *p, size_t len, uint32_t start)
{
    return (uint16_t)~ip_sum(p, len, start);
}

uint32_t ip_checksum_field(const uint8_t *packet, const struct ip_view *v)
{
    uint32_t least = v->protocol == PROTO_TCP ? 20 : 8, at = v->protocol == PROTO_TCP ? 16 : 6;
    if ((v->protocol != PROTO_TCP && v->protocol != PROTO_UDP) || v->fragment) return 0;
    if (v->version == 4 && (get_u16(packet + 6) & 0x2000)) return 0; /* the first fragment */
    return v->len < v->header_len + least ? 0 : v->header_len + at;
}

bool ip_finish_sum(uint8_t *packet, uint32_t len, uint32_t start, uint32_t offset)
{
    if (start > len || offset > len || start + offset + 2 > len) return false;
    uint16_t sum = ip_checksum(packet + start, len - start, 0);
    if (sum == 0 && offset == 6) sum = 0xffff; /* UDP's field: there 0 means none (RFC 768) */
    put_u16(packet + start + offset, sum);
    return true;
}

void ip_finish_checksum(uint8_t *packet, const struct ip_view *v)
{
    uint32_t at = ip_checksum_field(packet, v);
    if (at) ip_finish_sum(packet, v->len, v->header_len, at - v->header_len);
}

/* RFC 1122, 3.2.2 and RFC 4443, 2.4 (e): to whom no error goes. */
static bool error_is_due(const struct ip_view *v)
{
    static const uint8_t none[16];
    if (v->is_multicast || v->is_icmp_error || v->fragment) return false;
    if (v->version == 6) return v->src[0] != 0xff && memcmp(v->src, none, 16) != 0;
    uint32_t src = get_u32(v->src + 12);
    return src != 0 && src >> 28 < 0xe && src >> 24 != 127;
}

static size_t answer4(uint8_t *out, const uint8_t *packet, const struct ip_view *v,
                      const uint8_t from[16], uint8_t type, uint8_t code, uint32_t rest)
{
    uint32_t quote = v->len;
    if (quote > ICMP_MAX - IP4_HEADER - ICMP_HEADER) quote = ICMP_MAX - IP4_HEADER - ICMP_HEADER;
    uint32_t total = IP4_HEADER + ICMP_HEADER + quote;
    struct writer w = writer_of(out, ICMP_MAX);
    write_u8(&w, 0x45);
    write_u8(&w, 0xc0); /* RFC 1812, 4.3.2.5: internetwork control */
    write_u16(&w, (uint16_t)total);
    write_u32(&w, 0); /* an unfragmented answer needs no identification */
    write_u8(&w, ICMP_TTL);
    write_u8(&w, PROTO_ICMP);
    write_u16(&w, 0);
    write_bytes(&w, from + 12, 4);
    write_bytes(&w, v->src + 12, 4);
    write_u8(&w, type);
    write_u8(&w, code);
    write_u16(&w, 0);
    write_u32(&w, rest);
    write_bytes(&w, packet, quote);
    put_u16(out + 10, ip_checksum(out, IP4_HEADER, 0));
    put_u16(out + IP4_HEADER + 2, ip_checksum(out + IP4_HEADER, total - IP4_HEADER, 0));
    return w.len;
}

static size_t answer6(uint8_t *out, const uint8_t *packet, const struct ip_view *v,
                      const uint8_t from[16], uint8_t type, uint8_t code, uint32_t rest)
{
    uint32_t quote = v->len;
    if (quote > ICMP_MAX - IP6_HEADER - ICMP_HEADER) quote = ICMP_MAX - IP6_HEADER - ICMP_HEADER;
    uint32_t payload = ICMP_HEADER + quote;
    struct writer w = writer_of(out, ICMP_MAX);
    write_u32(&w, 6u << 28);
    write_u16(&w, (uint16_t)payload);
    write_u8(&w, PROTO_ICMP6);
    write_u8(&w, ICMP_TTL);
    write_bytes(&w, from, 16);
    write_bytes(&w, v->src, 16);
    write_u8(&w, type);
    write_u8(&w, code);
    write_u16(&w, 0);
    write_u32(&w, rest);
    write_bytes(&w, packet, quote);
    /* The pseudo-header of RFC 8200, 8.1: both addresses, length, next header. */
    uint32_t pseudo = ip_sum(out + 8, 32, payload + PROTO_ICMP6);
    put_u16(out + IP6_HEADER + 2, ip_checksum(out + IP6_HEADER, payload, pseudo));
    return w.len;
}

size_t icmp_unreachable(uint8_t out[ICMP_MAX], const uint8_t *packet, size_t len,
                        const uint8_t from[16])
{
    struct ip_view v;
    if (!ip_view(packet, len, &v) || !error_is_due(&v)) return 0;
    if (v.version == 4) return answer4(out, packet, &v, from, 3, 1, 0); /* host unreachable */
    return answer6(out, packet, &v, from, 1, 3, 0);                     /* address unreachable */
}

size_t icmp_too_big(uint8_t out[ICMP_MAX], const uint8_t *packet, size_t len,
                    const uint8_t from[16], uint16_t mtu_bytes)
{
    struct ip_view v;
    if (!ip_view(packet, len, &v) || !error_is_due(&v)) return 0;
    if (v.version == 4) return answer4(out, packet, &v, from, 3, 4, mtu_bytes);
    if (mtu_bytes < IP6_MTU_LEAST) return 0;
    return answer6(out, packet, &v, from, 2, 0, mtu_bytes);
}
