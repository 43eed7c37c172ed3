/* A certified member says whatever it likes: frames of every kind, sealed properly, through node and lane.
 *
 * The input is a list of [how, length, frame]. Nothing crashes, nothing grows beyond the node's limits, every pooled
 * thing is accounted for, and no inner packet comes out of the device whose source is not the sender's. */
#include "tests/harness/party.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum how {
    HOW_THIRD = 1,     /* sealed by the other member */
    HOW_ELSEWHERE = 2, /* from an address of its own */
    HOW_TIME = 4,      /* then time passes: milliseconds */
    HOW_DEAF = 8,      /* the sender hears no answers from now on */
    HOW_HOT = 16,      /* an inner packet first: the session is in the lane */
    HOW_TUN = 32       /* the node itself sends an inner packet to the sender first */
};
#define LONGEST 2200u

static bool deaf(struct party *p, struct letter *l)
{
    return !endpoint_equal(&l->to, (struct endpoint *)p->context);
}

static void one(struct party *p, struct reader *in)
{
    uint8_t how = read_u8(in), frame[LONGEST + 64], inner[64];
    struct guest *a = p->guests[0], *b = p->guests[how & HOW_THIRD ? 2 : 1];
    struct endpoint elsewhere = endpoint_v4(0x05090901, 99);
    size_t len = read_u16(in) % LONGEST;
    if (len > in->left) len = in->left;
    read_copy(in, frame, len);
    if (how & HOW_HOT) {
        inner[0] = KIND_IP;
        inner[1] = a->node->networks[0]->tag;
        inner[2] = 0;
        party_packet(inner + 3, b->ipv4, a->ipv4, 1, 40);
        (void)guest_send(p, b, a, NULL, inner, 43);
    }
    if (how & HOW_TUN) party_tun(p, a, b->ipv4, 2, 60);
    if (how & HOW_DEAF) {
        p->tap = deaf;
        p->context = &b->at;
    }
    uint32_t came = a->tun_count;
    if (len) (void)guest_send(p, b, a, how & HOW_ELSEWHERE ? &elsewhere : NULL, frame, len);
    if (a->tun_count > came && len && frame[0] == KIND_IP && a->tun[0] >> 4 == 4)
        ensure(get_u32(a->tun + 12) == b->ipv4);
    if (how & HOW_TIME) party_run(p, MILLIS(how >> 6) * 200 + MILLIS(1));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct party *p = party_small_of(3);
    party_run(p, SECONDS(2));
    party_fuzz(p, data, size, 4, one, SECONDS(2));
    return 0;
}
