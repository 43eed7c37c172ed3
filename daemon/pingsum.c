#include "daemon/pingsum.h"

#include <string.h>

void pingsum_init(struct pingsum *p)
{
    *p = (struct pingsum){.answers = js_array()};
}

void pingsum_fini(struct pingsum *p)
{
    js_free(p->answers);
    p->answers = NULL;
}

void pingsum_add(struct pingsum *p, struct json_t *answer)
{
    double rtt;
    p->sent++;
    if (js_get_number(answer, "rtt_ms", &rtt)) {
        if (p->received == 0 || rtt < p->min) p->min = rtt;
        if (p->received == 0 || rtt > p->max) p->max = rtt;
        p->sum += rtt;
        p->received++;
    }
    js_add(p->answers, answer);
}

/* The last answer that came. */
static const struct json_t *last(const struct pingsum *p)
{
    for (size_t i = js_count(p->answers); i > 0; i--)
        if (!js_is_null(js_get(js_at(p->answers, i - 1), "rtt_ms")))
            return js_at(p->answers, i - 1);
    return NULL;
}

static void copy(struct json_t *to, const struct json_t *from, const char *key)
{
    struct json_t *value = js_get(from, key);
    if (value)
        js_put(to, key, js_keep(value));
    else
        js_put_null(to, key);
}

struct json_t *pingsum_document(const struct pingsum *p)
{
    struct json_t *d = js_object(), *rtt = js_object();
    const struct json_t *answer = last(p);
    js_put_text(d, "id", p->id[0] ? p->id : NULL);
    js_put_int(d, "sent", p->sent);
    js_put_int(d, "received", p->received);
    if (p->received) {
        js_put_number(rtt, "min", p->min);
        js_put_number(rtt, "avg", p->sum / p->received);
        js_put_number(rtt, "max", p->max);
    } else {
        js_put_null(rtt, "min");
        js_put_null(rtt, "avg");
        js_put_null(rtt, "max");
    }
    js_put(d, "rtt_ms", rtt);
    copy(d, answer, "path");
    copy(d, answer, "hops");
    js_put(d, "answers", js_keep(p->answers));
    return d;
}
