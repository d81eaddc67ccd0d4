// SPDX-License-Identifier: Apache-2.0
/*
 * The kernel's own mistakes: a record of the registers, printed, kept over the warm reset that follows, and reported at
 * the next boot. Uses nothing that the mistake may have left locked.
 */
#include <core/arch.h>
#include <core/deadline.h>
#include <core/format.h>
#include <core/log.h>
#include <core/persistent.h>
#include <devices/serial/early.h>
#include <string.h>

#define HALT_LIMIT_NS 10000000ull /* for the other CPUs to stop */
#define NO_PARTITION UINT32_MAX

typedef void (*line_function)(const char *format, ...) __attribute__((format(printf, 1, 2)));

static void show(const struct crash_record *record, line_function line)
{
    const uint64_t *registers = record->registers;
    const char *const *names = crash_register_names;

    if (record->line)
        line("KERNEL CHECK FAILED: %s at %s:%u", record->text, record->file, record->line);
    else
        line("KERNEL FAULT: %s", record->text);
    line("  boot %lu, %lu ms, cpu %u, partition %d", record->boot, record->ns / 1000000, record->cpu,
         (int)record->partition);
    for (unsigned i = 0; i < CRASH_REGISTERS; i += 3)
        line("  %-4s %016lx %-4s %016lx %-4s %016lx", names[i], registers[i], names[i + 1], registers[i + 1],
             names[i + 2], registers[i + 2]);
    for (unsigned i = 0; i < CRASH_CALLERS_MAX && record->callers[i]; i++)
        line("  on the stack: %lx", record->callers[i]);
}

static void print_line(const char *format, ...)
{
    char line[160];
    va_list arguments;
    size_t length;

    va_start(arguments, format);
    length = format_text(line, sizeof(line), format, arguments);
    va_end(arguments);
    line[length++] = '\n';
    serial_early_write(line, length);
}

/* What lies on this CPU's stack, below its vCPU, and looks like a return address into the kernel. */
static void find_callers(struct crash_record *record)
{
    uint64_t top = (uint64_t)vcpu_current(), at = record->registers[CRASH_SP] & ~7ull;
    unsigned count = 0;

    if (top - at > cpu_stack_size())
        return;
    for (; at < top && count < CRASH_CALLERS_MAX; at += 8)
        if (kernel_is_text(*(const uint64_t *)at))
            record->callers[count++] = *(const uint64_t *)at;
}

/* The record to fill in. A mistake while another is dealt with, on any CPU, has none: the machine is reset at once. */
static struct crash_record *begin(void)
{
    static bool begun;

    if (__atomic_exchange_n(&begun, true, __ATOMIC_ACQ_REL) || !persistent)
        machine_reset();
    memset(&persistent->crash, 0, sizeof(persistent->crash));
    return &persistent->crash;
}

_Noreturn static void finish(struct crash_record *record)
{
    struct vcpu *vcpu = vcpu_current();
    uint64_t limit;

    record->boot = persistent->boot;
    record->ns = time_ns();
    record->cpu = vcpu->cpu;
    record->partition = vcpu->domain ? vcpu->domain->index : NO_PARTITION;
    find_callers(record);
    record->valid = CRASH_VALID;
    cache_clean(record, sizeof(*record));

    for (uint32_t i = 0; i < BULKHEAD_CPUS_MAX; i++)
        if (cpus[i].present && i != vcpu->cpu)
            cpu_request(i, CPU_REQUEST_HALT);
    limit = time_ns() + HALT_LIMIT_NS;
    while (time_ns() < limit)
        cpu_relax();
    log_seize();
    log_event(UINT8_MAX, EVENT_RESET, record->line ? CAUSE_CHECK : CAUSE_KERNEL_FAULT, record->registers[CRASH_PC]);
    serial_early_take();
    show(record, print_line);
    machine_reset();
}

void check_failed(const char *file, int line, const char *text)
{
    uint64_t registers[CRASH_REGISTERS];
    struct crash_record *record;

    cpu_registers(registers); /* before anything else uses them */
    record = begin();
    memcpy(record->registers, registers, sizeof(registers));
    record->registers[CRASH_FRAME] = (uint64_t)__builtin_frame_address(0);
    record->registers[CRASH_PC] = (uint64_t)__builtin_return_address(0);
    record->line = (uint32_t)line;
    format_print(record->file, sizeof(record->file), "%s", file);
    format_print(record->text, sizeof(record->text), "%s", text);
    finish(record);
}

void crash_fault(const char *exception, const uint64_t registers[CRASH_REGISTERS])
{
    struct crash_record *record = begin();

    memcpy(record->registers, registers, sizeof(record->registers));
    format_print(record->text, sizeof(record->text), "%s", exception);
    finish(record);
}

void crash_report(void)
{
    struct crash_record *record = &persistent->crash;

    if (record->valid != CRASH_VALID)
        return;
    log_line("The kernel stopped before this boot:");
    show(record, log_line);
    record->valid = 0;
    cache_clean(record, sizeof(*record));
}
