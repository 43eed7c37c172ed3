/* invites: those given here, and how many of their slots the ring knows to be taken (daemon/methods.h). */
#include "daemon/methods.h"

#include "daemon/clock.h"
#include "daemon/daemon.h"
#include "daemon/invites.h"
#include <stdio.h>
#include <stdlib.h>

#define SLOTS_MAX    256 /* of one invite; of a larger one it is not known */
#define AT_ONCE      8
#define ALL_MS       5000u
#define ASK_US       SECONDS(3)
#define SERIAL_BYTES 16

struct counting {
    struct call *call;
    struct json_t *list;
    size_t invite; /* the one that is being counted */
    int64_t uses, asked, spent;
    uint32_t under_way;
    bool unknown, busy; /* of one slot nobody could say; count() is at work */
    uint64_t until_us;
};

static void count(struct counting *k);

static void end(struct counting *k)
{
    struct call *c = k->call;
    struct json_t *list = k->list;
    c->state = NULL;
    c->cancel = NULL;
    free(k);
    call_result(c, list);
}

static void cancel(struct call *c)
{
    struct counting *k = c->state;
    requests_cancel(c->daemon, k);
    js_free(k->list);
    free(k);
    c->state = NULL;
}

static void on_slot(struct daemon *d, void *context, const struct reply *r)
{
    struct counting *k = context;
    (void)d;
    k->under_way--;
    if (r->err == OK)
        k->spent++;
    else if (r->err != ERR_NOT_FOUND)
        k->unknown = true;
    count(k);
}

static bool read_serial(const struct json_t *one, uint8_t out[SERIAL_BYTES])
{
    const char *hex = js_get_text(one, "invite");
    unsigned byte;
    for (unsigned i = 0; i < SERIAL_BYTES; i++) {
        if (!hex || sscanf(hex + 2 * i, "%2x", &byte) != 1) return false;
        out[i] = (uint8_t)byte;
    }
    return true;
}

static void ask(struct counting *k)
{
    struct command c = {.type = CMD_SLOT, .slot = (uint32_t)k->asked++, .timeout_us = ASK_US};
    k->under_way++;
    if (read_serial(js_at(k->list, k->invite), c.invite) &&
        requests_send(k->call->daemon, &c, on_slot, k))
        return;
    k->under_way--;
    k->unknown = true;
}

/* As far as it goes now. An answer may come while a question is being asked: it only counts itself then. */
static void count(struct counting *k)
{
    if (k->busy) return;
    k->busy = true;
    while (k->invite < js_count(k->list)) {
        struct json_t *one = js_at(k->list, k->invite);
        if (k->asked == 0 && !js_get_int(one, "uses", &k->uses)) k->uses = 0;
        if (k->uses > SLOTS_MAX || clock_us() > k->until_us) k->unknown = true;
        while (!k->unknown && k->asked < k->uses && k->under_way < AT_ONCE) ask(k);
        if (k->under_way) {
            k->busy = false;
            return;
        }
        if (!k->unknown && k->asked < k->uses) continue;
        if (!k->unknown) js_put_int(one, "spent", k->spent);
        k->invite++;
        k->asked = k->spent = 0;
        k->unknown = false;
    }
    end(k);
}

void method_invites(struct call *c)
{
    struct fail f;
    struct node_view v;
    struct json_t *list = js_array();
    if (!invites_list(&c->daemon->state, call_params(c), list, &f)) {
        js_free(list);
        call_failed(c, &f);
        return;
    }
    node_view(c->daemon->node, &v);
    if (v.state != STATE_JOINED) { /* nobody to ask */
        call_result(c, list);
        return;
    }
    struct counting *k = calloc(1, sizeof *k);
    ensure(k);
    *k = (struct counting){.call = c, .list = list, .until_us = clock_us() + MILLIS(ALL_MS)};
    c->state = k;
    c->cancel = cancel;
    count(k);
}
