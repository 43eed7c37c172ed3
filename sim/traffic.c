#include "sim/traffic.h"

#define DEPTH_MAX 6u /* datagram in RELAYED in ROUTED in ROUTED: nothing of ours is deeper */

static const char *const type_names[] = {"OTHER",
#define X(name, ...) #name,
                                         OUTER(X) KINDS(X) CONTROLS(X)
#undef X
};
_Static_assert(sizeof type_names / sizeof *type_names == TRAFFIC_TYPES, "a name each");

const char *traffic_type_name(unsigned type)
{
    return type < TRAFFIC_TYPES ? type_names[type] : "OTHER";
}

const char *traffic_way_name(unsigned way)
{
    return way == WAY_ROUTED ? " routed" : way == WAY_RELAYED ? " relayed" : "";
}

static enum traffic_type outer_type(uint8_t b)
{
    switch (b) {
#define X(name, type, ...)                                                                         \
    case type: return TRAFFIC_##name;
        OUTER(X)
#undef X
    default: return TRAFFIC_OTHER;
    }
}

static enum traffic_type frame_type(uint8_t b)
{
    switch (b) {
#define X(name, kind, ...)                                                                         \
    case kind: return TRAFFIC_##name;
        KINDS(X)
#undef X
    default: return TRAFFIC_OTHER;
    }
}

/* [op, ...]: an array of less than 16, then a small number. */
static enum traffic_type control_type(const uint8_t *p, size_t len)
{
    if (len < 3) return TRAFFIC_CONTROL;
    switch (p[2]) {
#define X(name, op, ...)                                                                           \
    case op: return TRAFFIC_##name;
        CONTROLS(X)
#undef X
    default: return TRAFFIC_CONTROL;
    }
}

/* One shell less; false: p is the innermost. */
static bool unwrap(const uint8_t **p, size_t *len, enum traffic_type type, enum traffic_way *way)
{
    size_t skip = 0, tag = type == TRAFFIC_DATA ? DATA_OVERHEAD - DATA_HEADER : 0;
    switch (type) {
    case TRAFFIC_DATA: skip = DATA_HEADER; break;
    case TRAFFIC_ROUTED: skip = ROUTED_HEADER; break;
    case TRAFFIC_RELAYED: skip = RELAYED_HEADER; break;
    case TRAFFIC_ACK: skip = *len < 2 ? *len : 2u + 2u * (*p)[1]; break;
    default: return false;
    }
    if (*len <= skip + tag) return false;
    if (type == TRAFFIC_ROUTED && *way == WAY_DIRECT) *way = WAY_ROUTED;
    if (type == TRAFFIC_RELAYED) *way = WAY_RELAYED;
    *p += skip;
    *len -= skip + tag;
    return true;
}

void traffic_count(struct traffic *t, const uint8_t *datagram, size_t len, uint64_t bytes)
{
    enum traffic_way way = WAY_DIRECT;
    enum traffic_type type = len ? outer_type(*datagram) : TRAFFIC_OTHER;
    const uint8_t *p = datagram;
    for (unsigned depth = 0; depth < DEPTH_MAX && unwrap(&p, &len, type, &way); depth++)
        type = *p >= 0x40 ? outer_type(*p) : frame_type(*p);
    if (type == TRAFFIC_CONTROL) type = control_type(p, len);
    t->bytes[way][type] += bytes;
    t->datagrams[way][type]++;
}
