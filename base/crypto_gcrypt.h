/* base/crypto_gcrypt.h - prepared keys with libgcrypt: the same two ciphers, faster on many CPUs.
 *
 * crypto_gcrypt fills a table with crypto_real's functions, but for those of prepared keys. Which of the two tables
 * serves a machine better is measured by its driver (daemon/cipher.h).
 * A prepared key is a handle here: whoever prepared it must give it back (struct crypto, forget).
 *
 * Source: libgcrypt 1.8 or later. Owns: 2 KiB of libgcrypt's a prepared key (1.10, with PCLMUL; else more). Errors: false = libgcrypt does not start, or is in FIPS mode.
 * Cost: 1,420 bytes in 0.35 us where libsodium 1.0.18 takes 0.75 (docs/decisions/0016). */
#pragma once
#include "base/crypto.h"

bool crypto_gcrypt(struct crypto *out);
