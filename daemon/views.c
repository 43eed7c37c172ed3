#include "daemon/views.h"

#include "vnet/address.h"
#include "vnet/members.h"
#include <string.h>

#define WORD(table, i)                                                                             \
    ((size_t)(i) < sizeof table / sizeof *table && table[i] ? table[i] : "unknown")

const char *view_state(uint8_t state)
{
    static const char *const words[] = {[STATE_STARTING] = "starting",
                                        [STATE_ALONE] = "alone",
                                        [STATE_JOINING] = "joining",
                                        [STATE_JOINED] = "joined"};
    return WORD(words, state);
}

const char *view_path(uint8_t path)
{
    static const char *const words[] = {[PATH_NONE] = "none",
                                        [PATH_DIRECT] = "direct",
                                        [PATH_RELAYED] = "relayed",
                                        [PATH_ROUTED] = "routed"};
    return WORD(words, path);
}

const char *view_nat(uint8_t kind)
{
    static const char *const words[] = {[NAT_UNKNOWN] = "unknown",
                                        [NAT_NONE] = "none",
                                        [NAT_ENDPOINT_INDEPENDENT] = "endpoint-independent",
                                        [NAT_ADDRESS_DEPENDENT] = "address-dependent",
                                        [NAT_PORT_DEPENDENT] = "port-dependent"};
    return WORD(words, kind);
}

const char *view_source(uint8_t source)
{
    static const char *const words[] = {[SOURCE_SELF] = "self",
                                        [SOURCE_CERTIFICATE] = "certificate",
                                        [SOURCE_CACHE] = "cache",
                                        [SOURCE_RING] = "ring"};
    return WORD(words, source);
}

const char *view_slot(uint8_t state)
{
    static const char *const words[] = {[SLOT_ASKING] = "asking",
                                        [SLOT_ACCEPTED] = "accepted",
                                        [SLOT_HELD] = "held",
                                        [SLOT_REFUSED] = "refused"};
    return state == SLOT_NONE ? NULL : WORD(words, state);
}

void view_put_id(struct json_t *o, const char *key, const struct id *id)
{
    char text[ID_TEXT];
    js_put_text(o, key, id_is_zero(id) ? NULL : id_print(id, text));
}

void view_put_ipv4(struct json_t *o, const char *key, uint32_t ipv4)
{
    char text[ENDPOINT_TEXT];
    uint8_t ip[16];
    ip_from_v4(ip, ipv4);
    js_put_text(o, key, ipv4 ? ip_print(ip, text) : NULL);
}

void view_put_ipv6(struct json_t *o, const char *key, const uint8_t ip[16])
{
    static const uint8_t none[16];
    char text[ENDPOINT_TEXT];
    js_put_text(o, key, memcmp(ip, none, 16) == 0 ? NULL : ip_print(ip, text));
}

void view_put_endpoint(struct json_t *o, const char *key, const struct endpoint *e)
{
    char text[ENDPOINT_TEXT];
    js_put_text(o, key, endpoint_is_none(e) ? NULL : endpoint_print(e, text));
}

void view_put_ms(struct json_t *o, const char *key, uint32_t us)
{
    if (us)
        js_put_number(o, key, us / 1000.0);
    else
        js_put_null(o, key);
}

void view_put_size(struct json_t *o, const char *key, uint32_t bytes)
{
    if (bytes)
        js_put_int(o, key, bytes);
    else
        js_put_null(o, key);
}

void view_put_name(struct json_t *o, const char *key, const struct name_text *name)
{
    js_put_text(o, key, name->s[0] ? name->s : NULL);
}

void view_put_network(struct json_t *o, const struct daemon *d, int number)
{
    bool known = number >= 0 && number < NETWORKS_MAX && d->networks[number].used;
    js_put_text(o, "network", known ? d->networks[number].home.name.s : NULL);
}

bool view_member(const struct daemon *d, const struct id *id, struct member_view *out)
{
    uint32_t cursor = 0;
    while (node_member_next(d->node, &cursor, out))
        if (id_equal(&out->id, id)) return true;
    memset(out, 0, sizeof *out);
    return false;
}

struct json_t *view_links(uint8_t links)
{
    static const struct {
        uint8_t bit;
        const char *word;
    } words[] = {{LINK_NEAR, "near"},
                 {LINK_FAR, "far"},
                 {LINK_DEMAND, "demand"},
                 {LINK_LEAF, "leaf"},
                 {LINK_PINNED, "pinned"}};
    struct json_t *list = js_array();
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (links & words[i].bit) js_add_text(list, words[i].word);
    return list;
}
