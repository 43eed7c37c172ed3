#include "sim/hostile.h"

#include "base/bytes.h"
#include "node/internal.h"
#include "overlay/control.h"
#include "overlay/core.h"
#include <string.h>

#define SRC_AT 6u /* in ROUTED: kind, mode, ttl, flags, seq(2) */
#define DST_AT 26u

static const struct session *session_to(const struct overlay *o, uint32_t receiver)
{
    for (uint16_t i = 0; i < o->common->limits.links; i++)
        if (o->links[i].state != LINK_FREE && o->links[i].s.remote_index == receiver)
            return &o->links[i].s;
    return NULL;
}

/* An acknowledgement may ride in front of a frame. */
static uint8_t *behind_ack(uint8_t *f, size_t *len)
{
    if (*len < 2 || f[0] != KIND_ACK) return f;
    size_t ack = 2u + 2u * f[1];
    if (ack > *len) ack = *len;
    *len -= ack;
    return f + ack;
}

static bool is_forwarded(const struct overlay *o, const uint8_t *f, size_t len)
{
    return len > ROUTED_HEADER && f[0] == KIND_ROUTED &&
           memcmp(f + SRC_AT, o->self.id.b, ID_SIZE) != 0;
}

/* "I reach everybody at no time": prefixes anywhere on the ring, a round trip of 0. */
static bool lie_ahead(struct world *w, uint8_t *f, size_t len)
{
    size_t at = f[3] == 0xc4 ? 5 : 6; /* bin 8 or bin 16 */
    for (size_t i = at; i + 5 <= len; i += 5) {
        rng_bytes(&w->harm, f + i, 4);
        f[i + 4] = 0;
    }
    return true;
}

/* Ids in a list stand as binaries of 20 bytes: each becomes that of nobody, in the same part of the ring. */
static bool lie(struct world *w, uint8_t *f, size_t len)
{
    bool any = false;
    if (len >= 10 && f[0] == KIND_CONTROL && f[2] == CONTROL_LINKS) return lie_ahead(w, f, len);
    if (len < 4 || f[0] != KIND_CONTROL || f[2] != CONTROL_NEAR) return false;
    for (size_t i = 3; i + 2 + ID_SIZE <= len; i++) {
        if (f[i] != 0xc4 || f[i + 1] != ID_SIZE) continue;
        rng_bytes(&w->harm, f + i + 2 + 4, ID_SIZE - 4);
        any = true;
        i += 1 + ID_SIZE;
    }
    return any;
}

/* True: the frame was changed. *gone: it is not to be sent. */
static bool tamper(struct world *w, const struct host *h, const struct overlay *o, uint8_t *frame,
                   size_t len, bool *gone)
{
    uint8_t *f = behind_ack(frame, &len);
    if (h->hostility == HOSTILE_LIE) return lie(w, f, len);
    if (!is_forwarded(o, f, len)) return false;
    if (h->hostility == HOSTILE_DROP) {
        *f = 0; /* no kind of ours; the acknowledgement in front of it goes */
        *gone = f == frame;
    }
    if (h->hostility != HOSTILE_MISROUTE) return h->hostility == HOSTILE_DROP;
    rng_bytes(&w->harm, f + DST_AT, ID_SIZE);
    return true;
}

bool hostile_lets_go(struct world *w, uint32_t node, uint8_t *bytes, uint32_t len)
{
    const struct host *h = &w->hosts[node];
    const struct overlay *o = h->node->overlay;
    struct data_header head;
    if (h->hostility == HOSTILE_FLOOD || !data_header_read(bytes, len, &head)) return true;
    const struct session *s = session_to(o, head.receiver);
    if (!s || len < DATA_OVERHEAD) return true;
    uint8_t nonce[12], frame[NET_MTU + 64];
    if (len > sizeof frame) return true;
    session_nonce(nonce, s->aead, head.counter);
    const struct crypto *c = w->config.crypto;
    if (!c->open(s->aead, frame, bytes + DATA_HEADER, len - DATA_HEADER, bytes, DATA_HEADER, nonce,
                 s->tx_key))
        return true; /* of the session before */
    bool gone = false;
    if (tamper(w, h, o, frame, len - DATA_OVERHEAD, &gone))
        c->seal(s->aead, bytes + DATA_HEADER, frame, len - DATA_OVERHEAD, bytes, DATA_HEADER, nonce,
                s->tx_key);
    return !gone;
}

void hostile_junk(struct rng *r, uint8_t out[HOSTILE_JUNK])
{
    rng_bytes(r, out, HOSTILE_JUNK);
    memset(out, 0, 4);
    out[0] = OUTER_HELLO1;
    out[1] = 1;
}
