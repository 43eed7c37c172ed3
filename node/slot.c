/* node/slot.c - slots of invites: our own is claimed on the ring, those of members are looked up there (overlay/slot.h).
 *
 *   ASKING --10 s, nobody says otherwise--> ACCEPTED --later--> HELD
 *     |                                        |                  |
 *     +---- the ring names another holder -----+------------------+--> REFUSED --the ring names it after all--> HELD
 *
 * One question for each member newly met, again while nobody answers, ever more rarely; one who is HELD is looked at again when a
 * session with it begins and the last answer is old, or when somebody else shows the same slot. Who is REFUSED is said at once where its
 * invite has one slot; else when it still shows that slot after 30 s. Nothing of it is on the packet path:
 * a refused member has no row in the lane. */
#include "overlay/slot.h"
#include "node/internal.h"
#include <stdio.h>
#include <string.h>

#define PROVISIONAL_US   SECONDS(10)
#define TIMEOUT_US       SECONDS(3)
#define AGAIN_US         SECONDS(2)  /* while provisional */
#define ACCEPTED_US      SECONDS(60) /* doubled up to an hour */
#define ACCEPTED_DOUBLES 6u
#define REFUSED_US       SECONDS(300) /* its holder may have gone for good */
#define ANOTHER_US                                                                                 \
    SECONDS(30) /* where its invite has more slots it tries another meanwhile: no news yet */
#define OLD_US       HOURS(1)
#define DISPUTED_US  SECONDS(60) /* asked about again so often, however many show the same slot */
#define BUSY_US      MILLIS(500)
#define ASKS_AT_ONCE 8u
#define PLACE_MAX    0xffffu

static void due(struct step *s, struct member *m, uint64_t at_us)
{
    m->slot.due_us = at_us;
    if (m->slot.state != SLOT_HELD) node_wake_at(s->n, at_us);
}

static void tell(struct step *s, enum notice_type type, const struct member *m,
                 const struct id *holder, const char *what)
{
    char id[ID_TEXT];
    struct notice notice = {.type = (uint8_t)type, .id = m->is.id, .network = (int8_t)m->network};
    snprintf(notice.why, sizeof notice.why, "%s%s", what, holder ? id_print(holder, id) : "");
    step_notice(s, &notice);
}

static void holds(struct step *s, struct member *m)
{
    bool was_refused = m->slot.state == SLOT_REFUSED, was_told = m->slot.told;
    m->slot.state = SLOT_HELD;
    m->slot.told = false;
    due(s, m, s->now_us + OLD_US);
    if (was_told)
        tell(s, NOTICE_MEMBER_ACCEPTED, m, NULL,
             was_refused ? "it holds its slot of the invite" : "it holds another slot");
    if (was_refused) traffic_readmit(s, m);
}

static void refuse(struct step *s, struct member *m)
{
    bool was_refused = m->slot.state == SLOT_REFUSED;
    bool news = !m->slot.told && (was_refused || m->is.uses == 1);
    m->slot.state = SLOT_REFUSED;
    due(s, m, s->now_us + (was_refused || news ? REFUSED_US : ANOTHER_US));
    if (news)
        tell(s, NOTICE_MEMBER_REFUSED, m, &m->slot.holder, "its slot of the invite is held by ");
    m->slot.told |= news;
    if (!was_refused) traffic_refuse(s, m);
}

static void judge(struct step *s, struct member *m, const struct id *holder)
{
    m->slot.holder = *holder;
    m->slot.waits = 0;
    if (id_equal(holder, &m->is.id))
        holds(s, m);
    else
        refuse(s, m);
}

/* No answer, or nobody has claimed it. */
static void nobody(struct step *s, struct member *m)
{
    struct slot_check *c = &m->slot;
    switch ((enum member_slot)c->state) {
    case SLOT_NONE: return;
    case SLOT_ASKING:
        if (time_since(s->now_us, c->since_us) >= PROVISIONAL_US) c->state = SLOT_ACCEPTED;
        due(s, m, s->now_us + (c->state == SLOT_ASKING ? AGAIN_US : ACCEPTED_US));
        return;
    case SLOT_ACCEPTED:
        if (c->waits < ACCEPTED_DOUBLES) c->waits++;
        due(s, m, s->now_us + (ACCEPTED_US << c->waits));
        return;
    case SLOT_HELD: due(s, m, s->now_us + OLD_US); return;
    case SLOT_REFUSED: due(s, m, s->now_us + (c->told ? REFUSED_US : ANOTHER_US)); return;
    }
}

static void ask(struct step *s, struct member *m)
{
    struct node *n = s->n;
    struct record_name name;
    struct id key, holder;
    uint32_t place = (uint32_t)(m - n->members.list);
    if (!slot_name(&m->is, &name) || place > PLACE_MAX) return;
    if (overlay_slot_known(n->overlay, s->now_us, &name, &holder)) {
        judge(s, m, &holder);
        return;
    }
    if (!overlay_may_wonder(n->overlay)) {
        due(s, m, s->now_us + BUSY_US);
        return;
    }
    due(s, m, s->now_us + 2 * TIMEOUT_US); /* an answer comes before, of whatever kind */
    record_key(&key, n->env.crypto, &name, &ID_ZERO);
    overlay_get(n->overlay, s->now_us, &key, REQUEST_SLOT | place << 8 | ++m->slot.asked,
                TIMEOUT_US, s->box);
}

/* Others who show the same slot: one of them only can hold it. */
static void disputed(struct step *s, const struct member *m)
{
    struct members *all = &s->n->members;
    for (uint32_t i = 0; i < all->count; i++) {
        struct member *o = &all->list[i];
        if (!o->used || o == m || o->slot.state != SLOT_HELD || !same_slot(&o->is, &m->is))
            continue;
        if (o->slot.due_us <= s->now_us + OLD_US - DISPUTED_US) ask(s, o);
    }
}

void slot_met(struct step *s, struct member *m)
{
    struct slot_check *c = &m->slot;
    if (m->is.uses == 0) return;
    if (c->state == SLOT_NONE) {
        *c = (struct slot_check){
            .state = SLOT_ASKING, .since_us = s->now_us, .asked = c->asked, .told = c->told};
        disputed(s, m);
        ask(s, m);
    } else if (c->state == SLOT_HELD && c->due_us <= s->now_us) {
        ask(s, m);
    }
}

void slot_answer(struct step *s, const struct overlay_answer *a)
{
    struct members *all = &s->n->members;
    uint32_t place = a->request >> 8 & PLACE_MAX;
    struct member *m = place < all->count ? &all->list[place] : NULL;
    if (!m || !m->used || m->slot.asked != (a->request & 0xff)) return;
    if (a->err == OK && a->value)
        judge(s, m, &a->writer);
    else
        nobody(s, m);
}

void slot_tick(struct step *s)
{
    struct members *all = &s->n->members;
    unsigned asked = 0;
    for (uint32_t i = 0; i < all->count; i++) {
        struct member *m = &all->list[i];
        if (!m->used || m->slot.state == SLOT_NONE || m->slot.state == SLOT_HELD) continue;
        if (m->slot.due_us > s->now_us)
            node_wake_at(s->n, m->slot.due_us);
        else if (asked++ < ASKS_AT_ONCE)
            ask(s, m);
        else
            node_wake_at(s->n, s->now_us + MILLIS(200));
    }
}

/* --- our own --- */

void slot_claim(struct step *s, struct own_network *net)
{
    bool one = overlay_claim_slot(s->n->overlay, s->now_us, net->number,
                                  REQUEST_CLAIM | REQUEST_CLAIM_SLOT | net->number, s->box);
    net->slot_state = one ? SLOT_ASKING : SLOT_NONE;
}

void slot_claim_answer(struct step *s, struct own_network *net, const struct overlay_answer *a)
{
    char id[ID_TEXT];
    struct notice notice = {
        .type = NOTICE_SLOT_HELD, .id = *node_id(s->n), .network = (int8_t)net->number};
    if (a->err == OK) {
        if (net->slot_state == SLOT_HELD) return;
        net->slot_state = SLOT_HELD;
        strcpy(notice.why, "our slot of the invite is ours");
    } else if (a->err == ERR_CONFLICT) {
        net->slot_state = SLOT_REFUSED;
        notice.type = NOTICE_SLOT_REFUSED;
        notice.id = a->writer;
        snprintf(notice.why, sizeof notice.why, "our slot of the invite is held by %s",
                 id_print(&a->writer, id));
    } else {
        return; /* the overlay goes on asking */
    }
    step_notice(s, &notice);
}
