// SPDX-License-Identifier: Apache-2.0
/* Which of the two kinds of CPU this is. */
#include "vendor.h"

#include <arch/boot.h>
#include <arch/cpu.h>
#include <core/log.h>

#define CPUID_VMX (1u << 5) /* 1 ecx */

const struct vendor *vendor;

void vendor_choose(void)
{
    const char *missing;

    vendor = cpuid(1, 0).ecx & CPUID_VMX ? &vmx : &svm;
    missing = vendor->probe();
    if (missing != NULL)
        boot_refuse(missing);
}
