// SPDX-License-Identifier: Apache-2.0
#include "tests/guests/start_state.h"

#define PAGE 4096ull
#define RDI 7
#define RSI 6
#define DESCRIPTION_BYTES 0x10000ull /* device tree, segments and page tables, at the end of memory */
#define RESET_VECTOR 0xffff0ull      /* where a PC's reset leads: the kernel has put a few instructions there */
#define CR0_AT_ENTRY 0x80000001ull   /* PG, PE */
#define CR0_CACHES_OFF 0x60000000ull /* CD, NW */

struct guest_memory entry_description(void)
{
    uint64_t base = guest_initial.general[RDI] & ~(DESCRIPTION_BYTES - 1);

    return (struct guest_memory){base, DESCRIPTION_BYTES};
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
    check(msr_read(MSR_TSC_DEADLINE) == 0, "the timer is off");
    check((msr_read(MSR_X2APIC_SPURIOUS) & 0x100) == 0, "the local APIC is off");
}

void entry_fill(uint64_t pattern)
{
    __asm__ volatile("movq %0, %%xmm0\n\tmovq %0, %%xmm7\n\tmovq %0, %%xmm15\n\tmov %0, %%r12\n\tmov %0, %%r15" ::"r"(
                         pattern)
                     : "xmm0", "xmm7", "xmm15", "r12", "r15");
}
