/* SPDX-License-Identifier: Apache-2.0 */
/* What a transport does for devices/virtio/device.c. */
#ifndef DEVICES_VIRTIO_TRANSPORT_H
#define DEVICES_VIRTIO_TRANSPORT_H

#include <devices/virtio/device.h>

struct virtio_transport {
    uint32_t (*status)(const struct virtio_device *device);
    void (*set_status)(struct virtio_device *device, uint32_t status);
    uint64_t (*offered)(struct virtio_device *device);
    void (*accept)(struct virtio_device *device, uint64_t features);
    /* Selects a queue; how many descriptors it can have, 0: it is not there, or in use. */
    uint32_t (*select)(struct virtio_device *device, uint32_t queue);
    /* Gives the selected queue its size and memory, and enables it. */
    void (*enable)(struct virtio_device *device, uint32_t index, const struct driver_queue *queue);
    void (*notify)(struct virtio_device *device, uint32_t queue);
    uint32_t (*generation)(const struct virtio_device *device);
    void (*interrupted)(struct interrupt_handler *handler); /* owner: the device */
};

/* False: the device goes on. */
bool virtio_device_reset(struct virtio_device *device);
/* The driver of an identified device: its `id`, transport and addresses are set. False: nobody drives such devices. */
bool virtio_device_found(const struct virtio_device *device);

#endif
