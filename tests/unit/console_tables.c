/* SPDX-License-Identifier: Apache-2.0 */
/* What tools/resolver would write for the appliance, filled at run time; so without the header, which says const. */
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

void console_tables_load(const char *certificate, const char *key, const char *ca);

unsigned char tls_server_certificate[8192], tls_server_key[8192], tls_client_ca[8192];
uint32_t tls_server_certificate_size, tls_server_key_size, tls_client_ca_size;
bool tls_development_certificates = true;
uint16_t console_tls_port = 992;
char hostname[] = "unit";

static uint32_t load(const char *path, unsigned char *bytes)
{
    FILE *file = path[0] != '\0' ? fopen(path, "rb") : NULL;

    if (file == NULL)
        return 1;
    size_t length = fread(bytes, 1, 8191, file);
    fclose(file);
    bytes[length] = '\0';
    return (uint32_t)length + 1;
}

void console_tables_load(const char *certificate, const char *key, const char *ca)
{
    tls_server_certificate_size = load(certificate, tls_server_certificate);
    tls_server_key_size = load(key, tls_server_key);
    tls_client_ca_size = load(ca, tls_client_ca);
}
