// SPDX-License-Identifier: Apache-2.0
/* The CPUs: their stacks and vCPUs, and bringing them up. */
#include "vendor.h"
#include <arch/apic.h>
#include <arch/boot.h>
#include <arch/cpu.h>
#include <arch/layout.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/platform.h>
#include <string.h>

/* SDM 3A, 9.4.4: INIT, 10 ms, start-up, and once more for CPUs that missed it. */
#define INITS_A_S 100 /* 10 ms each */
#define STARTUP_NS 200000ull
#define FAULT_STACK_MIN 2048         /* a crash record needs most of it */
#define LEVEL_THREADS 1u             /* CPUID 0xb */
#define START_LIMIT_NS 1000000000ull /* for a CPU to come up */

/* The stack grows down from the vCPU; assembly knows the sizes. */
struct cpu_area {
    uint8_t guard[CPU_GUARD_SIZE], stack[CPU_STACK_SIZE];
    union {
        struct vcpu vcpu;
        uint8_t size[CPU_AREA_SIZE - CPU_VCPU];
    };
} __attribute__((aligned(CPU_AREA_SIZE)));
_Static_assert(sizeof(struct cpu_area) == CPU_AREA_SIZE && offsetof(struct cpu_area, vcpu) == CPU_VCPU &&
                   sizeof(struct vcpu) <= CPU_AREA_SIZE - CPU_VCPU - FAULT_STACK_MIN,
               "layout.h");

extern struct cpu_area cpu_areas[BULKHEAD_CPUS_MAX];
struct cpu_area cpu_areas[BULKHEAD_CPUS_MAX];
struct cpu cpus[BULKHEAD_CPUS_MAX];
uint32_t cpu_ids[BULKHEAD_CPUS_MAX], platform_cpus;

void cpus_init(void)
{
    static struct vcpu_status nobodys; /* a CPU that belongs to nobody counts its interrupts here */

    for (uint32_t i = 0; i < platform.cpu_count; i++) {
        cpu_areas[i].vcpu.cpu = i;
        cpu_areas[i].vcpu.status = &nobodys;
        cpus[i].index = i;
        cpus[i].id = cpu_ids[i] = platform.arch.apic_id[i];
        cpus[i].vcpu = &cpu_areas[i].vcpu;
    }
    platform_cpus = platform.cpu_count;
    cpus[0].present = true;
}

void cpu_setup(void)
{
    uint64_t xsave = cpuid(1, 0).ecx >> 26 & 1 ? CR4_OSXSAVE : 0;

    idt_load();
    control_write(cr4, CR4_PAE | CR4_MCE | CR4_PGE | CR4_OSFXSR | CR4_OSXMMEXCPT | xsave);
    apic_init_cpu();
}

void cpu_main(struct vcpu *vcpu)
{
    cpu_setup();
    timer_init_cpu();
    vendor->cpu_enable(vcpu);
    __atomic_store_n(&cpus[vcpu->cpu].present, true, __ATOMIC_RELEASE);
    vcpu_park(vcpu);
    vcpu_enter(vcpu);
}

static void spin(uint64_t ns)
{
    uint64_t limit = time_ns() + ns;

    while (time_ns() < limit)
        cpu_relax();
}

void cpus_start(void)
{
    size_t size = (size_t)(trampoline_end - trampoline_start);

    if (!(cpuid(0x80000007, 0).edx >> 8 & 1))
        log_line("The TSC may change its speed in sleep states (CPUID does not call it invariant)");
    log_line("%s: interrupts are %s", vendor->name, apic_virtualization == NULL           ? "injected"
                                                    : apic_virtualization->post == NULL   ? "delivered by the CPU"
                                                                                          : "delivered by the CPU, and posted");
    memcpy(kernel_map_memory(hpa(TRAMPOLINE_HPA), size), trampoline_start, size);
    while (platform.cpu_count > 1 && timer_count() - platform.arch.init_count < platform.arch.tsc_hz / INITS_A_S)
        cpu_relax();
    for (uint32_t i = 1; i < platform.cpu_count; i++)
        apic_send_startup(cpu_ids[i], TRAMPOLINE_HPA / PAGE_SIZE);
    spin(platform.cpu_count > 1 ? STARTUP_NS : 0);
    for (uint32_t i = 1; i < platform.cpu_count; i++)
        if (!__atomic_load_n(&cpus[i].present, __ATOMIC_ACQUIRE))
            apic_send_startup(cpu_ids[i], TRAMPOLINE_HPA / PAGE_SIZE);
}

void cpus_await(void)
{
    uint64_t limit = time_ns() + START_LIMIT_NS;

    for (uint32_t i = 1; i < platform.cpu_count; i++) {
        while (!__atomic_load_n(&cpus[i].present, __ATOMIC_ACQUIRE) && time_ns() < limit)
            cpu_relax();
        if (!cpus[i].present)
            log_line("cpu %u: did not come up", i);
    }
}

void cpu_halt(void)
{
    for (;;)
        __asm__ volatile("cli\n\thlt");
}

/* A core's threads share its caches and predictors: what one computes, the other may find out by timing. */
void arch_close(void)
{
    struct cpuid level = cpuid(0, 0).eax >= 0xb ? cpuid(0xb, 0) : (struct cpuid){0};
    uint32_t shift = (level.ecx >> 8 & 0xff) == LEVEL_THREADS ? level.eax & 31 : 0;

    for (uint32_t i = 0; i < platform.cpu_count; i++)
        for (uint32_t j = i + 1; j < platform.cpu_count; j++) {
            const struct domain *a = cpus[i].vcpu->domain, *b = cpus[j].vcpu->domain;

            if (a && b && a != b && cpus[i].id >> shift == cpus[j].id >> shift)
                log_line("CPUs %u and %u are threads of one core, but belong to %s and %s", i, j, a->config->name,
                         b->config->name);
        }
}
