/* SPDX-License-Identifier: Apache-2.0 */
/* Bulk work on memory: scrubbing, and cleaning to the point of coherency. Uses the sizes that the CPU has. */

    .text
/* memory_scrub(address, size): both multiples of 4096. DC ZVA, unless the CPU forbids it, and clean. */
    .globl memory_scrub
memory_scrub:
    mrs x2, dczid_el0
    mrs x3, ctr_el0
    ubfx x3, x3, #16, #4
    lsl x3, x3, #8
    orr x2, x2, x3
    add x3, x0, x1
    mov x5, #64
    cmp x2, #0x404 /* 64 bytes are zeroed and cleaned at a time */
    b.eq 1f
    cmp x2, #0x407 /* 512 are zeroed, 64 cleaned */
    b.eq 2f
    mov x4, x0
    b 3f

1:  .rept 16
    dc zva, x0
    dc cvac, x0
    add x0, x0, x5
    .endr
    cmp x0, x3
    b.lo 1b
    dsb sy
    ret

2:  .rept 2
    dc zva, x0
    .rept 8
    dc cvac, x0
    add x0, x0, x5
    .endr
    .endr
    cmp x0, x3
    b.lo 2b
    dsb sy
    ret

3:  stp xzr, xzr, [x4]
    stp xzr, xzr, [x4, #16]
    stp xzr, xzr, [x4, #32]
    stp xzr, xzr, [x4, #48]
    add x4, x4, #64
    cmp x4, x3
    b.lo 3b
    b cache_clean

/* memory_copy(to, from, size), and clean. */
    .globl memory_copy
memory_copy:
    mov x3, x0
    mov x4, x2
1:  cmp x4, #128
    b.lo 2f
    ldp q0, q1, [x1]
    ldp q2, q3, [x1, #32]
    ldp q4, q5, [x1, #64]
    ldp q6, q7, [x1, #96]
    stp q0, q1, [x3]
    stp q2, q3, [x3, #32]
    stp q4, q5, [x3, #64]
    stp q6, q7, [x3, #96]
    add x1, x1, #128
    add x3, x3, #128
    sub x4, x4, #128
    b 1b
2:  cbz x4, 3f
    ldrb w5, [x1], #1
    strb w5, [x3], #1
    sub x4, x4, #1
    b 2b
3:  mov x1, x2 /* and on into cache_clean() */

/* cache_clean(address, size): what was written is seen by CPUs whose caches are off. */
    .globl cache_clean
cache_clean:
    mrs x2, ctr_el0
    ubfx x2, x2, #16, #4
    mov x3, #4
    lsl x3, x3, x2
    sub x2, x3, #1
    add x1, x0, x1
    bic x0, x0, x2
2:  dc cvac, x0
    add x0, x0, x3
    cmp x0, x1
    b.lo 2b
    dsb sy
    ret

/* fp_reset(): no FP or SIMD state of a former run is left. */
    .globl fp_reset
fp_reset:
    .irp n, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31
    movi v\n\().2d, #0
    .endr
    msr fpcr, xzr
    msr fpsr, xzr
    ret
