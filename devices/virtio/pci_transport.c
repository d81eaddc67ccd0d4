/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The virtio devices on PCI that this partition was given (virtio 1.2, section 4.1): modern ones, or transitional ones in
 * their modern way. One MSI-X message a device.
 */
#include <bulkhead/channel.h>
#include <devices/pci/pci.h>
#include <devices/virtio/transport.h>
#include <mgmt/bulkhead_log.h>

#define VENDOR_VIRTIO 0x1af4u
#define DEVICE_TRANSITIONAL 0x1000u /* ... 0x103f: the subsystem says which kind */
#define DEVICE_MODERN 0x1040u       /* + enum virtio_device_id */
#define DEVICE_LAST 0x107fu

/* struct virtio_pci_cap */
#define CAP_TYPE 3u
#define CAP_BAR 4u
#define CAP_OFFSET 8u
#define CAP_LENGTH 12u
#define CAP_NOTIFY_STEP 16u
#define CAP_TYPE_COMMON 1u
#define CAP_TYPE_NOTIFY 2u
#define CAP_TYPE_DEVICE 4u
#define CAP_LENGTH_MAX (1u << 24)
#define CAPABILITIES_MAX 48u /* in a list that may go round in circles */

/* struct virtio_pci_common_cfg */
#define COMMON_DEVICE_FEATURES_SEL 0x00u
#define COMMON_DEVICE_FEATURES 0x04u
#define COMMON_DRIVER_FEATURES_SEL 0x08u
#define COMMON_DRIVER_FEATURES 0x0cu
#define COMMON_CONFIG_VECTOR 0x10u
#define COMMON_STATUS 0x14u
#define COMMON_GENERATION 0x15u
#define COMMON_QUEUE_SEL 0x16u
#define COMMON_QUEUE_SIZE 0x18u
#define COMMON_QUEUE_VECTOR 0x1au
#define COMMON_QUEUE_ENABLE 0x1cu
#define COMMON_QUEUE_NOTIFY 0x1eu
#define COMMON_QUEUE_DESC 0x20u
#define COMMON_QUEUE_DRIVER 0x28u
#define COMMON_QUEUE_DEVICE 0x30u
#define COMMON_LENGTH 0x38u
#define VECTOR 0u

static uint32_t status(const struct virtio_device *device)
{
    return mmio_read8(device->registers + COMMON_STATUS);
}

static void set_status(struct virtio_device *device, uint32_t value)
{
    mmio_write8(device->registers + COMMON_STATUS, (uint8_t)value);
}

static uint64_t offered(struct virtio_device *device)
{
    uint64_t features;

    mmio_write32(device->registers + COMMON_DEVICE_FEATURES_SEL, 0);
    features = mmio_read32(device->registers + COMMON_DEVICE_FEATURES);
    mmio_write32(device->registers + COMMON_DEVICE_FEATURES_SEL, 1);
    return features | (uint64_t)mmio_read32(device->registers + COMMON_DEVICE_FEATURES) << 32;
}

static void accept(struct virtio_device *device, uint64_t features)
{
    mmio_write32(device->registers + COMMON_DRIVER_FEATURES_SEL, 0);
    mmio_write32(device->registers + COMMON_DRIVER_FEATURES, (uint32_t)features);
    mmio_write32(device->registers + COMMON_DRIVER_FEATURES_SEL, 1);
    mmio_write32(device->registers + COMMON_DRIVER_FEATURES, (uint32_t)(features >> 32));
    mmio_write16(device->registers + COMMON_CONFIG_VECTOR, VECTOR);
}

static uint32_t select_queue(struct virtio_device *device, uint32_t queue)
{
    uint64_t offset;

    mmio_write16(device->registers + COMMON_QUEUE_SEL, (uint16_t)queue);
    offset = mmio_read16(device->registers + COMMON_QUEUE_NOTIFY) * (uint64_t)device->notify_step;
    if (mmio_read16(device->registers + COMMON_QUEUE_ENABLE) || offset + 2 > device->notify_size)
        return 0;
    device->notify_address[queue] = device->notify + offset;
    return mmio_read16(device->registers + COMMON_QUEUE_SIZE);
}

static void set_address(struct virtio_device *device, uint32_t offset, const void *memory)
{
    mmio_write32(device->registers + offset, (uint32_t)(uintptr_t)memory);
    mmio_write32(device->registers + offset + 4, (uint32_t)((uintptr_t)memory >> 32));
}

static void enable(struct virtio_device *device, uint32_t index, const struct driver_queue *queue)
{
    (void)index;
    mmio_write16(device->registers + COMMON_QUEUE_SIZE, queue->size);
    mmio_write16(device->registers + COMMON_QUEUE_VECTOR, VECTOR);
    set_address(device, COMMON_QUEUE_DESC, queue->descriptor);
    set_address(device, COMMON_QUEUE_DRIVER, queue->available);
    set_address(device, COMMON_QUEUE_DEVICE, queue->used);
    mmio_write16(device->registers + COMMON_QUEUE_ENABLE, 1);
}

static void notify(struct virtio_device *device, uint32_t queue)
{
    mmio_write16(device->notify_address[queue], (uint16_t)queue);
}

static uint32_t generation(const struct virtio_device *device)
{
    return mmio_read8(device->registers + COMMON_GENERATION);
}

static INTERRUPT_CONTEXT void interrupted(struct interrupt_handler *handler)
{
    struct virtio_device *device = handler->owner;

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

/* Where the capability of this type says that its structure is, mapped; the capability's offset in `at`. */
static uintptr_t structure(const struct pci_function *function, uint32_t type, uint32_t least, uint32_t *length,
                           uint32_t *at)
{
    uint32_t looks = 0;

    for (*at = 0; (*at = pci_capability(function, PCI_CAPABILITY_VENDOR, *at)) && looks < CAPABILITIES_MAX; looks++) {
        uintptr_t capability = function->config + *at;

        if (mmio_read8(capability + CAP_TYPE) != type)
            continue;
        *length = mmio_read32(capability + CAP_LENGTH);
        if (*length >= least && *length <= CAP_LENGTH_MAX)
            return pci_bar(function, mmio_read8(capability + CAP_BAR), mmio_read32(capability + CAP_OFFSET), *length);
    }
    return 0;
}

bool virtio_pci_probe(const struct pci_function *function)
{
    uint32_t id = mmio_read32(function->config + PCI_ID), kind = id >> 16, length, at;
    struct virtio_device device = {.transport = &transport};

    if ((id & 0xffff) != VENDOR_VIRTIO || kind < DEVICE_TRANSITIONAL || kind > DEVICE_LAST)
        return false;
    device.id = kind < DEVICE_MODERN ? mmio_read32(function->config + PCI_SUBSYSTEM) >> 16 : kind - DEVICE_MODERN;
    device.registers = structure(function, CAP_TYPE_COMMON, COMMON_LENGTH, &length, &at);
    device.configuration = structure(function, CAP_TYPE_DEVICE, 0, &device.configuration_size, &at);
    device.notify = structure(function, CAP_TYPE_NOTIFY, 2, &device.notify_size, &at);
    if (!device.registers || !device.notify) {
        bulkhead_log("virtio device %s is a legacy one, or has no memory; not used", function->name);
        return true;
    }
    device.notify_step = mmio_read32(function->config + at + CAP_NOTIFY_STEP);
    if (!device.configuration)
        device.configuration_size = 0;
    pci_enable(function);
    if (!virtio_device_reset(&device)) { /* it may still have queues of this domain's former life */
        bulkhead_log("virtio device %s does not reset; not used", function->name);
        return true;
    }
    pci_enable_master(function);
    device.interrupt = pci_message(function);
    virtio_device_found(&device);
    return true;
}
