/* CONTROL bodies from a certified member: as a sealed frame of the link, and as the body of ROUTED.
 *
 * The input is a list of [how, length, MessagePack]. HOW_RECORD: the bytes say what a record is to be like (sequence, time to live,
 * name, value); it is signed by the sender, and stored, put, or asked for. HOW_BROADCAST: they say number, time, time left and arc of a
 * broadcast, signed likewise. */
#include "overlay/dht.h"
#include "tests/harness/party.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum how {
    HOW_THIRD = 1,
    HOW_ROUTED = 2,
    HOW_NEAREST = 4,
    HOW_ANYWHERE = 8, /* routed: to the id at the end of the bytes */
    HOW_TIME = 16,
    HOW_RECORD = 32,
    HOW_PUT = 64, /* else STORE */
    HOW_BROADCAST = 128
};

/* A record after the bytes' wishes, in the frame that brings it. */
static size_t record_frame(const struct party *p, const struct guest *by, uint8_t how,
                           const uint8_t *bytes, size_t len, uint8_t out[CONTROL_MAX])
{
    struct reader in = reader_of(bytes, len);
    struct record r = {.seq = read_u8(&in), .ttl_s = read_u32(&in)};
    uint8_t tag = read_u8(&in), record[RECORD_BYTES], network[36] = {0};
    r.expires_s = tag & 0x80 ? CALENDAR_S + read_u32(&in) : 0;
    memcpy(network, p->network.ed_pk, 32);
    put_u32(network + 32, read_u32(&in));
    if ((tag & 3) == RECORD_TAG_IP4)
        r.name = record_name_ip4(network, get_u32(network + 32));
    else
        r.name = record_name_of((enum record_tag)(tag & 3), network + 31, 5);
    r.value = (struct span){in.p, in.left < RECORD_VALUE_MAX ? in.left : RECORD_VALUE_MAX};
    if (in.bad) return 0;
    size_t n = record_sign(record, sizeof record, p->crypto, &r, &by->self);
    if (!n) return 0;
    struct pack k = pack_of(out + 1, CONTROL_MAX - 1);
    out[0] = KIND_CONTROL;
    pack_array(&k, how & HOW_PUT ? 4 : 3);
    pack_uint(&k, how & HOW_PUT ? CONTROL_PUT : CONTROL_STORE);
    if (how & HOW_PUT) {
        pack_uint(&k, get_u32(network + 32));
        pack_bin(&k, ID_ZERO.b, ID_SIZE);
    }
    pack_bin(&k, record, n);
    if (!(how & HOW_PUT)) pack_uint(&k, r.ttl_s);
    return k.bad ? 0 : k.len + 1;
}

static struct id some_id(const struct party *p, struct reader *in)
{
    uint8_t which = read_u8(in);
    return which < 3 ? p->guests[which]->self.id : (struct id){{which, read_u8(in)}};
}

static size_t broadcast_frame(const struct party *p, const struct guest *by, const uint8_t *bytes,
                              size_t len, uint8_t out[1200])
{
    struct reader in = reader_of(bytes, len);
    struct party_broadcast b = {.number = read_u8(&in), .text = "x"};
    uint8_t at = read_u8(&in);
    if (at) b.at_s = CALENDAR_S + (uint64_t)at * 3600;
    b.left_ms = read_u16(&in);
    b.start = some_id(p, &in);
    b.end = some_id(p, &in);
    return party_broadcast(p, by, &b, out);
}

static void one(struct party *p, struct reader *in)
{
    uint8_t how = read_u8(in), body[1400] = {0}, frame[1500];
    struct guest *a = p->guests[0], *b = p->guests[how & HOW_THIRD ? 2 : 1];
    size_t len = read_u16(in) % 1210;
    if (len > in->left) len = in->left;
    body[0] = KIND_CONTROL;
    read_copy(in, body + 1, len++);
    if (how & HOW_RECORD) {
        uint8_t wishes[1400];
        memcpy(wishes, body + 1, len - 1);
        len = record_frame(p, b, how, wishes, len - 1, body);
        how |= HOW_ROUTED;
        if (!len) return;
    }
    if (how & HOW_BROADCAST) {
        uint8_t wishes[1400];
        memcpy(wishes, body + 1, len - 1);
        len = broadcast_frame(p, b, wishes, len - 1, body);
        if (!len) return;
    }
    if (how & HOW_ROUTED) {
        struct routed r = {.mode = how & HOW_NEAREST ? ROUTE_NEAREST : ROUTE_EXACT,
                           .ttl = 9,
                           .flags = ROUTED_NO_ACK,
                           .src = b->self.id,
                           .dst = a->self.id,
                           .body = body,
                           .body_len = len};
        if (how & HOW_ANYWHERE && len >= ID_SIZE) memcpy(r.dst.b, body + len - ID_SIZE, ID_SIZE);
        size_t n = routed_write(frame, KIND_ROUTED_MAX, &r);
        if (n) (void)guest_send(p, b, a, NULL, frame, n);
    } else {
        (void)guest_send(p, b, a, NULL, body, len);
    }
    if (how & HOW_TIME) party_run(p, MILLIS(300));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    party_fuzz(party_of(&crypto_fake, 1, 3, false, &party_small), data, size, 4, one, SECONDS(3));
    return 0;
}
