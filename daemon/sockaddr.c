#include "daemon/sockaddr.h"

#include "base/bytes.h"
#include <netinet/in.h>
#include <string.h>

socklen_t sockaddr_of(const struct endpoint *e, struct sockaddr_storage *out)
{
    if (endpoint_is_v4(e)) {
        struct sockaddr_in *v4 = (struct sockaddr_in *)out;
        *v4 = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons(e->port)};
        memcpy(&v4->sin_addr, e->ip + 12, 4);
        return sizeof *v4;
    }
    struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)out;
    *v6 = (struct sockaddr_in6){.sin6_family = AF_INET6, .sin6_port = htons(e->port)};
    memcpy(&v6->sin6_addr, e->ip, 16);
    return sizeof *v6;
}

struct endpoint sockaddr_endpoint(const struct sockaddr *a, uint8_t transport)
{
    struct endpoint e = {0};
    if (a->sa_family == AF_INET) {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)(const void *)a;
        e = endpoint_v4(ntohl(v4->sin_addr.s_addr), ntohs(v4->sin_port));
    } else if (a->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)a;
        memcpy(e.ip, &v6->sin6_addr, 16);
        e.port = ntohs(v6->sin6_port);
    } else {
        return e;
    }
    e.transport = transport;
    return e;
}

bool endpoint_is_any(const struct endpoint *e)
{
    static const uint8_t zero[16];
    return memcmp(e->ip, zero, 16) == 0 || (endpoint_is_v4(e) && get_u32(e->ip + 12) == 0);
}
