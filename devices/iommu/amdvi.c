// SPDX-License-Identifier: Apache-2.0
/*
 * All units share one device table, of all requesters, so that each command goes to all of them and nobody looks for a
 * device's unit. What belongs to nobody has an empty page table instead of no rights, since only that is logged
 * everywhere. A requester that is assigned gets an interrupt table of its own: messages carry an index into it, so that
 * no device reaches another's entries.
 */
#include <devices/iommu/amdvi.h>

#include <arch/apic.h>
#include <arch/ivrs.h>
#include <arch/stage2.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/pci.h>
#include <core/spinlock.h>

#define REGISTERS_BYTES 0x4000u
#define DEVICES_MAX 64
#define PATIENCE_NS 1000000000ull

enum unit_register {
    DEVICE_TABLE = 0x00,
    COMMAND_BUFFER = 0x08,
    EVENT_LOG = 0x10,
    CONTROL = 0x18,
    FEATURES = 0x30,
    COMMAND_HEAD = 0x2000,
    COMMAND_TAIL = 0x2008,
    EVENT_HEAD = 0x2010,
    EVENT_TAIL = 0x2018,
    STATUS = 0x2020,
};
#define CONTROL_ON (1ull << 0)
#define CONTROL_EVENT_LOG (1ull << 2)
#define CONTROL_EVENT_INTERRUPT (1ull << 3)
#define CONTROL_COHERENT (1ull << 10)
#define CONTROL_COMMANDS (1ull << 12)
#define FEATURE_INVALIDATE_ALL (1ull << 6)
#define STATUS_OVERFLOW 1u
#define STATUS_EVENT_INTERRUPT 2u

/* Command buffer and event log: a page each, of 256 entries of 16 bytes. */
#define RING_ENTRIES 256u
#define RING_LENGTH (8ull << 56)
#define COMMAND(opcode) ((uint64_t)(opcode) << 60)
#define COMPLETION_WAIT COMMAND(1)
#define COMPLETION_STORE 1u
#define INVALIDATE_ENTRY COMMAND(2)
#define INVALIDATE_PAGES COMMAND(3)
#define PAGES_ALL 0x7ffffffffffff003ull /* of any size, and what leads to them */
#define INVALIDATE_INTERRUPTS COMMAND(5)
#define INVALIDATE_ALL COMMAND(8)
#define EVENT_ILLEGAL_COMMAND 5u /* this and the next two are not a device's, all others are */
#define EVENT_NO_ANSWER 7u
#define EVENT_INTERRUPT (1ull << 51)
#define EVENT_WRITE (1ull << 53)
#define MESSAGE_BASE 0xfee00000ull
#define MESSAGE_BYTES 0x100000ull

/* The device table's entries (2.2.2.1) */
#define ENTRY_VALID 3ull /* and its translation */
#define ENTRY_LEVELS(n) ((uint64_t)(n) << 9)
#define ENTRY_READ_WRITE (3ull << 61)
#define ENTRY_INTERRUPTS_VALID 1ull
#define ENTRY_INTERRUPTS(order) ((uint64_t)(order) << 1)
#define ENTRY_FORWARD (1ull << 60) /* fixed interrupts as they are; neither bit: none */
#define ENTRY_REMAP (2ull << 60)
#define INTERRUPTS_ORDER 9
_Static_assert(IOMMU_MESSAGES_MAX == 1 << INTERRUPTS_ORDER, "an index is a message's number");
#define REMAP_ENABLED 1u

/* MSI's capability: the word of control (PCI 3.0, 6.8.1.3) */
#define MSI_ENABLE 1u
#define MSI_SEVERAL 0x70u
#define MSI_64_BITS 0x80u

static const struct nested_format format = {
    .table = 1 | ENTRY_READ_WRITE,
    .level = 1ull << 9,
    .read = 1 | 1ull << 61,
    .write = 1 | 1ull << 62,
    .normal = 1ull << 60, /* snoops, whatever the device asks for */
};

static struct unit {
    volatile uint8_t *registers;
    uint64_t (*commands)[2];
    volatile uint64_t (*events)[2];
    uint64_t waits, control;
    _Atomic uint64_t done; /* the unit writes which wait it came to */
    uint32_t tail, event_head;
    struct spinlock lock;
} units[IVRS_UNITS_MAX];

static struct device_entry {
    uint64_t word[4];
} * table;
static uint32_t requesters; /* entries of the table; whoever is beyond them is refused */
static uint64_t blocked;    /* what word 0 says then */

static struct interrupt_table {
    uint16_t requester;
    uint32_t *entries;
} tables[DEVICES_MAX];
static uint32_t table_count;

static volatile uint64_t *reg(const struct unit *unit, uint32_t offset)
{
    return (volatile uint64_t *)(unit->registers + offset);
}

/* --- Commands. The buffer is empty between calls of finish(). --- */

static void submit(struct unit *unit, uint64_t low, uint64_t high)
{
    unit->commands[unit->tail][0] = low;
    unit->commands[unit->tail][1] = high;
    unit->tail = (unit->tail + 1) % RING_ENTRIES;
}

static void finish(struct unit *unit)
{
    uint64_t until = time_ns() + PATIENCE_NS;

    submit(unit, COMPLETION_WAIT | COMPLETION_STORE | kernel_hpa((const void *)&unit->done).value, ++unit->waits);
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
    *reg(unit, COMMAND_TAIL) = unit->tail * 16;
    while (__atomic_load_n((uint64_t *)&unit->done, __ATOMIC_ACQUIRE) != unit->waits) {
        CHECK(time_ns() < until); /* nothing is known any more of what devices reach */
        cpu_relax();
    }
}

static void forget(uint64_t low, uint64_t high, uint64_t low2)
{
    for (uint32_t i = 0; i < ivrs.unit_count; i++) {
        spinlock_acquire(&units[i].lock);
        submit(&units[i], low, high);
        if (low2)
            submit(&units[i], low2, 0);
        finish(&units[i]);
        spinlock_release(&units[i].lock);
    }
}

/* --- Devices --- */

static int32_t range_of(uint32_t requester)
{
    for (uint32_t i = 0; i < ivrs.range_count; i++)
        if (requester >= ivrs.range[i].first && requester <= ivrs.range[i].last)
            return (int32_t)i;
    return -1;
}

/* What the device's requests say. */
static uint16_t name_of(uint32_t requester)
{
    int32_t range = range_of(requester);

    return range >= 0 && ivrs.range[range].alias ? ivrs.range[range].alias : (uint16_t)requester;
}

static uint32_t *interrupts_of(uint32_t requester)
{
    for (uint32_t i = 0; i < table_count; i++)
        if (tables[i].requester == requester)
            return tables[i].entries;
    return NULL;
}

static bool add_interrupts(uint16_t name)
{
    if (interrupts_of(name))
        return true;
    if (table_count == DEVICES_MAX)
        return false;
    tables[table_count].entries = memory_pages(1);
    tables[table_count++].requester = name;
    return true;
}

static bool is_ioapic(uint32_t requester)
{
    for (uint32_t i = 0; i < ivrs.ioapic_count; i++)
        if (ivrs.ioapic[i].requester == requester)
            return true;
    return false;
}

/* What a device shares with an IOAPIC it could use to send any interrupt: nobody gets it. */
static bool covers(uint32_t requester)
{
    return requester < requesters && range_of(requester) >= 0 && !is_ioapic(requester) &&
           add_interrupts(name_of(requester));
}

/* For word 2: nothing but what the table has comes through; without one nothing at all. */
static uint64_t interrupts_word(const uint32_t *entries)
{
    return ENTRY_INTERRUPTS_VALID |
           (entries ? kernel_hpa(entries).value | ENTRY_REMAP | ENTRY_INTERRUPTS(INTERRUPTS_ORDER) : 0);
}

static void create(struct iommu_space *space)
{
    space->root = memory_pages(1);
    space->root_hpa = kernel_hpa(space->root).value;
}

static void map(struct iommu_space *space, struct ipa ipa, struct hpa hpa, uint64_t size, uint32_t rights)
{
    struct nested_tables tree = {
        .root = space->root, .root_hpa = space->root_hpa, .format = &format, .top_shift = 39, .largest_shift = 30};

    nested_map(&tree, ipa.value, hpa.value, size, rights);
}

/* Word 0 decides: it is written first where access ends, and last where it begins. */
static void attach(uint32_t requester, const struct iommu_space *space)
{
    uint16_t name = name_of(requester);
    struct device_entry *entry = &table[name];

    if (!space)
        __atomic_store_n(&entry->word[0], blocked, __ATOMIC_RELEASE);
    __atomic_store_n(&entry->word[2], interrupts_word(space ? interrupts_of(name) : NULL), __ATOMIC_RELEASE);
    __atomic_store_n(&entry->word[1], space ? space->id : 0, __ATOMIC_RELEASE);
    if (space)
        __atomic_store_n(&entry->word[0], ENTRY_VALID | ENTRY_LEVELS(4) | ENTRY_READ_WRITE | space->root_hpa,
                         __ATOMIC_RELEASE);
    forget(INVALIDATE_ENTRY | name, 0, INVALIDATE_INTERRUPTS | name);
}

static void invalidate(const struct iommu_space *space)
{
    forget(INVALIDATE_PAGES | (uint64_t)space->id << 32, PAGES_ALL, 0);
}

static bool remap(uint32_t entry, uint32_t requester, uint32_t cpu, uint8_t vector, struct message *message)
{
    uint16_t name = name_of(requester);
    uint32_t *entries = interrupts_of(name);
    uint64_t id = cpus[cpu].id;

    if (id >= 0xff || (!entries && !is_ioapic(requester)))
        return false;
    if (!entries) {
        *message = (struct message){MESSAGE_BASE | id << 12, vector};
        return true;
    }
    __atomic_store_n(&entries[entry], vector ? vector << 16 | (uint32_t)id << 8 | REMAP_ENABLED : 0, __ATOMIC_RELEASE);
    forget(INVALIDATE_INTERRUPTS | name, 0, 0);
    *message = (struct message){MESSAGE_BASE, entry};
    return true;
}

/* --- Faults --- */

static bool next_event(struct unit *unit, uint64_t event[2])
{
    bool found;

    spinlock_acquire(&unit->lock);
    found = (*reg(unit, EVENT_TAIL) / 16) % RING_ENTRIES != unit->event_head;
    if (found) {
        for (uint32_t i = 0; i < 2; i++) {
            event[i] = unit->events[unit->event_head][i];
            unit->events[unit->event_head][i] = 0;
        }
        unit->event_head = (unit->event_head + 1) % RING_ENTRIES;
        *reg(unit, EVENT_HEAD) = unit->event_head * 16;
    } else if (*reg(unit, STATUS) & STATUS_OVERFLOW) { /* what came meanwhile is not known */
        *reg(unit, CONTROL) = unit->control & ~CONTROL_EVENT_LOG;
        *reg(unit, STATUS) = STATUS_OVERFLOW;
        *reg(unit, CONTROL) = unit->control;
    }
    spinlock_release(&unit->lock);
    return found;
}

static void handle(const uint64_t event[2])
{
    uint64_t code = event[0] >> 60;
    enum iommu_refusal what = event[0] & EVENT_WRITE ? IOMMU_REFUSED_WRITE : IOMMU_REFUSED_READ;

    if ((event[0] & EVENT_INTERRUPT) && event[1] - MESSAGE_BASE < MESSAGE_BYTES)
        what = IOMMU_REFUSED_MESSAGE;
    if (code >= EVENT_ILLEGAL_COMMAND && code <= EVENT_NO_ANSWER)
        log_line("AMD-Vi: event %lx %lx", event[0], event[1]);
    else
        iommu_fault((uint16_t)event[0], event[1], what);
}

static void poll_faults(void)
{
    uint64_t event[2];

    for (uint32_t i = 0; i < ivrs.unit_count; i++)
        for (uint32_t n = 0; n < RING_ENTRIES && next_event(&units[i], event); n++)
            handle(event);
}

static void listen(bool on)
{
    for (uint32_t i = 0; i < ivrs.unit_count; i++) {
        struct unit *unit = &units[i];

        spinlock_acquire(&unit->lock);
        unit->control = on ? unit->control | CONTROL_EVENT_INTERRUPT : unit->control & ~CONTROL_EVENT_INTERRUPT;
        if (on)
            *reg(unit, STATUS) = STATUS_EVENT_INTERRUPT;
        *reg(unit, CONTROL) = unit->control;
        if (on && (*reg(unit, EVENT_TAIL) / 16) % RING_ENTRIES != unit->event_head)
            apic_send(0, VECTOR_IOMMU);
        spinlock_release(&unit->lock);
    }
}

static const struct iommu_ops ops = {
    .name = "AMD-Vi",
    .covers = covers,
    .create = create,
    .map = map,
    .attach = attach,
    .invalidate = invalidate,
    .poll_faults = poll_faults,
    .listen = listen,
    .remap = remap,
};

/* --- Boot --- */

/* Its interrupts are an ordinary message of its PCI function, which no unit remaps. */
static void set_up_interrupt(uint16_t requester)
{
    struct pci_function *function = pci_find(requester);
    uint32_t control;

    if (!function || !function->msi || cpus[0].id >= 0xff) {
        log_line("AMD-Vi: a unit cannot interrupt; its faults are counted when a domain stops");
        return;
    }
    control = pci_read(function, function->msi + 2, 2);
    pci_write(function, function->msi + 4, 4, (uint32_t)(MESSAGE_BASE | cpus[0].id << 12));
    if (control & MSI_64_BITS)
        pci_write(function, function->msi + 8, 4, 0);
    pci_write(function, function->msi + (control & MSI_64_BITS ? 12 : 8), 2, VECTOR_IOMMU);
    pci_write(function, function->msi + 2, 2, (control & ~MSI_SEVERAL) | MSI_ENABLE);
    pci_write(function, PCI_COMMAND, 2, pci_read(function, PCI_COMMAND, 2) | COMMAND_MASTER);
}

static void start(struct unit *unit, struct hpa base, uint8_t flags)
{
    /* HtTunEn, PassPW, ResPassPW, Isoc: as firmware wants them */
    uint64_t control = (flags & 1u) << 1 | (flags >> 1 & 3u) << 8 | (flags >> 3 & 1u) << 11;

    *unit = (struct unit){.registers = kernel_map_device(base, REGISTERS_BYTES)};
    unit->commands = memory_pages(1);
    unit->events = memory_pages(1);
    *reg(unit, CONTROL) = 0;
    *reg(unit, DEVICE_TABLE) = kernel_hpa(table).value | (requesters * sizeof(*table) / PAGE_SIZE - 1);
    *reg(unit, COMMAND_BUFFER) = kernel_hpa(unit->commands).value | RING_LENGTH;
    *reg(unit, COMMAND_HEAD) = 0;
    *reg(unit, COMMAND_TAIL) = 0;
    *reg(unit, EVENT_LOG) = kernel_hpa((const void *)unit->events).value | RING_LENGTH;
    *reg(unit, EVENT_HEAD) = 0;
    *reg(unit, EVENT_TAIL) = 0;
    unit->control = control | CONTROL_COHERENT | CONTROL_COMMANDS | CONTROL_EVENT_LOG | CONTROL_ON;
    *reg(unit, CONTROL) = unit->control & ~CONTROL_ON;
    *reg(unit, CONTROL) = unit->control;
    if (*reg(unit, FEATURES) & FEATURE_INVALIDATE_ALL)
        submit(unit, INVALIDATE_ALL, 0);
    finish(unit);
}

/* IOAPICs are the kernel's own: what they send needs no table (QEMU 10.0 does not remap it either). */
static void forward_lines(void)
{
    for (uint32_t i = 0; i < ivrs.ioapic_count; i++) {
        table[name_of(ivrs.ioapic[i].requester)].word[2] |= ENTRY_FORWARD;
        for (uint32_t n = 0; n < platform.arch.ioapic_count; n++)
            if (platform.arch.ioapic[n].id == ivrs.ioapic[i].id)
                platform.arch.ioapic[n].requester = ivrs.ioapic[i].requester;
    }
}

static void claim_memory(void)
{
    for (uint32_t i = 0; i < ivrs.memory_count; i++)
        for (uint32_t n = 0; n < pci_function_count; n++)
            if (pci_functions[n].requester >= ivrs.memory[i].first &&
                pci_functions[n].requester <= ivrs.memory[i].last && !pci_functions[n].bridge)
                iommu_reserve(pci_functions[n].requester, ivrs.memory[i].base, ivrs.memory[i].size);
}

/* Whole buses, up to the highest that anybody is on; a bus has two pages of the table. */
static uint32_t count_requesters(void)
{
    uint16_t highest = pci_function_count ? pci_functions[pci_function_count - 1].requester : 0;

    for (uint32_t i = 0; i < ivrs.ioapic_count; i++)
        highest = ivrs.ioapic[i].requester > highest ? ivrs.ioapic[i].requester : highest;
    for (uint32_t i = 0; i < ivrs.range_count; i++)
        highest = ivrs.range[i].alias > highest ? ivrs.range[i].alias : highest;
    return (highest | 0xffu) + 1;
}

struct iommu amdvi_find(void)
{
    if (ivrs.unit_count == 0 || ivrs.damaged) {
        if (ivrs.damaged)
            log_line("AMD-Vi: firmware's table (IVRS) is damaged, so it is not used");
        return (struct iommu){.ops = NULL};
    }
    requesters = count_requesters();
    table = memory_pages(requesters * sizeof(*table) / PAGE_SIZE);
    blocked = ENTRY_VALID | ENTRY_LEVELS(4) | kernel_hpa(memory_pages(1)).value;
    for (uint32_t i = 0; i < requesters; i++) {
        table[i].word[0] = blocked;
        table[i].word[2] = ENTRY_INTERRUPTS_VALID;
    }
    forward_lines();
    for (uint32_t i = 0; i < ivrs.unit_count; i++) {
        start(&units[i], ivrs.unit[i].base, ivrs.unit[i].flags);
        set_up_interrupt(ivrs.unit[i].requester);
    }
    claim_memory();
    return (struct iommu){.ops = &ops,
                          .address_bits = ivrs.physical_bits && ivrs.physical_bits < 48 ? ivrs.physical_bits : 48};
}
