/* overlay/cert.h: any bytes as a chain and as one certificate. What decodes, signs again to the same body (one value
 * has one spelling) and keeps the rules; and with every signature made good, what verifies keeps the chain's. */
#include "overlay/cert.h"
#include "base/err.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const uint8_t AUTHORITY[32] = {1};
static const uint64_t NOW_S = 1800000000;

static bool anything_is_signed(const uint8_t sig[64], const void *msg, size_t len,
                               const uint8_t pk[32])
{
    (void)sig, (void)msg, (void)len, (void)pk;
    return true;
}

static void body_same(struct span one, const struct cert *c)
{
    uint8_t again[CHAIN_BYTES + 100];
    size_t len = cert_sign(again, sizeof again, &crypto_fake, c, AUTHORITY, AUTHORITY);
    ensure(len == one.len);
    ensure(len > CRYPTO_SIGNATURE && memcmp(again, one.p, len - CRYPTO_SIGNATURE) == 0);
}

static void member_keeps_the_rules(const struct membership *m, const struct id *id)
{
    ensure(id_equal(&m->id, id) && name_valid(m->host.s, strlen(m->host.s)));
    ensure(name_valid(m->network.s, strlen(m->network.s)) && (m->mode == 2 || m->mode == 3));
    ensure(m->group_count <= CERT_GROUPS_MAX && m->expires_s + CERT_TOLERANCE_S >= NOW_S);
    ensure(m->uses ? m->slot < m->uses : m->slot == 0);
    uint32_t hosts = m->range.prefix == 0    ? UINT32_MAX
                     : m->range.prefix == 32 ? 0
                                             : UINT32_MAX >> m->range.prefix;
    ensure((m->range.net & hosts) == 0);
    ensure(!m->ipv4 || (m->range.prefix && (m->ipv4 & ~hosts) == m->range.net));
    for (uint8_t i = 0; i < m->group_count; i++)
        ensure(name_valid(m->groups[i].s, strlen(m->groups[i].s)));
}

static void chain(struct span bytes)
{
    struct span certs[CHAIN_MAX];
    struct cert decoded[CHAIN_MAX], last;
    struct membership m;
    uint32_t count;
    uint8_t again[CHAIN_BYTES];
    if (chain_split(bytes, certs, &count)) return;
    ensure(chain_write(again, sizeof again, certs, count) == bytes.len);
    ensure(memcmp(again, bytes.p, bytes.len) == 0);
    struct crypto c = crypto_fake;
    c.verify = anything_is_signed;
    bool good = true;
    for (uint32_t i = 0; i < count; i++) good = good && cert_decode(certs[i], &decoded[i]) == OK;
    const struct id *id = good ? &decoded[count - 1].id : &ID_ZERO;
    if (chain_verify(bytes, &c, AUTHORITY, id, NOW_S, &m) == OK) {
        ensure(good);
        member_keeps_the_rules(&m, id);
        ensure(chain_verify(bytes, &c, AUTHORITY, id, 0, &m) == OK);
        ensure(chain_verify(bytes, &c, AUTHORITY, &ID_ZERO, 0, &m) == ERR_DENIED);
        ensure(chain_verify_issuer(bytes, &c, AUTHORITY, NOW_S, &m, &last) == ERR_DENIED);
    } else if (chain_verify_issuer(bytes, &c, AUTHORITY, NOW_S, &m, &last) == OK) {
        ensure(good && last.kind != CERT_NODE && count <= 2 &&
               (count == 1) == (last.kind == CERT_NETWORK));
    }
    ensure(chain_verify(bytes, &crypto_fake, AUTHORITY, id, 0, &m) != OK || good);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct span bytes = {data, size};
    struct cert c;
    if (cert_decode(bytes, &c) == OK) body_same(bytes, &c);
    chain(bytes);
    name_valid((const char *)data, size);
    return 0;
}
