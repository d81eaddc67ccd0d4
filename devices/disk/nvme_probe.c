/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVMe controllers: which there are, and what they have. Each namespace of blocks of 512 or 4096 bytes without metadata
 * is a disk. One pair of I/O queues, one message for them.
 */
#include <devices/disk/nvme.h>
#include <mgmt/bulkhead_log.h>
#include <stdlib.h>
#include <string.h>

#define CLASS_NVME 0x010802u
#define RESET_LIMIT_NS 10000000000ull /* whatever CAP.TO says */
#define DISCARD_MAX (4u << 20)        /* sectors */

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

/* Boot only. False: it failed, or the controller is not used any more. */
static bool ask(struct nvme *nvme, const struct nvme_command *command)
{
    uint64_t end = time_ns() + NVME_ADMIN_LIMIT_NS;
    struct nvme_completion done;

    if (nvme->state != NVME_READY)
        return false;
    nvme_queue_put(&nvme->admin, command);
    nvme_queue_ring(&nvme->admin);
    while (!nvme_queue_take(&nvme->admin, &done))
        if (time_ns() > end) {
            nvme_give_up(nvme, "does not say what it is");
            return false;
        }
    nvme_queue_ring(&nvme->admin);
    return !(done.status >> 1 & NVME_STATUS_CODE);
}

/* Fills nvme->page. */
static bool identify(struct nvme *nvme, uint32_t namespace_id, uint32_t what)
{
    struct nvme_command command = {.opcode = ADMIN_IDENTIFY, .namespace_id = namespace_id};

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
        .submit = nvme_submit,
    };
    return true;
}

/* Boot only. Brings it from NVME_DISABLING to NVME_READY, or NVME_GONE. */
static bool settle(struct nvme *nvme)
{
    while (nvme->state != NVME_READY && nvme->state != NVME_GONE)
        nvme_step(nvme);
    return nvme->state == NVME_READY;
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
    struct nvme_command command = {.opcode = ADMIN_VIRTUALIZATION};

    if (!functions || functions > NVME_SECONDARIES_MAX || !identify(nvme, 0, CNS_PRIMARY_CAPABILITIES))
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
    nvme_disable(nvme);
    settle(nvme);
}

static void find_disks(struct nvme *nvme)
{
    uint32_t ids[NVME_DISKS_MAX];
    struct abilities can;

    if (!identify(nvme, 0, CNS_CONTROLLER))
        return;
    read_controller(nvme, &can);
    if (!identify(nvme, 0, CNS_ACTIVE_NAMESPACES))
        return;
    for (uint32_t i = 0; i < NVME_DISKS_MAX; i++)
        ids[i] = field32(nvme->page, 4 * i);
    for (uint32_t i = 0; i < NVME_DISKS_MAX && ids[i] && nvme->state == NVME_READY; i++) {
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

static void queue_make(struct nvme *nvme, struct nvme_queue *queue, uint32_t number, uint32_t stride)
{
    queue->submission = (struct nvme_command *)allocate(DISK_PAGE);
    queue->completion = (struct nvme_completion *)allocate(DISK_PAGE);
    queue->tail_doorbell = nvme->registers + DOORBELLS + 2 * number * stride;
    queue->head_doorbell = queue->tail_doorbell + stride;
}

static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    loop_signal(handler->owner);
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
    nvme->slots = (low & CAP_QUEUE_ENTRIES) < NVME_SLOTS ? low & CAP_QUEUE_ENTRIES : NVME_SLOTS;
    for (uint32_t i = nvme->slots; i-- > 0;) {
        nvme->slot[i].next = nvme->free;
        nvme->free = &nvme->slot[i];
    }
    nvme->lists = allocate(nvme->slots * NVME_LIST_SIZE);
    nvme->page = allocate(DISK_PAGE);
    queue_make(nvme, &nvme->admin, 0, stride);
    queue_make(nvme, &nvme->io, 1, stride);
    nvme->source = (struct loop_source){.run = nvme_serve, .owner = nvme};
    nvme->timer = (struct loop_timer){.run = nvme_look, .owner = nvme};
    nvme->handler = (struct interrupt_handler){.handle = interrupted, .owner = &nvme->source, .name = "nvme"};
    nvme_disable(nvme); /* it may still have queues of this domain's former life */
    while (nvme_get(nvme, CSTS) & CSTS_READY && time_ns() < nvme->deadline_ns)
        ;
    if (nvme_get(nvme, CSTS) & CSTS_READY) {
        nvme_give_up(nvme, "does not reset");
        return true;
    }
    pci_enable_master(function);
    interrupt = pci_message(function);
    if (!interrupt || !interrupt_register(interrupt, false, &nvme->handler)) {
        nvme_give_up(nvme, "has no interrupt");
        return true;
    }
    if (settle(nvme))
        find_secondaries(nvme);
    if (nvme->state == NVME_READY)
        find_disks(nvme);
    return true;
}
