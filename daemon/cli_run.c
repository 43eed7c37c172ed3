/* run: options, then daemon_run (daemon/cli.h). */
#include "daemon/cli.h"

#include "daemon/daemon.h"
#include "daemon/params.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* [NETWORK=]DEVICE */
static bool read_device(struct run_options *o, const char *text, struct fail *f)
{
    const char *equals = strchr(text, '='), *device = equals ? equals + 1 : text;
    if (o->device_count == NETWORKS_MAX)
        return fail(f, FAIL_USAGE, "one for each network", "too many --tun");
    if (!config_device_valid(device) || (equals && !name_valid(text, (size_t)(equals - text))))
        return fail(f, FAIL_USAGE, "write --tun [NETWORK=]DEVICE, the device up to 15 characters",
                    "--tun %.80s is not understood", text);
    uint32_t i = o->device_count++;
    snprintf(o->device[i], sizeof o->device[i], "%s", device);
    if (equals)
        snprintf(o->device_network[i].s, sizeof o->device_network[i].s, "%.*s",
                 (int)(equals - text), text);
    return true;
}

int cli_run(struct cli *cli)
{
    struct run_options o = {0};
    int64_t threads = 0;
    const struct json_t *devices = js_get(cli->params, "tun");
    bool good = true;
    (void)js_get_bool(cli->params, "no_tun", &o.no_tun);
    for (size_t i = 0; good && i < js_count(devices); i++)
        good = read_device(&o, js_text(js_at(devices, i)), &cli->fail);
    good = good && param_int(cli->params, "threads", 1, THREADS_MAX, &threads, &cli->fail);
    o.threads = (uint8_t)threads;
    if (good && o.no_tun && o.device_count)
        good = fail(&cli->fail, FAIL_USAGE, "leave one of them out",
                    "--tun and --no-tun contradict each other");
    if (!good || daemon_run(cli->dir, &o, &cli->fail) != 0) return cli_failed(cli);
    return 0;
}
