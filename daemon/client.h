/* daemon/client.h - the command line's side of the control socket: connect, call, read the stream.
 *
 * Blocking. Errors: CLIENT_NO_DAEMON (nothing there, or a stale socket) with FAIL_NO_DAEMON set;
 * CLIENT_FAILED: it is there but may not be used, FAIL_PERMISSION says as whom to run. */
#pragma once
#include "daemon/rpc.h"

enum client_state { CLIENT_FAILED, CLIENT_NO_DAEMON, CLIENT_READY };
struct client {
    int fd;
    int64_t calls;
    struct rpc_lines lines;
};
enum client_state client_open(struct client *c, const char *dir, struct fail *f);
void client_close(struct client *c);
/* Takes params (may be NULL). The result is new. False also when a signal came: f->status is then 0. */
bool client_call(struct client *c, const char *method, struct json_t *params,
                 struct json_t **result, struct fail *f);
/* The params of the next notification (new). */
bool client_stream(struct client *c, struct json_t **params, struct fail *f);
/* Wait until the daemon has closed the connection, at most so many milliseconds. */
bool client_wait_closed(struct client *c, int ms);
