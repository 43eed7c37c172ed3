/* create, join, invite, leave in a running daemon: first the files (daemon/deeds.h), then the node and the device. */
#include "daemon/methods.h"

#include "daemon/daemon.h"
#include "daemon/deeds.h"
#include "daemon/params.h"
#include <stdlib.h>
#include <string.h>

struct change { /* a network that is being told to the node */
    struct json_t *made;
    uint8_t number;
    bool last;
};

static struct change *change_new(struct call *c, struct json_t *made)
{
    struct change *k = calloc(1, sizeof *k);
    ensure(k);
    k->made = made;
    c->state = k;
    return k;
}

static void change_free(struct call *c)
{
    struct change *k = c->state;
    js_free(k->made);
    free(k);
    c->state = NULL;
    c->cancel = NULL;
}

static void change_cancel(struct call *c)
{
    requests_cancel(c->daemon, c);
    change_free(c);
}

static void change_done(struct call *c)
{
    struct json_t *made = js_keep(((struct change *)c->state)->made);
    change_free(c);
    call_result(c, made);
}

static void change_failed(struct call *c, const struct fail *f)
{
    change_free(c);
    call_failed(c, f);
}

/* --- a network more --- */

static void on_added(struct daemon *d, void *context, const struct reply *r)
{
    struct call *c = context;
    struct change *k = c->state;
    struct fail f;
    if (r->err != OK) {
        d->networks[k->number] = (struct daemon_network){0};
        fail(&f, FAIL_INTERNAL, "it is written; restart the daemon to use it",
             "the running node refused the network: %s", err_text(r->err));
        change_failed(c, &f);
        return;
    }
    if (!networks_device(d, k->number, &f) || !tun_start(&d->tuns, k->number, &d->loop)) {
        fail_hint(&f, "it is written; free the device and restart the daemon");
        change_failed(c, &f);
        return;
    }
    networks_addresses(d, k->number);
    change_done(c);
}

/* The network `made` speaks of is on disk: read it back and tell the node. */
static void add_network(struct call *c, struct json_t *made)
{
    struct daemon *d = c->daemon;
    struct fail f = {0};
    int before = networks_find(d, js_get_text(made, "network")); /* it was refused there */
    uint8_t number = before >= 0 ? (uint8_t)before : networks_free_number(d);
    struct change *k = change_new(c, made);
    c->cancel = change_cancel;
    k->number = number;
    if (number == NETWORKS_MAX) {
        fail(&f, FAIL_BUSY, "it is written; restart the daemon to use it",
             "there is no room for one more network");
        change_failed(c, &f);
        return;
    }
    struct daemon_network *n = &d->networks[number];
    *n = (struct daemon_network){0};
    if (home_read_network(&d->state, &d->overlay, &d->identity.id, js_get_text(made, "network"),
                          &n->home, &f) != STATE_READ) {
        change_failed(c, &f);
        return;
    }
    n->used = true;
    struct command command = {
        .type = CMD_NETWORK_ADD, .network = number, .network_config = networks_config(d, number)};
    if (requests_send(d, &command, on_added, c)) return;
    n->used = false;
    fail(&f, FAIL_BUSY, "it is written; restart the daemon to use it",
         "the node has too much to do");
    change_failed(c, &f);
}

typedef bool deed(struct state *s, const struct json_t *params, struct json_t *made,
                  struct fail *f);

static void change_by(struct call *c, deed *run)
{
    struct fail f;
    struct json_t *made = js_object();
    bool already = false;
    if (!run(&c->daemon->state, call_params(c), made, &f)) {
        js_free(made);
        call_failed(c, &f);
        return;
    }
    if (!reload_config(c->daemon, made, &f))
        log_say(&c->daemon->log, LOG_WARN, "%s", f.message); /* new seeds */
    js_remove(made, "applied");
    js_remove(made, "restart");
    (void)js_get_bool(made, "already", &already);
    if (already)
        call_result(c, made);
    else
        add_network(c, made);
}

void method_create(struct call *c)
{
    change_by(c, deed_create);
}

void method_join(struct call *c)
{
    change_by(c, deed_join);
}

void method_invite(struct call *c)
{
    struct fail f;
    struct json_t *made = js_object();
    notices_remember_now(c->daemon); /* what peers see of us now becomes the token's seeds */
    if (deed_invite(&c->daemon->state, call_params(c), made, &f)) {
        call_result(c, made);
        return;
    }
    js_free(made);
    call_failed(c, &f);
}

/* --- one less --- */

static void on_dropped(struct daemon *d, void *context, const struct reply *r)
{
    struct call *c = context;
    uint8_t number = ((struct change *)c->state)->number;
    if (r->err != OK)
        log_say(&d->log, LOG_WARN, "leaving: %s", err_text(r->err)); /* it is gone from the disk */
    tun_drop(&d->tuns, number);
    threads_device_drop(&d->threads, number);
    d->networks[number] = (struct daemon_network){0};
    change_done(c);
}

void method_leave(struct call *c)
{
    struct daemon *d = c->daemon;
    struct fail f;
    struct json_t *made = js_object();
    bool last = false;
    if (!deed_leave(&d->state, call_params(c), made, &f)) {
        js_free(made);
        call_failed(c, &f);
        return;
    }
    int number = networks_find(d, js_get_text(made, "network"));
    (void)js_get_bool(made, "last", &last);
    if (last ||
        number <
            0) { /* without a certificate nobody talks to us: the daemon has nothing left to do */
        d->peers_len = 0;
        d->left_all = last;
        call_result(c, made);
        if (last) loop_stop(d, "left the last network");
        return;
    }
    struct change *k = change_new(c, made);
    struct command command = {.type = CMD_NETWORK_DROP, .network = (uint8_t)number};
    k->number = (uint8_t)number;
    c->cancel = change_cancel;
    if (requests_send(d, &command, on_dropped, c)) return;
    fail(&f, FAIL_BUSY, "it is written; restart the daemon", "the node has too much to do");
    change_failed(c, &f);
}
