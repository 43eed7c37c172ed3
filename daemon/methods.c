/* The table of control methods (daemon/control.h, daemon/methods.h). */
#include "daemon/methods.h"

#include <stddef.h>

const struct method methods[] = {
    {"status", method_status},       {"peers", method_peers},
    {"members", method_members},     {"why", method_why},
    {"ping", method_ping},           {"trace", method_trace},
    {"lookup", method_lookup},       {"log", method_log},
    {"reload", method_reload},       {"stop", method_stop},
    {"watch", method_watch},         {"config check", method_config_check},
    {"create", method_create},       {"join", method_join},
    {"invite", method_invite},       {"leave", method_leave},
    {"invites", method_invites},     {"send", method_send},
    {"link add", method_link_add},   {"link drop", method_link_drop},
    {"link list", method_link_list}, {NULL, NULL},
};
