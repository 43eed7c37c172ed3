/* base/endpoint.h: what parses, decodes; what decodes, prints and parses again. */
#include "base/endpoint.h"
#include "base/err.h"
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Encoding, printing and reading back must all give e. */
static void same_again(const struct endpoint *e)
{
    struct endpoint back;
    uint8_t wire[ENDPOINT_WIRE];
    char text[ENDPOINT_TEXT];
    endpoint_encode(e, wire);
    ensure(endpoint_decode(wire, &back));
    ensure(memcmp(&back, e, sizeof back) == 0);
    endpoint_print(e, text);
    ensure(endpoint_parse(text, &back) != endpoint_is_none(e));
    ensure(memcmp(&back, e, sizeof back) == 0);
    ensure(endpoint_compare(&back, e) == 0);
    ensure(!endpoint_is_usable(e) || endpoint_scope(e) != SCOPE_NONE);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct endpoint e;
    char text[128];
    size_t len = size < sizeof text ? size : sizeof text - 1;
    memcpy(text, data, len);
    text[len] = 0;
    if (endpoint_parse(text, &e)) same_again(&e);

    uint8_t wire[ENDPOINT_WIRE] = {0}, again[ENDPOINT_WIRE];
    memcpy(wire, data, size < sizeof wire ? size : sizeof wire);
    if (endpoint_decode(wire, &e)) {
        endpoint_encode(&e, again);
        ensure(memcmp(again, wire, sizeof wire) == 0);
        same_again(&e);
    }
    return 0;
}
