#include "overlay/limits.h"

const struct limits limits_daemon = {
    .links = 1024,
    .handshakes = 256,
    .extras = 1024,
    .inflight = 256,
    .passive = 128,
    .records = 1024,
    .record_bytes = 1024,
    .requests = 64,
    .waiting_packets = 64,
    .members = 4096,
    .channels = 4096,
    .hot = 512,
    .seeds = 16,
    .leaves = 256,
    .lookahead = 64,
    .hello_filter_bytes = 16384,
};
const struct limits limits_sim = {
    .links = 41,
    .handshakes = 32,
    .extras = 41,
    .inflight = 24,
    .passive = 12,
    .records = 128,
    .record_bytes = 256,
    .requests = 8,
    .waiting_packets = 4,
    .members = 0,
    .channels = 64,
    .hot = 4,
    .seeds = 3,
    .leaves = 12,
    .lookahead = 0,
    .hello_filter_bytes = 0,
};

bool limits_are_good(const struct limits *l)
{
    return l->links > 0 && l->links <= LIMIT_LINKS_MAX && l->handshakes <= LIMIT_LINKS_MAX &&
           l->extras > 0;
}
