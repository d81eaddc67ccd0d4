/* SPDX-License-Identifier: Apache-2.0 */
/* The virtio-mmio transports that this partition was given (virtio 1.2, section 4.2), in device-tree order. */
#include <bulkhead/channel.h>
#include <devices/virtio/transport.h>
#include <lib/tree.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/module.h>

#define TRANSPORT_VERSION 2u

static uint32_t get(const struct virtio_device *device, uint32_t offset)
{
    return mmio_read32(device->registers + offset);
}

static void set(const struct virtio_device *device, uint32_t offset, uint32_t value)
{
    mmio_write32(device->registers + offset, value);
}

static uint32_t status(const struct virtio_device *device)
{
    return get(device, VIRTIO_MMIO_STATUS);
}

static void set_status(struct virtio_device *device, uint32_t value)
{
    set(device, VIRTIO_MMIO_STATUS, value);
}

static uint64_t offered(struct virtio_device *device)
{
    uint64_t features;

    set(device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 0);
    features = get(device, VIRTIO_MMIO_DEVICE_FEATURES);
    set(device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, 1);
    return features | (uint64_t)get(device, VIRTIO_MMIO_DEVICE_FEATURES) << 32;
}

static void accept(struct virtio_device *device, uint64_t features)
{
    set(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 0);
    set(device, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)features);
    set(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, 1);
    set(device, VIRTIO_MMIO_DRIVER_FEATURES, (uint32_t)(features >> 32));
}

static uint32_t select_queue(struct virtio_device *device, uint32_t queue)
{
    set(device, VIRTIO_MMIO_QUEUE_SEL, queue);
    return get(device, VIRTIO_MMIO_QUEUE_READY) ? 0 : get(device, VIRTIO_MMIO_QUEUE_NUM_MAX);
}

static void set_address(struct virtio_device *device, uint32_t offset, const void *memory)
{
    set(device, offset, (uint32_t)(uintptr_t)memory);
    set(device, offset + 4, (uint32_t)((uintptr_t)memory >> 32));
}

static void enable(struct virtio_device *device, uint32_t index, const struct driver_queue *queue)
{
    (void)index;
    set(device, VIRTIO_MMIO_QUEUE_NUM, queue->size);
    set_address(device, VIRTIO_MMIO_QUEUE_DESC_LOW, queue->descriptor);
    set_address(device, VIRTIO_MMIO_QUEUE_DRIVER_LOW, queue->available);
    set_address(device, VIRTIO_MMIO_QUEUE_DEVICE_LOW, queue->used);
    set(device, VIRTIO_MMIO_QUEUE_READY, 1);
}

static void notify(struct virtio_device *device, uint32_t queue)
{
    set(device, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

static uint32_t generation(const struct virtio_device *device)
{
    return get(device, VIRTIO_MMIO_CONFIG_GENERATION);
}

static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    struct virtio_device *device = handler->owner;

    mmio_write32(device->registers + VIRTIO_MMIO_INTERRUPT_ACK,
                 mmio_read32(device->registers + VIRTIO_MMIO_INTERRUPT_STATUS));
    loop_signal(device->source);
}

static const struct virtio_transport transport = {
    .status = status,
    .set_status = set_status,
    .offered = offered,
    .accept = accept,
    .select = select_queue,
    .enable = enable,
    .notify = notify,
    .generation = generation,
    .interrupted = interrupted,
};

static void virtio_mmio_start(void)
{
    for (int node = -1; (node = tree_compatible(node, "virtio,mmio")) >= 0;) {
        struct virtio_device device = {.transport = &transport};
        struct tree_range registers = tree_reg(node, 0);

        if (registers.size < VIRTIO_MMIO_CONFIG)
            continue;
        memory_map(registers.base, registers.size, MEMORY_DEVICE);
        device.registers = registers.base;
        device.configuration = registers.base + VIRTIO_MMIO_CONFIG;
        device.configuration_size = (uint32_t)registers.size - VIRTIO_MMIO_CONFIG;
        if (get(&device, VIRTIO_MMIO_MAGIC) != VIRTIO_MMIO_MAGIC_VALUE)
            continue;
        device.id = get(&device, VIRTIO_MMIO_DEVICE_ID);
        device.interrupt = tree_interrupt(node, 0, &device.level);
        if (device.id && get(&device, VIRTIO_MMIO_VERSION) != TRANSPORT_VERSION)
            bulkhead_log("virtio device at %lx is a legacy one; not used", (unsigned long)registers.base);
        else
            virtio_device_found(&device);
    }
}
MODULE(MODULE_DEVICE, virtio_mmio, virtio_mmio_start);
