/* daemon/config.h - ringlet.conf: INI text to a struct, with defaults, and small edits that keep the user's comments.
 *
 * Parsing works on memory alone (it is fuzzed). A wrong key or value is refused with file and line, nothing is guessed.
 * Units: mtu in bytes. Errors: FAIL_CONFIG "FILE:LINE: ...". Cost: a struct of about 6 KiB. */
#pragma once
#include "base/endpoint.h"
#include "daemon/fail.h"
#include "node/node.h"
#include <stddef.h>

#define CONFIG_TEXT_MAX    65536
#define CONFIG_LISTEN_MAX  8
#define CONFIG_HOSTS_MAX   16
#define CONFIG_HOST_TEXT   80 /* HOST:PORT */
#define CONFIG_DEVICE_TEXT 16
#define CONFIG_PORT        7464
#define THREADS_MAX        16
#define THREADS_DEFAULT    1 /* docs/performance.md: no more was ever measured to be better */

struct config_hosts {
    char text[CONFIG_HOSTS_MAX][CONFIG_HOST_TEXT];
    uint32_t count;
};
struct config_listen {
    struct endpoint at[CONFIG_LISTEN_MAX];
    uint32_t count;
};
struct config_network {
    struct name_text name;
    char device[CONFIG_DEVICE_TEXT]; /* empty: ring0.. */
    uint16_t mtu_bytes;              /* 0: the mode's own */
    bool dns, accept_routes;
};
struct config {
    struct config_listen listen;
    struct config_listen tcp; /* count 0 and tcp_same: as listen */
    bool tcp_same;            /* false with count 0: no TCP */
    struct config_hosts advertise, seed, stun;
    bool port_mapping, offload;
    uint8_t threads; /* 0: the default, THREADS_DEFAULT */
    char user[64];   /* empty: ringlet, else nobody */
    uint32_t owner;  /* uid of the file's, by config_read */
    char log[96];
    struct config_network networks[NETWORKS_MAX];
    uint32_t network_count;
    struct limits limits;
};

void config_defaults(struct config *c);
/* `file` is only for messages. */
bool config_parse(struct config *c, const char *text, size_t len, const char *file, struct fail *f);
/* The section of a network, or the defaults for one that has none. */
struct config_network config_network(const struct config *c, const char *name);

/* HOST:PORT, with an optional tcp: before it; the host is a name or an address, IPv6 in brackets. */
bool config_host_valid(const char *text);
/* error warn info debug, or a list of trace classes */
bool config_log_valid(const char *text);
bool config_device_valid(const char *text);
/* As it stands in a file, for `config check`: calls `each` with section, key and value. */
typedef void config_each(void *context, const char *section, const char *key, const char *value);
void config_walk(const struct config *c, config_each *each, void *context);
/* A key that is read and checked, but that nothing in this version looks at. */
bool config_unused(const char *key);
