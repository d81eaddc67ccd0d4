/* SPDX-License-Identifier: Apache-2.0 */
#include "interrupts.h"

#include <arch/timer.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/platform.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct domain domains[BULKHEAD_PARTITIONS_MAX];
struct cpu cpus[BULKHEAD_CPUS_MAX];
struct platform platform;
struct machine_record machine;

static struct vcpu vcpus[BULKHEAD_CPUS_MAX];
static struct vcpu_status statuses[BULKHEAD_CPUS_MAX];
static uint64_t timers[BULKHEAD_CPUS_MAX];
static uint32_t current;
static uint64_t clock_ns;

struct vcpu *vcpu_current(void)
{
    return &vcpus[current];
}

uint32_t machine_cpu(void)
{
    return current;
}

void machine_on(uint32_t cpu)
{
    current = cpu;
}

void machine_init(void)
{
    clock_ns = 1000000000;
    machine_interrupts_platform();
    for (uint32_t cpu = 0; cpu < BULKHEAD_CPUS_MAX; cpu++) {
        cpus[cpu] = (struct cpu){.vcpu = &vcpus[cpu], .index = cpu, .id = cpu, .present = true};
        vcpus[cpu].cpu = cpu;
        vcpus[cpu].status = &statuses[cpu];
    }
    for (uint32_t d = 0; d < partition_count; d++) {
        struct domain *domain = &domains[d];

        domain->config = &partitions[d];
        domain->index = d;
        for (uint32_t cpu = 0; cpu < BULKHEAD_CPUS_MAX; cpu++) {
            if (!(partitions[d].cpus & 1u << cpu))
                continue;
            vcpus[cpu].domain = domain;
            vcpus[cpu].index = domain->vcpu_count;
            domain->vcpu[domain->vcpu_count++] = &vcpus[cpu];
        }
        machine_interrupts_init(domain);
    }
}

void machine_start(void)
{
    memset(&machine, 0, sizeof(machine));
    for (uint32_t d = 0; d < partition_count; d++) {
        domains[d].state = DOMAIN_RUNNING;
        interrupt_reset(&domains[d]);
        for (uint32_t v = 0; v < domains[d].vcpu_count; v++) {
            domains[d].vcpu[v]->power = VCPU_ON;
            current = domains[d].vcpu[v]->cpu;
            machine_interrupts_reset(domains[d].vcpu[v]);
        }
    }
    current = 0;
    machine_settle();
    memset(&machine, 0, sizeof(machine));
}

/* --- Interrupts between CPUs --- */

void cpu_request(uint32_t cpu, uint32_t requests)
{
    uint32_t old = cpus[cpu].requests;

    cpus[cpu].requests = old | requests;
    if ((old & requests) != requests)
        machine.kicks++;
}

void machine_settle(void)
{
    uint32_t before = current;
    bool busy = true;

    for (uint32_t round = 0; busy && round < 100; round++) {
        busy = false;
        for (current = 0; current < BULKHEAD_CPUS_MAX; current++) {
            struct vcpu *vcpu = &vcpus[current];

            if (vcpu->domain == NULL)
                continue;
            busy |= machine_interrupts_settle(vcpu, cpus[current].requests != 0);
            cpus[current].requests = 0;
        }
    }
    CHECK(!busy);
    current = before;
}

/* --- Time --- */

uint64_t time_ns(void)
{
    return clock_ns;
}
uint64_t time_wall_s(void)
{
    return 1700000000 + clock_ns / 1000000000;
}
void timer_arm(uint64_t at_ns)
{
    timers[current] = at_ns;
}
void machine_sleep(uint64_t ns)
{
    uint64_t until = clock_ns + ns;
    uint32_t before = current;

    for (;;) {
        uint32_t next = BULKHEAD_CPUS_MAX;

        for (uint32_t cpu = 0; cpu < BULKHEAD_CPUS_MAX; cpu++)
            if (timers[cpu] != 0 && timers[cpu] <= until && (next == BULKHEAD_CPUS_MAX || timers[cpu] < timers[next]))
                next = cpu;
        if (next == BULKHEAD_CPUS_MAX)
            break;
        if (timers[next] > clock_ns)
            clock_ns = timers[next];
        current = next;
        deadline_interrupt();
        machine_settle();
    }
    clock_ns = until;
    current = before;
}

/* --- Guests --- */

static enum mmio_result access_ipa(uint64_t address, struct mmio_access *access)
{
    const struct mmio_region *region = mmio_find(vcpu_current()->domain, ipa(address));

    if (region == NULL)
        return MMIO_ABORT;
    access->offset = address - region->base;
    return region->access(vcpu_current(), region->device, access);
}

enum mmio_result machine_write(uint64_t address, uint32_t width, uint64_t value)
{
    enum mmio_result result = access_ipa(address, &(struct mmio_access){0, value, (uint8_t)width, true});

    machine_settle();
    return result;
}

uint64_t machine_read(uint64_t address, uint32_t width)
{
    struct mmio_access access = {0, 0xdeaddeaddeaddeadull, (uint8_t)width, false};

    CHECK(access_ipa(address, &access) == MMIO_DONE);
    machine_settle();
    return access.value;
}

/* --- What core/ asks for --- */

void domain_stop(struct domain *domain, enum stop_cause cause, uint64_t detail)
{
    (void)domain, (void)detail;
    machine.stops++;
    machine.cause = cause;
}

void *memory_pages(uint64_t count)
{
    void *pages = aligned_alloc(PAGE_SIZE, count * PAGE_SIZE);

    memset(pages, 0, count * PAGE_SIZE);
    return pages;
}

struct hpa kernel_hpa(const void *address)
{
    return hpa((uint64_t)address);
}

void log_line(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vprintf(format, arguments);
    va_end(arguments);
    putchar('\n');
}

void check_failed(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: CHECK(%s)\n", file, line, text);
    abort();
}
