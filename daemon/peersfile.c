/* The `peers` file of daemon/home.h: whom to dial at start and what others saw of us. */
#include "daemon/home.h"

#include <stdio.h>
#include <string.h>

#define TAG        "ringlet-peers-1"
#define PEERS_TEXT 16384

/* "peer ID ENDPOINT", "observed ENDPOINT", "pinned ID" */
static bool parse_line(const char *line, struct home_peers *p)
{
    struct endpoint at;
    if (strncmp(line, "observed ", 9) == 0) {
        if (!endpoint_parse(line + 9, &at)) return false;
        if (p->observed_count < OBSERVED_MAX) p->observed[p->observed_count++] = at;
        return true;
    }
    char id_text[ID_TEXT];
    struct id id;
    if (strncmp(line, "pinned ", 7) == 0) {
        if (!id_parse(line + 7, &id)) return false;
        if (p->pinned_count < NODE_PINNED_MAX) p->pinned[p->pinned_count++] = id;
        return true;
    }
    if (strncmp(line, "peer ", 5) != 0 || strlen(line) < 5 + ID_TEXT ||
        line[5 + ID_TEXT - 1] != ' ')
        return false;
    memcpy(id_text, line + 5, ID_TEXT - 1);
    id_text[ID_TEXT - 1] = 0;
    if (!id_parse(id_text, &id) || !endpoint_parse(line + 5 + ID_TEXT, &at)) return false;
    if (p->count < PEERS_REMEMBERED_MAX) p->list[p->count++] = (struct remembered){id, at};
    return true;
}

bool home_parse_peers(const char *text, struct home_peers *out, unsigned *line)
{
    unsigned number = 0, bad = 0;
    *out = (struct home_peers){0};
    for (const char *p = text; *p;) {
        char one[160];
        size_t len = strcspn(p, "\n");
        snprintf(one, sizeof one, "%.*s", (int)(len < sizeof one ? len : sizeof one - 1), p);
        number++;
        bool good = p[len] == '\n' && len < sizeof one &&
                    (number == 1 ? strcmp(one, TAG) == 0 : one[0] == '#' || parse_line(one, out));
        if (!good && !bad) bad = number;
        p += len + (p[len] == '\n');
    }
    if (number == 0) bad = 1;
    *line = bad;
    return bad == 0;
}

enum state_found home_read_peers(const struct state *s, struct home_peers *out, struct fail *f)
{
    char text[PEERS_TEXT];
    size_t len;
    unsigned line;
    *out = (struct home_peers){0};
    enum state_found found = state_read(s, "peers", text, sizeof text, &len, f);
    if (found == STATE_ABSENT) return found;
    if (found == STATE_READ && strlen(text) == len && home_parse_peers(text, out, &line))
        return STATE_READ;
    struct fail unable;
    bool aside = state_rename(s, "peers", "peers.damaged", &unable);
    if (found == STATE_READ && strlen(text) != len) line = 1;
    if (found == STATE_READ)
        fail(f, FAIL_DAMAGED, aside ? "it is kept as peers.damaged; the good lines are used" : "",
             "%s/peers:%u is damaged", s->path, line);
    return found == STATE_READ ? STATE_FAILED : found;
}

size_t home_print_peers(const struct home_peers *p, char *out, size_t max)
{
    char id[ID_TEXT], at[ENDPOINT_TEXT];
    size_t len = (size_t)snprintf(
        out, max,
        TAG
        "\n# written by ringlet: peers to dial at start, pinned links, and how others see us\n");
    for (uint32_t i = 0; i < p->pinned_count && len < max; i++)
        len += (size_t)snprintf(out + len, max - len, "pinned %s\n", id_print(&p->pinned[i], id));
    for (uint32_t i = 0; i < p->observed_count && len < max; i++)
        len += (size_t)snprintf(out + len, max - len, "observed %s\n",
                                endpoint_print(&p->observed[i], at));
    for (uint32_t i = 0; i < p->count && len < max; i++)
        len += (size_t)snprintf(out + len, max - len, "peer %s %s\n", id_print(&p->list[i].id, id),
                                endpoint_print(&p->list[i].at, at));
    return len < max ? len : 0;
}

bool home_write_peers(const struct state *s, const char *text, size_t len, struct fail *f)
{
    return state_write(s, "peers", text, len, 0600, f);
}
