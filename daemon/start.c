/* From a state directory to a running daemon and back (daemon/daemon.h): opened in order, closed in the other. */
#include "daemon/daemon.h"

#include "daemon/cipher.h"
#include "daemon/clock.h"
#include "daemon/configcheck.h"
#include "daemon/notify.h"
#include "daemon/privilege.h"
#include "daemon/version.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define LANE_QUEUE_BYTES    (256u << 10)
#define IDENTITIES_MAX      16384
#define REMEMBERED_AT_START PEERS_REMEMBERED_MAX

/* --- what the files say --- */

static bool read_files(struct daemon *d, struct fail *f)
{
    if (!config_read(&d->state, &d->config, f)) return false;
    if (!log_set(&d->log, d->config.log))
        return fail(f, FAIL_INTERNAL, "", "log level %s", d->config.log);
    enum state_found overlay = home_read_overlay(&d->state, &d->overlay, f);
    if (overlay == STATE_ABSENT)
        fail(f, FAIL_EMPTY, "`ringlet create NAME` or `ringlet join TOKEN` first",
             "%s holds no overlay yet", d->state.path);
    if (overlay != STATE_READ) return false;
    enum state_found identity = home_read_identity(&d->state, &d->identity, f);
    if (identity == STATE_ABSENT)
        fail(f, FAIL_DAMAGED, "restore it from a copy", "%s/identity is missing", d->state.path);
    if (identity != STATE_READ || !networks_read(d, f)) return false;
    for (uint32_t i = 0; i < d->config.network_count; i++)
        if (networks_find(d, d->config.networks[i].name.s) < 0)
            log_say(&d->log, LOG_WARN,
                    STATE_CONF ": [network %s] is ignored: this node is not in that network",
                    d->config.networks[i].name.s);
    return true;
}

static uint32_t count_networks(const struct daemon *d)
{
    uint32_t used = 0;
    for (unsigned n = 0; n < NETWORKS_MAX; n++) used += d->networks[n].used;
    return used;
}

/* `--tun NETWORK=DEVICE` must name one of ours; `--tun DEVICE` is for a node with one. */
static bool check_options(const struct daemon *d, struct fail *f)
{
    uint32_t used = count_networks(d);
    for (uint32_t i = 0; i < d->options.device_count; i++) {
        const char *of = d->options.device_network[i].s;
        if (*of && networks_find(d, of) < 0)
            return fail(f, FAIL_USAGE, "`ringlet status` lists them",
                        "--tun: this node is not in network %s", of);
        if (!*of && used > 1)
            return fail(f, FAIL_AMBIGUOUS, "write --tun NETWORK=DEVICE",
                        "--tun %s: there are several networks", d->options.device[i]);
    }
    return true;
}

/* --- sockets and devices --- */

/* Several lanes only with devices: without any there is no packet path at all. */
static void choose_threads(struct daemon *d)
{
    uint8_t wanted = d->options.threads ? d->options.threads : d->config.threads;
    int error;
    if (!wanted) wanted = THREADS_DEFAULT;
    threads_init(&d->threads, d->options.no_tun ? 1 : wanted, &error);
    if (error)
        log_say(&d->log, LOG_WARN,
                "threads = %u: the kernel takes no program that keeps a flow in its thread, or "
                "shares no "
                "port (%s): going on with one",
                wanted, strerror(error));
}

static bool open_sockets(struct daemon *d, struct fail *f)
{
    char conf[STATE_PATH_MAX + 16];
    const struct config_listen *tcp = d->config.tcp_same ? &d->config.listen : &d->config.tcp;
    snprintf(conf, sizeof conf, "%s/ringlet.conf", d->state.path);
    enum udp_share share = d->threads.count > 1 ? UDP_FIRST : UDP_ALONE;
    if (!udp_open(&d->udp, &d->config.listen, d->config.offload, share, conf, f) ||
        !threads_open(&d->threads, &d->config, &d->udp, conf, f) ||
        !tcp_open(&d->tcp, &d->loop, tcp, !d->config.tcp_same, conf, f))
        return false;
    if (d->udp.count < d->config.listen.count) log_say(&d->log, LOG_INFO, "this host has no IPv6");
    uint32_t tcp_count = 0;
    for (uint32_t i = 0; i < d->tcp.listener_count; i++)
        tcp_count += !endpoint_is_none(&d->tcp.listeners[i].at);
    if (tcp_count < d->udp.count && d->config.tcp_same)
        log_say(&d->log, LOG_WARN,
                "a port of `listen` is in use for TCP: not reachable there by TCP");
    return true;
}

static bool open_devices(struct daemon *d, struct fail *f)
{
    if (d->options.no_tun) return true;
    if (!tuns_open(&d->tuns, d->config.offload, f)) return false;
    d->tuns.steer = d->threads.steer;
    bool any = false;
    uint32_t used = count_networks(d);
    for (uint8_t n = 0; n < NETWORKS_MAX; n++) {
        if (!d->networks[n].used) continue;
        if (networks_device(d, n, f))
            any = true;
        else if (used == 1 || strcmp(f->code, fail_name(FAIL_PERMISSION)) == 0)
            return false;
        else
            log_say(&d->log, LOG_ERROR, "network %s has no device: %s: %s",
                    d->networks[n].home.name.s, f->message, f->hint);
    }
    return any; /* f says why not */
}

/* --- the node --- */

static bool env_open(struct daemon *d, struct node_env *env, struct fail *f)
{
    uint8_t key[32];
    const struct limits *l = &d->config.limits;
    clock_seed(key);
    pool_init(&d->pkts, sizeof(struct pkt), (uint32_t)l->inflight + l->waiting_packets + 64u, 16);
    node_pool_init(&d->extras, node_pool_max(l), 4);
    *env = (struct node_env){&crypto_real, &d->identities, &d->pkts, &d->extras, &d->log.trace};
    batch_init(&d->batch, &d->udp);
    enum err e = identities_init(&d->identities, IDENTITIES_MAX, key);
    return e == OK ||
           fail(f, FAIL_INTERNAL, "", "cannot make the table of identities: %s", err_text(e));
}

static uint32_t read_remembered(struct daemon *d, struct home_peers *p)
{
    struct fail f;
    if (home_read_peers(&d->state, p, &f) == STATE_FAILED)
        log_say(&d->log, LOG_WARN, "%s: %s", f.message, f.hint);
    return p->count;
}

static uint32_t capabilities(void)
{
    return CAP_RELAY | CAP_TCP | AEAD_CHACHA20_POLY1305 |
           (crypto_has_aes() ? (uint32_t)AEAD_AES256_GCM : 0u);
}

static uint32_t numeric_seeds(const struct daemon *d, struct endpoint *out)
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < d->config.seed.count; i++)
        if (endpoint_parse(d->config.seed.text[i], &out[count])) count++;
    return count;
}

static enum err node_open(struct daemon *d, const struct node_env *env,
                          const struct home_peers *peers)
{
    struct endpoint seeds[CONFIG_HOSTS_MAX];
    struct node_config c = {.identity = &d->identity,
                            .overlay_key = d->overlay.key,
                            .limits = d->config.limits,
                            .capabilities = capabilities(),
                            .founder = d->overlay.founder,
                            .seeds = seeds,
                            .seed_count = numeric_seeds(d, seeds),
                            .remembered = peers->list,
                            .remembered_count = peers->count,
                            .pinned = peers->pinned,
                            .pinned_count = peers->pinned_count};
    memcpy(c.authority_pk, d->overlay.authority_pk, sizeof c.authority_pk);
    for (uint8_t n = 0; n < NETWORKS_MAX; n++)
        if (d->networks[n].used) c.networks[c.network_count++] = networks_config(d, n);
    clock_seed(c.seed);
    enum err e = node_new(&d->node, &c, env, clock_us());
    crypto_wipe(&c, sizeof c);
    return e;
}

static bool lane_open(struct daemon *d, struct fail *f)
{
    d->cipher = cipher_choose(&d->fast);
    log_say(&d->log, LOG_DEBUG, "packets are sealed by %s", d->cipher->name);
    enum err e = hot_queue_init(&d->down, LANE_QUEUE_BYTES);
    if (!e) e = hot_queue_init(&d->up, LANE_QUEUE_BYTES);
    if (!e) e = lane_new(&d->lane, &d->config.limits, d->cipher, 0, &d->down, &d->up);
    d->hot = (struct hot_lanes){.count = 1, .down = {&d->down}, .up = {&d->up}};
    if (e) return fail(f, FAIL_INTERNAL, "", "cannot make the packet path: %s", err_text(e));
    if (!threads_lanes(&d->threads, d->lane, &d->config.limits, d->cipher, &d->hot, f))
        return false;
    node_attach(d->node, &d->hot);
    return true;
}

static bool start_node(struct daemon *d, struct fail *f)
{
    struct node_env env;
    struct home_peers *peers = calloc(1, sizeof *peers);
    ensure(peers);
    bool good = env_open(d, &env, f);
    if (good) {
        read_remembered(d, peers);
        enum err e = node_open(d, &env, peers);
        good = e == OK || fail(f, FAIL_INTERNAL, "look at `ringlet config check`",
                               "cannot start the node: %s", err_text(e));
    }
    free(peers);
    return good && (d->options.no_tun || lane_open(d, f));
}

/* --- the whole --- */

static void close_handle(uv_handle_t *h, void *context)
{
    (void)context;
    if (!uv_is_closing(h)) uv_close(h, NULL);
}

static void close_all(struct daemon *d)
{
    threads_stop(&d->threads);
    resolve_stop(&d->seeds);
    resolve_stop(&d->advertise);
    control_close(&d->control);
    if (d->tcp.loop) tcp_close(&d->tcp);
    for (uint8_t n = 0; n < NETWORKS_MAX; n++) tun_drop(&d->tuns, n);
    uv_walk(&d->loop, close_handle, NULL);
    uv_run(&d->loop, UV_RUN_DEFAULT);
    uv_loop_close(&d->loop);
    if (d->wake_fd >= 0) close(d->wake_fd);
    if (d->monitor_fd >= 0) close(d->monitor_fd);
    if (d->notify_fd >= 0) close(d->notify_fd);
    udp_close(&d->udp);
    tuns_close(&d->tuns);
    for (struct waiting_reply *w; (w = d->first_reply); free(w)) d->first_reply = w->next;
    if (d->lane) lane_free(d->lane);
    if (d->node) node_free(d->node);
    hot_queue_fini(&d->down);
    hot_queue_fini(&d->up);
    threads_free(&d->threads);
    if (d->batch.arena) {
        identities_fini(&d->identities);
        pool_fini(&d->pkts);
        pool_fini(&d->extras);
    }
    batch_free(&d->batch);
    identity_wipe(&d->identity);
    crypto_wipe(&d->overlay, sizeof d->overlay);
}

/* On stderr, where the log goes, and on stdout if that is somewhere else: whoever waits for the line finds it. */
static void say_ready(void)
{
    struct stat out, err;
    bool same = fstat(STDOUT_FILENO, &out) == 0 && fstat(STDERR_FILENO, &err) == 0 &&
                out.st_dev == err.st_dev && out.st_ino == err.st_ino;
    fputs("ringlet: ready\n", stderr);
    if (same) return;
    puts("ringlet: ready");
    fflush(stdout);
}

static bool start(struct daemon *d, struct fail *f)
{
    if (!read_files(d, f) || !check_options(d, f)) return false;
    choose_threads(d);
    if (!open_sockets(d, f) || !open_devices(d, f) || !start_node(d, f) ||
        !control_open(&d->control, &d->loop, d, &d->state, f) ||
        !privilege_drop(&d->state, d->config.user, d->config.owner, f))
        return false;
    for (uint8_t n = 0; n < NETWORKS_MAX; n++)
        if (d->networks[n].used) networks_addresses(d, n);
    return loop_start(d, f);
}

int daemon_run(const char *dir, const struct run_options *o, struct fail *f)
{
    struct daemon *d = calloc(1, sizeof *d);
    ensure(d);
    d->options = *o;
    d->wake_fd = d->monitor_fd = -1;
    d->notify_fd = notify_open();
    d->last_reply = &d->first_reply;
    log_init(&d->log);
    tuns_init(&d->tuns);
    d->threads = (struct threads){.count = 1, .steer = -1};
    ensure(uv_loop_init(&d->loop) == 0);
    bool good = state_open(&d->state, dir, false, f) && state_lock_within(&d->state, 1000, f);
    good = good && start(d, f);
    if (good) {
        char id[ID_TEXT];
        log_say(&d->log, LOG_INFO, "ringlet " RINGLET_VERSION ", node %s, overlay %s",
                id_print(&d->identity.id, id), d->overlay.key.name);
        say_ready();
        notify_send(d->notify_fd, "READY=1");
        if (d->phase != STOPPED) uv_run(&d->loop, UV_RUN_DEFAULT);
        notices_remember_now(d);
        log_say(&d->log, LOG_INFO, "stopped");
        if (d->end.status) {
            *f = d->end;
            good = false;
        }
    }
    close_all(d);
    state_close(&d->state);
    free(d);
    return good ? 0 : f->status;
}
