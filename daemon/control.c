#include "daemon/control.h"

#include "base/err.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define SOCKET "control.sock"

struct connection {
    uv_pipe_t pipe;
    struct control *all;
    struct connection *next;
    struct rpc_lines lines;
    uint32_t calls;
    bool watching, closing, full; /* full: not read until a call ends */
};

/* --- connections --- */

static void on_closed(uv_handle_t *h)
{
    struct connection *c = h->data;
    rpc_lines_fini(&c->lines);
    free(c);
}

static void end(struct connection *c)
{
    if (c->closing) return;
    c->closing = true;
    struct control *all = c->all;
    for (struct connection **p = &all->first; *p; p = &(*p)->next) {
        if (*p != c) continue;
        *p = c->next;
        all->connections--;
        break;
    }
    all->watchers -= c->watching;
    for (struct call *k = all->calls; k; k = k->next)
        if (k->connection == c) k->connection = NULL;
    uv_close((uv_handle_t *)&c->pipe, on_closed);
}

struct line {
    uv_write_t request;
    char *text;
    bool last; /* then the connection ends */
};

static void on_written(uv_write_t *request, int status)
{
    struct line *l = request->data;
    struct connection *c = request->handle->data;
    bool last = l->last;
    free(l->text);
    free(l);
    if (last || (status != 0 && status != UV_ECANCELED)) end(c);
}

static void send_text(struct connection *c, char *text, bool last)
{
    size_t len = strlen(text);
    struct line *l = malloc(sizeof *l);
    bool slow = uv_stream_get_write_queue_size((uv_stream_t *)&c->pipe) > CONTROL_QUEUE_BYTES;
    ensure(l);
    *l = (struct line){.text = text, .last = last};
    l->request.data = l;
    text[len] = '\n'; /* in the place of its NUL */
    uv_buf_t buffer = uv_buf_init(text, (unsigned)len + 1);
    if (!slow && !c->closing &&
        uv_write(&l->request, (uv_stream_t *)&c->pipe, &buffer, 1, on_written) == 0)
        return;
    free(text);
    free(l);
    end(c);
}

static void send_message(struct connection *c, struct json_t *message, bool last)
{
    char *text = js_print(message);
    js_free(message);
    send_text(c, text, last);
}

/* --- calls --- */

static void read_lines(struct connection *c);

static void finish(struct call *k, struct json_t *answer)
{
    struct connection *to = k->connection;
    for (struct call **p = &k->control->calls; *p; p = &(*p)->next) {
        if (*p != k) continue;
        *p = k->next;
        break;
    }
    bool wanted = to && k->request.id; /* a notification gets no answer */
    if (wanted)
        send_message(to, answer, false);
    else
        js_free(answer);
    js_free(k->request.whole);
    free(k);
    if (!to || to->closing) return;
    to->calls--;
    if (to->full) read_lines(to);
}

void call_result(struct call *c, struct json_t *result)
{
    finish(c, rpc_result(c->request.id, result));
}

void call_failed(struct call *c, const struct fail *f)
{
    finish(c, rpc_error(c->request.id, f));
}

void call_watch(struct call *c)
{
    if (!c->connection || c->connection->watching) return;
    c->connection->watching = true;
    c->control->watchers++;
}

const struct json_t *call_params(const struct call *c)
{
    return c->request.params;
}

static const struct method *find_method(const char *name)
{
    const struct method *m = methods;
    while (m->name && strcmp(m->name, name) != 0) m++;
    return m->name ? m : NULL;
}

static void begin_call(struct connection *c, const struct rpc_request *request)
{
    struct fail f;
    struct call *k = calloc(1, sizeof *k);
    ensure(k);
    *k = (struct call){.daemon = c->all->daemon,
                       .control = c->all,
                       .connection = c,
                       .request = *request,
                       .method = find_method(request->method),
                       .next = c->all->calls};
    c->all->calls = k;
    c->calls++;
    if (k->method) {
        k->method->run(k);
        return;
    }
    fail(&f, FAIL_UNSUPPORTED, "the verbs of `ringlet --help` are the methods",
         "there is no method `%.60s` in this version", request->method);
    call_failed(k, &f);
}

static void on_line(struct connection *c, const char *line, size_t len)
{
    struct rpc_request request;
    struct json_t *error;
    if (rpc_parse(line, len, &request, &error))
        begin_call(c, &request);
    else
        send_message(c, error, false);
}

/* --- reading --- */

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    struct connection *c = h->data;
    size_t room = 0;
    (void)suggested;
    char *space = rpc_space(&c->lines, &room);
    *out = uv_buf_init(space, space ? (unsigned)room : 0);
}

static void on_bytes(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct connection *c = stream->data;
    (void)buffer;
    if (got == UV_ENOBUFS) {
        struct fail f;
        fail(&f, FAIL_USAGE, "keep requests under 64 KiB", "the line is too long");
        uv_read_stop(stream);
        send_message(c, rpc_error(NULL, &f), true);
        return;
    }
    if (got < 0) end(c);
    if (got <= 0) return;
    rpc_filled(&c->lines, (size_t)got);
    read_lines(c);
}

/* As many calls as one connection may have under way; the rest stays where it is until one ends. */
static void read_lines(struct connection *c)
{
    char *line;
    size_t len;
    c->full = false;
    while (!c->closing && c->calls < CONTROL_CALLS && rpc_next(&c->lines, &line, &len))
        if (len) on_line(c, line, len);
    if (c->closing) return;
    c->full = c->calls >= CONTROL_CALLS;
    if (c->full)
        uv_read_stop((uv_stream_t *)&c->pipe);
    else if (uv_read_start((uv_stream_t *)&c->pipe, on_room, on_bytes) == UV_EINVAL)
        end(c);
}

/* --- accepting --- */

static bool allowed(struct connection *c, uid_t *uid)
{
    struct ucred who;
    socklen_t len = sizeof who;
    int fd;
    *uid = (uid_t)-1;
    if (uv_fileno((uv_handle_t *)&c->pipe, &fd) != 0) return false;
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &who, &len) != 0) return false;
    *uid = who.uid;
    return who.uid == 0 || who.uid == geteuid();
}

static void on_incoming(uv_stream_t *server, int status)
{
    struct control *all = server->data;
    struct connection *c = status == 0 ? calloc(1, sizeof *c) : NULL;
    struct fail f = {0};
    uid_t uid;
    if (!c) return;
    if (uv_pipe_init(server->loop, &c->pipe, 0) != 0) {
        free(c);
        return;
    }
    c->pipe.data = c;
    c->all = all;
    c->next = all->first;
    all->first = c;
    all->connections++;
    rpc_lines_init(&c->lines, RPC_LINE_MAX);
    if (uv_accept(server, (uv_stream_t *)&c->pipe) != 0) {
        end(c);
        return;
    }
    if (!allowed(c, &uid))
        fail(&f, FAIL_PERMISSION, "run it as root",
             "user %ld may not use this daemon's control socket", (long)uid);
    else if (all->connections > CONTROL_CONNECTIONS)
        fail(&f, FAIL_BUSY, "close one and try again",
             "the control socket has %d connections already", CONTROL_CONNECTIONS);
    if (f.status)
        send_message(c, rpc_error(NULL, &f), true);
    else
        read_lines(c);
}

/* --- the socket --- */

/* bind() below the directory itself: sun_path is too short for many paths. */
static int bind_in(const struct state *s)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX, .sun_path = SOCKET};
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), error = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    mode_t old = umask(0177);
    (void)unlinkat(s->fd, SOCKET, 0); /* stale: we hold the lock, so nobody answers there */
    if (fd < 0 || fchdir(s->fd) != 0 || bind(fd, (struct sockaddr *)&at, sizeof at) != 0) {
        error = errno;
        if (fd >= 0) close(fd);
        fd = -1;
    }
    umask(old);
    if (here >= 0 && fchdir(here) != 0) errno = 0; /* what follows uses no relative path */
    if (here >= 0) close(here);
    errno = error;
    return fd;
}

bool control_open(struct control *c, uv_loop_t *loop, struct daemon *d, const struct state *s,
                  struct fail *f)
{
    char path[STATE_PATH_MAX + 20];
    *c = (struct control){.daemon = d, .state = s};
    int fd = bind_in(s);
    snprintf(path, sizeof path, "%s/" SOCKET, s->path);
    if (fd < 0) return fail_system(f, "create", path, errno);
    c->listener.data = c;
    int error = uv_pipe_init(loop, &c->listener, 0);
    if (error == 0) {
        c->open = true;
        error = uv_pipe_open(&c->listener, fd);
    }
    if (error != 0) close(fd);
    if (error == 0) error = uv_listen((uv_stream_t *)&c->listener, 16, on_incoming);
    return error == 0 || fail(f, FAIL_IO, "", "cannot listen on %s: %s", path, uv_strerror(error));
}

void control_close(struct control *c)
{
    if (!c->open) return;
    c->open = false;
    while (c->first) end(c->first);
    while (c->calls) { /* what they wait for does not come any more */
        struct call *k = c->calls;
        c->calls = k->next;
        if (k->cancel) k->cancel(k);
        js_free(k->request.whole);
        free(k);
    }
    uv_close((uv_handle_t *)&c->listener, NULL);
    (void)unlinkat(c->state->fd, SOCKET, 0);
}

void control_event(struct control *c, struct json_t *event)
{
    struct json_t *message = rpc_notification("event", event);
    char *text = js_print(message);
    js_free(message);
    for (struct connection *k = c->first, *next; k; k = next) {
        next = k->next;
        if (!k->watching) continue;
        char *copy = strdup(text);
        ensure(copy);
        send_text(k, copy, false);
    }
    free(text);
}
