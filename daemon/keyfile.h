/* daemon/keyfile.h - small files of named values that must not be damaged unseen: keys, certificates.
 *
 *     ringlet-overlay-1
 *     name lab
 *     key 5c0f...            (bytes as hexadecimal)
 *     check 0123456789abcdef (first 8 bytes of BLAKE2b of everything above)
 *
 * Pure text handling; secrets pass through, so wipe with keyfile_wipe.
 * Errors: false: no room; or not of this form, checksum wrong, value absent or of another length. */
#pragma once
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define KEYFILE_MAX 4096
struct keyfile {
    char text[KEYFILE_MAX];
    size_t len;
    bool bad; /* something did not fit; sticks */
};
void keyfile_begin(struct keyfile *k, const char *tag);
void keyfile_put(struct keyfile *k, const char *name, const char *value);
void keyfile_put_bytes(struct keyfile *k, const char *name, const void *p, size_t len);
void keyfile_put_number(struct keyfile *k, const char *name, uint64_t v);
bool keyfile_end(struct keyfile *k); /* the check line; false if anything was bad */

bool keyfile_check(struct keyfile *k, const char *tag); /* k->text, k->len just read */
bool keyfile_get(const struct keyfile *k, const char *name, char *out, size_t max);
/* Between min and max bytes; their number, 0 if it is not so. */
size_t keyfile_get_bytes(const struct keyfile *k, const char *name, void *out, size_t min,
                         size_t max);
bool keyfile_get_number(const struct keyfile *k, const char *name, uint64_t *out);
void keyfile_wipe(struct keyfile *k);
