// SPDX-License-Identifier: Apache-2.0
#include "virtio.h"
#include <devices/virtio/blk.h>

/* A set of rings a kind of device. A hostile guest names them as buffers, of up to 64 KiB, so that nothing that it
 * needs may follow them. */
static struct {
    uint8_t rings[VIRTIO_ID_ENTROPY + 1][2][3][4096];
    uint8_t buffer[4096];
    uint8_t behind[65536];
} arena __attribute__((aligned(4096)));

static void barrier(void)
{
    __atomic_thread_fence(__ATOMIC_SEQ_CST);
}

struct virtio_device virtio_find(uint32_t id)
{
    for (uint32_t slot = 0; slot < GUEST_VIRTIO_SLOTS; slot++) {
        struct virtio_device device = {.base = GUEST_VIRTIO_BASE + slot * 4096ull, .id = id};
        bool present;

        fault_expect();
        present = virtio_read(&device, VIRTIO_MMIO_MAGIC) == VIRTIO_MMIO_MAGIC_VALUE &&
                  virtio_read(&device, VIRTIO_MMIO_DEVICE_ID) == id;
        if (fault_taken().count == 0 && present) {
            device.queues = id == VIRTIO_ID_NET || id == VIRTIO_ID_CONSOLE ? 2 : 1;
            return device;
        }
    }
    return (struct virtio_device){0};
}

bool virtio_reset(struct virtio_device *device)
{
    uint64_t end = now_ms() + PATIENCE_MS;

    virtio_write(device, VIRTIO_MMIO_STATUS, 0);
    while (virtio_read(device, VIRTIO_MMIO_STATUS) != 0)
        if (now_ms() > end)
            return false;
    return true;
}

static void set_address(struct virtio_device *device, uint32_t low, volatile void *address)
{
    virtio_write(device, low, (uint32_t)(uint64_t)address);
    virtio_write(device, low + 4, (uint32_t)((uint64_t)address >> 32));
}

static void start_queue(struct virtio_device *device, uint32_t index)
{
    struct virtio_queue *queue = &device->queue[index];
    uint8_t(*rings)[4096] = arena.rings[device->id][index];

    for (uint32_t part = 0; part < 3; part++)
        for (uint32_t i = 0; i < 4096; i++)
            rings[part][i] = 0;
    *queue = (struct virtio_queue){
        .index = index,
        .descriptors = (volatile struct virtio_descriptor *)rings[0],
        .available = (volatile struct virtio_available *)rings[1],
        .used = (volatile struct virtio_used *)rings[2],
    };
    virtio_write(device, VIRTIO_MMIO_QUEUE_SEL, index);
    virtio_write(device, VIRTIO_MMIO_QUEUE_NUM, VIRTIO_QUEUE_SIZE);
    set_address(device, VIRTIO_MMIO_QUEUE_DESC_LOW, queue->descriptors);
    set_address(device, VIRTIO_MMIO_QUEUE_DRIVER_LOW, queue->available);
    set_address(device, VIRTIO_MMIO_QUEUE_DEVICE_LOW, queue->used);
    barrier();
    virtio_write(device, VIRTIO_MMIO_QUEUE_READY, 1);
}

bool virtio_start(struct virtio_device *device)
{
    uint32_t status = VIRTIO_STATUS_ACKNOWLEDGE | VIRTIO_STATUS_DRIVER;

    if (!virtio_reset(device))
        return false;
    virtio_write(device, VIRTIO_MMIO_STATUS, status);
    for (uint32_t half = 0; half < 2; half++) {
        virtio_write(device, VIRTIO_MMIO_DEVICE_FEATURES_SEL, half);
        virtio_write(device, VIRTIO_MMIO_DRIVER_FEATURES_SEL, half);
        virtio_write(device, VIRTIO_MMIO_DRIVER_FEATURES, virtio_read(device, VIRTIO_MMIO_DEVICE_FEATURES));
    }
    status |= VIRTIO_STATUS_FEATURES_OK;
    virtio_write(device, VIRTIO_MMIO_STATUS, status);
    if (!(virtio_read(device, VIRTIO_MMIO_STATUS) & VIRTIO_STATUS_FEATURES_OK))
        return false;
    for (uint32_t i = 0; i < device->queues; i++)
        start_queue(device, i);
    virtio_write(device, VIRTIO_MMIO_STATUS, status | VIRTIO_STATUS_DRIVER_OK);
    return true;
}

void virtio_describe(struct virtio_queue *queue, uint32_t index, uint64_t address, uint32_t length, uint16_t flags,
                     uint16_t next)
{
    volatile struct virtio_descriptor *descriptor = &queue->descriptors[index % VIRTIO_QUEUE_SIZE];

    descriptor->address = address;
    descriptor->length = length;
    descriptor->flags = flags;
    descriptor->next = next;
}

void virtio_offer(struct virtio_queue *queue, uint16_t head)
{
    uint16_t at = queue->available->index;

    queue->available->ring[at % VIRTIO_QUEUE_SIZE] = head;
    barrier();
    queue->available->index = (uint16_t)(at + 1);
    barrier();
}

void virtio_notify(struct virtio_device *device, uint32_t queue)
{
    barrier();
    virtio_write(device, VIRTIO_MMIO_QUEUE_NOTIFY, queue);
}

bool virtio_wait(struct virtio_queue *queue)
{
    uint64_t end = now_ms() + PATIENCE_MS;

    while (queue->used->index == queue->seen) {
        if (now_ms() > end)
            return false;
        cpu_relax();
    }
    queue->seen++;
    barrier();
    return true;
}

static bool block_works(struct virtio_device *device)
{
    static struct virtio_blk_header header;
    static volatile uint8_t status;
    struct virtio_queue *queue = &device->queue[0];

    header = (struct virtio_blk_header){.type = VIRTIO_BLK_T_IN};
    status = 0xee;
    virtio_describe(queue, 0, (uint64_t)&header, sizeof(header), VIRTIO_DESCRIPTOR_NEXT, 1);
    virtio_describe(queue, 1, (uint64_t)arena.buffer, 512, VIRTIO_DESCRIPTOR_NEXT | VIRTIO_DESCRIPTOR_WRITE, 2);
    virtio_describe(queue, 2, (uint64_t)&status, 1, VIRTIO_DESCRIPTOR_WRITE, 0);
    virtio_offer(queue, 0);
    virtio_notify(device, 0);
    return virtio_wait(queue) && status == VIRTIO_BLK_S_OK;
}

static bool sends(struct virtio_device *device, uint32_t length)
{
    struct virtio_queue *queue = &device->queue[1];

    virtio_describe(queue, 0, (uint64_t)arena.buffer, length, 0, 0);
    virtio_offer(queue, 0);
    virtio_notify(device, 1);
    return virtio_wait(queue);
}

static bool network_works(struct virtio_device *device)
{
    for (uint32_t i = 0; i < 12 + 60; i++)
        arena.buffer[i] = i >= 12 && i < 18 ? 0xff : 0;
    arena.buffer[12 + 6] = 2;                                   /* sender: a local address */
    arena.buffer[12 + 12] = 0x88, arena.buffer[12 + 13] = 0xb5; /* local experimental */
    return sends(device, 12 + 60);
}

static bool console_works(struct virtio_device *device)
{
    arena.buffer[0] = '.', arena.buffer[1] = '\n';
    return sends(device, 2);
}

static bool entropy_works(struct virtio_device *device)
{
    struct virtio_queue *queue = &device->queue[0];

    virtio_describe(queue, 0, (uint64_t)arena.buffer, 64, VIRTIO_DESCRIPTOR_WRITE, 0);
    virtio_offer(queue, 0);
    virtio_notify(device, 0);
    return virtio_wait(queue) && queue->used->ring[0].length > 0 && queue->used->ring[0].length <= 64;
}

bool virtio_works(struct virtio_device *device)
{
    switch (device->id) {
    case VIRTIO_ID_BLOCK:
        return block_works(device);
    case VIRTIO_ID_NET:
        return network_works(device);
    case VIRTIO_ID_CONSOLE:
        return console_works(device);
    case VIRTIO_ID_ENTROPY:
        return entropy_works(device);
    default:
        return false;
    }
}
