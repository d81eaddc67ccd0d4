/* SPDX-License-Identifier: Apache-2.0 */
/*
 * A physical virtio device behind one of two transports, virtio-mmio or virtio-pci (virtio 1.2, sections 4.2 and 4.1).
 * Its registers and configuration are not trusted: every wait is bounded, every value is checked by who uses it. Loop
 * context.
 */
#ifndef DEVICES_VIRTIO_DEVICE_H
#define DEVICES_VIRTIO_DEVICE_H

#include <devices/virtio/driver_queue.h>
#include <lib/native.h>
#include <mgmt/loop.h>

#define VIRTIO_DEVICE_QUEUES_MAX 4u

struct virtio_transport;

struct virtio_device {
    const struct virtio_transport *transport;
    uintptr_t registers;     /* mmio: the bank; pci: the common configuration */
    uintptr_t configuration; /* device-specific */
    uint32_t configuration_size;
    uintptr_t notify;          /* pci: the notification area, */
    uint32_t notify_size;      /* bytes of it, */
    uint32_t notify_step;      /* bytes between offsets, */
    uintptr_t notify_address[VIRTIO_DEVICE_QUEUES_MAX]; /* and where each queue's address is */
    uint32_t id;               /* enum virtio_device_id */
    uint64_t features;         /* negotiated */
    uint32_t interrupt;
    bool level;
    bool failed;
    struct interrupt_handler handler;
    /* The driver's: signalled when a queue was used or the configuration changed. */
    struct loop_source *source;
};

/* Resets the device; what it offers. */
uint64_t virtio_device_offers(struct virtio_device *device);
/* Negotiates `wanted` of that, VERSION_1 always. False: the device does not want it. */
bool virtio_device_begin(struct virtio_device *device, uint64_t wanted);
/* Sets queue `index` up with memory of its own, of at most `size` descriptors. */
bool virtio_device_queue(struct virtio_device *device, uint32_t index, uint16_t size, struct driver_queue *queue);
/* DRIVER_OK, and its interrupt. */
bool virtio_device_ready(struct virtio_device *device, struct loop_source *source);
void virtio_device_notify(struct virtio_device *device, uint32_t queue);
/* The device is beyond trust: reset it, which ends its access to memory, and use it no more. */
void virtio_device_fail(struct virtio_device *device, const char *why);

/* Device-specific configuration. */
uint8_t virtio_config_u8(const struct virtio_device *device, uint32_t offset);
uint16_t virtio_config_u16(const struct virtio_device *device, uint32_t offset);
uint32_t virtio_config_u32(const struct virtio_device *device, uint32_t offset);
uint64_t virtio_config_u64(const struct virtio_device *device, uint32_t offset);

/* Drivers: called once for each device of their kind, in discovery order. They keep the pointer. */
void virtio_net_probe(struct virtio_device *device);
void virtio_blk_probe(struct virtio_device *device);
void virtio_entropy_probe(struct virtio_device *device);

#endif
