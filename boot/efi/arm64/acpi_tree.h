/* SPDX-License-Identifier: Apache-2.0 */
/*
 * An arm64 machine that describes itself by ACPI's static tables, as a device tree: what the kernel reads. No AML is
 * run. What a machine says of itself in AML only, the board's folder has (devices.txt, flag "aml").
 */
#ifndef BOOT_EFI_ARM64_ACPI_TREE_H
#define BOOT_EFI_ARM64_ACPI_TREE_H

#include <stdbool.h>
#include <stdint.h>

#define REGIONS_MAX 24u
#define BOARD_LINES_MAX 5u /* one of them -1 */

struct region {
    uint64_t base, size;
};

/* A line of the board's devices.txt. */
struct board_device {
    char name[40], compatible[64]; /* compatible strings with ';' between them */
    uint64_t base, size;
    int32_t line[BOARD_LINES_MAX]; /* SPIs; -1: no more */
    bool in_aml;
};

struct facts {
    uint64_t rsdp;
    struct region ram[REGIONS_MAX], bundle;
    uint32_t ram_count;
    const struct board_device *device;
    uint32_t device_count;
    char slot[2];             /* the boot slot's letter, a string; empty: none */
    uint8_t seed[32];         /* random, if seeded */
    bool seeded, wants_gicv2; /* what the kernel is built for; else a GICv3 */
};

/* Given by the caller: the firmware's memory at an address; NULL: those bytes are no memory. */
const uint8_t *firmware_memory(uint64_t address, uint64_t size);

/* Makes the tree at `tree`, of `room` bytes. NULL; or why the kernel does not run on this machine, in one line. */
const char *acpi_tree_make(void *tree, uint32_t room, const struct facts *facts);

#endif
