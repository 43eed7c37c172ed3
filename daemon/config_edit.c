#include "daemon/config_edit.h"

#include <stdio.h>
#include <string.h>

static const char template[] =
    "# Ringlet: one node on one overlay. `ringlet config check` says whether this file is right,\n"
    "# `ringlet reload` takes over what is marked (reload); the rest needs a restart.\n"
    "\n"
    "[node]\n"
    "# listen = ADDRESS:PORT          where to be reached; repeat it for more\n"
    "# advertise = HOST:PORT          how others reach this node from outside (reload)\n"
    "# seed = HOST:PORT               nodes to enter the ring through (reload)\n"
    "# port-mapping = yes             (not used in this version) ask the gateway for a port\n"
    "# offload = yes                  many packets of a flow as one, where the kernel can; or no\n"
    "# threads = 1                    that carry packets, each with a queue of the device: 1 to "
    "16\n"
    "# stun = HOST:PORT               (not used in this version) also ask this STUN server\n"
    "# tcp = ADDRESS:PORT             listen for TCP there instead of at `listen`; or no\n"
    "# user = ringlet                 whom to become after the start; else nobody\n"
    "# log = info                     error, warn, info, debug, or classes like link,path "
    "(reload)\n";

static bool insert(struct config_text *t, size_t at, const char *text)
{
    size_t len = strlen(text);
    if (t->len + len >= sizeof t->text) return false;
    memmove(t->text + at + len, t->text + at, t->len - at + 1);
    memcpy(t->text + at, text, len);
    t->len += len;
    return true;
}

bool config_template(struct config_text *t)
{
    t->len = 0;
    t->text[0] = 0;
    return insert(t, 0, template);
}

/* The line after `at`, or the end. */
static size_t next(const struct config_text *t, size_t at)
{
    const char *nl = memchr(t->text + at, '\n', t->len - at);
    return nl ? (size_t)(nl - t->text) + 1 : t->len;
}

static size_t skip_blanks(const struct config_text *t, size_t at)
{
    while (t->text[at] == ' ' || t->text[at] == '\t' || t->text[at] == '\r') at++;
    return at;
}

/* From the header line to the next section (or the end). False: no such section. */
static bool find_section(const struct config_text *t, const char *section, size_t *from, size_t *to)
{
    char header[128];
    int len = snprintf(header, sizeof header, "[%s]", section);
    bool found = false;
    for (size_t at = 0; at < t->len; at = next(t, at)) {
        size_t start = skip_blanks(t, at);
        if (t->text[start] != '[') continue;
        if (found) {
            *to = at;
            return true;
        }
        if (strncmp(t->text + start, header, (size_t)len) == 0) found = true, *from = at;
    }
    *to = t->len;
    return found;
}

/* Where the last line with something on it, between from and to, ends. */
static size_t last_line(const struct config_text *t, size_t from, size_t to)
{
    size_t end = next(t, from);
    for (size_t at = from; at < to; at = next(t, at))
        if (!strchr("\r\n", t->text[skip_blanks(t, at)])) end = next(t, at);
    return end;
}

bool config_section(struct config_text *t, const char *section)
{
    char header[128];
    size_t from, to;
    if (find_section(t, section, &from, &to)) return true;
    bool closed = t->len == 0 || t->text[t->len - 1] == '\n';
    snprintf(header, sizeof header, "%s\n[%s]\n", closed ? "" : "\n", section);
    return insert(t, t->len, header);
}

bool config_add(struct config_text *t, const char *section, const char *key, const char *value)
{
    char line[256];
    size_t from, to;
    if (!config_section(t, section) || !find_section(t, section, &from, &to)) return false;
    int len = snprintf(line, sizeof line, "%s = %s\n", key, value);
    if (len < 0 || (size_t)len >= sizeof line) return false;
    for (size_t at = from; at < to; at = next(t, at))
        if (strncmp(t->text + skip_blanks(t, at), line, (size_t)len) == 0) return true;
    size_t end = last_line(t, from, to);
    if (end > 0 && t->text[end - 1] != '\n')
        return insert(t, end, "\n") && insert(t, end + 1, line);
    return insert(t, end, line);
}

void config_drop_section(struct config_text *t, const char *section)
{
    size_t from, to;
    if (!find_section(t, section, &from, &to)) return;
    memmove(t->text + from, t->text + to, t->len - to + 1);
    t->len -= to - from;
}
