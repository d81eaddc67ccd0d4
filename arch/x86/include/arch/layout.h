/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's address space: all of it in the last 512 GiB, in whose last 2 GiB the image lies (code model "kernel").
 * Its physical address is fixed: loaders put it there, and what survives a warm reset lies below (board: LOG_BASE).
 */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#define KERNEL_HPA 0x1200000
#define KERNEL_VA 0xffffffff81200000 /* image, then memory_pages(): KERNEL_MEMORY_SIZE, mapped by pages */
#define KERNEL_MEMORY_SIZE 0x400000 /* AMD-Vi may want 2 MiB */
#define DEVICE_VA 0xffffffffa0000000 /* registers and other small mappings made at boot: by pages */
#define DEVICE_VA_SIZE 0x400000
#define BLOCK_VA 0xffffffff40000000 /* large mappings made at boot (bundle): by 2 MiB blocks */
#define BLOCK_VA_SIZE 0x40000000
#define WINDOW_VA 0xffffffff00000000 /* a 2 MiB window a CPU */

/*
 * A CPU's area, aligned to its size, so that RSP tells the CPU (arch/vcpu.h): a page that is not mapped, the stack, the
 * vCPU; what is left above that is the stack of a double fault.
 */
#define CPU_GUARD_SIZE 4096
#define CPU_STACK_SIZE 8192
#define CPU_VCPU 12288
#define CPU_AREA_SIZE 16384

#define TRAMPOLINE_HPA 0x8000 /* where a started CPU begins, in real mode */

/* Selectors of the kernel's GDT (head.S). */
#define SELECTOR_CODE 0x08
#define SELECTOR_DATA 0x10
#define SELECTOR_TSS 0x18

#endif
