#include "vnet/members.h"

#include "vnet/address.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>
#include <cmocka.h>

static struct membership someone(uint32_t n, uint32_t fixed)
{
    struct membership is = {.ipv4 = fixed, .expires_s = 1000000};
    memcpy(is.id.b, &n, sizeof n);
    snprintf(is.host.s, sizeof is.host.s, "host%u", n);
    return is;
}

/* Puts member n with this IPv4 at this time; its IPv6 is of its own. */
static enum err put(struct members *m, uint32_t n, uint32_t fixed, uint32_t ipv4, uint64_t now_us,
                    bool *conflict)
{
    struct membership is = someone(n, fixed);
    uint8_t ipv6[16] = {0xfd};
    memcpy(ipv6 + 6, is.id.b, 10);
    return members_put(m, 1, &is, ipv4, ipv6, now_us, conflict);
}

static const struct member *by_v4(const struct members *m, int network, uint32_t ipv4)
{
    uint8_t ip[16];
    ip_from_v4(ip, ipv4);
    return members_by_ip(m, network, ip);
}

/* A session that begins or ends is told apart from one that was there, and is not forgotten by a new certificate. */
static void who_is_up_is_known(void **state)
{
    struct members m;
    struct id one = someone(1, 0).id, stranger = someone(9, 0).id;
    bool conflict;
    (void)state;
    members_init(&m, 2);
    assert_int_equal(put(&m, 1, 0, 0x0a000001, 10, &conflict), OK);
    assert_false(members_up(&m, &one, true, 20));
    assert_true(members_up(&m, &one, true, 30));
    assert_int_equal(put(&m, 1, 0, 0x0a000001, 40, &conflict), OK);
    assert_true(members_by_id(&m, -1, &one)->up);
    assert_int_equal(put(&m, 2, 0, 0x0a000002, 50, &conflict), OK);
    assert_int_equal(put(&m, 3, 0, 0x0a000003, 60, &conflict), OK); /* full: 2 goes, 1 is up */
    assert_non_null(members_by_id(&m, -1, &one));
    assert_false(members_up(&m, &one, false, 70));
    assert_true(members_up(&m, &one, false, 80));
    assert_false(members_by_id(&m, -1, &one)->up);
    assert_int_equal(members_by_id(&m, -1, &one)->seen_us, 70);
    assert_false(members_up(&m, &stranger, true, 90));
    members_fini(&m);
}

static enum err put_invited(struct members *m, uint32_t n, uint32_t ipv4, uint32_t slot,
                            bool *conflict)
{
    struct membership is = someone(n, 0);
    uint8_t ipv6[16] = {0xfd};
    is.uses = 3;
    is.slot = slot;
    memcpy(ipv6 + 6, is.id.b, 10);
    return members_put(m, 1, &is, ipv4, ipv6, 1, conflict);
}

/* An answer about the slot that was shown before is not one about the new one. */
static void an_old_answer(void **state)
{
    struct members m;
    struct id id = someone(1, 0).id;
    bool conflict;
    (void)state;
    members_init(&m, 4);
    assert_int_equal(put_invited(&m, 1, 0x0a000001, 0, &conflict), OK);
    members_by_id(&m, 1, &id)->slot.asked = 7;
    assert_int_equal(put_invited(&m, 1, 0x0a000001, 1, &conflict), OK);
    assert_int_equal(members_by_id(&m, 1, &id)->slot.asked, 7);
    members_fini(&m);
}

/* Whose slot is another's holds nothing, however often it shows that certificate; with another one it begins anew. */
static void refused_by_its_slot(void **state)
{
    struct members m;
    struct id id = someone(1, 0).id;
    bool conflict;
    (void)state;
    members_init(&m, 4);
    assert_int_equal(put_invited(&m, 1, 0x0a000001, 0, &conflict), OK);
    struct member *one = members_by_id(&m, 1, &id);
    assert_int_equal(one->slot.state, SLOT_NONE);
    one->slot.state = SLOT_REFUSED;
    one->ipv4 = 0;
    assert_int_equal(put_invited(&m, 1, 0x0a000001, 0, &conflict), OK);
    assert_false(conflict);
    assert_ptr_equal(members_by_id(&m, 1, &id), one);
    assert_int_equal(one->slot.state, SLOT_REFUSED);
    assert_null(by_v4(&m, 1, 0x0a000001));
    assert_null(members_by_ip(&m, 1, one->ipv6));
    assert_null(members_by_name(&m, 1, "host1", NULL));
    assert_int_equal(put_invited(&m, 2, 0x0a000001, 0, &conflict), OK); /* its address is free */
    assert_false(conflict);
    assert_int_equal(put_invited(&m, 1, 0x0a000005, 1, &conflict), OK);
    assert_int_equal(one->slot.state, SLOT_NONE);
    assert_non_null(by_v4(&m, 1, 0x0a000005));
    members_fini(&m);
}

static void is_found_by_all_it_has(void **state)
{
    struct members m;
    struct id id = someone(7, 0).id;
    uint8_t ipv6[16] = {0xfd};
    bool conflict;
    uint32_t matches;
    (void)state;
    members_init(&m, 4);
    assert_int_equal(put(&m, 7, 0, 0x0a000007, 1, &conflict), OK);
    assert_false(conflict);
    memcpy(ipv6 + 6, id.b, 10);
    const struct member *one = members_by_id(&m, -1, &id);
    assert_non_null(one);
    assert_ptr_equal(one, members_by_id(&m, 1, &id));
    assert_null(members_by_id(&m, 2, &id));
    assert_ptr_equal(one, by_v4(&m, 1, 0x0a000007));
    assert_null(by_v4(&m, 2, 0x0a000007));
    assert_ptr_equal(one, members_by_ip(&m, -1, ipv6));
    assert_ptr_equal(one, members_by_name(&m, -1, "Host7", &matches));
    assert_int_equal(matches, 1);
    assert_null(members_by_name(&m, -1, "host", &matches));
    assert_null(members_by_name(&m, -1, "host77", &matches));
    assert_null(members_by_name(&m, -1, "", &matches));
    assert_int_equal(matches, 0);
    members_forget_network(&m, 2);
    assert_non_null(members_by_id(&m, -1, &id));
    members_forget_network(&m, 1);
    assert_null(members_by_id(&m, -1, &id));
    members_fini(&m);
}

static void one_holder_an_address(void **state)
{
    struct members m;
    bool conflict;
    (void)state;
    members_init(&m, 100);
    assert_int_equal(put(&m, 1, 0, 100, 1, &conflict), OK);
    assert_int_equal(put(&m, 2, 0, 100, 2, &conflict), OK); /* both derived: the first keeps it */
    assert_true(conflict);
    assert_int_equal(by_v4(&m, 1, 100)->is.id.b[0], 1);
    assert_int_equal(put(&m, 3, 100, 100, 3, &conflict), OK); /* fixed beats derived */
    assert_false(conflict);
    assert_int_equal(by_v4(&m, 1, 100)->is.id.b[0], 3);
    assert_int_equal(put(&m, 4, 100, 100, 4, &conflict), OK); /* both fixed: the first keeps it */
    assert_true(conflict);
    assert_int_equal(by_v4(&m, 1, 100)->is.id.b[0], 3);
    assert_int_equal(put(&m, 1, 0, 100, 5, &conflict), OK);
    assert_true(conflict);
    assert_int_equal(put(&m, 1, 0, 101, 5, &conflict), OK); /* the loser moves */
    assert_false(conflict);
    assert_int_equal(put(&m, 3, 100, 100, 6, &conflict), OK); /* a refresh conflicts with nobody */
    assert_false(conflict);
    assert_int_equal(put(&m, 5, 0, 0, 6, &conflict), OK); /* none is not an address */
    assert_int_equal(put(&m, 6, 0, 0, 6, &conflict), OK);
    assert_false(conflict);
    assert_int_equal(m.count, 6);
    members_fini(&m);
}

static void a_twin_is_refused(void **state)
{
    struct members m;
    struct membership is = someone(1, 0), twin = someone(1, 0);
    uint8_t ipv6[16] = {0xfd};
    bool conflict;
    (void)state;
    members_init(&m, 4);
    twin.id.b[19] = 1; /* the same 80 bits */
    assert_int_equal(members_put(&m, 1, &is, 5, ipv6, 1, &conflict), OK);
    assert_int_equal(members_put(&m, 1, &twin, 6, ipv6, 1, &conflict), ERR_CONFLICT);
    assert_null(members_by_id(&m, -1, &twin.id));
    assert_int_equal(members_put(&m, 2, &twin, 6, ipv6, 1, &conflict), OK); /* another network */
    members_fini(&m);
}

static void names_may_be_ambiguous(void **state)
{
    struct members m;
    struct membership is = someone(1, 0);
    uint8_t ipv6[16] = {0xfd};
    bool conflict;
    uint32_t matches;
    (void)state;
    members_init(&m, 4);
    for (uint8_t n = 1; n <= 3; n++) {
        is.id.b[0] = ipv6[15] = n;
        assert_int_equal(members_put(&m, n == 3, &is, n, ipv6, 1, &conflict), OK);
    }
    assert_non_null(members_by_name(&m, 0, "host1", &matches));
    assert_int_equal(matches, 2);
    assert_non_null(members_by_name(&m, -1, "host1", &matches));
    assert_int_equal(matches, 3);
    assert_non_null(members_by_name(&m, 1, "host1", NULL));
    members_fini(&m);
}

static void the_bound_holds(void **state)
{
    struct members m;
    bool conflict;
    (void)state;
    members_init(&m, 20);
    for (uint32_t n = 1; n <= 1000; n++) {
        assert_int_equal(put(&m, n, 0, n, n, &conflict), OK);
        if (n > 1) assert_int_equal(put(&m, 1, 0, 1, n, &conflict), OK); /* heard all the time */
        assert_true(m.count <= 20 && m.room <= 20);
    }
    for (uint32_t n = 1; n <= 1000; n++) {
        struct id id = someone(n, 0).id;
        assert_int_equal(members_by_id(&m, -1, &id) != NULL, n == 1 || n > 1000 - 19);
    }
    members_fini(&m);
    members_init(&m, 0);
    assert_int_equal(put(&m, 1, 0, 1, 1, &conflict), ERR_FULL);
    members_fini(&m);
}

static void certificates_end(void **state)
{
    struct members m;
    bool conflict;
    (void)state;
    members_init(&m, 20);
    for (uint32_t n = 1; n <= 5; n++) assert_int_equal(put(&m, n, 0, n, n, &conflict), OK);
    m.list[2].is.expires_s = 500;
    assert_int_equal(members_expire(&m, 0), 0);
    assert_int_equal(members_expire(&m, 500 + CERT_TOLERANCE_S), 0);
    assert_int_equal(members_expire(&m, 501 + CERT_TOLERANCE_S), 1);
    assert_null(by_v4(&m, -1, 3));
    assert_int_equal(put(&m, 9, 0, 3, 9, &conflict), OK); /* its place and address are free */
    assert_false(conflict);
    assert_int_equal(m.count, 5);
    members_fini(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_up_is_known),     cmocka_unit_test(is_found_by_all_it_has),
        cmocka_unit_test(refused_by_its_slot),    cmocka_unit_test(an_old_answer),
        cmocka_unit_test(one_holder_an_address),  cmocka_unit_test(a_twin_is_refused),
        cmocka_unit_test(names_may_be_ambiguous), cmocka_unit_test(the_bound_holds),
        cmocka_unit_test(certificates_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
