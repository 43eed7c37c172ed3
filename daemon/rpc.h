/* daemon/rpc.h - JSON-RPC 2.0, one object a line: cutting lines out of a stream, requests, answers. No sockets.
 *
 * Source: jsonrpc.org/specification. Batches are refused. A failure travels as error.data {code, message, hint}.
 * Owns: a line buffer grows by doubling within its bound. Errors: too_long sticks: the connection is to be closed. */
#pragma once
#include "daemon/fail.h"
#include "daemon/json.h"

#define RPC_LINE_MAX   65536u    /* of a request */
#define RPC_ANSWER_MAX 33554432u /* of an answer: 65535 members of a few hundred bytes */

struct rpc_lines {
    char *text;
    size_t start, len, room, max; /* text[start, len) is not cut yet */
    bool too_long;
};
void rpc_lines_init(struct rpc_lines *l, size_t max);
void rpc_lines_fini(struct rpc_lines *l);
/* Room to read into (at least one byte), then say how much came. NULL: the line is too long. */
char *rpc_space(struct rpc_lines *l, size_t *room);
void rpc_filled(struct rpc_lines *l, size_t len);
/* The next whole line without its newline, with a NUL behind; valid until the next rpc_space. False: none yet. */
bool rpc_next(struct rpc_lines *l, char **line, size_t *len);

struct rpc_request {
    struct json_t *whole; /* free this */
    const char *method;
    struct json_t *params; /* borrowed; an object or NULL */
    struct json_t *id;     /* borrowed; NULL: a notification, not to be answered */
};
/* False: *error is the answer to send (new). */
bool rpc_parse(const char *line, size_t len, struct rpc_request *out, struct json_t **error);
struct json_t *rpc_result(const struct json_t *id, struct json_t *result);  /* new; takes result */
struct json_t *rpc_error(const struct json_t *id, const struct fail *f);    /* new */
struct json_t *rpc_notification(const char *method, struct json_t *params); /* new; takes params */
struct json_t *rpc_call(int64_t id, const char *method,
                        struct json_t *params); /* new; takes params */
/* An answer's failure back into a struct fail. */
void rpc_fail(const struct json_t *error, struct fail *f);
