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

void arch_init(struct hpa handover)
{
    struct machine *machine = kernel_map_memory(handover, sizeof(*machine));

    platform = machine->platform;
    dmar = machine->dmar;
    ivrs = machine->ivrs;
    idt_init();
    if (machine->flaw[0])
        boot_refuse(machine->flaw);
    cpu_setup();
    seed_add(machine->seed, machine->seed_size);
    memset(machine->seed, 0, sizeof(machine->seed));
    if (!memory_in_ram(platform.kernel))
        boot_refuse("its memory at 18 MiB is not the loader's to give");
    cpus_init();
    timer_init_cpu();
    ioapic_init();
    vendor_choose();
    vendor->init();
    vendor->cpu_enable(vcpu_current());
}
