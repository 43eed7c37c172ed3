/* What the socket is given: trains of one size, and what comes of it when a device takes none. No socket: a test's own. */
#include "daemon/udp.h"

#include "base/bytes.h"
#include <errno.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <string.h>
#include <cmocka.h>

#define BIG 5000

static struct { /* what the "kernel" got */
    uint32_t messages, datagrams, calls;
    uint16_t port[BIG];
    uint32_t len[BIG];
    uint8_t first[BIG]; /* byte */
    int refuse;         /* errno for trains; 0: taken */
    uint32_t refusals;
    uint32_t room; /* datagrams taken before EAGAIN */
} kernel;

static uint16_t segment_of(const struct msghdr *m)
{
    uint16_t segment = 0;
    if (m->msg_controllen) memcpy(&segment, CMSG_DATA(CMSG_FIRSTHDR((struct msghdr *)m)), 2);
    return segment;
}

/* As Linux cuts: the parts of memory one behind the other, segment by segment. */
static void take(const struct msghdr *m)
{
    static uint8_t flat[70000];
    size_t len = 0;
    for (size_t i = 0; i < m->msg_iovlen; i++) {
        memcpy(flat + len, m->msg_iov[i].iov_base, m->msg_iov[i].iov_len);
        len += m->msg_iov[i].iov_len;
    }
    size_t segment = segment_of(m) ? segment_of(m) : len;
    assert_true(len <= 65507 && len <= 64 * segment);
    kernel.messages++;
    for (size_t at = 0; at < len; at += segment) {
        uint32_t n = kernel.datagrams++;
        kernel.port[n] = ntohs(((const struct sockaddr_in *)m->msg_name)->sin_port);
        kernel.len[n] = (uint32_t)(len - at < segment ? len - at : segment);
        kernel.first[n] = flat[at];
    }
}

static int send_some(int fd, struct mmsghdr *list, unsigned count, int flags)
{
    (void)flags;
    assert_int_equal(fd, 5);
    kernel.calls++;
    for (unsigned i = 0; i < count; i++) {
        bool refused = kernel.refuse && list[i].msg_hdr.msg_controllen;
        if (!refused && kernel.datagrams < kernel.room) {
            take(&list[i].msg_hdr);
            continue;
        }
        kernel.refusals += refused && i == 0;
        errno = refused ? kernel.refuse : EAGAIN;
        return i ? (int)i : -1;
    }
    return (int)count;
}

static struct udp u;
static uint8_t bytes[70000];

static int setup(void **state)
{
    (void)state;
    memset(&kernel, 0, sizeof kernel);
    kernel.room = BIG;
    u = (struct udp){.count = 1, .out = {.fd = -1, .send = send_some}};
    u.sockets[0] = (struct udp_socket){.fd = 5, .at = endpoint_v4(0, 7464)};
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (uint8_t)(i / 100);
    return 0;
}

static struct endpoint peer(uint16_t port)
{
    return endpoint_v4(0xc0000201, port);
}

static void queue(uint16_t port, uint32_t at, uint32_t len, uint16_t segment)
{
    struct endpoint to = peer(port);
    udp_queue(&u, &to, bytes + at, len, segment);
}

static void one_size_is_one_train(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 200; i++) queue(1, i * 100, 99, 0);
    queue(1, 50, 40, 0); /* a shorter one may end it */
    queue(1, 0, 40, 0);  /* and nothing may follow that */
    udp_flush(&u);
    assert_int_equal(kernel.calls, 1);
    assert_int_equal(kernel.messages, 5); /* 64, 64, 64, 8 and the short one, one */
    assert_int_equal(kernel.datagrams, 202);
    for (uint32_t i = 0; i < 200; i++) {
        assert_int_equal(kernel.len[i], 99);
        assert_int_equal(kernel.first[i], (uint8_t)i);
    }
    assert_int_equal(kernel.len[200], 40);
    assert_int_equal(u.dropped, 0);
    assert_int_equal(u.tx_bytes, 200 * 99 + 80);
}

static void other_ends_and_longer_ones_begin_anew(void **state)
{
    (void)state;
    queue(1, 0, 50, 0);
    queue(2, 0, 50, 0);
    queue(2, 0, 51, 0);
    queue(2, 0, 200, 50); /* longer than one, and of another size */
    queue(2, 0, 130, 50); /* two more, and a short one */
    queue(2, 0, 50, 0);
    udp_flush(&u);
    assert_int_equal(kernel.messages, 5);
    assert_int_equal(kernel.datagrams, 1 + 1 + 1 + 4 + 3 + 1);
    assert_int_equal(kernel.port[0], 1);
    assert_int_equal(kernel.port[1], 2);
}

static void trains_stay_within_bounds(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 300; i++) queue(1, 0, 1400, 0); /* 65,000 bytes before 64 */
    for (uint32_t i = 0; i < 300; i++) queue((uint16_t)i, 0, 60, 0);
    queue(1, 0, 64000, 1400);
    queue(1, 0, 64000, 1400);
    udp_flush(&u);
    assert_int_equal(kernel.datagrams, 300 + 300 + 2 * 46);
    assert_int_equal(u.dropped, 0);
}

/* A device refuses trains in the midst of them: every datagram leaves all the same, in order, and no train is tried again. */
static void refused_trains(void **state)
{
    (void)state;
    for (uint32_t i = 0; i < 10; i++) queue(1, i * 100, 99, 0);
    queue(2, 2000, 950, 100);
    kernel.refuse = EIO;
    udp_flush(&u);
    assert_int_equal(kernel.datagrams, 20);
    for (uint32_t i = 0; i < 10; i++) assert_int_equal(kernel.first[i], i);
    for (uint32_t i = 0; i < 10; i++) assert_int_equal(kernel.first[10 + i], 20 + i);
    assert_int_equal(kernel.len[19], 50);
    assert_true(u.out.no_segment);
    assert_int_equal(kernel.refusals, 1);
    kernel.refuse = 0;
    for (uint32_t i = 0; i < 10; i++) queue(1, i * 100, 99, 0);
    queue(1, 0, 950, 100);
    udp_flush(&u);
    assert_int_equal(kernel.messages, 40); /* one datagram each */
    assert_int_equal(u.dropped, 0);
}

/* Segments longer than a device's MTU: only these are cut. */
static void one_refused_train(void **state)
{
    (void)state;
    queue(1, 0, 950, 100);
    kernel.refuse = EINVAL;
    udp_flush(&u);
    assert_int_equal(kernel.datagrams, 10);
    assert_false(u.out.no_segment);
}

static void what_finds_no_room_is_counted(void **state)
{
    (void)state;
    kernel.room = 10;
    queue(1, 0, 1000, 100);
    queue(2, 0, 500, 100);
    queue(3, 0, 100, 0);
    udp_flush(&u);
    assert_int_equal(kernel.datagrams, 10);
    assert_int_equal(u.dropped, 6);
    struct endpoint six = {.transport = TRANSPORT_UDP, .ip = {0x20, 1, [15] = 1}, .port = 9};
    udp_queue(&u, &six, bytes, 10, 0); /* there is no socket for it */
    assert_int_equal(u.dropped, 7);
}

static void not_wanted(void **state)
{
    (void)state;
    u.out.no_segment = true;
    queue(1, 0, 950, 100);
    queue(1, 0, 100, 0);
    udp_flush(&u);
    assert_int_equal(kernel.calls, 1);
    assert_int_equal(kernel.messages, 11);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(one_size_is_one_train, setup),
        cmocka_unit_test_setup(other_ends_and_longer_ones_begin_anew, setup),
        cmocka_unit_test_setup(trains_stay_within_bounds, setup),
        cmocka_unit_test_setup(refused_trains, setup),
        cmocka_unit_test_setup(one_refused_train, setup),
        cmocka_unit_test_setup(what_finds_no_room_is_counted, setup),
        cmocka_unit_test_setup(not_wanted, setup),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
