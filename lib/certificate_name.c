// SPDX-License-Identifier: Apache-2.0
#include <lib/certificate_name.h>
#include <string.h>

/* DER (X.690), as far as RFC 5280 needs it up to the subject. */
#define DER_OBJECT 0x06u
#define DER_SEQUENCE 0x30u
#define DER_SET 0x31u
#define DER_VERSION 0xa0u
#define LONG_LENGTH 0x80u
#define BEFORE_SUBJECT 4u /* serial number, algorithm, issuer, validity */

struct bytes {
    const uint8_t *at;
    uint32_t left;
};

/* The next element, which is taken off `from`; its tag, 0: there is none that is whole. */
static uint32_t take(struct bytes *from, struct bytes *content)
{
    uint32_t head = 2, length, tag, more;

    if (from->left < head)
        return 0;
    tag = from->at[0];
    length = from->at[1];
    if (length >= LONG_LENGTH) {
        more = length - LONG_LENGTH;
        if (more > 3 || from->left - head < more)
            return 0;
        for (length = 0; more > 0; more--)
            length = length << 8 | from->at[head++];
    }
    if (length > from->left - head)
        return 0;
    *content = (struct bytes){from->at + head, length};
    from->at += head + length;
    from->left -= head + length;
    return tag;
}

static bool enter(struct bytes *from, uint32_t tag)
{
    struct bytes content;

    if (take(from, &content) != tag)
        return false;
    *from = content;
    return true;
}

/* AttributeTypeAndValue: whether it is a common name, which is copied. */
static bool copy_name(struct bytes attribute, char *text, uint32_t room)
{
    static const uint8_t common_name[] = {0x55, 0x04, 0x03};
    struct bytes type, value;

    if (take(&attribute, &type) != DER_OBJECT || type.left != sizeof common_name ||
        memcmp(type.at, common_name, sizeof common_name) != 0 || take(&attribute, &value) == 0)
        return false;
    for (uint32_t i = 0; i < value.left && i + 1 < room; i++) {
        text[i] = (char)(value.at[i] >= 0x20 && value.at[i] < 0x7f ? value.at[i] : '?');
        text[i + 1] = 0;
    }
    return text[0] != 0;
}

bool certificate_name(const uint8_t *der, uint32_t length, char *text, uint32_t room)
{
    struct bytes at = {der, length}, behind, skipped, set;

    text[0] = 0;
    if (!enter(&at, DER_SEQUENCE) || !enter(&at, DER_SEQUENCE))
        return false;
    behind = at;
    if (take(&behind, &skipped) == DER_VERSION)
        at = behind;
    for (uint32_t i = 0; i < BEFORE_SUBJECT; i++)
        if (take(&at, &skipped) == 0)
            return false;
    if (!enter(&at, DER_SEQUENCE))
        return false;
    while (take(&at, &set) == DER_SET)
        if (enter(&set, DER_SEQUENCE) && copy_name(set, text, room))
            return true;
    return false;
}
