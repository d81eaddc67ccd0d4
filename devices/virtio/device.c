/* SPDX-License-Identifier: Apache-2.0 */
#include <bulkhead/channel.h>
#include <devices/virtio/device.h>
#include <mgmt/bulkhead_log.h>
#include <stdlib.h>
#include <string.h>

#define RESET_STEPS 100000u
#define CONFIG_TRIES 16u

static uint32_t get(const struct virtio_device *device, uint32_t offset)
{
    return mmio_read32(device->registers + offset);
}

static void set(const struct virtio_device *device, uint32_t offset, uint32_t value)
{
    mmio_write32(device->registers + offset, value);
}

static bool reset(struct virtio_device *device)
{
    set(device, VIRTIO_MMIO_STATUS, 0);
    for (uint32_t step = 0; step < RESET_STEPS; step++)
        if (get(device, VIRTIO_MMIO_STATUS) == 0)
            return true;
    return false;
}

void virtio_device_fail(struct virtio_device *device, const char *why)
{
    if (device->failed)
        return;
    device->failed = true;
    bulkhead_log("virtio device at %lx: %s; it is not used any more", (unsigned long)device->registers, why);
    reset(device);
    set(device, VIRTIO_MMIO_STATUS, VIRTIO_STATUS_FAILED);
}

uint64_t virtio_device_offers(struct virtio_device *device)
{
    uint64_t offered;

    if (!reset(device)) {
        virtio_device_fail(device, "does not reset");
        return 0;
    }
    set(device, VIRTIO_MMIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE);
    set(device, VIRTIO_MMIO_STATUS, VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER);
    set(device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    offered = get(device, VIRTIO_MMIO_DEVICE_FEATURES);
    set(device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    return offered | (uint64_t)get(device, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

bool virtio_device_begin(struct virtio_device *device, uint64_t wanted)
{
    device->features = virtio_device_offers(device) & (wanted | VIRTIO_F_VERSION_1);
    if (device->failed)
        return false;
    set(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    set(device, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)device->features);
    set(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    set(device, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(device->features >> 32));
    set(device, VIRTIO_MMIO_STATUS, get(device, VIRTIO_MMIO_STATUS) | VIRTIO_STATUS_FEATURES_OK);
    if (!(device->features & VIRTIO_F_VERSION_1) || !(get(device, VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_FEATURES_OK)) {
        virtio_device_fail(device, "refuses the features of virtio 1");
        return false;
    }
    return true;
}

static void set_address(struct virtio_device *device, uint32_t offset, const void *memory)
{
    set(device, offset, (uint32_t)(uintptr_t)memory);
    set(device, offset + 4, (uint32_t)((uintptr_t)memory >> 32));
}

bool virtio_device_queue(struct virtio_device *device, uint32_t index, uint16_t size, struct driver_queue *queue)
{
    uint32_t most;
    void *memory;

    set(device, VIRTIO_MMIO_QUEUE_SEL, index);
    most = get(device, VIRTIO_MMIO_QUEUE_NUM_MAX);
    while (size > most)
        size /= 2;
    if (size == 0 || get(device, VIRTIO_MMIO_QUEUE_READY)) {
        virtio_device_fail(device, "lacks a queue");
        return false;
    }
    memory = aligned_alloc(DRIVER_QUEUE_ALIGN,
                           (driver_queue_bytes(size) + DRIVER_QUEUE_ALIGN - 1) & ~(size_t)(DRIVER_QUEUE_ALIGN - 1));
    if (!memory)
        panic("no memory for a virtqueue");
    memset(memory, 0, driver_queue_bytes(size));
    driver_queue_init(queue, size, device->features & VIRTIO_F_EVENT_IDX, memory);
    set(device, VIRTIO_MMIO_QUEUE_NUM, size);
    set_address(device, VIRTIO_MMIO_QUEUE_DESC_LOW, queue->descriptor);
    set_address(device, VIRTIO_MMIO_QUEUE_DRIVER_LOW, queue->available);
    set_address(device, VIRTIO_MMIO_QUEUE_DEVICE_LOW, queue->used);
    device_barrier();
    set(device, VIRTIO_MMIO_QUEUE_READY, 1);
    return true;
}

static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    struct virtio_device *device = handler->owner;

    mmio_write32(device->registers + VIRTIO_MMIO_INTERRUPT_ACK,
                 mmio_read32(device->registers + VIRTIO_MMIO_INTERRUPT_STATUS));
    loop_signal(device->source);
}

bool virtio_device_ready(struct virtio_device *device, struct loop_source *source)
{
    device->source = source;
    device->handler = (struct interrupt_handler){.handle = interrupted, .owner = device};
    if (!interrupt_register(device->interrupt, device->level, &device->handler)) {
        virtio_device_fail(device, "has no interrupt");
        return false;
    }
    set(device, VIRTIO_MMIO_STATUS, get(device, VIRTIO_MMIO_STATUS) | VIRTIO_STATUS_DRIVER_OK);
    return true;
}

void virtio_device_notify(struct virtio_device *device, uint32_t queue)
{
    device_barrier();
    set(device, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

uint8_t virtio_config_u8(const struct virtio_device *device, uint32_t offset)
{
    return mmio_read8(device->registers + VIRTIO_MMIO_CONFIG + offset);
}

uint16_t virtio_config_u16(const struct virtio_device *device, uint32_t offset)
{
    return (uint16_t)(virtio_config_u8(device, offset) | virtio_config_u8(device, offset + 1) << 8);
}

uint32_t virtio_config_u32(const struct virtio_device *device, uint32_t offset)
{
    return get(device, VIRTIO_MMIO_CONFIG + offset);
}

uint64_t virtio_config_u64(const struct virtio_device *device, uint32_t offset)
{
    uint64_t value = 0;

    for (uint32_t try = 0; try < CONFIG_TRIES; try++) {
        uint32_t generation = get(device, VIRTIO_MMIO_CONFIG_GENERATION);

        value = virtio_config_u32(device, offset);
        value |= (uint64_t)virtio_config_u32(device, offset + 4) << 32;
        if (generation == get(device, VIRTIO_MMIO_CONFIG_GENERATION))
            break;
    }
    return value;
}
