/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Hypercalls as functions, for native domains. Contracts and rights: include/bulkhead/hypercall.h. Results are HC_OK or
 * a negative enum hypercall_error. Any context of the domain. lib/native/hypercall.c implements them; unit tests
 * supply their own.
 */
#ifndef LIB_HYPERCALL_H
#define LIB_HYPERCALL_H

#include <bulkhead/hypercall.h>
#include <bulkhead/status.h>
#include <stdbool.h>
#include <stdint.h>

#define HYPERCALL_BYTES_MAX 56u /* what one call of console_write, console_input, log_write carries */

struct hypercall_version {
    int64_t error;
    uint32_t abi, partition, partitions;
};
struct hypercall_version hypercall_version(void);

int64_t hypercall_console_write(uint32_t console, const void *data, uint32_t length /* 1..56 */);
/* How many of 1..56 bytes the emulated UART took, or an error. */
int64_t hypercall_console_input(uint32_t console, const void *data, uint32_t length);
int64_t hypercall_log_write(const void *data, uint32_t length /* 1..56 */);

int64_t hypercall_channel_offer(uint32_t channel, uint64_t features, uint32_t queues, uint32_t size);
int64_t hypercall_channel_config(uint32_t channel, uint32_t offset, uint32_t width /* 1, 2, 4, 8 */, uint64_t value);
int64_t hypercall_channel_attach(uint32_t channel);
int64_t hypercall_channel_signal(uint32_t channel, uint32_t bits);
int64_t hypercall_channel_reset_done(uint32_t channel);
int64_t hypercall_channel_fail(uint32_t channel);

int64_t hypercall_domain_control(uint32_t partition, enum domain_operation operation);
int64_t hypercall_heartbeat(uint32_t within_ms);
int64_t hypercall_system(bool power_off, enum stop_cause cause);
int64_t hypercall_event(uint32_t partition, enum event_kind kind, enum stop_cause cause, uint64_t detail);
/* The caller has crashed: the kernel stops it with CAUSE_PANIC and `detail` (its program counter). */
_Noreturn void hypercall_panic(uint64_t detail);

#endif
