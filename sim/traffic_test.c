#include "sim/traffic.h"

#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

#define TAG (DATA_OVERHEAD - DATA_HEADER)

static uint8_t buffer[2048];
static size_t used;

/* Puts `len` bytes before what is there. */
static void before(uint8_t first, size_t len)
{
    memmove(buffer + len, buffer, used);
    memset(buffer, 0xaa, len);
    buffer[0] = first;
    used += len;
}

static void sealed(void)
{
    before(OUTER_DATA, DATA_HEADER);
    memset(buffer + used, KIND_PING, TAG); /* a tag may look like anything */
    used += TAG;
}

static void is(unsigned type, unsigned way)
{
    struct traffic t;
    memset(&t, 0, sizeof t);
    traffic_count(&t, buffer, used, used + 28);
    assert_int_equal(t.bytes[way][type], used + 28);
    assert_int_equal(t.datagrams[way][type], 1);
    used = 0;
}

static void test_types(void **state)
{
    (void)state;
    before(OUTER_HELLO1, HELLO1_SIZE);
    is(TRAFFIC_HELLO1, WAY_DIRECT);
    before(KIND_PONG, PONG_SIZE), sealed();
    is(TRAFFIC_PONG, WAY_DIRECT);
    static const uint8_t candidates[] = {KIND_CONTROL, 0x95, CONTROL_CANDIDATES, 0xc3};
    memcpy(buffer, candidates, sizeof candidates), used = sizeof candidates, sealed();
    is(TRAFFIC_CANDIDATES, WAY_DIRECT);
    before(0x01, 40); /* none of ours */
    is(TRAFFIC_OTHER, WAY_DIRECT);
    is(TRAFFIC_OTHER, WAY_DIRECT); /* nothing at all */
}

static void test_ways(void **state)
{
    (void)state;
    /* sealed end to end, over the ring through a waypoint */
    before(KIND_PING, PING_SIZE), sealed();
    before(KIND_ROUTED, ROUTED_HEADER), before(KIND_ROUTED, ROUTED_HEADER), sealed();
    is(TRAFFIC_PING, WAY_ROUTED);
    before(KIND_PING, PING_SIZE), sealed();
    before(KIND_RELAYED, RELAYED_HEADER), sealed();
    is(TRAFFIC_PING, WAY_RELAYED);
    before(OUTER_HELLO2, HELLO2_SIZE), before(KIND_ROUTED, ROUTED_HEADER), sealed();
    is(TRAFFIC_HELLO2, WAY_ROUTED);
}

/* An acknowledgement alone, also where two tags follow it; with a frame behind it, that frame. */
static void test_ack(void **state)
{
    (void)state;
    static const uint8_t ack[] = {KIND_ACK, 1, 0, 7};
    memcpy(buffer, ack, sizeof ack), used = sizeof ack, sealed();
    is(TRAFFIC_ACK, WAY_DIRECT);
    memcpy(buffer, ack, sizeof ack), used = sizeof ack, sealed();
    before(KIND_RELAYED, RELAYED_HEADER), sealed();
    is(TRAFFIC_ACK, WAY_RELAYED);
    before(KIND_PONG, PONG_SIZE), before(KIND_ACK, sizeof ack);
    memcpy(buffer, ack, sizeof ack), sealed();
    is(TRAFFIC_PONG, WAY_DIRECT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_types),
        cmocka_unit_test(test_ways),
        cmocka_unit_test(test_ack),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
