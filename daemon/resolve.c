#include "daemon/resolve.h"

#include "daemon/sockaddr.h"
#include <stdio.h>
#include <string.h>

void resolve_init(struct resolve *r, uv_loop_t *loop, resolve_done *done, void *context)
{
    *r = (struct resolve){.loop = loop, .done = done, .context = context};
}

static void keep(struct resolve_name *n, const struct addrinfo *list)
{
    struct endpoint e;
    uint8_t transport = strncmp(n->text, "tcp:", 4) == 0 ? TRANSPORT_TCP : TRANSPORT_UDP;
    unsigned long port = 0;
    sscanf(strrchr(n->text, ':') + 1, "%lu", &port);
    n->count = 0;
    for (; list && n->count < RESOLVE_EACH; list = list->ai_next) {
        e = sockaddr_endpoint(list->ai_addr, transport);
        e.port = (uint16_t)port;
        if (endpoint_is_usable(&e)) n->found[n->count++] = e;
    }
}

static void on_answer(uv_getaddrinfo_t *request, int status, struct addrinfo *list)
{
    struct resolve_name *n = request->data;
    struct resolve *r = n->all;
    n->asking = false;
    r->asking--;
    if (status == 0 && r->done) keep(n, list);
    uv_freeaddrinfo(list);
    if (r->asking) return;
    if (r->done) r->done(r->context);
    if (r->again && r->done) {
        struct config_hosts wanted = r->wanted;
        resolve_start(r, &wanted);
    }
}

static void ask(struct resolve *r, struct resolve_name *n)
{
    char host[CONFIG_HOST_TEXT];
    const struct addrinfo hints = {.ai_socktype = SOCK_DGRAM, .ai_family = AF_UNSPEC};
    const char *from = strncmp(n->text, "tcp:", 4) == 0 ? n->text + 4 : n->text;
    snprintf(host, sizeof host, "%.*s", (int)(strrchr(from, ':') - from), from);
    n->request.data = n;
    n->asking = uv_getaddrinfo(r->loop, &n->request, on_answer, host, NULL, &hints) == 0;
    r->asking += n->asking;
}

void resolve_start(struct resolve *r, const struct config_hosts *hosts)
{
    struct resolve_name old[CONFIG_HOSTS_MAX];
    r->again = r->asking > 0;
    r->wanted = *hosts;
    if (r->again) return; /* the requests in flight point into names */
    memcpy(old, r->names, sizeof old);
    uint32_t old_count = r->count;
    r->count = hosts->count;
    for (uint32_t i = 0; i < hosts->count; i++) {
        struct resolve_name *n = &r->names[i];
        *n = (struct resolve_name){.all = r};
        snprintf(n->text, sizeof n->text, "%s", hosts->text[i]);
        for (uint32_t o = 0; o < old_count; o++)
            if (strcmp(old[o].text, n->text) == 0)
                memcpy(n->found, old[o].found, sizeof n->found), n->count = old[o].count;
        struct endpoint numeric;
        if (endpoint_parse(n->text, &numeric)) n->found[0] = numeric, n->count = 1;
    }
    for (uint32_t i = 0; i < r->count; i++) {
        struct endpoint e;
        if (!endpoint_parse(r->names[i].text, &e)) ask(r, &r->names[i]);
    }
}

uint32_t resolve_list(const struct resolve *r, struct endpoint out[RESOLVE_MAX])
{
    uint32_t count = 0;
    for (uint32_t i = 0; i < r->count; i++)
        for (uint32_t k = 0; k < r->names[i].count && count < RESOLVE_MAX; k++)
            out[count++] = r->names[i].found[k];
    return count;
}

void resolve_stop(struct resolve *r)
{
    r->done = NULL;
    r->again = false;
    for (uint32_t i = 0; i < r->count; i++)
        if (r->names[i].asking) (void)uv_cancel((uv_req_t *)&r->names[i].request);
}
