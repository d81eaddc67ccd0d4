// SPDX-License-Identifier: Apache-2.0
/* A certificate of any bytes: its name is printable and ends within its room. */
#include <mgmt/certificate_name.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint32_t room = size > 0 ? 1 + data[0] % 64u : 1;
    uint8_t *der = malloc(size + 1);
    char *text = malloc(room);
    bool named;

    memcpy(der, data, size);
    der = realloc(der, size > 0 ? size : 1); /* nothing is read behind it */
    named = certificate_name(der, (uint32_t)size, text, room);
    if (strnlen(text, room) == room || named != (text[0] != 0))
        abort();
    for (const char *at = text; *at != 0; at++)
        if (*at < 0x20 || *at >= 0x7f)
            abort();
    free(text);
    free(der);
    return 0;
}
