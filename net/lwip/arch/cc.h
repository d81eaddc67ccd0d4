/* SPDX-License-Identifier: Apache-2.0 */
/* What lwIP asks about compiler and platform. */
#ifndef NET_LWIP_ARCH_CC_H
#define NET_LWIP_ARCH_CC_H

#include <limits.h>
#include <stdint.h>
#include <sys/types.h>

#ifndef SSIZE_MAX /* lwIP would take ssize_t to be missing as well */
#define SSIZE_MAX LONG_MAX
#endif
#define LWIP_NO_UNISTD_H 1

#define LWIP_TIMEVAL_PRIVATE 0

/* Stays in the product: a broken stack restarts, it does not go on. Returns where lwIP copes with what it asserts. */
void lwip_assertion(const char *message, const char *file, int line);
#define LWIP_PLATFORM_ASSERT(message) lwip_assertion(message, __FILE__, __LINE__)
#define LWIP_PLATFORM_DIAG(message) ((void)0)

uint32_t random_u32(void);
#define LWIP_RAND() random_u32()

#endif
