/* SPDX-License-Identifier: Apache-2.0 */
/* The machine, as the boot code found it. Written by the boot CPU before anything else runs; const afterwards. */
#ifndef CORE_PLATFORM_H
#define CORE_PLATFORM_H

#include <arch/platform.h>
#include <bulkhead/limits.h>
#include <core/address.h>

#define PLATFORM_RANGES_MAX 32

struct memory_range {
    struct hpa base;
    uint64_t size;
};

struct platform_pci {
    struct hpa ecam;            /* configuration space of segment 0, bus 0; 0: the machine has no PCI */
    uint8_t bus_last;           /* it ends with */
    bool assigned;              /* firmware has numbered buses and placed BARs, else the kernel does */
    struct memory_range window; /* below 4 GiB, for BARs; bus addresses are host physical ones */
};

struct platform {
    struct memory_range ram[PLATFORM_RANGES_MAX];
    uint32_t ram_count;
    struct memory_range
        reserved[PLATFORM_RANGES_MAX]; /* not for domains: firmware's, the kernel's, bundle, tree, log */
    uint32_t reserved_count;
    struct memory_range kernel;     /* the memory that the kernel keeps: image, zeroed data, memory_pages() */
    struct memory_range bundle;     /* size 0: none given */
    char slot;                      /* which boot slot this is, by the loader: 'a', 'b'; 0: it does not tell */
    const void *tree;               /* the host's device tree, checked, mapped until boot is done */
    struct memory_range persistent; /* RAM that a warm reset keeps, for the log (board); size 0: none */
    struct hpa uart;                /* of stdout; value 0: none */
    struct hpa clock;               /* its register of seconds (UNIX time); value 0: none */
    uint32_t cpu_count;             /* entries of cpus[] that exist */
    struct platform_pci pci;
    struct arch_platform arch;
};
extern struct platform platform;

#endif
