/* Two nodes under any sequence of events: datagrams, timers early and late, commands, leaps of the calendar, new addresses, other seeds,
 * a wire that loses, doubles, mixes up and spoils. They keep to their limits, and give everything back at the end. */
#include "tests/harness/party.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool spoil(struct party *p, struct letter *l)
{
    struct reader *in = p->context;
    if (in->left < 2) return true;
    uint8_t what = read_u8(in);
    if (what > 0x40) return true;
    if (what & 1 && l->len) l->bytes[read_u8(in) % l->len] ^= (uint8_t)(what | 1);
    if (what & 2 && l->len > 1) l->len = 1 + read_u8(in) % (l->len - 1);
    if (what & 4) l->from.port ^= what;
    return !(what & 8);
}

static void command(struct party *p, struct guest *g, struct reader *in)
{
    struct command c = {.request = read_u8(in), .timeout_us = MILLIS(read_u8(in) * 64u)};
    uint8_t type = read_u8(in) % 9, whom = read_u8(in);
    const struct guest *other = p->guests[whom % p->count];
    c.type = type;
    c.network = whom >> 4;
    c.target.network = (int8_t)(whom & 8 ? (whom & 1 ? 0 : 7) : -1);
    switch (whom >> 4 & 3) {
    case 0: c.target.kind = TARGET_ID, c.target.id = other->self.id; break;
    case 1: c.target.kind = TARGET_ID, read_copy(in, c.target.id.b, 4); break;
    case 2: c.target.kind = TARGET_IP, ip_from_v4(c.target.ip, 0x0a4d0000u | read_u8(in)); break;
    default: c.target.kind = TARGET_NAME, c.target.name = (struct name_text){"n1"}; break;
    }
    c.network_config = (struct network_config){.chain = other->chain,
                                               .chain_len = other->chain_len,
                                               .number = whom >> 4,
                                               .mtu_bytes = 1380};
    party_step(p, g, &(struct event){.type = EV_COMMAND, .command = &c});
}

static void endpoints(struct party *p, struct guest *g, struct reader *in, uint8_t type)
{
    struct endpoint list[12];
    uint32_t count = read_u8(in) % 12u;
    for (uint32_t i = 0; i < count; i++) {
        uint8_t which = read_u8(in);
        list[i] = which < 0x80 ? p->guests[which % p->count]->at
                               : endpoint_v4((uint32_t)which << 24 | read_u8(in), which);
    }
    party_step(p, g, &(struct event){.type = type, .endpoints = {.list = list, .count = count}});
}

static void one(struct party *p, struct reader *in)
{
    uint8_t what = read_u8(in), bytes[1500];
    struct guest *g = p->guests[what >> 6 & 1];
    struct event e = {0};
    size_t len;
    switch (what & 15) {
    case 0: party_run(p, MILLIS(read_u8(in) * 4u)); break;
    case 1: party_run(p, SECONDS(read_u8(in) & 31u)); break;
    case 2: party_step(p, g, &(struct event){.type = EV_TIMER}); break;
    case 3: command(p, g, in); break;
    case 4:
        e = (struct event){.type = EV_CLOCK,
                           .calendar_s = (uint64_t)read_u32(in) << read_u8(in) % 33};
        party_step(p, g, &e);
        break;
    case 5: endpoints(p, g, in, EV_LOCAL); break;
    case 6: endpoints(p, g, in, EV_SEEDS); break;
    case 7:
        e.type = EV_SEED;
        read_copy(in, e.seed, 8);
        party_step(p, g, &e);
        break;
    case 8:
        len = read_u16(in) % sizeof bytes;
        if (len > in->left) len = in->left;
        read_copy(in, bytes, len);
        party_give(p, g, &p->guests[what >> 4 & 1]->at, bytes, len);
        break;
    case 9:
        if (g->lane)
            party_tun(p, g, 0x0a4d0000u | read_u8(in), read_u8(in), 24u + read_u16(in) % 1500u);
        break;
    case 10:
        p->tap = p->tap ? NULL : spoil;
        p->context = in;
        break;
    case 11: p->loss_percent = read_u8(in) % 60, p->double_percent = read_u8(in) % 50; break;
    case 12: p->jitter_us = MILLIS(read_u8(in)), p->delay_us = MILLIS(read_u8(in) * 4u); break;
    case 13: /* the same again, from elsewhere */
        for (uint32_t i = 0; i < p->mail_count && i < 4; i++) {
            struct endpoint from = p->mail[i].from;
            from.port = (uint16_t)(from.port + what);
            party_give(p, g, &from, p->mail[i].bytes, p->mail[i].len);
        }
        break;
    case 14: p->now_us += SECONDS(read_u16(in)); break; /* it slept */
    default: break;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    party_fuzz(party_small_of(2), data, size < 600 ? size : 600, 1, one, 0);
    return 0;
}
