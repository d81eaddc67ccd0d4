/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The kernel's address space (EL2, TTBR0, 48 bits). Everything lies in the last level-0 entry, where no machine has
 * RAM: a physical address is never a valid virtual one, which head.S uses to enter it.
 */
#ifndef ARCH_LAYOUT_H
#define ARCH_LAYOUT_H

#define KERNEL_VA 0xff8000000000 /* image, then memory_pages(): KERNEL_MEMORY_SIZE, mapped by pages */
#define KERNEL_MEMORY_SIZE 0x200000
#define DEVICE_VA 0xff8000400000 /* registers and other small mappings made at boot: by pages */
#define DEVICE_VA_SIZE 0x400000
#define BLOCK_VA 0xff8040000000 /* large mappings made at boot (bundle, device tree): by 2 MiB blocks */
#define BLOCK_VA_SIZE 0x40000000
#define WINDOW_VA 0xff8080000000 /* a 2 MiB window a CPU */

#define EL2_STACK_SIZE 12288
#define CPU_AREA_SIZE 16384 /* stack, and the vCPU above it */

#endif
