// SPDX-License-Identifier: Apache-2.0
#include <devices/iommu/smmuv3.h>

#include <arch/stage2.h>
#include <core/arch.h>
#include <core/log.h>
#include <core/memory.h>

#define REGISTERS_SIZE 0x20000u

enum smmu_register {
    IDR0 = 0x00,
    IDR1 = 0x04,
    IDR5 = 0x14,
    CR0 = 0x20,
    CR0ACK = 0x24,
    CR1 = 0x28,
    CR2 = 0x2c,
    GBPA = 0x44,
    IRQ_CTRL = 0x50,
    IRQ_CTRLACK = 0x54,
    GERROR = 0x60,
    GERRORN = 0x64,
    STRTAB_BASE = 0x80,
    STRTAB_BASE_CFG = 0x88,
    CMDQ_BASE = 0x90,
    CMDQ_PROD = 0x98,
    CMDQ_CONS = 0x9c,
    EVENTQ_BASE = 0xa0,
    EVENTQ_IRQ_CFG0 = 0xb0,
    EVENTQ_PROD = 0x100a8,
    EVENTQ_CONS = 0x100ac,
};
#define IDR0_S2P (1u << 0)
#define IDR0_AARCH64 (2u << 2)
#define IDR0_COHACC (1u << 4)
#define IDR0_MSI (1u << 13)
#define IDR0_BIG_ENDIAN (3u << 21)
#define IDR0_TWO_LEVELS (1u << 27)
#define IDR1_PRESET (3u << 29) /* queues or tables at fixed places */
#define IDR5_4K (1u << 4)
#define CR0_SMMUEN (1u << 0)
#define CR0_EVENTQEN (1u << 2)
#define CR0_CMDQEN (1u << 3)
#define CR1_CACHED                                                                                                     \
    (3u << 10 | 1u << 8 | 1u << 6 | 3u << 4 | 1u << 2 | 1u << 0) /* tables and queues: WB, inner shareable */
#define CR2_RECINVSID (1u << 1)
#define CR2_PTM (1u << 2) /* CPUs' TLB invalidation is not for the SMMU */
#define GBPA_ABORT (1u << 20)
#define GBPA_UPDATE (1u << 31)
#define IRQ_CTRL_EVENTQ (1u << 2)
#define GERROR_CMDQ (1u << 0)
#define ALLOCATE (1ull << 62) /* of the bases: RA */
#define OVERFLOW (1u << 31)   /* of EVENTQ_PROD and _CONS */
#define POLLS_MAX 1000000u

/* Stream table: entries of 64 bytes; leaves of 64 entries, a page, below a table of descriptors where there are two
 * levels. */
#define STE_WORDS 8u
#define SPLIT 6u
#define SPAN (SPLIT + 1u)
#define FORMAT_TWO_LEVELS (1u << 16)
#define STREAM_BITS_MAX 16u
#define LINEAR_BITS_MAX 8u
#define STE_VALID 1ull
#define STE_STAGE_2 (6ull << 1)
#define STE_MERGE_EVENTS (1ull << 19)
#define STE_SHARED_AS_SENT (1ull << 44)
#define STE_VTCR_SHIFT 32
#define STE_AARCH64 (1ull << 51)
#define STE_RECORD (1ull << 58)
#define VTCR_MASK 0xffffull /* size, start level, walks; the output size follows */
#define ADDRESS_MASK 0x000fffffffffffc0ull

#define COMMAND_LOG2 8u /* a page of 16-byte commands, */
#define EVENT_LOG2 7u   /* and of 32-byte events */
enum command {
    CFGI_STE = 0x03,
    CFGI_ALL = 0x04,
    TLBI_S12_VMALL = 0x28,
    TLBI_NSNH_ALL = 0x30,
    SYNC = 0x46,
};
#define CFGI_EVERY 31u
#define EVENT_WITH_ADDRESS 0x10u /* F_TRANSLATION and those that follow */
#define EVENT_READ (1ull << 35)

static struct smmuv3 {
    uint8_t *registers;
    const char *trouble;
    struct spinlock lock, event_lock; /* the first of commands and streams */
    uint64_t (*commands)[2];
    uint32_t command_log2, command_next;
    const volatile uint64_t (*events)[4];
    uint32_t event_log2, event_next;
    uint64_t *streams; /* the table of descriptors, or of entries */
    uint32_t stream_bits;
    bool two_levels;
    uint64_t output_size; /* S2PS */
} units[SMMUV3_UNITS_MAX];

static uint32_t read32(const struct smmuv3 *unit, enum smmu_register offset)
{
    return *(const volatile uint32_t *)(unit->registers + offset);
}

static void write32(struct smmuv3 *unit, enum smmu_register offset, uint32_t value)
{
    *(volatile uint32_t *)(unit->registers + offset) = value;
}

static void write64(struct smmuv3 *unit, enum smmu_register offset, uint64_t value)
{
    *(volatile uint64_t *)(unit->registers + offset) = value;
}

static bool settles(const struct smmuv3 *unit, enum smmu_register offset, uint32_t mask, uint32_t value)
{
    for (uint32_t i = 0; i < POLLS_MAX; i++) {
        if ((read32(unit, offset) & mask) == value)
            return true;
        cpu_relax();
    }
    return false;
}

static bool control(struct smmuv3 *unit, uint32_t value)
{
    write32(unit, CR0, value);
    return settles(unit, CR0ACK, UINT32_MAX, value);
}

/* Without translation the unit refuses everything: how it stays if it is in trouble. */
static bool block(struct smmuv3 *unit)
{
    bool settled = settles(unit, GBPA, GBPA_UPDATE, 0);

    write32(unit, GBPA, GBPA_UPDATE | GBPA_ABORT);
    settled = settles(unit, GBPA, GBPA_UPDATE | GBPA_ABORT, GBPA_ABORT) && settled;
    return control(unit, 0) && settled;
}

/* --- Commands; the lock is held. Each operation ends with a sync, so the queue is never full. --- */

static void command(struct smmuv3 *unit, uint64_t low, uint64_t high)
{
    uint64_t *place = unit->commands[unit->command_next & ((1u << unit->command_log2) - 1)];

    place[0] = low;
    place[1] = high;
    unit->command_next =
        (unit->command_next + 1) & ((2u << unit->command_log2) - 1); /* the last bit tells laps apart */
}

static void sync(struct smmuv3 *unit)
{
    command(unit, SYNC, 0);
    dsb_sy();
    write32(unit, CMDQ_PROD, unit->command_next);
    if (!unit->trouble && !settles(unit, CMDQ_CONS, (2u << unit->command_log2) - 1, unit->command_next)) {
        unit->trouble = "executes no commands";
        block(unit);
        log_line("SMMU: %s any more: all devices behind it are blocked.", unit->trouble);
    }
    dsb_sy();
}

static void forget_stream(struct smmuv3 *unit, uint32_t stream)
{
    command(unit, CFGI_STE | (uint64_t)stream << 32, 0); /* the descriptor too */
    sync(unit);
}

/* --- Start --- */

static const char *missing(const struct smmuv3 *unit)
{
    static const uint8_t address_bits[8] = {32, 36, 40, 42, 44, 48, 52, 56};
    uint32_t idr0 = read32(unit, IDR0), idr5 = read32(unit, IDR5);

    if (!(idr0 & IDR0_S2P))
        return "has no stage 2";
    if (!(idr0 & IDR0_AARCH64) || !(idr5 & IDR5_4K) || (idr0 & IDR0_BIG_ENDIAN) == IDR0_BIG_ENDIAN)
        return "does not know the kernel's tables";
    if (!(idr0 & IDR0_COHACC))
        return "does not look into caches";
    if (address_bits[idr5 & 7] < stage2_bits())
        return "does not know addresses of this length";
    if (read32(unit, IDR1) & IDR1_PRESET)
        return "has its tables or queues at fixed places";
    return NULL;
}

static uint32_t least(uint32_t a, uint32_t b)
{
    return a < b ? a : b;
}

static void make_streams(struct smmuv3 *unit)
{
    uint32_t bits = read32(unit, IDR1) & 63, bytes_log2, config;

    unit->two_levels = (read32(unit, IDR0) & IDR0_TWO_LEVELS) && bits > SPLIT;
    unit->stream_bits = least(bits, unit->two_levels ? STREAM_BITS_MAX : LINEAR_BITS_MAX);
    bytes_log2 = unit->two_levels ? unit->stream_bits - SPLIT + 3 : unit->stream_bits + 6;
    config = unit->two_levels ? FORMAT_TWO_LEVELS | SPLIT << 6 : 0;
    unit->streams = memory_pages_aligned(bytes_log2 > 12 ? 1u << (bytes_log2 - 12) : 1);
    write64(unit, STRTAB_BASE, kernel_hpa(unit->streams).value | ALLOCATE);
    write32(unit, STRTAB_BASE_CFG, config | unit->stream_bits);
}

static void make_queues(struct smmuv3 *unit)
{
    unit->command_log2 = least(read32(unit, IDR1) >> 21 & 31, COMMAND_LOG2);
    unit->event_log2 = least(read32(unit, IDR1) >> 16 & 31, EVENT_LOG2);
    unit->commands = memory_pages(1);
    unit->events = memory_pages(1);
    write64(unit, CMDQ_BASE, kernel_hpa(unit->commands).value | ALLOCATE | unit->command_log2);
    write32(unit, CMDQ_PROD, 0);
    write32(unit, CMDQ_CONS, 0);
    write64(unit, EVENTQ_BASE, kernel_hpa((const void *)unit->events).value | ALLOCATE | unit->event_log2);
    write32(unit, EVENTQ_PROD, 0);
    write32(unit, EVENTQ_CONS, 0);
}

struct smmuv3 *smmuv3_take(unsigned index, struct hpa registers)
{
    struct smmuv3 *unit = &units[index];
    unit->registers = kernel_map_device(registers, REGISTERS_SIZE);
    if (!block(unit))
        unit->trouble = "does not answer";
    else
        unit->trouble = missing(unit);
    if (unit->trouble)
        return unit;
    unit->output_size = least(read32(unit, IDR5) & 7, 5);
    write32(unit, CR1, CR1_CACHED);
    write32(unit, CR2, CR2_RECINVSID | CR2_PTM);
    write32(unit, IRQ_CTRL, 0);
    if (read32(unit, IDR0) & IDR0_MSI)
        write64(unit, EVENTQ_IRQ_CFG0, 0); /* the wire, not a message */
    make_streams(unit);
    make_queues(unit);
    dsb_sy();
    if (!control(unit, CR0_CMDQEN))
        unit->trouble = "does not start";
    command(unit, CFGI_ALL, CFGI_EVERY);
    command(unit, TLBI_NSNH_ALL, 0);
    sync(unit);
    if (!unit->trouble && !control(unit, CR0_CMDQEN | CR0_EVENTQEN | CR0_SMMUEN))
        unit->trouble = "does not start";
    if (unit->trouble)
        block(unit);
    return unit;
}

const char *smmuv3_trouble(const struct smmuv3 *unit)
{
    return unit->trouble;
}

bool smmuv3_listen(struct smmuv3 *unit, bool on)
{
    uint32_t wanted = on ? IRQ_CTRL_EVENTQ : 0, mask = (2u << unit->event_log2) - 1;

    if (unit->trouble)
        return true;
    write32(unit, IRQ_CTRL, wanted);
    settles(unit, IRQ_CTRLACK, IRQ_CTRL_EVENTQ, wanted);
    return (read32(unit, EVENTQ_PROD) & mask) == unit->event_next;
}

/* --- Streams --- */

/* Tables are kernel memory, of which the hpa and the virtual address differ by a constant. NULL: not prepared. */
static uint64_t *stream_entry(const struct smmuv3 *unit, uint32_t stream)
{
    uint64_t difference = (uint64_t)unit->streams - kernel_hpa(unit->streams).value, leaf;

    if (stream >> unit->stream_bits)
        return NULL;
    if (!unit->two_levels)
        return unit->streams + stream * STE_WORDS;
    leaf = unit->streams[stream >> SPLIT];
    return leaf ? (uint64_t *)((leaf & ADDRESS_MASK) + difference) + (stream & ((1u << SPLIT) - 1)) * STE_WORDS : NULL;
}

bool smmuv3_prepare(struct smmuv3 *unit, uint32_t stream)
{
    if (unit->trouble || stream >> unit->stream_bits)
        return false;
    if (!stream_entry(unit, stream)) {
        uint64_t leaf = kernel_hpa(memory_pages(1)).value;

        spinlock_acquire(&unit->lock);
        unit->streams[stream >> SPLIT] = leaf | SPAN;
        forget_stream(unit, stream);
        spinlock_release(&unit->lock);
    }
    return true;
}

void smmuv3_attach(struct smmuv3 *unit, uint32_t stream, const struct iommu_space *space)
{
    volatile uint64_t *entry = stream_entry(unit, stream);

    CHECK(entry);
    spinlock_acquire(&unit->lock);
    entry[0] = 0;
    forget_stream(unit, stream);
    if (space) {
        entry[1] = STE_MERGE_EVENTS | STE_SHARED_AS_SENT;
        entry[2] = space->id | ((stage2_vtcr() & VTCR_MASK) | unit->output_size << 16) << STE_VTCR_SHIFT | STE_AARCH64 |
                   STE_RECORD;
        entry[3] = space->root_hpa;
        dsb_sy();
        entry[0] = STE_VALID | STE_STAGE_2;
        forget_stream(unit, stream);
    }
    spinlock_release(&unit->lock);
}

void smmuv3_invalidate(struct smmuv3 *unit, const struct iommu_space *space)
{
    spinlock_acquire(&unit->lock);
    command(unit, TLBI_S12_VMALL | (uint64_t)space->id << 32, 0);
    sync(unit);
    spinlock_release(&unit->lock);
}

/* --- Faults --- */

void smmuv3_poll(struct smmuv3 *unit,
                 void (*refused)(const struct smmuv3 *unit, uint32_t stream, uint64_t address, bool write))
{
    uint32_t mask = (2u << unit->event_log2) - 1, produced;

    if (unit->trouble)
        return;
    spinlock_acquire(&unit->event_lock);
    produced = read32(unit, EVENTQ_PROD);
    dsb_sy(); /* the records are read after */
    for (uint32_t i = 0; i < 1u << unit->event_log2 && unit->event_next != (produced & mask); i++) {
        const volatile uint64_t *event = unit->events[unit->event_next & (mask >> 1)];
        bool has_address = (event[0] & 0xff) >= EVENT_WITH_ADDRESS;

        refused(unit, (uint32_t)(event[0] >> 32), has_address ? event[2] : 0, has_address && !(event[1] & EVENT_READ));
        unit->event_next = (unit->event_next + 1) & mask;
    }
    /* What did not fit is not known; that it did not is acknowledged. */
    write32(unit, EVENTQ_CONS, unit->event_next | (produced & OVERFLOW));
    spinlock_release(&unit->event_lock);
}
