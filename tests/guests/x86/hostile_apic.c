// SPDX-License-Identifier: Apache-2.0
/* Every register of the local APIC and the IOAPIC, in every width: defined, and confined (issue 2, point 7). */
#include "instruction.h"
#include <bulkhead/guest_map.h>

#define MSR_X2APIC_VERSION 0x803u
#define MSR_X2APIC_SELF_IPI 0x83fu
#define MSR_X2APIC_LVT_FIRST 0x82fu
#define MSR_X2APIC_LVT_LAST 0x837u
#define LVT_MASKED 0x10000u
#define DELIVERY_INIT 0x500u
#define IOAPIC_DATA 0x10u
#define IOAPIC_VERSION 1u
#define PAGE 4096u

static volatile uint32_t seen;

static void count(uint32_t id)
{
    seen += id == IPI_INTERRUPT;
}

static void works_still(const char *after)
{
    uint64_t end = now_ms() + PATIENCE_MS;

    interrupts_start();
    interrupt_handler = count;
    interrupts_on(); /* what is pending still comes, the spurious vector too, which gets no EOI from its handler */
    interrupts_off();
    for (uint32_t i = 0; i < 256; i++)
        msr_write(MSR_X2APIC_EOI, 0);
    seen = 0;
    interrupts_on();
    cpu_send(msr_read(MSR_X2APIC_ID) << 32 | IPI_INTERRUPT);
    while (seen == 0 && now_ms() < end)
        cpu_relax();
    interrupts_off();
    check(seen == 1, "its own IPI arrives after %s (%u)", after, (unsigned)seen);
}

static struct fault access_msr(uint32_t msr, bool write, uint64_t value)
{
    struct registers registers = {.rcx = msr, .rax = (uint32_t)value, .rdx = value >> 32};

    return write ? instruction_run(INSTRUCTION(0x0f, 0x30), &registers)
                 : instruction_run(INSTRUCTION(0x0f, 0x32), &registers);
}

/* Whatever is sent, the sender itself is not to be started anew. */
static bool would_end_this(uint32_t msr, uint64_t value)
{
    return msr == MSR_X2APIC_ICR && ((value >> 8 & 7) == 5 || (value >> 8 & 7) == 6);
}

static void sweep_local(bool write, uint64_t value)
{
    uint32_t taken = 0, wrong = 0, last = 0;

    for (uint32_t msr = 0x800; msr < 0x900; msr++) {
        struct fault fault;

        if (write && would_end_this(msr, value))
            continue;
        fault = access_msr(msr, write, value);
        taken += fault.count == 0;
        if (fault.count > 1 || (fault.count == 1 && fault.vector != FAULT_GENERAL_PROTECTION))
            wrong++, last = msr;
    }
    for (uint32_t msr = MSR_X2APIC_LVT_FIRST; msr <= MSR_X2APIC_LVT_LAST; msr++)
        access_msr(msr, true, LVT_MASKED | 0xf0);
    check(wrong == 0, "local APIC, %s %lx: %u taken, %u wrong (%x)", write ? "WRMSR of" : "RDMSR", value,
          (unsigned)taken, (unsigned)wrong, (unsigned)last);
}

/* Every kind of IPI to CPUs that are not this one, nor there at all. */
static void wild_commands(void)
{
    static const uint64_t targets[] = {8, 0x7f, 0xff, 0x100, 0x10000, 0x80000000, 0xfffffffe};
    uint32_t refused = 0;

    for (size_t i = 0; i < sizeof(targets) / sizeof(targets[0]); i++)
        for (uint64_t mode = 0; mode < 8; mode++)
            for (uint64_t vector = 0; vector < 256; vector += 5)
                for (uint64_t logical = 0; logical < 2; logical++) {
                    if (logical && mode >= 4) /* a cluster that is all: NMI, INIT and SIPI would reach this CPU */
                        continue;
                    if (logical && vector >= 16 && vector < 32) /* likewise, as what looks like an exception */
                        continue;
                    refused +=
                        access_msr(MSR_X2APIC_ICR, true, targets[i] << 32 | logical << 11 | mode << 8 | vector).count;
                }
    check(true, "IPIs to CPUs that are not there (%u refused)", (unsigned)refused);
}

static void access_io(bool write, uint32_t width, uint64_t address, uint64_t value)
{
    struct registers registers = {.rax = value, .rdi = address};

    /* MOV between AL, AX, EAX, RAX and (RDI) */
    switch (width) {
    case 1:
        instruction_run(INSTRUCTION(write ? 0x88 : 0x8a, 0x07), &registers);
        break;
    case 2:
        instruction_run(INSTRUCTION(0x66, write ? 0x89 : 0x8b, 0x07), &registers);
        break;
    case 4:
        instruction_run(INSTRUCTION(write ? 0x89 : 0x8b, 0x07), &registers);
        break;
    default:
        instruction_run(INSTRUCTION(0x48, write ? 0x89 : 0x8b, 0x07), &registers);
        break;
    }
}

static void sweep_io(bool write, uint64_t value)
{
    uint32_t ends = 0;

    for (uint32_t width = 1; width <= 8; width *= 2)
        for (uint32_t offset = 0; offset + width <= PAGE; offset += width == 4 ? 4 : 28) {
            access_io(write, width, GUEST_IOAPIC_BASE + offset, value);
            ends++;
        }
    for (uint32_t index = 0; index < 0x100; index++) {
        write32(GUEST_IOAPIC_BASE, index);
        if (write)
            write32(GUEST_IOAPIC_BASE + IOAPIC_DATA, (uint32_t)value);
        else
            (void)read32(GUEST_IOAPIC_BASE + IOAPIC_DATA);
        ends++;
    }
    check(true, "IOAPIC, %u %s of %lx end", (unsigned)ends, write ? "writes" : "reads", value);
}

static uint32_t io_read(uint32_t index)
{
    write32(GUEST_IOAPIC_BASE, index);
    return read32(GUEST_IOAPIC_BASE + IOAPIC_DATA);
}

static void quieten(void)
{
    for (uint32_t pin = 0; pin < 24; pin++) {
        write32(GUEST_IOAPIC_BASE, 0x10 + 2 * pin);
        write32(GUEST_IOAPIC_BASE + IOAPIC_DATA, LVT_MASKED);
    }
    for (uint32_t i = 0; i < 256; i++)
        msr_write(MSR_X2APIC_EOI, 0);
    timer_off();
}

void guest_main(void)
{
    static const uint64_t values[] = {0, ~0ull, 0x5a5aa5a5a5a55a5a, 0x1ff};
    uint64_t version = msr_read(MSR_X2APIC_VERSION);
    uint32_t io_version = io_read(IOAPIC_VERSION);

    check((version & 0xff) >= 0x10, "the local APIC is an integrated one (%lx)", version);
    check((io_version >> 16 & 0xff) == 23, "the IOAPIC has 24 pins (%x)", (unsigned)io_version);
    works_still("the start");
    sweep_local(false, 0);
    sweep_io(false, 0);
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        sweep_local(true, values[i]);
        sweep_io(true, values[i]);
    }
    quieten();
    wild_commands();
    quieten();
    works_still("the sweep");
    check(msr_read(MSR_X2APIC_VERSION) == version && io_read(IOAPIC_VERSION) == io_version,
          "read-only registers are as they were");
}
