/* overlay/control.c - MessagePack bodies: which operation, and to whom it goes. One screen; each operation has its own function. */
#include "overlay/core.h"

static void on_close(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
                     struct outbox *out)
{
    uint64_t reason = unpack_uint(u, 255);
    if (u->bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct id id = *link_id(o, l);
    bool near = l->kinds & KIND_NEAR;
    link_close(o, l, now_us, reason == 1 ? "it left" : "the other end closed it", out);
    if (near && reason == 1) { /* a gap in the ring: look around now */
        o->ring_due_us = now_us + MILLIS(50);
        o->repair_us = SECONDS(1);
        wake_at(o, o->ring_due_us);
        fail_note(o, &id, now_us);
    }
    join_state(o, now_us, out);
}

static void on_dead(struct overlay *o, uint64_t now_us, const struct link *by, struct unpack *u,
                    struct outbox *out)
{
    struct id id;
    unpack_copy(u, id.b, ID_SIZE);
    struct link *l = u->bad ? NULL : link_by_id(o, &id);
    if (u->bad) drop(o, DROP_MALFORMED);
    if (l && (by->kinds & KIND_NEAR)) /* a neighbour's word, and a report alone removes nobody */
        link_doubt(o, l, now_us, now_us - link_rto_us(l), out);
}

static void on_link_control(struct overlay *o, uint64_t now_us, struct link *l, unsigned op,
                            struct unpack *u, uint32_t places, struct outbox *out)
{
    switch (op) {
    case CONTROL_NEAR: on_near(o, now_us, l, u, places, out); break;
    case CONTROL_CANDIDATES: on_candidates(o, now_us, l, u, out); break;
    case CONTROL_RELAY_OPEN:
    case CONTROL_RELAY_OK:
    case CONTROL_RELAY_NO:
    case CONTROL_RELAY_IN: on_relay(o, now_us, l, op, u, out); break;
    case CONTROL_CLOSE: on_close(o, now_us, l, u, out); break;
    case CONTROL_DEAD: on_dead(o, now_us, l, u, out); break;
    case CONTROL_MESSAGE: on_message(o, now_us, l, u, out); break;
    case CONTROL_TAKEN: on_taken(o, now_us, l, u, out); break;
    case CONTROL_BROADCAST: on_broadcast(o, now_us, l, u, out); break;
    case CONTROL_COUNT: on_count(o, now_us, l, u, out); break;
    case CONTROL_COUNTED: on_counted(o, now_us, l, u, out); break;
    case CONTROL_LINKS: on_links(o, l, u); break;
    case CONTROL_MET: on_met(o, now_us, l, u, out); break;
    default: drop(o, DROP_TYPE);
    }
}

static void on_routed_control(struct overlay *o, uint64_t now_us, const struct arrival *a,
                              unsigned op, struct unpack *u, struct outbox *out)
{
    switch (op) {
    case CONTROL_FIND: on_find(o, now_us, a, u, out); break;
    case CONTROL_FOUND: on_found(o, now_us, u, out); break;
    case CONTROL_HOP: on_hop(o, now_us, u, out); break;
    case CONTROL_GET:
    case CONTROL_GOT:
    case CONTROL_PUT:
    case CONTROL_STORE: on_dht(o, now_us, a, op, u, out); break;
    default: drop(o, DROP_TYPE);
    }
}

struct pack control_pack(uint8_t *frame, size_t max, unsigned op, uint32_t count)
{
    struct pack k = pack_of(frame + 1, max - 1);
    frame[0] = KIND_CONTROL;
    pack_array(&k, count);
    pack_uint(&k, op);
    return k;
}

void on_control(struct overlay *o, uint64_t now_us, struct link *l, const struct arrival *a,
                const uint8_t *frame, size_t len, struct outbox *out)
{
    struct unpack u = unpack_of(frame + 1, len - 1);
    uint32_t places = unpack_array(&u, 1, 32);
    unsigned op = (unsigned)unpack_uint(&u, 255);
    if (u.bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    /* a sealed frame of the link itself, or an unsealed body that came over the ring: each has operations of its own */
    if (a->plain)
        on_routed_control(o, now_us, a, op, &u, out);
    else
        on_link_control(o, now_us, l, op, &u, places - 1, out);
}
