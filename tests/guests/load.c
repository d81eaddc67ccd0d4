// SPDX-License-Identifier: Apache-2.0
/*
 * A guest that asks of its back-ends all that they can give, for ever: frames, disk requests both ways, entropy,
 * console output, all at once. It is what is restarted while others look on (issue 2, point 18).
 */
#include "support/virtio.h"
#include <devices/virtio/blk.h>

#define DEPTH 16u /* requests in flight a queue */
#define BLOCK_BYTES 4096u

static uint8_t buffers[DEPTH][BLOCK_BYTES] __attribute__((aligned(4096)));
static uint8_t frame[12 + 1514] __attribute__((aligned(64)));
static struct virtio_blk_header header[DEPTH];
static uint8_t status[DEPTH];
static uint64_t done[5]; /* by device ID */

static void disk_request(struct virtio_device *disk, uint32_t n, uint64_t round)
{
    struct virtio_queue *queue = &disk->queue[0];
    bool read = round % 2;

    header[n] = (struct virtio_blk_header){.type = read ? VIRTIO_BLK_T_IN : VIRTIO_BLK_T_OUT,
                                           .sector = round % 64 * (BLOCK_BYTES / 512)};
    virtio_describe(queue, 3 * n, (uint64_t)&header[n], sizeof(header[n]), VIRTIO_DESCRIPTOR_NEXT,
                    (uint16_t)(3 * n + 1));
    virtio_describe(queue, 3 * n + 1, (uint64_t)buffers[n], BLOCK_BYTES,
                    VIRTIO_DESCRIPTOR_NEXT | (read ? VIRTIO_DESCRIPTOR_WRITE : 0), (uint16_t)(3 * n + 2));
    virtio_describe(queue, 3 * n + 2, (uint64_t)&status[n], 1, VIRTIO_DESCRIPTOR_WRITE, 0);
    virtio_offer(queue, (uint16_t)(3 * n));
}

/* Takes what came back on a queue and offers it again; disk requests as new ones. */
static void turn(struct virtio_device *device, struct virtio_queue *queue)
{
    bool any = false;

    while (queue->seen != queue->used->index) {
        uint16_t head = (uint16_t)queue->used->ring[queue->seen % VIRTIO_QUEUE_SIZE].head;

        queue->seen++;
        done[device->id]++;
        any = true;
        if (device->id != VIRTIO_ID_BLOCK) {
            virtio_offer(queue, head);
            continue;
        }
        if (head / 3 >= DEPTH || status[head / 3] != VIRTIO_BLK_S_OK) {
            check(false, "request %u is answered well", (unsigned)head / 3);
            guest_done();
        }
        disk_request(device, head / 3u, done[VIRTIO_ID_BLOCK]);
    }
    if (any)
        virtio_notify(device, queue->index);
}

/* Fills a queue with single buffers of `length` bytes. */
static void fill(struct virtio_device *device, uint32_t index, uint8_t *at, uint32_t step, uint32_t length,
                 uint16_t flags)
{
    for (uint16_t i = 0; i < DEPTH; i++) {
        virtio_describe(&device->queue[index], i, (uint64_t)(at + i * step), length, flags, 0);
        virtio_offer(&device->queue[index], i);
    }
    virtio_notify(device, index);
}

static void start(struct virtio_device *device, uint32_t id)
{
    static uint8_t received[DEPTH][2048], random[DEPTH][256], typed[DEPTH][16], line[] = "load\r\n";

    *device = virtio_find(id);
    if (device->base == 0)
        return;
    if (!virtio_start(device)) {
        check(false, "device %u starts", (unsigned)id);
        guest_done();
    }
    switch (id) {
    case VIRTIO_ID_NET:
        fill(device, 0, received[0], sizeof(received[0]), sizeof(received[0]), VIRTIO_DESCRIPTOR_WRITE);
        fill(device, 1, frame, 0, sizeof(frame), 0);
        break;
    case VIRTIO_ID_BLOCK:
        for (uint32_t i = 0; i < DEPTH; i++)
            disk_request(device, i, i);
        virtio_notify(device, 0);
        break;
    case VIRTIO_ID_CONSOLE:
        fill(device, 0, typed[0], sizeof(typed[0]), sizeof(typed[0]), VIRTIO_DESCRIPTOR_WRITE);
        fill(device, 1, line, 0, sizeof(line) - 1, 0);
        break;
    default:
        fill(device, 0, random[0], sizeof(random[0]), sizeof(random[0]), VIRTIO_DESCRIPTOR_WRITE);
        break;
    }
}

void guest_main(void)
{
    struct virtio_device device[VIRTIO_ID_ENTROPY + 1];
    uint64_t told = now_ms();

    for (uint32_t i = 0; i < 6; i++) {
        frame[12 + i] = i == 0 ? 2 : 0xfe; /* to nobody: the switch floods it */
        frame[12 + 6 + i] = i == 0 ? 2 : 0xfd;
    }
    frame[12 + 12] = 0x88, frame[12 + 13] = 0xb5; /* local experimental */
    for (uint32_t id = VIRTIO_ID_NET; id <= VIRTIO_ID_ENTROPY; id++)
        start(&device[id], id);
    print("load: started\n");
    for (;;) {
        for (uint32_t id = VIRTIO_ID_NET; id <= VIRTIO_ID_ENTROPY; id++)
            for (uint32_t i = 0; device[id].base != 0 && i < device[id].queues; i++)
                turn(&device[id], &device[id].queue[i]);
        if (now_ms() - told >= 1000) {
            told = now_ms();
            print("load: net %lu disk %lu console %lu entropy %lu\n", done[VIRTIO_ID_NET], done[VIRTIO_ID_BLOCK],
                  done[VIRTIO_ID_CONSOLE], done[VIRTIO_ID_ENTROPY]);
        }
    }
}
