// SPDX-License-Identifier: Apache-2.0
#include <mbedtls/asn1.h>
#include <mbedtls/oid.h>
#include <mgmt/certificate_name.h>
#include <string.h>

#define SEQUENCE (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SEQUENCE)
#define SET (MBEDTLS_ASN1_CONSTRUCTED | MBEDTLS_ASN1_SET)
#define VERSION (MBEDTLS_ASN1_CONTEXT_SPECIFIC | MBEDTLS_ASN1_CONSTRUCTED)

/* DER that is left to be read; mbedTLS moves `at`, and never beyond `end`. */
struct bytes {
    unsigned char *at;
    const unsigned char *end;
};

/* The next element, which is taken off `from`, if it has this tag. */
static bool take(struct bytes *from, int tag, struct bytes *content)
{
    size_t length;

    if (mbedtls_asn1_get_tag(&from->at, from->end, &length, tag) != 0)
        return false;
    *content = (struct bytes){from->at, from->at + length};
    from->at += length;
    return true;
}

/* AttributeTypeAndValue: whether it is a common name, which is copied. */
static bool copy_name(struct bytes attribute, char *text, uint32_t room)
{
    struct bytes type, value;

    if (!take(&attribute, MBEDTLS_ASN1_OID, &type) || type.end - type.at != sizeof MBEDTLS_OID_AT_CN - 1 ||
        memcmp(type.at, MBEDTLS_OID_AT_CN, sizeof MBEDTLS_OID_AT_CN - 1) != 0 || attribute.at == attribute.end ||
        !take(&attribute, *attribute.at, &value)) /* any kind of string */
        return false;
    for (uint32_t i = 0; value.at < value.end && i + 1 < room; i++, value.at++) {
        text[i] = (char)(*value.at >= 0x20 && *value.at < 0x7f ? *value.at : '?');
        text[i + 1] = 0;
    }
    return text[0] != 0;
}

bool certificate_name(const uint8_t *der, uint32_t length, char *text, uint32_t room)
{
    /* What stands before the subject, behind the version: serial number, algorithm, issuer, validity. */
    static const int before[] = {MBEDTLS_ASN1_INTEGER, SEQUENCE, SEQUENCE, SEQUENCE};
    struct bytes all = {(unsigned char *)der, der + length}, certificate, signed_part, skipped, subject, set, attribute;

    text[0] = 0;
    if (!take(&all, SEQUENCE, &certificate) || !take(&certificate, SEQUENCE, &signed_part))
        return false;
    take(&signed_part, VERSION, &skipped); /* version 1 has none */
    for (uint32_t i = 0; i < sizeof before / sizeof *before; i++)
        if (!take(&signed_part, before[i], &skipped))
            return false;
    if (!take(&signed_part, SEQUENCE, &subject))
        return false;
    while (take(&subject, SET, &set))
        while (take(&set, SEQUENCE, &attribute))
            if (copy_name(attribute, text, room))
                return true;
    return false;
}
