#include "daemon/tcp.h"

#include "base/bytes.h"
#include "base/err.h"
#include "daemon/sockaddr.h"
#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

#define FIRST_MS   5000u
#define PARTIAL_MS 10000u
#define IDLE_MS    300000u
#define TICK_MS    1000u
#define READ_BYTES 65536u

struct tcp_connection {
    uv_tcp_t handle;
    uv_connect_t connecting;
    struct tcp *all;
    struct tcp_connection *next;
    struct endpoint peer;
    bool trusted; /* we dialled, or answered it: its knock was good */
    bool knocked; /* its first frame was a HELLO1, good or not */
    bool closing;
    uint64_t opened_ms, used_ms,
        partial_ms; /* partial_ms: since when a frame is incomplete; 0: none is */
    struct tcp_frames frames;
};

/* --- connections --- */

static void on_closed(uv_handle_t *h)
{
    struct tcp_connection *c = h->data;
    for (struct tcp_connection **p = &c->all->first; *p; p = &(*p)->next) {
        if (*p != c) continue;
        *p = c->next;
        c->all->count--;
        break;
    }
    free(c);
}

static void end(struct tcp_connection *c)
{
    if (c->closing) return;
    c->closing = true;
    uv_close((uv_handle_t *)&c->handle, on_closed);
}

static struct tcp_connection *find(struct tcp *t, const struct endpoint *peer)
{
    for (struct tcp_connection *c = t->first; c; c = c->next)
        if (!c->closing && endpoint_equal(&c->peer, peer)) return c;
    return NULL;
}

static uint32_t count_at(const struct tcp *t, const struct endpoint *peer)
{
    uint32_t count = 0;
    for (const struct tcp_connection *c = t->first; c; c = c->next)
        count += endpoint_same_ip(&c->peer, peer);
    return count;
}

static void on_tick(uv_timer_t *timer)
{
    struct tcp *t = timer->data;
    uint64_t now_ms = uv_now(t->loop);
    for (struct tcp_connection *c = t->first; c; c = c->next) {
        bool late = !c->trusted && now_ms - c->opened_ms >= FIRST_MS;
        bool stuck = c->partial_ms && now_ms - c->partial_ms >= PARTIAL_MS;
        if (late || stuck || now_ms - c->used_ms >= IDLE_MS) end(c);
    }
    if (!t->first) uv_timer_stop(timer);
}

static struct tcp_connection *add(struct tcp *t)
{
    struct tcp_connection *c = calloc(1, sizeof *c);
    if (!c || uv_tcp_init(t->loop, &c->handle) != 0) {
        free(c);
        return NULL;
    }
    c->handle.data = c;
    c->all = t;
    c->opened_ms = c->used_ms = uv_now(t->loop);
    c->next = t->first;
    t->first = c;
    t->count++;
    if (!uv_is_active((uv_handle_t *)&t->tick)) uv_timer_start(&t->tick, on_tick, TICK_MS, TICK_MS);
    return c;
}

/* --- reading --- */

static void take(struct tcp_connection *c, const uint8_t *in, size_t len)
{
    struct tcp *t = c->all;
    while (len > 0 && !c->closing) {
        uint8_t *frame;
        uint32_t frame_len;
        size_t taken = tcp_frames_feed(&c->frames, in, len, &frame, &frame_len);
        in += taken, len -= taken;
        if (c->frames.bad ||
            (frame && !c->knocked && !c->trusted && !tcp_is_hello1(frame, frame_len))) {
            end(c);
            return;
        }
        if (!frame) continue;
        c->knocked = true;
        c->partial_ms = 0;
        t->received(t->context, &c->peer, frame, frame_len);
        t->batch_end(t->context); /* the next frame comes to the same place */
    }
    uint64_t now_ms = uv_now(t->loop);
    if (!tcp_frames_partial(&c->frames))
        c->partial_ms = 0;
    else if (!c->partial_ms)
        c->partial_ms = now_ms ? now_ms : 1;
}

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *out)
{
    (void)h, (void)suggested;
    *out = uv_buf_init(malloc(READ_BYTES), READ_BYTES);
    if (!out->base) out->len = 0;
}

static void on_bytes(uv_stream_t *stream, ssize_t got, const uv_buf_t *buffer)
{
    struct tcp_connection *c = stream->data;
    if (got > 0) {
        c->used_ms = uv_now(c->all->loop);
        take(c, (const uint8_t *)buffer->base, (size_t)got);
    } else if (got < 0) {
        end(c);
    }
    free(buffer->base);
}

static void on_incoming(uv_stream_t *server, int status)
{
    struct tcp_listener *l = server->data;
    struct sockaddr_storage from = {0};
    int len = sizeof from;
    struct tcp_connection *c = status == 0 ? add(l->all) : NULL;
    if (!c) return;
    if (uv_accept(server, (uv_stream_t *)&c->handle) != 0 ||
        uv_tcp_getpeername(&c->handle, (struct sockaddr *)&from, &len) != 0) {
        end(c);
        return;
    }
    struct endpoint peer = sockaddr_endpoint((struct sockaddr *)&from, TRANSPORT_TCP);
    bool crowded = count_at(l->all, &peer) >= TCP_PER_ADDRESS || l->all->count > TCP_MAX;
    c->peer = peer;
    (void)uv_tcp_nodelay(&c->handle, 1);
    if (crowded || uv_read_start((uv_stream_t *)&c->handle, on_room, on_bytes) != 0) end(c);
}

/* --- opening --- */

static bool listen_one(struct tcp *t, const struct endpoint *e, int *error)
{
    struct tcp_listener *l = &t->listeners[t->listener_count];
    struct sockaddr_storage at;
    sockaddr_of(e, &at);
    *error = uv_tcp_init(t->loop, &l->handle);
    if (*error) return false;
    l->handle.data = l;
    l->all = t;
    l->at = *e;
    l->at.transport = TRANSPORT_TCP;
    t->listener_count++; /* closed with the others, whatever comes now */
    *error = uv_tcp_bind(&l->handle, (struct sockaddr *)&at,
                         at.ss_family == AF_INET6 ? UV_TCP_IPV6ONLY : 0);
    if (!*error) *error = uv_listen((uv_stream_t *)&l->handle, 64, on_incoming);
    return *error == 0;
}

bool tcp_open(struct tcp *t, uv_loop_t *loop, const struct config_listen *l, bool strict,
              const char *conf, struct fail *f)
{
    char text[ENDPOINT_TEXT];
    int error;
    *t = (struct tcp){.loop = loop};
    uv_timer_init(loop, &t->tick);
    t->tick.data = t;
    for (uint32_t i = 0; i < l->count; i++) {
        if (listen_one(t, &l->at[i], &error)) continue;
        t->listeners[t->listener_count - 1].at = (struct endpoint){0}; /* not one to show */
        if (!strict ||
            (!endpoint_is_v4(&l->at[i]) && endpoint_is_any(&l->at[i]) && error != UV_EADDRINUSE))
            continue;
        fail(f, error == UV_EADDRINUSE ? FAIL_IN_USE : FAIL_IO, "",
             "cannot listen on %s for TCP: %s", endpoint_print(&l->at[i], text),
             uv_strerror(error));
        return fail_hint(f, "change `tcp` in %.200s", conf);
    }
    return true;
}

bool tcp_start(struct tcp *t, tcp_received *received, tcp_batch_end *end_of_batch, void *context)
{
    t->received = received;
    t->batch_end = end_of_batch;
    t->context = context;
    return true;
}

void tcp_close(struct tcp *t)
{
    for (uint32_t i = 0; i < t->listener_count; i++)
        if (!uv_is_closing((uv_handle_t *)&t->listeners[i].handle))
            uv_close((uv_handle_t *)&t->listeners[i].handle, NULL);
    for (struct tcp_connection *c = t->first; c; c = c->next) end(c);
    uv_close((uv_handle_t *)&t->tick, NULL);
}

/* --- sending --- */

static void on_connected(uv_connect_t *request, int status)
{
    struct tcp_connection *c = request->handle->data;
    if (status == UV_ECANCELED) return; /* it is being closed */
    if (status != 0 || uv_read_start((uv_stream_t *)&c->handle, on_room, on_bytes) != 0) end(c);
}

static struct tcp_connection *dial(struct tcp *t, const struct endpoint *to)
{
    struct sockaddr_storage at;
    sockaddr_of(to, &at);
    if (t->count >= TCP_MAX || count_at(t, to) >= TCP_PER_ADDRESS) return NULL;
    struct tcp_connection *c = add(t);
    if (!c) return NULL;
    c->peer = *to;
    c->trusted = true;
    if (uv_tcp_connect(&c->connecting, &c->handle, (struct sockaddr *)&at, on_connected) != 0) {
        end(c);
        return NULL;
    }
    (void)uv_tcp_nodelay(&c->handle, 1);
    return c;
}

struct pending {
    uv_write_t request;
    uint8_t bytes[]; /* length and frame */
};

static void on_written(uv_write_t *request, int status)
{
    struct tcp_connection *c = request->handle->data;
    free(request->data);
    if (status != 0 && status != UV_ECANCELED) end(c);
}

static void send_frame(struct tcp_connection *c, const uint8_t *bytes, uint32_t len)
{
    struct tcp *t = c->all;
    c->trusted = true; /* the node has something to say to it */
    struct pending *p = NULL;
    bool fits = len > 0 && len <= TCP_FRAME_MAX && !c->closing &&
                uv_stream_get_write_queue_size((uv_stream_t *)&c->handle) + len <= TCP_QUEUE_BYTES;
    if (fits) p = malloc(sizeof *p + 2 + len);
    if (!p) {
        t->dropped++;
        return;
    }
    p->request.data = p;
    put_u16(p->bytes, (uint16_t)len);
    memcpy(p->bytes + 2, bytes, len);
    uv_buf_t buffer = uv_buf_init((char *)p->bytes, len + 2);
    if (uv_write(&p->request, (uv_stream_t *)&c->handle, &buffer, 1, on_written) != 0) {
        free(p);
        end(c);
        return;
    }
    c->used_ms = uv_now(t->loop);
}

void tcp_send(struct tcp *t, const struct endpoint *to, const uint8_t *bytes, uint32_t len,
              uint16_t segment)
{
    struct tcp_connection *c = find(t, to);
    if (!c) c = dial(t, to);
    if (!c) {
        t->dropped++;
        return;
    }
    uint32_t size = segment ? segment : len;
    for (uint32_t at = 0; at < len; at += size)
        send_frame(c, bytes + at, size < len - at ? size : len - at);
}

void tcp_hang_up(struct tcp *t, const struct endpoint *to)
{
    struct tcp_connection *c = find(t, to);
    if (c) end(c);
}
