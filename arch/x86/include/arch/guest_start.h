/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state in which a domain's first vCPU is started. The loader decides it once, at boot (image.c); vcpu_reset()
 * makes it so. Segments are flat, without limit, and cached as if loaded from the table at `gdt`.
 */
#ifndef ARCH_GUEST_START_H
#define ARCH_GUEST_START_H

#include <core/address.h>

enum guest_start_mode {
    START_LONG,      /* 64-bit code, paging on with the tables at `cr3`; rdi = rsi = context */
    START_PROTECTED, /* 32-bit code, paging off; eax = GUEST_MULTIBOOT_MAGIC, ebx = context */
};
enum guest_image {
    IMAGE_NATIVE,    /* ELF: long mode, context: a device tree */
    IMAGE_LINUX,     /* bzImage, 64-bit boot protocol: context: boot_params */
    IMAGE_PVH,       /* ELF with PVH's note: context: hvm_start_info */
    IMAGE_MULTIBOOT, /* context: Multiboot's information */
    IMAGE_FLAT,      /* entered as PVH is, at GUEST_FLAT_BASE */
};
struct guest_start {
    enum guest_image image;
    enum guest_start_mode mode;
    struct ipa cr3; /* identity map; START_LONG only */
    struct ipa gdt; /* 4 descriptors */
};

#define GUEST_MULTIBOOT_MAGIC 0x2badb002u
#define GUEST_FLAT_BASE 0x100000ull
#define GUEST_CS 0x10
#define GUEST_DS 0x18
#define GUEST_GDT_BYTES 32

#endif
