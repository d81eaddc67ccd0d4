/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry of a native domain: EL1, MMU and caches off, x0 = device tree, one CPU. The loader has written the image to
 * memory and cleaned it to the point of coherency.
 */
#include "frame.h"

#define R_AARCH64_RELATIVE 1027

    .section .text.start, "ax"
    .globl start
start:
    msr daifset, #0xf
    mov x19, x0
    mov x0, #(3 << 20) // FP and SIMD
    msr cpacr_el1, x0
    msr spsel, #1
    isb

    // The image is linked at 0, so its address is what relocations add.
    adrp x20, image_start
    add x20, x20, :lo12:image_start
    adrp x1, rela_start
    add x1, x1, :lo12:rela_start
    adrp x2, rela_end
    add x2, x2, :lo12:rela_end
1:  cmp x1, x2
    b.hs 3f
    ldp x3, x4, [x1], #16
    ldr x5, [x1], #8
    cmp x4, #R_AARCH64_RELATIVE
    b.ne 2f
    add x5, x5, x20
    str x5, [x20, x3]
    b 1b
2:  wfi // a relocation that `-z text` static PIEs do not have
    b 2b

3:  adrp x1, bss_start
    add x1, x1, :lo12:bss_start
    adrp x2, bss_end
    add x2, x2, :lo12:bss_end
4:  stp xzr, xzr, [x1], #16
    cmp x1, x2
    b.lo 4b

    // What the caches may still hold of the image from before is older than what was just written around them.
    mrs x3, ctr_el0
    ubfx x3, x3, #16, #4
    mov x4, #4
    lsl x4, x4, x3
    mov x1, x20
5:  dc ivac, x1
    add x1, x1, x4
    cmp x1, x2
    b.lo 5b
    dsb sy

    adrp x1, stack_top
    add x1, x1, :lo12:stack_top
    mov sp, x1
    adrp x1, crash_stack_top
    add x1, x1, :lo12:crash_stack_top
    msr sp_el0, x1
    adrp x1, vectors
    add x1, x1, :lo12:vectors
    msr vbar_el1, x1
    mov x29, xzr
    mov x30, xzr
    mov x0, x19
    bl mmu_start
    mov x0, x19
    bl native_start // does not return

    .bss
    .balign 4096
    .globl stack_guard, crash_stack_guard, crash_stack_top
    .hidden crash_stack_top
stack_guard:
    .space GUARD_SIZE
    .space STACK_SIZE
stack_top:
crash_stack_guard:
    .space GUARD_SIZE
    .space CRASH_STACK_SIZE
crash_stack_top:
