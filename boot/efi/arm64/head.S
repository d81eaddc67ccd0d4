/* SPDX-License-Identifier: Apache-2.0 */
/* The loader's headers, and its way out. */
#define PE_MACHINE 0xaa64 /* arm64 */
#include <boot/efi/pe_headers.S>

/* void leave(uint64_t kernel, uint64_t tree): MMU and caches of EL2 off, then the kernel's entry as Linux's boot
 * protocol has it. Memory that is read from here on with caches off is clean: the kernel, the tree and these lines. */
    .section .text.leave, "ax"
    .globl leave, leave_end
    .balign 64
leave:
    msr daifset, #0xf
    mov x4, x0
    mov x0, x1
    mrs x5, sctlr_el2
    bic x5, x5, #1 << 0  /* M */
    bic x5, x5, #1 << 2  /* C */
    bic x5, x5, #1 << 12 /* I */
    msr sctlr_el2, x5
    isb
    tlbi alle2
    ic iallu
    dsb sy
    isb
    mov x1, #0
    mov x2, #0
    mov x3, #0
    br x4
leave_end:
