#include "daemon/config.h"

#include "base/trace.h"
#include "daemon/log.h"
#include <ctype.h>
#include <errno.h>
#include <ini.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What the reader and the handler share. inih keeps only 49 characters of a section, so we keep our own. */
struct parse {
    struct config *config;
    const char *at, *end, *file;
    unsigned line;
    char section[96];
    uint32_t seen; /* bit per single key of the section under way */
    struct fail *fail;
    bool bad;
};

// clang-format off
#define LIMITS(X)                                                                                  \
    X(links, 16, LIMIT_LINKS_MAX) X(handshakes, 8, LIMIT_LINKS_MAX) X(extras, 8, 4096) X(inflight, 16, 8192)            \
    X(passive, 8, 4096) X(records, 0, 65535) X(record_bytes, 64, 1024) X(requests, 4, 1024)        \
    X(waiting_packets, 4, 4096) X(members, 16, 65535) X(channels, 0, 16384) X(hot, 2, 4096)        \
    X(seeds, 1, 64) X(leaves, 0, 8192) X(lookahead, 0, 4096) X(hello_filter_bytes, 1024, 1048576)
// clang-format on

static char comment_prefixes[] = ";#"; /* inih's type is char * */
static const char *const limit_names[] = {
#define X(name, low, high) #name,
    LIMITS(X)
#undef X
};

static bool limit_set(struct limits *l, const char *name, unsigned long v, unsigned long *low,
                      unsigned long *high)
{
#define X(field, min, max)                                                                         \
    if (strcmp(name, #field) == 0) {                                                               \
        *low = min, *high = max;                                                                   \
        if (v >= *low && v <= *high) l->field = (__typeof__(l->field))v;                           \
        return true;                                                                               \
    }
    LIMITS(X)
#undef X
    return false;
}

static unsigned long limit_get(const struct limits *l, const char *name)
{
#define X(field, min, max)                                                                         \
    if (strcmp(name, #field) == 0) return l->field;
    LIMITS(X)
#undef X
    return 0;
}

/* --- values --- */

static bool refuse(struct parse *p, const char *hint, const char *what, const char *value)
{
    if (!p->bad)
        fail(p->fail, FAIL_CONFIG, hint, "%s:%u: %s `%.80s`", p->file, p->line, what, value);
    p->bad = true;
    return false;
}

static bool number(const char *text, unsigned long *out)
{
    char *end;
    if (!isdigit((unsigned char)*text)) return false;
    errno = 0;
    *out = strtoul(text, &end, 10);
    return *end == 0 && errno == 0;
}

bool config_host_valid(const char *text)
{
    unsigned long port;
    struct endpoint e;
    if (strlen(text) >= CONFIG_HOST_TEXT) return false;
    if (endpoint_parse(text, &e)) return endpoint_is_usable(&e);
    if (strncmp(text, "tcp:", 4) == 0) text += 4;
    const char *colon = strrchr(text, ':');
    if (!colon || colon == text || !number(colon + 1, &port) || port == 0 || port > 65535)
        return false;
    bool letter = false; /* else it is a malformed address */
    for (const char *p = text; p < colon; p++) {
        if (!isalnum((unsigned char)*p) && *p != '-' && *p != '.' && *p != '_') return false;
        letter |= isalpha((unsigned char)*p) != 0;
    }
    return letter;
}

bool config_log_valid(const char *text)
{
    uint32_t mask;
    return strlen(text) < sizeof((struct config *)0)->log && trace_mask_parse(text, &mask);
}

bool config_device_valid(const char *text)
{
    size_t len = strlen(text);
    if (len == 0 || len >= CONFIG_DEVICE_TEXT || strcmp(text, ".") == 0 || strcmp(text, "..") == 0)
        return false;
    for (const char *p = text; *p; p++)
        if (!isalnum((unsigned char)*p) && !strchr("-_.", *p)) return false;
    return true;
}

static bool set_listen(struct parse *p, struct config_listen *l, const char *value)
{
    struct endpoint e;
    if (!endpoint_parse(value, &e) || e.transport != TRANSPORT_UDP || e.port == 0)
        return refuse(p, "write ADDRESS:PORT, for example 0.0.0.0:7464 or [::]:7464",
                      "not an address to listen on:", value);
    if (l->count == CONFIG_LISTEN_MAX)
        return refuse(p, "leave some out", "too many addresses to listen on:", value);
    l->at[l->count++] = e;
    return true;
}

static bool set_host(struct parse *p, struct config_hosts *h, const char *value)
{
    if (!config_host_valid(value))
        return refuse(p, "write HOST:PORT", "not a host and port:", value);
    if (h->count == CONFIG_HOSTS_MAX)
        return refuse(p, "leave some out", "too many of these:", value);
    snprintf(h->text[h->count++], CONFIG_HOST_TEXT, "%s", value);
    return true;
}

static bool set_bool(struct parse *p, bool *out, const char *value)
{
    if (strcmp(value, "yes") != 0 && strcmp(value, "no") != 0)
        return refuse(p, "write yes or no", "neither yes nor no:", value);
    *out = strcmp(value, "yes") == 0;
    return true;
}

/* A key that may stand once a section. */
static bool once(struct parse *p, unsigned bit, const char *key)
{
    if (p->seen & (1u << bit)) return refuse(p, "keep one of them", "given twice:", key);
    p->seen |= 1u << bit;
    return true;
}

/* --- keys by section --- */

static bool set_tcp(struct parse *p, const char *value)
{
    p->config->tcp_same = false;
    return strcmp(value, "no") == 0 || set_listen(p, &p->config->tcp, value);
}

static bool set_user(struct parse *p, const char *value)
{
    if (!*value || strlen(value) >= sizeof p->config->user)
        return refuse(p, "name a user", "not a user:", value);
    snprintf(p->config->user, sizeof p->config->user, "%s", value);
    return true;
}

static bool set_log(struct parse *p, const char *value)
{
    if (!config_log_valid(value)) return refuse(p, LOG_WORDS, "not a log level:", value);
    snprintf(p->config->log, sizeof p->config->log, "%s", value);
    return true;
}

static bool set_threads(struct parse *p, const char *value)
{
    unsigned long v;
    if (!number(value, &v) || v > THREADS_MAX)
        return refuse(p, "a number from 1 to 16; 0 for the default",
                      "not a number of threads:", value);
    p->config->threads = (uint8_t)v;
    return true;
}

static bool node_key(struct parse *p, const char *key, const char *value)
{
    struct config *c = p->config;
    if (strcmp(key, "listen") == 0) return set_listen(p, &c->listen, value);
    if (strcmp(key, "advertise") == 0) return set_host(p, &c->advertise, value);
    if (strcmp(key, "seed") == 0) return set_host(p, &c->seed, value);
    if (strcmp(key, "stun") == 0) return set_host(p, &c->stun, value);
    if (strcmp(key, "tcp") == 0) return set_tcp(p, value);
    if (strcmp(key, "port-mapping") == 0)
        return once(p, 0, key) && set_bool(p, &c->port_mapping, value);
    if (strcmp(key, "offload") == 0) return once(p, 3, key) && set_bool(p, &c->offload, value);
    if (strcmp(key, "threads") == 0) return once(p, 4, key) && set_threads(p, value);
    if (strcmp(key, "user") == 0) return once(p, 1, key) && set_user(p, value);
    if (strcmp(key, "log") == 0) return once(p, 2, key) && set_log(p, value);
    return refuse(
        p,
        "[node] takes listen, advertise, seed, port-mapping, offload, threads, stun, tcp, user and "
        "log",
        "unknown key", key);
}

static bool set_mtu(struct parse *p, uint16_t *out, const char *value)
{
    unsigned long v;
    if (!number(value, &v) || v < 576 || v > 1900)
        return refuse(p, "a number from 576 to 1900", "not an mtu:", value);
    *out = (uint16_t)v;
    return true;
}

static bool set_device(struct parse *p, char *out, const char *value)
{
    if (!config_device_valid(value))
        return refuse(p, "up to 15 letters, digits, - _ .", "not a device name:", value);
    snprintf(out, CONFIG_DEVICE_TEXT, "%s", value);
    return true;
}

static bool network_key(struct parse *p, const char *key, const char *value)
{
    struct config_network *n = &p->config->networks[p->config->network_count - 1];
    if (strcmp(key, "device") == 0) return once(p, 0, key) && set_device(p, n->device, value);
    if (strcmp(key, "mtu") == 0) return once(p, 1, key) && set_mtu(p, &n->mtu_bytes, value);
    if (strcmp(key, "dns") == 0) return once(p, 2, key) && set_bool(p, &n->dns, value);
    if (strcmp(key, "accept-routes") == 0)
        return once(p, 3, key) && set_bool(p, &n->accept_routes, value);
    return refuse(p, "[network NAME] takes device, mtu, dns and accept-routes", "unknown key", key);
}

static bool limits_key(struct parse *p, const char *key, const char *value)
{
    unsigned long v = 0, low, high;
    bool good = number(value, &v);
    char hint[80];
    if (!limit_set(&p->config->limits, key, v, &low, &high))
        return refuse(p, "`ringlet config check` prints those there are", "unknown limit", key);
    snprintf(hint, sizeof hint, "a number from %lu to %lu", low, high);
    return (good && v >= low && v <= high) || refuse(p, hint, "not a value for this limit:", value);
}

static int on_value(void *user, const char *section, const char *key, const char *value)
{
    struct parse *p = user;
    (void)section; /* cut by inih; ours is p->section */
    if (p->bad) return 0;
    if (!value) value = "";
    if (strcmp(p->section, "node") == 0) return node_key(p, key, value);
    if (strcmp(p->section, "limits") == 0) return limits_key(p, key, value);
    if (strncmp(p->section, "network ", 8) == 0) return network_key(p, key, value);
    return refuse(p, "write [node], [network NAME] or [limits] above it",
                  "a key outside of any section:", key);
}

/* --- sections and lines --- */

static bool begin_network(struct parse *p, const char *name)
{
    struct config *c = p->config;
    if (!name_valid(name, strlen(name)))
        return refuse(p, "lower-case letters, digits and -", "not a network name:", name);
    for (uint32_t i = 0; i < c->network_count; i++)
        if (strcmp(c->networks[i].name.s, name) == 0)
            return refuse(p, "join the two", "section twice:", p->section);
    if (c->network_count == NETWORKS_MAX)
        return refuse(p, "leave some out", "too many networks:", name);
    struct config_network *n = &c->networks[c->network_count++];
    *n = (struct config_network){.dns = true};
    snprintf(n->name.s, sizeof n->name.s, "%s", name);
    return true;
}

static bool begin_section(struct parse *p, const char *line)
{
    size_t len = strcspn(line, "]");
    if (line[len] != ']' || len - 1 >= sizeof p->section)
        return refuse(p, "write [NAME]", "not a section:", line);
    snprintf(p->section, sizeof p->section, "%.*s", (int)len - 1, line + 1);
    p->seen = 0;
    if (strncmp(p->section, "network ", 8) == 0) return begin_network(p, p->section + 8);
    return strcmp(p->section, "node") == 0 || strcmp(p->section, "limits") == 0 ||
           refuse(p, "there are [node], [network NAME] and [limits]", "unknown section",
                  p->section);
}

/* inih's fgets: one line without the blanks before it (it would take those for a continued value). */
static char *next_line(char *out, int max, void *user)
{
    struct parse *p = user;
    if (p->bad || p->at == p->end) return NULL;
    const char *nl = memchr(p->at, '\n', (size_t)(p->end - p->at));
    const char *stop = nl ? nl : p->end;
    p->line++;
    while (p->at < stop && isspace((unsigned char)*p->at)) p->at++;
    size_t len = (size_t)(stop - p->at);
    if (len + 2 > (size_t)max) {
        refuse(p, "keep lines under 180 characters", "line too long, it begins", "");
        return NULL;
    }
    memcpy(out, p->at, len);
    out[len] = 0;
    p->at = nl ? nl + 1 : p->end;
    if (out[0] == '[' && !begin_section(p, out)) return NULL;
    if (out[0] && !strchr("[;#", out[0]) && !strpbrk(out, "=:")) {
        refuse(p, "write KEY = VALUE", "not understood:", out);
        return NULL;
    }
    return out;
}

void config_defaults(struct config *c)
{
    *c = (struct config){.port_mapping = true,
                         .offload = true,
                         .tcp_same = true,
                         .log = "info",
                         .limits = limits_daemon};
}

/* Control characters have no place in it; whoever put them there damaged the file. */
static bool is_text(struct parse *p)
{
    for (const char *q = p->at; q < p->end; q++) {
        p->line += *q == '\n';
        if ((unsigned char)*q >= 0x20 || *q == '\t' || *q == '\r' || *q == '\n') continue;
        char byte[8];
        snprintf(byte, sizeof byte, "\\x%02x", (unsigned char)*q);
        p->line++;
        return refuse(p, "restore the file", "not text:", byte);
    }
    p->line = 0;
    return true;
}

bool config_parse(struct config *c, const char *text, size_t len, const char *file, struct fail *f)
{
    struct parse p = {.config = c, .at = text, .end = text + len, .file = file, .fail = f};
    config_defaults(c);
    if (!is_text(&p)) return false;
    ini_allow_multiline = false;
    ini_inline_comment_prefixes = comment_prefixes;
    int result = ini_parse_stream(next_line, &p, on_value, &p);
    if (p.bad) return false;
    p.line = (unsigned)(result > 0 ? result : 0);
    return result == 0 || refuse(&p, "write KEY = VALUE", "not understood:", "");
}

struct config_network config_network(const struct config *c, const char *name)
{
    struct config_network n = {.dns = true};
    for (uint32_t i = 0; i < c->network_count; i++)
        if (strcmp(c->networks[i].name.s, name) == 0) return c->networks[i];
    snprintf(n.name.s, sizeof n.name.s, "%s", name);
    return n;
}

/* --- printing --- */

bool config_unused(const char *key)
{
    static const char *const unused[] = {"port-mapping", "stun", "dns", "accept-routes"};
    for (size_t i = 0; i < sizeof unused / sizeof *unused; i++)
        if (strcmp(key, unused[i]) == 0) return true;
    return false;
}

static void walk_listen(const struct config_listen *l, const char *key, config_each *each,
                        void *context)
{
    char text[ENDPOINT_TEXT];
    for (uint32_t i = 0; i < l->count; i++)
        each(context, "node", key, endpoint_print(&l->at[i], text));
}

static void walk_hosts(const struct config_hosts *h, const char *key, config_each *each,
                       void *context)
{
    for (uint32_t i = 0; i < h->count; i++) each(context, "node", key, h->text[i]);
}

static void walk_network(const struct config_network *n, config_each *each, void *context)
{
    char section[96], text[16];
    snprintf(section, sizeof section, "network %s", n->name.s);
    if (n->device[0]) each(context, section, "device", n->device);
    if (n->mtu_bytes) {
        snprintf(text, sizeof text, "%u", (unsigned)n->mtu_bytes);
        each(context, section, "mtu", text);
    }
    each(context, section, "dns", n->dns ? "yes" : "no");
    each(context, section, "accept-routes", n->accept_routes ? "yes" : "no");
}

void config_walk(const struct config *c, config_each *each, void *context)
{
    walk_listen(&c->listen, "listen", each, context);
    walk_hosts(&c->advertise, "advertise", each, context);
    walk_hosts(&c->seed, "seed", each, context);
    walk_hosts(&c->stun, "stun", each, context);
    if (c->tcp_same) {
        walk_listen(&c->listen, "tcp", each, context);
    } else {
        walk_listen(&c->tcp, "tcp", each, context);
        if (c->tcp.count == 0) each(context, "node", "tcp", "no");
    }
    each(context, "node", "port-mapping", c->port_mapping ? "yes" : "no");
    each(context, "node", "offload", c->offload ? "yes" : "no");
    char threads[8];
    snprintf(threads, sizeof threads, "%u", c->threads ? c->threads : THREADS_DEFAULT);
    each(context, "node", "threads", threads);
    if (c->user[0]) each(context, "node", "user", c->user);
    each(context, "node", "log", c->log);
    for (uint32_t i = 0; i < c->network_count; i++) walk_network(&c->networks[i], each, context);
    for (size_t i = 0; i < sizeof limit_names / sizeof *limit_names; i++) {
        char text[24];
        snprintf(text, sizeof text, "%lu", limit_get(&c->limits, limit_names[i]));
        each(context, "limits", limit_names[i], text);
    }
}
