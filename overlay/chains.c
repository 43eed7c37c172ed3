/* overlay/chains.c - certificate chains: ours are kept and shown, the peer's is verified before anything else counts
 * (docs/wire.md, Certificates). */
#include "overlay/core.h"
#include <string.h>

#define CERT_RATE                                                                                  \
    100u /* a second, of those who are up already: three signatures each, 2 % of a processor */
#define CERT_BURST 1000u /* a rush, and each shows those of eight networks */

/* --- ours --- */

static struct own_chain own_chain(const struct overlay *o, uint32_t number)
{
    return number < o->chain_count ? o->chains[number] : (struct own_chain){0};
}

struct own_chain first_chain(const struct overlay *o)
{
    for (uint32_t i = 0; i < o->chain_count; i++)
        if (o->chains[i].bytes) return o->chains[i];
    return (struct own_chain){0};
}

enum err overlay_chain_set(struct overlay *o, uint32_t number, const uint8_t *chain, size_t len)
{
    if (number >= CHAINS_MAX || len == 0 || len > CHAIN_BYTES) return ERR_INVALID;
    if (number >= o->chain_count) {
        struct own_chain *more = realloc(o->chains, (number + 1) * sizeof *more);
        if (!more) return ERR_NO_MEMORY;
        o->chains = more;
        while (o->chain_count <= number) o->chains[o->chain_count++] = (struct own_chain){0};
    }
    uint8_t *copy = malloc(len);
    if (!copy) return ERR_NO_MEMORY;
    memcpy(copy, chain, len);
    free(o->chains[number].bytes);
    o->chains[number] = (struct own_chain){copy, (uint16_t)len};
    return OK;
}

void overlay_chain_drop(struct overlay *o, uint32_t number)
{
    if (number >= o->chain_count) return;
    free(o->chains[number].bytes);
    o->chains[number] = (struct own_chain){0};
}

void chains_fini(struct overlay *o)
{
    for (unsigned i = 0; i < o->chain_count; i++) free(o->chains[i].bytes);
    free(o->chains);
}

static void cert_send_one(struct overlay *o, struct link *l, uint64_t now_us, uint32_t number,
                          struct outbox *out)
{
    uint8_t frame[1 + CHAIN_BYTES];
    struct own_chain chain = own_chain(o, number);
    if (!chain.bytes) return;
    frame[0] = KIND_CERT;
    memcpy(frame + 1, chain.bytes, chain.len);
    frame_send(o, l, now_us, frame, 1u + chain.len, NULL, out);
}

void cert_send(struct overlay *o, struct link *l, uint64_t now_us, struct outbox *out)
{
    for (uint32_t i = 0; i < o->chain_count; i++) cert_send_one(o, l, now_us, i, out);
}

void overlay_chain_tell(struct overlay *o, uint64_t now_us, uint32_t number, const struct id *id,
                        struct outbox *out)
{
    for (uint16_t i = 0; i < o->up_count; i++) {
        struct link *l = order_at(o, i);
        if (!id || id_equal(link_id(o, l), id)) cert_send_one(o, l, now_us, number, out);
    }
}

/* --- the peer's --- */

void on_cert(struct overlay *o, uint64_t now_us, struct link *l, const uint8_t *frame, size_t len,
             struct outbox *out)
{
    struct membership m;
    struct span chain = {frame + 1, len - 1};
    if (l->state == LINK_UP && !budget_take(&o->cert_budget, now_us, CERT_RATE, CERT_BURST)) {
        drop(o, DROP_RATE);
        return;
    }
    if (chain_verify(chain, o->crypto, o->common->authority_pk, link_id(o, l),
                     calendar_now(o, now_us), &m) != OK) {
        drop(o, DROP_CERT);
        if (l->state == LINK_CERT) link_close(o, l, now_us, "its certificate does not verify", out);
        return;
    }
    if (l->state == LINK_UP) {
        struct overlay_event *e = outbox_event(out, OE_CERT, link_id(o, l));
        e->index = link_index(l);
        e->member = m;
        return;
    }
    hello_forget_link(o, link_slot(o, l));
    l = proven(o, now_us, l, &m, out);
    for (uint32_t i = 1; i < o->chain_count; i++) /* the first went in HELLO3 */
        if (o->chains[i].bytes) {
            cert_send(o, l, now_us, out);
            break;
        }
    settled(o, now_us, l, out);
}
