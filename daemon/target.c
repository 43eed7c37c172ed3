#include "daemon/target.h"

#include "daemon/params.h"
#include "vnet/address.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

#define DOMAIN "internal"

/* The last label of a name, cut off; NULL if there is but one. */
static char *cut_label(char *name)
{
    char *dot = strrchr(name, '.');
    if (!dot) return NULL;
    *dot = 0;
    return dot + 1;
}

static bool read_name(const struct daemon *d, const char *text, struct target *out, struct fail *f)
{
    char name[256];
    size_t len = strlen(text);
    if (len && text[len - 1] == '.') len--;
    snprintf(name, sizeof name, "%.*s", (int)(len < sizeof name ? len : sizeof name - 1), text);
    for (char *p = name; *p; p++) *p = (char)tolower((unsigned char)*p);
    char *label = cut_label(name);
    if (label && strcmp(label, DOMAIN) == 0) label = cut_label(name);
    if (label) {
        int number = networks_find(d, label);
        if (number < 0)
            return fail(f, FAIL_NOT_FOUND, "`ringlet status` lists the networks",
                        "this node is not in network %.63s", label);
        out->network = (int8_t)number;
    }
    if (!name_valid(name, strlen(name)))
        return fail(f, FAIL_USAGE, "give an id, an address or a host name", "`%.80s` is no target",
                    text);
    out->kind = TARGET_NAME;
    snprintf(out->name.s, sizeof out->name.s, "%.63s", name);
    return true;
}

bool target_read(const struct daemon *d, const struct json_t *params, struct target *out,
                 struct fail *f)
{
    const char *text, *network = NULL;
    *out = (struct target){.network = -1};
    if (!param_needed(params, "target", &text, f) || !param_text(params, "network", &network, f))
        return false;
    if (network) {
        int number = networks_find(d, network);
        if (number < 0)
            return fail(f, FAIL_NOT_FOUND, "`ringlet status` lists the networks",
                        "this node is not in network %.63s", network);
        out->network = (int8_t)number;
    }
    if (id_parse(text, &out->id)) {
        out->kind = TARGET_ID;
        return true;
    }
    if (ip_parse(text, out->ip)) {
        out->kind = TARGET_IP;
        return true;
    }
    return read_name(d, text, out, f);
}

bool target_is_member(const struct daemon *d, const char *text)
{
    struct member_view m;
    char id[ID_TEXT], ip[ENDPOINT_TEXT];
    uint8_t v4[16];
    for (uint32_t cursor = 0; node_member_next(d->node, &cursor, &m);) {
        id_print(&m.id, id);
        if (strcmp(text, m.name.s) == 0 || strcmp(text, id) == 0) return true;
        if (strcmp(text, ip_print(m.ipv6, ip)) == 0) return true;
        ip_from_v4(v4, m.ipv4);
        if (m.ipv4 && strcmp(text, ip_print(v4, ip)) == 0) return true;
    }
    return false;
}

bool target_failed(const struct daemon *d, const char *text, enum err e, struct fail *f)
{
    char list[300] = "";
    switch (e) {
    case ERR_NOT_FOUND:
        if (target_is_member(d, text))
            return fail(f, FAIL_NOT_FOUND,
                        "is it running? `ringlet members` tells when it was last seen",
                        "the ring does not find %.80s now", text);
        return fail(f, FAIL_NOT_FOUND, "`ringlet members` lists those known; is it running?",
                    "no node %.80s is known", text);
    case ERR_AMBIGUOUS:
        for (int n = 0; n < NETWORKS_MAX; n++)
            if (d->networks[n].used)
                snprintf(list + strlen(list), sizeof list - strlen(list), "%s%.63s",
                         *list ? ", " : "", d->networks[n].home.name.s);
        fail(f, FAIL_AMBIGUOUS, "", "more than one node fits %.80s", text);
        return fail_hint(f, "choose the network with -n (%.200s), or give its id", list);
    case ERR_TIMEOUT:
        return fail(f, FAIL_TIMEOUT, "`ringlet why` tells more", "%.80s did not answer in time",
                    text);
    case ERR_FULL:
    case ERR_BUSY: return fail(f, FAIL_BUSY, "try again", "too many questions are under way");
    case ERR_UNREACHABLE:
        return fail(f, FAIL_UNREACHABLE, "is the node joined? `ringlet status`",
                    "no way to %.80s is known", text);
    default: return fail(f, FAIL_INTERNAL, "", "%.80s: %s", text, err_text(e));
    }
}
