// SPDX-License-Identifier: Apache-2.0
/* The CPUs: their EL2 stacks and vCPUs, and bringing them up. */
#include <arch/boot.h>
#include <arch/gic.h>
#include <arch/layout.h>
#include <arch/psci.h>
#include <arch/sysreg.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/platform.h>

#define START_LIMIT_NS 1000000000ull /* for a CPU to come up */

/* The stack grows down from the vCPU; assembly knows both sizes. */
struct cpu_area {
    uint8_t stack[EL2_STACK_SIZE];
    union {
        struct vcpu vcpu;
        uint8_t size[CPU_AREA_SIZE - EL2_STACK_SIZE];
    };
} __attribute__((aligned(4096)));
_Static_assert(sizeof(struct cpu_area) == CPU_AREA_SIZE, "layout.h");

struct cpu_area cpu_areas[BULKHEAD_CPUS_MAX];
struct cpu cpus[BULKHEAD_CPUS_MAX];

void cpus_init(void)
{
    static struct vcpu_status nobodys; /* a CPU that belongs to nobody counts its interrupts here */

    for (uint32_t i = 0; i < platform.cpu_count; i++) {
        cpu_areas[i].vcpu.cpu = i;
        cpu_areas[i].vcpu.status = &nobodys;
        cpus[i].index = i;
        cpus[i].id = platform.arch.cpu_id[i];
        cpus[i].vcpu = &cpu_areas[i].vcpu;
    }
    CHECK(cpus[0].id == (sysreg_read(mpidr_el1) & MPIDR_AFFINITY));
    cpus[0].present = true;
}

void cpu_main(struct vcpu *vcpu)
{
    cpu_setup();
    gic_init_cpu();
    __atomic_store_n(&cpus[vcpu->cpu].present, true, __ATOMIC_RELEASE);
    vcpu_park(vcpu);
    vcpu_enter(vcpu);
}

struct vcpu *spin_vcpu[8];

/* The firmware's loop: it reads an address past the caches, and goes there on an event. */
static void release(uint32_t cpu)
{
    uint64_t at = platform.arch.cpu_release[cpu];
    volatile uint64_t *word =
        (volatile uint64_t *)(kernel_map_device(hpa(at & ~(PAGE_SIZE - 1)), PAGE_SIZE) + at % PAGE_SIZE);

    spin_vcpu[cpus[cpu].id % 8] = cpus[cpu].vcpu;
    cache_clean(spin_vcpu, sizeof(spin_vcpu));
    *word = kernel_hpa(spin_entry).value;
    asm volatile("dsb sy\n\tsev" ::: "memory");
}

void cpus_start(void)
{
    uint64_t entry = kernel_hpa(cpu_entry).value;

    for (uint32_t i = 1; i < platform.cpu_count; i++) {
        int64_t error = 0;

        if (platform.arch.cpu_release[i])
            release(i);
        else
            error = psci_cpu_on(cpus[i].id, entry, (uint64_t)cpus[i].vcpu);
        if (error)
            log_line("cpu %u: the firmware does not start it: %ld", i, (long)error);
    }
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
    psci_cpu_off();
    for (;;)
        cpu_wait();
}
