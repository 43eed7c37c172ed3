#include "vnet/address.h"

#include "base/bytes.h"
#include "base/err.h"
#include <stdio.h>
#include <string.h>

#define HASH 32

static const char network_label[] = "ringlet net 1", ipv4_label[] = "ringlet ip4 1";

/* BLAKE2b-256(label || network key) */
static void network_hash(uint8_t out[HASH], const struct crypto *c, const uint8_t network_key[32])
{
    uint8_t text[sizeof network_label - 1 + 32];
    memcpy(text, network_label, sizeof network_label - 1);
    memcpy(text + sizeof network_label - 1, network_key, 32);
    c->hash(out, HASH, text, sizeof text, NULL, 0);
}

void address_ipv6(uint8_t out[16], const struct crypto *c, const uint8_t network_key[32],
                  const struct id *id)
{
    uint8_t hash[HASH];
    network_hash(hash, c, network_key);
    out[0] = 0xfd;
    memcpy(out + 1, hash, 5);
    memcpy(out + 6, id->b, 10);
}

uint8_t address_tag(const struct crypto *c, const uint8_t network_key[32])
{
    uint8_t hash[HASH];
    network_hash(hash, c, network_key);
    return hash[0];
}

struct range4 address_default_range(const struct crypto *c, const uint8_t network_key[32])
{
    uint8_t hash[HASH];
    network_hash(hash, c, network_key);
    uint32_t second = 1 + get_u32(hash + 5) % 254;
    return (struct range4){.net = 10u << 24 | second << 16, .prefix = 16};
}

/* Host addresses of a range: without network and broadcast address; 0: there are none. */
static uint32_t range_hosts(const struct range4 *r)
{
    if (r->prefix == 0 || r->prefix > 30) return 0;
    return (1u << (32 - r->prefix)) - 2;
}

uint32_t address_ipv4(const struct crypto *c, const uint8_t network_key[32],
                      const struct range4 *range, const struct id *id, uint32_t attempt)
{
    uint32_t hosts = range_hosts(range);
    if (hosts == 0) return 0;
    uint8_t text[sizeof ipv4_label - 1 + 32 + ID_SIZE + 4], hash[HASH];
    struct writer w = writer_of(text, sizeof text);
    write_bytes(&w, ipv4_label, sizeof ipv4_label - 1);
    write_bytes(&w, network_key, 32);
    write_bytes(&w, id->b, ID_SIZE);
    write_u32(&w, attempt);
    ensure(!w.bad && w.len == sizeof text);
    c->hash(hash, HASH, text, sizeof text, NULL, 0);
    return range->net + 1 + (uint32_t)(get_u64(hash) % hosts);
}

bool range_contains(const struct range4 *r, uint32_t ipv4)
{
    uint32_t hosts = range_hosts(r);
    return ipv4 > r->net && ipv4 - r->net <= hosts;
}

/* A decimal number of at most three digits, without leading zeros; -1: none */
static int number(const char **text, int max)
{
    const char *p = *text;
    int value = 0, digits = 0;
    for (; *p >= '0' && *p <= '9'; p++) {
        if (++digits > 3 || (digits == 2 && value == 0)) return -1;
        value = value * 10 + (*p - '0');
    }
    *text = p;
    return digits > 0 && value <= max ? value : -1;
}

bool range_parse(const char *text, struct range4 *out)
{
    uint32_t net = 0;
    for (int i = 0; i < 4; i++) {
        int part = number(&text, 255);
        if (part < 0 || *text++ != (i < 3 ? '.' : '/')) return false;
        net = net << 8 | (uint32_t)part;
    }
    int prefix = number(&text, 30);
    if (prefix < 8 || *text != 0) return false;
    if (net & (UINT32_MAX >> prefix)) return false;
    *out = (struct range4){.net = net, .prefix = (uint8_t)prefix};
    return true;
}

const char *range_print(const struct range4 *r, char out[24])
{
    snprintf(out, 24, "%u.%u.%u.%u/%u", r->net >> 24, r->net >> 16 & 255, r->net >> 8 & 255,
             r->net & 255, r->prefix);
    return out;
}

void ip_from_v4(uint8_t out[16], uint32_t ipv4)
{
    memset(out, 0, 10);
    memset(out + 10, 0xff, 2);
    put_u32(out + 12, ipv4);
}

uint32_t ip_to_v4(const uint8_t ip[16])
{
    static const uint8_t mapped[12] = {[10] = 0xff, 0xff};
    return memcmp(mapped, ip, sizeof mapped) == 0 ? get_u32(ip + 12) : 0;
}
