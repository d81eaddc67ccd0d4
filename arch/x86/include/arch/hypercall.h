/* SPDX-License-Identifier: Apache-2.0 */
/* The instruction behind lib/hypercall.h (arch/x86/native/hypercall.S): VMCALL or VMMCALL. */
#ifndef ARCH_HYPERCALL_H
#define ARCH_HYPERCALL_H

#include <stdint.h>

/* x[0]: the function; x[0..3]: the results. */
void hypercall_invoke(uint64_t x[10]);
int64_t hypercall_invoke4(uint64_t function, uint64_t x1, uint64_t x2, uint64_t x3, uint64_t x4);

#endif
