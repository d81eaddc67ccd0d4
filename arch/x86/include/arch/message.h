/* SPDX-License-Identifier: Apache-2.0 */
/* Messages of a domain's PCI functions (core/message.h), each with a vector of its own on the domain's CPUs. */
#ifndef ARCH_MESSAGE_H
#define ARCH_MESSAGE_H

#include <stdint.h>

/* Own CPU: physical vector VECTOR_MESSAGES + `number` has come. */
void message_interrupt(uint32_t number);

#endif
