#include "overlay/session.h"
#include "base/bytes.h"
#include <string.h>

#define COUNTER_STOP UINT32_MAX /* never used: rx_top, one more than a counter, stays in 32 bits */
#define COLD_BITS    64u

_Static_assert((REPLAY_BITS & (REPLAY_BITS - 1)) == 0 && REPLAY_BITS % 64 == 0,
               "positions are masked");

void session_start(struct session *s, const struct session_keys *k)
{
    *s = (struct session){.remote_index = k->remote_index, .aead = k->aead};
    memcpy(s->tx_key, k->tx, 32);
    memcpy(s->rx_key, k->rx, 32);
    if (k->initiator) s->flags = SESSION_INITIATOR;
}

void session_wipe(struct session *s)
{
    crypto_wipe(s, sizeof *s);
}

void session_nonce(uint8_t out[12], enum aead kind, uint64_t counter)
{
    memset(out, 0, 4);
    if (kind == AEAD_AES256_GCM)
        put_u64(out + 4, counter);
    else
        for (unsigned i = 0; i < 8; i++) out[4 + i] = (uint8_t)(counter >> 8 * i);
}

enum err session_seal(struct session *s, const struct crypto *c, const uint8_t *frame, size_t len,
                      uint8_t *out, size_t max, size_t *out_len)
{
    ensure(!(s->flags & SESSION_HOT));
    ensure(len >= 1 && max >= DATA_OVERHEAD && len <= max - DATA_OVERHEAD);
    if (s->tx_next == COUNTER_STOP) return ERR_EXHAUSTED;
    uint8_t nonce[12];
    struct data_header h = {.receiver = s->remote_index, .counter = s->tx_next++};
    data_header_write(out, &h);
    session_nonce(nonce, s->aead, h.counter);
    c->seal(s->aead, out + DATA_HEADER, frame, len, out, DATA_HEADER, nonce, s->tx_key);
    *out_len = len + DATA_OVERHEAD;
    return OK;
}

static bool window_has(const struct session *s, uint32_t counter)
{
    if (counter >= s->rx_top) return false;
    uint32_t back = s->rx_top - 1 - counter;
    return back >= COLD_BITS || (s->rx_window >> back & 1);
}

static void window_mark(struct session *s, uint32_t counter)
{
    if (counter < s->rx_top) {
        s->rx_window |= (uint64_t)1 << (s->rx_top - 1 - counter);
        return;
    }
    uint32_t ahead = counter + 1 - s->rx_top;
    s->rx_window = ahead >= COLD_BITS ? 1 : s->rx_window << ahead | 1;
    s->rx_top = counter + 1;
}

enum err session_open(struct session *s, const struct crypto *c, uint8_t *datagram, size_t len,
                      uint8_t **frame, size_t *frame_len, bool *newest)
{
    ensure(!(s->flags & SESSION_HOT));
    struct data_header h;
    if (!data_header_read(datagram, len, &h)) return ERR_MALFORMED;
    if (h.counter >= COUNTER_STOP) return ERR_MALFORMED; /* no honest end goes there */
    uint8_t nonce[12], *inside = datagram + DATA_HEADER;
    session_nonce(nonce, s->aead, h.counter);
    if (!c->open(s->aead, inside, inside, len - DATA_HEADER, datagram, DATA_HEADER, nonce,
                 s->rx_key))
        return ERR_CRYPTO;
    uint32_t counter = (uint32_t)h.counter;
    if (window_has(s, counter)) return ERR_EXISTS;
    *newest = counter >= s->rx_top;
    window_mark(s, counter);
    *frame = inside;
    *frame_len = len - DATA_OVERHEAD;
    return OK;
}

/* --- the lane's window. A ring of words: the word of the highest counter is never full of old bits, since going
 * forward clears every word that is passed; so one word less than the ring counts as window. --- */

bool replay_check(const struct replay *r, uint64_t counter)
{
    if (counter >= r->top) return counter != UINT64_MAX;
    if (r->top - 1 - counter >= REPLAY_BITS - 64) return false;
    return !(r->bits[counter / 64 % (REPLAY_BITS / 64)] >> counter % 64 & 1);
}

void replay_mark(struct replay *r, uint64_t counter)
{
    const uint64_t words = REPLAY_BITS / 64;
    if (counter >= r->top) {
        /* Words begun so far: those up to the one of top - 1. Before the first packet: none. */
        uint64_t begun = r->top / 64 + (r->top % 64 != 0), last = counter / 64;
        uint64_t first = last - begun >= words && last >= begun ? last - words + 1 : begun;
        for (uint64_t word = first; word <= last; word++) r->bits[word % words] = 0;
        r->top = counter + 1;
    }
    r->bits[counter / 64 % words] |= (uint64_t)1 << counter % 64;
}
