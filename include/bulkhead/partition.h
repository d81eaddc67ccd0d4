/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The partitions: const tables that tools/resolver writes from .config (O=DIR: DIR/generated/partitions.c) and
 * the kernel is linked with. What stands here has passed the resolver's checks, so the kernel does not repeat those;
 * it checks only what a machine can lack (CPUs, memory, a device).
 */
#ifndef BULKHEAD_PARTITION_H
#define BULKHEAD_PARTITION_H

#include <bulkhead/guest_map.h>
#include <bulkhead/limits.h>
#include <stdbool.h>
#include <stdint.h>

enum partition_flags {
    PARTITION_MANAGEMENT = 1, /* the first one, and only it: may call what hypercall.h marks M; ipa == hpa */
    PARTITION_AUTOSTART = 2,
    PARTITION_UART = 4,      /* has an emulated UART (PL011, 16550) with a console ring */
    PARTITION_RTC = 8,       /* emulated clock (PL031, MC146818) */
    PARTITION_WATCHDOG = 16, /* emulated watchdog (SBSA, WDAT) */
};

struct partition_config {
    char name[BULKHEAD_NAME_MAX];
    uint32_t flags;
    uint32_t cpus;        /* mask of physical CPUs; vCPU 0 is the lowest set bit */
    uint64_t memory_size; /* bytes, a multiple of 2 MiB */
    uint64_t memory_base; /* hpa; 0: the kernel places it */
    const char *kernel;   /* name of the image's node in the bundle (/images/NAME); "" is not allowed */
    const char *initrd;   /* likewise, or "" */
    const char *command_line;
    uint32_t heartbeat_ms;      /* the first heartbeat is due by then; 0: not watched */
    uint32_t progress_ms;       /* CAUSE_NO_PROGRESS after that long; 0: not watched */
    uint8_t uart_console;       /* index of the UART's (for a native domain: its own) console ring, or 0xff */
    const char *const *devices; /* NULL-terminated: physical devices, each a device-tree path or a compatible string */
};

struct channel_config {
    uint8_t device_id; /* enum virtio_device_id */
    uint8_t front;     /* partition of the front-end */
    uint8_t back;      /* partition of the back-end */
    uint8_t slot;      /* virtio slot in the front-end's address space: GUEST_VIRTIO_BASE + slot * 4 KiB,
                          guest_virtio_line(slot) */
    uint8_t console;   /* VIRTIO_ID_CONSOLE: its console ring, else 0xff */
};

extern const struct partition_config partitions[];
extern const uint32_t partition_count;
extern const struct channel_config channels[];
extern const uint32_t channel_count;
extern const uint32_t console_count; /* rings 0..count-1; console_owner[i] is the partition whose console it is */
extern const uint8_t console_owner[];

#endif
