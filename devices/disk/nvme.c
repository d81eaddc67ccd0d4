/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of NVMe controllers (NVM Express base specification 2.0, NVM command set 1.0). Each namespace of blocks of 512
 * or 4096 bytes without metadata is a disk. One pair of I/O queues, one message for them. The controller reads and
 * writes requests' segments directly: by PRPs where those can say it, by an SGL where the controller has that; for the
 * rest there is a copy.
 *
 * A controller that is late, in a fatal state, or completes what it was not given is reset. Requests that were late
 * fail, the others are given to it again.
 */
#include <devices/disk/driver.h>
#include <devices/pci/pci.h>
#include <lib/native.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/loop.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_NVME 0x010802u
#define DISKS_MAX 4u        /* namespaces of one controller */
#define SECONDARIES_MAX 16u /* virtual functions of one */
#define SLOTS 63u
#define QUEUE_SIZE (SLOTS + 1) /* of commands: one page */
#define ADMIN_SIZE 4u
#define LIST_SIZE 2048u /* of a slot: PRP list, SGL, or range; never across a page */
#define COMPLETIONS_MAX 64u
#define RESET_LIMIT_NS 10000000000ull /* whatever CAP.TO says */
#define ADMIN_LIMIT_NS 5000000000ull
#define DISCARD_MAX (4u << 20) /* sectors */

/* Registers, 3.1.3 */
#define CAP 0x00u
#define CAP_QUEUE_ENTRIES 0xffffu /* - 1 */
#define CAP_TIMEOUT_SHIFT 24      /* in 500 ms */
#define CAP_STRIDE 0xfu           /* of the upper half */
#define CAP_NVM_COMMANDS (1u << (37 - 32))
#define CAP_PAGE_MIN (0xfu << (48 - 32))
#define CC 0x14u
#define CC_ENABLE (1u | 6u << 16 | 4u << 20) /* commands of 64 bytes, completions of 16, pages of 4 KiB */
#define CSTS 0x1cu
#define CSTS_READY 1u
#define CSTS_FATAL 2u
#define AQA 0x24u
#define ASQ 0x28u
#define ACQ 0x30u
#define DOORBELLS 0x1000u

enum {
    ADMIN_CREATE_SUBMISSION = 0x01,
    ADMIN_CREATE_COMPLETION = 0x05,
    ADMIN_IDENTIFY = 0x06,
    ADMIN_SET_FEATURES = 0x09,
    ADMIN_VIRTUALIZATION = 0x1c,
    NVM_FLUSH = 0x00,
    NVM_WRITE = 0x01,
    NVM_READ = 0x02,
    NVM_WRITE_ZEROES = 0x08,
    NVM_DATASET_MANAGEMENT = 0x09,
};
#define FEATURE_QUEUES 7u
/* Virtualization Management (2.0, 5.26) */
#define VIRTUALIZATION_PRIMARY 1u /* resources for this controller, from its next reset on */
#define VIRTUALIZATION_SECONDARY 8u
#define VIRTUALIZATION_ONLINE 9u
#define RESOURCE_QUEUES (0u << 8)
#define RESOURCE_INTERRUPTS (1u << 8)
#define QUEUE_CONTIGUOUS 1u
#define QUEUE_INTERRUPTS 2u
#define DATASET_DEALLOCATE 4u
#define COMMAND_SGL 0x40u
#define SGL_DATA_BLOCK 0x00u
#define SGL_LAST_SEGMENT 0x30u
#define STATUS_PHASE 1u
#define STATUS_CODE 0x7ffu /* and its type, << 1 in the completion */
#define STATUS_INVALID_OPCODE 0x001u

/* Identify, CNS; and offsets into what it says (2.0, 5.17.2.1 and NVM command set 4.1.5) */
#define CNS_NAMESPACE 0u
#define CNS_CONTROLLER 1u
#define CNS_ACTIVE_NAMESPACES 2u
#define CNS_PRIMARY_CAPABILITIES 0x14u
#define CNS_SECONDARY_CONTROLLERS 0x15u
#define CONTROLLER_MDTS 77u
#define CONTROLLER_ONCS 520u
#define ONCS_DATASET_MANAGEMENT 0x04u
#define ONCS_WRITE_ZEROES 0x08u
#define CONTROLLER_VWC 525u
#define CONTROLLER_SGLS 536u
#define SGLS_SUPPORT 3u
#define SGLS_ANY_ALIGNMENT 1u
#define PRIMARY_QUEUES 32u /* flexible ones, in all */
#define PRIMARY_INTERRUPTS 64u
#define SECONDARY_LIST 32u /* entries of 32 bytes; their number is the list's first byte */
#define SECONDARY_SIZE 32u
#define SECONDARY_MAX 127u
#define SECONDARY_FUNCTION 8u
#define NAMESPACE_SIZE 0u
#define NAMESPACE_FLBAS 26u
#define NAMESPACE_ATTRIBUTES 99u
#define ATTRIBUTE_WRITE_PROTECTED 1u
#define NAMESPACE_FORMATS 128u

struct command {
    uint8_t opcode, flags;
    uint16_t id;
    uint32_t namespace_id;
    uint64_t reserved, metadata, data[2];
    uint32_t dword[6]; /* 10 to 15 */
};
_Static_assert(sizeof(struct command) == 64, "as CC says");

struct completion {
    uint32_t result, reserved;
    uint16_t head, queue, id, status;
};
_Static_assert(sizeof(struct completion) == 16, "as CC says");

struct sgl {
    uint64_t address;
    uint32_t length;
    uint8_t reserved[3], type;
};

struct range {
    uint32_t attributes, blocks;
    uint64_t first;
};

struct queue {
    struct command *submission;             /* a page */
    volatile struct completion *completion; /* a page */
    uintptr_t tail_doorbell, head_doorbell;
    uint16_t size, tail, head, phase;
    bool tail_moved, head_moved; /* since the doorbells were rung */
};

struct nvme_disk {
    struct disk disk;
    struct nvme *nvme;
    uint32_t namespace_id, block_shift; /* sectors to blocks */
    struct disk_list waiting;
};

struct slot {
    struct disk_request *request; /* NULL: free */
    struct nvme_disk *disk;
    uint8_t *copy; /* what the controller has in place of the segments */
    uint64_t deadline_ns;
    struct slot *next; /* while free */
};

enum state { DISABLING, ENABLING, PREPARING, READY, GONE };

struct nvme {
    struct pci_function function;
    uintptr_t registers;
    enum state state;
    uint32_t stage; /* PREPARING */
    uint64_t deadline_ns, reset_limit_ns;
    struct queue admin, io;
    struct slot slot[SLOTS], *free;
    uint32_t slots, in_flight;
    uint8_t *lists; /* LIST_SIZE a slot */
    uint8_t *page;  /* that Identify fills */
    bool has_sgl;
    uint32_t transfer_max; /* bytes */
    struct nvme_disk disk[DISKS_MAX];
    uint32_t disk_count, next_disk;
    uint32_t resets_in_row;
    /* Its virtual functions: their controllers' numbers (0: it has none), and what each is given. */
    uint16_t secondary[SECONDARIES_MAX];
    uint32_t secondaries, secondary_queues, secondary_interrupts;
    struct interrupt_handler handler;
    struct loop_source source;
    struct loop_timer timer;
};

static uint32_t get(const struct nvme *nvme, uint32_t offset)
{
    return mmio_read32(nvme->registers + offset);
}

static void set(const struct nvme *nvme, uint32_t offset, uint32_t value)
{
    mmio_write32(nvme->registers + offset, value);
}

static void set_address(const struct nvme *nvme, uint32_t offset, const volatile void *memory)
{
    set(nvme, offset, (uint32_t)(uintptr_t)memory);
    set(nvme, offset + 4, (uint32_t)((uintptr_t)memory >> 32));
}

/* --- Queues --- */

static void queue_init(struct queue *queue, uint16_t size)
{
    queue->size = size;
    queue->tail = queue->head = 0;
    queue->phase = STATUS_PHASE;
    queue->tail_moved = queue->head_moved = false;
    memset(queue->submission, 0, DISK_PAGE);
    memset((void *)queue->completion, 0, DISK_PAGE);
}

/* There is room: no more commands are under way than a queue holds. */
static void queue_put(struct queue *queue, const struct command *command)
{
    queue->submission[queue->tail] = *command;
    queue->tail = (uint16_t)((queue->tail + 1) % queue->size);
    queue->tail_moved = true;
}

static bool queue_take(struct queue *queue, struct completion *done)
{
    volatile struct completion *next = &queue->completion[queue->head];

    if ((next->status & STATUS_PHASE) != queue->phase)
        return false;
    device_load_barrier();
    done->id = next->id;
    done->status = next->status;
    if (++queue->head == queue->size) {
        queue->head = 0;
        queue->phase ^= STATUS_PHASE;
    }
    queue->head_moved = true;
    return true;
}

static void queue_ring(struct queue *queue)
{
    device_barrier();
    if (queue->head_moved)
        mmio_write32(queue->head_doorbell, queue->head);
    if (queue->tail_moved)
        mmio_write32(queue->tail_doorbell, queue->tail);
    queue->head_moved = queue->tail_moved = false;
}

/* --- Life of the controller --- */

static void release(struct nvme *nvme, struct slot *slot)
{
    disk_copy_give(slot->copy);
    slot->copy = NULL;
    slot->request = NULL;
    slot->next = nvme->free;
    nvme->free = slot;
    nvme->in_flight--;
}

/* It has been brought to rest, or lost its way to memory: nothing of what it had is under way any more. */
static void take_back(struct nvme *nvme, bool again, enum disk_result result)
{
    uint64_t now = time_ns();

    for (uint32_t i = 0; i < nvme->slots; i++) {
        struct slot *slot = &nvme->slot[i];
        struct disk_request *request = slot->request;
        struct nvme_disk *disk = slot->disk;

        if (!request)
            continue;
        release(nvme, slot);
        if (again && slot->deadline_ns > now)
            disk_list_again(&disk->waiting, request);
        else
            disk_finish(&disk->disk, request, result);
    }
}

static void give_up(struct nvme *nvme, const char *why)
{
    bulkhead_log("nvme %s: %s; it is not used any more", nvme->function.name, why);
    nvme->state = GONE;
    set(nvme, CC, 0);
    pci_disable_master(&nvme->function);
    take_back(nvme, false, DISK_GONE);
    for (uint32_t i = 0; i < nvme->disk_count; i++)
        disk_finish_all(&nvme->disk[i].disk, &nvme->disk[i].waiting, DISK_GONE);
}

static void disable(struct nvme *nvme)
{
    nvme->state = DISABLING;
    nvme->deadline_ns = time_ns() + nvme->reset_limit_ns;
    set(nvme, CC, 0);
}

static void reset(struct nvme *nvme, const char *why)
{
    if (nvme->state == GONE)
        return;
    if (++nvme->resets_in_row > DISK_RESETS_MAX) {
        give_up(nvme, "cannot be brought back");
        return;
    }
    bulkhead_log("nvme %s: %s; it is reset", nvme->function.name, why);
    for (uint32_t i = 0; i < nvme->disk_count; i++)
        nvme->disk[i].disk.resets++;
    disable(nvme);
    loop_timer_set(&nvme->timer, DISK_STEP_NS);
}

static void enable(struct nvme *nvme)
{
    queue_init(&nvme->admin, ADMIN_SIZE);
    queue_init(&nvme->io, (uint16_t)(nvme->slots + 1));
    set(nvme, AQA, (ADMIN_SIZE - 1) << 16 | (ADMIN_SIZE - 1));
    set_address(nvme, ASQ, nvme->admin.submission);
    set_address(nvme, ACQ, nvme->admin.completion);
    device_barrier();
    set(nvme, CC, CC_ENABLE);
    nvme->state = ENABLING;
    nvme->deadline_ns = time_ns() + nvme->reset_limit_ns;
}

#define STAGES_OWN 3u       /* of prepare(), which have to succeed */
#define STAGES_SECONDARY 3u /* for each virtual function */

/* A controller's reset takes the secondary ones offline, with what they were given. */
static void put_secondary(const struct nvme *nvme, uint32_t stage, struct command *command)
{
    uint32_t controller = (uint32_t)nvme->secondary[stage / STAGES_SECONDARY] << 16;

    command->opcode = ADMIN_VIRTUALIZATION;
    switch (stage % STAGES_SECONDARY) {
    case 0:
        command->dword[0] = controller | RESOURCE_INTERRUPTS | VIRTUALIZATION_SECONDARY;
        command->dword[1] = nvme->secondary_interrupts;
        break;
    case 1:
        command->dword[0] = controller | RESOURCE_QUEUES | VIRTUALIZATION_SECONDARY;
        command->dword[1] = nvme->secondary_queues;
        break;
    default:
        command->dword[0] = controller | VIRTUALIZATION_ONLINE;
        break;
    }
}

/* What makes it ready, one after the other; false: that was all. */
static bool prepare(struct nvme *nvme, uint32_t stage)
{
    const uint32_t size = (uint32_t)(nvme->io.size - 1) << 16 | 1; /* queue 1 */
    struct command command = {0};

    switch (stage) {
    case 0: /* one queue of each kind; a controller that gives more is welcome to */
        command.opcode = ADMIN_SET_FEATURES;
        command.dword[0] = FEATURE_QUEUES;
        break;
    case 1:
        command.opcode = ADMIN_CREATE_COMPLETION;
        command.data[0] = (uintptr_t)nvme->io.completion;
        command.dword[0] = size;
        command.dword[1] = QUEUE_INTERRUPTS | QUEUE_CONTIGUOUS; /* vector 0 */
        break;
    case 2:
        command.opcode = ADMIN_CREATE_SUBMISSION;
        command.data[0] = (uintptr_t)nvme->io.submission;
        command.dword[0] = size;
        command.dword[1] = 1u << 16 | QUEUE_CONTIGUOUS; /* to completion queue 1 */
        break;
    default:
        if (stage - STAGES_OWN >= STAGES_SECONDARY * nvme->secondaries)
            return false;
        put_secondary(nvme, stage - STAGES_OWN, &command);
        break;
    }
    queue_put(&nvme->admin, &command);
    queue_ring(&nvme->admin);
    nvme->stage = stage;
    nvme->state = PREPARING;
    nvme->deadline_ns = time_ns() + ADMIN_LIMIT_NS;
    return true;
}

static void prepared(struct nvme *nvme)
{
    struct completion done;

    if (!queue_take(&nvme->admin, &done))
        return;
    queue_ring(&nvme->admin);
    if (done.status >> 1 & STATUS_CODE && nvme->stage >= STAGES_OWN)
        bulkhead_log("nvme %s: virtual function %u does not go online (status %x)", nvme->function.name,
                     (nvme->stage - STAGES_OWN) / STAGES_SECONDARY, done.status >> 1 & STATUS_CODE);
    if (done.status >> 1 & STATUS_CODE && nvme->stage < STAGES_OWN)
        give_up(nvme, "refuses its queues");
    else if (!prepare(nvme, nvme->stage + 1))
        nvme->state = READY;
}

/* Looks how far a reset has come. */
static void step(struct nvme *nvme)
{
    uint32_t status = get(nvme, CSTS);

    if (status == ~0u) {
        give_up(nvme, "does not answer any more");
    } else if (time_ns() > nvme->deadline_ns) {
        give_up(nvme, "does not become ready");
    } else if (nvme->state == DISABLING && !(status & CSTS_READY)) {
        take_back(nvme, true, DISK_IO_ERROR);
        enable(nvme);
    } else if (nvme->state == ENABLING && status & CSTS_FATAL) {
        give_up(nvme, "is in a fatal state");
    } else if (nvme->state == ENABLING && status & CSTS_READY) {
        prepare(nvme, 0);
    } else if (nvme->state == PREPARING) {
        prepared(nvme);
    }
}

static bool late(const struct nvme *nvme)
{
    uint64_t now = time_ns();

    for (uint32_t i = 0; i < nvme->slots; i++)
        if (nvme->slot[i].request && nvme->slot[i].deadline_ns <= now)
            return true;
    return false;
}

static void look(struct loop_timer *timer)
{
    struct nvme *nvme = timer->owner;
    uint32_t status;

    if (nvme->state != READY) {
        step(nvme);
        if (nvme->state == READY)
            loop_signal(&nvme->source);
        else if (nvme->state != GONE)
            loop_timer_set(timer, DISK_STEP_NS);
        return;
    }
    if (!nvme->in_flight)
        return;
    status = get(nvme, CSTS);
    if (status == ~0u)
        give_up(nvme, "does not answer any more");
    else if (status & CSTS_FATAL)
        reset(nvme, "is in a fatal state");
    else if (late(nvme))
        reset(nvme, "is late");
    else
        loop_timer_set(timer, DISK_LOOK_NS);
}

/* --- Requests --- */

static void submit(struct disk *disk, struct disk_request *request)
{
    struct nvme_disk *at = (struct nvme_disk *)disk;

    disk_list_add(&at->waiting, request);
    loop_signal(&at->nvme->source);
}

/* A list of PRPs names pages: every piece but the first begins one, every piece but the last ends one. */
static bool fits_prp(const struct disk_request *request)
{
    uintptr_t seam = 0;

    for (uint32_t i = 0; i < request->segments; i++) {
        uintptr_t base = (uintptr_t)request->segment[i].base;

        if (i)
            seam |= base;
        if (i + 1 < request->segments)
            seam |= base + request->segment[i].length;
    }
    return !(seam % DISK_PAGE) && !((uintptr_t)request->segment[0].base % 4);
}

/* A segment of contiguous memory, or such as fits_prp() accepts; at most DISK_TRANSFER_MAX bytes. */
static void put_prp(struct command *command, uint64_t *list, const struct segment *segment, uint32_t segments)
{
    uint32_t count = 0;

    for (uint32_t i = 0; i < segments; i++) {
        uint64_t at = (uintptr_t)segment[i].base, end = at + segment[i].length;

        for (; at < end; at = (at | (DISK_PAGE - 1)) + 1, count++)
            if (count)
                list[count - 1] = at;
            else
                command->data[0] = at;
    }
    if (count == 2)
        command->data[1] = list[0];
    else if (count > 2)
        command->data[1] = (uintptr_t)list;
}
_Static_assert((DISK_TRANSFER_MAX / DISK_PAGE + 1) * sizeof(uint64_t) <= LIST_SIZE, "a PRP list has room");

static void put_sgl(struct command *command, struct sgl *list, const struct disk_request *request)
{
    struct sgl first = {
        .address = (uintptr_t)list, .length = request->segments * (uint32_t)sizeof *list, .type = SGL_LAST_SEGMENT};

    for (uint32_t i = 0; i < request->segments; i++)
        list[i] = (struct sgl){.address = (uintptr_t)request->segment[i].base,
                               .length = (uint32_t)request->segment[i].length,
                               .type = SGL_DATA_BLOCK};
    memcpy(command->data, request->segments == 1 ? &list[0] : &first, sizeof first);
    command->flags = COMMAND_SGL;
}
_Static_assert(DISK_SEGMENTS_MAX * sizeof(struct sgl) <= LIST_SIZE, "an SGL has room");

/* False: it needs a copy, and there is no memory for one now. */
static bool put_data(struct nvme *nvme, struct slot *slot, struct command *command, void *list)
{
    const struct disk_request *request = slot->request;

    if (fits_prp(request)) {
        put_prp(command, list, request->segment, request->segments);
    } else if (nvme->has_sgl) {
        put_sgl(command, list, request);
    } else {
        slot->copy = disk_copy_take();
        if (!slot->copy)
            return false;
        if (request->operation == DISK_WRITE)
            segments_read(request->segment, request->segments, 0, slot->copy, request->sectors * 512);
        put_prp(command, list, &(struct segment){slot->copy, request->sectors * 512}, 1);
    }
    return true;
}

/* False: it has to wait. */
static bool start(struct nvme *nvme, struct nvme_disk *disk, struct disk_request *request)
{
    struct slot *slot = nvme->free;
    uint32_t number = (uint32_t)(slot - nvme->slot);
    void *list = nvme->lists + number * LIST_SIZE;
    uint64_t first = request->sector >> disk->block_shift;
    uint32_t blocks = (uint32_t)(request->sectors >> disk->block_shift);
    struct command command = {.id = (uint16_t)number, .namespace_id = disk->namespace_id};

    slot->request = request;
    slot->disk = disk;
    command.dword[0] = (uint32_t)first;
    command.dword[1] = (uint32_t)(first >> 32);
    command.dword[2] = blocks - 1;
    switch (request->operation) {
    case DISK_READ:
    case DISK_WRITE:
        command.opcode = request->operation == DISK_READ ? NVM_READ : NVM_WRITE;
        if (!put_data(nvme, slot, &command, list)) {
            slot->request = NULL;
            return false;
        }
        break;
    case DISK_DISCARD:
        command.opcode = NVM_DATASET_MANAGEMENT;
        memcpy(list, &(struct range){.blocks = blocks, .first = first}, sizeof(struct range));
        command.data[0] = (uintptr_t)list;
        command.dword[0] = 0; /* one range */
        command.dword[1] = DATASET_DEALLOCATE;
        command.dword[2] = 0;
        break;
    case DISK_WRITE_ZEROES:
        command.opcode = NVM_WRITE_ZEROES;
        break;
    default:
        command.opcode = NVM_FLUSH;
        memset(command.dword, 0, sizeof command.dword);
        break;
    }
    nvme->free = slot->next;
    nvme->in_flight++;
    slot->deadline_ns = time_ns() + DISK_TIMEOUT_NS;
    queue_put(&nvme->io, &command);
    return true;
}

/* One waiting request of the disk; false: it has none, or that has to wait. */
static bool start_one(struct nvme *nvme, struct nvme_disk *disk)
{
    struct disk_request *request = disk_list_take(&disk->waiting);
    enum disk_result result;

    if (!request)
        return false;
    result = disk_check(&disk->disk, request);
    if (result != DISK_OK) {
        disk_finish(&disk->disk, request, result);
    } else if (!start(nvme, disk, request)) {
        disk_list_again(&disk->waiting, request);
        return false;
    }
    return true;
}

/* The disks take turns. */
static void start_waiting(struct nvme *nvme)
{
    for (uint32_t idle = 0; nvme->free && idle < nvme->disk_count;) {
        struct nvme_disk *disk = &nvme->disk[nvme->next_disk];

        nvme->next_disk = (nvme->next_disk + 1) % nvme->disk_count;
        idle = start_one(nvme, disk) ? 0 : idle + 1;
    }
}

static bool complete_one(struct nvme *nvme)
{
    struct completion done;
    struct disk_request *request;
    struct nvme_disk *disk;
    struct slot *slot;
    uint32_t status;

    if (!queue_take(&nvme->io, &done))
        return false;
    if (done.id >= nvme->slots || !nvme->slot[done.id].request) {
        reset(nvme, "completes what it was not given");
        return false;
    }
    slot = &nvme->slot[done.id];
    request = slot->request;
    disk = slot->disk;
    status = done.status >> 1 & STATUS_CODE;
    if (slot->copy && !status && request->operation == DISK_READ)
        segments_write(request->segment, request->segments, 0, slot->copy, request->sectors * 512);
    release(nvme, slot);
    if (!status)
        nvme->resets_in_row = 0;
    disk_finish(&disk->disk, request,
                !status                           ? DISK_OK
                : status == STATUS_INVALID_OPCODE ? DISK_UNSUPPORTED
                                                  : DISK_IO_ERROR);
    return true;
}

static void serve(struct loop_source *source)
{
    struct nvme *nvme = source->owner;
    uint32_t done = 0;

    if (nvme->state == GONE)
        for (uint32_t i = 0; i < nvme->disk_count; i++)
            disk_finish_all(&nvme->disk[i].disk, &nvme->disk[i].waiting, DISK_GONE);
    if (nvme->state != READY)
        return;
    while (done < COMPLETIONS_MAX && complete_one(nvme))
        done++;
    if (nvme->state != READY)
        return;
    start_waiting(nvme);
    queue_ring(&nvme->io);
    if (nvme->in_flight && !nvme->timer.deadline_ns)
        loop_timer_set(&nvme->timer, DISK_LOOK_NS);
    if (done == COMPLETIONS_MAX)
        loop_signal(source);
}

static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    loop_signal(handler->owner);
}

/* --- Finding it --- */

/* Boot only. False: it failed, or the controller is not used any more. */
static bool ask(struct nvme *nvme, const struct command *command)
{
    uint64_t end = time_ns() + ADMIN_LIMIT_NS;
    struct completion done;

    queue_put(&nvme->admin, command);
    queue_ring(&nvme->admin);
    while (!queue_take(&nvme->admin, &done))
        if (time_ns() > end) {
            give_up(nvme, "does not say what it is");
            return false;
        }
    queue_ring(&nvme->admin);
    return !(done.status >> 1 & STATUS_CODE);
}

/* Fills nvme->page. */
static bool identify(struct nvme *nvme, uint32_t namespace_id, uint32_t what)
{
    struct command command = {.opcode = ADMIN_IDENTIFY, .namespace_id = namespace_id};

    memset(nvme->page, 0, DISK_PAGE);
    command.data[0] = (uintptr_t)nvme->page;
    command.dword[0] = what;
    return ask(nvme, &command);
}

static uint16_t field16(const uint8_t *page, uint32_t offset)
{
    return (uint16_t)(page[offset] | page[offset + 1] << 8);
}

static uint32_t field32(const uint8_t *page, uint32_t offset)
{
    return field16(page, offset) | (uint32_t)field16(page, offset + 2) << 16;
}

struct abilities {
    bool flush, discard, write_zeroes;
};

static void read_controller(struct nvme *nvme, struct abilities *can)
{
    uint32_t mdts = nvme->page[CONTROLLER_MDTS], oncs = field16(nvme->page, CONTROLLER_ONCS);

    nvme->transfer_max = DISK_TRANSFER_MAX;
    if (mdts && mdts < 7) /* pages, a power of two; 2^7 are DISK_TRANSFER_MAX */
        nvme->transfer_max = DISK_PAGE << mdts;
    nvme->has_sgl = (field32(nvme->page, CONTROLLER_SGLS) & SGLS_SUPPORT) == SGLS_ANY_ALIGNMENT;
    *can = (struct abilities){
        .flush = nvme->page[CONTROLLER_VWC] & 1,
        .discard = oncs & ONCS_DATASET_MANAGEMENT,
        .write_zeroes = oncs & ONCS_WRITE_ZEROES,
    };
}
_Static_assert(DISK_PAGE << 7 == DISK_TRANSFER_MAX, "read_controller() knows");

/* The namespace that nvme->page describes; false: it is none for us. */
static bool read_namespace(struct nvme *nvme, struct nvme_disk *at, const struct abilities *can)
{
    const uint8_t *page = nvme->page;
    uint32_t flbas = page[NAMESPACE_FLBAS], format = (flbas & 15) | (flbas >> 1 & 0x30);
    uint32_t lbaf = field32(page, NAMESPACE_FORMATS + 4 * format), shift = lbaf >> 16 & 0xff;
    uint64_t blocks = field32(page, NAMESPACE_SIZE) | (uint64_t)field32(page, NAMESPACE_SIZE + 4) << 32;
    struct disk *disk = &at->disk;

    if ((shift != 9 && shift != 12) || lbaf & 0xffff || !blocks || blocks >> (63 - shift))
        return false;
    at->nvme = nvme;
    at->block_shift = shift - 9;
    *disk = (struct disk){
        .sectors = blocks << at->block_shift,
        .block_size = 1u << shift,
        .segments_max = DISK_SEGMENTS_MAX,
        .max_transfer = nvme->transfer_max,
        .max_discard = can->discard ? DISCARD_MAX : 0,
        .max_write_zeroes = can->write_zeroes ? nvme->transfer_max / 512 : 0,
        .read_only = page[NAMESPACE_ATTRIBUTES] & ATTRIBUTE_WRITE_PROTECTED,
        .has_flush = can->flush,
        .has_discard = can->discard,
        .has_write_zeroes = can->write_zeroes,
        .submit = submit,
    };
    return true;
}

/* Boot only. Brings it from DISABLING to READY, or GONE. */
static bool settle(struct nvme *nvme)
{
    while (nvme->state != READY && nvme->state != GONE)
        step(nvme);
    return nvme->state == READY;
}

/* The controllers of its virtual functions, in the functions' order. */
static void read_secondaries(struct nvme *nvme, uint32_t functions)
{
    uint32_t count = nvme->page[0];

    for (uint32_t i = 0; i < count && i < SECONDARY_MAX; i++) {
        const uint8_t *entry = nvme->page + SECONDARY_LIST + i * SECONDARY_SIZE;
        uint32_t function = field16(entry, SECONDARY_FUNCTION); /* from 1 on */

        if (function && function <= functions)
            nvme->secondary[function - 1] = field16(entry, 0);
    }
}

/* Shares the flexible resources out among its virtual functions: this controller keeps those that are its own. */
static void find_secondaries(struct nvme *nvme)
{
    uint32_t functions = pci_virtual_count(&nvme->function);
    struct command command = {.opcode = ADMIN_VIRTUALIZATION};

    if (!functions || functions > SECONDARIES_MAX || !identify(nvme, 0, CNS_PRIMARY_CAPABILITIES))
        return;
    nvme->secondary_queues = field32(nvme->page, PRIMARY_QUEUES) / functions;
    nvme->secondary_interrupts = field32(nvme->page, PRIMARY_INTERRUPTS) / functions;
    if (nvme->secondary_queues < 2 || !nvme->secondary_interrupts) {
        bulkhead_log("nvme %s: it has too few queues or interrupts for %u virtual functions", nvme->function.name,
                     functions);
        return;
    }
    if (!identify(nvme, 0, CNS_SECONDARY_CONTROLLERS))
        return;
    read_secondaries(nvme, functions);
    command.dword[0] = RESOURCE_QUEUES | VIRTUALIZATION_PRIMARY;
    if (!ask(nvme, &command))
        bulkhead_log("nvme %s: does not hand its queues over", nvme->function.name);
    command.dword[0] = RESOURCE_INTERRUPTS | VIRTUALIZATION_PRIMARY;
    if (!ask(nvme, &command))
        bulkhead_log("nvme %s: does not hand its interrupts over", nvme->function.name);
    nvme->secondaries = functions;
    bulkhead_log("nvme %s: %u virtual functions, %u queues and %u interrupts each", nvme->function.name, functions,
                 nvme->secondary_queues, nvme->secondary_interrupts);
    disable(nvme);
    settle(nvme);
}

static void find_disks(struct nvme *nvme)
{
    uint32_t ids[DISKS_MAX];
    struct abilities can;

    if (!identify(nvme, 0, CNS_CONTROLLER))
        return;
    read_controller(nvme, &can);
    if (!identify(nvme, 0, CNS_ACTIVE_NAMESPACES))
        return;
    for (uint32_t i = 0; i < DISKS_MAX; i++)
        ids[i] = field32(nvme->page, 4 * i);
    for (uint32_t i = 0; i < DISKS_MAX && ids[i]; i++) {
        struct nvme_disk *disk = &nvme->disk[nvme->disk_count];

        if (!identify(nvme, ids[i], CNS_NAMESPACE) || !read_namespace(nvme, disk, &can)) {
            bulkhead_log("nvme %s: namespace %u has a format that is not supported", nvme->function.name, ids[i]);
            continue;
        }
        disk->namespace_id = ids[i];
        if (disk_add(&disk->disk))
            nvme->disk_count++;
    }
}

static uint8_t *allocate(size_t size)
{
    uint8_t *memory = aligned_alloc(DISK_PAGE, (size + DISK_PAGE - 1) & ~(size_t)(DISK_PAGE - 1));

    if (!memory)
        panic("no memory for a disk");
    return memset(memory, 0, size);
}

static void queue_make(struct nvme *nvme, struct queue *queue, uint32_t number, uint32_t stride)
{
    queue->submission = (struct command *)allocate(DISK_PAGE);
    queue->completion = (struct completion *)allocate(DISK_PAGE);
    queue->tail_doorbell = nvme->registers + DOORBELLS + 2 * number * stride;
    queue->head_doorbell = queue->tail_doorbell + stride;
}

bool nvme_probe(const struct pci_function *function)
{
    uintptr_t registers;
    uint32_t low, high, stride, interrupt;
    struct nvme *nvme;

    if (mmio_read32(function->config + PCI_CLASS) >> 8 != CLASS_NVME)
        return false;
    pci_enable(function);
    registers = pci_bar(function, 0, 0, DOORBELLS);
    low = registers ? mmio_read32(registers + CAP) : 0;
    high = registers ? mmio_read32(registers + CAP + 4) : 0;
    stride = 4u << (high & CAP_STRIDE);
    if (!registers || high & CAP_PAGE_MIN || !(high & CAP_NVM_COMMANDS) || (low & CAP_QUEUE_ENTRIES) < 1 ||
        !pci_bar(function, 0, DOORBELLS, 4 * stride)) {
        bulkhead_log("nvme %s: it has no registers, or no pages of 4 KiB, or no NVM commands; not used",
                     function->name);
        return true;
    }
    nvme = (struct nvme *)allocate(sizeof *nvme);
    nvme->function = *function;
    nvme->registers = registers;
    nvme->reset_limit_ns = ((low >> CAP_TIMEOUT_SHIFT) + 1) * 500000000ull;
    if (nvme->reset_limit_ns > RESET_LIMIT_NS)
        nvme->reset_limit_ns = RESET_LIMIT_NS;
    nvme->slots = (low & CAP_QUEUE_ENTRIES) < SLOTS ? low & CAP_QUEUE_ENTRIES : SLOTS;
    for (uint32_t i = nvme->slots; i-- > 0;) {
        nvme->slot[i].next = nvme->free;
        nvme->free = &nvme->slot[i];
    }
    nvme->lists = allocate(nvme->slots * LIST_SIZE);
    nvme->page = allocate(DISK_PAGE);
    queue_make(nvme, &nvme->admin, 0, stride);
    queue_make(nvme, &nvme->io, 1, stride);
    nvme->source = (struct loop_source){.run = serve, .owner = nvme};
    nvme->timer = (struct loop_timer){.run = look, .owner = nvme};
    nvme->handler = (struct interrupt_handler){.handle = interrupted, .owner = &nvme->source};
    disable(nvme); /* it may still have queues of this domain's former life */
    while (get(nvme, CSTS) & CSTS_READY && time_ns() < nvme->deadline_ns)
        ;
    if (get(nvme, CSTS) & CSTS_READY) {
        give_up(nvme, "does not reset");
        return true;
    }
    pci_enable_master(function);
    interrupt = pci_message(function);
    if (!interrupt || !interrupt_register(interrupt, false, &nvme->handler)) {
        give_up(nvme, "has no interrupt");
        return true;
    }
    if (settle(nvme))
        find_secondaries(nvme);
    if (nvme->state == READY)
        find_disks(nvme);
    return true;
}
