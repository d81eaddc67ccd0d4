/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Entry and exception vectors of the bare-metal test guests. They do not use arch/arm64/native: a hostile guest wants
 * its exceptions for itself, and a test of the state at entry must see that state before anything else has run.
 */

#define CPUS 8
#define STACK_BYTES 16384

    .section .text.start, "ax"
    .globl start
start:
    // What the kernel left in the registers, before they are used (guest_initial of guest.h).
    msr tpidr_el1, x1
    adrp x1, guest_initial
    add x1, x1, :lo12:guest_initial
    str x0, [x1]
    stp x2, x3, [x1, #16]
    stp x4, x5, [x1, #32]
    stp x6, x7, [x1, #48]
    stp x8, x9, [x1, #64]
    stp x10, x11, [x1, #80]
    stp x12, x13, [x1, #96]
    stp x14, x15, [x1, #112]
    stp x16, x17, [x1, #128]
    stp x18, x19, [x1, #144]
    stp x20, x21, [x1, #160]
    stp x22, x23, [x1, #176]
    stp x24, x25, [x1, #192]
    stp x26, x27, [x1, #208]
    stp x28, x29, [x1, #224]
    mrs x0, tpidr_el1
    str x0, [x1, #8]
    mov x0, sp
    stp x30, x0, [x1, #240]
    mrs x0, currentel
    mrs x2, daif
    stp x0, x2, [x1, #256]
    mrs x0, sctlr_el1
    mrs x2, cntv_ctl_el0
    stp x0, x2, [x1, #272]
    mov x0, #(3 << 20)
    msr cpacr_el1, x0
    isb
    add x0, x1, #288
    stp q0, q1, [x0], #32
    stp q2, q3, [x0], #32
    stp q4, q5, [x0], #32
    stp q6, q7, [x0], #32
    stp q8, q9, [x0], #32
    stp q10, q11, [x0], #32
    stp q12, q13, [x0], #32
    stp q14, q15, [x0], #32
    stp q16, q17, [x0], #32
    stp q18, q19, [x0], #32
    stp q20, q21, [x0], #32
    stp q22, q23, [x0], #32
    stp q24, q25, [x0], #32
    stp q26, q27, [x0], #32
    stp q28, q29, [x0], #32
    stp q30, q31, [x0], #32

    adrp x1, bss_start
    add x1, x1, :lo12:bss_start
    adrp x2, bss_end
    add x2, x2, :lo12:bss_end
1:  stp xzr, xzr, [x1], #16
    cmp x1, x2
    b.lo 1b

    mov x0, #0
    bl cpu_setup
    adrp x1, guest_initial
    add x1, x1, :lo12:guest_initial
    ldr x0, [x1]
    b guest_start

    // PSCI CPU_ON enters here; x0: the CPU's index.
    .globl secondary_start
secondary_start:
    mov x1, #(3 << 20)
    msr cpacr_el1, x1
    bl cpu_setup
    mrs x0, tpidr_el1
    b guest_secondary

// x0: index of this CPU. MMU and caches on, stack, vectors. Returns with lr.
cpu_setup:
    msr daifset, #0xf
    msr spsel, #1
    msr tpidr_el1, x0
    adrp x1, stacks
    add x1, x1, :lo12:stacks
    add x0, x0, #1
    mov x2, #STACK_BYTES
    madd x1, x0, x2, x1
    mov sp, x1
    adrp x1, vectors
    add x1, x1, :lo12:vectors
    msr vbar_el1, x1
    adrp x1, guest_map
    add x1, x1, :lo12:guest_map
    msr ttbr0_el1, x1
    mov x1, #0x04ff // 0: write-back; 1: Device-nGnRE
    msr mair_el1, x1
    mrs x1, id_aa64mmfr0_el1
    and x1, x1, #7
    cmp x1, #5 // 48 bits: as far as this table's descriptors go
    mov x2, #5
    csel x1, x1, x2, lo
    lsl x1, x1, #32
    movz x2, #0x3519 // T0SZ 25, cached and inner shareable walks
    movk x2, #0x80, lsl #16 // EPD1
    orr x1, x1, x2
    msr tcr_el1, x1
    isb
    tlbi vmalle1
    ic iallu
    dsb sy
    isb
    movz x1, #0x1805 // I, RES1, C, M
    movk x1, #0x30d0, lsl #16
    msr sctlr_el1, x1
    isb
    ret

// Frame: x0..x30, ELR, SPSR, ESR, FAR (guest.h), then q0..q31, FPCR, FPSR.
#define FRAME_FP 288
#define FRAME_SIZE (FRAME_FP + 512 + 16)

.macro vector kind
    .balign 128
    sub sp, sp, #FRAME_SIZE
    stp x0, x1, [sp]
    mov x0, #\kind
    b exception
.endm

    .text
    .balign 2048
    .globl vectors
vectors:
    .rept 4
    vector 3 // with SP_EL0, which is never used
    .endr
    vector 0
    vector 1
    vector 3
    vector 2
    .rept 8
    vector 3
    .endr

exception:
    stp x2, x3, [sp, #16]
    stp x4, x5, [sp, #32]
    stp x6, x7, [sp, #48]
    stp x8, x9, [sp, #64]
    stp x10, x11, [sp, #80]
    stp x12, x13, [sp, #96]
    stp x14, x15, [sp, #112]
    stp x16, x17, [sp, #128]
    stp x18, x19, [sp, #144]
    stp x20, x21, [sp, #160]
    stp x22, x23, [sp, #176]
    stp x24, x25, [sp, #192]
    stp x26, x27, [sp, #208]
    stp x28, x29, [sp, #224]
    mrs x1, elr_el1
    stp x30, x1, [sp, #240]
    mrs x1, spsr_el1
    mrs x2, esr_el1
    stp x1, x2, [sp, #256]
    mrs x1, far_el1
    str x1, [sp, #272]
    add x1, sp, #FRAME_FP
    stp q0, q1, [x1], #32
    stp q2, q3, [x1], #32
    stp q4, q5, [x1], #32
    stp q6, q7, [x1], #32
    stp q8, q9, [x1], #32
    stp q10, q11, [x1], #32
    stp q12, q13, [x1], #32
    stp q14, q15, [x1], #32
    stp q16, q17, [x1], #32
    stp q18, q19, [x1], #32
    stp q20, q21, [x1], #32
    stp q22, q23, [x1], #32
    stp q24, q25, [x1], #32
    stp q26, q27, [x1], #32
    stp q28, q29, [x1], #32
    stp q30, q31, [x1], #32
    mrs x2, fpcr
    mrs x3, fpsr
    stp x2, x3, [x1]
    mov x1, sp
    bl guest_exception
    add x1, sp, #FRAME_FP
    ldp q0, q1, [x1], #32
    ldp q2, q3, [x1], #32
    ldp q4, q5, [x1], #32
    ldp q6, q7, [x1], #32
    ldp q8, q9, [x1], #32
    ldp q10, q11, [x1], #32
    ldp q12, q13, [x1], #32
    ldp q14, q15, [x1], #32
    ldp q16, q17, [x1], #32
    ldp q18, q19, [x1], #32
    ldp q20, q21, [x1], #32
    ldp q22, q23, [x1], #32
    ldp q24, q25, [x1], #32
    ldp q26, q27, [x1], #32
    ldp q28, q29, [x1], #32
    ldp q30, q31, [x1], #32
    ldp x2, x3, [x1]
    msr fpcr, x2
    msr fpsr, x3
    ldp x30, x1, [sp, #240]
    msr elr_el1, x1
    ldr x1, [sp, #256]
    msr spsr_el1, x1
    ldp x28, x29, [sp, #224]
    ldp x26, x27, [sp, #208]
    ldp x24, x25, [sp, #192]
    ldp x22, x23, [sp, #176]
    ldp x20, x21, [sp, #160]
    ldp x18, x19, [sp, #144]
    ldp x16, x17, [sp, #128]
    ldp x14, x15, [sp, #112]
    ldp x12, x13, [sp, #96]
    ldp x10, x11, [sp, #80]
    ldp x8, x9, [sp, #64]
    ldp x6, x7, [sp, #48]
    ldp x4, x5, [sp, #32]
    ldp x2, x3, [sp, #16]
    ldp x0, x1, [sp]
    add sp, sp, #FRAME_SIZE
    eret

// One table of 512 blocks of 1 GiB: address space one to one, with windows at the end (guest.h).
#define NORMAL 0x701 // block, attribute 0, inner shareable, accessed
#define DEVICE (0x405 | 1 << 54 | 1 << 53)
    .section .rodata
    .balign 4096
    .globl guest_map
guest_map:
    .quad DEVICE
    .set gib, 1
    .rept 507
    .quad gib << 30 | NORMAL
    .set gib, gib + 1
    .endr
    .quad 0xffc0000000 | NORMAL // WINDOW_40_BITS
    .quad NORMAL                // WINDOW_LOW
    .quad 0x0fc0000000 | NORMAL // WINDOW_36_BITS
    .quad 0                     // WINDOW_UNMAPPED

    .section .data
    .balign 16
    .globl guest_initial
guest_initial:
    .space 288 + 512

    .bss
    .balign 4096
stacks:
    .space CPUS * STACK_BYTES
