// SPDX-License-Identifier: Apache-2.0
/* No domain has PCI functions that could send any. */
#include <arch/message.h>

void message_interrupt(uint32_t number)
{
    (void)number;
}
