/* SPDX-License-Identifier: Apache-2.0 */
#include <net/feature_detection/sys/auxv.h>
#include <stdint.h>

unsigned long getauxval(unsigned long type)
{
    uint64_t isar0;

    if (type != AT_HWCAP)
        return 0;
    /* ID_AA64ISAR0_EL1: AES in bits 7:4, SHA2 in 15:12 (Arm DDI 0487, D19.2). */
    __asm__("mrs %0, id_aa64isar0_el1" : "=r"(isar0));
    return HWCAP_ASIMD | ((isar0 >> 4 & 15) != 0 ? HWCAP_AES : 0) | ((isar0 >> 12 & 15) != 0 ? HWCAP_SHA2 : 0);
}
