/* daemon/pingsum.h - many answers to a ping into one document; used by the method and by the verb.
 *
 * An answer is the JSON that the method gives for one ping: {seq, rtt_ms, path, endpoint, via, via_name, hops}. */
#pragma once
#include "daemon/json.h"

struct pingsum {
    struct json_t *answers; /* array; owned */
    char id[40];
    uint32_t sent, received;
    double min, max, sum;
};
void pingsum_init(struct pingsum *p);
void pingsum_fini(struct pingsum *p);
void pingsum_add(struct pingsum *p, struct json_t *answer); /* takes; rtt_ms null: lost */
struct json_t *pingsum_document(const struct pingsum *p);   /* new */
