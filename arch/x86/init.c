// SPDX-License-Identifier: Apache-2.0
/* The boot CPU finds its machine. */
#include "vendor.h"
#include <arch/apic.h>
#include <arch/boot.h>
#include <arch/cpu.h>
#include <arch/timer.h>
#include <core/arch.h>
#include <core/memory.h>
#include <core/seed.h>
#include <devices/serial/early.h>
#include <string.h>

#define COM1 0x3f8
#define CMOS_CLOCK 0x70
#define FIXED_REGISTERS 0xfec00000ull /* IOAPICs, HPET, IOMMUs, local APICs */
#define CPUID_X2APIC (1u << 21)
#define CPUID_RDRAND (1u << 30)

/* Set before the image is entered, so not among what is zeroed there. */
bool boot_by_efi __attribute__((section(".data")));
struct platform platform = {.cpu_count = 1, .arch = {.serial_port = COM1, .clock_port = CMOS_CLOCK}};

void boot_refuse(const char *why)
{
    static const char introduction[] = "Bulkhead does not run on this machine: ";

    serial_early_init();
    serial_early_write(introduction, sizeof(introduction) - 1);
    serial_early_write(why, strlen(why));
    serial_early_write("\n", 1);
    cpu_halt();
}

/* Whole pages, above what real mode and firmware use. Domains get blocks of 2 MiB: smaller pieces are of no use, and
 * UEFI's maps have many. */
void platform_add_ram(uint64_t base, uint64_t size)
{
    uint64_t first = base < MIB ? MIB : (base + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    uint64_t end = (base + size) & ~(PAGE_SIZE - 1);

    if (end >= first + 2 * MIB && end > base && platform.ram_count < PLATFORM_RANGES_MAX)
        platform.ram[platform.ram_count++] = (struct memory_range){hpa(first), end - first};
}

static void reserve(struct memory_range range)
{
    if (range.size)
        platform.reserved[platform.reserved_count++] = range;
}

static void reserve_own_memory(void)
{
    platform.kernel = kernel_memory();
    platform.persistent = (struct memory_range){hpa(CONFIG_LOG_BASE), CONFIG_LOG_SIZE};
    reserve(platform.kernel);
    reserve(platform.persistent);
    reserve(platform.bundle);
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

/* Between RAM and the chipset's own registers. */
static void find_pci_window(void)
{
    uint64_t base = 0;

    for (uint32_t i = 0; i < platform.ram_count; i++) {
        uint64_t end = platform.ram[i].base.value + platform.ram[i].size;

        if (end <= FIXED_REGISTERS && end > base)
            base = end;
    }
    platform.pci.window = (struct memory_range){hpa(base), FIXED_REGISTERS - base};
}

void arch_init(struct hpa handover)
{
    const char *flaw;

    idt_init();
    if (!(cpuid(1, 0).ecx & CPUID_X2APIC))
        boot_refuse("the CPU has no x2APIC");
    cpu_setup();
    platform.arch.apic_id[0] = (uint32_t)msr_read(X2APIC_ID);
    multiboot_read(handover);
    reserve_own_memory();
    if (!memory_in_ram(platform.kernel))
        boot_refuse("its memory at 18 MiB is not the loader's to give");
    flaw = acpi_read();
    if (flaw)
        boot_refuse(flaw);
    find_pci_window();
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
