/* Results as people read them (daemon/cli.h). Every key may be null. */
#include "daemon/cli.h"

#include "base/err.h"
#include "daemon/clock.h"
#include "daemon/grid.h"
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define CELL 64

static const char *text(const struct json_t *o, const char *key)
{
    const char *s = js_get_text(o, key);
    return s ? s : "-";
}

static int64_t number(const struct json_t *o, const char *key)
{
    int64_t v = 0;
    (void)js_get_int(o, key, &v);
    return v;
}

/* "a, b" of a list of text */
static const char *joined(const struct json_t *list, char *out, size_t max)
{
    size_t len = 0;
    snprintf(out, max, "-");
    for (size_t i = 0; i < js_count(list) && len < max; i++)
        len += (size_t)snprintf(out + len, max - len, "%s%s", i ? ", " : "",
                                js_text(js_at(list, i)));
    return out;
}

static const char *bytes(int64_t v, char out[CELL])
{
    static const char *const units[] = {"B", "kB", "MB", "GB", "TB"};
    double n = (double)v;
    unsigned u = 0;
    while (n >= 1000 && u < 4) n /= 1000, u++;
    snprintf(out, CELL, u ? "%.1f %s" : "%.0f %s", n, units[u]);
    return out;
}

static const char *span_text(int64_t s, char out[CELL])
{
    if (s < 120)
        snprintf(out, CELL, "%" PRId64 " s", s);
    else if (s < 7200)
        snprintf(out, CELL, "%" PRId64 " min", s / 60);
    else if (s < 172800)
        snprintf(out, CELL, "%" PRId64 " h", s / 3600);
    else
        snprintf(out, CELL, "%" PRId64 " days", s / 86400);
    return out;
}

static const char *day(int64_t s, char out[CELL])
{
    time_t t = (time_t)s;
    struct tm tm;
    snprintf(out, CELL, "-");
    if (s > 0 && gmtime_r(&t, &tm)) strftime(out, CELL, "%Y-%m-%d %H:%M UTC", &tm);
    return out;
}

static const char *ms(const struct json_t *o, const char *key, char out[CELL])
{
    double v;
    snprintf(out, CELL, "-");
    if (js_get_number(o, key, &v)) snprintf(out, CELL, "%.2f ms", v);
    return out;
}

/* --- what was made --- */

static void show_membership(const struct json_t *r)
{
    printf("  host     %s\n  address  %s, %s\n  range    %s\n  id       %s\n", text(r, "host"),
           text(r, "ipv4"), text(r, "ipv6"), text(r, "range"), text(r, "id"));
}

void show_create(const struct json_t *r)
{
    printf("network %s made on overlay %s\n", text(r, "network"), text(r, "overlay"));
    show_membership(r);
    puts("next: `ringlet run` here, `ringlet invite` for others");
}

void show_invite(const struct json_t *r)
{
    puts(text(r, "token"));
}

void show_join(const struct json_t *r)
{
    bool already = false;
    (void)js_get_bool(r, "already", &already);
    printf(already ? "already a member of network %s; nothing was changed\n"
                   : "joined network %s\n",
           text(r, "network"));
    show_membership(r);
    if (!already) puts("next: `ringlet run`");
}

void show_leave(const struct json_t *r)
{
    printf("left network %s\n", text(r, "network"));
    bool last = false;
    (void)js_get_bool(r, "last", &last);
    if (last)
        puts("it was the last one: the daemon, if it runs, ends; the id stays, for the next "
             "`ringlet join` or `ringlet create`");
    if (js_get_text(r, "kept"))
        printf("its authority is kept in %s of the state directory\n", text(r, "kept"));
}

void show_invites(const struct json_t *r)
{
    struct grid g;
    char created[CELL], expires[CELL], uses[CELL], spent[CELL];
    int64_t n;
    grid_init(&g, 7);
    grid_row(&g, "INVITE", "NETWORK", "HOST", "USES", "SPENT", "GIVEN", "EXPIRES");
    for (size_t i = 0; i < js_count(r); i++) {
        const struct json_t *o = js_at(r, i);
        snprintf(uses, sizeof uses, "%" PRId64, number(o, "uses"));
        snprintf(spent, sizeof spent, "-");
        if (js_get_int(o, "spent", &n)) snprintf(spent, sizeof spent, "%" PRId64, n);
        grid_row(&g, text(o, "invite"), text(o, "network"), text(o, "host"), uses, spent,
                 day(number(o, "created_s"), created), day(number(o, "expires_s"), expires));
    }
    grid_print_or(&g, "no invites: `ringlet invite` makes one");
}

/* --- status --- */

static void show_networks(const struct json_t *networks)
{
    struct grid g;
    grid_init(&g, 6);
    if (js_count(networks)) grid_row(&g, "NETWORK", "HOST", "IPV4", "IPV6", "DEVICE", "RANGE");
    for (size_t i = 0; i < js_count(networks); i++) {
        const struct json_t *n = js_at(networks, i);
        grid_row(&g, text(n, "name"), text(n, "host"), text(n, "ipv4"), text(n, "ipv6"),
                 text(n, "device"), text(n, "range"));
    }
    grid_print(&g);
    for (size_t i = 0; i < js_count(networks); i++) {
        const struct json_t *n = js_at(networks, i);
        if (strcmp(text(n, "slot_state"), "refused") == 0)
            printf("%s: the invite is used up: slot %" PRId64 " is held by %s\n", text(n, "name"),
                   number(n, "slot"), text(n, "slot_holder"));
    }
}

void show_status(const struct json_t *r)
{
    char a[CELL], b[CELL], list[400];
    const struct json_t *nat = js_get(r, "nat"), *ring = js_get(r, "ring"),
                        *links = js_get(r, "links");
    printf("id        %s\nstate     %s, up %s\n", text(r, "id"), text(r, "state"),
           span_text(number(r, "uptime_s"), a));
    printf("ring      about %" PRId64 " %s; links: %" PRId64 " near, %" PRId64 " far, %" PRId64
           " demand, %" PRId64 " leaf; %" PRId64 " %s\n",
           number(ring, "estimate"), number(ring, "estimate") == 1 ? "node" : "nodes",
           number(links, "near"), number(links, "far"), number(links, "demand"),
           number(links, "leaf"), number(r, "sessions"),
           number(r, "sessions") == 1 ? "session" : "sessions");
    printf("listen    %s\n", joined(js_get(r, "listen"), list, sizeof list));
    printf("observed  %s\n", joined(js_get(r, "observed"), list, sizeof list));
    printf("nat       mapping %s, filtering %s, gateway %s\n", text(nat, "mapping"),
           text(nat, "filtering"), text(nat, "gateway"));
    printf("traffic   %s in, %s out\n\n", bytes(number(r, "rx_bytes"), a),
           bytes(number(r, "tx_bytes"), b));
    show_networks(js_get(r, "networks"));
}

/* --- others --- */

static const char *path_text(const struct json_t *o, char out[200])
{
    const char *path = text(o, "path");
    if (strcmp(path, "direct") == 0)
        snprintf(out, 200, "direct %.80s", text(o, "endpoint"));
    else if (strcmp(path, "relayed") == 0)
        snprintf(out, 200, "relayed by %.64s",
                 js_get_text(o, "via_name") ? text(o, "via_name") : text(o, "via"));
    else
        snprintf(out, 200, "%.40s", path);
    return out;
}

void show_peers(const struct json_t *r)
{
    struct grid g;
    char links[80], path[200], rtt[CELL], in[CELL], out[CELL];
    grid_init(&g, 8);
    grid_row(&g, "ID", "NAME", "IPV4", "LINKS", "RTT", "IN", "OUT", "PATH");
    for (size_t i = 0; i < js_count(r); i++) {
        const struct json_t *o = js_at(r, i);
        grid_row(&g, text(o, "id"), text(o, "name"), text(o, "ipv4"),
                 joined(js_get(o, "links"), links, sizeof links), ms(o, "rtt_ms", rtt),
                 bytes(number(o, "rx_bytes"), in), bytes(number(o, "tx_bytes"), out),
                 path_text(o, path));
    }
    grid_print_or(&g, "no peers: `ringlet status` shows whether this node is alone");
}

/* "this node", "now" (there is a session with it), "5 min ago"; "refused": others hold its slot of the invite */
static const char *seen(const struct json_t *o, char out[CELL])
{
    bool self = false, up = false;
    char ago[CELL];
    (void)js_get_bool(o, "self", &self);
    (void)js_get_bool(o, "up", &up);
    if (self) return "this node";
    if (strcmp(text(o, "slot_state"), "refused") == 0) return "refused";
    if (up) return "now";
    snprintf(out, CELL, "%.40s ago", span_text(number(o, "seen_s"), ago));
    return out;
}

void show_members(const struct json_t *r)
{
    struct grid g;
    char groups[200], expires[CELL], when[CELL];
    grid_init(&g, 8);
    grid_row(&g, "NAME", "NETWORK", "SEEN", "IPV4", "IPV6", "GROUPS", "EXPIRES", "ID");
    for (size_t i = 0; i < js_count(r); i++) {
        const struct json_t *o = js_at(r, i);
        grid_row(&g, text(o, "name"), text(o, "network"), seen(o, when), text(o, "ipv4"),
                 text(o, "ipv6"), joined(js_get(o, "groups"), groups, sizeof groups),
                 day(number(o, "expires_s"), expires), text(o, "id"));
    }
    grid_print_or(&g, "no members");
}

void show_trace(const struct json_t *r)
{
    struct grid g;
    char hop[CELL], rtt[CELL];
    const struct json_t *hops = js_get(r, "hops");
    bool ok = false;
    grid_init(&g, 4);
    for (size_t i = 0; i < js_count(hops); i++) {
        const struct json_t *o = js_at(hops, i);
        snprintf(hop, sizeof hop, "%zu", i + 1);
        grid_row(&g, hop, text(o, "id"), text(o, "name"), ms(o, "rtt_ms", rtt));
    }
    grid_print(&g);
    if (js_get_bool(r, "ok", &ok) && !ok)
        puts("the target did not answer");
    else if (js_count(hops) == 0)
        puts("that is this node itself: no hop leads there");
}

/* The commonest reason, where there is but one seed; nobody learns how a NAT filters in this version. */
static void say_unknown(const struct json_t *local, const struct json_t *remote)
{
    bool here = strcmp(text(local, "mapping"), "unknown") == 0;
    bool there = remote && strcmp(text(remote, "mapping"), "unknown") == 0;
    if (here || there)
        printf(
            "mapping unknown %s: two peers at different addresses outside must say where they see "
            "a node\n",
            here && there ? "here and there"
            : here        ? "here"
                          : "there");
}

void show_why(const struct json_t *r)
{
    struct grid g;
    const struct json_t *tried = js_get(r, "tried"), *local = js_get(r, "local"),
                        *remote = js_get(r, "remote");
    double next;
    const char *name = js_get_text(r, "name");
    printf(name ? "%s (%s)\n%s\n" : "%s%s\n%s\n", name ? name : "", text(r, "id"),
           text(r, "verdict"));
    grid_init(&g, 3);
    grid_row(&g, "NAT", "MAPPING", "FILTERING");
    grid_row(&g, "here", text(local, "mapping"), text(local, "filtering"));
    bool self = false;
    (void)js_get_bool(r, "self", &self);
    if (!self) grid_row(&g, "there", text(remote, "mapping"), text(remote, "filtering"));
    grid_print(&g);
    say_unknown(local, self ? NULL : remote);
    grid_init(&g, 2);
    if (js_count(tried)) grid_row(&g, "TRIED", "RESULT");
    for (size_t i = 0; i < js_count(tried); i++)
        grid_row(&g, text(js_at(tried, i), "what"), text(js_at(tried, i), "result"));
    grid_print(&g);
    if (js_get_number(r, "next_s", &next)) printf("next try in %.0f s\n", next);
}

void show_lookup(const struct json_t *r)
{
    printf("id      %s\nname    %s\nipv4    %s\nipv6    %s\nsource  %s\n", text(r, "id"),
           text(r, "name"), text(r, "ipv4"), text(r, "ipv6"), text(r, "source"));
}

static const char *who(const struct json_t *o)
{
    return js_get_text(o, "name") ? text(o, "name") : text(o, "id");
}

void show_link_add(const struct json_t *r)
{
    const char *path = text(r, "path");
    if (strcmp(path, "none") == 0)
        printf("pinned: %s; it does not answer now, and is asked again and again\n", who(r));
    else
        printf("pinned: %s, %s\n", who(r), path);
}

void show_link_drop(const struct json_t *r)
{
    printf("no longer pinned: %s\n", who(r));
}

void show_link_list(const struct json_t *r)
{
    struct grid g;
    grid_init(&g, 3);
    grid_row(&g, "ID", "NAME", "PATH");
    for (size_t i = 0; i < js_count(r); i++) {
        const struct json_t *o = js_at(r, i);
        grid_row(&g, text(o, "id"), text(o, "name"), text(o, "path"));
    }
    grid_print_or(&g, "no pinned links: `ringlet link add NODE` makes one");
}

void show_send(const struct json_t *r)
{
    char rtt[CELL];
    if (js_get(r, "reached")) {
        int64_t n = number(r, "reached"), lost = number(r, "lost");
        printf("taken by %" PRId64 " other node%s", n, n == 1 ? "" : "s");
        if (lost)
            printf("; %" PRId64 " part%s of the ring did not say", lost, lost == 1 ? "" : "s");
        puts("");
        return;
    }
    if (strcmp(text(r, "path"), "none") == 0) {
        printf("taken by %s, this node itself\n", who(r));
        return;
    }
    printf("taken by %s after %s, %s\n", who(r), ms(r, "rtt_ms", rtt), text(r, "path"));
}

void show_config(const struct json_t *r)
{
    const struct json_t *values = js_get(r, "values");
    const char *section = "";
    printf("# %s is right; with the defaults it means:\n", text(r, "file"));
    for (size_t i = 0; i < js_count(values); i++) {
        const struct json_t *o = js_at(values, i);
        if (strcmp(section, text(o, "section")) != 0)
            printf("%s[%s]\n", *section ? "\n" : "", text(o, "section"));
        section = text(o, "section");
        bool used = true;
        (void)js_get_bool(o, "used", &used);
        printf("%s = %s%s\n", text(o, "key"), text(o, "value"),
               used ? "" : "  # not used in this version");
    }
}

void show_log(const struct json_t *r)
{
    printf("the daemon logs: %s\n", text(r, "level"));
}

void show_reload(const struct json_t *r)
{
    char list[600];
    if (js_count(js_get(r, "applied")))
        printf("applied: %s\n", joined(js_get(r, "applied"), list, sizeof list));
    if (js_count(js_get(r, "restart")))
        printf("needs a restart: %s\n", joined(js_get(r, "restart"), list, sizeof list));
    if (!js_count(js_get(r, "applied")) && !js_count(js_get(r, "restart"))) puts("nothing changed");
}
