/* SPDX-License-Identifier: Apache-2.0 */
/*
 * EL2's exception vectors. SP_EL2 is the running vCPU's address while its guest runs (arch/vcpu.h), so x0..x30 are
 * stored right there and C runs on the stack below. C keeps x19..x29, but a guest's register may be any of them, so
 * all are stored: two more instructions a pair are cheaper than to tell the cases apart.
 */
        .macro  save_guest
        stp     x0, x1, [sp]
        stp     x2, x3, [sp, #16]
        stp     x4, x5, [sp, #32]
        stp     x6, x7, [sp, #48]
        stp     x8, x9, [sp, #64]
        stp     x10, x11, [sp, #80]
        stp     x12, x13, [sp, #96]
        stp     x14, x15, [sp, #112]
        stp     x16, x17, [sp, #128]
        stp     x18, x19, [sp, #144]
        stp     x20, x21, [sp, #160]
        stp     x22, x23, [sp, #176]
        stp     x24, x25, [sp, #192]
        stp     x26, x27, [sp, #208]
        stp     x28, x29, [sp, #224]
        str     x30, [sp, #240]
        mov     x0, sp
        .endm

        .macro  return_to_guest
        ldp     x0, x1, [sp]
        ldp     x2, x3, [sp, #16]
        ldp     x4, x5, [sp, #32]
        ldp     x6, x7, [sp, #48]
        ldp     x8, x9, [sp, #64]
        ldp     x10, x11, [sp, #80]
        ldp     x12, x13, [sp, #96]
        ldp     x14, x15, [sp, #112]
        ldp     x16, x17, [sp, #128]
        ldp     x18, x19, [sp, #144]
        ldp     x20, x21, [sp, #160]
        ldp     x22, x23, [sp, #176]
        ldp     x24, x25, [sp, #192]
        ldp     x26, x27, [sp, #208]
        ldp     x28, x29, [sp, #224]
        ldr     x30, [sp, #240]
        eret
        .endm

        .macro  from_guest handler
        .balign 0x80
        b       \handler
        .endm

        .macro  exit_by name, handler
\name:
        save_guest
        bl      \handler
        return_to_guest
        .endm

        /* A mistake of the kernel itself: its registers replace the guest's, the stack starts anew. */
        .macro  from_kernel number
        .balign 0x80
        msr     tpidr_el1, x0
        mrs     x0, tpidr_el2
        stp     x2, x3, [x0, #16]
        mov     x2, #\number
        b       kernel_exception
        .endm

        .section .text.vectors, "ax"
        .balign 0x800
        .global vectors
vectors:
        .irp    number, 0, 1, 2, 3, 4, 5, 6, 7
        from_kernel \number
        .endr
        .rept   2 /* a guest in AArch64, then one in AArch32 */
        from_guest exit_by_sync
        from_guest exit_by_irq
        from_guest exit_by_irq /* FIQ: the GIC gives us none */
        from_guest exit_by_serror
        .endr
        .balign 0x80

        exit_by exit_by_sync, exit_sync
        exit_by exit_by_irq, exit_irq
        exit_by exit_by_serror, exit_serror

        /* void vcpu_enter(struct vcpu *vcpu) */
        .global vcpu_enter
vcpu_enter:
        mov     sp, x0
        return_to_guest

        /* x0: vCPU; x2: vector; x2 and x3 are stored, x0 is in TPIDR_EL1. */
kernel_exception:
        stp     x4, x5, [x0, #32]
        stp     x6, x7, [x0, #48]
        stp     x8, x9, [x0, #64]
        stp     x10, x11, [x0, #80]
        stp     x12, x13, [x0, #96]
        stp     x14, x15, [x0, #112]
        stp     x16, x17, [x0, #128]
        stp     x18, x19, [x0, #144]
        stp     x20, x21, [x0, #160]
        stp     x22, x23, [x0, #176]
        stp     x24, x25, [x0, #192]
        stp     x26, x27, [x0, #208]
        stp     x28, x29, [x0, #224]
        mov     x3, sp
        stp     x30, x3, [x0, #240]
        mrs     x3, tpidr_el1
        stp     x3, x1, [x0]
        mov     sp, x0
        mov     x1, x0
        mov     x0, x2
        bl      crash_exception /* (vector, registers) does not return */
