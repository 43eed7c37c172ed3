/* Records: a stranger's bytes, and what we make ourselves of any fields.
 *
 * What decodes can be signed again by somebody, verifies then, and says the same; signed by its own
 * writer it is the same bytes. */
#include "overlay/record.h"
#include "base/bytes.h"
#include "overlay/slot.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void check_fields(const struct record *r)
{
    struct id key, writer;
    ensure(record_name_valid(&r->name));
    ensure(r->ttl_s > 0 && r->ttl_s <= RECORD_TTL_MAX_S &&
           r->value.len <= record_value_max(&r->name));
    identity_id(&writer, &crypto_fake, r->ed_pk, r->x_pk);
    record_key(&key, &crypto_fake, &r->name, &writer);
    ensure(id_equal(&writer, &r->writer) && id_equal(&key, &r->key));
    ensure((r->kind == RECORD_OWN) == (r->name.tag == RECORD_TAG_OWN));
}

static void check_same(const struct record *a, const struct record *b)
{
    ensure(a->kind == b->kind && a->seq == b->seq && a->ttl_s == b->ttl_s);
    ensure(a->expires_s == b->expires_s && a->value.len == b->value.len);
    ensure(memcmp(&a->name, &b->name, sizeof a->name) == 0);
    ensure(a->value.len == 0 || memcmp(a->value.p, b->value.p, a->value.len) == 0);
}

/* Sign, verify, sign once more. */
static void around(const struct record *r, const struct identity *us)
{
    uint8_t bytes[RECORD_BYTES], again[RECORD_BYTES];
    struct record back;
    size_t len = record_sign(bytes, sizeof bytes, &crypto_fake, r, us);
    ensure(len > 0);
    ensure(record_verify((struct span){bytes, len}, &crypto_fake, r->expires_s, &back) == OK);
    check_fields(&back);
    check_same(r, &back);
    ensure(id_equal(&back.writer, &us->id));
    ensure(record_sign(again, sizeof again, &crypto_fake, &back, us) == len);
    ensure(memcmp(bytes, again, len) == 0);
}

/* A record of our own whose fields the input chooses. */
static void from_fields(const uint8_t *data, size_t size, const struct identity *us)
{
    struct reader in = reader_of(data, size);
    struct record r = {.seq = read_u64(&in)};
    r.expires_s = read_u64(&in) >> 24;
    r.ttl_s = read_u32(&in) % RECORD_TTL_MAX_S + 1;
    enum record_tag tag = read_u8(&in) % RECORD_TAG_COUNT;
    r.kind = tag == RECORD_TAG_OWN ? RECORD_OWN : RECORD_CLAIM;
    size_t name_len = read_u8(&in);
    const uint8_t *name = read_bytes(&in, name_len);
    if (in.bad) return;
    r.name = record_name_of(tag, name, name_len);
    size_t most = record_value_max(&r.name);
    r.value = (struct span){in.p, in.left < most ? in.left : most};
    if (r.name.len)
        around(&r, us);
    else
        ensure(record_sign((uint8_t[1]){0}, 1, &crypto_fake, &r, us) == 0);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint8_t seeds[2][32] = {{1}, {2}};
    struct identity us;
    struct record decoded, verified;
    struct span bytes = {data, size};
    identity_from_seeds(&us, &crypto_fake, seeds[0], seeds[1]);
    enum err e = record_decode(bytes, &crypto_fake, &decoded);
    if (record_verify(bytes, &crypto_fake, 0, &verified) == OK) {
        ensure(e == OK);
        check_same(&decoded, &verified);
        uint8_t again[RECORD_BYTES];
        size_t len = record_sign(again, sizeof again, &crypto_fake, &verified, &us);
        if (id_equal(&verified.writer, &us.id))
            ensure(len == size && memcmp(again, data, len) == 0);
    }
    if (e == OK) {
        check_fields(&decoded);
        if (slot_proven(&decoded, &crypto_fake, us.ed_pk, 0))
            ensure(decoded.name.tag != RECORD_TAG_SLOT || decoded.value.len > 0);
        around(&decoded, &us);
    }
    from_fields(data, size, &us);
    return 0;
}
