// SPDX-License-Identifier: Apache-2.0
/* Addresses from the state store (issue 5, point 7). */
#include <net/address.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
// clang-format off
#include <cmocka.h>
// clang-format on

static struct net_address result;

/* In memory of its own, that ends with it. */
static bool parse(const char *text)
{
    size_t length = strlen(text);
    char *copy = malloc(length + (length == 0));
    bool good;

    memcpy(copy, text, length);
    good = net_address_parse(copy, length, &result);
    free(copy);
    return good;
}

static void test_addresses(void **state)
{
    (void)state;
    assert_true(parse("dhcp") && result.dhcp);
    assert_true(parse("10.1.2.3/24"));
    assert_true(!result.dhcp && result.address == 0x0a010203 && result.netmask == 0xffffff00 && result.gateway == 0);
    assert_true(parse("192.168.1.130/25 192.168.1.129"));
    assert_true(result.gateway == 0xc0a80181 && result.netmask == 0xffffff80);
    assert_true(parse("10.0.0.0/31 10.0.0.1") && parse("10.0.0.1/32") && parse("223.255.255.254/1"));
}

static void test_what_is_none(void **state)
{
    static const char *const bad[] = {
        "",
        "dhcp ",
        "DHCP",
        "10.0.0.1",
        "10.0.0.1/",
        "10.0.0.1/0",
        "10.0.0.1/33",
        "10.0.0.1/024 ",
        "10.0.0/24",
        "10.0.0.1.2/24",
        "10.0.0.256/24",
        "10.0.0.0001/24",
        "10.0.0.0/24",
        "10.0.0.255/24",
        "0.0.0.1/24",
        "127.0.0.1/8",
        "224.0.0.1/24",
        "10.0.0.1/24 ",
        "10.0.0.1/24 10.0.1.1",
        "10.0.0.1/24 10.0.0.1",
        "10.0.0.1/24 10.0.0.255",
        "10.0.0.1/24 10.0.0.2 ",
        "10.0.0.1/24  10.0.0.2",
        " 10.0.0.1/24",
        "10..0.1/24",
        "10.0.0.-1/24",
        "10.0.0.1/24\n",
    };

    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (parse(bad[i]))
            fail_msg("'%s'", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_addresses), cmocka_unit_test(test_what_is_none)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
