/* daemon/tcp_frames.h - datagrams in a TCP stream: length (2 bytes, big-endian, 1 to 2,048), then the datagram.
 *
 * Fed with whatever arrives; gives one whole frame at a time. Pure. Errors: bad sticks: the connection is to be closed. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TCP_FRAME_MAX 2048u
#define TCP_ROOM      64u /* before each frame, as for datagrams */
struct tcp_frames {
    uint8_t head[2];
    uint8_t space[TCP_ROOM + TCP_FRAME_MAX + 64];
    uint32_t have, want; /* of the length field and the frame; want 0: length not known */
    bool bad;
};
/* Takes at most one frame's rest from `in`; returns how much it took. *frame is NULL unless one is whole; it is valid
 * until the next call. */
size_t tcp_frames_feed(struct tcp_frames *f, const uint8_t *in, size_t len, uint8_t **frame,
                       uint32_t *frame_len);
bool tcp_frames_partial(const struct tcp_frames *f); /* something began and did not end */
/* Is it what a stranger must begin with? */
bool tcp_is_hello1(const uint8_t *frame, uint32_t len);
