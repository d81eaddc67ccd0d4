/* SPDX-License-Identifier: Apache-2.0 */
#include <net/checksum.h>
#include <string.h>

static uint32_t fold(uint64_t sum)
{
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 32) + (sum & 0xffffffff);
    sum = (sum >> 16) + (sum & 0xffff);
    sum = (sum >> 16) + (sum & 0xffff);
    return (uint32_t)sum;
}

void checksum_add(struct checksum *checksum, const void *data, size_t length)
{
    const uint8_t *bytes = data;
    uint64_t sum = 0;
    uint32_t part;

    /* Words of 32 bits in a sum of 64 cannot overflow below 16 GiB. */
    for (; length >= 16; length -= 16, bytes += 16) {
        uint64_t low, high;

        memcpy(&low, bytes, 8);
        memcpy(&high, bytes + 8, 8);
        sum += (low & 0xffffffff) + (low >> 32) + (high & 0xffffffff) + (high >> 32);
    }
    for (; length >= 2; length -= 2, bytes += 2) {
        uint16_t word;

        memcpy(&word, bytes, 2);
        sum += word;
    }
    if (length)
        sum += bytes[0]; /* little-endian: padded with a zero byte behind it */
    part = fold(sum);
    if (checksum->odd)
        part = __builtin_bswap16((uint16_t)part);
    checksum->sum = fold((uint64_t)checksum->sum + part);
    /* `bytes` moved in even steps, so what is left over says whether the length was odd. */
    checksum->odd ^= length;
}

uint16_t checksum_finish(const struct checksum *checksum)
{
    return (uint16_t)~checksum->sum;
}
