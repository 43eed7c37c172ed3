/* daemon/control.h - control.sock: JSON-RPC 2.0, one object a line; who may connect; calls until they are answered.
 *
 * Accepted: the daemon's own user and root, by SO_PEERCRED; others get one error line and are closed. Bounded:
 * connections, calls of a connection, the length of a line, what waits to be written (a slow watcher is closed).
 * A call outlives its connection: its answer then goes nowhere.
 * Owns: connections and calls. Ends with control_close; the loop must run once more. */
#pragma once
#include "daemon/rpc.h"
#include "daemon/state.h"
#include <uv.h>

#define CONTROL_CONNECTIONS 32
#define CONTROL_CALLS       16 /* under way, of one connection */
#define CONTROL_QUEUE_BYTES (4u << 20)

struct daemon;
struct connection;
struct call {
    struct daemon *daemon;
    struct control *control;
    struct connection *connection; /* NULL: gone */
    const struct method *method;
    struct rpc_request request;
    void *state; /* the method's */
    void (*cancel)(
        struct call *c); /* frees state when the daemon ends before the answer; may be NULL */
    struct call *next;
};
struct method {
    const char *name;
    void (*run)(struct call *c); /* ends with call_result or call_failed, now or later */
};
extern const struct method methods[]; /* ends with name NULL; methods.c */

struct control {
    uv_pipe_t listener;
    bool open;
    struct daemon *daemon;
    const struct state *state;
    struct connection *first;
    uint32_t connections, watchers;
    struct call *calls;
};
bool control_open(struct control *c, uv_loop_t *loop, struct daemon *d, const struct state *s,
                  struct fail *f);
void control_close(struct control *c); /* connections, the socket and its file */
void control_event(struct control *c, struct json_t *event); /* to all watchers; takes it */

const struct json_t *call_params(const struct call *c);  /* may be NULL */
void call_result(struct call *c, struct json_t *result); /* takes it; ends the call */
void call_failed(struct call *c, const struct fail *f);  /* ends the call */
void call_watch(struct call *c);                         /* its connection becomes a watcher */
