/* daemon/resolve.h - HOST:PORT to endpoints: numbers at once, names in the background.
 *
 * resolve_start gives what is numeric or known from last time immediately; names are asked of the system's resolver in
 * libuv's threads, `done` is called once when all have answered. A name that does not resolve keeps its last answer.
 * Bounded: RESOLVE_EACH addresses a name, RESOLVE_MAX in all. */
#pragma once
#include "daemon/config.h"
#include <uv.h>

#define RESOLVE_EACH 4
#define RESOLVE_MAX  32
typedef void resolve_done(void *context);
struct resolve_name {
    uv_getaddrinfo_t request;
    struct resolve *all;
    char text[CONFIG_HOST_TEXT];
    struct endpoint found[RESOLVE_EACH];
    uint32_t count;
    bool asking;
};
struct resolve {
    struct resolve_name names[CONFIG_HOSTS_MAX];
    uint32_t count, asking;
    bool again; /* the list changed while names were asked */
    struct config_hosts wanted;
    resolve_done *done;
    void *context;
    uv_loop_t *loop;
};
void resolve_init(struct resolve *r, uv_loop_t *loop, resolve_done *done, void *context);
void resolve_start(struct resolve *r, const struct config_hosts *hosts);
uint32_t resolve_list(const struct resolve *r,
                      struct endpoint out[RESOLVE_MAX]); /* what is known now */
void resolve_stop(struct resolve *r);                    /* no more calls of done */
