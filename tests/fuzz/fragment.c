/* Parts of frames in any order, of any sizes: what comes out whole is what went in, and memory stays bounded.
 *
 * The input is a list of frames of kind FRAGMENT: session and number (1 byte), time that passes (1), length (1), bytes. Every byte
 * of a part is a hash of its number and place, so that a frame of mixed parts shows. */
#include "overlay/fragment.h"
#include "base/err.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static uint8_t byte_at(uint32_t session, uint32_t number, uint32_t at)
{
    return (uint8_t)(session * 31 + number * 7 + at * 13 + at / 256);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static uint8_t buffer[KIND_FRAGMENT_MAX];
    struct fragments all = {0};
    uint64_t now_us = 1;
    struct reader r = reader_of(data, len);
    while (r.left >= 3) {
        uint8_t who = read_u8(&r);
        now_us += read_u8(&r) * UINT64_C(10000);
        size_t n = read_u8(&r) * 8u;
        if (n > r.left) n = r.left;
        const uint8_t *bytes = read_bytes(&r, n);
        struct fragment f;
        uint8_t *exact = malloc(n ? n : 1); /* whoever reads over its end is seen */
        ensure(exact);
        if (n) memcpy(exact, bytes, n);
        if (n) exact[0] = KIND_FRAGMENT;
        bool good = fragment_read(exact, n, &f);
        if (good) {
            ensure(f.len && f.at + f.len <= f.whole && f.whole <= KIND_IP_MAX);
            f.number &= 7;
            f.bytes = buffer;
            uint32_t session = 1 + who % 40, size = 0;
            for (size_t i = 0; i < f.len; i++)
                buffer[i] = byte_at(session, f.number, (uint32_t)(f.at + i));
            enum drop why;
            const uint8_t *whole = fragments_take(&all, now_us, session, &f, &size, &why);
            ensure(why <= DROP_COUNT);
            ensure(!whole || size == f.whole);
            for (uint32_t i = 0; whole && i < size; i++)
                ensure(whole[i] == byte_at(session, f.number, i));
        }
        free(exact);
        if (who >= 250) fragments_forget(&all, 1 + now_us % 40);
    }
    fragments_free(&all);
    return 0;
}
