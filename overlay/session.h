/* overlay/session.h - keys shared end to end with one peer: the cold form, 88 bytes, for upkeep.
 *
 * A cold session holds raw keys, a 64-packet window and 32-bit counters with a hard stop; it carries pings and control
 * frames. When IP, ETHERNET or relayed bytes flow it is made hot (overlay/hot.h): prepared keys, 64-bit counters and a window
 * of 8192 live in a lane, and the cold copy neither seals nor opens until they are handed back.
 * Nonces: ChaCha20-Poly1305: 4 zero bytes, counter little-endian (Noise 12.3); AES-256-GCM: 4 zero bytes, counter big-endian.
 *
 * Source: Noise rev 34 sections 5.1, 11; RFC 6479 for the window. Errors: seal: ERR_EXHAUSTED at the hard stop;
 * open: ERR_CRYPTO (tag), ERR_EXISTS (replayed or too old). State changes only after the tag was good.
 * Cost: one AEAD call; no allocation. */
#pragma once
#include "base/crypto.h"
#include "base/err.h"
#include "overlay/handshake.h"
#include "overlay/wire.h"

struct session {
    uint8_t tx_key[32], rx_key[32];
    uint64_t rx_window; /* bit i: rx_top - i was seen */
    uint32_t tx_next;   /* counter of the next packet; 2^32 - 1 is the hard stop */
    uint32_t rx_top;    /* highest counter opened + 1; 0: none yet */
    uint32_t remote_index;
    uint8_t aead;   /* enum aead */
    uint8_t flags;  /* SESSION_*, and LINK_* of overlay/link.h above 0x0f */
    uint16_t entry; /* local receiver index, given by overlay/links.c */
};
_Static_assert(sizeof(struct session) == 88, "docs/memory.md: a link costs at most 128 bytes");
#define SESSION_INITIATOR 0x01
#define SESSION_HOT       0x02 /* a lane has the keys' counters: do not seal or open here */
#define SESSION_PEER_CERT 0x04 /* the peer's chain verified */
#define SESSION_HEARD                                                                              \
    0x08 /* something was opened: the other end has these keys, and uses none below */

void session_start(struct session *s, const struct session_keys *k);
void session_wipe(struct session *s);
/* Seal frame (kind byte first) into out: DATA header, ciphertext, tag; out_len = len + DATA_OVERHEAD <= max. frame may not overlap out
 * unless frame == out + DATA_HEADER. */
MUST_CHECK enum err session_seal(struct session *s, const struct crypto *c, const uint8_t *frame,
                                 size_t len, uint8_t *out, size_t max, size_t *out_len);
/* Open in place: on OK *frame points into `datagram`. newest: its counter is above every one seen (roaming looks at it). */
MUST_CHECK enum err session_open(struct session *s, const struct crypto *c, uint8_t *datagram,
                                 size_t len, uint8_t **frame, size_t *frame_len, bool *newest);
void session_nonce(uint8_t out[12], enum aead kind, uint64_t counter);

/* A window of any power of two of bits, RFC 6479; the lane's has 8192. */
#define REPLAY_BITS 8192u
struct replay {
    uint64_t top; /* highest + 1 */
    uint64_t bits[REPLAY_BITS / 64];
};
bool replay_check(const struct replay *r, uint64_t counter); /* would it be new? */
void replay_mark(struct replay *r, uint64_t counter);        /* after the tag was good */
