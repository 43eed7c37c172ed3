/* overlay/limits.h - every bound of a node, and what a node costs.
 *
 * `limits_daemon` is what the daemon uses, `limits_sim` what the simulator uses at a million nodes.
 * Full: links: the least useful is dropped, or the newcomer refused if all are more useful; handshakes: cookie mode;
 * queues: the newest is dropped and counted. */
#pragma once
#include <stdbool.h>
#include <stdint.h>

struct limits {
    uint16_t links;      /* sessions held, all kinds */
    uint16_t handshakes; /* half-open, both directions (cookie mode at the bound) */
    uint16_t
        extras; /* links that need more than 128 bytes at once: probing, relayed, hot, rekeying */
    uint16_t inflight;        /* routed frames waiting for an acknowledgement */
    uint16_t passive;         /* remembered peers, 40 bytes each */
    uint16_t records;         /* DHT entries held for others */
    uint16_t record_bytes;    /* the largest value */
    uint16_t requests;        /* own questions under way: look-ups, pings, traces */
    uint16_t waiting_packets; /* inner packets waiting for a path */
    uint16_t members;         /* known certificates of others, all networks */
    uint16_t channels;        /* relay channels carried for others */
    uint16_t hot;             /* sessions in a lane */
    uint16_t seeds;
    uint16_t leaves; /* links kept for newcomers */
    uint16_t
        lookahead; /* links whose peers' own links are kept, 204 bytes each; 0: none, nor told */
    uint32_t hello_filter_bytes;
};
#define LIMIT_LINKS_MAX                                                                            \
    4095 /* links, handshakes: 12 bits of an entry (overlay/state.h, ENTRY_KIND) name one */
extern const struct limits limits_daemon, limits_sim;
/* How much of a limit is in use. */
struct limit_use {
    const char *limit; /* its name in struct limits */
    uint32_t used, max;
};
#define LIMIT_USES 4u /* links, extras, hot, channels */
/* May a node have these? What is out of bounds is not repaired. */
bool limits_are_good(const struct limits *l);
