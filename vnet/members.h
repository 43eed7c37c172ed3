/* vnet/members.h - known members: verified certificates of others, found by id, address or name.
 *
 * Filled only with memberships whose chain verified. An address has one holder: who was known first keeps it against a
 * later member, unless its own is only derived and the later one's is fixed by its certificate; then the derived one yields.
 * Who is refused stays a member without that address. A second id with the same IPv6 prefix bits is refused altogether.
 * One whose slot of an invite is another's (node/slot.c) is remembered as refused: found by id only, it holds no address and no name.
 *
 * Members stand at list[0 .. count), with holes where `used` is false; a place is used again, so a pointer is good
 * until the next members_put. members_expire makes room when the calendar moves.
 *
 * Units: calendar seconds for *_s, microseconds for *_us. Owns: its arrays, grown by doubling within the bound.
 * Errors: ERR_FULL only when the bound is 0: else the one unheard for longest goes first, of those without a session; ERR_CONFLICT: the second id;
 * ERR_NO_MEMORY. Cost: sizeof(struct member), about 900 bytes, a member; look-ups walk the list. */
#pragma once
#include "base/err.h"
#include "overlay/cert.h"
#include <stdbool.h>

enum member_slot {                /* the slot of an invite on which a membership stands */
                   SLOT_NONE,     /* on none: issued by the network's authority itself */
                   SLOT_ASKING,   /* provisional: the ring is being asked who holds it */
                   SLOT_ACCEPTED, /* nobody says that another holds it; asked again later */
                   SLOT_HELD,     /* by this member, the ring says */
                   SLOT_REFUSED   /* another holds it */
};
struct slot_check {
    uint8_t state;             /* enum member_slot */
    uint8_t asked;             /* how often, modulo 256: an old answer is not taken for a new one */
    uint8_t waits;             /* times in a row that nobody knew */
    bool told;                 /* people were told that it is refused */
    uint64_t due_us, since_us; /* asked again; when it was met */
    struct id holder;          /* REFUSED: who holds it */
};
struct member {
    struct membership is;
    uint8_t network; /* number */
    uint32_t ipv4;   /* held: fixed, or the derived one it claimed; 0 none */
    uint8_t ipv6[16];
    struct slot_check slot; /* members_put begins it anew, but for `told`, when it shows another */
    uint64_t seen_us;       /* while it is not up: when it last was, or showed its certificate */
    bool used, up;          /* up: there is a session with it */
};
struct members {
    struct member *list;
    uint32_t count, room, max;
};
void members_init(struct members *m, uint32_t max);
void members_fini(struct members *m);
/* Do both certificates name the same slot of the same invite? */
bool same_slot(const struct membership *a, const struct membership *b);
/* Add or refresh. *conflict is set when its IPv4 was refused because another member holds it. */
MUST_CHECK enum err members_put(struct members *m, uint8_t network, const struct membership *is,
                                uint32_t ipv4, const uint8_t ipv6[16], uint64_t now_us,
                                bool *conflict);
/* NULL: unknown. network -1: any. */
struct member *members_by_id(const struct members *m, int network, const struct id *id);
struct member *members_by_ip(const struct members *m, int network, const uint8_t ip[16]);
/* Case does not matter. *matches (may be NULL) is how many bear the name; the first of them is returned. */
struct member *members_by_name(const struct members *m, int network, const char *name,
                               uint32_t *matches);
/* A session with `id` began or ended: its memberships are up or not. True: that was so already. */
bool members_up(struct members *m, const struct id *id, bool up, uint64_t now_us);
void members_forget(struct members *m, struct member *one);
void members_forget_network(struct members *m, uint8_t network);
/* Forget whose certificates are over, with the certificates' tolerance; 0: the calendar is unknown. How many went. */
uint32_t members_expire(struct members *m, uint64_t now_s);
