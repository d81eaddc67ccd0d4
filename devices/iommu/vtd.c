// SPDX-License-Identifier: Apache-2.0
/*
 * VT-d (Intel Virtualization Technology for Directed I/O, architecture specification 4.1), legacy mode. All units share
 * one root table, one format of second-level tables and one table of interrupts, for PCI segment 0; those of other
 * segments have empty ones. What a unit caches is invalidated as a whole: it happens when domains start and stop.
 */
#include <devices/iommu/vtd.h>

#include <arch/apic.h>
#include <arch/dmar.h>
#include <arch/stage2.h>
#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/pci.h>

enum vtd_register {
    VTD_CAPABILITY = 0x08,
    VTD_EXTENDED_CAPABILITY = 0x10,
    VTD_COMMAND = 0x18,
    VTD_STATUS = 0x1c,
    VTD_ROOT = 0x20,
    VTD_FAULT_STATUS = 0x34,
    VTD_FAULT_CONTROL = 0x38,
    VTD_FAULT_DATA = 0x3c,
    VTD_FAULT_ADDRESS = 0x40,
    VTD_FAULT_UPPER_ADDRESS = 0x44,
    VTD_PROTECTED_MEMORY = 0x64,
    VTD_QUEUE_TAIL = 0x88,
    VTD_QUEUE = 0x90,
    VTD_INTERRUPTS = 0xb8,
};
/* VTD_COMMAND and VTD_STATUS */
#define TRANSLATION (1u << 31)
#define ROOT_POINTER (1u << 30)
#define WRITE_BUFFER (1u << 27)
#define QUEUE (1u << 26)
#define REMAPPING (1u << 25)
#define INTERRUPT_POINTER (1u << 24)
#define LASTING (TRANSLATION | QUEUE | REMAPPING)

#define CAP_DOMAINS(cap) (1u << (4 + 2 * ((cap)&7)))
#define CAP_WRITE_BUFFER (1ull << 4)
#define CAP_PROTECTED (3ull << 5)
#define CAP_LEVELS_3 (1ull << 9)
#define CAP_LEVELS_4 (1ull << 10)
#define CAP_ADDRESS_BITS(cap) ((unsigned)((cap) >> 16 & 63) + 1)
#define CAP_FAULTS(cap) (16 * (uint32_t)((cap) >> 24 & 0x3ff))
#define CAP_LARGE_2M (1ull << 34)
#define CAP_LARGE_1G (1ull << 35)
#define CAP_FAULT_COUNT(cap) ((uint32_t)((cap) >> 40 & 0xff) + 1)
#define ECAP_COHERENT (1ull << 0)
#define ECAP_QUEUE (1ull << 1)
#define ECAP_REMAPPING (1ull << 3)
#define ECAP_X2APIC (1ull << 4)
#define ECAP_SNOOP (1ull << 7)

/* Descriptors of the invalidation queue (6.5.2); reads and writes on their way are waited for. */
#define INVALIDATE_CONTEXTS 0x11u
#define INVALIDATE_TRANSLATIONS 0xd2u
#define INVALIDATE_INTERRUPTS 0x04u
#define INVALIDATE_INTERRUPT(entry) (0x14u | (uint64_t)(entry) << 32)
#define WAIT (0x25u | 1ull << 32) /* then writes 1 */
#define QUEUE_ENTRIES 256u
#define ANSWER_NS 100000000ull

#define FAULT_PENDING 2u
#define FAULT_OVERFLOW 1u
#define FAULT_FIRST(status) ((status) >> 8 & 0xff)
#define FAULT_VALID (1ull << 63)
#define FAULT_READ (1ull << 62)
#define FAULT_REASON(high) ((uint32_t)((high) >> 32 & 0xff))
#define FAULT_REASON_INTERRUPTS 0x20u /* and up */
#define FAULT_MASKED (1u << 31)

#define PRESENT 1u
#define ENTRIES 512u
#define CONTEXT_3_LEVELS 1u
#define CONTEXT_4_LEVELS 2u
#define INTERRUPT_VERIFY_REQUESTER (1ull << 18)
#define INTERRUPTS_SIZE 8u /* of the table: 2^(8 + 1) entries */
#define INTERRUPTS_X2APIC (1u << 11)
#define MESSAGE_REMAPPABLE 0xfee00010u

static struct unit {
    volatile uint8_t *registers;
    uint64_t cap;
    uint64_t *queue; /* pairs */
    uint32_t tail;
    volatile uint32_t done; /* the queue's last wait is over */
    struct spinlock lock;   /* of the above; a leaf */
} units[DMAR_UNITS_MAX];
static uint64_t cap_all = UINT64_MAX, ecap_all = UINT64_MAX; /* what every unit can do */

static uint64_t (*root)[2], (*interrupts)[2];
static uint64_t *contexts[256]; /* of each bus, pairs; NULL: all of it is blocked */
static struct nested_format format = {.table = 3, .read = 1, .write = 2, .large = 0x80};
static struct nested_tables tables = {.format = &format};

static volatile uint32_t *reg(const struct unit *unit, uint32_t offset)
{
    return (volatile uint32_t *)(unit->registers + offset);
}

static volatile uint64_t *reg64(const struct unit *unit, uint32_t offset)
{
    return (volatile uint64_t *)(unit->registers + offset);
}

/* What units read, they may read past caches. */
static void publish(const void *what, uint64_t size)
{
    if (tables.clean)
        cache_clean(what, size);
    else
        __atomic_thread_fence(__ATOMIC_RELEASE);
}

/* --- Commands --- */

static bool await(const struct unit *unit, uint32_t offset, uint32_t mask, uint32_t value)
{
    uint64_t end = time_ns() + ANSWER_NS;

    while ((*reg(unit, offset) & mask) != value)
        if (time_ns() > end)
            return false;
    return true;
}

static bool command(const struct unit *unit, uint32_t bit, bool on)
{
    uint32_t lasting = *reg(unit, VTD_STATUS) & LASTING;

    *reg(unit, VTD_COMMAND) = on ? lasting | bit : lasting & ~bit;
    return await(unit, VTD_STATUS, bit, on ? bit : 0);
}

/* One descriptor, and that it is done. */
static bool submit(struct unit *unit, uint64_t descriptor)
{
    uint64_t end = time_ns() + ANSWER_NS, *entry = unit->queue + 2 * unit->tail;

    unit->done = 0;
    entry[0] = descriptor;
    entry[1] = 0;
    entry[2] = WAIT;
    entry[3] = kernel_hpa((void *)&unit->done).value;
    publish(entry, 32);
    unit->tail = (unit->tail + 2) % QUEUE_ENTRIES;
    *reg64(unit, VTD_QUEUE_TAIL) = unit->tail * 16;
    while (!unit->done)
        if (time_ns() > end)
            return false;
    return true;
}

/* After what it may have in a buffer of its own has been written. */
static bool invalidate_unit(struct unit *unit)
{
    if (unit->cap & CAP_WRITE_BUFFER) {
        *reg(unit, VTD_COMMAND) = (*reg(unit, VTD_STATUS) & LASTING) | WRITE_BUFFER;
        if (!await(unit, VTD_STATUS, WRITE_BUFFER, 0))
            return false;
    }
    return submit(unit, INVALIDATE_CONTEXTS) && submit(unit, INVALIDATE_TRANSLATIONS);
}

/* A unit that does not answer any more guards nothing: the appliance starts anew. */
static void invalidate_all(uint64_t descriptor)
{
    for (uint32_t i = 0; i < dmar.units; i++) {
        bool answers;

        spinlock_acquire(&units[i].lock);
        answers = descriptor ? submit(&units[i], descriptor) : invalidate_unit(&units[i]);
        spinlock_release(&units[i].lock);
        CHECK(answers);
    }
}

static void invalidate(const struct iommu_space *space)
{
    (void)space;
    invalidate_all(0);
}

/* --- Devices and their address spaces --- */

/* The function at the end of a scope's path, UINT32_MAX: it is not there. */
static uint32_t scope_requester(const struct dmar_scope *scope)
{
    uint32_t bus = scope->bus;

    for (uint32_t i = 0; i + 1 < scope->hops; i++) {
        const struct pci_function *bridge = pci_find((uint16_t)(bus << 8 | scope->path[i]));

        if (!bridge || !bridge->bridge)
            return UINT32_MAX;
        bus = pci_read(bridge, PCI_BUSES, 4) >> 8 & 0xff;
    }
    return bus << 8 | scope->path[scope->hops - 1];
}

static bool scope_has(const struct dmar_scope *scope, uint32_t requester)
{
    uint32_t at = scope_requester(scope), buses;
    const struct pci_function *bridge = at <= UINT16_MAX ? pci_find((uint16_t)at) : NULL;

    if (at == requester)
        return scope->type == DMAR_ENDPOINT || scope->type == DMAR_BRIDGE;
    if (scope->type != DMAR_BRIDGE || !bridge)
        return false;
    buses = pci_read(bridge, PCI_BUSES, 4);
    return requester >> 8 >= (buses >> 8 & 0xff) && requester >> 8 <= (buses >> 16 & 0xff);
}

static bool covers(uint32_t requester)
{
    bool covered = false;

    for (uint32_t i = 0; i < dmar.units; i++)
        covered = covered || (dmar.unit[i].all && dmar.unit[i].segment == 0);
    for (uint32_t i = 0; i < dmar.scopes && !covered; i++)
        covered = dmar.scope[i].of < DMAR_UNITS_MAX && scope_has(&dmar.scope[i], requester);
    if (!covered || requester > UINT16_MAX)
        return false;
    if (!contexts[requester >> 8]) {
        contexts[requester >> 8] = memory_pages(1);
        publish(contexts[requester >> 8], PAGE_SIZE);
    }
    root[requester >> 8][0] = kernel_hpa(contexts[requester >> 8]).value | PRESENT;
    publish(root[requester >> 8], 16);
    return true;
}

static void create(struct iommu_space *space)
{
    space->root = memory_pages(1);
    space->root_hpa = kernel_hpa(space->root).value;
    publish(space->root, PAGE_SIZE);
}

static void map(struct iommu_space *space, struct ipa ipa, struct hpa hpa, uint64_t size, uint32_t rights)
{
    struct nested_tables of = tables;

    of.root = space->root;
    of.root_hpa = space->root_hpa;
    nested_map(&of, ipa.value, hpa.value, size, rights);
}

static void attach(uint32_t requester, const struct iommu_space *space)
{
    uint64_t *entry = contexts[requester >> 8] + 2 * (requester & 0xff);

    if (entry[0]) {
        __atomic_store_n(&entry[0], 0, __ATOMIC_RELEASE);
        publish(entry, 16);
        invalidate_all(0);
    }
    if (!space)
        return;
    entry[1] = (uint64_t)space->id << 8 | (tables.top_shift == 39 ? CONTEXT_4_LEVELS : CONTEXT_3_LEVELS);
    __atomic_store_n(&entry[0], space->root_hpa | PRESENT, __ATOMIC_RELEASE);
    publish(entry, 16);
}

/* --- Interrupts --- */

/* While an entry is in use only its first half changes, at once: no interrupt meets half of it. */
static bool remap(uint32_t entry, uint32_t requester, uint32_t cpu, uint8_t vector, struct message *message)
{
    uint64_t id = cpus[cpu].id;

    if (!(ecap_all & ECAP_X2APIC) && id > 0xfe)
        return false;
    if (vector && !interrupts[entry][0])
        interrupts[entry][1] = INTERRUPT_VERIFY_REQUESTER | requester;
    __atomic_store_n(&interrupts[entry][0],
                     vector ? (ecap_all & ECAP_X2APIC ? id << 32 : id << 40) | (uint64_t)vector << 16 | PRESENT : 0,
                     __ATOMIC_RELEASE);
    publish(interrupts[entry], 16);
    invalidate_all(INVALIDATE_INTERRUPT(entry));
    *message = (struct message){MESSAGE_REMAPPABLE | (entry & 0x7fff) << 5, 0};
    return true;
}

/* --- Faults --- */

static bool take_fault(struct unit *unit, uint32_t index, uint64_t fault[2])
{
    uint32_t at = CAP_FAULTS(unit->cap) + 16 * index;

    spinlock_acquire(&unit->lock);
    fault[0] = *reg64(unit, at);
    fault[1] = *reg64(unit, at + 8);
    if (fault[1] & FAULT_VALID)
        *reg(unit, at + 12) = FAULT_VALID >> 32;
    spinlock_release(&unit->lock);
    return fault[1] & FAULT_VALID;
}

static void poll_unit(struct unit *unit)
{
    uint32_t status = *reg(unit, VTD_FAULT_STATUS), count = CAP_FAULT_COUNT(unit->cap);
    uint64_t fault[2];

    for (uint32_t i = 0; (status & FAULT_PENDING) && i < count; i++) {
        if (!take_fault(unit, (FAULT_FIRST(status) + i) % count, fault))
            continue;
        if (FAULT_REASON(fault[1]) >= FAULT_REASON_INTERRUPTS)
            iommu_fault((uint16_t)fault[1], fault[0] >> 48, IOMMU_REFUSED_MESSAGE);
        else
            iommu_fault((uint16_t)fault[1], fault[0] & ~(PAGE_SIZE - 1),
                        fault[1] & FAULT_READ ? IOMMU_REFUSED_READ : IOMMU_REFUSED_WRITE);
    }
    *reg(unit, VTD_FAULT_STATUS) = FAULT_OVERFLOW;
}

static void poll_faults(void)
{
    for (uint32_t i = 0; i < dmar.units; i++)
        poll_unit(&units[i]);
}

static void listen(bool on)
{
    for (uint32_t i = 0; i < dmar.units; i++)
        *reg(&units[i], VTD_FAULT_CONTROL) = on ? 0 : FAULT_MASKED;
}

/* --- Boot --- */

static struct iommu_ops ops = {.name = "VT-d",
                               .covers = covers,
                               .create = create,
                               .map = map,
                               .attach = attach,
                               .invalidate = invalidate,
                               .poll_faults = poll_faults,
                               .listen = listen};

static void find_unit(struct unit *unit, struct hpa base)
{
    unit->registers = kernel_map_device(base, PAGE_SIZE);
    unit->cap = *reg64(unit, VTD_CAPABILITY);
    if (CAP_FAULTS(unit->cap) + 16 * CAP_FAULT_COUNT(unit->cap) > PAGE_SIZE)
        unit->registers = kernel_map_device(base, CAP_FAULTS(unit->cap) + 16 * CAP_FAULT_COUNT(unit->cap));
    cap_all &= unit->cap;
    ecap_all &= *reg64(unit, VTD_EXTENDED_CAPABILITY);
}

/* Of segment 0; the IOAPICs' interrupts are messages like any other's. */
static bool find_ioapics(void)
{
    uint32_t found = 0;

    for (uint32_t i = 0; i < dmar.scopes; i++)
        for (uint32_t j = 0; j < platform.arch.ioapic_count; j++)
            if (dmar.scope[i].type == DMAR_IOAPIC && dmar.scope[i].id == platform.arch.ioapic[j].id) {
                platform.arch.ioapic[j].requester = (uint16_t)scope_requester(&dmar.scope[i]);
                found++;
            }
    return found == platform.arch.ioapic_count;
}

/* Whatever firmware left on stays on until ours takes its place: there is no gap. */
static bool take_over(struct unit *unit, bool is_ours)
{
    void *none = is_ours ? NULL : memory_pages(1);

    listen(false);
    *reg(unit, VTD_FAULT_DATA) = VECTOR_IOMMU;
    *reg(unit, VTD_FAULT_ADDRESS) = 0xfee00000u | ((uint32_t)cpus[0].id & 0xff) << 12;
    *reg(unit, VTD_FAULT_UPPER_ADDRESS) = (uint32_t)cpus[0].id & ~0xffu;
    *reg64(unit, VTD_ROOT) = kernel_hpa(is_ours ? (void *)root : none).value;
    if (!command(unit, ROOT_POINTER, true) || !command(unit, QUEUE, false))
        return false;
    unit->queue = memory_pages(QUEUE_ENTRIES * 16 / PAGE_SIZE);
    *reg64(unit, VTD_QUEUE_TAIL) = 0;
    *reg64(unit, VTD_QUEUE) = kernel_hpa(unit->queue).value;
    if (!command(unit, QUEUE, true) || !invalidate_unit(unit) || !command(unit, TRANSLATION, true))
        return false;
    if (unit->cap & CAP_PROTECTED) {
        *reg(unit, VTD_PROTECTED_MEMORY) = 0;
        if (!await(unit, VTD_PROTECTED_MEMORY, 1, 0))
            return false;
    }
    if (!ops.remap)
        return command(unit, REMAPPING, false);
    *reg64(unit, VTD_INTERRUPTS) = kernel_hpa(is_ours ? (void *)interrupts : none).value |
                                   (ecap_all & ECAP_X2APIC ? INTERRUPTS_X2APIC : 0) | (is_ours ? INTERRUPTS_SIZE : 0);
    return command(unit, INTERRUPT_POINTER, true) && submit(unit, INVALIDATE_INTERRUPTS) &&
           command(unit, REMAPPING, true);
}

static void reserve_regions(void)
{
    for (uint32_t i = 0; i < dmar.scopes; i++) {
        uint32_t region = dmar.scope[i].of - DMAR_UNITS_MAX;

        if (dmar.scope[i].of >= DMAR_UNITS_MAX && dmar.scope[i].type == DMAR_ENDPOINT)
            iommu_reserve(scope_requester(&dmar.scope[i]), dmar.region[region].base, dmar.region[region].size);
    }
}

struct iommu vtd_find(void)
{
    struct iommu none = {.ops = NULL};
    unsigned bits;

    if (dmar.units == 0 || dmar.unsound) {
        if (dmar.unsound)
            log_line("The DMAR table is damaged, or too large: VT-d is not used");
        return none;
    }
    for (uint32_t i = 0; i < dmar.units; i++)
        find_unit(&units[i], dmar.unit[i].base);
    if (!(cap_all & (CAP_LEVELS_3 | CAP_LEVELS_4)) || !(ecap_all & ECAP_QUEUE)) {
        log_line("VT-d is not used: it lacks tables of 3 or 4 levels, or queued invalidation");
        return none;
    }
    tables.top_shift = cap_all & CAP_LEVELS_4 ? 39 : 30;
    tables.largest_shift = cap_all & CAP_LARGE_2M ? (cap_all & CAP_LARGE_1G ? 30 : 21) : 12;
    tables.clean = !(ecap_all & ECAP_COHERENT);
    format.normal = ecap_all & ECAP_SNOOP ? 1u << 11 : 0;
    bits = tables.top_shift + 9;
    for (uint32_t i = 0; i < dmar.units; i++)
        bits = CAP_ADDRESS_BITS(units[i].cap) < bits ? CAP_ADDRESS_BITS(units[i].cap) : bits;
    if (dmar.remapping && (ecap_all & ECAP_REMAPPING) && find_ioapics())
        ops.remap = remap;
    root = memory_pages(1);
    interrupts = memory_pages(IOMMU_MESSAGES_MAX * 16 / PAGE_SIZE);
    publish(root, PAGE_SIZE);
    publish(interrupts, IOMMU_MESSAGES_MAX * 16);
    for (uint32_t i = 0; i < dmar.units; i++)
        if (!take_over(&units[i], dmar.unit[i].segment == 0)) {
            log_line("The VT-d unit at %lx does not answer: it is not used", dmar.unit[i].base.value);
            return none;
        }
    reserve_regions();
    return (struct iommu){&ops, bits, CAP_DOMAINS(cap_all) - 1, !ops.remap};
}
