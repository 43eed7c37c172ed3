#include "vnet/mss.h"

#include "base/bytes.h"

#define TCP_HEADER     20u
#define TCP_SYN        0x02u
#define OPTION_END     0
#define OPTION_NOTHING 1
#define OPTION_MSS     2
#define MSS_LEN        4

/* Where the option's value stands in the TCP header; 0: there is none. */
static uint32_t find_mss(const uint8_t *tcp, uint32_t len)
{
    for (uint32_t at = TCP_HEADER; at < len && tcp[at] != OPTION_END;) {
        if (tcp[at] == OPTION_NOTHING) {
            at++;
            continue;
        }
        if (len - at < 2 || tcp[at + 1] < 2 || tcp[at + 1] > len - at) return 0;
        if (tcp[at] == OPTION_MSS) return tcp[at + 1] == MSS_LEN ? at + 2 : 0;
        at += tcp[at + 1];
    }
    return 0;
}

/* RFC 1624, (3). A field at an odd place has its bytes in two words of the sum: the sum of both is what it would be, swapped. */
static uint16_t sum_with(uint16_t sum, uint16_t before, uint16_t after, bool odd)
{
    if (odd) {
        before = (uint16_t)(before << 8 | before >> 8);
        after = (uint16_t)(after << 8 | after >> 8);
    }
    uint32_t s = (uint16_t)~sum + (uint32_t)(uint16_t)~before + after;
    while (s >> 16) s = (s & 0xffff) + (s >> 16);
    return (uint16_t)~s;
}

bool mss_clamp(uint8_t *packet, const struct ip_view *v, uint32_t mtu_bytes, bool csum_open)
{
    uint8_t protocol;
    uint32_t at = ip_transport(packet, v, &protocol);
    if (at == 0 || protocol != PROTO_TCP || v->len - at < TCP_HEADER) return false;
    uint8_t *tcp = packet + at;
    uint32_t size = (uint32_t)(tcp[12] >> 4) * 4u;
    if (!(tcp[13] & TCP_SYN) || size < TCP_HEADER || size > v->len - at) return false;
    uint32_t place = find_mss(tcp, size);
    if (place == 0 || mtu_bytes <= at + TCP_HEADER) return false;
    uint16_t before = get_u16(tcp + place), after = (uint16_t)(mtu_bytes - at - TCP_HEADER);
    if (before <= after) return false;
    put_u16(tcp + place, after);
    if (!csum_open) put_u16(tcp + 16, sum_with(get_u16(tcp + 16), before, after, place & 1));
    return true;
}
