/* SPDX-License-Identifier: Apache-2.0 */
/*
 * What a certificate is called, for people. mbedTLS' ASN.1 reader alone walks to the subject (RFC 5280, 4.1): no key,
 * signature or extension is looked at, so certificates of algorithms that net/mbedtls_config.h leaves out (SHA-1, say)
 * have their name too, and nothing is allocated, whatever the firmware's variables hold.
 */
#ifndef MGMT_CERTIFICATE_NAME_H
#define MGMT_CERTIFICATE_NAME_H

#include <stdbool.h>
#include <stdint.h>

/* The subject's first common name of an X.509 certificate in DER (der[0..length)), in printable ASCII ('?' for other
 * bytes), cut to `room` bytes with its end; room > 0. False: it has none that can be found; `text` is empty. Time
 * grows with `length` only. */
bool certificate_name(const uint8_t *der, uint32_t length, char *text, uint32_t room);

#endif
