// SPDX-License-Identifier: Apache-2.0
/* The physical interrupt translation service (Arm IHI 0069, chapters 5 and 12). */
#include <arch/its.h>

#include "gic.h"
#include "vgic.h"
#include <arch/gic.h>
#include <arch/host_tree.h>
#include <arch/sysreg.h>
#include <bulkhead/guest_map.h>
#include <core/arch.h>
#include <core/interrupt.h>
#include <core/log.h>
#include <core/memory.h>
#include <core/message.h>
#include <devices/iommu/iommu.h>

#define ITS_SIZE 0x10000u
#define TRANSLATER_PAGE 0x10000u /* GITS_TRANSLATER is at 0x40 of it */
#define TRANSLATER 0x40u
enum its_register {
    GITS_CTLR = 0x0000,
    GITS_TYPER = 0x0008,
    GITS_CBASER = 0x0080,
    GITS_CWRITER = 0x0088,
    GITS_CREADR = 0x0090,
    GITS_BASER = 0x0100,
    GICR_CTLR = 0x0000,
    GICR_TYPER = 0x0008,
    GICR_PROPBASER = 0x0070,
    GICR_PENDBASER = 0x0078,
};
#define GITS_CTLR_ENABLED 1u
#define GITS_CTLR_QUIESCENT (1u << 31)
#define GITS_TYPER_PTA (1ull << 19)
#define BASE_VALID (1ull << 63)
#define BASE_INDIRECT (1ull << 62)
#define BASE_CACHED (7ull << 59 | 1ull << 10) /* write-back, inner shareable; of _CBASER and _BASER */
#define BASER_COUNT 8
#define BASER_DEVICES 1u
#define BASER_COLLECTIONS 4u
#define GICR_TYPER_PLPIS 1u
#define GICR_CTLR_ENABLE_LPIS 1u
#define GICR_CACHED (7ull << 7 | 1ull << 10)
#define GICR_PENDBASER_ZERO (1ull << 62)

enum its_command { MOVI = 0x01, SYNC = 0x05, MAPD = 0x08, MAPC = 0x09, MAPTI = 0x0a };
struct command {
    uint64_t word[4];
};
#define COMMANDS (PAGE_SIZE / sizeof(struct command))
#define POLLS_MAX 1000000u

/* INTIDs of 14 bits, the least that there are with LPIs. */
#define INTID_BITS 14u
#define LPIS_MAX 512u
#define LPI_ON 0xa1u /* priority as of all, enabled */
#define PENDING_ALIGNMENT 0x10000u
#define ITT_ALIGNMENT 256u
#define DEVICE_TABLE_PAGES 16u /* where it cannot be a table of two levels */

static uint8_t *registers; /* NULL: there is no ITS that works */
static struct its_doorbell doorbell;
static struct spinlock lock; /* of the commands and of `lpis` */
static struct command *commands;
static uint32_t next_command;
static uint64_t *devices; /* the ITS' device table, */
static bool two_levels;
static uint64_t device_entry, devices_max, device_page; /* bytes of an entry; entries, and bytes of a page of it */
static uint8_t *priorities;
static uint64_t
    collection_target[BULKHEAD_CPUS_MAX]; /* RDbase, of CPUs that take LPIs; collections have the CPUs' numbers */
static bool takes_lpis[BULKHEAD_CPUS_MAX];

/* An LPI: an event of a device. */
static struct lpi {
    _Atomic uint32_t bound; /* domain << 16 | line (never 0); 0: to nothing */
    uint32_t device, event;
    uint16_t requester;
    uint8_t domain, cpu;
    struct device_status *status;
} lpis[LPIS_MAX];
static uint32_t lpi_count;

static uint64_t read64(const uint8_t *base, uint64_t offset)
{
    return *(const volatile uint64_t *)(base + offset);
}
static void write64(uint8_t *base, uint64_t offset, uint64_t value)
{
    *(volatile uint64_t *)(base + offset) = value;
}

static uint64_t hpa_of(const void *memory)
{
    return kernel_hpa(memory).value;
}

/* --- Commands; the lock is held, or it is the boot CPU. All of them are executed when finish() returns. --- */

static void put(uint64_t word0, uint64_t word1, uint64_t word2)
{
    struct command *command = &commands[next_command];

    *command = (struct command){{word0, word1, word2, 0}};
    cache_clean(command, sizeof(*command));
    next_command = (next_command + 1) % COMMANDS;
}

static void finish(uint32_t cpu)
{
    static bool told;

    put(SYNC, 0, collection_target[cpu]);
    dsb_sy();
    write64(registers, GITS_CWRITER, next_command * sizeof(struct command));
    for (uint32_t i = 0; i < POLLS_MAX; i++) {
        if (read64(registers, GITS_CREADR) == next_command * sizeof(struct command))
            return;
        cpu_relax();
    }
    if (!told)
        log_line("ITS: executes no commands any more.");
    told = true;
}

/* --- Tables --- */

static void write_base(uint32_t index, uint64_t value, const void *table, uint64_t pages)
{
    value |= BASE_VALID | BASE_CACHED | hpa_of(table) | (pages - 1);
    write64(registers, GITS_BASER + 8ull * index, value);
}

/* Pages have the size that the ITS insists on; 4 KiB if it has the choice. */
static void make_table(uint32_t index)
{
    uint64_t base = read64(registers, GITS_BASER + 8ull * index), type = field(base, 56, 3), page, kept;

    if (type != BASER_DEVICES && type != BASER_COLLECTIONS)
        return;
    write64(registers, GITS_BASER + 8ull * index, type == BASER_DEVICES ? BASE_INDIRECT : 0);
    kept = read64(registers, GITS_BASER + 8ull * index);
    page = PAGE_SIZE << 2 * field(kept, 8, 2);
    if (type == BASER_COLLECTIONS) {
        write_base(index, field(kept, 8, 2) << 8, memory_pages_aligned(page / PAGE_SIZE), 1);
        return;
    }
    two_levels = kept & BASE_INDIRECT;
    device_entry = field(base, 48, 5) + 1;
    device_page = page;
    if (two_levels) {
        devices = memory_pages_aligned(page / PAGE_SIZE);
        devices_max = page / sizeof(*devices) * (page / device_entry);
        write_base(index, field(kept, 8, 2) << 8 | BASE_INDIRECT, devices, 1);
    } else {
        uint64_t bytes = page > DEVICE_TABLE_PAGES * PAGE_SIZE ? page : DEVICE_TABLE_PAGES * PAGE_SIZE;

        devices = memory_pages_aligned(bytes / PAGE_SIZE);
        devices_max = bytes / device_entry;
        write_base(index, field(kept, 8, 2) << 8, devices, bytes / page);
    }
}

/* The ITS has room for the device. False: it never will. */
static bool make_room(uint32_t device)
{
    uint64_t *entry;

    if (device >= devices_max || device >> (field(read64(registers, GITS_TYPER), 13, 5) + 1))
        return false;
    if (!two_levels)
        return true;
    entry = &devices[device / (device_page / device_entry)];
    if (!*entry)
        *entry = BASE_VALID | hpa_of(memory_pages_aligned(device_page / PAGE_SIZE));
    cache_clean(entry, sizeof(*entry));
    return true;
}

/* The CPU takes LPIs from now on: its redistributor is the one to be told. */
static bool let_take(uint32_t cpu)
{
    uint8_t *redistributor = gic_redistributor(cpu);
    bool by_address = read64(registers, GITS_TYPER) & GITS_TYPER_PTA;

    if (takes_lpis[cpu])
        return true;
    if (!(read32(redistributor, GICR_TYPER) & GICR_TYPER_PLPIS) ||
        read32(redistributor, GICR_CTLR) & GICR_CTLR_ENABLE_LPIS)
        return false; /* on already: with tables of somebody else's, for good */
    write64(redistributor, GICR_PROPBASER, hpa_of(priorities) | GICR_CACHED | (INTID_BITS - 1));
    write64(redistributor, GICR_PENDBASER,
            hpa_of(memory_pages_aligned(PENDING_ALIGNMENT / PAGE_SIZE)) | GICR_CACHED | GICR_PENDBASER_ZERO);
    dsb_sy();
    write32(redistributor, GICR_CTLR, read32(redistributor, GICR_CTLR) | GICR_CTLR_ENABLE_LPIS);
    dsb_sy();
    collection_target[cpu] =
        by_address ? hpa_of(redistributor) : (uint64_t)(read32(redistributor, GICR_TYPER) >> 8 & 0xffff) << 16;
    put(MAPC, 0, BASE_VALID | collection_target[cpu] | cpu);
    finish(cpu);
    takes_lpis[cpu] = true;
    return true;
}

void its_init(void)
{
    int node = host_tree_find("arm,gic-v3-its", -1);
    struct memory_range range;

    if (node < 0 || !host_tree_regs(node, &range, 1) || !gic_has_lpis())
        return;
    registers = kernel_map_device(range.base, ITS_SIZE);
    write32(registers, GITS_CTLR, 0);
    for (uint32_t i = 0; i < POLLS_MAX && !(read32(registers, GITS_CTLR) & GITS_CTLR_QUIESCENT); i++)
        cpu_relax();
    doorbell.page = hpa(range.base.value + TRANSLATER_PAGE);
    doorbell.seen_at = ipa(doorbell.page.value < GUEST_MEMORY_BASE ? doorbell.page.value : GUEST_MESSAGE_BASE);
    for (uint32_t i = 0; i < BASER_COUNT; i++)
        make_table(i);
    priorities = memory_pages((1u << INTID_BITS) - LPI_FIRST > PAGE_SIZE ? 2 : 1);
    for (uint32_t i = 0; i < LPIS_MAX; i++)
        priorities[i] = LPI_ON;
    cache_clean(priorities, LPIS_MAX);
    commands = memory_pages(1);
    write64(registers, GITS_CBASER, BASE_VALID | BASE_CACHED | hpa_of(commands));
    write64(registers, GITS_CWRITER, 0);
    write32(registers, GITS_CTLR, GITS_CTLR_ENABLED);
}

struct its_doorbell its_doorbell(void)
{
    return doorbell;
}

/* --- Messages --- */

/* As the ITS calls the function: `msi-map`; without one, by its requester ID. */
static bool device_of(uint32_t requester, uint32_t *device)
{
    int node = host_tree_find("pci-host-ecam-generic", -1), its = host_tree_find("arm,gic-v3-its", -1);

    for (unsigned i = 0; host_tree_cell(node, "msi-map", 4 * i + 3) != HOST_TREE_NONE; i++) {
        uint32_t first = host_tree_cell(node, "msi-map", 4 * i);

        if (requester - first >= host_tree_cell(node, "msi-map", 4 * i + 3))
            continue;
        *device = host_tree_cell(node, "msi-map", 4 * i + 2) + (requester - first);
        return host_tree_phandle(host_tree_cell(node, "msi-map", 4 * i + 1)) == its;
    }
    *device = requester;
    return host_tree_phandle(host_tree_cell(node, "msi-parent", 0)) == its;
}

/* `bytes` for an ITT; they share pages. */
static void *itt_bytes(uint64_t bytes)
{
    static uint8_t *next, *end;

    bytes = (bytes + ITT_ALIGNMENT - 1) & ~(uint64_t)(ITT_ALIGNMENT - 1);
    if (bytes > (uint64_t)(end - next)) {
        uint64_t pages = (bytes + PAGE_SIZE - 1) / PAGE_SIZE;

        next = memory_pages(pages);
        end = next + pages * PAGE_SIZE;
    }
    next += bytes;
    return next - bytes;
}

uint32_t message_reserve(struct domain *domain, uint32_t requester, uint32_t count, struct device_status *status)
{
    uint32_t cpu = domain->vcpu[0]->cpu, device, bits = 1;

    if (!registers)
        return 0;
    if (count > GUEST_MESSAGES)
        count = GUEST_MESSAGES;
    if (count > LPIS_MAX - lpi_count)
        count = LPIS_MAX - lpi_count;
    if (!count || !device_of(requester, &device) || !make_room(device)) {
        log_line("%s: no message interrupts are left for PCI function %x", domain->config->name, requester);
        return 0;
    }
    for (uint32_t i = 0; i < domain->vcpu_count; i++)
        if (!let_take(domain->vcpu[i]->cpu)) {
            log_line("%s: CPU %u cannot take message interrupts", domain->config->name, domain->vcpu[i]->cpu);
            return 0;
        }
    vgic_add_messages(domain);
    while (1u << bits < count)
        bits++;
    put(MAPD | (uint64_t)device << 32, bits - 1,
        BASE_VALID | hpa_of(itt_bytes((field(read64(registers, GITS_TYPER), 4, 4) + 1) << bits)));
    for (uint32_t event = 0; event < count; event++) {
        lpis[lpi_count] = (struct lpi){.device = device,
                                       .event = event,
                                       .requester = (uint16_t)requester,
                                       .domain = (uint8_t)domain->index,
                                       .cpu = (uint8_t)cpu,
                                       .status = status};
        put(MAPTI | (uint64_t)device << 32, event | (uint64_t)(LPI_FIRST + lpi_count++) << 32, cpu);
    }
    finish(cpu);
    return count;
}

static struct lpi *lpi_of(const struct domain *domain, uint32_t requester, uint32_t index)
{
    for (uint32_t i = 0; i < lpi_count; i++)
        if (lpis[i].domain == domain->index && lpis[i].requester == requester && lpis[i].event == index)
            return &lpis[i];
    return NULL;
}

/* The lock is held. */
static void move(struct lpi *lpi, uint32_t cpu)
{
    if (lpi->cpu == cpu)
        return;
    lpi->cpu = (uint8_t)cpu;
    put(MOVI | (uint64_t)lpi->device << 32, lpi->event, cpu);
    finish(cpu);
}

bool message_bind(struct domain *domain, uint32_t requester, uint32_t index, struct message guest,
                  struct message *physical)
{
    bool management = domain->config->flags & PARTITION_MANAGEMENT;
    uint64_t setspi = (management ? platform.arch.gicd.value : GUEST_GICD_BASE) + GUEST_GICD_SETSPI;
    uint32_t line = guest.data - 32;
    struct lpi *lpi = lpi_of(domain, requester, index);
    uint8_t route;

    if (!lpi || guest.address != setspi || line - GUEST_LINE_MESSAGES >= GUEST_MESSAGES)
        return false;
    spinlock_acquire(&lock);
    lpi->bound = domain->index << 16 | line;
    route = __atomic_load_n(&domain->arch.vgic.route[line], __ATOMIC_SEQ_CST);
    if (route < domain->vcpu_count)
        move(lpi, domain->vcpu[route]->cpu);
    spinlock_release(&lock);
    physical->address = (iommu_serves(domain) ? doorbell.seen_at.value : doorbell.page.value) + TRANSLATER;
    physical->data = index;
    return true;
}

void message_unbind(struct domain *domain, uint32_t requester, uint32_t index)
{
    struct lpi *lpi = lpi_of(domain, requester, index);

    if (lpi)
        lpi->bound = 0;
}

void message_reset(struct domain *domain)
{
    for (uint32_t i = 0; i < lpi_count; i++)
        if (lpis[i].domain == domain->index)
            lpis[i].bound = 0;
}

void its_route(struct domain *domain, uint32_t line, uint32_t cpu)
{
    spinlock_acquire(&lock);
    for (uint32_t i = 0; i < lpi_count; i++)
        if (lpis[i].bound == (domain->index << 16 | line))
            move(&lpis[i], cpu);
    spinlock_release(&lock);
}

void its_interrupt(uint32_t intid)
{
    uint32_t bound;

    if (intid - LPI_FIRST >= lpi_count)
        return;
    bound = lpis[intid - LPI_FIRST].bound;
    if (!bound)
        return;
    __atomic_fetch_add(&lpis[intid - LPI_FIRST].status->messages, 1, __ATOMIC_RELAXED);
    interrupt_raise(&domains[bound >> 16], bound & 0xffff);
}
