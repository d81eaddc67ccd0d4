/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Driver of a physical virtio block device (virtio 1.2, section 5.2). Requests wait in a list until one of SLOTS is
 * free; the device reads and writes their segments directly.
 */
#include <bulkhead/channel.h>
#include <devices/disk/driver.h>
#include <devices/virtio/blk.h>
#include <devices/virtio/device.h>
#include <mgmt/bulkhead_log.h>
#include <stdlib.h>
#include <string.h>

#define QUEUE_SIZE 256u
#define SLOTS 64u
#define SEGMENTS_MAX DISK_SEGMENTS_MAX /* with header and status: 128 descriptors, 2 KiB a slot */
#define COMPLETIONS_MAX 64u            /* a turn of the loop */
#define STATUS_NOT_WRITTEN 0xffu

struct slot {
    struct virtio_descriptor table[SEGMENTS_MAX + 2]; /* first: aligned */
    struct virtio_blk_header header;
    struct virtio_blk_range range;
    volatile uint8_t status;
    struct disk_request *request;
    struct slot *next; /* while free */
};

struct virtio_blk {
    struct disk disk;
    struct virtio_device *device;
    struct driver_queue queue;
    struct loop_source source;
    struct slot *slots, *free;
    struct disk_list waiting;
};

/* Everything happens in serve(), so that requests of one burst are one notification. */
static void submit(struct disk *disk, struct disk_request *request)
{
    struct virtio_blk *blk = (struct virtio_blk *)disk;

    disk_list_add(&blk->waiting, request);
    loop_signal(&blk->source);
}

static uint32_t command(const struct disk_request *request)
{
    static const uint8_t types[] = {
        [DISK_READ] = VIRTIO_BLK_T_IN,
        [DISK_WRITE] = VIRTIO_BLK_T_OUT,
        [DISK_FLUSH] = VIRTIO_BLK_T_FLUSH,
        [DISK_DISCARD] = VIRTIO_BLK_T_DISCARD,
        [DISK_WRITE_ZEROES] = VIRTIO_BLK_T_WRITE_ZEROES,
    };

    return types[request->operation];
}

/* Gives the request to the device; false: its queue is full. */
static bool start(struct virtio_blk *blk, struct slot *slot, struct disk_request *request)
{
    struct driver_segment segment[SEGMENTS_MAX + 2];
    bool range = request->operation == DISK_DISCARD || request->operation == DISK_WRITE_ZEROES;
    uint32_t count = 0, data = range ? 1 : request->operation == DISK_FLUSH ? 0 : request->segments;
    uint32_t writable = request->operation == DISK_READ ? data + 1 : 1;

    slot->request = request;
    slot->status = STATUS_NOT_WRITTEN;
    slot->header = (struct virtio_blk_header){.type = command(request)};
    segment[count++] = (struct driver_segment){&slot->header, sizeof slot->header};
    if (range) {
        slot->range = (struct virtio_blk_range){.sector = request->sector, .sectors = (uint32_t)request->sectors};
        segment[count++] = (struct driver_segment){&slot->range, sizeof slot->range};
    } else if (data) {
        slot->header.sector = request->sector;
        for (uint32_t i = 0; i < data; i++)
            segment[count++] = (struct driver_segment){request->segment[i].base, request->segment[i].length};
    }
    segment[count++] = (struct driver_segment){&slot->status, 1};
    if (blk->device->features & VIRTIO_F_INDIRECT_DESC)
        return driver_queue_add_indirect(&blk->queue, slot->table, segment, count - writable, writable, slot);
    return driver_queue_add(&blk->queue, segment, count - writable, writable, slot);
}

static void start_waiting(struct virtio_blk *blk)
{
    struct disk_request *request;

    while (blk->free && (request = disk_list_take(&blk->waiting))) {
        enum disk_result result = disk_check(&blk->disk, request);

        if (result == DISK_OK) {
            struct slot *slot = blk->free;

            if (!start(blk, slot, request)) {
                disk_list_again(&blk->waiting, request);
                return;
            }
            blk->free = slot->next;
        } else {
            disk_finish(&blk->disk, request, result);
        }
    }
}

static bool complete_one(struct virtio_blk *blk)
{
    uint32_t written;
    struct slot *slot = driver_queue_take(&blk->queue, &written);
    struct disk_request *request;
    uint8_t status;

    if (!slot)
        return false;
    request = slot->request;
    status = slot->status;
    slot->next = blk->free;
    blk->free = slot;
    disk_finish(&blk->disk, request,
                status == VIRTIO_BLK_S_OK       ? DISK_OK
                : status == VIRTIO_BLK_S_UNSUPP ? DISK_UNSUPPORTED
                                                : DISK_IO_ERROR);
    return true;
}

/* The device was reset, so it holds nothing any more; nor does it get anything. */
static void give_up(struct virtio_blk *blk)
{
    struct slot *slot;

    virtio_device_fail(blk->device, "breaks its queue");
    blk->queue.broken = true;
    while ((slot = driver_queue_abandon(&blk->queue)))
        disk_finish(&blk->disk, slot->request, DISK_GONE);
    disk_finish_all(&blk->disk, &blk->waiting, DISK_GONE);
}

static void serve(struct loop_source *source)
{
    struct virtio_blk *blk = source->owner;
    uint32_t done = 0;

    driver_queue_interrupt_disable(&blk->queue);
    while (done < COMPLETIONS_MAX && complete_one(blk))
        done++;
    start_waiting(blk);
    if (driver_queue_kick_needed(&blk->queue))
        virtio_device_notify(blk->device, 0);
    if (blk->queue.broken || blk->device->failed)
        give_up(blk);
    else if (done == COMPLETIONS_MAX || driver_queue_interrupt_enable(&blk->queue))
        loop_signal(source);
}

static uint32_t at_most(uint32_t value, uint32_t limit)
{
    return value && value < limit ? value : limit;
}

static void read_config(struct virtio_blk *blk)
{
    const struct virtio_device *device = blk->device;
    struct disk *disk = &blk->disk;
    uint64_t features = device->features;
    uint32_t queue_limit = features & VIRTIO_F_INDIRECT_DESC ? SEGMENTS_MAX : (uint32_t)blk->queue.size - 2;

    disk->sectors = virtio_config_u64(device, offsetof(struct virtio_blk_config, capacity));
    disk->block_size = 512;
    if (features & VIRTIO_BLK_F_BLK_SIZE &&
        virtio_config_u32(device, offsetof(struct virtio_blk_config, blk_size)) == 4096)
        disk->block_size = 4096;
    disk->segments_max = 1;
    if (features & VIRTIO_BLK_F_SEG_MAX)
        disk->segments_max = at_most(virtio_config_u32(device, offsetof(struct virtio_blk_config, seg_max)),
                                     at_most(queue_limit, SEGMENTS_MAX));
    disk->max_transfer = UINT32_MAX & ~4095u;
    disk->read_only = features & VIRTIO_BLK_F_RO;
    disk->has_flush = features & VIRTIO_BLK_F_FLUSH;
    if (features & VIRTIO_BLK_F_DISCARD)
        disk->max_discard = virtio_config_u32(device, offsetof(struct virtio_blk_config, max_discard_sectors));
    if (features & VIRTIO_BLK_F_WRITE_ZEROES)
        disk->max_write_zeroes =
            virtio_config_u32(device, offsetof(struct virtio_blk_config, max_write_zeroes_sectors));
    disk->has_discard = disk->max_discard;
    disk->has_write_zeroes = disk->max_write_zeroes;
}

void virtio_blk_probe(struct virtio_device *device)
{
    const uint64_t wanted = VIRTIO_BLK_F_SEG_MAX | VIRTIO_BLK_F_RO | VIRTIO_BLK_F_BLK_SIZE | VIRTIO_BLK_F_FLUSH |
                            VIRTIO_BLK_F_DISCARD | VIRTIO_BLK_F_WRITE_ZEROES | VIRTIO_F_INDIRECT_DESC |
                            VIRTIO_F_EVENT_IDX;
    struct virtio_blk *blk;

    blk = calloc(1, sizeof *blk);
    if (!blk)
        panic("no memory for a disk");
    blk->device = device;
    if (!virtio_device_begin(device, wanted) || !virtio_device_queue(device, 0, QUEUE_SIZE, &blk->queue))
        return;
    blk->slots = aligned_alloc(16, SLOTS * sizeof *blk->slots);
    if (!blk->slots)
        panic("no memory for a disk");
    memset(blk->slots, 0, SLOTS * sizeof *blk->slots);
    for (uint32_t i = 0; i < SLOTS; i++) {
        blk->slots[i].next = blk->free;
        blk->free = &blk->slots[i];
    }
    read_config(blk);
    blk->disk.submit = submit;
    blk->source = (struct loop_source){.run = serve, .owner = blk};
    if (virtio_device_ready(device, &blk->source))
        disk_add(&blk->disk);
}
