/* SPDX-License-Identifier: Apache-2.0 */
/* Finds the virtio-mmio transports that this partition was given, and hands each device to its driver. */
#include <bulkhead/channel.h>
#include <devices/virtio/device.h>
#include <lib/tree.h>
#include <mgmt/bulkhead_log.h>
#include <mgmt/module.h>

#define DEVICES_MAX 32u
#define TRANSPORT_VERSION 2u

static struct virtio_device devices[DEVICES_MAX];

static void (*const drivers[])(struct virtio_device *device) = {
    [VIRTIO_ID_NET] = virtio_net_probe,
    [VIRTIO_ID_BLOCK] = virtio_blk_probe,
    [VIRTIO_ID_ENTROPY] = virtio_entropy_probe,
};

static void virtio_bus_start(void)
{
    uint32_t count = 0;

    for (int node = -1; count < DEVICES_MAX && (node = tree_compatible(node, "virtio,mmio")) >= 0;) {
        struct virtio_device *device = &devices[count];
        struct tree_range registers = tree_reg(node, 0);

        if (registers.size < VIRTIO_MMIO_CONFIG)
            continue;
        memory_map(registers.base, registers.size, MEMORY_DEVICE);
        if (mmio_read32(registers.base + VIRTIO_MMIO_MAGIC) != VIRTIO_MMIO_MAGIC_VALUE)
            continue;
        *device = (struct virtio_device){.registers = registers.base};
        device->id = mmio_read32(registers.base + VIRTIO_MMIO_DEVICE_ID);
        device->interrupt = tree_interrupt(node, 0, &device->level);
        if (device->id >= sizeof drivers / sizeof *drivers || !drivers[device->id])
            continue;
        if (mmio_read32(registers.base + VIRTIO_MMIO_VERSION) != TRANSPORT_VERSION) {
            bulkhead_log("virtio device at %lx is a legacy one; not used", (unsigned long)registers.base);
            continue;
        }
        drivers[device->id](device);
        count++;
    }
}
MODULE(MODULE_DEVICE, virtio_bus, virtio_bus_start);
