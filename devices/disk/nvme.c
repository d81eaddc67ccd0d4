/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The life of an NVMe controller. One that is late, in a fatal state, or completes what it was not given is reset.
 * Requests that were late fail, the others are given to it again.
 */
#include <devices/disk/nvme.h>
#include <mgmt/bulkhead_log.h>

#define ADMIN_SIZE 4u
#define FEATURE_QUEUES 7u
#define QUEUE_CONTIGUOUS 1u
#define QUEUE_INTERRUPTS 2u

static void set_address(const struct nvme *nvme, uint32_t offset, const volatile void *memory)
{
    nvme_set(nvme, offset, (uint32_t)(uintptr_t)memory);
    nvme_set(nvme, offset + 4, (uint32_t)((uintptr_t)memory >> 32));
}

void nvme_release(struct nvme *nvme, struct nvme_slot *slot)
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
        struct nvme_slot *slot = &nvme->slot[i];
        struct disk_request *request = slot->request;
        struct nvme_disk *disk = slot->disk;

        if (!request)
            continue;
        nvme_release(nvme, slot);
        if (again && slot->deadline_ns > now)
            disk_list_again(&disk->waiting, request);
        else
            disk_finish(&disk->disk, request, result);
    }
}

void nvme_give_up(struct nvme *nvme, const char *why)
{
    bulkhead_log("nvme %s: %s; it is not used any more", nvme->function.name, why);
    nvme->state = NVME_GONE;
    nvme_set(nvme, CC, 0);
    pci_disable_master(&nvme->function);
    take_back(nvme, false, DISK_GONE);
    for (uint32_t i = 0; i < nvme->disk_count; i++)
        disk_finish_all(&nvme->disk[i].disk, &nvme->disk[i].waiting, DISK_GONE);
}

void nvme_disable(struct nvme *nvme)
{
    nvme->state = NVME_DISABLING;
    nvme->deadline_ns = time_ns() + nvme->reset_limit_ns;
    nvme_set(nvme, CC, 0);
}

void nvme_reset(struct nvme *nvme, const char *why)
{
    if (nvme->state == NVME_GONE)
        return;
    if (++nvme->resets_in_row > DISK_RESETS_MAX) {
        nvme_give_up(nvme, "cannot be brought back");
        return;
    }
    bulkhead_log("nvme %s: %s; it is reset", nvme->function.name, why);
    for (uint32_t i = 0; i < nvme->disk_count; i++)
        nvme->disk[i].disk.resets++;
    nvme_disable(nvme);
    loop_timer_set(&nvme->timer, DISK_STEP_NS);
}

static void enable(struct nvme *nvme)
{
    nvme_queue_init(&nvme->admin, ADMIN_SIZE);
    nvme_queue_init(&nvme->io, (uint16_t)(nvme->slots + 1));
    nvme_set(nvme, AQA, (ADMIN_SIZE - 1) << 16 | (ADMIN_SIZE - 1));
    set_address(nvme, ASQ, nvme->admin.submission);
    set_address(nvme, ACQ, nvme->admin.completion);
    device_barrier();
    nvme_set(nvme, CC, CC_ENABLE);
    nvme->state = NVME_ENABLING;
    nvme->deadline_ns = time_ns() + nvme->reset_limit_ns;
}

#define STAGES_OWN 3u       /* of prepare(), which have to succeed */
#define STAGES_SECONDARY 3u /* for each virtual function */

/* A controller's reset takes the secondary ones offline, with what they were given. */
static void put_secondary(const struct nvme *nvme, uint32_t stage, struct nvme_command *command)
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
    struct nvme_command command = {0};

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
    nvme_queue_put(&nvme->admin, &command);
    nvme_queue_ring(&nvme->admin);
    nvme->stage = stage;
    nvme->state = NVME_PREPARING;
    nvme->deadline_ns = time_ns() + NVME_ADMIN_LIMIT_NS;
    return true;
}

static void prepared(struct nvme *nvme)
{
    struct nvme_completion done;

    if (!nvme_queue_take(&nvme->admin, &done))
        return;
    nvme_queue_ring(&nvme->admin);
    if (done.status >> 1 & NVME_STATUS_CODE && nvme->stage >= STAGES_OWN)
        bulkhead_log("nvme %s: virtual function %u does not go online (status %x)", nvme->function.name,
                     (nvme->stage - STAGES_OWN) / STAGES_SECONDARY, done.status >> 1 & NVME_STATUS_CODE);
    if (done.status >> 1 & NVME_STATUS_CODE && nvme->stage < STAGES_OWN)
        nvme_give_up(nvme, "refuses its queues");
    else if (!prepare(nvme, nvme->stage + 1))
        nvme->state = NVME_READY;
}

/* Looks how far a reset has come. */
void nvme_step(struct nvme *nvme)
{
    uint32_t status = nvme_get(nvme, CSTS);

    if (status == ~0u) {
        nvme_give_up(nvme, "does not answer any more");
    } else if (time_ns() > nvme->deadline_ns) {
        nvme_give_up(nvme, "does not become ready");
    } else if (nvme->state == NVME_DISABLING && !(status & CSTS_READY)) {
        take_back(nvme, true, DISK_IO_ERROR);
        enable(nvme);
    } else if (nvme->state == NVME_ENABLING && status & CSTS_FATAL) {
        nvme_give_up(nvme, "is in a fatal state");
    } else if (nvme->state == NVME_ENABLING && status & CSTS_READY) {
        prepare(nvme, 0);
    } else if (nvme->state == NVME_PREPARING) {
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

void nvme_look(struct loop_timer *timer)
{
    struct nvme *nvme = timer->owner;
    uint32_t status;

    if (nvme->state != NVME_READY) {
        nvme_step(nvme);
        if (nvme->state == NVME_READY)
            loop_signal(&nvme->source);
        else if (nvme->state != NVME_GONE)
            loop_timer_set(timer, DISK_STEP_NS);
        return;
    }
    if (!nvme->in_flight)
        return;
    status = nvme_get(nvme, CSTS);
    if (status == ~0u)
        nvme_give_up(nvme, "does not answer any more");
    else if (status & CSTS_FATAL)
        nvme_reset(nvme, "is in a fatal state");
    else if (late(nvme))
        nvme_reset(nvme, "is late");
    else
        loop_timer_set(timer, DISK_LOOK_NS);
}
