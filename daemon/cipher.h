/* daemon/cipher.h - who computes the packet path's cipher on this machine: libsodium, libgcrypt or libipsec-mb.
 *
 * Measured at the start, a few packets each, because no list of CPUs says it. All are the same cipher: a peer cannot tell.
 * Owns: nothing; `room` is filled where one of the others is the faster and must then live as long as the table is used.
 * Cost: under a millisecond. */
#pragma once
#include "base/crypto.h"

const struct crypto *cipher_choose(struct crypto *room);
/* The same with another measure (a test's): microseconds, UINT64_MAX: what was sealed does not open. */
typedef uint64_t cipher_cost(const struct crypto *c, enum aead kind);
const struct crypto *cipher_choose_by(struct crypto *room, cipher_cost *cost);
