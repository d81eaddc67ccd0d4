/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/channel.h>
#include <devices/virtio/transport.h>
#include <mgmt/bulkhead_log.h>
#include <stdlib.h>
#include <string.h>

#define DEVICES_MAX 32u
#define RESET_STEPS 100000u
#define CONFIG_TRIES 16u

static struct virtio_device devices[DEVICES_MAX];
static uint32_t device_count;

static void (*const drivers[])(struct virtio_device *device) = {
    [VIRTIO_ID_NET] = virtio_net_probe,
    [VIRTIO_ID_BLOCK] = virtio_blk_probe,
    [VIRTIO_ID_ENTROPY] = virtio_entropy_probe,
};

bool virtio_device_found(const struct virtio_device *device)
{
    if (device->id >= sizeof drivers / sizeof *drivers || !drivers[device->id] || device_count == DEVICES_MAX)
        return false;
    devices[device_count] = *device;
    drivers[device->id](&devices[device_count++]);
    return true;
}

static uint32_t get_status(const struct virtio_device *device)
{
    return device->transport->status(device);
}

static void set_status(struct virtio_device *device, uint32_t status)
{
    device->transport->set_status(device, status);
}

bool virtio_device_reset(struct virtio_device *device)
{
    set_status(device, 0);
    for (uint32_t step = 0; step < RESET_STEPS; step++)
        if (get_status(device) == 0)
            return true;
    return false;
}

void virtio_device_fail(struct virtio_device *device, const char *why)
{
    if (device->failed)
        return;
    device->failed = true;
    bulkhead_log("virtio device at %lx: %s; it is not used any more", (unsigned long)device->registers, why);
    virtio_device_reset(device);
    set_status(device, VIRTIO_STATUS_FAILED);
}

uint64_t virtio_device_offers(struct virtio_device *device)
{
    if (!virtio_device_reset(device)) {
        virtio_device_fail(device, "does not reset");
        return 0;
    }
    set_status(device, VIRTIO_STATUS_ACKNOWLEDGE);
    set_status(device, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    return device->transport->offered(device);
}

bool virtio_device_begin(struct virtio_device *device, uint64_t wanted)
{
    /* Behind an IOMMU it reaches our memory under our own addresses, so that changes nothing. */
    device->features = virtio_device_offers(device) & (wanted | VIRTIO_F_VERSION_1 | VIRTIO_F_ACCESS_PLATFORM);
    if (device->failed)
        return false;
    device->transport->accept(device, device->features);
    set_status(device, get_status(device) | VIRTIO_STATUS_FEATURES_OK);
    if (!(device->features & VIRTIO_F_VERSION_1) || !(get_status(device) & VIRTIO_STATUS_FEATURES_OK)) {
        virtio_device_fail(device, "refuses the features of virtio 1");
        return false;
    }
    return true;
}

bool virtio_device_queue(struct virtio_device *device, uint32_t index, uint16_t size, struct driver_queue *queue)
{
    uint32_t most = index < VIRTIO_DEVICE_QUEUES_MAX ? device->transport->select(device, index) : 0;
    void *memory;

    while (size > most)
        size /= 2;
    if (size == 0) {
        virtio_device_fail(device, "lacks a queue");
        return false;
    }
    memory = aligned_alloc(DRIVER_QUEUE_ALIGN,
                           (driver_queue_bytes(size) + DRIVER_QUEUE_ALIGN - 1) & ~(size_t)(DRIVER_QUEUE_ALIGN - 1));
    if (!memory)
        panic("no memory for a virtqueue");
    memset(memory, 0, driver_queue_bytes(size));
    driver_queue_init(queue, size, device->features & VIRTIO_F_EVENT_IDX, memory);
    device_barrier();
    device->transport->enable(device, index, queue);
    return true;
}

bool virtio_device_ready(struct virtio_device *device, struct loop_source *source)
{
    device->source = source;
    device->handler =
        (struct interrupt_handler){.handle = device->transport->interrupted, .owner = device, .name = "virtio"};
    if (!interrupt_register(device->interrupt, device->level, &device->handler)) {
        virtio_device_fail(device, "has no interrupt");
        return false;
    }
    set_status(device, get_status(device) | VIRTIO_STATUS_DRIVER_OK);
    return true;
}

void virtio_device_notify(struct virtio_device *device, uint32_t queue)
{
    device_barrier();
    device->transport->notify(device, queue);
}

/* The configuration may be shorter than what is asked for: that reads as zero. */
uint8_t virtio_config_u8(const struct virtio_device *device, uint32_t offset)
{
    return offset < device->configuration_size ? mmio_read8(device->configuration + offset) : 0;
}

uint16_t virtio_config_u16(const struct virtio_device *device, uint32_t offset)
{
    return (uint16_t)(virtio_config_u8(device, offset) | virtio_config_u8(device, offset + 1) << 8);
}

uint32_t virtio_config_u32(const struct virtio_device *device, uint32_t offset)
{
    return offset + 4 <= device->configuration_size ? mmio_read32(device->configuration + offset) : 0;
}

uint64_t virtio_config_u64(const struct virtio_device *device, uint32_t offset)
{
    uint64_t value = 0;

    for (uint32_t try = 0; try < CONFIG_TRIES; try++) {
        uint32_t generation = device->transport->generation(device);

        value = virtio_config_u32(device, offset);
        value |= (uint64_t)virtio_config_u32(device, offset + 4) << 32;
        if (generation == device->transport->generation(device))
            break;
    }
    return value;
}
