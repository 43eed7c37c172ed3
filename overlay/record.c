/* The places of a body, a MessagePack array of eleven:
 *
 *   0 version   1 kind   2 key bin(20)   3 ed25519 bin(32)   4 x25519 bin(32)   5 seq   6 expires_s   7 ttl_s
 *   8 tag str ("" for OWN)   9 name bin   10 value bin
 *
 * Signed: "ringlet record 1" || body. Another number of places is refused, as in a certificate. */
#include "overlay/record.h"
#include "base/bytes.h"
#include "overlay/cert.h"
#include <string.h>

#define DOMAIN       "ringlet record 1"
#define DOMAIN_SIZE  (sizeof DOMAIN - 1)
#define OWN_DOMAIN   "ringlet own 1"
#define CLAIM_DOMAIN "ringlet claim 1"
#define VERSION      1u
#define PLACES       11
#define TAG_MAX      4u
#define TIME_MAX_S   ((uint64_t)1 << 40)  /* sums with the tolerance cannot overflow */
#define BODY_BYTES   (RECORD_BYTES - 70u) /* array, bin and its length, bin(64) */
#define NETWORK_KEY  32u

static const char *const tag_texts[RECORD_TAG_COUNT] = {[RECORD_TAG_OWN] = "",
#define X(tag, text, what) [RECORD_TAG_##tag] = text,
                                                        RECORD_TAGS(X)
#undef X
};
#define X(tag, text, what) _Static_assert(sizeof text - 1 <= TAG_MAX, "");
RECORD_TAGS(X)
#undef X

/* --- names --- */

bool record_name_valid(const struct record_name *n)
{
    if (n->len == 0 || n->len > RECORD_NAME_MAX) return false;
    switch (n->tag) {
    case RECORD_TAG_OWN:
    case RECORD_TAG_USER: return true;
    case RECORD_TAG_IP4: return n->len == NETWORK_KEY + 4;
    case RECORD_TAG_SLOT: return n->len == RECORD_SLOT_NAME;
    case RECORD_TAG_HOST:
        return n->len > NETWORK_KEY &&
               name_valid((const char *)n->b + NETWORK_KEY, n->len - NETWORK_KEY);
    default: return false;
    }
}

size_t record_value_max(const struct record_name *n)
{
    return n->tag == RECORD_TAG_SLOT ? RECORD_CHAIN_MAX : RECORD_VALUE_MAX;
}

struct record_name record_name_of(enum record_tag tag, const void *data, size_t len)
{
    struct record_name n = {.tag = (uint8_t)tag};
    if (len == 0 || len > RECORD_NAME_MAX) return n;
    n.len = (uint8_t)len;
    memcpy(n.b, data, len);
    if (!record_name_valid(&n)) n.len = 0;
    return n;
}

struct record_name record_name_ip4(const uint8_t network_key[32], uint32_t ipv4)
{
    uint8_t b[NETWORK_KEY + 4];
    memcpy(b, network_key, NETWORK_KEY);
    put_u32(b + NETWORK_KEY, ipv4);
    return record_name_of(RECORD_TAG_IP4, b, sizeof b);
}

struct record_name record_name_slot(const uint8_t serial[16], uint32_t slot)
{
    uint8_t b[RECORD_SLOT_NAME];
    memcpy(b, serial, 16);
    put_u32(b + 16, slot);
    return record_name_of(RECORD_TAG_SLOT, b, sizeof b);
}

struct record_name record_name_host(const uint8_t network_key[32], const char *host, size_t len)
{
    uint8_t b[NETWORK_KEY + CERT_NAME_MAX];
    if (len > CERT_NAME_MAX) len = 0;
    memcpy(b, network_key, NETWORK_KEY);
    memcpy(b + NETWORK_KEY, host, len);
    return record_name_of(RECORD_TAG_HOST, b, NETWORK_KEY + len); /* refuses an empty one */
}

/* --- keys --- */

static void key_of(struct id *out, const struct crypto *c, const struct writer *text)
{
    uint8_t hash[32];
    ensure(!text->bad);
    c->hash(hash, sizeof hash, text->p, text->len, NULL, 0);
    memcpy(out->b, hash, ID_SIZE);
}

void record_key_claim(struct id *out, const struct crypto *c, enum record_tag tag, const void *data,
                      size_t len)
{
    uint8_t text[sizeof CLAIM_DOMAIN + TAG_MAX + RECORD_NAME_MAX];
    struct writer w = writer_of(text, sizeof text);
    ensure(tag > RECORD_TAG_OWN && tag < RECORD_TAG_COUNT);
    write_bytes(&w, CLAIM_DOMAIN, sizeof CLAIM_DOMAIN - 1);
    write_bytes(&w, tag_texts[tag],
                strlen(tag_texts[tag]) + 1); /* with its 0: "ab" "c" is not "a" "bc" */
    write_bytes(&w, data, len);
    key_of(out, c, &w);
}

void record_key_own(struct id *out, const struct crypto *c, const struct id *writer,
                    const void *data, size_t len)
{
    uint8_t text[sizeof OWN_DOMAIN - 1 + ID_SIZE + RECORD_NAME_MAX];
    struct writer w = writer_of(text, sizeof text);
    write_bytes(&w, OWN_DOMAIN, sizeof OWN_DOMAIN - 1);
    write_bytes(&w, writer->b, ID_SIZE);
    write_bytes(&w, data, len);
    key_of(out, c, &w);
}

void record_key(struct id *out, const struct crypto *c, const struct record_name *n,
                const struct id *writer)
{
    if (n->tag == RECORD_TAG_OWN)
        record_key_own(out, c, writer, n->b, n->len);
    else
        record_key_claim(out, c, n->tag, n->b, n->len);
}

bool record_stays(const struct crypto *c, const struct id *key, const struct id *a,
                  const struct id *b)
{
    uint8_t text[2][2 * ID_SIZE], hash[2][32];
    const struct id *writers[2] = {a, b};
    for (unsigned i = 0; i < 2; i++) {
        memcpy(text[i], key->b, ID_SIZE);
        memcpy(text[i] + ID_SIZE, writers[i]->b, ID_SIZE);
        c->hash(hash[i], sizeof hash[i], text[i], sizeof text[i], NULL, 0);
    }
    return memcmp(hash[0], hash[1], sizeof hash[0]) <= 0;
}

/* --- signing --- */

/* What is signed: DOMAIN || body. Its length. */
static size_t signed_text(uint8_t out[DOMAIN_SIZE + BODY_BYTES], struct span body)
{
    ensure(body.len <= BODY_BYTES);
    memcpy(out, DOMAIN, DOMAIN_SIZE);
    memcpy(out + DOMAIN_SIZE, body.p, body.len);
    return DOMAIN_SIZE + body.len;
}

static bool times_valid(const struct record *r)
{
    return r->ttl_s > 0 && r->ttl_s <= RECORD_TTL_MAX_S && r->expires_s <= TIME_MAX_S;
}

static void pack_body(struct pack *k, const struct crypto *c, const struct record *r,
                      const struct identity *writer)
{
    struct id key;
    const char *tag = tag_texts[r->name.tag];
    record_key(&key, c, &r->name, &writer->id);
    pack_array(k, PLACES);
    pack_uint(k, VERSION);
    pack_uint(k, r->name.tag == RECORD_TAG_OWN ? RECORD_OWN : RECORD_CLAIM);
    pack_bin(k, key.b, ID_SIZE);
    pack_bin(k, writer->ed_pk, sizeof writer->ed_pk);
    pack_bin(k, writer->x_pk, sizeof writer->x_pk);
    pack_uint(k, r->seq);
    pack_uint(k, r->expires_s);
    pack_uint(k, r->ttl_s);
    pack_str(k, tag, strlen(tag));
    pack_bin(k, r->name.b, r->name.len);
    pack_bin(k, r->value.p, r->value.len);
}

size_t record_sign(uint8_t *out, size_t max, const struct crypto *c, const struct record *r,
                   const struct identity *writer)
{
    uint8_t bytes[BODY_BYTES], text[DOMAIN_SIZE + BODY_BYTES], signature[CRYPTO_SIGNATURE];
    if (!record_name_valid(&r->name) || !times_valid(r) ||
        r->value.len > record_value_max(&r->name))
        return 0;
    struct pack b = pack_of(bytes, sizeof bytes);
    pack_body(&b, c, r, writer);
    ensure(!b.bad);
    size_t len = signed_text(text, (struct span){bytes, b.len});
    c->sign(signature, text, len, writer->ed_seed, writer->ed_pk);
    struct pack k = pack_of(out, max);
    pack_array(&k, 2);
    pack_bin(&k, bytes, b.len);
    pack_bin(&k, signature, sizeof signature);
    return k.bad ? 0 : k.len;
}

/* --- reading --- */

/* [body, signature] into its parts. */
static bool open_parts(struct span bytes, struct span *body, struct span *signature)
{
    if (bytes.len > RECORD_BYTES) return false;
    struct unpack u = unpack_of(bytes.p, bytes.len);
    unpack_array(&u, 2, 2);
    *body = unpack_bin(&u, 1, BODY_BYTES);
    *signature = unpack_bin(&u, CRYPTO_SIGNATURE, CRYPTO_SIGNATURE);
    return unpack_done(&u);
}

static void take_name(struct unpack *u, uint8_t kind, struct record_name *out)
{
    struct span tag = unpack_str(u, TAG_MAX), name = unpack_bin(u, 1, RECORD_NAME_MAX);
    if (u->bad) return;
    uint8_t i = 0;
    while (i < RECORD_TAG_COUNT && (strlen(tag_texts[i]) != tag.len ||
                                    (tag.len && memcmp(tag_texts[i], tag.p, tag.len) != 0)))
        i++;
    if (i == RECORD_TAG_COUNT || (i == RECORD_TAG_OWN) != (kind == RECORD_OWN)) {
        u->bad = true;
        return;
    }
    out->tag = i;
    out->len = (uint8_t)name.len;
    memcpy(out->b, name.p, name.len);
}

static bool take_body(struct span body, struct record *out)
{
    struct unpack u = unpack_of(body.p, body.len);
    unpack_array(&u, PLACES, PLACES);
    uint64_t version = unpack_uint(&u, VERSION);
    out->kind = (uint8_t)unpack_uint(&u, RECORD_CLAIM);
    unpack_copy(&u, out->key.b, ID_SIZE);
    unpack_copy(&u, out->ed_pk, sizeof out->ed_pk);
    unpack_copy(&u, out->x_pk, sizeof out->x_pk);
    out->seq = unpack_uint(&u, UINT64_MAX);
    out->expires_s = unpack_uint(&u, TIME_MAX_S);
    out->ttl_s = (uint32_t)unpack_uint(&u, RECORD_TTL_MAX_S);
    take_name(&u, out->kind, &out->name);
    out->value = unpack_bin(&u, 0, record_value_max(&out->name));
    return unpack_done(&u) && version == VERSION && out->kind != 0 && times_valid(out);
}

static enum err decode(struct span body, const struct crypto *c, struct record *v)
{
    struct id key;
    if (!take_body(body, v)) return ERR_MALFORMED;
    if (!record_name_valid(&v->name)) return ERR_DENIED;
    identity_id(&v->writer, c, v->ed_pk, v->x_pk);
    record_key(&key, c, &v->name, &v->writer);
    return id_equal(&key, &v->key) ? OK : ERR_DENIED;
}

enum err record_decode(struct span bytes, const struct crypto *c, struct record *out)
{
    struct span body, signature;
    struct record v = {0};
    if (!open_parts(bytes, &body, &signature)) return ERR_MALFORMED;
    enum err e = decode(body, c, &v);
    if (!e) *out = v;
    return e;
}

/* Not over, and not so far ahead that it could be played back for ever. */
static bool timely(const struct record *r, uint64_t now_s)
{
    if (now_s == 0 || r->expires_s == 0) return true;
    return now_s <= r->expires_s + RECORD_TOLERANCE_S &&
           r->expires_s <= now_s + RECORD_TTL_MAX_S + RECORD_TOLERANCE_S;
}

enum err record_verify(struct span bytes, const struct crypto *c, uint64_t now_s,
                       struct record *out)
{
    uint8_t text[DOMAIN_SIZE + BODY_BYTES];
    struct span body, signature;
    struct record v = {0};
    if (!open_parts(bytes, &body, &signature)) return ERR_MALFORMED;
    enum err e = decode(body, c, &v);
    if (e) return e;
    if (!timely(&v, now_s)) return ERR_EXPIRED;
    size_t len = signed_text(text, body);
    if (!c->verify(signature.p, text, len, v.ed_pk)) return ERR_CRYPTO;
    *out = v;
    return OK;
}
