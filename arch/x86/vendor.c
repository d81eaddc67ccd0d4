// SPDX-License-Identifier: Apache-2.0
/* Which of the two kinds of CPU this is. */
#include "vendor.h"

#include <arch/boot.h>
#include <arch/cpu.h>
#include <core/format.h>

#define CPUID_VMX (1u << 5) /* 1 ecx */
#define CPUID_SVM (1u << 2) /* 80000001 ecx */

const struct vendor *vendor;

void vendor_choose(void)
{
    const char *missing = "VMX and SVM";
    char why[96];

    vendor = cpuid(1, 0).ecx & CPUID_VMX ? &vmx : &svm;
    if (vendor == &vmx || (cpuid(0x80000001, 0).ecx & CPUID_SVM))
        missing = vendor->probe();
    if (!missing)
        return;
    format_print(why, sizeof(why), "the CPU has no %s", missing);
    boot_refuse(why);
}
