#include "base/endpoint.h"

#include "base/bytes.h"
#include "base/err.h"
#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff}; /* ::ffff:0:0/96 */

static bool ip_is_v4(const uint8_t ip[16])
{
    return memcmp(ip, mapped, sizeof mapped) == 0;
}

/* ::a.b.c.d, deprecated by RFC 4291 2.5.5.1; only :: and ::1 of that range mean something */
static bool ip_is_v4_compatible(const uint8_t ip[16])
{
    return get_u64(ip) == 0 && get_u32(ip + 8) == 0 && get_u32(ip + 12) > 1;
}

struct endpoint endpoint_v4(uint32_t ip, uint16_t port)
{
    struct endpoint e = {.port = port, .transport = TRANSPORT_UDP};
    memcpy(e.ip, mapped, sizeof mapped);
    put_u32(e.ip + 12, ip);
    return e;
}

bool endpoint_is_none(const struct endpoint *e)
{
    const struct endpoint none = {0};
    return endpoint_equal(e, &none);
}

bool endpoint_is_v4(const struct endpoint *e)
{
    return ip_is_v4(e->ip);
}

bool endpoint_same_ip(const struct endpoint *a, const struct endpoint *b)
{
    return memcmp(a->ip, b->ip, sizeof a->ip) == 0;
}

bool endpoint_equal(const struct endpoint *a, const struct endpoint *b)
{
    return endpoint_same_ip(a, b) && a->port == b->port && a->transport == b->transport;
}

int endpoint_compare(const struct endpoint *a, const struct endpoint *b)
{
    int c = memcmp(a->ip, b->ip, sizeof a->ip);
    if (c != 0) return c < 0 ? -1 : 1;
    if (a->port != b->port) return a->port < b->port ? -1 : 1;
    if (a->transport != b->transport) return a->transport < b->transport ? -1 : 1;
    return 0;
}

/* Source: the IANA special-purpose registry (RFC 6890), as far as a difference matters to us. */
static enum scope v4_scope(uint32_t ip)
{
    if (ip >> 24 == 0) return SCOPE_NONE;
    if (ip >> 24 == 127) return SCOPE_LOOPBACK;
    if (ip >> 16 == 0xa9fe) return SCOPE_LINK; /* 169.254/16 */
    if (ip >> 24 == 10 || ip >> 20 == 0xac1 || ip >> 16 == 0xc0a8) return SCOPE_PRIVATE;
    if (ip >> 22 == 0x191) return SCOPE_CGN; /* 100.64/10, RFC 6598 */
    if (ip >> 28 == 0xe) return SCOPE_MULTICAST;
    if (ip >> 28 == 0xf) return SCOPE_NONE; /* 240/4 and broadcast */
    return SCOPE_GLOBAL;
}

static enum scope v6_scope(const uint8_t ip[16])
{
    if (get_u64(ip) == 0 && get_u32(ip + 8) == 0)
        return get_u32(ip + 12) == 1 ? SCOPE_LOOPBACK : SCOPE_NONE;
    if (ip[0] == 0xff) return SCOPE_MULTICAST;
    if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0x80) return SCOPE_LINK;
    if (ip[0] == 0xfe && (ip[1] & 0xc0) == 0xc0) return SCOPE_PRIVATE; /* site-local, deprecated */
    if ((ip[0] & 0xfe) == 0xfc) return SCOPE_PRIVATE;
    return SCOPE_GLOBAL;
}

enum scope endpoint_scope(const struct endpoint *e)
{
    return endpoint_is_v4(e) ? v4_scope(get_u32(e->ip + 12)) : v6_scope(e->ip);
}

bool endpoint_is_usable(const struct endpoint *e)
{
    if (e->port == 0 || e->transport == TRANSPORT_NONE) return false;
    switch (endpoint_scope(e)) {
    case SCOPE_LOOPBACK:
    case SCOPE_PRIVATE:
    case SCOPE_CGN:
    case SCOPE_GLOBAL: return true;
    case SCOPE_NONE:
    case SCOPE_LINK:
    case SCOPE_MULTICAST: break;
    }
    return false;
}

bool ip_parse(const char *text, uint8_t ip[16])
{
    memset(ip, 0, 16);
    if (inet_pton(AF_INET, text, ip + 12) == 1) {
        memcpy(ip, mapped, sizeof mapped);
        return true;
    }
    memset(ip, 0, 16);
    if (inet_pton(AF_INET6, text, ip) == 1) return true;
    memset(ip, 0, 16);
    return false;
}

const char *ip_print(const uint8_t ip[16], char out[ENDPOINT_TEXT])
{
    bool v4 = ip_is_v4(ip);
    const char *text = inet_ntop(v4 ? AF_INET : AF_INET6, v4 ? ip + 12 : ip, out, ENDPOINT_TEXT);
    ensure(text);
    return text;
}

/* Decimal, no sign, no leading zero, the whole text. */
static bool port_parse(const char *text, uint16_t *port)
{
    unsigned value = 0;
    if (*text < '1' || *text > '9') return text[0] == '0' && text[1] == 0 && (*port = 0, true);
    for (; *text; text++) {
        if (*text < '0' || *text > '9') return false;
        value = value * 10 + (unsigned)(*text - '0');
        if (value > UINT16_MAX) return false;
    }
    *port = (uint16_t)value;
    return true;
}

/* Copies text[0, len) as a string; false if it does not fit. */
static bool text_cut(char out[ENDPOINT_TEXT], const char *text, size_t len)
{
    if (len >= ENDPOINT_TEXT) return false;
    memcpy(out, text, len);
    out[len] = 0;
    return true;
}

static bool body_parse(const char *text, struct endpoint *e)
{
    char ip[ENDPOINT_TEXT];
    bool bracketed = *text == '[';
    if (bracketed) text++;
    const char *end = strchr(text, bracketed ? ']' : ':');
    if (!end || !text_cut(ip, text, (size_t)(end - text)) || !ip_parse(ip, e->ip)) return false;
    if (bracketed != (strchr(ip, ':') != NULL)) return false; /* brackets are for IPv6 alone */
    if (bracketed && *++end != ':') return false;
    return port_parse(end + 1, &e->port) && !ip_is_v4_compatible(e->ip);
}

bool endpoint_parse(const char *text, struct endpoint *out)
{
    struct endpoint e = {.transport = TRANSPORT_UDP};
    if (strncmp(text, "tcp:", 4) == 0) {
        e.transport = TRANSPORT_TCP;
        text += 4;
    }
    bool good = body_parse(text, &e);
    *out = good ? e : (struct endpoint){0};
    return good;
}

const char *endpoint_print(const struct endpoint *e, char out[ENDPOINT_TEXT])
{
    char ip[ENDPOINT_TEXT];
    bool v4 = endpoint_is_v4(e);
    if (endpoint_is_none(e)) return strcpy(out, "none");
    ip_print(e->ip, ip);
    int len = snprintf(out, ENDPOINT_TEXT, "%s%s%.46s%s:%u",
                       e->transport == TRANSPORT_TCP ? "tcp:" : "", v4 ? "" : "[", ip,
                       v4 ? "" : "]", (unsigned)e->port);
    ensure(len > 0 && len < ENDPOINT_TEXT);
    return out;
}

void endpoint_encode(const struct endpoint *e, uint8_t out[ENDPOINT_WIRE])
{
    out[0] = e->transport;
    memcpy(out + 1, e->ip, 16);
    put_u16(out + 17, e->port);
}

bool endpoint_decode(const uint8_t in[ENDPOINT_WIRE], struct endpoint *out)
{
    struct endpoint e = {.transport = in[0], .port = get_u16(in + 17)};
    memcpy(e.ip, in + 1, 16);
    bool good = e.transport == TRANSPORT_NONE
                    ? endpoint_is_none(&e)
                    : e.transport <= TRANSPORT_TCP && !ip_is_v4_compatible(e.ip);
    *out = good ? e : (struct endpoint){0};
    return good;
}
