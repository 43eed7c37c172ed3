/* What a box of each kind in sim/nat does, measured as RFC 5780 would, in the words of tests/natlab: one line a kind,
 * KIND MAPPING FILTERING PORTS HAIRPIN; and what a scenario gets that says nothing else. tests/unit/nat_kinds.sh compares them. */
#include "base/time.h"
#include "sim/nat.h"
#include <stdio.h>

#define HOST_PORT 7464u
#define A_IP      0x0b000101u
#define B_IP      0x0c000101u
#define STRANGER  0x0d000101u
#define HOST      ((struct nat_inside){1, HOST_PORT})

static struct nat_world w;

static bool lets_in(struct nat_box *b, uint16_t port, uint32_t ip, uint16_t from)
{
    struct nat_inside inside;
    return nat_in(b, &w, 1, port, ip, from, false, &inside) && inside.who == HOST.who;
}

static void tell(enum nat_type type)
{
    struct nat_box *b = nat_new(type, 1, 1);
    uint16_t a = nat_out(b, &w, 0, HOST, A_IP, 1000),
             other_port = nat_out(b, &w, 0, HOST, A_IP, 1001),
             other_ip = nat_out(b, &w, 0, HOST, B_IP, 1000);
    const char *mapping = a == other_ip ? a == other_port ? "EIM" : "?"
                                        : (a == other_port ? "ADM" : "APDM");
    const char *filtering = lets_in(b, a, STRANGER, 5) ? "EIF"
                            : lets_in(b, a, A_IP, 5)   ? "ADF"
                                                       : "APDF";
    if (!lets_in(b, a, A_IP, 1000)) filtering = "?";
    const char *ports = a == HOST_PORT ? "preserved" : other_port == a + 1 ? "step+1" : "random";
    b->hairpin = true;
    printf("%s %s %s %s %s\n", nat_type_name(type), mapping, filtering, ports,
           nat_hairpins(b) ? "yes" : "no");
    nat_free(b);
}

int main(void)
{
    struct rng root;
    uint8_t seed[32] = {5};
    rng_seed(&root, seed);
    nat_world_init(&w, &(struct nat_spec){.timeout_us = SECONDS(120)}, &root);
    for (unsigned type = NAT_TYPE_FULL_CONE; type < NAT_TYPE_COUNT; type++)
        if (type != NAT_TYPE_UDP_BLOCKED) tell(type); /* nothing passes by UDP: sim/world_step.c */
    static struct scenario s;
    static const char text[] = "nodes 1\nend 1s\n";
    char error[SCENARIO_ERROR];
    if (!scenario_parse(&s, "", text, sizeof text - 1, error)) return 1;
    printf("default hosts=%u hairpin=%s timeout=%u\n", s.nat.hosts, s.nat.hairpin ? "yes" : "no",
           (unsigned)(s.nat.timeout_us / SECONDS(1)));
    return 0;
}
