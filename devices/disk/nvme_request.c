/* SPDX-License-Identifier: Apache-2.0 */
/*
 * NVMe: requests as commands of the NVM command set. The controller reads and writes their segments directly: by PRPs
 * where those can say it, by an SGL where the controller has that; for the rest there is a copy.
 */
#include <devices/disk/nvme.h>
#include <string.h>

#define COMPLETIONS_MAX 64u

enum {
    NVM_FLUSH = 0x00,
    NVM_WRITE = 0x01,
    NVM_READ = 0x02,
    NVM_WRITE_ZEROES = 0x08,
    NVM_DATASET_MANAGEMENT = 0x09,
};
#define DATASET_DEALLOCATE 4u
#define COMMAND_SGL 0x40u
#define SGL_DATA_BLOCK 0x00u
#define SGL_LAST_SEGMENT 0x30u
#define STATUS_INVALID_OPCODE 0x001u

struct sgl {
    uint64_t address;
    uint32_t length;
    uint8_t reserved[3], type;
};

struct range {
    uint32_t attributes, blocks;
    uint64_t first;
};

void nvme_submit(struct disk *disk, struct disk_request *request)
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
static void put_prp(struct nvme_command *command, uint64_t *list, const struct segment *segment, uint32_t segments)
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
_Static_assert((DISK_TRANSFER_MAX / DISK_PAGE + 1) * sizeof(uint64_t) <= NVME_LIST_SIZE, "a PRP list has room");

static void put_sgl(struct nvme_command *command, struct sgl *list, const struct disk_request *request)
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
_Static_assert(DISK_SEGMENTS_MAX * sizeof(struct sgl) <= NVME_LIST_SIZE, "an SGL has room");

/* False: it needs a copy, and there is no memory for one now. */
static bool put_data(struct nvme *nvme, struct nvme_slot *slot, struct nvme_command *command, void *list)
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
    struct nvme_slot *slot = nvme->free;
    uint32_t number = (uint32_t)(slot - nvme->slot);
    void *list = nvme->lists + number * NVME_LIST_SIZE;
    uint64_t first = request->sector >> disk->block_shift;
    uint32_t blocks = (uint32_t)(request->sectors >> disk->block_shift);
    struct nvme_command command = {.id = (uint16_t)number, .namespace_id = disk->namespace_id};

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
    nvme_queue_put(&nvme->io, &command);
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
    struct nvme_completion done;
    struct disk_request *request;
    struct nvme_disk *disk;
    struct nvme_slot *slot;
    uint32_t status;

    if (!nvme_queue_take(&nvme->io, &done))
        return false;
    if (done.id >= nvme->slots || !nvme->slot[done.id].request) {
        nvme_reset(nvme, "completes what it was not given");
        return false;
    }
    slot = &nvme->slot[done.id];
    request = slot->request;
    disk = slot->disk;
    status = done.status >> 1 & NVME_STATUS_CODE;
    if (slot->copy && !status && request->operation == DISK_READ)
        segments_write(request->segment, request->segments, 0, slot->copy, request->sectors * 512);
    nvme_release(nvme, slot);
    if (!status)
        nvme->resets_in_row = 0;
    disk_finish(&disk->disk, request,
                !status                           ? DISK_OK
                : status == STATUS_INVALID_OPCODE ? DISK_UNSUPPORTED
                                                  : DISK_IO_ERROR);
    return true;
}

void nvme_serve(struct loop_source *source)
{
    struct nvme *nvme = source->owner;
    uint32_t done = 0;

    if (nvme->state == NVME_GONE)
        for (uint32_t i = 0; i < nvme->disk_count; i++)
            disk_finish_all(&nvme->disk[i].disk, &nvme->disk[i].waiting, DISK_GONE);
    if (nvme->state != NVME_READY)
        return;
    while (done < COMPLETIONS_MAX && complete_one(nvme))
        done++;
    if (nvme->state != NVME_READY)
        return;
    start_waiting(nvme);
    nvme_queue_ring(&nvme->io);
    if (nvme->in_flight && !nvme->timer.deadline_ns)
        loop_timer_set(&nvme->timer, DISK_LOOK_NS);
    if (done == COMPLETIONS_MAX)
        loop_signal(source);
}
