/* SPDX-License-Identifier: Apache-2.0 */
/* What survives a warm reset: memory at a fixed place of the board that no boot loader writes (platform.persistent). */
#ifndef CORE_PERSISTENT_H
#define CORE_PERSISTENT_H

#include <arch/crash.h>
#include <bulkhead/console.h>
#include <bulkhead/status.h>
#include <core/address.h>

#define CRASH_CALLERS_MAX 12

struct crash_record {
    uint64_t valid; /* CRASH_VALID: written last */
    uint64_t boot, ns;
    uint32_t cpu, partition; /* partition: whose vCPU the CPU runs; UINT32_MAX: none */
    uint32_t line;           /* of a CHECK; 0: an exception, `text` says which */
    char file[48], text[96];
    uint64_t registers[CRASH_REGISTERS];
    uint64_t callers[CRASH_CALLERS_MAX]; /* return addresses seen on the stack; 0 ends */
};
#define CRASH_VALID 0x4873617243ull

struct persistent {
    uint64_t magic, size; /* size: of this struct, so that another layout is not adopted */
    uint64_t boot, boot_inverted;
    struct crash_record crash;
    uint64_t event_head;
    struct supervision_event event[BULKHEAD_EVENTS_MAX];
    struct byte_ring ring __attribute__((aligned(4096))); /* the kernel log; BULKHEAD_LOG_RING_SIZE bytes follow */
};

extern struct persistent *persistent; /* from log_init() on */

#endif
