/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcpy() in 16-byte registers, in place of the C library's: frames and disk blocks are what the management domain
 * copies, so that instructions a byte count. Up to 128 bytes everything is loaded before anything is stored, without a
 * loop: memmove() relies on that.
 */
#define to x0
#define from x1
#define length x2
#define put x3
#define from_end x4
#define to_end x5

    .text
    .globl memcpy
    .type memcpy, %function
    .balign 64
memcpy:
    add from_end, from, length
    add to_end, to, length
    cmp length, #16
    b.lo 5f
    cmp length, #64
    b.hi 1f
    cmp length, #32
    b.hi 0f
    ldr q0, [from]
    ldr q1, [from_end, #-16]
    str q0, [to]
    str q1, [to_end, #-16]
    ret
0:  ldp q0, q1, [from]
    ldp q2, q3, [from_end, #-32]
    stp q0, q1, [to]
    stp q2, q3, [to_end, #-32]
    ret

1:  cmp length, #128
    b.hi 2f
    ldp q0, q1, [from]
    ldp q2, q3, [from, #32]
    ldp q4, q5, [from_end, #-64]
    ldp q6, q7, [from_end, #-32]
    stp q0, q1, [to]
    stp q2, q3, [to, #32]
    stp q4, q5, [to_end, #-64]
    stp q6, q7, [to_end, #-32]
    ret

    // 16 bytes, then 128 at a time to an aligned place, then the last 128, which overlap.
2:  ldr q0, [from]
    and x6, to, #15
    bic put, to, #15
    sub from, from, x6
    add length, length, x6
    str q0, [to]
    add put, put, #16
    add from, from, #16
    sub length, length, #(16 + 128)
3:  subs length, length, #128
    b.le 4f
    ldp q0, q1, [from], #128
    ldp q2, q3, [from, #-96]
    ldp q4, q5, [from, #-64]
    ldp q6, q7, [from, #-32]
    stp q0, q1, [put], #128
    stp q2, q3, [put, #-96]
    stp q4, q5, [put, #-64]
    stp q6, q7, [put, #-32]
    b 3b
4:  adds length, length, #128
    b.le 6f
    ldp q0, q1, [from]
    ldp q2, q3, [from, #32]
    ldp q4, q5, [from, #64]
    ldp q6, q7, [from, #96]
    stp q0, q1, [put]
    stp q2, q3, [put, #32]
    stp q4, q5, [put, #64]
    stp q6, q7, [put, #96]
6:  ldp q0, q1, [from_end, #-128]
    ldp q2, q3, [from_end, #-96]
    ldp q4, q5, [from_end, #-64]
    ldp q6, q7, [from_end, #-32]
    stp q0, q1, [to_end, #-128]
    stp q2, q3, [to_end, #-96]
    stp q4, q5, [to_end, #-64]
    stp q6, q7, [to_end, #-32]
    ret

5:  tbz length, #3, 7f
    ldr x6, [from]
    ldr x7, [from_end, #-8]
    str x6, [to]
    str x7, [to_end, #-8]
    ret
7:  tbz length, #2, 8f
    ldr w6, [from]
    ldr w7, [from_end, #-4]
    str w6, [to]
    str w7, [to_end, #-4]
    ret
8:  cbz length, 9f
    lsr x8, length, #1 // 1..3 bytes: first, middle, last
    ldrb w6, [from]
    ldrb w7, [from_end, #-1]
    ldrb w9, [from, x8]
    strb w6, [to]
    strb w9, [to, x8]
    strb w7, [to_end, #-1]
9:  ret
    .size memcpy, . - memcpy

    .globl memmove
    .type memmove, %function
    .balign 64
memmove:
    cmp length, #128
    b.ls memcpy
    sub x6, to, from
    cmp x6, length
    b.lo 1f // the end of `from` is where `to` begins: backwards
    neg x6, x6
    cmp x6, length
    b.hs memcpy // apart
    mov put, to
0:  ldp q0, q1, [from], #64
    ldp q2, q3, [from, #-32]
    stp q0, q1, [put], #64
    stp q2, q3, [put, #-32]
    sub length, length, #64
    cmp length, #64
    b.hs 0b
    mov x10, to
    mov x11, x30
    mov to, put
    bl memcpy
    mov x0, x10
    ret x11

1:  add from_end, from, length
    add to_end, to, length
2:  ldp q0, q1, [from_end, #-32]
    ldp q2, q3, [from_end, #-64]!
    stp q0, q1, [to_end, #-32]
    stp q2, q3, [to_end, #-64]!
    sub length, length, #64
    cmp length, #64
    b.hs 2b
    b memcpy
    .size memmove, . - memmove
