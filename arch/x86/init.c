// SPDX-License-Identifier: Apache-2.0
/* The boot CPU finds its machine. */
#include "vendor.h"
#include <arch/apic.h>
#include <arch/boot.h>
#include <arch/cpu.h>
#include <arch/machine.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/memory.h>
#include <core/seed.h>
#include <devices/serial/early.h>
#include <string.h>

#define CPUID_RDRAND (1u << 30)

struct platform platform;
struct dmar dmar;
struct ivrs ivrs;

void boot_refuse(const char *why)
{
    static const char introduction[] = "Bulkhead does not run on this machine: ";

    serial_early_init();
    serial_early_write(introduction, sizeof(introduction) - 1);
    serial_early_write(why, strlen(why));
    serial_early_write("\n", 1);
    cpu_halt();
}

static void gather_entropy(void)
{
    uint64_t number = __builtin_ia32_rdtsc();
    bool valid;

    seed_add(&number, sizeof(number));
    if (!(cpuid(1, 0).ecx & CPUID_RDRAND))
        return;
    for (size_t i = 0; i < SEED_SIZE / sizeof(number); i++) {
        __asm__ volatile("rdrand %0" : "=r"(number), "=@ccc"(valid)::"cc");
        if (valid)
            seed_add(&number, sizeof(number));
    }
}

void arch_init(struct hpa handover)
{
    const struct machine *machine = kernel_map_memory(handover, sizeof(*machine));

    platform = machine->platform;
    dmar = machine->dmar;
    ivrs = machine->ivrs;
    idt_init();
    if (machine->flaw[0])
        boot_refuse(machine->flaw);
    cpu_setup();
    if (!memory_in_ram(platform.kernel))
        boot_refuse("its memory at 18 MiB is not the loader's to give");
    cpus_init();
    timer_init();
    timer_init_cpu();
    ioapic_init();
    vendor_choose();
    vendor->init();
    vendor->cpu_enable(vcpu_current());
    gather_entropy();
}

void arch_close(void)
{
    cpus_tell_threads();
}
