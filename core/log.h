/* SPDX-License-Identifier: Apache-2.0 */
/* The kernel log, the supervision events and the crash record: all survive a warm reset. */
#ifndef CORE_LOG_H
#define CORE_LOG_H

#include <arch/crash.h>
#include <bulkhead/console.h>
#include <bulkhead/status.h>
#include <core/address.h>

void log_init(void); /* boot CPU: adopts what a former boot left if its checksum holds; counts the boot */
/* Any CPU. %s %c %d %u %x %lu %lx %p with widths; one line, '\n' is added. Until the management domain owns the
 * serial line it is printed there as well. */
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_append(const void *data, uint32_t length); /* HC_LOG_WRITE */
/* Any CPU: record a supervision event, in the persistent log and the status page, and ring DOORBELL_DOMAIN. */
void log_event(uint8_t partition, enum event_kind kind, enum stop_cause cause, uint64_t detail);
struct hpa log_ring_page(void);
uint64_t log_ring_bytes(void); /* header and data, whole pages */
/* Any CPU. While the serial line is lent to the management domain, log lines are not printed there. */
void log_serial(bool lent);

/* The last CPU that runs takes the log from whoever held it: for crash.c. */
void log_seize(void);

/* A kernel mistake: prints and stores a record (file, line, registers), stops the other CPUs, resets. Never returns. */
#define CHECK(condition) ((condition) ? (void)0 : check_failed(__FILE__, __LINE__, #condition))
_Noreturn void check_failed(const char *file, int line, const char *text);
/* A kernel mistake that the CPU found: from its exception vectors, with what it calls it. */
_Noreturn void crash_fault(const char *exception, const uint64_t registers[CRASH_REGISTERS]);
/* Boot CPU, after log_init(): says what a crash before this boot left, and forgets it. */
void crash_report(void);

#endif
