/* daemon/views.h - the node's views as the words and JSON values that the verbs print. */
#pragma once
#include "daemon/daemon.h"
#include "daemon/json.h"

const char *view_state(uint8_t state);   /* "joined" */
const char *view_path(uint8_t path);     /* "direct" */
const char *view_nat(uint8_t kind);      /* "endpoint-independent" */
const char *view_source(uint8_t source); /* "certificate" */
const char *view_slot(uint8_t state);    /* "held"; NULL: on no invite */
void view_put_id(struct json_t *o, const char *key, const struct id *id);    /* zero: null */
void view_put_ipv4(struct json_t *o, const char *key, uint32_t ipv4);        /* 0: null */
void view_put_ipv6(struct json_t *o, const char *key, const uint8_t ip[16]); /* zero: null */
void view_put_endpoint(struct json_t *o, const char *key,
                       const struct endpoint *e);                      /* none: null */
void view_put_ms(struct json_t *o, const char *key, uint32_t us);      /* 0: null */
void view_put_size(struct json_t *o, const char *key, uint32_t bytes); /* 0: null */
void view_put_name(struct json_t *o, const char *key,
                   const struct name_text *name);                            /* empty: null */
void view_put_network(struct json_t *o, const struct daemon *d, int number); /* "network" */
bool view_member(const struct daemon *d, const struct id *id,
                 struct member_view *out); /* of any network; false: unknown, and empty */
struct json_t *view_links(uint8_t links);  /* new */
