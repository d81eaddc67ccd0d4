// SPDX-License-Identifier: Apache-2.0
#include <core/vpci.h>

#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/message.h>
#include <core/mmio.h>
#include <devices/iommu/iommu.h>
#include <string.h>

#ifdef CONFIG_PASSTHROUGH_WITHOUT_IOMMU
#define UNCONFINED_ALLOWED true
#else
#define UNCONFINED_ALLOWED false
#endif

#define BUS_SIZE MIB
#define REGIONS_MAX 24u /* trapped pages of a domain's BARs, in runs */
#define ENTRIES_MAX 32u /* of an MSI-X table, that a domain sees */
#define ONES UINT64_MAX

/* 7.7.1 and 7.7.2 */
#define MSI_CONTROL 2u
#define MSI_ENABLE 0x1u
#define MSI_64_BITS 0x80u
#define MSI_MASKABLE 0x100u
#define MSIX_CONTROL 2u
#define MSIX_SIZE 0x7ffu
#define MSIX_ENABLE 0x8000u
#define MSIX_MASK_ALL 0x4000u
#define MSIX_TABLE 4u
#define MSIX_PBA 8u
#define ENTRY_MASKED 1u

/*
 * What a domain sees of configuration space: what no rule names reads as 0, and cannot be written. Ranges of variable
 * length (MSI's messages, vendor-specific capabilities) and BARs have their own code.
 */
static const struct rule {
    uint8_t capability; /* 0: the header */
    uint8_t offset, size;
    uint32_t shown;    /* bits that are the device's, as they were at boot, */
    uint32_t constant; /* that are 1, */
    uint32_t writable; /* that are the domain's */
} rules[] = {
    {0, PCI_COMMAND, 2, 0, COMMAND_MEMORY, COMMAND_MEMORY | COMMAND_MASTER | COMMAND_NO_INTX},
    {0, PCI_STATUS, 2, STATUS_CAPABILITIES, 0, 0},
    {0, PCI_CLASS, 4, ~0u, 0, 0},
    {0, PCI_CACHE_LINE, 1, 0, 0, 0xff},
    {0, PCI_SUBSYSTEM, 4, ~0u, 0, 0},
    {0, PCI_LINE, 1, 0, 0, 0xff},
    {CAPABILITY_PM, 2, 2, 0x0007, 0, 0},      /* version; no power management events */
    {CAPABILITY_PM, 4, 2, 0, 0x0008, 0x0003}, /* a state that says nothing: the device stays in D0, and keeps its own */
    {CAPABILITY_MSI, MSI_CONTROL, 2, MSI_64_BITS | MSI_MASKABLE, 0, MSI_ENABLE}, /* one message */
    {CAPABILITY_MSIX, MSIX_CONTROL, 2, 0, 0, MSIX_ENABLE | MSIX_MASK_ALL},
    {CAPABILITY_MSIX, MSIX_TABLE, 4, ~0u, 0, 0},
    {CAPABILITY_MSIX, MSIX_PBA, 4, ~0u, 0, 0},
    {CAPABILITY_PCIE, 2, 2, 0x000f, 0x0090, 0}, /* version; an integrated endpoint: there is no link */
    {CAPABILITY_PCIE, PCIE_DEVICE_CAPABILITIES, 4, ~PCIE_FLR_CAPABLE, 0, 0},
    {CAPABILITY_PCIE, PCIE_DEVICE_CONTROL, 2, 0x70e0, 0, 0}, /* payload and read request sizes */
};

struct entry {
    uint32_t word[4]; /* as the domain wrote it */
    bool bound;       /* the device's entry says what it means */
};

struct host;
struct vpci_function {
    struct pci_function *physical;
    struct host *host;
    uint32_t place; /* where the domain sees it: bus << 8 | devfn */
    bool lost;
    uint8_t shadow[CAPABILITIES_END], initial[CAPABILITIES_END], writable[CAPABILITIES_END];
    uint64_t bar[PCI_BARS]; /* ipa */
    uint8_t msi, msix;      /* where; 0: it has none that can be used */
    uint32_t messages;
    uint32_t line;            /* INTx; 0: none */
    bool raised;              /* it waits for the guest */
    volatile uint32_t *table; /* MSI-X */
    uint32_t table_entries;
    struct range {
        uint32_t bar, offset, size; /* 0: there is none */
    } table_range, pba_range;
    struct entry entry[ENTRIES_MAX];
};

/* A run of pages of a BAR that is not mapped. */
struct trapped {
    struct vpci_function *function;
    uint32_t bar;
    uint64_t from; /* offset in the BAR; in a page that a small BAR shares, less than 0 */
    volatile uint8_t *registers;
};

/* All but `clean` and what stands before it is const after boot; that, and functions' state, is under the lock. */
static struct host {
    struct spinlock lock;
    bool clean; /* the functions are as after a reset */
    bool refused;
    struct vpci_host facts;
    struct vpci_function *function;
    struct trapped trapped[REGIONS_MAX];
    uint32_t trapped_count;
    uint64_t window_used;
} hosts[BULKHEAD_PARTITIONS_MAX];

/* Before domain_init() too. */
static bool is_management(const struct domain *domain)
{
    return partitions[domain - domains].flags & PARTITION_MANAGEMENT;
}

static uint32_t get(const uint8_t *bytes, uint32_t offset, uint32_t width)
{
    uint32_t value = 0;

    memcpy(&value, bytes + offset, width);
    return value;
}

static void put(uint8_t *bytes, uint32_t offset, uint32_t width, uint32_t value)
{
    memcpy(bytes + offset, &value, width);
}

/* --- Messages --- */

static struct domain *owner(const struct vpci_function *function)
{
    return function->physical->owner;
}

static void msi_apply(struct vpci_function *function)
{
    struct pci_function *physical = function->physical;
    uint32_t at = function->msi, control = get(function->shadow, at + MSI_CONTROL, 2);
    uint32_t data = at + (control & MSI_64_BITS ? 12 : 8);
    struct message guest = {get(function->shadow, at + 4, 4), get(function->shadow, data, 2)}, message;

    if (control & MSI_64_BITS)
        guest.address |= (uint64_t)get(function->shadow, at + 8, 4) << 32;
    pci_write(physical, at + MSI_CONTROL, 2, 0);
    if (!(control & MSI_ENABLE))
        return message_unbind(owner(function), physical->requester, 0);
    if (!message_bind(owner(function), physical->requester, 0, guest, &message) ||
        (message.address >> 32 && !(control & MSI_64_BITS)))
        return;
    pci_write(physical, at + 4, 4, (uint32_t)message.address);
    if (control & MSI_64_BITS)
        pci_write(physical, at + 8, 4, (uint32_t)(message.address >> 32));
    pci_write(physical, data, 2, message.data);
    if (control & MSI_MASKABLE)
        pci_write(physical, data + 4, 4, get(function->shadow, data + 4, 4));
    pci_write(physical, at + MSI_CONTROL, 2, MSI_ENABLE);
}

/* The device's entry becomes what the domain's means: under our own message, or masked. */
static void entry_apply(struct vpci_function *function, uint32_t index)
{
    bool enabled = get(function->shadow, function->msix + MSIX_CONTROL, 2) & MSIX_ENABLE;
    volatile uint32_t *physical = function->table + index * MSIX_ENTRY_SIZE / 4;
    struct entry *entry = &function->entry[index];
    struct message guest = {entry->word[0] | (uint64_t)entry->word[1] << 32, entry->word[2]}, message;

    if (!enabled || entry->word[3] & ENTRY_MASKED || !entry->bound)
        physical[3] = ENTRY_MASKED;
    if (!enabled || entry->word[3] & ENTRY_MASKED)
        return;
    if (!entry->bound) {
        if (!message_bind(owner(function), function->physical->requester, index, guest, &message))
            return;
        physical[0] = (uint32_t)message.address;
        physical[1] = (uint32_t)(message.address >> 32);
        physical[2] = message.data;
        entry->bound = true;
    }
    physical[3] = 0;
}

static void msix_apply(struct vpci_function *function)
{
    uint32_t control = get(function->shadow, function->msix + MSIX_CONTROL, 2) & (MSIX_ENABLE | MSIX_MASK_ALL);

    if (!(control & MSIX_ENABLE))
        control = 0;
    pci_write(function->physical, function->msix + MSIX_CONTROL, 2, control ? MSIX_ENABLE | MSIX_MASK_ALL : 0);
    for (uint32_t i = 0; i < function->messages; i++)
        entry_apply(function, i);
    /* Those that the domain does not see may hold what firmware wrote, where no reset has masked them. */
    for (uint32_t i = function->messages; control && i < function->table_entries; i++)
        function->table[i * MSIX_ENTRY_SIZE / 4 + 3] = ENTRY_MASKED;
    pci_write(function->physical, function->msix + MSIX_CONTROL, 2, control);
}

/* `value` of the table at `offset`, 4 bytes. */
static uint32_t table_access(struct vpci_function *function, uint32_t offset, bool write, uint32_t value)
{
    uint32_t index = offset / MSIX_ENTRY_SIZE, word = offset / 4 % 4;
    struct entry *entry = function->entry + (index < function->messages ? index : 0);

    if (index >= function->messages)
        return 0;
    if (write) {
        if (word == 3)
            value &= ENTRY_MASKED;
        entry->bound = entry->bound && (word == 3 || entry->word[word] == value);
        entry->word[word] = value;
        entry_apply(function, index);
    }
    return entry->word[word];
}

/* --- Configuration space --- */

/* As after a reset. */
static void renew(struct vpci_function *function)
{
    memcpy(function->shadow, function->initial, sizeof(function->shadow));
    for (uint32_t i = 0; i < ENTRIES_MAX; i++)
        function->entry[i] = (struct entry){.word[3] = ENTRY_MASKED};
}

static void command_apply(const struct vpci_function *function)
{
    uint32_t command = get(function->shadow, PCI_COMMAND, 2) | COMMAND_MEMORY;

    pci_write(function->physical, PCI_COMMAND, 2,
              function->line && !function->raised ? command : command | COMMAND_NO_INTX);
}

/* --- INTx --- */

static bool line_rises(struct domain *domain, struct vpci_function *function)
{
    if (!function->line || function->raised || get(function->shadow, PCI_COMMAND, 2) & COMMAND_NO_INTX ||
        !(pci_read(function->physical, PCI_STATUS, 2) & STATUS_INTX))
        return false;
    function->raised = true;
    command_apply(function);
    function->physical->status->messages++;
    interrupt_set_level(domain, function->line, true);
    return true;
}

/* Until a look at all finds none: then the machine's line, which they may share, is low, and its next edge is not lost.
 */
void vpci_interrupt(struct domain *domain)
{
    struct host *host = &hosts[domain->index];
    bool more = true;

    spinlock_acquire(&host->lock);
    while (more) {
        more = false;
        for (uint32_t i = 0; i < host->facts.functions; i++)
            more |= line_rises(domain, &host->function[i]);
    }
    spinlock_release(&host->lock);
}

void vpci_line_end(struct domain *domain, uint32_t line)
{
    struct host *host = &hosts[domain->index];

    spinlock_acquire(&host->lock);
    for (uint32_t i = 0; i < host->facts.functions; i++) {
        struct vpci_function *function = &host->function[i];

        if (!function->raised || function->line != line)
            continue;
        function->raised = false;
        interrupt_set_level(domain, line, false);
        command_apply(function);
    }
    spinlock_release(&host->lock);
}

/* Pins turn from bridge to bridge (9.1 of the PCI-to-PCI bridge specification 1.2). */
static void add_line(struct domain *domain, struct vpci_function *function)
{
    const struct pci_function *physical = function->physical, *bridge;
    uint32_t pin = pci_read(physical, PCI_PIN, 1), device = physical->requester >> 3 & 31;

    if (function->messages || physical->is_virtual || is_management(domain) || pin < 1 || pin > 4)
        return;
    put(function->initial, PCI_PIN, 1, pin);
    for (uint32_t bus = physical->requester >> 8; (bridge = pci_bridge_to(bus)); bus = bridge->requester >> 8) {
        pin = (pin - 1 + device) % 4 + 1;
        device = bridge->requester >> 3 & 31;
    }
    function->line = arch_pci_line(domain, device, pin, physical->slot);
    if (!function->line)
        put(function->initial, PCI_PIN, 1, 0);
    put(function->initial, PCI_LINE, 1, function->line);
}

/* BARs do not move: ones are answered with the size, everything else with where it is. */
static uint32_t bar_register(const struct vpci_function *function, uint32_t index, bool ones, uint32_t value)
{
    const struct pci_bar *bar = &function->physical->bar[index];
    bool upper = !bar->size && index > 0 && function->physical->bar[index - 1].flags & BAR_64_BITS;
    uint64_t size, base, mask;

    if (upper)
        bar = &function->physical->bar[--index];
    size = bar->size && bar->size < PAGE_SIZE ? PAGE_SIZE : bar->size;
    base = function->bar[index] | bar->flags;
    mask = -size | bar->flags;
    if (!size || !function->bar[index])
        return 0;
    if (upper)
        return (uint32_t)((ones && value == UINT32_MAX ? mask : base) >> 32);
    return (uint32_t)(ones && (value & (uint32_t)-size) == (uint32_t)-size ? mask : base);
}

static bool touches(uint32_t offset, uint32_t width, uint32_t at, uint32_t size)
{
    return offset < at + size && at < offset + width;
}

static void config_write(struct vpci_function *function, uint32_t offset, uint32_t width, uint32_t value)
{
    uint32_t msi = function->msi, msix = function->msix;

    if (touches(offset, width, PCI_BAR0, 4 * PCI_BARS)) {
        if (width == 4)
            put(function->shadow, offset, 4, bar_register(function, (offset - PCI_BAR0) / 4, true, value));
        return;
    }
    for (uint32_t i = 0; i < width; i++) {
        uint8_t *byte = &function->shadow[offset + i], mask = function->writable[offset + i];

        *byte = (uint8_t)((*byte & ~mask) | (value >> 8 * i & mask));
    }
    if (touches(offset, width, PCI_COMMAND, 2))
        command_apply(function);
    if (msi && touches(offset, width, msi + MSI_CONTROL, 22))
        msi_apply(function);
    if (msix && touches(offset, width, msix + MSIX_CONTROL, 2))
        msix_apply(function);
}

static struct vpci_function *find(const struct host *host, uint64_t place)
{
    for (uint32_t i = 0; i < host->facts.functions; i++)
        if (host->function[i].place == place)
            return &host->function[i];
    return NULL;
}

static enum mmio_result ecam_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    struct host *host = device;
    struct vpci_function *function = find(host, access->offset / PAGE_SIZE);
    uint32_t offset = access->offset % PAGE_SIZE;

    (void)vcpu;
    if (!function || function->lost || access->width > 4 || offset % access->width) {
        access->value = ONES;
        return MMIO_DONE;
    }
    if (offset >= CAPABILITIES_END) {
        access->value = 0;
        return MMIO_DONE;
    }
    spinlock_acquire(&host->lock);
    if (access->write)
        config_write(function, offset, access->width, (uint32_t)access->value);
    else
        access->value = get(function->shadow, offset, access->width);
    spinlock_release(&host->lock);
    return MMIO_DONE;
}

/* --- Pages of BARs that are not mapped --- */

#define FORWARD(type) (access->write ? (*(volatile type *)at = (type)access->value) : *(volatile type *)at)
static uint64_t forward(volatile uint8_t *at, const struct mmio_access *access)
{
    return access->width == 1   ? FORWARD(uint8_t)
           : access->width == 2 ? FORWARD(uint16_t)
           : access->width == 4 ? FORWARD(uint32_t)
                                : FORWARD(uint64_t);
}

/* Whether [offset, offset + size) of the BAR has to do with the range. */
static bool meets(const struct range *range, uint32_t bar, uint64_t offset, uint64_t size)
{
    return range->bar == bar && offset < (uint64_t)range->offset + range->size && range->offset < offset + size;
}

static enum mmio_result trapped_access(struct vcpu *vcpu, void *device, struct mmio_access *access)
{
    const struct trapped *trapped = device;
    struct vpci_function *function = trapped->function;
    uint64_t offset = trapped->from + access->offset;
    uint64_t value = 0;

    (void)vcpu;
    if (access->offset % access->width || offset >= function->physical->bar[trapped->bar].size || function->lost) {
        access->value = ONES;
        return MMIO_DONE;
    }
    spinlock_acquire(&function->host->lock);
    if (meets(&function->table_range, trapped->bar, offset, 1)) { /* narrow writes of it mean nothing (6.1.4.2) */
        uint32_t at = (uint32_t)offset - function->table_range.offset, shift = 8 * (at % 4);

        for (uint32_t i = 0; i < access->width; i += 4)
            value |= (uint64_t)table_access(function, (at & ~3u) + i, access->write && access->width >= 4,
                                            (uint32_t)(access->value >> 8 * i))
                     << 8 * i;
        value >>= shift;
    } else if (!access->write || !meets(&function->pba_range, trapped->bar, offset, 1)) {
        value = forward(trapped->registers + access->offset, access);
    }
    spinlock_release(&function->host->lock);
    if (!access->write)
        access->value = value;
    return MMIO_DONE;
}

/* --- Building --- */

static void refuse(uint32_t partition, struct pci_function *function)
{
    hosts[partition].refused = true;
    if (function) {
        function->status->state = DEVICE_REFUSED;
        function->status->owner = (uint8_t)partition;
    }
}

static void give(struct pci_function *function, uint32_t partition, uint32_t slot)
{
    function->slot = (uint8_t)slot;
    function->owner = &domains[partition];
    function->status->owner = (uint8_t)partition;
    function->status->state = DEVICE_OWNED;
}

static void claim(uint32_t partition, uint32_t index)
{
    const struct pci_config *config = &partitions[partition].pci[index];
    const char *name = partitions[partition].name, *text = config->function.text;
    struct pci_function *function = pci_select(&config->function, config->flags & PCI_VIRTUAL, config->vf);
    bool guest = !(partitions[partition].flags & PARTITION_MANAGEMENT);

    if (!function)
        log_line("%s: the machine has no PCI function %s", name, text);
    else if (function->fixture)
        log_line("%s: PCI function %s is a bridge, or the machine's own", name, text);
    else if (function->owner)
        log_line("%s: PCI function %s (%s) belongs to %s already", name, text, pci_name(function->requester).text,
                 partitions[function->owner - domains].name);
    else if (guest && function->status->reset == RESET_NONE && !(config->flags & PCI_WITHOUT_RESET))
        log_line("%s: PCI function %s cannot be reset, which its partition does not accept", name, text);
    else
        return give(function, partition, index + 1);
    refuse(partition, function && !function->owner ? function : NULL);
}

/* The later one of two partitions gives way, and guests before the management domain. */
static void check_groups(void)
{
    for (uint32_t i = 0; i < pci_function_count; i++)
        for (uint32_t j = 0; j < i; j++) {
            struct pci_function *a = &pci_functions[i], *b = &pci_functions[j];

            if (a->group != b->group || !a->owner || !b->owner || a->owner == b->owner)
                continue;
            if (a->owner < b->owner)
                a = b, b = &pci_functions[i];
            log_line("%s: PCI function %s cannot be kept apart from %s, which belongs to %s",
                     partitions[a->owner - domains].name, pci_name(a->requester).text, pci_name(b->requester).text,
                     partitions[b->owner - domains].name);
            refuse((uint32_t)(a->owner - domains), a);
        }
}

static bool is_free(const struct pci_function *function)
{
    if (function->owner || function->fixture || function->is_virtual || function->status->state == DEVICE_REFUSED)
        return false;
    for (uint32_t i = 0; i < pci_function_count; i++)
        if (pci_functions[i].group == function->group && pci_functions[i].owner &&
            !is_management(pci_functions[i].owner))
            return false;
    return true;
}

void vpci_claim(void)
{
    for (uint32_t i = 0; i < partition_count; i++)
        for (uint32_t j = 0; j < partitions[i].pci_count; j++)
            claim(i, j);
    check_groups();
    for (uint32_t i = 0; i < pci_function_count; i++)
        if (partitions[0].flags & PARTITION_PCI_REST && is_free(&pci_functions[i]))
            give(&pci_functions[i], 0, 0);
}

static void apply_rules(struct vpci_function *function, uint32_t capability, uint32_t at)
{
    for (uint32_t i = 0; i < sizeof(rules) / sizeof(*rules); i++) {
        const struct rule *rule = &rules[i];
        uint32_t offset = at + rule->offset;

        if (rule->capability != capability)
            continue;
        put(function->initial, offset, rule->size,
            (pci_read(function->physical, offset, rule->size) & rule->shown) | rule->constant);
        put(function->writable, offset, rule->size, rule->writable);
    }
}

/* What a register of the capability says, within its BAR; size 0: it is not. */
static struct range read_range(const struct pci_function *physical, uint32_t at, uint32_t size)
{
    uint32_t where = pci_read(physical, at, 4), bar = where & MSIX_BAR, offset = where & ~MSIX_BAR;

    if (bar >= PCI_BARS || physical->bar[bar].size < size || offset > physical->bar[bar].size - size)
        return (struct range){0};
    return (struct range){bar, offset, size};
}

static bool add_msix(struct vpci_function *function, uint32_t at)
{
    const struct pci_function *physical = function->physical;
    uint32_t entries = (pci_read(physical, at + MSIX_CONTROL, 2) & MSIX_SIZE) + 1;
    struct range table = read_range(physical, at + MSIX_TABLE, entries * MSIX_ENTRY_SIZE);
    struct range pba = read_range(physical, at + MSIX_PBA, (entries + 63) / 64 * 8);

    if (!table.size || !pba.size)
        return false;
    function->messages = message_reserve(owner(function), physical->requester,
                                         entries < ENTRIES_MAX ? entries : ENTRIES_MAX, physical->status);
    if (!function->messages)
        return false;
    function->msix = (uint8_t)at;
    function->table_entries = entries;
    function->table_range = table;
    function->pba_range = pba;
    return true;
}

/* How much of a capability the domain sees; 0: nothing. */
static uint32_t capability_length(struct vpci_function *function, uint32_t kind, uint32_t at)
{
    const struct pci_function *physical = function->physical;
    uint32_t control = pci_read(physical, at + 2, 2);

    if (kind == CAPABILITY_PM && at == physical->pm)
        return 8;
    if (kind == CAPABILITY_MSI && at == physical->msi)
        return 10 + (control & MSI_64_BITS ? 4 : 0) + (control & MSI_MASKABLE ? 10 : 0);
    if (kind == CAPABILITY_MSIX && at == physical->msix)
        return 12;
    if (kind == CAPABILITY_PCIE && at == physical->pcie)
        return (control & 0xf) < 2 ? 0x14 : 0x3c;
    if (kind != CAPABILITY_VENDOR ||
        ((uint16_t)physical->id == VENDOR_VIRTIO && pci_read(physical, at + VIRTIO_TYPE, 1) == VIRTIO_CONFIG_ACCESS))
        return 0;
    return control & 0xff;
}

static bool add_capability(struct vpci_function *function, uint32_t kind, uint32_t at, uint32_t length)
{
    struct pci_function *physical = function->physical;

    apply_rules(function, kind, at);
    if (kind == CAPABILITY_MSI) {
        if (!function->messages)
            function->messages = message_reserve(owner(function), physical->requester, 1, physical->status);
        function->msi = function->messages ? (uint8_t)at : 0;
        memset(function->writable + at + 4, 0xff, length - 4);
        return function->msi;
    }
    if (kind == CAPABILITY_MSIX)
        put(function->initial, at + MSIX_CONTROL, 2, function->messages - 1);
    if (kind == CAPABILITY_PCIE && physical->status->reset != RESET_FUNCTION)
        function->initial[at + PCIE_DEVICE_CAPABILITIES + 3] &= (uint8_t) ~(PCIE_FLR_CAPABLE >> 24);
    for (uint32_t i = 2; kind == CAPABILITY_VENDOR && i < length; i++)
        function->initial[at + i] = (uint8_t)pci_read(physical, at + i, 1);
    return true;
}

/* In the device's order, at its places; what overlaps or leaves configuration space is left out. */
static void add_capabilities(struct vpci_function *function)
{
    uint32_t at = 0, last = PCI_CAPABILITIES;
    uint64_t used = 0xffff; /* a bit for every 4 bytes */

    if (function->physical->msix && !add_msix(function, function->physical->msix))
        log_line("%s: MSI-X of %s cannot be used", owner(function)->config->name,
                 pci_name(function->physical->requester).text);
    for (uint32_t i = 0; i < CAPABILITIES_MAX && (at = pci_next_capability(function->physical, at)); i++) {
        uint32_t kind = pci_read(function->physical, at, 1), length;
        uint64_t bits;

        length = kind == CAPABILITY_MSIX && at != function->msix ? 0 : capability_length(function, kind, at);
        bits = length < 2 || at + length > CAPABILITIES_END ? 0 : (~0ull >> (64 - (length + 3) / 4)) << at / 4;
        if (bits && !(used & bits) && add_capability(function, kind, at, length)) {
            used |= bits;
            function->initial[at] = (uint8_t)kind;
            function->initial[last] = (uint8_t)at;
            last = at + 1;
        }
    }
    function->initial[last] = 0;
    if (last == PCI_CAPABILITIES)
        function->initial[PCI_STATUS] = 0;
}

/* --- BARs --- */

static bool trap(struct domain *domain, struct vpci_function *function, uint32_t bar, uint64_t from, uint64_t size)
{
    struct host *host = function->host;
    struct trapped *trapped = &host->trapped[host->trapped_count];
    uint64_t base = function->physical->bar[bar].base + from, at = function->bar[bar] + from;

    if (host->trapped_count == REGIONS_MAX || mmio_find(domain, ipa(at)))
        return false;
    host->trapped_count++;
    *trapped = (struct trapped){function, bar, from, kernel_map_device(hpa(base), size)};
    mmio_add(domain, &(struct mmio_region){at, size, trapped_access, trapped, EXIT_REGISTER});
    if (function->msix && function->table_range.bar == bar && function->table_range.offset - from < size)
        function->table = (volatile uint32_t *)(trapped->registers + (function->table_range.offset - from));
    return true;
}

static bool traps_page(const struct vpci_function *function, uint32_t bar, uint64_t at)
{
    return meets(&function->table_range, bar, at, PAGE_SIZE) || meets(&function->pba_range, bar, at, PAGE_SIZE);
}

/* The pages of table and PBA trap, the others are the domain's. */
static bool map_bar(struct domain *domain, struct vpci_function *function, uint32_t bar)
{
    const struct pci_bar *physical = &function->physical->bar[bar];

    if (physical->size < PAGE_SIZE)
        return trap(domain, function, bar, -(physical->base % PAGE_SIZE), PAGE_SIZE);
    for (uint64_t at = 0, end; at < physical->size; at = end) {
        bool traps = traps_page(function, bar, at);

        for (end = at + PAGE_SIZE; end < physical->size && traps_page(function, bar, end) == traps;)
            end += PAGE_SIZE;
        if (!traps)
            stage2_map(domain, ipa(function->bar[bar] + at), hpa(physical->base + at), end - at,
                       STAGE2_READ | STAGE2_WRITE | STAGE2_DEVICE);
        else if (!trap(domain, function, bar, at, end - at))
            return false;
    }
    return true;
}

/* Where the domain sees a BAR; 0: there is no room. */
static uint64_t place_bar(struct domain *domain, const struct pci_bar *bar)
{
    struct host *host = &hosts[domain->index];
    uint64_t size = bar->size < PAGE_SIZE ? PAGE_SIZE : bar->size;
    uint64_t offset = (host->window_used + size - 1) & ~(size - 1);

    if (is_management(domain))
        return bar->base;
    if (size > GUEST_PCI_WINDOW_SIZE || offset > GUEST_PCI_WINDOW_SIZE - size ||
        (GUEST_PCI_WINDOW + offset) & (size - 1))
        return 0;
    host->window_used = offset + size;
    return GUEST_PCI_WINDOW + offset + bar->base % PAGE_SIZE;
}

static bool add_bars(struct domain *domain, struct vpci_function *function)
{
    const char *name = domain->config->name, *place = pci_name(function->physical->requester).text;

    for (uint32_t i = 0; i < PCI_BARS; i++) {
        const struct pci_bar *bar = &function->physical->bar[i];

        if (!bar->size)
            continue;
        function->bar[i] = place_bar(domain, bar);
        if (!function->bar[i]) {
            log_line("%s: no room for BAR %u of PCI function %s, %lu MiB", name, i, place, bar->size / MIB);
            return false;
        }
        if (!map_bar(domain, function, i)) {
            log_line("%s: BAR %u of PCI function %s shares its page with another one", name, i, place);
            return false;
        }
    }
    for (uint32_t i = 0; i < PCI_BARS; i++)
        put(function->initial, PCI_BAR0 + 4 * i, 4, bar_register(function, i, false, 0));
    return true;
}

static bool add_function(struct domain *domain, struct vpci_function *function)
{
    struct pci_function *physical = function->physical;

    if (iommu_present() && iommu_assign(domain, physical->requester)) {
        physical->status->flags |= DEVICE_IOMMU;
    } else if (!is_management(domain) && !UNCONFINED_ALLOWED) {
        log_line("%s: PCI function %s is behind no IOMMU", domain->config->name, pci_name(physical->requester).text);
        return false;
    }
    apply_rules(function, 0, 0);
    put(function->initial, PCI_ID, 4, physical->id);
    add_capabilities(function);
    add_line(domain, function);
    if (!add_bars(domain, function))
        return false;
    renew(function);
    return true;
}

static void collect(struct domain *domain, struct host *host)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < pci_function_count; i++)
        count += pci_functions[i].owner == domain;
    if (!count)
        return;
    host->function = memory_pages((count * sizeof(*host->function) + PAGE_SIZE - 1) / PAGE_SIZE);
    for (uint32_t i = 0; i < pci_function_count; i++) {
        struct pci_function *physical = &pci_functions[i];
        uint32_t place = is_management(domain) ? physical->requester : physical->slot * 8u;

        if (physical->owner != domain)
            continue;
        host->function[host->facts.functions++] =
            (struct vpci_function){.physical = physical, .host = host, .place = place};
        host->facts.buses = place / 256 + 1;
    }
}

bool vpci_init(struct domain *domain)
{
    struct host *host = &hosts[domain->index];
    struct vpci_host *facts = &host->facts;

    if (host->refused && !is_management(domain))
        return false;
    collect(domain, host);
    if (!facts->functions)
        return true;
    facts->ecam = is_management(domain) ? ipa(platform.pci.ecam.value) : ipa(GUEST_PCI_ECAM);
    facts->window = ipa(GUEST_PCI_WINDOW);
    facts->window_size = is_management(domain) ? 0 : GUEST_PCI_WINDOW_SIZE;
    mmio_add(domain,
             &(struct mmio_region){facts->ecam.value, facts->buses * BUS_SIZE, ecam_access, host, EXIT_REGISTER});
    for (uint32_t i = 0; i < facts->functions; i++) {
        struct vpci_function *function = &host->function[i];

        if (!add_function(domain, function)) {
            function->lost = true;
            refuse(domain->index, function->physical);
        }
        facts->messages += function->messages;
    }
    return is_management(domain) || !host->refused;
}

struct vpci_host vpci_host(const struct domain *domain)
{
    return hosts[domain->index].facts;
}

/* --- Life --- */

void vpci_reset(struct domain *domain)
{
    struct host *host = &hosts[domain->index];

    if (host->clean)
        return;
    for (uint32_t i = 0; i < host->facts.functions; i++) {
        struct vpci_function *function = &host->function[i];

        if (function->physical->status->state != DEVICE_OWNED)
            continue;
        renew(function);
        function->raised = false;
        function->lost = !pci_reset(function->physical);
        if (!function->lost)
            continue;
        function->physical->status->state = DEVICE_LOST;
        log_line("%s: PCI function %s did not come back from its reset", domain->config->name,
                 pci_name(function->physical->requester).text);
    }
    message_reset(domain);
    host->clean = true;
}

void vpci_start(struct domain *domain)
{
    vpci_reset(domain);
    hosts[domain->index].clean = false;
}
