/* Questions to the node and who waits for the answer (daemon/daemon.h). */
#include "daemon/daemon.h"

bool requests_send(struct daemon *d, struct command *c, request_done *done, void *context)
{
    struct event e = {.type = EV_COMMAND, .command = c};
    for (unsigned i = 0; i < REQUESTS_MAX; i++) {
        struct request *r = &d->requests[i];
        if (r->number) continue;
        if (++d->last_request == 0) d->last_request = 1; /* 0 is free */
        *r = (struct request){d->last_request, done, context};
        c->request = r->number;
        loop_say(d, &e);
        return true;
    }
    return false;
}

void requests_reply(struct daemon *d, const struct reply *reply)
{
    for (unsigned i = 0; i < REQUESTS_MAX; i++) {
        struct request r = d->requests[i];
        if (r.number == 0 || r.number != reply->request) continue;
        d->requests[i] = (struct request){0};
        if (r.done) r.done(d, r.context, reply);
        return;
    }
}

void requests_cancel(struct daemon *d, const void *context)
{
    for (unsigned i = 0; i < REQUESTS_MAX; i++)
        if (d->requests[i].context == context) d->requests[i].done = NULL;
}
