// SPDX-License-Identifier: Apache-2.0
#include "tests/guests/start_state.h"

#define PAGE 4096ull
#define RDI 7
#define RSI 6
#define DESCRIPTION_BYTES 0x10000ull /* device tree, segments and page tables, at the end of memory */
#define RESET_VECTOR 0xffff0ull      /* where a PC's reset leads: the kernel has put a few instructions there */
#define XCR0_X87 1
#define PAT_RESET 0x0007040600070406ull
#define MSR_PAT 0x277
#define MSR_SPEC_CTRL 0x48
#define MSR_TSC_AUX 0xc0000103
#define CPUID_XSAVE_ON (1u << 27) /* 1 ecx: CR4.OSXSAVE */
#define CPUID_XSAVE (1u << 26)
#define CPUID_SPEC_CTRL (1u << 26) /* 7 edx */
#define CPUID_RDTSCP (1u << 27)    /* 80000001 edx */
#define CR4_OSXSAVE (1ull << 18)
#define CR0_AT_ENTRY 0x80000001ull   /* PG, PE */
#define CR0_CACHES_OFF 0x60000000ull /* CD, NW */

struct guest_memory entry_description(void)
{
    uint64_t base = guest_initial.general[RDI] & ~(DESCRIPTION_BYTES - 1);

    return (struct guest_memory){base, DESCRIPTION_BYTES};
}

/* SYSENTER's and SYSCALL's registers, FS, GS and KERNEL_GS base. */
static const uint32_t bases[] = {0x174,      0x175,      0x176,      0xc0000081, 0xc0000082,
                                 0xc0000083, 0xc0000084, 0xc0000100, 0xc0000101, 0xc0000102};

static uint64_t debug_registers(void)
{
    uint64_t a, b, c, d;

    __asm__ volatile("mov %%dr0, %0\n\tmov %%dr1, %1\n\tmov %%dr2, %2\n\tmov %%dr3, %3"
                     : "=r"(a), "=r"(b), "=r"(c), "=r"(d));
    return a | b | c | d;
}

/* Those that no entry code could have saved. */
static void live_registers(void)
{
    uint64_t sum = 0, dr6, dr7, cr2;
    uint32_t low, high;

    for (unsigned i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
        sum |= msr_read(bases[i]);
    check(sum == 0, "registers of system calls, FS and GS are zero (%lx)", sum);
    if (cpuid(0x80000001, 0).edx & CPUID_RDTSCP)
        check(msr_read(MSR_TSC_AUX) == 0, "TSC_AUX is zero");
    if (cpuid(7, 0).edx & CPUID_SPEC_CTRL)
        check(msr_read(MSR_SPEC_CTRL) == 0, "SPEC_CTRL is zero");
    check(msr_read(MSR_PAT) == PAT_RESET, "PAT is as after a reset (%lx)", msr_read(MSR_PAT));
    __asm__ volatile("mov %%dr6, %0\n\tmov %%dr7, %1\n\tmov %%cr2, %2" : "=r"(dr6), "=r"(dr7), "=r"(cr2));
    check(debug_registers() == 0 && dr6 == 0xffff0ff0 && dr7 == 0x400,
          "debug registers are as after a reset (%lx, %lx)", dr6, dr7);
    check(cr2 == 0, "CR2 is zero (%lx)", cr2);
    if (cpuid(1, 0).ecx & CPUID_XSAVE_ON) {
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
        check(low == XCR0_X87 && high == 0, "XCR0 is as after a reset (%x)", (unsigned)low);
    }
}

static void live_registers_fill(uint64_t pattern)
{
    uint64_t address = pattern & 0x7fffffffffff, cr4;
    uint32_t state;

    for (unsigned i = 0; i < sizeof(bases) / sizeof(bases[0]); i++)
        msr_write(bases[i], bases[i] == 0x174 ? 8 : bases[i] == 0xc0000084 ? address >> 32 : address);
    if (cpuid(0x80000001, 0).edx & CPUID_RDTSCP)
        msr_write(MSR_TSC_AUX, (uint32_t)pattern);
    msr_write(MSR_PAT, 0x0606060606060606);
    __asm__ volatile(
        "mov %0, %%dr0\n\tmov %0, %%dr1\n\tmov %0, %%dr2\n\tmov %0, %%dr3\n\tmov %0, %%cr2" ::"r"(address));
    if (!(cpuid(1, 0).ecx & CPUID_XSAVE))
        return;
    __asm__ volatile("mov %%cr4, %0" : "=r"(cr4));
    __asm__ volatile("mov %0, %%cr4" ::"r"(cr4 | CR4_OSXSAVE));
    state = cpuid(0xd, 0).eax & 7;
    __asm__ volatile("xsetbv" ::"a"(state), "d"(0), "c"(0));
    if (state == 7) /* the upper halves too */
        __asm__ volatile("vmovq %0, %%xmm1\n\tvinsertf128 $1, %%xmm1, %%ymm1, %%ymm9" ::"r"(pattern));
}

void entry_registers(void)
{
    uint64_t general = 0, simd = 0;

    for (int i = 0; i < 16; i++)
        general |= i == RDI || i == RSI ? 0 : guest_initial.general[i];
    for (int i = 0; i < 16; i++)
        simd |= guest_initial.xmm[i][0] | guest_initial.xmm[i][1];
    for (volatile uint64_t *word = (uint64_t *)RESET_VECTOR; word < (uint64_t *)(RESET_VECTOR + 16); word++)
        *word = 0;
    check(guest_initial.general[RDI] != 0, "rdi is the device tree");
    check(guest_initial.general[RSI] == 0 || guest_initial.general[RSI] == guest_initial.general[RDI],
          "rsi is zero, or the same");
    check(general == 0, "all other general registers are zero");
    check(simd == 0, "xmm0..xmm15 are zero");
    check(guest_initial.mxcsr == 0x1f80, "MXCSR is as after a reset (%lx)", guest_initial.mxcsr);
    check((guest_initial.rflags & ~2ull) == 0, "RFLAGS are zero: interrupts are masked (%lx)", guest_initial.rflags);
    check((guest_initial.cr0 & (CR0_AT_ENTRY | CR0_CACHES_OFF)) == CR0_AT_ENTRY, "paging and caches are on (CR0 %lx)",
          guest_initial.cr0);
    check((guest_initial.efer & 0x500) == 0x500, "64-bit mode (EFER %lx)", guest_initial.efer);
    live_registers();
    check(msr_read(MSR_TSC_DEADLINE) == 0, "the timer is off");
    check((msr_read(MSR_X2APIC_SPURIOUS) & 0x100) == 0, "the local APIC is off");
}

void entry_fill(uint64_t pattern)
{
    live_registers_fill(pattern);
    __asm__ volatile(
        "movq %0, %%xmm0\n\tmovq %0, %%xmm7\n\tmovq %0, %%xmm15\n\tmov %0, %%r12\n\tmov %0, %%r15" ::"r"(pattern)
        : "xmm0", "xmm7", "xmm15", "r12", "r15");
}
