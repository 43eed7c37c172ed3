/* The table of verbs (daemon/cli.h): one place for names, options, help and examples. */
#include "daemon/cli.h"

#include "daemon/log.h"

#include <stddef.h>

#define END                                                                                        \
    {                                                                                              \
        NULL, NULL, OPTION_FLAG, NULL, NULL                                                        \
    }

static const struct cli_option create_options[] = {
    {"--range", "range", OPTION_TEXT, "CIDR",
     "addresses of the network (default: a /16 in 10/8 derived from it)"},
    {"--l2", "l2", OPTION_FLAG, NULL,
     "not in this version: an Ethernet network instead of an IP one"},
    {"--listen", "listen", OPTION_LIST, "ADDR:PORT",
     "where to be reached (default: 0.0.0.0:7464 and [::]:7464)"},
    {"--advertise", "advertise", OPTION_LIST, "HOST:PORT",
     "how others reach this node from outside"},
    {"--seed", "seed", OPTION_LIST, "HOST:PORT", "a node to enter the ring through"},
    {"--host", "host", OPTION_TEXT, "NAME", "this node's name (default: the machine's)"},
    {"--ip", "ip", OPTION_TEXT, "ADDR", "this node's address (default: derived from its id)"},
    END};
static const struct cli_option invite_options[] = {
    {"--uses", "uses", OPTION_TEXT, "N", "how many nodes may join with it (default 1)"},
    {"--expires", "expires", OPTION_TEXT, "TIME", "until when they must have joined (default 24h)"},
    {"--group", "group", OPTION_LIST, "G",
     "a group they will be in, for later versions; repeat it for more"},
    {"--seed", "seed", OPTION_LIST, "HOST:PORT",
     "where they enter the ring (default: what is advertised or was observed)"},
    {"--host", "host", OPTION_TEXT, "NAME", "the name the node will have"},
    {"--ip", "ip", OPTION_TEXT, "ADDR", "the address the node will have"},
    END};
static const struct cli_option join_options[] = {
    {"--host", "host", OPTION_TEXT, "NAME", "this node's name (default: the machine's)"},
    {"--listen", "listen", OPTION_LIST, "ADDR:PORT",
     "where to be reached (default: a random port, kept)"},
    {"--seed", "seed", OPTION_LIST, "HOST:PORT", "one more node to enter the ring through"},
    END};
static const struct cli_option run_options[] = {
    {"--no-tun", "no_tun", OPTION_FLAG, NULL, "no devices: only the overlay; needs no root"},
    {"--tun", "tun", OPTION_LIST, "[NETWORK=]DEVICE", "name of the device"},
    {"--threads", "threads", OPTION_TEXT, "N",
     "that carry packets, 1 to 16 (default: `threads` in ringlet.conf)"},
    END};
static const struct cli_option status_options[] = {
    {"--wait", "wait", OPTION_TEXT, "STATE", "until it is starting, alone, joining or joined"},
    {"--timeout", "timeout", OPTION_TEXT, "TIME", "how long to wait (default 10s)"},
    END};
static const struct cli_option ping_options[] = {
    {"-c", "count", OPTION_TEXT, "N", "how many (default 4)"},
    {"-i", "interval", OPTION_TEXT, "TIME", "between two (default 1s)"},
    {"-W", "timeout", OPTION_TEXT, "TIME", "wait for an answer (default 2s; the first one 10s)"},
    END};
static const struct cli_option link_options[] = {
    {"-W", "timeout", OPTION_TEXT, "TIME", "wait for it to come up (default 10s, at most 60s)"},
    END};
static const struct cli_option send_options[] = {
    {"--broadcast", "broadcast", OPTION_TEXT, "TEXT", "to every node of the ring"},
    {"-W", "timeout", OPTION_TEXT, "TIME", "how long to try (default 10s, at most 60s)"},
    END};

// clang-format off
const struct cli_verb cli_verbs[] = {
    {"create", "NAME [OPTION...]", "Make a network: in an empty directory with an overlay of its own, else on the overlay that is there.",
     "ringlet create lab --advertise gate.example.org:7464", create_options, {"name"}, cli_deed, show_create, NULL},
    {"invite", "[OPTION...]", "Print a token that lets others join. It is a secret.",
     "ringlet invite --uses 5 --expires 2h --group servers", invite_options, {NULL}, cli_deed, show_invite, NULL},
    {"join", "TOKEN|- [OPTION...]", "Become a member with a token; - reads it from standard input.",
     "ssh gate ringlet invite | ringlet join -", join_options, {"token"}, cli_deed, show_join, NULL},
    {"run", "[--no-tun] [--tun [NETWORK=]DEVICE] [--threads N]", "Be the daemon, in the foreground. SIGTERM leaves in good order, SIGHUP reloads.",
     "ringlet run --tun lab=vpn0", run_options, {NULL}, cli_run, NULL, NULL},
    {"status", "[--wait STATE] [--timeout 10s]", "This node: its state, its place on the ring, its networks.",
     "ringlet status --wait joined --timeout 30s", status_options, {NULL}, cli_status, show_status, NULL},
    {"peers", "", "Sessions with others: their links and paths.",
     "ringlet peers", NULL, {NULL}, cli_call, show_peers, NULL},
    {"members", "", "Known members of the networks.",
     "ringlet members", NULL, {NULL}, cli_call, show_members, NULL},
    {"invites", "", "Invites given here.",
     "ringlet invites", NULL, {NULL}, cli_deed, show_invites, NULL},
    {"ping", "TARGET [-c 4] [-i 1] [-W 2]", "Ask a node through the overlay whether it is there. TARGET: id, address or name.",
     "ringlet ping -c 1 10.42.7.9", ping_options, {"target"}, cli_ping, NULL, NULL},
    {"trace", "TARGET", "The ring's route to a node, hop by hop.",
     "ringlet trace db1", NULL, {"target"}, cli_call, show_trace, NULL},
    {"why", "TARGET", "Why the path to a node is what it is.",
     "ringlet why db1", NULL, {"target"}, cli_call, show_why, NULL},
    {"lookup", "TARGET", "A node's id, name and addresses, and where the answer came from.",
     "ringlet lookup 10.42.7.9", NULL, {"target"}, cli_call, show_lookup, NULL},
    {"send", "TARGET TEXT | --broadcast TEXT", "A line of text for whoever watches at another node, or at all of the ring; says when it is there.",
     "ringlet send db1 'going down at noon'", send_options, {"?target", "?text"}, cli_call, show_send, NULL},
    {"watch", "", "Events and messages as they happen, one JSON object a line.",
     "ringlet watch", NULL, {NULL}, cli_watch, NULL, NULL},
    {"link add", "TARGET [-W 10s]", "Hold a link to a node, used or not, until it is dropped; kept across restarts.",
     "ringlet link add db1", link_options, {"target"}, cli_call, show_link_add, NULL},
    {"link drop", "TARGET", "Let go of a pinned link.",
     "ringlet link drop db1", NULL, {"target"}, cli_call, show_link_drop, NULL},
    {"link list", "", "Pinned links, those included that are not up.",
     "ringlet link list", NULL, {NULL}, cli_call, show_link_list, NULL},
    {"leave", "[NETWORK]", "Stop being a member of a network.",
     "ringlet leave lab", NULL, {"?network"}, cli_deed, show_leave, NULL},
    {"reload", "", "Take over what changed in ringlet.conf.",
     "ringlet reload", NULL, {NULL}, cli_call, show_reload, NULL},
    {"stop", "", "End the daemon; it leaves the ring in good order.",
     "ringlet stop", NULL, {NULL}, cli_stop, NULL, NULL},
    {"config check", "", "Say whether ringlet.conf is right, and print what holds.",
     "ringlet config check", NULL, {NULL}, cli_config_check, show_config, NULL},
    {"log", "LEVEL", "What the daemon logs: " LOG_WORDS ".",
     "ringlet log link,path", NULL, {"level"}, cli_call, show_log, NULL},
    {"call", "METHOD [JSON]", "Send any control method and print its result.",
     "ringlet call ping '{\"target\":\"db1\",\"count\":1}'", NULL, {"method", "?json"}, cli_any, NULL, NULL},
#define LATER(name) {name, "...", "Not in this version.", NULL, NULL, {NULL}, cli_unsupported, NULL, NULL}
    LATER("netcheck"), LATER("put"), LATER("claim"), LATER("get"), LATER("remove"), LATER("revoke"), LATER("renew"),
    LATER("authority"), LATER("policy"), LATER("route"),
    {NULL, NULL, NULL, NULL, NULL, {NULL}, NULL, NULL, NULL},
};
// clang-format on
