/* SPDX-License-Identifier: Apache-2.0 */
/* System registers by name, as the assembler knows them (or S3_... for those that it does not). */
#ifndef ARCH_SYSREG_H
#define ARCH_SYSREG_H

#include <stdint.h>

#define sysreg_read(name)                                                                                              \
    ({                                                                                                                 \
        uint64_t value_;                                                                                               \
        asm volatile("mrs %0, " #name : "=r"(value_));                                                                 \
        value_;                                                                                                        \
    })
#define sysreg_write(name, value) asm volatile("msr " #name ", %x0" ::"rZ"((uint64_t)(value)) : "memory")

/* `width` bits from bit `shift` on. */
static inline uint64_t field(uint64_t value, unsigned shift, unsigned width)
{
    return value >> shift & ((1ull << width) - 1);
}

/* HCR_EL2 (Arm ARM D19.2.48) */
#define HCR_VM (1ull << 0)
#define HCR_SWIO (1ull << 1)
#define HCR_FMO (1ull << 3)
#define HCR_IMO (1ull << 4)
#define HCR_AMO (1ull << 5)
#define HCR_TID3 (1ull << 18)
#define HCR_TSC (1ull << 19)
#define HCR_TIDCP (1ull << 20)
#define HCR_TACR (1ull << 21)
#define HCR_RW (1ull << 31)
#define HCR_TLOR (1ull << 35)
#define HCR_TERR (1ull << 36)
#define HCR_APK (1ull << 40)
#define HCR_API (1ull << 41)

/* SPSR_EL2 of a vCPU at its start: EL1h, D, A, I and F masked. */
#define SPSR_EL1H_MASKED 0x3c5ull

#endif
