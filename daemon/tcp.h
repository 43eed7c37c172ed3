/* daemon/tcp.h - datagrams over TCP, for where UDP does not get through.
 *
 * Listens where the configuration says; connects when something is to be sent to a TCP endpoint. To the node a connection
 * is the endpoint at its other end with TRANSPORT_TCP.
 *
 *     incoming: accepted -> HELLO1 within 5 s -> open        outgoing: connecting -> open        -> closed
 *
 * Closed without a byte: the first frame is no HELLO1 or comes too late. Also closed: a frame partial for 10 s, nothing
 * in 5 min either way, a queue over its bound. At most 8 connections an address, TCP_MAX in all.
 * Owns: its connections. Errors: what cannot be sent is dropped and counted. */
#pragma once
#include "daemon/config.h"
#include "daemon/tcp_frames.h"
#include <uv.h>

#define TCP_MAX         256
#define TCP_PER_ADDRESS 8
#define TCP_QUEUE_BYTES (256u << 10)

struct tcp;
struct tcp_listener {
    uv_tcp_t handle;
    struct tcp *all;
    struct endpoint at;
};
typedef void tcp_received(void *context, const struct endpoint *from, uint8_t *bytes, uint32_t len);
typedef void tcp_batch_end(void *context);
struct tcp_connection;
struct tcp {
    uv_loop_t *loop;
    struct tcp_listener listeners[CONFIG_LISTEN_MAX];
    uint32_t listener_count;
    struct tcp_connection *first;
    uint32_t count;
    uv_timer_t tick; /* runs while there are connections */
    tcp_received *received;
    tcp_batch_end *batch_end;
    void *context;
    uint64_t dropped;
};
/* `strict`: a port in use is a failure; else (the same as `listen`) it is left out. */
bool tcp_open(struct tcp *t, uv_loop_t *loop, const struct config_listen *l, bool strict,
              const char *conf, struct fail *f);
bool tcp_start(struct tcp *t, tcp_received *received, tcp_batch_end *end, void *context);
/* A train (segment > 0) becomes a frame each. */
void tcp_send(struct tcp *t, const struct endpoint *to, const uint8_t *bytes, uint32_t len,
              uint16_t segment);
void tcp_hang_up(struct tcp *t, const struct endpoint *to);
void tcp_close(struct tcp *t); /* all handles; the loop must run once more */
