#include "daemon/tcp_frames.h"

#include "base/bytes.h"
#include "overlay/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Three frames, cut anywhere: the same three come out. */
static void frames_come_out_whole_however_they_arrive(void **state)
{
    static uint8_t stream[3 * (TCP_FRAME_MAX + 2)];
    static const uint32_t sizes[] = {1, TCP_FRAME_MAX, 344};
    size_t len = 0;
    (void)state;
    for (unsigned i = 0; i < 3; i++) {
        put_u16(stream + len, (uint16_t)sizes[i]);
        memset(stream + len + 2, (int)i + 1, sizes[i]);
        len += 2 + sizes[i];
    }
    for (size_t step = 1; step < 500; step += 7) {
        struct tcp_frames f = {0};
        unsigned count = 0;
        for (size_t at = 0; at < len;) {
            size_t part = len - at < step ? len - at : step;
            for (size_t used = 0; used < part;) {
                uint8_t *frame;
                uint32_t frame_len;
                used += tcp_frames_feed(&f, stream + at + used, part - used, &frame, &frame_len);
                if (!frame) continue;
                assert_true(count < 3);
                assert_int_equal(frame_len, sizes[count]);
                count++;
                assert_int_equal(frame[0], count);
                assert_int_equal(frame[frame_len - 1], count);
                frame[-(int)TCP_ROOM] = 0; /* room before it is ours */
            }
            at += part;
        }
        assert_int_equal(count, 3);
        assert_false(tcp_frames_partial(&f));
        assert_false(f.bad);
    }
}

static void lengths_out_of_range_end_it(void **state)
{
    uint8_t empty[2] = {0, 0}, large[2] = {0x08, 0x01}, *frame;
    uint32_t len;
    (void)state;
    struct tcp_frames f = {0};
    tcp_frames_feed(&f, empty, 2, &frame, &len);
    assert_true(f.bad);
    assert_null(frame);
    f = (struct tcp_frames){0};
    tcp_frames_feed(&f, large, 2, &frame, &len); /* 2049 */
    assert_true(f.bad);
    assert_int_equal(tcp_frames_feed(&f, large, 2, &frame, &len), 0); /* sticks */
}

static void a_begun_frame_is_partial(void **state)
{
    uint8_t bytes[] = {0, 2, 7}, *frame;
    uint32_t len;
    struct tcp_frames f = {0};
    (void)state;
    assert_false(tcp_frames_partial(&f));
    tcp_frames_feed(&f, bytes, 1, &frame, &len);
    assert_true(tcp_frames_partial(&f));
    tcp_frames_feed(&f, bytes + 1, 2, &frame, &len);
    assert_true(tcp_frames_partial(&f));
    tcp_frames_feed(&f, bytes + 2, 1, &frame, &len);
    assert_non_null(frame);
    assert_false(tcp_frames_partial(&f));
}

static void strangers_begin_with_hello1(void **state)
{
    uint8_t hello[HELLO1_SIZE] = {OUTER_HELLO1};
    (void)state;
    assert_true(tcp_is_hello1(hello, sizeof hello));
    assert_false(tcp_is_hello1(hello, sizeof hello - 1));
    hello[0] = OUTER_DATA;
    assert_false(tcp_is_hello1(hello, sizeof hello));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(frames_come_out_whole_however_they_arrive),
        cmocka_unit_test(lengths_out_of_range_end_it),
        cmocka_unit_test(a_begun_frame_is_partial),
        cmocka_unit_test(strangers_begin_with_hello1),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
