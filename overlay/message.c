/* overlay/message.c - a line of text from one node to another, sealed end to end in their session, acknowledged.
 *
 *   MESSAGE [number, text] ->
 *                          <- TAKEN [number, result]     for a repeat, too: each number is delivered once
 *
 * Sender: at most MESSAGES_OUT wait for their answer, one object of the pool each; more are refused (ERR_FULL). One without
 * an answer goes again after the path's RTO, doubled up to 8 times, until its time is over; "busy" is asked again after a second.
 * Receiver: MESSAGE_BURST at once and MESSAGE_RATE a second from one sender, four times that from all; above that "busy", and
 * nothing is kept. What is taken goes up as OE_MESSAGE at once: nothing is stored here. `from` is who holds the session's
 * certified keys.
 *
 * Source: ours, docs/wire.md. Owns: nothing. Units: microseconds. Errors: OE_ANSWER with UNREACHABLE (no session), FULL, TIMEOUT,
 * BUSY (it takes no more for now), INVALID (text_ok). */
#include "overlay/seldom.h"
#include <string.h>

#define MESSAGES_OUT  8u
#define MESSAGE_RATE  1u
#define MESSAGE_BURST 10u
#define ALL_RATE      4u
#define ALL_BURST     40u
#define BUSY_AGAIN_US SECONDS(1)
#define AGAIN_MIN_US  MILLIS(100) /* the other end may have to make a session hot or cold first */

_Static_assert(1 + 1 + 1 + 5 + 3 + MESSAGE_MAX <= CONTROL_MAX, "MESSAGE fits");

bool overlay_text_ok(const void *text, size_t len)
{
    uint8_t scratch[MESSAGE_MAX + 3];
    struct pack k = pack_of(scratch, sizeof scratch);
    if (len == 0 || len > MESSAGE_MAX) return false;
    pack_str(&k, text, len);
    return !k.bad;
}

static void answer(struct overlay *o, uint32_t request, enum err e, const struct id *id,
                   uint32_t rtt_us, struct outbox *out)
{
    outbox_event(out, OE_ANSWER, id)->answer = (struct overlay_answer){
        .request = request, .err = e, .id = *id, .rtt_us = rtt_us, .path = overlay_path(o, id)};
}

static uint32_t waiting(const struct overlay *o)
{
    uint32_t n = 0;
    for (uint16_t i = 0; i < o->common->limits.requests; i++)
        n += o->requests[i] && o->requests[i]->what == REQUEST_MESSAGE;
    return n;
}

void overlay_message(struct overlay *o, uint64_t now_us, const struct id *id, const void *text,
                     size_t len, uint32_t request, uint64_t timeout_us, struct outbox *out)
{
    struct request *r = NULL;
    enum err e = !overlay_text_ok(text, len) ? ERR_INVALID
                 : !link_by_id(o, id)        ? ERR_UNREACHABLE
                                             : ERR_FULL;
    if (e == ERR_FULL && waiting(o) < MESSAGES_OUT)
        r = request_start(o, now_us, REQUEST_MESSAGE, id, timeout_us, CONTROL_MAX);
    if (!r) {
        answer(o, request, e, id, 0, out);
        return;
    }
    r->external = request;
    struct pack k = control_pack(r->body, r->body_max, CONTROL_MESSAGE, 3);
    pack_uint(&k, r->id);
    pack_str(&k, text, len);
    request_packed(o, now_us, r, &k, out);
}

/* Once more, or for the first time; request.c counts and watches the time. */
void message_send(struct overlay *o, uint64_t now_us, struct request *r, struct outbox *out)
{
    struct link *l = link_by_id(o, &r->target);
    unsigned doubled = r->tries > 4 ? 3 : r->tries - 1u;
    if (!l) { /* the session ended meanwhile: a new one, if it will be had in time */
        if (!hello_pending(o, &r->target))
            (void)hello_route(o, now_us, &r->target, &ID_ZERO, &(struct endpoint){0}, KIND_DEMAND,
                              out);
        r->next_us = now_us + BUSY_AGAIN_US;
    } else {
        r->next_us = now_us + time_max(link_rto_us(l) << doubled, AGAIN_MIN_US);
        frame_send(o, l, now_us, r->body, r->body_len, NULL, out);
    }
    wake_at(o, time_min(r->next_us, r->until_us));
}

static void taken_send(struct overlay *o, uint64_t now_us, struct link *l, uint64_t number,
                       enum message_result result, struct outbox *out)
{
    uint8_t frame[16];
    struct pack k = control_pack(frame, sizeof frame, CONTROL_TAKEN, 3);
    pack_uint(&k, number);
    pack_uint(&k, result);
    ensure(!k.bad);
    frame_send(o, l, now_us, frame, k.len + 1, NULL, out);
}

void on_message(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
                struct outbox *out)
{
    uint32_t number = (uint32_t)unpack_uint(u, UINT32_MAX);
    struct span text = unpack_str(u, MESSAGE_MAX);
    if (u->bad || text.len == 0 || number == 0) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct id id = *link_id(o, l);
    struct sender *s = sender_of(o, now_us, &id);
    if (s && sender_seen(s, number)) {
        drop(o, DROP_DUPLICATE);
        taken_send(o, now_us, l, number, MESSAGE_TAKEN, out);
        return;
    }
    if (!s || !budget_take(&s->budget, now_us, MESSAGE_RATE, MESSAGE_BURST) ||
        !budget_take(&o->seldom->all, now_us, ALL_RATE, ALL_BURST)) {
        drop(o, DROP_RATE);
        taken_send(o, now_us, l, number, MESSAGE_BUSY, out);
        return;
    }
    sender_note(s, number);
    demand_used(o, l, now_us);
    struct overlay_event *e = outbox_event(out, OE_MESSAGE, &id);
    e->bytes = text.p;
    e->len = (uint32_t)text.len;
    taken_send(o, now_us, l, number, MESSAGE_TAKEN, out);
}

void on_taken(struct overlay *o, uint64_t now_us, struct link *l, struct unpack *u,
              struct outbox *out)
{
    uint32_t number = (uint32_t)unpack_uint(u, UINT32_MAX);
    uint64_t result = unpack_uint(u, MESSAGE_BUSY);
    if (u->bad) {
        drop(o, DROP_MALFORMED);
        return;
    }
    struct request *r = request_by_id(o, number);
    if (!r || r->what != REQUEST_MESSAGE || !id_equal(&r->target, link_id(o, l))) {
        if (r) drop(o, DROP_UNASKED); /* else: answered already, and asked twice */
        return;
    }
    if (result == MESSAGE_BUSY) {
        r->flags = 1;
        r->next_us = now_us + BUSY_AGAIN_US;
        wake_at(o, time_min(r->next_us, r->until_us));
        return;
    }
    answer(o, r->external, OK, &r->target, (uint32_t)time_since(now_us, r->sent_us), out);
    request_end(o, r);
}

/* Its time is over. */
void message_over(struct overlay *o, struct request *r, struct outbox *out)
{
    answer(o, r->external, r->flags ? ERR_BUSY : ERR_TIMEOUT, &r->target, 0, out);
    request_end(o, r);
}
