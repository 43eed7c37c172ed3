#include "overlay/handshake.h"
#include "base/bytes.h"
#include "overlay/cert.h"
#include "overlay/knock.h"
#include <string.h>

_Static_assert(CHAIN_BYTES <= HELLO3_MAX - HELLO3_MIN, "every chain fits HELLO3");

void handshake_init(struct handshake *h, const struct crypto *c, const struct overlay_key *ok,
                    bool initiator, uint32_t local_index)
{
    uint8_t prologue[7 + 1 + sizeof ok->name];
    struct writer w = writer_of(prologue, sizeof prologue);
    write_bytes(&w, "ringlet", 7);
    write_u8(&w, WIRE_VERSION);
    write_bytes(&w, ok->name, strnlen(ok->name, sizeof ok->name));
    memset(h, 0, sizeof *h);
    noise_init(&h->noise, c, prologue, w.len, ok->key);
    h->initiator = initiator;
    h->local_index = local_index;
}

void handshake_wipe(struct handshake *h)
{
    crypto_wipe(h, sizeof *h);
}

/* --- headers and mac1 around a Noise message --- */

static uint8_t *put_header(uint8_t *out, enum outer type, uint32_t sender, const uint32_t *receiver)
{
    out[0] = (uint8_t)type;
    out[1] = WIRE_VERSION;
    put_u16(out + 2, 0);
    put_u32(out + 4, sender);
    if (!receiver) return out + HELLO1_HEADER;
    put_u32(out + 8, *receiver);
    return out + HELLO_HEADER;
}

static enum err check_header(const uint8_t *in, size_t len, enum outer type)
{
    if (len < 1 || in[0] != type || !outer_length_ok(in[0], len)) return ERR_MALFORMED;
    if (in[1] != WIRE_VERSION) return ERR_UNSUPPORTED;
    return get_u16(in + 2) == 0 ? OK : ERR_MALFORMED;
}

/* Of HELLO2 and HELLO3: the header, mac1, and that it is for this handshake. */
static enum err check_reply(const struct handshake *h, const struct crypto *c,
                            const struct overlay_key *ok, const uint8_t *in, size_t len,
                            enum outer type)
{
    uint8_t mac1[MAC_SIZE];
    enum err e = check_header(in, len, type);
    if (e) return e;
    mac1_compute(c, ok, NULL, in, len - MAC_SIZE, mac1);
    if (!crypto_equal(mac1, in + len - MAC_SIZE, MAC_SIZE)) return ERR_CRYPTO;
    if (get_u32(in + 8) != h->local_index) return ERR_MALFORMED;
    if (type == OUTER_HELLO3 && get_u32(in + 4) != h->remote_index) return ERR_MALFORMED;
    return OK;
}

bool hello_indices(const uint8_t *in, size_t len, uint32_t *sender, uint32_t *receiver)
{
    if (len < 1 || !outer_length_ok(in[0], len)) return false;
    *sender = *receiver = 0;
    switch (in[0]) {
    case OUTER_HELLO1: *sender = get_u32(in + 4); return true;
    case OUTER_COOKIE:
    case OUTER_REFER: *receiver = get_u32(in + 4); return true;
    case OUTER_HELLO2:
    case OUTER_HELLO3:
        *sender = get_u32(in + 4);
        *receiver = get_u32(in + 8);
        return true;
    default: return false;
    }
}

/* --- payloads --- */

/* What HELLO2 and HELLO3 have in common: ed_pk(32) capabilities(4) mtu(2) observed(19) */
static void put_info(struct writer *w, const struct identity *self, const struct hello_info *own)
{
    write_bytes(w, self->ed_pk, 32);
    write_u32(w, own->capabilities);
    write_u16(w, own->mtu_bytes);
    uint8_t *observed = write_space(w, ENDPOINT_WIRE);
    if (observed) endpoint_encode(&own->observed, observed);
}

static bool take_info(struct reader *r, struct hello_info *out)
{
    read_copy(r, out->ed_pk, 32);
    out->capabilities = read_u32(r);
    out->mtu_bytes = read_u16(r);
    const uint8_t *observed = read_bytes(r, ENDPOINT_WIRE);
    return observed && endpoint_decode(observed, &out->observed);
}

/* The AEAD both can do, the faster one first; 0: none. */
static uint8_t choose_aead(uint32_t ours, uint32_t theirs)
{
    uint32_t both = ours & theirs;
    if (both & AEAD_AES256_GCM) return AEAD_AES256_GCM;
    return both & AEAD_CHACHA20_POLY1305 ? AEAD_CHACHA20_POLY1305 : 0;
}

/* --- HELLO1 --- */

void hello1_write(struct handshake *h, const struct crypto *c, const struct overlay_key *ok,
                  const struct hello_info *own, const uint8_t fresh[32], uint8_t out[HELLO1_SIZE])
{
    ensure(h->initiator && h->stage == 0);
    uint8_t payload[HELLO1_PAYLOAD] = {0};
    put_u32(payload, own->capabilities);
    memcpy(payload + 4, own->via.b, ID_SIZE);
    memcpy(payload + 24, own->place.b, ID_SIZE);
    uint8_t *noise = put_header(out, OUTER_HELLO1, h->local_index, NULL);
    size_t len = noise_write(&h->noise, c, 1, NULL, NULL, fresh, payload, sizeof payload, noise,
                             NOISE1_OVERHEAD + sizeof payload);
    ensure(len == NOISE1_OVERHEAD + HELLO1_PAYLOAD);
    mac1_write(c, ok, id_is_zero(&h->expect) ? NULL : &h->expect, out, HELLO1_HEADER + len);
    memset(out + HELLO1_SIZE - MAC_SIZE, 0, MAC_SIZE);
    h->offered = own->capabilities;
    h->stage = 1;
}

enum err hello1_read(struct handshake *h, const struct crypto *c, const uint8_t *in, size_t len)
{
    ensure(!h->initiator && h->stage == 0);
    uint8_t payload[HELLO1_PAYLOAD];
    size_t payload_len;
    struct noise next = h->noise;
    enum err e = check_header(in, len, OUTER_HELLO1);
    if (e) goto out;
    e = noise_read(&next, c, 1, NULL, NULL, in + HELLO1_HEADER, NOISE1_OVERHEAD + HELLO1_PAYLOAD,
                   payload, &payload_len);
    if (e) goto out;
    h->noise = next;
    h->remote_index = get_u32(in + 4);
    h->peer.capabilities = get_u32(payload); /* the zeros behind them are a later version's */
    memcpy(h->peer.via.b, payload + 4, ID_SIZE);
    memcpy(h->peer.place.b, payload + 24, ID_SIZE);
    h->stage = 1;
out:
    crypto_wipe(&next, sizeof next);
    return e;
}

/* --- HELLO2 --- */

enum err hello2_write(struct handshake *h, const struct crypto *c, const struct overlay_key *ok,
                      const struct identity *self, const struct hello_info *own,
                      const uint8_t fresh[32], uint8_t out[HELLO2_SIZE])
{
    ensure(!h->initiator && h->stage == 1);
    h->aead = choose_aead(own->capabilities, h->peer.capabilities);
    if (!h->aead) return ERR_UNSUPPORTED;
    uint8_t payload[HELLO2_PAYLOAD];
    struct writer w = writer_of(payload, sizeof payload);
    put_info(&w, self, own);
    write_u8(&w, h->aead);
    ensure(!w.bad && w.len == HELLO2_PAYLOAD);
    uint8_t *noise = put_header(out, OUTER_HELLO2, h->local_index, &h->remote_index);
    size_t len = noise_write(&h->noise, c, 2, self->x_sk, self->x_pk, fresh, payload, w.len, noise,
                             NOISE2_OVERHEAD + sizeof payload);
    if (!len) return ERR_CRYPTO;
    mac1_write(c, ok, NULL, out, HELLO_HEADER + len);
    h->stage = 2;
    return OK;
}

/* The payload of HELLO2, and who sent it. */
static enum err judge_hello2(const struct handshake *h, const struct crypto *c,
                             const struct noise *n, const uint8_t *payload, size_t len,
                             struct hello_info *peer, struct id *id)
{
    struct reader r = reader_of(payload, len);
    if (!take_info(&r, peer)) return ERR_MALFORMED;
    peer->aead = read_u8(&r);
    if (!reader_done(&r)) return ERR_MALFORMED;
    if (!peer->aead || peer->aead != choose_aead(peer->aead, h->offered))
        return ERR_UNSUPPORTED; /* not exactly one, or none of ours */
    identity_id(id, c, peer->ed_pk, n->rs);
    return id_is_zero(&h->expect) || id_equal(&h->expect, id) ? OK : ERR_DENIED;
}

enum err hello2_read(struct handshake *h, const struct crypto *c, const struct overlay_key *ok,
                     const struct identity *self, const uint8_t *in, size_t len)
{
    ensure(h->initiator && h->stage == 1);
    uint8_t payload[HELLO2_PAYLOAD];
    size_t payload_len;
    struct hello_info peer = {0};
    struct id id;
    struct noise next = h->noise;
    enum err e = check_reply(h, c, ok, in, len, OUTER_HELLO2);
    if (e) goto out;
    e = noise_read(&next, c, 2, self->x_sk, self->x_pk, in + HELLO_HEADER,
                   len - HELLO_HEADER - MAC_SIZE, payload, &payload_len);
    if (e) goto out;
    e = judge_hello2(h, c, &next, payload, payload_len, &peer, &id);
    if (e) goto out;
    h->noise = next;
    h->remote_index = get_u32(in + 4);
    h->peer = peer;
    h->aead = peer.aead;
    h->peer_id = id;
    memcpy(h->peer_x_pk, next.rs, 32);
    h->stage = 2;
out:
    crypto_wipe(&next, sizeof next);
    return e;
}

/* --- HELLO3 --- */

size_t hello3_write(struct handshake *h, const struct crypto *c, const struct overlay_key *ok,
                    const struct identity *self, const struct hello_info *own, const void *chain,
                    size_t chain_len, uint8_t out[HELLO3_MAX])
{
    ensure(h->initiator && h->stage == 2);
    if (chain_len > CHAIN_BYTES) return 0;
    uint8_t payload[HELLO3_PAYLOAD + CHAIN_BYTES];
    struct writer w = writer_of(payload, sizeof payload);
    put_info(&w, self, own);
    write_u16(&w, (uint16_t)chain_len);
    ensure(!w.bad && w.len == HELLO3_PAYLOAD);
    write_bytes(&w, chain, chain_len);
    uint8_t *noise = put_header(out, OUTER_HELLO3, h->local_index, &h->remote_index);
    size_t len = noise_write(&h->noise, c, 3, self->x_sk, self->x_pk, NULL, payload, w.len, noise,
                             NOISE3_OVERHEAD + sizeof payload);
    if (!len) return 0;
    mac1_write(c, ok, NULL, out, HELLO_HEADER + len);
    h->stage = 3;
    return HELLO_HEADER + len + MAC_SIZE;
}

enum err hello3_read(struct handshake *h, const struct crypto *c, const struct overlay_key *ok,
                     const struct identity *self, const uint8_t *in, size_t len, uint8_t *chain,
                     size_t *chain_len)
{
    ensure(!h->initiator && h->stage == 2);
    uint8_t payload[HELLO3_MAX];
    size_t payload_len;
    struct hello_info peer = {.aead = h->aead};
    struct noise next = h->noise;
    enum err e = check_reply(h, c, ok, in, len, OUTER_HELLO3);
    if (e) goto out;
    e = noise_read(&next, c, 3, self->x_sk, self->x_pk, in + HELLO_HEADER,
                   len - HELLO_HEADER - MAC_SIZE, payload, &payload_len);
    if (e) goto out;
    struct reader r = reader_of(payload, payload_len);
    bool good = take_info(&r, &peer);
    size_t inside = read_u16(&r);
    if (!good || r.bad || inside != r.left || inside > CHAIN_BYTES) {
        e = ERR_MALFORMED;
        goto out;
    }
    read_copy(&r, chain, inside);
    *chain_len = inside;
    h->noise = next;
    h->peer = peer;
    identity_id(&h->peer_id, c, peer.ed_pk, next.rs);
    memcpy(h->peer_x_pk, next.rs, 32);
    h->stage = 3;
out:
    crypto_wipe(&next, sizeof next);
    return e;
}

void handshake_keys(const struct handshake *h, const struct crypto *c, struct session_keys *out)
{
    ensure(h->stage == 3);
    uint8_t k1[32], k2[32];
    noise_split(&h->noise, c, k1, k2);
    memcpy(out->tx, h->initiator ? k1 : k2, 32);
    memcpy(out->rx, h->initiator ? k2 : k1, 32);
    crypto_wipe(k1, sizeof k1);
    crypto_wipe(k2, sizeof k2);
    out->aead = h->aead;
    out->local_index = h->local_index;
    out->remote_index = h->remote_index;
    out->initiator = h->initiator;
}
