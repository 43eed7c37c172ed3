/* A live node is given datagrams: bare from anybody's endpoint, as the body of ROUTED, as the inside of RELAYED.
 *
 * The input is a list of [how, endpoint or source, length, bytes]. `how` may ask for what a random byte string never has:
 * a good mac1, the index of a session or handshake there is, the seal of another member, or that of a question under way. Whatever comes: no crash, nothing beyond
 * the node's limits, everything pooled accounted for, and the session with the member who was sent all this goes on. */
#include "tests/harness/party.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum how {
    HOW_ROUTED = 1,
    HOW_RELAYED = 2, /* both: time passes instead */
    HOW_MAC1 = 4,
    HOW_INDEX = 8,
    HOW_SEALED = 16,  /* the bytes are a frame, sealed by the third */
    HOW_WAYPOINT = 32 /* routed twice */
};
#define LONGEST 2100u

static uint32_t an_index(const struct overlay *o, uint8_t n)
{
    for (uint32_t i = 0; i <= o->map_mask; i++) {
        uint16_t at = (uint16_t)((i + n) & o->map_mask);
        if (index_at(o, at)) return index_at(o, at);
    }
    return 0;
}

static const struct request *waited_for(const struct overlay *o)
{
    for (uint16_t i = 0; i < o->common->limits.requests; i++)
        if (o->requests[i] && o->requests[i]->straight) return o->requests[i];
    return NULL;
}

/* An ANSWER to what is asked just now, whatever it says. */
static void answer_good(struct party *p, struct guest *a, uint8_t *b, size_t len)
{
    const struct request *r = waited_for(guest_overlay(a));
    if (!r) {
        struct command c = {.type = CMD_ROUTE_TEST, .request = 1, .timeout_us = SECONDS(2)};
        c.target = (struct target){.kind = TARGET_ID, .network = -1, .id = p->guests[1]->self.id};
        party_step(p, a, &(struct event){.type = EV_COMMAND, .command = &c});
        r = waited_for(guest_overlay(a));
    }
    if (!r || len <= ANSWER_HEADER + CRYPTO_TAG) return;
    uint8_t plain[ANSWER_BODY_MAX];
    size_t inside = len - ANSWER_HEADER - CRYPTO_TAG;
    memcpy(plain, b + ANSWER_HEADER, inside);
    b[1] = WIRE_VERSION;
    put_u16(b + 2, 0);
    put_u32(b + 4, r->id);
    p->crypto->xseal(b + ANSWER_HEADER, plain, inside, b, 8, b + 8,
                     r->body + r->body_len - ANSWER_KEY);
}

static void make_good(struct party *p, struct guest *a, uint8_t how, uint8_t *b, size_t len)
{
    const struct overlay *o = guest_overlay(a);
    if (len < 12) return;
    if (how & HOW_INDEX)
        put_u32(b + (b[0] == OUTER_HELLO1 || b[0] == OUTER_HELLO2 || b[0] == OUTER_HELLO3 ? 8 : 4),
                an_index(o, b[7]));
    if (!(how & HOW_MAC1) || !outer_length_ok(b[0], len)) return;
    if (b[0] == OUTER_ANSWER) answer_good(p, a, b, len);
    if (b[0] == OUTER_HELLO1)
        mac1_write(p->crypto, &p->key, b[9] & 1 ? &a->self.id : NULL, b, len - 2 * MAC_SIZE);
    if (b[0] == OUTER_HELLO2 || b[0] == OUTER_HELLO3)
        mac1_write(p->crypto, &p->key, NULL, b, len - MAC_SIZE);
}

static size_t routed(uint8_t *out, const struct id *src, const struct id *dst, const uint8_t *body,
                     size_t len, uint8_t mode)
{
    struct routed r = {.mode = mode & 1 ? ROUTE_EXACT : ROUTE_NEAREST,
                       .ttl = mode,
                       .flags = mode & 2 ? ROUTED_NO_ACK : 0,
                       .seq = mode,
                       .src = *src,
                       .dst = *dst,
                       .body = body,
                       .body_len = len};
    return routed_write(out, KIND_ROUTED_MAX, &r);
}

static void one(struct party *p, struct reader *in)
{
    struct guest *a = p->guests[0], *b = p->guests[1], *c = p->guests[2];
    uint8_t how = read_u8(in), who = read_u8(in), bytes[LONGEST + 64], frame[LONGEST + 64];
    size_t len = read_u16(in) % LONGEST;
    if (len > in->left) len = in->left;
    read_copy(in, bytes, len);
    if ((how & 3) == 3) {
        party_run(p, MILLIS(who * 8u));
        return;
    }
    if (how & HOW_SEALED) {
        uint8_t sealed[LONGEST + 64];
        len = len ? guest_seal(c, a, bytes, len, sealed, sizeof sealed) : 0;
        memcpy(bytes, sealed, len);
    } else {
        make_good(p, a, how, bytes, len);
    }
    const struct id *src = who & 1 ? &b->self.id : who & 2 ? &c->self.id : &a->self.id;
    if (how & HOW_ROUTED) {
        size_t n = routed(frame, src, &a->self.id, bytes, len, who);
        if (n && how & HOW_WAYPOINT) {
            memcpy(bytes, frame, n);
            n = routed(frame, src, who & 4 ? &c->self.id : &a->self.id, bytes, n, who);
        }
        if (n) (void)guest_send(p, b, a, NULL, frame, n);
    } else if (how & HOW_RELAYED) {
        frame[0] = KIND_RELAYED;
        const struct channel *open = guest_overlay(a)->channels;
        put_u32(frame + 1, who & 0x80 && open ? open[0].in : who);
        memcpy(frame + RELAYED_HEADER, bytes, len);
        (void)guest_send(p, b, a, NULL, frame, len + RELAYED_HEADER);
    } else {
        struct endpoint from = who & 1   ? b->at
                               : who & 2 ? c->at
                                         : endpoint_v4(0x05090900u | who, 9);
        if ((who & 0xf0) == 0xf0) from.transport = TRANSPORT_TCP;
        party_give(p, a, &from, bytes, len);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    party_fuzz(party_of(&crypto_fake, 1, 3, false, &party_small), data, size, 4, one, SECONDS(2));
    return 0;
}
