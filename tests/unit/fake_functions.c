/* SPDX-License-Identifier: Apache-2.0 */
#include "fake_functions.h"

#include <core/arch.h>
#include <core/deadline.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/status.h>
#include <devices/iommu/iommu.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What they keep to themselves begins anew with each test. */
#include "../../core/mmio.c"
#include "../../core/vpci.c"

#define MAPPINGS_MAX 256
#define SRIOV_AT 0x160u

struct domain domains[BULKHEAD_PARTITIONS_MAX];
struct platform platform;
struct status_page *status_page;

static struct fake_function functions[FAKE_FUNCTIONS_MAX];
static uint32_t function_count;
static uint8_t ecam[1], window[FAKE_WINDOW_SIZE];
static uint8_t *spaces; /* addresses that stand for configuration spaces: never read */
static uint32_t probed; /* whose configuration space the probe shows */
static void *probe;
static struct mapping {
    const struct domain *domain;
    uint64_t ipa, hpa, size;
} mappings[MAPPINGS_MAX];
static uint32_t mapping_count;
static struct status_page status;

char fake_said[256];
uint32_t fake_lines;
struct fake_message fake_messages[64];
uint32_t fake_bound, fake_binds;
bool fake_iommu, fake_level;
uint32_t fake_wire;
uint64_t fake_now;

void fake_reset(void)
{
    memset(hosts, 0, sizeof(hosts));
    memset(tables, 0, sizeof(tables));
    pci_function_count = 0;
    memset(functions, 0, sizeof(functions));
    memset(&platform, 0, sizeof(platform));
    memset(&status, 0, sizeof(status));
    memset(window, 0, 0x20000); /* what tests use */
    function_count = mapping_count = fake_lines = fake_bound = fake_binds = 0;
    fake_said[0] = '\0';
    probe = NULL;
    fake_iommu = true;
    fake_now = 1000000000;
    status_page = &status;
    platform.pci = (struct platform_pci){hpa(FAKE_ECAM), 15, true, {hpa(FAKE_WINDOW), FAKE_WINDOW_SIZE}};
    platform.ram[0] = (struct memory_range){hpa(0), FAKE_ECAM};
    platform.ram_count = 1;
    if (!spaces)
        spaces = (uint8_t *)(uintptr_t)0x100000000000ull;
}

/* --- Functions --- */

struct fake_function *fake_find(uint16_t requester)
{
    for (uint32_t i = 0; i < function_count; i++)
        if (functions[i].there && functions[i].requester == requester)
            return &functions[i];
    return NULL;
}

void fake_put(struct fake_function *function, uint32_t offset, uint32_t width, uint32_t value, uint32_t writable)
{
    memcpy(function->bytes + offset, &value, width);
    memcpy(function->writable + offset, &writable, width);
}

uint32_t fake_get(const struct fake_function *function, uint32_t offset, uint32_t width)
{
    uint32_t value = 0;

    memcpy(&value, function->bytes + offset, width);
    return value;
}

struct fake_function *fake_add(uint16_t requester, uint32_t id, uint32_t class_code)
{
    struct fake_function *function = &functions[function_count++];

    if (function_count > FAKE_FUNCTIONS_MAX)
        abort();
    *function = (struct fake_function){.requester = requester, .there = true, .last = PCI_CAPABILITIES};
    fake_put(function, PCI_ID, 4, id, 0);
    fake_put(function, PCI_CLASS, 4, class_code << 8 | 1, 0);
    fake_put(function, PCI_COMMAND, 2, COMMAND_MASTER, 0x547);
    fake_put(function, PCI_SUBSYSTEM, 4, 0x11001af4, 0);
    return function;
}

struct fake_function *fake_bridge(uint16_t requester, uint8_t secondary)
{
    struct fake_function *function = fake_add(requester, 0x000c1b36, 0x060400);

    fake_put(function, PCI_HEADER, 1, 1, 0);
    fake_put(function, PCI_BUSES, 4, (uint32_t)secondary << 8 | (uint32_t)secondary << 16, 0xffffff);
    fake_put(function, PCI_WINDOW, 4, 0, 0xfff0fff0);
    fake_put(function, PCI_WINDOW_PREFETCHABLE, 4, 0x0000fff0, 0xfff0fff0);
    fake_put(function, PCI_BRIDGE_CONTROL, 2, 0, 0xffff);
    return function;
}

void fake_bar(struct fake_function *function, uint32_t index, uint64_t base, uint64_t size, uint32_t flags)
{
    uint32_t at = PCI_BAR0 + 4 * index;

    fake_put(function, at, 4, (uint32_t)base | flags, (uint32_t)-size);
    if (flags & BAR_64_BITS)
        fake_put(function, at + 4, 4, (uint32_t)(base >> 32), (uint32_t)(-size >> 32));
}

void fake_capability(struct fake_function *function, uint8_t at, uint8_t kind)
{
    function->bytes[PCI_STATUS] |= STATUS_CAPABILITIES;
    function->bytes[function->last] = at;
    function->bytes[at] = kind;
    function->last = at + 1u;
}

void fake_msix(struct fake_function *function, uint8_t at, uint32_t entries, uint32_t table, uint32_t pba)
{
    fake_capability(function, at, CAPABILITY_MSIX);
    fake_put(function, at + 2u, 2, entries - 1, 0xc000);
    fake_put(function, at + 4u, 4, table, 0);
    fake_put(function, at + 8u, 4, pba, 0);
}

void fake_pcie(struct fake_function *function, uint8_t at, bool flr)
{
    fake_capability(function, at, CAPABILITY_PCIE);
    fake_put(function, at + 2u, 2, 2, 0);
    fake_put(function, at + 4u, 4, 0x8000 | (flr ? PCIE_FLR_CAPABLE : 0), 0);
    fake_put(function, at + 8u, 2, 0x2810, 0xffff);
}

void fake_acs(struct fake_function *function)
{
    fake_put(function, 0x100, 4, 0x0001000d, 0);
    fake_put(function, 0x104, 4, 0x1f, 0xffff0000);
}

void fake_sriov(struct fake_function *function, uint16_t total, uint16_t offset, uint16_t stride, uint64_t bar_size)
{
    fake_put(function, 0x100, 4, SRIOV_AT << 20 | 0x00010001, 0);
    fake_put(function, SRIOV_AT, 4, 0x00010010, 0);
    fake_put(function, SRIOV_AT + 8, 2, 0, 0x19);
    fake_put(function, SRIOV_AT + 0xc, 4, total | (uint32_t)total << 16, 0);
    fake_put(function, SRIOV_AT + 0x10, 2, 0, 0xffff);
    fake_put(function, SRIOV_AT + 0x14, 4, offset | (uint32_t)stride << 16, 0);
    fake_put(function, SRIOV_AT + 0x1a, 2, 0x10ca, 0);
    fake_put(function, SRIOV_AT + 0x20, 4, 1, ~0u);
    fake_put(function, SRIOV_AT + 0x24, 4, 0, (uint32_t)-bar_size);
}

/* Virtual functions come and go with the switch; a function-level reset clears what is written. */
static void side_effects(struct fake_function *function)
{
    uint32_t pcie = 0;

    for (uint32_t at = function->bytes[PCI_CAPABILITIES], i = 0; at >= 0x40 && i < 60;
         at = function->bytes[at + 1], i++)
        if (function->bytes[at] == CAPABILITY_PCIE)
            pcie = at;
    if (pcie && fake_get(function, pcie + 8, 2) & PCIE_FLR) {
        function->flrs++;
        fake_put(function, PCI_COMMAND, 2, 0, 0x547);
        fake_put(function, pcie + 8, 2, 0x2810, 0xffff);
        for (uint32_t i = 0; i < 6; i++)
            for (uint32_t j = 0; j < 4; j++)
                function->bytes[PCI_BAR0 + 4 * i + j] &= (uint8_t)~function->writable[PCI_BAR0 + 4 * i + j];
    }
    if (fake_get(function, SRIOV_AT, 2) != 0x10 || !(fake_get(function, SRIOV_AT + 8, 2) & 1))
        return;
    for (uint32_t i = 0; i < fake_get(function, SRIOV_AT + 0x10, 2); i++) {
        uint32_t requester =
            function->requester + fake_get(function, SRIOV_AT + 0x14, 2) + i * fake_get(function, SRIOV_AT + 0x16, 2);

        if (requester > 0xffff || fake_find((uint16_t)requester))
            continue;
        fake_pcie(fake_add((uint16_t)requester, 0xffffffff, 0x020000), 0x40, true);
    }
}

static struct fake_function *function_at(const volatile uint8_t *config)
{
    return fake_find((uint16_t)(config == probe ? probed : (uint32_t)(config - spaces) / PAGE_SIZE));
}

uint32_t pci_read(const struct pci_function *function, uint32_t offset, uint32_t width)
{
    const struct fake_function *fake = function_at(function->config);

    CHECK((width == 1 || width == 2 || width == 4) && offset % width == 0 && offset + width <= 4096);
    return !fake || fake->dead ? ~0u >> (32 - 8 * width) : fake_get(fake, offset, width);
}

void pci_write(const struct pci_function *function, uint32_t offset, uint32_t width, uint32_t value)
{
    struct fake_function *fake = function_at(function->config);

    CHECK((width == 1 || width == 2 || width == 4) && offset % width == 0 && offset + width <= 4096);
    for (uint32_t i = 0; fake && i < width; i++)
        fake->bytes[offset + i] = (uint8_t)((fake->bytes[offset + i] & ~fake->writable[offset + i]) |
                                            (value >> 8 * i & fake->writable[offset + i]));
    if (fake)
        side_effects(fake);
}

/* --- The kernel around it --- */

uint8_t *fake_memory(uint64_t address)
{
    static uint8_t elsewhere[2 * MIB]; /* above 4 GiB, where anything may be */

    if (address >> 32)
        return elsewhere + address % MIB;
    CHECK(address - FAKE_WINDOW < FAKE_WINDOW_SIZE);
    return window + (address - FAKE_WINDOW);
}

void *kernel_map_device(struct hpa base, uint64_t size)
{
    if (base.value - FAKE_WINDOW < FAKE_WINDOW_SIZE || base.value >> 32) {
        CHECK(base.value >> 32 ? size <= MIB : size <= FAKE_WINDOW_SIZE - (base.value - FAKE_WINDOW));
        return fake_memory(base.value);
    }
    CHECK(base.value >= FAKE_ECAM && base.value - FAKE_ECAM < (platform.pci.bus_last + 1) * MIB);
    if (!probe)
        return probe = ecam;
    return spaces + (base.value - FAKE_ECAM);
}

void kernel_move_device(void *page, struct hpa base)
{
    CHECK(page == probe && base.value - FAKE_ECAM < (platform.pci.bus_last + 1) * MIB);
    probed = (uint32_t)((base.value - FAKE_ECAM) / PAGE_SIZE);
}

void *memory_pages(uint64_t count)
{
    static void *taken[16]; /* for the leak checker */
    static uint32_t next;

    free(taken[next % 16]);
    return taken[next++ % 16] = calloc(count, PAGE_SIZE);
}

bool memory_overlaps(struct memory_range a, struct memory_range b)
{
    return a.base.value < b.base.value + b.size && b.base.value < a.base.value + a.size;
}

void log_line(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(fake_said, sizeof(fake_said), format, arguments);
    va_end(arguments);
    fake_lines++;
}

void check_failed(const char *file, int line, const char *text)
{
    fprintf(stderr, "%s:%d: CHECK(%s)\n", file, line, text);
    abort();
}

uint64_t time_ns(void)
{
    return fake_now += 100000;
}

void stage2_map(struct domain *domain, struct ipa ipa, struct hpa hpa, uint64_t size, uint32_t rights)
{
    CHECK(mapping_count < MAPPINGS_MAX && !((ipa.value | hpa.value | size) & (PAGE_SIZE - 1)) && size);
    CHECK(rights == (STAGE2_READ | STAGE2_WRITE | STAGE2_DEVICE));
    for (uint64_t at = 0; at < size; at += PAGE_SIZE)
        CHECK(!fake_mapped(domain, ipa.value + at) && !mmio_find(domain, (struct ipa){ipa.value + at}));
    mappings[mapping_count++] = (struct mapping){domain, ipa.value, hpa.value, size};
}

uint64_t fake_mapped(const struct domain *domain, uint64_t at)
{
    for (uint32_t i = 0; i < mapping_count; i++)
        if (mappings[i].domain == domain && at - mappings[i].ipa < mappings[i].size)
            return mappings[i].hpa + (at - mappings[i].ipa);
    return 0;
}

uint32_t arch_pci_line(struct domain *domain, uint32_t device, uint32_t pin, uint32_t slot)
{
    (void)domain;
    fake_wire = (device + pin - 1) % 4;
    return slot;
}

void interrupt_set_level(struct domain *domain, uint32_t line, bool level)
{
    (void)domain, (void)line;
    fake_level = level;
}

bool iommu_present(void)
{
    return fake_iommu;
}

bool iommu_remaps(void)
{
    return fake_iommu;
}

bool iommu_assign(struct domain *domain, uint32_t requester)
{
    (void)domain, (void)requester;
    return true;
}

uint32_t message_reserve(struct domain *domain, uint32_t requester, uint32_t count, struct device_status *device)
{
    (void)domain, (void)requester, (void)device;
    return count;
}

static struct fake_message *message_of(uint32_t requester, uint32_t index)
{
    for (uint32_t i = 0; i < fake_bound; i++)
        if (fake_messages[i].requester == requester && fake_messages[i].index == index)
            return &fake_messages[i];
    return NULL;
}

/* Guests' messages with an odd vector mean nothing. What devices send tells the test who it is. */
bool message_bind(struct domain *domain, uint32_t requester, uint32_t index, struct message guest,
                  struct message *physical)
{
    struct fake_message *message = message_of(requester, index);

    (void)domain;
    fake_binds++;
    if (guest.data & 1)
        return false;
    if (!message)
        message = &fake_messages[fake_bound++];
    CHECK(fake_bound <= 64);
    *message = (struct fake_message){requester, index, guest};
    *physical = (struct message){0xfee00000u | requester << 4, 0x4000 | index};
    return true;
}

void message_unbind(struct domain *domain, uint32_t requester, uint32_t index)
{
    struct fake_message *message = message_of(requester, index);

    (void)domain;
    if (message)
        *message = fake_messages[--fake_bound];
}

void message_reset(struct domain *domain)
{
    (void)domain;
    fake_bound = 0;
}

/* --- Accesses --- */

static uint64_t access_memory(struct domain *domain, uint64_t address, struct mmio_access *access)
{
    uint64_t at = fake_mapped(domain, address);
    const struct mmio_region *region = mmio_find(domain, ipa(address));

    if (at) {
        if (access->write)
            memcpy(fake_memory(at), &access->value, access->width);
        else
            memcpy(&access->value, fake_memory(at), access->width);
    } else if (region) {
        access->offset = address - region->base;
        while (region->access(NULL, region->device, access) == MMIO_RETRY)
            fake_now += 1000000;
    }
    return access->value;
}

uint64_t fake_read(struct domain *domain, uint64_t address, uint32_t width)
{
    struct mmio_access access = {.width = (uint8_t)width};

    return access_memory(domain, address, &access) & (~0ull >> (64 - 8 * width));
}

void fake_write(struct domain *domain, uint64_t address, uint32_t width, uint64_t value)
{
    struct mmio_access access = {.width = (uint8_t)width, .value = value, .write = true};

    access_memory(domain, address, &access);
}
