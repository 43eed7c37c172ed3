/* Our slot of an invite is another node's (daemon/daemon.h): take another slot, else say so once and let the network go.
 *
 * The ring has spoken (node/slot.c), and members refuse us. Where the invite has more slots and its key is kept (networks/NAME/invite),
 * the next one is tried: a new certificate, first in memory only. It is written when the ring says that the slot is ours, so that a
 * node that finds no free one leaves its files as they were, but for the note `refused`, which lets `join` replace the membership. */
#include "daemon/daemon.h"

#include "daemon/clock.h"
#include "vnet/token.h"
#include <stdio.h>
#include <string.h>

static bool was_tried(const struct daemon_slot *s, uint32_t slot)
{
    for (uint32_t i = 0; i < s->tried_count; i++)
        if (s->tried[i] == slot) return true;
    return false;
}

/* Any that was not tried, from a place that chance chooses: newcomers who look at once do not follow each other. */
static uint32_t choose(const struct daemon_slot *s, struct rng *r, uint32_t uses)
{
    uint32_t slot = (uint32_t)rng_below(r, uses);
    while (was_tried(s, slot)) slot = (slot + 1) % uses;
    return slot;
}

/* The token again, as far as issuing needs it. */
static bool read_token(const struct daemon *d, const struct home_network *h, struct token *t)
{
    struct span certs[CHAIN_MAX];
    struct fail f;
    uint32_t count;
    memset(t, 0, sizeof *t);
    memcpy(t->authority_pk, d->overlay.authority_pk, sizeof t->authority_pk);
    if (chain_split((struct span){h->chain, h->chain_len}, certs, &count) != OK || count < 3)
        return false;
    t->chain_len = chain_write(t->chain, sizeof t->chain, certs, 2);
    enum state_found found = home_read_invite(&d->state, h->name.s, t->invite_seed, &f);
    if (found == STATE_FAILED) log_say(&d->log, LOG_WARN, "%s: %s", f.message, f.hint);
    return found == STATE_READ && t->chain_len > 0;
}

static bool issue_another(struct daemon *d, struct daemon_network *n)
{
    struct token t;
    struct rng r;
    struct membership is;
    struct home_network *h = &n->home;
    uint8_t seed[32], chain[CHAIN_BYTES];
    size_t len = 0;
    uint64_t now_s = clock_calendar_s();
    if (n->slot.tried_count >= h->is.uses || n->slot.tried_count >= SLOTS_TRIED_MAX) return false;
    bool good = read_token(d, h, &t);
    clock_seed(seed);
    rng_seed(&r, seed);
    enum err e = good ? token_issue_slot(&t, &crypto_real, &r, &d->identity.id, h->is.host.s,
                                         choose(&n->slot, &r, h->is.uses), now_s, chain, &len)
                      : ERR_NOT_FOUND;
    if (!e)
        e = chain_verify((struct span){chain, len}, &crypto_real, d->overlay.authority_pk,
                         &d->identity.id, now_s, &is);
    crypto_wipe(seed, sizeof seed);
    token_wipe(&t);
    if (e) return false;
    memcpy(h->chain, chain, len);
    h->chain_len = len;
    h->is = is;
    n->slot.unwritten = true;
    return true;
}

static void on_added(struct daemon *d, void *context, const struct reply *r)
{
    (void)context;
    if (r->err != OK)
        log_say(&d->log, LOG_ERROR, "the node refused another slot of the invite: %s",
                err_text(r->err));
}

static bool take_another(struct daemon *d, uint8_t number)
{
    struct daemon_network *n = &d->networks[number];
    uint32_t lost = n->home.is.slot;
    if (!issue_another(d, n)) return false;
    log_say(&d->log, LOG_INFO, "network %s: slot %u of the invite is taken, trying slot %u",
            n->home.name.s, lost, n->home.is.slot);
    struct command c = {
        .type = CMD_NETWORK_ADD, .network = number, .network_config = networks_config(d, number)};
    return requests_send(d, &c, on_added, d);
}

/* --- there is none --- */

static bool any_other(const struct daemon *d, uint8_t number)
{
    for (uint8_t n = 0; n < NETWORKS_MAX; n++)
        if (n != number && d->networks[n].used && !d->networks[n].slot.refused) return true;
    return false;
}

static void on_dropped(struct daemon *d, void *context, const struct reply *r)
{
    (void)context, (void)r;
    for (uint8_t n = 0; n < NETWORKS_MAX; n++)
        if (d->networks[n].used && d->networks[n].slot.refused) {
            tun_drop(&d->tuns, n);
            threads_device_drop(&d->threads, n);
        }
}

static void used_up(struct daemon *d, uint8_t number)
{
    struct daemon_network *n = &d->networks[number];
    struct fail f;
    char id[ID_TEXT];
    const char *hint = "ask for a new invite, then `ringlet join` it here";
    id_print(&n->slot.holder, id);
    n->slot.refused = true;
    if (n->slot.tried_count > 1)
        fail(&f, FAIL_USED_UP, hint,
             "the invite is used up: its slots are held by others, slot %u by %s", n->home.is.slot,
             id);
    else
        fail(&f, FAIL_USED_UP, hint, "the invite is used up: its slot is held by %s", id);
    struct fail ignored;
    if (!home_write_refused(&d->state, n->home.name.s, n->home.is.invite, &n->slot.holder,
                            &ignored))
        log_say(&d->log, LOG_WARN, "%s", ignored.message);
    if (!any_other(d, number)) {
        d->end = f;
        loop_stop(d, "the invite is used up");
        return;
    }
    log_say(&d->log, LOG_ERROR, "network %s: %s: %s", n->home.name.s, f.message, f.hint);
    struct command c = {.type = CMD_NETWORK_DROP, .network = number};
    if (!requests_send(d, &c, on_dropped, d)) on_dropped(d, d, NULL);
}

static void held(struct daemon *d, struct daemon_network *n)
{
    struct fail f;
    bool good = true;
    if (n->slot.unwritten)
        good = home_write_chain(&d->state, n->home.name.s, n->home.chain, n->home.chain_len, &f);
    n->slot.unwritten = n->slot.unwritten && !good;
    n->slot.tried_count = 0;
    good = good && home_forget_refused(&d->state, n->home.name.s, &f);
    if (!good) log_say(&d->log, LOG_WARN, "%s: %s", f.message, f.hint);
}

static void on_told(uv_timer_t *t)
{
    struct daemon *d = t->data;
    for (uint8_t i = 0; i < NETWORKS_MAX; i++) {
        struct daemon_network *n = &d->networks[i];
        if (!n->used || !n->slot.told || n->slot.refused || d->phase != RUNNING) continue;
        n->slot.told = false;
        if (!n->slot.lost) {
            held(d, n);
            continue;
        }
        if (n->slot.tried_count < SLOTS_TRIED_MAX)
            n->slot.tried[n->slot.tried_count++] = n->home.is.slot;
        if (!take_another(d, i)) used_up(d, i);
    }
}

void slots_notice(struct daemon *d, const struct notice *n)
{
    if (n->network < 0 || !d->networks[n->network].used) return;
    struct daemon_slot *s = &d->networks[n->network].slot;
    s->told = true;
    s->lost = n->type == NOTICE_SLOT_REFUSED;
    s->holder = n->id;
    uv_timer_start(&d->slots, on_told, 0, 0); /* not within a step */
}
