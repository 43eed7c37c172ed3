/* Two who do not hear each other, and what becomes of them when the relay loses one. */
#include "overlay/core.h"
#include "tests/harness/party.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

static bool cut(struct party *p, struct letter *l)
{
    struct guest *const *of = p->context;
    for (int i = 0; i < 2; i++)
        if (endpoint_equal(&l->from, &of[i]->at) && endpoint_equal(&l->to, &of[!i]->at))
            return false;
    return true;
}

/* One end closes its link to the relay, which tells the other one: no need to miss PINGs for it. */
static void who_is_lost_is_told(void **state)
{
    (void)state;
    struct party *p = party_of(&crypto_fake, 4, 3, false, NULL);
    struct guest *relay = p->guests[0], *ends[2] = {p->guests[1], p->guests[2]};
    p->delay_us = MILLIS(10);
    p->context = ends;
    p->tap = cut;
    party_command(p, ends[0], CMD_LINK_ADD, ends[1]);
    party_run(p, SECONDS(30));
    assert_int_equal(link_path(guest_link(ends[0], ends[1])), PATH_RELAYED);
    uint8_t frame[16];
    struct pack k = control_pack(frame, sizeof frame, CONTROL_CLOSE, 2);
    pack_uint(&k, 1);
    assert_true(guest_send(p, ends[1], relay, &ends[1]->at, frame, k.len + 1));
    party_run(p, MILLIS(100));
    assert_null(guest_link(relay, ends[1]));
    assert_int_not_equal(link_path(guest_link(ends[0], ends[1])), PATH_RELAYED);
    party_run(p, SECONDS(10)); /* the two links are made anew, by whoever notices */
    assert_true(party_pings(p, ends[0], ends[1]));
    party_close(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(who_is_lost_is_told)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
