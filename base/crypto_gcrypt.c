/* The only file that names gcrypt.h. No libgcrypt randomness is used, and no secure memory: our keys lie in ordinary memory
 * as well, and are wiped. */
#include "base/crypto_gcrypt.h"

#include "base/err.h"
#include <gcrypt.h>
#include <string.h>

_Static_assert(sizeof(gcry_cipher_hd_t) <= CRYPTO_SCHEDULE, "a prepared key is a handle");

static gcry_cipher_hd_t handle_of(const struct aead_key *k)
{
    gcry_cipher_hd_t h;
    memcpy(&h, k->schedule, sizeof h);
    return h;
}

static void forget(struct aead_key *k)
{
    gcry_cipher_close(handle_of(k)); /* wipes it; NULL: nothing */
    crypto_wipe(k, sizeof *k);
}

static void prepare(struct aead_key *k, enum aead kind, const uint8_t key[32])
{
    gcry_cipher_hd_t h;
    bool aes = kind == AEAD_AES256_GCM;
    gcry_error_t e = gcry_cipher_open(&h, aes ? GCRY_CIPHER_AES256 : GCRY_CIPHER_CHACHA20,
                                      aes ? GCRY_CIPHER_MODE_GCM : GCRY_CIPHER_MODE_POLY1305, 0);
    if (!e) e = gcry_cipher_setkey(h, key, CRYPTO_KEY);
    ensure(!e); /* of memory there is enough, or nothing goes on */
    k->kind = (uint8_t)kind;
    memcpy(k->schedule, &h, sizeof h);
}

static gcry_error_t begin(gcry_cipher_hd_t h, const void *ad, size_t ad_len,
                          const uint8_t nonce[12])
{
    gcry_error_t e = gcry_cipher_setiv(h, nonce, 12);
    return e || ad_len == 0 ? e : gcry_cipher_authenticate(h, ad, ad_len);
}

static void seal_prepared(const struct aead_key *k, uint8_t *out, const uint8_t *in, size_t len,
                          const void *ad, size_t ad_len, const uint8_t nonce[12])
{
    gcry_cipher_hd_t h = handle_of(k);
    gcry_error_t e = begin(h, ad, ad_len, nonce);
    if (out == in) in = NULL; /* in place, as libgcrypt says it */
    if (!e && len > 0) e = gcry_cipher_encrypt(h, out, len, in, in ? len : 0);
    if (!e) e = gcry_cipher_gettag(h, out + len, CRYPTO_TAG);
    ensure(!e);
}

static bool open_prepared(const struct aead_key *k, uint8_t *out, const uint8_t *in, size_t len,
                          const void *ad, size_t ad_len, const uint8_t nonce[12])
{
    if (len < CRYPTO_TAG) return false;
    gcry_cipher_hd_t h = handle_of(k);
    uint8_t tag[CRYPTO_TAG]; /* out may equal in, but never reaches the tag; a copy is clearer */
    len -= CRYPTO_TAG;
    memcpy(tag, in + len, sizeof tag);
    gcry_error_t e = begin(h, ad, ad_len, nonce);
    if (out == in) in = NULL;
    if (!e && len > 0) e = gcry_cipher_decrypt(h, out, len, in, in ? len : 0);
    if (!e) e = gcry_cipher_checktag(h, tag, sizeof tag);
    if (e && len > 0) memset(out, 0, len); /* what was not authentic is nobody's plaintext */
    return !e;
}

bool crypto_gcrypt(struct crypto *out)
{
    if (!gcry_check_version("1.8.0")) return false;
    if (gcry_fips_mode_active()) return false; /* it then wants to make GCM's nonces itself */
    if (!gcry_control(GCRYCTL_INITIALIZATION_FINISHED_P)) {
        gcry_control(GCRYCTL_DISABLE_SECMEM, 0);
        gcry_control(GCRYCTL_INITIALIZATION_FINISHED, 0);
    }
    *out = crypto_real;
    out->name = "gcrypt";
    out->prepare = prepare;
    out->seal_prepared = seal_prepared;
    out->open_prepared = open_prepared;
    out->forget = forget;
    return true;
}
