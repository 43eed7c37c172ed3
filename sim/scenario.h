/* sim/scenario.h - what a scenario file says: the network, what happens when, what is expected.
 *
 * docs/simulation.md has the grammar. Parsed from memory, without files or clocks.
 *
 * Units:  times in microseconds, shares and decimals in millionths.
 * Owns:   nothing; everything is copied by value.
 * Errors: false, and "FILE:LINE: what" in `error`. Cost: one pass; sizeof(struct scenario) 30 KiB. */
#pragma once
#include "sim/text.h"

#define SCENARIO_ERROR 1024
#define SCENARIO_NAME  256
#define PHASES_MAX     64
#define EXPECTS_MAX    64
#define SCENARIO_NODES 4000000u /* so many addresses the simulated internet has */
#define SCENARIO_SEEDS 1024u
#define REGIONS_MAX    8u
#define EXPECT_TEXT    160
#define SIDES_MAX      8u
#define RECORDS_MAX    1000000u /* of one phase */
#define RECORD_TTL_MAX (UINT64_C(24) * 3600 * MILLION)
#define SKEW_MAX_US    (UINT64_C(1000) * 3600 * MILLION)

/*   kind of NAT      text */
#define NAT_TYPES(X)                                                                               \
    X(NONE, "none")                                                                                \
    X(FULL_CONE, "full-cone")                                                                      \
    X(RESTRICTED, "restricted")                                                                    \
    X(PORT_RESTRICTED, "port-restricted")                                                          \
    X(LINUX, "linux")                                                                              \
    X(SYMMETRIC, "symmetric")                                                                      \
    X(SYMMETRIC_SEQ, "symmetric-seq")                                                              \
    X(CGN, "cgn")                                                                                  \
    X(UPNP, "upnp")                                                                                \
    X(UDP_BLOCKED, "udp-blocked")
enum nat_type {
#define X(name, text) NAT_TYPE_##name,
    NAT_TYPES(X)
#undef X
        NAT_TYPE_COUNT
};
const char *nat_type_name(enum nat_type t);

#define NAT_HOSTS_MAX 16u
#define NAT_HOMES_MAX 64u

enum network_model { NETWORK_CONSTANT, NETWORK_REGIONS, NETWORK_MATRIX };
struct network_spec {
    uint8_t model;
    uint32_t regions;    /* NETWORK_REGIONS */
    uint64_t latency_us; /* NETWORK_CONSTANT: one way */
    uint32_t loss;       /* of each datagram */
    uint32_t reach;      /* of the pairs of nodes that hear each other; 0: all */
    uint64_t bits_per_s; /* of a node's way out; 0: no bound */
    char matrix[SCENARIO_NAME];
};
struct nat_spec {
    uint32_t share[NAT_TYPE_COUNT]; /* together one million */
    uint64_t timeout_us;            /* of a mapping that was answered */
    uint32_t hosts;                 /* behind each box, at least 1 */
    uint32_t hairpin; /* of the boxes: hosts reach each other by the box's public address */
    uint32_t behind;  /* of the boxes: stand behind a carrier's */
    uint32_t homes;   /* behind each carrier's box */
};

/*   what happens      text */
#define PHASES(X)                                                                                  \
    X(JOIN, "join")                                                                                \
    X(LOOKUPS, "lookups")                                                                          \
    X(KILL, "kill")                                                                                \
    X(LEAVE, "leave")                                                                              \
    X(PARTITION, "partition")                                                                      \
    X(CHURN, "churn")                                                                              \
    X(PUT, "put")                                                                                  \
    X(HOSTILE, "hostile")
enum phase_kind {
#define X(name, text) PHASE_##name,
    PHASES(X)
#undef X
        PHASE_COUNT
};
enum churn_kind { CHURN_EXPONENTIAL, CHURN_WEIBULL, CHURN_PARETO };
enum hostility {
    HOSTILE_NONE,
    HOSTILE_DROP,
    HOSTILE_MISROUTE,
    HOSTILE_LIE,
    HOSTILE_FLOOD,
    HOSTILE_COUNT
};
struct phase {
    uint8_t kind;       /* enum phase_kind */
    uint8_t churn;      /* CHURN: enum churn_kind of session lengths */
    uint8_t hostility;  /* HOSTILE: enum hostility */
    uint8_t side_count; /* PARTITION: in sides; the rest of the nodes is one more */
    bool all;           /* JOIN: whoever has not started yet */
    bool pairs;         /* LOOKUPS: of nodes, not of random ids */
    bool records;       /* LOOKUPS: of records that were put */
    uint32_t line;
    uint64_t at_us;
    uint64_t over_us; /* spread over, or lasting, so long */
    uint32_t count;   /* JOIN, LOOKUPS, PUT */
    uint32_t seeds;   /* JOIN: 0: as before */
    uint32_t
        share; /* KILL, LEAVE, HOSTILE: of the live nodes. CHURN: of those that go, leave in good order */
    uint32_t sides[SIDES_MAX]; /* PARTITION: shares of the live nodes */
    uint64_t timeout_us;       /* LOOKUPS: 0: the node's own */
    uint64_t median_us;        /* CHURN: of a session */
    uint64_t ttl_us;           /* PUT */
    char text[EXPECT_TEXT];
};
const char *phase_name(enum phase_kind k);
/* It changes who is there or who reaches whom: the ring is watched after it. */
bool phase_is_watched(uint8_t kind);

/*   metric          text of its first words    how its value is written */
#define METRICS(X)                                                                                 \
    X(RING_BY, "ring complete by", TIME)                                                           \
    X(RING_AFTER, "ring complete after", TIME)                                                     \
    X(RING_COMPLETE, "ring complete", NOTHING)                                                     \
    X(RINGS, "rings", NUMBER)                                                                      \
    X(LOOKUPS_OK, "lookups ok", SHARE)                                                             \
    X(LOOKUPS_WRONG, "lookups wrong", NUMBER)                                                      \
    X(HOPS, "hops", HOPS)                                                                          \
    X(LATENCY, "latency", TIME)                                                                    \
    X(STRETCH, "stretch", DECIMAL)                                                                 \
    X(UPKEEP, "upkeep", RATE)                                                                      \
    X(DIRECT, "links direct", SHARE)                                                               \
    X(RECORDS_PUT, "records put", NUMBER)                                                          \
    X(RECORDS_LOST, "records lost", NUMBER)
enum metric {
#define X(name, text, value) METRIC_##name,
    METRICS(X)
#undef X
        METRIC_COUNT
};
enum value_kind {
    VALUE_NOTHING, /* it holds or not */
    VALUE_TIME,    /* microseconds */
    VALUE_NUMBER,
    VALUE_SHARE,   /* millionths */
    VALUE_DECIMAL, /* millionths */
    VALUE_HOPS,    /* millionths; or a multiple of log2 of the number of nodes */
    VALUE_RATE     /* millionths of a byte a second and node */
};
enum value_kind metric_value(enum metric m);
enum statistic { STAT_MEAN, STAT_P50, STAT_P99, STAT_MAX };
struct expectation {
    uint8_t metric;    /* enum metric */
    uint8_t statistic; /* enum statistic: HOPS, LATENCY, STRETCH, UPKEEP */
    uint8_t after;     /* RING_AFTER: enum phase_kind */
    bool at_least;     /* else at most */
    bool log2n;        /* HOPS: limit is a multiple of log2 N */
    uint32_t line;
    uint64_t limit;
    bool at_given; /* LOOKUPS_*: only those of phases that begin at at_us */
    uint64_t at_us;
    char text[EXPECT_TEXT]; /* as written, without `expect` */
};

struct scenario {
    char file[SCENARIO_NAME];
    uint32_t nodes;
    struct network_spec network;
    struct nat_spec nat;
    uint64_t end_us;
    uint64_t skew_us; /* greatest error of a node's calendar */
    uint64_t
        upkeep_us; /* the window of upkeep begins then; if upkeep_line is 0: after the last phase */
    uint32_t phase_count, expect_count;
    struct phase phases[PHASES_MAX]; /* by at_us; written order where equal */
    struct expectation expects[EXPECTS_MAX];
    uint32_t nodes_line, network_line, nat_line, clock_line, end_line,
        upkeep_line; /* 0: not said */
};

/* `file` only names it in messages. */
bool scenario_parse(struct scenario *s, const char *file, const char *text, size_t len,
                    char error[SCENARIO_ERROR]);
/* Does it fit together? Asked again after options changed it. */
bool scenario_check(const struct scenario *s, char error[SCENARIO_ERROR]);
/* One line of a network's words ("constant 50ms loss 1%"), for options. */
bool network_parse(struct network_spec *n, struct line *l, const char **why);
