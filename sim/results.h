/* sim/results.h - all that one run showed, as integers; the reports print it.
 *
 * Owns: nothing; about 180 KiB by value. */
#pragma once
#include "sim/check.h"
#include "sim/lookups.h"
#include "sim/measure.h"
#include "sim/records.h"
#include "sim/scenario.h"
#include "sim/traffic.h"

#define ASTRAY_MAX 5 /* nodes with wrong neighbours that are named */
struct phase_result {
    uint64_t at_us;
    uint64_t ended_us;    /* the last node started, the partition healed..; TIME_NEVER: not yet */
    uint64_t complete_us; /* the ring was first found perfect after that; TIME_NEVER: never */
};
struct expect_result {
    bool held;
    bool known;     /* there is a value */
    uint64_t value; /* in the limit's unit */
    uint64_t limit; /* the limit, with log2n worked out */
};
#define SAMPLES_MAX 501u
struct sample { /* what was seen at one moment; counts since the beginning */
    uint64_t at_us;
    uint64_t bytes, datagrams; /* sent by all nodes, 28 a datagram counted */
    struct lookup_counts lookups;
    uint32_t live;
    uint32_t looked_at, right; /* nodes; of those, both neighbours right */
};
struct results {
    uint64_t seed;
    uint32_t nodes, live; /* asked for; there at the end */
    bool stopped;         /* by the person, before its end */
    uint64_t sim_us, events, datagrams;
    bool complete;
    uint64_t complete_us; /* TIME_NEVER: not since the last phase that changed who is there */
    uint32_t rings, wound, outside;
    struct astray astray[ASTRAY_MAX];
    uint32_t astray_count;
    uint32_t breaks; /* times that a perfect ring was found broken with nobody come or gone */
    struct phase_result phases[PHASES_MAX];
    struct lookup_counts lookups[PHASES_MAX]; /* by phase */
    struct histogram hops, latency_us, stretch;
    struct records_told records;
    uint64_t upkeep_us;      /* length of its window; 0: not measured */
    uint64_t rest_events;    /* in that window */
    struct histogram upkeep; /* thousandths of a byte a second, by node */
    struct traffic traffic;  /* in that window, of all nodes */
    uint64_t links[4];       /* link ends by enum path_kind */
    uint64_t drops[DROP_COUNT], net[NET_COUNT_COUNT];
    uint64_t joined, joined_us_mean;
    uint64_t in_flight_max;
    struct { /* bytes at their largest, but for the nodes: of one */
        uint64_t node, pools, pools_end, in_flight, tables;
    } memory;
    uint64_t hash, links_hash; /* of all state; only of who has which near links to whom */
    uint64_t vouched;          /* keep-alives that were charged, not queued */
    struct expect_result expects[EXPECTS_MAX];
    struct sample samples[SAMPLES_MAX]; /* at even distances */
    uint32_t sample_count;
};
