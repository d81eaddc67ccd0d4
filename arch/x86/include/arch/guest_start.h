/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The state in which a domain's first vCPU is started: decided once, at boot (guest_boot.c); vcpu_reset() makes it so.
 * Segments are flat, without limit, and cached as if loaded from the table at `gdt`.
 */
#ifndef ARCH_GUEST_START_H
#define ARCH_GUEST_START_H

#include <bulkhead/load_plan.h>
#include <core/address.h>

struct guest_start {
    enum load_protocol protocol;
    bool wide; /* 64-bit code, paging on with the tables at `cr3`; rdi = rsi = context. Else 32-bit code, paging off; */
    struct ipa cr3; /* eax = GUEST_MULTIBOOT_MAGIC, ebx = context. */
    struct ipa gdt; /* 4 descriptors */
};

#define GUEST_MULTIBOOT_MAGIC 0x2badb002u
#define GUEST_CS 0x10
#define GUEST_DS 0x18
#define GUEST_GDT_BYTES 32

#endif
