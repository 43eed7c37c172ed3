/* Any bytes as a packet of our TUN: looked at, answered with ICMP, and carried to another lane, whole or not at all. */
#include "node/lane_testing.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void check_answer(const uint8_t *answer, size_t n, const struct ip_view *of)
{
    struct ip_view v;
    if (n == 0) return;
    ensure(n <= ICMP_MAX && ip_view(answer, n, &v) && v.len == n);
    ensure(v.version == of->version && v.is_icmp_error);
    ensure(memcmp(v.dst, of->src, 16) == 0 && memcmp(v.src, of->dst, 16) == 0);
    ensure(!of->is_multicast && !of->is_icmp_error && !of->fragment);
    if (v.version == 4) {
        ensure(ip_checksum(answer, 20, 0) == 0);
        ensure(ip_checksum(answer + 20, n - 20, 0) == 0);
    } else {
        ensure(ip_checksum(answer + 40, n - 40, ip_sum(answer + 8, 32, (uint32_t)n - 40 + 58)) ==
               0);
    }
}

static void check_view(const uint8_t *p, size_t len)
{
    struct ip_view v;
    uint8_t answer[ICMP_MAX];
    bool is = ip_view(p, len, &v);
    if (is) {
        ensure(v.version == 4 || v.version == 6);
        ensure(v.len <= len && v.header_len <= v.len && v.header_len >= 20);
        ensure((v.version == 4) == ip_is_v4(v.src) && (v.version == 4) == ip_is_v4(v.dst));
        uint8_t whole[2048];
        memcpy(whole, p, v.len);
        ip_finish_checksum(whole, &v);
        check_answer(answer, icmp_unreachable(answer, p, len, v.dst), &v);
        check_answer(answer, icmp_too_big(answer, p, len, v.dst, 1319), &v);
    } else {
        ensure(icmp_unreachable(answer, p, len, v.dst) == 0);
    }
}

/* Our source and a destination that has a row, so that it is not always refused for these. */
static void addressed(struct world *w, uint8_t *p, size_t len)
{
    if (len >= 20 && p[0] >> 4 == 4) put_u32(p + 12, w->a.ipv4), put_u32(p + 16, w->b.ipv4);
    if (len >= 40 && p[0] >> 4 == 6) memcpy(p + 8, w->a.ipv6, 16), memcpy(p + 24, w->b.ipv6, 16);
}

static void carry(struct world *w, uint8_t *p, uint32_t len)
{
    uint8_t d[4096];
    struct ip_view v;
    ensure(tun_in(w, &w->a, p, len) == len);
    while (hear(&w->a)) {}
    ensure(w->a.out.count <= 1);
    if (w->a.out.count == 1 && w->a.list[0].type == ACT_SEND) {
        uint32_t n = sent(&w->a, &w->b.at, d);
        wire_in(&w->b, &w->a.at, d, n, 0);
        ensure(w->b.out.count == 1 && w->b.list[0].type == ACT_TUN); /* what we send is accepted */
        ensure(ip_view(p, len, &v) && w->b.list[0].tun.len == v.len);
        ensure(memcmp(w->b.list[0].tun.bytes, p, v.len) == 0);
    }
    actions_clear(&w->a.out);
    actions_clear(&w->b.out);
    while (hear(&w->b)) {}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct world w;
    uint8_t p[2048];
    if (len > sizeof p) return 0;
    if (!w.a.lane) {
        world_init(&w, &crypto_fake, AEAD_CHACHA20_POLY1305);
        connect_sides(&w.a, &w.b, AB, BA);
    }
    memcpy(p, data, len);
    check_view(p, len);
    carry(&w, p, (uint32_t)len);
    addressed(&w, p, len);
    check_view(p, len);
    carry(&w, p, (uint32_t)len);
    return 0;
}
