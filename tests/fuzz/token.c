/* A token's text: decode, encode, compare, and its chain. Byte 0 odd: the rest is the text itself; even: the rest is the
 * body, and the checksum is made good, or nothing behind it would ever be reached. */
#include "vnet/token.h"
#include "base/err.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* "ringlet1" and base64url of body and checksum */
static size_t spell(char *out, uint8_t *body, size_t len)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    uint8_t hash[32];
    size_t n = 8;
    uint32_t bits = 0, have = 0;
    crypto_real.hash(hash, sizeof hash, body, len, NULL, 0);
    memcpy(body + len, hash, 8);
    memcpy(out, "ringlet1", 8);
    for (size_t i = 0; i < len + 8; i++) {
        bits = bits << 8 | body[i];
        for (have += 8; have >= 6; have -= 6) out[n++] = alphabet[bits >> (have - 6) & 63];
    }
    if (have > 0) out[n++] = alphabet[bits << (6 - have) & 63];
    return n;
}

static void check(const struct token *t, const char *text, size_t len)
{
    char again[TOKEN_TEXT];
    struct membership net;
    struct cert invite;
    ensure(t->seed_count <= TOKEN_SEEDS_MAX && t->chain_len <= CHAIN_BYTES && t->chain_len > 0);
    ensure(t->overlay.name[0] && strlen(t->overlay.name) < sizeof t->overlay.name);
    ensure(token_encode(t, &crypto_real, again) == len);
    ensure(memcmp(again, text, len) == 0); /* one value, one spelling */
    enum err e = token_check(t, &crypto_fake, 1000, &net, &invite);
    ensure(e < ERR_COUNT);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static char text[2 * TOKEN_TEXT];
    static uint8_t body[TOKEN_TEXT];
    struct token t;
    if (len < 1 || len > TOKEN_TEXT - 9) return 0;
    size_t n = len - 1;
    if (data[0] & 1) {
        memcpy(text, data + 1, n);
    } else {
        memcpy(body, data + 1, n);
        n = spell(text, body, n);
    }
    enum err e = token_decode(&t, &crypto_real, text, n);
    if (e) {
        static const struct token none;
        ensure(e == ERR_MALFORMED || e == ERR_UNSUPPORTED);
        ensure(memcmp(&t, &none, sizeof t) == 0);
        return 0;
    }
    const char *start = text;
    while (*start == ' ' || *start == '\t' || *start == '\n' || *start == '\r') start++, n--;
    while (start[n - 1] == ' ' || start[n - 1] == '\t' || start[n - 1] == '\n' ||
           start[n - 1] == '\r')
        n--;
    check(&t, start, n);
    return 0;
}
