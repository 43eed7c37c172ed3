#include "base/bytes.h"

#include "base/time.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void reads_what_was_written(void **state)
{
    (void)state;
    uint8_t buffer[32], three[3];
    struct writer w = writer_of(buffer, sizeof buffer);
    write_u8(&w, 1);
    write_u16(&w, 0x0203);
    write_u32(&w, 0x04050607);
    write_u64(&w, 0x08090a0b0c0d0e0f);
    write_bytes(&w, "abc", 3);
    write_zeros(&w, 2);
    uint8_t *space = write_space(&w, 1);
    assert_non_null(space);
    *space = 0x10;
    assert_false(w.bad);
    assert_int_equal(w.len, 21);
    for (unsigned i = 0; i < 15; i++) assert_int_equal(buffer[i], i + 1); /* big-endian */

    struct reader r = reader_of(buffer, w.len);
    assert_int_equal(read_u8(&r), 1);
    assert_int_equal(read_u16(&r), 0x0203);
    assert_int_equal(read_u32(&r), 0x04050607);
    assert_true(read_u64(&r) == 0x08090a0b0c0d0e0f);
    read_copy(&r, three, 3);
    assert_memory_equal(three, "abc", 3);
    assert_non_null(read_bytes(&r, 2));
    assert_false(reader_done(&r));
    struct reader rest = read_rest(&r);
    assert_true(reader_done(&r));
    assert_int_equal(read_u8(&rest), 0x10);
    assert_true(reader_done(&rest));
}

static void a_read_error_sticks(void **state)
{
    (void)state;
    const uint8_t buffer[3] = {1, 2, 3};
    uint8_t out[2] = {9, 9};
    struct reader r = reader_of(buffer, sizeof buffer);
    assert_int_equal(read_u32(&r), 0);
    assert_true(r.bad);
    assert_int_equal(read_u8(&r), 0); /* there were three bytes, but trust is gone */
    assert_int_equal(read_u16(&r), 0);
    assert_true(read_u64(&r) == 0);
    assert_null(read_bytes(&r, 0));
    read_copy(&r, out, sizeof out);
    assert_int_equal(out[0] | out[1], 0);
    struct reader rest = read_rest(&r);
    assert_true(rest.bad);
    assert_false(reader_done(&rest));
    assert_false(reader_done(&r));
}

static void huge_lengths_do_not_wrap(void **state)
{
    (void)state;
    uint8_t buffer[4] = {0};
    struct reader r = reader_of(buffer, sizeof buffer);
    read_u8(&r);
    assert_null(read_bytes(&r, SIZE_MAX));
    assert_true(r.bad);
    struct writer w = writer_of(buffer, sizeof buffer);
    write_u8(&w, 1);
    assert_null(write_space(&w, SIZE_MAX));
    assert_true(w.bad);
}

static void a_write_error_sticks(void **state)
{
    (void)state;
    uint8_t buffer[4] = {0xee, 0xee, 0xee, 0xee};
    struct writer w = writer_of(buffer, 3);
    write_u16(&w, 0x0102);
    write_u16(&w, 0x0304);
    assert_true(w.bad);
    write_u8(&w, 5);
    write_bytes(&w, "x", 1);
    write_zeros(&w, 1);
    assert_null(write_space(&w, 0));
    assert_int_equal(w.len, 2);
    assert_int_equal(buffer[2], 0xee);
    assert_int_equal(buffer[3], 0xee);
}

static void nothing_is_fine(void **state)
{
    (void)state;
    struct reader r = reader_of(NULL, 0);
    assert_true(reader_done(&r));
    read_copy(&r, NULL, 0);
    assert_non_null(read_bytes(&r, 0));
    struct reader rest = read_rest(&r);
    assert_true(reader_done(&rest));
    assert_true(reader_done(&r));
    struct writer w = writer_of(NULL, 0);
    write_bytes(&w, NULL, 0);
    write_zeros(&w, 0);
    assert_false(w.bad);
    write_u8(&w, 1);
    assert_true(w.bad);
}

static void times_saturate(void **state)
{
    (void)state;
    assert_true(time_add(SECONDS(1), MILLIS(2)) == 1002000);
    assert_true(time_add(TIME_NEVER, 1) == TIME_NEVER);
    assert_true(time_add(1, TIME_NEVER) == TIME_NEVER);
    assert_true(time_add(TIME_NEVER - 1, 5) == TIME_NEVER);
    assert_true(time_add(0, TIME_NEVER) == TIME_NEVER);
    assert_true(time_since(5, 3) == 2);
    assert_true(time_since(3, 5) == 0);
    assert_true(time_min(3, 5) == 3 && time_max(3, 5) == 5);
    assert_true(HOURS(1) == MINUTES(60));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_what_was_written),   cmocka_unit_test(a_read_error_sticks),
        cmocka_unit_test(huge_lengths_do_not_wrap), cmocka_unit_test(a_write_error_sticks),
        cmocka_unit_test(nothing_is_fine),          cmocka_unit_test(times_saturate),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
