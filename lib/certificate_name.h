/* SPDX-License-Identifier: Apache-2.0 */
/* What a certificate is called, for people: nothing is checked of it but that it is read within its bytes. */
#ifndef LIB_CERTIFICATE_NAME_H
#define LIB_CERTIFICATE_NAME_H

#include <stdbool.h>
#include <stdint.h>

/* The subject's common name of an X.509 certificate in DER, in printable ASCII, cut to `room` bytes with its end.
 * False: it has none that can be found; `text` is empty. */
bool certificate_name(const uint8_t *der, uint32_t length, char *text, uint32_t room);

#endif
