#include "base/crypto_ipsec.h"

#include "base/err.h"
#include <stdlib.h>
#include <string.h>

#ifdef __x86_64__
#include <cpuid.h>
#include <dlfcn.h>

#define KEY_BYTES     2048 /* struct gcm_key_data has 1008 in 1.3 */
#define CONTEXT_BYTES 256  /* struct gcm_context_data: 88 */
#define ALIGN         64

typedef void prepare_fn(const void *key, void *data);
typedef void crypt_fn(const void *data, void *context, uint8_t *out, const uint8_t *in,
                      uint64_t len, const uint8_t *iv, const uint8_t *ad, uint64_t ad_len,
                      uint8_t *tag, uint64_t tag_len);
struct prepared {
    _Alignas(ALIGN) uint8_t data[KEY_BYTES];
    crypt_fn *seal, *open;
};

static bool cpu_has_it(void)
{
    unsigned a, b, c, d;
    /* these ask the system, too, whether it keeps the registers */
    if (!__builtin_cpu_supports("avx512f") || !__builtin_cpu_supports("avx512bw") ||
        !__builtin_cpu_supports("avx512dq") || !__builtin_cpu_supports("avx512vl"))
        return false;
    return __get_cpuid_count(7, 0, &a, &b, &c, &d) && (c & bit_VAES) && (c & bit_VPCLMULQDQ);
}

/* No state of ours: the library is loaded once, and found again by name. */
static bool find(prepare_fn **prepare, crypt_fn **seal, crypt_fn **open)
{
    void *lib = cpu_has_it() ? dlopen("libIPSec_MB.so.1", RTLD_NOW | RTLD_LOCAL) : NULL;
    if (!lib) return false;
    void *f[3] = {dlsym(lib, "aes_gcm_pre_256_vaes_avx512"),
                  dlsym(lib, "aes_gcm_enc_256_vaes_avx512"),
                  dlsym(lib, "aes_gcm_dec_256_vaes_avx512")};
    memcpy(prepare, &f[0], sizeof f[0]); /* ISO C has no cast from an object to a function */
    memcpy(seal, &f[1], sizeof f[1]);
    memcpy(open, &f[2], sizeof f[2]);
    return f[0] && f[1] && f[2];
}

static struct prepared *prepared_of(const struct aead_key *k)
{
    struct prepared *p;
    memcpy(&p, k->schedule, sizeof p);
    return p;
}

static void prepare(struct aead_key *k, enum aead kind, const uint8_t key[32])
{
    prepare_fn *fill;
    if (kind != AEAD_AES256_GCM) {
        crypto_real.prepare(k, kind, key);
        return;
    }
    struct prepared *p = aligned_alloc(ALIGN, sizeof *p);
    ensure(p);
    bool found = find(&fill, &p->seal, &p->open); /* it was when the table was made */
    ensure(found);
    fill(key, p->data);
    k->kind = (uint8_t)kind;
    memcpy(k->schedule, &p, sizeof p);
}

static void forget(struct aead_key *k)
{
    struct prepared *p = k->kind == AEAD_AES256_GCM ? prepared_of(k) : NULL;
    if (p) crypto_wipe(p, sizeof *p);
    free(p);
    crypto_wipe(k, sizeof *k);
}

static void seal_prepared(const struct aead_key *k, uint8_t *out, const uint8_t *in, size_t len,
                          const void *ad, size_t ad_len, const uint8_t nonce[12])
{
    _Alignas(ALIGN) uint8_t context[CONTEXT_BYTES];
    if (k->kind != AEAD_AES256_GCM) {
        crypto_real.seal_prepared(k, out, in, len, ad, ad_len, nonce);
        return;
    }
    const struct prepared *p = prepared_of(k);
    p->seal(p->data, context, out, in, len, nonce, ad, ad_len, out + len, CRYPTO_TAG);
}

/* Constant time, as crypto_equal, but inlined: it is asked for each packet. */
static bool tags_equal(const uint8_t a[CRYPTO_TAG], const uint8_t b[CRYPTO_TAG])
{
    uint64_t x[2], y[2];
    memcpy(x, a, sizeof x);
    memcpy(y, b, sizeof y);
    return ((x[0] ^ y[0]) | (x[1] ^ y[1])) == 0;
}

static bool open_prepared(const struct aead_key *k, uint8_t *out, const uint8_t *in, size_t len,
                          const void *ad, size_t ad_len, const uint8_t nonce[12])
{
    _Alignas(ALIGN) uint8_t context[CONTEXT_BYTES];
    uint8_t given[CRYPTO_TAG], tag[CRYPTO_TAG];
    if (k->kind != AEAD_AES256_GCM)
        return crypto_real.open_prepared(k, out, in, len, ad, ad_len, nonce);
    if (len < CRYPTO_TAG) return false;
    const struct prepared *p = prepared_of(k);
    len -= CRYPTO_TAG;
    memcpy(given, in + len, sizeof given); /* out may equal in */
    p->open(p->data, context, out, in, len, nonce, ad, ad_len, tag, CRYPTO_TAG);
    if (tags_equal(given, tag)) return true;
    if (len > 0) memset(out, 0, len); /* what was not authentic is nobody's plaintext */
    return false;
}

/* Names that no header promises: do they do what libsodium does? */
static bool agrees(const struct crypto *c)
{
    static const uint16_t lengths[] = {0,   1,   15,  16,  17,  48,   63,   64,  65,
                                       255, 256, 257, 768, 769, 1380, 1420, 2000};
    uint8_t text[2000], ours[2000 + CRYPTO_TAG], theirs[2000 + CRYPTO_TAG], key[32], nonce[12];
    struct aead_key k;
    bool good = true;
    for (size_t i = 0; i < sizeof text; i++) text[i] = (uint8_t)(i * 7 + i / 256);
    memcpy(key, text + 5, sizeof key);
    c->prepare(&k, AEAD_AES256_GCM, key);
    for (size_t i = 0; good && i < sizeof lengths / sizeof *lengths; i++) {
        size_t len = lengths[i], ad_len = i % 2 ? 16 : i;
        memcpy(nonce, text + i, sizeof nonce);
        c->seal_prepared(&k, ours, text, len, text, ad_len, nonce);
        crypto_real.seal(AEAD_AES256_GCM, theirs, text, len, text, ad_len, nonce, key);
        good = memcmp(ours, theirs, len + CRYPTO_TAG) == 0 &&
               c->open_prepared(&k, ours, ours, len + CRYPTO_TAG, text, ad_len, nonce) &&
               memcmp(ours, text, len) == 0;
        theirs[len] ^= 1;
        good = good && !c->open_prepared(&k, theirs, theirs, len + CRYPTO_TAG, text, ad_len, nonce);
    }
    c->forget(&k);
    return good;
}

bool crypto_ipsec(struct crypto *out)
{
    prepare_fn *p;
    crypt_fn *s, *o;
    struct crypto c = crypto_real;
    if (!crypto_has_aes() || !find(&p, &s, &o)) return false;
    c.name = "ipsec-mb";
    c.prepare = prepare;
    c.seal_prepared = seal_prepared;
    c.open_prepared = open_prepared;
    c.forget = forget;
    if (!agrees(&c)) return false;
    *out = c;
    return true;
}
#else
bool crypto_ipsec(struct crypto *out)
{
    (void)out;
    return false;
}
#endif
