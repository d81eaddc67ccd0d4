/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of AHCI controllers (AHCI 1.3.1) with SATA disks (ATA8-ACS): native command queuing where controller and disk
 * have it, else one command at a time. The controller reads and writes requests' segments directly, where it can
 * address them; for the rest there is a copy.
 *
 * When a queued command fails the disk drops all of them without a word on which it was. So the port is reset, and all
 * are done again one by one, not queued: the one that fails then is the one. A port that is late is reset too; requests
 * that were late fail, the others are given to it again.
 */
#include <devices/disk/driver.h>
#include <devices/pci/pci.h>
#include <lib/native.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_AHCI 0x010601u
#define BAR 5u
#define PORTS_MAX 32u
#define SLOTS_MAX 32u
#define TRIM_RANGES 64u
#define TRIM_RANGE_MAX 65535u /* blocks */
#define PIECE_MAX (4u << 20)  /* bytes a physical region */

#define CONTROLLER_LIMIT_NS 1000000000ull
#define HANDOFF_LIMIT_NS 2000000000ull
#define STOP_LIMIT_NS 1000000000ull
#define RESET_HOLD_NS 2000000ull     /* COMRESET; at least 1 ms */
#define DETECT_NS 10000000ull        /* so soon a disk shows itself */
#define DISK_LIMIT_NS 10000000000ull /* so soon it is ready */

/* Registers of the controller, 3.1 */
#define CAP 0x00u
#define CAP_SLOTS(cap) (((cap) >> 8 & 31) + 1)
#define CAP_QUEUING (1u << 30)
#define CAP_64_BITS (1u << 31)
#define GHC 0x04u
#define GHC_RESET 1u
#define GHC_INTERRUPTS 2u
#define GHC_ENABLE (1u << 31)
#define IS 0x08u
#define PI 0x0cu
#define CAP2 0x24u
#define CAP2_HANDOFF 1u
#define BOHC 0x28u
#define BOHC_FIRMWARE 1u
#define BOHC_SYSTEM 2u
#define PORTS 0x100u
#define PORT_SIZE 0x80u
#define REGISTERS (PORTS + PORTS_MAX * PORT_SIZE)

/* Of a port, 3.3 */
#define P_LIST 0x00u
#define P_FIS 0x08u
#define P_IS 0x10u
#define P_IS_CONNECT (1u << 6 | 1u << 22)
#define P_IS_ERROR (1u << 27 | 1u << 28 | 1u << 29 | 1u << 30)
#define P_IE 0x14u
#define P_IE_WANTED (0x0fu | P_IS_CONNECT | P_IS_ERROR)
#define P_CMD 0x18u
#define CMD_START 0x0001u
#define CMD_SPIN_UP 0x0002u
#define CMD_POWER_ON 0x0004u
#define CMD_FIS 0x0010u
#define CMD_FIS_RUNS 0x4000u
#define CMD_RUNS 0x8000u
#define CMD_ACTIVE (1u << 28)
#define P_TFD 0x20u
#define TFD_BUSY 0x88u /* BSY, DRQ */
#define TFD_ABORTED 0x0400u
#define P_SIGNATURE 0x24u
#define SIGNATURE_DISK 0x00000101u
#define P_SSTS 0x28u
#define SSTS_DETECTED 0xfu
#define SSTS_LINKED 3u
#define P_SCTL 0x2cu
#define SCTL_NO_SLEEP 0x300u
#define SCTL_RESET 1u
#define P_SERR 0x30u
#define P_SACT 0x34u
#define P_CI 0x38u

enum {
    ATA_DATA_SET_MANAGEMENT = 0x06,
    ATA_READ_DMA_EXT = 0x25,
    ATA_WRITE_DMA_EXT = 0x35,
    ATA_READ_QUEUED = 0x60,
    ATA_WRITE_QUEUED = 0x61,
    ATA_FLUSH_CACHE_EXT = 0xea,
    ATA_IDENTIFY = 0xec,
};
#define ATA_TRIM 1u
#define ATA_LBA 0x40u

/* IDENTIFY DEVICE, words */
#define ID_SERIAL 10u
#define ID_SERIAL_WORDS 10u
#define ID_QUEUE_DEPTH 75u
#define ID_SATA 76u
#define SATA_QUEUING 0x100u
#define ID_COMMANDS 83u
#define COMMANDS_48_BITS 0x400u
#define COMMANDS_FLUSH_EXT 0x2000u
#define ID_SECTORS 100u
#define ID_SECTOR_SIZE 106u
#define SECTOR_SIZE_VALID 0xc000u
#define SECTOR_SIZE_IS 0x4000u
#define SECTOR_SIZE_LONG 0x1000u
#define ID_SECTOR_WORDS 117u
#define ID_TRIM 169u
#define ID_WORDS 256u

struct header {
    uint16_t flags, regions;
    uint32_t transferred;
    uint64_t table;
    uint32_t reserved[4];
};
#define HEADER_FIS_DWORDS 5u
#define HEADER_WRITE 0x40u

struct region {
    uint64_t address;
    uint32_t reserved, length; /* - 1 */
};

struct table {
    uint8_t fis[64], packet[16], reserved[48];
    struct region region[DISK_SEGMENTS_MAX];
    uint8_t fill[32]; /* tables are multiples of 128 bytes */
};
_Static_assert(sizeof(struct table) % 128 == 0, "as the controller wants them aligned");

/* What a port reads and writes beside data. */
struct port_memory {
    struct header list[SLOTS_MAX];
    uint8_t received[256];
    uint8_t unused[768];
    struct table table[SLOTS_MAX];
    uint16_t identity[ID_WORDS];
    uint64_t trim[TRIM_RANGES];
};
_Static_assert(offsetof(struct port_memory, table) % 128 == 0, "aligned");

struct slot {
    struct disk_request *request; /* NULL: free */
    uint8_t *copy;
    uint64_t deadline_ns;
};

enum state { STOPPING, STILLING, RESETTING, LINKING, STARTING, IDENTIFYING, READY, GONE };

struct port {
    struct disk disk;
    struct ahci *ahci;
    uintptr_t registers;
    uint32_t number;
    enum state state;
    uint64_t deadline_ns; /* of the state */
    bool hard;            /* STOPPING: reset it then */
    bool known;           /* it was identified before, as `serial` */
    bool alone;           /* the one command under way is not queued */
    uint16_t serial[ID_SERIAL_WORDS];
    uint32_t slots;       /* 1: nothing is queued */
    uint32_t block_shift; /* sectors to blocks */
    uint32_t issued;      /* mask of slots */
    uint32_t careful;     /* so many requests are done one by one */
    uint32_t resets_in_row;
    struct port_memory *memory;
    struct slot slot[SLOTS_MAX];
    struct disk_list waiting;
    struct loop_timer timer;
};

struct ahci {
    struct pci_function function;
    uintptr_t registers;
    uint32_t cap;
    struct port *port[PORTS_MAX];
    struct interrupt_handler handler;
    struct loop_source source;
};

static uint32_t get(const struct port *port, uint32_t offset)
{
    return mmio_read32(port->registers + offset);
}

static void set(const struct port *port, uint32_t offset, uint32_t value)
{
    mmio_write32(port->registers + offset, value);
}

static void set_address(const struct port *port, uint32_t offset, const void *memory)
{
    set(port, offset, (uint32_t)(uintptr_t)memory);
    set(port, offset + 4, (uint32_t)((uintptr_t)memory >> 32));
}

/* --- Life of a port --- */

static struct disk_request *release(struct port *port, uint32_t number)
{
    struct slot *slot = &port->slot[number];
    struct disk_request *request = slot->request;

    disk_copy_give(slot->copy);
    slot->copy = NULL;
    slot->request = NULL;
    port->issued &= ~(1u << number);
    return request;
}

/* The port was stopped: nothing of what it had is under way any more. */
static void take_back(struct port *port, bool again, enum disk_result result)
{
    uint64_t now = time_ns();

    for (uint32_t i = 0; i < SLOTS_MAX; i++) {
        bool late = port->slot[i].deadline_ns <= now;
        struct disk_request *request = release(port, i);

        if (!request)
            continue;
        if (again && !late)
            disk_list_again(&port->waiting, request);
        else
            disk_finish(&port->disk, request, result);
    }
    port->alone = false;
}

static void give_up(struct port *port, const char *why)
{
    if (port->known)
        bulkhead_log("ahci %s port %u: %s; it is not used any more", port->ahci->function.name, port->number, why);
    port->state = GONE;
    set(port, P_IE, 0);
    set(port, P_CMD, get(port, P_CMD) & ~(CMD_START | CMD_FIS));
    take_back(port, false, DISK_GONE);
    disk_finish_all(&port->disk, &port->waiting, DISK_GONE);
}

/* It goes on reading and writing memory, so the way there is shut to all of the controller. */
static void shut(struct ahci *ahci)
{
    pci_disable_master(&ahci->function);
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        if (ahci->port[i] && ahci->port[i]->state != GONE)
            give_up(ahci->port[i], "its controller does not stop");
}

static void enter(struct port *port, enum state state, uint64_t limit_ns)
{
    port->state = state;
    port->deadline_ns = time_ns() + limit_ns;
}

static void stop(struct port *port, bool hard)
{
    port->hard = hard;
    set(port, P_IE, 0);
    set(port, P_CMD, get(port, P_CMD) & ~CMD_START);
    enter(port, STOPPING, STOP_LIMIT_NS);
    loop_timer_set(&port->timer, DISK_STEP_NS);
}

static void reset(struct port *port, const char *why)
{
    bulkhead_log("ahci %s port %u: %s; it is reset", port->ahci->function.name, port->number, why);
    port->disk.resets++;
    port->resets_in_row++;
    stop(port, true);
}

static void begin(struct port *port)
{
    set(port, P_SERR, ~0u);
    set(port, P_IS, ~0u);
    set(port, P_CMD, get(port, P_CMD) | CMD_START);
}

static void ready(struct port *port)
{
    port->state = READY;
    set(port, P_IE, P_IE_WANTED);
    loop_signal(&port->ahci->source);
}

static void put_fis(struct port *port, uint32_t slot, uint8_t command, uint64_t lba, uint16_t features, uint16_t count)
{
    const uint8_t fis[] = {
        0x27, /* host to device */
        0x80, /* a command */
        command,        (uint8_t)features,     (uint8_t)lba,         (uint8_t)(lba >> 8),  (uint8_t)(lba >> 16),
        ATA_LBA,        (uint8_t)(lba >> 24),  (uint8_t)(lba >> 32), (uint8_t)(lba >> 40), (uint8_t)(features >> 8),
        (uint8_t)count, (uint8_t)(count >> 8),
    };

    memset(port->memory->table[slot].fis, 0, sizeof port->memory->table[slot].fis);
    memcpy(port->memory->table[slot].fis, fis, sizeof fis);
}

static void put_header(struct port *port, uint32_t slot, uint32_t regions, bool write)
{
    port->memory->list[slot] = (struct header){
        .flags = (uint16_t)(HEADER_FIS_DWORDS | (write ? HEADER_WRITE : 0)),
        .regions = (uint16_t)regions,
        .table = (uintptr_t)&port->memory->table[slot],
    };
}

static void put_region(struct port *port, uint32_t slot, uint32_t index, const void *base, size_t length)
{
    port->memory->table[slot].region[index] =
        (struct region){.address = (uintptr_t)base, .length = (uint32_t)length - 1};
}

static void identify(struct port *port)
{
    memset(port->memory->identity, 0, sizeof port->memory->identity);
    put_fis(port, 0, ATA_IDENTIFY, 0, 0, 0);
    put_region(port, 0, 0, port->memory->identity, sizeof port->memory->identity);
    put_header(port, 0, 1, false);
    device_barrier();
    set(port, P_CI, 1);
    enter(port, IDENTIFYING, DISK_LIMIT_NS);
}

static void submit(struct disk *disk, struct disk_request *request)
{
    struct port *port = (struct port *)disk;

    disk_list_add(&port->waiting, request);
    loop_signal(&port->ahci->source);
}

static uint64_t words(const uint16_t *identity, uint32_t first, uint32_t count)
{
    uint64_t value = 0;

    for (uint32_t i = count; i-- > 0;)
        value = value << 16 | identity[first + i];
    return value;
}

/* What the disk says of itself: what is wanted of it, or NULL and it is as it was. */
static const char *read_identity(struct port *port)
{
    uint16_t identity[ID_WORDS];
    uint32_t sector_size, depth, block = 512, slots = 1;
    struct disk *disk = &port->disk;
    uint64_t blocks;

    memcpy(identity, port->memory->identity, sizeof identity);
    sector_size = identity[ID_SECTOR_SIZE];
    if ((sector_size & SECTOR_SIZE_VALID) == SECTOR_SIZE_IS && sector_size & SECTOR_SIZE_LONG)
        block = (uint32_t)words(identity, ID_SECTOR_WORDS, 2) * 2;
    blocks = words(identity, ID_SECTORS, 4);
    if (!(identity[ID_COMMANDS] & COMMANDS_48_BITS) || (block != 512 && block != 4096) || !blocks || blocks >> 48)
        return "has no addresses of 48 bits, or blocks of another size";
    if (port->known) {
        bool same = !memcmp(port->serial, &identity[ID_SERIAL], sizeof port->serial) && disk->block_size == block &&
                    disk->sectors == blocks * (block / 512);

        return same ? NULL : "is another disk now";
    }
    depth = (identity[ID_QUEUE_DEPTH] & 31u) + 1;
    if (port->ahci->cap & CAP_QUEUING && identity[ID_SATA] & SATA_QUEUING && identity[ID_SATA] != 0xffff)
        slots = depth < CAP_SLOTS(port->ahci->cap) ? depth : CAP_SLOTS(port->ahci->cap);
    memcpy(port->serial, &identity[ID_SERIAL], sizeof port->serial);
    port->known = true;
    port->slots = slots;
    port->block_shift = block == 4096 ? 3 : 0;
    *disk = (struct disk){
        .sectors = blocks << port->block_shift,
        .block_size = block,
        .segments_max = DISK_SEGMENTS_MAX,
        .max_transfer = DISK_TRANSFER_MAX,
        .max_discard = identity[ID_TRIM] & 1 ? TRIM_RANGES * TRIM_RANGE_MAX & ~7u : 0,
        .has_discard = identity[ID_TRIM] & 1,
        .has_flush = identity[ID_COMMANDS] & COMMANDS_FLUSH_EXT,
        .submit = submit,
    };
    return NULL;
}

static void identified(struct port *port)
{
    const char *why;

    if (get(port, P_IS) & P_IS_ERROR) {
        give_up(port, "does not say what it is");
        return;
    }
    if (get(port, P_CI) & 1)
        return;
    device_load_barrier();
    set(port, P_IS, ~0u);
    why = read_identity(port);
    if (why)
        give_up(port, why);
    else
        ready(port);
}

static void stopped(struct port *port)
{
    enum disk_result result = DISK_IO_ERROR;

    if (!port->hard && port->alone) {
        /* The one that was under way is the one that failed. */
        uint32_t number = (uint32_t)__builtin_ctz(port->issued | 1u << 31);
        struct disk_request *request = release(port, number);

        if (request && request->operation == DISK_DISCARD && get(port, P_TFD) & TFD_ABORTED)
            result = DISK_UNSUPPORTED;
        port->alone = false;
        if (request)
            disk_finish(&port->disk, request, result);
    }
    take_back(port, true, DISK_IO_ERROR);
    if (port->resets_in_row > DISK_RESETS_MAX) {
        give_up(port, "cannot be brought back");
    } else if (!port->hard && !(get(port, P_TFD) & TFD_BUSY)) {
        begin(port);
        ready(port);
    } else {
        set(port, P_CMD, get(port, P_CMD) & ~CMD_FIS);
        enter(port, STILLING, STOP_LIMIT_NS);
    }
}

/* Looks how far a stop or a reset has come. */
static void step(struct port *port)
{
    uint64_t now = time_ns();

    if (port->state == RESETTING) {
        if (now >= port->deadline_ns) {
            set(port, P_SCTL, SCTL_NO_SLEEP);
            enter(port, LINKING, DISK_LIMIT_NS);
        }
    } else if (now >= port->deadline_ns && (port->state == STOPPING || port->state == STILLING)) {
        shut(port->ahci);
    } else if (now >= port->deadline_ns) {
        give_up(port, "does not become ready");
    } else if (port->state == STOPPING && !(get(port, P_CMD) & CMD_RUNS)) {
        stopped(port);
    } else if (port->state == STILLING && !(get(port, P_CMD) & CMD_FIS_RUNS)) {
        set(port, P_SCTL, SCTL_NO_SLEEP | SCTL_RESET);
        enter(port, RESETTING, RESET_HOLD_NS);
    } else if (port->state == LINKING && (get(port, P_SSTS) & SSTS_DETECTED) == SSTS_LINKED) {
        set_address(port, P_LIST, port->memory->list);
        set_address(port, P_FIS, port->memory->received);
        set(port, P_SERR, ~0u);
        set(port, P_CMD, CMD_ACTIVE | CMD_SPIN_UP | CMD_POWER_ON | CMD_FIS);
        enter(port, STARTING, DISK_LIMIT_NS);
    } else if (port->state == STARTING && !(get(port, P_TFD) & TFD_BUSY)) {
        if (get(port, P_SIGNATURE) != SIGNATURE_DISK) {
            give_up(port, "is no disk");
            return;
        }
        begin(port);
        identify(port);
    } else if (port->state == IDENTIFYING) {
        identified(port);
    }
}

static bool late(const struct port *port)
{
    uint64_t now = time_ns();

    for (uint32_t i = 0; i < SLOTS_MAX; i++)
        if (port->slot[i].request && port->slot[i].deadline_ns <= now)
            return true;
    return false;
}

static void look(struct loop_timer *timer)
{
    struct port *port = timer->owner;

    if (port->state == GONE)
        return;
    if (port->state != READY) {
        step(port);
        if (port->state != READY && port->state != GONE)
            loop_timer_set(timer, DISK_STEP_NS);
        return;
    }
    if (!port->issued)
        return;
    if (late(port)) {
        reset(port, "is late");
    } else {
        loop_signal(&port->ahci->source);
        loop_timer_set(timer, DISK_LOOK_NS);
    }
}

/* --- Requests --- */

/* Pieces begin and end at even addresses, and below 4 GiB where the controller knows no others. */
static bool fits(const struct port *port, const struct disk_request *request)
{
    for (uint32_t i = 0; i < request->segments; i++) {
        uint64_t base = (uintptr_t)request->segment[i].base, length = request->segment[i].length;

        if ((base | length) % 2 || length > PIECE_MAX || (!(port->ahci->cap & CAP_64_BITS) && (base + length) >> 32))
            return false;
    }
    return true;
}

/* How many regions; 0: it needs a copy, and there is no memory for one now. */
static uint32_t put_data(struct port *port, uint32_t number, const struct disk_request *request)
{
    struct slot *slot = &port->slot[number];

    if (fits(port, request)) {
        for (uint32_t i = 0; i < request->segments; i++)
            put_region(port, number, i, request->segment[i].base, request->segment[i].length);
        return request->segments;
    }
    slot->copy = disk_copy_take();
    if (!slot->copy)
        return 0;
    if (request->operation == DISK_WRITE)
        segments_read(request->segment, request->segments, 0, slot->copy, request->sectors * 512);
    put_region(port, number, 0, slot->copy, request->sectors * 512);
    return 1;
}

static void put_trim(struct port *port, uint32_t number, uint64_t first, uint64_t blocks)
{
    uint64_t *range = port->memory->trim;

    memset(range, 0, sizeof port->memory->trim);
    for (uint32_t i = 0; i < TRIM_RANGES && blocks; i++) {
        uint64_t part = blocks < TRIM_RANGE_MAX ? blocks : TRIM_RANGE_MAX;

        range[i] = first | part << 48;
        first += part;
        blocks -= part;
    }
    put_region(port, number, 0, range, sizeof port->memory->trim);
    put_header(port, number, 1, true);
    put_fis(port, number, ATA_DATA_SET_MANAGEMENT, 0, ATA_TRIM, 1);
}

/* False: it has to wait. */
static bool start(struct port *port, struct disk_request *request)
{
    bool data = request->operation == DISK_READ || request->operation == DISK_WRITE;
    bool write = request->operation == DISK_WRITE, queued = data && port->slots > 1 && !port->careful;
    uint64_t first = request->sector >> port->block_shift, blocks = request->sectors >> port->block_shift;
    uint32_t all = port->slots == 32 ? ~0u : (1u << port->slots) - 1, number, regions;

    if ((port->issued && (port->alone || !queued)) || port->issued == all)
        return false;
    number = (uint32_t)__builtin_ctz(~port->issued);
    if (data) {
        regions = put_data(port, number, request);
        if (!regions)
            return false;
        put_header(port, number, regions, write);
    }
    if (queued)
        put_fis(port, number, write ? ATA_WRITE_QUEUED : ATA_READ_QUEUED, first, (uint16_t)blocks,
                (uint16_t)(number << 3));
    else if (data)
        put_fis(port, number, write ? ATA_WRITE_DMA_EXT : ATA_READ_DMA_EXT, first, 0, (uint16_t)blocks);
    else if (request->operation == DISK_DISCARD)
        put_trim(port, number, first, blocks);
    else {
        put_header(port, number, 0, false);
        put_fis(port, number, ATA_FLUSH_CACHE_EXT, 0, 0, 0);
    }
    port->alone = !queued;
    port->slot[number].request = request;
    port->slot[number].deadline_ns = time_ns() + DISK_TIMEOUT_NS;
    port->issued |= 1u << number;
    device_barrier();
    if (queued)
        set(port, P_SACT, 1u << number);
    set(port, P_CI, 1u << number);
    return true;
}

static void start_waiting(struct port *port)
{
    struct disk_request *request;

    while ((request = disk_list_take(&port->waiting))) {
        enum disk_result result = disk_check(&port->disk, request);

        if (result != DISK_OK) {
            disk_finish(&port->disk, request, result);
        } else if (!start(port, request)) {
            disk_list_again(&port->waiting, request);
            break;
        }
    }
    if (port->issued && !port->timer.deadline_ns)
        loop_timer_set(&port->timer, DISK_LOOK_NS);
}

static void complete(struct port *port, uint32_t number)
{
    struct slot *slot = &port->slot[number];
    struct disk_request *request = slot->request;

    if (slot->copy && request->operation == DISK_READ)
        segments_write(request->segment, request->segments, 0, slot->copy, request->sectors * 512);
    release(port, number);
    port->careful -= port->careful > 0;
    port->resets_in_row = 0;
    disk_finish(&port->disk, request, DISK_OK);
}

static void serve_port(struct port *port)
{
    uint32_t status = get(port, P_IS), done;

    set(port, P_IS, status);
    done = port->issued & ~(get(port, P_CI) | get(port, P_SACT));
    if (status & P_IS_ERROR && port->alone)
        done = 0; /* it is not done, it has failed */
    device_load_barrier();
    for (; done; done &= done - 1)
        complete(port, (uint32_t)__builtin_ctz(done));
    if (status == ~0u) {
        shut(port->ahci); /* the controller is not there any more */
    } else if (status & P_IS_CONNECT) {
        reset(port, "has lost its link");
    } else if (status & P_IS_ERROR && port->alone && port->issued) {
        port->careful -= port->careful > 0;
        stop(port, false);
    } else if (status & P_IS_ERROR) {
        port->careful = (uint32_t)__builtin_popcount(port->issued);
        reset(port, "reports an error of a queued command");
    } else {
        if (!port->issued)
            port->alone = false;
        start_waiting(port);
    }
}

static void serve(struct loop_source *source)
{
    struct ahci *ahci = source->owner;
    uint32_t pending = mmio_read32(ahci->registers + IS);

    for (uint32_t i = 0; i < PORTS_MAX; i++) {
        struct port *port = ahci->port[i];

        if (port && port->state == READY)
            serve_port(port);
        else if (port && port->state == GONE)
            disk_finish_all(&port->disk, &port->waiting, DISK_GONE);
    }
    mmio_write32(ahci->registers + IS, pending);
    if (pending && mmio_read32(ahci->registers + IS) & pending)
        loop_signal(source); /* there was more meanwhile: no other message is sent for that */
}

static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    loop_signal(handler->owner);
}

/* --- Finding it --- */

static void wait(uint64_t ns)
{
    uint64_t end = time_ns() + ns;

    while (time_ns() < end)
        ;
}

/* False: the controller does not come to rest. */
static bool reset_controller(struct ahci *ahci)
{
    uint64_t end = time_ns() + HANDOFF_LIMIT_NS;

    if (mmio_read32(ahci->registers + CAP2) & CAP2_HANDOFF) {
        mmio_write32(ahci->registers + BOHC, mmio_read32(ahci->registers + BOHC) | BOHC_SYSTEM);
        while (mmio_read32(ahci->registers + BOHC) & BOHC_FIRMWARE && time_ns() < end)
            ;
    }
    mmio_write32(ahci->registers + GHC, GHC_ENABLE);
    mmio_write32(ahci->registers + GHC, GHC_ENABLE | GHC_RESET);
    end = time_ns() + CONTROLLER_LIMIT_NS;
    while (mmio_read32(ahci->registers + GHC) & GHC_RESET)
        if (time_ns() > end)
            return false;
    mmio_write32(ahci->registers + GHC, GHC_ENABLE);
    ahci->cap = mmio_read32(ahci->registers + CAP);
    return true;
}

/* Resets the links of all ports of the mask; those of them behind which there is something. */
static uint32_t detect(const struct ahci *ahci, uint32_t ports)
{
    uint64_t end;
    uint32_t seen = 0;

    for (uint32_t mask = ports; mask; mask &= mask - 1) {
        uintptr_t port = ahci->registers + PORTS + (uint32_t)__builtin_ctz(mask) * PORT_SIZE;

        mmio_write32(port + P_CMD, CMD_ACTIVE | CMD_SPIN_UP | CMD_POWER_ON);
        mmio_write32(port + P_SCTL, SCTL_NO_SLEEP | SCTL_RESET);
    }
    wait(RESET_HOLD_NS);
    for (uint32_t mask = ports; mask; mask &= mask - 1)
        mmio_write32(ahci->registers + PORTS + (uint32_t)__builtin_ctz(mask) * PORT_SIZE + P_SCTL, SCTL_NO_SLEEP);
    end = time_ns() + DETECT_NS;
    do {
        for (uint32_t mask = ports & ~seen; mask; mask &= mask - 1) {
            uint32_t number = (uint32_t)__builtin_ctz(mask);

            if (mmio_read32(ahci->registers + PORTS + number * PORT_SIZE + P_SSTS) & SSTS_DETECTED)
                seen |= 1u << number;
        }
    } while (seen != ports && time_ns() < end);
    return seen;
}

static void *allocate(size_t size)
{
    void *memory = aligned_alloc(DISK_PAGE, (size + DISK_PAGE - 1) & ~(size_t)(DISK_PAGE - 1));

    if (!memory)
        panic("no memory for a disk");
    return memset(memory, 0, size);
}

static struct port *port_make(struct ahci *ahci, uint32_t number)
{
    struct port *port = allocate(sizeof *port);

    port->ahci = ahci;
    port->number = number;
    port->registers = ahci->registers + PORTS + number * PORT_SIZE;
    port->memory = allocate(sizeof *port->memory);
    port->timer = (struct loop_timer){.run = look, .owner = port};
    enter(port, LINKING, DISK_LIMIT_NS);
    if (!(ahci->cap & CAP_64_BITS) && ((uintptr_t)port->memory + sizeof *port->memory) >> 32)
        give_up(port, "does not reach this domain's memory");
    return port;
}

/* All of them together: disks take their time. */
static void settle(struct ahci *ahci)
{
    bool busy;

    do {
        busy = false;
        for (uint32_t i = 0; i < PORTS_MAX; i++) {
            struct port *port = ahci->port[i];

            if (!port || port->state == READY || port->state == GONE)
                continue;
            step(port);
            busy = true;
        }
    } while (busy);
}

bool ahci_probe(const struct pci_function *function)
{
    uint32_t ports, interrupt;
    struct ahci *ahci;

    if (mmio_read32(function->config + PCI_CLASS) >> 8 != CLASS_AHCI)
        return false;
    ahci = allocate(sizeof *ahci);
    ahci->function = *function;
    pci_enable(function);
    ahci->registers = pci_bar(function, BAR, 0, REGISTERS);
    if (!ahci->registers || !reset_controller(ahci)) {
        bulkhead_log("ahci %s: it has no registers, or does not reset; not used", function->name);
        return true;
    }
    ports = detect(ahci, mmio_read32(ahci->registers + PI));
    if (!ports)
        return true; /* no disks: nothing to say */
    ahci->source = (struct loop_source){.run = serve, .owner = ahci};
    ahci->handler = (struct interrupt_handler){.handle = interrupted, .owner = &ahci->source, .name = "ahci"};
    for (; ports; ports &= ports - 1) {
        uint32_t number = (uint32_t)__builtin_ctz(ports);

        ahci->port[number] = port_make(ahci, number);
    }
    pci_enable_master(function);
    interrupt = pci_message(function);
    if (!interrupt || !interrupt_register(interrupt, false, &ahci->handler)) {
        bulkhead_log("ahci %s: it has no interrupt; not used", function->name);
        pci_disable_master(function);
        return true;
    }
    settle(ahci);
    mmio_write32(ahci->registers + IS, ~0u);
    mmio_write32(ahci->registers + GHC, GHC_ENABLE | GHC_INTERRUPTS);
    for (uint32_t i = 0; i < PORTS_MAX; i++)
        if (ahci->port[i] && ahci->port[i]->state == READY)
            disk_add(&ahci->port[i]->disk);
    return true;
}
