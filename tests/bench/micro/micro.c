/* micro - what the steps of a packet cost, one by one, on one core, in its CPU time. One JSON object a line:
 *
 *   {"bench": NAME, "bytes": N, "ns": .., "gbit_s": ..}     ns: median of ROUNDS, best: the least
 *
 *   micro [TEXT]    only those whose name contains TEXT
 *
 * seal and open with a prepared key, by table; parsing an inner header; the row of an address; the replay window; the
 * next hop on the ring, of 40 links (hops.c); a super-packet cut and joined; and whole lanes: a packet, or a super-packet,
 * from the device to the wire and back. */
#include "base/crypto_gcrypt.h"
#include "base/crypto_ipsec.h"
#include "node/lane_internal.h"
#include "node/lane_testing.h"
#include "overlay/session.h"
#include "tests/bench/micro/micro.h"
#include "vnet/super.h"
#include <stdlib.h>
#include <time.h>

#define ROUNDS  9
#define SEGMENT 1328u

static const char *wanted = "";
static uint8_t text[65536], sealed[65536 + 64], head[70000];
static uint64_t sink; /* what is computed is used */

static double now_ns(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec * 1e9 + (double)t.tv_nsec;
}

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

void micro_run(const char *name, uint32_t bytes, job *one, void *context)
{
    double ns[ROUNDS];
    uint32_t times = 1;
    if (!strstr(name, wanted)) return;
    for (double took = 0; took < 5e6; times *= 2) { /* some ms a round */
        double begin = now_ns();
        for (uint32_t i = 0; i < times; i++) one(context, bytes);
        took = now_ns() - begin;
    }
    for (int r = 0; r < ROUNDS; r++) {
        double begin = now_ns();
        for (uint32_t i = 0; i < times; i++) one(context, bytes);
        ns[r] = (now_ns() - begin) / times;
    }
    qsort(ns, ROUNDS, sizeof *ns, by_size);
    printf("{\"bench\": \"%s\", \"bytes\": %u, \"ns\": %.1f, \"best\": %.1f, \"gbit_s\": %.3f}\n", name,
           bytes, ns[ROUNDS / 2], ns[0], bytes * 8 / ns[ROUNDS / 2]);
    fflush(stdout);
}

/* --- cryptography --- */

struct cipher {
    const struct crypto *c;
    struct aead_key k;
    uint64_t counter;
};

static void seal(void *context, uint32_t bytes)
{
    struct cipher *x = context;
    uint8_t nonce[12];
    session_nonce(nonce, (enum aead)x->k.kind, x->counter++);
    x->c->seal_prepared(&x->k, sealed, text, bytes, nonce, sizeof nonce, nonce);
    sink += sealed[bytes];
}

static void open_(void *context, uint32_t bytes) /* of what `seal` with counter 0 left */
{
    struct cipher *x = context;
    uint8_t nonce[12];
    session_nonce(nonce, (enum aead)x->k.kind, 0);
    ensure(x->c->open_prepared(&x->k, head, sealed, bytes + CRYPTO_TAG, nonce, sizeof nonce, nonce));
}

static void ciphers(const struct crypto *c, enum aead kind, const char *name)
{
    static const uint32_t sizes[] = {64, 256, 1380, 8192};
    struct cipher x = {.c = c};
    char text_[64];
    c->prepare(&x.k, kind, (const uint8_t *)"a key for measuring, thirty-two.");
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        snprintf(text_, sizeof text_, "seal %s", name);
        micro_run(text_, sizes[i], seal, &x);
        snprintf(text_, sizeof text_, "open %s", name);
        x.counter = 0;
        seal(&x, sizes[i]);
        micro_run(text_, sizes[i], open_, &x);
    }
    c->forget(&x.k);
}

/* --- headers, rows, windows --- */

static void parse(void *context, uint32_t bytes)
{
    struct ip_view v;
    (void)context;
    sink += ip_view(text, bytes, &v) + v.protocol;
}

static struct replay window;

static void replay(void *context, uint32_t bytes)
{
    uint64_t *counter = context;
    (void)bytes;
    sink += replay_check(&window, *counter);
    replay_mark(&window, (*counter)++);
}

static uint32_t tcp_super(uint8_t *p, uint32_t src, uint32_t dst, uint32_t payload)
{
    uint32_t len = 52 + payload;
    memset(p, 0, len);
    p[0] = 0x45, p[6] = 0x40, p[8] = 64, p[9] = 6;
    put_u16(p + 2, (uint16_t)len);
    put_u32(p + 12, src), put_u32(p + 16, dst);
    put_u16(p + 10, ip_checksum(p, 20, 0));
    p[32] = 0x80, p[33] = 0x10;
    return len;
}

static void cut(void *context, uint32_t bytes)
{
    struct ip_view v;
    struct super_cut c;
    uint8_t *p = context;
    tcp_super(p, 1, 2, 0);
    put_u16(p + 2, (uint16_t)bytes);
    if (!ip_view(p, bytes, &v) || !super_cut_begin(&c, p, &v, SEGMENT)) return;
    for (uint32_t at = c.head_len; at < v.len;) at += super_cut_next(&c, p + at, v.len - at);
    sink += c.pseudo;
}

/* --- lanes --- */

static struct world w;

static uint32_t into(const uint8_t *packet, uint32_t len, uint16_t segment)
{
    struct event e = {.type = EV_TUN};
    memcpy(w.buffer + LANE_HEADROOM, packet, len);
    e.tun.number = NUMBER;
    e.tun.bytes = w.buffer + LANE_HEADROOM;
    e.tun.len = len;
    e.tun.segment = segment;
    e.tun.csum_open = segment > 0;
    return lane_step(w.a.lane, NOW, &e, &w.a.out);
}

static void lane_out(void *context, uint32_t bytes)
{
    into(context, bytes, bytes > 2000 ? SEGMENT : 0);
    sink += w.a.out.count;
    actions_clear(&w.a.out);
}

/* Out and in: what one end does and what the other does. */
static void lane_both(void *context, uint32_t bytes)
{
    into(context, bytes, bytes > 2000 ? SEGMENT : 0);
    for (uint32_t i = 0; i < w.a.out.count; i++) {
        struct event e = {.type = EV_DATAGRAM};
        e.datagram.from = w.a.at;
        e.datagram.bytes = (uint8_t *)(uintptr_t)w.a.list[i].send.bytes;
        e.datagram.len = w.a.list[i].send.len;
        e.datagram.segment = w.a.list[i].send.segment;
        lane_step(w.b.lane, NOW, &e, &w.b.out);
    }
    sink += w.b.out.count;
    actions_clear(&w.a.out);
    actions_clear(&w.b.out);
    while (hear(&w.a) || hear(&w.b)) {}
}

static void find_row(void *context, uint32_t bytes)
{
    (void)context, (void)bytes;
    sink += lane_row(w.a.lane, NUMBER, w.b.ip)->used_us;
}

static void lanes(const struct crypto *c, enum aead kind, const char *name)
{
    static uint8_t packet[65536];
    static const uint32_t sizes[] = {64, 1380, 52 + 44 * SEGMENT};
    char text_[64];
    memset(&w, 0, sizeof w);
    world_init(&w, c, kind);
    connect_sides(&w.a, &w.b, AB, BA);
    lane_join(w.b.lane, LANE_JOIN_TCP | LANE_JOIN_UDP);
    for (unsigned i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        tcp_super(packet, w.a.ipv4, w.b.ipv4, sizes[i] - 52);
        snprintf(text_, sizeof text_, "lane out %s", name);
        micro_run(text_, sizes[i], lane_out, packet);
        snprintf(text_, sizeof text_, "lane out, in %s", name);
        micro_run(text_, sizes[i], lane_both, packet);
    }
    micro_run("row of an address", 0, find_row, NULL);
    world_fini(&w);
}

int main(int argc, char **argv)
{
    static struct crypto gcrypt, ipsec;
    uint64_t counter = 0;
    if (argc > 1) wanted = argv[1];
    if (!crypto_init() || !crypto_gcrypt(&gcrypt)) return 1;
    bool has_ipsec = crypto_ipsec(&ipsec);
    ciphers(&crypto_real, AEAD_CHACHA20_POLY1305, "chacha20-poly1305 sodium");
    ciphers(&gcrypt, AEAD_CHACHA20_POLY1305, "chacha20-poly1305 gcrypt");
    if (crypto_has_aes()) {
        ciphers(&crypto_real, AEAD_AES256_GCM, "aes-256-gcm sodium");
        ciphers(&gcrypt, AEAD_AES256_GCM, "aes-256-gcm gcrypt");
        if (has_ipsec) ciphers(&ipsec, AEAD_AES256_GCM, "aes-256-gcm ipsec-mb");
    }
    tcp_super(text, 0x0a010001, 0x0a010002, 1328);
    micro_run("parse ipv4", 1380, parse, NULL);
    memset(text, 0, 40);
    text[0] = 0x60, text[6] = 6, text[8] = text[24] = 0xfd;
    put_u16(text + 4, 1340);
    micro_run("parse ipv6", 1380, parse, NULL);
    micro_run("replay window", 0, replay, &counter);
    sink += micro_hops();
    micro_run("cut super-packet", 52 + 44 * SEGMENT, cut, head + 64);
    lanes(&crypto_real, AEAD_CHACHA20_POLY1305, "chacha20-poly1305 sodium");
    lanes(&gcrypt, AEAD_CHACHA20_POLY1305, "chacha20-poly1305 gcrypt");
    if (crypto_has_aes()) {
        lanes(&crypto_real, AEAD_AES256_GCM, "aes-256-gcm sodium");
        lanes(&gcrypt, AEAD_AES256_GCM, "aes-256-gcm gcrypt");
        if (has_ipsec) lanes(&ipsec, AEAD_AES256_GCM, "aes-256-gcm ipsec-mb");
    }
    return sink == 42 ? 2 : 0;
}
