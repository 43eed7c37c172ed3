#include "daemon/client.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

static enum client_state no_daemon(const char *dir, struct fail *f)
{
    fail(f, FAIL_NO_DAEMON, "", "no daemon is running on %s", dir);
    fail_hint(f, "start it with `ringlet -d %.200s run`", dir);
    return CLIENT_NO_DAEMON;
}

/* Whose daemon it is: the socket's owner. */
static enum client_state not_allowed(const char *dir, int dir_fd, struct fail *f)
{
    struct stat st;
    const struct passwd *user = NULL;
    if (dir_fd >= 0 && fstatat(dir_fd, "control.sock", &st, AT_SYMLINK_NOFOLLOW) == 0)
        user = getpwuid(st.st_uid);
    fail(f, FAIL_PERMISSION, "run it as root", "not allowed to use the control socket in %s", dir);
    if (user && user->pw_uid != 0) fail_hint(f, "run it as root or as %s", user->pw_name);
    return CLIENT_FAILED;
}

/* connect() below the directory itself: sun_path is too short for many paths. */
static int connect_in(int dir_fd)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX, .sun_path = "control.sock"};
    int here = open(".", O_PATH | O_DIRECTORY | O_CLOEXEC), error = 0;
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || fchdir(dir_fd) != 0 || connect(fd, (struct sockaddr *)&to, sizeof to) != 0) {
        error = errno;
        if (fd >= 0) close(fd);
        fd = -1;
    }
    if (here >= 0 && fchdir(here) != 0)
        error = errno; /* what follows uses no relative path but -d itself */
    if (here >= 0) close(here);
    errno = error;
    return fd;
}

enum client_state client_open(struct client *c, const char *dir, struct fail *f)
{
    *c = (struct client){.fd = -1};
    int dir_fd = open(dir, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (dir_fd < 0 && errno != EACCES) return no_daemon(dir, f);
    if (dir_fd < 0) return not_allowed(dir, -1, f);
    c->fd = connect_in(dir_fd);
    int error = errno;
    enum client_state state = CLIENT_READY;
    if (c->fd < 0)
        state = error == EACCES || error == EPERM ? not_allowed(dir, dir_fd, f) : no_daemon(dir, f);
    close(dir_fd);
    if (state == CLIENT_READY) rpc_lines_init(&c->lines, RPC_ANSWER_MAX);
    return state;
}

void client_close(struct client *c)
{
    if (c->fd >= 0) close(c->fd);
    rpc_lines_fini(&c->lines);
    c->fd = -1;
}

static bool send_line(struct client *c, struct json_t *message, struct fail *f)
{
    char *text = js_print(message);
    size_t len = strlen(text);
    text[len++] = '\n';
    bool good = true;
    for (size_t at = 0; good && at < len;) {
        ssize_t put = send(c->fd, text + at, len - at, MSG_NOSIGNAL);
        if (put < 0 && errno == EINTR) continue;
        if (put < 0) good = fail(f, FAIL_IO, "look at its log", "the daemon closed the connection");
        at += put > 0 ? (size_t)put : 0;
    }
    free(text);
    js_free(message);
    return good;
}

/* One whole line as JSON (new). */
static struct json_t *receive(struct client *c, struct fail *f)
{
    char *line, why[200];
    size_t len, room;
    while (!rpc_next(&c->lines, &line, &len)) {
        char *space = rpc_space(&c->lines, &room);
        ssize_t got = space ? read(c->fd, space, room) : 0;
        if (got < 0 && errno == EINTR) {
            *f = (struct fail){0};
            return NULL;
        }
        if (got <= 0) {
            fail(f, FAIL_IO, "look at its log", "the daemon closed the connection");
            if (c->calls == 1 && got < 0)
                fail(f, FAIL_PERMISSION, "run it as root", "the daemon refused the connection");
            return NULL;
        }
        rpc_filled(&c->lines, (size_t)got);
    }
    struct json_t *answer = js_parse(line, len, why, sizeof why);
    if (!answer) fail(f, FAIL_INTERNAL, "", "the daemon's answer is no JSON: %s", why);
    return answer;
}

bool client_call(struct client *c, const char *method, struct json_t *params,
                 struct json_t **result, struct fail *f)
{
    int64_t id = ++c->calls, got = 0;
    if (!send_line(c, rpc_call(id, method, params), f)) return false;
    for (;;) {
        struct json_t *answer = receive(c, f);
        if (!answer) return false;
        if (!js_get_int(answer, "id", &got) ||
            got != id) { /* a notification, or of an earlier call */
            const struct json_t *error = js_get(answer, "error");
            if (error && js_is_null(js_get(answer, "id"))) { /* refused before it was read */
                rpc_fail(error, f);
                js_free(answer);
                return false;
            }
            js_free(answer);
            continue;
        }
        struct json_t *value = js_get(answer, "result");
        if (value)
            *result = js_keep(value);
        else
            rpc_fail(js_get(answer, "error"), f);
        js_free(answer);
        return value != NULL;
    }
}

bool client_stream(struct client *c, struct json_t **params, struct fail *f)
{
    for (;;) {
        struct json_t *m = receive(c, f);
        if (!m) return false;
        struct json_t *value = js_get(m, "method") ? js_get(m, "params") : NULL;
        if (value) *params = js_keep(value);
        js_free(m);
        if (value) return true;
    }
}

bool client_wait_closed(struct client *c, int ms)
{
    char bytes[512];
    struct pollfd p = {.fd = c->fd, .events = POLLIN};
    while (poll(&p, 1, ms) > 0) /* each byte restarts the wait; a daemon that ends says little */
        if (read(c->fd, bytes, sizeof bytes) <= 0) return true;
    return false;
}
