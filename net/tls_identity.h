/* SPDX-License-Identifier: Apache-2.0 */
/* Between net/tls_identity.c and net/tls.c: the configuration that all connections share. */
#ifndef NET_TLS_IDENTITY_H
#define NET_TLS_IDENTITY_H

#include <mbedtls/ssl.h>

/* Worker. NULL until an identity was loaded that is usable. It stays as it is from then on. */
const mbedtls_ssl_config *tls_identity_config(void);

/* Worker. A certificate's subject without what a terminal would take as control; cut to fit. */
void tls_subject_text(const mbedtls_x509_crt *certificate, char *text, size_t size);

#endif
