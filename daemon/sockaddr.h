/* daemon/sockaddr.h - endpoints to and from what the system calls take. IPv4 and IPv6 keep their own families. */
#pragma once
#include "base/endpoint.h"
#include <sys/socket.h>

socklen_t sockaddr_of(const struct endpoint *e, struct sockaddr_storage *out);
/* None if it is neither IPv4 nor IPv6. */
struct endpoint sockaddr_endpoint(const struct sockaddr *a, uint8_t transport);
bool endpoint_is_any(const struct endpoint *e); /* 0.0.0.0 or :: */
