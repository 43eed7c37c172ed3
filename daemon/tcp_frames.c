#include "daemon/tcp_frames.h"

#include "base/bytes.h"
#include "overlay/wire.h"
#include <string.h>

size_t tcp_frames_feed(struct tcp_frames *f, const uint8_t *in, size_t len, uint8_t **frame,
                       uint32_t *frame_len)
{
    size_t taken = 0;
    *frame = NULL;
    *frame_len = 0;
    while (!f->bad && f->have < 2 && taken < len) f->head[f->have++] = in[taken++];
    if (f->bad || f->have < 2) return taken;
    f->want = get_u16(f->head);
    if (f->want == 0 || f->want > TCP_FRAME_MAX) {
        f->bad = true;
        return taken;
    }
    uint32_t missing = f->want - (f->have - 2);
    size_t part = len - taken < missing ? len - taken : missing;
    memcpy(f->space + TCP_ROOM + (f->have - 2), in + taken, part);
    f->have += (uint32_t)part;
    taken += part;
    if (f->have - 2 == f->want) {
        *frame = f->space + TCP_ROOM;
        *frame_len = f->want;
        f->have = f->want = 0;
    }
    return taken;
}

bool tcp_frames_partial(const struct tcp_frames *f)
{
    return f->have > 0;
}

bool tcp_is_hello1(const uint8_t *frame, uint32_t len)
{
    return len == HELLO1_SIZE && frame[0] == OUTER_HELLO1;
}
