#include "node/actions.h"

#include <string.h>

bool actions_room(const struct actions *a, uint32_t len, uint32_t count)
{
    return len <= a->arena_size - a->arena_used && count <= a->max - a->count;
}

uint8_t *actions_space(struct actions *a, uint32_t len)
{
    if (len > a->arena_size - a->arena_used) return NULL;
    uint8_t *p = a->arena + a->arena_used;
    a->arena_used += len;
    return p;
}

void actions_unspace(struct actions *a, uint32_t len)
{
    ensure(len <= a->arena_used);
    a->arena_used -= len;
}

/* The next entry, zeroed but for its type; NULL: the list is full. */
static struct action *action_new(struct actions *a, enum action_type type)
{
    if (a->count >= a->max) {
        a->lost++;
        return NULL;
    }
    struct action *one = &a->list[a->count++];
    memset(one, 0, sizeof *one);
    one->type = (uint8_t)type;
    return one;
}

bool actions_send(struct actions *a, const struct endpoint *to, const uint8_t *bytes, uint32_t len,
                  uint16_t segment)
{
    struct action *one = action_new(a, ACT_SEND);
    if (!one) return false;
    one->send.to = *to;
    one->send.bytes = bytes;
    one->send.len = len;
    one->send.segment = segment;
    return true;
}

static bool continues(const struct action *last, const struct endpoint *to, const uint8_t *bytes,
                      uint32_t len)
{
    if (last->type != ACT_SEND || to->transport != TRANSPORT_UDP) return false;
    if (last->send.bytes + last->send.len != bytes) return false;
    uint32_t segment = last->send.segment ? last->send.segment : last->send.len;
    if (len > segment || segment > UINT16_MAX) return false;
    if (last->send.len % segment != 0) return false; /* its last is a short one */
    if (last->send.len / segment >= TRAIN_SEGMENTS || last->send.len + len > TRAIN_BYTES)
        return false;
    return endpoint_equal(&last->send.to, to);
}

bool actions_train(struct actions *a, const struct endpoint *to, const uint8_t *bytes, uint32_t len)
{
    struct action *last = a->count > 0 ? &a->list[a->count - 1] : NULL;
    if (!last || !continues(last, to, bytes, len)) return actions_send(a, to, bytes, len, 0);
    if (last->send.segment == 0) last->send.segment = (uint16_t)last->send.len;
    last->send.len += len;
    return true;
}

bool actions_tun(struct actions *a, uint8_t number, const uint8_t *bytes, uint32_t len,
                 bool csum_open)
{
    struct action *one = action_new(a, ACT_TUN);
    if (!one) return false;
    one->tun.number = number;
    one->tun.bytes = bytes;
    one->tun.len = len;
    one->tun.csum_open = csum_open;
    return true;
}

bool actions_reply(struct actions *a, const struct reply *reply)
{
    uint32_t slack = _Alignof(struct reply) - 1;
    if (!actions_room(a, (uint32_t)sizeof *reply + slack, 1)) {
        a->lost++;
        return false;
    }
    uint8_t *p = actions_space(a, (uint32_t)sizeof *reply + slack);
    p += -(uintptr_t)p & slack;
    memcpy(p, reply, sizeof *reply);
    struct action *one = action_new(a, ACT_REPLY);
    one->reply = (const struct reply *)(const void *)p;
    return true;
}

bool actions_notice(struct actions *a, const struct notice *notice)
{
    struct action *one = action_new(a, ACT_NOTICE);
    if (!one) return false;
    one->notice = *notice;
    return true;
}

bool actions_plain(struct actions *a, enum action_type type)
{
    return action_new(a, type) != NULL;
}

bool actions_close(struct actions *a, const struct endpoint *to)
{
    struct action *one = action_new(a, ACT_CLOSE);
    if (!one) return false;
    one->send.to = *to;
    return true;
}
