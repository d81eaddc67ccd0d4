/* SPDX-License-Identifier: Apache-2.0 */
/* The CPU's instructions that C has no words for. */
#ifndef ARCH_CPU_H
#define ARCH_CPU_H

#include <stdint.h>

static inline uint64_t msr_read(uint32_t msr)
{
    uint32_t low, high;

    __asm__ volatile("rdmsr" : "=a"(low), "=d"(high) : "c"(msr));
    return (uint64_t)high << 32 | low;
}
static inline void msr_write(uint32_t msr, uint64_t value)
{
    __asm__ volatile("wrmsr" ::"c"(msr), "a"((uint32_t)value), "d"((uint32_t)(value >> 32)) : "memory");
}

struct cpuid {
    uint32_t eax, ebx, ecx, edx;
};
static inline struct cpuid cpuid(uint32_t leaf, uint32_t subleaf)
{
    struct cpuid r;

    __asm__ volatile("cpuid" : "=a"(r.eax), "=b"(r.ebx), "=c"(r.ecx), "=d"(r.edx) : "a"(leaf), "c"(subleaf));
    return r;
}

static inline uint8_t port_read8(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("in %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}
static inline void port_write8(uint16_t port, uint8_t value)
{
    __asm__ volatile("out %0, %1" ::"a"(value), "Nd"(port) : "memory");
}
static inline void port_write16(uint16_t port, uint16_t value)
{
    __asm__ volatile("out %0, %1" ::"a"(value), "Nd"(port) : "memory");
}

/* high:low / divisor, where high < divisor. */
static inline uint64_t divide128(uint64_t high, uint64_t low, uint64_t divisor)
{
    __asm__("divq %2" : "+a"(low), "+d"(high) : "r"(divisor) : "cc");
    return low;
}

/* value * times / by, which fits. */
static inline uint64_t ratio(uint64_t value, uint64_t times, uint64_t by)
{
    unsigned __int128 product = (unsigned __int128)value * times;

    return divide128((uint64_t)(product >> 64), (uint64_t)product, by);
}

#define control_read(name)                                                                                             \
    ({                                                                                                                 \
        uint64_t value_;                                                                                               \
        __asm__ volatile("mov %%" #name ", %0" : "=r"(value_));                                                        \
        value_;                                                                                                        \
    })
#define control_write(name, value) __asm__ volatile("mov %0, %%" #name ::"r"((uint64_t)(value)) : "memory")

#define CR0_PE (1ull << 0)
#define CR0_MP (1ull << 1)
#define CR0_EM (1ull << 2)
#define CR0_ET (1ull << 4)
#define CR0_NE (1ull << 5)
#define CR0_WP (1ull << 16)
#define CR0_NW (1ull << 29)
#define CR0_CD (1ull << 30)
#define CR0_PG (1ull << 31)
#define CR4_VME (1ull << 0)
#define CR4_PVI (1ull << 1)
#define CR4_TSD (1ull << 2)
#define CR4_DE (1ull << 3)
#define CR4_PSE (1ull << 4)
#define CR4_PAE (1ull << 5)
#define CR4_MCE (1ull << 6)
#define CR4_PGE (1ull << 7)
#define CR4_PCE (1ull << 8)
#define CR4_OSFXSR (1ull << 9)
#define CR4_OSXMMEXCPT (1ull << 10)
#define CR4_UMIP (1ull << 11)
#define CR4_LA57 (1ull << 12)
#define CR4_VMXE (1ull << 13)
#define CR4_FSGSBASE (1ull << 16)
#define CR4_PCIDE (1ull << 17)
#define CR4_OSXSAVE (1ull << 18)
#define CR4_SMEP (1ull << 20)
#define CR4_SMAP (1ull << 21)

#define DR6_RESET 0xffff0ff0u
#define DR7_RESET 0x400u
#define RFLAGS_ONE (1ull << 1)
#define RFLAGS_TF (1ull << 8)
#define RFLAGS_IF (1ull << 9)

#define MSR_TSC 0x10u
#define MSR_APIC_BASE 0x1bu
#define MSR_SYSENTER_CS 0x174u
#define MSR_SYSENTER_ESP 0x175u
#define MSR_SYSENTER_EIP 0x176u
#define MSR_DEBUGCTL 0x1d9u
#define MSR_PAT 0x277u
#define MSR_TSC_DEADLINE 0x6e0u
#define MSR_STAR 0xc0000081u
#define MSR_LSTAR 0xc0000082u
#define MSR_CSTAR 0xc0000083u
#define MSR_SFMASK 0xc0000084u
#define MSR_FS_BASE 0xc0000100u
#define MSR_GS_BASE 0xc0000101u
#define MSR_KERNEL_GS_BASE 0xc0000102u
#define MSR_TSC_AUX 0xc0000103u
#define PAT_RESET 0x0007040600070406ull

#define MSR_EFER 0xc0000080u
#define EFER_SCE (1ull << 0)
#define EFER_LME (1ull << 8)
#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)
#define EFER_SVME (1ull << 12)

#endif
