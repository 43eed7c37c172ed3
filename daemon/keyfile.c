#include "daemon/keyfile.h"

#include "base/crypto.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_BYTES 8

static void add(struct keyfile *k, const char *s, size_t len)
{
    if (k->bad || len >= sizeof k->text - k->len) {
        k->bad = true;
        return;
    }
    memcpy(k->text + k->len, s, len);
    k->len += len;
    k->text[k->len] = 0;
}

static void add_hex(struct keyfile *k, const uint8_t *p, size_t len)
{
    char two[3];
    for (size_t i = 0; i < len; i++) {
        snprintf(two, sizeof two, "%02x", p[i]);
        add(k, two, 2);
    }
}

void keyfile_begin(struct keyfile *k, const char *tag)
{
    k->len = 0;
    k->bad = false;
    add(k, tag, strlen(tag));
    add(k, "\n", 1);
}

void keyfile_put(struct keyfile *k, const char *name, const char *value)
{
    add(k, name, strlen(name));
    add(k, " ", 1);
    add(k, value, strlen(value));
    add(k, "\n", 1);
}

void keyfile_put_bytes(struct keyfile *k, const char *name, const void *p, size_t len)
{
    add(k, name, strlen(name));
    add(k, " ", 1);
    add_hex(k, p, len);
    add(k, "\n", 1);
}

void keyfile_put_number(struct keyfile *k, const char *name, uint64_t v)
{
    char text[24];
    snprintf(text, sizeof text, "%" PRIu64, v);
    keyfile_put(k, name, text);
}

bool keyfile_end(struct keyfile *k)
{
    uint8_t sum[CHECK_BYTES];
    crypto_real.hash(sum, sizeof sum, k->text, k->len, NULL, 0);
    keyfile_put_bytes(k, "check", sum, sizeof sum);
    return !k->bad;
}

/* The value of `name`: between its space and the end of its line; NULL if there is none. */
static const char *value_of(const struct keyfile *k, const char *name, size_t *len)
{
    size_t n = strlen(name);
    for (const char *line = k->text; line && *line;) {
        const char *end = strchr(line, '\n');
        if (!end) return NULL;
        if (strncmp(line, name, n) == 0 && line[n] == ' ') {
            *len = (size_t)(end - line) - n - 1;
            return line + n + 1;
        }
        line = end + 1;
    }
    return NULL;
}

bool keyfile_check(struct keyfile *k, const char *tag)
{
    uint8_t want[CHECK_BYTES], sum[CHECK_BYTES];
    size_t tag_len = strlen(tag), len;
    if (k->len < tag_len + 1 || memcmp(k->text, tag, tag_len) != 0 || k->text[tag_len] != '\n')
        return false;
    if (strlen(k->text) != k->len) return false;
    const char *check = value_of(k, "check", &len);
    if (!check || check + len + 1 != k->text + k->len) return false; /* it is the last line */
    if (keyfile_get_bytes(k, "check", want, sizeof want, sizeof want) == 0) return false;
    crypto_real.hash(sum, sizeof sum, k->text, (size_t)(check - k->text) - strlen("check "), NULL,
                     0);
    return memcmp(sum, want, sizeof sum) == 0;
}

bool keyfile_get(const struct keyfile *k, const char *name, char *out, size_t max)
{
    size_t len;
    const char *v = value_of(k, name, &len);
    if (!v || len >= max) return false;
    memcpy(out, v, len);
    out[len] = 0;
    return true;
}

static int digit(char c)
{
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    return -1;
}

size_t keyfile_get_bytes(const struct keyfile *k, const char *name, void *out, size_t min,
                         size_t max)
{
    size_t len;
    uint8_t *p = out;
    const char *v = value_of(k, name, &len);
    if (!v || len % 2 != 0 || len / 2 < min || len / 2 > max) return 0;
    for (size_t i = 0; i < len; i += 2) {
        int high = digit(v[i]), low = digit(v[i + 1]);
        if (high < 0 || low < 0) return 0;
        *p++ = (uint8_t)(high << 4 | low);
    }
    return len / 2;
}

bool keyfile_get_number(const struct keyfile *k, const char *name, uint64_t *out)
{
    char text[24], *end;
    if (!keyfile_get(k, name, text, sizeof text) || text[0] < '0' || text[0] > '9') return false;
    errno = 0;
    *out = strtoull(text, &end, 10);
    return *end == 0 && errno == 0;
}

void keyfile_wipe(struct keyfile *k)
{
    crypto_wipe(k, sizeof *k);
}
