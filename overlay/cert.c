/* The places of a body, a MessagePack array of nine:
 *
 *   0 kind   1 serial bin(16)   2 not_before_s   3 expires_s   4 name str
 *             5               6                  7            8
 *   NETWORK   key bin(32)     range net          prefix       mode
 *   INVITE    key bin(32)     groups [str ...]   ipv4         uses
 *   NODE      id bin(20)      groups [str ...]   ipv4         slot
 *
 * Signed: "ringlet cert 1" || body. Another number of places is refused: what a later version adds might be a
 * restriction, and ignoring one is worse than refusing. A later form gets another "1". */
#include "overlay/cert.h"
#include "base/bytes.h"
#include <string.h>

#define DOMAIN      "ringlet cert 1"
#define DOMAIN_SIZE (sizeof DOMAIN - 1)
#define PLACES      9
#define TIME_MAX_S  ((uint64_t)1 << 40) /* sums with the tolerance cannot overflow */

/* --- names, addresses --- */

bool name_valid(const char *s, size_t len)
{
    if (len < 1 || len > CERT_NAME_MAX || s[0] == '-' || s[len - 1] == '-') return false;
    for (size_t i = 0; i < len; i++) {
        bool letter = s[i] >= 'a' && s[i] <= 'z', digit = s[i] >= '0' && s[i] <= '9';
        if (!letter && !digit && s[i] != '-') return false;
    }
    return true;
}

static bool name_equal(const struct name_text *a, const struct name_text *b)
{
    return strcmp(a->s, b->s) == 0;
}

static uint32_t range_hosts(const struct range4 *r) /* mask of the host bits */
{
    return r->prefix == 0 ? UINT32_MAX : r->prefix >= 32 ? 0 : UINT32_MAX >> r->prefix;
}

static bool range_valid(const struct range4 *r)
{
    return r->prefix <= 32 && (r->net & range_hosts(r)) == 0; /* prefix 0: none, then net is 0 */
}

/* May a node have this fixed address? Inside, and neither the network's nor the broadcast address. */
static bool range_has_host(const struct range4 *r, uint32_t ipv4)
{
    uint32_t hosts = range_hosts(r), host = ipv4 & hosts;
    if (r->prefix == 0 || (ipv4 & ~hosts) != r->net) return false;
    return r->prefix >= 31 || (host != 0 && host != hosts);
}

/* --- one certificate --- */

static bool has_group(const struct name_text *groups, uint8_t count, const struct name_text *group)
{
    for (uint8_t i = 0; i < count; i++)
        if (name_equal(&groups[i], group)) return true;
    return false;
}

static void pack_name(struct pack *k, const struct name_text *name)
{
    pack_str(k, name->s, strnlen(name->s, CERT_NAME_MAX));
}

static void pack_groups(struct pack *k, const struct cert *b)
{
    pack_array(k, b->group_count);
    for (uint8_t i = 0; i < b->group_count; i++) pack_name(k, &b->groups[i]);
}

static void pack_body(struct pack *k, const struct cert *b)
{
    pack_array(k, PLACES);
    pack_uint(k, b->kind);
    pack_bin(k, b->serial, sizeof b->serial);
    pack_uint(k, b->not_before_s);
    pack_uint(k, b->expires_s);
    pack_name(k, &b->name);
    if (b->kind == CERT_NODE)
        pack_bin(k, b->id.b, ID_SIZE);
    else
        pack_bin(k, b->key, sizeof b->key);
    if (b->kind == CERT_NETWORK) {
        pack_uint(k, b->range.net);
        pack_uint(k, b->range.prefix);
        pack_uint(k, b->mode);
        return;
    }
    pack_groups(k, b);
    pack_uint(k, b->ipv4);
    pack_uint(k, b->kind == CERT_INVITE ? b->uses : b->slot);
}

/* What is signed: DOMAIN || body. Its length; 0: too long. */
static size_t signed_text(uint8_t out[DOMAIN_SIZE + CHAIN_BYTES], struct span body)
{
    if (body.len > CHAIN_BYTES) return 0;
    memcpy(out, DOMAIN, DOMAIN_SIZE);
    memcpy(out + DOMAIN_SIZE, body.p, body.len);
    return DOMAIN_SIZE + body.len;
}

size_t cert_sign(uint8_t *out, size_t max, const struct crypto *c, const struct cert *body,
                 const uint8_t issuer_seed[32], const uint8_t issuer_pk[32])
{
    uint8_t bytes[CHAIN_BYTES], text[DOMAIN_SIZE + CHAIN_BYTES], signature[CRYPTO_SIGNATURE];
    ensure(body->group_count <= CERT_GROUPS_MAX);
    struct pack b = pack_of(bytes, sizeof bytes);
    pack_body(&b, body);
    if (b.bad) return 0;
    size_t len = signed_text(text, (struct span){bytes, b.len});
    c->sign(signature, text, len, issuer_seed, issuer_pk);
    struct pack k = pack_of(out, max);
    pack_array(&k, 2);
    pack_bin(&k, bytes, b.len);
    pack_bin(&k, signature, sizeof signature);
    return k.bad ? 0 : k.len;
}

static void take_name(struct unpack *u, struct name_text *out, bool may_be_empty)
{
    struct span s = unpack_str(u, CERT_NAME_MAX);
    if (u->bad || (s.len == 0 && may_be_empty)) return;
    if (!name_valid((const char *)s.p, s.len)) {
        u->bad = true;
        return;
    }
    memcpy(out->s, s.p, s.len);
}

static void take_groups(struct unpack *u, struct cert *out)
{
    uint32_t count = unpack_array(u, 0, CERT_GROUPS_MAX);
    for (uint8_t i = 0; i < count && !u->bad; i++) {
        take_name(u, &out->groups[i], false);
        if (has_group(out->groups, i, &out->groups[i])) u->bad = true;
    }
    out->group_count = (uint8_t)count;
}

static void take_body(struct unpack *u, struct cert *out)
{
    unpack_array(u, PLACES, PLACES);
    out->kind = (uint8_t)unpack_uint(u, CERT_NODE);
    unpack_copy(u, out->serial, sizeof out->serial);
    out->not_before_s = unpack_uint(u, TIME_MAX_S);
    out->expires_s = unpack_uint(u, TIME_MAX_S);
    take_name(u, &out->name, out->kind == CERT_INVITE);
    if (out->kind == CERT_NODE)
        unpack_copy(u, out->id.b, ID_SIZE);
    else
        unpack_copy(u, out->key, sizeof out->key);
    if (out->kind == CERT_NETWORK) {
        out->range.net = (uint32_t)unpack_uint(u, UINT32_MAX);
        out->range.prefix = (uint8_t)unpack_uint(u, 32);
        out->mode = (uint8_t)unpack_uint(u, 3);
        return;
    }
    take_groups(u, out);
    out->ipv4 = (uint32_t)unpack_uint(u, UINT32_MAX);
    *(out->kind == CERT_INVITE ? &out->uses : &out->slot) = (uint32_t)unpack_uint(u, UINT32_MAX);
}

/* Does it make sense by itself? */
static bool body_valid(const struct cert *b)
{
    if (b->expires_s < b->not_before_s) return false;
    switch (b->kind) {
    case CERT_NETWORK: return range_valid(&b->range) && (b->mode == 2 || b->mode == 3);
    case CERT_INVITE: return b->uses > 0;
    case CERT_NODE: return !id_is_zero(&b->id);
    default: return false;
    }
}

/* [body, signature] into its parts. */
static bool open_one(struct span one, struct span *body, struct span *signature)
{
    struct unpack u = unpack_of(one.p, one.len);
    unpack_array(&u, 2, 2);
    *body = unpack_bin(&u, 1, CHAIN_BYTES);
    *signature = unpack_bin(&u, CRYPTO_SIGNATURE, CRYPTO_SIGNATURE);
    return unpack_done(&u);
}

enum err cert_decode(struct span one, struct cert *out)
{
    struct span body, signature;
    struct cert v = {0};
    if (!open_one(one, &body, &signature)) return ERR_MALFORMED;
    struct unpack u = unpack_of(body.p, body.len);
    take_body(&u, &v);
    if (!unpack_done(&u) || !body_valid(&v)) return ERR_MALFORMED;
    *out = v;
    return OK;
}

static bool cert_signed_by(struct span one, const struct crypto *c, const uint8_t issuer_pk[32])
{
    struct span body, signature;
    uint8_t text[DOMAIN_SIZE + CHAIN_BYTES];
    if (!open_one(one, &body, &signature)) return false;
    size_t len = signed_text(text, body);
    return c->verify(signature.p, text, len, issuer_pk);
}

/* --- chains --- */

size_t chain_write(uint8_t *out, size_t max, const struct span *certs, uint32_t count)
{
    ensure(count >= 1 && count <= CHAIN_MAX);
    struct pack k = pack_of(out, max < CHAIN_BYTES ? max : CHAIN_BYTES);
    pack_array(&k, count);
    for (uint32_t i = 0; i < count; i++) pack_raw(&k, certs[i]);
    return k.bad ? 0 : k.len;
}

enum err chain_split(struct span chain, struct span certs[CHAIN_MAX], uint32_t *count)
{
    if (chain.len > CHAIN_BYTES) return ERR_MALFORMED;
    struct unpack u = unpack_of(chain.p, chain.len);
    uint32_t n = unpack_array(&u, 1, CHAIN_MAX);
    for (uint32_t i = 0; i < n; i++) certs[i] = unpack_raw(&u);
    if (!unpack_done(&u)) return ERR_MALFORMED;
    *count = n;
    return OK;
}

/* The rules of cert.h for a child of an invite; NULL: directly below the network. */
static bool within_invite(const struct cert *child, const struct cert *invite)
{
    if (!invite) return child->slot == 0;
    if (child->slot >= invite->uses || child->ipv4 != invite->ipv4) return false;
    if (invite->name.s[0] && !name_equal(&child->name, &invite->name)) return false;
    for (uint8_t i = 0; i < child->group_count; i++)
        if (!has_group(invite->groups, invite->group_count, &child->groups[i])) return false;
    return true;
}

static bool within_network(const struct cert *child, const struct cert *network)
{
    return child->ipv4 == 0 || range_has_host(&network->range, child->ipv4);
}

/* ends: false for an invite that was used: its end was judged against what was issued with it. */
static enum err judge_time(const struct cert *b, uint64_t now_s, bool ends)
{
    if (now_s == 0) return OK; /* the calendar is unknown */
    if (now_s + CERT_TOLERANCE_S < b->not_before_s) return ERR_EXPIRED;
    return ends && now_s > b->expires_s + CERT_TOLERANCE_S ? ERR_EXPIRED : OK;
}

/* NETWORK, NODE | NETWORK, INVITE, NODE, or the beginning of one */
static bool shape_ok(const struct cert *certs, uint32_t i)
{
    if (i == 0) return certs[i].kind == CERT_NETWORK;
    if (certs[i - 1].kind == CERT_NODE || certs[i].kind == CERT_NETWORK) return false;
    return i == 1 || certs[i].kind == CERT_NODE;
}

/* Certificate i against those before it. */
static bool within_parents(const struct cert *certs, uint32_t i)
{
    if (i == 0) return true;
    const struct cert *child = &certs[i], *parent = &certs[i - 1];
    if (child->expires_s > certs[0].expires_s || !within_network(child, &certs[0])) return false;
    /* an invite ends the time of joining, not what was joined (docs/decisions/0005-invite-expiry.md) */
    if (parent->kind == CERT_INVITE && child->not_before_s > parent->expires_s) return false;
    return within_invite(child, parent->kind == CERT_INVITE ? parent : NULL);
}

/* Decode and verify all, whatever the last one's kind. */
static enum err chain_judge(struct span chain, const struct crypto *c,
                            const uint8_t authority_pk[32], uint64_t now_s,
                            struct cert certs[CHAIN_MAX], uint32_t *count)
{
    struct span spans[CHAIN_MAX];
    enum err e = chain_split(chain, spans, count);
    const uint8_t *issuer = authority_pk;
    for (uint32_t i = 0; !e && i < *count; i++) {
        e = cert_decode(spans[i], &certs[i]);
        if (!e && !shape_ok(certs, i)) e = ERR_DENIED;
        if (!e && !cert_signed_by(spans[i], c, issuer)) e = ERR_CRYPTO;
        if (!e && !within_parents(certs, i)) e = ERR_DENIED;
        bool used = certs[i].kind == CERT_INVITE && i + 1 < *count;
        if (!e) e = judge_time(&certs[i], now_s, !used);
        issuer = certs[i].key; /* a NODE's is zero, and nothing may follow it */
    }
    return e;
}

static void membership_of(struct membership *out, const struct cert *certs, uint32_t count)
{
    const struct cert *network = &certs[0], *last = &certs[count - 1];
    *out = (struct membership){
        .network = network->name,
        .range = network->range,
        .mode = network->mode,
        .expires_s = last->expires_s}; /* nothing issued outlives its network */
    memcpy(out->network_key, network->key, 32);
    if (count == 1) return;
    out->host = last->name;
    out->id = last->id;
    out->ipv4 = last->ipv4;
    out->slot = last->slot;
    memcpy(out->groups, last->groups, sizeof out->groups);
    out->group_count = last->group_count;
    const struct cert *invite = &certs[1];
    if (invite->kind != CERT_INVITE) return;
    memcpy(out->invite, invite->serial, sizeof out->invite);
    out->uses = invite->uses;
}

enum err chain_verify(struct span chain, const struct crypto *c, const uint8_t authority_pk[32],
                      const struct id *id, uint64_t now_s, struct membership *out)
{
    struct cert certs[CHAIN_MAX];
    uint32_t count;
    enum err e = chain_judge(chain, c, authority_pk, now_s, certs, &count);
    if (e) return e;
    const struct cert *last = &certs[count - 1];
    if (last->kind != CERT_NODE || !id_equal(&last->id, id)) return ERR_DENIED;
    membership_of(out, certs, count);
    return OK;
}

enum err chain_verify_issuer(struct span chain, const struct crypto *c,
                             const uint8_t authority_pk[32], uint64_t now_s, struct membership *out,
                             struct cert *last)
{
    struct cert certs[CHAIN_MAX];
    uint32_t count;
    enum err e = chain_judge(chain, c, authority_pk, now_s, certs, &count);
    if (e) return e;
    if (certs[count - 1].kind == CERT_NODE) return ERR_DENIED;
    membership_of(out, certs, count);
    *last = certs[count - 1];
    return OK;
}
