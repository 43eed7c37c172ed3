/* ringlet.conf: parse, and edit it as the commands do: what parsed before still parses, and means the same and the line more. */
#include "daemon/config.h"
#include "base/err.h"
#include "daemon/config_edit.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void each(void *context, const char *section, const char *key, const char *value)
{
    ensure(section[0] && key[0] && value);
    ++*(unsigned *)context;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    static struct config c, again;
    static struct config_text t;
    struct fail f = {0};
    unsigned values = 0;
    bool good = config_parse(&c, (const char *)data, len, "x", &f);
    ensure(good == (f.status == 0));
    ensure(good || strncmp(f.message, "x:", 2) == 0); /* the file and its line */
    if (!good || len + 200 >= sizeof t.text) return 0;
    config_walk(&c, each, &values);
    ensure(values > 5);
    memcpy(t.text, data, len);
    t.text[t.len = len] = 0;
    ensure(config_add(&t, "node", "stun", "added.example:1") && strlen(t.text) == t.len);
    good = config_parse(&again, t.text, t.len, "x", &f);
    if (c.stun.count == CONFIG_HOSTS_MAX) return 0;
    ensure(good && again.stun.count >= c.stun.count && again.stun.count <= c.stun.count + 1);
    ensure(memcmp(&again.listen, &c.listen, sizeof c.listen) == 0);
    ensure(again.network_count == c.network_count);
    config_drop_section(&t, "network lab");
    ensure(strlen(t.text) == t.len);
    ensure(config_parse(&again, t.text, t.len, "x", &f));
    return 0;
}
