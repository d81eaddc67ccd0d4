/* SPDX-License-Identifier: Apache-2.0 */
/*
 * memcpy(), memmove() and memset() in 16-byte registers, in place of the C library's, whose stores go around the caches:
 * frames and disk blocks are what the management domain copies, and what it copies is read next. Not REP MOVSB: an
 * emulator counts each byte of it. Up to 128 bytes everything is loaded before anything is stored: memmove() relies on
 * that.
 */
#define to %rdi
#define from %rsi
#define length %rdx
#define from_end %r8
#define to_end %r9

.macro load4 at, first, a, b, c, d
    movups \first(\at), \a
    movups \first + 16(\at), \b
    movups \first + 32(\at), \c
    movups \first + 48(\at), \d
.endm
.macro store4 at, first, a, b, c, d
    movups \a, \first(\at)
    movups \b, \first + 16(\at)
    movups \c, \first + 32(\at)
    movups \d, \first + 48(\at)
.endm

    .text
    .globl memcpy
    .type memcpy, %function
    .balign 64
memcpy:
    mov to, %rax
copy: /* rax is kept */
    lea (from, length), from_end
    lea (to, length), to_end
    cmp $16, length
    jb 5f
    cmp $32, length
    ja 1f
    movups (from), %xmm0
    movups -16(from_end), %xmm1
    movups %xmm0, (to)
    movups %xmm1, -16(to_end)
    ret
1:  cmp $64, length
    ja 2f
    movups (from), %xmm0
    movups 16(from), %xmm1
    movups -32(from_end), %xmm2
    movups -16(from_end), %xmm3
    movups %xmm0, (to)
    movups %xmm1, 16(to)
    movups %xmm2, -32(to_end)
    movups %xmm3, -16(to_end)
    ret
2:  cmp $128, length
    ja 3f
    load4 from, 0, %xmm0, %xmm1, %xmm2, %xmm3
    load4 from_end, -64, %xmm4, %xmm5, %xmm6, %xmm7
    store4 to, 0, %xmm0, %xmm1, %xmm2, %xmm3
    store4 to_end, -64, %xmm4, %xmm5, %xmm6, %xmm7
    ret

    /* 16 bytes, then 128 at a time to an aligned place, then the last 128, which overlap. */
3:  movups (from), %xmm0
    movups %xmm0, (to)
    sub to, from
    and $-16, to
    add $16, to
    lea -128(to_end), %rdx
    cmp %rdx, to
    jae 6f
4:  movups (to, from), %xmm0
    movups 16(to, from), %xmm1
    movups 32(to, from), %xmm2
    movups 48(to, from), %xmm3
    movups 64(to, from), %xmm4
    movups 80(to, from), %xmm5
    movups 96(to, from), %xmm6
    movups 112(to, from), %xmm7
    movaps %xmm0, (to)
    movaps %xmm1, 16(to)
    movaps %xmm2, 32(to)
    movaps %xmm3, 48(to)
    movaps %xmm4, 64(to)
    movaps %xmm5, 80(to)
    movaps %xmm6, 96(to)
    movaps %xmm7, 112(to)
    add $128, to
    cmp %rdx, to
    jb 4b
6:  load4 from_end, -128, %xmm0, %xmm1, %xmm2, %xmm3
    load4 from_end, -64, %xmm4, %xmm5, %xmm6, %xmm7
    store4 to_end, -128, %xmm0, %xmm1, %xmm2, %xmm3
    store4 to_end, -64, %xmm4, %xmm5, %xmm6, %xmm7
    ret

5:  cmp $8, length
    jb 7f
    mov (from), %rcx
    mov -8(from_end), %rdx
    mov %rcx, (to)
    mov %rdx, -8(to_end)
    ret
7:  cmp $4, length
    jb 8f
    mov (from), %ecx
    mov -4(from_end), %edx
    mov %ecx, (to)
    mov %edx, -4(to_end)
    ret
8:  test length, length
    jz 9f
    movzbl (from), %ecx
    movzbl -1(from_end), %r10d
    shr $1, length /* 1..3 bytes: first, middle, last */
    movzbl (from, length), %r11d
    mov %cl, (to)
    mov %r11b, (to, length)
    mov %r10b, -1(to_end)
9:  ret
    .size memcpy, . - memcpy

    .globl memmove
    .type memmove, %function
    .balign 64
memmove:
    mov to, %rax
    cmp $128, length
    jbe copy
    mov to, %rcx
    sub from, %rcx
    cmp length, %rcx
    jb 1f /* the end of `from` is where `to` begins: backwards */
    neg %rcx
    cmp length, %rcx
    jae copy /* apart */
0:  load4 from, 0, %xmm0, %xmm1, %xmm2, %xmm3
    store4 to, 0, %xmm0, %xmm1, %xmm2, %xmm3
    add $64, from
    add $64, to
    sub $64, length
    cmp $64, length
    jae 0b
    jmp copy

1:  lea (from, length), from_end
    lea (to, length), to_end
2:  load4 from_end, -64, %xmm0, %xmm1, %xmm2, %xmm3
    store4 to_end, -64, %xmm0, %xmm1, %xmm2, %xmm3
    sub $64, from_end
    sub $64, to_end
    sub $64, length
    cmp $64, length
    jae 2b
    jmp copy
    .size memmove, . - memmove

    .globl memset
    .type memset, %function
    .balign 64
memset:
    mov to, %rax
    lea (to, length), to_end
    movzbl %sil, %esi
    movabs $0x0101010101010101, %rcx
    imul %rcx, %rsi
    cmp $16, length
    jb 2f
    movq %rsi, %xmm0
    punpcklqdq %xmm0, %xmm0
    movups %xmm0, (to)
    lea -64(to_end), %rdx
    and $-16, to
    add $16, to
    cmp %rdx, to
    ja 1f
0:  movaps %xmm0, (to)
    movaps %xmm0, 16(to)
    movaps %xmm0, 32(to)
    movaps %xmm0, 48(to)
    add $64, to
    cmp %rdx, to
    jbe 0b
1:  lea -16(to_end), %rdx /* less than 64 are left */
    cmp %rdx, to
    jae 5f
    movaps %xmm0, (to)
    add $16, to
    jmp 1b
5:  movups %xmm0, -16(to_end)
    ret
2:  cmp $8, length
    jb 3f
    mov %rsi, (to)
    mov %rsi, -8(to_end)
    ret
3:  cmp $4, length
    jb 4f
    mov %esi, (to)
    mov %esi, -4(to_end)
    ret
4:  test length, length
    jz 9f
    mov %sil, (to)
    shr $1, length
    mov %sil, (to, length)
    mov %sil, -1(to_end)
9:  ret
    .size memset, . - memset
    .section .note.GNU-stack, "", @progbits
