/* SPDX-License-Identifier: Apache-2.0 */
/* The ID registers as guests see them: what the kernel does not handle is hidden. */
#ifndef ARCH_ID_H
#define ARCH_ID_H

#include <stdint.h>

/* Any CPU, from the trap of HCR_EL2.TID3: S3_0_C0_C<crm>_<op2>, crm 1..7, op2 0..7. What is unknown reads 0, as the
 * architecture's reserved ID registers do. */
uint64_t id_register(unsigned crm, unsigned op2);

#endif
