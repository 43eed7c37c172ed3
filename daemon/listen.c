#include "daemon/listen.h"

#include "daemon/sockaddr.h"
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

void listen_default(struct config_listen *out, uint16_t port)
{
    *out = (struct config_listen){.count = 2};
    out->at[0] = endpoint_v4(0, port);
    out->at[1] = (struct endpoint){.port = port, .transport = TRANSPORT_UDP};
}

static bool taken(const struct endpoint *e, int type)
{
    struct sockaddr_storage to;
    socklen_t len = sockaddr_of(e, &to);
    int one = 1, fd = socket(to.ss_family, type | SOCK_CLOEXEC, 0);
    if (fd < 0) return false;
    (void)setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &one, sizeof one);
    if (type == SOCK_STREAM) (void)setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    bool yes = bind(fd, (struct sockaddr *)&to, len) != 0 && errno == EADDRINUSE;
    close(fd);
    return yes;
}

bool listen_free(const struct config_listen *l, struct fail *f)
{
    char text[ENDPOINT_TEXT];
    for (uint32_t i = 0; i < l->count; i++)
        if (taken(&l->at[i], SOCK_DGRAM))
            return fail(f, FAIL_IN_USE, "choose another port with --listen ADDR:PORT",
                        "%s is in use by another program", endpoint_print(&l->at[i], text));
    return true;
}

bool listen_random(struct config_listen *out, struct rng *r, struct fail *f)
{
    for (int tries = 0; tries < 64; tries++) {
        listen_default(out, (uint16_t)rng_between(r, 20000, 60999));
        bool free = true;
        for (uint32_t i = 0; i < out->count; i++)
            free = free && !taken(&out->at[i], SOCK_DGRAM) && !taken(&out->at[i], SOCK_STREAM);
        if (free) return true;
    }
    return fail(f, FAIL_IN_USE, "choose a port with --listen ADDR:PORT", "no free port found");
}
