/* overlay/patience.c - how long may a quiet link say nothing, so that no NAT forgets it? And how many PINGs mean that its end is silent?
 *
 * 25 s, unless both ends are patient: nothing in front of them forgets a path within a minute. Without a NAT that is taken for granted. With
 * one it is tried, on one link at a time whose other end is patient: we tell it that we try, are patient there, and say nothing until it
 * pings. If that arrives after a minute of our silence, our NAT remembers so long. If it does not, the other end asks around the path, we
 * open it again, and try once more in an hour. A link to a near neighbour is asked every 25 s all the same: deaths are noticed there.
 *
 *   a link to try, silence --its ping came--> remembers --a patient path went silent, or we moved--> not any more
 *
 * Source: RFC 4787 REQ-5, REQ-6; Hatonen et al., "An experimental study of home gateway characteristics" (IMC 2010);
 * docs/decisions/0021. Units: the low 32 bits of milliseconds inside. Errors: none. Cost: a link's flags; once in 10 s at most 8 draws. */
#include "overlay/core.h"

#define LOOK_EVERY_MS 10000u
#define AGAIN_MS      3600000u
#define DOUBT_MS                                                                                   \
    600000u /* it was proven once: the silence may have been chance, or the other end's NAT */
#define PROOF_MS     55000u /* a ping every minute, and two clocks */
#define EXCHANGE_MS  10000u /* what comes so soon after us answers us, or goes with it */
#define PINGS        3u
#define LOSS_OF      16u     /* the share of lost ones is that of the last so many, nearly */
#define TRIAL_MAX_MS 100000u /* the other end's ping is late by its slack and its retries */
#define DRAWS        8u

uint64_t keep_us(const struct overlay *o, const struct link *l)
{
    bool near = l->kinds & KIND_NEAR;
    if (link_path(l) != PATH_DIRECT) return near ? KEEP_PATIENT_US : KEEP_TUNNEL_US;
    return !near && l->patient && patient(o, l) ? KEEP_PATIENT_US : KEEP_US;
}

bool patience_tries(const struct overlay *o, const struct link *l)
{
    return o->spare == link_slot(o, l);
}

bool patient(const struct overlay *o, const struct link *l)
{
    return o->remembers || o->open || patience_tries(o, l);
}

static void found_out(struct overlay *o, bool remembers, bool open)
{
    if ((remembers || open) != (o->remembers || o->open)) overlay_unvouch(o); /* all hear that */
    o->remembers = remembers;
    o->open = open;
}

static void look_later(struct overlay *o, uint64_t now_us, uint32_t ms)
{
    o->spare = NO_SLOT;
    o->patience_ms = ms32(now_us) + ms;
}

void patience_sent(struct overlay *o, const struct link *l, uint64_t now_us)
{
    if (patience_tries(o, l)) o->patience_ms = ms32(now_us);
}

void patience_heard(struct overlay *o, const struct link *l, uint64_t now_us)
{
    uint32_t silent_ms = ms32(now_us) - o->patience_ms;
    if (!patience_tries(o, l) || silent_ms < EXCHANGE_MS) return;
    if (silent_ms >= PROOF_MS) {
        char id[ID_TEXT];
        found_out(o, true, o->open);
        trace(o->trace, now_us, PATH, "%.8s > our NAT remembers for a minute",
              id_print(link_id(o, l), id));
    }
    look_later(o, now_us, LOOK_EVERY_MS); /* proven; or too lively a link to try anything with */
}

void patience_lost(struct overlay *o, uint64_t now_us, const struct link *l, struct outbox *out)
{
    bool trial = patience_tries(o, l);
    if (!trial && (keep_us(o, l) <= KEEP_US || l->trial || (l->s.flags & SESSION_HOT))) return;
    look_later(o, now_us, trial || o->open ? AGAIN_MS : DOUBT_MS);
    if (trial) return;
    found_out(o, false, false); /* or the other end's does not: nobody knows */
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *p = order_at(o, i);
        bool waits = p != l && p->patient && link_path(p) == PATH_DIRECT && !(p->kinds & KIND_NEAR);
        if (waits) link_verify(o, p, now_us, out); /* they hear that we are not patient any more */
    }
}

void patience_forget(struct overlay *o, uint64_t now_us)
{
    bool waits = o->spare == NO_SLOT && (int32_t)(o->patience_ms - ms32(now_us)) > 0;
    found_out(o, false, false);
    if (!waits) look_later(o, now_us, LOOK_EVERY_MS);
}

/* Not within our own network, nor over IPv6: no NAT of ours is on that path, and what comes proves nothing. */
static bool may_be_tried(const struct link *l)
{
    struct endpoint at = link_endpoint(l);
    return l->state == LINK_UP && link_path(l) == PATH_DIRECT && l->patient && !l->trial &&
           !l->tries && !(l->kinds & KIND_NEAR) && !(l->s.flags & (SESSION_HOT | LINK_TCP)) &&
           endpoint_is_v4(&at) && endpoint_scope(&at) != SCOPE_PRIVATE;
}

static void trial_begin(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    for (unsigned i = 0; i < DRAWS && o->up_count; i++) {
        struct link *l = order_at(o, (uint16_t)rng_below(&o->rng, o->up_count));
        if (!may_be_tried(l)) continue;
        link_unvouch(o, l);
        o->spare = link_slot(o, l);
        o->patience_ms = ms32(now_us);
        link_ping(o, l, now_us, NULL, 0, out); /* says so; its PONG is the last that we ask for */
        return;
    }
}

void patience_tick(struct overlay *o, uint64_t now_us, struct outbox *out)
{
    uint32_t now_ms = ms32(now_us);
    if (o->spare != NO_SLOT) {
        const struct link *l = &o->links[o->spare];
        bool lost = l->state == LINK_UP && link_path(l) != PATH_DIRECT;
        if (lost || now_ms - o->patience_ms > TRIAL_MAX_MS)
            look_later(o, now_us, AGAIN_MS);
        else if (!may_be_tried(l))
            look_later(o, now_us, LOOK_EVERY_MS);
        return;
    }
    if ((int32_t)(now_ms - o->patience_ms) < 0) return; /* pings wake us often enough */
    look_later(o, now_us, LOOK_EVERY_MS);
    found_out(o, o->remembers,
              observe_mapping(&o->observe, o->locals, o->local_count) == MAPPING_NONE);
    if (!o->remembers && !o->open && o->joined) trial_begin(o, now_us, out);
}

/* --- how many PINGs --- */

unsigned patience_pings(const struct overlay *o)
{
    return PINGS + o->ping_more;
}

/* Fewer only while nobody is doubted: who was asked as often as that was asked around its path, too (upkeep.c). */
static bool any_doubted(const struct overlay *o)
{
    for (uint16_t i = 0; i < o->up_count; i++)
        if (order_at(o, i)->tries > 1) return true;
    return false;
}

void patience_answered(struct overlay *o, unsigned tries)
{
    for (unsigned i = 1; i < tries; i++)
        o->ping_loss = (uint8_t)(o->ping_loss + (256u - o->ping_loss) / LOSS_OF);
    o->ping_loss = (uint8_t)(o->ping_loss - (o->ping_loss + LOSS_OF - 1u) / LOSS_OF);
    uint8_t more = (uint8_t)((o->ping_loss > 16u) + (o->ping_loss > 48u) + (o->ping_loss > 80u));
    if (more > o->ping_more || (more < o->ping_more && !any_doubted(o))) o->ping_more = more;
}
