// SPDX-License-Identifier: Apache-2.0
/*
 * What runs in front of the kernel, once: it reads what loader and firmware say of the machine, puts the kernel where it
 * belongs, and enters it with a description in which every count and length has been checked (arch/machine.h). So the
 * kernel knows neither Multiboot, UEFI nor ACPI. It is position-independent, and nobody
 * keeps its memory.
 */
#include "stage.h"

#include <arch/apic.h>
#include <arch/cpu.h>
#include <arch/machine.h>
#include <arch/timer.h>
#include <string.h>

#define COM1 0x3f8
#define CMOS_CLOCK 0x70
#define FIXED_REGISTERS 0xfec00000ull /* IOAPICs, HPET, IOMMUs, local APICs */
#define IOAPIC_INDEX 0 /* registers behind an index and a window (82093AA) */
#define IOAPIC_WINDOW 4
#define IOAPIC_VERSION 1
#define IOAPIC_ENTRY(pin) (0x10 + 2 * (pin))
#define IOAPIC_MASKED (1u << 16)
#define PIC_MASK_1 0x21 /* of the 8259As */
#define PIC_MASK_2 0xa1
#define CPUID_TOPOLOGY 0xbu
#define CPUID_X2APIC (1u << 21)
#define CPUID_RDRAND (1u << 30)

#define ENTRIES 512
#define BLOCK_SIZE (2 * MIB)
#define PRESENT_WRITABLE 3u
#define LARGE_PAGE 0x83u    /* present, writable */
#define UNCACHED 0x18u
#define CR0_ON 0x80010033u /* PG, WP, NE, ET, MP, PE */
#define DEVICE (KERNEL_VA + KERNEL_MEMORY_SIZE)
#define ADDRESS_MASK 0x000ffffffffff000ull

struct table {
    uint64_t entry[ENTRIES];
} __attribute__((aligned(4096)));

bool by_efi;
struct facts facts;
struct platform platform;
static struct table level4, level3, level2;
static struct machine machine;

/* Whole pages, above what real mode and firmware use. Domains get blocks of 2 MiB: smaller pieces are of no use, and
 * UEFI's maps have many. */
void stage_add_ram(uint64_t base, uint64_t size)
{
    uint64_t first = base < MIB ? MIB : (base + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);
    uint64_t end = (base + size) & ~(PAGE_SIZE - 1);

    if (end >= first + 2 * MIB && end > base && platform.ram_count < PLATFORM_RANGES_MAX)
        platform.ram[platform.ram_count++] = (struct memory_range){hpa(first), end - first};
}

bool stage_in_the_way(uint64_t address, uint64_t size)
{
    return address < KERNEL_HPA + KERNEL_MEMORY_SIZE && address + size > KERNEL_HPA;
}

const uint8_t *firmware_memory(uint64_t address, uint64_t size)
{
    bool known = by_efi ? efi_is_memory(address, size) : address <= UINT32_MAX && size <= UINT32_MAX - address;

    return known ? (const uint8_t *)address : NULL;
}

static void reserve(struct memory_range range)
{
    if (range.size)
        platform.reserved[platform.reserved_count++] = range;
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

static uint32_t own_apic_id(void)
{
    return cpuid(0, 0).eax >= CPUID_TOPOLOGY ? cpuid(CPUID_TOPOLOGY, 0).edx : cpuid(1, 0).ebx >> 24;
}

/* The page tables that are in use, and the kernel where it is linked to. */
static void map_kernel(void)
{
    _Static_assert(KERNEL_VA % BLOCK_SIZE == 0 && KERNEL_HPA % BLOCK_SIZE == 0, "mapped by large pages");

    memcpy(&level4, (const void *)(control_read(cr3) & ADDRESS_MASK), sizeof(level4));
    level4.entry[KERNEL_VA >> 39 & (ENTRIES - 1)] = (uint64_t)&level3 | PRESENT_WRITABLE;
    level3.entry[KERNEL_VA >> 30 & (ENTRIES - 1)] = (uint64_t)&level2 | PRESENT_WRITABLE;
    for (uint64_t at = 0; at < KERNEL_MEMORY_SIZE; at += BLOCK_SIZE)
        level2.entry[(KERNEL_VA + at) >> 21 & (ENTRIES - 1)] = (KERNEL_HPA + at) | LARGE_PAGE;
    msr_write(MSR_EFER, msr_read(MSR_EFER) | EFER_NXE);
    control_write(cr4, CR4_PAE);
    control_write(cr3, (uint64_t)&level4);
    control_write(cr0, CR0_ON);
}

volatile uint8_t *stage_map_device(uint64_t address)
{
    level2.entry[DEVICE >> 21 & (ENTRIES - 1)] = (address & ~(BLOCK_SIZE - 1)) | LARGE_PAGE | UNCACHED;
    __asm__ volatile("invlpg (%0)" ::"r"(DEVICE) : "memory");
    return (volatile uint8_t *)(DEVICE + (address & (BLOCK_SIZE - 1)));
}

static void mask_ioapics(void)
{
    for (uint32_t unit = 0; unit < platform.arch.ioapic_count; unit++) {
        volatile uint32_t *ioapic = (volatile uint32_t *)stage_map_device(platform.arch.ioapic[unit].base.value);

        ioapic[IOAPIC_INDEX] = IOAPIC_VERSION;
        platform.arch.ioapic[unit].pins = (ioapic[IOAPIC_WINDOW] >> 16 & 0xff) + 1;
        for (uint32_t pin = 0; pin < platform.arch.ioapic[unit].pins; pin++) {
            ioapic[IOAPIC_INDEX] = IOAPIC_ENTRY(pin);
            ioapic[IOAPIC_WINDOW] = IOAPIC_MASKED;
        }
    }
}

/* Nothing comes from the 8259As. The other CPUs wait for the start-up that the kernel sends them; 10 ms from here on
 * (SDM 3A, 9.4.4). */
static void silence(void)
{
    uint64_t base = msr_read(MSR_APIC_BASE) | APIC_BASE_ENABLE;

    port_write8(PIC_MASK_1, 0xff);
    port_write8(PIC_MASK_2, 0xff);
    msr_write(MSR_APIC_BASE, base); /* x2APIC mode is entered from xAPIC mode only (SDM 3A, 11.12.5) */
    msr_write(MSR_APIC_BASE, base | APIC_BASE_X2APIC);
    msr_write(X2APIC_LVT_TIMER, LVT_MASKED);
    msr_write(X2APIC_SVR, SVR_ENABLE | VECTOR_SPURIOUS);
    for (uint32_t i = 1; i < platform.cpu_count; i++)
        msr_write(X2APIC_ICR, (uint64_t)platform.arch.apic_id[i] << 32 | ICR_INIT | ICR_ASSERT);
    platform.arch.init_count = timer_count();
}

static void add_entropy(uint64_t number)
{
    memcpy(machine.seed + machine.seed_size, &number, sizeof(number));
    machine.seed_size += sizeof(number);
}

static void gather_entropy(void)
{
    unsigned long long number;
    bool valid;

    add_entropy(timer_count());
    for (uint32_t i = 0; i < SEED_SIZE / sizeof(number) && (cpuid(1, 0).ecx & CPUID_RDRAND); i++) {
        __asm__ volatile("rdrand %0" : "=r"(number), "=@ccc"(valid)::"cc");
        if (valid)
            add_entropy(number);
    }
}

static const char *find_out(void)
{
    const char *flaw = acpi_read();

    if (flaw)
        return flaw;
    if (!(cpuid(1, 0).ecx & CPUID_X2APIC))
        return "the CPU has no x2APIC";
    find_pci_window();
    mask_ioapics();
    silence();
    gather_entropy();
    return timers_measure();
}

void stage_leave(const char *flaw)
{
    __asm__ volatile("cli\n\tcld");
    platform.cpu_count = 1;
    platform.arch.apic_id[0] = own_apic_id();
    platform.arch.serial_port = COM1;
    facts.clock_port = CMOS_CLOCK;
    platform.kernel = (struct memory_range){hpa(KERNEL_HPA), KERNEL_MEMORY_SIZE};
    platform.persistent = (struct memory_range){hpa(CONFIG_LOG_BASE), CONFIG_LOG_SIZE};
    reserve(platform.kernel);
    reserve(platform.persistent);
    reserve(platform.bundle);
    map_kernel();
    if (!flaw)
        flaw = find_out();
    machine.platform = platform;
    machine.dmar = dmar;
    machine.ivrs = ivrs;
    for (uint32_t i = 0; flaw && flaw[i] && i + 1 < sizeof(machine.flaw); i++)
        machine.flaw[i] = flaw[i];
    memcpy((void *)KERNEL_VA, kernel_start, (size_t)(kernel_end - kernel_start));
    __asm__ volatile("jmp *%0" ::"r"(KERNEL_VA), "D"(&machine) : "memory");
    __builtin_unreachable();
}
