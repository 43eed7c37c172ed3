#include "overlay/identity.h"
#include "base/bytes.h"
#include <string.h>

#define ID_DOMAIN     "ringlet id 1"
#define FILE_MAGIC    "ringlet-identity-1"
#define FILE_SECRET   64u /* ed_seed, x_sk */
#define FILE_CHECKSUM 8u
#define FILE_BASE64   96u /* of those 72 bytes */
#define ROOM_FIRST    16u

_Static_assert(sizeof FILE_MAGIC + FILE_BASE64 + 1 <= IDENTITY_TEXT - 1,
               "magic, space, base64, newline");
_Static_assert(FILE_BASE64 * 3 == (FILE_SECRET + FILE_CHECKSUM) * 4, "no padding");

void identity_id(struct id *out, const struct crypto *c, const uint8_t ed_pk[32],
                 const uint8_t x_pk[32])
{
    uint8_t text[sizeof ID_DOMAIN - 1 + 64], hash[32];
    struct writer w = writer_of(text, sizeof text);
    write_bytes(&w, ID_DOMAIN, sizeof ID_DOMAIN - 1);
    write_bytes(&w, ed_pk, 32);
    write_bytes(&w, x_pk, 32);
    c->hash(hash, sizeof hash, text, sizeof text, NULL, 0);
    memcpy(out->b, hash, ID_SIZE);
}

void identity_from_seeds(struct identity *out, const struct crypto *c, const uint8_t ed_seed[32],
                         const uint8_t x_sk[32])
{
    memcpy(out->ed_seed, ed_seed, 32);
    memcpy(out->x_sk, x_sk, 32);
    c->ed25519_public(out->ed_pk, out->ed_seed);
    c->x25519_public(out->x_pk, out->x_sk);
    identity_id(&out->id, c, out->ed_pk, out->x_pk);
}

void identity_make(struct identity *out, const struct crypto *c, struct rng *r)
{
    uint8_t seeds[64];
    rng_bytes(r, seeds, sizeof seeds);
    identity_from_seeds(out, c, seeds, seeds + 32);
    crypto_wipe(seeds, sizeof seeds);
}

void identity_wipe(struct identity *i)
{
    crypto_wipe(i, sizeof *i);
}

/* --- as text --- */

static const char base64_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static void base64_encode(char *out, const uint8_t *in, size_t len) /* len: a multiple of 3 */
{
    for (; len; len -= 3, in += 3, out += 4) {
        uint32_t v = (uint32_t)in[0] << 16 | (uint32_t)in[1] << 8 | in[2];
        for (unsigned j = 0; j < 4; j++) out[j] = base64_alphabet[v >> (18 - 6 * j) & 63];
    }
}

static bool base64_decode(uint8_t *out, const char *in, size_t len) /* len: a multiple of 4 */
{
    for (; len; len -= 4, in += 4, out += 3) {
        uint32_t v = 0;
        for (unsigned j = 0; j < 4; j++) {
            const char *at = in[j] ? strchr(base64_alphabet, in[j]) : NULL;
            if (!at) return false;
            v = v << 6 | (uint32_t)(at - base64_alphabet);
        }
        out[0] = (uint8_t)(v >> 16), out[1] = (uint8_t)(v >> 8), out[2] = (uint8_t)v;
    }
    return true;
}

static void file_checksum(uint8_t out[FILE_CHECKSUM], const struct crypto *c,
                          const uint8_t secret[FILE_SECRET])
{
    c->hash(out, FILE_CHECKSUM, secret, FILE_SECRET, FILE_MAGIC, sizeof FILE_MAGIC - 1);
}

size_t identity_encode(const struct identity *i, const struct crypto *c, char out[IDENTITY_TEXT])
{
    uint8_t raw[FILE_SECRET + FILE_CHECKSUM];
    memcpy(raw, i->ed_seed, 32);
    memcpy(raw + 32, i->x_sk, 32);
    file_checksum(raw + FILE_SECRET, c, raw);
    struct writer w = writer_of(out, IDENTITY_TEXT);
    write_bytes(&w, FILE_MAGIC " ", sizeof FILE_MAGIC);
    base64_encode((char *)write_space(&w, FILE_BASE64), raw, sizeof raw);
    write_bytes(&w, "\n", 2); /* and its NUL, which is not counted */
    ensure(!w.bad);
    crypto_wipe(raw, sizeof raw);
    return w.len - 1;
}

enum err identity_decode(struct identity *out, const struct crypto *c, const char *text, size_t len)
{
    struct reader r = reader_of(text, len);
    const uint8_t *magic = read_bytes(&r, sizeof FILE_MAGIC);
    const uint8_t *base64 = read_bytes(&r, FILE_BASE64);
    if (r.left && read_u8(&r) != '\n')
        return ERR_MALFORMED; /* an editor may have eaten the newline */
    if (!reader_done(&r) || memcmp(magic, FILE_MAGIC " ", sizeof FILE_MAGIC) != 0)
        return ERR_MALFORMED;

    uint8_t raw[FILE_SECRET + FILE_CHECKSUM], sum[FILE_CHECKSUM];
    bool good = base64_decode(raw, (const char *)base64, FILE_BASE64);
    if (good) {
        file_checksum(sum, c, raw);
        good = memcmp(sum, raw + FILE_SECRET, FILE_CHECKSUM) == 0;
    }
    if (good) identity_from_seeds(out, c, raw, raw + 32);
    crypto_wipe(raw, sizeof raw);
    return good ? OK : ERR_MALFORMED;
}

/* --- the table. entries[0] stands for "none". A free entry has no holders; the first four bytes of its id are
 * the handle of the next free one. --- */

static bool entry_has_id(const void *context, uint32_t value, const void *key)
{
    const struct identities *t = context;
    return memcmp(t->entries[value].id.b, key, ID_SIZE) == 0;
}

enum err identities_init(struct identities *t, uint32_t max, const uint8_t key[16])
{
    ensure(max > 0 && max < TABLE_NONE / 2);
    *t = (struct identities){.max = max};
    uint32_t count = table_slots_for(ROOM_FIRST), room = max < ROOM_FIRST ? max + 1 : ROOM_FIRST;
    t->slots = calloc(count, sizeof *t->slots);
    t->entries = calloc(room, sizeof *t->entries);
    t->ids = calloc(room, sizeof *t->ids);
    if (!t->slots || !t->entries || !t->ids) {
        identities_fini(t);
        return ERR_NO_MEMORY;
    }
    table_init(&t->index, t->slots, count, key);
    t->room = room;
    t->count = 1; /* handles given out so far, "none" included */
    return OK;
}

void identities_fini(struct identities *t)
{
    free(t->slots);
    free(t->entries);
    free(t->ids);
    *t = (struct identities){0};
}

/* A new index for `room` entries with all live ones in it. */
static bool index_grow(struct identities *t, uint32_t room)
{
    uint32_t count = table_slots_for(room);
    if (count <= t->index.mask + 1) return true;
    struct table_slot *slots = calloc(count, sizeof *slots);
    if (!slots) return false;
    struct table bigger;
    table_init(&bigger, slots, count, t->index.key);
    for (uint32_t h = 1; h < t->count; h++) {
        if (!t->entries[h].holders) continue;
        enum err e = table_put(&bigger, t->entries[h].id.b, ID_SIZE, h);
        ensure(!e);
    }
    free(t->slots);
    t->slots = slots;
    t->index = bigger;
    return true;
}

static bool identities_grow(struct identities *t)
{
    uint32_t most = t->max + 1; /* "none" takes a place */
    if (t->room >= most) return false;
    uint32_t room = t->room > most / 2 ? most : t->room * 2;
    if (!index_grow(t, room)) return false;
    struct id *ids = realloc(t->ids, room * sizeof *ids);
    if (!ids) return false;
    t->ids = ids;
    struct peer_identity *entries = realloc(t->entries, room * sizeof *entries);
    if (!entries) return false;
    memset(entries + t->room, 0, (room - t->room) * sizeof *entries);
    t->entries = entries;
    t->room = room;
    return true;
}

static peer_handle entry_take(struct identities *t)
{
    peer_handle h = t->free_head;
    if (h) {
        t->free_head = get_u32(t->entries[h].id.b);
        return h;
    }
    if (t->count == t->room && !identities_grow(t)) return 0;
    return t->count++;
}

peer_handle identities_find(const struct identities *t, const struct id *id)
{
    uint32_t found = table_get(&t->index, id->b, ID_SIZE, entry_has_id, t);
    return found == TABLE_NONE ? 0 : found;
}

peer_handle identities_hold(struct identities *t, const struct id *id)
{
    peer_handle h = identities_find(t, id);
    if (h) {
        ensure(t->entries[h].holders < UINT32_MAX);
        t->entries[h].holders++;
        return h;
    }
    h = entry_take(t);
    if (!h) return 0;
    t->entries[h] = (struct peer_identity){.id = *id, .holders = 1};
    t->ids[h] = *id;
    enum err e = table_put(&t->index, id->b, ID_SIZE, h);
    ensure(!e); /* the index always has room for `room` entries */
    return h;
}

peer_handle identities_hold_keys(struct identities *t, const struct id *id, const uint8_t ed_pk[32],
                                 const uint8_t x_pk[32])
{
    peer_handle h = identities_hold(t, id);
    if (!h) return 0;
    struct peer_identity *p = &t->entries[h];
    memcpy(p->ed_pk, ed_pk, 32);
    memcpy(p->x_pk, x_pk, 32);
    p->has_keys = true;
    return h;
}

void identities_drop(struct identities *t, peer_handle h)
{
    ensure(h > 0 && h < t->count && t->entries[h].holders > 0);
    struct peer_identity *p = &t->entries[h];
    if (--p->holders) return;
    bool removed = table_remove(&t->index, p->id.b, ID_SIZE, h);
    ensure(removed);
    *p = (struct peer_identity){0};
    put_u32(p->id.b, t->free_head);
    t->free_head = h;
}

const struct peer_identity *identities_get(const struct identities *t, peer_handle h)
{
    ensure(h > 0 && h < t->count && t->entries[h].holders > 0);
    return &t->entries[h];
}
