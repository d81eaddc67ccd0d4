// SPDX-License-Identifier: Apache-2.0
#include <devices/iommu/iommu.h>

#include <core/arch.h>
#include <core/deadline.h>
#include <core/format.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/pci.h>
#include <core/status.h>

#ifdef CONFIG_PASSTHROUGH_WITHOUT_INTERRUPT_REMAPPING
#define FORGERY_ALLOWED true
#else
#define FORGERY_ALLOWED false
#endif

#define DEVICES_MAX 64
#define LOG_NS 1000000000ull /* between two lines of the log about a device's faults */
#define DEAF_NS 10000000ull  /* between two interrupts of faults */

static struct iommu iommu;
static struct iommu_space spaces[IOMMU_SPACES_MAX]; /* those of domains, then those of reserved regions */

static struct device {
    uint32_t requester;
    struct domain *domain;
    uint64_t faults, said_ns; /* since the domain's start */
} devices[DEVICES_MAX];
static uint32_t device_count;
static uint64_t stray_said_ns; /* devices of nobody */

/* Memory that firmware claims for a device. While nobody has the device, it reaches that and nothing else. */
static struct region {
    uint32_t requester;
    struct memory_range range;
    struct iommu_space *space;
} regions[IOMMU_RESERVED_MAX];
static uint32_t region_count;

bool iommu_present(void)
{
    return iommu.ops != NULL;
}

bool iommu_remaps(void)
{
    return iommu.ops && iommu.ops->remap;
}

bool iommu_serves(const struct domain *domain)
{
    return spaces[domain->index].root != NULL;
}

/* --- Boot --- */

void iommu_reserve(uint32_t requester, struct hpa base, uint64_t size)
{
    uint64_t first = base.value & ~(PAGE_SIZE - 1), end = (base.value + size + PAGE_SIZE - 1) & ~(PAGE_SIZE - 1);

    if (end <= first || region_count == IOMMU_RESERVED_MAX || platform.reserved_count == PLATFORM_RANGES_MAX)
        return log_line("%s: firmware claims memory at %lx for it, not granted", pci_name((uint16_t)requester).text,
                 base.value);
    regions[region_count].requester = requester;
    regions[region_count].range = (struct memory_range){hpa(first), end - first};
    platform.reserved[platform.reserved_count++] = regions[region_count++].range;
}

static bool create(struct iommu_space *space)
{
    space->id = (uint16_t)(space - spaces + 1);
    if (iommu.spaces_max && space->id > iommu.spaces_max)
        return false;
    if (!space->root)
        iommu.ops->create(space);
    return true;
}

static bool reaches(uint64_t base, uint64_t size)
{
    return base + size >= base && (base + size - 1) >> iommu.address_bits == 0;
}

/* Regions may be said twice. */
static void map_region(struct iommu_space *space, uint32_t index)
{
    struct memory_range range = regions[index].range;

    for (uint32_t i = 0; i < index; i++)
        if (regions[i].space == space && memory_overlaps(regions[i].range, range))
            return;
    regions[index].space = space;
    if (reaches(range.base.value, range.size))
        iommu.ops->map(space, ipa(range.base.value), range.base, range.size, STAGE2_READ | STAGE2_WRITE);
}

/* Where a device that nobody runs is let into; NULL: nowhere. */
static struct iommu_space *resting_space(uint32_t requester)
{
    for (uint32_t i = 0; i < region_count; i++)
        if (regions[i].requester == requester)
            return &spaces[BULKHEAD_PARTITIONS_MAX + i];
    return NULL;
}

static void init_regions(void)
{
    for (uint32_t i = 0; i < region_count; i++) {
        struct iommu_space *space = resting_space(regions[i].requester);

        log_line("%s: firmware claims %lx ... %lx for it", pci_name((uint16_t)regions[i].requester).text,
                 regions[i].range.base.value, regions[i].range.base.value + regions[i].range.size - 1);
        if (!iommu.ops->covers(regions[i].requester) || !create(space))
            continue;
        map_region(space, i);
        iommu.ops->attach(regions[i].requester, space);
        iommu.ops->invalidate(space);
    }
}

void iommu_init(void)
{
    iommu = arch_iommu_find();
    if (!iommu.ops)
        return log_line("No IOMMU: devices reach all memory");
    format_print(status_page->iommu, sizeof(status_page->iommu), "%s", iommu.ops->name);
    log_line("%s: devices are confined, their interrupts %s", iommu.ops->name,
             iommu.messages_forgeable ? "are NOT" : "too");
    if (iommu.messages_forgeable && FORGERY_ALLOWED)
        log_line("UNSAFE, as configured: guests' devices can interrupt CPUs of others");
    init_regions();
    if (iommu.ops->listen)
        iommu.ops->listen(true);
}

bool iommu_assign(struct domain *domain, uint32_t requester)
{
    const struct pci_function *function = requester <= UINT16_MAX ? pci_find((uint16_t)requester) : NULL;
    bool is_guest = !(domain->config->flags & PARTITION_MANAGEMENT);
    const char *flaw = NULL;

    if (!iommu.ops || !iommu.ops->covers(requester))
        flaw = "%s: no IOMMU has %s";
    else if (is_guest && resting_space(requester))
        flaw = "%s: firmware claims memory for %s, so it cannot be a guest's";
    else if (is_guest && iommu.messages_forgeable && !FORGERY_ALLOWED)
        flaw = "%s: without interrupt remapping %s could forge interrupts, so it cannot be a guest's";
    else if (device_count == DEVICES_MAX || !create(&spaces[domain->index]))
        flaw = "%s: %s is one device more than the IOMMU has room for";
    if (flaw) {
        log_line(flaw, domain->config->name, pci_name((uint16_t)requester).text);
        return false;
    }
    for (uint32_t i = 0; i < region_count; i++)
        if (regions[i].requester == requester)
            map_region(&spaces[domain->index], i);
    devices[device_count++] = (struct device){.requester = requester, .domain = domain};
    if (function)
        function->status->flags |=
            (iommu.messages_forgeable ? 0 : DEVICE_REMAPPED) | (resting_space(requester) ? DEVICE_RESERVED : 0);
    return true;
}

void iommu_map(struct domain *domain, struct ipa ipa, struct hpa hpa, uint64_t size, uint32_t rights)
{
    if (!iommu_serves(domain))
        return;
    if (reaches(ipa.value, size) && reaches(hpa.value, size))
        iommu.ops->map(&spaces[domain->index], ipa, hpa, size, rights);
    else
        log_line("%s: its devices do not reach memory at %lx", domain->config->name, hpa.value);
}

/* --- Starts and stops --- */

void iommu_start(struct domain *domain)
{
    if (!iommu_serves(domain))
        return;
    for (uint32_t i = 0; i < device_count; i++) {
        if (devices[i].domain != domain)
            continue;
        __atomic_store_n(&devices[i].faults, 0, __ATOMIC_RELAXED);
        iommu.ops->attach(devices[i].requester, &spaces[domain->index]);
    }
    iommu.ops->invalidate(&spaces[domain->index]);
}

void iommu_stop(struct domain *domain)
{
    if (!iommu_serves(domain))
        return;
    for (uint32_t i = 0; i < device_count; i++)
        if (devices[i].domain == domain)
            iommu.ops->attach(devices[i].requester, resting_space(devices[i].requester));
    iommu.ops->invalidate(&spaces[domain->index]);
    iommu.ops->poll_faults();
}

bool iommu_remap(uint32_t entry, uint32_t requester, uint32_t cpu, uint8_t vector, struct message *message)
{
    return iommu_remaps() && entry < IOMMU_MESSAGES_MAX && iommu.ops->remap(entry, requester, cpu, vector, message);
}

/* --- Faults --- */

static struct device *device_of(uint32_t requester)
{
    for (uint32_t i = 0; i < device_count; i++)
        if (devices[i].requester == requester)
            return &devices[i];
    return NULL;
}

void iommu_fault(uint32_t requester, uint64_t address, enum iommu_refusal what)
{
    static const char *const text[] = {"a read at", "a write at", "an interrupt,"};
    const struct pci_function *function = requester <= UINT16_MAX ? pci_find((uint16_t)requester) : NULL;
    struct device *device = device_of(requester);
    uint64_t now = time_ns(), *said_ns = device ? &device->said_ns : &stray_said_ns, faults;

    if (function) {
        __atomic_fetch_add(&function->status->faults, 1, __ATOMIC_RELAXED);
        function->status->fault_address = address;
        function->status->fault_ns = now;
    }
    if (*said_ns == 0 || now - *said_ns >= LOG_NS) {
        *said_ns = now;
        log_line("%s: %s was refused %s %lx", device ? device->domain->config->name : "Nobody's device",
                 pci_name((uint16_t)requester).text, text[what], address);
    }
    if (!device)
        return;
    faults = __atomic_add_fetch(&device->faults, 1, __ATOMIC_RELAXED);
    if (CONFIG_DMA_FAULT_LIMIT && faults == CONFIG_DMA_FAULT_LIMIT)
        domain_stop(device->domain, CAUSE_DMA_FAULT, address);
}

static void listen_again(struct deadline *deadline)
{
    (void)deadline;
    iommu.ops->poll_faults();
    iommu.ops->listen(true);
}

void iommu_fault_interrupt(void)
{
    static struct deadline deadline = {.expired = listen_again};

    iommu.ops->listen(false);
    iommu.ops->poll_faults();
    deadline_set(&deadline, time_ns() + DEAF_NS);
}
