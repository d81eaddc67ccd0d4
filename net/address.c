// SPDX-License-Identifier: Apache-2.0
#include <net/address.h>
#include <string.h>

/* The decimal number at `*text`, of at most three digits and at most `most`; moves behind it. */
static bool get_number(const char **text, const char *end, uint32_t most, uint32_t *number)
{
    const char *from = *text;

    *number = 0;
    while (*text < end && *text - from < 3 && **text >= '0' && **text <= '9')
        *number = *number * 10 + (uint32_t)(*(*text)++ - '0');
    return *text > from && *number <= most;
}

static bool get_byte(const char **text, const char *end, char byte)
{
    bool there = *text < end && **text == byte;

    *text += there;
    return there;
}

static bool get_address(const char **text, const char *end, uint32_t *address)
{
    uint32_t number;

    *address = 0;
    for (uint32_t i = 0; i < 4; i++) {
        if ((i > 0 && !get_byte(text, end, '.')) || !get_number(text, end, 255, &number))
            return false;
        *address = *address << 8 | number;
    }
    return true;
}

/* Neither the network's own nor the broadcast address, and one that an interface may have. */
static bool is_host(uint32_t address, uint32_t netmask)
{
    uint32_t host = address & ~netmask, first = address >> 24;

    return first != 0 && first != 127 && first < 224 && (~netmask < 2 || (host != 0 && host != ~netmask));
}

bool net_address_parse(const char *text, size_t length, struct net_address *result)
{
    const char *end = text + length;
    uint32_t bits;

    *result = (struct net_address){.dhcp = length == 4 && memcmp(text, "dhcp", 4) == 0};
    if (result->dhcp)
        return true;
    if (!get_address(&text, end, &result->address) || !get_byte(&text, end, '/') ||
        !get_number(&text, end, 32, &bits) || bits == 0)
        return false;
    result->netmask = UINT32_MAX << (32 - bits);
    if (!is_host(result->address, result->netmask))
        return false;
    if (text == end)
        return true;
    return get_byte(&text, end, ' ') && get_address(&text, end, &result->gateway) && text == end &&
           is_host(result->gateway, result->netmask) && result->gateway != result->address &&
           ((result->gateway ^ result->address) & result->netmask) == 0;
}
