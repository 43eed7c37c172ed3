/* base/crypto_ipsec.h - prepared AES-256-GCM keys by Intel's IPsec library (libipsec-mb), where the CPU has VAES for 512 bits.
 *
 * Optional: looked for when it is asked for (libIPSec_MB.so.1; Debian: libipsec-mb1), nothing is linked. Of the library only
 * three functions are called, directly: its manager would check and map all its ciphers, 3 MB of them. They are checked
 * against libsodium's, byte for byte, before the table is given out.
 * Everything else of the table is libsodium's. Owns: 1 KiB a prepared key, until forget. Errors: false: not here. */
#pragma once
#include "base/crypto.h"

bool crypto_ipsec(struct crypto *out);
