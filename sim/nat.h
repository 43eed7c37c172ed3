/* sim/nat.h - one NAT box: mapping x filtering x timeout x hairpin, by natlab's kinds.
 *
 *   kind             mapping                 filtering               outside port
 *   full-cone        endpoint-independent    endpoint-independent    the host's own if it is free, else random
 *   restricted       endpoint-independent    address-dependent       the same
 *   port-restricted  endpoint-independent    address and port        the same
 *   upnp             as port-restricted, and the gateway has mapped the port of the first host behind it for good
 *   linux            endpoint-independent    address and port        the host's own; random towards where another host has it
 *   cgn              endpoint-independent    address and port        random, anew after all lapsed
 *   symmetric        address and port        address and port        random, one a destination
 *   symmetric-seq    address and port        address and port        20000 and up, 4096 of them
 *   udp-blocked      as linux, for TCP; UDP does not get through (sim/world_step.c)
 *
 * tests/unit/nat_kinds.sh compares what a box does with what tests/natlab says of its kinds.
 * An entry (one inside endpoint, one remote address and port) lives 30 s, and `timeout` once an answer came back;
 * packets in either direction renew it, as Linux does. Who stands behind a box, and behind which: sim/home.h.
 *
 * Source: RFC 4787 sections 4, 5. Units: microseconds, addresses in host order.
 * Owns:   a box owns its table (NAT_ENTRIES_MAX for each host or box behind it; full: the one idle longest goes).
 * Errors: out of memory stops the program. Cost: a scan of the table a datagram. */
#pragma once
#include "base/rng.h"
#include "sim/scenario.h"

#define NAT_ENTRIES_MAX   512u
#define NAT_UNANSWERED_US (UINT64_C(30) * MILLION) /* Linux: nf_conntrack_udp_timeout */

struct nat_world { /* what all boxes of a run share */
    uint8_t key[16];
    struct nat_spec spec;
};
struct nat_inside { /* an endpoint behind a box */
    uint32_t who;   /* number of the host, or of the home whose box it is */
    uint16_t port;
};
struct nat_entry {
    uint64_t used_us;
    uint32_t ip, who;
    uint16_t port, outside, inside;
    bool answered;
};
struct nat_box {
    uint8_t type;          /* enum nat_type */
    bool hairpin, carrier; /* carrier: what stands behind it are boxes */
    uint32_t count, room, most;
    uint32_t node, drawn;     /* whose random ports it draws; how many */
    uint32_t users;           /* hosts, or boxes, behind it */
    struct nat_box *outer;    /* it stands behind that; NULL: its address is public */
    struct nat_inside mapped; /* NAT_TYPE_UPNP: whose port is mapped, to itself; port 0: nobody's */
    struct nat_entry *entries;
};
/* What a node draws from that no other does. */
enum nat_draw {
    NAT_DRAW_KIND,
    NAT_DRAW_ADDRESS,
    NAT_DRAW_BEHIND,
    NAT_DRAW_HAIRPIN,
    NAT_DRAW_CARRIER_HAIRPIN
};

void nat_world_init(struct nat_world *w, const struct nat_spec *spec, const struct rng *root);
uint64_t nat_draw(const struct nat_world *w, uint32_t node, enum nat_draw what);
bool nat_draw_share(const struct nat_world *w, uint32_t node, enum nat_draw what, uint32_t share);
enum nat_type nat_pick(const struct nat_world *w, uint32_t node); /* from the mix */
struct nat_box *nat_new(enum nat_type type, uint32_t node, uint32_t behind_it);
void nat_free(struct nat_box *b); /* NULL is fine */
/* A datagram leaves from that endpoint; returns the port it has outside. */
uint16_t nat_out(struct nat_box *b, const struct nat_world *w, uint64_t now_us,
                 struct nat_inside inside, uint32_t to_ip, uint16_t to_port);
/* A datagram came to this outside port: does it get in, and to whom? hairpin: it is from behind the box itself, and not filtered. */
bool nat_in(struct nat_box *b, const struct nat_world *w, uint64_t now_us, uint16_t outside,
            uint32_t from_ip, uint16_t from_port, bool hairpin, struct nat_inside *inside);
bool nat_hairpins(const struct nat_box *b); /* only boxes with endpoint-independent mappings do */
/* Is there a live mapping towards that remote endpoint, along which both ways are open? Its outside port. Changes nothing. */
bool nat_holds(const struct nat_box *b, const struct nat_world *w, uint64_t now_us,
               struct nat_inside inside, uint32_t ip, uint16_t port, uint16_t *outside);
/* Whose mapping it is. */
bool nat_whose(const struct nat_box *b, const struct nat_world *w, uint64_t now_us,
               uint16_t outside, uint32_t ip, uint16_t port, struct nat_inside *inside);
/* Packets go both ways along it then; later than now: until then it lives. */
void nat_renew(struct nat_box *b, uint64_t at_us, struct nat_inside inside, uint32_t ip,
               uint16_t port);
