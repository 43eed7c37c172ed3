/* base/pack.h against msgpack-c's own unpacker, both ways.
 *
 * What our cursor takes as one object, msgpack-c takes too, with the same length, and writing its
 * tree again gives the same bytes: one value, one spelling. What msgpack-c takes and we could have
 * written ourselves, our cursor takes. */
#include "base/pack.h"
#include "base/err.h"
#include <msgpack.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* False: holds what we never write. */
static bool tree_write(struct pack *k, const msgpack_object *o, unsigned depth)
{
    switch (o->type) {
    case MSGPACK_OBJECT_NIL:
        pack_raw(k, (struct span){.p = (const uint8_t *)"\xc0", .len = 1});
        break;
    case MSGPACK_OBJECT_BOOLEAN: pack_bool(k, o->via.boolean); break;
    case MSGPACK_OBJECT_POSITIVE_INTEGER: pack_uint(k, o->via.u64); break;
    case MSGPACK_OBJECT_NEGATIVE_INTEGER: pack_int(k, o->via.i64); break;
    case MSGPACK_OBJECT_STR: pack_str(k, o->via.str.ptr, o->via.str.size); break;
    case MSGPACK_OBJECT_BIN: pack_bin(k, o->via.bin.ptr, o->via.bin.size); break;
    case MSGPACK_OBJECT_ARRAY:
        if (depth == PACK_DEPTH) return false;
        pack_array(k, o->via.array.size);
        for (uint32_t i = 0; i < o->via.array.size; i++)
            if (!tree_write(k, &o->via.array.ptr[i], depth + 1)) return false;
        break;
    default: return false;
    }
    return !k->bad;
}

/* msgpack-c allocates for a count before it looks whether so much is there. */
static bool may_hold_a_bomb(const uint8_t *data, size_t size)
{
    return memchr(data, 0xdd, size) || memchr(data, 0xdf, size);
}

static void against_msgpack(const uint8_t *data, size_t size)
{
    struct unpack u = unpack_of(data, size);
    struct span raw = unpack_raw(&u);
    if (u.bad && may_hold_a_bomb(data, size)) return;

    msgpack_unpacked theirs;
    size_t used = 0;
    msgpack_unpacked_init(&theirs);
    bool good = msgpack_unpack_next(&theirs, (const char *)data, size, &used) ==
                MSGPACK_UNPACK_SUCCESS;
    uint8_t *again = malloc(size + 1);
    struct pack k = pack_of(again, size);
    bool ours = good && tree_write(&k, &theirs.data, 0) && k.len == used &&
                memcmp(again, data, used) == 0;
    ensure(ours == !u.bad);
    ensure(u.bad || raw.len == used);
    free(again);
    msgpack_unpacked_destroy(&theirs);
}

/* Typed reads in an order that the input's first bytes choose: after an error everything is zero. */
static void typed_reads(const uint8_t *data, size_t size)
{
    uint8_t copy[8];
    size_t orders = size < 8 ? size : 8;
    struct unpack u = unpack_of(data + orders, size - orders);
    for (size_t i = 0; i < orders; i++) {
        uint64_t any = 0;
        size_t room = u.left;
        switch (data[i] % 8) {
        case 0: any = unpack_array(&u, 0, 100); break;
        case 1: any = unpack_uint(&u, UINT64_MAX); break;
        case 2: any = (uint64_t)unpack_int(&u); break;
        case 3: any = unpack_bool(&u); break;
        case 4: any = unpack_bin(&u, 1, 50).len; break;
        case 5: any = unpack_str(&u, 50).len; break;
        case 6:
            unpack_copy(&u, copy, sizeof copy);
            any = copy[0];
            break;
        default: any = unpack_raw(&u).len;
        }
        ensure(u.bad ? any == 0 && u.left == 0 : u.left < room);
        ensure(unpack_done(&u) == (!u.bad && u.left == 0));
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > 0) against_msgpack(data, size);
    typed_reads(data, size);
    return 0;
}
