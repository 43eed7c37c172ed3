/* tests/harness/words.c - what tests let guests say: packets, questions, and what only a hostile or a hurried one would send. */
#include "tests/harness/party.h"
#include "vnet/ip.h"
#include <stdlib.h>
#include <string.h>

uint32_t party_packet(uint8_t *out, uint32_t src, uint32_t dst, uint32_t number, uint32_t len)
{
    ensure(len >= 24);
    memset(out, 0x55, len);
    memset(out, 0, 20);
    out[0] = 0x45;
    put_u16(out + 2, (uint16_t)len);
    out[8] = 64, out[9] = 253; /* experimental: no transport header */
    put_u32(out + 12, src);
    put_u32(out + 16, dst);
    put_u16(out + 10, ip_checksum(out, 20, 0));
    put_u32(out + 20, number);
    return len;
}

void party_tun(struct party *p, struct guest *g, uint32_t dst, uint32_t number, uint32_t len)
{
    uint8_t buffer[LANE_HEADROOM + 2048];
    ensure(g->lane && len <= 2048);
    party_packet(buffer + LANE_HEADROOM, g->ipv4, dst, number, len);
    party_step(
        p, g,
        &(struct event){.type = EV_TUN, .tun = {.bytes = buffer + LANE_HEADROOM, .len = len}});
}

void party_command(struct party *p, struct guest *g, uint8_t type, const struct guest *target)
{
    struct command c = {.type = type, .request = 7, .timeout_us = SECONDS(3)};
    c.target = (struct target){.kind = TARGET_ID, .network = -1, .id = target->self.id};
    party_step(p, g, &(struct event){.type = EV_COMMAND, .command = &c});
}

bool party_pings(struct party *p, struct guest *a, struct guest *b)
{
    uint32_t before = a->replies;
    party_command(p, a, CMD_PING, b);
    for (unsigned i = 0; i < 40 && a->replies == before; i++) party_run(p, MILLIS(100));
    return a->replies == before + 1 && a->reply.err == OK;
}

uint32_t party_lost(const struct party *p, uint32_t from, uint32_t count)
{
    const struct guest *a = p->guests[0], *b = p->guests[1];
    uint32_t lost = 0;
    for (uint32_t i = from; i < from + count; i++) {
        ensure(a->got[i] <= 1 && b->got[i] <= 1);
        lost += (a->got[i] == 0) + (b->got[i] == 0);
    }
    return lost;
}

/* --- what only a hostile or a hurried one would do --- */

bool guest_send(struct party *p, struct guest *g, struct guest *to, const struct endpoint *from,
                const void *frame, size_t len)
{
    uint8_t sealed[4096];
    size_t n = guest_seal(g, to, frame, len, sealed, sizeof sealed);
    if (n) party_give(p, to, from ? from : &g->at, sealed, n);
    return n > 0;
}

bool guest_send_routed(struct party *p, struct guest *g, struct guest *to, const void *body,
                       size_t len)
{
    uint8_t frame[1500];
    struct routed r = {.mode = ROUTE_EXACT,
                       .ttl = 9,
                       .flags = ROUTED_NO_ACK,
                       .src = g->self.id,
                       .dst = to->self.id,
                       .body = body,
                       .body_len = len};
    size_t n = routed_write(frame, sizeof frame, &r);
    return n > 0 && guest_send(p, g, to, NULL, frame, n);
}

void party_hello1(const struct party *p, uint64_t number, uint8_t out[HELLO1_SIZE])
{
    struct handshake h;
    struct hello_info own = {.capabilities = AEAD_CHACHA20_POLY1305, .mtu_bytes = 1500};
    uint8_t fresh[32] = {0x77};
    put_u64(fresh + 8, number);
    handshake_init(&h, p->crypto, &p->key, true, (uint32_t)number | 1u);
    hello1_write(&h, p->crypto, &p->key, &own, fresh, out);
    handshake_wipe(&h);
}

static bool dial(struct party *p, struct guest *g, const struct endpoint *at, const struct id *id,
                 bool from_seed)
{
    struct outbox *box = calloc(1, sizeof *box);
    ensure(box);
    box->arena = g->actions.arena;
    box->arena_size = g->actions.arena_size;
    bool yes = hello_dial(guest_overlay(g), p->now_us, at, id, KIND_LEAF, from_seed, box);
    for (uint32_t i = 0; i < box->send_count; i++)
        party_post(p, g, &box->sends[i].to, box->sends[i].bytes, box->sends[i].len);
    free(box);
    return yes;
}

bool party_dial(struct party *p, struct guest *g, const struct endpoint *at, const struct id *id)
{
    return dial(p, g, at, id, true);
}

bool party_rekey(struct party *p, struct guest *g, const struct guest *to)
{
    return dial(p, g, &to->at, &to->self.id, false);
}

size_t party_ip_frame(const struct guest *to, uint32_t src, uint32_t number, uint8_t out[128])
{
    out[0] = KIND_IP;
    out[1] = to->node->networks[0]->tag;
    out[2] = 0;
    return IP_HEADER + party_packet(out + IP_HEADER, src, to->ipv4, number, 40);
}

bool party_agree(const struct guest *a, const struct guest *b)
{
    const struct link *x = guest_link(a, b), *y = guest_link(b, a);
    return x && y && x->s.entry == y->s.remote_index && y->s.entry == x->s.remote_index &&
           memcmp(x->s.tx_key, y->s.rx_key, 32) == 0 && memcmp(x->s.rx_key, y->s.tx_key, 32) == 0;
}

size_t party_broadcast(const struct party *p, const struct guest *g,
                       const struct party_broadcast *b, uint8_t out[1200])
{
    uint8_t proof[128], arc[2 * ID_SIZE], bytes[1200];
    struct writer w = writer_of(bytes, sizeof bytes);
    write_bytes(&w, "ringlet broadcast 1", 19);
    write_bytes(&w, g->self.id.b, ID_SIZE);
    write_u32(&w, b->number);
    write_u64(&w, b->at_s);
    write_bytes(&w, b->text, strlen(b->text));
    memcpy(proof, g->self.ed_pk, 32);
    memcpy(proof + 32, g->self.x_pk, 32);
    p->crypto->sign(proof + 64, bytes, w.len, g->self.ed_seed, g->self.ed_pk);
    memcpy(arc, b->start.b, ID_SIZE);
    memcpy(arc + ID_SIZE, b->end.b, ID_SIZE);
    struct pack k = pack_of(out + 1, 1199);
    out[0] = KIND_CONTROL;
    pack_array(&k, 7);
    pack_uint(&k, CONTROL_BROADCAST);
    pack_uint(&k, b->number);
    pack_uint(&k, b->at_s);
    pack_bin(&k, proof, sizeof proof);
    pack_uint(&k, b->left_ms);
    pack_bin(&k, arc, sizeof arc);
    pack_str(&k, b->text, strlen(b->text));
    return w.bad || k.bad ? 0 : k.len + 1;
}
