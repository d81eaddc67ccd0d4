/* SPDX-License-Identifier: Apache-2.0 */
#include <lib/utf8.h>

/* Bytes that a lead byte asks for, and the range of the second one (the others are 0x80..0xbf). 0: no lead byte. */
static unsigned expected(uint8_t lead, uint8_t *low, uint8_t *high)
{
    *low = 0x80;
    *high = 0xbf;
    if (lead < 0x80)
        return 1;
    if (lead >= 0xc2 && lead <= 0xdf)
        return 2;
    if (lead >= 0xe0 && lead <= 0xef) {
        if (lead == 0xe0)
            *low = 0xa0; /* no overlong forms */
        if (lead == 0xed)
            *high = 0x9f; /* no surrogates */
        return 3;
    }
    if (lead >= 0xf0 && lead <= 0xf4) {
        if (lead == 0xf0)
            *low = 0x90;
        if (lead == 0xf4)
            *high = 0x8f; /* up to U+10FFFF */
        return 4;
    }
    return 0;
}

/* How many of the first `length` bytes are right for the character that the first one begins; *whole: its length. */
static unsigned matching(const uint8_t *bytes, size_t length, unsigned *whole)
{
    uint8_t low, high;
    unsigned wanted, n;

    *whole = 0;
    if (length == 0)
        return 0;
    wanted = expected(bytes[0], &low, &high);
    *whole = wanted;
    if (wanted == 0)
        return 0;
    for (n = 1; n < wanted && n < length; n++) {
        if (bytes[n] < (n == 1 ? low : 0x80) || bytes[n] > (n == 1 ? high : 0xbf))
            break;
    }
    return n;
}

unsigned utf8_length(const void *text, size_t length)
{
    unsigned whole;

    return matching(text, length, &whole) == whole ? whole : 0;
}

int utf8_incomplete(const void *text, size_t length)
{
    unsigned whole;
    unsigned right = matching(text, length, &whole);

    return right == length && right < whole;
}

uint32_t utf8_decode(const void *text)
{
    const uint8_t *b = text;

    if (b[0] < 0x80)
        return b[0];
    if (b[0] < 0xe0)
        return (b[0] & 0x1fu) << 6 | (b[1] & 0x3fu);
    if (b[0] < 0xf0)
        return (b[0] & 0xfu) << 12 | (b[1] & 0x3fu) << 6 | (b[2] & 0x3fu);
    return (b[0] & 7u) << 18 | (b[1] & 0x3fu) << 12 | (b[2] & 0x3fu) << 6 | (b[3] & 0x3fu);
}

unsigned utf8_columns(uint32_t c)
{
    static const struct {
        uint32_t first, last;
    } combining[] = {{0x0300, 0x036f}, {0x0483, 0x0489}, {0x0591, 0x05bd}, {0x064b, 0x065f}, {0x1ab0, 0x1aff},
                     {0x1dc0, 0x1dff}, {0x200b, 0x200f}, {0x20d0, 0x20ff}, {0xfe00, 0xfe0f}, {0xfe20, 0xfe2f}},
      wide[] = {{0x1100, 0x115f}, {0x2e80, 0x303e}, {0x3041, 0xa4cf},   {0xac00, 0xd7a3},   {0xf900, 0xfaff},
                {0xfe30, 0xfe6f}, {0xff00, 0xff60}, {0x1f300, 0x1f64f}, {0x1f900, 0x1f9ff}, {0x20000, 0x3fffd}};
    unsigned i;

    for (i = 0; i < sizeof combining / sizeof combining[0]; i++) {
        if (c >= combining[i].first && c <= combining[i].last)
            return 0;
    }
    for (i = 0; i < sizeof wide / sizeof wide[0]; i++) {
        if (c >= wide[i].first && c <= wide[i].last)
            return 2;
    }
    return 1;
}

unsigned utf8_text_columns(const char *text, size_t length)
{
    unsigned columns = 0;
    size_t at = 0;

    while (at < length) {
        unsigned n = utf8_length(text + at, length - at);

        if (n == 0) {
            n = 1;
            columns++;
        } else {
            columns += utf8_columns(utf8_decode(text + at));
        }
        at += n;
    }
    return columns;
}
