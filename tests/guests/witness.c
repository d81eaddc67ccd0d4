// SPDX-License-Identifier: Apache-2.0
/*
 * A well-behaved guest: it counts aloud, ten times a second, woken by its timer, and verifies each time that its memory
 * and its disk are as it left them. What others do must never show here.
 */
#include "support/virtio.h"
#include <devices/virtio/blk.h>

#define PATTERN_BYTES (1u << 20)
#define BLOCK_BYTES 4096u

static volatile bool woken;

static void tick(uint32_t id)
{
    woken |= id == TIMER_INTERRUPT;
    timer_off();
}

static bool transfer(struct virtio_device *disk, uint32_t type, uint64_t sector, void *data)
{
    static struct virtio_blk_header header;
    static volatile uint8_t status;
    struct virtio_queue *queue = &disk->queue[0];

    header = (struct virtio_blk_header){.type = type, .sector = sector};
    status = 0xee;
    virtio_describe(queue, 0, (uint64_t)&header, sizeof(header), VIRTIO_DESCRIPTOR_NEXT, 1);
    virtio_describe(queue, 1, (uint64_t)data, BLOCK_BYTES,
                    VIRTIO_DESCRIPTOR_NEXT | (type == VIRTIO_BLK_T_IN ? VIRTIO_DESCRIPTOR_WRITE : 0), 2);
    virtio_describe(queue, 2, (uint64_t)&status, 1, VIRTIO_DESCRIPTOR_WRITE, 0);
    virtio_offer(queue, 0);
    virtio_notify(disk, 0);
    return virtio_wait(queue) && status == VIRTIO_BLK_S_OK;
}

/* Writes a block that names its round and reads it back. */
static bool disk_keeps(struct virtio_device *disk, uint64_t round)
{
    static uint64_t out[BLOCK_BYTES / 8] __attribute__((aligned(4096))),
        in[BLOCK_BYTES / 8] __attribute__((aligned(4096)));
    uint64_t sector = round % 16 * (BLOCK_BYTES / 512), state = round + 1;

    for (uint32_t i = 0; i < BLOCK_BYTES / 8; i++) {
        out[i] = random_next(&state);
        in[i] = 0;
    }
    if (!transfer(disk, VIRTIO_BLK_T_OUT, sector, out) || !transfer(disk, VIRTIO_BLK_T_IN, sector, in))
        return false;
    for (uint32_t i = 0; i < BLOCK_BYTES / 8; i++)
        if (in[i] != out[i])
            return false;
    return true;
}

void guest_main(void)
{
    struct guest_memory all = guest_memory();
    struct virtio_device disk = virtio_find(VIRTIO_ID_BLOCK);
    volatile uint64_t *pattern = (volatile uint64_t *)(all.base + all.size / 2);

    interrupts_start();
    interrupt_handler = tick;
    interrupt_enable(TIMER_INTERRUPT);
    for (uint64_t i = 0; i < PATTERN_BYTES / 8; i++)
        pattern[i] = i * 0x9e3779b97f4a7c15ull;
    if (disk.base != 0 && !virtio_start(&disk))
        check(false, "the disk starts");
    for (uint64_t round = 1;; round++) {
        woken = false;
        simd_set(round);
        timer_after_ms(100);
        while (!woken)
            interrupts_wait();
        if (!simd_is(round))
            check(false, "its SIMD registers are its own");
        for (uint64_t i = round % 64; i < PATTERN_BYTES / 8; i += 64)
            if (pattern[i] != i * 0x9e3779b97f4a7c15ull)
                check(false, "its memory is its own (%lx)", (uint64_t)&pattern[i]);
        if (disk.base != 0 && round % 5 == 0 && !disk_keeps(&disk, round))
            check(false, "its disk is its own");
        print("witness %lu\n", round);
    }
}
