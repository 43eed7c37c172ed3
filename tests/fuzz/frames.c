/* overlay/wire.h: every decoder over any bytes; what decodes, encodes to the same bytes. */
#include "base/err.h"
#include "overlay/wire.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* `len` bytes written anew must be the first of those read. */
static void same(const uint8_t *again, size_t len, const uint8_t *data, size_t size)
{
    ensure(len > 0 && len <= size);
    ensure(memcmp(again, data, len) == 0);
    ensure(kind_name(data[0]) && kind_length_ok(data[0], size));
}

static void frame(const uint8_t *data, size_t size, unsigned depth)
{
    uint8_t again[2048];
    struct ping ping;
    struct pong pong;
    struct routed routed;
    struct ack ack;
    unsigned decoded = 0;
    if (ping_read(data, size, &ping)) {
        decoded++;
        same(again, ping_write(again, sizeof again, &ping), data, size);
    }
    if (pong_read(data, size, &pong)) {
        decoded++;
        size_t len = pong_write(again, sizeof again, &pong);
        ensure(len == size);
        same(again, len, data, size);
    }
    if (routed_read(data, size, &routed)) {
        decoded++;
        ensure(routed.body >= data && routed.body + routed.body_len == data + size);
        size_t len = routed_write(again, sizeof again, &routed);
        ensure(len == size);
        same(again, len, data, size);
        if (depth < 3) frame(routed.body, routed.body_len, depth + 1);
    }
    if (ack_read(data, size, &ack)) {
        decoded++;
        size_t len = ack_write(again, sizeof again, &ack);
        ensure(len + ack.rest_len == size && (ack.rest != NULL) == (ack.rest_len > 0));
        ensure(!ack.rest || (ack.rest == data + len && ack.rest[0] != KIND_ACK));
        same(again, len, data, size);
        if (ack.rest && depth < 3) frame(ack.rest, ack.rest_len, depth + 1);
    }
    ensure(decoded <= 1); /* one kind, one meaning */
}

static void outer(const uint8_t *data, size_t size)
{
    struct data_header h;
    uint8_t again[DATA_HEADER];
    if (!data_header_read(data, size, &h)) return;
    data_header_write(again, &h);
    ensure(memcmp(again, data, sizeof again) == 0);
    ensure(outer_name(data[0]) && outer_length_ok(data[0], size));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size > DATAGRAM_MAX) return 0;
    frame(data, size, 0);
    outer(data, size);
    return 0;
}
